//! What follows when a node of a cluster sends a unit to another one, and how units come to other links.
//!
//! Invariant: ASKING and what it is for are one unit, so that nothing comes between them; a unit that is sent again
//! goes without it, unless it was asked for again.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::attempt::{Event, Next, REDIRECTS, Redirected, Terms};
use super::completion::Verdict;
use super::core::Core;
use super::destination::Destination;
use super::pending::Pending;
use super::retry::may_be_written_by_code;
use super::state::State;
use crate::address::Address;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::unit::Unit;
use crate::error::{Outcome, Status};
use crate::protocol::command;
use crate::protocol::reply::Reply;
use crate::topology::cluster::Cluster;
use crate::topology::cluster::redirect::{Kind, Redirect};
use crate::topology::cluster::refresh::Reason;
use crate::topology::cluster::slot_map::Change;

#[cfg(test)]
mod tests;

/// Lets the next command, or transaction, use a slot that is being moved to the node.
const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

/// A server that answered after so long had what it then sent away.
const LASTING: Duration = Duration::from_secs(1);

/// What an error reply means for the unit that it answers.
pub(super) enum AfterError {
    /// The unit is sent again.
    Again,
    /// It ends so.
    End(Verdict),
    /// It is the answer, with this outcome.
    Answer(Outcome),
}

pub(super) fn is_asking(unit: &Unit) -> bool {
    unit.bytes.starts_with(ASKING)
}

/// What stands behind ASKING in the bytes of a unit, if that is there.
pub(super) fn command_of(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(ASKING).unwrap_or(bytes)
}

/// Takes ASKING away from a unit, and the reply to it from those that came; whether it had it.
pub(super) fn without_asking(unit: &mut Unit, replies: &mut Vec<Reply>) -> bool {
    let is_asking = is_asking(unit);
    if is_asking {
        unit.bytes = unit.bytes.slice(ASKING.len()..);
        unit.replies -= 1;
        // What it was answered does not matter: what is behind it is answered for itself.
        replies.drain(..replies.len().min(1));
    }
    is_asking
}

/// The same unit behind ASKING, if it is to be.
pub(super) fn with_asking(unit: Unit, is_asking: bool) -> Unit {
    if !is_asking {
        return unit;
    }
    let mut bytes = BytesMut::with_capacity(ASKING.len() + unit.bytes.len());
    bytes.extend_from_slice(ASKING);
    bytes.extend_from_slice(&unit.bytes);
    Unit { bytes: bytes.freeze(), replies: unit.replies + 1, ..unit }
}

/// What another node than the one that was asked answers is not kept (and CLIENT CACHING and ASKING undo each other).
fn without_tracking<D: Destination>(pending: &mut Pending<D>, unit: Unit) -> Unit {
    if !pending.is_to_be_kept(unit.to.part) {
        return unit;
    }
    pending.keep_nothing(unit.to.part);
    match command::commands(&unit.bytes).last() {
        Some(range) => Unit { bytes: unit.bytes.slice(range), replies: 1, ..unit },
        None => unit,
    }
}

