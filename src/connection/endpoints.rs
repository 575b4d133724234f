//! Where a server is dialled: its addresses, tried in turn, or the one that was announced last; and what a round of
//! dials that failed says.
//!
//! Invariant: whoever dials hears of each announcement that came after the addresses it was given.

use tokio::sync::{Notify, watch};

use super::addresses::FailedAddresses;
use crate::address::Address;
use crate::config::{Config, TopologyKind};
use crate::error::{Error, Status};

/// What is known of where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// Its addresses, in the order in which to try them.
    At(Vec<Address>),
    /// Nothing yet: whoever dials waits.
    Sought,
    /// It was not found, for this reason; the search goes on.
    Unknown(Error),
}

/// The addresses of a server; shared by its links.
#[derive(Debug)]
pub struct Endpoints {
    known: watch::Sender<Known>,
    /// Which addresses of their names failed when they were tried last.
    pub(super) failed: FailedAddresses,
    /// Only a primary will do.
    wants_primary: bool,
    /// It is a replica of a cluster, which answers reads only if it is told to.
    of_replica: bool,
    /// A round of dials failed.
    failures: Notify,
}

impl Endpoints {
    /// These, in the order in which to try them.
    pub fn new(addresses: Vec<Address>) -> Endpoints {
        Endpoints::of(Known::At(addresses), false)
    }

    /// Those of the server of a client that is configured so: of several, that of the primary.
    pub fn configured(config: &Config) -> Endpoints {
        let addresses = config.endpoints.clone();
        match config.topology {
            TopologyKind::Sentinel => Endpoints::of(Known::Sought, true),
            TopologyKind::Standalone | TopologyKind::Auto if addresses.len() > 1 => {
                Endpoints::of(Known::At(addresses), true)
            }
            _ => Endpoints::new(addresses),
        }
    }

    fn of(known: Known, wants_primary: bool) -> Endpoints {
        let known = watch::Sender::new(known);
        let (failed, failures) = (FailedAddresses::default(), Notify::new());
        Endpoints { known, failed, wants_primary, of_replica: false, failures }
    }

    /// That of a replica that is read from; `is_cluster`: in a cluster.
    pub fn of_replica(address: Address, is_cluster: bool) -> Endpoints {
        Endpoints { of_replica: is_cluster, ..Endpoints::new(vec![address]) }
    }

    /// The server is at this address from now on. False: so it was.
    pub fn announce(&self, address: &Address) -> bool {
        self.set(Known::At(vec![address.clone()]))
    }

    /// Where the server is, is being looked for: whoever dials waits.
    pub fn seek(&self) {
        self.set(Known::Sought);
    }

    /// Where the server is, could not be found out.
    pub fn fail(&self, error: Error) {
        self.set(Known::Unknown(error));
    }

    /// These are tried from the next round on. A connection that there is stays, and nobody dials earlier.
    pub fn replace(&self, addresses: Vec<Address>) {
        self.known.send_if_modified(|known| {
            *known = Known::At(addresses);
            false
        });
    }

    fn set(&self, new: Known) -> bool {
        self.known.send_if_modified(|known| {
            let is_news = *known != new;
            *known = new;
            is_news
        })
    }

    /// Waits until a round of dials has failed since this was asked last.
    pub async fn failure(&self) {
        self.failures.notified().await;
    }

    /// Whether a server that is no primary is to be passed over.
    pub(super) fn wants_primary(&self) -> bool {
        self.wants_primary
    }

    /// Whether the server has to be told that reads of a replica's data are wanted.
    pub(super) fn reads_only(&self) -> bool {
        self.of_replica
    }

    /// The address that is tried first, if it is known.
    pub fn first(&self) -> Option<Address> {
        match &*self.known.borrow() {
            Known::At(addresses) => addresses.first().cloned(),
            _ => None,
        }
    }

    /// All that are known, in the order in which they are tried.
    #[cfg(test)]
    pub fn addresses(&self) -> Vec<Address> {
        match &*self.known.borrow() {
            Known::At(addresses) => addresses.clone(),
            _ => Vec::new(),
        }
    }

