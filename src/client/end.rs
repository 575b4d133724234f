//! How requests end: answered, given up, cancelled, or with their client.
//!
//! Invariant: completions are delivered after the state was unlocked; those that were taken out and not delivered are
//! on their way, and the barrier of close waits for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::attempt::{Attempts, outcome_of};
use super::completion::Verdict;
use super::core::Core;
use super::destination::{self, Deliveries, Delivery, Destination};
use super::hub::Ended;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::state::{Phase, State};
use crate::connection::link::Link;
use crate::connection::recipient::{LinkEvent, Recipient};
use crate::connection::sink::Sink;
use crate::connection::unit::Ticket;
use crate::error::{Error, Outcome, Status};
use crate::runtime::Runtime;

#[cfg(test)]
mod tests;

/// What is known of a unit that ends before its answer.
pub(super) struct Unanswered<'a> {
    /// Its last attempt was sent, at least in part, and may still be answered.
    pub(super) is_sent: bool,
    /// What the server may have done.
    pub(super) outcome: Outcome,
    attempts: Option<&'a Attempts>,
}

impl<'a> Unanswered<'a> {
    /// Of a unit with these attempts.
    pub(super) fn new(is_sent: bool, attempts: Option<&'a Attempts>) -> Unanswered<'a> {
        Unanswered { is_sent, outcome: outcome_of(attempts, is_sent), attempts }
    }

    /// What the server said to earlier attempts; `None`: nothing.
    pub(super) fn refusals(&self) -> Option<String> {
        self.attempts?.refusals()
    }
}

/// How a request ends that is given up.
pub(super) enum EarlyEnd<D: Destination> {
    /// It was taken out, to be ended by [`Core::abort`].
    Now(Pending<D>),
    /// When the server has answered, or has not for a while.
    Later,
}

impl<D: Destination> Core<D> {
    /// Takes out a request that has its answer, to be completed by [`Core::complete`] after the state was unlocked.
    #[inline(always)]
    pub(super) fn take(&self, state: &mut State<D>, ticket: Ticket) -> Option<Pending<D>> {
        self.remove(state, ticket, true)
    }

    /// Takes out a request that is given up before its answer came, to be ended by [`Core::abort`].
    pub(super) fn remove_unanswered(&self, state: &mut State<D>, ticket: Ticket) -> Option<Pending<D>> {
        self.remove(state, ticket, false)
    }

    #[inline(always)]
    fn remove(&self, state: &mut State<D>, ticket: Ticket, answered: bool) -> Option<Pending<D>> {
        let mut pending = state.requests.take(ticket)?;
        state.deadlines.remove(ticket.index());
        if state.requests.len() == 0 {
            state.deadlines.shrink();
        }
        match pending.work {
            Work::Events => self.state.listeners.remove(ticket),
            Work::Subscription(_) => _ = state.subscriptions.remove(&ticket),
            _ => {}
        }
        if pending.dedicated.is_some() {
            self.leave(state, ticket, &mut pending, answered);
        }
        match &pending.work {
            Work::Unblock(unblock) => self.unblocked(state, unblock, pending.sequence, &pending.link),
            Work::Slots(round) => self.one_view_less(state, *round),
            Work::Replication => {
                self.topology.replicas().one_is_over(&pending.link);
                if !answered {
                    self.topology.replicas().pass_over(&pending.link);
                }
            }
            _ => {}
        }
        if pending.responder.is_to_nobody() {
            self.settled.notify_all();
        } else {
            state.taken += 1;
            self.give_back(ticket, &pending);
        }
        Some(pending)
    }

    /// Delivers what ended. The state must not be locked.
    pub(super) fn complete(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        let deliveries: Deliveries = deliveries.into_iter().collect();
        let count = deliveries.len();
        if count > 0 {
            destination::deliver(deliveries);
            self.count_delivered(count);
        }
    }

