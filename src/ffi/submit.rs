//! The ways to run a request: submit, execute, run.

use std::ffi::{CStr, c_char};
use std::mem::size_of;
use std::slice;
use std::sync::Arc;

use smallvec::SmallVec;

use super::boundary::{call, check_generation, check_may_wait, guard, remember};
use super::client::jr_client;
use super::completion::jr_completion;
use super::queue::completions::Queue;
use super::queue::jr_queue;
use super::request::{
    EMPTY, JR_REQUEST_NOW, JR_REQUEST_REPORT, jr_bytes, jr_command, jr_request, read_request, with_request,
};
use super::status::jr_status;
use super::target::Target;
use super::user::{User, to_target};
use super::waiter::Waiter;
use crate::client::Client;
use crate::client::destination::Destination;
use crate::client::request::Request;
use crate::connection::sink::Completion;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::{Node, Reply};

/// Submits a request to the queue or callback that it names.
///
/// # Safety
/// The pointers in `request` are as the header demands.
unsafe fn submit(user: &User, request: &jr_request) -> Result<u64, Error> {
    let reports = request.flags & JR_REQUEST_REPORT != 0;
    let submit = |target: &Target, by| {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            with_request(request, |request| match user.client.submit(request, target, by) {
                Err(why) if reports => report(&user.client, request, target, why),
                submitted => submitted,
            })
        }
    };
    // SAFETY: as above.
    unsafe { to_target(user, request, submit) }
}

/// A request was not accepted, and its user wants to hear of that by a completion, if that is about the request.
#[cold]
fn report<A>(client: &Client<Target>, request: &Request<'_, A>, target: &Target, why: Error) -> Result<u64, Error> {
    // A closed queue takes no completion.
    target.check_open()?;
    match why.status {
        Status::Argument | Status::Refused | Status::Full | Status::Closed => {
            client.complete_refused(request, target, &why)
        }
        _ => Err(why),
    }
}

/// Submits a request: it is queued or written, and exactly one final completion follows where the request says. `id`
/// (or NULL) gets the name of the request, for jr_cancel. An error means that nothing was queued and no completion
/// follows. The completion may be delivered on another thread before jr_submit returns, and whoever gets it may free
/// client and queue; the memory of `id` must be there until jr_submit returns. Never waits. Any thread; what one thread
/// submits runs in that order, unless it goes on a connection of its own or is sent again, after a lost connection or
/// because the server refused it.
///
/// Blocking commands (BLPOP, XREAD with BLOCK, ...) go on connections of their own, one each, and wait in line when
/// max_connections are in use. One that is cancelled or whose deadline passes is unblocked at the server first: an
/// element that it still brings is delivered with JR_OK, otherwise it certainly did nothing (JR_OUTCOME_NOT_RUN); only
/// if the server does not stop waiting within unblock_grace is its connection closed (JR_OUTCOME_UNKNOWN). WAIT and
/// WAITAOF stand at the end of a pipeline, which then goes on one connection of its own, or on a lease.
///
/// Requests with many answers: SUBSCRIBE, PSUBSCRIBE and SSUBSCRIBE make a subscription, whose id is that of the
/// request. It gets a completion with JR_COMPLETION_MORE for each confirmation and each message, in order, until
/// jr_cancel or the end of the client; its deadline is for the first confirmation only. A message is what the server
/// sends (["message", channel, text], ["pmessage", pattern, channel, text], ["smessage", channel, text]), a JR_PUSH in
/// both versions of the protocol; a confirmation is [kind, channel, channels of this subscription], in the order in
/// which channels become its own, a JR_PUSH, too. Behind the confirmations of all that it was made with, and only once,
/// comes a JR_INTEGER of how many channels and patterns it has then, with JR_COMPLETION_MORE: it is ready. (Messages
/// of the first channels may come before that.) SUBSCRIBE alone, without channels, makes an empty subscription, which
/// needs no connection yet: it is ready at once, with 0.
///
/// Another request with its id in request.subscription changes a subscription: SUBSCRIBE, UNSUBSCRIBE and their kin
/// have one completion of their own when all of it is done, a JR_INTEGER of how many channels and patterns it has now.
/// A change that ends otherwise takes back what was not confirmed. A subscription without channels lives on. PING asks
/// the server on the connection of the plain channels and patterns, or on another one if there are none: its own
/// completion is that of any PING ("PONG", or the text that was given), and among the messages there is a JR_PUSH
/// ["pong", text], the text empty if none was given, in both versions of the protocol.
///
/// All subscriptions of a client share one connection, which is there while there are any; when it is lost they are
/// made again, see JR_COMPLETION_GAP. What the server refuses (JR_ERR_SERVER) ends the subscription, or the change that
/// asked for it.
/// In a cluster that is a connection to any node, and there is one more to each primary with sharded channels among
/// them, which follow their slots; order holds among the channels of one connection. With the address of a node as its
/// route a subscription has a connection to that node, and gets what it alone tells. MONITOR, and with RESP3 CLIENT
/// TRACKING ON BCAST (whose messages are ["invalidate", keys]), are requests with many answers on a connection of their
/// own, in a cluster to the node that the route names; there "OK" is the confirmation, and all. What is not taken in
/// time is dropped, or ends the request (JR_ERR_FULL): see the options max_unread, max_unread_bytes and
/// subscription_overflow. Such a request names a queue or a callback, and stands alone: not in a pipeline, a
/// transaction or jr_execute.
///
/// # Safety
/// The request and what it points to are as described, and unchanged during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_submit(
    client: Option<&jr_client>,
    request: *const jr_request,
    id: Option<&mut u64>,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        // SAFETY: the caller's promise is passed on.
        let request = unsafe { read_request(request) }?;
        // SAFETY: as above.
        let submitted = unsafe { submit(client.user(), &request) }?;
        if let Some(id) = id {
            *id = submitted;
        }
        Ok(())
    })
}

