//! The one thread on which the callbacks of a client run: started when first needed, in order, under no lock. It takes
//! from a queue of its own, and between callbacks it writes and reads the connections on which all that is under way is
//! for callbacks.
//!
//! Invariant: a slow callback delays later callbacks and nothing else. A connection on which something waits for this
//! thread goes back to the background when somebody else submits, or after a few milliseconds.

use std::collections::vec_deque::Drain;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::completion::{Function, jr_completion};
use super::logger::{Logger, level_of};
use super::queue::bell::Bell;
use super::queue::completions::{Item, Queue};
use crate::connection::sink::{Completion, Sink};
use crate::error::Error;
use crate::lock::Lock;
use crate::protocol::reply::Reply;
use crate::runtime;

/// So many calls are taken out of the queue at once.
const BATCH: usize = 64;

/// A completion and who is called with it.
#[derive(Debug)]
pub(super) struct Call {
    /// `None`: the logger.
    function: Option<Function>,
    completion: jr_completion,
}

impl Item for Call {
    /// Who is called; `None`: the logger.
    type Label = Option<Function>;
    const MESSAGE: Call = Call { function: None, completion: jr_completion::MESSAGE };

    fn new(function: Option<Function>, completion: Completion) -> Call {
        Call { function, completion: completion.into() }
    }

    #[inline(always)]
    fn is_message(&self) -> bool {
        self.completion.is_message()
    }

    fn discard(self) {
        self.completion.discard();
    }
}

/// The right to have callbacks called. A request holds it until its completion, so that the thread, which ends when
/// the last holder is gone, ends after the last call.
pub(super) struct Callbacks {
    line: Arc<Line>,
    /// The thread was started; only then it is asked for.
    has_started: AtomicBool,
    thread: Lock<Option<JoinHandle<()>>>,
}

/// Where the completions of requests go that name this function.
#[derive(Debug)]
pub(super) struct CallbackSink {
    callbacks: Arc<Callbacks>,
    function: Function,
}

impl CallbackSink {
    pub(super) fn new(callbacks: &Arc<Callbacks>, function: Function) -> CallbackSink {
        CallbackSink { callbacks: Arc::clone(callbacks), function }
    }
}

impl Sink for CallbackSink {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        self.callbacks.queue().put(Some(self.function), completions);
    }
}

/// What the thread works with.
struct Line {
    queue: Queue<Call>,
    bell: Arc<Bell>,
    logger: Option<Arc<Logger>>,
    /// No call will be added: the thread ends when there is none left.
    has_ended: AtomicBool,
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Callbacks")
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        self.end();
    }
}

impl Callbacks {
    pub(super) fn new(logger: Option<Arc<Logger>>) -> Arc<Callbacks> {
        let bell = Arc::new(Bell::of_the_library());
        let queue = Queue::new(Arc::clone(&bell));
        let line = Arc::new(Line { queue, bell, logger, has_ended: AtomicBool::new(false) });
        Arc::new(Callbacks { line, has_started: AtomicBool::new(false), thread: Lock::default() })
    }

    /// Starts the thread if it does not run.
    pub(super) fn start(&self) -> Result<(), Error> {
        // Without the lock where it runs: a callback may ask while another thread waits for its end with the lock.
        if self.has_started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut thread = self.thread.lock();
        if thread.is_none() && !self.line.has_ended.load(Ordering::Acquire) {
            let line = Arc::clone(&self.line);
            *thread = Some(runtime::spawn_thread("justredis-call", move || line.run())?);
            self.has_started.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Where completions for the thread are put.
    pub(super) fn queue(&self) -> &Queue<Call> {
        &self.line.queue
    }

    /// Says that no call will be added any more. Calls that wait still run.
    pub(super) fn end(&self) {
        // Without a lock: the last holder may go while the queue is locked.
        self.line.has_ended.store(true, Ordering::Release);
        self.line.bell.wake();
    }

    /// Waits until the thread, told to end, has run its last call and is gone.
    pub(super) fn join(&self) {
        // Another one who joins waits for the lock, and so for the end of the thread as well. Joining fails if a
        // callback panicked through C, which has been reported.
        drop(self.thread.lock().take().map(JoinHandle::join));
    }
}

impl Line {
    fn run(&self) {
        let generation = runtime::generation();
        let mut calls = [const { MaybeUninit::<Call>::uninit() }; BATCH];
        loop {
            // Asked first: what was added before the end was said is found below.
            let has_ended = self.has_ended.load(Ordering::Acquire);
            // (Nobody closes this queue.)
            let taken = self.queue.take(&mut calls, has_ended.then_some(Duration::ZERO)).unwrap_or_default();
            if taken == 0 && has_ended {
                break;
            }
            for call in calls.iter().take(taken) {
                // SAFETY: `take` has written it, and it is read once.
                self.call(unsafe { call.assume_init_read() });
                if runtime::generation() != generation {
                    // In the child of a fork in a callback this thread has nothing to do: what it would write and read
                    // is closed.
                    loop {
                        thread::park();
                    }
                }
            }
        }
        // Connections that this thread would read go back to the background.
        self.queue.free();
    }

    fn call(&self, Call { function, completion }: Call) {
        match function {
            // SAFETY: the user gave this function for completions; the struct lives during the call.
            Some(function) => unsafe { function(&completion) },
            None => {
                if let Some(event) = NonNull::new(completion.reply) {
                    // SAFETY: the reply came with this completion, which is given to nobody else.
                    self.write_log(&unsafe { Reply::from_raw(event) });
                }
            }
        }
    }

    fn write_log(&self, event: &Reply) {
        let Some(logger) = &self.logger else { return };
        let text = |key: &[u8]| event.find(key).map(|node| String::from_utf8_lossy(node.as_bytes()).into_owned());
        let name = text(b"event").unwrap_or_default();
        let message = match text(b"reason") {
            Some(reason) => format!("{name}: {reason}"),
            None => format!("{name}: {}", text(b"address").unwrap_or_default()),
        };
        if let Ok(message) = CString::new(message) {
            logger.write(level_of(&name), &message);
        }
    }
}
