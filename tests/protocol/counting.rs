//! An allocator that counts what the calling thread holds, and fails on demand.
//! Invariant: the figures of a thread are its own, so that tests may run side by side.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

pub struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static FAIL: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Smaller allocations never fail on demand: the sentences of errors are among them.
const LEAST_TO_FAIL: usize = 60;

fn count(freed: usize, taken: usize) {
    let live = LIVE.get() + taken as isize - freed as isize;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

fn refused(size: usize) -> bool {
    if size < LEAST_TO_FAIL || FAIL.get() == usize::MAX {
        return false;
    }
    let left = FAIL.get();
    FAIL.set(left.checked_sub(1).unwrap_or(usize::MAX));
    left == 0
}

// SAFETY: all memory is the system's; the counters own nothing and are never dropped.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refused(layout.size()) {
            return ptr::null_mut();
        }
        CALLS.set(CALLS.get() + 1);
        count(0, layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refused(size) {
            return ptr::null_mut();
        }
        CALLS.set(CALLS.get() + 1);
        count(layout.size(), size);
        // SAFETY: as the caller says.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What a piece of work did to the memory of this thread.
#[derive(Debug)]
pub struct Usage {
    /// The most that was held at once beyond what was held before.
    pub peak: usize,
    /// What is held beyond what was held before.
    pub held: isize,
    /// How many allocations were made.
    pub calls: usize,
}

pub fn usage<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let (live, calls) = (LIVE.get(), CALLS.get());
    PEAK.set(live);
    let result = work();
    let usage = Usage { peak: (PEAK.get() - live) as usize, held: LIVE.get() - live, calls: CALLS.get() - calls };
    (result, usage)
}

/// Lets the allocation number `number` of some size fail, and no other. Whether one did.
pub fn failing<T>(number: usize, work: impl FnOnce() -> T) -> (T, bool) {
    FAIL.set(number);
    let result = work();
    let failed = FAIL.get() == usize::MAX;
    FAIL.set(usize::MAX);
    (result, failed)
}
