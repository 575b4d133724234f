//! A request for several nodes of a cluster: each part of it waits at the link of its own node. What needs the map,
//! which is not there yet, waits for it.
//!
//! Invariant: either all parts are appended or none is. Between the look for room and the last part other requests may
//! come, so that a limit can be exceeded by what is submitted at the same time, or was accepted before there was a map.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use super::cached::FoundPart;
use super::completion::Verdict;
use super::core::Core;
use super::destination::{Deliveries, Destination, Responder};
use super::fan_out::{FanOut, Held, Part};
use super::gather::{Bound, Gather};
use super::merge::Merge;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::plan::{Plan, tracked};
use super::request::{Place, Request};
use super::routing::slot_of_request;
use super::state::State;
use crate::connection::link::Link;
use crate::connection::quota::Load;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::error::{Error, Outcome};
use crate::topology::Route;
use crate::topology::cluster::Cluster;
use crate::topology::deferred::Deferred;

impl<D: Destination> Core<D> {
    /// Accepts a request that is for several nodes, or for one of which only the map tells. Without a map it waits for
    /// one.
    pub(super) fn accept_fan_out<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        cluster: &Cluster,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
    ) -> Result<u64, Error> {
        let link = place.link;
        let Some(fan_out) = cluster.with_map(|map| FanOut::of(request.commands, request.route, map))? else {
            return self.hold_back(link, request, destination);
        };
        let FanOut { mut parts, merge } = fan_out;
        if parts.is_empty() {
            return self.answer_at_once(request, destination, Merge::of_none());
        }
        if merge == Merge::FirstFound {
            fastrand::shuffle(&mut parts);
        }
        let mut deferred = Deferred::default();
        let links = self.links_of_parts(cluster, &parts, link, &mut deferred);
        self.run(deferred);
        let bounds: Vec<Bound> = parts.iter().map(Part::bound).collect();
        let commands: Vec<&[Cow<'_, [u8]>]> = parts.iter().map(|part| part.args.as_slice()).collect();
        let Request { atomic, idempotent, dedicated, cached, replica, .. } = *request;
        let Request { timeout, route, subscription, user_data, .. } = *request;
        let (links, commands) = (links?, &commands[..]);
        let parts = Request {
            commands,
            atomic,
            idempotent,
            dedicated,
            cached,
            replica,
            timeout,
            route,
            subscription,
            user_data,
        };
        let found = if cached { self.look_up_parts(&links, commands)? } else { Vec::new() };
        if !found.is_empty() && found.iter().all(|part| matches!(part, FoundPart::Kept(_))) {
            let kept = found.into_iter().filter_map(|part| match part {
                FoundPart::Kept(reply) => Some(reply),
                FoundPart::ToKeep(_) | FoundPart::NotKept => None,
            });
            let address = |part: usize| links.get(part).map_or_else(String::new, |link| link.address());
            return self.answer_at_once(request, destination, merge.verdict(kept.collect(), &address));
        }
        let reads = self.is_read_elsewhere(place, request);
        self.accept_parts((&links, reads), &parts, (merge, &bounds), found, destination)
    }

    /// Accepts a request that waits for the map, or for what the servers say of themselves.
    pub(super) fn hold_back<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        destination: &D,
    ) -> Result<u64, Error> {
        let load = self.prepare(Plan::of(request.commands, false))?.load();
        let held = Held::new(request.commands, request.route);
        let timeout = self.timeout_of(request);
        let mut state = self.state.lock();
        // As if all that waits here were to go to this one.
        link.check_room(Load { requests: load.requests + state.held.len(), ..load })?;
        let ticket = self.reserve(&mut state, destination)?;
        let pending = Pending {
            timeout: timeout.unwrap_or_default(),
            idempotent: request.idempotent,
            ..Pending::new(Responder::new(ticket.0, request.user_data, destination), link, Work::Held(Box::new(held)))
        };
        _ = state.hold(ticket, pending, timeout.map(|timeout| self.clock.due(timeout)));
        state.held.push(ticket);
        // The map may have come meanwhile.
        self.clock.wake();
        Ok(ticket.0)
    }

    /// Sends what waits for the map, if there is one or none is needed.
    pub(super) fn send_held(&self) {
        let cluster = self.topology.cluster();
        let mut state = self.state.lock();
        let waits = |cluster: &Cluster| cluster.with_map(|map| map.is_none());
        if state.held.is_empty() || self.topology.is_undecided() || cluster.is_some_and(waits) {
            return;
        }
        let mut deliveries = Deliveries::new();
        for ticket in mem::take(&mut state.held) {
            let verdict = match self.send_one_held(cluster, &mut state, ticket) {
                Ok(None) => continue,
                Ok(Some(verdict)) => verdict,
                Err(error) => Verdict::failed(&error, Outcome::NotRun),
            };
            let pending = self.take(&mut state, ticket);
            deliveries.extend(pending.and_then(|pending| pending.responder.finish(verdict)));
        }
        drop(state);
        self.complete(deliveries);
    }

    /// The verdict if it is over by that.
    fn send_one_held(
        &self,
        cluster: Option<&Cluster>,
        state: &mut State<D>,
        ticket: Ticket,
    ) -> Result<Option<Verdict>, Error> {
        let State { requests, deferred, .. } = state;
        let Some(pending) = requests.get(ticket) else { return Ok(None) };
        let Work::Held(held) = mem::replace(&mut pending.work, Work::Single) else { return Ok(None) };
        let commands: Vec<&[Vec<u8>]> = held.commands.iter().map(Vec::as_slice).collect();
        let route = held.route();
        let named = match cluster {
            None => self.topology.serves(route, &pending.link)?.then(|| Arc::clone(&pending.link)),
            Some(cluster) if !route.is_several() && route != Route::ByKey => {
                Some(self.link_of_route(cluster, &pending.link, (route, &|| slot_of_request(&commands)), deferred)?)
            }
            Some(_) => None,
        };
        let fan_out = match (&named, cluster) {
            (Some(link), _) => FanOut::whole(&commands, route, link.address()),
            (None, Some(cluster)) => match cluster.with_map(|map| FanOut::of(&commands, route, map))? {
                Some(fan_out) => fan_out,
                None => return Ok(None),
            },
            (None, None) => return Ok(Some(Merge::of_none())),
        };
        let FanOut { parts, merge } = fan_out;
        if parts.is_empty() {
            return Ok(Some(Merge::of_none()));
        }
        let links = match (named, cluster) {
            (None, Some(cluster)) => self.links_of_parts(cluster, &parts, &pending.link, deferred)?,
            (named, _) => vec![named.unwrap_or_else(|| Arc::clone(&pending.link)); parts.len()],
        };
        let bounds: Vec<Bound> = parts.iter().map(Part::bound).collect();
        let commands: Vec<&[Cow<'_, [u8]>]> = parts.iter().map(|part| part.args.as_slice()).collect();
        let units = self.prepare(Plan::Several(&commands))?.units(ticket)?;
        let mut gather = Gather::new((0..units.len()).map(|_| NOT_QUEUED));
        gather.set_merge(merge, &bounds);
        pending.work = Work::Gather(Box::new(gather));
        for (unit, link) in units.into_iter().zip(&links) {
            self.put_at(state, link, unit);
        }
        Ok(None)
    }

    /// What waits for the map, which was to come from this link.
    pub(super) fn held_at(&self, link: &Arc<Link>) -> Vec<Addressee> {
        let mut state = self.state.lock();
        let State { held, requests, .. } = &mut *state;
        let mut is_here = |ticket: Ticket| requests.get(ticket).is_some_and(|pending| Arc::ptr_eq(&pending.link, link));
        let held = held.iter().copied().filter(|ticket| is_here(*ticket));
        held.map(|ticket| Addressee { ticket, part: 0 }).collect()
    }

    /// Accepts a pipeline, each command of which goes to the link in its place or, if it `reads`, to whoever may answer
    /// it; `merge`: what its answers make up; `bounds`: where each goes again, if not to its keys.
    pub(super) fn accept_spread<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        links: (&[Arc<Link>], bool),
        request: &Request<'_, A>,
        (merge, bounds): (Merge, &[Bound]),
        destination: &D,
    ) -> Result<u64, Error> {
        self.accept_parts(links, request, (merge, bounds), Vec::new(), destination)
    }

    /// The same; `found`: what the cache has of each part, if it was asked.
    fn accept_parts<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        (links, reads): (&[Arc<Link>], bool),
        request: &Request<'_, A>,
        (merge, bounds): (Merge, &[Bound]),
        found: Vec<FoundPart>,
        destination: &D,
    ) -> Result<u64, Error> {
        // (The answer to one command may be made of others, and else it is that of the command.)
        let plan = match merge {
            Merge::List => Plan::of(request.commands, false),
            _ => Plan::Several(request.commands),
        };
        let prepared = self.prepare(plan)?;
        let timeout = self.timeout_of(request);
        let Some(first) = links.first() else { return Err(Error::memory(0)) };
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state, destination)?;
        let units = prepared.units(ticket).map(|units| units.into_iter().zip(links).collect::<Vec<_>>());
        let mut units = units.inspect_err(|_| state.requests.give_back(ticket))?;
        let mut work = Work::of(&prepared.plan, NOT_QUEUED);
        if let Work::Gather(gather) = &mut work {
            gather.set_merge(merge, bounds);
            units = without_kept(gather, units, found);
        }
        check_room(&units).inspect_err(|_| state.requests.give_back(ticket))?;
        let pending = Pending {
            timeout: timeout.unwrap_or_default(),
            idempotent: request.idempotent,
            reads,
            ..Pending::new(Responder::new(ticket.0, request.user_data, destination), first, work)
        };
        if state.hold(ticket, pending, timeout.map(|timeout| self.clock.due(timeout))) {
            self.clock.wake();
        }
        for (unit, link) in units {
            match reads {
                true => self.put_again(&mut state, unit),
                false => self.put_at(&mut state, link, unit),
            }
        }
        Ok(ticket.0)
    }
}

