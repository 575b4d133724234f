//! The bytes on their way out of one link, in segments that are shared and not copied. Positions count from the first
//! byte ever.
//!
//! Invariant: what was appended at once lies in one segment, so that it can be given as one slice.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::protocol::command::Room;

/// Small commands gather in segments of this size; a command of more than a quarter of it has a segment of its own.
const SEGMENT: usize = 64 * 1024;

/// Commands of at least this many bytes are encoded outside of the lock, into a segment of their own.
pub const LARGE: usize = 16 * 1024;

/// Bytes that are not appended to any more.
#[derive(Debug)]
struct Segment {
    start: u64,
    bytes: Bytes,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// The outgoing bytes.
#[derive(Debug, Default)]
pub(super) struct Segments {
    segments: VecDeque<Segment>,
    /// The segment that is still appended to: its filled part ends at `end`, behind that there is room.
    tail: BytesMut,
    filled: usize,
    end: u64,
}

impl Segments {
    /// The position behind the last byte.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Appends at most `most` bytes: `encode` gets so much room and gives what it left of it.
    #[inline]
    pub(super) fn append(&mut self, most: usize, encode: impl for<'a> FnOnce(Room<'a>) -> Room<'a>) {
        if self.tail.len() - self.filled < most {
            self.grow_tail(most);
        }
        let rest = encode(Room(&mut self.tail[self.filled..self.filled + most]));
        let length = most - rest.0.len();
        self.filled += length;
        self.end += length as u64;
    }

    /// A tail with room for `length` bytes.
    #[cold]
    fn grow_tail(&mut self, length: usize) {
        self.freeze_tail();
        let room = length.max(SEGMENT);
        self.tail.clear();
        if self.tail.try_reclaim(room) {
            self.tail.resize(room, 0);
        } else {
            self.tail = BytesMut::zeroed(room);
        }
    }

    /// Appends bytes without copying them.
    pub(super) fn append_shared(&mut self, bytes: Bytes) {
        self.freeze_tail();
        let start = self.end;
        self.end += bytes.len() as u64;
        self.segments.push_back(Segment { start, bytes });
    }

    fn freeze_tail(&mut self) {
        if self.filled > 0 {
            let bytes = self.tail.split_to(self.filled).freeze();
            self.filled = 0;
            self.segments.push_back(Segment { start: self.end - bytes.len() as u64, bytes });
        }
    }

    /// Puts what stands at and behind a position into `parts`, in at most `most` of them. Returns the position behind
    /// them.
    pub(super) fn slices_from(&mut self, mut position: u64, most: usize, parts: &mut Vec<Bytes>) -> u64 {
        self.freeze_tail();
        let first = self.segments.partition_point(|segment| segment.end() <= position);
        for segment in self.segments.range(first..).take(most) {
            parts.push(segment.bytes.slice((position - segment.start) as usize..));
            position = segment.end();
        }
        position
    }

    /// What was appended at once, from its first position to the one behind its last.
    pub(super) fn between(&self, start: u64, end: u64) -> Bytes {
        let index = self.segments.partition_point(|segment| segment.end() <= start);
        match self.segments.get(index) {
            Some(segment) => segment.bytes.slice((start - segment.start) as usize..(end - segment.start) as usize),
            None => {
                let tail_start = self.end - self.filled as u64;
                Bytes::copy_from_slice(&self.tail[(start - tail_start) as usize..(end - tail_start) as usize])
            }
        }
    }

    /// Lets go of the segments that end at this position or before.
    #[inline]
    pub(super) fn drop_before(&mut self, position: u64) {
        while self.segments.front().is_some_and(|segment| segment.end() <= position) {
            self.segments.pop_front();
        }
    }

    /// Lets go of what stands at and behind a position, and of the room behind it.
    pub(super) fn truncate(&mut self, end: u64) {
        self.freeze_tail();
        self.tail = BytesMut::new();
        while self.segments.back().is_some_and(|segment| segment.start >= end) {
            self.segments.pop_back();
        }
        if let Some(segment) = self.segments.back_mut().filter(|segment| segment.end() > end) {
            segment.bytes.truncate((end - segment.start) as usize);
        }
        self.end = end;
    }

    /// Lets go of the room for more bytes, if nothing waits.
    pub(super) fn release(&mut self) {
        if self.filled == 0 && self.segments.is_empty() {
            *self = Segments { end: self.end, ..Segments::default() };
        }
    }

    /// How many segments there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.segments.len()
    }
}
