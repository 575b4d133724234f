//! What a link tells, and what that means for the requests that wait: an answer, another attempt, an end.

use std::collections::vec_deque::Drain;
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Event, Loss, Next, Terms, outcome_of};
use super::completion::Verdict;
use super::core::Core;
use super::destination::{Deliveries, Destination};
use super::fan_out::slot_of_unit;
use super::gather::Bound;
use super::pending::{Pending, Work};
use super::redirects::{AfterError, with_asking, without_asking};
use super::retry::{self, Refusal};
use super::state::State;
use super::transaction::{End, Transaction};
use crate::connection::answers::Answers;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::recipient::{LinkEvent, Recipient};
use crate::connection::sink::{Completion, Sink};
use crate::connection::unit::{Addressee, Answer, Exchange, Lost, Ticket, Unit};
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;
use crate::topology::cluster::refresh::Reason;
use crate::topology::rediscovery::Advice;

#[cfg(test)]
mod tests;

/// What becomes of a unit that was lost with its connection.
pub(super) enum AfterLoss {
    /// It is sent again, after this pause.
    Again(Duration),
    /// What the server said before was its answer.
    Answered(Verdict),
    /// It ends, for this reason.
    Ended(Error, Outcome),
}

impl<D: Destination> Core<D> {
    /// What an answer means; `None`: the request goes on.
    fn judge(&self, state: &mut State<D>, link: &Arc<Link>, answer: Answer) -> Option<Verdict> {
        let Answer { to, reply, exchange } = answer;
        if to.ticket == Ticket::LOGIN {
            link.on_login_reply(exchange.and_then(|exchange| exchange.earlier.into_iter().next()).as_ref());
            return None;
        }
        // Nearly all are like this.
        if let Some(pending) = state.requests.get(to.ticket)
            && let (Work::Single, None, None) = (&pending.work, &pending.dedicated, &exchange)
        {
            return Some(Verdict::answered(Status::Ok, reply));
        }
        if self.resume(state, to.ticket, &reply) {
            return None;
        }
        let mut reply = reply;
        let is_error = reply.is_error();
        let Exchange { request, mut earlier } = exchange.map(|exchange| *exchange).unwrap_or_default();
        let mut unit = Unit { to, replies: earlier.len() as u32 + 1, bytes: request };
        let is_asking = without_asking(&mut unit, &mut earlier);
        if is_error {
            match self.after_error(state, link, (&unit, is_asking), &reply) {
                AfterError::Again => return None,
                AfterError::End(verdict) => reply = verdict.reply,
                AfterError::Answer(Outcome::Answered) => {}
                AfterError::Answer(outcome) => {
                    let text = String::from_utf8_lossy(reply.as_bytes());
                    reply = Reply::error(Status::Server, outcome, &text);
                }
            }
        }
        let answered = |reply: Reply| match reply.is_error() {
            true => {
                let (status, outcome) = (reply.status_code(), reply.outcome().unwrap_or(Outcome::Answered));
                Verdict { status: status.unwrap_or(Status::Server), outcome, reply }
            }
            false => Verdict::answered(Status::Ok, reply),
        };
        let pending = state.requests.get(to.ticket)?;
        let mut next = Vec::new();
        let verdict = match &mut pending.work {
            Work::Single => match self.verdict_after_unblocking(pending, &reply) {
                Some(verdict) => Some(verdict),
                None => Some(answered(reply)),
            },
            Work::Ping(..) => Some(answered(reply)),
            Work::Cached(fill) => {
                fill.check(&earlier);
                Some(answered(reply))
            }
            Work::Script(script) => {
                if !is_error {
                    self.topology.with_node_of(link, |node| node.learn_script(script.id(), link));
                }
                Some(answered(reply))
            }
            Work::Transaction => match Transaction::of(&earlier, &unit.bytes).end(reply) {
                End::Answered(verdict) => Some(verdict),
                End::NotRun(refusal, text, verdict) => {
                    match self.after_refusal(state, link, &unit, (refusal, text.as_bytes())) {
                        AfterError::Again => None,
                        AfterError::End(verdict) => Some(verdict),
                        AfterError::Answer(_) => Some(verdict),
                    }
                }
                End::Impossible(sentence) => Some(Self::out_of_step(state, link, &sentence)),
            },
            Work::Gather(gather) if pending.dedicated.is_none() => {
                if let Some(mut fill) = gather.take_fill(to.part) {
                    fill.check(&earlier);
                    fill.keep_reply(&reply);
                }
                gather.put(to.part, reply);
                next = gather.next_of_slot(to.part);
                gather.is_complete().then(|| gather.finish(&pending.link))
            }
            Work::Gather(_) => self.put_dedicated(state, to, reply),
            Work::Unblock(_) => self.judge_unblock(state, to, reply),
            Work::Slots(round) => Some(self.judge_slots(link, *round, reply)),
            Work::Replication => Some(self.judge_replication(state, link, reply)),
            Work::Held(_) | Work::Events | Work::Subscription(_) | Work::Change(_) => None,
        };
        next.into_iter().for_each(|unit| self.put_again(state, unit));
        verdict.inspect(|verdict| Self::update_dirty_state(state, to.ticket, verdict))
    }

