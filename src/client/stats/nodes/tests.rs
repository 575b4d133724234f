//! The nodes of a cluster that are played by hand, as a user sees them.

use crate::client::fixture::{Fixture, shown};
use crate::config::Config;

/// Slots 0 to 99 and 200 to 16383 at a:1, which c:1 follows, slots 100 to 199 at b:1.
const SLOTS: [&str; 24] = [
    "*3", "*4", ":0", ":99", "*2", "$1", "a", ":1", "*2", "$1", "c", ":1", "*3", ":100", ":199", "*2", "$1", "b", ":1",
    "*3", ":200", ":16383", "*2", "$1",
];

fn nodes(fixture: &Fixture) -> Vec<String> {
    let stats = fixture.core.stats().unwrap();
    stats.find(b"nodes").unwrap().items().iter().map(shown).collect()
}

#[test]
fn nodes_have_their_roles_slots_and_connections() {
    let mut fixture = Fixture::cluster(&[&SLOTS[..], &["a", ":1"]].concat());
    fixture.submit(&["GET a"]).unwrap();
    fixture.node("a:1");
    let of_a = "slots, 16284, ranges, [[0, 99], [200, 16383]], zone, ";
    let of_b = "slots, 100, ranges, [[100, 199]], zone, ";
    assert_eq!(
        nodes(&fixture),
        [
            format!("{{address, a:1, role, master, primary, , {of_a}, links, 1, round_trip_us, 0}}"),
            format!("{{address, c:1, role, replica, primary, a:1, {of_a}, links, 0, round_trip_us, 0}}"),
            format!("{{address, b:1, role, master, primary, , {of_b}, links, 0, round_trip_us, 0}}"),
        ]
    );
    for (key, expected) in [
        (&b"a"[..], "{slot, 15495, primary, a:1, replicas, [c:1]}"),
        (b"x{a}y", "{slot, 15495, primary, a:1, replicas, [c:1]}"),
        (b"", "{slot, 0, primary, a:1, replicas, [c:1]}"),
    ] {
        assert_eq!(shown(&fixture.core.locate(key).unwrap()), expected);
    }
}

#[test]
fn one_server_is_one_node_that_has_every_key() {
    let mut fixture = Fixture::new(Config::default());
    fixture.shared.connect();
    let address = fixture.shared.link.address();
    let node =
        format!("{{address, {address}, role, , primary, , slots, 0, ranges, [], zone, , links, 1, round_trip_us, 0}}");
    assert_eq!(nodes(&fixture), [node]);
    let expected = format!("{{slot, 15495, primary, {address}, replicas, []}}");
    assert_eq!(shown(&fixture.core.locate(b"a").unwrap()), expected);
}

#[test]
fn a_slot_that_nobody_has_is_nowhere() {
    let fixture = Fixture::cluster(&["-ERR later"]);
    assert!(nodes(&fixture).is_empty());
    assert_eq!(shown(&fixture.core.locate(b"a").unwrap()), "{slot, 15495, primary, , replicas, []}");
}
