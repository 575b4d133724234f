//! A request as C writes it, and the ways to run one: submit, execute, run.

use std::ffi::{CStr, c_char, c_void};
use std::mem::{align_of, size_of};
use std::ops::Deref;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::boundary::{call, check_generation, check_may_wait, guard, null, remember, text};
use super::client::{User, jr_client};
use super::completion::{Target, jr_callback};
use super::queue::{Queue, jr_queue};
use super::status::jr_status;
use super::waiter::Waiter;
use crate::client::completion::Completion;
use crate::client::request::{Request, Timeout};
use crate::connection::io_role::Submitter;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::{Node, Reply};
use crate::topology::Route;

/// Run as one transaction, between MULTI and EXEC: all commands or, if one is refused, none.
pub const JR_REQUEST_ATOMIC: u32 = 1;
/// It may run twice: send it again also when nobody knows whether it ran.
pub const JR_REQUEST_IDEMPOTENT: u32 = 2;
/// A replica may answer. Without replicas the primary does.
pub const JR_REQUEST_REPLICA: u32 = 4;
/// On a connection of its own, out of those of max_connections: for what would hold up everybody on the shared one,
/// such as a command that takes long. Blocking commands need not say so.
pub const JR_REQUEST_DEDICATED: u32 = 8;
/// It may be answered from the client's cache (see the option cache_bytes), at once and without the server; else it is
/// sent, and its answer is kept until the server tells of a change to its keys. Never older than what the client was
/// told before, the answers to its own writes included; changes of others are seen when the server has told. Without a
/// cache it is sent as any other. For one command whose answer depends on the values of its keys alone (GET, MGET,
/// HGETALL, ZRANGE, ..., but not TTL, SCAN or SRANDMEMBER), without a route, and not on a lease; anything else is
/// JR_ERR_ARGUMENT.
pub const JR_REQUEST_CACHED: u32 = 16;
/// For timeout_ms: without end.
pub const JR_TIMEOUT_NONE: u32 = u32::MAX;

const KNOWN_FLAGS: u32 =
    JR_REQUEST_ATOMIC | JR_REQUEST_IDEMPOTENT | JR_REQUEST_REPLICA | JR_REQUEST_DEDICATED | JR_REQUEST_CACHED;

/// One argument: any bytes. `data` may be NULL if `len` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct jr_bytes {
    /// Read during the call only.
    pub data: *const c_void,
    /// In bytes.
    pub len: usize,
}

/// One command: its name and its arguments.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct jr_command {
    /// The name is the first; it has at least one byte.
    pub args: *const jr_bytes,
    /// How many, the name included.
    pub count: usize,
}

/// What to run and where its completion goes. Set all of it to zero, then `size`, then what you need.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct jr_request {
    /// sizeof(jr_request), of the header that the program was compiled with: lets the struct grow. The size of this
    /// version, or of a later one whose additional members are zero; any other is JR_ERR_ARGUMENT.
    pub size: usize,
    /// One; or several, written back to back: a pipeline, or with JR_REQUEST_ATOMIC a transaction.
    pub commands: *const jr_command,
    /// How many commands.
    pub count: usize,
    /// JR_REQUEST_* bits.
    pub flags: u32,
    /// In milliseconds, from now on. 0: the client's command_timeout; JR_TIMEOUT_NONE: none. What a blocking command
    /// lets the server wait is added; if that is for ever, 0 means none.
    pub timeout_ms: u32,
    /// NULL: by key. "primaries", "replicas", "all" (the reply is a map of address to reply), "random", "host:port".
    pub route: *const c_char,
    /// The id of the subscription that this request changes (SUBSCRIBE, UNSUBSCRIBE and their kin) or pings; 0: none.
    pub subscription: u64,
    /// Where the completion goes: a queue, or
    pub queue: *mut jr_queue,
    /// a callback; with neither it is dropped.
    pub callback: jr_callback,
    /// Handed back in the completion.
    pub user_data: u64,
}

const EMPTY: jr_request = jr_request {
    size: 0,
    commands: std::ptr::null(),
    count: 0,
    flags: 0,
    timeout_ms: 0,
    route: std::ptr::null(),
    subscription: 0,
    queue: std::ptr::null_mut(),
    callback: None,
    user_data: 0,
};

/// An argument that was checked: its pointer may be read during the call.
#[repr(transparent)]
struct Argument(jr_bytes);

impl AsRef<[u8]> for Argument {
    fn as_ref(&self) -> &[u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: an `Argument` is only made by `words_of`, which checked the pointer; the user promises the length.
        unsafe { slice::from_raw_parts(self.0.data.cast(), self.0.len) }
    }
}

