//! The one thread on which the callbacks of a client run: started when first needed, in order, under no lock. A slow
//! callback delays later callbacks and nothing else.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::ffi::CString;
use std::mem;
use std::sync::{Arc, Condvar, MutexGuard};
use std::thread::JoinHandle;

use super::completion::{Function, jr_completion};
use super::logger::{Logger, level_of};
use crate::client::mailbox::Mailbox;
use crate::connection::sink::{Completion, Sink};
use crate::error::Error;
use crate::lock::{self, Lock};
use crate::protocol::reply::Reply;
use crate::{runtime, shrink};

enum Call {
    Completion(Function, jr_completion),
    /// The next message of a mailbox.
    Message(Function, Arc<Mailbox>),
    /// The same for the logger.
    Log(Arc<Mailbox>),
}

/// The right to have callbacks called. A request holds it until its completion, so that the thread, which ends when
/// the last holder is gone, ends after the last call.
pub(super) struct Callbacks {
    line: Arc<Line>,
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
    fn deliver(&self, completions: Drain<'_, Completion>) {
        self.callbacks.call(self.function, completions);
    }
}

/// The calls that wait for the thread.
struct Line {
    waiting: Lock<Waiting>,
    changed: Condvar,
    logger: Option<Arc<Logger>>,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Call>,
    thread: Option<JoinHandle<()>>,
    running: bool,
    /// The thread waits for calls.
    sleeping: bool,
    /// No call will be added: the thread ends when there is none left.
    ended: bool,
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
        let line = Line { waiting: Lock::default(), changed: Condvar::new(), logger };
        Arc::new(Callbacks { line: Arc::new(line) })
    }

    /// Starts the thread if it does not run.
    pub(super) fn start(&self) -> Result<(), Error> {
        let mut waiting = self.line.waiting.lock();
        if !waiting.running && !waiting.ended {
            let line = Arc::clone(&self.line);
            waiting.thread = Some(runtime::spawn_thread("justredis-call", move || line.run())?);
            waiting.running = true;
        }
        Ok(())
    }

    /// Adds calls; the thread runs already.
    fn call(&self, function: Function, completions: Drain<'_, Completion>) {
        let mut waiting = self.line.waiting.lock();
        waiting.calls.extend(completions.map(|completion| Call::Completion(function, completion.into())));
        self.line.wake(waiting);
    }

    /// Adds a call for each of so many messages of a mailbox.
    pub(super) fn call_for_messages(&self, function: Function, mailbox: &Arc<Mailbox>, count: usize) {
        self.add(count, || Call::Message(function, Arc::clone(mailbox)));
    }

    /// The same for the logger.
    pub(super) fn log(&self, mailbox: &Arc<Mailbox>, count: usize) {
        self.add(count, || Call::Log(Arc::clone(mailbox)));
    }

    fn add(&self, count: usize, call: impl FnMut() -> Call) {
        let mut waiting = self.line.waiting.lock();
        waiting.calls.extend(std::iter::repeat_with(call).take(count));
        self.line.wake(waiting);
    }

    /// Says that no call will be added any more. Calls that wait still run.
    pub(super) fn end(&self) {
        self.line.waiting.lock().ended = true;
        self.line.changed.notify_all();
    }

    /// Waits until the thread, told to end, has run its last call and is gone.
    pub(super) fn join(&self) {
        let mut waiting = self.line.waiting.lock();
        while waiting.running {
            waiting = lock::wait(&self.line.changed, waiting);
        }
        // The thread locks nothing any more, so the lock can be held: another one who joins waits for its end as well.
        // It fails if a callback panicked through C, which has been reported.
        drop(waiting.thread.take().map(JoinHandle::join));
    }
}

impl Line {
    /// Wakes the thread if it sleeps: calls were added.
    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let sleeping = mem::take(&mut waiting.sleeping);
        drop(waiting);
        if sleeping {
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        let mut batch = VecDeque::new();
        loop {
            let mut waiting = self.waiting.lock();
            while waiting.calls.is_empty() {
                if waiting.ended {
                    waiting.running = false;
                    drop(waiting);
                    self.changed.notify_all();
                    return;
                }
                waiting.sleeping = true;
                waiting = lock::wait(&self.changed, waiting);
            }
            waiting.sleeping = false;
            mem::swap(&mut batch, &mut waiting.calls);
            drop(waiting);
            for call in batch.drain(..) {
                match call {
                    // SAFETY: the user gave this function for completions; the struct lives during the call.
                    Call::Completion(function, completion) => unsafe { function(&completion) },
                    Call::Message(function, mailbox) => {
                        if let Some(message) = mailbox.take() {
                            // SAFETY: as above.
                            unsafe { function(&jr_completion::from(message)) }
                        }
                    }
                    Call::Log(mailbox) => {
                        if let Some(message) = mailbox.take() {
                            self.write_log(&message.reply);
                        }
                    }
                }
            }
            shrink::release_excess(&mut batch);
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
