//! What a user asks for, checked and encoded; the way from there into the outgoing bytes of a link.
//!
//! Invariant: an error is returned before anything is queued; afterwards there is a pending request that will be
//! completed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::completion::{Destination, Responder};
use super::core::{Core, State};
use super::gather::{Gather, Shape};
use super::intake::Intake;
use super::mailbox::{Limits, Outlet};
use super::pending::{Pending, Work};
use super::plan::{Plan, Prepared};
use super::script::Script;
use super::transaction::Transaction;
use crate::config::Overflow;
use crate::connection::link::Link;
use crate::connection::pipeline::{LARGE, Pipeline};
use crate::connection::submission::Next;
use crate::connection::turn::Submitter;
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, Handling};
use crate::protocol::command;
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
    /// It may be answered from the cache.
    pub cached: bool,
    /// How long it may take.
    pub timeout: Timeout,
    /// Where it goes.
    pub route: Route<'a>,
    /// The subscription that it changes, by the id of the request that made it; 0: none.
    pub subscription: u64,
}

/// Whether a command may go on a shared connection; a sentence that says why not.
pub(super) fn check<A: AsRef<[u8]>>(words: &[A]) -> Result<Handling, String> {
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
    if gets_many(check(words)?) {
        let name = words.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
        return Err(format!("{} gets many answers; submit it as a request of its own", name.to_ascii_uppercase()));
    }
    Ok(())
}

/// Whether a command is a request with many answers, or changes one.
fn gets_many(handling: Handling) -> bool {
    matches!(handling, Handling::Multishot | Handling::Monitor | Handling::Invalidations)
}

/// The one ordinary and small command of a request, as nearly all have, and how long it is at most; `None`: it needs more
/// thought.
#[inline]
pub(super) fn small<'a, A: AsRef<[u8]>>(request: &Request<'a, A>, most: usize) -> Option<(&'a [A], usize)> {
    let [words] = request.commands else { return None };
    if request.atomic
        || request.cached
        || request.route != Route::ByKey
        || request.subscription != 0
        || catalog::handling(words) != Handling::Ordinary
    {
        return None;
    }
    let length = command::length_bound(words);
    (length < LARGE.min(most) && !words.is_empty()).then_some((words, length))
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
        self.accept(link, request, destination, by)
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
        let (id, next) = self.accept(link, request, destination, Submitter::Caller)?;
        if let Next::Lead(lead) = next {
            let patience = self.config.dead_after / 4;
            let deadline = self.timeout_of(request).map(|timeout| Duration::from_millis(timeout.into()));
            lead.drive(patience.min(deadline.unwrap_or(patience)), self.clock.micros(), is_done);
        }
        Ok(id)
    }

    fn accept<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        if let Some((words, most)) = small(request, self.config.max_request_bytes) {
            let mut intake = Intake::open(self, link, by)?;
            let id = intake.put_small(request, words, most, destination)?;
            return Ok((id, intake.close()));
        }
        if request.cached {
            return self.accept_cached(link, request, destination, by);
        }
        match request.commands {
            [] => Err(Error::new(Status::Argument, "the request has no command")),
            [words] if !request.atomic => {
                if request.subscription != 0 {
                    return self.accept_multishot(link, request, words, destination);
                }
                let handling = check(words).map_err(|sentence| Error::new(Status::Refused, sentence))?;
                if gets_many(handling) {
                    return self.accept_multishot(link, request, words, destination);
                }
                if handling == Handling::Script && words.len() > 1 {
                    let (bytes, script) = self.encode_script(words, link)?;
                    return self.accept_plan(
                        link,
                        request,
                        Plan::Encoded(bytes),
                        Some(Work::Script(script)),
                        destination,
                        by,
                    );
                }
                self.accept_plan(link, request, Plan::One(words), None, destination, by)
            }
            commands => {
                if request.subscription != 0 {
                    return Err(Error::new(Status::Argument, "a subscription is changed by one command at a time"));
                }
                for (index, words) in commands.iter().enumerate() {
                    check_member(words)
                        .map_err(|why| Error::new(Status::Argument, format!("command {index}: {why}")))?;
                }
                let plan = if request.atomic { Plan::Atomic(commands) } else { Plan::Several(commands) };
                self.accept_plan(link, request, plan, None, destination, by)
            }
        }
    }

    /// Accepts a request of this plan; `work`: what it is, if the plan does not tell.
    pub(super) fn accept_plan<A: AsRef<[u8]>>(
        &self,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        plan: Plan<'_, A>,
        mut work: Option<Work<D>>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        let several_nodes = request.route.is_several();
        if several_nodes && (request.commands.len() > 1 || request.atomic) {
            return Err(Error::new(Status::Argument, "a route to several nodes takes one command at a time"));
        }
        if !self.topology.serves(request.route, link)? {
            // The answer of a route that leads to no node: an empty map.
            let nobody = Gather::new(Shape::ByAddress(Vec::new()), std::iter::empty()).finish();
            return self.answer_at_once(destination, nobody).map(|id| (id, Next::Nothing));
        }
        let prepared = Prepared::new(plan, self.config.max_request_bytes)?;
        let (units, most) = (prepared.units(), self.config.max_requests);
        if units > most {
            let sentence = format!("the request has {units} commands, more than max_requests ({most}) allows");
            return Err(Error::new(Status::Argument, sentence));
        }
        let work = |first: u64| match (&prepared.plan, work.take()) {
            (_, Some(work)) => work,
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
        let append = |pipeline: &mut Pipeline, ticket| prepared.append(pipeline, ticket);
        let mut intake = Intake::open(self, link, by)?;
        let id = intake.put(request, (units, prepared.total), append, work, destination)?;
        Ok((id, intake.close()))
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
}
