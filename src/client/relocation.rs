//! How what has a dedicated connection, or waits for one, goes to another node of a cluster: whoever has its slot.
//!
//! Invariant: a session leaves a node when nothing of it is under way there, so that its connection can be another's;
//! and a lease leaves none once the server may have run some of it.

use std::sync::Arc;
use std::time::Duration;

use super::completion::Verdict;
use super::core::Core;
use super::destination::Destination;
use super::fan_out::slot_of_unit;
use super::pending::{Pending, Work};
use super::redirects::{AfterError, is_asking, with_asking, without_asking};
use super::session::Session;
use super::state::State;
use super::unblock::{waits, with_time_left};
use crate::connection::link::Link;
use crate::connection::pool::Checkout;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;
use crate::topology::cluster::refresh::Reason;
use crate::topology::node::{Node, SessionId};

#[cfg(test)]
mod tests;

impl<D: Destination> Core<D> {
    /// Whether a request on a dedicated connection may be sent once more after a server refused it.
    pub(super) fn may_move(&self, state: &mut State<D>, Addressee { ticket, part }: Addressee) -> bool {
        let State { requests, sessions, .. } = state;
        let Some(pending) = requests.get(ticket) else { return false };
        let has_answers = pending.has_answers();
        let is_cluster = self.topology.cluster().is_some();
        let is_last = matches!(&pending.work, Work::Gather(gather) if gather.is_last(part));
        let Some(dedicated) = &pending.dedicated else { return true };
        let is_tied = (dedicated.whole && (is_last || !is_cluster)) || dedicated.abandoned.is_some();
        let session = sessions.get(dedicated.session).filter(|_| !is_tied);
        session.is_some_and(|session| session.may_move(ticket) && (!session.is_lease() || (is_cluster && !has_answers)))
    }

    /// A unit on a dedicated connection that was refused is sent again after a pause, with the time that is left to it;
    /// `target`: to this node, behind ASKING if `asks`.
    pub(super) fn send_dedicated_again(
        &self,
        state: &mut State<D>,
        unit: Unit,
        pause: Duration,
        asks: bool,
        target: Option<Arc<Node>>,
    ) -> AfterError {
        let State { requests, sessions, .. } = &mut *state;
        let dedicated = requests.get(unit.to.ticket).and_then(|pending| pending.dedicated.as_ref());
        let Some(dedicated) = dedicated else { return AfterError::Again };
        let session = dedicated.session;
        let waited = dedicated.sent.filter(|_| dedicated.blocks);
        let Some((unit, pause)) = after_waiting(unit, pause, waited.map(|sent| self.clock.instant() - sent)) else {
            return AfterError::End(Verdict::answered(Status::Ok, Reply::nil()));
        };
        let unit = with_asking(unit, asks);
        if let Some(session) = sessions.get(session)
            && target.is_some()
        {
            session.target = target;
        }
        if pause.is_zero() {
            self.enqueue_again(state, unit);
            self.proceed(state, session);
        } else {
            self.delay(state, unit, pause);
        }
        AfterError::Again
    }

    /// Lets a unit wait for a connection to whoever has its slot just now.
    pub(super) fn enqueue_at_home(&self, state: &mut State<D>, mut unit: Unit) {
        let State { requests, sessions, deferred, .. } = &mut *state;
        let dedicated = requests.get(unit.to.ticket).and_then(|pending| pending.dedicated.as_ref());
        let Some(session) = dedicated.and_then(|dedicated| sessions.get(dedicated.session)) else { return };
        if let Some(cluster) = self.topology.cluster()
            && session.may_move(unit.to.ticket)
            && !(is_asking(&unit) && session.target.is_some())
        {
            without_asking(&mut unit, &mut Vec::new());
            let slot = slot_of_unit(&unit.bytes);
            let owner = slot.map(|slot| cluster.link_of_slot(slot, session.database, deferred));
            match owner {
                Some(Ok(Some(owner))) => session.target = self.topology.node_of(&owner),
                Some(Ok(None)) => self.note(Reason::Uncovered),
                Some(Err(_)) | None => {}
            }
        }
        self.enqueue_again(state, unit);
    }

    /// Lets a session leave its node for the one at which it goes on; false: something is under way yet.
    pub(super) fn reach_target(&self, state: &mut State<D>, id: SessionId) -> bool {
        let State { requests, sessions, .. } = &mut *state;
        let Some(session) = sessions.get(id) else { return false };
        let Some(target) = session.target.clone() else { return true };
        if session.node.as_ref().is_some_and(|node| Arc::ptr_eq(node, &target)) {
            session.target = None;
            return true;
        }
        let trial = session.trial.and_then(|trial| requests.get(trial));
        if trial.is_some_and(|pending| pending.is_under_way()) || session.unblocking.is_some() {
            return false;
        }
        session.target = None;
        let is_clean = std::mem::take(&mut session.dirty_state).is_clean();
        let (node, checkout) = (session.node.clone(), session.checkout.take());
        Self::set_node(state, id, &target);
        if let (Some(node), Some(checkout)) = (node, checkout) {
            self.return_checkout(state, &node, checkout, is_clean);
        }
        true
    }

