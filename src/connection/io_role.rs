//! Who has the I/O role: who may write to a connection and to read from it: a state machine without threads, the part
//! of [`super::io_control`] that decides it.
//!
//! Invariant: while a reply is owed, somebody reads: the background, the one caller who took the I/O role and has not
//! given it back, a caller who is about to come and take it, or the takers of one queue, as long as all that is under
//! way is that queue's. Whoever changes the reader also changes what the background is told of, under the same lock.
//!
//! Callers carry each other, and the background hears nothing of it: one reads for all, the others write at once and
//! wait. When the one who reads has its reply, the role goes to the one who has waited longest. Those who got their
//! replies together submit together again, and the first writes for all: see coalescing.rs. When requests of others
//! come, the role goes to the background.

use std::time::Duration;

use super::coalescing::Coalescing;

#[cfg(test)]
mod tests;

/// Hysteresis: so many calls in a row that found nothing under way before callers do their own I/O, and so many
/// requests in a row for one queue before its takers do. Lower values make the role flap.
const TAKEOVER_AFTER: u32 = 4;

/// Hysteresis: so many calls in a row without other requests before callers do their own I/O together.
const CALLERS_AFTER: u32 = 32;

/// A caller who finds so many requests under way is only carried by another one if callers write together: else the
/// background writes for many better.
const MANY: u64 = 2;

/// However often the takers of a queue stayed away, after so many requests they get another chance.
const MAX_THRESHOLD: u32 = 1 << 16;

/// The name of a queue; no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueId(pub u64);

/// Who submits, which is to say: who would read the answer without help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// Somebody who will not.
    Other,
    /// A caller who waits for it.
    Caller,
    /// A queue from which somebody takes.
    Queue(QueueId),
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The background, which is told of bytes.
    Background,
    /// Nobody: nothing is owed, and the background is told of the end only; where messages may come, of bytes too, and
    /// then it reads.
    Nobody,
    /// A caller, on its own thread.
    Caller,
    /// Nobody yet: the next caller who comes to wait does.
    NextCaller,
    /// Whoever takes from this queue.
    Queue(QueueId),
}

/// What the background is to be told from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum RoleChange {
    /// As before.
    Nothing,
    /// It reads from now on.
    Begin,
    /// It must not be woken by bytes any more, only by the end.
    End,
    /// What it is woken by changes for the time of a call, or has again; it need not be told.
    Unnoticed,
}

/// Who writes what was submitted just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The background, or the caller who reads just now.
    Others,
    /// The caller who submitted: it has the I/O role now, and must give it back.
    Caller,
    /// Another caller has the I/O role. The one who submitted waits for it, and says so when it comes; it sends
    /// at once if something is in flight, else whoever reads is about to.
    Follower,
    /// The takers of the queue.
    Queue {
        /// They have the I/O role from now on, until it is reclaimed; before, they had not.
        new: bool,
    },
}

/// What a caller who was to wait for another one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// It waits until its reply comes, or the I/O role.
    Wait,
    /// It has the I/O role, as if it had been [`Writer::Caller`].
    Lead,
    /// It waits until its reply comes: the background writes and reads.
    Background,
}

/// Who has the I/O role after a caller who gave it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Successor {
    /// One of the callers who wait, who is to be told.
    Follower,
    /// Whoever it is hears of it in time, once the background is told of this.
    Others(RoleChange),
}

/// How a caller leaves who has the I/O role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    /// Nothing is under way any more.
    pub(super) idle: bool,
    /// The connection is in order, and bytes come.
    pub(super) in_order: bool,
    /// So many callers came to wait, and perhaps still do.
    pub(super) followers: usize,
}

/// What is under way, as sequence numbers.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay {
    /// The oldest; if there is none, the next.
    pub oldest: u64,
    /// What is submitted next gets this one.
    pub next: u64,
}

impl UnderWay {
    fn is_nothing(self) -> bool {
        self.oldest == self.next
    }

    fn count(self) -> u64 {
        self.next.saturating_sub(self.oldest)
    }
}

