//! The way of a request to a dedicated connection: to what its session sends or, if that has no connection or the
//! server waits with another command of it, to what it holds.

use std::sync::Arc;

use bytes::Bytes;

use super::admission::Admission;
use super::cache::fill::Changes;
use super::completion::Verdict;
use super::core::{Core, closed};
use super::destination::{Destination, Responder};
use super::pending::{NOT_QUEUED, Pending, Work};
use super::plan::{Plan, Prepared};
use super::request::{Place, Request, in_millis};
use super::session::{DedicatedRequest, Kind, Session};
use super::state::State;
use super::wakeups::Wakeups;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::pipeline::Pipeline;
use crate::connection::quota::Load;
use crate::connection::submission::Next;
use crate::connection::unit::Ticket;
use crate::error::{Error, Outcome, Status};
use crate::protocol::command;
use crate::topology::Route;

#[cfg(test)]
mod tests;

impl<D: Destination> Core<D> {
    /// Accepts a request for a dedicated connection or says why not.
    pub(super) fn accept_dedicated<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        admission: &Admission,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let wrong = |sentence: &str| Err(Error::new(Status::Argument, sentence));
        if place.lease.is_some() && request.route != Route::ByKey {
            return wrong("a lease has one connection, so its requests have no route");
        }
        if request.route.is_several() {
            return wrong("a route to several nodes takes no request that needs a connection of its own");
        }
        if !self.topology.serves(request.route, place.link)? {
            return wrong("the route leads to no node, where a request that needs a connection of its own needs one");
        }
        let prepared = self.prepare(Plan::of(request.commands, request.atomic))?;
        let timeout = admission.timeout(request.timeout, self.config.command_timeout).map(in_millis);
        let due = timeout.map(|timeout| self.clock.due(timeout));
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state, destination)?;
        let lost = place.lease.and_then(|lease| state.sessions.get(lease)?.lost.clone());
        if let Some(error) = lost {
            state.requests.give_back(ticket);
            drop(state);
            let verdict = Verdict::failed(&error, Outcome::NotRun);
            return self.answer_at_once(request, destination, verdict).map(|id| (id, None));
        }
        let checked_out = self.check_out(&mut state, place, ticket, admission, &prepared, by);
        let (link, sequence, next, mut dedicated) = checked_out.inspect_err(|_| state.requests.give_back(ticket))?;
        dedicated.cache_changes = self.changes(request.commands);
        if admission.whole && self.topology.may_be_cluster() {
            let last = request.commands.last().and_then(|args| command::encode_to_vec(args).ok());
            dedicated.last = last.map(Bytes::from);
        }
        let responder = Responder::new(ticket.0, request.user_data, destination);
        let pending = Pending {
            sequence,
            timeout: timeout.unwrap_or_default(),
            idempotent: request.idempotent,
            dedicated: Some(Box::new(dedicated)),
            ..Pending::new(responder, &link, Work::of(&prepared.plan, sequence))
        };
        let timer = state.hold(ticket, pending, due).then(|| Arc::clone(&self.clock));
        let wakeups = Wakeups::new(next, destination, timer);
        drop(state);
        Ok((ticket.0, wakeups.send()))
    }

    /// Finds a session for a request, and the request its place there.
    fn check_out<A: AsRef<[u8]>>(
        &self,
        state: &mut State<D>,
        place: Place<'_>,
        ticket: Ticket,
        admission: &Admission,
        prepared: &Prepared<'_, A>,
        by: Submitter,
    ) -> Result<(Arc<Link>, u64, Next, DedicatedRequest), Error> {
        let (database, node) = (place.link.database(), self.topology.node_or_first(place.link));
        let may_be_cluster = self.topology.may_be_cluster();
        let id = place.lease.unwrap_or_else(|| state.sessions.add(Session::new(Kind::Request, database)));
        if let Some(session) = state.sessions.get(id) {
            session.node.get_or_insert(node);
        }
        let placed = self.acquire(state, id).and_then(|()| {
            let State { sessions, requests, .. } = &mut *state;
            let session = sessions.get(id).ok_or_else(closed)?;
            let Admission { blocks, whole, state_change, .. } = *admission;
            let number = session.next_number();
            let (waiting_units, cache_changes) = (Vec::new(), Changes::default());
            let mut dedicated = DedicatedRequest {
                session: id,
                waiting: waiting_units,
                blocks,
                whole,
                last: None,
                held: None,
                has_run: false,
                acknowledged: None,
                number,
                state_change,
                cache_changes,
                abandoned: None,
                sent: None,
                interruption: None,
            };
            session.begin_trial(ticket, may_be_cluster);
            let (link, sequence, next) = match session.free_link(ticket).cloned() {
                Some(link) => {
                    // Whoever takes from a queue looks after shared connections only.
                    let by = if by == Submitter::Caller { by } else { Submitter::Other };
                    self.authenticate_first(&link);
                    let mut submission = link.submission(by);
                    let append = |pipeline: &mut Pipeline| prepared.append(pipeline, ticket);
                    let sequence = submission.append(prepared.load(), append)?;
                    let next = submission.end(|next| next);
                    session.dirty_state.sent(number, state_change);
                    if blocks {
                        session.blocking = Some(ticket);
                        dedicated.sent = Some(self.clock.instant());
                    }
                    (link, sequence, next)
                }
                None => {
                    let node = session.node.as_deref().unwrap_or(self.node());
                    let backlog = node.backlog();
                    if !backlog.fits(prepared.load()) {
                        return Err(self.backlog_is_full(backlog.load()));
                    }
                    dedicated.waiting = prepared.units(ticket)?;
                    backlog.add(&dedicated.waiting);
                    session.enqueue(ticket, |ticket| requests.is_over(ticket));
                    (Arc::clone(place.link), NOT_QUEUED, Next::Nothing)
                }
            };
            session.requests += 1;
            Ok((link, sequence, next, dedicated))
        });
        if placed.is_err() {
            if let Some(session) = state.sessions.get(id) {
                session.trial.take_if(|trial| *trial == ticket);
            }
            // Nobody needs a session without a request.
            self.move_on(state, id);
        }
        placed
    }

    fn backlog_is_full(&self, held: Load) -> Error {
        let Load { requests, bytes } = held;
        Error::new(
            Status::Full,
            format!(
                "{requests} requests with {bytes} bytes wait for dedicated connections already (limits: \
                 max_requests {}, max_request_bytes {})",
                self.config.max_requests, self.config.max_request_bytes,
            ),
        )
    }
}
