//! What several nodes of a cluster say together: nodes learn of changes at different times, and one that is cut off
//! from the others does not learn of them at all. Where a node was, there may be one of another cluster by now. Pure.

use std::collections::BTreeSet;

use super::slot_map::SlotMap;
use super::view::View;
use crate::address::Address;

/// Whether more than half of so many nodes have the same view, so that the others need not be heard.
pub fn is_settled(views: &[View], asked: usize) -> bool {
    views.iter().any(|view| 2 * supporters(views, view) > asked)
}

/// The view that more than half of so many nodes have; else, of those that are of the same cluster as the map which was
/// agreed on before, the one that most have; of several the one that covers most slots, and of those the first. `None`:
/// nobody is to be believed, because those who were asked and are silent may contradict.
pub fn agree(views: Vec<View>, asked: usize, before: &SlotMap) -> Option<View> {
    let known: BTreeSet<&Address> = before.nodes().collect();
    let rank = |view: &View| {
        let count = supporters(&views, view);
        let is_most = 2 * count > asked;
        let is_believed = is_most || known.is_empty() || is_of(&known, view);
        is_believed.then_some((is_most, count, view.map.covered()))
    };
    // The last of the greatest would be taken, so they are looked at from the end.
    let ranked = views.iter().enumerate().rev().filter_map(|(index, view)| Some((rank(view)?, index)));
    let (_, best) = ranked.max_by_key(|(rank, _)| *rank)?;
    views.into_iter().nth(best)
}

fn supporters(views: &[View], view: &View) -> usize {
    views.iter().filter(|other| other.map == view.map).count()
}

/// Whether a view is of the cluster of these nodes: it names one of them beside the node whose view it is. (That one
/// has the address of a node of the cluster, whatever it belongs to.)
fn is_of(known: &BTreeSet<&Address>, view: &View) -> bool {
    view.map.nodes().any(|node| *node != view.by && known.contains(node))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let given: Vec<View> = views.iter().map(|(number, slots)| view(*number, *slots)).collect();
            let asked = given.len();
            assert_eq!(
                agree(given, asked, &SlotMap::default()),
                agreed.map(|(number, slots)| view(number, slots)),
                "{views:?}"
            );
        }
    }

    /// Two shards of 100 slots, of which the second begins at `border`.
    fn view_of(by: u16, nodes: [u16; 2], border: u16) -> View {
        let mut map = SlotMap::default();
        let [first, second] = nodes.map(|node| map.add_shard(Address::tcp("node", node).unwrap(), BTreeSet::new()));
        map.give_free(0, border - 1, first);
        map.give_free(border, 199, second);
        View { by: Address::tcp("node", by).unwrap(), map, ..View::default() }
    }

    #[test]
    fn a_node_with_the_map_of_another_cluster_is_not_believed_while_others_contradict() {
        const OURS: [u16; 2] = [1, 2];
        const OTHERS: [u16; 2] = [1, 9];
        // Each that answers, with its nodes and the border between their slots; how many are asked; whose map it is.
        for (views, asked, believed) in [
            (vec![(1, OTHERS, 100), (2, OURS, 100)], 2, Some(OURS)),
            (vec![(2, OURS, 100), (1, OTHERS, 100)], 2, Some(OURS)),
            (vec![(1, OTHERS, 100), (2, OURS, 100), (3, OURS, 101)], 3, Some(OURS)),
            // More than half of those that were asked cannot all be wrong.
            (vec![(1, OTHERS, 100), (3, OTHERS, 100), (2, OURS, 100)], 3, Some(OTHERS)),
            // Nobody contradicts yet.
            (vec![(1, OTHERS, 100)], 3, None),
            // Nobody else is there.
            (vec![(1, OTHERS, 100)], 1, Some(OTHERS)),
        ] {
            let given: Vec<View> = views.iter().map(|(by, nodes, border)| view_of(*by, *nodes, *border)).collect();
            let before = view_of(2, OURS, 99).map;
            let found = agree(given, asked, &before).map(|view| view.map.nodes().cloned().collect::<Vec<_>>());
            let believed = believed.map(|nodes| nodes.map(|node| Address::tcp("node", node).unwrap()).to_vec());
            assert_eq!(found, believed, "{views:?} of {asked}");
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
