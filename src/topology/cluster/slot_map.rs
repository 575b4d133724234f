//! Which shard serves a slot, and which nodes a shard has. Pure.
//!
//! Invariant: no more nodes than the option `max_nodes` allows, whatever servers say; a node is in one place of one
//! shard.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::address::Address;
use crate::protocol::slot::SLOTS;

/// In the place of a shard: none serves the slot.
const NOBODY: u16 = u16::MAX;

/// How a slot's owner is found fast: two bytes for each slot. Who holds it has the map as it was.
pub(super) type Owners = Arc<[u16]>;

/// The place of the shard of a slot.
#[inline]
pub(super) fn shard_of(owners: &Owners, slot: u16) -> Option<usize> {
    let owner = *owners.get(usize::from(slot))?;
    (owner != NOBODY).then_some(owner.into())
}

/// Nodes that serve the same slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Who takes writes.
    pub primary: Address,
    /// Who follows it, in the order of their addresses.
    pub replicas: Vec<Address>,
    /// How many slots they serve.
    pub slots: u16,
}

/// What MOVED changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The node names itself: its address leads to another machine by now.
    Itself,
    /// Nothing: the map says so already.
    Known,
    /// A replica was promoted; all slots of its shard follow it.
    Promoted,
    /// The primary of another shard has this slot.
    Taken,
    /// A node that was no primary begins a shard with this slot.
    Begun,
    /// Nothing: there are as many nodes as there may be.
    TooMany,
}

/// All slots and shards.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotMap {
    owners: Owners,
    shards: Vec<Shard>,
}

impl Default for SlotMap {
    fn default() -> SlotMap {
        SlotMap { owners: vec![NOBODY; SLOTS.into()].into(), shards: Vec::new() }
    }
}

