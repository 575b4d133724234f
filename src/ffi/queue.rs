//! Where completions wait until somebody takes them. Whoever takes also writes and reads the connections on which all that
//! is under way is for this queue.
//!
//! Invariant: the descriptor, once asked for, is readable exactly while there is something to take, to write or to read,
//! or a wake-up is due. Locks: the queue's own comes after those of the client; nothing is driven under it.

mod signal;
pub mod takers;

use std::collections::VecDeque;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, MutexGuard};
use std::time::{Duration, Instant};
use std::{io, iter, ptr};

use signal::Signal;
use takers::{Alarm, Step, Takers};

use super::boundary::{call, check_generation, check_may_wait, guard, null};
use super::completion::{JR_COMPLETION_MORE, Target, jr_completion};
use super::status::JR_OK;
use super::{fork, reply};
use crate::client::mailbox::Mailbox;
use crate::connection::tenure::Tenure;
use crate::connection::turn::{QueueId, Submitter};
use crate::error::{Error, Status};
use crate::lock::{self, Lock};
use crate::{runtime, shrink};

/// Where completions wait, with a descriptor that an event loop can poll. Any thread; may serve several clients.
pub struct jr_queue {
    pub(super) queue: Arc<Queue>,
    pub(super) generation: u32,
}

/// The shared part: requests under way hold it as well.
#[derive(Debug)]
pub(super) struct Queue {
    id: QueueId,
    held: Lock<Held>,
    arrived: Condvar,
    /// Requests that were accepted and whose final completion was not taken.
    owed: AtomicUsize,
    /// Somebody takes, or waits for the descriptor.
    attended: AtomicBool,
    /// What the signal consists of, readable without the lock in the child of a fork; -1: nothing yet.
    descriptors: [AtomicI32; 2],
}

#[derive(Debug, Default)]
struct Held {
    /// Final completions, and in its place in the line each message as [`MESSAGE`].
    completions: VecDeque<jr_completion>,
    /// Where the messages are, and whose: as many as the line has places for, in the same order.
    mailboxes: VecDeque<(u64, Arc<Mailbox>)>,
    /// The connections to drive; those of a taker who drives are with him.
    tenures: Vec<Tenure>,
    takers: Takers,
    freed: bool,
    signal: Option<Arc<Signal>>,
}

/// The place of a message, which is taken out of its mailbox when its turn has come.
const MESSAGE: jr_completion =
    jr_completion { user_data: 0, request: 0, reply: ptr::null_mut(), status: JR_OK, flags: JR_COMPLETION_MORE };

impl Queue {
    fn new() -> Queue {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Queue {
            id: QueueId(LAST.fetch_add(1, Ordering::Relaxed)),
            held: Lock::default(),
            arrived: Condvar::new(),
            owed: AtomicUsize::new(0),
            attended: AtomicBool::new(false),
            descriptors: [const { AtomicI32::new(-1) }; 2],
        }
    }

    /// The place for the completions of one more request, of whose final one the queue has room.
    #[inline]
    pub(super) fn reserve(self: &Arc<Self>, user_data: u64, most: usize) -> Result<Target, Error> {
        let owed = self.owed.fetch_add(1, Ordering::Relaxed);
        if owed < most {
            return Ok(Target::Queue { queue: Arc::clone(self), user_data });
        }
        self.give_back();
        let sentence = format!("{owed} completions of this queue are owed or not taken (limit: max_unread)");
        Err(Error::new(Status::Full, sentence))
    }

    /// The request was not accepted.
    pub(super) fn give_back(&self) {
        self.owed.fetch_sub(1, Ordering::Relaxed);
    }

    /// Who would read the answer of a request for this queue.
    pub(super) fn submitter(&self) -> Submitter {
        if self.attended.load(Ordering::Relaxed) { Submitter::Queue(self.id) } else { Submitter::Other }
    }

    /// A request for this queue was accepted that is for the takers to write, now or from now on.
    pub(super) fn call_takers(&self, tenure: Option<Tenure>) {
        let mut held = self.held.lock();
        if let Some(tenure) = tenure {
            // Without a descriptor to wait for it is dropped, and so left to the background.
            if held.freed || self.signal(&mut held).and_then(|signal| signal.watch(tenure.as_fd())).is_err() {
                drop(held);
                return drop(tenure);
            }
            held.tenures.push(tenure);
        }
        let alarm = held.takers.submitted();
        self.sound(held, alarm);
    }

    /// Adds final completions.
    pub(super) fn put(&self, completions: impl Iterator<Item = jr_completion>) {
        let mut held = self.held.lock();
        if held.freed {
            drop(held);
            completions.for_each(|completion| reply::discard(completion.reply));
            return;
        }
        held.completions.extend(completions);
        let alarm = held.takers.arrived();
        self.sound(held, alarm);
    }