/// The arguments of a command.
///
/// # Safety
/// The pointers in `command` are NULL or lead to as much as its lengths say, unchanged during `'a`.
#[inline]
unsafe fn words_of<'a>(command: &jr_command, index: usize) -> Result<&'a [Argument], Error> {
    if command.count == 0 {
        return Err(wrong(index, "it has no arguments, not even a name"));
    }
    if command.args.is_null() || command.count > isize::MAX as usize / size_of::<jr_bytes>() {
        return Err(wrong(index, "args is NULL or count is out of range"));
    }
    // SAFETY: not NULL; the caller promises `count` arguments; `Argument` is a transparent `jr_bytes`.
    let words: &[Argument] = unsafe { slice::from_raw_parts(command.args.cast(), command.count) };
    match words.iter().position(|word| (word.0.data.is_null() && word.0.len > 0) || word.0.len > isize::MAX as usize) {
        Some(place) => Err(wrong(index, &format!("argument {place} is NULL or its length is out of range"))),
        None => Ok(words),
    }
}

#[cold]
fn wrong(index: usize, what: &str) -> Error {
    Error::new(Status::Argument, format!("command {index}: {what}"))
}

/// A request as the user gave it: of this version of the struct, as nearly all are, or of another, and then a copy.
pub(super) enum Given<'a> {
    Whole(&'a jr_request),
    Other(Box<jr_request>),
}

impl Deref for Given<'_> {
    type Target = jr_request;

    fn deref(&self) -> &jr_request {
        match self {
            Given::Whole(request) => request,
            Given::Other(request) => request,
        }
    }
}

/// The size of each version of the struct before this one: where a member ended. There was none.
const EARLIER: [usize; 0] = [];

/// Whether a struct of this size can be: of an earlier version, or of a later one, which ends as this one does where an
/// array of them may go on.
fn is_size_of_a_version(size: usize) -> bool {
    let is_later = size > size_of::<jr_request>() && size <= 4096 && size.is_multiple_of(align_of::<jr_request>());
    is_later || EARLIER.contains(&size)
}

/// Reads a request of any version of the struct: what it is too short for is zero, what it is longer by must be.
///
/// # Safety
/// `request` is NULL or leads to as many bytes as its `size` says, unchanged during `'a`.
#[inline(always)]
pub(super) unsafe fn read_request<'a>(request: *const jr_request) -> Result<Given<'a>, Error> {
    if request.is_null() {
        return Err(null("request"));
    }
    // SAFETY: the struct begins with its size in every version.
    let size = unsafe { (*request).size };
    if size == size_of::<jr_request>() {
        // SAFETY: it is a whole struct, and the caller promises that it stays as it is during the call.
        let request = unsafe { &*request };
        return check_request(request).map(|()| Given::Whole(request));
    }
    // SAFETY: the caller's promise is passed on.
    unsafe { read_other(request, size) }
}

/// Reads a request of another version of the struct.
///
/// # Safety
/// `request` leads to as many bytes as its size says, unchanged during the call.
#[cold]
unsafe fn read_other<'a>(request: *const jr_request, size: usize) -> Result<Given<'a>, Error> {
    if !is_size_of_a_version(size) {
        let known = size_of::<jr_request>();
        let sentence =
            format!("request.size is {size}, which is no size of a jr_request; set it to sizeof(jr_request)");
        return Err(Error::new(Status::Argument, format!("{sentence}, here {known}")));
    }
    let mut copy = EMPTY;
    let known = size.min(size_of::<jr_request>());
    // SAFETY: both are at least `known` long, and every byte pattern that C wrote is a `jr_request`.
    unsafe { std::ptr::copy_nonoverlapping(request.cast::<u8>(), (&raw mut copy).cast::<u8>(), known) };
    // SAFETY: the user's struct is `size` long.
    let tail = unsafe { slice::from_raw_parts(request.cast::<u8>().add(known), size - known) };
    if tail.iter().any(|byte| *byte != 0) {
        return Err(Error::new(Status::Argument, "the request uses members that this version does not know"));
    }
    check_request(&copy)?;
    Ok(Given::Other(Box::new(copy)))
}

fn check_request(request: &jr_request) -> Result<(), Error> {
    if request.flags & !KNOWN_FLAGS != 0 {
        let unknown = request.flags & !KNOWN_FLAGS;
        return Err(Error::new(Status::Argument, format!("the request has unknown flags (0x{unknown:x})")));
    }
    Ok(())
}

