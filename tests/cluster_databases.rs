//! A real cluster whose servers have several databases (Valkey 9 and later, `cluster-databases`), and one without.

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
use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use justredis::topology::Route;
use support::client::{Inbox, Tester, request};
use support::cluster::Cluster;
use support::server::Server;
use support::wait;

/// One key for each primary of three, and more.
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// A cluster with sixteen databases; `None` where no such server can be had, which is said aloud.
fn with_databases(primaries: usize, replicas: usize) -> Option<Cluster> {
    let builder = Server::version("valkey-9.1")?.arguments(&["--cluster-databases", "16"]);
    Some(Cluster::of(primaries, replicas, |_| builder.clone()))
}

fn view(client: &Tester, number: u32) -> Tester {
    Tester { client: client.client.database(number).unwrap(), inbox: Inbox::default() }
}

fn patient(url: String, options: &[(&str, &str)]) -> Tester {
    Tester::with(url, &[&[("command_timeout", "30s")], options].concat())
}

/// What a database of a cluster holds, as its nodes say themselves.
fn held(cluster: &Cluster, database: u32) -> BTreeSet<String> {
    let keys = cluster.primaries().iter().flat_map(|node| {
        let mut plain = node.connect().unwrap();
        assert!(plain.command(&["SELECT", &database.to_string()]).unwrap().is_ok());
        let keys = plain.command(&["KEYS", "*"]).unwrap();
        keys.items().iter().map(|key| key.text()).collect::<Vec<_>>()
    });
    keys.collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_view_has_the_keys_of_its_database_on_every_node() {
    let Some(cluster) = with_databases(3, 0) else { return };
    let client = patient(cluster.url(), &[]);
    let (three, five) = (view(&client, 3), view(&client, 5));
    for key in KEYS {
        assert_eq!(three.text(&["SET", key, "three"]), "OK");
        assert_eq!(five.run(&["EXISTS", key]).integer(), 0);
        assert_eq!(five.text(&["SET", key, "five"]), "OK");
    }
    assert_eq!((held(&cluster, 3), held(&cluster, 0)), (names(&KEYS), names(&[])));
    // Split, in a pipeline, in a transaction, by a script that is sent by its digest from the second time on.
    let all = [&["MGET"], &KEYS[..]].concat();
    assert!(three.run(&all).reply.items().iter().all(|item| item.as_bytes() == b"three"));
    assert_eq!(client.run(&["MSET", "a", "0", "b", "0", "c", "0"]).text(), "OK");
    let commands: [&[&str]; 4] = [&["GET", "a"], &["GET", "b"], &["GET", "c"], &["GET", "d"]];
    let done = five.wait_for(&request(&commands)).unwrap();
    assert!(done.reply.items().iter().all(|item| item.as_bytes() == b"five"), "{done:?}");
    let done = three.atomic(&[&["INCR", "{a}n"], &["INCR", "{a}n"]]);
    assert_eq!(done.reply.items()[1].to_i64(), Some(2));
    for turn in ["1", "2", "3"] {
        for key in KEYS {
            let counter = format!("{{{key}}}script");
            let done = five.run(&["EVAL", "return redis.call('INCR', KEYS[1])", "1", &counter]);
            assert_eq!(done.integer().to_string(), turn);
        }
    }
    assert_eq!(three.run(&["EXISTS", "{a}script", "{b}script"]).integer(), 0);
    // Of everything: DBSIZE, SCAN, a route to all, FLUSHDB.
    let sizes = |view: &Tester| view.run(&["DBSIZE"]).integer();
    assert_eq!((sizes(&client), sizes(&three), sizes(&five)), (3, 5, 8));
    let (mut cursor, mut found) = ("0".to_string(), BTreeSet::new());
    loop {
        let done = three.run(&["SCAN", &cursor]);
        let [next, keys] = done.reply.items() else { panic!("{done:?}") };
        found.extend(keys.items().iter().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()));
        cursor = String::from_utf8_lossy(next.as_bytes()).into_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found, names(&["a", "b", "c", "d", "{a}n"]));
    let done = three.wait_for(&Request { route: Route::Primaries, ..request(&[&["DBSIZE"]]) }).unwrap();
    let counts = done.reply.items().chunks(2).map(|pair| pair[1].to_i64().unwrap());
    assert_eq!((counts.clone().count(), counts.sum::<i64>()), (3, 5));
    let address = cluster.owner("a").address().to_string();
    let done = three.wait_for(&Request { route: Route::Node(&address), ..request(&[&["GET", "a"]]) }).unwrap();
    assert_eq!(done.text(), "three");
    assert_eq!(three.text(&["FLUSHDB"]), "OK");
    assert_eq!((sizes(&client), sizes(&three), sizes(&five)), (3, 0, 8));
}

