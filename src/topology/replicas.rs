//! The replicas that answer reads, each a server with links of its own: which there are, how old their data are, and
//! which is asked next. Who asks them how they are and what waits meanwhile is the client's.
//!
//! Invariant: a link to a replica carries nothing but reads. The lock of what is known is taken before those of a node;
//! no link is started or closed under it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::deferred::Deferred;
use super::node::Node;
use super::replica_choice::{Candidate, Choice, Data, choose};
use super::replication::{History, Replication};
use crate::address::Address;
use crate::config::{Config, ReadFrom};
use crate::connection::background_driver::Opening;
use crate::connection::endpoints::Endpoints;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::error::Error;
use crate::lock::Lock;

#[cfg(test)]
mod tests;

/// How often servers are asked how they are, at least.
const INTERVAL: Duration = Duration::from_secs(1);

/// And at most.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// Who answers a read.
pub enum Reader {
    /// The replica at the other end of this link.
    Replica(Arc<Link>),
    /// The primary.
    Primary,
    /// Nobody just now, and the primary must not.
    Nobody,
}

/// The replicas of a client.
pub struct Replicas {
    most: usize,
    zone: Option<String>,
    max_lag: Option<Duration>,
    interval: Duration,
    /// Somebody reads from replicas.
    is_wanted: AtomicBool,
    turn: AtomicUsize,
    known: Lock<Known>,
}

#[derive(Default)]
struct Known {
    /// How to speak with them; `None`: nobody has read yet, or the client is closed.
    opening: Option<Opening>,
    is_closed: bool,
    replicas: BTreeMap<Address, Replica>,
    /// Their links, by number. Some may be closed.
    links: BTreeMap<u16, (Arc<Link>, Arc<Node>)>,
    /// Which position each primary had when.
    primaries: BTreeMap<Address, History>,
    /// The links on which a question is under way.
    asked: BTreeSet<u16>,
    /// When to ask next.
    due: Option<Instant>,
    /// Replicas that were not named the last time.
    leaving: BTreeSet<Address>,
    taken_by_gone: u64,
}

struct Replica {
    node: Arc<Node>,
    primary: Address,
    data: Data,
}

impl Replicas {
    /// Of a client that was told this; none is known.
    pub fn new(config: &Config) -> Replicas {
        let interval = config.max_replica_lag.map_or(INTERVAL, |lag| (lag / 4).clamp(LEAST_INTERVAL, INTERVAL));
        Replicas {
            most: config.max_nodes,
            zone: config.zone.clone(),
            max_lag: config.max_replica_lag,
            interval,
            is_wanted: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            known: Lock::default(),
        }
    }

    /// Whether somebody reads from replicas.
    #[inline]
    pub fn are_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// Somebody does; true: for the first time. `opening`: how to speak with servers.
    pub fn want(&self, opening: &Opening, now: Instant) -> bool {
        if self.is_wanted.swap(true, Ordering::Relaxed) {
            return false;
        }
        let mut known = self.known.lock();
        if known.is_closed {
            return false;
        }
        // What replicas say of changes is no news of the primary.
        let config = Arc::new(Config { cache_bytes: 0, ..(*opening.config).clone() });
        known.opening = Some(Opening { config, ..opening.clone() });
        known.due = Some(now);
        true
    }

