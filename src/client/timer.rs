//! The clock of a client: one task that ends requests whose deadline passed and sends again what was to wait a while.
//! It sleeps until the next of them; nothing is started per request.

use std::cmp::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::sleep_until;

use super::clock::Clock;
use super::completion::Destination;
use super::core::{Core, State};
use super::pending::{NOWHERE, Work};
use crate::connection::pipeline::Addressee;
use crate::error::{Outcome, Status};

/// So many requests are ended under one lock.
const BATCH: usize = 256;

/// A unit that is to be sent again at a certain time.
#[derive(Debug)]
pub struct Delayed {
    pub(super) at: Instant,
    /// Of its first reply.
    pub(super) to: Addressee,
    pub(super) replies: u32,
    pub(super) bytes: Bytes,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Delayed) -> bool {
        self.at == other.at
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Delayed) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The greatest is the earliest, as a heap wants it.
impl Ord for Delayed {
    fn cmp(&self, other: &Delayed) -> Ordering {
        other.at.cmp(&self.at)
    }
}

/// The task; it ends when the client is closed or gone, and then drops `_alive`.
pub async fn run<D: Destination>(core: Weak<Core<D>>, clock: Arc<Clock>, _alive: Sender<()>) {
    loop {
        let next = match core.upgrade().filter(|_| !clock.is_stopped()) {
            None => return,
            Some(core) => core.tick(),
        };
        match next {
            None => clock.changed().await,
            Some(at) => tokio::select! {
                () = sleep_until(at.into()) => {}
                () = clock.changed() => {}
            },
        }
    }
}

impl<D: Destination> Core<D> {
    /// Ends what is due and sends what is to be sent; gives the time of the next.
    fn tick(&self) -> Option<Instant> {
        while self.expire() == BATCH {}
        let mut state = self.state.lock();
        self.send_again(&mut state);
        let next = state.deadlines.next();
        state.armed = next.unwrap_or(u64::MAX);
        let deadline = next.map(|tick| self.clock.instant_of(tick));
        let delayed = state.delayed.peek().map(|delayed| delayed.at);
        [deadline, delayed].into_iter().flatten().min()
    }

    fn expire(&self) -> usize {
        let mut state = self.state.lock();
        let due = state.deadlines.expire(self.clock.now(), BATCH);
        let tickets: Vec<_> = due.iter().filter_map(|index| state.requests.at(*index)).collect();
        let taken: Vec<_> = tickets.into_iter().filter_map(|ticket| self.take(&mut state, ticket)).collect();
        drop(state);
        let deliveries = taken.into_iter().filter_map(|pending| {
            let (link, timeout) = (Arc::clone(&pending.link), pending.timeout);
            let sentence = |outcome| {
                let standing = link.standing();
                let address = standing.address;
                match (outcome, standing.error) {
                    (Outcome::NotRun, Some(error)) => {
                        // Its sentence begins with the address.
                        format!("{}; not sent within {timeout} ms", error.message)
                    }
                    (Outcome::NotRun, None) => format!("{address}: not sent within {timeout} ms"),
                    _ => format!("{address}: no answer within {timeout} ms"),
                }
            };
            self.abort(pending, Status::Timeout, &sentence)
        });
        self.complete(deliveries.collect());
        due.len()
    }

    fn send_again(&self, state: &mut State<D>) {
        let now = Instant::now();
        while state.delayed.peek().is_some_and(|delayed| delayed.at <= now) {
            let Some(Delayed { to, replies, bytes, .. }) = state.delayed.pop() else { return };
            if let Some(pending) = state.requests.get(to.ticket) {
                let sequence = self.submit_again(&pending.link, to, replies, bytes);
                pending.set_place(to.part, sequence);
            }
        }
    }

    /// Lets a unit wait before it is sent again.
    pub(super) fn delay(&self, state: &mut State<D>, to: Addressee, bytes: &Bytes, pause: Duration) {
        if let Some(pending) = state.requests.get(to.ticket) {
            pending.set_place(to.part, NOWHERE);
            let (part, replies) = pending.unit_of(to.part);
            let to = Addressee { part, ..to };
            let at = Instant::now() + pause;
            // A copy of its own, because the segment it lies in may be large.
            state.delayed.push(Delayed { at, to, replies, bytes: Bytes::copy_from_slice(bytes) });
            self.clock.wake();
        }
    }
}

impl<D: Destination> super::pending::Pending<D> {
    /// A unit of this request stands in another place now.
    pub(super) fn set_place(&mut self, part: u32, sequence: u64) {
        match &mut self.work {
            Work::Gather(gather) => gather.set_place(part, sequence),
            _ => self.sequence = sequence,
        }
    }

    /// A unit of this request shall be sent again: the number of the attempt, from 1.
    pub(super) fn count_attempt(&mut self, part: u32) -> u16 {
        match &mut self.work {
            Work::Gather(gather) => gather.count_attempt(part),
            _ => {
                self.attempts += 1;
                self.attempts
            }
        }
    }
}