/// The units that are to be sent: what is kept already is the answer of its part.
fn without_kept<'a>(
    gather: &mut Gather,
    units: Vec<(Unit, &'a Arc<Link>)>,
    found: Vec<FoundPart>,
) -> Vec<(Unit, &'a Arc<Link>)> {
    let found = found.into_iter().chain(std::iter::repeat_with(|| FoundPart::NotKept));
    let to_send = units.into_iter().zip(found).enumerate().filter_map(|(part, ((unit, link), found))| match found {
        FoundPart::Kept(reply) => {
            gather.put(unit.to.part, reply);
            None
        }
        FoundPart::ToKeep(fill) => {
            gather.set_fill(part, fill);
            Some((tracked(unit), link))
        }
        FoundPart::NotKept => Some((unit, link)),
    });
    to_send.collect()
}

/// Whether each link has room for what goes there.
fn check_room(units: &[(Unit, &Arc<Link>)]) -> Result<(), Error> {
    let mut loads: Vec<(&Arc<Link>, Load)> = Vec::new();
    for (unit, link) in units {
        let place = loads.iter().position(|(other, _)| Arc::ptr_eq(other, link)).unwrap_or(loads.len());
        if place == loads.len() {
            loads.push((link, Load::default()));
        }
        if let Some((_, load)) = loads.get_mut(place) {
            load.requests += 1;
            load.bytes += unit.bytes.len();
        }
    }
    loads.into_iter().try_for_each(|(link, load)| link.check_room(load))
}
