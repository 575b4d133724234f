//! One direction through the proxy: which faults are wanted there, and what has passed. All connections share it, and
//! every setting can be changed while bytes flow. A fault that is to strike after byte k strikes exactly there.

use std::io::{self, Read};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::wait;

/// What can happen to the connection that carries a certain byte; see [`Flow::after`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both sides see the end of the stream (FIN).
    Close,
    /// Both sides see a reset (RST).
    Reset,
    /// The receiver of this direction sees the end of the stream; the other direction works on.
    HalfClose,
    /// From here on, as [`Flow::stall`].
    Stall,
    /// From here on, as [`Flow::swallow`].
    Swallow,
}

/// One direction of all connections of a proxy.
#[derive(Default)]
pub struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    delay: Option<RangeInclusive<Duration>>,
    chunk: Option<RangeInclusive<usize>>,
    rate: Option<u32>,
    stalled: bool,
    swallowing: bool,
    /// Positions in the count of received bytes.
    faults: Vec<(u64, Fault)>,
    garbled: Vec<u64>,
    received: u64,
    forwarded: u64,
    recording: Option<Vec<u8>>,
}

impl Flow {
    /// Every chunk waits between the two durations, at random, before it goes on.
    pub fn delay(&self, range: RangeInclusive<Duration>) {
        self.change(|state| state.delay = Some(range));
    }

    /// Bytes go on in chunks of a random size out of `sizes`; `1..=1`: each byte by itself.
    pub fn chunks(&self, sizes: RangeInclusive<usize>) {
        assert!(*sizes.start() > 0, "a chunk has at least one byte");
        self.change(|state| state.chunk = Some(sizes));
    }

    /// At most so many bytes in a second, on each connection.
    pub fn rate(&self, bytes_per_second: u32) {
        assert!(bytes_per_second > 0, "for no bytes at all there is stall");
        self.change(|state| state.rate = Some(bytes_per_second));
    }

    /// Stops reading from the sender, until [`Flow::resume`]: its writes block once the kernel's buffers are full.
    pub fn stall(&self) {
        self.change(|state| state.stalled = true);
    }

    /// Reads and drops everything, the end of the stream included, until [`Flow::resume`]: a silent black hole.
    pub fn swallow(&self) {
        self.change(|state| state.swallowing = true);
    }

    /// Ends [`Flow::stall`] and [`Flow::swallow`].
    pub fn resume(&self) {
        self.change(|state| (state.stalled, state.swallowing) = (false, false));
    }

    /// Once `bytes` more have passed, over all connections, `fault` befalls the connection that carried the last
    /// of them. It happens once; 0 means: instead of the next byte.
    pub fn after(&self, bytes: u64, fault: Fault) {
        self.change(|state| {
            state.faults.push((state.received + bytes, fault));
            state.faults.sort_by_key(|(position, _)| *position);
        });
    }

    /// Inverts every bit of the byte that follows the next `bytes`; all others pass as they are.
    pub fn garble(&self, bytes: u64) {
        self.change(|state| state.garbled.push(state.received + bytes));
    }

    /// Ends every fault of this direction, also those that have not struck yet. What is broken stays broken.
    pub fn heal(&self) {
        self.change(|state| {
            let recording = state.recording.take();
            let State { received, forwarded, .. } = *state;
            *state = State { received, forwarded, recording, ..State::default() };
        });
    }

    /// Faults asked for by [`Flow::after`] and [`Flow::garble`] that have not struck yet.
    pub fn pending(&self) -> usize {
        let state = self.lock();
        state.faults.len() + state.garbled.len()
    }

    /// Bytes taken from the senders so far, swallowed ones included.
    pub fn received(&self) -> u64 {
        self.lock().received
    }

    /// Bytes handed to the receivers so far.
    pub fn forwarded(&self) -> u64 {
        self.lock().forwarded
    }

    /// Starts, or starts again, to keep what the senders send.
    pub fn record(&self) {
        self.change(|state| state.recording = Some(Vec::new()));
    }

    /// What the senders sent since [`Flow::record`], as it was before any fault.
    pub fn recorded(&self) -> Vec<u8> {
        self.lock().recording.clone().expect("record() was called")
    }

    /// Waits until the senders have sent `bytes` in all.
    pub fn until_received(&self, bytes: u64) {
        wait::until(&format!("{bytes} bytes to come through the proxy"), || self.received() >= bytes);
    }

