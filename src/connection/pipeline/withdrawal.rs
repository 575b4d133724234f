//! Slots that are taken out of the FIFO before they are sent, and the memory that comes back then.

use bytes::Bytes;

use super::{Pipeline, Slot};
use crate::connection::unit::{Addressee, Ticket};

impl Pipeline {
    /// Takes a slot out that was not handed over yet; false when it is too late for that or the slot is gone. What is
    /// too late keeps its place for its reply, but nobody's: if not all of it went out, it will not be sent again.
    pub fn withdraw(&mut self, sequence: u64) -> bool {
        if self.withdraw_unsent(sequence) {
            return true;
        }
        if let Some(index) = self.index_of(sequence)
            && let Some(slot) = self.slots.get_mut(index)
        {
            slot.ticket = Ticket::NOBODY;
            if slot.end > self.written {
                self.abandoned.push(sequence);
            }
        }
        false
    }

    /// As [`Pipeline::withdraw`], but what is too late stays as it is.
    pub fn withdraw_unsent(&mut self, sequence: u64) -> bool {
        let Some(index) = self.index_of(sequence) else { return false };
        let start = self.start_of(index);
        let Some(slot) = self.slots.get_mut(index).filter(|_| start >= self.handed) else { return false };
        slot.ticket = Ticket::NOBODY;
        slot.replies = 0;
        self.withdrawn_slots += 1;
        self.withdrawn_bytes += slot.end - start;
        if self.withdrawn_slots > self.slots.len() / 2 || self.withdrawn_bytes > (self.segments.end() - self.handed) / 2
        {
            self.compact();
        }
        true
    }

    /// Writes the unsent part anew without what was withdrawn, which gives its memory back.
    pub(super) fn compact(&mut self) {
        let first = self.first_unsent();
        let mut start = self.start_of(first);
        let kept: Vec<(Slot, Bytes)> = self
            .slots
            .range(first..)
            .filter_map(|slot| {
                let bytes = (slot.replies > 0).then(|| self.segments.between(start, slot.end));
                start = slot.end;
                bytes.map(|bytes| (*slot, bytes))
            })
            .collect();
        let end = self.start_of(first);
        self.slots.truncate(first);
        self.segments.truncate(end);
        self.withdrawn_slots = 0;
        self.withdrawn_bytes = 0;
        let next_sequence = self.next_sequence;
        for (slot, bytes) in kept {
            self.next_sequence = slot.sequence;
            self.append_encoded(Addressee { ticket: slot.ticket, part: slot.part }, slot.replies, bytes);
        }
        self.next_sequence = next_sequence;
    }
}
