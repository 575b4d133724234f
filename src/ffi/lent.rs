//! What a program lends to a client, to be called one call at a time and never once the client is closed.

use std::sync::Arc;

use crate::lock::Lock;

/// Something of the program's, as one client uses it.
pub(super) struct Lent<T> {
    item: Arc<T>,
    open: Lock<bool>,
}

impl<T> Lent<T> {
    pub(super) fn new(item: Arc<T>) -> Lent<T> {
        Lent { item, open: Lock::new(true) }
    }

    /// Calls it; `None`: the client is closed.
    pub(super) fn call<R>(&self, call: impl FnOnce(&T) -> R) -> Option<R> {
        let open = self.open.lock();
        open.then(|| call(&self.item))
    }

    /// Waits for a call that runs; no other follows.
    pub(super) fn close(&self) {
        *self.open.lock() = false;
    }
}
