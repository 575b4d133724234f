//! Requests on dedicated connections: how they get one, wait for it, and leave it to the next.
//!
//! Invariant: a connection goes back to the pool only when its session has nothing under way on it and certainly left
//! nothing behind; otherwise it is closed.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::completion::Verdict;
use super::core::{Core, closed};
use super::destination::{Deliveries, Destination};
use super::pending::{NOT_QUEUED, Pending, Work};
use super::recipient::AfterLoss;
use super::redirects::without_asking;
use super::session::Session;
use super::state::State;
use crate::connection::link::Link;
use crate::connection::pool::Checkout;
use crate::connection::purpose::Purpose;
use crate::connection::unit::{Addressee, Lost, Ticket, Unit};
use crate::error::{Error, Outcome, Status};
use crate::protocol::catalog::StateChange;
use crate::topology::cluster::refresh::Reason;
use crate::topology::node::{Node, SessionId};

#[cfg(test)]
mod tests;

impl<D: Destination> Core<D> {
    /// Gives a session a connection, or a place in line for one, if it has neither.
    pub(super) fn acquire(&self, state: &mut State<D>, id: SessionId) -> Result<(), Error> {
        let session = state.sessions.get(id).ok_or_else(closed)?;
        if session.checkout.is_some() || session.awaits_map {
            return Ok(());
        }
        let (database, mut node) = (session.database, session.node.clone());
        let node = node.get_or_insert_with(|| Arc::clone(self.node()));
        let checkout = match node.check_out(database, id, &mut state.deferred) {
            // The node has left the cluster.
            Err(_) if !Arc::ptr_eq(node, self.node()) => {
                Self::set_node(state, id, self.node());
                self.node().check_out(database, id, &mut state.deferred)?
            }
            checkout => checkout?,
        };
        if let Some(session) = state.sessions.get(id) {
            session.node.get_or_insert_with(|| Arc::clone(node));
            session.checkout = Some(checkout);
        }
        Ok(())
    }

    /// Sends what a session holds, as far as it may be sent.
    fn flow(&self, state: &mut State<D>, id: SessionId) {
        let may_be_cluster = self.topology.may_be_cluster();
        let State { sessions, requests, .. } = &mut *state;
        let Some(session) = sessions.get(id) else { return };
        let Some(node) = session.node.clone() else { return };
        while let Some(ticket) = session.waiting.front().copied() {
            let pending = requests.get(ticket).filter(|pending| pending.holds_units());
            let Some(pending) = pending else {
                session.waiting.pop_front();
                continue;
            };
            let Some(link) = session.free_link(ticket).cloned() else { break };
            session.waiting.pop_front();
            let Some(dedicated) = &mut pending.dedicated else { continue };
            let units = mem::take(&mut dedicated.waiting);
            self.authenticate_first(&link);
            node.backlog().remove(&units);
            session.begin_trial(ticket, may_be_cluster);
            session.dirty_state.sent(dedicated.number, dedicated.state_change);
            if dedicated.blocks {
                session.blocking = Some(ticket);
                dedicated.sent = Some(self.clock.instant());
                dedicated.interruption = None;
            }
            pending.link = Arc::clone(&link);
            for unit in units {
                let part = unit.to.part;
                let sequence = link.send(unit);
                pending.set_place(part, sequence);
            }
        }
        self.note_room(state, &node);
    }

    /// After something of a session came to its end: sends what waited for that or, if that was all, gives its
    /// connection to the next.
    pub(super) fn move_on(&self, state: &mut State<D>, id: SessionId) {
        match state.sessions.get(id) {
            Some(session) if session.is_over() => {}
            Some(Session { target: Some(_), .. }) => return self.proceed(state, id),
            _ => return self.flow(state, id),
        }
        if let Some(Session { node: Some(node), checkout: Some(checkout), dirty_state, .. }) = state.sessions.remove(id)
        {
            self.return_checkout(state, &node, checkout, dirty_state.is_clean());
        }
    }

