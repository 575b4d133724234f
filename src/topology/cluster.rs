//! Many servers, each of which serves a part of the keys: their nodes by address, the map of slots, and when to ask for
//! it anew. Who asks and what waits meanwhile is the client's.
//!
//! Invariant: there is at most one node for an address, and none more than `max_nodes`. The lock of what is known is
//! taken before those of a node; no link is started or closed under it.

pub mod agreement;
pub mod redirect;
pub mod refresh;
pub mod slot_map;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use self::refresh::{Action, Reason, Schedule};
use self::slot_map::{Change, SlotMap};
use self::view::View;
use super::deferred::Deferred;
use super::node::Node;
use crate::address::Address;
use crate::connection::background_driver::Opening;
use crate::connection::endpoints::Endpoints;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::error::{Error, Status};
use crate::lock::Lock;

#[cfg(test)]
mod tests;

/// The database of a cluster.
const DATABASE: u32 = 0;

/// So many nodes are asked for the map.
const ASKED: usize = 5;

/// The servers of a cluster.
pub struct Cluster {
    /// Behind the configured endpoints: asked where no other node is connected.
    seeds: Arc<Node>,
    most: usize,
    known: Lock<Known>,
    refreshing: Lock<Refreshing>,
}

struct Known {
    /// `None`: it is closed.
    opening: Option<Opening>,
    map: SlotMap,
    /// A round has found it; else it is what nodes have said by the way.
    is_found: bool,
    /// The links to the primaries, by the place of their shards in the map; filled when they are needed.
    routes: Vec<Option<Arc<Link>>>,
    nodes: BTreeMap<Address, Arc<Node>>,
    /// Shared links and their nodes, by number. Some may be closed.
    links: BTreeMap<u16, (Arc<Link>, Arc<Node>)>,
    /// Nodes that the last map did not name.
    leaving: BTreeSet<Address>,
    taken_by_gone: u64,
}

impl Known {
    fn has(&self, address: &Address) -> bool {
        self.nodes.contains_key(address) || self.map.nodes().any(|node| node == address)
    }
}

struct Refreshing {
    schedule: Schedule,
    /// The number of the round.
    round: u64,
    /// What nodes said in this round.
    views: Vec<View>,
    /// How many have not answered.
    missing: usize,
}

/// What a round has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing that is usable.
    Nothing,
    /// The map is as it was.
    Same,
    /// There is another map.
    Changed,
}

impl Cluster {
    /// What is behind the configured endpoints is known, and no other node yet.
    pub fn new(opening: Opening, seeds: Arc<Node>, now: Instant) -> Cluster {
        let (most, interval) = (opening.config.max_nodes, opening.config.refresh_interval);
        let known = Known {
            opening: Some(opening),
            map: SlotMap::default(),
            is_found: false,
            routes: Vec::new(),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            leaving: BTreeSet::new(),
            taken_by_gone: 0,
        };
        Cluster {
            seeds,
            most,
            known: Lock::new(known),
            refreshing: Lock::new(Refreshing {
                schedule: Schedule::new(interval, now),
                round: 0,
                views: Vec::new(),
                missing: 0,
            }),
        }
    }

    /// The link to the seeds, which is there from the beginning of a client.
    pub fn first_link(&self) -> Option<Arc<Link>> {
        self.seeds.shared_link(DATABASE)
    }

    /// The link to the primary of a slot; `None`: none is known.
    #[inline]
    pub fn link_of_slot(&self, slot: u16, deferred: &mut Deferred) -> Result<Option<Arc<Link>>, Error> {
        let mut known = self.known.lock();
        let Some(shard) = known.map.shard_of(slot) else { return Ok(None) };
        if let Some(Some(link)) = known.routes.get(shard) {
            return Ok(Some(Arc::clone(link)));
        }
        let Some(address) = known.map.primary_of(slot).cloned() else { return Ok(None) };
        let link = self.link_to(&mut known, &address, deferred)?;
        let shards = known.map.shards().len();
        known.routes.resize(shards, None);
        if let Some(route) = known.routes.get_mut(shard) {
            *route = Some(Arc::clone(&link));
        }
        Ok(Some(link))
    }

