//! What a user asks for, checked and encoded; the way from there into the outgoing bytes of a link.
//!
//! Invariant: an error is returned before anything is queued; afterwards there is a pending request that will be
//! completed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::completion::{Destination, Responder};
use super::core::{Core, Phase, State, closed};
use super::gather::{Gather, Shape};
use super::mailbox::{Limits, Outlet};
use super::pending::{NOWHERE, Pending, Requests, Work};
use super::script::Script;
use super::timer::Clock;
use super::transaction::{FRAME, Transaction};
use crate::config::Overflow;
use crate::connection::link::{Link, Next};
use crate::connection::pipeline::{Addressee, LARGE, Pipeline, Ticket};
use crate::connection::turn::Submitter;
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, Handling};
use crate::protocol::command::{self, Output};
use crate::topology::Route;

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
    /// How long it may take.
    pub timeout: Timeout,
    /// Where it goes.
    pub route: Route<'a>,
    /// The subscription that it changes, by the id of the request that made it; 0: none.
    pub subscription: u64,
}

/// The bytes of a request, and how they are cut into units that stand in the FIFO on their own.
enum Plan<'a, A> {
    One(&'a [A]),
    Encoded(Bytes),
    Several(&'a [&'a [A]]),
    Atomic(&'a [&'a [A]]),
}

/// The lengths of units; one is the rule and costs no memory.
enum Lengths {
    One(usize),
    Many(Vec<usize>),
}

impl Lengths {
    fn as_slice(&self) -> &[usize] {
        match self {
            Lengths::One(length) => std::slice::from_ref(length),
            Lengths::Many(lengths) => lengths,
        }
    }
}

const MULTI: [&str; 1] = ["MULTI"];
const EXEC: [&str; 1] = ["EXEC"];

impl<A: AsRef<[u8]>> Plan<'_, A> {
    /// The length of each unit; `None` if it is beyond what can be addressed.
    fn lengths(&self) -> Option<Lengths> {
        let of = |words: &&[A]| command::encoded_length(words);
        match self {
            Plan::One(words) => of(words).map(Lengths::One),
            Plan::Encoded(bytes) => Some(Lengths::One(bytes.len())),
            Plan::Several(commands) => commands.iter().map(of).collect::<Option<_>>().map(Lengths::Many),
            Plan::Atomic(commands) => {
                let frame = command::encoded_length(&MULTI)? + command::encoded_length(&EXEC)?;
                let sum = commands.iter().map(of).try_fold(frame, |sum, length| sum.checked_add(length?))?;
                Some(Lengths::One(sum))
            }
        }
    }

    /// How many replies each unit gets.
    fn replies(&self) -> u32 {
        match self {
            Plan::Atomic(commands) => commands.len() as u32 + FRAME,
            _ => 1,
        }
    }

    fn encode(&self, unit: usize, out: &mut impl Output) {
        match self {
            Plan::One(words) => command::encode(words, out),
            Plan::Encoded(bytes) => out.put(bytes),
            Plan::Several(commands) => commands.get(unit).into_iter().for_each(|words| command::encode(words, out)),
            Plan::Atomic(commands) => {
                command::encode(&MULTI, out);
                commands.iter().for_each(|words| command::encode(words, out));
                command::encode(&EXEC, out);
            }
        }
    }
}

/// A checked request, ready to be appended: small ones are encoded where they go, large ones before any lock is taken.
struct Prepared<'a, A> {
    plan: Plan<'a, A>,
    lengths: Lengths,
    total: usize,
    encoded: Option<Bytes>,
}

