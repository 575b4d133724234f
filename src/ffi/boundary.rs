//! What every function of the C API does first and last: catch panics, refuse handles of another process, keep the
//! sentence of a failure for its thread, read strings.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::status::{JR_OK, jr_status};
use crate::error::{Error, Status};
use crate::runtime;

thread_local! {
    static ERROR_TEXT: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Why the last failed call of this thread failed: one English sentence, "" before the first failure. It is
/// readable until the next failure on this thread. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn jr_error_text() -> *const c_char {
    ERROR_TEXT
        .try_with(|text| text.borrow().as_ref().map_or(c"".as_ptr(), |text| text.as_ptr()))
        .unwrap_or(c"".as_ptr())
}

/// Keeps the sentence of a failure for `jr_error_text`.
pub(super) fn remember(error: &Error) {
    let bytes: Vec<u8> = error.message.bytes().filter(|byte| *byte != 0).collect();
    let text = CString::new(bytes).unwrap_or_default();
    // At the end of a thread there is nobody left who could ask.
    let _ = ERROR_TEXT.try_with(|kept| *kept.borrow_mut() = Some(text));
}

/// Runs the body of a function; what it fails with, a panic included, is remembered and given to `on_error`.
pub(super) fn guard<T>(on_error: impl FnOnce(&Error) -> T, body: impl FnOnce() -> Result<T, Error>) -> T {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error,
        Err(panic) => {
            Error::new(Status::Internal, format!("a defect of justredis, please report: {}", message_of(&*panic)))
        }
    };
    remember(&error);
    on_error(&error)
}

/// As [`guard`], for functions that return a status.
pub(super) fn call(body: impl FnOnce() -> Result<(), Error>) -> jr_status {
    guard(|error| error.status.code(), || body().map(|()| JR_OK))
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic")
}

/// Refuses a handle that a fork carried into this process.
pub(super) fn check_generation(generation: u32) -> Result<(), Error> {
    if generation == runtime::generation() {
        return Ok(());
    }
    Err(Error::new(Status::Forked, "the handle was made before fork(); make a new one in the child"))
}

/// Refuses to wait on a thread of the library.
pub(super) fn check_may_wait() -> Result<(), Error> {
    if !runtime::is_library_thread() {
        return Ok(());
    }
    Err(Error::new(Status::Deadlock, "this call waits, which a callback must not do; submit with a callback instead"))
}

/// The error of a pointer that must not be NULL.
pub(super) fn null(what: &str) -> Error {
    Error::new(Status::Argument, format!("{what} is NULL"))
}

/// Reads a C string.
///
/// # Safety
/// `text` is NULL or ends with a NUL, and stays as it is during `'a`.
pub(super) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Error::new(Status::Argument, format!("{what} is not UTF-8")))
}
