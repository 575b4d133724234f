//! What happens in the child of a fork: its sockets are closed without a word to the server, and every handle it
//! inherited is of another generation from then on.

use std::sync::Once;

use crate::connection::descriptors;
use crate::runtime;

/// Asks to be called in the child of every fork. Called before the first handle is made.
pub(super) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        // SAFETY: `in_child` is a function of this library, which is never unloaded (it is linked with -z nodelete).
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        // It fails only for want of memory; then a child is not told apart, as in a library that does not care.
        debug_assert_eq!(refused, 0);
    });
}

/// Takes no lock and allocates nothing: another thread may have held any of them when the process was copied.
unsafe extern "C" fn in_child() {
    runtime::enter_child();
    descriptors::take_all(|descriptor| {
        // SAFETY: the table names only open sockets of this library, and their owners are never dropped in the child.
        unsafe { libc::close(descriptor) };
    });
}

/// Closes a descriptor of a handle that was freed in the child of a fork; the rest of the handle is left alone.
pub(super) fn close_inherited(descriptor: i32) {
    if descriptor >= 0 {
        // SAFETY: it belongs to a handle that is being freed and whose owner is never dropped in the child.
        unsafe { libc::close(descriptor) };
    }
}
