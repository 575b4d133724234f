//! When a silent server counts as dead. Pure: it is told the time.
//!
//! A link that owes replies, or on which messages may come, and is silent is pinged; it is dead when the ping stays
//! unanswered for `dead_after` and no request ahead of it is ready to wait longer. (A peer that does not even
//! acknowledge bytes is found by the kernel: the stream sets TCP_USER_TIMEOUT to the same time, unless so much is under
//! way that a busy peer may have closed its window.)

use std::time::{Duration, Instant};

/// A server that sends messages and no answers is given so many times the patience of one that sends nothing: a long
/// backlog of messages may stand before the answers.
const MESSAGES: u32 = 4;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthAction {
    /// Nothing; look again at this time.
    Wait(Instant),
    /// Send a PING; look again at this time.
    Ping(Instant),
    /// The server is dead.
    Dead,
}

/// The watch over one connection, while replies are owed or messages may come.
#[derive(Debug)]
pub struct HealthCheck {
    dead_after: Duration,
    /// How long to be silent before a PING.
    patience: Duration,
    since: Instant,
    pinged: Option<Instant>,
}

impl HealthCheck {
    /// A watch that starts now; `owed`: a reply is, else only messages may come.
    pub fn new(dead_after: Duration, owed: bool, now: Instant) -> HealthCheck {
        let patience = if owed { dead_after / 4 } else { dead_after };
        HealthCheck { dead_after, patience, since: now, pinged: None }
    }

    /// When to look first.
    pub fn first_look(&self) -> Instant {
        self.since + self.patience
    }

    /// What was owed came, or a part of it; of a server that owes nothing, anything.
    pub fn on_bytes(&mut self, now: Instant) {
        self.since = now;
        self.pinged = None;
    }

    /// Replies are owed, and it is time to look. `messages`: some came since the last look, which answer nothing.
    /// `ready_to_wait`: whether any of those ahead of the PING has a deadline that is still to come.
    pub fn look(&mut self, now: Instant, messages: bool, ready_to_wait: impl FnOnce() -> bool) -> HealthAction {
        match self.pinged {
            None if now < self.since + self.patience => HealthAction::Wait(self.since + self.patience),
            None => {
                self.pinged = Some(now);
                HealthAction::Ping(now + self.dead_after)
            }
            Some(pinged) if now < pinged + self.dead_after => HealthAction::Wait(pinged + self.dead_after),
            Some(pinged) if messages && now < pinged + MESSAGES * self.dead_after => {
                HealthAction::Wait((now + self.patience).min(pinged + MESSAGES * self.dead_after))
            }
            Some(_) if ready_to_wait() => HealthAction::Wait(now + self.patience),
            Some(_) => HealthAction::Dead,
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
        let mut check = HealthCheck::new(4 * second, true, start);
        assert_eq!(check.look(start, false, || false), HealthAction::Wait(start + second));
        assert_eq!(check.look(start + second, false, || false), HealthAction::Ping(start + 5 * second));
        assert_eq!(check.look(start + 2 * second, false, || false), HealthAction::Wait(start + 5 * second));
        assert_eq!(check.look(start + 5 * second, false, || true), HealthAction::Wait(start + 6 * second));
        assert_eq!(check.look(start + 6 * second, false, || false), HealthAction::Dead);
    }

    #[test]
    fn bytes_start_it_anew() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut check = HealthCheck::new(4 * second, true, start);
        assert!(matches!(check.look(start + second, false, || false), HealthAction::Ping(_)));
        check.on_bytes(start + 2 * second);
        assert_eq!(check.look(start + 5 * second, false, || false), HealthAction::Ping(start + 9 * second));
    }

    #[test]
    fn messages_put_the_end_off_but_not_for_ever() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut check = HealthCheck::new(4 * second, true, start);
        assert_eq!(check.look(start + second, true, || false), HealthAction::Ping(start + 5 * second));
        assert_eq!(check.look(start + 5 * second, true, || false), HealthAction::Wait(start + 6 * second));
        assert_eq!(check.look(start + 6 * second, true, || false), HealthAction::Wait(start + 7 * second));
        assert_eq!(check.look(start + 16_500 * second / 1000, true, || false), HealthAction::Wait(start + 17 * second));
        assert_eq!(
            check.look(start + 17 * second, true, || true),
            HealthAction::Wait(start + 18 * second),
            "a deadline"
        );
        assert_eq!(check.look(start + 18 * second, true, || false), HealthAction::Dead);
    }

    #[test]
    fn who_owes_nothing_may_be_silent_for_longer() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut check = HealthCheck::new(4 * second, false, start);
        assert_eq!(check.first_look(), start + 4 * second);
        assert_eq!(check.look(start + second, false, || false), HealthAction::Wait(start + 4 * second));
        assert_eq!(check.look(start + 4 * second, false, || false), HealthAction::Ping(start + 8 * second));
        assert_eq!(check.look(start + 8 * second, false, || false), HealthAction::Dead);
    }
}
