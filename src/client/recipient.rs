//! What a link tells, and what that means for the requests that wait: an answer, another attempt, an end.

use std::sync::Arc;

use bytes::Bytes;

use super::cached::PRELUDE;
use super::completion::{Deliveries, Destination, Verdict};
use super::core::{Core, State};
use super::event;
use super::pending::{Pending, Work};
use super::retry::{self, Refusal};
use crate::connection::link::Link;
use crate::connection::pipeline::{Addressee, Lost, Ticket};
use crate::connection::purpose::Purpose;
use crate::connection::recipient::{Answer, News, Recipient};
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

impl<D: Destination> Core<D> {
    /// What a reply means; `None`: the request goes on.
    fn judge(&self, state: &mut State<D>, link: &Arc<Link>, answer: Answer) -> Option<Verdict> {
        let Answer { to, reply, request } = answer;
        // Nearly all are like this.
        if let Some(pending) = state.requests.get(to.ticket)
            && let (Work::Single, None, None) = (&pending.work, &pending.stay, &request)
        {
            return Some(Verdict::answered(Status::Ok, reply));
        }
        if let Some(request) = &request
            && self.sends_again(state, link, to, &reply, request)
        {
            return None;
        }
        let is_error = request.is_some();
        let status = if is_error { Status::Server } else { Status::Ok };
        let pending = state.requests.get(to.ticket)?;
        let verdict = match &mut pending.work {
            Work::Single => match self.verdict_after_unblocking(pending, &reply) {
                Some(verdict) => Some(verdict),
                None => Some(Verdict::answered(status, reply)),
            },
            Work::Ping(..) => Some(Verdict::answered(status, reply)),
            Work::Cached(fill) if to.part < PRELUDE => {
                fill.prelude(&reply);
                None
            }
            Work::Cached(_) => Some(Verdict::answered(status, reply)),
            Work::Script(script) => {
                if !is_error {
                    self.scripts.lock().learn(script, link);
                }
                Some(Verdict::answered(status, reply))
            }
            Work::Transaction(transaction) => {
                transaction.answer(to.part, reply, request.as_deref().unwrap_or_default())
            }
            Work::Gather(gather) => {
                gather.put(to.part, reply);
                gather.is_complete().then(|| gather.finish())
            }
            Work::Unblock(_) => self.judge_unblock(state, to, reply),
            Work::Events | Work::Subscription(_) | Work::Change(_) => None,
        };
        verdict.inspect(|verdict| Self::note_residue(state, to.ticket, verdict))
    }

    /// Sends a unit again whose error reply proves that it was not run.
    fn sends_again(
        &self,
        state: &mut State<D>,
        link: &Arc<Link>,
        to: Addressee,
        reply: &Reply,
        request: &Bytes,
    ) -> bool {
        let Some(pending) = state.requests.get(to.ticket) else { return false };
        if let Work::Script(script) = &pending.work
            && reply.as_bytes().starts_with(b"NOSCRIPT No matching script")
            && let Some(eval) = script.eval_of(request)
        {
            pending.sequence = self.submit_again(link, to, 1, eval.into());
            return true;
        }
        let is_prelude = matches!(pending.work, Work::Cached(_)) && to.part < PRELUDE;
        if is_prelude || matches!(pending.work, Work::Transaction(_) | Work::Unblock(_)) {
            return false;
        }
        let Some(refusal) = Refusal::of(reply.as_bytes(), request) else { return false };
        let stay = pending.stay.as_ref().map(|stay| (stay.tenant, stay.whole || stay.given_up.is_some()));
        if stay.is_some_and(|stay| !Self::may_move(state, stay)) {
            return false;
        }
        let Some(pending) = state.requests.get(to.ticket) else { return false };
        let attempt = pending.count_attempt(to.part);
        if u32::from(attempt) >= self.config.max_attempts {
            return false;
        }
        if refusal == Refusal::NotPrimary {
            self.renew(link);
        }
        self.delay(state, to, request, retry::backoff(attempt));
        true
    }

    /// The server is no primary any more: all connections to it are made anew.
    fn renew(&self, link: &Link) {
        self.topology.pool().expire(u64::MAX).iter().for_each(|link| link.close());
        link.renew();
        if link.purpose() != Purpose::Commands
            && let Ok(shared) = self.link(link.database())
        {
            shared.renew();
        }
    }