impl<D: Destination> Core<D> {
    /// A node refused a unit because another one has its slot: sends it there, as often as that may help.
    pub(super) fn after_redirect(
        &self,
        state: &mut State<D>,
        link: &Arc<Link>,
        unit: &Unit,
        (kind, text): (Kind, &[u8]),
        is_tied: bool,
    ) -> AfterError {
        let Some(cluster) = self.topology.cluster() else { return AfterError::Answer(Outcome::Answered) };
        let Some(pending) = state.requests.get(unit.to.ticket) else { return AfterError::Again };
        let is_dedicated = pending.dedicated.is_some();
        let unit = &without_tracking(pending, unit.clone());
        let by = Address::parse(&link.address()).unwrap_or_default();
        let redirect = Redirect::parse(text, &by).ok();
        let to = redirect.as_ref().and_then(|redirect| redirect.to.as_ref());
        // Code may hand out what others have stored: that must not lead this client, its password and a whole slot to a
        // server of theirs.
        if to.is_some_and(|to| !cluster.may_have(to)) && may_be_written_by_code(&unit.bytes) {
            self.note(Reason::UnknownNode);
            return AfterError::Answer(Outcome::Answered);
        }
        if let (Kind::Moved, Some(to), Some(redirect)) = (kind, to, &redirect) {
            let before = cluster.primary_of(redirect.slot);
            self.note_move(cluster, link, redirect.slot, (&by, to));
            // What comes from now on must not overtake what waits there.
            if let Some(before) = before.filter(|before| cluster.primary_of(redirect.slot).as_ref() != Some(before)) {
                self.move_what_waits(state, |link| link.endpoints().first().as_ref() == Some(&before));
            }
        }
        if is_tied && let Some(end) = self.end_lease_for(state, link, unit.to.ticket, text) {
            return end;
        }
        let State { requests, deferred, .. } = &mut *state;
        let Some(pending) = requests.get(unit.to.ticket) else { return AfterError::Again };
        let target = to.map(|to| cluster.link_at(to, link.database(), deferred)).and_then(Result::ok);
        match &target {
            Some(target) => target.dial_now(),
            None => self.note(Reason::UnknownNode),
        }
        let sent = pending.dedicated.as_ref().and_then(|dedicated| dedicated.sent);
        if sent.is_some_and(|sent| self.clock.instant().saturating_duration_since(sent) > LASTING)
            && let Some(attempts) = pending.attempts(unit.to.part)
        {
            attempts.forget_redirects();
        }
        let terms = Terms { may_run_twice: false, is_tied, max_attempts: self.config.max_attempts };
        let redirected = Redirected { kind, text, by: &by, to: to.filter(|_| target.is_some()) };
        let event = match &redirect {
            // Nobody knows where that is, until the nodes do or the slot has arrived: a repair to be waited for.
            Some(Redirect { to: None, .. }) => Event::Refused(text),
            _ => Event::Redirected(redirected),
        };
        let next = pending.after(unit.to.part, event, &terms);
        let asks = kind == Kind::Ask && target.is_some();
        match (next, target) {
            (Next::Send(pause), target) if is_dedicated => {
                let node = target.and_then(|target| self.topology.node_of(&target));
                self.send_dedicated_again(state, unit.clone(), pause, asks, node)
            }
            (Next::Send(pause), target) => {
                if let Some(target) = &target {
                    pending.set_link(unit.to.part, target);
                }
                let again = pending.refused(with_asking(unit.clone(), asks), pause.is_zero() && target.is_some());
                match (again, target) {
                    (None, _) => {}
                    (Some(unit), Some(target)) if pause.is_zero() => self.place(pending, &target, unit),
                    (Some(unit), _) => self.delay(state, unit, pause),
                }
                AfterError::Again
            }
            (Next::GiveUp(outcome), _) => {
                let text = String::from_utf8_lossy(text);
                let sentence = format!("{by}: the cluster redirected it {REDIRECTS} times, the last time with: {text}");
                AfterError::End(refused(&sentence, outcome))
            }
            (Next::Complete(outcome) | Next::Fail(outcome), _) => AfterError::Answer(outcome),
        }
    }

    /// The node of a link said that a slot has moved.
    pub(super) fn note_move(&self, cluster: &Cluster, link: &Link, slot: u16, (by, to): (&Address, &Address)) {
        match cluster.apply_moved(slot, by, to) {
            // Its name leads to another machine by now.
            Change::Itself => {
                link.reconnect();
                self.note(Reason::UnknownNode);
            }
            Change::TooMany => self.note(Reason::UnknownNode),
            Change::Known | Change::Promoted | Change::Taken | Change::Begun => self.note(Reason::Moved),
        }
    }

    /// Sends a unit again: to whoever has its slot by now or, behind ASKING, to whoever is getting it.
    pub(super) fn put_again(&self, state: &mut State<D>, mut unit: Unit) {
        if !is_asking(&unit) {
            let Some(not_read) = self.read_again(state, unit) else { return };
            unit = not_read;
        }
        let State { requests, deferred, .. } = state;
        let Some(pending) = requests.get(unit.to.ticket) else { return };
        let link = Arc::clone(pending.link_of(unit.to.part));
        if is_asking(&unit) && !link.is_closed() {
            return self.place(pending, &link, unit);
        }
        without_asking(&mut unit, &mut Vec::new());
        let link = self.link_again(&link, pending.bound(unit.to.part), &unit.bytes, deferred);
        self.place(pending, &link, unit);
    }

    /// A unit gets a place at this link.
    pub(super) fn put_at(&self, state: &mut State<D>, link: &Arc<Link>, unit: Unit) {
        if let Some(pending) = state.requests.get(unit.to.ticket) {
            self.place(pending, link, unit);
        }
    }

    pub(super) fn place(&self, pending: &mut Pending<D>, link: &Arc<Link>, unit: Unit) {
        let part = unit.to.part;
        let sequence = self.resend(link, unit);
        pending.set_link(part, link);
        pending.set_place(part, sequence);
    }

    /// What waits at those of these links that are not connected goes to whoever has its slot by now.
    pub(super) fn move_what_waits(&self, state: &mut State<D>, is_one: impl Fn(&Link) -> bool) {
        let is_shared = |link: &Arc<Link>| matches!(link.purpose(), Purpose::Commands(_)) && is_one(link);
        let links = self.topology.links().into_iter().filter(is_shared);
        for link in links.filter(|link| !link.is_connected()) {
            for mut unit in link.take_unsent() {
                let Some(ticket) = self.go_on_with(state, &link, unit.to.ticket) else { continue };
                unit.to.ticket = ticket;
                without_asking(&mut unit, &mut Vec::new());
                self.put_again(state, unit);
            }
        }
    }
}

/// A server's refusal, in these words.
fn refused(sentence: &str, outcome: Outcome) -> Verdict {
    let reply = Reply::error(Status::Server, outcome, sentence);
    Verdict { status: Status::Server, outcome, reply }
}
