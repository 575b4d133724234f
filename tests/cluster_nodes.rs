//! A real cluster as a user of the library sees it: events of its map, its nodes in statistics, the node of a key.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::protocol::reply::Node;
use support::client::{Inbox, Tester};
use support::cluster::Cluster;
use support::messages::show;
use support::server::Server;
use support::wait;

fn address(node: &Server) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn text(map: &Node, key: &str) -> String {
    show(map.find(key.as_bytes()).unwrap())
}

/// Address, role and slots of all nodes, in order.
fn nodes(client: &Tester) -> Vec<(String, String, String)> {
    let stats = client.client.stats().unwrap();
    let node = |node: &Node| (text(node, "address"), text(node, "role"), text(node, "slots"));
    let mut nodes: Vec<_> = stats.find(b"nodes").unwrap().items().iter().map(node).collect();
    nodes.sort();
    nodes
}

/// The events of the map that have come, until there is one of this name.
fn until_told(events: &Inbox, name: &str) -> Vec<String> {
    let mut told = Vec::new();
    wait::until(&format!("the event {name}"), || {
        let of_map = |map: &Node| ["topology", "failover", "moved"].contains(&text(map, "event").as_str());
        told.extend(events.drain().iter().filter(|done| of_map(&done.reply)).map(|done| show(&done.reply)));
        told.iter().any(|event| event.starts_with(&format!("event {name} ")))
    });
    told
}

#[test]
fn events_and_statistics_tell_of_the_nodes() {
    let cluster = Cluster::start(3, 1);
    // One that looks often, because nothing is a reason for it to look.
    let client = Tester::with(cluster.url(), &[("refresh_interval", "1s")]);
    let events = client.events();
    wait::until("the map", || nodes(&client).len() == 6);
    let mut expected: Vec<_> = (cluster.nodes.iter().enumerate())
        .map(|(index, node)| {
            let role = if index < 3 { "master" } else { "replica" };
            let slots = if index % 3 == 0 { "5461" } else { ["5461", "5462"][usize::from(index % 3 == 2)] };
            (address(node), role.to_string(), slots.to_string())
        })
        .collect();
    expected.sort();
    assert_eq!(nodes(&client), expected);
    let places: Vec<String> = (0..3).map(|index| address(&cluster.nodes[index])).collect();
    for key in ["a", "b", "{a}b", ""] {
        let place = client.client.locate(key.as_bytes()).unwrap();
        let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).integer();
        assert_eq!(text(&place, "slot"), slot.to_string());
        assert_eq!(text(&place, "primary"), address(cluster.owner(key)));
        let index = places.iter().position(|place| *place == address(cluster.owner(key))).unwrap();
        assert_eq!(text(&place, "replicas"), address(&cluster.nodes[index + 3]));
    }
    let (owner, other) = (cluster.owner("a"), cluster.another_than(cluster.owner("a")));
    cluster.begin_move("a", other).finish();
    let told = until_told(&events, "moved");
    assert_eq!(
        told.last().unwrap(),
        &format!("event moved address {} previous {} slots 1", address(other), address(owner))
    );
    assert!(told[told.len() - 2].starts_with("event topology primaries 3 replicas 3 slots 16384"), "{told:?}");
    assert_eq!(text(&client.client.locate(b"a").unwrap(), "primary"), address(other));
    cluster.nodes[4].command(&["CLUSTER", "FAILOVER"]);
    let told = until_told(&events, "failover");
    let start = format!("event failover address {} previous {} slots ", address(&cluster.nodes[4]), places[1]);
    assert!(told.iter().any(|event| event.starts_with(&start)), "{told:?}");
    wait::until("the roles to be told", || {
        let nodes = nodes(&client);
        let role = |server: &Server| nodes.iter().find(|node| node.0 == address(server)).map(|node| node.1.as_str());
        role(&cluster.nodes[4]) == Some("master") && role(&cluster.nodes[1]) == Some("replica")
    });
}

#[test]
fn a_node_that_came_back_is_dialled_as_soon_as_another_one_names_it() {
    let cluster = Cluster::start(3, 0);
    // After a dial that failed it is not dialled again in the time of this test.
    let never = [("reconnect_delay", "100000s"), ("reconnect_delay_max", "100000s")];
    let client = Tester::with(cluster.url(), &never);
    let events = client.events();
    let key_of = |node: &Server| {
        (0..).map(|number| format!("key:{number}")).find(|key| cluster.owner(key).port() == node.port())
    };
    let (away, other) = (&cluster.nodes[1], &cluster.nodes[2]);
    for node in [away, other] {
        assert_eq!(client.text(&["SET", &key_of(node).unwrap(), "1"]), "OK");
    }
    away.kill();
    wait::until("a dial that failed", || {
        events
            .drain()
            .iter()
            .any(|done| show(&done.reply).contains(&away.port().to_string()) && show(&done.reply).contains("refused"))
    });
    away.restart();
    cluster.until_whole();
    let key = key_of(other).unwrap();
    let moving = cluster.begin_move(&key, away);
    moving.keys();
    moving.finish();
    assert_eq!(client.text(&["GET", &key]), "1");
}
