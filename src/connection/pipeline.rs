//! Who waits for the answers of one server, in a FIFO, and the bytes that go there. No socket, no clock.
//!
//! Invariant: the n-th answer belongs to the n-th slot that was handed to the socket; a slot is answered when its last
//! reply has come. A slot of which one byte was handed over stays until it is answered and wholly written, or until the
//! connection is lost; before that it can be withdrawn without trace. A reply may come while its slot is still being
//! written (an error, or those that MULTI .. EXEC gets before its last); any other reply that nothing wholly sent can
//! explain is refused.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use super::io_role::UnderWay;
use super::quota::{Limits, Load, Quota};
use super::segments::{LARGE, Segments};
use super::unit::{Addressee, Answer, Exchange, Lost, Ticket, Unit};
use crate::protocol::command::{Output, Room};
use crate::protocol::reply::{Kind, Reply};
use crate::shrink;

#[cfg(test)]
mod tests;
mod withdrawal;

/// At most this many segments go into one write.
const WRITE_PARTS: usize = 64;

/// Where one unit of bytes (a command, or MULTI .. EXEC) stands in the FIFO.
#[derive(Clone, Copy, Debug)]
struct Slot {
    ticket: Ticket,
    sequence: u64,
    /// Position in the stream of bytes behind its last byte; it starts where its predecessor ends.
    end: u64,
    /// Which unit of the request it is.
    part: u32,
    /// How many replies it gets; 0 once withdrawn.
    replies: u32,
}

/// The outgoing bytes and the FIFO of one connection.
#[derive(Debug)]
pub struct Pipeline {
    slots: VecDeque<Slot>,
    segments: Segments,
    /// Where the first slot starts.
    start: u64,
    /// Everything before this was given to the socket, or is being given.
    handed: u64,
    /// Everything before this was taken by the socket.
    written: u64,
    /// So many slots at the front are answered, but not known to be wholly written yet.
    answered_early: usize,
    /// Replies of the slot behind them that came already; its last one is not among them.
    received: Vec<Reply>,
    next_sequence: u64,
    withdrawn_slots: usize,
    withdrawn_bytes: u64,
    /// Slots that were given up while their bytes were being handed over.
    abandoned: Vec<u64>,
    quota: Quota,
}

impl Pipeline {
    /// An empty pipeline.
    pub fn new(limits: Limits) -> Pipeline {
        Pipeline {
            slots: VecDeque::new(),
            segments: Segments::default(),
            start: 0,
            handed: 0,
            written: 0,
            answered_early: 0,
            received: Vec::new(),
            next_sequence: 1,
            withdrawn_slots: 0,
            withdrawn_bytes: 0,
            abandoned: Vec::new(),
            quota: Quota::new(limits),
        }
    }

    /// Whether so much more may wait; if not, [`Pipeline::has_room_again`] will say when. One request always fits
    /// into an empty pipeline's count, never beyond the bytes.
    pub fn has_room(&mut self, more: Load) -> bool {
        let waiting = self.load();
        self.quota.fits(waiting, more)
    }

    /// True once after a refusal, when no more than half of each limit is in use.
    pub fn has_room_again(&mut self) -> bool {
        let waiting = self.load();
        self.quota.is_back(waiting)
    }

    fn load(&self) -> Load {
        Load { requests: self.waiting(), bytes: self.waiting_bytes() }
    }

    /// Slots that wait for a reply or for being sent.
    pub fn waiting(&self) -> usize {
        self.slots.len() - self.withdrawn_slots
    }

    /// The bytes of the slots that wait.
    pub fn waiting_bytes(&self) -> usize {
        (self.segments.end() - self.start - self.withdrawn_bytes) as usize
    }

