//! The places that completions go to: a queue, a callback, a thread that waits, the logger.

use std::collections::vec_deque::Drain;
use std::sync::{Arc, LazyLock};

use super::boundary::check_generation;
use super::callback::{CallbackSink, Callbacks};
use super::completion::{Function, jr_completion};
use super::queue::completions::Queue;
use super::request::jr_request;
use super::waiter::Waiter;
use crate::client::Client;
use crate::client::destination::Destination;
use crate::client::mailbox::Mailbox;
use crate::connection::io_role::Submitter;
use crate::connection::queue_driver::QueueDriver;
use crate::connection::sink::{Completion, Sink, SinkKey};
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
    Queue(Arc<Queue<jr_completion>>),
    Callback(Arc<Callbacks>, Function),
    Waiter(Arc<Waiter>),
    Log(Arc<Callbacks>),
}

/// The sink of completions that nobody wants.
#[derive(Debug)]
struct Dropped;

impl Sink for Dropped {
    fn deliver(&self, completions: Drain<'_, Completion>) {
        drop(completions);
    }
}

fn address_of<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

impl Destination for Target {
    fn key(&self) -> Option<SinkKey> {
        match self {
            Target::Dropped | Target::Log(_) => Some(SinkKey(0, 0)),
            Target::Queue(queue) => Some(SinkKey(address_of(queue), 0)),
            Target::Callback(callbacks, function) => Some(SinkKey(address_of(callbacks), *function as usize)),
            Target::Waiter(_) => None,
        }
    }

    fn sink(&self) -> Arc<dyn Sink> {
        static DROPPED: LazyLock<Arc<Dropped>> = LazyLock::new(|| Arc::new(Dropped));
        match self {
            Target::Dropped | Target::Log(_) => DROPPED.clone(),
            Target::Queue(queue) => queue.clone(),
            Target::Callback(callbacks, function) => Arc::new(CallbackSink::new(callbacks, *function)),
            Target::Waiter(waiter) => waiter.clone(),
        }
    }

    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        match self {
            Target::Dropped | Target::Waiter(_) => false,
            Target::Queue(queue) => queue.put_messages((), mailbox, count),
            Target::Callback(callbacks, function) => callbacks.queue().put_messages(Some(*function), mailbox, count),
            Target::Log(callbacks) => callbacks.queue().put_messages(None, mailbox, count),
        }
    }

    fn call_takers(&self, driver: Option<QueueDriver>) {
        match self {
            Target::Queue(queue) => queue.call_takers(driver),
            Target::Callback(callbacks, _) => callbacks.queue().call_takers(driver),
            // An I/O role that is dropped goes back to the background.
            Target::Dropped | Target::Waiter(_) | Target::Log(_) => drop(driver),
        }
    }

    fn takes_many(&self) -> bool {
        matches!(self, Target::Queue(_) | Target::Callback(..) | Target::Log(_))
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
    start: impl FnOnce(&Target, Submitter) -> Result<u64, Error>,
) -> Result<u64, Error> {
    // SAFETY: the caller promises it.
    let (target, by) = match (unsafe { request.queue.as_ref() }, request.callback) {
        (Some(queue), None) => {
            check_generation(queue.generation)?;
            let queue = &queue.queue;
            queue.reserve(user.client.config().max_unread)?;
            (Target::Queue(Arc::clone(queue)), queue.submitter())
        }
        (None, Some(function)) => {
            user.callbacks.start()?;
            let queue = user.callbacks.queue();
            queue.reserve(user.client.config().max_unread)?;
            (Target::Callback(Arc::clone(&user.callbacks), function), queue.submitter())
        }
        (None, None) => (Target::Dropped, Submitter::Other),
        (Some(_), Some(_)) => {
            return Err(Error::new(Status::Argument, "the request names a queue and a callback; choose one"));
        }
    };
    // By hand, as the id alone is passed on in a register and the whole result through memory.
    match start(&target, by) {
        Ok(id) => Ok(id),
        // SAFETY: as above; nothing will complete the request.
        Err(error) => Err(unsafe { give_back(user, request, error) }),
    }
}

/// The request was not accepted: the room for its completion is free again.
///
/// # Safety
/// The queue in `request` is NULL or alive.
#[cold]
unsafe fn give_back(user: &User, request: &jr_request, error: Error) -> Error {
    // SAFETY: the caller promises it.
    match (unsafe { request.queue.as_ref() }, request.callback) {
        (Some(queue), _) => queue.queue.give_back(1),
        (None, Some(_)) => user.callbacks.queue().give_back(1),
        (None, None) => {}
    }
    error
}
