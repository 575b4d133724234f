//! A pipeline whose commands are for several nodes: one request, each part of which waits at the link of its own node.
//!
//! Invariant: either all parts are appended or none is. Between the look for room and the last part other requests may
//! come, so that a limit can be exceeded by what is submitted at the same time.

use std::sync::Arc;

use super::cached::FoundPart;
use super::core::Core;
use super::destination::{Destination, Responder};
use super::gather::Gather;
use super::merge::Merge;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::plan::{Plan, tracked};
use super::request::{Place, Request};
use super::split::Split;
use crate::connection::link::Link;
use crate::connection::quota::Load;
use crate::connection::unit::Unit;
use crate::error::Error;
use crate::topology::cluster::Cluster;

impl<D: Destination> Core<D> {
    /// Accepts a command whose keys are in several slots, as one for each of them.
    pub(super) fn accept_split<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        cluster: &Cluster,
        place: Place<'_>,
        split: Split<'_>,
        request: &Request<'_, A>,
        destination: &D,
    ) -> Result<u64, Error> {
        let Split { parts, merge } = split;
        let links = parts.iter().map(|(slot, _)| self.link_of_slot(cluster, *slot, place.link));
        let links = links.collect::<Result<Vec<_>, Error>>()?;
        let commands: Vec<&[&[u8]]> = parts.iter().map(|(_, args)| args.as_slice()).collect();
        let Request { atomic, idempotent, dedicated, cached, replica, .. } = *request;
        let Request { timeout, route, subscription, user_data, .. } = *request;
        let commands = &commands[..];
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
            return self.answer_at_once(request, destination, merge.verdict(kept.collect()));
        }
        let reads = self.is_read_elsewhere(place, request);
        self.accept_parts((&links, reads), &parts, merge, found, destination)
    }

    /// Accepts a pipeline, each command of which goes to the link in its place or, if it `reads`, to whoever may answer
    /// it; `merge`: what its answers make up.
    pub(super) fn accept_spread<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        links: (&[Arc<Link>], bool),
        request: &Request<'_, A>,
        merge: Merge,
        destination: &D,
    ) -> Result<u64, Error> {
        self.accept_parts(links, request, merge, Vec::new(), destination)
    }

    /// The same; `found`: what the cache has of each part, if it was asked.
    fn accept_parts<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        (links, reads): (&[Arc<Link>], bool),
        request: &Request<'_, A>,
        merge: Merge,
        found: Vec<FoundPart>,
        destination: &D,
    ) -> Result<u64, Error> {
        let prepared = self.prepare(Plan::of(request.commands, false))?;
        let timeout = self.timeout_of(request);
        let Some(first) = links.first() else { return Err(Error::memory(0)) };
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        let units = prepared.units(ticket).map(|units| units.into_iter().zip(links).collect::<Vec<_>>());
        let mut units = units.inspect_err(|_| state.requests.give_back(ticket))?;
        let mut work = Work::of(&prepared.plan, NOT_QUEUED);
        if let Work::Gather(gather) = &mut work {
            gather.set_merge(merge);
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
