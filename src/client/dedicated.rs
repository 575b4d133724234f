//! Requests on dedicated connections: how they get one, wait for it, and leave it to the next.
//!
//! Invariant: a connection goes back to the pool only when its tenant has nothing under way on it and certainly left
//! nothing behind; otherwise it is closed.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::completion::Verdict;
use super::core::{Core, State, closed};
use super::destination::{Deliveries, Destination};
use super::pending::{NOWHERE, Pending, Work};
use super::recipient::AfterLoss;
use super::tenant::Tenant;
use crate::connection::link::Link;
use crate::connection::pipeline::{Addressee, Lost, Ticket, Unit};
use crate::connection::pool::Seat;
use crate::connection::purpose::Purpose;
use crate::connection::recipient::News;
use crate::error::{Error, Outcome, Status};
use crate::protocol::catalog::Trace;
use crate::topology::standalone::TenantId;

impl<D: Destination> Core<D> {
    /// Gives a tenant a connection, or a place in line for one, if it has neither.
    pub(super) fn seat(&self, state: &mut State<D>, id: TenantId) -> Result<(), Error> {
        let tenant = state.tenants.get(id).ok_or_else(closed)?;
        if tenant.seat.is_none() {
            let database = tenant.database;
            tenant.seat = Some(self.with_runtime(|runtime| self.topology.dedicate(database, id, runtime))?);
        }
        Ok(())
    }

    /// Sends what a tenant holds, as far as it may be sent.
    fn flow(&self, state: &mut State<D>, id: TenantId) {
        let State { tenants, requests, backlog, .. } = state;
        let Some(tenant) = tenants.get(id) else { return };
        while let Some(link) = tenant.free_link().cloned()
            && let Some(ticket) = tenant.held.pop_front()
        {
            let Some(pending) = requests.get(ticket) else { continue };
            let Some(stay) = pending.stay.as_mut().filter(|stay| !stay.held.is_empty()) else { continue };
            let units = mem::take(&mut stay.held);
            backlog.remove(&units);
            tenant.residue.sent(stay.number, stay.trace);
            if stay.blocks {
                tenant.blocking = Some(ticket);
            }
            pending.link = Arc::clone(&link);
            for Unit { to, replies, bytes } in units {
                let sequence = link.submit_again(to, replies, bytes);
                pending.set_place(to.part, sequence);
            }
        }
        self.tell_of_room(state);
    }

    /// After something of a tenant came to its end: sends what waited for that or, if that was all, gives its connection
    /// to the next.
    pub(super) fn move_on(&self, state: &mut State<D>, id: TenantId) {
        if !state.tenants.get(id).is_some_and(|tenant| tenant.is_over()) {
            return self.flow(state, id);
        }
        match state.tenants.remove(id) {
            Some(Tenant { seat: Some(Seat::Line(place)), .. }) => self.topology.pool().leave(place),
            Some(Tenant { seat: Some(Seat::Link(link)), residue, .. }) => {
                self.put_back(state, &link, residue.is_none());
                self.serve_line(state);
            }
            _ => {}
        }
    }

    fn put_back(&self, state: &mut State<D>, link: &Arc<Link>, is_clean: bool) {
        let Purpose::Dedicated(number) = link.purpose() else { return };
        if !is_clean || !link.is_connected() {
            self.topology.pool().remove(number);
            return link.close();
        }
        let now = self.clock.now();
        self.topology.pool().put_back(number, now);
        let due = self.idle_ticks().map_or(u64::MAX, |idle| now.saturating_add(idle));
        if due < state.armed {
            state.armed = due;
            self.clock.wake();
        }
    }

    /// Gives connections to those who are first in line.
    fn serve_line(&self, state: &mut State<D>) {
        while let Ok(Some((id, link))) = self.with_runtime(|runtime| Ok(self.topology.serve(runtime))) {
            if let Some(tenant) = state.tenants.get(id) {
                tenant.seat = Some(Seat::Link(link));
                self.flow(state, id);
            }
        }
    }

    /// Lets a unit wait for the connection of its tenant, which may be another one than before.
    pub(super) fn hold_again(&self, state: &mut State<D>, unit: Unit) {
        let State { tenants, requests, backlog, .. } = state;
        let Some(pending) = requests.get(unit.to.ticket) else { return };
        pending.set_place(unit.to.part, NOWHERE);
        let Some(stay) = &mut pending.stay else { return };
        let Some(tenant) = tenants.get(stay.tenant) else { return };
        if tenant.blocking == Some(unit.to.ticket) {
            tenant.blocking = None;
        }
        if stay.held.is_empty() {
            tenant.held.push_back(unit.to.ticket);
        }
        backlog.add(std::slice::from_ref(&unit));
        stay.held.push(unit);
    }

