//! Pointers of the user's that the library hands back and, in the end, releases.

use std::ffi::c_void;

/// Something of the user's, released when the last part of the library that may use it is gone.
pub(super) struct UserData {
    pub(super) pointer: *mut c_void,
    pub(super) release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: the user hands the pointer over for use on library threads; the header says so.
unsafe impl Send for UserData {}
// SAFETY: as above; the library itself never looks behind the pointer.
unsafe impl Sync for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the user gave this function for this pointer, and it is called once.
            unsafe { release(self.pointer) };
        }
    }
}
