//! The clock of a client: one task that ends requests whose deadline passed and sends again what was to wait a while.
//! It sleeps until the next of them; nothing is started per request.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::{sleep, sleep_until};

use super::clock::Clock;
use super::core::Core;
use super::delayed::Delayed;
use super::destination::Destination;
use super::end::Unanswered;
use super::pending::{NOT_QUEUED, Work};
use super::state::State;
use crate::connection::link::Link;
use crate::connection::unit::Unit;
use crate::error::{Outcome, Status};
use crate::runtime::catch_panic;
use crate::topology::deferred::Deferred;

/// So many requests are ended under one lock.
const BATCH: usize = 256;

/// A defect that shows at once again shall not keep the I/O thread busy.
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(100);

/// The task; it ends when the client is closed or gone, and then drops `_alive`. A panic, which is a defect, does not
/// end it: without it no deadline would ever pass again.
pub async fn run<D: Destination>(core: Weak<Core<D>>, clock: Arc<Clock>, _alive: Sender<()>) {
    while catch_panic(keep_time(&core, &clock)).await.is_err() {
        sleep(PAUSE_AFTER_PANIC).await;
    }
}

async fn keep_time<D: Destination>(core: &Weak<Core<D>>, clock: &Clock) {
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
    pub(super) fn tick(&self) -> Option<Instant> {
        self.follow_map();
        let links = self.topology.links();
        links.iter().for_each(|link| while self.expire_at(link, BATCH) == BATCH {});
        let next_at_links = links.iter().filter_map(|link| link.arm()).min();
        while self.expire() == BATCH {}
        self.send_held();
        let mut state = self.state.lock();
        self.send_again(&mut state);
        let next_look = self.look_for_map(&mut state).into_iter().chain(self.look_at_replicas(&mut state)).min();
        let next_here = [state.deadlines.next(), self.expire_idle(&mut state.deferred)].into_iter().flatten().min();
        let next = next_here.into_iter().chain(next_at_links).min();
        state.armed = next.unwrap_or(u64::MAX);
        let deadline = next.map(|tick| self.clock.instant_of(tick));
        let delayed = state.delayed.peek().map(|delayed| delayed.at);
        drop(state);
        // Then all are looked at. Requests that go to one link after the other do not wake the timer each time.
        next.into_iter().for_each(|tick| links.iter().for_each(|link| link.arm_by(tick)));
        [deadline, delayed, next_look].into_iter().flatten().min()
    }

    /// Ends the requests that wait here whose deadline has passed; gives how many.
    fn expire(&self) -> usize {
        let mut state = self.state.lock();
        let due = state.deadlines.expire(self.clock.now(), BATCH);
        let tickets: Vec<_> = due.iter().filter_map(|index| state.requests.at(*index)).collect();
        let taken: Vec<_> = tickets.into_iter().filter_map(|ticket| self.time_is_up(&mut state, ticket)).collect();
        drop(state);
        let deliveries = taken.into_iter().filter_map(|mut pending| {
            if let Some(abandoned) = pending.dedicated.as_mut().and_then(|dedicated| dedicated.abandoned.take()) {
                return self.abort_blocked(pending, abandoned);
            }
            let stood_in_line = pending.dedicated.as_ref().is_some_and(|dedicated| !dedicated.waiting.is_empty());
            let timeout = pending.timeout;
            if pending.reads && pending.sequence == NOT_QUEUED {
                let sentence =
                    |_: &Link, _: Unanswered<'_>| format!("no replica could be read from within {timeout} ms");
                return self.abort(pending, Status::Timeout, &sentence);
            }
            self.abort(pending, Status::Timeout, &self.timed_out(timeout, stood_in_line))
        });
        self.complete(deliveries);
        due.len()
    }

    /// The sentence for what has no answer in time; `stood_in_line`: for a dedicated connection.
    pub(super) fn timed_out(&self, timeout: u32, stood_in_line: bool) -> impl Fn(&Link, Unanswered<'_>) -> String + '_ {
        move |link, unit| {
            let status = link.status();
            let address = status.address;
            let most = self.config.max_connections;
            if unit.is_sent {
                return format!("{address}: no answer within {timeout} ms");
            }
            let end = match (unit.refusals(), unit.outcome) {
                (Some(refusals), _) => format!("no other answer within {timeout} ms; {refusals}"),
                (None, Outcome::NotRun) => format!("not sent within {timeout} ms"),
                (None, _) => format!("no answer within {timeout} ms; it was sent before, it may have run"),
            };
            if stood_in_line && self.topology.with_node_of(link, |node| node.dedicated().in_use) >= most {
                return format!("{address}: {end}, all {most} dedicated connections are in use");
            }
            match status.error {
                // Its sentence begins with the address.
                Some(error) => format!("{}; {end}", error.message),
                None => format!("{address}: {end}"),
            }
        }
    }

    fn send_again(&self, state: &mut State<D>) {
        let now = self.clock.instant();
        while state.delayed.peek().is_some_and(|delayed| delayed.at <= now) {
            let Some(Delayed { unit, .. }) = state.delayed.pop() else { return };
            let to = unit.to;
            let Some(pending) = state.requests.get(to.ticket) else { continue };
            match (&pending.dedicated, &pending.work) {
                (Some(dedicated), _) => {
                    let session = dedicated.session;
                    self.enqueue_at_home(state, unit);
                    self.proceed(state, session);
                }
                (None, Work::Unblock(_)) => self.try_to_unblock(state, to.ticket),
                (None, _) => self.put_again(state, unit),
            }
        }
    }

    /// Closes dedicated connections that nobody needed for a while; gives the tick at which it is time for the next.
    fn expire_idle(&self, deferred: &mut Deferred) -> Option<u64> {
        let idle = self.idle_ticks()?;
        let since = self.clock.now().checked_sub(idle);
        let next = self.topology.nodes().into_iter().filter_map(|node| {
            let expired = since.into_iter().flat_map(|since| node.expire(since));
            expired.for_each(|link| deferred.close(link));
            node.idle_since()
        });
        next.min().map(|since| since.saturating_add(idle))
    }

    /// So many ticks a dedicated connection may be idle.
    pub(super) fn idle_ticks(&self) -> Option<u64> {
        self.config.idle_timeout.map(Clock::ticks_of)
    }

    /// Lets a unit wait before it is sent again.
    pub(super) fn delay(&self, state: &mut State<D>, unit: Unit, pause: Duration) {
        let Unit { to, replies, bytes } = unit;
        if let Some(pending) = state.requests.get(to.ticket) {
            pending.set_place(to.part, NOT_QUEUED);
            let at = self.clock.instant() + pause;
            // A copy of its own, because the segment it lies in may be large.
            let bytes = Bytes::copy_from_slice(&bytes);
            state.delayed.push(Delayed { at, unit: Unit { to, replies, bytes } });
            self.clock.wake();
        }
    }
}
