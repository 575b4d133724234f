//! Where a server is dialled: its addresses, tried in turn, and what a round of dials that failed says. Pure.
//!
//! A server of one address has a list of one. An address that somebody announces later, while links are open, would be
//! a second kind of list behind `Endpoints::round`, which is asked anew for each round.

use super::addresses::FailedAddresses;
use crate::address::Address;
use crate::error::{Error, Status};

/// The addresses of a server; shared by its links.
#[derive(Debug, Default)]
pub struct Endpoints {
    addresses: Vec<Address>,
    /// Which addresses of their names failed when they were tried last.
    pub(super) failed: FailedAddresses,
}

impl Endpoints {
    /// These, in the order in which to try them.
    pub fn new(addresses: Vec<Address>) -> Endpoints {
        Endpoints { addresses, failed: FailedAddresses::default() }
    }

    /// The address that is tried first.
    pub(super) fn first(&self) -> Option<&Address> {
        self.addresses.first()
    }

    /// A round of dials, which begins with the first address.
    pub(super) fn round(&self) -> Round<'_> {
        Round { left: self.addresses.iter(), error: None }
    }
}

/// One round of dials: each address once.
#[derive(Debug)]
pub(super) struct Round<'a> {
    left: std::slice::Iter<'a, Address>,
    error: Option<Error>,
}

impl<'a> Round<'a> {
    /// The address to dial next. `None`: the round has failed, see [`Round::into_error`].
    pub(super) fn next(&mut self) -> Option<&'a Address> {
        self.left.next()
    }

    /// This address could not be dialled; gives the error with the address in front.
    pub(super) fn on_failure(&mut self, address: &Address, error: &Error) -> Error {
        let error = Error::new(error.status, format!("{address}: {}", error.message));
        // A wrong password is what people must hear of, whatever ails the addresses behind.
        if self.error.as_ref().is_none_or(|before| before.status != Status::Auth) {
            self.error = Some(error.clone());
        }
        error
    }

    /// Why the round failed.
    pub(super) fn into_error(self) -> Error {
        self.error.unwrap_or_else(|| Error::new(Status::Connect, "no endpoint is configured"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Auth, Connect, Protocol};

    #[test]
    fn a_round_tries_each_address_once_and_tells_of_the_password_or_else_of_the_last() {
        for (addresses, failures, end) in [
            ("", &[][..], (Connect, "no endpoint is configured")),
            ("one:1", &[Connect], (Connect, "one:1: failure 0")),
            ("one:1 two:2", &[Connect, Protocol], (Protocol, "two:2: failure 1")),
            ("one:1 two:2 three:3", &[Connect, Auth, Connect], (Auth, "two:2: failure 1")),
            ("one:1 two:2", &[Auth, Auth], (Auth, "one:1: failure 0")),
            ("/one.sock two:2", &[Connect, Connect], (Connect, "two:2: failure 1")),
        ] {
            let parsed: Vec<Address> = addresses.split_whitespace().map(|text| Address::parse(text).unwrap()).collect();
            let endpoints = Endpoints::new(parsed.clone());
            assert_eq!(endpoints.first(), parsed.first());
            for _ in 0..2 {
                let mut round = endpoints.round();
                for (number, (address, status)) in parsed.iter().zip(failures).enumerate() {
                    assert_eq!(round.next(), Some(address), "every round begins with the first");
                    let failure = Error::new(*status, format!("failure {number}"));
                    let told = round.on_failure(address, &failure);
                    assert_eq!(told.message, format!("{address}: failure {number}"));
                }
                assert_eq!(round.next(), None, "{addresses}");
                let error = round.into_error();
                assert_eq!((error.status, error.message.as_str()), end, "{addresses}");
            }
        }
    }
}
