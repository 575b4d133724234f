//! Small blocks that were freed on this thread and will be used again on it. The C library keeps seven of a size at
//! hand and takes a lock for the others, as soon as a process has threads; with many requests in flight as many replies
//! come and go together.
//!
//! Invariant: a block in here is marked in its header, belongs to nobody, and is `SIZE` bytes long. Freeing it again,
//! which is a mistake of the user, does nothing.
//!
//! Not in builds with debug assertions, so that under a sanitizer or valgrind every reply has memory of its own.

use std::alloc::{Layout, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;

use super::header::{HEADER, Header};

/// The bytes of a small block with its header: a node and a text of 63 bytes.
pub const SIZE: usize = 128;

/// The payload of a small block.
pub const ROOM: usize = SIZE - HEADER;

/// Whether blocks are kept.
pub const KEEPS: bool = !cfg!(debug_assertions);

/// What stands as its size in the header of a block that is in here.
pub const MARK: usize = 1;

/// So many are kept, 64 KiB for each thread: as many replies as come together where hundreds of requests are in flight.
const MOST: usize = 512;

struct FreeList(Vec<NonNull<Header>>);

impl Drop for FreeList {
    fn drop(&mut self) {
        for header in self.0.drain(..) {
            // SAFETY: every block in here was allocated with this size and alignment, and belongs to nobody else.
            unsafe { dealloc(header.as_ptr().cast(), Layout::from_size_align_unchecked(SIZE, align_of::<Header>())) };
        }
    }
}

thread_local! {
    static FREE: RefCell<FreeList> = const { RefCell::new(FreeList(Vec::new())) };
}

/// The memory of a small block, whose header is to be written.
#[inline]
pub fn take() -> Option<NonNull<Header>> {
    // At the end of a thread there is nothing any more.
    FREE.try_with(|free| free.try_borrow_mut().ok()?.0.pop()).ok()?
}

/// Keeps a block; false if there are enough, and then it is to be freed.
///
/// # Safety
/// The block has `SIZE` bytes, is owned, and is used no more.
#[inline]
pub unsafe fn put(header: NonNull<Header>) -> bool {
    let keep = |free: &RefCell<FreeList>| {
        let Ok(mut free) = free.try_borrow_mut() else { return false };
        if free.0.len() == MOST {
            return false;
        }
        // SAFETY: the caller gives the block away.
        unsafe { (*header.as_ptr()).size = MARK };
        free.0.push(header);
        true
    };
    FREE.try_with(keep).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::alloc::alloc;
    use std::ptr;

    use super::*;

    fn new_block() -> NonNull<Header> {
        let layout = Layout::from_size_align(SIZE, align_of::<Header>()).unwrap();
        // SAFETY: the layout has a size, and the memory is large enough for a header.
        unsafe {
            let header = NonNull::new(alloc(layout).cast::<Header>()).unwrap();
            header.write(Header { next: ptr::null_mut(), size: SIZE });
            header
        }
    }

    #[test]
    fn blocks_come_back_marked_and_no_more_than_are_kept() {
        // A thread of its own, which ends with blocks in its free list.
        std::thread::spawn(|| {
            assert_eq!(take(), None);
            let blocks: Vec<_> = (0..MOST).map(|_| new_block()).collect();
            for block in &blocks {
                // SAFETY: made above, and not used any more.
                assert!(unsafe { put(*block) });
                // SAFETY: nobody frees or takes it meanwhile.
                assert_eq!(unsafe { block.as_ref() }.size, MARK);
            }
            let one_more = new_block();
            // SAFETY: as above; it is refused, so it is still ours.
            unsafe {
                assert!(!put(one_more));
                dealloc(one_more.as_ptr().cast(), Layout::from_size_align_unchecked(SIZE, align_of::<Header>()));
            }
            assert_eq!(take(), blocks.last().copied());
            // SAFETY: taken just now.
            assert!(unsafe { put(*blocks.last().unwrap()) });
        })
        .join()
        .unwrap();
    }
}