/// Submits `count` requests that stand in an array, each of the same `size`. Gives how many were accepted: the first
/// that is refused ends it (jr_error_text says why), and if that is the very first, its status. `ids` (or NULL) has
/// room for `count` names.
///
/// # Safety
/// As jr_submit, for each request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_submit_many(
    client: Option<&jr_client>,
    requests: *const jr_request,
    count: usize,
    ids: *mut u64,
) -> i64 {
    guard(
        |error| error.status.code().into(),
        || {
            // Copies, because whoever gets the first completion may free client and queues while this goes on.
            let user = jr_client::check(client)?.user().clone();
            let mut queues = Queues::new();
            // SAFETY: the caller's promise is passed on.
            let size = if count == 0 { 0 } else { unsafe { read_request(requests) }?.size };
            if count > isize::MAX as usize / size.max(1) {
                return Err(Error::new(Status::Argument, "the count of requests is out of range"));
            }
            let mut accepted = 0;
            while accepted < count {
                // SAFETY: the array has `count` structs of the size that the first one says, and `ids`, if there are
                // any, room for `count` names.
                let run = unsafe {
                    let ids = if ids.is_null() { ids } else { ids.add(accepted) };
                    submit_run(&user, &mut queues, requests.byte_add(accepted * size), size, count - accepted, ids)
                };
                accepted += match run {
                    (0, Some(error)) if accepted == 0 => return Err(error),
                    (more, Some(error)) => {
                        remember(&error);
                        return Ok((accepted + more) as i64);
                    }
                    (more, None) => more,
                };
            }
            Ok(count as i64)
        },
    )
}

/// So many requests of a call are routed by what was known of a cluster before.
const ROUTED: usize = 1024;

/// The queues that the requests of one call have named so far, held during the call.
type Queues = SmallVec<[(*const jr_queue, Arc<Queue<jr_completion>>); 1]>;

/// The queue of a request that goes to one of this process and to nobody else.
///
/// # Safety
/// The queue in `request` is NULL, among `queues`, or alive.
unsafe fn queue_of(request: &jr_request, queues: &mut Queues) -> Option<Arc<Queue<jr_completion>>> {
    let named = request.queue.cast_const();
    if request.callback.is_some() {
        return None;
    }
    if let Some((_, queue)) = queues.iter().find(|(pointer, _)| *pointer == named) {
        return Some(Arc::clone(queue));
    }
    // SAFETY: it is not among those that may be gone, so the caller promises it.
    let handle = unsafe { named.as_ref() }?;
    check_generation(handle.generation).ok()?;
    queues.push((named, Arc::clone(&handle.queue)));
    Some(Arc::clone(&handle.queue))
}

/// Places that were reserved in a queue and not used: they are given back.
struct Room<'a> {
    queue: &'a Queue<jr_completion>,
    left: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.queue.give_back(self.left);
        }
    }
}

