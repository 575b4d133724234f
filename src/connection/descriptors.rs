//! Which descriptors belong to this library alone, in memory that the child of a fork can read without a lock.
//!
//! Invariant: a number is entered after its descriptor was opened and taken out before it is closed, so that what the
//! table names is never a descriptor of somebody else's.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

const PLACES: usize = 4096;
const EMPTY: i32 = -1;

static TABLE: [AtomicI32; PLACES] = [const { AtomicI32::new(EMPTY) }; PLACES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A descriptor whose number is in the table for as long as it is open.
#[derive(Debug)]
pub struct Registered {
    place: Option<usize>,
    descriptor: OwnedFd,
}

impl Registered {
    /// Enters the descriptor. Beyond 4096 they are not entered: a child keeps those open until it ends or execs.
    pub fn new(descriptor: OwnedFd) -> Registered {
        let number = descriptor.as_raw_fd();
        let from = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = (0..PLACES)
            .map(|step| (from + step) % PLACES)
            .find(|place| TABLE[*place].compare_exchange(EMPTY, number, Ordering::AcqRel, Ordering::Relaxed).is_ok());
        Registered { place, descriptor }
    }

    /// The same for a descriptor that is not entered: its owner closes it in the child of a fork.
    pub fn not_entered(descriptor: OwnedFd) -> Registered {
        Registered { place: None, descriptor }
    }
}

impl AsFd for Registered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Registered {
    fn as_raw_fd(&self) -> i32 {
        self.descriptor.as_raw_fd()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            TABLE[place].store(EMPTY, Ordering::Release);
        }
    }
}

/// Takes every number out of the table and gives it to `close`. For the child of a fork, which has no other thread.
pub fn take_all(mut close: impl FnMut(i32)) {
    for place in &TABLE {
        let number = place.swap(EMPTY, Ordering::AcqRel);
        if number != EMPTY {
            close(number);
        }
    }
}
