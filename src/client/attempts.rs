//! What became of the attempts to have one unit of a request run. Pure.
//!
//! Invariant: once an attempt went out whole and was not answered, the unit may have run, whatever later attempts
//! bring.

use crate::error::Outcome;

/// The attempts of one unit that were not its last.
#[derive(Debug, Default)]
pub struct Attempts {
    lost: u16,
    refused: u16,
    may_have_run: bool,
    last_refusal: Box<str>,
}

impl Attempts {
    /// The connection ended during an attempt; `may_have_run`: the server may have run it. Gives how many ended so.
    pub fn lost(&mut self, may_have_run: bool) -> u16 {
        self.may_have_run |= may_have_run;
        self.lost = self.lost.saturating_add(1);
        self.lost
    }

    /// The server refused an attempt, with this text, before it ran anything. Gives how many it refused.
    pub fn refused(&mut self, text: &[u8]) -> u16 {
        self.last_refusal = String::from_utf8_lossy(text).into();
        self.refused = self.refused.saturating_add(1);
        self.refused
    }

    /// Whether the server may have run one of them.
    pub fn may_have_run(&self) -> bool {
        self.may_have_run
    }

    /// The outcome of the unit if nothing more is sent, or if what was sent last was certainly not run.
    pub fn outcome(&self) -> Outcome {
        if self.may_have_run { Outcome::Unknown } else { Outcome::NotRun }
    }

    /// What the server said, in words; `None`: it refused nothing.
    pub fn refusals(&self) -> Option<String> {
        let Attempts { refused, last_refusal, .. } = self;
        match refused {
            0 => None,
            1 => Some(format!("refused by the server: {last_refusal}")),
            _ => Some(format!("refused by the server {refused} times, the last time with: {last_refusal}")),
        }
    }
}

/// The outcome of a unit of which nothing is sent just now, after these attempts, if there were any.
pub fn outcome_of(attempts: Option<&Attempts>) -> Outcome {
    attempts.map_or(Outcome::NotRun, Attempts::outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_run_stays_so() {
        assert_eq!(outcome_of(None), Outcome::NotRun);
        let mut attempts = Attempts::default();
        assert_eq!((attempts.lost(false), attempts.outcome()), (1, Outcome::NotRun));
        assert_eq!((attempts.refused(b"LOADING"), attempts.outcome()), (1, Outcome::NotRun));
        assert_eq!((attempts.lost(true), attempts.outcome()), (2, Outcome::Unknown));
        assert_eq!((attempts.lost(false), attempts.outcome()), (3, Outcome::Unknown));
        assert_eq!((attempts.refused(b"LOADING"), attempts.outcome()), (2, Outcome::Unknown));
    }

    #[test]
    fn the_last_refusal_is_told() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.refusals(), None);
        attempts.refused(b"LOADING first");
        assert_eq!(attempts.refusals().as_deref(), Some("refused by the server: LOADING first"));
        attempts.refused(b"CLUSTERDOWN second");
        let expected = "refused by the server 2 times, the last time with: CLUSTERDOWN second";
        assert_eq!(attempts.refusals().as_deref(), Some(expected));
    }
}
