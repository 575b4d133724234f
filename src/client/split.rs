//! Commands of which each key stands for itself, so that one whose keys are in several slots of a cluster can be sent
//! as several: which they are, and what their answers make up. Pure.
//!
//! Invariant: never MSETNX, nor MSETEX with NX or XX, nor what else sets all keys or none.

use std::borrow::Cow;
use std::collections::HashMap;

use super::merge::Merge;
use crate::protocol::slot::slot_of;

/// A command that is sent as several.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The parts, each with its slot, in the order of their first keys.
    pub parts: Vec<(u16, Vec<Cow<'a, [u8]>>)>,
    /// What their answers make up.
    pub merge: Merge,
}

/// How the arguments of such a command stand.
struct Layout {
    /// The first key stands here.
    first: usize,
    /// So many arguments behind the last key, or its values, are for all keys.
    tail: usize,
    /// Each key stands with so many arguments, itself included.
    step: usize,
    /// The argument before the first key is the number of keys.
    is_counted: bool,
}

impl Layout {
    fn of<A: AsRef<[u8]>>(args: &[A]) -> Option<Layout> {
        let is = |word: &str| args.first().is_some_and(|name| name.as_ref().eq_ignore_ascii_case(word.as_bytes()));
        let plain = |step, tail| Layout { first: 1, tail, step, is_counted: false };
        let layout = match () {
            () if ["MGET", "DEL", "EXISTS", "TOUCH", "UNLINK"].into_iter().any(is) => plain(1, 0),
            () if is("MSET") => plain(2, 0),
            () if is("JSON.MGET") => plain(1, 1),
            () if is("JSON.MSET") => plain(3, 0),
            () if is("MSETEX") => {
                let count: usize = std::str::from_utf8(args.get(1)?.as_ref()).ok()?.parse().ok()?;
                let behind = count.checked_mul(2)?.checked_add(2)?;
                let rest = args.get(behind..)?;
                let is_condition =
                    |word: &A| ["NX", "XX"].iter().any(|other| word.as_ref().eq_ignore_ascii_case(other.as_bytes()));
                if rest.iter().any(is_condition) {
                    return None;
                }
                Layout { first: 2, tail: rest.len(), step: 2, is_counted: true }
            }
            () => return None,
        };
        let keys = args.len().checked_sub(layout.first + layout.tail)?;
        (keys % layout.step == 0).then_some(layout)
    }
}

impl<'a> Split<'a> {
    /// Of a command whose keys are in several slots, if it can be split.
    pub fn of<A: AsRef<[u8]>>(args: &'a [A]) -> Option<Split<'a>> {
        let Layout { first, tail, step, is_counted } = Layout::of(args)?;
        let word = |arg: &'a A| Cow::Borrowed(arg.as_ref());
        let name = args.first()?;
        let keys = args.get(first..args.len() - tail)?;
        let mut parts: Vec<(u16, Vec<Cow<'a, [u8]>>)> = Vec::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        // By slot, its part.
        let mut known = HashMap::new();
        for (place, group) in keys.chunks(step).enumerate() {
            let slot = slot_of(group.first()?.as_ref());
            let part = *known.entry(slot).or_insert_with(|| {
                parts.push((slot, args.iter().take(first).map(word).collect()));
                places.push(Vec::new());
                parts.len() - 1
            });
            parts.get_mut(part)?.1.extend(group.iter().map(word));
            places.get_mut(part)?.push(place);
        }
        for ((_, words), places) in parts.iter_mut().zip(&places) {
            words.extend(args.iter().skip(args.len() - tail).map(word));
            if let Some(count) = words.get_mut(1).filter(|_| is_counted) {
                *count = Cow::Owned(places.len().to_string().into_bytes());
            }
        }
        let is = |word: &str| name.as_ref().eq_ignore_ascii_case(word.as_bytes());
        let merge = match () {
            () if is("MGET") || is("JSON.MGET") => Merge::InOrder(places),
            () if step > 1 => Merge::Same,
            () => Merge::Sum,
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
        let line = |words: &Vec<Cow<'_, [u8]>>| {
            words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
        };
        for (slot, words) in &parts {
            assert!(crate::protocol::catalog::keys(words).all(|key| slot_of(key) == *slot));
        }
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
            ("JSON.MGET a b {a}1 $.x", &["JSON.MGET a {a}1 $.x", "JSON.MGET b $.x"], {
                Merge::InOrder(vec![vec![0, 2], vec![1]])
            }),
            ("json.mset a $ 1 b . 2 a $.x 3", &["json.mset a $ 1 a $.x 3", "json.mset b . 2"], Merge::Same),
            ("MSETEX 3 a 1 b 2 a 3 EX 10", &["MSETEX 2 a 1 a 3 EX 10", "MSETEX 1 b 2 EX 10"], Merge::Same),
            ("MSETEX 2 a NX b XX", &["MSETEX 1 a NX", "MSETEX 1 b XX"], Merge::Same),
            ("MSET a 1 b 2 a 3", &["MSET a 1 a 3", "MSET b 2"], Merge::Same),
        ] {
            let parts = parts.iter().map(ToString::to_string).collect();
            assert_eq!(shown(line), Some((parts, merge)), "{line}");
        }
    }

    #[test]
    fn what_is_in_one_slot_or_has_to_be_whole_is_not_split() {
        for line in [
            "MGET a {a}1",
            "MGET a",
            "MGET",
            "DEL a a",
            "MSETNX a 1 b 2",
            "MSET a 1 b",
            "SINTER a b",
            "GET a b",
            "JSON.MGET a $",
            "JSON.MGET",
            "JSON.MSET a $ 1 b $",
            "MSETEX 2 a 1 b 2 NX",
            "MSETEX 2 a 1 b 2 EX 10 xx",
            "MSETEX 3 a 1 b 2",
            "MSETEX x a 1 b 2",
            "MSETEX 18446744073709551615 a 1 b 2",
            "MSETEX",
        ] {
            assert_eq!(shown(line), None, "{line}");
        }
    }
}
