//! Where the messages of one multishot request wait for its reader, however slow it is.
//!
//! Invariant: what waits is bounded in messages and bytes, whatever comes; each message that had no room is counted
//! once, and its reader is told at the place where it is missing: on the next message, or on the final completion.
//! Answers to what the reader itself asked for (confirmations) take room as well, but are never dropped: the reader
//! bounds them.

use std::collections::VecDeque;
use std::mem;

use super::completion::{DROPPED, GAP, MORE};
use crate::config::{Config, Overflow};
use crate::connection::sink::Completion;
use crate::error::{Outcome, Status};
use crate::lock::Lock;
use crate::protocol::reply::Reply;
use crate::shrink;

/// How much may wait. One message always may, however large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Their bytes in memory.
    pub bytes: usize,
    /// What is done about one more.
    pub overflow: Overflow,
}

impl Limits {
    /// As the options say.
    pub fn of(config: &Config) -> Limits {
        let (messages, bytes) = (config.max_unread, config.max_unread_bytes);
        Limits { messages, bytes, overflow: config.subscription_overflow }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It waits, and the reader is to be told of one more.
    Added,
    /// Nothing is to be told: it waits in the place of older ones, or it was dropped.
    Quiet,
    /// There is no room, and the request is to be ended.
    Overflowed,
}

/// What a mailbox has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that wait.
    pub unread: usize,
    /// Their bytes in memory.
    pub unread_bytes: usize,
    /// Messages that were taken.
    pub taken: u64,
    /// Messages that were dropped.
    pub dropped: u64,
}

#[derive(Debug)]
struct Message {
    /// Its place among all.
    number: u64,
    reply: Reply,
    bytes: usize,
    flags: u32,
    /// Messages that were dropped right before it.
    dropped: u64,
}

#[derive(Debug, Default)]
struct Inbox {
    /// What may be dropped, and what may not, each in order.
    messages: VecDeque<Message>,
    answers: VecDeque<Message>,
    /// The number of the next one.
    next: u64,
    bytes: usize,
    /// How many the reader was told of and did not ask for.
    told: usize,
    taken: u64,
    dropped: u64,
    /// Messages that were dropped behind the last one, and the flags that were lost with them.
    missing: u64,
    flags: u32,
    /// Nothing more comes in: nobody will read, or the request is being ended.
    closed: bool,
}

/// A bounded line of messages.
#[derive(Debug)]
pub struct Mailbox {
    request: u64,
    user_data: u64,
    limits: Limits,
    inbox: Lock<Inbox>,
}

impl Mailbox {
    /// An empty one for the messages of this request; `user_data` is handed back with each.
    pub fn new(request: u64, user_data: u64, limits: Limits) -> Mailbox {
        Mailbox { request, user_data, limits, inbox: Lock::default() }
    }

    /// Adds a message, if need be in the place of others.
    pub fn put(&self, reply: Reply, flags: u32) -> Put {
        let bytes = reply.memory();
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            return Put::Quiet;
        }
        while !self.limits.leave_room_for(bytes, &inbox) {
            match self.limits.overflow {
                Overflow::DropOldest => inbox.drop_oldest(),
                Overflow::DropNewest => {
                    inbox.dropped += 1;
                    inbox.missing += 1;
                    inbox.flags |= flags & GAP;
                    return Put::Quiet;
                }
                Overflow::Close => {
                    inbox.dropped += 1;
                    inbox.missing += 1;
                    inbox.closed = true;
                    return Put::Overflowed;
                }
            }
        }
        let message = inbox.number(reply, bytes, flags);
        inbox.messages.push_back(message);
        inbox.announce()
    }

    /// Adds an answer to what the reader itself asked for, which is never dropped.
    pub fn answer(&self, reply: Reply, flags: u32) -> Put {
        let bytes = reply.memory();
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            return Put::Quiet;
        }
        let answer = inbox.number(reply, bytes, flags);
        inbox.answers.push_back(answer);
        inbox.announce()
    }

    /// The oldest message; once for each that the reader was told of. `None`: it was dropped since.
    pub fn take(&self) -> Option<Completion> {
        let mut inbox = self.inbox.lock();
        inbox.told = inbox.told.saturating_sub(1);
        let Message { mut reply, bytes, mut flags, dropped, .. } = inbox.pop()?;
        inbox.bytes -= bytes;
        inbox.taken += 1;
        shrink::release_excess(&mut inbox.messages);
        shrink::release_excess(&mut inbox.answers);
        drop(inbox);
        if dropped > 0 {
            flags |= DROPPED;
            let count = i64::try_from(dropped).unwrap_or(i64::MAX);
            // Without memory the flag tells, and the statistics count.
            if let Ok(counted) = Reply::copy_with(&reply, &[(b"dropped", count)]) {
                reply = counted;
            }
        }
        let flags = MORE | Outcome::Answered.bit() | flags;
        let (user_data, request) = (self.user_data, self.request);
        Some(Completion { user_data, request, status: Status::Ok, flags, reply })
    }

    /// Nobody will read: forgets everything, now and from now on.
    pub fn abandon(&self) {
        let mut inbox = self.inbox.lock();
        *inbox = Inbox { closed: true, taken: inbox.taken, dropped: inbox.dropped, ..Inbox::default() };
    }

    /// What it has seen.
    pub fn counts(&self) -> Counts {
        let inbox = self.inbox.lock();
        let Inbox { bytes, taken, dropped, .. } = *inbox;
        Counts { unread: inbox.len(), unread_bytes: bytes, taken, dropped }
    }

    /// The flags of the final completion: whether messages are missing before it.
    pub fn last_flags(&self) -> u32 {
        let inbox = self.inbox.lock();
        inbox.flags | if inbox.missing > 0 { DROPPED } else { 0 }
    }
}

