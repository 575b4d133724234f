//! What the links to a server have learnt of it, which decides how the next handshake with it may end and whether its
//! failure is worth waiting for. Shared by all links to the server.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::server_info::ServerInfo;
use crate::lock::Lock;

/// What is known of a server from the handshakes that succeeded.
#[derive(Debug, Default)]
pub struct Learnt {
    /// It spoke RESP3, so that falling back to RESP2 would change the shapes of replies under the user.
    speaks_resp3: AtomicBool,
    /// The databases that links were connected to.
    reached: Lock<BTreeSet<u32>>,
}

impl Learnt {
    /// A link to this database was connected.
    pub(super) fn on_connected(&self, database: u32, server_info: &ServerInfo) {
        if server_info.protocol == 3 {
            self.speaks_resp3.store(true, Ordering::Relaxed);
        }
        self.reached.lock().insert(database);
    }

    /// Whether it spoke RESP3.
    pub(super) fn speaks_resp3(&self) -> bool {
        self.speaks_resp3.load(Ordering::Relaxed)
    }

    /// Whether this database was ever reached, so that it will be again. The first one needs no SELECT, which could be
    /// refused: it is there when any of them is.
    pub(super) fn has_reached(&self, database: u32) -> bool {
        let reached = self.reached.lock();
        if database == 0 { !reached.is_empty() } else { reached.contains(&database) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_info(protocol: u32) -> ServerInfo {
        ServerInfo { protocol, ..ServerInfo::default() }
    }

    #[test]
    fn a_database_is_there_once_it_was_reached_and_the_first_one_when_any_was() {
        for (connected, there, not_there) in
            [(&[][..], &[][..], &[0, 1][..]), (&[0], &[0], &[1]), (&[1], &[0, 1], &[2]), (&[0, 7, 7], &[0, 7], &[1])]
        {
            let learnt = Learnt::default();
            connected.iter().for_each(|database| learnt.on_connected(*database, &server_info(2)));
            assert!(there.iter().all(|database| learnt.has_reached(*database)), "{connected:?}");
            assert!(!not_there.iter().any(|database| learnt.has_reached(*database)), "{connected:?}");
        }
    }

    #[test]
    fn a_server_that_spoke_resp3_once_speaks_it() {
        let learnt = Learnt::default();
        learnt.on_connected(0, &server_info(2));
        assert!(!learnt.speaks_resp3());
        learnt.on_connected(0, &server_info(3));
        learnt.on_connected(0, &server_info(2));
        assert!(learnt.speaks_resp3());
    }
}
