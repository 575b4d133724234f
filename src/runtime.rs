//! The one I/O thread of a process: started with the first client, gone after the last. Everything that waits in the
//! background waits on it, so nothing on it may block.
//!
//! The child of a fork has a generation of its own, and starts an I/O thread of its own when it makes a client.

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::error::{Error, Status};
use crate::lock::Lock;

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The runtime of each generation. A lock that was held at the moment of a fork stays locked in the child, so each
/// generation has one that nobody can have held; more than 256 forks inside each other would share them again.
static RUNTIMES: [Lock<Weak<Runtime>>; 256] = [const { Lock::new(Weak::new()) }; 256];

thread_local! {
    static OF_THE_LIBRARY: Cell<bool> = const { Cell::new(false) };
}

/// The generation of this process: what was made in another one must not be touched.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Says that this process is the child of a fork.
pub fn enter_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    OF_THE_LIBRARY.set(false);
}

/// Whether the calling thread is one of the library's, which must never wait for the library.
pub fn is_library_thread() -> bool {
    OF_THE_LIBRARY.get()
}

/// Starts a thread of the library.
pub fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let body = move || {
        OF_THE_LIBRARY.set(true);
        body();
    };
    thread::Builder::new()
        .name(name.to_string())
        .stack_size(512 * 1024)
        .spawn(body)
        .map_err(|error| Error::new(Status::Memory, format!("could not start a thread: {error}")))
}

/// A share in the I/O thread; the last one to go ends it.
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    /// The I/O thread of this process, started if there is none.
    pub fn share() -> Result<Arc<Runtime>, Error> {
        let mut shared = RUNTIMES[generation() as usize % RUNTIMES.len()].lock();
        if let Some(runtime) = shared.upgrade() {
            return Ok(runtime);
        }
        let runtime = Arc::new(Runtime::start()?);
        *shared = Arc::downgrade(&runtime);
        Ok(runtime)
    }

    fn start() -> Result<Runtime, Error> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(16)
            .on_thread_start(|| OF_THE_LIBRARY.set(true))
            .thread_name("justredis-dial")
            .build()
            .map_err(|error| Error::new(Status::Memory, format!("could not start the I/O thread: {error}")))?;
        let handle = runtime.handle().clone();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = spawn_thread("justredis-io", move || {
            runtime.block_on(stopped.notified());
            // A resolver may hang for long; it is left behind.
            runtime.shutdown_timeout(Duration::from_millis(100));
        })?;
        Ok(Runtime { handle, stop, thread: Some(thread) })
    }

    /// Runs a future on the I/O thread.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(future);
    }

    /// Gives a share back and, if it was the last, waits for the end of the thread.
    pub fn release(runtime: Arc<Runtime>) {
        if let Some(mut runtime) = Arc::into_inner(runtime) {
            runtime.stop.notify_one();
            if let Some(thread) = runtime.thread.take().filter(|_| !is_library_thread()) {
                // A panic of the thread was reported already; there is nothing to do about it here.
                drop(thread.join());
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}