    /// Adds places for so many messages of a mailbox; false if nobody will ever take them.
    pub(super) fn put_messages(&self, user_data: u64, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        let mut held = self.held.lock();
        if held.freed {
            return false;
        }
        held.completions.extend(iter::repeat_n(MESSAGE, count));
        held.mailboxes.extend(iter::repeat_with(|| (user_data, Arc::clone(mailbox))).take(count));
        let alarm = held.takers.arrived();
        self.sound(held, alarm);
        true
    }

    /// Does what the takers must be told.
    fn sound(&self, held: MutexGuard<'_, Held>, alarm: Alarm) {
        if let (Some(signal), Some(raised)) = (&held.signal, alarm.descriptor) {
            // It can fail only if the descriptor was taken away from under the library.
            _ = if raised { signal.raise() } else { signal.lower() };
        }
        drop(held);
        if alarm.sleeper {
            self.arrived.notify_one();
        }
    }

    fn signal(&self, held: &mut Held) -> io::Result<Arc<Signal>> {
        if let Some(signal) = &held.signal {
            return Ok(Arc::clone(signal));
        }
        let signal = Arc::new(Signal::new()?);
        for (place, descriptor) in self.descriptors.iter().zip(signal.descriptors()) {
            place.store(descriptor, Ordering::Relaxed);
        }
        held.signal = Some(Arc::clone(&signal));
        Ok(signal)
    }

    fn attend(&self) {
        if !self.attended.load(Ordering::Relaxed) {
            self.attended.store(true, Ordering::Relaxed);
        }
    }

    fn descriptor(&self) -> io::Result<RawFd> {
        self.attend();
        let mut held = self.held.lock();
        let signal = self.signal(&mut held)?;
        let full = !held.completions.is_empty();
        let alarm = held.takers.watch(full);
        self.sound(held, alarm);
        Ok(signal.descriptor())
    }

    fn take(&self, out: &mut [MaybeUninit<jr_completion>], timeout: Option<Duration>) -> usize {
        self.attend();
        let mut until = None;
        let mut held = self.held.lock();
        let mut tried = false;
        let (taken, finals) = loop {
            let (taken, finals) = held.take(out);
            if taken > 0 || held.takers.is_woken() || held.freed {
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
            let may_drive = !held.tenures.is_empty();
            match (held.takers.step(may_drive), held.signal.clone()) {
                (Step::Drive, Some(signal)) => held = self.drive(held, &signal, may_wait, left),
                _ if may_wait => {
                    held.takers.sleep();
                    held = lock::wait_for(&self.arrived, held, left);
                    held.takers.wake_up();
                }
                _ => {}
            }
        };
        self.owed.fetch_sub(finals, Ordering::Relaxed);
        let (full, tenures) = (!held.completions.is_empty(), !held.tenures.is_empty());
        let alarm = held.takers.leave(full, tenures);
        // Of a queue that was freed meanwhile: the background goes on.
        let left = if held.freed { mem::take(&mut held.tenures) } else { Vec::new() };
        self.sound(held, alarm);
        drop(left);
        taken
    }

    /// Writes what waits on every connection of which this thread has the turn now, waits for bytes if it may, and reads
    /// those connections that have some.
    fn drive<'a>(
        &'a self,
        mut held: MutexGuard<'a, Held>,
        signal: &Signal,
        may_wait: bool,
        left: Option<Duration>,
    ) -> MutexGuard<'a, Held> {
        let mut tenures = mem::take(&mut held.tenures);
        if held.takers.begin(may_wait).descriptor.is_some() {
            _ = signal.lower();
        }
        drop(held);
        let mut lost: Vec<Tenure> = tenures.extract_if(.., |tenure| !tenure.write()).collect();
        let is_due = |tenure: &Tenure, ready: &[RawFd]| !may_wait || ready.contains(&tenure.as_fd().as_raw_fd());
        let mut ready = signal::Ready::new();
        if may_wait && !tenures.is_empty() {
            tenures.iter().for_each(|tenure| tenure.is_awaited(true));
            ready = signal.wait(left);
            tenures.iter().for_each(|tenure| tenure.is_awaited(false));
            self.held.lock().takers.stop_waiting();
        }
        lost.extend(tenures.extract_if(.., |tenure| is_due(tenure, &ready) && !tenure.read()));
        let mut held = self.held.lock();
        held.takers.end();
        tenures.append(&mut held.tenures);
        held.tenures = tenures;
        for tenure in lost {
            let number = |tenure: &Tenure| tenure.as_fd().as_raw_fd();
            if !held.tenures.iter().any(|other| number(other) == number(&tenure)) {
                signal.forget(tenure.as_fd());
            }
        }
        held
    }

    fn wake(&self) {
        let mut held = self.held.lock();
        let alarm = held.takers.wake();
        self.sound(held, alarm);
        self.arrived.notify_all();
    }

    fn free(&self) {
        let mut held = self.held.lock();
        held.freed = true;
        // Whoever takes still, because another who takes has freed it, gets nothing more and returns.
        _ = held.signal.take().map(|signal| signal.raise());
        self.arrived.notify_all();
        let (completions, tenures) = (mem::take(&mut held.completions), mem::take(&mut held.tenures));
        let mailboxes = mem::take(&mut held.mailboxes);
        drop(held);
        drop(tenures);
        mailboxes.iter().for_each(|(_, mailbox)| mailbox.abandon());
        completions.into_iter().for_each(|completion| reply::discard(completion.reply));
    }
}

