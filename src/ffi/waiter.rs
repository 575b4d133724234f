//! Where a thread waits for the completion of its own request: one place for each thread, used again and again.

use std::cell::RefCell;
use std::collections::vec_deque::Drain;
use std::sync::{Arc, Condvar};

use crate::connection::sink::{Completion, Sink};
use crate::lock::{self, Lock};

/// Where a thread waits for the completion of its request.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    place: Lock<Place>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Place {
    completion: Option<Completion>,
    /// The thread sleeps; only then it must be woken, which costs a system call.
    sleeps: bool,
}

impl Sink for Waiter {
    fn deliver(&self, completions: Drain<'_, Completion>) {
        completions.for_each(|completion| self.wake(completion));
    }
}

impl Waiter {
    /// The place of the calling thread.
    pub(super) fn of_this_thread() -> Arc<Waiter> {
        thread_local! {
            static WAITER: RefCell<Arc<Waiter>> = RefCell::default();
        }
        // At the end of a thread the shared one is gone.
        WAITER.try_with(|waiter| Arc::clone(&waiter.borrow())).unwrap_or_default()
    }

    /// Brings the completion.
    fn wake(&self, completion: Completion) {
        let mut place = self.place.lock();
        place.completion = Some(completion);
        let sleeps = place.sleeps;
        drop(place);
        if sleeps {
            self.arrived.notify_one();
        }
    }

    /// Whether the completion is there.
    pub(super) fn is_done(&self) -> bool {
        self.place.lock().completion.is_some()
    }

    /// Waits for the completion.
    pub(super) fn wait(&self) -> Completion {
        let mut place = self.place.lock();
        loop {
            if let Some(completion) = place.completion.take() {
                place.sleeps = false;
                return completion;
            }
            place.sleeps = true;
            place = lock::wait(&self.arrived, place);
        }
    }
}
