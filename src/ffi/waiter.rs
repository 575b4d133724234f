//! Where a thread waits for the completion of its own request: one place for each thread, used again and again.

use std::cell::RefCell;
use std::sync::{Arc, Condvar};

use crate::client::completion::Completion;
use crate::lock::{self, Lock};

/// Where a thread waits for the completion of its request.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    completion: Lock<Option<Completion>>,
    arrived: Condvar,
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
    pub(super) fn wake(&self, completion: Completion) {
        *self.completion.lock() = Some(completion);
        self.arrived.notify_one();
    }

    /// Waits for the completion.
    pub(super) fn wait(&self) -> Completion {
        let mut completion = self.completion.lock();
        loop {
            match completion.take() {
                Some(completion) => return completion,
                None => completion = lock::wait(&self.arrived, completion),
            }
        }
    }
}
