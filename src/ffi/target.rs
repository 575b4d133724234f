//! The places that completions go to: a queue, a callback, a thread that waits, the logger.

use std::sync::Arc;
use std::{iter, mem};

use super::boundary::check_generation;
use super::callback::Callbacks;
use super::completion::{Function, jr_completion};
use super::queue::Queue;
use super::request::jr_request;
use super::waiter::Waiter;
use crate::client::Client;
use crate::client::destination::{Deliveries, Delivery, Destination};
use crate::client::mailbox::Mailbox;
use crate::connection::io_role::Submitter;
use crate::connection::queue_driver::QueueDriver;
use crate::error::{Error, Status};

/// What it takes to submit. A call that goes on after the completion of a request may have been delivered works with a
/// copy: whoever gets the completion may free the handle.
#[derive(Clone)]
pub(super) struct User {
    pub(super) client: Client<Target>,
    pub(super) callbacks: Arc<Callbacks>,
}

/// Where the completions of a request go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Nobody wants to know.
    Dropped,
    Queue {
        queue: Arc<Queue>,
        user_data: u64,
    },
    Callback {
        callbacks: Arc<Callbacks>,
        function: Function,
        user_data: u64,
    },
    Waiter(Arc<Waiter>),
    Log(Arc<Callbacks>),
}

impl Target {
    /// Whether what is for one can be put together with what is for the other.
    fn is_beside(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Queue { queue, .. }, Target::Queue { queue: other, .. }) => Arc::ptr_eq(queue, other),
            (Target::Callback { callbacks, .. }, Target::Callback { callbacks: other, .. }) => {
                Arc::ptr_eq(callbacks, other)
            }
            _ => false,
        }
    }
}

impl Destination for Target {
    fn deliver(deliveries: &mut Deliveries<Target>) {
        let mut rest = mem::take(deliveries).into_iter();
        while let Some(Delivery { destination, completion }) = rest.next() {
            let beside = rest.as_slice().iter().take_while(|next| next.destination.is_beside(&destination)).count();
            match destination {
                Target::Dropped | Target::Log(_) => {}
                Target::Waiter(waiter) => waiter.wake(completion),
                Target::Queue { queue, user_data } => {
                    let first = jr_completion::new(user_data, completion);
                    let others = rest.by_ref().take(beside).filter_map(Delivery::for_queue);
                    queue.put(iter::once(first).chain(others));
                }
                Target::Callback { callbacks, function, user_data } => {
                    let first = (function, jr_completion::new(user_data, completion));
                    let others = rest.by_ref().take(beside).filter_map(Delivery::for_callback);
                    callbacks.call(iter::once(first).chain(others));
                }
            }
        }
    }

    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        match self {
            Target::Dropped | Target::Waiter(_) => false,
            Target::Queue { queue, user_data } => queue.put_messages(*user_data, mailbox, count),
            Target::Callback { callbacks, function, user_data } => {
                callbacks.call_for_messages(*function, *user_data, mailbox, count);
                true
            }
            Target::Log(callbacks) => {
                callbacks.log(mailbox, count);
                true
            }
        }
    }

    fn call_takers(&self, driver: Option<QueueDriver>) {
        if let Target::Queue { queue, .. } = self {
            queue.call_takers(driver);
        }
    }

    fn takes_many(&self) -> bool {
        matches!(self, Target::Queue { .. } | Target::Callback { .. } | Target::Log(_))
    }
}

impl Delivery<Target> {
    fn for_queue(self) -> Option<jr_completion> {
        let Target::Queue { user_data, .. } = self.destination else { return None };
        Some(jr_completion::new(user_data, self.completion))
    }

    fn for_callback(self) -> Option<(Function, jr_completion)> {
        let Target::Callback { function, user_data, .. } = self.destination else { return None };
        Some((function, jr_completion::new(user_data, self.completion)))
    }
}

/// Gives the place that a request names for its completion to `start`, which accepts the request or does not. From then
/// on whoever gets the completion may have freed client and queue: neither is used any more.
///
/// # Safety
/// The queue in `request` is NULL or alive.
pub(super) unsafe fn to_target(
    user: &User,
    request: &jr_request,
    start: impl FnOnce(Target, Submitter) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let user_data = request.user_data;
    // SAFETY: the caller promises it.
    match (unsafe { request.queue.as_ref() }, request.callback) {
        (Some(_), Some(_)) => Err(Error::new(Status::Argument, "the request names a queue and a callback; choose one")),
        (None, None) => start(Target::Dropped, Submitter::Other),
        (None, Some(function)) => {
            user.callbacks.start()?;
            let target = Target::Callback { callbacks: Arc::clone(&user.callbacks), function, user_data };
            start(target, Submitter::Other)
        }
        (Some(queue), None) => {
            check_generation(queue.generation)?;
            let queue = &queue.queue;
            queue.reserve(user.client.config().max_unread)?;
            let target = Target::Queue { queue: Arc::clone(queue), user_data };
            start(target, queue.submitter()).inspect_err(|_| queue.give_back())
        }
    }
}
