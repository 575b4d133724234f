//! What a client is told, through C.

use std::ffi::{CString, c_char, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::boundary::{call, guard, null, text};
use super::credentials::{UserCredentials, jr_credentials_callback};
use super::fork;
use super::lent::Lent;
use super::logger::{Logger, jr_logger};
use super::status::jr_status;
use super::user_data::UserData;
use crate::address::Address;
use crate::config::Config;
use crate::connection::stream::Dialer;

/// The options of clients to be made. One thread at a time; may be changed, used again or freed once a client was made
/// from it.
pub struct jr_config {
    pub(super) config: Config,
    pub(super) dialer: Option<Arc<UserDialer>>,
    pub(super) credentials: Option<Arc<UserCredentials>>,
    pub(super) logger: Option<Arc<Logger>>,
}

/// Brings a connected stream socket to `address` ("10.0.0.3:6379", "/run/redis.sock"), within `timeout_ms`. Gives its
/// descriptor, which then belongs to the library (and is closed by exec), or a negative errno. Called on a library
/// thread that may block; one call at a time.
pub type jr_dialer =
    Option<unsafe extern "C" fn(user_data: *mut c_void, address: *const c_char, timeout_ms: u32) -> i32>;

/// Releases user data when the last client that could use it is gone. Called once, on any thread.
pub type jr_release = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The user's dialer.
pub(super) struct UserDialer {
    function: unsafe extern "C" fn(*mut c_void, *const c_char, u32) -> i32,
    user_data: UserData,
}

impl Dialer for Lent<UserDialer> {
    fn dial(&self, address: &Address, budget: Duration) -> Result<OwnedFd, String> {
        self.call(|dialer| dialer.dial(address, budget)).unwrap_or_else(|| Err("the client is closed".to_string()))
    }
}

impl UserDialer {
    fn dial(&self, address: &Address, budget: Duration) -> Result<OwnedFd, String> {
        let timeout = u32::try_from(budget.as_millis()).unwrap_or(u32::MAX);
        let address = CString::new(address.to_string()).map_err(|_| "the address holds a NUL".to_string())?;
        // SAFETY: the user gave this function for this pointer; the address lives during the call.
        let descriptor = unsafe { (self.function)(self.user_data.pointer, address.as_ptr(), timeout) };
        if descriptor < 0 {
            return Err(format!("the dialer failed: {}", std::io::Error::from_raw_os_error(-descriptor)));
        }
        // SAFETY: by the contract of jr_dialer the descriptor is open and belongs to the library now.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

/// A new set of options with their defaults: a server at 127.0.0.1:6379. NULL only when out of memory. Free it with
/// jr_config_free.
#[unsafe(no_mangle)]
pub extern "C" fn jr_config_new() -> Option<Box<jr_config>> {
    guard(
        |_| None,
        || {
            fork::watch();
            let config = Config::default();
            Ok(Some(Box::new(jr_config { config, dialer: None, credentials: None, logger: None })))
        },
    )
}

/// Sets the option `key`, for example "url" to "redis://user:secret@10.0.0.3:6379/2", or "command_timeout" to "250ms".
/// The table of options is in the README. JR_ERR_CONFIG: the option is unknown (the sentence names the nearest) or the
/// value is wrong; nothing has changed then. Both texts are copied.
///
/// # Safety
/// Both texts end with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_config_set(
    config: Option<&mut jr_config>,
    key: *const c_char,
    value: *const c_char,
) -> jr_status {
    call(|| {
        let config = config.ok_or_else(|| null("config"))?;
        // SAFETY: the caller promises C strings.
        let (key, value) = unsafe { (text(key, "key")?, text(value, "value")?) };
        config.config.set(key, value)
    })
}

/// Changes what is no text: the functions that the program lends.
fn change(config: Option<&mut jr_config>, change: impl FnOnce(&mut jr_config)) -> jr_status {
    call(|| {
        change(config.ok_or_else(|| null("config"))?);
        Ok(())
    })
}

/// Lets the program dial: through a proxy, from a certain interface, over something that is not TCP. NULL goes back to
/// the library's own way. `release` (or NULL) is called with `user_data` when nothing uses it any more, also on
/// failure.
#[unsafe(no_mangle)]
pub extern "C" fn jr_config_set_dialer(
    config: Option<&mut jr_config>,
    dialer: jr_dialer,
    user_data: *mut c_void,
    release: jr_release,
) -> jr_status {
    let user_data = UserData { pointer: user_data, release };
    change(config, |config| config.dialer = dialer.map(|function| Arc::new(UserDialer { function, user_data })))
}

/// Lets the program be asked for user and password: before the first connection is made, when those that it gave are
/// about to expire, and when a server refuses them (once, then requests that wait for a connection end with
/// JR_ERR_AUTH). NULL: the options "username" and "password" count; with a callback, "password" must not be set
/// (jr_client_new: JR_ERR_CONFIG).
///
/// Connections that there are follow: AUTH goes out between two requests. A command with which the server waits (BLPOP)
/// is called back shortly before its credentials expire and sent again with the time that is left, unless that could
/// miss something (XREAD with $), or it is on a lease, which is authenticated when the wait is over. Under RESP2, where
/// a connection that subscribes takes no AUTH, a new one takes its place: its confirmations have JR_COMPLETION_GAP.
/// Where AUTH is refused the old user stays in force and it is tried again, with growing pauses, until the old one
/// expires; then the connection is made anew. jr_client_events tells of all that.
///
/// `release` (or NULL) is called with `user_data` when nothing uses it any more, also on failure.
#[unsafe(no_mangle)]
pub extern "C" fn jr_config_set_credentials(
    config: Option<&mut jr_config>,
    callback: jr_credentials_callback,
    user_data: *mut c_void,
    release: jr_release,
) -> jr_status {
    let user_data = UserData { pointer: user_data, release };
    change(config, |config| {
        config.credentials = callback.map(|function| Arc::new(UserCredentials { function, user_data }))
    })
}

/// Lets the program read about connections made, lost and refused. NULL: nobody. `release` as in jr_config_set_dialer.
#[unsafe(no_mangle)]
pub extern "C" fn jr_config_set_logger(
    config: Option<&mut jr_config>,
    logger: jr_logger,
    user_data: *mut c_void,
    release: jr_release,
) -> jr_status {
    let user_data = UserData { pointer: user_data, release };
    change(config, |config| config.logger = logger.map(|function| Arc::new(Logger { function, user_data })))
}

/// Frees a set of options; clients made from it go on. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn jr_config_free(config: Option<Box<jr_config>>) {
    call(|| {
        drop(config);
        Ok(())
    });
}