/// The role.
#[derive(Debug)]
pub(super) struct IoRole {
    reader: Reader,
    /// Calls in a row that found nothing under way.
    solo_calls: u32,
    /// Calls in a row, and no other requests; if callers are many at present, few of them.
    calls: u32,
    /// Callers who are about to come and wait.
    arriving: u32,
    /// Those who submit together.
    coalescing: Coalescing,
    /// While a caller reads: when it leaves, the background reads.
    ends: bool,
    /// The queue that the last request was for, and since which sequence number all are.
    run: Option<(QueueId, u64)>,
    /// Requests in a row for that queue.
    length: u32,
    /// So long a run must be.
    takeover_threshold: u32,
    /// How often somebody other than the background took the role; tells whether they still do.
    taken: u64,
    /// Messages may come that nobody asked for.
    receives_pushes: bool,
}

impl IoRole {
    /// The background reads. `receives_pushes`: messages may come that nobody asked for, also while nothing is owed.
    pub(super) fn new(receives_pushes: bool) -> IoRole {
        IoRole {
            reader: Reader::Background,
            solo_calls: 0,
            calls: 0,
            arriving: 0,
            coalescing: Coalescing::default(),
            ends: false,
            run: None,
            length: 0,
            takeover_threshold: TAKEOVER_AFTER,
            taken: 0,
            receives_pushes,
        }
    }

    /// Whether the background may read.
    pub(super) fn is_background(&self) -> bool {
        self.reader == Reader::Background || (self.receives_pushes && self.reader == Reader::Nobody)
    }

    /// Whether messages may come that nobody asked for.
    pub(super) fn receives_pushes(&self) -> bool {
        self.receives_pushes
    }

    /// Whether the takers of a queue read.
    pub(super) fn is_of_a_queue(&self) -> bool {
        matches!(self.reader, Reader::Queue(_))
    }

    /// Whether the takers of a queue still have the I/O role of this number.
    pub(super) fn is_held_by(&self, number: u64) -> bool {
        self.is_of_a_queue() && self.taken == number
    }

    /// How often somebody other than the background took the role; the number of a driver that began just now.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Somebody submits while so much is under way.
    pub(super) fn submit(&mut self, by: Submitter, under_way: UnderWay) -> (Writer, RoleChange) {
        self.count(by, under_way);
        match (self.reader, by) {
            (Reader::Caller | Reader::NextCaller, Submitter::Caller) if !self.ends && !self.are_many(under_way) => {
                self.arriving += 1;
                (Writer::Follower, RoleChange::Nothing)
            }
            (Reader::Caller | Reader::NextCaller, _) => {
                self.ends = true;
                (Writer::Others, RoleChange::Nothing)
            }
            (Reader::Queue(reader), Submitter::Queue(queue)) if reader == queue => {
                (Writer::Queue { new: false }, RoleChange::Nothing)
            }
            (Reader::Background | Reader::Nobody, Submitter::Queue(queue)) if self.is_alone(queue, under_way) => {
                (Writer::Queue { new: true }, self.hand_to(Reader::Queue(queue)))
            }
            (Reader::Nobody, Submitter::Caller) => (Writer::Caller, self.hand_to(Reader::Caller)),
            (Reader::Background, Submitter::Caller) if self.is_for_callers() => {
                (Writer::Caller, self.hand_to(Reader::Caller))
            }
            (Reader::Background | Reader::Nobody | Reader::Queue(_), _) => (Writer::Others, self.hand_back()),
        }
    }

    /// Whether callers have been alone, or among themselves, for a while.
    fn is_for_callers(&self) -> bool {
        self.solo_calls > TAKEOVER_AFTER || self.calls > CALLERS_AFTER
    }

    /// Whether callers who find so much under way are better carried by the background.
    fn are_many(&self, under_way: UnderWay) -> bool {
        under_way.count() >= MANY && self.coalescing.is_pausing()
    }

    fn count(&mut self, by: Submitter, under_way: UnderWay) {
        match by {
            Submitter::Other if under_way.is_nothing() => {}
            Submitter::Caller => {
                self.solo_calls = if under_way.is_nothing() { self.solo_calls.saturating_add(1) } else { 0 };
                self.calls = if self.are_many(under_way) { 0 } else { self.calls.saturating_add(1) };
                if self.reader == Reader::Background {
                    // (While callers read, they count how often they do.)
                    self.coalescing.count_pause();
                }
            }
            Submitter::Other | Submitter::Queue(_) => (self.solo_calls, self.calls) = (0, 0),
        }
        match (by, self.run) {
            (Submitter::Queue(queue), Some((before, _))) if queue == before => {
                self.length = self.length.saturating_add(1);
            }
            (Submitter::Queue(queue), _) => (self.run, self.length) = (Some((queue, under_way.next)), 0),
            _ => self.run = None,
        }
    }

