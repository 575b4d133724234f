//! A real cluster: reads that are answered from the cache of the client, whatever moves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use justredis::protocol::reply::Kind;
use support::client::Tester;
use support::cluster::Cluster;
use support::wait;

/// One key for each primary of three, and more.
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// A client with a cache that has a connection to every node. It asks for nothing without a reason.
fn caching(cluster: &Cluster) -> Tester {
    let options = [("refresh_interval", "1h"), ("command_timeout", "30s"), ("dead_after", "30s")];
    let client = Tester::with(cluster.url(), &[&[("cache_bytes", "1MiB")], &options[..]].concat());
    for number in 0..60 {
        assert!(client.run(&["EXISTS", &format!("key:{number}")]).is_ok());
    }
    client
}

/// The text of a read that the cache may answer.
fn read(client: &Tester, words: &[&str]) -> String {
    let done = client.cached(words);
    assert!(done.is_ok(), "{done:?} {}", done.text());
    done.text()
}

fn until_read(client: &Tester, words: &[&str], text: &str) {
    wait::until(&format!("{words:?} is {text:?}"), || read(client, words) == text);
}

/// Reads twice, so that the second answer comes from the cache.
fn keep(client: &Tester, key: &str, text: &str) {
    until_read(client, &["GET", key], text);
    let hits = client.number("cache_hits");
    wait::until("an answer to be kept", || read(client, &["GET", key]) == text && client.number("cache_hits") > hits);
}

#[test]
fn every_node_tells_of_changes() {
    let cluster = Cluster::start(3, 0);
    let (client, other) = (caching(&cluster), Tester::connect(cluster.url()));
    for key in KEYS {
        assert_eq!(other.text(&["SET", key, "1"]), "OK");
        keep(&client, key, "1");
    }
    for key in KEYS {
        assert_eq!(other.text(&["SET", key, "2"]), "OK");
        until_read(&client, &["GET", key], "2");
    }
    // Each part is kept for itself.
    let words = [&["MGET"], &KEYS[..]].concat();
    let hits = || client.number("cache_hits");
    wait::until("all parts to be kept", || {
        let before = hits();
        let all = client.cached(&words);
        assert!(all.reply.items().iter().all(|item| item.as_bytes() == b"2"), "{all:?}");
        hits() == before + KEYS.len() as i64
    });
    assert_eq!(client.text(&["SET", "a", "3"]), "OK");
    let (before, all) = (hits(), client.cached(&words));
    assert_eq!((all.reply.items()[0].as_bytes(), hits()), (&b"3"[..], before + 3));
    assert!(client.number("cache_invalidations") >= KEYS.len() as i64);
}

#[test]
fn a_node_that_is_lost_tells_nothing_more() {
    let cluster = Cluster::start(3, 1);
    let (client, other) = (caching(&cluster), Tester::with(cluster.url(), &[("command_timeout", "30s")]));
    for key in KEYS {
        assert_eq!(other.text(&["SET", key, "1"]), "OK");
        keep(&client, key, "1");
    }
    for replica in &cluster.nodes[3..] {
        wait::until("a failover", || replica.command(&["CLUSTER", "FAILOVER"]).is_ok());
        wait::until("its end", || replica.command(&["ROLE"]).items()[0].text() == "master");
    }
    for key in KEYS {
        assert_eq!(other.text(&["SET", key, "2"]), "OK");
        until_read(&client, &["GET", key], "2");
        keep(&client, key, "2");
    }
    // Not the first two, which are the seed and its primary.
    wait::until("a replica to have the data of its primary", || {
        cluster.nodes[1].command(&["INFO", "replication"]).text().contains("master_link_status:up")
    });
    cluster.nodes[4].kill();
    for key in KEYS {
        assert_eq!(other.text(&["SET", key, "3"]), "OK");
        until_read(&client, &["GET", key], "3");
    }
}

#[test]
fn nothing_old_is_read_while_slots_move_and_afterwards() {
    let cluster = Cluster::start(3, 0);
    let (client, other) = (caching(&cluster), Tester::connect(cluster.url()));
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        // Who has written something reads it, and nothing older.
        let writer = scope.spawn(|| {
            while !stop.load(SeqCst) {
                let round = rounds.fetch_add(1, SeqCst).to_string();
                for key in KEYS.map(|key| format!("{{{key}}}own")) {
                    assert_eq!(client.text(&["SET", &key, &round]), "OK");
                    for _ in 0..3 {
                        assert_eq!(read(&client, &["GET", &key]), round);
                    }
                }
            }
        });
        for round in 0..2 {
            for key in KEYS {
                let (there, absent) = (format!("{{{key}}}there"), format!("{{{key}}}absent{round}"));
                let before = format!("before {round}");
                assert_eq!(other.text(&["SET", &there, &before]), "OK");
                keep(&client, &there, &before);
                assert_eq!(client.cached(&["GET", &absent]).reply.kind(), Kind::Nil);
                let owner = cluster.owner(key);
                let moving = cluster.begin_move(key, cluster.another_than(owner));
                // What was not there is made at the new node.
                assert_eq!(other.text(&["SET", &absent, "made"]), "OK");
                assert_eq!(read(&client, &["GET", &absent]), "made");
                moving.keys();
                assert_eq!(other.text(&["SET", &there, "on the way"]), "OK");
                until_read(&client, &["GET", &there], "on the way");
                moving.finish();
                assert_eq!(other.text(&["SET", &there, "after"]), "OK");
                until_read(&client, &["GET", &there], "after");
                keep(&client, &there, "after");
                assert_eq!(other.text(&["SET", &there, "later"]), "OK");
                until_read(&client, &["GET", &there], "later");
            }
        }
        let before = rounds.load(SeqCst);
        wait::until("reads", || rounds.load(SeqCst) > before + 3 || writer.is_finished());
    });
    assert!(client.number("cache_hits") > 100);
}

/// The node that had the slot deletes its keys and tells nobody.
#[test]
fn a_slot_that_is_taken_away_without_a_word_is_noticed() {
    let cluster = Cluster::start(3, 0);
    let client =
        Tester::with(cluster.url(), &[("cache_bytes", "1MiB"), ("refresh_interval", "1h"), ("dead_after", "1s")]);
    let other = Tester::connect(cluster.url());
    for key in KEYS {
        assert_eq!(other.text(&["SET", key, "1"]), "OK");
        keep(&client, key, "1");
    }
    for key in KEYS {
        let from = cluster.owner(key);
        let to = cluster.another_than(from);
        let moving = cluster.begin_move(key, to);
        let id = to.command(&["CLUSTER", "MYID"]).text();
        assert!(to.command(&["CLUSTER", "SETSLOT", &moving.slot, "NODE", &id]).is_ok());
        wait::until("the old owner to know", || {
            to.command(&["CLUSTER", "BUMPEPOCH"]);
            from.command(&["EXISTS", key]).text().starts_with("MOVED")
        });
        assert_eq!(other.text(&["SET", key, "2"]), "OK");
        until_read(&client, &["GET", key], "2");
    }
}

/// What runs until then ends also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
