//! When a silent server counts as dead. Pure: it is told the time.
//!
//! A link that owes replies, or that brings messages, and is silent is pinged; it is dead when the ping stays unanswered for `dead_after` and no
//! request ahead of it is ready to wait longer. (A peer that does not even acknowledge bytes is found by the kernel: the
//! stream sets TCP_USER_TIMEOUT to the same time, unless so much is under way that a busy peer may have closed its
//! window.)

use std::time::{Duration, Instant};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing; look again at this time.
    Wait(Instant),
    /// Send a PING; look again at this time.
    Ping(Instant),
    /// The server is dead.
    Dead,
}

/// The watch over one connection, while replies are owed or messages may come.
#[derive(Debug)]
pub struct Silence {
    dead_after: Duration,
    /// How long to be silent before a PING.
    patience: Duration,
    since: Instant,
    pinged: Option<Instant>,
}

impl Silence {
    /// A watch that starts now; `owed`: a reply is, else only messages may come.
    pub fn new(dead_after: Duration, owed: bool, now: Instant) -> Silence {
        let patience = if owed { dead_after / 4 } else { dead_after };
        Silence { dead_after, patience, since: now, pinged: None }
    }

    /// When to look first.
    pub fn first_look(&self) -> Instant {
        self.since + self.patience
    }

    /// Bytes came.
    pub fn heard(&mut self, now: Instant) {
        self.since = now;
        self.pinged = None;
    }

    /// Replies are owed, and it is time to look. `ready_to_wait`: whether any of those ahead of the PING has a deadline
    /// that is still to come.
    pub fn look(&mut self, now: Instant, ready_to_wait: impl FnOnce() -> bool) -> Verdict {
        match self.pinged {
            None if now < self.since + self.patience => Verdict::Wait(self.since + self.patience),
            None => {
                self.pinged = Some(now);
                Verdict::Ping(now + self.dead_after)
            }
            Some(pinged) if now < pinged + self.dead_after => Verdict::Wait(pinged + self.dead_after),
            Some(_) if ready_to_wait() => Verdict::Wait(now + self.patience),
            Some(_) => Verdict::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_server_is_pinged_and_then_dead() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut silence = Silence::new(4 * second, true, start);
        assert_eq!(silence.look(start, || false), Verdict::Wait(start + second));
        assert_eq!(silence.look(start + second, || false), Verdict::Ping(start + 5 * second));
        assert_eq!(silence.look(start + 2 * second, || false), Verdict::Wait(start + 5 * second));
        assert_eq!(silence.look(start + 5 * second, || true), Verdict::Wait(start + 6 * second));
        assert_eq!(silence.look(start + 6 * second, || false), Verdict::Dead);
    }

    #[test]
    fn bytes_start_it_anew() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut silence = Silence::new(4 * second, true, start);
        assert!(matches!(silence.look(start + second, || false), Verdict::Ping(_)));
        silence.heard(start + 2 * second);
        assert_eq!(silence.look(start + 5 * second, || false), Verdict::Ping(start + 9 * second));
    }

    #[test]
    fn who_owes_nothing_may_be_silent_for_longer() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut silence = Silence::new(4 * second, false, start);
        assert_eq!(silence.first_look(), start + 4 * second);
        assert_eq!(silence.look(start + second, || false), Verdict::Wait(start + 4 * second));
        assert_eq!(silence.look(start + 4 * second, || false), Verdict::Ping(start + 8 * second));
        assert_eq!(silence.look(start + 8 * second, || false), Verdict::Dead);
    }
}
