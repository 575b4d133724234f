//! Who writes and who reads, on one connection after the other: all that decides it and all that is remembered for it,
//! as one state machine without sockets, threads or clocks. Its owner tells it every event under the lock of the
//! outgoing bytes, and carries out the [`Effects`]. It owns the I/O role ([`super::io_role`], with `coalescing`), the
//! callers who wait, and the watch over those who read (`reader_watch`).
//!
//! Invariant: while a reply is owed or bytes wait for being written, somebody is about to see to them: whoever has the
//! I/O role, or the background, which is told of bytes by the kernel and is notified of what is there already.

use std::collections::VecDeque;
use std::time::Duration;

use super::interest::EventInterest;
use super::io_role::{Follow, IoRole, Leaving, RoleChange, Submitter, Successor, UnderWay, Writer};
use super::reader_watch::{Absence, Observed, ReaderWatch, Readers};

#[cfg(test)]
mod tests;

/// Whether the background is to be notified, so that it looks at everything anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    /// It is not.
    #[default]
    No,
    /// If bytes wait in the socket: the kernel does not report what came before it was asked.
    IfBytesWait,
    /// It is.
    Yes,
}

/// What is to be done because of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Effects {
    /// What the kernel tells the background of from now on, to be set before the lock is let go; `None`: as before.
    pub interest: Option<EventInterest>,
    /// Whether the background is notified, to be done when the lock was let go.
    pub notify: Notice,
}

/// What the outgoing bytes are in the midst of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// A reply is owed.
    pub in_flight: bool,
    /// Bytes wait for being written.
    pub unsent: bool,
}

/// What whoever submitted does once it has let go of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Nothing: somebody is about to write.
    Nothing,
    /// It wakes the background, which sleeps.
    Wake,
    /// It has the I/O role: it writes, reads, and gives the role back with [`IoControl::give_back`].
    Lead {
        /// It asks [`IoControl::yields`] before it writes.
        yields: bool,
    },
    /// It comes to wait while another caller reads, with [`IoControl::come`], or says with [`IoControl::stay_away`]
    /// that it does not.
    Follow,
    /// It calls somebody who takes from the queue: there is something to write.
    Take,
    /// As [`Task::Take`], and from now on the takers of the queue have the I/O role of this number.
    Begin {
        /// To be named in [`IoControl::visit`], [`IoControl::is_held_by`] and [`IoControl::leave`].
        number: u64,
    },
}

/// What a caller does who came to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It has the I/O role, as with [`Task::Lead`].
    Lead,
    /// It waits until its reply comes, or the I/O role.
    Wait {
        /// First it writes what is not sent yet, without the I/O role.
        writes: bool,
    },
    /// It waits until its reply comes: the background writes and reads.
    Background,
}

/// Who has the I/O role after a caller who gave it back.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Handover<F> {
    /// This one of the callers who wait, who is to be told. If it does not wait any more, the role is given back again.
    ToFollower(F),
    /// Somebody else, who hears of it by these effects.
    ToOthers(Effects),
}

/// What the background finds when it looks whether others still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it does.
    pub effects: Effects,
    /// After this time it looks again.
    pub pause: Duration,
    /// If bytes wait in the socket, nobody comes for them: [`IoControl::reclaim_from_absent`] is to be told.
    pub is_nobody_there: bool,
}

/// Who writes and reads. `F`: a caller who waits while another one reads.
#[derive(Debug)]
pub struct IoControl<F> {
    role: IoRole,
    /// Callers who wait while another one reads; some may have their replies by now.
    followers: VecDeque<F>,
    /// Somebody writes, and will look for more to write before it stops.
    writing: bool,
    /// The socket is full: the background must hear of room.
    blocked: bool,
    /// How often somebody who takes from a queue came by.
    visits: u64,
    watch: ReaderWatch,
}

impl<F> Default for IoControl<F> {
    /// The background reads and writes; there is no connection yet.
    fn default() -> IoControl<F> {
        IoControl {
            role: IoRole::new(false),
            followers: VecDeque::new(),
            writing: false,
            blocked: false,
            visits: 0,
            watch: ReaderWatch::default(),
        }
    }
}

