//! How a request ends before its answer when the server waits with it: CLIENT UNBLOCK asks the server to stop, and what
//! it then answers is awaited, so that no element is taken for nobody.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::attempt::outcome_of;
use super::completion::Verdict;
use super::core::Core;
use super::delayed::Delayed;
use super::destination::{Delivery, Destination, Responder};
use super::end::EarlyEnd;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::request::in_millis;
use super::session::Abandoned;
use super::state::State;
use super::unblock::{Unblock, unblock_commands};
use crate::connection::link::Link;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::error::{Error, Status};
use crate::protocol::reply::{Kind, Reply};
use crate::topology::node::SessionId;

#[cfg(test)]
mod tests;

/// After so long the server is asked again, when it did not wait yet.
const PAUSE: Duration = Duration::from_millis(10);

impl<D: Destination> Core<D> {
    /// Ends a request before its answer, for this reason; `None`: it is over already.
    pub(super) fn end_early(&self, state: &mut State<D>, ticket: Ticket, status: Status) -> Option<EarlyEnd<D>> {
        let pending = state.requests.get(ticket)?;
        if let Some(dedicated) = pending.dedicated.as_ref().filter(|dedicated| dedicated.blocks) {
            let is_asked = dedicated.abandoned.is_some();
            if is_asked || (!Self::cancel_last_unsent(pending) && self.unblock(state, ticket, status)) {
                return Some(EarlyEnd::Later);
            }
        }
        self.remove_unanswered(state, ticket).map(EarlyEnd::Now)
    }

    /// The deadline of a request has passed; takes it out unless its end must wait.
    pub(super) fn time_is_up(&self, state: &mut State<D>, ticket: Ticket) -> Option<Pending<D>> {
        let dedicated = state.requests.get(ticket)?.dedicated.as_ref();
        if dedicated.is_some_and(|dedicated| dedicated.abandoned.is_some()) {
            return self.remove_unanswered(state, ticket);
        }
        match self.end_early(state, ticket, Status::Timeout)? {
            EarlyEnd::Now(pending) => Some(pending),
            EarlyEnd::Later => None,
        }
    }

    /// Whether the unit that the server would wait with was not sent, and now never will be.
    fn cancel_last_unsent(pending: &mut Pending<D>) -> bool {
        pending.cancel_unsent() || pending.last_place() == NOT_QUEUED
    }

    /// Asks the server to stop waiting with a request; false if that cannot be done.
    fn unblock(&self, state: &mut State<D>, ticket: Ticket, status: Status) -> bool {
        let Some(pending) = state.requests.get(ticket) else { return false };
        let (link, place) = (Arc::clone(&pending.link), pending.last_place());
        let number = link.status().server_info.connection;
        let (Some(dedicated), Some(shared)) = (&mut pending.dedicated, self.node().shared_link(link.database())) else {
            return false;
        };
        let session = dedicated.session;
        let bytes = link.bytes_of(place);
        let commands = bytes.as_ref().and_then(|bytes| unblock_commands(bytes, number));
        if bytes.is_some() && commands.is_none() {
            return false;
        }
        dedicated.abandoned = Some(Abandoned { status, refused: None });
        let due = self.clock.due(in_millis(self.config.unblock_grace));
        self.postpone(state, ticket, due);
        // Without its bytes it stands there no more: its answer, or the word of its loss, is on the way here.
        let Some((bytes, replies)) = commands else { return true };
        let Some(unblock) = state.requests.reserve() else { return true };
        let work = Unblock { of: ticket, session, link, bytes, replies, is_settled: false };
        let work = Work::Unblock(Box::new(work));
        if state.hold(unblock, Pending::new(Responder::to_nobody(), &shared, work), Some(due)) {
            self.clock.wake();
        }
        if let Some(session) = state.sessions.get(session) {
            session.unblocking = Some(unblock);
        }
        self.try_to_unblock(state, unblock);
        true
    }

    /// Sets the deadline of a request anew.
    fn postpone(&self, state: &mut State<D>, ticket: Ticket, due: u64) {
        state.deadlines.remove(ticket.index());
        if state.set_deadline(ticket, due) {
            self.clock.wake();
        }
    }

    /// Sends CLIENT UNBLOCK, if the shared connection leads to the same server just now.
    pub(super) fn try_to_unblock(&self, state: &mut State<D>, ticket: Ticket) {
        let Some(pending) = state.requests.get(ticket) else { return };
        let Work::Unblock(unblock) = &pending.work else { return };
        let (here, there) = (pending.link.status(), unblock.link.status());
        let to = Addressee { ticket, part: 0 };
        if here.connected && here.address == there.address {
            let unit = Unit { to, replies: unblock.replies, bytes: unblock.bytes.clone() };
            pending.sequence = pending.link.send(unit);
        } else {
            self.unblock_later(state, ticket);
        }
    }

