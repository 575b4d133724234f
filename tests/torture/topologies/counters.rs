//! Threads that count, one request at a time, and remember what they were told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use justredis::error::Outcome::{Answered, Unknown};

use crate::support::client::Tester;
use crate::support::wait;

/// Stops all that count when it goes, however that comes.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// One key that is counted.
pub struct Counter {
    pub key: String,
    answered: AtomicUsize,
    unknown: AtomicUsize,
    /// When each was submitted and how long it took, since it was last asked for.
    times: Mutex<Vec<(Instant, Duration)>>,
}

impl Counter {
    pub fn new(key: impl Into<String>) -> Counter {
        let (answered, unknown) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Counter { key: key.into(), answered, unknown, times: Mutex::default() }
    }

    /// Counts until that is set. Whatever is told but "counted" and "nobody knows" is a failure.
    pub fn count(&self, client: &Tester, stop: &AtomicBool) {
        while !stop.load(SeqCst) {
            let begin = Instant::now();
            let done = client.run(&["INCR", &self.key]);
            match done.outcome {
                Answered if done.is_ok() => {
                    self.times.lock().unwrap().push((begin, begin.elapsed()));
                    self.answered.fetch_add(1, SeqCst);
                }
                Unknown => _ = self.unknown.fetch_add(1, SeqCst),
                _ => panic!("{}: {:?}: {}", self.key, done.ending(), done.text()),
            }
        }
    }

    pub fn unknown(&self) -> usize {
        self.unknown.load(SeqCst)
    }

    /// Waits until so many more were counted.
    pub fn until_more(&self, more: usize) {
        let before = self.answered.load(SeqCst);
        wait::until("more to be counted", || self.answered.load(SeqCst) >= before + more);
    }

    /// How long after this time the next one was answered.
    pub fn until_answered_since(&self, since: Instant) -> Duration {
        wait::until_some("an answer", || {
            let times = self.times.lock().unwrap();
            times.iter().find_map(|(begin, took)| (*begin + *took).checked_duration_since(since))
        })
    }

    /// How long requests took since this was last called, sorted, in microseconds.
    pub fn take_times(&self) -> Vec<u128> {
        let mut times: Vec<u128> =
            std::mem::take(&mut *self.times.lock().unwrap()).iter().map(|(_, took)| took.as_micros()).collect();
        times.sort_unstable();
        times
    }

    /// How many may have been counted: no less than was told, no more than was asked for. `lost`: so many that were
    /// told may be gone.
    pub fn check(&self, held: usize, lost: usize) {
        let (answered, unknown) = (self.answered.load(SeqCst), self.unknown());
        let range = answered.saturating_sub(lost)..=answered + unknown;
        assert!(range.contains(&held), "{}: {held} of {answered}, perhaps {unknown} more and {lost} less", self.key);
    }
}
