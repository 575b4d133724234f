//! How often the owner of each slot has changed, so that what was read from an earlier one is told apart, also when the
//! slot comes back. Pure.

use super::slot_map::{Change, SlotMap};
use crate::protocol::slot::SLOTS;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    generation: u32,
    /// The tick at which its owner was asked for something of it, and might have said that it is none.
    asked: u64,
}

/// Of each slot; nothing if nobody wants to know.
#[derive(Debug, Default)]
pub struct Generations(Box<[Slot]>);

impl Generations {
    /// For a client that keeps what it has read, or for one that does not.
    pub fn new(wanted: bool) -> Generations {
        Generations(if wanted { vec![Slot::default(); SLOTS.into()].into() } else { Box::default() })
    }

    /// That of a slot.
    pub fn of(&self, slot: u16) -> u32 {
        self.0.get(usize::from(slot)).map_or(0, |slot| slot.generation)
    }

    /// Whether the owner of a slot has been asked within the last `most` ticks; if not, it is to be asked now.
    pub fn was_asked(&mut self, slot: u16, now: u64, most: u64) -> bool {
        let Some(slot) = self.0.get_mut(usize::from(slot)) else { return false };
        let was_asked = now.saturating_sub(slot.asked) < most;
        if !was_asked {
            slot.asked = now;
        }
        was_asked
    }

    /// MOVED has changed the map like this, which is now so.
    pub fn on_moved(&mut self, slot: u16, change: Change, map: &SlotMap) {
        match change {
            Change::Promoted => self.next_where(|other| map.shard_of(other) == map.shard_of(slot)),
            Change::Taken | Change::Begun => self.next_where(|other| other == slot),
            Change::Itself | Change::Known | Change::TooMany => {}
        }
    }

    /// One map takes the place of another.
    pub fn on_map(&mut self, before: &SlotMap, after: &SlotMap) {
        self.next_where(|slot| before.primary_of(slot) != after.primary_of(slot));
    }

    fn next_where(&mut self, has_changed: impl Fn(u16) -> bool) {
        for (number, slot) in (0..SLOTS).zip(&mut self.0) {
            slot.generation = slot.generation.wrapping_add(has_changed(number).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::address::Address;

    fn address(name: &str) -> Address {
        Address::parse(&format!("{name}:1")).unwrap()
    }

    /// The first half at a, with the replica r, the second at b.
    fn map() -> SlotMap {
        let mut map = SlotMap::default();
        let first = map.add_shard(address("a"), BTreeSet::from([address("r")]));
        let second = map.add_shard(address("b"), BTreeSet::new());
        map.give_free(0, 8191, first);
        map.give_free(8192, 16383, second);
        map
    }

    #[test]
    fn a_slot_that_changes_hands_is_told_apart_and_no_other() {
        let (first, second) = (7, 9000);
        // Who says that slot 7 is where, and how that changes the slots 7, 8 and 9000.
        for (from, to, changes) in [
            ("a", "b", [1, 0, 0]),
            ("a", "r", [1, 1, 0]),
            ("a", "new", [1, 0, 0]),
            ("b", "a", [0, 0, 0]),
            ("a", "a", [0, 0, 0]),
        ] {
            let (mut map, mut generations) = (map(), Generations::new(true));
            let before = map.clone();
            let change = map.apply_moved(first, &address(from), &address(to), 10);
            generations.on_moved(first, change, &map);
            let found = [first, 8, second].map(|slot| generations.of(slot));
            assert_eq!(found, changes, "{from} {to} {change:?}");
            generations.on_map(&map, &before);
            assert_eq!(generations.of(first), 2 * changes[0], "it comes back: {from} {to}");
            generations.on_map(&before, &before.clone());
            assert_eq!(generations.of(first), 2 * changes[0], "nothing new: {from} {to}");
        }
    }

    #[test]
    fn each_slot_is_asked_for_now_and_then() {
        let mut generations = Generations::new(true);
        for (slot, now, was_asked) in
            [(1, 100, false), (1, 109, true), (2, 109, false), (1, 110, false), (1, 119, true), (2, 118, true)]
        {
            assert_eq!(generations.was_asked(slot, now, 10), was_asked, "{slot} {now}");
        }
    }

    #[test]
    fn who_keeps_nothing_counts_nothing() {
        let mut generations = Generations::new(false);
        generations.on_map(&SlotMap::default(), &map());
        assert_eq!((generations.of(7), generations.0.len()), (0, 0));
    }
}
