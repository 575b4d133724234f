//! Memory for records while they are encrypted or decrypted: a few buffers that all connections share, so that an idle
//! connection holds none.

use crate::lock::Lock;

/// The size of a buffer: the part of a record that is held, and four whole ones behind it.
pub const SIZE: usize = 80 << 10;

/// So many unused buffers are kept.
const KEPT: usize = 4;

static UNUSED: Lock<Vec<Vec<u8>>> = Lock::new(Vec::new());

/// A buffer of [`SIZE`] bytes, which hold anything.
pub fn take() -> Vec<u8> {
    // In the child of a fork somebody may hold the lock for ever, hence no waiting.
    UNUSED.try_lock().and_then(|mut unused| unused.pop()).unwrap_or_else(|| vec![0; SIZE])
}

/// The buffer is not used any more.
pub fn give_back(buffer: Vec<u8>) {
    if buffer.len() == SIZE
        && let Some(mut unused) = UNUSED.try_lock()
        && unused.len() < KEPT
    {
        unused.push(buffer);
    }
}
