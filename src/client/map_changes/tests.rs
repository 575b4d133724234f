//! What listeners hear of the map of a cluster whose nodes are played by hand.

use std::time::Duration;

use crate::client::fixture::{Fixture, Peer};

/// Slots 0 to 8191 (`b`: 3300) at a:1, the others (`a`: 15495) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

/// The next map that is found says this; these nodes are connected as well.
fn refresh(fixture: &mut Fixture, nodes: &mut [Peer], slots: &[&str]) -> Vec<String> {
    fixture.pass(Duration::from_secs(120));
    for peer in nodes.iter_mut().chain([&mut fixture.shared]) {
        assert_eq!(peer.read(), "CLUSTER SLOTS");
        peer.answer(slots);
    }
    fixture.pass(Duration::ZERO);
    let events = fixture.completions().into_iter();
    events.map(|event| event.strip_prefix("0 message: ").unwrap().to_string()).collect()
}

#[test]
fn listeners_hear_of_another_map_once_for_each_refresh() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.listen_for_events();
    fixture.pass(Duration::ZERO);
    assert_eq!(fixture.completion(), "0 message: {event, topology, primaries, 2, replicas, 0, slots, 16384}");
    assert!(refresh(&mut fixture, &mut [], &HALVES).is_empty(), "as it was");
    // What nodes say of single slots between two rounds is told with the next one.
    fixture.submit(&["GET b"]).unwrap();
    let mut nodes = vec![fixture.node("a:1")];
    nodes[0].serve(&["-MOVED 3300 b:1"]);
    nodes.push(fixture.node("b:1"));
    nodes[1].serve(&["$-1"]);
    fixture.pass(Duration::ZERO);
    assert!(fixture.completions().iter().all(|event| !event.contains("moved")));
    let moved = ["*3", "*3", ":0", ":3299", "*2", "$1", "a", ":1", "*3", ":3300", ":3300", "*2", "$1", "b", ":1"];
    let rest = ["*4", ":3301", ":8191", "*2", "$1", "a", ":1", "*2", "$1", "c", ":1"];
    let rest = [&moved[1..], &rest, &HALVES[8..]].concat();
    let events = refresh(&mut fixture, &mut nodes, &[&["*4"][..], &rest].concat());
    assert_eq!(
        events,
        [
            "{event, topology, primaries, 2, replicas, 1, slots, 16384}",
            "{event, moved, address, b:1, previous, a:1, slots, 1}",
        ]
    );
    let promoted = ["*2", "*3", ":0", ":8191", "*2", "$1", "c", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];
    let events = refresh(&mut fixture, &mut nodes, &promoted);
    assert_eq!(
        events[1..],
        [
            "{event, failover, address, c:1, previous, a:1, slots, 8191}",
            "{event, moved, address, c:1, previous, b:1, slots, 1}",
        ]
    );
}