    /// Gives up a place in line or a connection on which nothing is under way; `is_clean`: others may have it.
    pub(super) fn return_checkout(
        &self,
        state: &mut State<D>,
        node: &Arc<Node>,
        checkout: Checkout<Arc<Link>>,
        is_clean: bool,
    ) {
        match checkout {
            Checkout::Waiting(place) => node.leave(place),
            Checkout::Link(link) => {
                self.check_in(state, node, &link, is_clean);
                self.serve_waiting(state, node);
            }
        }
    }

    fn check_in(&self, state: &mut State<D>, node: &Node, link: &Arc<Link>, is_clean: bool) {
        let Purpose::Dedicated(number) = link.purpose() else { return };
        if !is_clean || !link.is_connected() {
            node.remove(number);
            return state.deferred.close(Arc::clone(link));
        }
        let now = self.clock.now();
        node.check_in(number, now);
        let due = self.idle_ticks().map_or(u64::MAX, |idle| now.saturating_add(idle));
        if due < state.armed {
            state.armed = due;
            self.clock.wake();
        }
    }

    /// Gives connections to those who are first in line.
    fn serve_waiting(&self, state: &mut State<D>, node: &Node) {
        while let Some((id, link)) = node.serve(&mut state.deferred) {
            if let Some(session) = state.sessions.get(id) {
                session.checkout = Some(Checkout::Link(link));
                self.flow(state, id);
            }
        }
    }

    /// Lets a unit wait for the connection of its session, which may be another one than before.
    pub(super) fn enqueue_again(&self, state: &mut State<D>, unit: Unit) {
        let State { sessions, requests, .. } = state;
        let Some(pending) = requests.get(unit.to.ticket) else { return };
        pending.set_place(unit.to.part, NOT_QUEUED);
        let Some(dedicated) = &mut pending.dedicated else { return };
        let Some(session) = sessions.get(dedicated.session) else { return };
        if session.blocking == Some(unit.to.ticket) {
            session.blocking = None;
        }
        if dedicated.waiting.is_empty() {
            match session.trial {
                Some(trial) if trial == unit.to.ticket => session.waiting.push_front(trial),
                _ => session.waiting.push_back(unit.to.ticket),
            }
        }
        if let Some(node) = &session.node {
            node.backlog().add(std::slice::from_ref(&unit));
        }
        let ticket = unit.to.ticket;
        dedicated.waiting.push(unit);
        self.enqueue_held(state, ticket);
    }

    /// A request of a session has come to its end: with its answer, or given up before.
    pub(super) fn leave(&self, state: &mut State<D>, ticket: Ticket, pending: &mut Pending<D>, answered: bool) {
        let Some(dedicated) = &pending.dedicated else { return };
        let (id, blocks) = (dedicated.session, dedicated.blocks);
        self.forget_changes(&dedicated.cache_changes);
        let Some(session) = state.sessions.get(id) else { return };
        let node = session.node.clone();
        node.iter().for_each(|node| node.backlog().remove(&dedicated.waiting));
        session.requests -= 1;
        session.trial.take_if(|trial| *trial == ticket);
        if answered || pending.cancel_unsent() {
            session.used |= answered;
            if session.blocking == Some(ticket) {
                session.blocking = None;
                self.note_unblocked();
            }
        } else {
            session.used = true;
            session.dirty_state.mark_dirty();
            if !session.is_lease() {
                // Close before delivering, so that no element is popped for a request already reported as failed.
                state.deferred.close(Arc::clone(&pending.link));
            } else if blocks {
                // Nothing more is sent on it, and all that waits will be told why.
                let why = Error::new(Status::Lost, "given up, because the server still waits");
                state.deferred.abort(Arc::clone(&pending.link), why);
            }
        }
        // What was run of a lease is run where it is.
        session.target.take_if(|_| session.used);
        self.stop_unblocking(state, id);
        self.move_on(state, id);
        node.iter().for_each(|node| self.note_room(state, node));
    }