    /// The server answered what no server answers: its connection is given up, and what it did is not known.
    fn out_of_step(state: &mut State<D>, link: &Arc<Link>, sentence: &str) -> Verdict {
        let error = Error::new(Status::Protocol, format!("{}: {sentence}", link.address()));
        state.deferred.abort(Arc::clone(link), Error::new(Status::Protocol, sentence));
        Verdict::failed(&error, Outcome::Unknown)
    }

    /// Sends a unit again whose error reply proves that it was not run, as often as that may help.
    fn after_error(
        &self,
        state: &mut State<D>,
        link: &Arc<Link>,
        (unit, is_asking): (&Unit, bool),
        reply: &Reply,
    ) -> AfterError {
        let (to, request) = (unit.to, &unit.bytes);
        let answer = AfterError::Answer(Outcome::Answered);
        let Some(pending) = state.requests.get(to.ticket) else { return answer };
        if let Work::Script(script) = &pending.work
            && let Some(again) = self.scripts.lock().after_error(reply.as_bytes(), script, request)
        {
            if again.is_forbidden {
                self.topology.with_node_of(link, |node| node.forbid_script(script.id(), link));
            }
            let unit = with_asking(Unit { to, replies: 1, bytes: again.eval.into() }, is_asking);
            pending.sequence = self.resend(link, unit);
            return AfterError::Again;
        }
        if matches!(pending.work, Work::Transaction | Work::Unblock(_) | Work::Slots(_) | Work::Replication) {
            return answer;
        }
        let refusal = match self.topology.cluster() {
            None => Refusal::of(reply.as_bytes(), request),
            Some(_) => Refusal::of_slot(reply.as_bytes(), request, slot_of_unit(request)),
        };
        match refusal {
            Some(refusal) => self.after_refusal(state, link, unit, (refusal, reply.as_bytes())),
            None => answer,
        }
    }

    /// Sends a unit again that the server refused, with this text, before it ran anything, if that may help.
    fn after_refusal(
        &self,
        state: &mut State<D>,
        link: &Arc<Link>,
        unit: &Unit,
        (refusal, text): (Refusal, &[u8]),
    ) -> AfterError {
        let to = unit.to;
        let Some(pending) = state.requests.get(to.ticket) else { return AfterError::Again };
        let is_dedicated = pending.dedicated.is_some();
        let is_bound = pending.bound(to.part) == Bound::Node && matches!(refusal, Refusal::Redirected(_));
        let is_tied = is_bound || !self.may_move(state, to);
        let terms = Terms { may_run_twice: false, is_tied, max_attempts: self.config.max_attempts };
        let event = match refusal {
            // Whoever may answer is sought, but not the primary if it must not.
            _ if self.topology.replicas().has(link) => {
                self.topology.replicas().pass_over(link);
                self.note(Reason::Moved);
                Event::Refused(text)
            }
            Refusal::Redirected(kind) => return self.after_redirect(state, link, unit, (kind, text), is_tied),
            Refusal::NotPrimary if is_tied => match self.end_lease_for(state, link, to.ticket, text) {
                Some(end) => return end,
                None => Event::Refused(text),
            },
            Refusal::NotPrimary => {
                self.note(Reason::ReadOnly);
                self.look_for_primary(state, link, text)
            }
            Refusal::NotReady => {
                if text.starts_with(b"CLUSTERDOWN") {
                    self.note(Reason::Uncovered);
                }
                Event::Refused(text)
            }
        };
        let Some(pending) = state.requests.get(to.ticket) else { return AfterError::Again };
        match pending.after(to.part, event, &terms) {
            Next::Send(pause) if is_dedicated => self.send_dedicated_again(state, unit.clone(), pause, false, None),
            Next::Send(pause) => {
                if let Some(unit) = pending.refused(unit.clone(), false) {
                    self.delay(state, unit, pause);
                }
                AfterError::Again
            }
            Next::Complete(outcome) | Next::GiveUp(outcome) | Next::Fail(outcome) => AfterError::Answer(outcome),
        }
    }

