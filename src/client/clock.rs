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
}

impl Default for Clock {
    fn default() -> Clock {
        // The coarse one first: it must never be behind.
        let (coarse, start) = (Coarse::new(), Instant::now());
        Clock { coarse, start, changed: Notify::new(), stopped: AtomicBool::new(false) }
    }
}

impl Clock {
    /// Microseconds since the client was made.
    pub fn micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// As microseconds since the client was made, but some milliseconds more at times: good enough for every request.
    #[inline]
    pub fn roughly(&self) -> u64 {
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
