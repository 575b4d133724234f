//! The way of a request from its user into the outgoing bytes of a link.
//!
//! Invariant: an error is returned before anything is queued; afterwards there is a pending request that will be
//! completed.

use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::admission::Admission;
use super::cached::cacheable;
use super::core::Core;
use super::destination::Outlet;
use super::destination::{Destination, Responder};
use super::fan_out::slot_of_command;
use super::gather::Bound;
use super::intake::Intake;
use super::mailbox::Limits;
use super::merge::Merge;
use super::pending::{Pending, Work};
use super::plan::{Plan, Prepared};
use super::request::{Place, Request, small};
use super::routing::NotWhole;
use super::script::Script;
use super::state::State;
use crate::config::Overflow;
use crate::connection::caller::Caller;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::pipeline::Pipeline;
use crate::error::{Error, Status};
use crate::protocol::command;
use crate::topology::Route;
use crate::topology::cluster::Cluster;

#[cfg(test)]
mod tests;

impl<D: Destination> Core<D> {
    /// As [`Core::submit`], and waits for the completion. Meanwhile the calling thread may write and read.
    pub(super) fn execute<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        caller: &Arc<impl Caller>,
    ) -> Result<u64, Error> {
        let (id, mut driver) = self.submit(place, request, destination, Submitter::Caller)?;
        let patience = self.config.dead_after / 4;
        let timeout = self.timeout_of(request).map(|timeout| Duration::from_millis(timeout.into()));
        // A lone caller does not pay for the clock.
        let since = driver.as_ref().is_some_and(|driver| !driver.is_leader()).then(Instant::now);
        loop {
            let mut is_over = false;
            if let Some(driver) = &mut driver {
                let passed = since.map_or(Duration::ZERO, |since| since.elapsed());
                is_over = driver.drive(patience, timeout.map(|timeout| timeout.saturating_sub(passed)), caller);
            }
            if is_over || !caller.wait() {
                return Ok(id);
            }
            driver.iter_mut().for_each(CallerDriver::take_role);
        }
    }

    /// Accepts a request or says why not; gives its id and, to a lone caller, the I/O role. The request may be over by
    /// then, and the client gone: nothing may be done with it any more.
    pub(super) fn submit<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        if self.may_be_read(request)
            && let Some(accepted) = self.submit_to_reader(place, request, destination, by)?
        {
            return Ok(accepted);
        }
        match self.topology.cluster() {
            Some(cluster) => self.submit_to_cluster(cluster, place, request, destination, by),
            None if self.topology.is_undecided() => self.submit_undecided(place, request, destination, by),
            None => self.submit_to_node(place, request, destination, by),
        }
    }

    /// The same, to the node of the request. (Apart, so that a client of one server does not pay for it.)
    #[inline(never)]
    fn submit_to_cluster<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        cluster: &Cluster,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        // Nearly all are like this.
        if let Some((args, most)) = small(place, request, self.config.max_request_bytes)
            && let Ok(slot) = slot_of_command(args)
        {
            let link = self.link_of(cluster, slot, place.link)?;
            return self.submit_small(&link, request, (args, most), destination, by);
        }
        if self.check_for_cluster(place, request)? {
            return self.accept_multishot(place.link, request, destination);
        }
        if request.cached {
            cacheable(request, place.lease.is_some())?;
        }
        if let Some(link) = self.link_for_dedicated(cluster, place, request)? {
            return self.submit_to_node(Place { link: &link, ..place }, request, destination, by);
        }
        let Request { commands, route, atomic, cached, .. } = *request;
        let fan_out = || self.accept_fan_out(cluster, place, request, destination).map(|id| (id, None));
        let link = match commands {
            [_] if !atomic && !cached && route.is_several() => return fan_out(),
            [args] if !atomic && route == Route::ByKey => match slot_of_command(args) {
                Ok(slot) => self.link_of(cluster, slot, place.link)?,
                Err(_) => return fan_out(),
            },
            _ if !atomic && !cached && route == Route::ByKey => {
                match self.links_of_pipeline(cluster, place.link, commands) {
                    Ok(Some(links)) => {
                        let links = (&links[..], self.is_read_elsewhere(place, request));
                        let accepted = self.accept_spread(links, request, (Merge::List, &[]), destination);
                        return accepted.map(|id| (id, None));
                    }
                    Ok(None) => self.route(cluster, place.link, request)?,
                    Err(NotWhole::Several) => return fan_out(),
                    Err(NotWhole::Failed(error)) => return Err(error),
                }
            }
            _ => self.route(cluster, place.link, request)?,
        };
        self.submit_to_node(Place { link: &link, ..place }, request, destination, by)
    }

    #[inline]
    pub(super) fn submit_to_node<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let link = place.link;
        if let Some((args, most)) = small(place, request, self.config.max_request_bytes) {
            return self.submit_small(link, request, (args, most), destination, by);
        }
        if request.cached {
            return self.accept_cached(place, request, destination, by);
        }
        let admission = Admission::of(request, place.lease.is_some())?;
        if admission.multishot {
            return self.accept_multishot(link, request, destination);
        }
        if admission.dedicated {
            return self.accept_dedicated(place, request, &admission, destination, by);
        }
        let (plan, work) = match request.commands {
            [args] if admission.script => {
                let (bytes, script) = self.encode_script(args, link)?;
                (Plan::Encoded(bytes), Some(Work::Script(script)))
            }
            commands => (Plan::of(commands, request.atomic), None),
        };
        self.accept_plan(link, request, plan, work, destination, by)
    }

    /// Accepts a small command of so many bytes at most.
    #[inline]
    fn submit_small<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        (args, most): (&[A], usize),
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let mut intake = Intake::open(self, link, by, destination)?;
        let id = intake.put(request, args, most, destination)?;
        Ok((id, intake.close(destination)))
    }

    /// Accepts a request of this plan; `work`: what it is, if the plan does not tell.
    pub(super) fn accept_plan<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        plan: Plan<'_, A>,
        mut work: Option<Work<D>>,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let several_nodes = request.route.is_several();
        if several_nodes && (request.commands.len() > 1 || request.atomic) {
            return Err(Error::new(Status::Argument, "a route to several nodes takes one command at a time"));
        }
        if !self.topology.serves(request.route, link)? {
            // A route that leads to no node.
            return self.answer_at_once(request, destination, Merge::of_none()).map(|id| (id, None));
        }
        if several_nodes {
            let merge = (Merge::ByAddress(vec![link.address()]), &[Bound::Node][..]);
            return self
                .accept_spread((slice::from_ref(link), false), request, merge, destination)
                .map(|id| (id, None));
        }
        let prepared = self.prepare(plan)?;
        let work = |first: u64| work.take().unwrap_or_else(|| Work::of(&prepared.plan, first));
        let append = |pipeline: &mut Pipeline, ticket| prepared.append(pipeline, ticket);
        self.put((link, by), request, prepared.load(), append, work, destination)
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

    /// EVAL as it goes out: with the text, or with its digest where the server holds the script.
    fn encode_script<A: AsRef<[u8]>>(&self, args: &[A], link: &Arc<Link>) -> Result<(Bytes, Arc<Script>), Error> {
        let read_only = args[0].as_ref().eq_ignore_ascii_case(b"EVAL_RO");
        let (script, may_be_known) = self.scripts.lock().find(args[1].as_ref(), read_only);
        let bytes = match may_be_known && self.topology.with_node_of(link, |node| node.holds_script(script.id(), link))
        {
            true => script.evalsha_of(args.iter().map(AsRef::as_ref).collect())?,
            false => command::encode_to_vec(args)?,
        };
        Ok((bytes.into(), script))
    }

    /// Registers a request that hears of events; nothing is sent.
    pub(super) fn listen(&self, link: &Arc<Link>, destination: &D, user_data: u64) -> Result<u64, Error> {
        self.add_listener(&mut self.state.lock(), link, destination, user_data)
    }

    /// Opens the link of a database with a listener that hears of all that happens to it, its first connection
    /// included.
    pub(super) fn open_and_listen(&self, database: u32, destination: &D) -> Result<Arc<Link>, Error> {
        // Events of the link wait for this lock, and a new one starts when it is let go: the listener misses none.
        let mut state = self.state.lock();
        let link = self.node().link(database, &mut state.deferred)?;
        self.add_listener(&mut state, &link, destination, 0)?;
        Ok(link)
    }

    fn add_listener(
        &self,
        state: &mut State<D>,
        link: &Arc<Link>,
        destination: &D,
        user_data: u64,
    ) -> Result<u64, Error> {
        let ticket = self.reserve(state, destination)?;
        // Whoever does not read them shall not lose the stream of events over it.
        let limits = Limits { overflow: Overflow::DropOldest, ..Limits::of(&self.config) };
        self.state.listeners.add(ticket, Outlet::new(ticket.0, user_data, destination, limits));
        let responder = Responder::new(ticket.0, user_data, destination);
        state.hold(ticket, Pending::new(responder, link, Work::Events), None);
        Ok(ticket.0)
    }
}
