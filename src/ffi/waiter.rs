//! Where a thread waits for the completion of its own request: one place for each thread, used again and again.

use std::cell::RefCell;
use std::collections::vec_deque::Drain;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar};

use crate::connection::caller::Caller;
use crate::connection::sink::{Completion, Sink};
use crate::lock::{self, Lock};

thread_local! {
    static WAITER: RefCell<Arc<Waiter>> = RefCell::default();
}

/// Where a thread waits for the completion of its request.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    place: Lock<Place>,
    arrived: Condvar,
    /// As the place says, for who does not hold its lock.
    done: AtomicBool,
    /// The thread of this place wakes others a little later than it brings their completions.
    holds: AtomicBool,
    /// Those whom it has not woken yet, and whether there are any, for that thread only.
    held: Lock<Vec<Arc<Waiter>>>,
    has_held: AtomicBool,
}

#[derive(Debug, Default)]
struct Place {
    completion: Option<Completion>,
    /// Another caller has handed on the I/O role of their connection.
    leads: bool,
    /// How many completions were taken here.
    taken: u64,
    /// The thread sleeps; only then it must be woken, which costs a system call.
    sleeps: bool,
}

impl Sink for Waiter {
    fn deliver(self: Arc<Self>, mut completions: Drain<'_, Completion>) {
        // A thread waits for one at a time.
        if let Some(completion) = completions.next() {
            self.wake(completion);
        }
    }
}

impl Waiter {
    /// The place of the calling thread.
    pub(super) fn of_this_thread() -> Arc<Waiter> {
        // At the end of a thread the shared one is gone.
        WAITER.try_with(|waiter| Arc::clone(&waiter.borrow())).unwrap_or_default()
    }

    /// Brings the completion.
    fn wake(self: Arc<Waiter>, completion: Completion) {
        let mut place = self.place.lock();
        place.completion = Some(completion);
        self.done.store(true, Ordering::Release);
        let sleeps = place.sleeps;
        drop(place);
        if sleeps && !self.is_held() {
            self.arrived.notify_one();
        }
    }

    /// Whether this thread wakes it later, by [`Caller::wake_held`].
    fn is_held(self: &Arc<Waiter>) -> bool {
        let hold = |of_this_thread: &RefCell<Arc<Waiter>>| {
            let by = of_this_thread.borrow();
            let holds = by.holds.load(Ordering::Relaxed);
            if holds {
                by.held.lock().push(Arc::clone(self));
                by.has_held.store(true, Ordering::Relaxed);
            }
            holds
        };
        WAITER.try_with(hold).unwrap_or(false)
    }

    /// Takes the completion, for which it waits if need be.
    pub(super) fn take(&self) -> Completion {
        let mut place = self.place.lock();
        loop {
            if let Some(completion) = place.completion.take() {
                (place.sleeps, place.taken) = (false, place.taken + 1);
                self.done.store(false, Ordering::Relaxed);
                return completion;
            }
            place.sleeps = true;
            place = lock::wait(&self.arrived, place);
        }
    }
}

impl Caller for Waiter {
    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    fn request_number(&self) -> u64 {
        self.place.lock().taken
    }

    fn offer(&self, request_number: u64) -> bool {
        let mut place = self.place.lock();
        if place.taken != request_number || place.completion.is_some() {
            return false;
        }
        place.leads = true;
        let sleeps = place.sleeps;
        drop(place);
        if sleeps {
            self.arrived.notify_one();
        }
        true
    }

    fn hold_wakes(&self) {
        self.wake_held();
        self.holds.store(true, Ordering::Relaxed);
    }

    fn wake_held(&self) {
        self.holds.store(false, Ordering::Relaxed);
        if self.has_held.load(Ordering::Relaxed) {
            self.has_held.store(false, Ordering::Relaxed);
            self.held.lock().drain(..).for_each(|waiter| waiter.arrived.notify_one());
        }
    }

    fn wait(&self) -> bool {
        let mut place = self.place.lock();
        while !place.leads && place.completion.is_none() {
            place.sleeps = true;
            place = lock::wait(&self.arrived, place);
        }
        place.sleeps = false;
        std::mem::take(&mut place.leads)
    }
}
