//! Before the first server has answered nobody knows whether it is one of a cluster. What is submitted by then waits at
//! the link to it, in order; when it says that it is one of a cluster, what it cannot do alone waits for the map
//! instead.
//!
//! Invariant: nothing was sent yet when that is decided, and nothing is submitted meanwhile.

use std::mem;
use std::sync::Arc;

use super::admission::Admission;
use super::completion::Verdict;
use super::core::Core;
use super::destination::{Deliveries, Destination};
use super::fan_out::{Held, slot_of_command};
use super::pending::{NOT_QUEUED, Work};
use super::request::{Place, Request};
use super::routing::slot_of_request;
use super::state::State;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::unit::Unit;
use crate::error::{Error, Outcome, Status};
use crate::protocol::command;
use crate::topology::Route;

#[cfg(test)]
mod tests;

/// What becomes of a request that waits at the first server, when that is one of a cluster.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// The server runs it, or says who does.
    Stays,
    /// It is for several nodes, or for one of which only the map tells.
    WaitsForMap,
    /// No cluster can do it.
    Refused(Error),
}

/// That of these commands; `atomic`: they are one transaction.
fn fate(commands: &[&[&[u8]]], atomic: bool) -> Fate {
    match atomic {
        true => slot_of_request(commands).map_or_else(Fate::Refused, |_| Fate::Stays),
        false if commands.iter().any(|args| slot_of_command(args).is_err()) => Fate::WaitsForMap,
        false => Fate::Stays,
    }
}

/// The commands of these units, without what the client has put around them.
fn commands_of(units: &[Unit]) -> Vec<Vec<&[u8]>> {
    let encoded = units.iter().flat_map(|unit| command::commands(&unit.bytes).map(|range| unit.bytes.get(range)));
    let decoded = encoded.flatten().map(|encoded| command::decode(encoded).collect::<Vec<&[u8]>>());
    let is_own = |args: &Vec<&[u8]>| matches!(args[..], [b"MULTI" | b"EXEC"] | [b"CLIENT", b"CACHING", _]);
    decoded.filter(|args| !is_own(args)).collect()
}

impl<D: Destination> Core<D> {
    /// As [`Core::submit`], while it is open whether there is a cluster.
    #[inline(never)]
    pub(super) fn submit_undecided<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let undecided = self.undecided.lock();
        if !self.topology.is_undecided() {
            drop(undecided);
            return self.submit(place, request, destination, by);
        }
        let is_named = !matches!(request.route, Route::ByKey | Route::Random) && !request.atomic && !request.cached;
        if is_named && place.lease.is_none() {
            let admission = Admission::of(request, false)?;
            if request.route.is_several() && request.commands.len() > 1 {
                return Err(Error::new(Status::Argument, "a route to several nodes takes one command at a time"));
            }
            if !admission.dedicated && !admission.multishot {
                return self.hold_back(place.link, request, destination).map(|id| (id, None));
            }
        }
        self.submit_to_node(place, request, destination, by)
    }

    /// There is a connection, and its server has said what it is: the first one decides whether there is a cluster.
    pub(super) fn decide(&self, link: &Link) {
        if !self.topology.is_undecided() {
            return;
        }
        let undecided = self.undecided.lock();
        self.topology.learn(&link.status().server_info, self.clock.instant());
        let is_cluster = self.topology.cluster().is_some();
        let refused = if is_cluster { self.sort_out() } else { Deliveries::new() };
        let may_go = !self.state.lock().held.is_empty();
        drop(undecided);
        self.complete(refused);
        // A first look at the map is due at once.
        if is_cluster || may_go {
            self.clock.wake();
        }
    }

    /// It is a cluster: takes out of the queues of the first server what it cannot do alone. Gives what no cluster can
    /// do.
    fn sort_out(&self) -> Deliveries {
        let mut refused = Deliveries::new();
        let mut state = self.state.lock();
        // Those that name a node go last, as they would if there were no cluster.
        let mut named = mem::take(&mut state.held);
        for link in self.topology.first().links() {
            let units: Vec<Unit> = link.take_unsent();
            for units in units.chunk_by(|unit, next| unit.to.ticket == next.to.ticket) {
                self.sort_out_one(&mut state, &link, units, &mut refused);
            }
        }
        state.held.append(&mut named);
        refused
    }

    /// All units of one request.
    fn sort_out_one(&self, state: &mut State<D>, link: &Arc<Link>, units: &[Unit], refused: &mut Deliveries) {
        let ticket = units.first().and_then(|unit| self.go_on_with(state, link, unit.to.ticket));
        let Some(ticket) = ticket else { return };
        let Some(pending) = state.requests.get(ticket) else {
            // Whoever waits for it is the link itself.
            units.iter().for_each(|unit| _ = link.send(unit.clone()));
            return;
        };
        let atomic = matches!(pending.work, Work::Transaction);
        let is_users = matches!(pending.work, Work::Single | Work::Script(_) | Work::Cached(_) | Work::Gather(_));
        let commands = commands_of(units);
        let commands: Vec<&[&[u8]]> = commands.iter().map(Vec::as_slice).collect();
        let fate = if atomic || is_users { fate(&commands, atomic) } else { Fate::Stays };
        match fate {
            Fate::Stays => {
                for unit in units {
                    let mut unit = unit.clone();
                    unit.to.ticket = ticket;
                    self.put_at(state, link, unit);
                }
            }
            Fate::WaitsForMap => {
                pending.sequence = NOT_QUEUED;
                pending.work = Work::Held(Box::new(Held::new(&commands, Route::ByKey)));
                state.held.push(ticket);
            }
            Fate::Refused(error) => {
                let pending = self.take(state, ticket);
                let verdict = Verdict::failed(&error, Outcome::NotRun);
                refused.extend(pending.and_then(|pending| pending.responder.finish(verdict)));
            }
        }
    }
}