impl<F> IoControl<F> {
    /// There is a new connection. `receives_pushes`: messages may come on it that nobody asked for.
    pub fn connect(&mut self, receives_pushes: bool) -> Effects {
        self.role = IoRole::new(receives_pushes);
        self.followers.clear();
        self.blocked = false;
        self.visits = 0;
        self.watch = ReaderWatch::default();
        Effects { interest: Some(self.interest()), ..Effects::default() }
    }

    /// Somebody submits while so much is under way: who writes it. Afterwards [`IoControl::task`] says what that means
    /// for who submitted.
    #[inline]
    pub fn submit(&mut self, by: Submitter, under_way: UnderWay) -> (Writer, Effects) {
        let (writer, change) = self.role.submit(by, under_way);
        // The background looks now and then whether somebody still reads. When it is to read itself, it is woken for
        // what was submitted.
        let is_watched = change == RoleChange::End || writer == Writer::Queue { new: true };
        let notify = if is_watched { Notice::Yes } else { Notice::No };
        (writer, Effects { interest: self.interest_after(change), notify })
    }

    /// What whoever submitted does. `nothing_waited`: before, no bytes waited for being written; `is_asleep`: the
    /// background is, which is looked at after the bytes were appended.
    #[inline]
    pub fn task(&mut self, writer: Writer, nothing_waited: bool, is_asleep: bool) -> Task {
        match writer {
            Writer::Caller => Task::Lead { yields: self.role.expects_others() },
            Writer::Follower => Task::Follow,
            Writer::Queue { new: true } => Task::Begin { number: self.role.taken() },
            Writer::Queue { new: false } if nothing_waited => Task::Take,
            Writer::Others if is_asleep => Task::Wake,
            Writer::Queue { new: false } | Writer::Others => Task::Nothing,
        }
    }

    /// A caller comes to wait while another one reads; `follower` names it.
    pub fn come(&mut self, follower: impl FnOnce() -> F, pending: Pending) -> Arrival {
        match self.role.follow() {
            Follow::Lead => Arrival::Lead,
            Follow::Background => Arrival::Background,
            Follow::Wait => {
                self.followers.push_back(follower());
                // While nothing is in flight, whoever has the role is about to write. Whoever writes just now goes on
                // with what came meanwhile.
                Arrival::Wait { writes: pending.in_flight && pending.unsent && !self.writing }
            }
        }
    }

    /// A caller who was to come will not. True: the I/O role was left for it, and it has to give it back. The
    /// background is to be notified in either case: it may have to write for the caller.
    pub fn stay_away(&mut self) -> bool {
        self.role.follow() == Follow::Lead
    }

    /// Whether the caller who has the I/O role lets other threads run before it writes; `took`: how long the last time
    /// took.
    pub fn yields(&mut self, under_way: UnderWay, pending: Pending, took: Duration) -> bool {
        !pending.in_flight && self.role.yields(under_way, took)
    }

    /// The caller who has the I/O role gives it back. `idle`: nothing is under way any more; `in_order`: the connection
    /// is, and bytes come.
    #[inline]
    pub fn give_back(&mut self, idle: bool, in_order: bool) -> Handover<F> {
        let leaving = Leaving { idle, in_order, followers: self.followers.len() };
        let change = match self.role.give_back(leaving) {
            Successor::Others(change) => change,
            Successor::Follower => match self.followers.pop_front() {
                Some(follower) => return Handover::ToFollower(follower),
                None => RoleChange::Nothing,
            },
        };
        self.followers.clear();
        Handover::ToOthers(self.effects_of(change))
    }

    /// The takers of a queue come by with the I/O role of this number. False: they have lost it.
    pub fn visit(&mut self, number: u64) -> bool {
        self.visits += 1;
        self.is_held_by(number)
    }

    /// Whether the takers of a queue still have the I/O role of this number.
    pub fn is_held_by(&self, number: u64) -> bool {
        self.role.is_held_by(number)
    }

