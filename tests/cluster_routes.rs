//! A real cluster: routes to several nodes, commands without keys, and SCAN over all of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use justredis::client::request::Request;
use justredis::error::Outcome::{Answered, Unknown};
use justredis::error::Status;
use justredis::topology::Route;
use support::client::{Done, Tester, request};
use support::cluster::Cluster;
use support::wait;

fn keys() -> impl Iterator<Item = String> {
    (0..60).map(|number| format!("key:{number}"))
}

fn to(client: &Tester, route: Route<'_>, command: &[&str]) -> Done {
    client.wait_for(&Request { route, ..request(&[command]) }).unwrap()
}

/// The addresses in a map, and what they answered.
fn pairs(done: &Done) -> Vec<(String, String)> {
    let text = |node: &justredis::protocol::reply::Node| match node.to_i64() {
        Some(number) => number.to_string(),
        None => String::from_utf8_lossy(node.as_bytes()).into_owned(),
    };
    let mut pairs: Vec<_> = done.reply.items().chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    pairs.sort();
    pairs
}

fn addresses(nodes: &[support::server::Server]) -> Vec<String> {
    let mut addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    addresses.sort();
    addresses
}

/// Three primaries, each with a replica of which all nodes tell.
fn with_replicas() -> Cluster {
    let cluster = Cluster::start(3, 1);
    wait::until("all nodes to tell of the replicas", || {
        let tells = |node: &support::server::Server| {
            node.command(&["CLUSTER", "SLOTS"]).items().iter().all(|entry| entry.items().len() == 4)
        };
        cluster.nodes.iter().all(tells)
    });
    cluster
}

#[test]
fn a_route_leads_to_the_nodes_that_it_names() {
    let cluster = with_replicas();
    let client = Tester::connect(cluster.url());
    for (route, nodes) in [
        (Route::All, &cluster.nodes[..]),
        (Route::Primaries, &cluster.nodes[..3]),
        (Route::Replicas, &cluster.nodes[3..]),
    ] {
        let done = to(&client, route, &["INFO", "replication"]);
        assert!(done.is_ok() && done.outcome == Answered, "{done:?}");
        let pairs = pairs(&done);
        let role = |place: usize| if pairs[place].1.contains("role:master") { "master" } else { "slave" };
        assert_eq!(pairs.iter().map(|pair| pair.0.clone()).collect::<Vec<_>>(), addresses(nodes), "{route:?}");
        match route {
            Route::All => assert_eq!((0..6).filter(|place| role(*place) == "master").count(), 3),
            _ => assert!((0..3).all(|place| (role(place) == "master") == (route == Route::Primaries))),
        }
    }
    let own = |key: &str| cluster.owner(key).command(&["CLUSTER", "MYID"]).text();
    for key in ["a", "b", "c"] {
        assert_eq!(to(&client, Route::Key(key), &["CLUSTER", "MYID"]).text(), own(key));
        let slot = client.run(&["CLUSTER", "KEYSLOT", key]).integer();
        let slot = Route::Slot(Some(u16::try_from(slot).unwrap()));
        assert_eq!(to(&client, slot, &["CLUSTER", "MYID"]).text(), own(key));
    }
    assert!(client.client.close(None));
}

#[test]
fn what_all_others_answered_is_told_when_one_node_is_gone() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::with(cluster.url(), &[("command_timeout", "2s")]);
    assert_eq!(to(&client, Route::All, &["PING"]).reply.items().len(), 6);
    cluster.nodes[2].kill();
    let done = to(&client, Route::Primaries, &["PING"]);
    // It is waited for until the deadline, as it may come back.
    assert_eq!((done.status, done.reply.items().len()), (Status::Timeout, 6), "{done:?}");
    let gone = format!("127.0.0.1:{}", cluster.nodes[2].port());
    for (address, answer) in pairs(&done) {
        assert_eq!(answer == "PONG", address != gone, "{address}: {answer}");
    }
    let done = client.run(&["DBSIZE"]);
    assert_eq!((done.status, done.outcome), (Status::Timeout, Unknown), "{done:?}");
    let parts = done.reply.attributes().and_then(|attributes| attributes.find(b"parts")).expect("parts");
    assert_eq!(parts.items().iter().filter(|item| item.to_i64() == Some(0)).count(), 2);
}

