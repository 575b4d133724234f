//! A request as C writes it, and how it is read.

use std::ffi::{c_char, c_void};
use std::mem::{align_of, size_of};
use std::ops::Deref;
use std::slice;
use std::time::Duration;

use super::boundary::{null, text};
use super::completion::jr_callback;
use super::queue::jr_queue;
use crate::client::request::{Request, Timeout};
use crate::error::{Error, Status};
use crate::topology::Route;

/// Run as one transaction, between MULTI and EXEC: all commands or, if one is refused, none.
pub const JR_REQUEST_ATOMIC: u32 = 1;
/// It may run twice: send it again also when nobody knows whether it ran.
pub const JR_REQUEST_IDEMPOTENT: u32 = 2;
/// A replica may answer, as with the option `read_from=prefer_replica` (with another that names replicas, as that one
/// says): what it answers may be older than what the primary would. Commands that do not read keys, or change
/// something, go to the primary all the same, as cursors do (SCAN and its kin), transactions, scripts and what is on a
/// connection of its own. With JR_REQUEST_CACHED: JR_ERR_ARGUMENT.
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
/// If the request is refused (JR_ERR_ARGUMENT, JR_ERR_REFUSED, JR_ERR_CLOSED, JR_ERR_FULL of a connection), jr_submit
/// gives JR_OK and an id all the same, and the completion, with JR_OUTCOME_NOT_RUN, says why: one path for all errors.
/// What jr_submit still returns: an unreadable request, JR_ERR_FULL and JR_ERR_CLOSED of the queue, JR_ERR_FORKED and
/// JR_ERR_MEMORY. It changes nothing for jr_execute.
pub const JR_REQUEST_REPORT: u32 = 32;
/// If nothing else is under way for its queue, jr_submit writes it at once, and whoever takes from the queue reads the
/// answer: an event loop with one request at a time saves a wake-up of its own. A hint: on the first of many requests
/// it costs a write of its own. It changes nothing where the library writes anyway: with a callback, without a queue,
/// in jr_execute, on a connection of its own, for several nodes, elsewhere than on Linux. Of jr_submit_many, for the
/// first.
pub const JR_REQUEST_NOW: u32 = 64;
/// For timeout_ms: without end.
pub const JR_TIMEOUT_NONE: u32 = u32::MAX;

const KNOWN_FLAGS: u32 = JR_REQUEST_ATOMIC
    | JR_REQUEST_IDEMPOTENT
    | JR_REQUEST_REPLICA
    | JR_REQUEST_DEDICATED
    | JR_REQUEST_CACHED
    | JR_REQUEST_REPORT
    | JR_REQUEST_NOW;

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
    /// NULL: by key. "primaries", "replicas", "all" (the reply is a map of address to reply), "random", "host:port";
    /// "slot:N" and "key:K" (the primary of a slot, by its number or by a key in it). Words win: a host with such a
    /// name is written `[slot]:12`.
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

pub(super) const EMPTY: jr_request = jr_request {
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
pub(super) struct Argument(jr_bytes);

impl AsRef<[u8]> for Argument {
    fn as_ref(&self) -> &[u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: an `Argument` is only made by `args_of`, which checked the pointer; the user promises the length.
        unsafe { slice::from_raw_parts(self.0.data.cast(), self.0.len) }
    }
}

/// The arguments of a command.
///
/// # Safety
/// The pointers in `command` are NULL or lead to as much as its lengths say, unchanged during `'a`.
#[inline]
unsafe fn args_of<'a>(command: &jr_command, index: usize) -> Result<&'a [Argument], Error> {
    if command.count == 0 {
        return Err(wrong(index, "it has no arguments, not even a name"));
    }
    if command.args.is_null() || command.count > isize::MAX as usize / size_of::<jr_bytes>() {
        return Err(wrong(index, "args is NULL or count is out of range"));
    }
    // SAFETY: not NULL; the caller promises `count` arguments; `Argument` is a transparent `jr_bytes`.
    let args: &[Argument] = unsafe { slice::from_raw_parts(command.args.cast(), command.count) };
    match args.iter().position(|arg| (arg.0.data.is_null() && arg.0.len > 0) || arg.0.len > isize::MAX as usize) {
        Some(place) => Err(wrong(index, &format!("argument {place} is NULL or its length is out of range"))),
        None => Ok(args),
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
pub(super) unsafe fn with_request<T>(
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
        let replica = request.flags & JR_REQUEST_REPLICA != 0;
        let subscription = request.subscription;
        let user_data = request.user_data;
        then(&Request {
            commands,
            atomic,
            idempotent,
            dedicated,
            cached,
            replica,
            timeout,
            route,
            subscription,
            user_data,
        })
    };
    match commands {
        // SAFETY: the caller promises the pointers of each command.
        [command] => run(&[unsafe { args_of(command, 0) }?]),
        commands => {
            let all = commands.iter().enumerate();
            // SAFETY: as above.
            let all: Result<Vec<_>, Error> = all.map(|(index, command)| unsafe { args_of(command, index) }).collect();
            run(&all?)
        }
    }
}
