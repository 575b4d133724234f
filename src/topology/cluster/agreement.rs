//! What several nodes of a cluster say together: nodes learn of changes at different times, and one that is cut off
//! from the others does not learn of them at all. Pure.

use super::view::View;

/// Whether more than half of so many nodes have the same view, so that the others need not be heard.
pub fn is_settled(views: &[View], asked: usize) -> bool {
    let supporters = |view: &View| views.iter().filter(|other| other.map == view.map).count();
    views.iter().any(|view| 2 * supporters(view) > asked)
}

/// The view that most of them have; of several the one that covers most slots, and of those the first.
pub fn agree(views: Vec<View>) -> Option<View> {
    let supporters = |view: &View| views.iter().filter(|other| other.map == view.map).count();
    let rank = |view: &View| (supporters(view), view.map.covered());
    // The last of the greatest would be taken, so they are looked at from the end.
    let best = views.iter().enumerate().rev().max_by_key(|(_, view)| rank(view)).map(|(index, _)| index)?;
    views.into_iter().nth(best)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::address::Address;
    use crate::topology::cluster::slot_map::SlotMap;

    /// Of so many slots at the node of this number.
    fn view(number: u16, slots: u16) -> View {
        let mut map = SlotMap::default();
        let shard = map.add_shard(Address::tcp("node", number).unwrap(), BTreeSet::new());
        (0..slots).for_each(|slot| map.give(slot, shard));
        View { map, ..View::default() }
    }

    #[test]
    fn the_view_of_most_wins_and_then_the_one_that_covers_most() {
        for (views, agreed) in [
            (vec![], None),
            (vec![(1, 10)], Some((1, 10))),
            (vec![(1, 10), (2, 20)], Some((2, 20))),
            (vec![(2, 20), (1, 10)], Some((2, 20))),
            (vec![(1, 10), (2, 10)], Some((1, 10))),
            (vec![(2, 20), (1, 10), (1, 10)], Some((1, 10))),
            (vec![(1, 10), (2, 20), (1, 10), (2, 20), (3, 30)], Some((2, 20))),
            (vec![(1, 0), (2, 0)], Some((1, 0))),
        ] {
            let given = views.iter().map(|(number, slots)| view(*number, *slots)).collect();
            assert_eq!(agree(given), agreed.map(|(number, slots)| view(number, slots)), "{views:?}");
        }
    }

    #[test]
    fn more_than_half_of_them_settle_it() {
        for (views, asked, is_settled) in [
            (vec![], 1, false),
            (vec![1], 1, true),
            (vec![1], 2, false),
            (vec![1, 1], 3, true),
            (vec![1, 2], 3, false),
            (vec![1, 2, 1], 5, false),
            (vec![1, 2, 1, 1], 5, true),
        ] {
            let given: Vec<View> = views.iter().map(|number| view(*number, 10)).collect();
            assert_eq!(super::is_settled(&given, asked), is_settled, "{views:?} of {asked}");
        }
    }
}
