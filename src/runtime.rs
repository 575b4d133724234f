//! The one I/O thread of a process: started with the first client, gone after the last. Everything that waits in the
//! background waits on it, so nothing on it may block.
//!
//! The child of a fork has a generation of its own, and starts an I/O thread of its own when it makes a client.

pub mod blocking;
mod supervised;

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, Weak};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

pub use self::supervised::catch_panic;
use crate::error::{Error, Status};
use crate::lock::Lock;

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

static RUNTIMES: OfProcess<Weak<Runtime>> = OfProcess([const { Lock::new(Weak::new()) }; 256]);

/// Runs the start of a thread; see [`start_threads_by`].
static STARTER: OnceLock<fn(&mut dyn FnMut())> = OnceLock::new();

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

/// From now on `starter` runs what starts a thread: a thread inherits the signal mask of the one that starts it, and
/// only the C layer can set one. The first call counts.
pub fn start_threads_by(starter: fn(&mut dyn FnMut())) {
    _ = STARTER.set(starter);
}

/// Starts a thread of the library.
pub fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    spawn_thread_of(name, 512 << 10, body)
}

/// Starts a thread of the library with a stack of so many bytes.
fn spawn_thread_of(name: &str, stack: usize, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let body = move || {
        OF_THE_LIBRARY.set(true);
        body();
    };
    let mut builder = Some((thread::Builder::new().name(name.to_string()).stack_size(stack), body));
    let mut started = None;
    let mut start = || started = builder.take().map(|(builder, body)| builder.spawn(body));
    match STARTER.get() {
        Some(starter) => starter(&mut start),
        None => start(),
    }
    match started {
        Some(Ok(thread)) => Ok(thread),
        Some(Err(error)) => Err(Error::new(Status::Memory, format!("could not start a thread: {error}"))),
        None => Err(Error::new(Status::Internal, "a thread was not started")),
    }
}

/// What each process has for itself. A lock that was held at the moment of a fork stays locked in the child, so each
/// generation has one that nobody can have held; more than 256 forks inside each other would share them again.
pub struct OfProcess<T>(pub [Lock<T>; 256]);

impl<T> OfProcess<T> {
    /// That of this process.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0[generation() as usize % self.0.len()].lock()
    }
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
        let mut shared = RUNTIMES.lock();
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
            .build()
            .map_err(|error| Error::new(Status::Memory, format!("could not start the I/O thread: {error}")))?;
        let handle = runtime.handle().clone();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = spawn_thread("justredis-io", move || runtime.block_on(stopped.notified()))?;
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