    /// What a session holds waits for a connection to this node from now on.
    pub(super) fn set_node(state: &mut State<D>, id: SessionId, node: &Arc<Node>) {
        let State { requests, sessions, .. } = state;
        let Some(session) = sessions.get(id) else { return };
        let before = session.node.replace(Arc::clone(node));
        for ticket in &session.waiting {
            let dedicated = requests.get(*ticket).and_then(|pending| pending.dedicated.as_ref());
            if let (Some(before), Some(dedicated)) = (&before, dedicated) {
                before.backlog().remove(&dedicated.waiting);
                node.backlog().add(&dedicated.waiting);
            }
        }
    }

    /// A unit of a pipeline was answered: others may have waited for that before they go to another node.
    pub(super) fn put_dedicated(&self, state: &mut State<D>, to: Addressee, reply: Reply) -> Option<Verdict> {
        let reply = self.answer_of_whole(state, to, reply)?;
        let State { requests, sessions, .. } = &mut *state;
        let Pending { link, work: Work::Gather(gather), dedicated, .. } = requests.get(to.ticket)? else { return None };
        gather.put(to.part, reply);
        if gather.is_complete() {
            return Some(gather.finish(link));
        }
        let id = dedicated.as_ref()?.session;
        let has_target = sessions.get(id)?.target.is_some();
        let is_only_held = gather.is_last_missing() && dedicated.as_ref()?.held.is_some();
        if is_only_held {
            self.enqueue_held(state, to.ticket);
        }
        if has_target || is_only_held {
            self.proceed(state, id);
        }
        None
    }

    /// Another map was found: what waits for a connection that is not there goes to whoever has its slot by now.
    pub(super) fn move_waiting_sessions(&self, state: &mut State<D>) {
        for id in state.sessions.ids() {
            let State { sessions, deferred, .. } = &mut *state;
            let Some(session) = sessions.get(id) else { continue };
            if session.awaits_map
                && let Some(cluster) = self.topology.cluster()
                && let Some(slot) = session.slot
                && let Ok(Some(owner)) = cluster.link_of_slot(slot, session.database, deferred)
            {
                session.awaits_map = false;
                Self::set_node(state, id, &self.topology.node_or_first(&owner));
                self.proceed(state, id);
                continue;
            }
            let units = match &session.checkout {
                _ if session.trial.is_none() => continue,
                Some(Checkout::Link(link)) if !link.is_connected() => link.take_unsent(),
                Some(Checkout::Waiting(_)) => Self::first_waiting(state, id),
                _ => continue,
            };
            for unit in units.into_iter().filter(|unit| unit.to.ticket != Ticket::LOGIN) {
                self.enqueue_at_home(state, unit);
            }
            self.proceed(state, id);
        }
    }

    /// Takes out what of a session is first in line.
    fn first_waiting(state: &mut State<D>, id: SessionId) -> Vec<Unit> {
        let State { requests, sessions, .. } = state;
        let Some(Session { waiting, node: Some(node), .. }) = sessions.get(id) else { return Vec::new() };
        let Some(ticket) = waiting.front().copied() else { return Vec::new() };
        let dedicated = requests.get(ticket).and_then(|pending| pending.dedicated.as_mut());
        let units = dedicated.map(|dedicated| std::mem::take(&mut dedicated.waiting)).unwrap_or_default();
        node.backlog().remove(&units);
        waiting.pop_front();
        units
    }

    /// A server of a cluster refused a command of a lease, with this text, and does not serve it any more: the lease
    /// ends. `None`: it is no lease, or may go to another server.
    pub(super) fn end_lease_for(
        &self,
        state: &mut State<D>,
        link: &Arc<Link>,
        ticket: Ticket,
        text: &[u8],
    ) -> Option<AfterError> {
        self.topology.cluster()?;
        let State { requests, sessions, deferred, .. } = &mut *state;
        let Pending { dedicated, .. } = requests.get(ticket)?;
        let dedicated = dedicated.as_ref().filter(|dedicated| dedicated.abandoned.is_none())?;
        let session = sessions.get(dedicated.session).filter(|session| session.is_lease())?;
        let text = String::from_utf8_lossy(text);
        let why = Error::new(Status::Lost, format!("{}: {text}", link.address()));
        let sentence = format!("{}; the lease is lost, make a new one", why.message);
        let error = Error::new(Status::LeaseLost, sentence);
        session.used = true;
        session.lost = Some(error.clone());
        deferred.abort(Arc::clone(link), why);
        Some(AfterError::End(Verdict::failed(&error, Outcome::NotRun)))
    }
}

/// A unit that is sent again after a pause, when the server has waited with it for so long: with the time that is left
/// to it, after a pause that is no longer. `None`: no time is left.
fn after_waiting(unit: Unit, pause: Duration, waited: Option<Duration>) -> Option<(Unit, Duration)> {
    let Some(waited) = waited.filter(|_| waits(&unit.bytes)) else { return Some((unit, pause)) };
    let bytes = with_time_left(&unit.bytes, waited)?;
    let (bytes, pause) = match with_time_left(&unit.bytes, waited + pause) {
        Some(bytes) => (bytes, pause),
        None => (bytes, Duration::ZERO),
    };
    Some((Unit { bytes, ..unit }, pause))
}
