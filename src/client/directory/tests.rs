//! A client of a cluster whose nodes are played by hand: where its connections for messages lead.

use std::time::Duration;

use crate::client::fixture::{Fixture, Peer};
use crate::connection::unit::Ticket;
use crate::error::Status;
use crate::topology::Route;

/// Slots 0 to 8191 (`b`: 3300, `c`: 7365) at a:1, the others (`a`: 15495) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

/// The other way round.
const TURNED: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "b", ":1", "*3", ":8192", ":16383", "*2", "$1", "a", ":1"];

/// Says it as the server says what nobody asked for.
fn push(peer: &mut Peer, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let mut lines = vec![format!(">{}", words.len())];
    for word in words {
        match word.parse::<u64>() {
            Ok(number) => lines.push(format!(":{number}")),
            Err(_) => lines.extend([format!("${}", word.len()), word.to_string()]),
        }
    }
    peer.answer(&lines.iter().map(String::as_str).collect::<Vec<_>>());
}

fn addresses(peers: &[Peer]) -> Vec<String> {
    peers.iter().map(|peer| peer.link.address()).collect()
}

/// The peers at the links for messages to these addresses, connected.
fn peers<const N: usize>(fixture: &Fixture, expected: [&str; N]) -> [Peer; N] {
    let peers = fixture.push_peers();
    assert_eq!(addresses(&peers), expected);
    let mut peers: [Peer; N] = peers.try_into().ok().unwrap();
    peers.iter_mut().for_each(Peer::connect);
    peers
}

/// Another map is found.
fn refresh(fixture: &mut Fixture, slots: &[&str]) {
    fixture.pass(Duration::from_secs(120));
    assert_eq!(fixture.shared.read(), "CLUSTER SLOTS");
    fixture.shared.answer(slots);
    fixture.pass(Duration::ZERO);
}

#[test]
fn plain_channels_have_one_connection_and_sharded_ones_one_to_each_owner() {
    let mut fixture = Fixture::cluster(&HALVES);
    let id = fixture.subscribe("SSUBSCRIBE a b c", |_| {}).unwrap();
    let [mut a, mut b] = peers(&fixture, ["a:1", "b:1"]);
    assert_eq!((a.read().as_str(), b.read().as_str()), ("SSUBSCRIBE b | SSUBSCRIBE c", "SSUBSCRIBE a"));
    push(&mut b, "ssubscribe a 1");
    push(&mut a, "ssubscribe b 1");
    push(&mut a, "ssubscribe c 2");
    let mut told: Vec<String> = ["a, 1", "b, 2", "c, 3"].map(|last| format!("1 message: [ssubscribe, {last}]")).into();
    told.push("1 message: 3".to_owned());
    assert_eq!(fixture.completions(), told, "counted for the subscription, and when all have confirmed");
    fixture.subscribe("SUBSCRIBE news", |request| request.subscription = id).unwrap();
    let plain = fixture.push_peers().into_iter().find(|peer| !peer.link.is_connected());
    let mut plain = plain.unwrap();
    plain.connect();
    assert_eq!(plain.read(), "SUBSCRIBE news");
    push(&mut plain, "subscribe news 1");
    assert_eq!(fixture.completions(), ["1 message: [subscribe, news, 1]", "2 Ok Answered: 4"]);
    fixture.subscribe("PING x", |request| request.subscription = id).unwrap();
    assert_eq!((a.read().as_str(), b.read().as_str(), plain.read().as_str()), ("", "", "PING x"));
    push(&mut b, "smessage a hi");
    push(&mut a, "smessage a from-elsewhere");
    assert_eq!(fixture.completions(), ["1 message: [smessage, a, hi]"]);
    fixture.subscribe("SUNSUBSCRIBE a", |request| request.subscription = id).unwrap();
    assert_eq!((b.read().as_str(), b.link.is_closed()), ("SUNSUBSCRIBE a", false));
    push(&mut b, "sunsubscribe a 0");
    assert!(b.link.is_closed() && !a.link.is_closed());
    fixture.core.cancel(Ticket(id));
    assert!(a.link.is_closed() && plain.link.is_closed());
}

