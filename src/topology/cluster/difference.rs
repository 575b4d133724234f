//! What is new in a map of slots. Pure.

use std::collections::BTreeMap;

use super::slot_map::{Shard, SlotMap};
use crate::address::Address;
use crate::protocol::slot::SLOTS;

/// Something that another map has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is another one than before.
    Map {
        /// Nodes that take writes.
        primaries: usize,
        /// Nodes that follow them.
        replicas: usize,
        /// How many slots are served.
        slots: usize,
    },
    /// A replica took over slots of its primary.
    Failover(Transfer),
    /// Slots went to another primary.
    Moved(Transfer),
}

/// Slots that have another primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// That before.
    pub from: Address,
    /// That now.
    pub to: Address,
    /// How many.
    pub slots: usize,
}

/// What is new, each pair of primaries once; nothing if the maps are the same.
pub fn difference(old: &SlotMap, new: &SlotMap) -> Vec<News> {
    if old == new {
        return Vec::new();
    }
    let replicas = new.shards().iter().map(|shard| shard.replicas.len()).sum();
    let primaries = new.shards().iter().filter(|shard| shard.slots > 0).count();
    let mut news = vec![News::Map { primaries, replicas, slots: new.covered() }];
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (from, to) in (0..SLOTS).filter_map(|slot| old.shard_of(slot).zip(new.shard_of(slot))) {
        *counts.entry((from, to)).or_default() += 1;
    }
    for ((from, to), slots) in counts {
        if let (Some(old), Some(new)) = (old.shards().get(from), new.shards().get(to))
            && old.primary != new.primary
        {
            let transfer = Transfer { from: old.primary.clone(), to: new.primary.clone(), slots };
            news.push(if takes_over(old, new) { News::Failover(transfer) } else { News::Moved(transfer) });
        }
    }
    news
}

/// Whether the primary of one shard was a replica of the other, or that one's follows it now.
fn takes_over(old: &Shard, new: &Shard) -> bool {
    old.replicas.contains(&new.primary) || new.replicas.contains(&old.primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u16) -> Address {
        Address::tcp("node", number).unwrap()
    }

    /// Shards with their primary, replicas and the count of slots, one behind the other.
    fn map(shards: &[(u16, &[u16], u16)]) -> SlotMap {
        let (mut map, mut next) = (SlotMap::default(), 0);
        for (primary, replicas, slots) in shards {
            let shard = map.add_shard(node(*primary), replicas.iter().map(|replica| node(*replica)).collect());
            (next..next + slots).for_each(|slot| map.give(slot, shard));
            next += slots;
        }
        map
    }

    fn failover(from: u16, to: u16, slots: usize) -> News {
        News::Failover(Transfer { from: node(from), to: node(to), slots })
    }

    fn moved(from: u16, to: u16, slots: usize) -> News {
        News::Moved(Transfer { from: node(from), to: node(to), slots })
    }

    #[test]
    fn every_change_is_told_once_for_each_pair_of_primaries() {
        let old = map(&[(1, &[11], 100), (2, &[21], 100)]);
        for (new, what, expected) in [
            (map(&[(1, &[11], 100), (2, &[21], 100)]), "nothing", &[][..]),
            (map(&[(1, &[11, 12], 100), (2, &[21], 100)]), "a replica more", &[(2, 3, 200)]),
            (map(&[(11, &[1], 100), (2, &[21], 100)]), "a failover", &[(2, 2, 200)]),
            (map(&[(11, &[], 100), (2, &[21], 100)]), "a failover, the old one is gone", &[(2, 1, 200)]),
            (map(&[(1, &[11], 90), (2, &[21], 110)]), "ten slots moved", &[(2, 2, 200)]),
            (map(&[(11, &[1], 90), (21, &[2], 110)]), "all of it", &[(2, 2, 200)]),
            (map(&[(1, &[11], 90), (3, &[], 10), (2, &[21], 100)]), "a new primary", &[(3, 2, 200)]),
            (map(&[(1, &[11], 100)]), "slots that nobody has", &[(1, 1, 100)]),
        ] {
            let more = match what {
                "a failover" | "a failover, the old one is gone" => vec![failover(1, 11, 100)],
                "ten slots moved" => vec![moved(1, 2, 10)],
                "all of it" => vec![failover(1, 11, 90), moved(1, 21, 10), failover(2, 21, 100)],
                "a new primary" => vec![moved(1, 3, 10)],
                _ => Vec::new(),
            };
            let map = expected.iter().map(|(primaries, replicas, slots)| News::Map {
                primaries: *primaries,
                replicas: *replicas,
                slots: *slots,
            });
            let expected: Vec<News> = map.chain(more).collect();
            assert_eq!(difference(&old, &new), expected, "{what}");
        }
        let first = [News::Map { primaries: 2, replicas: 2, slots: 200 }];
        assert_eq!(difference(&SlotMap::default(), &old), first, "the first map");
    }
}
