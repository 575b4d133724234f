//! Why something failed ([`Status`]), whether the server may have run it ([`Outcome`]), and the sentence for
//! people ([`Error`]). The numbers are part of the C contract: explicit, append-only.

use std::ffi::CStr;
use std::fmt;

/// The reason of a call or of a completion. The numbers are those of `jr_status` in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Status {
    /// It worked.
    Ok = 0,
    /// An argument is NULL, out of range, or contradicts another.
    Argument = -1,
    /// An option is unknown or its value is wrong.
    Config = -2,
    /// The command changes the state of a connection that others share.
    Refused = -3,
    /// The client is closed.
    Closed = -4,
    /// A limit is reached: too many requests or bytes wait already.
    Full = -5,
    /// The handle was made before a `fork()` and this is the child.
    Forked = -6,
    /// The call would wait on the thread that has to make it come true.
    Deadlock = -7,
    /// There is no such request (any more).
    NotFound = -8,
    /// Memory could not be allocated.
    Memory = -9,
    /// A defect of this library.
    Internal = -10,
    /// The server answered with an error.
    Server = -11,
    /// The deadline passed.
    Timeout = -12,
    /// The request was cancelled.
    Canceled = -13,
    /// No connection could be made.
    Connect = -14,
    /// The server refused the user name or the password.
    Auth = -15,
    /// The TLS session could not be made.
    Tls = -16,
    /// The connection went away while the request waited for its answer.
    Lost = -17,
    /// The leased connection went away.
    LeaseLost = -18,
    /// The server sent what is not RESP, or more than the limits allow.
    Protocol = -19,
}

impl Status {
    /// Every status, in the order of its number.
    pub const ALL: [Status; 20] = [
        Status::Ok,
        Status::Argument,
        Status::Config,
        Status::Refused,
        Status::Closed,
        Status::Full,
        Status::Forked,
        Status::Deadlock,
        Status::NotFound,
        Status::Memory,
        Status::Internal,
        Status::Server,
        Status::Timeout,
        Status::Canceled,
        Status::Connect,
        Status::Auth,
        Status::Tls,
        Status::Lost,
        Status::LeaseLost,
        Status::Protocol,
    ];

    /// The number that crosses the C boundary.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The status of a number, or `None` for a number that is not one.
    pub fn from_code(code: i32) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.code() == code)
    }

    /// A short phrase in English, without a full stop.
    pub const fn text(self) -> &'static CStr {
        match self {
            Status::Ok => c"ok",
            Status::Argument => c"bad argument",
            Status::Config => c"bad configuration",
            Status::Refused => c"command refused on a shared client",
            Status::Closed => c"client closed",
            Status::Full => c"limit of waiting requests reached",
            Status::Forked => c"handle inherited through fork",
            Status::Deadlock => c"would wait for itself",
            Status::NotFound => c"no such request",
            Status::Memory => c"out of memory",
            Status::Internal => c"internal error",
            Status::Server => c"error reply of the server",
            Status::Timeout => c"deadline passed",
            Status::Canceled => c"cancelled",
            Status::Connect => c"no connection",
            Status::Auth => c"authentication refused",
            Status::Tls => c"TLS failed",
            Status::Lost => c"connection lost",
            Status::LeaseLost => c"leased connection lost",
            Status::Protocol => c"protocol violated",
        }
    }
}

/// Whether the server may have run a request. The numbers are the `JR_OUTCOME_*` bits in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Outcome {
    /// Certainly not run.
    NotRun = 1,
    /// It was sent, no answer came.
    Unknown = 2,
    /// The server replied.
    Answered = 4,
}

impl Outcome {
    /// The bit that crosses the C boundary.
    pub const fn bit(self) -> u32 {
        self as u32
    }
}

/// A status with the sentence that says what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The reason.
    pub status: Status,
    /// The sentence, without the status; never holds a secret.
    pub message: String,
}

impl Error {
    /// An error of this status with this sentence.
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        Error { status, message: message.into() }
    }

    /// Memory could not be allocated.
    pub fn memory(bytes: usize) -> Error {
        Error::new(Status::Memory, format!("could not allocate {bytes} bytes"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.status.text().to_string_lossy(), self.message)
    }
}

impl std::error::Error for Error {}
