//! What MOVED and ASK say: which slot, and where it is. Pure.
//!
//! Invariant: an address is given only if it can be dialled. Follows
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

use crate::address::Address;
use crate::error::{Error, Status};
use crate::protocol::slot::SLOTS;

/// Which of the two redirects it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The slot belongs to another node from now on.
    Moved,
    /// The slot is on its way to another node: this one command goes there, behind ASKING.
    Ask,
}

impl Kind {
    /// The redirect that an error says; `None`: it says none.
    pub fn of(error: &[u8]) -> Option<Kind> {
        match error.split(|byte| *byte == b' ').next() {
            Some(b"MOVED") => Some(Kind::Moved),
            Some(b"ASK") => Some(Kind::Ask),
            _ => None,
        }
    }
}

/// The slot that a redirect names; `None`: the error is none, or not one that can be read.
pub fn slot_of(error: &[u8]) -> Option<u16> {
    // (Who was asked is of no account for that.)
    Redirect::parse(error, &Address::default()).ok().map(|redirect| redirect.slot)
}

/// A redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Which of the two.
    pub kind: Kind,
    /// The slot.
    pub slot: u16,
    /// Where to go; `None`: the node does not know how the other one can be reached.
    pub to: Option<Address>,
}

impl Redirect {
    /// What this error says, which came from the node that was asked at `asked`.
    pub fn parse(error: &[u8], asked: &Address) -> Result<Redirect, Error> {
        let wrong = || {
            let shown = String::from_utf8_lossy(error.get(..100).unwrap_or(error));
            Error::new(Status::Protocol, format!("{asked} sent a redirect that cannot be read: {shown:?}"))
        };
        let text = std::str::from_utf8(error).map_err(|_| wrong())?;
        let mut words = text.split(' ');
        let (Some(kind), Some(slot), Some(place)) =
            (Kind::of(error).filter(|_| words.next().is_some()), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let slot = number(slot).filter(|slot| *slot < SLOTS).ok_or_else(wrong)?;
        // An IPv6 address stands there without brackets.
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let port = number(port).ok_or_else(wrong)?;
        let to = place_of(host, port, asked).map_err(|_| wrong())?;
        Ok(Redirect { kind, slot, to })
    }
}

/// The address of a node of which a node says this, when it was asked at `asked`: no host is the one that was asked, no
/// port the one that was asked. `None`: the host is not known.
pub fn place_of(host: &str, port: u16, asked: &Address) -> Result<Option<Address>, Error> {
    let (asked_host, asked_port) = match asked {
        Address::Tcp { host, port } => (Some(host.as_str()), Some(*port)),
        Address::Unix(_) => (None, None),
    };
    let host = match host {
        "?" => None,
        "" => asked_host,
        host => Some(host),
    };
    let port = if port == 0 { asked_port } else { Some(port) };
    match (host, port) {
        (Some(host), Some(port)) => Address::tcp(host, port).map(Some),
        _ => Ok(None),
    }
}

/// Digits only: `u16::from_str` alone would take a sign.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "seed.example:7000";

    fn read(text: &str) -> Result<Redirect, Error> {
        Redirect::parse(text.as_bytes(), &Address::parse(ASKED).unwrap())
    }

    #[test]
    fn what_nodes_say() {
        for (text, kind, slot, to) in [
            ("MOVED 3999 127.0.0.1:6381", Kind::Moved, 3999, Some("127.0.0.1:6381")),
            ("ASK 0 10.0.0.7:1", Kind::Ask, 0, Some("10.0.0.7:1")),
            ("MOVED 16383 node-1.example.org:65535", Kind::Moved, 16383, Some("node-1.example.org:65535")),
            ("MOVED 1 ::1:6379", Kind::Moved, 1, Some("[::1]:6379")),
            ("MOVED 1 [::1]:6379", Kind::Moved, 1, Some("[::1]:6379")),
            ("ASK 1 fe80::1%eth0:6379", Kind::Ask, 1, Some("[fe80::1%eth0]:6379")),
            ("MOVED 8579 :21421", Kind::Moved, 8579, Some("seed.example:21421")),
            ("MOVED 8579 ?:21421", Kind::Moved, 8579, None),
            ("MOVED 8579 ?:0", Kind::Moved, 8579, None),
            ("MOVED 5 10.0.0.7:0", Kind::Moved, 5, Some("10.0.0.7:7000")),
            ("ASK 5 :0", Kind::Ask, 5, Some("seed.example:7000")),
            ("MOVED 5 10.0.0.7:1 and what a later version may add", Kind::Moved, 5, Some("10.0.0.7:1")),
        ] {
            let to = to.map(|to| Address::parse(to).unwrap());
            assert_eq!(read(text).unwrap(), Redirect { kind, slot, to }, "{text}");
        }
    }

    #[test]
    fn the_rest_is_an_error_that_names_the_node_and_quotes_it() {
        for text in [
            "MOVED",
            "MOVED ",
            "MOVED 1",
            "MOVED 1 ",
            "MOVED 1 host",
            "MOVED 1 host:",
            "MOVED 1 host:x",
            "MOVED 1 host:+1",
            "MOVED 1 host:65536",
            "MOVED 1 ho/st:1",
            "MOVED 1 ::g:1",
            "MOVED 1 [::1:1",
            "MOVED  1 host:1",
            "MOVED 16384 host:1",
            "MOVED -1 host:1",
            "MOVED +1 host:1",
            "MOVED x host:1",
            "ASK host:1",
            "ASKING 1 host:1",
            "moved 1 host:1",
            "ERR no",
            "",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.status, Status::Protocol, "{text:?}");
            assert!(error.message.contains(ASKED) && error.message.contains(text), "{}", error.message);
        }
        let long = format!("MOVED {}", "1".repeat(10_000));
        assert!(read(&long).unwrap_err().message.len() < 300);
        assert!(Redirect::parse(b"MOVED 1 h\xffst:1", &Address::default()).is_err());
    }

    #[test]
    fn behind_a_unix_socket_what_is_left_out_is_not_known() {
        let socket = Address::parse("/run/redis.sock").unwrap();
        for (text, to) in [("MOVED 1 :7001", None), ("MOVED 1 host:0", None), ("MOVED 1 host:1", Some("host:1"))] {
            let to = to.map(|to| Address::parse(to).unwrap());
            assert_eq!(Redirect::parse(text.as_bytes(), &socket).unwrap().to, to, "{text}");
        }
    }
}
