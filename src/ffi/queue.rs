//! Where completions wait until somebody takes them. Whoever takes also writes and reads the connections on which all
//! that is under way is for this queue.
//!
//! Invariant: the descriptor, once asked for, is readable exactly while there is something to take, to write or to
//! read, or a wake-up is due. Locks: the queue's own comes after those of the client; nothing is driven under it.

mod bell;
mod signal;
pub mod takers;

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};
use std::{io, iter, ptr};

use bell::Bell;
use signal::{Query, Signal};
use takers::{Alarm, Step, Takers};

use super::boundary::{call, check_generation, check_may_wait, guard, null};
use super::completion::{JR_COMPLETION_MORE, jr_completion};
use super::status::JR_OK;
use super::{fork, reply};
use crate::client::mailbox::Mailbox;
use crate::connection::io_role::{QueueId, Submitter};
use crate::connection::queue_driver::QueueDriver;
use crate::connection::sink::{Completion, Sink};
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::{runtime, shrink};

/// Where completions wait, with a descriptor that an event loop can poll. Any thread; may serve several clients.
pub struct jr_queue {
    pub(super) queue: Arc<Queue>,
    bell: Arc<Bell>,
    pub(super) generation: u32,
}

/// The shared part: requests under way hold it as well.
#[derive(Debug)]
pub(super) struct Queue {
    id: QueueId,
    held: Lock<Held>,
    /// Requests that were accepted and whose final completion was not taken.
    owed: AtomicUsize,
    /// Somebody takes, or waits for the descriptor.
    attended: AtomicBool,
}

#[derive(Debug, Default)]
struct Held {
    /// Final completions, and in its place in the line each message as [`MESSAGE`].
    completions: VecDeque<jr_completion>,
    /// Where the messages are: as many as the line has places for, in the same order.
    mailboxes: VecDeque<Arc<Mailbox>>,
    /// The connections to drive; those of a taker who drives are with him.
    drivers: Vec<QueueDriver>,
    takers: Takers,
    /// `None`: the queue was freed.
    bell: Option<Arc<Bell>>,
}

/// The place of a message, which is taken out of its mailbox when its turn has come.
const MESSAGE: jr_completion =
    jr_completion { user_data: 0, request: 0, reply: ptr::null_mut(), status: JR_OK, flags: JR_COMPLETION_MORE };

impl Queue {
    fn new(bell: Arc<Bell>) -> Queue {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Queue {
            id: QueueId(LAST.fetch_add(1, Ordering::Relaxed)),
            held: Lock::new(Held { bell: Some(bell), ..Held::default() }),
            owed: AtomicUsize::new(0),
            attended: AtomicBool::new(false),
        }
    }

