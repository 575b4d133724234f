//! Many servers, each of which serves a part of the keys: their nodes by address, the map of slots, and when to ask for
//! it anew. Who asks and what waits meanwhile is the client's.
//!
//! Invariant: there is at most one node for an address, and none more than `max_nodes`. The lock of what is known is
//! taken before those of a node; no link is started or closed under it.

pub mod agreement;
pub mod difference;
pub mod generations;
mod map_in_use;
pub mod redirect;
pub mod refresh;
pub mod rounds;
pub mod routes;
pub mod slot_map;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use self::difference::News;
use self::generations::Generations;
use self::refresh::{Action, Reason, Schedule};
use self::rounds::Rounds;
use self::routes::Routes;
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

/// So many nodes are asked for the map.
const ASKED: usize = 5;

/// The servers of a cluster.
pub struct Cluster {
    /// Behind the configured endpoints: asked where no other node is connected.
    seeds: Arc<Node>,
    most: usize,
    known: Lock<Known>,
    /// Somebody is still to hear of another map.
    changed: AtomicBool,
    rounds: Lock<Rounds>,
}

struct Known {
    /// `None`: it is closed.
    opening: Option<Opening>,
    map: SlotMap,
    generations: Generations,
    /// A round has found it; else it is what nodes have said by the way.
    is_found: bool,
    /// Of the map, by database; filled when they are needed.
    routes: BTreeMap<u32, Arc<Routes>>,
    nodes: BTreeMap<Address, Arc<Node>>,
    /// Shared links and their nodes, by number. Some may be closed.
    links: BTreeMap<u16, (Arc<Link>, Arc<Node>)>,
    /// Nodes that the last map did not name.
    leaving: BTreeSet<Address>,
    /// Nodes that an earlier map named.
    former: BTreeSet<Address>,
    /// The map that the last round brought, of which the news tell.
    last: SlotMap,
    /// Where the nodes are, as far as the last map tells.
    zones: BTreeMap<Address, String>,
    news: Vec<News>,
    taken_by_gone: u64,
}

impl Known {
    fn has(&self, address: &Address) -> bool {
        self.nodes.contains_key(address) || self.map.nodes().any(|node| node == address)
    }

