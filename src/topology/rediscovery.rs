//! How often the client looks for a better server when one says READONLY, before its word is taken as final. Pure: it
//! is told the time.
//!
//! Invariant: each connection is given up at most once for this reason, and at most `LOOKS` in a row within
//! `PAUSE`.

use std::time::{Duration, Instant};

/// So many new connections must say the same before it is believed.
const LOOKS: u32 = 2;

/// After so long it is worth looking again.
const PAUSE: Duration = Duration::from_secs(10);

/// What to do about a command that was refused because the server is no primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Connect anew, and send it again.
    Look,
    /// Send it again: a new connection is on its way already.
    Wait,
    /// The role is confirmed: the refusal is the answer.
    Believe,
}

/// The search for a primary.
#[derive(Debug, Default)]
pub struct Rediscovery {
    /// How many connections in a row said that they lead to no primary.
    confirmations: u32,
    /// The last of them, and when it said so first.
    last: Option<(u64, Instant)>,
}

impl Rediscovery {
    /// A command was refused on the connection of this number.
    pub fn on_refusal(&mut self, connection: u64, now: Instant) -> Advice {
        let is_recent = self.last.is_some_and(|(_, at)| now.saturating_duration_since(at) < PAUSE);
        if !is_recent {
            self.confirmations = 0;
        } else if self.confirmations > LOOKS {
            return Advice::Believe;
        } else if self.last.is_some_and(|(last, _)| last == connection) {
            return Advice::Wait;
        }
        self.confirmations += 1;
        self.last = Some((connection, now));
        if self.confirmations > LOOKS { Advice::Believe } else { Advice::Look }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_confirm_the_role() {
        let start = Instant::now();
        let mut search = Rediscovery::default();
        let mut ask = |connection, seconds| search.on_refusal(connection, start + Duration::from_secs(seconds));
        assert_eq!(ask(1, 0), Advice::Look);
        assert_eq!(ask(1, 1), Advice::Wait, "many commands are refused on one connection");
        assert_eq!(ask(2, 1), Advice::Look);
        assert_eq!(ask(2, 2), Advice::Wait);
        assert_eq!(ask(3, 2), Advice::Believe);
        assert_eq!(ask(3, 11), Advice::Believe, "nothing is made anew meanwhile");
        assert_eq!(ask(4, 11), Advice::Believe);
        assert_eq!(ask(4, 13), Advice::Look, "a failover may have come since");
        assert_eq!(ask(5, 14), Advice::Look);
        assert_eq!(ask(6, 14), Advice::Believe);
    }

    #[test]
    fn a_connection_that_does_not_come_is_not_waited_for_for_ever() {
        let start = Instant::now();
        let mut search = Rediscovery::default();
        assert_eq!(search.on_refusal(1, start), Advice::Look);
        assert_eq!(search.on_refusal(1, start + PAUSE), Advice::Look);
    }
}
