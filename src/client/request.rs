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
use super::pending::{NOWHERE, Pending, Requests, Work};
use super::plan::{Plan, Prepared};
use super::script::Script;
use super::tenant::{Kind, Stay, Tenant};
use super::timer::Clock;
use super::transaction::Transaction;
use crate::connection::link::{Link, Next};
use crate::connection::pipeline::{Pipeline, Ticket};
use crate::connection::room::Load;
use crate::connection::turn::Submitter;
use crate::error::{Error, Outcome, Status};
use crate::protocol::command;
use crate::topology::Route;
use crate::topology::standalone::Tenant as Id;

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

/// When a request starts, in microseconds of the client's clock, and who would read its answer.
#[derive(Clone, Copy)]
struct Start {
    now: u64,
    by: Submitter,
}

/// Where a request goes: over the connection that all share, or to a tenant of the dedicated ones.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The shared connection.
    pub(super) link: &'a Arc<Link>,
    /// The lease that it is submitted to.
    pub(super) lease: Option<Id>,
}

/// Where a request stands.
struct Placed {
    link: Arc<Link>,
    sequence: u64,
    next: Next,
    stay: Option<Box<Stay>>,
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
        self.accept(place, request, destination, Start { now: self.clock.micros(), by })
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
        let now = self.clock.micros();
        let (id, next) = self.accept(place, request, destination, Start { now, by: Submitter::Caller })?;
        if let Next::Lead(lead) = next {
            let patience = self.config.dead_after / 4;
            let deadline = match request.timeout {
                Timeout::Default => self.config.command_timeout,
                Timeout::None => None,
                Timeout::After(timeout) => Some(timeout),
            };
            lead.drive(patience.min(deadline.unwrap_or(patience)), now, is_done);
        }
        Ok(id)
    }

    fn accept<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: D,
        start: Start,
    ) -> Result<(u64, Next), Error> {
        let link = place.link;
        let admission = Admission::of(request, place.lease.is_some())?;
        let mut script = None;
        let plan = match request.commands {
            [words] if admission.script => {
                let (bytes, found) = self.encode_script(words, link)?;
                script = Some(found);
                Plan::Encoded(bytes)
            }
            [words] if !request.atomic => Plan::One(words),
            commands if request.atomic => Plan::Atomic(commands),
            commands => Plan::Several(commands),
        };
        let wrong = |sentence: &str| Err(Error::new(Status::Argument, sentence));
        let several_nodes = request.route.is_several();
        if several_nodes && (request.commands.len() > 1 || request.atomic) {
            return wrong("a route to several nodes takes one command at a time");
        }
        if place.lease.is_some() && request.route != Route::ByKey {
            return wrong("a lease has one connection, so its requests have no route");
        }
        if several_nodes && admission.dedicated {
            return wrong("a route to several nodes takes no command that needs a connection of its own");
        }
        if !self.topology.serves(request.route, link)? {
            return self.answer_of_nobody(link, destination).map(|id| (id, Next::Nothing));
        }
        let prepared = Prepared::new(plan, self.config.max_request_bytes)?;
        let (count, most) = (prepared.load().requests, self.config.max_requests);
        if count > most {
            return wrong(&format!("the request has {count} commands, more than max_requests ({most}) allows"));
        }
        let work = |first: u64| match (&prepared.plan, script.take()) {
            (_, Some(script)) => Work::Script(script),
            (Plan::Atomic(commands), _) => Work::Transaction(Box::new(Transaction::new(commands.len() as u32))),
            (Plan::Several(commands), _) => {
                let place = |part| if first == NOWHERE { NOWHERE } else { first + part as u64 };
                Work::Gather(Box::new(Gather::new(Shape::Array, (0..commands.len()).map(place))))
            }
            _ if several_nodes => {
                let shape = Shape::ByAddress(vec![link.address()]);
                Work::Gather(Box::new(Gather::new(shape, std::iter::once(first))))
            }
            _ => Work::Single,
        };
        self.enqueue(place, request, &admission, &prepared, work, destination, start)
    }

    #[expect(clippy::too_many_arguments, reason = "each is one thing that a request is made of")]
    fn enqueue<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
        admission: &Admission,
        prepared: &Prepared<'_, A>,
        work: impl FnOnce(u64) -> Work,
        destination: D,
        start: Start,
    ) -> Result<(u64, Next), Error> {
        let timeout = admission.timeout(request.timeout, self.config.command_timeout);
        let due = timeout.map(|timeout| Clock::tick_after(start.now, timeout));
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        let lost = place.lease.and_then(|lease| state.tenants.get(lease)?.lost.clone());
        if let Some(error) = lost {
            let verdict = Verdict::failed(&error, Outcome::NotRun);
            return Ok(self.answer_at_once(state, ticket, place.link, destination, verdict));
        }
        let placed = match admission.dedicated {
            true => self.place_dedicated(&mut state, place, ticket, admission, prepared, start.by),
            false => self.place_shared(place.link, ticket, prepared, start.by),
        };
        let Placed { link, sequence, next, stay } = placed.inspect_err(|_| state.requests.give_back(ticket))?;
        let pending = Pending {
            responder: Responder::new(ticket.0, destination),
            link: Arc::clone(&link),
            sequence,
            work: work(sequence),
            timeout: timeout.map_or(0, |timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
            attempts: 0,
            idempotent: request.idempotent,
            stay,
        };
        state.requests.fill(ticket, pending);
        let earlier = due.is_some_and(|due| self.set_deadline(&mut state, ticket, due));
        drop(state);
        if matches!(next, Next::Wake) {
            link.wake();
        }
        if earlier {
            self.clock.wake();
        }
        Ok((ticket.0, next))
    }

    fn place_shared<A: AsRef<[u8]>>(
        &self,
        link: &Arc<Link>,
        ticket: Ticket,
        prepared: &Prepared<'_, A>,
        by: Submitter,
    ) -> Result<Placed, Error> {
        let append = |pipeline: &mut Pipeline| prepared.append(pipeline, ticket);
        let Load { requests, bytes } = prepared.load();
        let (sequence, next) = link.submit(requests, bytes, by, append)?;
        Ok(Placed { link: Arc::clone(link), sequence, next, stay: None })
    }

    /// Appends a request to what its tenant sends or, if that has no connection or waits for the server, to what it holds.
    fn place_dedicated<A: AsRef<[u8]>>(
        &self,
        state: &mut State<D>,
        place: Place<'_>,
        ticket: Ticket,
        admission: &Admission,
        prepared: &Prepared<'_, A>,
        by: Submitter,
    ) -> Result<Placed, Error> {
        let database = place.link.database();
        let id = place.lease.unwrap_or_else(|| state.tenants.add(Tenant::new(Kind::Request, database)));
        let placed = self.seat(state, id).and_then(|()| {
            let State { tenants, requests, held, .. } = &mut *state;
            let tenant = tenants.get(id).ok_or_else(closed)?;
            let (blocks, whole, trace) = (admission.blocks, admission.whole, admission.trace);
            let number = tenant.next_number();
            let mut stay = Stay { tenant: id, held: Vec::new(), blocks, whole, number, trace, given_up: None };
            let placed = match tenant.free_link() {
                Some(link) => {
                    // Whoever takes from a queue looks after shared connections only.
                    let by = if by == Submitter::Caller { by } else { Submitter::Other };
                    let placed = self.place_shared(link, ticket, prepared, by)?;
                    tenant.residue.sent(number, trace);
                    if blocks {
                        tenant.blocking = Some(ticket);
                    }
                    placed
                }
                None => {
                    if !held.fits(prepared.load()) {
                        return Err(self.too_much_is_held(held.load()));
                    }
                    stay.held = prepared.units(ticket)?;
                    held.add(&stay.held);
                    tenant.hold(ticket, |ticket| requests.is_over(ticket));
                    let link = Arc::clone(place.link);
                    Placed { link, sequence: NOWHERE, next: Next::Nothing, stay: None }
                }
            };
            tenant.requests += 1;
            Ok(Placed { stay: Some(Box::new(stay)), ..placed })
        });
        if placed.is_err() {
            self.move_on(state, id);
        }
        placed
    }

    fn too_much_is_held(&self, held: Load) -> Error {
        let Load { requests, bytes } = held;
        Error::new(
            Status::Full,
            format!(
                "{requests} requests with {bytes} bytes wait for dedicated connections already (limits: max_requests {}, \
                 max_request_bytes {})",
                self.config.max_requests, self.config.max_request_bytes,
            ),
        )
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
    fn answer_at_once(
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
    fn reserve(&self, state: &mut State<D>) -> Result<Ticket, Error> {
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
