//! The user's logger.

use std::ffi::{CStr, c_char, c_void};

use super::user_data::UserData;

/// Takes a message about the life of the connections. `level` is JR_LOG_ERROR, JR_LOG_WARNING or JR_LOG_INFO. Called on
/// the callback thread of the client; the text lives during the call and never holds a secret.
pub type jr_logger = Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, message: *const c_char)>;

/// A connection could not be made.
pub const JR_LOG_ERROR: i32 = 1;
/// A connection was lost, a limit was reached, or something hinders nothing yet and will if it stays as it is.
pub const JR_LOG_WARNING: i32 = 2;
/// A connection was made.
pub const JR_LOG_INFO: i32 = 3;

/// The level of an event.
pub(super) fn level_of(event: &str) -> i32 {
    match event {
        "unreachable" => JR_LOG_ERROR,
        "lost" | "warning" | "authentication_refused" => JR_LOG_WARNING,
        _ => JR_LOG_INFO,
    }
}

/// The user's logger.
pub(super) struct Logger {
    pub(super) function: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    pub(super) user_data: UserData,
}

impl Logger {
    pub(super) fn write(&self, level: i32, message: &CStr) {
        // SAFETY: the user gave this function for this pointer; the message ends with a NUL and lives during the call.
        unsafe { (self.function)(self.user_data.pointer, level, message.as_ptr()) };
    }
}
