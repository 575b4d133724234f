//! How long to wait before the server is asked again for a topic that it took away unasked, or was not ready to give.
//!
//! Invariant: the pauses of a topic that does not last grow, however often the server takes it away; one that lasted
//! begins anew, so that a slot that moves is asked for at once.

use std::time::{Duration, Instant};

use super::retry;

/// Who had a topic for so long has it for good.
const LASTING: Duration = Duration::from_secs(10);

/// So many redirects are followed at once.
const AT_ONCE: u16 = 3;

/// How often a topic was lost or refused without having lasted in between.
#[derive(Debug, Default)]
pub struct Setbacks {
    count: u16,
    /// How often it was sent to another server since it was confirmed last.
    redirects: u16,
    present_since: Option<Instant>,
}

impl Setbacks {
    /// The server has confirmed the topic.
    pub fn confirmed(&mut self, now: Instant) {
        self.present_since = Some(now);
        self.redirects = 0;
    }

    /// The connection is gone, which has pauses of its own.
    pub fn connection_lost(&mut self, now: Instant) {
        self.forget_if_lasting(now);
    }

    /// The server gave the topic up by itself: how long to wait, not at all the first time.
    pub fn ended(&mut self, now: Instant) -> Duration {
        self.forget_if_lasting(now);
        let pause = if self.count == 0 { Duration::ZERO } else { retry::backoff(self.count) };
        self.count = self.count.saturating_add(1);
        pause
    }

    /// The server was not ready: how long to wait.
    pub fn refused(&mut self, now: Instant) -> Duration {
        self.forget_if_lasting(now);
        self.count = self.count.saturating_add(1);
        retry::backoff(self.count)
    }

    /// The server named another one: how long to wait, not at all at first, which may be that a map is old.
    pub fn redirected(&mut self) -> Duration {
        self.redirects = self.redirects.saturating_add(1);
        if self.redirects <= AT_ONCE { Duration::ZERO } else { retry::backoff(self.redirects - AT_ONCE) }
    }

    fn forget_if_lasting(&mut self, now: Instant) {
        let since = self.present_since.take();
        if since.is_some_and(|since| now.saturating_duration_since(since) >= LASTING) {
            self.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a topic.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Confirmed,
        Ended,
        Refused,
        Lost,
    }

    use Event::{Confirmed, Ended, Lost, Refused};

    /// The number of the pause after the last event, each one so many seconds after the one before.
    fn count_after(events: &[(u64, Event)]) -> u16 {
        let mut now = Instant::now();
        let mut setbacks = Setbacks::default();
        for (seconds, event) in events {
            now += Duration::from_secs(*seconds);
            let pause = match event {
                Confirmed => {
                    setbacks.confirmed(now);
                    None
                }
                Ended => Some(setbacks.ended(now)),
                Refused => Some(setbacks.refused(now)),
                Lost => {
                    setbacks.connection_lost(now);
                    None
                }
            };
            let is_first = matches!(event, Ended) && setbacks.count == 1;
            assert!(pause.is_none_or(|pause| (pause == Duration::ZERO) == is_first), "{events:?}");
        }
        setbacks.count
    }

    #[test]
    fn servers_that_name_each_other_are_asked_after_pauses() {
        let mut setbacks = Setbacks::default();
        let mut are_followed_at_once = || (0..5).map(|_| setbacks.redirected() == Duration::ZERO).collect::<Vec<_>>();
        assert_eq!(are_followed_at_once(), [true, true, true, false, false]);
        setbacks.confirmed(Instant::now());
        assert_eq!(setbacks.redirected(), Duration::ZERO);
    }

    #[test]
    fn pauses_grow_until_a_topic_lasted() {
        for (events, count) in [
            (&[(0, Confirmed), (0, Ended)][..], 1),
            (&[(0, Confirmed), (100, Ended)], 1),
            (&[(0, Confirmed), (0, Ended), (0, Confirmed), (9, Ended)], 2),
            (&[(0, Confirmed), (0, Ended), (0, Confirmed), (10, Ended)], 1),
            (&[(0, Confirmed), (0, Ended), (0, Confirmed), (0, Ended), (0, Confirmed), (0, Ended)], 3),
            (&[(0, Refused)], 1),
            // Time spent waiting to ask again does not count as having lasted.
            (&[(0, Refused), (100, Refused), (100, Refused)], 3),
            // A confirmation that does not last counts as a refusal does.
            (&[(0, Refused), (0, Confirmed), (0, Ended), (0, Refused)], 3),
            (&[(0, Refused), (0, Confirmed), (10, Ended), (0, Refused)], 2),
            (&[(0, Refused), (0, Confirmed), (10, Lost), (0, Refused)], 1),
            (&[(0, Refused), (0, Confirmed), (1, Lost), (0, Refused)], 2),
            // The life of an earlier connection does not count for the next one.
            (&[(0, Refused), (0, Confirmed), (1, Lost), (100, Refused)], 2),
        ] {
            assert_eq!(count_after(events), count, "{events:?}");
        }
    }
}
