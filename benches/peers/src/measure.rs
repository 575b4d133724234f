//! Tasks, or threads, that work for a time: what measure.c is to the programs in C.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use hdrhistogram::Histogram;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use tokio::runtime::Handle;
use tokio::sync::Barrier;
use tokio::time::sleep;

use crate::arguments::{Arguments, Callers};
use crate::figures::Figures;

/// Where many commands are in flight the latency of every so-manieth is taken.
const SAMPLED: u64 = 32;

/// A client that is connected, and its command.
pub trait Peer: Clone + Send + Sync + 'static {
    /// Runs the command once, on the key in this place.
    fn run(&mut self, key: usize) -> impl Future<Output = Result<(), String>> + Send;
}

/// What the tasks share.
struct Shared {
    ready: Barrier,
    measuring: AtomicBool,
    over: AtomicBool,
    done: AtomicU64,
    failures: AtomicU64,
}

/// What there was at one moment.
pub struct Moment {
    pub time: Instant,
    pub done: u64,
    pub usage: Usage,
}

/// Latencies in nanoseconds, right within 1 %.
fn latencies() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, 60_000_000_000, 2).map_err(|error| error.to_string())
}

/// Lets the tasks run the command for a time; gives what came of it.
pub async fn run<P: Peer>(arguments: &Arguments, peer: P) -> Result<Figures, String> {
    let count = arguments.count();
    let sampled = if arguments.window > 1 { SAMPLED } else { 1 };
    let shared = Arc::new(Shared {
        ready: Barrier::new(count + 1),
        measuring: AtomicBool::new(false),
        over: AtomicBool::new(false),
        done: AtomicU64::new(0),
        failures: AtomicU64::new(0),
    });
    let mut tasks = Vec::new();
    let keys = arguments.keys as usize;
    for index in 0..count {
        // Each begins with another key.
        let keys = (0..keys).cycle().skip(index * keys / count);
        let work = work(Arc::clone(&shared), peer.clone(), keys, sampled, latencies()?);
        tasks.push(match arguments.callers {
            Callers::Tasks => tokio::spawn(work),
            Callers::Threads => {
                let runtime = Handle::current();
                tokio::task::spawn_blocking(move || runtime.block_on(work))
            }
        });
    }
    shared.ready.wait().await;
    sleep(arguments.warmup).await;
    shared.measuring.store(true, Ordering::Relaxed);
    let from = look(&shared)?;
    sleep(arguments.seconds).await;
    let to = look(&shared)?;
    shared.measuring.store(false, Ordering::Relaxed);
    shared.over.store(true, Ordering::Relaxed);
    let mut all = latencies()?;
    for task in tasks {
        let one = task.await.map_err(|error| error.to_string())?;
        all.add(one).map_err(|error| error.to_string())?;
    }
    Ok(Figures::of(arguments, &from, &to, &all, shared.failures.load(Ordering::Relaxed)))
}

async fn work<P: Peer>(
    shared: Arc<Shared>,
    mut peer: P,
    mut keys: impl Iterator<Item = usize>,
    sampled: u64,
    mut times: Histogram<u64>,
) -> Histogram<u64> {
    shared.ready.wait().await;
    let mut number = 0;
    while !shared.over.load(Ordering::Relaxed) {
        let since = (number % sampled == 0).then(Instant::now);
        number += 1;
        if let Err(reason) = peer.run(keys.next().unwrap_or_default()).await {
            if shared.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                eprintln!("a request failed: {reason}");
            }
            continue;
        }
        if let Some(since) = since.filter(|_| shared.measuring.load(Ordering::Relaxed)) {
            times.saturating_record(since.elapsed().as_nanos() as u64);
        }
        shared.done.fetch_add(1, Ordering::Relaxed);
    }
    times
}

fn look(shared: &Shared) -> Result<Moment, String> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| error.to_string())?;
    Ok(Moment { time: Instant::now(), done: shared.done.load(Ordering::Relaxed), usage })
}