impl<'a, A: AsRef<[u8]>> Prepared<'a, A> {
    fn new(plan: Plan<'a, A>, most: usize) -> Result<Prepared<'a, A>, Error> {
        let measured = plan.lengths().and_then(|lengths| {
            let total = lengths.as_slice().iter().try_fold(0usize, |sum, length| sum.checked_add(*length))?;
            (total <= most).then_some((lengths, total))
        });
        let Some((lengths, total)) = measured else {
            let sentence = format!("the request is longer than max_request_bytes ({most}) allows");
            return Err(Error::new(Status::Argument, sentence));
        };
        let encoded = match &plan {
            Plan::Encoded(bytes) => Some(bytes.clone()),
            _ if total < LARGE => None,
            plan => {
                let mut out = Vec::new();
                out.try_reserve_exact(total).map_err(|_| Error::memory(total))?;
                (0..lengths.as_slice().len()).for_each(|unit| plan.encode(unit, &mut out));
                Some(Bytes::from(out))
            }
        };
        Ok(Prepared { plan, lengths, total, encoded })
    }

    /// Appends all units; gives the first sequence number, the others follow it.
    fn append(&self, pipeline: &mut Pipeline, ticket: Ticket) -> u64 {
        let lengths = self.lengths.as_slice();
        match (&self.encoded, lengths.len()) {
            (Some(bytes), 1) => {
                pipeline.append_encoded(Addressee { ticket, part: 0 }, self.plan.replies(), bytes.clone())
            }
            (Some(bytes), _) => pipeline.append_parts(ticket, bytes.clone(), lengths),
            (None, _) => {
                let units = lengths.iter().enumerate().map(|(unit, length)| {
                    let to = Addressee { ticket, part: unit as u32 };
                    pipeline.append(to, self.plan.replies(), *length, |tail| self.plan.encode(unit, tail))
                });
                // Every unit is appended; their numbers follow each other.
                units.fold(NOWHERE, |first, sequence| if first == NOWHERE { sequence } else { first })
            }
        }
    }
}

/// When a request starts, in microseconds of the client's clock, and who would read its answer.
#[derive(Clone, Copy)]
struct Start {
    now: u64,
    by: Submitter,
}

/// A timeout for the text of an error.
pub(super) fn in_milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

/// Whether a command may go on a shared connection; a sentence that says why not.
fn check<A: AsRef<[u8]>>(words: &[A]) -> Result<Handling, String> {
    let Some(name) = words.first() else { return Err("the command is empty".to_string()) };
    let name = || String::from_utf8_lossy(name.as_ref()).to_ascii_uppercase();
    match catalog::handling(words) {
        Handling::ConnectionState { instead } => Err(instead.to_string()),
        Handling::Blocking => Err(format!(
            "{} waits at the server and would hold up everyone on the shared connection; \
             this version has no connections of their own for blocking commands",
            name()
        )),
        Handling::OwnWrites => Err(format!(
            "{} speaks of the writes of its own connection, which on a shared client are those of everyone",
            name()
        )),
        handling => Ok(handling),
    }
}

/// As [`check`], of one command among several.
fn check_member<A: AsRef<[u8]>>(words: &[A]) -> Result<(), String> {
    match check(words)? {
        Handling::Multishot | Handling::Monitor | Handling::Invalidations => {
            let name = words.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
            Err(format!("{} gets many answers; submit it as a request of its own", name.to_ascii_uppercase()))
        }
        _ => Ok(()),
    }
}

impl<D: Destination> Core<D> {
    /// Accepts a request or says why not; gives its id and what is to be done now: see [`Link::submit`].
    pub(super) fn submit<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        self.accept(link, request, destination, Start { now: self.clock.micros(), by })
    }

