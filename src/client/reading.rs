//! Reads that a replica may answer: which requests they are, where they go, and how servers are asked how they are.
//!
//! Invariant: what changes something, or depends on what stands on one connection or server alone, goes to the primary.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::completion::Verdict;
use super::core::Core;
use super::destination::{Destination, Responder};
use super::fan_out::slot_of_unit;
use super::merge::Merge;
use super::pending::{Pending, Work};
use super::request::{Place, Request, in_millis};
use super::routing::slot_of_request;
use super::state::{Phase, State};
use crate::address::Address;
use crate::config::ReadFrom;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::recipient::LinkEvent;
use crate::connection::unit::{Addressee, Unit};
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, Handling};
use crate::protocol::reply::Reply;
use crate::topology::Route;
use crate::topology::deferred::Deferred;
use crate::topology::replicas::Reader;
use crate::topology::replication::Replication;

#[cfg(test)]
mod tests;

const QUESTION: &[u8] = b"*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";

/// Before somebody is sought again who may answer a read.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a replica can answer a command: it reads keys, and what it answers does not depend on the server. (A cursor
/// belongs to the server that gave it.)
fn is_read<A: AsRef<[u8]>>(args: &[A]) -> bool {
    let is_scan = args.first().is_some_and(|name| {
        let name = name.as_ref();
        name.len() >= 4 && name.get(name.len() - 4..).is_some_and(|end| end.eq_ignore_ascii_case(b"SCAN"))
    });
    !is_scan
        && catalog::is_read_only(args)
        && catalog::handling(args) == Handling::Ordinary
        && catalog::keys(args).next().is_some()
}

/// Whether a replica can answer a request.
fn is_reading<A: AsRef<[u8]>>(place: Place<'_>, request: &Request<'_, A>) -> bool {
    let Request { commands, atomic, dedicated, cached, route, subscription, .. } = *request;
    let is_special = place.lease.is_some() || atomic || dedicated || cached || subscription != 0;
    !is_special && route == Route::ByKey && !commands.is_empty() && commands.iter().all(|args| is_read(args))
}

impl<D: Destination> Core<D> {
    /// Whether a request may go elsewhere than to the primary, if it is a read.
    #[inline]
    pub(super) fn may_be_read<A>(&self, request: &Request<'_, A>) -> bool {
        request.replica || self.config.read_from != ReadFrom::Primary
    }

    /// The same, of a request that is looked at.
    pub(super) fn is_read_elsewhere<A: AsRef<[u8]>>(&self, place: Place<'_>, request: &Request<'_, A>) -> bool {
        self.may_be_read(request) && is_reading(place, request)
    }

    /// Accepts a request that a replica may answer. `None`: it goes its usual way.
    #[inline(never)]
    pub(super) fn submit_to_reader<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<Option<(u64, Option<CallerDriver>)>, Error> {
        if request.replica && request.cached {
            let sentence = "JR_REQUEST_CACHED and JR_REQUEST_REPLICA: a replica does not tell of changes in time";
            return Err(Error::new(Status::Argument, sentence));
        }
        let cluster = self.topology.cluster();
        if !is_reading(place, request) {
            return Ok(None);
        }
        let slot = match cluster {
            None => None,
            Some(_) => match slot_of_request(request.commands) {
                Ok(slot) => slot,
                // Each part finds its way by itself.
                Err(_) => return Ok(None),
            },
        };
        let mut deferred = Deferred::default();
        let reader = self.reader(slot, place.link, &mut deferred);
        self.run(deferred);
        let (reader, primary) = reader?;
        match reader {
            Reader::Replica(link) => {
                self.submit_to_node(Place { link: &link, ..place }, request, destination, by).map(Some)
            }
            Reader::Primary => Ok(None),
            Reader::Nobody => {
                let links = vec![primary; request.commands.len()];
                self.accept_spread((&links, true), request, (Merge::List, &[]), destination).map(|id| Some((id, None)))
            }
        }
    }

    /// Who answers a read of a slot, or of a server that is none of a cluster, in the database of a link; and the link
    /// to the primary.
    fn reader(
        &self,
        slot: Option<u16>,
        link: &Arc<Link>,
        deferred: &mut Deferred,
    ) -> Result<(Reader, Arc<Link>), Error> {
        let (replicas, cluster) = (self.topology.replicas(), self.topology.cluster());
        if !replicas.are_wanted()
            && let Ok(opening) = self.node().opening()
            && replicas.want(&opening, self.clock.instant())
        {
            self.clock.wake();
        }
        let read_from = match self.config.read_from {
            ReadFrom::Primary => ReadFrom::PreferReplica,
            other => other,
        };
        let database = link.database();
        let Some((cluster, slot)) = cluster.zip(slot) else {
            let primary = self.node().link(database, deferred)?;
            return Ok((replicas.reader(read_from, (&primary, database), None, deferred)?, primary));
        };
        let primary = self.owner_of_slot(cluster, slot, link, deferred)?;
        let reader = cluster.with_replicas_of_slot(slot, |among| {
            replicas.reader(read_from, (&primary, database), Some(among), deferred)
        });
        Ok((reader?, primary))
    }

