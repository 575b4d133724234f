//! What changes while requests come and go, under one lock; and the way to that lock.
//!
//! Invariant: no link is started, closed or given up under the lock, and nobody is told of an event, but when it is let
//! go, before the thread does anything else. From then on nothing of the client is touched, because it may be gone.

use std::collections::{BTreeSet, BinaryHeap};
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, MutexGuard};
use std::time::Instant;

use super::delayed::Delayed;
use super::destination::Destination;
use super::event::Listeners;
use super::pending::{Pending, Requests};
use super::session::Sessions;
use crate::connection::deadline::Deadlines;
use crate::connection::link::Link;
use crate::connection::recipient::LinkEvent;
use crate::connection::unit::Ticket;
use crate::lock::{self, Lock};
use crate::runtime::Runtime;
use crate::topology::deferred::Deferred;

/// Whether requests are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closed,
}

pub(super) struct State<D: Destination> {
    pub(super) requests: Requests<D>,
    pub(super) deadlines: Deadlines,
    pub(super) delayed: BinaryHeap<Delayed>,
    /// Requests that wait for a map of the cluster, in their order.
    pub(super) held: Vec<Ticket>,
    pub(super) phase: Phase,
    /// Who has a dedicated connection, or waits for one.
    pub(super) sessions: Sessions,
    /// The requests that get messages.
    pub(super) subscriptions: BTreeSet<Ticket>,
    /// The tick at which the timer wakes up.
    pub(super) armed: u64,
    /// Requests that were taken out to be completed.
    pub(super) taken: u64,
    /// What is done with links when the lock is let go.
    pub(super) deferred: Deferred,
    /// There is room again for requests that wait for a dedicated link like this one: listeners are told when the lock
    /// is let go.
    pub(super) writable: Option<Arc<Link>>,
}

impl<D: Destination> State<D> {
    fn new() -> State<D> {
        State {
            requests: Requests::new(),
            deadlines: Deadlines::default(),
            delayed: BinaryHeap::new(),
            held: Vec::new(),
            phase: Phase::Open,
            sessions: Sessions::default(),
            subscriptions: BTreeSet::new(),
            armed: u64::MAX,
            taken: 0,
            deferred: Deferred::default(),
            writable: None,
        }
    }

    /// Sets the deadline of a request that has none; true if the timer sleeps for longer than that.
    #[inline]
    pub(super) fn set_deadline(&mut self, ticket: Ticket, due: u64) -> bool {
        self.deadlines.set(ticket.index(), due);
        let is_earlier = due < self.armed;
        self.armed = self.armed.min(due);
        is_earlier
    }

    /// Puts a request into the place that was reserved for it, with a deadline if it has one; true as of
    /// [`State::set_deadline`].
    pub(super) fn hold(&mut self, ticket: Ticket, pending: Pending<D>, due: Option<u64>) -> bool {
        self.requests.fill(ticket, pending);
        due.is_some_and(|due| self.set_deadline(ticket, due))
    }
}

/// The state, and the I/O thread that is woken for what it defers.
pub(super) struct StateLock<D: Destination> {
    state: Lock<State<D>>,
    /// Who hears of events.
    pub(super) listeners: Arc<Listeners<D>>,
    /// Taken when the client was closed.
    pub(super) runtime: Lock<Option<Arc<Runtime>>>,
}

impl<D: Destination> StateLock<D> {
    /// Of a client that has no requests yet.
    pub(super) fn new(runtime: Option<Arc<Runtime>>) -> StateLock<D> {
        StateLock { state: Lock::new(State::new()), listeners: Arc::default(), runtime: Lock::new(runtime) }
    }

    /// Waits for the lock.
    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, D> {
        Locked { state: self.state.lock(), lock: self, unlocked: None }
    }

    /// Waits until the state is as wanted; false: not within this time. `changed` is notified of changes.
    pub(super) fn wait_until(
        &self,
        changed: &Condvar,
        until: Option<Instant>,
        is_wanted: impl Fn(&State<D>) -> bool,
    ) -> bool {
        let mut state = self.state.lock();
        while !is_wanted(&state) {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            state = lock::wait_for(changed, state, left);
        }
        true
    }
}

/// The state, locked.
pub(super) struct Locked<'a, D: Destination> {
    state: MutexGuard<'a, State<D>>,
    lock: &'a StateLock<D>,
    /// Stands behind the guard, so that it is dropped after the lock was let go.
    unlocked: Option<Unlocked<D>>,
}

impl<D: Destination> Deref for Locked<'_, D> {
    type Target = State<D>;

    fn deref(&self) -> &State<D> {
        &self.state
    }
}

impl<D: Destination> DerefMut for Locked<'_, D> {
    fn deref_mut(&mut self) -> &mut State<D> {
        &mut self.state
    }
}

impl<D: Destination> Drop for Locked<'_, D> {
    #[inline]
    fn drop(&mut self) {
        if !self.state.deferred.is_empty() || self.state.writable.is_some() {
            let (deferred, writable) = (mem::take(&mut self.state.deferred), self.state.writable.take());
            let (runtime, listeners) = (self.lock.runtime.lock().clone(), Arc::clone(&self.lock.listeners));
            self.unlocked = Some(Unlocked { deferred, runtime, writable, listeners });
        }
    }
}

/// What is done when the lock was let go.
struct Unlocked<D: Destination> {
    deferred: Deferred,
    runtime: Option<Arc<Runtime>>,
    writable: Option<Arc<Link>>,
    listeners: Arc<Listeners<D>>,
}

impl<D: Destination> Drop for Unlocked<D> {
    fn drop(&mut self) {
        if let Some(link) = self.writable.take() {
            self.listeners.notify(&link, &LinkEvent::Writable);
        }
        mem::take(&mut self.deferred).run(self.runtime.take());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::vec_deque::Drain;

    use super::*;
    use crate::client::mailbox::Mailbox;
    use crate::connection::fixture::{self, Noted};
    use crate::connection::purpose::Purpose;
    use crate::connection::sink::{Completion, Sink, SinkKey};

    #[derive(Clone, Debug)]
    struct Nobody;

    impl Sink for Nobody {
        fn deliver(self: Arc<Self>, _: Drain<'_, Completion>) {}
    }

    impl Destination for Nobody {
        fn key(&self) -> Option<SinkKey> {
            None
        }
        fn sink(&self) -> Arc<dyn Sink> {
            Arc::new(Nobody)
        }
        fn offer(&self, _: &Arc<Mailbox>, _: usize) -> bool {
            false
        }
        fn takes_many(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_link_is_closed_when_the_lock_is_let_go_and_not_before() {
        let link = fixture::link(Purpose::Commands(1), &Noted::new());
        let lock = StateLock::<Nobody>::new(None);
        let mut state = lock.lock();
        state.deferred.close(Arc::clone(&link));
        assert!(!link.is_closed());
        drop(state);
        assert!(link.is_closed());
        assert!(lock.lock().deferred.is_empty(), "it is done once");
    }
}
