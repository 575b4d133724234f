//! Whom a thread that submitted has to wake when it has let go of its locks.
//!
//! Invariant: they are held (counted) here. The request may be completed before they are woken, and whoever gets the
//! completion may free the client and the queue.

use std::sync::Arc;

use super::clock::Clock;
use super::destination::Destination;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::submission::Next;

/// Who is to be woken.
pub(super) struct Wakeups<D> {
    next: Next,
    /// Whose takers have something to write.
    queue: Option<D>,
    /// The timer, which sleeps for too long.
    timer: Option<Arc<Clock>>,
}

impl<D: Destination> Wakeups<D> {
    /// What `next` asks for, which requests for this destination have brought about; `timer`: one of them has an
    /// earlier deadline than the timer knows of.
    #[inline]
    pub(super) fn new(next: Next, destination: &D, timer: Option<Arc<Clock>>) -> Wakeups<D> {
        let queue = match next {
            Next::Take | Next::Begin(_) => Some(destination.clone()),
            Next::Nothing | Next::Wake(_) | Next::CallerDriver(_) => None,
        };
        Wakeups { next, queue, timer }
    }

    /// Wakes them; no lock may be held. A lone caller gets the I/O role to write and to read.
    #[inline]
    pub(super) fn send(self) -> Option<CallerDriver> {
        let Wakeups { next, queue, timer } = self;
        let driver = match (next, queue) {
            (Next::Wake(link), _) => {
                link.wake();
                None
            }
            (Next::Take, Some(queue)) => {
                queue.call_takers(None);
                None
            }
            (Next::Begin(driver), Some(queue)) => {
                queue.call_takers(Some(driver));
                None
            }
            (Next::CallerDriver(driver), _) => Some(driver),
            // (An I/O role that nobody takes goes back to the background when it is dropped.)
            (Next::Nothing | Next::Take | Next::Begin(_), _) => None,
        };
        if let Some(timer) = timer {
            timer.wake();
        }
        driver
    }
}