impl Limits {
    fn leave_room_for(self, bytes: usize, inbox: &Inbox) -> bool {
        let fits = inbox.len() < self.messages && bytes <= self.bytes.saturating_sub(inbox.bytes);
        fits || inbox.messages.is_empty()
    }
}

impl Inbox {
    fn len(&self) -> usize {
        self.messages.len() + self.answers.len()
    }

    /// A message for the next place, which is to be put there.
    fn number(&mut self, reply: Reply, bytes: usize, flags: u32) -> Message {
        let (dropped, lost_flags) = (mem::take(&mut self.missing), mem::take(&mut self.flags));
        self.bytes += bytes;
        self.next += 1;
        Message { number: self.next, reply, bytes, flags: flags | lost_flags, dropped }
    }

    /// One more waits: whether the reader is to be told.
    fn announce(&mut self) -> Put {
        if self.told >= self.len() {
            return Put::Quiet;
        }
        self.told += 1;
        Put::Added
    }

    /// Takes out the oldest of all.
    fn pop(&mut self) -> Option<Message> {
        match (self.messages.front(), self.answers.front()) {
            (Some(message), Some(answer)) if answer.number < message.number => self.answers.pop_front(),
            (Some(_), _) => self.messages.pop_front(),
            (None, _) => self.answers.pop_front(),
        }
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.messages.pop_front() else { return };
        self.bytes -= oldest.bytes;
        self.dropped += 1;
        // What is known of the place moves on to what stands behind it, or is to come.
        let answer = self.answers.partition_point(|answer| answer.number < oldest.number);
        let behind = [self.messages.front_mut(), self.answers.get_mut(answer)];
        let (missing, flags) = match behind.into_iter().flatten().min_by_key(|message| message.number) {
            Some(next) => (&mut next.dropped, &mut next.flags),
            None => (&mut self.missing, &mut self.flags),
        };
        *missing += oldest.dropped + 1;
        *flags |= oldest.flags & GAP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(messages: usize, bytes: usize, overflow: Overflow) -> Mailbox {
        Mailbox::new(7, 0, Limits { messages, bytes, overflow })
    }

    fn put(mailbox: &Mailbox, numbers: impl Iterator<Item = i64>) -> Vec<Put> {
        numbers.map(|number| mailbox.put(Reply::string(number.to_string().as_bytes()), 0)).collect()
    }

    /// What the reader gets: number, dropped before it, flags.
    fn take(mailbox: &Mailbox) -> Option<(i64, i64, u32)> {
        let Completion { reply, flags, .. } = mailbox.take()?;
        let dropped = reply.attributes().and_then(|all| all.find(b"dropped")).and_then(|count| count.to_i64());
        assert_eq!(dropped.is_some(), flags & DROPPED != 0);
        Some((reply.to_i64().unwrap(), dropped.unwrap_or(0), flags & (GAP | DROPPED)))
    }

    #[test]
    fn the_oldest_go_and_are_counted_where_they_are_missing() {
        let mailbox = mailbox(3, usize::MAX, Overflow::DropOldest);
        assert_eq!(put(&mailbox, 0..3), [Put::Added; 3]);
        assert_eq!(put(&mailbox, 3..10), [Put::Quiet; 7]);
        assert_eq!(take(&mailbox), Some((7, 7, DROPPED)));
        assert_eq!(put(&mailbox, 10..12), [Put::Added, Put::Quiet]);
        assert_eq!([take(&mailbox), take(&mailbox)], [Some((9, 1, DROPPED)), Some((10, 0, 0))]);
        assert_eq!([take(&mailbox), take(&mailbox)], [Some((11, 0, 0)), None]);
        let counts = mailbox.counts();
        assert_eq!((counts.unread, counts.unread_bytes, counts.taken, counts.dropped), (0, 0, 4, 8));
    }

    #[test]
    fn the_newest_are_dropped_and_counted_on_the_next_that_has_room() {
        let mailbox = mailbox(2, usize::MAX, Overflow::DropNewest);
        put(&mailbox, 0..5);
        assert_eq!(mailbox.last_flags(), DROPPED);
        assert_eq!([take(&mailbox), take(&mailbox)], [Some((0, 0, 0)), Some((1, 0, 0))]);
        put(&mailbox, 5..6);
        assert_eq!(mailbox.last_flags(), 0);
        assert_eq!(take(&mailbox), Some((5, 3, DROPPED)));
    }

    #[test]
    fn a_request_that_shall_be_closed_is() {
        let mailbox = mailbox(2, usize::MAX, Overflow::Close);
        assert_eq!(put(&mailbox, 0..3), [Put::Added, Put::Added, Put::Overflowed]);
        assert_eq!([take(&mailbox), take(&mailbox)], [Some((0, 0, 0)), Some((1, 0, 0))]);
        assert_eq!(put(&mailbox, 3..4), [Put::Quiet], "nothing follows what is missing");
        assert_eq!((take(&mailbox), mailbox.last_flags()), (None, DROPPED));
    }

    #[test]
    fn bytes_are_bounded_but_one_message_always_waits() {
        let large = |mailbox: &Mailbox| mailbox.put(Reply::string(&[b'1'; 1000]), 0);
        for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Close] {
            let mailbox = mailbox(100, 3000, overflow);
            (0..10).for_each(|_| _ = large(&mailbox));
            let counts = mailbox.counts();
            assert!(counts.unread == 2 && counts.unread_bytes <= 3000, "{counts:?}");
        }
        let mailbox = mailbox(100, 10, Overflow::DropOldest);
        assert_eq!([large(&mailbox), large(&mailbox)], [Put::Added, Put::Quiet]);
        let counts = mailbox.counts();
        assert_eq!((counts.unread, counts.dropped), (1, 1));
    }