    /// The server confirmed, with the end of this request, that nothing is watched any more; or it did not.
    pub(super) fn update_dirty_state(state: &mut State<D>, ticket: Ticket, verdict: &Verdict) {
        let Some(pending) = state.requests.get(ticket) else { return };
        let Some(dedicated) = &pending.dedicated else { return };
        let Some(session) = state.sessions.get(dedicated.session) else { return };
        let is_ok = verdict.status == Status::Ok;
        match pending.work {
            Work::Transaction if is_ok || verdict.reply.as_bytes().starts_with(b"EXECABORT") => {
                session.dirty_state.unwatched(dedicated.number);
            }
            // Whether it still queues commands, nobody knows.
            Work::Transaction => session.dirty_state.mark_dirty(),
            Work::Single if is_ok && dedicated.state_change == Some(StateChange::Unwatch) => {
                session.dirty_state.unwatched(dedicated.number)
            }
            _ => {}
        }
    }

    /// A dedicated connection has ended; these were sent on it.
    pub(super) fn dedicated_lost(&self, number: u64, link: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        // (A node that has left the cluster had no connection in use.)
        let Some(node) = self.topology.node_of(link) else { return };
        self.note(Reason::Lost);
        let mut deliveries = Deliveries::new();
        let mut state = self.state.lock();
        // Whoever gets the link from now on finds it gone: it is taken out under the same lock.
        let is_request = |unit: &Unit| unit.to.ticket != Ticket::LOGIN;
        let mut lost: Vec<Lost> = lost.into_iter().filter(|lost| is_request(&lost.unit)).collect();
        lost.iter_mut().for_each(|lost| _ = without_asking(&mut lost.unit, &mut lost.received));
        let unsent: Vec<Unit> = link.take_unsent().into_iter().filter(is_request).collect();
        let session = node.remove(number);
        if let Some(id) = session
            && let Some(session) = state.sessions.get(id)
        {
            session.checkout = None;
            session.blocking = None;
            // What is not sent in the midst of a pipeline stands behind something that was answered.
            session.used |= !lost.is_empty() || unsent.first().is_some_and(|unit| unit.to.part != 0);
            if session.is_lease() && session.used {
                self.lose_lease(&mut state, id, lost, unsent, why, &mut deliveries);
            } else {
                self.move_out(&mut state, id, lost, unsent, why, &mut deliveries);
            }
        }
        self.serve_waiting(&mut state, &node);
        drop(state);
        self.complete(deliveries);
    }

    /// What was on a connection that has ended moves to another one, as far as it may.
    fn move_out(
        &self,
        state: &mut State<D>,
        id: SessionId,
        lost: Vec<Lost>,
        unsent: Vec<Unit>,
        why: &Error,
        deliveries: &mut Deliveries,
    ) {
        let is_whole = lost.is_empty() && unsent.first().is_none_or(|unit| unit.to.part == 0);
        for lost in lost {
            let to = lost.unit.to;
            let Some(pending) = state.requests.get(to.ticket) else { continue };
            match self.after_loss(pending, &lost, why, true) {
                AfterLoss::Again(Duration::ZERO) => self.enqueue_at_home(state, lost.unit),
                AfterLoss::Again(pause) => self.delay(state, lost.unit, pause),
                AfterLoss::Answered(verdict) => self.end_with(state, to.ticket, verdict, deliveries),
                AfterLoss::Ended(error, outcome) => self.end_unit(state, to, &error, outcome, deliveries),
            }
        }
        for unit in unsent {
            let Some(pending) = state.requests.get(unit.to.ticket) else { continue };
            if is_whole || pending.dedicated.as_ref().is_some_and(|dedicated| !dedicated.whole) {
                self.enqueue_at_home(state, unit);
                continue;
            }
            let error = Error::new(Status::Lost, format!("{}; this command was not sent", why.message));
            self.end_unsent(state, unit.to, &error, deliveries);
        }
        self.proceed(state, id);
    }

    /// Sends what a session holds, on a connection that it gets if it has none.
    pub(super) fn proceed(&self, state: &mut State<D>, id: SessionId) {
        let holds = state.sessions.get(id).is_some_and(|session| !session.waiting.is_empty());
        // A client that gives no connections any more is ending its requests just now.
        if holds && self.reach_target(state, id) && self.acquire(state, id).is_ok() {
            self.flow(state, id);
        }
    }