/// Gives `then` the request as the layers below want it.
///
/// # Safety
/// The pointers in `request` are as the header demands.
unsafe fn with_request<T>(
    request: &jr_request,
    then: impl FnOnce(&Request<'_, Argument>) -> Result<T, Error>,
) -> Result<T, Error> {
    if request.commands.is_null() || request.count == 0 || request.count > u32::MAX as usize - 2 {
        return Err(Error::new(Status::Argument, "request.commands is NULL or request.count is out of range"));
    }
    // SAFETY: not NULL; the caller promises `count` commands.
    let commands = unsafe { slice::from_raw_parts(request.commands, request.count) };
    let route = match request.route.is_null() {
        true => Route::ByKey,
        // SAFETY: the caller promises a C string.
        false => Route::parse(unsafe { text(request.route, "request.route") }?),
    };
    let timeout = match request.timeout_ms {
        0 => Timeout::Default,
        JR_TIMEOUT_NONE => Timeout::None,
        timeout => Timeout::After(Duration::from_millis(timeout.into())),
    };
    let run = |commands: &[&[Argument]]| {
        let atomic = request.flags & JR_REQUEST_ATOMIC != 0;
        let idempotent = request.flags & JR_REQUEST_IDEMPOTENT != 0;
        let dedicated = request.flags & JR_REQUEST_DEDICATED != 0;
        let cached = request.flags & JR_REQUEST_CACHED != 0;
        let subscription = request.subscription;
        then(&Request { commands, atomic, idempotent, dedicated, cached, timeout, route, subscription })
    };
    match commands {
        // SAFETY: the caller promises the pointers of each command.
        [command] => run(&[unsafe { words_of(command, 0) }?]),
        commands => {
            let all = commands.iter().enumerate();
            // SAFETY: as above.
            let all: Result<Vec<_>, Error> = all.map(|(index, command)| unsafe { words_of(command, index) }).collect();
            run(&all?)
        }
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
        (None, None) => start(Target::Nowhere, Submitter::Other),
        (None, Some(function)) => {
            user.callbacks.start()?;
            let target = Target::Callback { callbacks: Arc::clone(&user.callbacks), function, user_data };
            start(target, Submitter::Other)
        }
        (Some(queue), None) => {
            check_generation(queue.generation)?;
            let queue = &queue.queue;
            let target = queue.reserve(user_data, user.client.config().max_unread)?;
            start(target, queue.submitter()).inspect_err(|_| queue.give_back())
        }
    }
}

/// Submits a request to the queue or callback that it names.
///
/// # Safety
/// The pointers in `request` are as the header demands.
unsafe fn submit(user: &User, request: &jr_request) -> Result<u64, Error> {
    let submit = |target, by| {
        // SAFETY: the caller's promise is passed on.
        unsafe { with_request(request, |request| user.client.submit(request, target, by)) }
    };
    // SAFETY: as above.
    unsafe { to_target(user, request, submit) }
}

/// Submits a request: it is queued or written, and exactly one final completion follows where the request says. `id`
/// (or NULL) gets the name of the request, for jr_cancel. An error means that nothing was queued and no completion
/// follows. The completion may be delivered on another thread before jr_submit returns, and whoever gets it may free
/// client and queue; the memory of `id` must be there until jr_submit returns. Never waits. Any thread; what one thread
/// submits runs in that order, unless it goes on a connection of its own.
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
/// which channels become its own. Another request with its id in request.subscription changes it: SUBSCRIBE,
/// UNSUBSCRIBE and their kin have one completion of their own when all of it is done, a JR_INTEGER of how many channels
/// and patterns it has now; PING is answered there, among the messages, and in its own completion. A change that ends
/// otherwise takes back what was not confirmed. A subscription without channels lives on. All subscriptions of a client
/// share one connection, which is there while there are any; when it is lost they are made again, see
/// JR_COMPLETION_GAP. What the server refuses (JR_ERR_SERVER) ends the subscription, or the change that asked for it.
/// MONITOR, and with RESP3 CLIENT TRACKING ON BCAST (whose messages are ["invalidate", keys]), are requests with many
/// answers on a connection of their own; there "OK" is the confirmation. What is not taken in time is dropped, or ends
/// the request (JR_ERR_FULL): see the options max_unread, max_unread_bytes and subscription_overflow. Such a request
/// names a queue or a callback, and stands alone: not in a pipeline, a transaction or jr_execute.
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

/// The queues that the requests of one call have named so far, held during the call.
type Queues = SmallVec<[(*const jr_queue, Arc<Queue>); 1]>;

/// The queue of a request that goes to one of this process and to nobody else.
///
/// # Safety
/// The queue in `request` is NULL, among `queues`, or alive.
unsafe fn queue_of(request: &jr_request, queues: &mut Queues) -> Option<Arc<Queue>> {
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
    let mut batch = user.client.batch(queue.submitter());
    for index in 0..count {
        let request = match read(index) {
            Ok(request) if request.size != size => {
                return (index, Some(Error::new(Status::Argument, "the requests differ in their size")));
            }
            Ok(request) if request.queue != first.queue || request.callback.is_some() => return (index, None),
            Ok(request) => request,
            Err(error) => return (index, Some(error)),
        };
        let submitted = queue.reserve(request.user_data, most).and_then(|target| {
            // SAFETY: the caller's promise is passed on.
            let submitted = unsafe { with_request(&request, |request| batch.submit(request, target)) };
            submitted.inspect_err(|_| queue.give_back())
        });
        match submitted {
            Ok(id) => write(index, id),
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
            client.user().client.execute(request, Target::Waiter(Arc::clone(&waiter)), || waiter.is_done())
        })
    }?;
    let Completion { status, reply, .. } = waiter.wait();
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
