//! A real cluster: every request finds the node of its keys, whatever moves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use justredis::client::request::Request;
use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use justredis::topology::Route;
use support::client::{Tester, request};
use support::cluster::Cluster;
use support::wait;

/// Keys in many slots, on every primary of three.
fn keys() -> impl Iterator<Item = String> {
    (0..60).map(|number| format!("key:{number}"))
}

#[test]
fn every_key_is_found_at_once() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    for key in keys() {
        assert_eq!(client.text(&["SET", &key, &key]), "OK");
    }
    for key in keys() {
        assert_eq!(client.text(&["GET", &key]), key);
    }
    let held: Vec<i64> = cluster.nodes.iter().map(|node| node.command(&["DBSIZE"]).integer()).collect();
    assert!(held.iter().all(|held| *held > 0) && held.iter().sum::<i64>() == 60, "{held:?}");
    let list = client.wait_for(&request(&[&["SET", "{a}1", "1"], &["INCR", "{a}1"], &["GET", "{a}1"]])).unwrap();
    assert_eq!(list.reply.items()[2].as_bytes(), b"2");
    assert_eq!(client.atomic(&[&["INCR", "b"], &["INCR", "b"]]).reply.items()[1].to_i64(), Some(2));
    let script = "return redis.call('INCR', KEYS[1])";
    let counts: Vec<i64> = (0..3).map(|_| client.run(&["EVAL", script, "1", "c"]).integer()).collect();
    assert_eq!(counts, [1, 2, 3]);
    let names: Vec<String> = keys().collect();
    let words = |name: &str| [name.to_owned()].into_iter().chain(names.iter().cloned()).collect::<Vec<String>>();
    let all = client.run(&words("MGET"));
    assert!(names.iter().zip(all.reply.items()).all(|(name, item)| item.as_bytes() == name.as_bytes()));
    assert_eq!(client.run(&words("EXISTS")).integer(), 60);
    let pairs: Vec<String> = names.iter().flat_map(|name| [name.clone(), name.clone()]).collect();
    let set: Vec<String> = ["MSET".to_owned()].into_iter().chain(pairs).collect();
    assert_eq!(client.text(&set), "OK");
    let commands: Vec<[&str; 2]> = names.iter().map(|name| ["GET", name]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|words| &words[..]).collect();
    let all = client.wait_for(&request(&commands)).unwrap();
    assert!(names.iter().zip(all.reply.items()).all(|(name, item)| item.as_bytes() == name.as_bytes()));
    let node = format!("127.0.0.1:{}", cluster.nodes[2].port());
    let size = Request { route: Route::Node(&node), ..request(&[&["DBSIZE"]]) };
    assert_eq!(client.wait_for(&size).unwrap().integer(), cluster.nodes[2].command(&["DBSIZE"]).integer());
    assert!(client.client.close(None));
}

#[test]
fn a_server_says_whether_it_is_one_of_a_cluster() {
    let cluster = Cluster::start(3, 0);
    for protocol in ["auto", "2"] {
        let client = Tester::with(cluster.nodes[0].url(), &[("protocol", protocol)]);
        let ids: Vec<u64> = keys().map(|key| client.submit(&["SET", &key, "1"])).collect();
        let done = client.inbox.each_once(&ids);
        let is_cluster = done.values().all(|done| done.is_ok());
        assert_eq!(is_cluster, protocol == "auto", "RESP2 does not tell");
    }
    // Also what one node cannot do, before that node has said a word.
    let client = Tester::connect(cluster.nodes[0].url());
    let first: Vec<u64> =
        [&["MSET", "a", "1", "b", "2", "c", "3"][..], &["SCRIPT", "LOAD", "return 1"], &["MGET", "a"]]
            .map(|command| client.submit(command))
            .into();
    let routed = Request { route: Route::Primaries, ..request(&[&["PING"]]) };
    let two: [&[&str]; 2] = [&["SET", "a", "1"], &["SET", "b", "2"]];
    let refused = Request { atomic: true, ..request(&two) };
    let (routed, refused) = (client.send(&routed).unwrap(), client.send(&refused).unwrap());
    let done = client.inbox.each_once(&[&first[..], &[routed, refused]].concat());
    assert!(first.iter().all(|id| done[id].is_ok()), "{done:?}");
    assert_eq!(done[&routed].reply.items().len(), 6, "a map of three");
    done[&refused].says(Status::Argument, NotRun, &["slots"]);
    for node in &cluster.nodes {
        assert_eq!(node.command(&["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"]).integer(), 1);
    }
    let server = support::server::Server::start();
    let client = Tester::connect(server.url());
    let routed = client.send(&Request { route: Route::All, ..request(&[&["PING"]]) }).unwrap();
    assert_eq!(client.text(&["MSET", "a", "1", "b", "2"]), "OK");
    assert_eq!(client.inbox.take(1)[0].request, routed);
    assert!(client.run_within(100, &["BLPOP", "c", "0"]).status == Status::Timeout);
}