#[test]
fn a_sharded_channel_follows_its_slot() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.subscribe("SSUBSCRIBE b", |_| {}).unwrap();
    let [mut a] = peers(&fixture, ["a:1"]);
    a.read();
    push(&mut a, "ssubscribe b 1");
    assert_eq!(fixture.completions(), ["1 message: [ssubscribe, b, 1]", "1 message: 1"]);
    // The old owner says that it has gone, and when it is asked again, where.
    push(&mut a, "sunsubscribe b 0");
    assert_eq!(a.read(), "SSUBSCRIBE b");
    a.answer(&["-MOVED 3300 b:1"]);
    assert!(a.link.is_closed(), "nothing is left there");
    let [mut b] = peers(&fixture, ["b:1"]);
    assert_eq!(b.read(), "SSUBSCRIBE b");
    push(&mut b, "ssubscribe b 1");
    assert_eq!(fixture.completion(), "1 gap: [ssubscribe, b, 1]");
    // The map says that it is back before the owner says so.
    refresh(&mut fixture, &["*1", "*3", ":0", ":16383", "*2", "$1", "a", ":1"]);
    assert_eq!((b.read().as_str(), b.link.is_closed()), ("SUNSUBSCRIBE b", false));
    push(&mut b, "sunsubscribe b 0");
    assert!(b.link.is_closed());
    let [mut a] = peers(&fixture, ["a:1"]);
    assert_eq!(a.read(), "SSUBSCRIBE b");
    push(&mut a, "ssubscribe b 1");
    assert_eq!(fixture.completion(), "1 gap: [ssubscribe, b, 1]");
    // The owner is gone, and another one has its slots.
    a.lose();
    refresh(&mut fixture, &TURNED);
    assert!(a.link.is_closed());
    let [mut b] = peers(&fixture, ["b:1"]);
    assert_eq!(b.read(), "SSUBSCRIBE b");
    push(&mut b, "ssubscribe b 1");
    assert_eq!(fixture.completion(), "1 gap: [ssubscribe, b, 1]");
}

#[test]
fn before_there_is_a_map_any_node_is_asked_and_says_where_a_sharded_channel_is() {
    let mut fixture = Fixture::cluster(&["-ERR later"]);
    fixture.subscribe("SSUBSCRIBE a b", |_| {}).unwrap();
    let [mut seed] = peers(&fixture, ["seed:1"]);
    assert_eq!(seed.read(), "SSUBSCRIBE a | SSUBSCRIBE b");
    push(&mut seed, "ssubscribe a 1");
    seed.answer(&["-MOVED 3300 a:1"]);
    let mut peers = fixture.push_peers();
    assert_eq!(addresses(&peers), ["a:1", "seed:1"]);
    peers[0].connect();
    assert_eq!(peers[0].read(), "SSUBSCRIBE b");
    push(&mut peers[0], "ssubscribe b 1");
    fixture.completions();
    refresh(&mut fixture, &HALVES);
    assert_eq!(seed.read(), "", "what is there stays, until the node says that it has not got it");
    push(&mut seed, "sunsubscribe a 0");
    assert_eq!(seed.read(), "SSUBSCRIBE a");
    seed.answer(&["-MOVED 15495 b:1"]);
    assert_eq!(addresses(&fixture.push_peers()), ["a:1", "b:1", "seed:1"]);
}

#[test]
fn nodes_that_name_each_other_are_asked_after_pauses() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.subscribe("SSUBSCRIBE b", |_| {}).unwrap();
    let mut at = "a:1";
    for _ in 0..3 {
        let [mut peer] = peers(&fixture, [at]);
        assert_eq!(peer.read(), "SSUBSCRIBE b");
        at = if at == "a:1" { "b:1" } else { "a:1" };
        peer.answer(&[&format!("-MOVED 3300 {at}")]);
        assert!(peer.link.is_closed());
    }
    let [mut peer] = peers(&fixture, [at]);
    peer.read();
    peer.answer(&["-MOVED 3300 a:1"]);
    assert!(fixture.push_peers().is_empty(), "not before a pause");
}