    /// Whether a unit may be sent again that was lost with its connection; else why it ends.
    pub(super) fn may_run_again(&self, pending: &mut Pending<D>, unit: &Lost, why: &Error) -> Result<(), Error> {
        // Its own reply broke the rules (or a limit), and would do so again.
        let is_culprit = unit.is_next && why.status != Status::Lost;
        let is_tied = matches!(pending.work, Work::Transaction(_) | Work::Unblock(_))
            || pending.stay.as_ref().is_some_and(|stay| stay.whole || stay.given_up.is_some());
        if !is_tied
            && !is_culprit
            && (matches!(pending.work, Work::Cached(_)) || retry::may_run_twice(&unit.bytes, pending.idempotent))
            && u32::from(pending.count_attempt(unit.part)) < self.config.max_attempts
        {
            return Ok(());
        }
        let given_up = pending.stay.as_ref().and_then(|stay| stay.given_up.as_ref());
        let status = match given_up {
            _ if is_culprit => why.status,
            Some(given_up) => given_up.status,
            None => Status::Lost,
        };
        Err(Error::new(status, format!("{}; the command was sent, it may have run", why.message)))
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
                gather.is_complete().then(|| gather.finish())
            }
            _ => Some(Verdict::failed(error, outcome)),
        }
    }

    /// Tells those who listen.
    pub(super) fn tell(state: &mut State<D>, link: &Arc<Link>, news: &News) {
        for (_, outlet) in &mut state.listeners {
            if let Ok(event) = event::describe(link, news) {
                outlet.put(event, 0);
                outlet.announce();
            }
        }
    }

    /// Gives each item to `judge` under one lock and completes those that are over.
    fn settle<T>(
        &self,
        items: impl Iterator<Item = T>,
        ticket: impl Fn(&T) -> Ticket,
        mut judge: impl FnMut(&mut State<D>, T) -> Option<Verdict>,
    ) {
        let mut deliveries = Deliveries::with_capacity(items.size_hint().0);
        let mut fills = Vec::new();
        let mut state = self.state.lock();
        for item in items {
            let ticket = ticket(&item);
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

impl<D: Destination> Recipient for Core<D> {
    fn answered(&self, link: &Arc<Link>, answers: &mut Vec<Answer>) {
        self.settle(answers.drain(..), |answer| answer.to.ticket, |state, answer| self.judge(state, link, answer));
    }

    fn heard(&self, _link: &Arc<Link>, messages: &mut Vec<Reply>) {
        self.invalidate(messages);
    }

    fn tracking_ended(&self, link: &Arc<Link>) {
        self.forget_database(link);
    }

    fn lost(&self, link: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        if let Purpose::Dedicated(number) = link.purpose() {
            return self.dedicated_lost(number, link, lost, why);
        }
        let judge = |state: &mut State<D>, unit: Lost| {
            let to = Addressee { ticket: unit.ticket, part: unit.part };
            let pending = state.requests.get(unit.ticket)?;
            match self.may_run_again(pending, &unit, why) {
                Ok(()) => {
                    let sequence = self.submit_again(link, to, unit.replies, unit.bytes);
                    pending.set_place(unit.part, sequence);
                    None
                }
                Err(error) => self.fail_unit(state, to, &error, Outcome::Unknown),
            }
        };
        self.settle(lost.into_iter(), |unit| unit.ticket, judge);
    }

    fn unreachable(&self, link: &Arc<Link>, mut waiting: Vec<Addressee>, why: &Error) {
        waiting.extend(self.waiting_for(link));
        let judge = |state: &mut State<D>, to: Addressee| self.fail_unit(state, to, why, Outcome::NotRun);
        self.settle(waiting.into_iter(), |to| to.ticket, judge);
    }

    fn ready_to_wait(&self, tickets: &[Ticket]) -> bool {
        let mut state = self.state.lock();
        tickets.iter().any(|ticket| state.requests.get(*ticket).is_some())
    }

    fn happened(&self, link: &Arc<Link>, news: News) {
        Self::tell(&mut self.state.lock(), link, &news);
    }
}