    /// Hears of announcements from now on.
    pub(super) fn subscribe(&self) -> Announcements {
        Announcements(self.known.subscribe())
    }

    /// A round of dials failed.
    pub(super) fn note_failure(&self) {
        self.failures.notify_one();
    }
}

/// What is announced to one who dials.
#[derive(Clone, Debug)]
pub(super) struct Announcements(watch::Receiver<Known>);

impl Announcements {
    /// A round of dials, which begins with the first address; waits until it is known where the server is or that it
    /// cannot be found.
    pub(super) async fn round(&mut self) -> Result<Round, Error> {
        loop {
            if let Some(round) = self.begin() {
                return round;
            }
            self.changed().await;
        }
    }

    /// The same without waiting; `None`: that is not known yet.
    fn begin(&mut self) -> Option<Result<Round, Error>> {
        match &*self.0.borrow_and_update() {
            Known::At(addresses) => Some(Ok(Round { left: addresses.clone().into_iter(), error: None })),
            Known::Unknown(error) => Some(Err(error.clone())),
            Known::Sought => None,
        }
    }

    /// Whether something else was announced since the last round began.
    pub(super) fn is_outdated(&self) -> bool {
        self.0.has_changed().unwrap_or_default()
    }

    /// Waits until that is so.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody announces anything any more.
            std::future::pending::<()>().await;
        }
    }

    /// The same, and then it is still so.
    pub(super) async fn outdated(&self) {
        self.clone().changed().await;
    }
}

/// One round of dials: each address once.
#[derive(Debug)]
pub(super) struct Round {
    left: std::vec::IntoIter<Address>,
    error: Option<Error>,
}

impl Round {
    /// The address to dial next. `None`: the round has failed, see [`Round::into_error`].
    pub(super) fn next(&mut self) -> Option<Address> {
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
            assert_eq!(endpoints.first().as_ref(), parsed.first());
            for _ in 0..2 {
                let mut round = endpoints.subscribe().begin().unwrap().unwrap();
                for (number, (address, status)) in parsed.iter().zip(failures).enumerate() {
                    assert_eq!(round.next().as_ref(), Some(address), "every round begins with the first");
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

    #[test]
    fn who_dials_hears_of_every_announcement() {
        let config = Config { topology: TopologyKind::Sentinel, ..Config::default() };
        let endpoints = Endpoints::configured(&config);
        let (one, two) = (Address::parse("one:1").unwrap(), Address::parse("two:2").unwrap());
        let mut heard = endpoints.subscribe();
        assert!(endpoints.wants_primary() && heard.begin().is_none() && endpoints.first().is_none());
        endpoints.fail(Error::new(Connect, "no sentinel answers"));
        assert!(heard.is_outdated());
        assert_eq!(heard.begin().unwrap().unwrap_err().message, "no sentinel answers");
        assert!(endpoints.announce(&one) && heard.is_outdated());
        let mut begin = |next: &Address| assert_eq!(heard.begin().unwrap().unwrap().next().as_ref(), Some(next));
        begin(&one);
        assert!(!endpoints.announce(&one), "it is there already");
        endpoints.seek();
        endpoints.announce(&one);
        begin(&one);
        assert!(endpoints.announce(&two));
        begin(&two);
        assert!(!heard.is_outdated());
    }

    #[test]
    fn only_where_there_is_a_choice_it_must_be_a_primary() {
        for (topology, endpoints, wants_primary) in [
            (TopologyKind::Standalone, "one:1", false),
            (TopologyKind::Standalone, "one:1,two:2", true),
            (TopologyKind::Auto, "one:1", false),
            (TopologyKind::Auto, "one:1,two:2", true),
            (TopologyKind::Cluster, "one:1,two:2", false),
            (TopologyKind::Sentinel, "one:1", true),
        ] {
            let mut config = Config { topology, ..Config::default() };
            config.set("endpoints", endpoints).unwrap();
            assert_eq!(Endpoints::configured(&config).wants_primary(), wants_primary, "{topology:?} {endpoints}");
        }
    }
}
