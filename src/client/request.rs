//! What a user asks for, checked and encoded; the way from there into the outgoing bytes of a link.
//!
//! Invariant: an error is returned before anything is queued; afterwards there is a pending request that will be
//! completed.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;

use super::admission::Admission;
use super::completion::{Destination, Responder, Verdict};
use super::core::{Core, Phase, State, closed};
use super::gather::{Gather, Shape};
use super::pending::{Pending, Requests, Work};
use super::plan::{Plan, Prepared, too_long};
use super::script::Script;
use super::tenant::Stay;
use crate::connection::link::{Link, Next};
use crate::connection::pipeline::{Addressee, LARGE, Pipeline, Ticket};
use crate::connection::quota::Load;
use crate::connection::turn::Submitter;
use crate::error::{Error, Status};
use crate::protocol::command::{self, Room};
use crate::topology::Route;
use crate::topology::standalone::Tenant;

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// As the option `command_timeout` says.
    Default,
    /// For ever.
    None,
    /// This long.
    After(Duration),
}

/// One or more commands and how to run them.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, A> {
    /// The arguments of each command, its name first.
    pub commands: &'a [&'a [A]],
    /// As one transaction.
    pub atomic: bool,
    /// It may run twice.
    pub idempotent: bool,
    /// On a connection of its own.
    pub dedicated: bool,
    /// How long it may take.
    pub timeout: Timeout,
    /// Where it goes.
    pub route: Route<'a>,
}

/// Where a request is submitted: to the connection that all share, or to a lease.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The shared connection.
    pub(super) link: &'a Arc<Link>,
    /// The lease.
    pub(super) lease: Option<Tenant>,
}

/// Where a request stands that was accepted.
pub(super) struct Placed {
    pub(super) link: Arc<Link>,
    pub(super) sequence: u64,
    pub(super) next: Next,
    /// On a dedicated connection.
    pub(super) stay: Option<Box<Stay>>,
}

/// In milliseconds, as deadlines are.
pub(super) fn in_millis(time: Duration) -> u32 {
    let millis = time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis().into());
    u32::try_from(millis).unwrap_or(u32::MAX)
}

