//! Completions that wait until somebody takes them. Whoever takes also writes and reads the connections on which all
//! that is under way is for this queue.
//!
//! Invariant: the descriptor, once asked for, is readable exactly while there is something to take, to write or to
//! read, or a wake-up is due. Locks: the queue's own comes after those of the client; nothing is driven under it.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::fmt::Debug;
use std::mem::{self, MaybeUninit};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};
use std::{io, iter};

use super::bell::Bell;
use super::takers::{Alarm, Step, Takers};
use crate::client::mailbox::Mailbox;
use crate::connection::coalescing::Coalescing;
use crate::connection::io_role::{QueueId, Submitter};
use crate::connection::queue_driver::QueueDriver;
use crate::connection::sink::Completion;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::shrink;

/// What waits in a queue: a completion, and what is to be done with it.
pub trait Item: Sized {
    /// What is to be done with all completions of a request.
    type Label: Copy + Debug + Send;
    /// The place of a message, which is taken out of its mailbox when its turn has come.
    const MESSAGE: Self;
    /// A completion, and what is to be done with it.
    fn new(label: Self::Label, completion: Completion) -> Self;
    /// Whether it is the place of a message.
    fn is_message(&self) -> bool;
    /// Nobody will take it.
    fn discard(self);
}

/// The shared part: requests under way hold it as well.
pub struct Queue<T: Item> {
    id: QueueId,
    pub(super) held: Lock<Held<T>>,
    /// Requests that were accepted and whose final completion was not taken.
    owed: AtomicUsize,
    /// Nothing more is accepted for it.
    closed: AtomicBool,
    /// Somebody takes, or waits for the descriptor.
    has_takers: AtomicBool,
}

/// What the lock of a queue guards.
pub(super) struct Held<T: Item> {
    /// Final completions, and in its place in the line each message as [`Item::MESSAGE`].
    pub(super) completions: VecDeque<T>,
    /// Where the messages are, and whose: as many as the line has places for, in the same order.
    mailboxes: VecDeque<(T::Label, Arc<Mailbox>)>,
    /// The connections to drive; those of a taker who drives are with him.
    pub(super) drivers: Vec<QueueDriver>,
    pub(super) takers: Takers,
    /// Whether a taker who finds the replies of one connection lets those of others come, too.
    pub(super) coalescing: Coalescing,
    /// `None`: the queue was freed.
    pub(super) bell: Option<Arc<Bell>>,
}

/// How many places are reserved at once for many requests: each time is an atomic instruction, which takes as long as
/// twenty others.
const BLOCK: usize = 64;

#[cold]
fn is_closed() -> Error {
    Error::new(Status::Closed, "the queue is closed")
}

#[cold]
fn is_full(owed: usize) -> Error {
    let sentence = format!("{owed} completions are owed or not taken (limit: max_unread)");
    Error::new(Status::Full, sentence)
}