    /// These replicas there are, each with its primary, in a cluster if it is one. Closes the links to those that were
    /// not named twice, as far as nothing waits there.
    pub fn set(&self, named: &[(Address, Address)], is_cluster: bool, opener: &Node, deferred: &mut Deferred) {
        let mut known = self.known.lock();
        let Known { opening: Some(opening), replicas, links, primaries, leaving, taken_by_gone, .. } = &mut *known
        else {
            return;
        };
        for (address, primary) in named {
            let has_room = replicas.len() < self.most;
            match replicas.get_mut(address) {
                Some(replica) if replica.primary == *primary => {}
                Some(replica) => (replica.primary, replica.data) = (primary.clone(), Data::Unusable),
                None if !has_room => break,
                None => {
                    let endpoints = Arc::new(Endpoints::of_replica(address.clone(), is_cluster));
                    let opening = Opening { endpoints, ..opening.clone() };
                    let node = Arc::new(Node::new(opening, Arc::clone(opener.numbers())));
                    replicas.insert(address.clone(), Replica { node, primary: primary.clone(), data: Data::Unusable });
                }
            }
        }
        primaries.retain(|primary, _| named.iter().any(|(_, other)| other == primary));
        // Whoever was given a link to submit something, a while ago, may still be about to.
        links.retain(|_, (link, _)| {
            let is_gone = link.is_closed() && Arc::strong_count(link) == 1 && !link.is_used();
            *taken_by_gone += if is_gone { link.taken() } else { 0 };
            !is_gone
        });
        let is_named = |address: &Address| named.iter().any(|(other, _)| other == address);
        replicas.retain(|address, replica| {
            let is_used = || replica.node.links().iter().any(|link| link.is_used());
            if is_named(address) || !leaving.contains(address) || is_used() {
                return true;
            }
            replica.node.retire(deferred);
            false
        });
        *leaving = replicas.keys().filter(|address| !is_named(address)).cloned().collect();
    }

    /// Who answers a read of this database; `primary` is the link to the primary, `among` the replicas that have the
    /// data, in order (`None`: all of them have).
    pub fn reader(
        &self,
        read_from: ReadFrom,
        (primary, database): (&Link, u32),
        among: Option<&[Address]>,
        deferred: &mut Deferred,
    ) -> Result<Reader, Error> {
        let mut known = self.known.lock();
        let Known { replicas, links, leaving, .. } = &mut *known;
        let is_near = |link: &Link| self.zone.as_ref().is_some_and(|zone| link.is_in_zone(zone));
        let mut found = Vec::new();
        for (address, replica) in replicas.iter() {
            let has_data = among.is_none_or(|among| among.binary_search(address).is_ok());
            if !has_data || leaving.contains(address) {
                continue;
            }
            let link = replica.node.link(database, deferred)?;
            if let Purpose::Commands(number) = link.purpose() {
                links.entry(number).or_insert_with(|| (Arc::clone(&link), Arc::clone(&replica.node)));
            }
            let (is_connected, is_near) = (link.is_connected(), is_near(&link));
            found.push((link, Candidate { is_connected, is_near, data: replica.data }));
        }
        drop(known);
        let candidates: Vec<Candidate> = found.iter().map(|(_, candidate)| *candidate).collect();
        let primary =
            Candidate { is_connected: primary.is_connected(), is_near: is_near(primary), data: Data::Current };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Ok(match choose(read_from, primary, &candidates, turn) {
            Choice::Replica(place) => {
                found.into_iter().nth(place).map_or(Reader::Nobody, |(link, _)| Reader::Replica(link))
            }
            Choice::Primary => Reader::Primary,
            Choice::Nobody => Reader::Nobody,
        })
    }

    /// Whether a link leads to a replica.
    #[inline]
    pub fn has(&self, link: &Link) -> bool {
        self.node_of(link).is_some()
    }

    /// The node of a link, if it leads to a replica.
    pub fn node_of(&self, link: &Link) -> Option<Arc<Node>> {
        let Purpose::Commands(number) = link.purpose() else { return None };
        if !self.are_wanted() {
            return None;
        }
        self.known.lock().links.get(&number).map(|(_, node)| Arc::clone(node))
    }

    /// All links to replicas.
    pub fn links(&self) -> Vec<Arc<Link>> {
        match self.are_wanted() {
            true => self.known.lock().links.values().map(|(link, _)| Arc::clone(link)).collect(),
            false => Vec::new(),
        }
    }