    /// Whether all that is under way is this queue's, and has been for a while.
    fn is_alone(&self, queue: QueueId, under_way: UnderWay) -> bool {
        self.length > self.takeover_threshold
            && self.run.is_some_and(|(of, since)| of == queue && under_way.oldest >= since)
    }

    fn hand_to(&mut self, reader: Reader) -> RoleChange {
        let before = std::mem::replace(&mut self.reader, reader);
        self.taken += 1;
        self.ends = false;
        match before {
            Reader::Background => RoleChange::End,
            Reader::Nobody if self.receives_pushes => RoleChange::Unnoticed,
            _ => RoleChange::Nothing,
        }
    }

    fn hand_back(&mut self) -> RoleChange {
        match std::mem::replace(&mut self.reader, Reader::Background) {
            Reader::Background => return RoleChange::Nothing,
            Reader::Queue(_) => self.length = 0,
            Reader::Nobody | Reader::Caller | Reader::NextCaller => {}
        }
        RoleChange::Begin
    }

    /// The background reads, unless a caller does.
    pub(super) fn reclaim(&mut self) -> RoleChange {
        match self.reader {
            Reader::Caller | Reader::NextCaller => RoleChange::Nothing,
            _ => self.hand_back(),
        }
    }

    /// As [`IoRole::reclaim`], because the takers of the queue stay away: it will be longer until they get the next
    /// chance.
    pub(super) fn reclaim_from_absent(&mut self) -> RoleChange {
        if self.is_of_a_queue() {
            self.takeover_threshold = (self.takeover_threshold * 2).min(MAX_THRESHOLD);
        }
        self.reclaim()
    }

    /// The takers of the queue come and take.
    pub(super) fn reset_backoff(&mut self) {
        self.takeover_threshold = TAKEOVER_AFTER;
    }

    /// Whether the caller who took the role just now is to ask [`IoRole::yields`] before it writes.
    pub(super) fn expects_others(&mut self) -> bool {
        self.coalescing.begin()
    }

    /// Whether the caller who has the role, and of whom nothing is in flight, lets other threads run before it writes:
    /// callers who are expected submit meanwhile. `took`: how long the last time took.
    pub(super) fn yields(&mut self, under_way: UnderWay, took: Duration) -> bool {
        self.coalescing.yields(under_way.count().saturating_sub(1), took)
    }

    /// A caller who was told to be a [`Writer::Follower`] comes to wait.
    pub(super) fn follow(&mut self) -> Follow {
        self.arriving = self.arriving.saturating_sub(1);
        match self.reader {
            Reader::NextCaller => {
                self.reader = Reader::Caller;
                Follow::Lead
            }
            Reader::Caller => Follow::Wait,
            Reader::Background | Reader::Nobody | Reader::Queue(_) => Follow::Background,
        }
    }

    /// The caller who has the I/O role gives it back.
    pub(super) fn give_back(&mut self, leaving: Leaving) -> Successor {
        if self.reader != Reader::Caller {
            // The connection ended meanwhile, and the I/O role began anew.
            return Successor::Others(RoleChange::Nothing);
        }
        let Leaving { idle, in_order, followers } = leaving;
        if idle {
            self.reader = Reader::Nobody;
            self.coalescing.ended(followers as u64);
            let change = if self.receives_pushes { RoleChange::Unnoticed } else { RoleChange::Nothing };
            return Successor::Others(change);
        }
        if in_order && !self.ends {
            if followers > 0 {
                return Successor::Follower;
            }
            if self.arriving > 0 {
                self.reader = Reader::NextCaller;
                return Successor::Others(RoleChange::Nothing);
            }
        }
        (self.solo_calls, self.calls) = (0, 0);
        Successor::Others(self.hand_back())
    }
}
