//! SCAN over a whole cluster as one cursor, which is a text of ours: where in the map it stands, and the cursor of the
//! node there. Pure; nothing is kept between two calls.
//!
//! Invariant: while the map is as it was when the cursor was given, the slots between its two are done. When it has
//! changed, only those before the second are: the node there begins anew, so that keys may come twice, and none that
//! stays is lost.

use std::fmt;

use crate::address::Address;
use crate::topology::cluster::slot_map::SlotMap;

/// A cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The shards are in the order of their first slots from this one on.
    start: u16,
    /// The first of the slots of the shard that is being scanned; those before it are done.
    at: u16,
    /// Of the map from `start` on.
    fingerprint: u32,
    /// That of the node.
    node: u64,
}

/// One call: what a node is asked, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The cursor for the node.
    pub node: u64,
    here: Cursor,
    /// The first slot of the next shard.
    next: Option<u16>,
}

impl Cursor {
    /// As a user hands it back; `None`: it is none of ours. The inner one is `None` at the beginning.
    pub fn parse(text: &[u8]) -> Option<Option<Cursor>> {
        if text == b"0" {
            return Some(None);
        }
        let mut words = std::str::from_utf8(text).ok()?.strip_prefix('c')?.split('-');
        let mut word = || words.next();
        let (start, at) = (word()?.parse().ok()?, word()?.parse().ok()?);
        let (fingerprint, node) = (u32::from_str_radix(word()?, 16).ok()?, word()?.parse().ok()?);
        words.next().is_none().then_some(Some(Cursor { start, at, fingerprint, node }))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { start, at, fingerprint, node } = self;
        write!(formatter, "c{start}-{at}-{fingerprint:x}-{node}")
    }
}

impl Step {
    /// From this cursor on; `None`: nobody serves a slot that is left. Gives the node to ask, too.
    pub fn of(cursor: Option<Cursor>, map: &SlotMap) -> Option<(Step, Address)> {
        let (start, at, node) = match cursor {
            None => (0, 0, 0),
            Some(cursor) if cursor.fingerprint == map.fingerprint(cursor.start) => {
                (cursor.start, cursor.at, cursor.node)
            }
            Some(cursor) => (cursor.at, cursor.at, 0),
        };
        let mut shards = map.shards_from(start).into_iter().skip_while(|(first, _)| *first < at);
        let (first, shard) = shards.next()?;
        let here = Cursor { start, at: first, fingerprint: map.fingerprint(start), node };
        Some((Step { node, here, next: shards.next().map(|(first, _)| first) }, shard.primary.clone()))
    }

    /// The cursor that follows when the node has given this one; `None`: that was all.
    pub fn then(&self, node: u64) -> Option<Cursor> {
        match (node, self.next) {
            (0, None) => None,
            (0, Some(next)) => Some(Cursor { at: next, node: 0, ..self.here.clone() }),
            (node, _) => Some(Cursor { node, ..self.here.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked from a cursor on, and the cursor that follows if the node gives this one.
    fn step(cursor: &str, map: &SlotMap, node: u64) -> Option<(String, String)> {
        let (step, address) = Step::of(Cursor::parse(cursor.as_bytes()).unwrap(), map)?;
        let next = step.then(node).map_or_else(|| "0".to_owned(), |cursor| cursor.to_string());
        Some((format!("{} at {address}", step.node), next))
    }

    #[test]
    fn shards_follow_each_other_in_the_order_of_their_slots() {
        let map = SlotMap::of(&[("a:1", 100, 199), ("b:1", 0, 99), ("a:1", 200, 300)]);
        let mut cursor = "0".to_owned();
        let mut asked = Vec::new();
        for node in [7, 0, 17179869183, 9, 0] {
            let (ask, next) = step(&cursor, &map, node).unwrap();
            asked.push(ask);
            cursor = next;
        }
        assert_eq!(asked, ["0 at b:1", "7 at b:1", "0 at a:1", "17179869183 at a:1", "9 at a:1"]);
        assert_eq!(cursor, "0", "that was all");
        assert_eq!(step("0", &SlotMap::of(&[]), 0), None);
    }

    #[test]
    fn after_a_change_the_shard_begins_anew_and_nothing_that_is_left_is_passed_over() {
        let before = SlotMap::of(&[("a:1", 0, 99), ("b:1", 100, 199), ("c:1", 200, 300)]);
        let (_, cursor) = step("0", &before, 0).unwrap();
        let (asked, cursor) = step(&cursor, &before, 5).unwrap();
        assert_eq!(asked, "0 at b:1");
        // A slot that was not scanned yet goes to the node that is done; another one to a node in whose midst we are.
        let after = SlotMap::of(&[("a:1", 0, 99), ("b:1", 100, 199), ("a:1", 200, 200), ("c:1", 201, 300)]);
        let (first, second) = step(&cursor, &after, 0).unwrap();
        assert_eq!(first, "0 at b:1", "the cursor of the node is forgotten");
        let (third, rest) = step(&second, &after, 0).unwrap();
        assert_eq!(third, "0 at a:1", "it is scanned once more");
        assert_eq!(step(&rest, &after, 0), Some(("0 at c:1".to_owned(), "0".to_owned())));
        // A replica was promoted: cursors are of a node.
        let promoted = SlotMap::of(&[("a:1", 0, 99), ("d:1", 100, 199), ("c:1", 200, 300)]);
        assert_eq!(step(&cursor, &promoted, 0).unwrap().0, "0 at d:1");
        // What changed before the slots that are left does not matter.
        let grown = SlotMap::of(&[("a:1", 0, 50), ("b:1", 51, 199), ("c:1", 200, 300)]);
        let (_, later) = step(&cursor, &after, 3).unwrap();
        assert_eq!(step(&later, &after, 0).unwrap().0, "3 at b:1");
        assert_eq!(step(&cursor, &grown, 0).unwrap().0, "0 at b:1");
        // Nobody serves what is left.
        assert_eq!(step(&cursor, &SlotMap::of(&[("a:1", 0, 99)]), 0), None);
    }

    #[test]
    fn a_cursor_is_zero_or_one_of_ours() {
        let cursor = Cursor { start: 1, at: 16383, fingerprint: 0xbeef, node: u64::MAX };
        assert_eq!(cursor.to_string(), "c1-16383-beef-18446744073709551615");
        assert_eq!(Cursor::parse(cursor.to_string().as_bytes()), Some(Some(cursor)));
        assert_eq!(Cursor::parse(b"0"), Some(None));
        for text in ["", "1", "c", "c1-2-3", "c1-2-3-4-5", "c1-2-x-4", "c99999-2-3-4", "c1-2-3--4", "\u{ff}"] {
            assert_eq!(Cursor::parse(text.as_bytes()), None, "{text}");
        }
    }
}