    /// The link to a replica of this number.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        self.known.lock().links.get(&number).map(|(link, _)| Arc::clone(link))
    }

    /// How many requests were taken out to be completed at links that are not among [`Replicas::links`] any more.
    pub fn taken_by_gone(&self) -> u64 {
        self.known.lock().taken_by_gone
    }

    /// Whether it is time to ask; else when it is. `None`: nobody wants to know.
    pub fn look(&self, now: Instant) -> Option<Result<(), Instant>> {
        let mut known = self.known.lock();
        let due = known.due?;
        if due > now {
            return Some(Err(due));
        }
        known.due = Some(now + self.interval);
        Some(Ok(()))
    }

    /// It is to be asked at once: something has changed.
    pub fn hurry(&self, now: Instant) {
        let mut known = self.known.lock();
        known.due = known.due.map(|_| now);
    }

    /// The links of replicas to ask, one for each that is connected, and those among `others`, of primaries, that are;
    /// each is asked from then on.
    pub fn ask(&self, others: &[Arc<Link>], deferred: &mut Deferred) -> Vec<Arc<Link>> {
        let mut known = self.known.lock();
        let Known { replicas, links, asked, .. } = &mut *known;
        let mut all = others.to_vec();
        for replica in replicas.values() {
            let Ok(link) = replica.node.link(0, deferred) else { continue };
            if let Purpose::Commands(number) = link.purpose() {
                links.entry(number).or_insert_with(|| (Arc::clone(&link), Arc::clone(&replica.node)));
            }
            all.push(link);
        }
        all.retain(|link| match link.purpose() {
            Purpose::Commands(number) => link.is_connected() && asked.insert(number),
            _ => false,
        });
        all
    }

    /// Who was asked on this link has answered, or will not.
    pub fn one_is_over(&self, link: &Link) {
        if let Purpose::Commands(number) = link.purpose() {
            self.known.lock().asked.remove(&number);
        }
    }

    /// How many are asked and have not answered.
    pub fn missing(&self) -> usize {
        self.known.lock().asked.len()
    }

    /// The server at the other end of a link said this of itself. `primary`: by which name replicas know it.
    pub fn learn(&self, link: &Link, primary: Option<&Address>, said: &Replication, now: Instant) {
        let mut known = self.known.lock();
        let Known { replicas, links, primaries, .. } = &mut *known;
        if let Some(primary) = primary {
            return primaries.entry(primary.clone()).or_default().note(said.position, now);
        }
        let Purpose::Commands(number) = link.purpose() else { return };
        let Some((_, node)) = links.get(&number) else { return };
        let replica = replicas.values_mut().find(|replica| Arc::ptr_eq(&replica.node, node));
        let Some(replica) = replica else { return };
        let lag = primaries.get(&replica.primary).and_then(|history| history.lag(said.position, now));
        replica.data = judge(said, lag, self.max_lag);
    }

    /// The server at the other end of a link refuses to answer: it is passed over until it says how it is.
    pub fn pass_over(&self, link: &Link) {
        let Some(node) = self.node_of(link) else { return };
        let mut known = self.known.lock();
        let of_node = known.replicas.values_mut().filter(|replica| Arc::ptr_eq(&replica.node, &node));
        of_node.for_each(|replica| replica.data = Data::Unusable);
    }

    /// Closes every link and opens no other.
    pub fn close(&self) {
        let mut known = self.known.lock();
        known.is_closed = true;
        known.opening = None;
        known.due = None;
        let nodes: Vec<Arc<Node>> = known.replicas.values().map(|replica| Arc::clone(&replica.node)).collect();
        drop(known);
        nodes.iter().for_each(|node| node.close());
    }
}

/// What the data are worth of a server that said this of itself and whose data are so old.
fn judge(said: &Replication, lag: Option<Duration>, max_lag: Option<Duration>) -> Data {
    match max_lag {
        _ if !said.is_replica => Data::Unusable,
        None if said.is_linked => Data::Current,
        None if said.position > 0 => Data::Old,
        Some(most) if said.is_linked && lag.is_some_and(|lag| lag <= most) => Data::Current,
        _ => Data::Unusable,
    }
}