#[test]
fn connections_of_ones_own_are_to_the_database_of_the_view() {
    let Some(cluster) = with_databases(3, 0) else { return };
    let client = patient(cluster.url(), &[]);
    let three = view(&client, 3);
    for key in KEYS {
        let list = format!("{{{key}}}list");
        let id = three.submit(&["BLPOP", &list, "0"]);
        assert_eq!(client.run(&["RPUSH", &list, "of nobody"]).integer(), 1);
        assert_eq!(three.run(&["RPUSH", &list, "element"]).integer(), 1);
        let done = three.inbox.each_once(&[id]).remove(&id).unwrap();
        assert_eq!(done.reply.items()[1].as_bytes(), b"element");
        // Its first command tells the node.
        let lease = three.lease();
        assert_eq!(lease.text(&["WATCH", key]), "OK");
        assert_eq!(client.text(&["SET", key, "another"]), "OK");
        assert!(lease.atomic(&[&["SET", key, "mine"]]).is_ok(), "what was watched is in another database");
        assert_eq!(lease.text(&["WATCH", key]), "OK");
        assert_eq!(three.text(&["SET", key, "changed"]), "OK");
        assert_eq!(lease.atomic(&[&["SET", key, "mine"]]).reply.kind(), Kind::Nil);
        assert_eq!((three.text(&["GET", key]), client.text(&["GET", key])), ("changed".into(), "another".into()));
    }
    let commands: [&[&str]; 2] = [&["SET", "a", "1"], &["WAIT", "0", "100"]];
    assert!(three.wait_for(&request(&commands)).unwrap().is_ok());
}

#[test]
fn a_url_names_the_database() {
    let Some(cluster) = with_databases(3, 1) else { return };
    let client = patient(cluster.url().replace('?', "/7?"), &[("cache_bytes", "1MiB")]);
    for key in KEYS {
        assert_eq!(client.text(&["SET", key, "1"]), "OK");
    }
    assert_eq!((held(&cluster, 7), held(&cluster, 0)), (names(&KEYS), names(&[])));
    // Cached: what is changed here is told, of whatever database.
    let other = view(&client, 2);
    for key in KEYS {
        let hits = client.number("cache_hits");
        wait::until("an answer to be kept", || {
            assert_eq!(client.cached(&["GET", key]).text(), "1");
            client.number("cache_hits") > hits
        });
        assert_eq!(other.cached(&["GET", key]).reply.kind(), Kind::Nil);
        let writer = cluster.owner(key).connect();
        let mut writer = writer.unwrap();
        assert!(writer.command(&["SELECT", "7"]).unwrap().is_ok());
        assert!(writer.command(&["SET", key, "2"]).unwrap().is_ok());
        wait::until("the change to be read", || client.cached(&["GET", key]).text() == "2");
    }
    // Replicas answer of the same database.
    let reads = |key: &str| client.wait_for(&Request { replica: true, ..request(&[&["GET", key]]) }).unwrap();
    let has_read = |node: &Server| node.command(&["INFO", "commandstats"]).text().contains("cmdstat_get:calls=");
    wait::until("every replica to be asked", || {
        KEYS.iter().for_each(|key| assert!(["1", "2"].contains(&&*reads(key).text())));
        cluster.nodes[3..].iter().all(has_read)
    });
    let place = client.client.locate(b"a").unwrap();
    assert_eq!(place.find(b"primary").unwrap().as_bytes(), cluster.owner("a").address().to_string().as_bytes());
}