    fn unblock_later(&self, state: &mut State<D>, ticket: Ticket) {
        let Some(pending) = state.requests.get(ticket) else { return };
        pending.sequence = NOT_QUEUED;
        let to = Addressee { ticket, part: 0 };
        let unit = Unit { to, replies: 0, bytes: Bytes::new() };
        state.delayed.push(Delayed { at: self.clock.instant() + PAUSE, unit });
        self.clock.wake();
    }

    /// The server answered CLIENT UNBLOCK; `None`: it will be asked again.
    pub(super) fn judge_unblock(&self, state: &mut State<D>, to: Addressee, reply: Reply) -> Option<Verdict> {
        let Work::Unblock(unblock) = &mut state.requests.get(to.ticket)?.work else { return None };
        let of = unblock.of;
        let waits = |state: &mut State<D>| !state.requests.is_over(of);
        if reply.kind() == Kind::Error {
            unblock.is_settled = true;
            self.refuse_to_unblock(state, of, String::from_utf8_lossy(reply.as_bytes()).into_owned());
        } else if reply.to_i64() == Some(0) && waits(state) {
            // CLIENT UNBLOCK overtook the blocking command, which is on another connection; try again.
            self.unblock_later(state, to.ticket);
            return None;
        } else if let Work::Unblock(unblock) = &mut state.requests.get(to.ticket)?.work {
            unblock.is_settled = true;
        }
        Some(Verdict::answered(Status::Ok, reply))
    }

    /// The request ends now: its connection has to be closed.
    fn refuse_to_unblock(&self, state: &mut State<D>, ticket: Ticket, text: String) {
        let Some(dedicated) = state.requests.get(ticket).and_then(|pending| pending.dedicated.as_mut()) else { return };
        let Some(abandoned) = &mut dedicated.abandoned else { return };
        abandoned.refused = Some(text);
        self.postpone(state, ticket, 0);
    }

    /// The request is over; the server need not be asked any more, if it was not yet.
    pub(super) fn stop_unblocking(&self, state: &mut State<D>, id: SessionId) {
        let Some(ticket) = state.sessions.get(id).and_then(|session| session.unblocking) else { return };
        if state.requests.get(ticket).is_some_and(Pending::cancel_unsent) {
            self.remove_unanswered(state, ticket);
        }
    }

    /// CLIENT UNBLOCK has come to its end, somehow.
    pub(super) fn unblocked(&self, state: &mut State<D>, unblock: &Unblock, sequence: u64, shared: &Link) {
        let Some(session) = state.sessions.get(unblock.session) else { return };
        session.unblocking = None;
        if !unblock.is_settled && sequence != NOT_QUEUED && !shared.withdraw(sequence) {
            // It may still come to the server, and unblock whatever then waits there.
            session.dirty_state.mark_dirty();
            let why = Error::new(Status::Lost, "given up, because CLIENT UNBLOCK may still come");
            state.deferred.abort(Arc::clone(&unblock.link), why);
        }
        self.move_on(state, unblock.session);
    }

    /// What the answer to a request means that was given up meanwhile: if the server had nothing to give until it was
    /// asked to stop, it has done nothing.
    pub(super) fn verdict_after_unblocking(&self, pending: &Pending<D>, reply: &Reply) -> Option<Verdict> {
        let abandoned = pending.dedicated.as_ref()?.abandoned.as_ref().filter(|_| reply.kind() == Kind::Nil)?;
        // An earlier attempt may have done something all the same.
        let outcome = outcome_of(pending.attempts.as_deref(), false);
        let sentence = format!("{}; the server stopped waiting and had done nothing", self.why(pending, abandoned));
        Some(Verdict::failed(&Error::new(abandoned.status, sentence), outcome))
    }

    /// Ends a request with which the server may still be waiting, on a connection that was closed for that.
    pub(super) fn abort_blocked(&self, pending: Pending<D>, abandoned: Abandoned) -> Option<Delivery> {
        let why = self.why(&pending, &abandoned);
        let sentence = match &abandoned.refused {
            Some(refused) => format!("{why}; its connection was closed, because CLIENT UNBLOCK was refused: {refused}"),
            None => {
                let grace = self.config.unblock_grace.as_millis();
                format!("{why}; its connection was closed, because CLIENT UNBLOCK had no effect within {grace} ms")
            }
        };
        self.abort(pending, abandoned.status, &|_| sentence.clone())
    }

    fn why(&self, pending: &Pending<D>, abandoned: &Abandoned) -> String {
        let address = pending.link.address();
        match abandoned.status {
            Status::Timeout => format!("{address}: no answer within {} ms", pending.timeout),
            Status::Closed => "the client was closed".to_string(),
            _ => format!("{address}: cancelled while the server waited with it"),
        }
    }
}
