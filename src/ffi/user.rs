//! What it takes to submit: a client, and the place that a request names for its completion.

use std::sync::Arc;

use super::boundary::check_generation;
use super::callback::Callbacks;
use super::request::{JR_REQUEST_NOW, jr_request};
use super::target::Target;
use crate::client::Client;
use crate::connection::io_role::Submitter;
use crate::error::{Error, Status};

/// What it takes to submit. A call that goes on after the completion of a request may have been delivered works with a
/// copy: whoever gets the completion may free the handle.
#[derive(Clone)]
pub(super) struct User {
    pub(super) client: Client<Target>,
    pub(super) callbacks: Arc<Callbacks>,
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
    let callback;
    // SAFETY: the caller promises it.
    let (target, by) = match (unsafe { request.queue.as_ref() }, request.callback) {
        (Some(handle), None) => {
            check_generation(handle.generation)?;
            handle.queue.reserve(user.client.config().max_unread)?;
            // That of the handle, without a reference of its own, which would be two atomic instructions more.
            let is_now = request.flags & JR_REQUEST_NOW != 0 && handle.queue.is_first();
            (if is_now { &handle.target_now } else { &handle.target }, handle.queue.submitter())
        }
        (None, Some(function)) => {
            user.callbacks.start()?;
            let queue = user.callbacks.queue();
            queue.reserve(user.client.config().max_unread)?;
            callback = Target::Callback(Arc::clone(&user.callbacks), function);
            (&callback, queue.submitter())
        }
        (None, None) => (&Target::Dropped, Submitter::Other),
        (Some(_), Some(_)) => {
            return Err(Error::new(Status::Argument, "the request names a queue and a callback; choose one"));
        }
    };
    // By hand, as the id alone is passed on in a register and the whole result through memory.
    match start(target, by) {
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
