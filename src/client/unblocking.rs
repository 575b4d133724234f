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
use super::redirects::command_of;
use super::request::in_millis;
use super::retry::Refusal;
use super::session::{Abandoned, Interruption};
use super::state::State;
use super::unblock::{Unblock, can_wait_anew, unblock_commands, with_time_left};
use crate::connection::link::Link;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::error::{Error, Status};
use crate::protocol::reply::{Kind, Reply};
use crate::topology::node::SessionId;

#[cfg(test)]
mod tests;

/// After so long the server is asked again, when it did not wait yet.
const PAUSE: Duration = Duration::from_millis(10);

/// What asks a server to stop waiting with a request.
enum Commands {
    /// It cannot be asked.
    None,
    /// It need not be asked: its answer, or the word of its loss, is on the way here.
    Late,
    Some(Box<Unblock>),
}

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
        let commands = self.commands_to_unblock(ticket, pending);
        let Some(dedicated) = &mut pending.dedicated else { return false };
        if matches!(commands, Commands::None) {
            return false;
        }
        let session = dedicated.session;
        dedicated.abandoned = Some(Abandoned { status, refused: None });
        let due = self.clock.due(in_millis(self.config.unblock_grace));
        self.postpone(state, ticket, due);
        // It may be asked already, so that its connection can be authenticated.
        let is_asked = state.sessions.get(session).is_some_and(|session| session.unblocking.is_some());
        if let Commands::Some(unblock) = commands
            && !is_asked
        {
            self.ask_to_unblock(state, *unblock, Some(due));
        }
        true
    }

    /// What asks the server to stop waiting with this request.
    fn commands_to_unblock(&self, of: Ticket, pending: &Pending<D>) -> Commands {
        let Some(dedicated) = &pending.dedicated else { return Commands::None };
        let link = &pending.link;
        if self.topology.node_or_first(link).shared_link(link.database()).is_none() {
            return Commands::None;
        }
        let Some(blocking) = link.bytes_of(pending.last_place()) else { return Commands::Late };
        match unblock_commands(command_of(&blocking), link.status().server_info.connection) {
            None => Commands::None,
            Some((bytes, replies)) => {
                let (session, link) = (dedicated.session, Arc::clone(link));
                Commands::Some(Box::new(Unblock { of, session, link, bytes, replies, is_settled: false }))
            }
        }
    }

    fn ask_to_unblock(&self, state: &mut State<D>, unblock: Unblock, due: Option<u64>) {
        let shared = self.topology.node_or_first(&unblock.link).shared_link(unblock.link.database());
        let Some(shared) = shared else { return };
        let (session, Some(ticket)) = (unblock.session, state.requests.reserve()) else { return };
        let work = Work::Unblock(Box::new(unblock));
        if state.hold(ticket, Pending::new(Responder::to_nobody(), &shared, work), due) {
            self.clock.wake();
        }
        if let Some(session) = state.sessions.get(session) {
            session.unblocking = Some(ticket);
        }
        self.try_to_unblock(state, ticket);
    }

    /// Asks the server to stop waiting with a request, which is then sent again with the time that is left. Does
    /// nothing where that cannot be done.
    pub(super) fn interrupt(&self, state: &mut State<D>, ticket: Ticket) {
        if let Some(unblock) = self.begin_interruption(state, ticket) {
            self.ask_to_unblock(state, unblock, None);
        }
    }

    /// The same by somebody who speaks with that server on a connection of its own: gives what is to be said, and how
    /// many replies that gets.
    pub(super) fn interrupt_from_outside(&self, state: &mut State<D>, ticket: Ticket) -> Option<(Bytes, u32)> {
        let Unblock { bytes, replies, .. } = self.begin_interruption(state, ticket)?;
        Some((bytes, replies))
    }

    fn begin_interruption(&self, state: &mut State<D>, ticket: Ticket) -> Option<Unblock> {
        let pending = state.requests.get(ticket)?;
        let place = pending.last_place();
        let Commands::Some(unblock) = self.commands_to_unblock(ticket, pending) else { return None };
        let (link, is_single) = (Arc::clone(&pending.link), matches!(pending.work, Work::Single));
        let bytes = link.bytes_of(place).map(|bytes| Bytes::copy_from_slice(command_of(&bytes)))?;
        let dedicated = pending.dedicated.as_mut()?;
        let may_ask = is_single && !dedicated.whole && dedicated.abandoned.is_none();
        let may_ask = may_ask && dedicated.interruption != Some(Interruption::Refused) && can_wait_anew(&bytes);
        let is_asked = state.sessions.get(unblock.session).is_none_or(|session| session.unblocking.is_some());
        if !may_ask || is_asked {
            return None;
        }
        let unit = Unit { to: Addressee { ticket, part: 0 }, replies: 1, bytes };
        dedicated.interruption = Some(Interruption::Asked(unit));
        Some(*unblock)
    }

    /// The server has answered a request whose wait was interrupted with nothing: sends it again, if there is time
    /// left. False: that was its answer.
    pub(super) fn resume(&self, state: &mut State<D>, ticket: Ticket, reply: &Reply) -> bool {
        let Some(dedicated) = state.requests.get(ticket).and_then(|pending| pending.dedicated.as_mut()) else {
            return false;
        };
        let (session, sent) = (dedicated.session, dedicated.sent);
        let Some(Interruption::Asked(unit)) = dedicated.interruption.take() else { return false };
        if reply.kind() != Kind::Nil || dedicated.abandoned.is_some() {
            return false;
        }
        let waited = sent.map(|sent| self.clock.instant().saturating_duration_since(sent)).unwrap_or_default();
        let Some(bytes) = with_time_left(&unit.bytes, waited) else { return false };
        self.enqueue_again(state, Unit { bytes, ..unit });
        self.proceed(state, session);
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
        let session = unblock.session;
        let waits = |state: &mut State<D>| {
            let is_blocking = state.sessions.get(session).is_some_and(|session| session.blocking == Some(of));
            is_blocking && !state.requests.is_over(of)
        };
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
        if dedicated.interruption.is_some() {
            dedicated.interruption = Some(Interruption::Refused);
        }
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
            // What is to be sent again after it is so however often it comes.
            let is_interrupted = state.requests.get(unblock.of).is_some_and(|pending| {
                let dedicated = pending.dedicated.as_ref();
                dedicated.is_some_and(|dedicated| dedicated.interruption.is_some() && dedicated.abandoned.is_none())
            });
            if is_interrupted {
                return self.move_on(state, unblock.session);
            }
            let why = Error::new(Status::Lost, "given up, because CLIENT UNBLOCK may still come");
            state.deferred.abort(Arc::clone(&unblock.link), why);
        }
        self.move_on(state, unblock.session);
    }

    /// What the answer to a request means that was given up meanwhile: if the server had nothing to give until it was
    /// asked to stop, or says that it cannot serve it, it has done nothing.
    pub(super) fn verdict_after_unblocking(&self, pending: &Pending<D>, reply: &Reply) -> Option<Verdict> {
        let did_nothing =
            reply.kind() == Kind::Nil || (reply.is_error() && Refusal::of_text(reply.as_bytes()).is_some());
        let abandoned = pending.dedicated.as_ref()?.abandoned.as_ref().filter(|_| did_nothing)?;
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
        self.abort(pending, abandoned.status, &|_, _| sentence.clone())
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