    /// The takers of a queue who had the I/O role of this number neither write nor read any more.
    pub fn leave(&mut self, number: u64) -> Effects {
        let change = if self.is_held_by(number) { self.role.reclaim() } else { RoleChange::Begin };
        // Also when somebody else reclaimed it: the background may have looked while they still read.
        self.watch.stopped();
        if self.role.is_background() { self.effects_of(change) } else { Effects::default() }
    }

    /// The background is to read, unless a caller does.
    pub fn reclaim(&mut self) -> Effects {
        let change = self.role.reclaim();
        self.effects_of(change)
    }

    /// As [`IoControl::reclaim`], because bytes wait for the takers of a queue and they stay away.
    pub fn reclaim_from_absent(&mut self) -> Effects {
        let change = self.role.reclaim_from_absent();
        self.effects_of(change)
    }

    /// Whether the background may read.
    pub fn background_reads(&self) -> bool {
        self.role.is_background()
    }

    /// Whether the background writes what waits: else a caller or the takers of a queue are about to.
    pub fn background_writes(&self, pending: Pending) -> bool {
        self.role.is_background() || (pending.in_flight && !self.role.is_of_a_queue())
    }

    /// Somebody begins to write, or found nothing (more) to write.
    #[inline]
    pub fn write_begins(&mut self, has_bytes: bool) {
        self.writing = has_bytes;
    }

    /// A write came back. `in_order`: it will be followed by another one if there is more to write.
    #[inline]
    pub fn write_ends(&mut self, in_order: bool, is_unsent: bool) {
        self.writing = in_order && is_unsent;
    }

    /// The background wrote what it could, and the socket is full or not. If [`Effects::interest`] is set and the
    /// socket is full, there may have been room before the background was to be told of it: it tries again.
    pub fn set_blocked(&mut self, blocked: bool) -> Effects {
        let has_changed = std::mem::replace(&mut self.blocked, blocked) != blocked;
        Effects { interest: has_changed.then(|| self.interest()), ..Effects::default() }
    }

    /// The background looks who reads.
    pub fn observe(&mut self) -> Observed {
        self.watch.observe(self.readers())
    }

    /// The background looks whether others still read, after the time that was asked for. `is_awaited`: somebody who
    /// takes from the queue waits for bytes.
    pub fn look(&mut self, pending: Pending, is_awaited: bool) -> Look {
        let (absence, pause) = self.watch.look(self.readers());
        let mut look = Look { effects: Effects::default(), pause, is_nobody_there: false };
        match absence {
            Absence::None => self.role.reset_backoff(),
            Absence::Long => look.effects = self.reclaim(),
            Absence::OfTakers if is_awaited => {}
            Absence::OfTakers if pending.unsent => look.effects = self.reclaim_from_absent(),
            Absence::OfTakers => look.is_nobody_there = true,
            Absence::Short => {}
        }
        look
    }

    fn readers(&self) -> Readers {
        Readers {
            are_others: !self.role.is_background(),
            are_of_a_queue: self.role.is_of_a_queue(),
            taken: self.role.taken(),
            visits: self.visits,
        }
    }

    #[inline]
    fn effects_of(&self, change: RoleChange) -> Effects {
        let notify = match change {
            RoleChange::Begin => Notice::Yes,
            RoleChange::Unnoticed => Notice::IfBytesWait,
            RoleChange::Nothing | RoleChange::End => Notice::No,
        };
        Effects { interest: self.interest_after(change), notify }
    }

    #[inline]
    fn interest_after(&self, change: RoleChange) -> Option<EventInterest> {
        (change != RoleChange::Nothing).then(|| self.interest())
    }

    /// What the background is to hear of.
    fn interest(&self) -> EventInterest {
        match (self.blocked, self.role.is_background()) {
            (true, _) => EventInterest::ReadingAndWriting,
            (false, true) => EventInterest::Reading,
            // Where messages may come, what the background is told of changes with each call.
            (false, false) if self.role.receives_pushes() => EventInterest::Ending,
            (false, false) => EventInterest::Nothing,
        }
    }
}