impl<T: Item> Debug for Queue<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<T: Item> Queue<T> {
    /// An empty one, whose takers are woken by `bell`.
    pub fn new(bell: Arc<Bell>) -> Queue<T> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Queue {
            id: QueueId(LAST.fetch_add(1, Ordering::Relaxed)),
            held: Lock::new(Held {
                completions: VecDeque::new(),
                mailboxes: VecDeque::new(),
                drivers: Vec::new(),
                takers: Takers::default(),
                coalescing: Coalescing::default(),
                bell: Some(bell),
            }),
            owed: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            has_takers: AtomicBool::new(false),
        }
    }

    /// Room for the final completion of one more request.
    #[inline]
    pub fn reserve(&self, most: usize) -> Result<(), Error> {
        let owed = self.owed.fetch_add(1, Ordering::Relaxed);
        if owed < most {
            return Ok(());
        }
        self.give_back(1);
        Err(is_full(owed))
    }

    /// Room for the final completions of up to so many more requests, and of one at least.
    pub fn reserve_block(&self, wanted: usize, most: usize) -> Result<usize, Error> {
        // Others may find the queue full because of what is given back in the end: only near its limit, and not far.
        let wanted = wanted.min(BLOCK).min(most / BLOCK).max(1);
        let owed = self.owed.fetch_add(wanted, Ordering::Relaxed);
        let granted = most.saturating_sub(owed).min(wanted);
        self.give_back(wanted - granted);
        if granted > 0 { Ok(granted) } else { Err(is_full(owed)) }
    }

    /// So many requests were not accepted.
    pub fn give_back(&self, count: usize) {
        self.owed.fetch_sub(count, Ordering::SeqCst);
        self.look_for_end();
    }

    /// Accepts nothing more. (What is accepted already has its completions; when all are taken, takes say that it is
    /// over.)
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Looks whether a closed queue owes nothing any more, and then lets every take return. To be called after whatever
    /// may have made it so.
    pub fn look_for_end(&self) {
        if self.is_over() {
            let bell = self.held.lock().bell.clone();
            _ = bell.map(|bell| bell.end());
        }
    }

    fn is_over(&self) -> bool {
        self.closed.load(Ordering::SeqCst) && self.owed.load(Ordering::SeqCst) == 0
    }

    /// An error if it was closed.
    #[inline]
    pub fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) { Err(is_closed()) } else { Ok(()) }
    }

    /// Who would read the answer of a request for this queue.
    pub fn submitter(&self) -> Submitter {
        if self.has_takers.load(Ordering::Relaxed) { Submitter::Queue(self.id) } else { Submitter::Other }
    }

    /// Whether the room that was reserved just now is all that it owes.
    pub fn is_first(&self) -> bool {
        self.owed.load(Ordering::Relaxed) == 1
    }

    /// Whether it owes nothing.
    pub fn is_idle(&self) -> bool {
        self.owed.load(Ordering::Relaxed) == 0
    }

    /// Adds final completions.
    pub fn put(&self, label: T::Label, completions: Drain<'_, Completion>) {
        let mut held = self.held.lock();
        if held.bell.is_none() {
            drop(held);
            return drop(completions);
        }
        held.completions.extend(completions.map(|completion| T::new(label, completion)));
        let alarm = held.takers.arrived();
        self.sound(held, alarm);
    }

    /// Adds places for so many messages of a mailbox; false if nobody will ever take them.
    pub fn put_messages(&self, label: T::Label, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        let mut held = self.held.lock();
        if held.bell.is_none() {
            return false;
        }
        held.completions.extend(iter::repeat_with(|| T::MESSAGE).take(count));
        held.mailboxes.extend(iter::repeat_with(|| (label, Arc::clone(mailbox))).take(count));
        let alarm = held.takers.arrived();
        self.sound(held, alarm);
        true
    }

    /// Does what the takers must be told.
    pub(super) fn sound(&self, mut held: MutexGuard<'_, Held<T>>, alarm: Alarm) {
        held.show(alarm.descriptor);
        let bell = if alarm.sleeper { held.bell.clone() } else { None };
        drop(held);
        if let Some(bell) = bell {
            bell.sleepers.wake_one();
        }
    }

    fn note_taker(&self) {
        if !self.has_takers.load(Ordering::Relaxed) {
            self.has_takers.store(true, Ordering::Relaxed);
        }
    }

    /// The descriptor, made when it is asked for first.
    pub fn descriptor(&self, bell: &Bell) -> io::Result<RawFd> {
        self.note_taker();
        let mut held = self.held.lock();
        let signal = bell.make_signal()?;
        let due = !held.completions.is_empty() || bell.is_due();
        let alarm = held.takers.watch(due);
        self.sound(held, alarm);
        Ok(signal.descriptor())
    }

    /// Takes up to as many as there is room for, and waits for the first of them for so long (`None`: for ever). Gives
    /// how many were written to the front of `out`; an error if the queue was closed and all is taken.
    pub fn take(&self, out: &mut [MaybeUninit<T>], timeout: Option<Duration>) -> Result<usize, Error> {
        self.note_taker();
        let mut until = None;
        let mut held = self.held.lock();
        let (mut tried, mut interrupted) = (false, false);
        let (taken, finals) = loop {
            let woken = held.bell.as_ref().map(|bell| bell.sleepers.woken());
            let (taken, finals) = held.take(out);
            if taken == 0 && self.is_over() {
                // What others have under way on these connections is for the background from now on.
                let drivers = mem::take(&mut held.drivers);
                drop(held);
                drop(drivers);
                return Err(is_closed());
            }
            if taken > 0 || held.answer_wake() || interrupted {
                break (taken, finals);
            }
            let left = match timeout {
                Some(timeout) if !timeout.is_zero() => {
                    let now = Instant::now();
                    Some(until.get_or_insert_with(|| now + timeout).saturating_duration_since(now))
                }
                other => other,
            };
            let may_wait = left.is_none_or(|left| !left.is_zero());
            if tried && !may_wait {
                break (0, 0);
            }
            tried = true;
            // Another taker may have freed the queue, or may do so now.
            let (Some(bell), Some(woken)) = (held.bell.clone(), woken) else { break (0, 0) };
            let may_drive = !held.drivers.is_empty();
            match (held.takers.step(may_drive), bell.signal()) {
                (Step::Drive, Some(signal)) => (held, interrupted) = self.drive(held, signal, may_wait, left),
                _ if may_wait => {
                    held.takers.sleep();
                    drop(held);
                    interrupted = bell.sleepers.sleep(woken, left);
                    held = self.held.lock();
                    held.takers.wake_up();
                }
                _ => {}
            }
        };
        self.owed.fetch_sub(finals, Ordering::SeqCst);
        self.leave(held);
        self.look_for_end();
        Ok(taken)
    }

    /// Nobody will take any more: what is there and what comes is discarded.
    pub fn free(&self) {
        let mut held = self.held.lock();
        if let Some(bell) = held.bell.take() {
            // Whoever takes still, because another who takes has freed it, gets nothing more and returns.
            bell.raise();
            bell.sleepers.wake_all();
        }
        let (completions, drivers) = (mem::take(&mut held.completions), mem::take(&mut held.drivers));
        let mailboxes = mem::take(&mut held.mailboxes);
        drop(held);
        drop(drivers);
        mailboxes.iter().for_each(|(_, mailbox)| mailbox.abandon());
        completions.into_iter().for_each(T::discard);
    }
}

