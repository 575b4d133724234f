//! Where completions wait until somebody takes them.
//!
//! Invariant: the descriptor, once asked for, is readable exactly while there is something to take or a wake-up is due;
//! what was put counts from its announcement on, and whoever puts announces.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, MutexGuard};
use std::time::{Duration, Instant};

use super::boundary::{call, check_generation, check_may_wait, guard, null};
use super::completion::{JR_COMPLETION_MORE, jr_completion};
use super::{fork, reply};
use crate::error::{Error, Status};
use crate::lock::{self, Lock};
use crate::runtime;

/// Where completions wait, with a descriptor that an event loop can poll. Any thread; may serve several clients.
pub struct jr_queue {
    pub(super) queue: Arc<Queue>,
    pub(super) generation: u32,
    /// What jr_queue_fd gave, readable without the lock in the child of a fork; -1: nothing yet.
    descriptor: AtomicI32,
}

/// The shared part: requests under way hold it as well.
#[derive(Debug, Default)]
pub(super) struct Queue {
    held: Lock<Held>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    completions: VecDeque<jr_completion>,
    /// Requests that were accepted and whose final completion was not taken.
    owed: usize,
    /// Completions in here that are not final.
    messages: usize,
    /// Threads that sleep until there is something to take.
    sleepers: usize,
    woken: bool,
    freed: bool,
    signal: Option<Signal>,
}

impl Queue {
    /// Room for the final completion of one more request.
    pub(super) fn reserve(&self, most: usize) -> Result<(), Error> {
        let mut held = self.held.lock();
        if held.owed >= most {
            let sentence = format!("{} completions of this queue are owed or not taken (limit: max_unread)", held.owed);
            return Err(Error::new(Status::Full, sentence));
        }
        held.owed += 1;
        Ok(())
    }

    /// The request was not accepted.
    pub(super) fn give_back(&self) {
        self.held.lock().owed -= 1;
    }

    /// Adds a completion. A message that is not final is refused when `most` of them wait.
    pub(super) fn put(&self, completion: jr_completion, most: usize) -> bool {
        let mut held = self.held.lock();
        let is_message = completion.flags & JR_COMPLETION_MORE != 0;
        if held.freed || (is_message && held.messages >= most) {
            drop(held);
            reply::discard(completion.reply);
            return false;
        }
        held.messages += usize::from(is_message);
        held.completions.push_back(completion);
        true
    }

    /// Lets the descriptor and one sleeper know that completions were put.
    pub(super) fn announce(&self) {
        let mut held = self.held.lock();
        if !held.completions.is_empty() {
            held.signal();
            self.wake_one(held);
        }
    }

    fn wake_one(&self, held: MutexGuard<'_, Held>) {
        let sleeps = held.sleepers > 0;
        drop(held);
        if sleeps {
            self.arrived.notify_one();
        }
    }

    fn take(&self, out: &mut [std::mem::MaybeUninit<jr_completion>], timeout: Option<Duration>) -> usize {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut held = self.held.lock();
        while held.completions.is_empty() && !held.woken {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return 0;
            }
            held.sleepers += 1;
            held = lock::wait_for(&self.arrived, held, left);
            held.sleepers -= 1;
        }
        let count = out.len().min(held.completions.len());
        let mut finals = 0;
        for (place, completion) in out.iter_mut().zip(held.completions.drain(..count)) {
            finals += usize::from(completion.flags & JR_COMPLETION_MORE == 0);
            place.write(completion);
        }
        held.owed = held.owed.saturating_sub(finals);
        held.messages -= count - finals;
        held.woken = false;
        if held.completions.is_empty() {
            held.unsignal();
        } else {
            // More than this caller wanted: the next one in the line is due.
            self.wake_one(held);
        }
        count
    }

    fn wake(&self) {
        let mut held = self.held.lock();
        held.woken = true;
        held.signal();
        drop(held);
        self.arrived.notify_all();
    }

    fn free(&self) {
        let mut held = self.held.lock();
        held.freed = true;
        held.signal = None;
        let completions = std::mem::take(&mut held.completions);
        drop(held);
        completions.into_iter().for_each(|completion| reply::discard(completion.reply));
    }
}

impl Held {
    fn signal(&mut self) {
        if let Some(signal) = &mut self.signal {
            signal.raise();
        }
    }

    fn unsignal(&mut self) {
        if let Some(signal) = &mut self.signal {
            signal.lower();
        }
    }
}

/// A descriptor that is readable while it is raised: an eventfd on Linux, a pipe elsewhere.
#[derive(Debug)]
struct Signal {
    read: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    write: OwnedFd,
    raised: bool,
}

impl Signal {
    #[cfg(target_os = "linux")]
    fn new() -> rustix::io::Result<Signal> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Signal { read: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?, raised: false })
    }

    #[cfg(not(target_os = "linux"))]
    fn new() -> rustix::io::Result<Signal> {
        let (read, write) = rustix::pipe::pipe()?;
        for end in [&read, &write] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Signal { read, write, raised: false })
    }

    fn raise(&mut self) {
        if !self.raised {
            #[cfg(target_os = "linux")]
            let write = &self.read;
            #[cfg(not(target_os = "linux"))]
            let write = &self.write;
            // Neither can be full: at most one token is ever inside.
            self.raised = rustix::io::write(write, &1u64.to_ne_bytes()).is_ok();
        }
    }

    fn lower(&mut self) {
        if self.raised {
            self.raised = rustix::io::read(&self.read, &mut [0u8; 8]).is_err();
        }
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
            let (queue, generation) = (Arc::default(), runtime::generation());
            Ok(Some(Box::new(jr_queue { queue, generation, descriptor: AtomicI32::new(-1) })))
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
            let mut held = queue.queue.held.lock();
            if held.signal.is_none() {
                let signal = Signal::new()
                    .map_err(|error| Error::new(Status::Memory, format!("no descriptor for the queue: {error}")))?;
                held.signal = Some(signal);
                if !held.completions.is_empty() || held.woken {
                    held.signal();
                }
            }
            let descriptor = held.signal.as_ref().map_or(-1, |signal| signal.read.as_raw_fd());
            queue.descriptor.store(descriptor, Ordering::Relaxed);
            Ok(descriptor)
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
            Ok(queue.queue.take(out, timeout) as i64)
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
        queue.queue.wake();
        Ok(())
    });
}

/// Ends a queue: completions in it are discarded, and so are those of requests still under way. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_free(queue: Option<Box<jr_queue>>) {
    call(|| {
        let Some(queue) = queue else { return Ok(()) };
        if check_generation(queue.generation).is_err() {
            fork::close_inherited(queue.descriptor.load(Ordering::Relaxed));
            std::mem::forget(queue);
            return Ok(());
        }
        queue.queue.free();
        Ok(())
    });
}