    /// Wakes everybody who waits here, because a connection has closed.
    pub(super) fn wake(&self) {
        self.change(|_| ());
    }

    /// Waits while the direction is stalled; false when the connection was `closed` meanwhile, or when the end of
    /// its stream is to be swallowed.
    pub(super) fn may_end(&self, closed: impl Fn() -> bool) -> bool {
        !self.unstalled(&closed).swallowing && !closed()
    }

    /// Reads what may go on as one chunk from a sender that has something to read. Waits while the direction is
    /// stalled. `None`: the connection was `closed` meanwhile.
    pub(super) fn take(
        &self,
        mut from: &TcpStream,
        buffer: &mut [u8],
        closed: impl Fn() -> bool,
    ) -> io::Result<Option<Chunk>> {
        let mut state = self.unstalled(&closed);
        if closed() {
            return Ok(None);
        }
        if let Some(fault) = state.due() {
            let chunk = Chunk { count: 0, pause: Duration::ZERO, forward: !state.swallowing, fault: Some(fault) };
            return Ok(Some(chunk));
        }
        let limit = state.limit().min(buffer.len());
        let count = from.read(&mut buffer[..limit])?;
        let forward = !state.swallowing;
        let pause = state.pause(count);
        state.pass(&mut buffer[..count]);
        let fault = state.due();
        Ok(Some(Chunk { count, pause, forward, fault }))
    }

    /// Waits for `duration`, unless the direction is healed or the connection `closed` meanwhile.
    pub(super) fn pause(&self, duration: Duration, closed: impl Fn() -> bool) {
        let until = Instant::now() + duration;
        let mut state = self.lock();
        while (state.delay.is_some() || state.rate.is_some()) && !closed() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    pub(super) fn add_forwarded(&self, count: usize) {
        self.lock().forwarded += count as u64;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn unstalled(&self, closed: impl Fn() -> bool) -> MutexGuard<'_, State> {
        self.changed.wait_while(self.lock(), |state| state.stalled && !closed()).unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.changed.notify_all();
    }
}

impl State {
    /// Takes the next fault whose place is reached. A lasting one takes effect for all connections here.
    fn due(&mut self) -> Option<Fault> {
        let (position, fault) = *self.faults.first()?;
        if position > self.received {
            return None;
        }
        self.faults.remove(0);
        match fault {
            Fault::Stall => self.stalled = true,
            Fault::Swallow => self.swallowing = true,
            Fault::Close | Fault::Reset | Fault::HalfClose => {}
        }
        Some(fault)
    }

    /// How much may be read at once.
    fn limit(&self) -> usize {
        let chunk = self.chunk.clone().map_or(usize::MAX, fastrand::usize);
        let slice = self.rate.map_or(usize::MAX, |rate| rate as usize / 50 + 1);
        let distance = self.faults.first().map_or(u64::MAX, |(position, _)| position - self.received);
        chunk.min(slice).min(usize::try_from(distance).unwrap_or(usize::MAX))
    }

    fn pause(&self, count: usize) -> Duration {
        let delay = self.delay.clone().map_or(Duration::ZERO, |range| {
            let (low, high) = (range.start().as_micros() as u64, range.end().as_micros() as u64);
            Duration::from_micros(fastrand::u64(low..=high))
        });
        delay + self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(count as f64 / f64::from(rate)))
    }

    /// Counts, records and garbles what was read.
    fn pass(&mut self, bytes: &mut [u8]) {
        if let Some(recording) = &mut self.recording {
            recording.extend_from_slice(bytes);
        }
        let passed = self.received..self.received + bytes.len() as u64;
        self.received = passed.end;
        self.garbled.retain(|position| {
            let strikes = passed.contains(position);
            if strikes {
                let index = (position - passed.start) as usize;
                bytes[index] = !bytes[index];
            }
            !strikes
        });
    }
}

/// What was read at once, and what is to become of it.
pub(super) struct Chunk {
    /// Bytes in the buffer; 0 when a fault comes in place of the next byte.
    pub(super) count: usize,
    /// To wait before it goes on.
    pub(super) pause: Duration,
    /// False: swallowed.
    pub(super) forward: bool,
    /// Befalls the connection once the chunk has gone on.
    pub(super) fault: Option<Fault>,
}