impl<T: Item> Held<T> {
    /// Makes the descriptor readable or not, if that changes.
    pub(super) fn show(&mut self, raised: Option<bool>) {
        match (&self.bell, raised) {
            (Some(bell), Some(true)) => bell.raise(),
            (Some(bell), Some(false)) if bell.lower() => self.takers.may_be_raised(),
            _ => {}
        }
    }

    /// Whether the take that asks shall return with nothing: of as many as are asked, as many as there were wakes.
    fn answer_wake(&mut self) -> bool {
        let answered = self.bell.as_ref().is_some_and(|bell| bell.answer());
        if answered {
            self.takers.may_be_raised();
        }
        answered
    }

    /// Takes what is there, in order; gives how many, and how many of them are final.
    fn take(&mut self, out: &mut [MaybeUninit<T>]) -> (usize, usize) {
        let (mut taken, mut finals) = (0, 0);
        while let Some(place) = out.get_mut(taken)
            && let Some(next) = self.completions.pop_front()
        {
            if !next.is_message() {
                place.write(next);
                finals += 1;
            } else if let Some((label, mailbox)) = self.mailboxes.pop_front()
                && let Some(message) = mailbox.take()
            {
                place.write(T::new(label, message));
            } else {
                // It was dropped since.
                continue;
            }
            taken += 1;
        }
        shrink::release_excess(&mut self.completions);
        shrink::release_excess(&mut self.mailboxes);
        (taken, finals)
    }
}
