//! User and password that change while a client runs, through C: the program is asked for them, or brings them.

use std::ffi::{CString, c_char, c_void};
use std::mem;
use std::time::Duration;

use super::boundary::{call, null, text};
use super::lent::Lent;
use super::status::{JR_ERR_AUTH, JR_OK, jr_status, jr_status_text};
use super::user_data::UserData;
use crate::config::Secret;
use crate::connection::credentials::{Answer, Credentials, CredentialsProvider, Purpose, Query, Reason};
use crate::error::{Error, Status};

/// jr_credentials_query: a connection is being made, and no valid credentials are held.
pub const JR_CREDENTIALS_CONNECT: u32 = 1;
/// jr_credentials_query: those that are held expire soon.
pub const JR_CREDENTIALS_RENEW: u32 = 2;
/// jr_credentials_query: a server refused those that are held.
pub const JR_CREDENTIALS_REJECTED: u32 = 3;

/// jr_credentials_query: for servers with data.
pub const JR_CREDENTIALS_DATA: u32 = 1;
/// jr_credentials_query: for sentinels; asked only with the option sentinel_credentials_callback.
pub const JR_CREDENTIALS_SENTINEL: u32 = 2;

/// What a program is asked for. Lives during the call.
#[repr(C)]
pub struct jr_credentials_query {
    /// sizeof(jr_credentials_query) of the library, which may be larger than the program's: members are only added.
    pub size: usize,
    /// A server for which they are: "10.0.0.3:6379", "/run/redis.sock". What is answered serves all connections of
    /// this purpose.
    pub address: *const c_char,
    /// JR_CREDENTIALS_DATA or JR_CREDENTIALS_SENTINEL; others may be added.
    pub purpose: u32,
    /// JR_CREDENTIALS_CONNECT, JR_CREDENTIALS_RENEW or JR_CREDENTIALS_REJECTED; others may be added.
    pub reason: u32,
    /// After so many milliseconds no connection waits for the answer any more. One that comes later is used all the
    /// same, by the next ones.
    pub budget_ms: u32,
}

/// Where a credentials callback puts its answer, with jr_credentials_set. Lives during the call.
pub struct jr_credentials {
    answer: Option<Answer>,
}

/// Gives user and password to the library: calls jr_credentials_set and returns JR_OK. Any other status: there are none
/// just now. The library asks again, with growing pauses, and what it holds stays in force until it expires.
/// JR_ERR_AUTH says that waiting does not help: requests that wait for a connection end with that at once. What the
/// callback returns is not checked further: numbers that are no status count as JR_ERR_CONNECT.
///
/// Called on a library thread that may block, one call at a time for each client and purpose; all connections of that
/// purpose share the answer. Those to sentinels are not authenticated again while they last.
/// While it runs, connections that have valid credentials go on. It must not wait for any client
/// (jr_execute and jr_client_close answer JR_ERR_DEADLOCK there).
pub type jr_credentials_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        query: *const jr_credentials_query,
        answer: *mut jr_credentials,
    ) -> jr_status,
>;

/// The user's callback.
pub(super) struct UserCredentials {
    pub(super) function:
        unsafe extern "C" fn(*mut c_void, *const jr_credentials_query, *mut jr_credentials) -> jr_status,
    pub(super) user_data: UserData,
}

impl CredentialsProvider for Lent<UserCredentials> {
    fn credentials(&self, query: &Query) -> Result<Answer, Error> {
        let closed = || Err(Error::new(Status::Closed, "the client is closed"));
        self.call(|credentials| credentials.ask(query)).unwrap_or_else(closed)
    }
}

impl UserCredentials {
    fn ask(&self, query: &Query) -> Result<Answer, Error> {
        let failed = |status, why: &str| Err(Error::new(status, format!("the credentials callback {why}")));
        let Ok(address) = CString::new(query.address.as_str()) else {
            return failed(Status::Connect, "was not called, because the address holds a NUL");
        };
        let reason = match query.reason {
            Reason::Connect => JR_CREDENTIALS_CONNECT,
            Reason::Renew => JR_CREDENTIALS_RENEW,
            Reason::Rejected => JR_CREDENTIALS_REJECTED,
        };
        let query = jr_credentials_query {
            size: mem::size_of::<jr_credentials_query>(),
            address: address.as_ptr(),
            purpose: match query.purpose {
                Purpose::Data => JR_CREDENTIALS_DATA,
                Purpose::Sentinel => JR_CREDENTIALS_SENTINEL,
            },
            reason,
            budget_ms: u32::try_from(query.budget.as_millis()).unwrap_or(u32::MAX),
        };
        let mut answer = jr_credentials { answer: None };
        // SAFETY: the user gave this function for this pointer; query and answer live during the call.
        let status = unsafe { (self.function)(self.user_data.pointer, &query, &mut answer) };
        match (status, answer.answer) {
            (JR_OK, Some(answer)) => Ok(answer),
            (JR_OK, None) => failed(Status::Connect, "returned JR_OK and gave none (jr_credentials_set)"),
            (JR_ERR_AUTH, _) => failed(Status::Auth, "has none (it returned JR_ERR_AUTH)"),
            (status, _) => {
                // SAFETY: the text is a constant that ends with a NUL.
                let name = unsafe { text(jr_status_text(status), "status") }.unwrap_or_default();
                failed(Status::Connect, &format!("failed with {status} ({name})"))
            }
        }
    }
}

/// Reads a user, NULL for the default one, and a password.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn read_credentials(user: *const c_char, password: *const c_char) -> Result<Credentials, Error> {
    // SAFETY: the caller's promise is passed on.
    let username = if user.is_null() { None } else { Some(Secret::new(unsafe { text(user, "user") }?)) };
    // SAFETY: as above.
    let password = Secret::new(unsafe { text(password, "password") }?);
    Ok(Credentials { username, password })
}

/// The answer of a credentials callback: `user` (NULL: the default user), `password` (or a token that serves as one),
/// and for how many milliseconds they are valid from now on (0: until they are refused). They are asked for anew after
/// some four fifths of that; connections are then authenticated again while they are in use. Both texts are copied, and
/// the copies are wiped when they are not needed any more. The last call counts.
///
/// # Safety
/// Both texts end with a NUL. `answer` is what the callback got, and the callback has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_credentials_set(
    answer: Option<&mut jr_credentials>,
    user: *const c_char,
    password: *const c_char,
    valid_ms: u32,
) -> jr_status {
    call(|| {
        let answer = answer.ok_or_else(|| null("answer"))?;
        // SAFETY: the caller promises C strings.
        let credentials = unsafe { read_credentials(user, password) }?;
        let valid = (valid_ms != 0).then(|| Duration::from_millis(valid_ms.into()));
        answer.answer = Some(Answer { credentials, valid });
        Ok(())
    })
}