    /// Whether nothing is under way: no reply is owed and no byte waits.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty()
    }

    /// What is under way.
    pub fn under_way(&self) -> UnderWay {
        let oldest = self.slots.front().map_or(self.next_sequence, |slot| slot.sequence);
        UnderWay { oldest, next: self.next_sequence }
    }

    /// Whether a reply is owed.
    pub fn is_in_flight(&self) -> bool {
        self.handed > self.start
    }

    /// Whether bytes wait for being written.
    pub fn is_unsent(&self) -> bool {
        self.segments.end() - self.handed > self.withdrawn_bytes
    }

    /// How far the socket has taken the bytes.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How far the bytes are answered; comparable to [`Pipeline::written`].
    pub fn answered(&self) -> u64 {
        self.start
    }

    /// Appends a slot of at most `most` bytes; `encode` gets so much room and gives what it left of it. Gives the
    /// slot's sequence number.
    #[inline]
    pub fn append(
        &mut self,
        to: Addressee,
        replies: u32,
        most: usize,
        encode: impl for<'a> FnOnce(Room<'a>) -> Room<'a>,
    ) -> u64 {
        self.segments.append(most, encode);
        self.add_slot(to, replies)
    }

    /// Appends a slot whose bytes are encoded already; large ones are not copied.
    pub fn append_encoded(&mut self, to: Addressee, replies: u32, bytes: Bytes) -> u64 {
        let length = bytes.len();
        if length < LARGE {
            return self.append(to, replies, length, |mut room| {
                room.put(&bytes);
                room
            });
        }
        self.append_uncopied(to, replies, bytes)
    }

    /// As [`Pipeline::append_encoded`], and never copies.
    pub fn append_uncopied(&mut self, to: Addressee, replies: u32, bytes: Bytes) -> u64 {
        self.segments.append_shared(bytes);
        self.add_slot(to, replies)
    }

    /// Appends one slot for each of `lengths`, parts 0, 1, .. of a request, whose bytes stand one behind the other in
    /// `bytes`, without copying them; gives the first sequence number, the others follow it.
    pub fn append_parts(&mut self, ticket: Ticket, bytes: Bytes, lengths: &[usize]) -> u64 {
        let first = self.next_sequence;
        let mut end = self.segments.end();
        self.segments.append_shared(bytes);
        for (part, length) in lengths.iter().enumerate() {
            end += *length as u64;
            self.push_slot(Addressee { ticket, part: part as u32 }, 1, end);
        }
        first
    }

    #[inline]
    fn add_slot(&mut self, to: Addressee, replies: u32) -> u64 {
        self.push_slot(to, replies, self.segments.end())
    }

    #[inline]
    fn push_slot(&mut self, to: Addressee, replies: u32, end: u64) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.slots.push_back(Slot { ticket: to.ticket, sequence, end, part: to.part, replies });
        sequence
    }

    /// Puts what is to be written next into `parts` and counts it as handed over. Every call that gives parts is
    /// followed by one of [`Pipeline::end_write`] before the next.
    pub fn begin_write(&mut self, parts: &mut Vec<Bytes>) {
        if self.withdrawn_slots > 0 {
            self.compact();
        }
        self.handed = self.segments.slices_from(self.written, WRITE_PARTS, parts);
    }

    /// As [`Pipeline::begin_write`], but at most so many bytes, which end with a slot unless a single one is longer: a
    /// slot that is cut when its connection ends is sent again behind others, which were not begun.
    pub fn begin_write_within(&mut self, most: usize, parts: &mut Vec<Bytes>) {
        self.begin_write(parts);
        let limit = self.written.saturating_add(most as u64);
        if self.handed <= limit {
            return;
        }
        let whole = self.slots.partition_point(|slot| slot.end <= limit).checked_sub(1);
        let end = whole.and_then(|last| self.slots.get(last)).map(|slot| slot.end).filter(|end| *end > self.written);
        self.handed = end.unwrap_or(limit);
        let mut left = (self.handed - self.written) as usize;
        parts.retain_mut(|part| {
            part.truncate(left);
            left -= part.len();
            !part.is_empty()
        });
    }

    /// As [`Pipeline::begin_write`], but only the rest of a slot of which the socket took a part: nothing is begun.
    pub fn begin_rest(&mut self, parts: &mut Vec<Bytes>) {
        let index = self.slots.partition_point(|slot| slot.end <= self.written);
        if let Some(slot) = self.slots.get(index).filter(|_| self.start_of(index) < self.written) {
            parts.push(self.segments.between(self.written, slot.end));
            self.handed = slot.end;
        }
    }

    /// The socket took so many bytes of what [`Pipeline::begin_write`] gave. False: a slot was answered of which it
    /// took nothing, so the server is out of step.
    #[must_use]
    pub fn end_write(&mut self, taken: usize) -> bool {
        self.written += taken as u64;
        self.handed = self.written;
        for sequence in mem::take(&mut self.abandoned) {
            self.withdraw(sequence);
        }
        self.answered_early == 0 && self.received.is_empty() || self.drop_answered()
    }

    /// Takes out what was answered early and is wholly written now; false: of one that was answered nothing is written.
    #[cold]
    fn drop_answered(&mut self) -> bool {
        while self.answered_early > 0
            && let Some(end) = self.slots.front().map(|slot| slot.end).filter(|end| *end <= self.written)
        {
            self.slots.pop_front();
            self.answered_early -= 1;
            self.advance(end);
        }
        let answered = self.answered_early + usize::from(!self.received.is_empty());
        answered == 0 || self.start_of(answered - 1) < self.written
    }

    /// A reply came: the answer that it completes, if it completes one that somebody waits for. With its
    /// [`Exchange`] where it is an error or one of several replies, and where `with_request` wants that. The reply is
    /// given back if nothing that was sent can have caused it: the link is out of step.
    #[inline]
    pub fn answer(&mut self, reply: Reply, with_request: bool) -> Result<Option<Answer>, Reply> {
        match self.slots.front() {
            Some(slot)
                if slot.replies == 1
                    && slot.end <= self.written
                    && self.answered_early == 0
                    && !with_request
                    && reply.kind() != Kind::Error =>
            {
                let Slot { ticket, part, end, .. } = *slot;
                self.slots.pop_front();
                shrink::release_excess(&mut self.slots);
                self.advance(end);
                let to = Addressee { ticket, part };
                Ok((ticket != Ticket::NOBODY).then_some(Answer { to, reply, exchange: None }))
            }
            _ => self.answer_in_full(reply),
        }
    }

    /// As [`Pipeline::answer`], in every case. Before its last byte the server can only refuse a slot; of several
    /// replies those before the last belong to commands that may be whole.
    fn answer_in_full(&mut self, reply: Reply) -> Result<Option<Answer>, Reply> {
        let index = self.answered_early;
        let start = self.start_of(index);
        let (handed, written) = (self.handed, self.written);
        let Some(slot) = self.slots.get_mut(index).filter(|_| start < handed) else { return Err(reply) };
        // Behind AUTH stands PING with a text: that is the last reply, also where a server has dropped the one to AUTH,
        // and nothing else is, but an error (see `credentials::login`).
        let (is_login, is_text) = (slot.ticket == Ticket::LOGIN, reply.kind() == Kind::String);
        let is_last = self.received.len() + 1 >= slot.replies as usize || is_login && is_text;
        let is_out_of_step = slot.end > handed || is_login && !is_text;
        if is_last && is_out_of_step && reply.kind() != Kind::Error {
            return Err(reply);
        }
        if !is_last {
            self.received.push(reply);
            return Ok(None);
        }
        let (to, end) = (Addressee { ticket: slot.ticket, part: slot.part }, slot.end);
        let earlier = mem::take(&mut self.received);
        let request = self.segments.between(start, end);
        if index == 0 && end <= written {
            self.slots.pop_front();
            shrink::release_excess(&mut self.slots);
            self.advance(end);
        } else {
            slot.ticket = Ticket::NOBODY;
            self.answered_early += 1;
            self.drop_answered();
        }
        let exchange = Some(Box::new(Exchange { request, earlier }));
        Ok((to.ticket != Ticket::NOBODY).then_some(Answer { to, reply, exchange }))
    }

    /// The bytes of the slot that the next reply belongs to; none if no reply is owed.
    pub fn front_bytes(&self) -> Bytes {
        let start = self.start_of(self.answered_early);
        match self.slots.get(self.answered_early).filter(|_| start < self.handed) {
            Some(slot) => self.segments.between(start, slot.end),
            None => Bytes::new(),
        }
    }

    /// The bytes of a slot that waits, sent or not.
    pub fn bytes_of(&self, sequence: u64) -> Option<Bytes> {
        let index = self.index_of(sequence)?;
        Some(self.segments.between(self.start_of(index), self.slots.get(index)?.end))
    }

    /// Where a slot stands that was not withdrawn.
    fn index_of(&self, sequence: u64) -> Option<usize> {
        let index = self.slots.partition_point(|slot| slot.sequence < sequence);
        self.slots.get(index).filter(|slot| slot.sequence == sequence && slot.replies > 0).map(|_| index)
    }

    /// The connection is gone: gives the slots of which something was sent, but for those that are answered or given
    /// up. What was not sent stays.
    pub fn disconnect(&mut self) -> Vec<Lost> {
        let mut lost = Vec::new();
        let (mut start, mut answered) = (self.start, mem::take(&mut self.answered_early));
        let (mut received, mut is_next) = (mem::take(&mut self.received), true);
        while let Some(Slot { ticket, end, part, replies, .. }) =
            self.slots.front().copied().filter(|_| start < self.written)
        {
            if answered > 0 {
                answered -= 1;
            } else {
                let received = mem::take(&mut received);
                if ticket != Ticket::NOBODY {
                    let (bytes, is_whole) = (self.segments.between(start, end), end <= self.written);
                    let unit = Unit { to: Addressee { ticket, part }, replies, bytes };
                    lost.push(Lost { unit, is_next, is_whole, received });
                }
                is_next = false;
            }
            start = end;
            self.slots.pop_front();
        }
        self.advance(start);
        self.written = start;
        self.handed = start;
        lost
    }

    /// Takes out everything that was not handed over.
    pub fn take_unsent(&mut self) -> Vec<Unit> {
        let first = self.first_unsent();
        let mut start = self.start_of(first);
        let slots = self.slots.range(first..).filter_map(|slot| {
            let bytes = (slot.ticket != Ticket::NOBODY).then(|| self.segments.between(start, slot.end));
            start = slot.end;
            let to = Addressee { ticket: slot.ticket, part: slot.part };
            bytes.map(|bytes| Unit { to, replies: slot.replies, bytes })
        });
        let units = slots.collect();
        self.clear_unsent();
        units
    }

    /// Forgets everything that was not handed over and tells who waited for it.
    pub fn clear_unsent(&mut self) -> Vec<Addressee> {
        let first = self.first_unsent();
        let end = self.start_of(first);
        let unsent = self.slots.split_off(first);
        self.segments.truncate(end);
        self.withdrawn_slots = 0;
        self.withdrawn_bytes = 0;
        unsent
            .into_iter()
            .filter(|slot| slot.ticket != Ticket::NOBODY)
            .map(|slot| Addressee { ticket: slot.ticket, part: slot.part })
            .collect()
    }

    /// The requests that are in flight ahead of the slot of this sequence number.
    pub fn tickets_ahead_of(&self, sequence: u64) -> impl Iterator<Item = Ticket> {
        let first = self.first_unsent().min(self.slots.partition_point(|slot| slot.sequence < sequence));
        self.slots.range(..first).map(|slot| slot.ticket).filter(|ticket| *ticket != Ticket::NOBODY)
    }

    /// Gives back the room for more bytes, if none wait.
    pub(super) fn release_buffers(&mut self) {
        self.segments.release();
    }

    fn advance(&mut self, to: u64) {
        self.start = to;
        self.segments.drop_before(to);
    }

    /// The first slot of which nothing was handed over.
    fn first_unsent(&self) -> usize {
        let index = self.slots.partition_point(|slot| slot.end <= self.handed);
        if self.start_of(index) < self.handed { index + 1 } else { index }
    }

    fn start_of(&self, index: usize) -> u64 {
        match index.checked_sub(1).and_then(|before| self.slots.get(before)) {
            Some(before) => before.end,
            None => self.start,
        }
    }
}