    /// Asks the map something; it gets `None` if no node has told it yet.
    pub fn with_map<T>(&self, ask: impl FnOnce(Option<&SlotMap>) -> T) -> T {
        let known = self.known.lock();
        ask(Some(&known.map).filter(|_| known.is_found))
    }

    /// The link to the node of an address, which may be new.
    pub fn link_at(&self, address: &Address, deferred: &mut Deferred) -> Result<Arc<Link>, Error> {
        self.link_to(&mut self.known.lock(), address, deferred)
    }

    /// Whether there may be a node of this address: it is known, or nothing is known yet.
    pub fn may_have(&self, address: &Address) -> bool {
        let known = self.known.lock();
        known.map.covered() == 0 || known.has(address)
    }

    /// The link to the node of an address, if there is such a node.
    pub fn link_of_node(&self, address: &Address, deferred: &mut Deferred) -> Option<Result<Arc<Link>, Error>> {
        let mut known = self.known.lock();
        known.has(address).then(|| self.link_to(&mut known, address, deferred))
    }

    fn link_to(&self, known: &mut Known, address: &Address, deferred: &mut Deferred) -> Result<Arc<Link>, Error> {
        let opening = known.opening.as_ref().ok_or_else(|| Error::new(Status::Closed, "the client is closed"))?;
        let node = match known.nodes.get(address) {
            Some(node) => Arc::clone(node),
            None if known.nodes.len() >= self.most => {
                let sentence = format!("{address}: the cluster has more than {} nodes (max_nodes)", self.most);
                return Err(Error::new(Status::Full, sentence));
            }
            None => {
                let endpoints = Arc::new(Endpoints::new(vec![address.clone()]));
                let node = Node::new(Opening { endpoints, ..opening.clone() }, Arc::clone(self.seeds.numbers()));
                let node = Arc::new(node);
                known.nodes.insert(address.clone(), Arc::clone(&node));
                node
            }
        };
        let link = node.link(DATABASE, deferred)?;
        if let Purpose::Commands(number) = link.purpose() {
            known.links.entry(number).or_insert_with(|| (Arc::clone(&link), node));
        }
        Ok(link)
    }

    /// A link on which something can be sent at once; `None`: there is none.
    pub fn connected_link(&self) -> Option<Arc<Link>> {
        let seed = self.seeds.shared_link(DATABASE).filter(|link| link.is_connected());
        seed.or_else(|| {
            self.known.lock().links.values().map(|(link, _)| link).find(|link| link.is_connected()).cloned()
        })
    }

    /// All links but those to the seeds.
    pub fn links(&self) -> Vec<Arc<Link>> {
        self.known.lock().links.values().map(|(link, _)| Arc::clone(link)).collect()
    }

