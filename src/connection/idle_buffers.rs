//! When a connection that carries nothing gives its buffers back. Pure: how many bytes it carried and the time in.
//!
//! A buffer costs little to get and much to keep: there may be many links of which few are in use.

use std::time::{Duration, Instant};

/// A connection that carried nothing for this long gives its buffers back.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches one connection.
#[derive(Debug, Default)]
pub(super) struct IdleBuffers {
    /// The bytes that it had carried at the last look.
    carried: u64,
    /// When to look whether it has carried more; `None`: it has no buffers.
    look_at: Option<Instant>,
}

impl IdleBuffers {
    /// It has carried so many bytes by now. Says when to call [`IdleBuffers::look`], if at all.
    pub(super) fn observe(&mut self, carried: u64, now: Instant) -> Option<Instant> {
        if self.look_at.is_none() && carried != self.carried {
            self.carried = carried;
            self.look_at = Some(now + PAUSE);
        }
        self.look_at
    }

    /// It is time to look. True: the buffers are to be given back.
    pub(super) fn look(&mut self, carried: u64, now: Instant) -> bool {
        let is_idle = carried == self.carried;
        self.carried = carried;
        self.look_at = (!is_idle).then(|| now + PAUSE);
        is_idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_when_nothing_was_carried_between_two_looks_and_once() {
        let (start, mut buffers) = (Instant::now(), IdleBuffers::default());
        let at = |pauses: u32| start + PAUSE * pauses;
        assert_eq!(buffers.observe(0, at(0)), None, "nothing was carried, so there are none");
        assert_eq!(buffers.observe(10, at(0)), Some(at(1)));
        assert_eq!(buffers.observe(20, at(0)), Some(at(1)), "the look is not put off");
        assert!(!buffers.look(20, at(1)), "it carried some");
        assert_eq!(buffers.observe(20, at(1)), Some(at(2)));
        assert!(buffers.look(20, at(2)));
        assert_eq!(buffers.observe(20, at(3)), None, "once");
        assert_eq!(buffers.observe(21, at(4)), Some(at(5)));
    }
}