    /// A request of a tenant has come to its end: with its answer, or given up before.
    pub(super) fn leave(&self, state: &mut State<D>, ticket: Ticket, pending: &mut Pending<D>, answered: bool) {
        let Some(stay) = &pending.stay else { return };
        let (id, blocks) = (stay.tenant, stay.blocks);
        self.forget_changes(&stay.changes);
        state.backlog.remove(&stay.held);
        let Some(tenant) = state.tenants.get(id) else { return };
        tenant.requests -= 1;
        if answered || pending.take_back() {
            tenant.used |= answered;
            if tenant.blocking == Some(ticket) {
                tenant.blocking = None;
            }
        } else {
            tenant.used = true;
            tenant.residue.stain();
            if !tenant.is_lease() {
                // Before anybody hears of it: what the server may still do is done for nobody.
                pending.link.close();
            } else if blocks {
                // Nothing more is sent on it, and all that waits will be told why.
                pending.link.break_off(Error::new(Status::Lost, "given up, because the server still waits"));
            }
        }
        self.stop_unblocking(state, id);
        self.move_on(state, id);
        self.tell_of_room(state);
    }

    /// The server confirmed, with the end of this request, that nothing is watched any more; or it did not.
    pub(super) fn note_residue(state: &mut State<D>, ticket: Ticket, verdict: &Verdict) {
        let Some(pending) = state.requests.get(ticket) else { return };
        let Some(stay) = &pending.stay else { return };
        let Some(tenant) = state.tenants.get(stay.tenant) else { return };
        let is_ok = verdict.status == Status::Ok;
        match pending.work {
            Work::Transaction(_) if is_ok || verdict.reply.as_bytes().starts_with(b"EXECABORT") => {
                tenant.residue.unwatched(stay.number);
            }
            // Whether it still queues commands, nobody knows.
            Work::Transaction(_) => tenant.residue.stain(),
            Work::Single if is_ok && stay.trace == Some(Trace::Unwatch) => tenant.residue.unwatched(stay.number),
            _ => {}
        }
    }

    /// A dedicated connection has ended; these were sent on it.
    pub(super) fn dedicated_lost(&self, number: u64, link: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        let mut deliveries = Deliveries::new();
        let mut state = self.state.lock();
        // Whoever gets the link from now on finds it gone: it is taken out under the same lock.
        let unsent = link.take_unsent();
        let tenant = self.topology.pool().remove(number);
        if let Some(id) = tenant
            && let Some(tenant) = state.tenants.get(id)
        {
            tenant.seat = None;
            tenant.blocking = None;
            // What is not sent in the midst of a pipeline stands behind something that was answered.
            tenant.used |= !lost.is_empty() || unsent.first().is_some_and(|unit| unit.to.part != 0);
            if tenant.is_lease() && tenant.used {
                self.lose_lease(&mut state, id, lost, unsent, why, &mut deliveries);
            } else {
                self.move_out(&mut state, id, lost, unsent, why, &mut deliveries);
            }
        }
        self.serve_line(&mut state);
        drop(state);
        self.complete(deliveries);
    }

    /// What was on a connection that has ended moves to another one, as far as it may.
    fn move_out(
        &self,
        state: &mut State<D>,
        id: TenantId,
        lost: Vec<Lost>,
        unsent: Vec<Unit>,
        why: &Error,
        deliveries: &mut Deliveries<D>,
    ) {
        let is_whole = lost.is_empty() && unsent.first().is_none_or(|unit| unit.to.part == 0);
        for unit in lost {
            let Some(pending) = state.requests.get(unit.ticket) else { continue };
            let to = Addressee { ticket: unit.ticket, part: unit.part };
            match self.after_loss(pending, &unit, why, true) {
                AfterLoss::Again(Duration::ZERO) => {
                    self.hold_again(state, Unit { to, replies: unit.replies, bytes: unit.bytes });
                }
                AfterLoss::Again(pause) => self.delay(state, to, &unit.bytes, pause),
                AfterLoss::Answered(verdict) => self.end_with(state, to.ticket, verdict, deliveries),
                AfterLoss::Ended(error, outcome) => self.end_unit(state, to, &error, outcome, deliveries),
            }
        }
        for unit in unsent {
            let Some(pending) = state.requests.get(unit.to.ticket) else { continue };
            if is_whole || pending.stay.as_ref().is_some_and(|stay| !stay.whole) {
                self.hold_again(state, unit);
                continue;
            }
            let error = Error::new(Status::Lost, format!("{}; this command was not sent", why.message));
            self.end_unit(state, unit.to, &error, Outcome::NotRun, deliveries);
        }
        self.proceed(state, id);
    }

