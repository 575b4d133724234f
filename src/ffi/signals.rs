//! The signals of the program never interrupt a thread of the library: such a thread is started with signals blocked.
//! Those that a thread raises by its own fault (SIGSEGV and its kin) are left alone, because the kernel ends a process
//! that blocks them without asking its handler, and with it every crash report.

use std::mem::MaybeUninit;
use std::ptr;

use crate::runtime;

/// What a fault of the thread itself raises.
const FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

/// From now on threads of the library are started with signals blocked. To be called before the first one is.
pub(super) fn keep_off_threads() {
    runtime::start_threads_by(with_signals_blocked);
}

/// Runs `start` with signals blocked; what it starts inherits that.
fn with_signals_blocked(start: &mut dyn FnMut()) {
    let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises the set, the others change an initialised one; `pthread_sigmask` writes the mask
    // of this thread to `before`, which is read only if it did.
    unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(blocked.as_mut_ptr(), fault);
        }
        let refused = libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), before.as_mut_ptr());
        start();
        if refused == 0 {
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        }
    }
}