#[test]
fn what_moves_keeps_its_database() {
    let Some(cluster) = with_databases(3, 0) else { return };
    let client = patient(cluster.url(), &[("refresh_interval", "1h")]);
    let three = view(&client, 3);
    assert_eq!(three.text(&["MSET", "{a}1", "1", "{a}2", "2", "b", "0", "c", "0"]), "OK");
    assert_eq!(client.text(&["SET", "{a}1", "of zero"]), "OK");
    // Somebody counts all the time.
    let (stop, counted) = (AtomicBool::new(false), three.clone());
    thread::scope(|scope| {
        let counter = scope.spawn(|| {
            let mut count = 0;
            while !stop.load(SeqCst) {
                let done = counted.run(&["INCR", "{a}count"]);
                count += 1;
                assert_eq!((done.ending(), done.integer()), ((Status::Ok, Answered), count), "{}", done.text());
            }
            count
        });
        for _ in 0..4 {
            let from = cluster.owner("{a}1");
            let id = three.submit(&["BLPOP", "{a}list", "0"]);
            let is_blocked = || from.command(&["INFO", "clients"]).text().contains("blocked_clients:1\r\n");
            wait::until("BLPOP to wait", is_blocked);
            let moving = cluster.begin_move("a", cluster.another_than(from));
            // ASK: they are gone, and the slot is not.
            moving.keys_of(3);
            assert_eq!(three.text(&["GET", "{a}1"]), "1");
            let found = three.run(&["MGET", "{a}1", "{a}2", "b"]);
            assert!(found.reply.items().iter().all(|item| item.kind() == Kind::String), "{found:?}");
            assert!(three.atomic(&[&["SET", "{a}1", "1"], &["GET", "{a}2"]]).is_ok());
            assert_eq!(client.text(&["GET", "{a}1"]), "of zero");
            moving.keys_of(0);
            moving.keys_of(3);
            moving.finish();
            assert_eq!((three.text(&["GET", "{a}2"]), client.text(&["GET", "{a}1"])), ("2".into(), "of zero".into()));
            assert_eq!(three.run(&["RPUSH", "{a}list", "element"]).integer(), 1);
            let done = three.inbox.each_once(&[id]).remove(&id).unwrap();
            assert_eq!(done.reply.items()[1].as_bytes(), b"element", "{}", done.text());
        }
        stop.store(true, SeqCst);
        let count = counter.join().unwrap();
        assert_eq!(three.text(&["GET", "{a}count"]), count.to_string());
    });
    assert_eq!(client.run(&["EXISTS", "{a}count", "{a}2"]).integer(), 0);
}

/// The server of this run, whatever its version is, has not set `cluster-databases`.
#[test]
fn a_cluster_without_databases_says_so() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    assert_eq!(client.text(&["SET", "a", "1"]), "OK");
    let says = &["database 3 could not be selected", "Valkey 9", "cluster-databases"];
    let three = view(&client, 3);
    for command in [&["GET", "a"][..], &["BLPOP", "a", "0"], &["MSET", "a", "1", "b", "2"], &["DBSIZE"]] {
        let done = three.run(command);
        assert_eq!(done.ending(), (Status::Connect, NotRun), "{command:?}: {}", done.text());
        assert!(says.iter().all(|part| done.text().contains(part)), "{command:?}: {done:?}");
    }
    three.atomic(&[&["INCR", "n"]]).says(Status::Connect, NotRun, says);
    let named = Tester::connect(cluster.url().replace('?', "/3?"));
    named.run(&["GET", "a"]).says(Status::Connect, NotRun, says);
    let simple = Tester::connect(cluster.url().replace('?', "/3?protocol=2&"));
    simple.run(&["GET", "a"]).says(Status::Connect, NotRun, says);
    assert_eq!(client.text(&["GET", "a"]), "1");
}