impl Held {
    /// Takes what is there, in order; gives how many, and how many of them are final.
    fn take(&mut self, out: &mut [MaybeUninit<jr_completion>]) -> (usize, usize) {
        let (mut taken, mut finals) = (0, 0);
        while let Some(place) = out.get_mut(taken)
            && let Some(next) = self.completions.pop_front()
        {
            if next.flags & JR_COMPLETION_MORE == 0 {
                place.write(next);
                finals += 1;
            } else if let Some((user_data, mailbox)) = self.mailboxes.pop_front()
                && let Some(message) = mailbox.take()
            {
                place.write(jr_completion::new(user_data, message));
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

/// A new, empty queue. Cheap: its descriptor is made when jr_queue_fd first asks for it. NULL only when out of memory.
/// Free it with jr_queue_free.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_new() -> Option<Box<jr_queue>> {
    guard(
        |_| None,
        || {
            fork::watch();
            Ok(Some(Box::new(jr_queue { queue: Arc::new(Queue::new()), generation: runtime::generation() })))
        },
    )
}

/// A descriptor that is readable when jr_queue_take should be called (which may then give 0). Do not read, write or
/// close it; it is the queue's, and works with poll, select, epoll, kqueue and every event loop. Negative: a status.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_fd(queue: Option<&jr_queue>) -> i32 {
    guard(
        |error| error.status.code(),
        || {
            let queue = queue.ok_or_else(|| null("queue"))?;
            check_generation(queue.generation)?;
            let no_descriptor = |error| Error::new(Status::Memory, format!("no descriptor for the queue: {error}"));
            queue.queue.descriptor().map_err(no_descriptor)
        },
    )
}

/// Takes up to `max` completions into `out`, oldest first; each reply is then yours to free. Waits up to `timeout_ms`
/// for the first: 0 does not wait, negative waits for ever. Gives how many (0: none came, or jr_queue_wake), or a
/// negative status. Several threads may take at once; from a callback only with timeout 0.
///
/// # Safety
/// `out` has room for `max` completions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_queue_take(
    queue: Option<&jr_queue>,
    out: *mut jr_completion,
    max: usize,
    timeout_ms: i32,
) -> i64 {
    guard(
        |error| error.status.code().into(),
        || {
            let queue = queue.ok_or_else(|| null("queue"))?;
            check_generation(queue.generation)?;
            if out.is_null() || max == 0 {
                return Err(Error::new(Status::Argument, "jr_queue_take has no room to put completions"));
            }
            if timeout_ms != 0 {
                check_may_wait()?;
            }
            // SAFETY: the caller promises room for `max` completions; nobody else uses it during the call.
            let out = unsafe { std::slice::from_raw_parts_mut(out.cast(), max.min(isize::MAX as usize / 64)) };
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            // A copy, because another who takes may free the queue with what this thread puts there.
            Ok(Arc::clone(&queue.queue).take(out, timeout) as i64)
        },
    )
}

/// Makes one jr_queue_take that waits, or the next one, return at once, and the descriptor readable until then. Any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_wake(queue: Option<&jr_queue>) {
    call(|| {
        let queue = queue.ok_or_else(|| null("queue"))?;
        check_generation(queue.generation)?;
        // A copy, because whoever is woken may free the queue.
        Arc::clone(&queue.queue).wake();
        Ok(())
    });
}

/// Ends a queue: completions in it are discarded, and so are those of requests still under way. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_free(queue: Option<Box<jr_queue>>) {
    call(|| {
        let Some(queue) = queue else { return Ok(()) };
        if check_generation(queue.generation).is_err() {
            queue.queue.descriptors.iter().for_each(|number| fork::close_inherited(number.load(Ordering::Relaxed)));
            mem::forget(queue);
            return Ok(());
        }
        queue.queue.free();
        Ok(())
    });
}
