//! How the takers of a queue are woken: by its descriptor, and those who sleep without one.
//!
//! Invariant: [`Bell::wake`] takes no lock and allocates nothing, so that a signal handler may call it; of so many
//! wakes each ends one take, and while one is due no taker goes to sleep, and the descriptor is readable.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize, fence};
use std::time::Duration;

pub use system::Sleepers;

use super::signal::Signal;

/// What wakes takers.
#[derive(Debug, Default)]
pub struct Bell {
    /// Wakes that no take has answered yet.
    due: AtomicUsize,
    /// Wakes that may still be about to raise the descriptor, also when they were answered already.
    under_way: AtomicUsize,
    signal: OnceLock<Signal>,
    /// Every take is to return at once, for ever.
    ended: AtomicBool,
    /// Nobody but the library knows the descriptor: the child of a fork closes it at once.
    is_of_the_library: bool,
    /// Takers who sleep without the descriptor.
    pub sleepers: Sleepers,
}

impl Bell {
    /// One whose takers are threads of the library.
    pub fn of_the_library() -> Bell {
        Bell { is_of_the_library: true, ..Bell::default() }
    }

    /// The descriptor, if there is one.
    pub fn signal(&self) -> Option<&Signal> {
        self.signal.get()
    }

    /// The descriptor, made when first needed; the queue is locked.
    pub fn make_signal(&self) -> io::Result<&Signal> {
        if let Some(signal) = self.signal.get() {
            return Ok(signal);
        }
        let signal = Signal::new(self.is_of_the_library)?;
        let signal = self.signal.get_or_init(|| signal);
        // A wake either finds the descriptor, or is seen by whoever looks from now on whether one is due.
        fence(SeqCst);
        Ok(signal)
    }

    /// Makes one take return.
    pub fn wake(&self) {
        self.under_way.fetch_add(1, SeqCst);
        self.due.fetch_add(1, SeqCst);
        self.sleepers.wake_one();
        fence(SeqCst);
        _ = self.signal.get().map(Signal::raise);
        self.under_way.fetch_sub(1, SeqCst);
    }

    /// Makes every take return, from now on.
    pub fn end(&self) {
        self.ended.store(true, SeqCst);
        self.sleepers.wake_all();
        fence(SeqCst);
        self.raise();
    }

    /// Whether a take is to return.
    pub fn is_due(&self) -> bool {
        self.due.load(SeqCst) > 0 || self.ended.load(SeqCst)
    }

    /// Takes a wake that is due; the take that got it returns.
    pub fn answer(&self) -> bool {
        self.due.fetch_update(SeqCst, SeqCst, |due| due.checked_sub(1)).is_ok()
    }

    /// Makes the descriptor, if there is one, readable.
    pub fn raise(&self) {
        // It can fail only if the descriptor was taken away from under the library.
        _ = self.signal.get().map(Signal::raise);
    }

    /// Makes the descriptor, if there is one, not readable. True: because of a wake it is, or may still become so.
    pub fn lower(&self) -> bool {
        // In this order: a wake that is not under way any more has raised it before it is lowered.
        let may_be_raised = self.under_way.load(SeqCst) > 0;
        _ = self.signal.get().map(Signal::lower);
        if self.is_due() {
            self.raise();
            return true;
        }
        may_be_raised
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::sync::atomic::AtomicU32;

    use rustix::io::Errno;
    use rustix::thread::futex;
    use rustix::time::Timespec;

    use super::*;

    /// As long as never.
    const NEVER: Duration = Duration::from_secs(1 << 30);

    /// Threads that sleep, on a futex.
    #[derive(Debug, Default)]
    pub struct Sleepers {
        /// How often somebody was woken.
        woken: AtomicU32,
    }

    impl Sleepers {
        /// For [`Sleepers::sleep`]: to be asked before whoever is about to sleep looks for something to do.
        pub fn woken(&self) -> u32 {
            self.woken.load(SeqCst)
        }

        /// Sleeps until somebody is woken, unless that has happened since `woken`. True: a signal handler ran on this
        /// thread.
        pub fn sleep(&self, woken: u32, timeout: Option<Duration>) -> bool {
            // Without a timeout the kernel would sleep on after a handler that was installed with SA_RESTART.
            let timeout = timeout.map_or(NEVER, |timeout| timeout.min(NEVER));
            let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
            let slept = futex::wait(&self.woken, futex::Flags::PRIVATE, woken, Some(&timeout));
            slept == Err(Errno::INTR)
        }

        /// Wakes one.
        pub fn wake_one(&self) {
            self.wake(1);
        }

        /// Wakes all.
        pub fn wake_all(&self) {
            self.wake(i32::MAX as u32);
        }

        fn wake(&self, count: u32) {
            self.woken.fetch_add(1, SeqCst);
            _ = futex::wake(&self.woken, futex::Flags::PRIVATE, count);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::sync::Condvar;

    use super::*;
    use crate::lock::{self, Lock};

    /// Threads that sleep. Here they must not be woken by signal handlers, which do not end their sleep either.
    #[derive(Debug, Default)]
    pub struct Sleepers {
        woken: Lock<u32>,
        changed: Condvar,
    }

    impl Sleepers {
        pub fn woken(&self) -> u32 {
            *self.woken.lock()
        }

        pub fn sleep(&self, woken: u32, timeout: Option<Duration>) -> bool {
            let now = self.woken.lock();
            if *now == woken {
                drop(lock::wait_for(&self.changed, now, timeout));
            }
            false
        }

        pub fn wake_one(&self) {
            *self.woken.lock() += 1;
            self.changed.notify_one();
        }

        pub fn wake_all(&self) {
            *self.woken.lock() += 1;
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wake_is_answered_once() {
        let bell = Bell::default();
        assert!(!bell.answer());
        bell.wake();
        bell.wake();
        assert!(bell.answer() && bell.is_due() && bell.answer());
        assert!(!bell.answer() && !bell.is_due());
    }

    #[test]
    fn who_looked_before_a_wake_does_not_sleep() {
        let bell = Bell::default();
        let woken = bell.sleepers.woken();
        bell.wake();
        assert!(!bell.sleepers.sleep(woken, None));
    }

    #[test]
    fn the_descriptor_stays_raised_while_a_wake_is_due() {
        let bell = Bell::default();
        bell.wake();
        bell.make_signal().unwrap();
        assert!(bell.lower(), "due since before there was a descriptor");
        assert!(bell.answer());
        assert!(!bell.lower());
        bell.under_way.fetch_add(1, SeqCst);
        assert!(bell.lower(), "the wake may raise it later");
    }
}