    /// So many completions were delivered. The state must not be locked.
    pub(super) fn count_delivered(&self, count: usize) {
        self.delivered.fetch_add(count as u64, Ordering::SeqCst);
        // Whoever waits for this has closed the client first, and looks at the count with the state locked. (A
        // notification is a system call, also where nobody waits.)
        if self.closed.load(Ordering::SeqCst) {
            drop(self.state.lock());
            self.settled.notify_all();
        }
    }

    /// Ends a request that was taken out before its answer came. `sentence` gets what is known of a unit, and its link.
    /// The state must not be locked.
    pub(super) fn abort(
        &self,
        pending: Pending<D>,
        status: Status,
        sentence: &dyn Fn(&Link, Unanswered<'_>) -> String,
    ) -> Option<Delivery> {
        let Pending { mut responder, link, sequence, work, attempts, .. } = pending;
        let ending = |link: &Link, sequence: u64, attempts: Option<&Attempts>| {
            let is_sent = sequence != NOT_QUEUED && !link.withdraw(sequence);
            let unit = Unanswered::new(is_sent, attempts);
            let outcome = unit.outcome;
            (sentence(link, unit), outcome)
        };
        let failed = |(sentence, outcome): (String, Outcome)| Verdict::failed(&Error::new(status, sentence), outcome);
        let unsent =
            |outcome| sentence(&link, Unanswered { is_sent: outcome == Outcome::Unknown, outcome, attempts: None });
        let verdict = match work {
            Work::Gather(mut gather) => gather
                .end((status, &link), |other, sequence, attempts| ending(other.unwrap_or(&link), sequence, attempts)),
            Work::Events => failed((unsent(Outcome::NotRun), Outcome::NotRun)),
            Work::Subscription(hub) => {
                let Ended { outcome, started, flags, rest } = hub.end(self, Ticket(responder.request()));
                responder.mark(flags);
                hub.apply(rest, None);
                let sentence = match started && status == Status::Canceled {
                    true => format!("{}: the subscription was cancelled", link.address()),
                    false => unsent(outcome),
                };
                failed((sentence, outcome))
            }
            Work::Change(hub) => {
                let Ended { outcome, rest, .. } = hub.withdraw(self, Ticket(responder.request()));
                hub.apply(rest, None);
                failed((unsent(outcome), outcome))
            }
            Work::Ping(hub, subscription) => {
                hub.ping_finished(subscription, Ticket(responder.request()));
                failed(ending(&link, sequence, attempts.as_deref()))
            }
            Work::Single
            | Work::Script(_)
            | Work::Held(_)
            | Work::Transaction
            | Work::Unblock(_)
            | Work::Slots(_)
            | Work::Replication
            | Work::Cached(_) => failed(ending(&link, sequence, attempts.as_deref())),
        };
        if link.has_room_again() {
            self.on_event(&link, LinkEvent::Writable);
        }
        responder.finish(verdict)
    }

    /// Ends one request because its user does not want it any more; false if it is over already.
    pub(super) fn cancel(&self, id: Ticket) -> bool {
        self.give_up(id, Status::Canceled, &|link, unit| {
            let address = link.address();
            match (unit.outcome, unit.refusals()) {
                (Outcome::NotRun, None) => format!("{address}: cancelled before it was sent"),
                (Outcome::NotRun, Some(refusals)) => format!("{address}: cancelled; {refusals}"),
                _ => format!("{address}: cancelled after it was sent"),
            }
        })
    }

    /// Ends all requests whose completion goes to this sink.
    pub(super) fn cancel_all_to(&self, sink: &Arc<dyn Sink>) {
        let mut ids: Vec<Ticket> = self.topology.links().iter().flat_map(|link| link.waiting_for(sink)).collect();
        ids.append(&mut self.state.lock().requests.tickets_to(sink));
        ids.into_iter().for_each(|id| _ = self.cancel(id));
    }

    /// Ends one request that waits here; as `give_up`.
    pub(super) fn give_up_here(
        &self,
        ticket: Ticket,
        status: Status,
        sentence: &dyn Fn(&Link, Unanswered<'_>) -> String,
    ) -> bool {
        let ending = self.end_early(&mut self.state.lock(), ticket, status);
        let pending = match ending {
            None => return false,
            Some(EarlyEnd::Later) => return true,
            Some(EarlyEnd::Now(pending)) => pending,
        };
        self.complete(self.abort(pending, status, sentence));
        true
    }

    /// How many requests wait at the links.
    pub(super) fn waiting_at_links(&self) -> usize {
        self.topology.links().iter().map(|link| link.requests()).sum()
    }

    /// Accepts nothing more, and ends what would not end by itself: subscriptions, blocking commands and those who hear
    /// of events.
    fn end_endless(&self) {
        let mut state = self.state.lock();
        self.refuse(&mut state);
        let mut tickets = self.state.listeners.tickets();
        tickets.extend(&state.subscriptions);
        tickets.append(&mut state.requests.blocking());
        let taken = tickets.into_iter().filter_map(|ticket| match self.end_early(&mut state, ticket, Status::Closed) {
            Some(EarlyEnd::Now(pending)) => Some(pending),
            Some(EarlyEnd::Later) | None => None,
        });
        let taken = taken.collect();
        drop(state);
        self.abort_all(taken);
    }

    fn refuse(&self, state: &mut State<D>) {
        state.phase = Phase::Closed;
        self.closed.store(true, Ordering::SeqCst);
    }

    fn abort_all(&self, taken: Vec<Pending<D>>) {
        let sentence = |_: &Link, _: Unanswered<'_>| "the client was closed".to_string();
        self.complete(taken.into_iter().filter_map(|pending| self.abort(pending, Status::Closed, &sentence)));
    }

    /// Ends everything at once, without waiting for anything.
    pub(super) fn shut_down(&self) {
        self.refuse(&mut self.state.lock());
        // First those from which others could still come to wait here.
        self.topology.links().iter().for_each(|link| self.shut_down_at(link));
        // No connection goes to anybody else any more.
        self.state.lock().sessions.clear();
        self.shut_down_here();
        self.topology.close();
        self.clock.stop();
        self.credentials.end();
    }

    /// Ends the requests that wait here.
    fn shut_down_here(&self) {
        let mut state = self.state.lock();
        let tickets = state.requests.tickets();
        let taken = tickets.into_iter().filter_map(|ticket| self.remove_unanswered(&mut state, ticket)).collect();
        drop(state);
        self.abort_all(taken);
    }

    /// The barrier: lets what is under way end until the deadline, ends the rest, and waits for the tasks.
    /// True: nothing had to be ended.
    pub(super) fn close(&self, timeout: Option<Duration>) -> bool {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        self.end_endless();
        // Whoever takes from a queue may be the one who waits here.
        self.topology.links().iter().for_each(|link| link.reclaim());
        // What a link completes by itself takes this lock afterwards, once it finds the client closed.
        let is_drained = |state: &State<D>| state.requests.len() + self.waiting_at_links() == 0;
        let drained = self.state.wait_until(&self.settled, until, is_drained);
        self.shut_down();
        // Held to the end, so that of two who close neither returns before all is gone.
        let mut tasks = self.tasks.lock();
        if let Some(tasks) = tasks.take() {
            // Nobody ever sends: this returns when the last task has dropped its end.
            while tasks.recv().is_ok() {}
        }
        let links = self.topology.links();
        let gone = self.topology.taken_by_gone();
        let taken = |state: &State<D>| state.taken + gone + links.iter().map(|link| link.taken()).sum::<u64>();
        let is_delivered = |state: &State<D>| self.delivered.load(Ordering::SeqCst) >= taken(state);
        self.state.wait_until(&self.settled, None, is_delivered);
        let runtime = self.state.runtime.lock().take();
        if let Some(runtime) = runtime {
            Runtime::release(runtime);
        }
        drained
    }
}