    fn answer(mailbox: &Mailbox, number: i64, flags: u32) -> Put {
        mailbox.answer(Reply::string(number.to_string().as_bytes()), flags)
    }

    #[test]
    fn answers_are_never_dropped_and_keep_their_place() {
        let all = |mailbox: &Mailbox| std::iter::from_fn(|| take(mailbox)).collect::<Vec<_>>();
        let mailbox = mailbox(3, usize::MAX, Overflow::DropOldest);
        assert_eq!([answer(&mailbox, 0, 0), answer(&mailbox, 1, 0)], [Put::Added; 2]);
        put(&mailbox, 2..5);
        assert_eq!(answer(&mailbox, 5, 0), Put::Added);
        put(&mailbox, 6..8);
        assert_eq!([answer(&mailbox, 8, GAP), answer(&mailbox, 9, 0)], [Put::Added; 2]);
        let counts = mailbox.counts();
        assert_eq!((counts.unread, counts.dropped), (6, 4), "one message waits, however many answers");
        let kept = [(0, 0, 0), (1, 0, 0), (5, 3, DROPPED), (7, 1, DROPPED), (8, 0, GAP), (9, 0, 0)];
        assert_eq!(all(&mailbox), kept);
        assert_eq!(mailbox.counts().unread_bytes, 0);
        for overflow in [Overflow::DropNewest, Overflow::Close] {
            let mailbox = super::tests::mailbox(2, usize::MAX, overflow);
            let added = [0, 1, 2].map(|number| answer(&mailbox, number, 0));
            assert_eq!((added, put(&mailbox, 3..4)), ([Put::Added; 3], vec![Put::Added]));
            let full = put(&mailbox, 4..5);
            match overflow {
                Overflow::Close => assert_eq!((full, answer(&mailbox, 5, 0)), (vec![Put::Overflowed], Put::Quiet)),
                _ => assert_eq!((full, answer(&mailbox, 5, 0)), (vec![Put::Quiet], Put::Added)),
            }
            let last = (overflow != Overflow::Close).then_some((5, 1, DROPPED));
            let kept: Vec<_> = (0..4).map(|number| (number, 0, 0)).chain(last).collect();
            assert_eq!(all(&mailbox), kept, "{overflow:?}");
        }
    }

    #[test]
    fn a_gap_outlives_its_message() {
        for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
            let mailbox = mailbox(1, usize::MAX, overflow);
            let gap = || mailbox.put(Reply::string(b"1"), GAP);
            if overflow == Overflow::DropOldest {
                gap();
                put(&mailbox, 2..4);
                assert_eq!(take(&mailbox), Some((3, 2, GAP | DROPPED)));
            } else {
                put(&mailbox, 0..1);
                gap();
                assert_eq!(take(&mailbox), Some((0, 0, 0)));
                put(&mailbox, 2..3);
                assert_eq!(take(&mailbox), Some((2, 1, GAP | DROPPED)));
            }
        }
    }

    #[test]
    fn nobody_reads_what_was_abandoned() {
        let mailbox = mailbox(10, usize::MAX, Overflow::Close);
        put(&mailbox, 0..5);
        mailbox.abandon();
        assert_eq!(put(&mailbox, 0..1), [Put::Quiet]);
        assert_eq!((mailbox.counts().unread, take(&mailbox)), (0, None));
    }
}
