//! The one thread on which the callbacks of a client run: started when first needed, in order, under no lock. A slow
//! callback delays later callbacks and nothing else.

use std::collections::VecDeque;
use std::ffi::{CString, c_void};
use std::mem;
use std::sync::{Arc, Condvar, MutexGuard};
use std::thread::JoinHandle;

use super::completion::{Function, jr_completion};
use super::config::{Logger, level_of};
use crate::client::completion::Completion;
use crate::error::Error;
use crate::lock::{self, Lock};
use crate::protocol::reply::Reply;
use crate::runtime;

/// So many messages for the logger wait at most; more are dropped.
const LOGS: usize = 1024;

enum Call {
    Completion(Function, jr_completion),
    Log(Reply),
}

/// The right to have callbacks called. A request holds it until its completion, so that the thread, which ends when
/// the last holder is gone, ends after the last call.
pub(super) struct Callbacks {
    line: Arc<Line>,
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
    logs: usize,
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
    pub(super) fn call(&self, calls: impl Iterator<Item = (Function, jr_completion)>) {
        let mut waiting = self.line.waiting.lock();
        waiting.calls.extend(calls.map(|(function, completion)| Call::Completion(function, completion)));
        self.line.wake(waiting);
    }

    /// Adds a message for the logger; false if too many wait.
    pub(super) fn log(&self, completion: Completion) -> bool {
        let mut waiting = self.line.waiting.lock();
        if waiting.logs >= LOGS {
            return false;
        }
        waiting.logs += 1;
        waiting.calls.push_back(Call::Log(completion.reply));
        self.line.wake(waiting);
        true
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
            waiting.logs = 0;
            drop(waiting);
            for call in batch.drain(..) {
                match call {
                    // SAFETY: the user gave this function for completions; the struct lives during the call.
                    Call::Completion(function, completion) => unsafe { function(&completion) },
                    Call::Log(event) => self.write_log(&event),
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

/// Something of the user's, released when the last part of the library that may use it is gone.
pub(super) struct UserData {
    pub(super) pointer: *mut c_void,
    pub(super) release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: the user hands the pointer over for use on library threads; the header says so.
unsafe impl Send for UserData {}
// SAFETY: as above; the library itself never looks behind the pointer.
unsafe impl Sync for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the user gave this function for this pointer, and it is called once.
            unsafe { release(self.pointer) };
        }
    }
}
