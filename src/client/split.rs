//! Commands of which each key stands for itself, so that one whose keys are in several slots of a cluster can be sent as
//! several: which they are, and what their answers make up. Pure.
//!
//! Invariant: never MSETNX, nor what else sets all keys or none.

use std::collections::HashMap;

use super::merge::Merge;
use crate::protocol::slot::slot_of;

/// A command that is sent as several.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The parts, each with its slot, in the order of their first keys.
    pub parts: Vec<(u16, Vec<&'a [u8]>)>,
    /// What their answers make up.
    pub merge: Merge,
}

impl<'a> Split<'a> {
    /// Of a command whose keys are in several slots, if it can be split.
    pub fn of<A: AsRef<[u8]>>(args: &'a [A]) -> Option<Split<'a>> {
        let [name, rest @ ..] = args else { return None };
        let (name, is) = (name.as_ref(), |other: &str| name.as_ref().eq_ignore_ascii_case(other.as_bytes()));
        let step = if is("MSET") { 2 } else { 1 };
        let sums = ["DEL", "EXISTS", "TOUCH", "UNLINK"].into_iter().any(is);
        if rest.len() <= step || rest.len() % step != 0 || !(is("MGET") || is("MSET") || sums) {
            return None;
        }
        let mut parts: Vec<(u16, Vec<&[u8]>)> = Vec::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        // By slot, its part.
        let mut known = HashMap::new();
        for (place, group) in rest.chunks(step).enumerate() {
            let slot = slot_of(group.first()?.as_ref());
            let part = *known.entry(slot).or_insert_with(|| {
                parts.push((slot, vec![name]));
                places.push(Vec::new());
                parts.len() - 1
            });
            parts.get_mut(part)?.1.extend(group.iter().map(AsRef::as_ref));
            places.get_mut(part)?.push(place);
        }
        let merge = match () {
            () if is("MGET") => Merge::InOrder(places),
            () if sums => Merge::Sum,
            () => Merge::Same,
        };
        (parts.len() > 1).then_some(Split { parts, merge })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts as lines, and what becomes of their answers.
    fn shown(line: &str) -> Option<(Vec<String>, Merge)> {
        let words: Vec<&str> = line.split(' ').collect();
        let Split { parts, merge } = Split::of(&words)?;
        let line = |words: &Vec<&[u8]>| String::from_utf8(words.join(&b' ')).unwrap();
        assert!(parts.iter().all(|(slot, words)| slot_of(words[1]) == *slot));
        Some((parts.iter().map(|(_, words)| line(words)).collect(), merge))
    }

    #[test]
    fn keys_of_one_slot_stay_together_in_their_order() {
        // (a: 15495, b: 3300, c: 7365.)
        for (line, parts, merge) in [
            ("MGET a b {a}1 c b", &["MGET a {a}1", "MGET b b", "MGET c"][..], {
                Merge::InOrder(vec![vec![0, 2], vec![1, 4], vec![3]])
            }),
            ("del b a", &["del b", "del a"], Merge::Sum),
            ("EXISTS a a b", &["EXISTS a a", "EXISTS b"], Merge::Sum),
            ("Touch a b", &["Touch a", "Touch b"], Merge::Sum),
            ("UNLINK a b", &["UNLINK a", "UNLINK b"], Merge::Sum),
            ("MSET a 1 b 2 a 3", &["MSET a 1 a 3", "MSET b 2"], Merge::Same),
        ] {
            let parts = parts.iter().map(ToString::to_string).collect();
            assert_eq!(shown(line), Some((parts, merge)), "{line}");
        }
    }

    #[test]
    fn what_is_in_one_slot_or_has_to_be_whole_is_not_split() {
        for line in
            ["MGET a {a}1", "MGET a", "MGET", "DEL a a", "MSETNX a 1 b 2", "MSET a 1 b", "SINTER a b", "GET a b"]
        {
            assert_eq!(shown(line), None, "{line}");
        }
    }
}