    /// Sends what a tenant holds, on a connection that it gets if it has none.
    pub(super) fn proceed(&self, state: &mut State<D>, id: TenantId) {
        let holds = state.tenants.get(id).is_some_and(|tenant| !tenant.held.is_empty());
        // A client that gives no connections any more is ending its requests just now.
        if holds && self.seat(state, id).is_ok() {
            self.flow(state, id);
        }
    }

    fn lose_lease(
        &self,
        state: &mut State<D>,
        id: TenantId,
        lost: Vec<Lost>,
        unsent: Vec<Unit>,
        why: &Error,
        deliveries: &mut Deliveries<D>,
    ) {
        let error = Error::new(Status::LeaseLost, format!("{}; the lease is lost, make a new one", why.message));
        let mut waiting: Vec<Addressee> = unsent.into_iter().map(|unit| unit.to).collect();
        if let Some(tenant) = state.tenants.get(id) {
            tenant.lost = Some(error.clone());
            let held = mem::take(&mut tenant.held);
            held.into_iter().for_each(|ticket| waiting.extend(Self::held_units(state, ticket)));
        }
        for unit in lost {
            let to = Addressee { ticket: unit.ticket, part: unit.part };
            let Some(pending) = state.requests.get(to.ticket) else { continue };
            match self.after_loss(pending, &unit, why, false) {
                AfterLoss::Answered(verdict) => self.end_with(state, to.ticket, verdict, deliveries),
                AfterLoss::Ended(ending, outcome) => {
                    let is_lost = ending.status == Status::Lost;
                    let status = if is_lost { Status::LeaseLost } else { ending.status };
                    let sentence = format!("{}; the lease is lost, make a new one", ending.message);
                    self.end_unit(state, to, &Error::new(status, sentence), outcome, deliveries);
                }
                // Nothing of a lease is sent on a second connection.
                AfterLoss::Again(_) => self.end_unit(state, to, &error, Outcome::NotRun, deliveries),
            }
        }
        for to in waiting {
            self.end_unit(state, to, &error, Outcome::NotRun, deliveries);
        }
    }

    fn end_unit(
        &self,
        state: &mut State<D>,
        to: Addressee,
        error: &Error,
        outcome: Outcome,
        deliveries: &mut Deliveries<D>,
    ) {
        if let Some(verdict) = self.fail_unit(state, to, error, outcome) {
            self.end_with(state, to.ticket, verdict, deliveries);
        }
    }

    fn end_with(&self, state: &mut State<D>, ticket: Ticket, verdict: Verdict, deliveries: &mut Deliveries<D>) {
        if let Some(pending) = self.take(state, ticket) {
            deliveries.extend(pending.responder.finish(verdict));
        }
    }

    fn held_units(state: &mut State<D>, ticket: Ticket) -> Vec<Addressee> {
        let stay = state.requests.get(ticket).and_then(|pending| pending.stay.as_ref());
        stay.map_or_else(Vec::new, |stay| stay.held.iter().map(|unit| unit.to).collect())
    }

    /// Those who wait for a dedicated connection like this one, which cannot be made.
    pub(super) fn waiting_for(&self, link: &Link) -> Vec<Addressee> {
        let Purpose::Dedicated(number) = link.purpose() else { return Vec::new() };
        let mut state = self.state.lock();
        let pool = self.topology.pool();
        let tenants: Vec<TenantId> =
            pool.tenant(number).into_iter().chain(pool.line(link.database())).copied().collect();
        drop(pool);
        let mut waiting = Vec::new();
        for id in tenants {
            let held = state.tenants.get(id).map(|tenant| tenant.held.clone()).unwrap_or_default();
            held.into_iter().for_each(|ticket| waiting.extend(Self::held_units(&mut state, ticket)));
        }
        waiting
    }

    /// Whether a request on a dedicated connection may be sent once more after the server refused it.
    pub(super) fn may_move(state: &mut State<D>, stay: (TenantId, bool)) -> bool {
        let (id, is_whole) = stay;
        !is_whole && state.tenants.get(id).is_some_and(|tenant| !tenant.is_lease())
    }

    fn tell_of_room(&self, state: &mut State<D>) {
        if state.backlog.has_room_again()
            && let Some(link) = self.topology.links().first()
        {
            Self::tell(state, link, &News::Writable);
        }
    }
}