    /// The server of a link is no primary: looks for a better one, as often as that may help.
    fn look_for_primary<'a>(&self, state: &mut State<D>, link: &Arc<Link>, text: &'a [u8]) -> Event<'a> {
        let now = self.clock.instant();
        self.topology.with_node_of(link, |node| match node.rediscover(link, now) {
            Advice::Look => {
                node.reconnect(link, &mut state.deferred);
                Event::Refused(text)
            }
            Advice::Wait => Event::Refused(text),
            Advice::Believe => Event::RefusedForGood,
        })
    }

    /// What becomes of a unit that was lost with its connection: after which pause it is sent again, or its end.
    /// `may_move`: it may be sent on another connection.
    pub(super) fn after_loss(&self, pending: &mut Pending<D>, lost: &Lost, why: &Error, may_move: bool) -> AfterLoss {
        let Lost { unit, is_next, is_whole, received } = lost;
        let (is_next, is_whole) = (*is_next, *is_whole);
        let is_own = matches!(pending.work, Work::Unblock(_) | Work::Slots(_) | Work::Replication);
        let transaction = matches!(pending.work, Work::Transaction).then(|| Transaction::of(received, &unit.bytes));
        let abandoned = pending
            .dedicated
            .as_ref()
            .and_then(|dedicated| dedicated.abandoned.as_ref())
            .map(|abandoned| abandoned.status);
        let is_whole_only = pending.dedicated.as_ref().is_some_and(|dedicated| dedicated.whole);
        let loss = Loss {
            is_whole,
            is_culprit: is_next && why.status != Status::Lost,
            block: transaction.as_ref().map(Transaction::block),
        };
        let terms = Terms {
            may_run_twice: pending.is_to_be_kept(unit.to.part) || retry::may_run_twice(&unit.bytes, pending.idempotent),
            is_tied: !may_move || is_own || is_whole_only || abandoned.is_some(),
            max_attempts: self.config.max_attempts,
        };
        let passing = transaction.as_ref().and_then(Transaction::passing_refusal);
        let event = passing.map_or(Event::Lost(loss), |text| Event::Refused(text.as_bytes()));
        let outcome = match pending.after(unit.to.part, event, &terms) {
            Next::Send(pause) => return AfterLoss::Again(pause),
            Next::Complete(outcome) => match transaction.as_ref().and_then(Transaction::refusal) {
                Some(verdict) => return AfterLoss::Answered(verdict),
                None => outcome,
            },
            Next::Fail(outcome) | Next::GiveUp(outcome) => outcome,
        };
        let lost = pending.attempts(unit.to.part).as_ref().map_or(1, |attempts| attempts.lost());
        let status = match abandoned {
            _ if loss.is_culprit => why.status,
            Some(status) => status,
            None => Status::Lost,
        };
        let end = match (outcome, lost) {
            (Outcome::NotRun, 1) => "the command was being written, it was not run".to_string(),
            (Outcome::NotRun, _) => format!("the command was being written, {lost} times, it was not run"),
            _ => "the command was sent, it may have run".to_string(),
        };
        AfterLoss::Ended(Error::new(status, format!("{}; {end}", why.message)), outcome)
    }

    /// Ends one unit of a request that will not be sent (again); the verdict if that was the last.
    pub(super) fn fail_unsent(&self, state: &mut State<D>, to: Addressee, error: &Error) -> Option<Verdict> {
        let attempts = state.requests.get(to.ticket)?.attempts(to.part).as_deref();
        match outcome_of(attempts, false) {
            Outcome::Unknown => {
                let sentence = format!("{}; the command was sent before, it may have run", error.message);
                self.fail_unit(state, to, &Error::new(error.status, sentence), Outcome::Unknown)
            }
            outcome => self.fail_unit(state, to, error, outcome),
        }
    }

    /// Ends one unit of a request without an answer; the verdict if that was the last.
    pub(super) fn fail_unit(
        &self,
        state: &mut State<D>,
        to: Addressee,
        error: &Error,
        outcome: Outcome,
    ) -> Option<Verdict> {
        let pending = state.requests.get(to.ticket)?;
        match &mut pending.work {
            Work::Gather(gather) => {
                gather.put(to.part, Reply::error(error.status, outcome, &error.message));
                let next = gather.next_of_slot(to.part);
                let verdict = gather.is_complete().then(|| gather.finish(&pending.link));
                next.into_iter().for_each(|unit| self.put_again(state, unit));
                verdict
            }
            _ => Some(Verdict::failed(error, outcome)),
        }
    }

    /// Gives each item to `judge` under one lock and completes those that are over. `place` tells which request an item
    /// is for; `judge` finds there the name under which the client goes on with it.
    fn settle<T>(
        &self,
        link: &Arc<Link>,
        items: impl Iterator<Item = T>,
        place: impl Fn(&mut T) -> &mut Ticket,
        mut judge: impl FnMut(&mut State<D>, T) -> Option<Verdict>,
    ) {
        let mut deliveries = Deliveries::with_capacity(items.size_hint().0);
        let mut fills = Vec::new();
        let mut state = self.state.lock();
        for mut item in items {
            let Some(ticket) = self.go_on_with(&mut state, link, *place(&mut item)) else { continue };
            *place(&mut item) = ticket;
            if let Some(verdict) = judge(&mut state, item)
                && let Some(Pending { responder, work, .. }) = self.take(&mut state, ticket)
                && let Some(delivery) = responder.finish(verdict)
            {
                if let Work::Cached(fill) = work {
                    fills.push((fill, deliveries.len()));
                }
                deliveries.push(delivery);
            }
        }
        drop(state);
        // Copies take a while: not under the lock, and in time before the next message.
        for (fill, place) in fills {
            fill.keep(&deliveries[place].completion);
        }
        self.complete(deliveries);
    }
}

