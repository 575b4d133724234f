//! A pipeline whose commands are for several nodes: one request, each part of which waits at the link of its own node.
//!
//! Invariant: either all parts are appended or none is. Between the look for room and the last part other requests may
//! come, so that a limit can be exceeded by what is submitted at the same time.

use std::sync::Arc;

use super::core::Core;
use super::destination::{Destination, Responder};
use super::merge::Merge;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::plan::Plan;
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
        let reads = self.is_read_elsewhere(place, request);
        self.accept_spread((&links, reads), &parts, merge, destination)
    }

    /// Accepts a pipeline, each command of which goes to the link in its place or, if it `reads`, to whoever may answer
    /// it; `merge`: what its answers make up.
    pub(super) fn accept_spread<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        (links, reads): (&[Arc<Link>], bool),
        request: &Request<'_, A>,
        merge: Merge,
        destination: &D,
    ) -> Result<u64, Error> {
        let prepared = self.prepare(Plan::of(request.commands, false))?;
        let timeout = self.timeout_of(request);
        let Some(first) = links.first() else { return Err(Error::memory(0)) };
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        let units = prepared.units(ticket).and_then(|units| check_room(links, &units).map(|()| units));
        let units = units.inspect_err(|_| state.requests.give_back(ticket))?;
        let mut work = Work::of(&prepared.plan, NOT_QUEUED);
        if let Work::Gather(gather) = &mut work {
            gather.set_merge(merge);
        }
        let pending = Pending {
            timeout: timeout.unwrap_or_default(),
            idempotent: request.idempotent,
            reads,
            ..Pending::new(Responder::new(ticket.0, request.user_data, destination), first, work)
        };
        if state.hold(ticket, pending, timeout.map(|timeout| self.clock.due(timeout))) {
            self.clock.wake();
        }
        for (unit, link) in units.into_iter().zip(links) {
            match reads {
                true => self.put_again(&mut state, unit),
                false => self.put_at(&mut state, link, unit),
            }
        }
        Ok(ticket.0)
    }
}

/// Whether each link has room for what goes there.
fn check_room(links: &[Arc<Link>], units: &[Unit]) -> Result<(), Error> {
    let mut loads: Vec<(&Arc<Link>, Load)> = Vec::new();
    for (link, unit) in links.iter().zip(units) {
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
