//! Batches of a client whose servers are played by hand.

use super::*;
use crate::client::fixture::Fixture;
use crate::client::simulation::inbox::{self, Inbox};
use crate::error::Status;

/// Slots 0 to 8191 (`b`: 3300) at a:1, the others (`a`: 15495) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

/// A client that has used both of its nodes.
fn used() -> Fixture {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit(&["GET a"]).unwrap();
    fixture.submit(&["GET b"]).unwrap();
    for node in ["a:1", "b:1"] {
        fixture.node(node).serve(&["_"]);
    }
    assert_eq!(fixture.completions().len(), 2);
    fixture
}

#[test]
fn each_node_gets_its_requests_in_order() {
    let mut fixture = used();
    let submitted = fixture.submit_batch(&["INCR a", "INCR b", "GET b", "MGET a b", "DEL b", "PING", "DEL a"]);
    assert!(submitted.iter().all(Result::is_ok));
    assert_eq!(fixture.node("a:1").read(), "INCR b | GET b | MGET b | DEL b");
    let b = fixture.node("b:1").read();
    assert!(b.starts_with("INCR a | MGET a") && b.ends_with("DEL a"), "{b}");
}

#[test]
fn who_has_used_no_node_finds_them_all_the_same() {
    let mut fixture = Fixture::cluster(&HALVES);
    assert!(fixture.submit_batch(&["INCR a", "INCR b", "DEL a"]).iter().all(Result::is_ok));
    assert_eq!(fixture.node("a:1").read(), "INCR b");
    assert_eq!(fixture.node("b:1").read(), "INCR a | DEL a");
}

#[test]
fn the_first_request_without_room_ends_what_is_accepted() {
    let mut fixture = Fixture::cluster_of(&HALVES, 2);
    fixture.submit(&["GET a"]).unwrap();
    fixture.submit(&["GET b"]).unwrap();
    let submitted = fixture.submit_batch(&["INCR b", "GET b", "INCR a"]);
    let statuses: Vec<_> = submitted.into_iter().map(|one| one.map(drop).map_err(|error| error.status)).collect();
    assert_eq!(statuses, [Ok(()), Err(Status::Full), Ok(())]);
    assert_eq!(fixture.node("a:1").read(), "GET b | INCR b");
}

#[test]
fn more_nodes_than_are_locked_at_once_are_locked_by_turns() {
    let nodes = 2 * LINKS as u16;
    let (share, rest) = (16384 / nodes, 16384 % nodes);
    assert_eq!(rest, 0);
    let mut slots = vec![format!("*{nodes}")];
    for node in 0..nodes {
        let (first, last) = (node * share, (node + 1) * share - 1);
        let host = format!("n{node:02}");
        slots.extend(["*3".to_string(), format!(":{first}"), format!(":{last}"), "*2".to_string()]);
        slots.extend(["$3".to_string(), host, ":1".to_string()]);
    }
    let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
    let mut fixture = Fixture::cluster(&slots);
    let lines: Vec<String> = (0..10 * usize::from(nodes)).map(|number| format!("INCR key{number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for _ in 0..2 {
        assert!(fixture.submit_batch(&lines).iter().all(Result::is_ok));
        let read: Vec<String> = (0..nodes).map(|node| fixture.node(&format!("n{node:02}:1")).read()).collect();
        assert_eq!(read.iter().map(|read| read.split(" | ").count()).sum::<usize>(), lines.len());
        for read in read {
            let numbers: Vec<usize> = read.split(" | ").map(|line| line[8..].parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
    }
}

#[test]
fn whoever_has_the_lock_of_another_node_is_not_waited_for_with_locks() {
    let mut fixture = used();
    let (core, routes) = (Arc::clone(&fixture.core), fixture.core.topology.cluster().unwrap().routes(0));
    let (a, b) = (routes.link_of_slot(3300).unwrap(), routes.link_of_slot(15495).unwrap());
    // Somebody holds the lock of `b`, and lets it go when he has that of `a`.
    std::thread::scope(|scope| {
        let (locked, is_locked) = std::sync::mpsc::channel();
        scope.spawn(move || {
            let place = inbox::Place::new(0, false, &Inbox::default());
            let held = Intake::open(&core, b, Submitter::Other, &place).unwrap();
            locked.send(()).unwrap();
            while a.waiting().0 == 0 {
                std::thread::yield_now();
            }
            drop(held);
        });
        is_locked.recv().unwrap();
        assert!(fixture.submit_batch(&["INCR b", "INCR a", "GET b"]).iter().all(Result::is_ok));
    });
    assert_eq!(fixture.node("a:1").read(), "INCR b | GET b");
    assert_eq!(fixture.node("b:1").read(), "INCR a");
}