impl<D: Destination> Recipient<Link> for Core<D> {
    fn answered(&self, link: &Arc<Link>, answers: &mut Answers) {
        let complete = |sink: Arc<dyn Sink>, completions: Drain<'_, Completion>| {
            let count = completions.len();
            sink.deliver(completions);
            self.count_delivered(count);
        };
        answers.drain(complete, |answers| {
            let judge = |state: &mut State<D>, answer| self.judge(state, link, answer);
            self.settle(link, answers, |answer| &mut answer.to.ticket, judge);
        });
    }

    fn on_pushes(&self, _link: &Arc<Link>, messages: &mut Vec<Reply>) {
        self.invalidate(messages);
    }

    fn tracking_ended(&self, link: &Arc<Link>) {
        self.forget_origin(link);
    }

    fn lost(&self, link: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        if let Purpose::Dedicated(number) = link.purpose() {
            return self.dedicated_lost(number, link, lost, why);
        }
        self.note(Reason::Lost);
        let judge = |state: &mut State<D>, mut lost: Lost| {
            let to = lost.unit.to;
            without_asking(&mut lost.unit, &mut lost.received);
            let pending = state.requests.get(to.ticket)?;
            match self.after_loss(pending, &lost, why, true) {
                AfterLoss::Again(Duration::ZERO) => {
                    self.put_again(state, lost.unit);
                    None
                }
                AfterLoss::Again(pause) => {
                    self.delay(state, lost.unit, pause);
                    None
                }
                AfterLoss::Answered(verdict) => Some(verdict),
                AfterLoss::Ended(error, outcome) => self.fail_unit(state, to, &error, outcome),
            }
        };
        self.settle(link, lost.into_iter(), |lost| &mut lost.unit.to.ticket, judge);
    }

    fn unreachable(&self, link: &Arc<Link>, mut waiting: Vec<Addressee>, why: &Error) {
        waiting.extend(self.waiting_for(link));
        waiting.extend(self.held_at(link));
        let judge = |state: &mut State<D>, to: Addressee| self.fail_unsent(state, to, why);
        self.settle(link, waiting.into_iter(), |to| &mut to.ticket, judge);
    }

    fn ready_to_wait(&self, link: &Arc<Link>, tickets: &[Ticket]) -> bool {
        self.note(Reason::Silent);
        if self.topology.has_replaced(link) {
            return false;
        }
        let mut state = self.state.lock();
        // A unit whose request waits at its link has lost its ticket when that request is over.
        tickets.iter().any(|ticket| ticket.link() != Ticket::NO_LINK || state.requests.get(*ticket).is_some())
    }

    fn on_event(&self, link: &Arc<Link>, news: LinkEvent) {
        match news {
            LinkEvent::Unreachable(_) => self.note(Reason::Lost),
            LinkEvent::Connected => self.decide(link),
            _ => {}
        }
        self.on_event_of_replica(link, &news);
        self.state.listeners.notify(link, &news);
        if matches!(news, LinkEvent::Connected) && self.credentials.rotates() {
            // They may have changed during the handshake.
            self.credentials.wake();
        }
    }
}
