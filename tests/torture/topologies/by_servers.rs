//! Slots go to another node some at a time and all at once, as Valkey's own servers do it: with MOVED only.

use std::ops::Range;

use super::migrations::Step;
use crate::support::cluster::Cluster;
use crate::support::resp::{Answer, Plain};
use crate::support::wait;

/// So many slots go together.
const TOGETHER: usize = 25;

/// Moves these slots from one primary to another; `told` hears of how many, and says whether to go on.
pub fn move_slots(cluster: &Cluster, pair: [usize; 2], slots: Range<u16>, told: &mut dyn FnMut(Step) -> bool) {
    let [from, to] = pair.map(|index| &cluster.primaries()[index]);
    let mut source = from.connect().unwrap();
    let target = to.command(&["CLUSTER", "MYID"]).text();
    for first in slots.clone().step_by(TOGETHER) {
        let last = slots.end.min(first + TOGETHER as u16) - 1;
        let range = [first, last].map(|slot| slot.to_string());
        let words = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &range[0], &range[1], "NODE", &target];
        let begun = source.command(&words).unwrap();
        assert!(begun.is_ok(), "{words:?}: {begun:?}");
        wait::until("slots to be with their new node", || match &*state_of_last(&mut source) {
            "success" => true,
            state => {
                assert!(!["failed", "cancelled"].contains(&state), "{range:?}: {:?}", migrations(&mut source));
                false
            }
        });
        if !told(Step::Slots(usize::from(last - first) + 1)) {
            return;
        }
    }
}

fn migrations(source: &mut Plain) -> Answer {
    source.command(&["CLUSTER", "GETSLOTMIGRATIONS"]).unwrap()
}

/// How the migration stands that began last: it is the first of the list.
fn state_of_last(source: &mut Plain) -> String {
    let all = migrations(source);
    let fields = all.items()[0].items();
    let state = fields.chunks(2).find(|pair| pair[0].text() == "state");
    state.unwrap()[1].text()
}