    /// How many nodes the cluster has, whether they are used or not.
    fn size(&self) -> usize {
        self.nodes.len().max(self.map.nodes().count())
    }
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
        let generations = Generations::new(opening.config.cache_bytes > 0);
        let known = Known {
            opening: Some(opening),
            generations,
            map: SlotMap::default(),
            is_found: false,
            routes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            leaving: BTreeSet::new(),
            former: BTreeSet::new(),
            last: SlotMap::default(),
            zones: BTreeMap::new(),
            news: Vec::new(),
            taken_by_gone: 0,
        };
        Cluster {
            seeds,
            most,
            known: Lock::new(known),
            changed: AtomicBool::new(false),
            rounds: Lock::new(Rounds::new(Schedule::new(interval, now))),
        }
    }

    /// The link to the seeds, which is there as long as anybody uses this database.
    pub fn first_link(&self, database: u32) -> Option<Arc<Link>> {
        self.seeds.shared_link(database)
    }

    /// The link to the primary of a slot, for a database; `None`: none is known.
    #[inline]
    pub fn link_of_slot(&self, slot: u16, database: u32, deferred: &mut Deferred) -> Result<Option<Arc<Link>>, Error> {
        self.link_to_primary(&mut self.known.lock(), slot, database, deferred)
    }

    #[inline]
    fn link_to_primary(
        &self,
        known: &mut Known,
        slot: u16,
        database: u32,
        deferred: &mut Deferred,
    ) -> Result<Option<Arc<Link>>, Error> {
        if let Some(link) = known.routes.get(&database).and_then(|routes| routes.link_of_slot(slot)) {
            return Ok(Some(Arc::clone(link)));
        }
        let Some(address) = known.map.primary_of(slot).cloned() else { return Ok(None) };
        let link = self.link_to(known, &address, database, deferred)?;
        let Known { map, routes, .. } = known;
        let new = || Arc::new(Routes::new(map.owners(), map.shards().len()));
        Arc::make_mut(routes.entry(database).or_insert_with(new)).add(slot, &link);
        Ok(Some(link))
    }

    /// Another number whenever the slot has another owner; and whether that was asked within the last `most` ticks: if
    /// not, it is to be asked now.
    pub fn generation(&self, slot: u16, now: u64, most: u64) -> (u32, bool) {
        let generations = &mut self.known.lock().generations;
        (generations.of(slot), generations.was_asked(slot, now, most))
    }

    /// Whether it is known who serves a slot.
    pub fn knows(&self, slot: u16) -> bool {
        self.known.lock().map.primary_of(slot).is_some()
    }

    /// Asks the map something; it gets `None` if no node has told it yet.
    pub fn with_map<T>(&self, ask: impl FnOnce(Option<&SlotMap>) -> T) -> T {
        let known = self.known.lock();
        ask(Some(&known.map).filter(|_| known.is_found))
    }

    /// The link to the node of an address, which may be new, for a database.
    pub fn link_at(&self, address: &Address, database: u32, deferred: &mut Deferred) -> Result<Arc<Link>, Error> {
        self.link_to(&mut self.known.lock(), address, database, deferred)
    }

    /// Whether there may be a node of this address: it is known, or the map is not.
    pub fn may_have(&self, address: &Address) -> bool {
        let known = self.known.lock();
        !known.is_found || known.has(address)
    }

    /// The link to the node of an address, if there is such a node, for a database.
    pub fn link_of_node(
        &self,
        address: &Address,
        database: u32,
        deferred: &mut Deferred,
    ) -> Option<Result<Arc<Link>, Error>> {
        let mut known = self.known.lock();
        known.has(address).then(|| self.link_to(&mut known, address, database, deferred))
    }

    /// The node of an address, which may be new.
    pub fn node_at(&self, address: &Address) -> Result<Arc<Node>, Error> {
        self.node_of_address(&mut self.known.lock(), address)
    }

    fn link_to(
        &self,
        known: &mut Known,
        address: &Address,
        database: u32,
        deferred: &mut Deferred,
    ) -> Result<Arc<Link>, Error> {
        let node = self.node_of_address(known, address)?;
        let link = node.link(database, deferred)?;
        if let Purpose::Commands(number) = link.purpose() {
            known.links.entry(number).or_insert_with(|| (Arc::clone(&link), node));
        }
        Ok(link)
    }

    fn node_of_address(&self, known: &mut Known, address: &Address) -> Result<Arc<Node>, Error> {
        let opening = known.opening.as_ref().ok_or_else(|| Error::new(Status::Closed, "the client is closed"))?;
        match known.nodes.get(address) {
            Some(node) => Ok(Arc::clone(node)),
            None if known.nodes.len() >= self.most => {
                let sentence = format!("{address}: the cluster has more than {} nodes (max_nodes)", self.most);
                Err(Error::new(Status::Full, sentence))
            }
            None => {
                let endpoints = Arc::new(Endpoints::new(vec![address.clone()]));
                let node = Node::new(Opening { endpoints, ..opening.clone() }, Arc::clone(self.seeds.numbers()));
                let node = Arc::new(node);
                known.nodes.insert(address.clone(), Arc::clone(&node));
                Ok(node)
            }
        }
    }

    /// A link on which something can be sent to a database at once; `None`: there is none.
    pub fn connected_link(&self, database: u32) -> Option<Arc<Link>> {
        let seed = self.seeds.shared_link(database).filter(|link| link.is_connected());
        let is_one = |link: &&Arc<Link>| link.database() == database && link.is_connected();
        seed.or_else(|| self.known.lock().links.values().map(|(link, _)| link).find(is_one).cloned())
    }

    /// The links to primaries, as far as there are any.
    pub fn links_to_primaries(&self) -> Vec<Arc<Link>> {
        let known = self.known.lock();
        let links = known.map.shards().iter().filter_map(|shard| known.nodes.get(&shard.primary)?.any_shared_link());
        links.collect()
    }

    /// All links but those to the seeds.
    pub fn links(&self) -> Vec<Arc<Link>> {
        let known = self.known.lock();
        let shared = known.links.values().map(|(link, _)| Arc::clone(link));
        let others = known.nodes.values().flat_map(|node| node.links());
        shared.chain(others.filter(|link| !matches!(link.purpose(), Purpose::Commands(_)))).collect()
    }

    /// All nodes but the seeds.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.known.lock().nodes.values().map(Arc::clone).collect()
    }

    /// The shared link of this number, if it does not lead to the seeds.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        self.known.lock().links.get(&number).map(|(link, _)| Arc::clone(link))
    }

    /// The node of a link; `None`: it leads to the seeds, or the node has left the cluster.
    pub fn node_of(&self, link: &Link) -> Option<Arc<Node>> {
        let known = self.known.lock();
        if let Purpose::Commands(number) = link.purpose() {
            return known.links.get(&number).map(|(_, node)| Arc::clone(node));
        }
        known.nodes.get(&link.endpoints().first()?).filter(|node| node.owns(link)).cloned()
    }

    /// The node at `from` says that a slot belongs to the one at `to`.
    pub fn apply_moved(&self, slot: u16, from: &Address, to: &Address) -> Change {
        let mut known = self.known.lock();
        let Known { map, generations, .. } = &mut *known;
        let change = map.apply_moved(slot, from, to, self.most);
        generations.on_moved(slot, change, map);
        if matches!(change, Change::Promoted | Change::Taken | Change::Begun) {
            known.routes.clear();
            self.changed.store(true, Ordering::SeqCst);
        }
        change
    }

    /// Something happened that may make the map wrong; true: the next look is earlier by that. `chance`: from 0
    /// to 1.
    pub fn note(&self, reason: Reason, now: Instant, chance: f64) -> bool {
        let nodes = self.known.lock().size();
        let schedule = &mut self.rounds.lock().schedule;
        let before = schedule.due();
        schedule.on(reason, now, nodes, chance) == Action::LookAt(schedule.due()) && schedule.due() < before
    }

    /// Whether it is time to ask for the map: [`Action::Ask`] is to be followed by [`Cluster::begin_round`],
    /// [`Action::Conclude`] by [`Cluster::conclude`].
    pub fn look(&self, now: Instant) -> Action {
        self.rounds.lock().look(now)
    }

    /// The links to ask for the map, of which no two lead to the same address: some that are connected or, if none is,
    /// that to the seeds. Of those that are connected the seeds and the nodes that the last round has named: of the
    /// others no more is known than what one node said. `choose` puts them into an order by chance.
    pub fn links_to_ask(&self, choose: impl FnOnce(&mut Vec<Arc<Link>>)) -> Vec<Arc<Link>> {
        let seed = self.seeds.any_shared_link();
        let known = self.known.lock();
        let named: BTreeSet<&Address> = known.last.nodes().collect();
        let connected = known.links.values().map(|(link, _)| Arc::clone(link)).filter(|link| link.is_connected());
        let is_named = |link: &Arc<Link>| link.endpoints().first().is_some_and(|address| named.contains(&address));
        let (mut links, others): (Vec<_>, Vec<_>) = connected.partition(is_named);
        links.extend(seed.clone().filter(|seed| seed.is_connected()));
        if links.is_empty() {
            links = others;
        }
        drop(known);
        choose(&mut links);
        let mut addresses = BTreeSet::new();
        links.retain(|link| addresses.insert(link.address()));
        links.truncate(ASKED);
        if links.is_empty() { seed.into_iter().collect() } else { links }
    }

    /// So many nodes are asked; the number of the round.
    pub fn begin_round(&self, asked: usize) -> u64 {
        self.rounds.lock().begin(asked)
    }

    /// How many nodes are asked and have not answered.
    pub fn missing(&self) -> usize {
        self.rounds.lock().missing()
    }

    /// A node said this in a round.
    pub fn add_view(&self, round: u64, view: View, now: Instant) {
        self.rounds.lock().add(round, view, now);
    }

    /// A node that was asked has answered, or will not. `Some`: its round is over by that, with what it has brought.
    pub fn one_is_over(&self, round: u64, now: Instant, chance: f64) -> Option<Found> {
        let is_over = self.rounds.lock().one_is_over(round);
        is_over.then(|| self.conclude(now, chance)).flatten()
    }

    /// The round is over, whoever has not answered; what it has brought. `None`: it was over before.
    pub fn conclude(&self, now: Instant, chance: f64) -> Option<Found> {
        let mut rounds = self.rounds.lock();
        let (views, asked) = rounds.conclude()?;
        let mut known = self.known.lock();
        let mut view = agreement::agree(views, asked, &known.last).filter(|view| view.map.covered() > 0);
        let is_whole = view.as_ref().is_some_and(|view| view.left_out == 0 && view.map.is_complete());
        known.is_found |= view.is_some();
        if let Some(view) = &mut view {
            known.zones = mem::take(&mut view.zones);
        }
        let found = match view {
            None => Found::Nothing,
            Some(View { map, .. }) if map == known.map => Found::Same,
            Some(View { map, .. }) => {
                let Known { map: before, generations, .. } = &mut *known;
                generations.on_map(before, &map);
                known.replace_map(map, self.most);
                self.changed.store(true, Ordering::SeqCst);
                Found::Changed
            }
        };
        if found != Found::Nothing && known.note_news() {
            self.changed.store(true, Ordering::SeqCst);
        }
        let nodes = known.size();
        drop(known);
        _ = rounds.schedule.finished(is_whole, now, nodes, chance);
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
            let is_used = || !node.push_links().is_empty() || node.is_used();
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