    /// Sends a unit again that a replica may answer, if it is one; else it is given back.
    pub(super) fn read_again(&self, state: &mut State<D>, unit: Unit) -> Option<Unit> {
        let State { requests, deferred, .. } = state;
        let Some(pending) = requests.get(unit.to.ticket) else { return Some(unit) };
        let link = Arc::clone(pending.link_of(unit.to.part));
        if !pending.reads && !self.topology.replicas().has(&link) {
            return Some(unit);
        }
        pending.reads = true;
        match self.reader(slot_of_unit(&unit.bytes), &link, deferred) {
            Ok((Reader::Replica(link), _) | (Reader::Primary, link)) => self.place(pending, &link, unit),
            Ok((Reader::Nobody, _)) | Err(_) => self.delay(state, unit, PAUSE),
        }
        None
    }

    /// Something happened to a link: what waits at a replica that cannot be reached goes elsewhere.
    pub(super) fn on_event_of_replica(&self, link: &Arc<Link>, news: &LinkEvent) {
        if !self.topology.replicas().has(link) {
            return;
        }
        match news {
            LinkEvent::Connected => {
                self.topology.replicas().hurry(self.clock.instant());
                self.clock.wake();
            }
            LinkEvent::Lost(_) | LinkEvent::Unreachable(_) => {
                // What it is when it is back, it has to say.
                self.topology.replicas().pass_over(link);
                let mut state = self.state.lock();
                for mut unit in link.take_unsent() {
                    let Some(ticket) = self.go_on_with(&mut state, link, unit.to.ticket) else { continue };
                    unit.to.ticket = ticket;
                    self.put_again(&mut state, unit);
                }
            }
            _ => {}
        }
    }

    /// Asks servers how they are if it is time to; gives when to look next.
    pub(super) fn look_at_replicas(&self, state: &mut State<D>) -> Option<Instant> {
        let replicas = self.topology.replicas();
        if !replicas.are_wanted() || state.phase != Phase::Open {
            return None;
        }
        let now = self.clock.instant();
        match replicas.look(now)? {
            Err(at) => Some(at),
            Ok(()) => {
                self.ask_replicas(state);
                replicas.look(now)?.err()
            }
        }
    }

    fn ask_replicas(&self, state: &mut State<D>) {
        let (replicas, node) = (self.topology.replicas(), self.node());
        let others = match self.topology.cluster() {
            Some(cluster) => {
                replicas.set(&cluster.replicas(), true, node, &mut state.deferred);
                let asks_primaries = self.config.max_replica_lag.is_some();
                if asks_primaries { cluster.links_to_primaries() } else { Vec::new() }
            }
            None => {
                let shared = node.links().into_iter().filter(|link| matches!(link.purpose(), Purpose::Commands(_)));
                let primary: Vec<Arc<Link>> = shared.filter(|link| link.is_connected()).take(1).collect();
                if self.names_replicas() {
                    let address = primary.first().map(|link| link.address());
                    let endpoints = self.config.endpoints.iter();
                    let named = endpoints.filter(|endpoint| Some(endpoint.to_string()) != address);
                    let named: Vec<_> = named.map(|endpoint| (endpoint.clone(), Address::default())).collect();
                    replicas.set(&named, false, node, &mut state.deferred);
                }
                primary
            }
        };
        let due = self.clock.due(in_millis(self.config.dead_after));
        for link in replicas.ask(&others, &mut state.deferred) {
            let Some(ticket) = state.requests.reserve() else {
                replicas.one_is_over(&link);
                continue;
            };
            let unit = Unit { to: Addressee { ticket, part: 0 }, replies: 1, bytes: Bytes::from_static(QUESTION) };
            let sequence = link.send(unit);
            let pending = Pending { sequence, ..Pending::new(Responder::to_nobody(), &link, Work::Replication) };
            if state.hold(ticket, pending, Some(due)) {
                self.clock.wake();
            }
        }
    }

    /// Whether the configuration says which servers there are; else the primary does.
    fn names_replicas(&self) -> bool {
        self.topology.sentinels().is_none() && self.config.endpoints.len() > 1
    }

    /// A server answered.
    pub(super) fn judge_replication(&self, state: &mut State<D>, link: &Arc<Link>, reply: Reply) -> Verdict {
        let (replicas, now) = (self.topology.replicas(), self.clock.instant());
        let said = match reply.is_error() {
            false => Replication::of(&String::from_utf8_lossy(reply.as_bytes())),
            // Who may not ask that knows what the server said in the handshake.
            true => {
                let role = link.status().server_info.role;
                let is_replica = matches!(role.as_str(), "replica" | "slave");
                Replication { is_replica, is_linked: is_replica, ..Replication::default() }
            }
        };
        if replicas.has(link) {
            replicas.learn(link, None, &said, now);
            return Verdict::answered(Status::Ok, reply);
        }
        let address = Address::parse(&link.address()).unwrap_or_default();
        let is_cluster = self.topology.cluster().is_some();
        // Of one server, all know the primary by the same name, wherever it is.
        let primary = if is_cluster { address.clone() } else { Address::default() };
        // (Sentinels say soon who took the place of a primary that is none any more.)
        let is_demoted = said.is_replica && self.topology.sentinels().is_some();
        if !is_cluster && !self.names_replicas() && !is_demoted {
            // (Whoever names a replica means it.)
            let named = if said.is_replica { vec![address] } else { said.replicas.clone() };
            let named: Vec<_> = named.into_iter().map(|replica| (replica, primary.clone())).collect();
            replicas.set(&named, false, self.node(), &mut state.deferred);
        }
        replicas.learn(link, Some(&primary), &said, now);
        Verdict::answered(Status::Ok, reply)
    }
}