impl<D: Destination> Core<D> {
    /// Accepts a request or says why not; gives its id and what is to be done now: see [`Link::submit`].
    pub(super) fn submit<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        self.accept(place, request, destination, by)
    }

    /// As [`Core::submit`], by a caller who will wait for the completion: if nothing else is under way it is written
    /// and its answer read here, until `is_done` or for a while.
    pub(super) fn execute<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: D,
        is_done: impl Fn() -> bool,
    ) -> Result<u64, Error> {
        let (id, next) = self.accept(place, request, destination, Submitter::Caller)?;
        if let Next::Lead(lead) = next {
            let patience = self.config.dead_after / 4;
            let deadline = self.timeout_of(request).map(|timeout| Duration::from_millis(timeout.into()));
            lead.drive(patience.min(deadline.unwrap_or(patience)), self.clock.roughly(), is_done);
        }
        Ok(id)
    }

    fn accept<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        let link = place.link;
        let admission = Admission::of(request, place.lease.is_some())?;
        if admission.dedicated {
            return self.accept_dedicated(place, request, &admission, destination, by);
        }
        match request.commands {
            [words] if admission.script => {
                let (bytes, script) = self.encode_script(words, link)?;
                self.accept_plan(link, request, Plan::Encoded(bytes), Some(script), destination, by)
            }
            [words] if !request.atomic => match command::encoded_length(words) {
                Some(length) if length < LARGE && request.route == Route::ByKey => {
                    self.accept_small(link, request, words, length, destination, by)
                }
                _ => self.accept_plan(link, request, Plan::One(words), None, destination, by),
            },
            commands if request.atomic => {
                self.accept_plan(link, request, Plan::Atomic(commands), None, destination, by)
            }
            commands => self.accept_plan(link, request, Plan::Several(commands), None, destination, by),
        }
    }

    /// One ordinary command, as nearly all requests are: written straight to where it goes.
    fn accept_small<A: AsRef<[u8]>>(
        &self,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        words: &[A],
        length: usize,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        if length > self.config.max_request_bytes {
            return Err(too_long(self.config.max_request_bytes));
        }
        let append = |pipeline: &mut Pipeline, ticket| {
            let to = Addressee { ticket, part: 0 };
            pipeline.append(to, 1, length, |room| command::encode(words, &mut Room(room)))
        };
        self.enqueue(link, request, Load { requests: 1, bytes: length }, append, |_| Work::Single, destination, by)
    }

    fn accept_plan<A: AsRef<[u8]>>(
        &self,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        plan: Plan<'_, A>,
        mut script: Option<Arc<Script>>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        let several_nodes = request.route.is_several();
        if several_nodes && (request.commands.len() > 1 || request.atomic) {
            return Err(Error::new(Status::Argument, "a route to several nodes takes one command at a time"));
        }
        if !self.topology.serves(request.route, link)? {
            return self.answer_of_nobody(link, destination).map(|id| (id, Next::Nothing));
        }
        let prepared = self.prepare(plan)?;
        let work = |first: u64| match script.take() {
            Some(script) => Work::Script(script),
            None if several_nodes => {
                let shape = Shape::ByAddress(vec![link.address()]);
                Work::Gather(Box::new(Gather::new(shape, std::iter::once(first))))
            }
            None => prepared.plan.work(first),
        };
        let append = |pipeline: &mut Pipeline, ticket| prepared.append(pipeline, ticket);
        self.enqueue(link, request, prepared.load(), append, work, destination, by)
    }

    /// Measures a request; an error if no link would ever take it.
    pub(super) fn prepare<'a, A: AsRef<[u8]>>(&self, plan: Plan<'a, A>) -> Result<Prepared<'a, A>, Error> {
        let prepared = Prepared::new(plan, self.config.max_request_bytes)?;
        let (units, most) = (prepared.load().requests, self.config.max_requests);
        if units > most {
            let sentence = format!("the request has {units} commands, more than max_requests ({most}) allows");
            return Err(Error::new(Status::Argument, sentence));
        }
        Ok(prepared)
    }

    /// How long a request may take, in milliseconds.
    fn timeout_of<A>(&self, request: &Request<'_, A>) -> Option<u32> {
        let timeout = match request.timeout {
            Timeout::Default => self.config.command_timeout,
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        };
        timeout.map(in_millis)
    }

    /// Appends a request of so many units and bytes to a link, and remembers who waits for it.
    #[allow(clippy::too_many_arguments, reason = "each is needed once, by the two callers above")]
    #[inline]
    fn enqueue<A>(
        &self,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        load: Load,
        append: impl FnOnce(&mut Pipeline, Ticket) -> u64,
        work: impl FnOnce(u64) -> Work,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        let timeout = self.timeout_of(request);
        let due = timeout.map(|timeout| self.clock.due(timeout));
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        let append = |pipeline: &mut Pipeline| append(pipeline, ticket);
        let (sequence, next) = match link.submit(load.requests, load.bytes, by, append) {
            Ok(appended) => appended,
            Err(error) => {
                state.requests.give_back(ticket);
                return Err(error);
            }
        };
        let placed = Placed { link: Arc::clone(link), sequence, next, stay: None };
        let responder = Responder::new(ticket.0, destination);
        Ok(self.accepted(state, ticket, responder, placed, work(sequence), (timeout, due), request.idempotent))
    }

    /// Remembers who waits for a request that stands where it is to stand.
    #[allow(clippy::too_many_arguments, reason = "each is what a pending request is made of")]
    #[inline]
    pub(super) fn accepted(
        &self,
        mut state: MutexGuard<'_, State<D>>,
        ticket: Ticket,
        responder: Responder<D>,
        placed: Placed,
        work: Work,
        (timeout, due): (Option<u32>, Option<u64>),
        idempotent: bool,
    ) -> (u64, Next) {
        let Placed { link, sequence, next, stay } = placed;
        let wakes = matches!(next, Next::Wake).then(|| Arc::clone(&link));
        let timeout = timeout.unwrap_or_default();
        state
            .requests
            .fill(ticket, Pending { responder, link, sequence, work, timeout, attempts: 0, idempotent, stay });
        let earlier = due.is_some_and(|due| self.set_deadline(&mut state, ticket, due));
        drop(state);
        wakes.inspect(|link| link.wake());
        if earlier {
            self.clock.wake();
        }
        (ticket.0, next)
    }

    /// EVAL as it goes out: with the text, or with its digest where the server holds the script.
    fn encode_script<A: AsRef<[u8]>>(&self, words: &[A], link: &Arc<Link>) -> Result<(Bytes, Arc<Script>), Error> {
        let read_only = words[0].as_ref().eq_ignore_ascii_case(b"EVAL_RO");
        let (script, known) = self.scripts.lock().find(words[1].as_ref(), read_only, link);
        let bytes = match known {
            true => script.evalsha_of(words.iter().map(AsRef::as_ref).collect())?,
            false => command::encode_to_vec(words)?,
        };
        Ok((bytes.into(), script))
    }

    /// The answer of a route that leads to no node: an empty map.
    fn answer_of_nobody(&self, link: &Arc<Link>, destination: D) -> Result<u64, Error> {
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        let verdict = Gather::new(Shape::ByAddress(Vec::new()), std::iter::empty()).finish();
        Ok(self.answer_at_once(state, ticket, link, destination, verdict).0)
    }

    /// Completes a request of which nothing was sent and nothing will be.
    pub(super) fn answer_at_once(
        &self,
        mut state: MutexGuard<'_, State<D>>,
        ticket: Ticket,
        link: &Arc<Link>,
        destination: D,
        verdict: Verdict,
    ) -> (u64, Next) {
        state.requests.fill(ticket, Pending::at_rest(Responder::new(ticket.0, destination), link, Work::Single));
        let taken = self.take(&mut state, ticket);
        drop(state);
        self.complete(taken.and_then(|pending| pending.responder.finish(verdict)).into_iter().collect());
        (ticket.0, Next::Nothing)
    }

    /// Registers a request that hears of events; nothing is sent.
    pub(super) fn listen(&self, link: &Arc<Link>, destination: D) -> Result<u64, Error> {
        self.add_listener(&mut self.state.lock(), link, destination)
    }

    /// Opens the link of a database with a listener that hears of all that happens to it, its first connection included.
    pub(super) fn open_and_listen(&self, database: u32, destination: D) -> Result<Arc<Link>, Error> {
        // News wait for this lock.
        let mut state = self.state.lock();
        let link = self.link(database)?;
        self.add_listener(&mut state, &link, destination)?;
        Ok(link)
    }

    fn add_listener(&self, state: &mut State<D>, link: &Arc<Link>, destination: D) -> Result<u64, Error> {
        let ticket = self.reserve(state)?;
        let pending = Pending::at_rest(Responder::new(ticket.0, destination), link, Work::Events);
        state.requests.fill(ticket, pending);
        state.listeners.push(ticket);
        Ok(ticket.0)
    }

    /// A place for a request, if the client is open.
    pub(super) fn reserve(&self, state: &mut State<D>) -> Result<Ticket, Error> {
        match state.phase {
            Phase::Open => Ok(state.requests.reserve()),
            Phase::Closed => Err(closed()),
        }
    }

    /// Sets the deadline of a request; true if the clock sleeps for longer than that.
    pub(super) fn set_deadline(&self, state: &mut State<D>, ticket: Ticket, due: u64) -> bool {
        state.deadlines.set(Requests::<D>::index(ticket), due);
        let earlier = due < state.armed;
        if earlier {
            state.armed = due;
        }
        earlier
    }
}
