//! Where completions wait until the program takes them, as C sees it.

pub(super) mod bell;
pub(super) mod completions;
mod driving;
mod signal;
pub mod takers;

use std::collections::vec_deque::Drain;
use std::mem::{self, size_of};
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bell::Bell;
use completions::{Item, Queue};
use signal::Signal;

use super::boundary::{call, check_generation, check_may_wait, guard, null};
use super::completion::{JR_COMPLETION_MORE, jr_completion};
use super::status::{JR_OK, jr_status};
use super::target::Target;
use super::{clients, fork, reply};
use crate::connection::sink::{Completion, Sink};
use crate::error::{Error, Status};
use crate::runtime;

/// Where completions wait, with a descriptor that an event loop can poll. Any thread; may serve several clients.
pub struct jr_queue {
    pub(super) queue: Arc<Queue<jr_completion>>,
    /// The queue as the place of completions.
    pub(super) target: Target,
    /// The same for a request that is to be written at once.
    pub(super) target_now: Target,
    bell: Arc<Bell>,
    pub(super) generation: u32,
}

impl Sink for Queue<jr_completion> {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        self.put((), completions);
    }
}

impl Item for jr_completion {
    /// A completion says itself whose it is.
    type Label = ();
    const MESSAGE: jr_completion = jr_completion {
        user_data: 0,
        request: 0,
        reply: std::ptr::null_mut(),
        status: JR_OK,
        flags: JR_COMPLETION_MORE,
    };

    fn new((): (), completion: Completion) -> jr_completion {
        completion.into()
    }

    #[inline(always)]
    fn is_message(&self) -> bool {
        self.flags & JR_COMPLETION_MORE != 0
    }

    fn discard(self) {
        reply::discard(self.reply);
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
            let (target, target_now) = (Target::Queue(Arc::clone(&queue)), Target::QueueNow(Arc::clone(&queue)));
            Ok(Some(Box::new(jr_queue { queue, target, target_now, bell, generation: runtime::generation() })))
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
/// or jr_queue_wake was called, or (on Linux) a signal handler ran on this thread while it waited. JR_ERR_CLOSED: the
/// queue was closed (jr_queue_close) and all was taken. Several threads may take at once; from a callback only with
/// timeout 0.
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
            Arc::clone(&queue.queue).take(out, timeout).map(|taken| taken as i64)
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

/// Frees the replies of so many completions, which jr_queue_take put there, and sets them to NULL; those that are NULL
/// are left alone. As jr_reply_free of each, in one call.
///
/// # Safety
/// `completions` has `count` of them, whose replies are NULL or the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_completions_free(completions: *mut jr_completion, count: usize) {
    call(|| {
        if completions.is_null() || count == 0 || count > isize::MAX as usize / size_of::<jr_completion>() {
            return Ok(());
        }
        // SAFETY: not NULL; the caller promises `count` completions, which nobody else uses during the call.
        let completions = unsafe { slice::from_raw_parts_mut(completions, count) };
        completions
            .iter_mut()
            .for_each(|completion| reply::discard(mem::replace(&mut completion.reply, ptr::null_mut())));
        Ok(())
    });
}

/// Accepts no more requests for this queue (they are JR_ERR_CLOSED) and cancels those that are under way, of all
/// clients, as jr_cancel does: their completions follow, also those that have come already, and when all are taken,
/// jr_queue_take gives JR_ERR_CLOSED and the descriptor stays readable. So an event loop can end a queue without losing
/// a completion; jr_queue_free alone discards them. Never waits. Any thread; doing it twice changes nothing.
#[unsafe(no_mangle)]
pub extern "C" fn jr_queue_close(queue: Option<&jr_queue>) -> jr_status {
    call(|| {
        let queue = queue.ok_or_else(|| null("queue"))?;
        check_generation(queue.generation)?;
        // A copy, because whoever takes meanwhile may free the queue when all is taken.
        let shared = Arc::clone(&queue.queue);
        shared.close();
        let target = Target::Queue(Arc::clone(&shared));
        clients::cancel_all_to(&target);
        shared.look_for_end();
        Ok(())
    })
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
