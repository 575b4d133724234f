//! Statuses and outcomes as C sees them: numbers with names, never a Rust enum.

use std::ffi::c_char;

use crate::error::{Outcome, Status};

/// Why something failed, or JR_OK. Of a call (nothing was queued; see jr_error_text) or of a completion (its reply is
/// then a JR_ERROR with the sentence). Numbers are never reused; a program must expect new negative ones.
pub type jr_status = i32;

/// It worked.
pub const JR_OK: jr_status = 0;
/// An argument is NULL, out of range, or contradicts another.
pub const JR_ERR_ARGUMENT: jr_status = -1;
/// An option is unknown or its value is wrong.
pub const JR_ERR_CONFIG: jr_status = -2;
/// The command changes the state of a connection that others share; the sentence names what to use instead.
pub const JR_ERR_REFUSED: jr_status = -3;
/// The client is closed.
pub const JR_ERR_CLOSED: jr_status = -4;
/// A limit is reached: max_requests, max_request_bytes or max_unread. Of a completion: the subscription has ended
/// because its messages are not taken fast enough (subscription_overflow).
pub const JR_ERR_FULL: jr_status = -5;
/// The handle was made before a fork() and this is the child.
pub const JR_ERR_FORKED: jr_status = -6;
/// The call would wait on a thread of the library, which it needs itself.
pub const JR_ERR_DEADLOCK: jr_status = -7;
/// There is no such request (any more).
pub const JR_ERR_NOT_FOUND: jr_status = -8;
/// Memory, a thread or a descriptor could not be had.
pub const JR_ERR_MEMORY: jr_status = -9;
/// A defect of this library.
pub const JR_ERR_INTERNAL: jr_status = -10;
/// The server answered with an error; its text is in the reply, verbatim.
pub const JR_ERR_SERVER: jr_status = -11;
/// The deadline passed.
pub const JR_ERR_TIMEOUT: jr_status = -12;
/// jr_cancel ended it.
pub const JR_ERR_CANCELED: jr_status = -13;
/// No connection could be made.
pub const JR_ERR_CONNECT: jr_status = -14;
/// The server refused the user name or the password.
pub const JR_ERR_AUTH: jr_status = -15;
/// The TLS session could not be made.
pub const JR_ERR_TLS: jr_status = -16;
/// The connection went away after the request was sent.
pub const JR_ERR_LOST: jr_status = -17;
/// The leased connection went away.
pub const JR_ERR_LEASE_LOST: jr_status = -18;
/// The server sent what is not RESP, or more than the limits allow.
pub const JR_ERR_PROTOCOL: jr_status = -19;

/// The server has certainly not run it; or it waited there, and was told to stop before it did anything.
pub const JR_OUTCOME_NOT_RUN: u32 = 1;
/// It was sent and no answer came: the server may have run it.
pub const JR_OUTCOME_UNKNOWN: u32 = 2;
/// The server answered (JR_OK or JR_ERR_SERVER).
pub const JR_OUTCOME_ANSWERED: u32 = 4;

// The numbers stand in two places so that cbindgen can read them; here they are held together.
const _: () = {
    assert!(JR_OK == Status::Ok.code() && JR_ERR_ARGUMENT == Status::Argument.code());
    assert!(JR_ERR_CONFIG == Status::Config.code() && JR_ERR_REFUSED == Status::Refused.code());
    assert!(JR_ERR_CLOSED == Status::Closed.code() && JR_ERR_FULL == Status::Full.code());
    assert!(JR_ERR_FORKED == Status::Forked.code() && JR_ERR_DEADLOCK == Status::Deadlock.code());
    assert!(JR_ERR_NOT_FOUND == Status::NotFound.code() && JR_ERR_MEMORY == Status::Memory.code());
    assert!(JR_ERR_INTERNAL == Status::Internal.code() && JR_ERR_SERVER == Status::Server.code());
    assert!(JR_ERR_TIMEOUT == Status::Timeout.code() && JR_ERR_CANCELED == Status::Canceled.code());
    assert!(JR_ERR_CONNECT == Status::Connect.code() && JR_ERR_AUTH == Status::Auth.code());
    assert!(JR_ERR_TLS == Status::Tls.code() && JR_ERR_LOST == Status::Lost.code());
    assert!(JR_ERR_LEASE_LOST == Status::LeaseLost.code() && JR_ERR_PROTOCOL == Status::Protocol.code());
    assert!(JR_OUTCOME_NOT_RUN == Outcome::NotRun.bit() && JR_OUTCOME_UNKNOWN == Outcome::Unknown.bit());
    assert!(JR_OUTCOME_ANSWERED == Outcome::Answered.bit());
};

/// A short English phrase for a status, for example "connection lost"; "unknown status" for a number that is none.
/// Static memory, never NULL. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn jr_status_text(status: jr_status) -> *const c_char {
    let text = match Status::from_code(status) {
        Some(status) => status.text(),
        None => c"unknown status",
    };
    text.as_ptr()
}

/// The version of the library, for example "0.1.0". Static memory. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn jr_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