    /// The shared link of this number, if it does not lead to the seeds.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        self.known.lock().links.get(&number).map(|(link, _)| Arc::clone(link))
    }

    /// The node of a link; `None`: it leads to the seeds.
    pub fn node_of(&self, link: &Link) -> Option<Arc<Node>> {
        let Purpose::Commands(number) = link.purpose() else { return None };
        self.known.lock().links.get(&number).map(|(_, node)| Arc::clone(node))
    }

    /// The node at `from` says that a slot belongs to the one at `to`.
    pub fn apply_moved(&self, slot: u16, from: &Address, to: &Address) -> Change {
        let mut known = self.known.lock();
        let change = known.map.apply_moved(slot, from, to, self.most);
        known.routes.clear();
        change
    }

    /// Something happened that may make the map wrong; true: the next look is earlier by that. `chance`: from 0
    /// to 1.
    pub fn note(&self, reason: Reason, now: Instant, chance: f64) -> bool {
        let nodes = self.known.lock().nodes.len();
        let schedule = &mut self.refreshing.lock().schedule;
        let before = schedule.due();
        schedule.on(reason, now, nodes, chance) == Action::LookAt(schedule.due()) && schedule.due() < before
    }

    /// Whether it is time to ask for the map: [`Action::Ask`] is to be followed by [`Cluster::begin_round`].
    pub fn look(&self, now: Instant) -> Action {
        self.refreshing.lock().schedule.look(now)
    }

    /// The links to ask for the map, of which no two lead to the same address: some that are connected or, if none is,
    /// that to the seeds. `choose` puts them into an order by chance.
    pub fn links_to_ask(&self, choose: impl FnOnce(&mut Vec<Arc<Link>>)) -> Vec<Arc<Link>> {
        let seed = self.seeds.shared_link(DATABASE);
        let known = self.known.lock();
        let mut links: Vec<Arc<Link>> = known.links.values().map(|(link, _)| Arc::clone(link)).collect();
        drop(known);
        links.extend(seed.clone());
        links.retain(|link| link.is_connected());
        choose(&mut links);
        let mut addresses = BTreeSet::new();
        links.retain(|link| addresses.insert(link.address()));
        links.truncate(ASKED);
        if links.is_empty() { seed.into_iter().collect() } else { links }
    }

    /// So many nodes are asked; the number of the round.
    pub fn begin_round(&self, asked: usize) -> u64 {
        let mut refreshing = self.refreshing.lock();
        refreshing.round += 1;
        refreshing.views.clear();
        refreshing.missing = asked;
        refreshing.round
    }

    /// How many nodes are asked and have not answered.
    pub fn missing(&self) -> usize {
        self.refreshing.lock().missing
    }

    /// A node said this in a round.
    pub fn add_view(&self, round: u64, view: View) {
        let mut refreshing = self.refreshing.lock();
        if refreshing.round == round {
            refreshing.views.push(view);
        }
    }

    /// A node that was asked has answered, or will not. `Some`: it was the last one of its round, and that is what it
    /// has brought.
    pub fn one_is_over(&self, round: u64, now: Instant, chance: f64) -> Option<Found> {
        let mut refreshing = self.refreshing.lock();
        if refreshing.round != round || refreshing.missing == 0 {
            return None;
        }
        refreshing.missing -= 1;
        if refreshing.missing > 0 {
            return None;
        }
        let view = agreement::agree(std::mem::take(&mut refreshing.views)).filter(|view| view.map.covered() > 0);
        let is_whole = view.as_ref().is_some_and(|view| view.left_out == 0 && view.map.is_complete());
        let mut known = self.known.lock();
        known.is_found |= view.is_some();
        let found = match view {
            None => Found::Nothing,
            Some(View { map, .. }) if map == known.map => Found::Same,
            Some(View { map, .. }) => {
                known.map = map;
                known.routes.clear();
                Found::Changed
            }
        };
        let nodes = known.nodes.len();
        drop(known);
        _ = refreshing.schedule.finished(is_whole, now, nodes, chance);
        Some(found)
    }

    /// Closes the links to nodes that two maps in a row have not named, as far as nothing waits there. To be called
    /// after a round that found a map.
    pub fn part_with_nodes(&self, deferred: &mut Deferred) {
        let mut known = self.known.lock();
        let Known { map, nodes, links, leaving, taken_by_gone, .. } = &mut *known;
        // Whoever was given a link to submit something, a while ago, may still be about to.
        links.retain(|_, (link, _)| {
            let is_gone = link.is_closed() && Arc::strong_count(link) == 1 && !link.is_used();
            *taken_by_gone += if is_gone { link.taken() } else { 0 };
            !is_gone
        });
        let named: BTreeSet<&Address> = map.nodes().collect();
        nodes.retain(|address, node| {
            let is_used = || node.links().iter().any(|link| link.is_used());
            if named.contains(address) || !leaving.contains(address) || is_used() {
                return true;
            }
            node.retire(deferred);
            false
        });
        *leaving = nodes.keys().filter(|address| !named.contains(address)).cloned().collect();
    }

    /// How many requests were taken out to be completed at links that are not among [`Cluster::links`] any more.
    pub fn taken_by_gone(&self) -> u64 {
        self.known.lock().taken_by_gone
    }

    /// Closes every link but those to the seeds, and opens no other.
    pub fn close(&self) {
        let mut known = self.known.lock();
        known.opening = None;
        known.routes.clear();
        let nodes: Vec<Arc<Node>> = known.nodes.values().cloned().collect();
        drop(known);
        nodes.iter().for_each(|node| node.close());
    }
}
