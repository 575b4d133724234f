//! Slots go to another node one by one and key by key, as resharding tools do it: with ASK, and TRYAGAIN for what is
//! half moved.

use std::ops::Range;

use super::migrations::Step;
use crate::support::cluster::Cluster;
use crate::support::resp::{Answer, Plain};
use crate::support::server::Server;

/// So many keys go with one MIGRATE; there are more of a slot.
const TOGETHER: &str = "5";

/// Moves these slots from one primary to another; `told` hears of each, and says whether to go on.
pub fn move_slots(cluster: &Cluster, pair: [usize; 2], slots: Range<u16>, told: &mut dyn FnMut(Step) -> bool) {
    let nodes = cluster.primaries();
    let [from, to] = pair.map(|index| &nodes[index]);
    let mut source = Party::of(from);
    let mut target = Party::of(to);
    let others = nodes.iter().filter(|node| ![from.port(), to.port()].contains(&node.port()));
    let mut others: Vec<Party> = others.map(Party::of).collect();
    for slot in slots.map(|slot| slot.to_string()) {
        target.set_slot(&slot, &["IMPORTING", &source.id]);
        source.set_slot(&slot, &["MIGRATING", &target.id]);
        while source.gives_keys(&slot, to) {
            told(Step::SomeKeys);
        }
        // The new owner first: else nobody would have it for a while.
        let id = target.id.clone();
        for party in [&mut target, &mut source].into_iter().chain(&mut others) {
            party.set_slot(&slot, &["NODE", &id]);
        }
        if !told(Step::Slots(1)) {
            return;
        }
    }
}

/// A node that takes part, and a connection to it.
struct Party {
    id: String,
    plain: Plain,
}

impl Party {
    fn of(node: &Server) -> Party {
        let mut plain = node.connect().unwrap();
        Party { id: plain.command(&["CLUSTER", "MYID"]).unwrap().text(), plain }
    }

    fn set_slot(&mut self, slot: &str, what: &[&str]) {
        let words = [&["CLUSTER", "SETSLOT", slot], what].concat();
        let answer = self.plain.command(&words).unwrap();
        assert!(answer.is_ok(), "{words:?}: {answer:?}");
    }

    /// Gives some keys away; whether there were any.
    fn gives_keys(&mut self, slot: &str, to: &Server) -> bool {
        let keys = self.plain.command(&["CLUSTER", "GETKEYSINSLOT", slot, TOGETHER]).unwrap();
        if keys.items().is_empty() {
            return false;
        }
        let port = to.port().to_string();
        let mut words: Vec<String> = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"].map(str::to_owned).into();
        words.extend(keys.items().iter().map(Answer::text));
        // NOKEY: others have deleted them meanwhile.
        let moved = self.plain.command(&words).unwrap().text();
        assert!(matches!(&*moved, "OK" | "NOKEY"), "{moved}");
        true
    }
}