#[test]
fn what_is_asked_before_the_map_is_there_finds_its_way() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    let ids: Vec<u64> = keys().map(|key| client.submit(&["INCR", &key])).collect();
    let done = client.inbox.each_once(&ids);
    assert!(done.values().all(|done| done.is_ok() && done.integer() == 1));
}

/// While one thread counts, slots go from node to node, with and without the keys of the moment.
#[test]
fn nothing_is_seen_of_slots_that_move() {
    let cluster = Cluster::start(3, 0);
    let (client, stop, rounds) = (Tester::connect(cluster.url()), AtomicBool::new(false), AtomicUsize::new(0));
    let names: Vec<String> = ["a", "b", "c", "d"].map(|tag| format!("{{{tag}}}counter")).into();
    // A key that is missing where its slot goes, beside one that is there, is waited for until the slot has moved.
    for name in &names {
        assert_eq!(client.text(&["SET", &format!("{name}2"), "x"]), "OK");
    }
    thread::scope(|scope| {
        let counting = scope.spawn(|| {
            while !stop.load(SeqCst) {
                rounds.fetch_add(1, SeqCst);
                let all: Vec<[&str; 2]> = names.iter().map(|name| ["INCR", name]).collect();
                let all: Vec<&[&str]> = all.iter().map(|words| &words[..]).collect();
                let done = client.wait_for(&request(&all)).unwrap();
                assert!(done.is_ok() && done.reply.items().iter().all(|item| !item.is_error()), "{done:?}");
                for name in &names {
                    let (other, script) = (format!("{name}2"), "return redis.call('INCR', KEYS[1])");
                    let ids = [
                        client.send(&request(&[&["INCR", name]])).unwrap(),
                        client.send(&request(&[&["INCR", name], &["EXISTS", name, &other]])).unwrap(),
                        client
                            .send(&Request { atomic: true, ..request(&[&["INCR", name], &["SET", &other, "x"]]) })
                            .unwrap(),
                        client.send(&request(&[&["EVAL", script, "1", name]])).unwrap(),
                    ];
                    for (id, done) in client.inbox.each_once(&ids) {
                        let is_fine = done.is_ok() && !done.reply.items().iter().any(|item| item.is_error());
                        assert!(is_fine, "{:?}: {}", ids.iter().position(|other| *other == id), done.text());
                    }
                }
            }
        });
        for _ in 0..3 {
            for name in &names {
                let owner = cluster.owner(name);
                let moving = cluster.begin_move(name, cluster.another_than(owner));
                moving.keys();
                let before = rounds.load(SeqCst);
                wait::until("requests for a slot whose keys have gone", || {
                    rounds.load(SeqCst) > before + 3 || counting.is_finished()
                });
                moving.finish();
            }
        }
        stop.store(true, SeqCst);
        counting.join().unwrap();
    });
    let rounds = rounds.load(SeqCst);
    for name in &names {
        assert_eq!(client.text(&["GET", name]), (5 * rounds).to_string(), "each ran once: {name}");
    }
}

#[test]
fn a_failover_is_followed() {
    let cluster = Cluster::start(3, 1);
    let client = Tester::with(cluster.url(), &[("command_timeout", "30s"), ("dead_after", "500ms")]);
    for key in keys() {
        assert_eq!(client.text(&["SET", &key, "1"]), "OK");
    }
    wait::until("the replicas to have all keys", || {
        let size = |range: &[support::server::Server]| -> i64 {
            range.iter().map(|node| node.command(&["DBSIZE"]).integer()).sum()
        };
        size(&cluster.nodes[3..]) == 60
    });
    // Not the first one, which is the seed and tells of the others.
    cluster.nodes[1].kill();
    for key in keys() {
        assert_eq!(client.run(&["INCR", &key]).integer(), 2, "{key}");
    }
    cluster.nodes[4].command(&["CLUSTER", "FAILOVER"]);
    assert!(keys().all(|key| client.run(&["INCR", &key]).integer() == 3));
}

#[test]
fn a_client_of_one_server_shows_redirects_as_they_are() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::with(cluster.nodes[0].url(), &[("topology", "standalone")]);
    let told = keys().map(|key| client.run(&["INCR", &key])).find(|done| !done.is_ok()).unwrap();
    told.says(Status::Server, Answered, &["MOVED "]);
}

#[test]
fn a_server_that_is_no_cluster_is_told_as_such() {
    let server = support::server::Server::start();
    let client = Tester::with(server.url(), &[("topology", "cluster")]);
    assert_eq!(client.text(&["SET", "a", "1"]), "OK", "it has every key");
}
