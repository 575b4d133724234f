//! What goes wrong only under load: small in `cargo test`, in full by `make torture` (JR_TORTURE=full), which also
//! prints how it went. Each module is a fault; what is lost, doubled or mixed up fails the test, times are only
//! printed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

#[path = "../support/mod.rs"]
mod support;

mod blocking;
mod chaos;
mod chaos_server;
mod faults;
mod load;
mod outcomes;
mod rotation;
mod subscriptions;
mod topologies;

use std::time::{Duration, Instant};

/// Whether all of it is wanted, or a tenth.
fn is_full() -> bool {
    std::env::var("JR_TORTURE").is_ok_and(|value| value == "full")
}

/// So many in full, a tenth otherwise.
fn scaled(full: usize) -> usize {
    if is_full() { full } else { full / 10 }
}

/// Says how it goes, when all of it is wanted.
fn report(line: &str) {
    if is_full() {
        println!("  {line}");
    }
}

/// How long each call took, sorted, in microseconds.
fn timed(count: usize, mut call: impl FnMut(usize)) -> Vec<u128> {
    let mut times: Vec<u128> = (0..count)
        .map(|number| {
            let start = Instant::now();
            call(number);
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The median and the 99th percentile, in words.
fn spread(times: &[u128]) -> String {
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    format!("median {} us, 99 of 100 within {} us", at(50), at(99))
}

/// How much of a time is over, for progress.
fn every(period: Duration) -> impl FnMut() -> bool {
    let mut last = Instant::now();
    move || {
        let due = last.elapsed() >= period;
        if due {
            last = Instant::now();
        }
        due
    }
}
