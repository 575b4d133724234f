//! Time in ticks since a client was made, and the word that its timer has something earlier to wait for.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::connection::deadline::TICK;

/// Deadlines that are nearer than this, in milliseconds, are worth an exact look at the clock.
const NEAR: u32 = 100;

/// The clock of a client.
#[derive(Debug)]
pub struct Clock {
    coarse: Coarse,
    start: Instant,
    changed: Notify,
    stopped: AtomicBool,
    /// The microseconds since then, if a test moves it.
    #[cfg(test)]
    moved: tests::Moved,
}

impl Default for Clock {
    fn default() -> Clock {
        // The coarse one first: it must never be behind.
        let (coarse, start) = (Coarse::new(), Instant::now());
        Clock {
            coarse,
            start,
            changed: Notify::new(),
            stopped: AtomicBool::new(false),
            #[cfg(test)]
            moved: tests::Moved::default(),
        }
    }
}

impl Clock {
    /// How long ago the client was made.
    fn elapsed(&self) -> Duration {
        #[cfg(test)]
        if let Some(elapsed) = self.moved.elapsed() {
            return elapsed;
        }
        self.start.elapsed()
    }

    /// Microseconds since the client was made.
    pub fn micros(&self) -> u64 {
        self.elapsed().as_micros() as u64
    }

    /// The present moment.
    pub fn instant(&self) -> Instant {
        self.start + self.elapsed()
    }

    /// As microseconds since the client was made, but some milliseconds more at times: good enough for every request.
    #[inline]
    pub fn roughly(&self) -> u64 {
        #[cfg(test)]
        if self.moved.elapsed().is_some() {
            return self.micros();
        }
        self.coarse.micros().unwrap_or_else(|| self.micros())
    }

    /// The tick by which `timeout`, in milliseconds, has passed.
    #[inline]
    pub fn due(&self, timeout: u32) -> u64 {
        let now = if timeout < NEAR { self.micros() } else { self.roughly() };
        now.saturating_add(u64::from(timeout) * 1000).div_ceil(TICK * 1000)
    }

    /// So many ticks take at least this long.
    pub fn ticks_of(time: Duration) -> u64 {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).div_ceil(TICK)
    }

    /// The tick that was reached.
    pub fn now(&self) -> u64 {
        self.micros() / (TICK * 1000)
    }

    /// When a tick is reached.
    pub fn instant_of(&self, tick: u64) -> Instant {
        self.start + Duration::from_millis(tick.saturating_mul(TICK))
    }

    /// Wakes the timer: there is something earlier than what it waits for.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits until there is.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends the timer.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.changed.notify_one();
    }

    /// Whether the timer is to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}

use system::Coarse;

#[cfg(target_os = "linux")]
mod system {
    use rustix::time::{ClockId, clock_getres, clock_gettime};

    /// The longest step that a deadline may be late by, in microseconds.
    const LONGEST_STEP: u64 = 4000;

    /// A clock that the kernel moves on at every tick of its own and that takes a fraction of the time to read.
    #[derive(Debug)]
    pub struct Coarse {
        start: u64,
        /// How much it can be behind; `None`: too much.
        step: Option<u64>,
    }

    impl Coarse {
        pub fn new() -> Coarse {
            let resolution = clock_getres(ClockId::MonotonicCoarse);
            let step = (resolution.tv_sec as u64 * 1_000_000) + resolution.tv_nsec as u64 / 1000;
            Coarse { start: now(ClockId::Monotonic), step: Some(step).filter(|step| *step <= LONGEST_STEP) }
        }

        /// Microseconds since it was made: as many as there were, or up to a step more.
        #[inline]
        pub fn micros(&self) -> Option<u64> {
            let step = self.step?;
            Some((now(ClockId::MonotonicCoarse) + step).saturating_sub(self.start))
        }
    }

    #[inline]
    fn now(clock: ClockId) -> u64 {
        let now = clock_gettime(clock);
        now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    /// There is none.
    #[derive(Debug)]
    pub struct Coarse;

    impl Coarse {
        pub fn new() -> Coarse {
            Coarse
        }

        pub fn micros(&self) -> Option<u64> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicU64;
    use std::task::{Context, Waker};

    use super::*;

    /// The microseconds that a test has moved the clock by; none: it goes by itself.
    #[derive(Debug, Default)]
    pub struct Moved(OnceLock<AtomicU64>);

    impl Moved {
        pub fn elapsed(&self) -> Option<Duration> {
            self.0.get().map(|micros| Duration::from_micros(micros.load(Relaxed)))
        }
    }

    impl Clock {
        /// From now on it goes only when a test moves it.
        pub fn move_on(&self, time: Duration) {
            self.moved.0.get_or_init(AtomicU64::default).fetch_add(time.as_micros() as u64, Relaxed);
        }

        /// Whether the timer was woken since this was asked last.
        pub fn has_changed(&self) -> bool {
            pin!(self.changed.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        }
    }

    #[test]
    fn a_clock_that_is_moved_stands_still_in_between() {
        let clock = Clock::default();
        clock.move_on(Duration::ZERO);
        let start = clock.instant();
        assert_eq!((clock.micros(), clock.roughly(), clock.now()), (0, 0, 0));
        clock.move_on(Duration::from_millis(7));
        assert_eq!((clock.micros(), clock.roughly(), clock.now()), (7000, 7000, 7 / TICK));
        assert_eq!(clock.instant() - start, Duration::from_millis(7));
        assert_eq!(clock.due(1), 4);
        clock.wake();
        assert!(clock.has_changed() && !clock.has_changed());
    }
}
