//! Work that blocks (resolving a name, a program's own dialer), on threads of its own.
//!
//! Invariant: a thread that cannot be started is an error that the caller may try again, never a panic; and there are
//! never more than `MOST` such threads, whatever hangs on them.

use tokio::sync::{Semaphore, oneshot};

use super::{generation, spawn_thread_of};
use crate::error::{Error, Status};

/// How many such threads may run at once in a process.
const MOST: usize = 64;

/// Resolvers load modules of the system, and a dialer may run an interpreter: they get what threads usually have.
const STACK: usize = 2 << 20;

/// The free places of each generation, for the reason that [`super::RUNTIMES`] gives.
static PLACES: [Semaphore; 256] = [const { Semaphore::const_new(MOST) }; 256];

/// Runs `body` on a thread and gives what it returns. Dropping the future leaves the thread behind, which keeps its
/// place until `body` has returned.
pub async fn on_thread<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let places = &PLACES[generation() as usize % PLACES.len()];
    let place = places.acquire().await.map_err(|_| Error::new(Status::Internal, "threads are not started any more"))?;
    let (teller, told) = oneshot::channel();
    spawn_thread_of(name, STACK, move || {
        let _place = place;
        // Whoever wanted to know may have given up.
        _ = teller.send(body());
    })?;
    told.await.map_err(|_| Error::new(Status::Internal, format!("the thread \"{name}\" panicked")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// Blocks whoever passes until it is opened.
    #[derive(Default)]
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        fn pass(&self) {
            drop(self.1.wait_while(self.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        }

        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }

    /// Everything in one test, because the places are those of the process.
    #[test]
    fn threads_are_bounded_whoever_gave_up_and_a_panic_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (gate, running) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            assert_eq!(on_thread("test", || 7).await.unwrap(), 7);
            let error = on_thread("test", || panic!("on purpose")).await.unwrap_err();
            assert_eq!(error.status, Status::Internal);

            let mut hanging = tokio::task::JoinSet::new();
            for _ in 0..2 * MOST {
                let (gate, running) = (Arc::clone(&gate), Arc::clone(&running));
                hanging.spawn(on_thread("test", move || {
                    running.fetch_add(1, Ordering::SeqCst);
                    gate.pass();
                }));
            }
            let places = &PLACES[generation() as usize % PLACES.len()];
            while running.load(Ordering::SeqCst) < MOST {
                tokio::task::yield_now().await;
            }
            assert_eq!(places.available_permits(), 0);
            // Whoever gives up leaves the thread behind, and with it the place.
            hanging.shutdown().await;
            assert_eq!((places.available_permits(), running.load(Ordering::SeqCst)), (0, MOST));
            gate.open();
            assert_eq!(on_thread("test", || 7).await.unwrap(), 7);
            while places.available_permits() < MOST {
                tokio::task::yield_now().await;
            }
        });
    }
}
