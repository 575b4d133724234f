//! What several nodes of a cluster say together: nodes learn of changes at different times, and one that is cut off
//! from the others does not learn of them at all. Pure.

use super::view::View;

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
        View { map, left_out: 0 }
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
}