impl fmt::Debug for SlotMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SlotMap").field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl SlotMap {
    /// The place of the shard of a slot among [`SlotMap::shards`]; it holds until the map changes.
    #[inline]
    pub fn shard_of(&self, slot: u16) -> Option<usize> {
        shard_of(&self.owners, slot)
    }

    /// The place of the shard of each slot, as it is now.
    pub(super) fn owners(&self) -> Owners {
        Arc::clone(&self.owners)
    }

    /// Who takes writes to a slot.
    pub fn primary_of(&self, slot: u16) -> Option<&Address> {
        self.shards.get(self.shard_of(slot)?).map(|shard| &shard.primary)
    }

    /// The shards; some may serve no slot.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The slots of each shard, from the first to the last of each row, in the order of [`SlotMap::shards`].
    pub fn ranges(&self) -> Vec<Vec<(u16, u16)>> {
        let mut ranges: Vec<Vec<(u16, u16)>> = vec![Vec::new(); self.shards.len()];
        for (slot, owner) in (0..SLOTS).zip(self.owners.iter()) {
            let Some(ranges) = ranges.get_mut(usize::from(*owner)) else { continue };
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }

    /// How many slots are served.
    pub fn covered(&self) -> usize {
        self.shards.iter().map(|shard| usize::from(shard.slots)).sum()
    }

    /// Whether every slot is served.
    pub fn is_complete(&self) -> bool {
        self.covered() == usize::from(SLOTS)
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = &Address> {
        self.shards.iter().flat_map(|shard| std::iter::once(&shard.primary).chain(&shard.replicas))
    }

    /// The shards that serve slots from this one on: the first of these, and the shard; in their order.
    pub fn shards_from(&self, from: u16) -> Vec<(u16, &Shard)> {
        let mut seen = vec![false; self.shards.len()];
        let mut found = Vec::new();
        for (slot, owner) in (from..SLOTS).zip(self.owners.iter().skip(from.into())) {
            let place = usize::from(*owner);
            if let (Some(seen), Some(shard)) = (seen.get_mut(place).filter(|seen| !**seen), self.shards.get(place)) {
                *seen = true;
                found.push((slot, shard));
            }
        }
        found
    }

    /// A number that is another one, very probably, if other nodes take the writes to some slots from this one on.
    pub fn fingerprint(&self, from: u16) -> u32 {
        let mut hasher = DefaultHasher::new();
        let mut last = None;
        for (slot, owner) in (from..SLOTS).zip(self.owners.iter().skip(from.into())) {
            if last.replace(owner) != Some(owner) {
                let primary = self.shards.get(usize::from(*owner)).map(|shard| shard.primary.to_string());
                (slot, primary).hash(&mut hasher);
            }
        }
        hasher.finish() as u32
    }

    /// Adds a shard without slots; its place.
    pub(super) fn add_shard(&mut self, primary: Address, replicas: BTreeSet<Address>) -> usize {
        self.shards.push(Shard { primary, replicas: replicas.into_iter().collect(), slots: 0 });
        self.shards.len() - 1
    }

    /// The shard at this place serves these slots, which none has served.
    pub(super) fn give_free(&mut self, first: u16, last: u16, shard: usize) {
        let owners = Arc::make_mut(&mut self.owners)
            .get_mut(usize::from(first)..=usize::from(last))
            .zip(u16::try_from(shard).ok());
        if let (Some((owners, number)), Some(shard)) = (owners, self.shards.get_mut(shard)) {
            owners.fill(number);
            shard.slots += last - first + 1;
        }
    }

    /// From now on the shard at this place serves the slot.
    pub(super) fn give(&mut self, slot: u16, shard: usize) {
        let before = self.shard_of(slot).and_then(|shard| self.shards.get_mut(shard));
        if let Some(before) = before {
            before.slots -= 1;
        }
        let owner = Arc::make_mut(&mut self.owners).get_mut(usize::from(slot)).zip(u16::try_from(shard).ok());
        if let (Some((owner, number)), Some(shard)) = (owner, self.shards.get_mut(shard)) {
            *owner = number;
            shard.slots += 1;
        }
    }

    /// The node at `from` says that a slot belongs to the one at `to`; there are at most `most` nodes.
    pub fn apply_moved(&mut self, slot: u16, from: &Address, to: &Address, most: usize) -> Change {
        if from == to {
            return Change::Itself;
        }
        let shard = self.shard_of(slot);
        if let Some(shard) = shard.and_then(|shard| self.shards.get_mut(shard)) {
            if shard.primary == *to {
                return Change::Known;
            }
            if let Ok(place) = shard.replicas.binary_search(to) {
                let promoted = shard.replicas.remove(place);
                let replaced = std::mem::replace(&mut shard.primary, promoted);
                let place = shard.replicas.partition_point(|replica| *replica < replaced);
                shard.replicas.insert(place, replaced);
                return Change::Promoted;
            }
        }
        if let Some(shard) = self.shards.iter().position(|shard| shard.primary == *to) {
            self.give(slot, shard);
            return Change::Taken;
        }
        let replicated = self.shards.iter_mut().find_map(|shard| {
            let place = shard.replicas.binary_search(to).ok()?;
            Some(shard.replicas.remove(place))
        });
        if replicated.is_none() && self.nodes().count() >= most {
            return Change::TooMany;
        }
        let shard = self.add_shard(to.clone(), BTreeSet::new());
        self.give(slot, shard);
        Change::Begun
    }
}

#[cfg(test)]
impl SlotMap {
    /// Primaries, each with its first and its last slot.
    pub fn of(ranges: &[(&str, u16, u16)]) -> SlotMap {
        let mut map = SlotMap::default();
        let nobody = Address::tcp("nobody", 1).unwrap();
        for (primary, first, last) in ranges {
            let primary = Address::parse(primary).unwrap();
            (*first..=*last).for_each(|slot| _ = map.apply_moved(slot, &nobody, &primary, 100));
        }
        map
    }

    /// The same with a replica of the first primary.
    pub fn with_replica(mut self, replica: &str) -> SlotMap {
        let replica = Address::parse(replica).unwrap();
        self.shards.first_mut().unwrap().replicas.push(replica);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> Address {
        Address::tcp("node", number).unwrap()
    }

    /// Shard a: node 1 with replicas 11 and 12, slots 0 to 99; shard b: node 2 with replica 21, slots 100 to 199.
    fn two_shards() -> SlotMap {
        let mut map = SlotMap::default();
        for (primary, replicas, slots) in [(1, vec![12, 11], 0..100), (2, vec![21], 100..200)] {
            let shard = map.add_shard(address(primary), replicas.into_iter().map(address).collect());
            map.give_free(slots.start, slots.end - 1, shard);
        }
        map
    }

    fn ports(map: &SlotMap) -> Vec<(u16, Vec<u16>, u16)> {
        let port = |address: &Address| match address {
            Address::Tcp { port, .. } => *port,
            Address::Unix(_) => 0,
        };
        let describe = |shard: &Shard| (port(&shard.primary), shard.replicas.iter().map(port).collect(), shard.slots);
        map.shards().iter().map(describe).collect()
    }

    #[test]
    fn a_slot_has_the_shard_that_it_was_given_last() {
        let mut map = two_shards();
        assert_eq!((map.covered(), map.is_complete()), (200, false));
        assert_eq!([0, 99, 100, 199, 200, 16383].map(|slot| map.shard_of(slot)), {
            [Some(0), Some(0), Some(1), Some(1), None, None]
        });
        assert_eq!((map.shard_of(16384), map.primary_of(u16::MAX)), (None, None), "there is no such slot");
        map.give(0, 1);
        map.give(300, 1);
        assert_eq!(ports(&map), [(1, vec![11, 12], 99), (2, vec![21], 102)]);
        (0..SLOTS).for_each(|slot| map.give(slot, 0));
        assert!(map.is_complete());
        assert_eq!(ports(&map), [(1, vec![11, 12], SLOTS), (2, vec![21], 0)]);
        assert_eq!(map.ranges(), [vec![(0, SLOTS - 1)], vec![]]);
        [5, 7, 8, SLOTS - 1].into_iter().for_each(|slot| map.give(slot, 1));
        let gaps = [vec![(0, 4), (6, 6), (9, SLOTS - 2)], vec![(5, 5), (7, 8), (SLOTS - 1, SLOTS - 1)]];
        assert_eq!(map.ranges(), gaps);
        (0..SLOTS).for_each(|slot| map.give(slot, 0));
        map.give(7, 9);
        assert_eq!(map.primary_of(7), Some(&address(1)), "there is no such shard");
    }

    #[test]
    fn shards_in_the_order_of_their_slots() {
        let mut map = two_shards();
        map.give(150, 0);
        let found = |from: u16| map.shards_from(from).into_iter().map(|(slot, shard)| (slot, shard.primary.clone()));
        assert_eq!(found(0).collect::<Vec<_>>(), [(0, address(1)), (100, address(2))]);
        assert_eq!(found(120).collect::<Vec<_>>(), [(120, address(2)), (150, address(1))]);
        assert_eq!(found(151).collect::<Vec<_>>(), [(151, address(2))]);
        assert_eq!(found(200).count() + found(16383).count() + found(u16::MAX).count(), 0);
    }

    #[test]
    fn a_fingerprint_tells_of_primaries_and_their_slots() {
        let (map, mut other) = (two_shards(), two_shards());
        other.give(50, 1);
        assert_ne!(map.fingerprint(0), other.fingerprint(0));
        assert_eq!(map.fingerprint(51), other.fingerprint(51), "nothing has changed from there on");
        let mut other = two_shards();
        other.apply_moved(150, &address(2), &address(21), 10);
        assert_ne!(map.fingerprint(100), other.fingerprint(100), "another primary");
        assert_eq!(map.fingerprint(100), two_shards().fingerprint(100));
    }

    #[test]
    fn moved_by_case() {
        let (a, b) = ((1, vec![11, 12], 100), (2, vec![21], 100));
        // The slot, who says it, of whom; what changes, and the shards then.
        for (slot, from, to, change, shards) in [
            (5, 1, 1, Change::Itself, vec![a.clone(), b.clone()]),
            (5, 2, 1, Change::Known, vec![a.clone(), b.clone()]),
            (5, 1, 11, Change::Promoted, vec![(11, vec![1, 12], 100), b.clone()]),
            (5, 12, 11, Change::Promoted, vec![(11, vec![1, 12], 100), b.clone()]),
            (5, 1, 2, Change::Taken, vec![(1, vec![11, 12], 99), (2, vec![21], 101)]),
            (500, 1, 2, Change::Taken, vec![a.clone(), (2, vec![21], 101)]),
            (5, 1, 21, Change::Begun, vec![(1, vec![11, 12], 99), (2, vec![], 100), (21, vec![], 1)]),
            (5, 1, 9, Change::Begun, vec![(1, vec![11, 12], 99), b.clone(), (9, vec![], 1)]),
            (500, 1, 9, Change::Begun, vec![a.clone(), b.clone(), (9, vec![], 1)]),
        ] {
            let mut map = two_shards();
            let what = format!("MOVED {slot} {to}, by {from}");
            assert_eq!(map.apply_moved(slot, &address(from), &address(to), 100), change, "{what}");
            assert_eq!(ports(&map), shards, "{what}");
            if change != Change::Itself {
                assert_eq!(map.primary_of(slot), Some(&address(to)), "{what}");
                assert_eq!(map.apply_moved(slot, &address(from), &address(to), 100), Change::Known, "{what}");
            }
        }
    }

    #[test]
    fn the_first_word_of_a_cluster_begins_its_map() {
        let mut map = SlotMap::default();
        assert_eq!(map.apply_moved(7, &address(1), &address(2), 10), Change::Begun);
        assert_eq!(ports(&map), [(2, vec![], 1)]);
    }

    #[test]
    fn a_server_that_names_ever_new_nodes_does_not_fill_the_memory() {
        let mut map = two_shards();
        let changes: Vec<Change> =
            (0..100).map(|number| map.apply_moved(number, &address(1), &address(100 + number), 8)).collect();
        assert_eq!(changes.iter().filter(|change| **change == Change::Begun).count(), 3);
        assert_eq!(map.nodes().count(), 8);
        assert_eq!(map.apply_moved(50, &address(1), &address(21), 8), Change::Begun, "this one is known");
        assert_eq!(map.nodes().count(), 8);
    }
}
