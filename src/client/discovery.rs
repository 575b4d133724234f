//! How a client asks a cluster for its map: CLUSTER SLOTS on links that exist, when the schedule of the cluster says
//! so.
//!
//! Invariant: whatever becomes of a question, its round hears of its end, so that the next round is not waited for in
//! vain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::completion::Verdict;
use super::core::Core;
use super::destination::{Destination, Responder};
use super::pending::{Pending, Work};
use super::request::in_millis;
use super::state::{Phase, State};
use crate::address::Address;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::unit::{Addressee, Unit};
use crate::error::Status;
use crate::protocol::reply::Reply;
use crate::topology::cluster::refresh::{Action, Reason};
use crate::topology::cluster::view::View;
use crate::topology::cluster::{Cluster, Found};

#[cfg(test)]
mod tests;

const QUESTION: &[u8] = b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";

impl<D: Destination> Core<D> {
    /// The map of the cluster may be wrong, for this reason.
    pub(super) fn note(&self, reason: Reason) {
        if let Some(cluster) = self.topology.cluster()
            && cluster.note(reason, self.clock.instant(), fastrand::f64())
        {
            self.clock.wake();
        }
    }

    /// Asks for the map if it is time to; gives when to look next.
    pub(super) fn look_for_map(&self, state: &mut State<D>) -> Option<Instant> {
        let cluster = self.topology.cluster().filter(|_| state.phase == Phase::Open)?;
        match cluster.look(self.clock.instant()) {
            Action::Ask => {
                self.ask(cluster, state);
                None
            }
            Action::Conclude => {
                if let Some(found) = cluster.conclude(self.clock.instant(), fastrand::f64()) {
                    self.follow_round(cluster, state, found);
                }
                None
            }
            Action::LookAt(at) => Some(at),
            Action::Wait => None,
        }
    }

    fn ask(&self, cluster: &Cluster, state: &mut State<D>) {
        let links = cluster.links_to_ask(|links| fastrand::shuffle(links));
        let round = cluster.begin_round(links.len().max(1));
        // Not one is asked: this round is over.
        if links.is_empty() {
            self.one_view_less(state, round);
        }
        let due = self.clock.due(in_millis(self.config.connect_timeout));
        for link in links {
            let Some(ticket) = state.requests.reserve() else {
                self.one_view_less(state, round);
                continue;
            };
            let unit = Unit { to: Addressee { ticket, part: 0 }, replies: 1, bytes: Bytes::from_static(QUESTION) };
            let sequence = link.send(unit);
            let pending = Pending { sequence, ..Pending::new(Responder::to_nobody(), &link, Work::Slots(round)) };
            if state.hold(ticket, pending, Some(due)) {
                self.clock.wake();
            }
        }
    }

    /// A node answered.
    pub(super) fn judge_slots(&self, link: &Link, round: u64, reply: Reply) -> Verdict {
        let asked = Address::parse(&link.address()).unwrap_or_default();
        if let Some(cluster) = self.topology.cluster()
            && let Ok(view) = View::of(&reply, &asked, self.config.max_nodes)
        {
            cluster.add_view(round, view, self.clock.instant());
            // The others are waited for from now on, and not for ever.
            self.clock.wake();
        }
        Verdict::answered(Status::Ok, reply)
    }

    /// A question of this round has come to its end.
    pub(super) fn one_view_less(&self, state: &mut State<D>, round: u64) {
        let Some(cluster) = self.topology.cluster() else { return };
        if let Some(found) = cluster.one_is_over(round, self.clock.instant(), fastrand::f64()) {
            self.follow_round(cluster, state, found);
        }
    }

    /// A round is over.
    fn follow_round(&self, cluster: &Cluster, state: &mut State<D>, found: Found) {
        match found {
            Found::Changed => {
                self.move_what_waits(state, |_| true);
                self.move_waiting_sessions(state);
                // A node that was away has slots again: it is there.
                cluster.links_to_primaries().iter().for_each(|link| link.dial_now());
            }
            // ASK has led it to a node that serves nothing yet and perhaps never will.
            Found::Same => {
                let named: BTreeSet<Address> = cluster.addresses().into_iter().collect();
                let is_named = |link: &Link| link.endpoints().first().is_some_and(|address| named.contains(&address));
                self.move_what_waits(state, |link| !is_named(link));
            }
            Found::Nothing => {}
        }
        if found != Found::Nothing {
            cluster.part_with_nodes(&mut state.deferred);
        }
        if found != Found::Changed && self.is_node_missed() {
            self.note(Reason::Lost);
        }
        self.clock.wake();
    }

    /// Whether requests wait for a node that is not connected. It is dialled more and more rarely: that tells too late
    /// that another one has taken over.
    fn is_node_missed(&self) -> bool {
        let is_missed = |link: &Arc<Link>| !link.is_connected() && link.waiting().0 > 0;
        self.topology.links().iter().any(|link| matches!(link.purpose(), Purpose::Commands(_)) && is_missed(link))
    }
}
