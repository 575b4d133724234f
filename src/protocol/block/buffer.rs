//! Bytes that grow in one block: the read buffer of a parser, and the text of a long string.
//! Invariant: the first `filled` bytes of the block are initialised.
use std::mem::MaybeUninit;
use std::{ptr, slice};

use crate::error::Error;

use super::raw::Block;

#[derive(Default)]
pub(in super::super) struct Buffer {
    block: Option<Block>,
    filled: usize,
}

impl Buffer {
    /// How many bytes it has room for.
    pub fn capacity(&self) -> usize {
        self.block.as_ref().map_or(0, Block::capacity)
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// How many bytes it has room for beyond what it holds.
    pub fn spare(&self) -> usize {
        self.capacity() - self.filled
    }

    /// What it holds.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.block {
            // SAFETY: so many bytes are initialised (invariant), and the borrow of `self` keeps them.
            Some(block) => unsafe { slice::from_raw_parts(block.payload(), self.filled) },
            None => &[],
        }
    }

    /// Sets the room, at least to what it holds.
    pub fn resize(&mut self, capacity: usize) -> Result<(), Error> {
        let capacity = capacity.max(self.filled);
        match &mut self.block {
            Some(block) => block.resize(capacity),
            None => {
                self.block = Some(Block::new(capacity)?);
                Ok(())
            }
        }
    }

    /// Appends as much of `bytes` as there is room for, and says how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(self.spare());
        if let Some(block) = &self.block {
            // SAFETY: `length` bytes are free behind the filled ones; `bytes` cannot overlap what `self` alone owns.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), block.payload().add(self.filled), length) };
            self.filled += length;
        }
        length
    }

    /// Has `read` fill at most `limit` of the free bytes. It returns the initialised front of the place that it got.
    ///
    /// Panics when it returns anything else.
    pub fn receive<E>(
        &mut self,
        limit: usize,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], E>,
    ) -> Result<usize, E> {
        let length = limit.min(self.spare());
        let place: &mut [MaybeUninit<u8>] = match &self.block {
            // SAFETY: `length` bytes are free behind the filled ones, and `self` is borrowed mutably.
            Some(block) => unsafe { slice::from_raw_parts_mut(block.payload().add(self.filled).cast(), length) },
            None => &mut [],
        };
        let start = place.as_ptr().addr();
        let received = read(place)?;
        let count = received.len();
        assert!(count == 0 || (received.as_ptr().addr() == start && count <= length), "not the front of the place");
        // The slice lies in the place and is a slice of bytes: so much is initialised.
        self.filled += count;
        Ok(count)
    }

    /// Forgets all but the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.filled = self.filled.min(length);
    }

    /// Forgets the first `count` bytes and moves the others to the front.
    pub fn discard(&mut self, count: usize) {
        let count = count.min(self.filled);
        let left = self.filled - count;
        if let Some(block) = &self.block
            && count > 0
            && left > 0
        {
            // SAFETY: both ranges lie within the filled bytes; they may overlap.
            unsafe { ptr::copy(block.payload().add(count), block.payload(), left) };
        }
        self.filled = left;
    }

    /// The block itself, with how many of its bytes are initialised.
    pub(super) fn into_block(self) -> (Option<Block>, usize) {
        (self.block, self.filled)
    }
}