#[test]
fn what_is_not_ready_is_waited_out_and_what_is_refused_ends_the_subscription() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.subscribe("SSUBSCRIBE b", |_| {}).unwrap();
    let [mut a] = peers(&fixture, ["a:1"]);
    a.serve(&["-CLUSTERDOWN Hash slot not served"]);
    for (channel, error) in [("{b}1", "-MOVED 3300 ?:0"), ("{b}2", "-MOVED nonsense"), ("{b}3", "-ASK 3300 b:1")] {
        fixture.subscribe(&format!("SSUBSCRIBE {channel}"), |_| {}).unwrap();
        a.serve(&[error]);
    }
    assert!(fixture.completions().is_empty());
    let id = fixture.subscribe("SSUBSCRIBE c", |_| {}).unwrap();
    a.serve(&["-NOPERM no"]);
    assert_eq!(fixture.completion(), "5 Server Answered: NOPERM no");
    assert!(!fixture.core.cancel(Ticket(id)));
}

#[test]
fn plain_channels_go_to_another_node_when_theirs_goes_or_leaves_the_cluster() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.subscribe("SUBSCRIBE news", |_| {}).unwrap();
    let mut plain = fixture.push_peers().remove(0);
    let first = plain.link.address();
    assert!(["a:1", "b:1"].contains(&first.as_str()), "{first}");
    plain.connect();
    plain.read();
    push(&mut plain, "subscribe news 1");
    plain.lose();
    let next = plain.link.endpoints().addresses();
    assert_eq!(next.len(), 3, "the other one, this one, the seed: {next:?}");
    assert!(next[0].to_string() != first && next[1].to_string() == first && next[2].to_string() == "seed:1");
    plain.connect();
    assert_eq!(plain.read(), "SUBSCRIBE news");
    push(&mut plain, "subscribe news 1");
    assert_eq!(fixture.completions()[2..], ["1 gap: [subscribe, news, 1]"]);
    // The link knows the node that it was told at first.
    let other = if first == "a:1" { "b" } else { "a" };
    refresh(&mut fixture, &["*1", "*3", ":0", ":16383", "*2", "$1", other, ":1"]);
    plain.connect_again();
    assert_eq!(plain.read(), "SUBSCRIBE news");
    assert_eq!(plain.link.endpoints().addresses()[0].to_string(), format!("{other}:1"));
}

#[test]
fn what_speaks_of_one_node_needs_its_address() {
    let mut fixture = Fixture::cluster(&HALVES);
    for (command, route, why) in [
        ("MONITOR", Route::ByKey, "MONITOR tells of one node of the cluster; name its address as the route"),
        ("MONITOR", Route::Random, "MONITOR tells of one node of the cluster; name its address as the route"),
        ("CLIENT TRACKING ON BCAST", Route::ByKey, "CLIENT tells of one node of the cluster"),
        ("MONITOR", Route::All, "goes to one node"),
        ("MONITOR", Route::Node("c:1"), "the cluster has no such node"),
        ("MONITOR", Route::Node("c:x"), "neither a word nor an address"),
    ] {
        let error = fixture.subscribe(command, |request| request.route = route).unwrap_err();
        assert!(error.status == Status::Argument && error.message.contains(why), "{error}");
    }
    let id = fixture.subscribe("SUBSCRIBE x", |request| request.route = Route::Node("b:1")).unwrap();
    fixture.subscribe("MONITOR", |request| request.route = Route::Node("b:1")).unwrap();
    let [mut first, mut second] = peers(&fixture, ["b:1", "b:1"]);
    assert_eq!([first.read(), second.read()], ["SUBSCRIBE x", "MONITOR"]);
    let more = |request: &mut crate::client::request::Request<'_, &str>| request.subscription = id;
    fixture.subscribe("SSUBSCRIBE b", more).unwrap();
    assert_eq!(first.read(), "SSUBSCRIBE b", "it stays at its node");
    push(&mut first, "subscribe x 1");
    first.answer(&["-MOVED 3300 a:1"]);
    assert!(fixture.completions().iter().any(|line| line.ends_with("Server Answered: MOVED 3300 a:1")));
    let error = fixture
        .subscribe("SUBSCRIBE y", |request| {
            (request.subscription, request.route) = (id, Route::Node("a:1"));
        })
        .unwrap_err();
    assert!(error.message.contains("without a route"), "{error}");
}
