//! Lists that grew in a burst and are empty again give their memory back, all but what a steady load needs.

use std::collections::VecDeque;

/// So many places are kept.
pub const KEPT: usize = 4096;

/// A list that can be empty and still hold memory.
pub trait List: Default {
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;
    /// For how many there is room.
    fn capacity(&self) -> usize;
}

impl<T> List for Vec<T> {
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }

    fn capacity(&self) -> usize {
        Vec::capacity(self)
    }
}

impl<T> List for VecDeque<T> {
    fn is_empty(&self) -> bool {
        VecDeque::is_empty(self)
    }

    fn capacity(&self) -> usize {
        VecDeque::capacity(self)
    }
}

/// Gives the memory of an empty list back, if it is much.
#[inline]
pub fn release_excess(list: &mut impl List) {
    if list.is_empty() && list.capacity() > KEPT {
        *list = Default::default();
    }
}
