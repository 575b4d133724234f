//! Waiting for a condition instead of for a time. The limit is generous: it only turns a hang into a failure,
//! so reaching it means that something is wrong, never that the machine is slow.

use std::time::{Duration, Instant};

/// How long a condition may take before the test is declared stuck.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Returns once `condition` holds; panics with `what` when it does not within [`LIMIT`].
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}

/// Returns the first value that `attempt` gives; panics with `what` when there is none within [`LIMIT`].
pub fn until_some<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "waited {LIMIT:?} in vain for {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}