#[test]
fn commands_without_keys_reach_all_whom_they_are_for() {
    let cluster = with_replicas();
    let client = Tester::connect(cluster.url());
    assert_eq!(client.run(&["DBSIZE"]).integer(), 0, "the first command of all waits for the map");
    let all = |client: &Tester| -> BTreeSet<String> {
        let done = client.run(&["KEYS", "*"]);
        done.reply.items().iter().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()).collect()
    };
    for key in keys() {
        assert_eq!(client.text(&["SET", &key, "1"]), "OK");
    }
    assert_eq!(client.run(&["DBSIZE"]).integer(), 60);
    assert_eq!(all(&client), keys().collect());
    let any = client.text(&["RANDOMKEY"]);
    assert!(keys().any(|key| key == any), "{any}");
    let digest = client.text(&["SCRIPT", "LOAD", "return 7"]);
    for node in &cluster.nodes {
        assert_eq!(node.command(&["SCRIPT", "EXISTS", &digest]).items()[0].integer(), 1);
    }
    let none = "0".repeat(40);
    let told = client.run(&["SCRIPT", "EXISTS", &digest, &none]);
    assert_eq!(told.reply.items().iter().map(|item| item.to_i64()).collect::<Vec<_>>(), [Some(1), Some(0)]);
    assert!(client.run(&["SCRIPT", "KILL"]).text().starts_with("NOTBUSY"));
    let library = "#!lua name=l\nredis.register_function('f', function() return 8 end)";
    assert_eq!(client.text(&["FUNCTION", "LOAD", library]), "l");
    assert_eq!(client.run(&["FCALL", "f", "1", "a"]).integer(), 8);
    assert_eq!(client.run(&["FCALL", "f", "1", "b"]).integer(), 8);
    let slot = client.run(&["CLUSTER", "KEYSLOT", "key:1"]).integer().to_string();
    assert_eq!(client.run(&["CLUSTER", "COUNTKEYSINSLOT", &slot]).integer(), 1);
    let list = client.wait_for(&request(&[&["DBSIZE"], &["DEL", "key:0", "key:1"], &["DBSIZE"]])).unwrap();
    assert!(list.is_ok());
    assert_eq!(list.reply.items()[1].to_i64(), Some(2));
    assert_eq!(client.text(&["FLUSHALL"]), "OK");
    assert!(cluster.nodes[..3].iter().all(|node| node.command(&["DBSIZE"]).integer() == 0));
    assert_eq!(client.run(&["PUBSUB", "NUMSUB", "x"]).reply.items()[1].to_i64(), Some(0));
    assert_eq!(client.text(&["CONFIG", "SET", "slowlog-max-len", "77"]), "OK");
    for node in &cluster.nodes {
        assert_eq!(node.command(&["CONFIG", "GET", "slowlog-max-len"]).items()[1].text(), "77");
    }
}

/// All keys, some perhaps twice; `between` is done after each answer.
fn scan(client: &Tester, mut between: impl FnMut(usize)) -> Vec<String> {
    let (mut cursor, mut keys, mut round) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let done = client.run(&["SCAN", &cursor, "COUNT", "20"]);
        assert!(done.is_ok(), "{done:?}");
        let [next, found] = done.reply.items() else { panic!("{done:?}") };
        keys.extend(found.items().iter().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()));
        cursor = String::from_utf8_lossy(next.as_bytes()).into_owned();
        if cursor == "0" {
            return keys;
        }
        between(round);
        round += 1;
    }
}

#[test]
fn scan_finds_every_key_of_the_cluster() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    assert!(scan(&client, |_| {}).is_empty(), "it waits for the map");
    let names: BTreeSet<String> = (0..500).map(|number| format!("key:{number}")).collect();
    for name in &names {
        assert_eq!(client.text(&["SET", name, "1"]), "OK");
    }
    let found = scan(&client, |_| {});
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (500, names));
}

#[test]
fn scan_loses_no_key_of_a_slot_that_moves_between_two_calls() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    let names: BTreeSet<String> = (0..300).map(|number| format!("key:{number}")).collect();
    for name in &names {
        assert_eq!(client.text(&["SET", name, "1"]), "OK");
    }
    // From the last node, which is not scanned yet, to the first, which may be.
    let last = names.iter().find(|name| cluster.owner(name).port() == cluster.nodes[2].port()).unwrap();
    let found = scan(&client, |round| {
        if round == 8 {
            cluster.begin_move(last, &cluster.nodes[0]).finish();
            // Whoever uses the slot learns of the move.
            wait::until("the client to know", || client.text(&["GET", last]) == "1");
        }
    });
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), names);
}

#[test]
fn commands_of_a_slot_keep_their_order_while_it_moves() {
    let cluster = Cluster::start(3, 0);
    let (client, stop) = (Tester::connect(cluster.url()), AtomicBool::new(false));
    let names = ["{a}list", "{b}list"];
    let pushed = thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(SeqCst) {
                let words: Vec<[String; 3]> = (number..number + 20)
                    .flat_map(|number| names.map(|name| ["RPUSH".to_owned(), name.to_owned(), number.to_string()]))
                    .collect();
                let commands: Vec<&[String]> = words.iter().map(|words| &words[..]).collect();
                let done = client.wait_for(&request(&commands)).unwrap();
                assert!(done.is_ok() && done.reply.items().iter().all(|item| !item.is_error()), "{done:?}");
                number += 20;
            }
            number
        });
        for name in names.into_iter().cycle().take(4) {
            cluster.begin_move(name, cluster.another_than(cluster.owner(name))).finish();
        }
        stop.store(true, SeqCst);
        pushing.join().unwrap()
    });
    for name in names {
        let list = client.run(&["LRANGE", name, "0", "-1"]);
        let list: Vec<i64> = list.reply.items().iter().filter_map(|item| item.to_i64()).collect();
        assert!(list.into_iter().eq(0..pushed), "{name}: each once and in order");
    }
}