    /// Room for the final completion of one more request.
    #[inline]
    pub(super) fn reserve(&self, most: usize) -> Result<(), Error> {
        let owed = self.owed.fetch_add(1, Ordering::Relaxed);
        if owed < most {
            return Ok(());
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
    pub(super) fn call_takers(&self, driver: Option<QueueDriver>) {
        let mut held = self.held.lock();
        if let Some(driver) = driver {
            // Without a descriptor to wait for it is dropped, and so left to the background.
            let watch = |bell: &Arc<Bell>| bell.make_signal().and_then(|signal| signal.watch(driver.as_fd()));
            if held.bell.as_ref().is_none_or(|bell| watch(bell).is_err()) {
                drop(held);
                return drop(driver);
            }
            held.drivers.push(driver);
        }
        let alarm = held.takers.submitted();
        self.sound(held, alarm);
    }

    /// Adds places for so many messages of a mailbox; false if nobody will ever take them.
    pub(super) fn put_messages(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        let mut held = self.held.lock();
        if held.bell.is_none() {
            return false;
        }
        held.completions.extend(iter::repeat_n(MESSAGE, count));
        held.mailboxes.extend(iter::repeat_n(Arc::clone(mailbox), count));
        let alarm = held.takers.arrived();
        self.sound(held, alarm);
        true
    }

    /// Does what the takers must be told.
    fn sound(&self, mut held: MutexGuard<'_, Held>, alarm: Alarm) {
        held.show(alarm.descriptor);
        let bell = if alarm.sleeper { held.bell.clone() } else { None };
        drop(held);
        if let Some(bell) = bell {
            bell.sleepers.wake_one();
        }
    }

    fn attend(&self) {
        if !self.attended.load(Ordering::Relaxed) {
            self.attended.store(true, Ordering::Relaxed);
        }
    }

    fn descriptor(&self, bell: &Bell) -> io::Result<RawFd> {
        self.attend();
        let mut held = self.held.lock();
        let signal = bell.make_signal()?;
        let due = !held.completions.is_empty() || bell.is_due();
        let alarm = held.takers.watch(due);
        self.sound(held, alarm);
        Ok(signal.descriptor())
    }

    fn take(&self, out: &mut [MaybeUninit<jr_completion>], timeout: Option<Duration>) -> usize {
        self.attend();
        let mut until = None;
        let mut held = self.held.lock();
        let (mut tried, mut interrupted) = (false, false);
        let (taken, finals) = loop {
            let woken = held.bell.as_ref().map(|bell| bell.sleepers.woken());
            let (taken, finals) = held.take(out);
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
        self.owed.fetch_sub(finals, Ordering::Relaxed);
        let due = !held.completions.is_empty() || held.bell.as_ref().is_some_and(|bell| bell.is_due());
        let drivers = !held.drivers.is_empty();
        let alarm = held.takers.leave(due, drivers);
        // Of a queue that was freed meanwhile: the background goes on.
        let left = if held.bell.is_none() { mem::take(&mut held.drivers) } else { Vec::new() };
        self.sound(held, alarm);
        drop(left);
        taken
    }

    /// Writes what waits on every connection of which this thread has the I/O role now, waits for bytes if it may, and
    /// reads those connections that have some. True: a signal handler ran meanwhile.
    fn drive<'a>(
        &'a self,
        mut held: MutexGuard<'a, Held>,
        signal: &Signal,
        may_wait: bool,
        left: Option<Duration>,
    ) -> (MutexGuard<'a, Held>, bool) {
        let mut drivers = mem::take(&mut held.drivers);
        let alarm = held.takers.begin(may_wait);
        held.show(alarm.descriptor);
        drop(held);
        let mut lost: Vec<QueueDriver> = drivers.extract_if(.., |driver| !driver.write()).collect();
        let (mut ready, mut interrupted) = (None, false);
        if let Query::Ask(timeout) = Query::of(drivers.len(), may_wait, left) {
            drivers.iter().filter(|_| may_wait).for_each(|driver| driver.is_awaited(true));
            match signal.wait(timeout) {
                Ok(sockets) => ready = Some(sockets),
                Err(error) => interrupted = error.kind() == io::ErrorKind::Interrupted,
            }
            if may_wait {
                drivers.iter().for_each(|driver| driver.is_awaited(false));
                self.held.lock().takers.stop_waiting();
            }
        }
        // Where nothing is known, all are read: that finds nothing at worst.
        let is_ready = |driver: &QueueDriver| ready.as_ref().is_none_or(|ready| ready.contains(number_of(driver)));
        lost.extend(drivers.extract_if(.., |driver| is_ready(driver) && !driver.read()));
        let mut held = self.held.lock();
        held.takers.end();
        drivers.append(&mut held.drivers);
        held.drivers = drivers;
        for driver in lost {
            if !held.drivers.iter().any(|other| number_of(other) == number_of(&driver)) {
                signal.forget(driver.as_fd());
            }
        }
        (held, interrupted)
    }

    fn free(&self) {
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
        mailboxes.iter().for_each(|mailbox| mailbox.abandon());
        completions.into_iter().for_each(|completion| reply::discard(completion.reply));
    }
}

impl Sink for Queue {
    fn deliver(&self, completions: Drain<'_, Completion>) {
        let mut held = self.held.lock();
        if held.bell.is_none() {
            drop(held);
            return drop(completions);
        }
        held.completions.extend(completions.map(jr_completion::from));
        let alarm = held.takers.arrived();
        self.sound(held, alarm);
    }
}

fn number_of(driver: &QueueDriver) -> RawFd {
    driver.as_fd().as_raw_fd()
}

impl Held {
    /// Makes the descriptor readable or not, if that changes.
    fn show(&mut self, raised: Option<bool>) {
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
    fn take(&mut self, out: &mut [MaybeUninit<jr_completion>]) -> (usize, usize) {
        let (mut taken, mut finals) = (0, 0);
        while let Some(place) = out.get_mut(taken)
            && let Some(next) = self.completions.pop_front()
        {
            if next.flags & JR_COMPLETION_MORE == 0 {
                place.write(next);
                finals += 1;
            } else if let Some(mailbox) = self.mailboxes.pop_front()
                && let Some(message) = mailbox.take()
            {
                place.write(message.into());
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
            let bell = Arc::new(Bell::default());
            let queue = Arc::new(Queue::new(Arc::clone(&bell)));
            Ok(Some(Box::new(jr_queue { queue, bell, generation: runtime::generation() })))
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
            queue.queue.descriptor(&queue.bell).map_err(no_descriptor)
        },
    )
}

/// Takes up to `max` completions into `out`, oldest first; each reply is then yours to free. Waits up to `timeout_ms`
/// for the first: 0 does not wait, negative waits for ever. Gives how many, or a negative status. 0: none came in time,
/// or jr_queue_wake was called, or (on Linux) a signal handler ran on this thread while it waited. Several threads may
/// take at once; from a callback only with timeout 0.
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

/// Makes one jr_queue_take that waits return at once with 0, or else the next one that finds nothing to take. Wakes are
/// counted: as many takes return as there were wakes, and until then the descriptor is readable. Any thread; on Linux
/// also a signal handler. Does nothing with a queue that is NULL or was made before fork().
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_wake(queue: Option<&jr_queue>) {
    // (Without an error, whose sentence a signal handler must not allocate.)
    if let Some(queue) = queue.filter(|queue| queue.generation == runtime::generation()) {
        // A copy, because whoever is woken may free the queue.
        Arc::clone(&queue.bell).wake();
    }
}

/// Ends a queue: completions in it are discarded, and so are those of requests still under way. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_free(queue: Option<Box<jr_queue>>) {
    call(|| {
        let Some(queue) = queue else { return Ok(()) };
        if check_generation(queue.generation).is_err() {
            let descriptors = queue.bell.signal().map(Signal::descriptors);
            descriptors.into_iter().flatten().for_each(fork::close_inherited);
            mem::forget(queue);
            return Ok(());
        }
        queue.queue.free();
        Ok(())
    });
}
