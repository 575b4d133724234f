//! When to dial again: at once, then full jitter under a cap that doubles. Pure: it is told what happened and how
//! long things lasted, it never looks at a clock.

use std::time::Duration;

/// A connection that lived this long ends a row of failures; a server that dies young does not cause a storm.
const LIVED: Duration = Duration::from_secs(2);

/// The schedule of one link.
#[derive(Debug)]
pub struct Schedule {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Schedule {
    /// Delays are drawn between zero and a cap that starts at `first` and doubles up to `most`.
    pub fn new(first: Duration, most: Duration) -> Schedule {
        Schedule { first, most, failures: 0 }
    }

    /// A round of dials failed: how long to wait before the next.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.draw()
    }

    /// A connection that lived for `lifetime` is gone: how long to wait before dialling.
    pub fn after_loss(&mut self, lifetime: Duration) -> Duration {
        if lifetime >= LIVED {
            self.failures = 0;
            return Duration::ZERO;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 { Duration::ZERO } else { self.draw() }
    }

    fn draw(&self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.saturating_sub(1).min(20));
        doubled.min(self.most).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(Duration::from_millis(50), Duration::from_secs(5))
    }

    #[test]
    fn delays_stay_under_a_cap_that_doubles() {
        for _ in 0..50 {
            let mut schedule = schedule();
            for failure in 0..40 {
                let cap = Duration::from_millis(50 << failure.min(10)).min(Duration::from_secs(5));
                assert!(schedule.after_failure() <= cap);
            }
        }
    }

    #[test]
    fn delays_are_spread_out() {
        let mut schedule = schedule();
        (0..20).for_each(|_| _ = schedule.after_failure());
        let drawn: Vec<Duration> = (0..100).map(|_| schedule.after_failure()).collect();
        assert!(drawn.iter().any(|delay| *delay < Duration::from_secs(2)));
        assert!(drawn.iter().any(|delay| *delay > Duration::from_secs(3)));
    }

    #[test]
    fn a_loss_dials_at_once_but_a_row_of_short_lives_does_not() {
        let mut schedule = schedule();
        assert_eq!(schedule.after_loss(Duration::from_millis(1)), Duration::ZERO);
        let later: Duration = (0..50).map(|_| schedule.after_loss(Duration::from_millis(1))).sum();
        assert!(later > Duration::ZERO);
        assert_eq!(schedule.after_loss(Duration::from_secs(3)), Duration::ZERO);
    }
}
