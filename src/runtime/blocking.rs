//! Work that blocks (resolving a name, a program's own dialer), on threads of its own.
//!
//! Invariant: a thread that cannot be started is an error that the caller may try again, never a panic; and there are
//! never more than [`MOST`] such threads, whatever hangs on them.

use tokio::sync::{Semaphore, oneshot};

use super::{generation, spawn_thread};
use crate::error::{Error, Status};

/// How many such threads may run at once in a process.
const MOST: usize = 64;

/// The free places of each generation, for the reason that [`super::RUNTIMES`] gives.
static PLACES: [Semaphore; 256] = [const { Semaphore::const_new(MOST) }; 256];

/// Runs `body` on a thread and gives what it returns. Dropping the future leaves the thread behind, which keeps its
/// place until `body` has returned.
pub async fn on_thread<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let places = &PLACES[generation() as usize % PLACES.len()];
    let place = places.acquire().await.map_err(|_| Error::new(Status::Internal, "threads are not started any more"))?;
    let (teller, told) = oneshot::channel();
    spawn_thread(name, move || {
        let _place = place;
        // Whoever wanted to know may have given up.
        _ = teller.send(body());
    })?;
    told.await.map_err(|_| Error::new(Status::Internal, format!("the thread \"{name}\" panicked")))
}
