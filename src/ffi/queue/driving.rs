//! Who takes from a queue writes and reads the connections on which all that is under way is for this queue; who
//! submits may write them, too.
//!
//! Invariant: one thread at a time drives, without the lock of the queue.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::completions::{Held, Item, Queue};
use super::signal::{Query, Ready, Signal};
use super::takers::Step;
use crate::connection::coalescing::Coalescing;
use crate::connection::queue_driver::QueueDriver;

impl<T: Item> Queue<T> {
    /// A request for this queue was accepted that is for the takers to write, now or from now on.
    pub fn call_takers(&self, driver: Option<QueueDriver>) {
        if let Some(mut held) = self.add_driver(driver) {
            let alarm = held.takers.submitted();
            self.sound(held, alarm);
        }
    }

    /// The same, but this thread writes, unless a taker is about to.
    pub fn write_now(&self, driver: Option<QueueDriver>) {
        let Some(mut held) = self.add_driver(driver) else { return };
        let may_drive = !held.drivers.is_empty() && held.takers.step(true) == Step::Drive;
        let signal = held.bell.clone().filter(|_| may_drive);
        let Some(signal) = signal.as_ref().and_then(|bell| bell.signal()) else {
            let alarm = held.takers.submitted();
            return self.sound(held, alarm);
        };
        let (held, ()) = self.with_drivers(held, signal, false, |drivers| {
            (drivers.extract_if(.., |driver| !driver.write()).collect(), ())
        });
        self.leave(held);
    }

    /// With one more connection to drive, if it is one; `None`: nobody will, so that it is left to the background.
    fn add_driver(&self, driver: Option<QueueDriver>) -> Option<MutexGuard<'_, Held<T>>> {
        let mut held = self.held.lock();
        if let Some(driver) = driver {
            // Without a descriptor to wait for it is dropped.
            let watch = |bell: &Arc<Bell>| bell.make_signal().and_then(|signal| signal.watch(driver.as_fd()));
            if held.bell.as_ref().is_none_or(|bell| watch(bell).is_err()) {
                drop(held);
                drop(driver);
                return None;
            }
            held.drivers.push(driver);
        }
        Some(held)
    }

    /// Whoever drives no more tells others what there is for them.
    pub(super) fn leave(&self, mut held: MutexGuard<'_, Held<T>>) {
        let due = !held.completions.is_empty() || held.bell.as_ref().is_some_and(|bell| bell.is_due());
        let drivers = !held.drivers.is_empty();
        let alarm = held.takers.leave(due, drivers);
        // Of a queue that was freed meanwhile: the background goes on.
        let left = if held.bell.is_none() { mem::take(&mut held.drivers) } else { Vec::new() };
        self.sound(held, alarm);
        drop(left);
    }

    /// Writes what waits on every connection of which this thread has the I/O role now, waits for bytes if it may, and
    /// reads those connections that have some. True: a signal handler ran meanwhile.
    pub(super) fn drive<'a>(
        &'a self,
        held: MutexGuard<'a, Held<T>>,
        signal: &Signal,
        may_wait: bool,
        left: Option<Duration>,
    ) -> (MutexGuard<'a, Held<T>>, bool) {
        let mut coalescing = held.coalescing;
        let (mut held, interrupted) = self.with_drivers(held, signal, may_wait, |drivers| {
            let mut lost: Vec<QueueDriver> = drivers.extract_if(.., |driver| !driver.write()).collect();
            let (mut ready, mut interrupted) = (None, false);
            if let Query::Ask(timeout) = Query::of(drivers.len(), may_wait, left) {
                drivers.iter().filter(|_| may_wait).for_each(|driver| driver.is_awaited(true));
                match signal.wait(timeout) {
                    Ok(sockets) => ready = Some(let_others_come(sockets, drivers, signal, &mut coalescing)),
                    Err(error) => interrupted = error.kind() == io::ErrorKind::Interrupted,
                }
                if may_wait {
                    drivers.iter().for_each(|driver| driver.is_awaited(false));
                    self.held.lock().takers.stop_waiting();
                }
            }
            // Where nothing is known, all are read: that finds nothing at worst.
            let is_ready = |driver: &QueueDriver| ready.as_ref().is_none_or(|ready| ready.contains(number_of(driver)));
            lost.extend(drivers.extract_if(.., |driver| is_ready(driver) && !driver.read()));
            (lost, interrupted)
        });
        held.coalescing = coalescing;
        (held, interrupted)
    }

    /// Lets `drive` have all connections of which this thread has the I/O role now, without the lock; it gives those
    /// that it has lost. `waits`: it may wait for the descriptor.
    fn with_drivers<'a, R>(
        &'a self,
        mut held: MutexGuard<'a, Held<T>>,
        signal: &Signal,
        waits: bool,
        drive: impl FnOnce(&mut Vec<QueueDriver>) -> (Vec<QueueDriver>, R),
    ) -> (MutexGuard<'a, Held<T>>, R) {
        let mut drivers = mem::take(&mut held.drivers);
        let alarm = held.takers.begin(waits);
        held.show(alarm.descriptor);
        drop(held);
        let (lost, result) = drive(&mut drivers);
        let mut held = self.held.lock();
        held.takers.end();
        drivers.append(&mut held.drivers);
        held.drivers = drivers;
        for driver in lost {
            if !held.drivers.iter().any(|other| number_of(other) == number_of(&driver)) {
                signal.forget(driver.as_fd());
            }
        }
        (held, result)
    }
}

/// Some of these sockets are ready: lets servers run that share this core and are about to answer, too, as far as that
/// has helped before. Requests that are submitted after replies of several connections go out with fewer writes.
fn let_others_come(ready: Ready, drivers: &[QueueDriver], signal: &Signal, coalescing: &mut Coalescing) -> Ready {
    let mut ready = ready;
    if drivers.len() < 2 || ready.is_empty() {
        return ready;
    }
    let in_flight = drivers.iter().filter(|driver| driver.is_in_flight()).count();
    let others = |ready: &Ready| ready.len().saturating_sub(1) as u64;
    coalescing.ended(in_flight.saturating_sub(1) as u64);
    if !coalescing.begin() {
        return ready;
    }
    let mut took = Duration::ZERO;
    while ready.len() < in_flight && coalescing.yields(others(&ready), took) {
        let since = Instant::now();
        thread::yield_now();
        took = since.elapsed();
        match signal.wait(Some(Duration::ZERO)) {
            Ok(more) => ready = more,
            Err(_) => break,
        }
    }
    ready
}

fn number_of(driver: &QueueDriver) -> RawFd {
    driver.as_fd().as_raw_fd()
}