    /// As [`Core::submit`], by a caller who will wait for the completion: if nothing else is under way it is written
    /// and its answer read here, until `is_done` or for a while.
    pub(super) fn execute<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        destination: D,
        is_done: impl Fn() -> bool,
    ) -> Result<u64, Error> {
        let now = self.clock.micros();
        let (id, next) = self.accept(link, request, destination, Start { now, by: Submitter::Caller })?;
        if let Next::Lead(lead) = next {
            let patience = self.config.dead_after / 4;
            let deadline = self.timeout_of(request).unwrap_or(patience);
            lead.drive(patience.min(deadline), now, is_done);
        }
        Ok(id)
    }

    fn accept<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        destination: D,
        start: Start,
    ) -> Result<(u64, Next), Error> {
        let refused = |sentence| Error::new(Status::Refused, sentence);
        let mut script = None;
        let plan = match request.commands {
            [] => return Err(Error::new(Status::Argument, "the request has no command")),
            [words] if !request.atomic && request.subscription != 0 => {
                return self.accept_multishot(link, request, words, destination, start.now);
            }
            [words] if !request.atomic => match check(words).map_err(refused)? {
                Handling::Multishot | Handling::Monitor | Handling::Invalidations => {
                    return self.accept_multishot(link, request, words, destination, start.now);
                }
                Handling::Script if words.len() > 1 => {
                    let (bytes, found) = self.encode_script(words, link)?;
                    script = Some(found);
                    Plan::Encoded(bytes)
                }
                _ => Plan::One(words),
            },
            commands => {
                if request.subscription != 0 {
                    return Err(Error::new(Status::Argument, "a subscription is changed by one command at a time"));
                }
                for (index, words) in commands.iter().enumerate() {
                    check_member(words)
                        .map_err(|why| Error::new(Status::Argument, format!("command {index}: {why}")))?;
                }
                if request.atomic { Plan::Atomic(commands) } else { Plan::Several(commands) }
            }
        };
        let several_nodes = request.route.is_several();
        if several_nodes && (request.commands.len() > 1 || request.atomic) {
            return Err(Error::new(Status::Argument, "a route to several nodes takes one command at a time"));
        }
        if !self.topology.serves(request.route, link)? {
            return self.answer_of_nobody(link, destination).map(|id| (id, Next::Nothing));
        }
        let prepared = Prepared::new(plan, self.config.max_request_bytes)?;
        if prepared.lengths.as_slice().len() > self.config.max_requests {
            let (count, most) = (prepared.lengths.as_slice().len(), self.config.max_requests);
            let sentence = format!("the request has {count} commands, more than max_requests ({most}) allows");
            return Err(Error::new(Status::Argument, sentence));
        }
        let work = |first: u64| match (&prepared.plan, script.take()) {
            (_, Some(script)) => Work::Script(script),
            (Plan::Atomic(commands), _) => Work::Transaction(Box::new(Transaction::new(commands.len() as u32))),
            (Plan::Several(commands), _) => {
                let sequences = (0..commands.len()).map(|part| first + part as u64);
                Work::Gather(Box::new(Gather::new(Shape::Array, sequences)))
            }
            _ if several_nodes => {
                let shape = Shape::ByAddress(vec![link.address()]);
                Work::Gather(Box::new(Gather::new(shape, std::iter::once(first))))
            }
            _ => Work::Single,
        };
        self.enqueue(link, request, &prepared, work, destination, start)
    }

    pub(super) fn timeout_of<A>(&self, request: &Request<'_, A>) -> Option<Duration> {
        match request.timeout {
            Timeout::Default => self.config.command_timeout,
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        }
    }

    fn enqueue<A: AsRef<[u8]>>(
        &self,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        prepared: &Prepared<'_, A>,
        work: impl FnOnce(u64) -> Work<D>,
        destination: D,
        start: Start,
    ) -> Result<(u64, Next), Error> {
        let timeout = self.timeout_of(request);
        let due = timeout.map(|timeout| Clock::tick_after(start.now, timeout));
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        let (slots, bytes) = (prepared.lengths.as_slice().len(), prepared.total);
        let append = |pipeline: &mut Pipeline| prepared.append(pipeline, ticket);
        let (sequence, next) = match link.submit(slots, bytes, start.by, append) {
            Ok(appended) => appended,
            Err(error) => {
                state.requests.give_back(ticket);
                return Err(error);
            }
        };
        let pending = Pending {
            responder: Responder::new(ticket.0, destination),
            link: Arc::clone(link),
            sequence,
            work: work(sequence),
            timeout: timeout.map_or(0, in_milliseconds),
            attempts: 0,
            idempotent: request.idempotent,
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
        let mut gather = Gather::new(Shape::ByAddress(Vec::new()), std::iter::empty());
        let pending = Pending::at_rest(Responder::new(ticket.0, destination), link, Work::Single);
        state.requests.fill(ticket, pending);
        let taken = self.take(&mut state, ticket);
        drop(state);
        self.complete(taken.into_iter().filter_map(|pending| pending.responder.finish(gather.finish())).collect());
        Ok(ticket.0)
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
        // Whoever does not read them shall not lose the stream of events over it.
        let limits = Limits { overflow: Overflow::DropOldest, ..Limits::of(&self.config) };
        state.listeners.push((ticket, Outlet::new(ticket.0, destination.clone(), limits)));
        let pending = Pending::at_rest(Responder::new(ticket.0, destination), link, Work::Events);
        state.requests.fill(ticket, pending);
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
