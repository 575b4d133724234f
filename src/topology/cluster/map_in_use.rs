//! The map that is in use: what is asked of it, how it is replaced, and what is to be told of that.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::difference::{self, News};
use super::routes::Routes;
use super::slot_map::{Shard, SlotMap};
use super::{Cluster, Known};
use crate::address::Address;
use crate::connection::link::Link;
use crate::error::Error;
use crate::topology::deferred::Deferred;

/// So much news is kept until it is told.
const NEWS: usize = 4096;

impl Cluster {
    /// Who serves what, as far as is known.
    pub fn map(&self) -> SlotMap {
        self.known.lock().map.clone()
    }

    /// What the rounds have brought since this was asked last.
    pub fn take_news(&self) -> Vec<News> {
        mem::take(&mut self.known.lock().news)
    }

    /// The links to primaries that were needed so far for a database, for whoever asks many times within a moment: as
    /// they are now, whatever the map becomes.
    pub fn routes(&self, database: u32) -> Arc<Routes> {
        self.known.lock().routes.get(&database).cloned().unwrap_or_default()
    }

    /// Who takes writes to a slot.
    pub fn primary_of(&self, slot: u16) -> Option<Address> {
        self.known.lock().map.primary_of(slot).cloned()
    }

    /// The links to the primaries of these slots, for a database, at one moment: what is of one slot has one link.
    pub fn links_of_slots(
        &self,
        slots: impl Iterator<Item = u16>,
        database: u32,
        deferred: &mut Deferred,
    ) -> Result<Vec<Option<Arc<Link>>>, Error> {
        let mut known = self.known.lock();
        slots.map(|slot| self.link_to_primary(&mut known, slot, database, deferred)).collect()
    }

    /// Where the nodes that the map names are.
    pub fn addresses(&self) -> Vec<Address> {
        self.known.lock().map.nodes().cloned().collect()
    }

    /// Does something with the replicas of the primary of a slot, in order.
    pub fn with_replicas_of_slot<T>(&self, slot: u16, then: impl FnOnce(&[Address]) -> T) -> T {
        let known = self.known.lock();
        let shard = known.map.shard_of(slot).and_then(|shard| known.map.shards().get(shard));
        then(shard.map_or(&[], |shard| &shard.replicas))
    }

    /// All replicas, each with its primary.
    pub fn replicas(&self) -> Vec<(Address, Address)> {
        let known = self.known.lock();
        let shards = known.map.shards().iter();
        let pairs =
            |shard: &Shard| shard.replicas.iter().map(|replica| (replica.clone(), shard.primary.clone())).collect();
        shards.flat_map(|shard| -> Vec<_> { pairs(shard) }).collect()
    }

    /// In which zone a node is, as far as the map tells.
    pub fn zone_of(&self, address: &Address) -> Option<String> {
        self.known.lock().zones.get(address).cloned()
    }

    /// Whether an earlier map named this node, and the present one does not.
    pub fn has_left(&self, address: &Address) -> bool {
        self.known.lock().former.contains(address)
    }

    /// Whether the map has changed since this was asked last.
    pub fn has_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst)
    }
}

impl Known {
    /// A round has brought a map; true: there is news. (What MOVED says between two rounds is told with the next one.)
    pub(super) fn note_news(&mut self) -> bool {
        let mut news = difference::difference(&self.last, &self.map);
        let is_news = !news.is_empty();
        if is_news {
            self.last = self.map.clone();
            // Nobody takes it where there is no timer.
            self.news.truncate(NEWS);
            self.news.append(&mut news);
        }
        is_news
    }

    /// So many former nodes are remembered at most.
    pub(super) fn replace_map(&mut self, map: SlotMap, most: usize) {
        let before = mem::replace(&mut self.map, map);
        self.routes.clear();
        let named: BTreeSet<&Address> = self.map.nodes().collect();
        self.former.extend(before.nodes().cloned());
        self.former.retain(|address| !named.contains(address));
        if self.former.len() > most {
            self.former.clear();
        }
    }
}
