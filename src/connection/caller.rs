//! A thread that waits for the completion of its own request, as those see it who bring completions, or the I/O role.

use std::sync::Arc;

/// A thread that waits for the completion of one request after the other.
pub trait Caller: Send + Sync + 'static {
    /// Whether the completion of the present request is there.
    fn is_done(&self) -> bool;
    /// The number of the present request. Each has another one.
    fn request_number(&self) -> u64;
    /// Hands the I/O role to the thread while it waits for the request of this number, and wakes it. False: it does not
    /// wait for that any more, and does not get the role.
    fn offer(&self, request_number: u64) -> bool;
    /// Waits until the completion is there, or the I/O role (true).
    fn wait(&self) -> bool;
    /// Others to whom this thread brings completions from now on may be woken as late as at the next
    /// [`Caller::hold_wakes`] or [`Caller::wake_held`]; those before, now.
    fn hold_wakes(&self) {}
    /// Wakes those who were to be woken; from now on others are woken at once.
    fn wake_held(&self) {}
}

/// A caller who came to wait while another one reads, and for which of its requests.
pub(super) struct Follower {
    caller: Arc<dyn Caller>,
    request_number: u64,
}

impl Follower {
    pub(super) fn new(caller: &Arc<impl Caller>) -> Follower {
        let request_number = caller.request_number();
        Follower { caller: Arc::<_>::clone(caller) as Arc<dyn Caller>, request_number }
    }

    /// As [`Caller::offer`].
    pub(super) fn offer(&self) -> bool {
        self.caller.offer(self.request_number)
    }
}

/// While it lives, threads may be woken late.
pub(super) struct HeldWakes<'a>(pub(super) &'a dyn Caller);

impl Drop for HeldWakes<'_> {
    fn drop(&mut self) {
        self.0.wake_held();
    }
}
