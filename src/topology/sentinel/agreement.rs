//! What sentinels that disagree mean together. Pure.

use std::collections::BTreeMap;

use crate::address::Address;

/// What one sentinel says.
#[derive(Clone, Copy, Debug)]
pub struct Vote<'a> {
    /// Which sentinel.
    pub by: &'a Address,
    /// Where the primary is.
    pub address: &'a Address,
    /// Since which failover.
    pub epoch: u64,
}

/// What they say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Where the primary is.
    pub address: Address,
    /// Since which failover, by the highest number that anybody tells.
    pub epoch: u64,
    /// More than half of all sentinels say so.
    pub is_majority: bool,
}

/// The address that most name and, of several, the one of the latest failover; `None`: nobody names any. `known`: how
/// many sentinels there are, whether they answer or not.
pub fn agree(votes: &[Vote<'_>], known: usize) -> Option<Agreed> {
    let mut tally: BTreeMap<&Address, (usize, u64)> = BTreeMap::new();
    for vote in votes {
        let (count, epoch) = tally.entry(vote.address).or_default();
        *count += 1;
        *epoch = vote.epoch.max(*epoch);
    }
    let (address, (count, epoch)) = tally.into_iter().max_by_key(|(_, standing)| *standing)?;
    Some(Agreed { address: address.clone(), epoch, is_majority: 2 * count > known })
}

/// Whether what sentinels answered since one of them told of a new primary speaks against it: somebody names another
/// one that is of a later failover, or more do of the same.
pub fn is_contradicted(votes: &[Vote<'_>], new: &Address) -> bool {
    let standing = |votes: &mut dyn Iterator<Item = &Vote<'_>>| {
        votes.fold((0, 0), |(epoch, count), vote| match vote.epoch.cmp(&epoch) {
            std::cmp::Ordering::Less => (epoch, count),
            std::cmp::Ordering::Equal => (epoch, count + 1),
            std::cmp::Ordering::Greater => (vote.epoch, 1),
        })
    };
    if votes.is_empty() {
        return false;
    }
    let others = || votes.iter().filter(|vote| vote.address != new);
    standing(&mut others()) > standing(&mut votes.iter().filter(|vote| vote.address == new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_votes<T>(votes: &[(&str, u64)], then: impl FnOnce(&[Vote<'_>]) -> T) -> T {
        let at = |text: &str| Address::parse(text).unwrap();
        let said: Vec<(Address, Address, u64)> = votes
            .iter()
            .enumerate()
            .map(|(number, (address, epoch))| (at(&format!("sentinel{number}")), at(address), *epoch))
            .collect();
        let votes: Vec<Vote<'_>> =
            said.iter().map(|(by, address, epoch)| Vote { by, address, epoch: *epoch }).collect();
        then(&votes)
    }

    #[test]
    fn the_most_decide_and_then_the_latest() {
        for (votes, known, agreed) in [
            (&[][..], 3, None),
            (&[("a", 1)], 1, Some(("a", 1, true))),
            (&[("a", 1)], 2, Some(("a", 1, false))),
            (&[("a", 1), ("a", 2)], 3, Some(("a", 2, true))),
            (&[("a", 1), ("b", 9), ("a", 1)], 3, Some(("a", 1, true))),
            (&[("a", 1), ("b", 2)], 3, Some(("b", 2, false))),
            (&[("a", 3), ("b", 2)], 2, Some(("a", 3, false))),
            (&[("a", 1), ("b", 1), ("c", 2)], 3, Some(("c", 2, false))),
        ] {
            let found = with_votes(votes, |votes| agree(votes, known));
            let found = found.map(|agreed| (agreed.address.to_string(), agreed.epoch, agreed.is_majority));
            let agreed = agreed.map(|(address, epoch, is)| (format!("{address}:6379"), epoch, is));
            assert_eq!(found, agreed, "{votes:?} of {known}");
        }
    }

    #[test]
    fn a_later_failover_contradicts_an_earlier_one_and_more_voices_fewer() {
        let new = Address::parse("new").unwrap();
        for (votes, contradicted) in [
            (&[][..], false),
            (&[("new", 2)], false),
            (&[("new", 2), ("old", 1), ("old", 1)], false),
            (&[("new", 2), ("old", 3)], true),
            (&[("new", 2), ("old", 2), ("old", 2)], true),
            (&[("new", 2), ("old", 2)], false),
            (&[("old", 1), ("old", 1)], true),
            (&[("new", 2), ("old", 2), ("newer", 3)], true),
            (&[("new", 0), ("old", 0)], false),
        ] {
            assert_eq!(with_votes(votes, |votes| is_contradicted(votes, &new)), contradicted, "{votes:?}");
        }
    }
}