/// Submits those at the front of an array that name the same queue; gives how many were accepted, and why the next was
/// not.
///
/// # Safety
/// As jr_submit, for each of the `count` requests of this `size`; `ids` is NULL or has room for as many names.
unsafe fn submit_run(
    user: &User,
    queues: &mut Queues,
    requests: *const jr_request,
    size: usize,
    count: usize,
    ids: *mut u64,
) -> (usize, Option<Error>) {
    // SAFETY: every version of the struct is at least as long as to hold its size, and `count` of them are there.
    let read = |index| unsafe { read_request(requests.byte_add(index * size)) };
    let write = |index, id| {
        if !ids.is_null() {
            // SAFETY: `ids` has room for `count` names.
            unsafe { ids.add(index).write(id) }
        }
    };
    let first = match read(0) {
        Ok(first) => first,
        Err(error) => return (0, Some(error)),
    };
    // SAFETY: the caller promises it.
    let queue = match unsafe { queue_of(&first, queues) } {
        Some(queue) => queue,
        // SAFETY: as above.
        None => match unsafe { submit(user, &first) } {
            Ok(id) => {
                write(0, id);
                return (1, None);
            }
            Err(error) => return (0, Some(error)),
        },
    };
    let most = user.client.config().max_unread;
    let shared = Arc::clone(&queue);
    let is_now = first.flags & JR_REQUEST_NOW != 0 && queue.is_idle();
    let target = if is_now { Target::QueueNow(shared) } else { Target::Queue(shared) };
    let mut room = Room { queue: &queue, left: 0 };
    let routes = user.client.routes();
    let mut batch = user.client.batch(routes.as_deref(), &target, queue.submitter());
    // In a cluster they are looked at anew now and then.
    let count = if routes.is_some() { count.min(ROUTED) } else { count };
    for index in 0..count {
        let request = match read(index) {
            Ok(request) if request.size != size => {
                return (index, Some(Error::new(Status::Argument, "the requests differ in their size")));
            }
            Ok(request) if request.queue != first.queue || request.callback.is_some() => return (index, None),
            Ok(request) => request,
            Err(error) => return (index, Some(error)),
        };
        if room.left == 0 {
            match queue.reserve_block(count - index, most) {
                Ok(granted) => room.left = granted,
                Err(error) => return (index, Some(error)),
            }
        }
        let reports = request.flags & JR_REQUEST_REPORT != 0;
        // SAFETY: the caller's promise is passed on.
        let submitted = unsafe {
            with_request(&request, |request| match batch.submit(request) {
                Err(why) if reports => report(&user.client, request, &target, why),
                submitted => submitted,
            })
        };
        match submitted {
            Ok(id) => {
                room.left -= 1;
                write(index, id);
            }
            Err(error) => return (index, Some(error)),
        }
    }
    (count, None)
}

/// The reply of a request that was not accepted, for those who get one all the same.
fn not_accepted(error: &Error) -> Reply {
    Reply::error(error.status, Outcome::NotRun, &error.message)
}

/// Runs a request and waits for its answer. Gives the status of its completion (or of the call, if it was refused);
/// `reply` (or NULL) gets the reply, also that of a failure, and it is yours to free. The request names neither queue
/// nor callback. Any thread but those of callbacks.
///
/// # Safety
/// As jr_submit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_execute(
    client: Option<&jr_client>,
    request: *const jr_request,
    reply: Option<&mut *mut Node>,
) -> jr_status {
    let executed = guard(
        |error| (error.status.code(), not_accepted(error)),
        || {
            let client = jr_client::check(client)?;
            check_may_wait()?;
            // SAFETY: the caller's promise is passed on.
            let request = unsafe { read_request(request) }?;
            if !request.queue.is_null() || request.callback.is_some() {
                let sentence = "jr_execute waits for the answer itself: the request must not name a queue or callback";
                return Err(Error::new(Status::Argument, sentence));
            }
            // SAFETY: as above.
            unsafe { execute(client, &request) }
        },
    );
    match reply {
        Some(reply) => *reply = executed.1.into_raw(),
        None => drop(executed.1),
    }
    executed.0
}

/// # Safety
/// As `submit`.
unsafe fn execute(client: &jr_client, request: &jr_request) -> Result<(jr_status, Reply), Error> {
    let waiter = Waiter::of_this_thread();
    // SAFETY: the caller's promise is passed on.
    unsafe {
        with_request(request, |request| {
            client.user().client.execute(request, &Target::Waiter(Arc::clone(&waiter)), &waiter)
        })
    }?;
    let Completion { status, reply, .. } = waiter.take();
    if status != Status::Ok {
        remember(&Error::new(status, String::from_utf8_lossy(reply.as_bytes())));
    }
    Ok((status.code(), reply))
}

/// Runs one command of C strings and waits for its answer: jr_run(client, "SET", "key", "value") in C and C++. Never
/// NULL: a failure is a JR_ERROR. The reply is yours to free.
///
/// # Safety
/// `strings` has `count` texts that end with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_run_strings(
    client: Option<&jr_client>,
    strings: *const *const c_char,
    count: usize,
) -> *mut Node {
    let reply = guard(not_accepted, || {
        let client = jr_client::check(client)?;
        check_may_wait()?;
        if strings.is_null() || count == 0 || count > isize::MAX as usize / size_of::<jr_bytes>() {
            return Err(Error::new(
                Status::Argument,
                "jr_run needs a command: strings is NULL or count is out of range",
            ));
        }
        // SAFETY: not NULL, and the caller promises `count` texts.
        let strings = unsafe { slice::from_raw_parts(strings, count) };
        if let Some(index) = strings.iter().position(|string| string.is_null()) {
            return Err(Error::new(Status::Argument, format!("argument {index} of jr_run is NULL")));
        }
        let args: Vec<jr_bytes> = strings
            .iter()
            // SAFETY: not NULL, and the caller promises a NUL.
            .map(|string| unsafe { CStr::from_ptr(*string) }.to_bytes())
            .map(|bytes| jr_bytes { data: bytes.as_ptr().cast(), len: bytes.len() })
            .collect();
        let command = jr_command { args: args.as_ptr(), count: args.len() };
        let request = jr_request { commands: &command, count: 1, ..EMPTY };
        // SAFETY: the request was made here of checked parts.
        unsafe { execute(client, &request) }.map(|(_, reply)| reply)
    });
    reply.into_raw()
}