    fn lose_lease(
        &self,
        state: &mut State<D>,
        id: SessionId,
        lost: Vec<Lost>,
        unsent: Vec<Unit>,
        why: &Error,
        deliveries: &mut Deliveries,
    ) {
        let mut error = Error::new(Status::LeaseLost, format!("{}; the lease is lost, make a new one", why.message));
        let mut waiting: Vec<Addressee> = unsent.into_iter().map(|unit| unit.to).collect();
        if let Some(session) = state.sessions.get(id) {
            // What has ended it before its connection is the reason.
            error = session.lost.get_or_insert(error).clone();
            let held = mem::take(&mut session.waiting);
            held.into_iter().for_each(|ticket| waiting.extend(Self::waiting_units(state, ticket)));
        }
        for lost in lost {
            let to = lost.unit.to;
            let Some(pending) = state.requests.get(to.ticket) else { continue };
            match self.after_loss(pending, &lost, why, false) {
                AfterLoss::Answered(verdict) => self.end_with(state, to.ticket, verdict, deliveries),
                AfterLoss::Ended(ending, outcome) => {
                    let is_lost = ending.status == Status::Lost;
                    let status = if is_lost { Status::LeaseLost } else { ending.status };
                    let sentence = format!("{}; the lease is lost, make a new one", ending.message);
                    self.end_unit(state, to, &Error::new(status, sentence), outcome, deliveries);
                }
                // Nothing of a lease is sent on a second connection.
                AfterLoss::Again(_) => self.end_unsent(state, to, &error, deliveries),
            }
        }
        for to in waiting {
            self.end_unsent(state, to, &error, deliveries);
        }
    }

    fn end_unsent(&self, state: &mut State<D>, to: Addressee, error: &Error, deliveries: &mut Deliveries) {
        if let Some(verdict) = self.fail_unsent(state, to, error) {
            self.end_with(state, to.ticket, verdict, deliveries);
        }
    }

    fn end_unit(
        &self,
        state: &mut State<D>,
        to: Addressee,
        error: &Error,
        outcome: Outcome,
        deliveries: &mut Deliveries,
    ) {
        if let Some(verdict) = self.fail_unit(state, to, error, outcome) {
            self.end_with(state, to.ticket, verdict, deliveries);
        }
    }

    fn end_with(&self, state: &mut State<D>, ticket: Ticket, verdict: Verdict, deliveries: &mut Deliveries) {
        if let Some(pending) = self.take(state, ticket) {
            deliveries.extend(pending.responder.finish(verdict));
        }
    }

    fn waiting_units(state: &mut State<D>, ticket: Ticket) -> Vec<Addressee> {
        let dedicated = state.requests.get(ticket).and_then(|pending| pending.dedicated.as_ref());
        dedicated.map_or_else(Vec::new, |dedicated| dedicated.waiting.iter().map(|unit| unit.to).collect())
    }

    /// Those who wait for a dedicated connection like this one, which cannot be made, or for what it would tell of the
    /// cluster.
    pub(super) fn waiting_for(&self, link: &Link) -> Vec<Addressee> {
        let Some(node) = self.topology.node_of(link) else { return Vec::new() };
        let mut state = self.state.lock();
        let mut waiting = Vec::new();
        let sessions = match link.purpose() {
            Purpose::Dedicated(number) => node.sessions_for(number, link.database()),
            Purpose::Commands(_) if Arc::ptr_eq(&node, self.node()) => state.sessions.awaiting_map(),
            _ => Vec::new(),
        };
        for id in sessions {
            let held = state.sessions.get(id).map(|session| session.waiting.clone()).unwrap_or_default();
            held.into_iter().for_each(|ticket| waiting.extend(Self::waiting_units(&mut state, ticket)));
        }
        waiting
    }

    fn note_room(&self, state: &mut State<D>, node: &Node) {
        if node.backlog().has_room_again()
            && let Some(link) = node.links().first()
        {
            state.writable = Some(Arc::clone(link));
        }
    }
}
