//! A real cluster: blocking commands and leases have connections to the node of their keys, whatever moves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::{Done, Tester, request};
use support::cluster::Cluster;
use support::server::Server;
use support::wait;

/// One key for each primary of three, and more.
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn until_blocked(node: &Server, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    wait::until(&format!("{count} blocked clients"), || node.command(&["INFO", "clients"]).text().contains(&line));
}

/// What runs until then ends also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Everything that stands in a reply.
fn holds(done: &Done, word: &str) -> bool {
    done.is_ok() && format!("{:?}", done.reply).contains(word)
}

/// A client that waits without a deadline.
fn endless(cluster: &Cluster) -> Tester {
    Tester::with(cluster.url(), &[("command_timeout", "0")])
}

#[test]
fn who_waits_for_an_element_follows_its_slot() {
    let cluster = Cluster::start(3, 0);
    let client = endless(&cluster);
    assert!(client.run(&["XGROUP", "CREATE", "{a}stream", "group", "$", "MKSTREAM"]).is_ok());
    let waits: [(&[&str], &[&str]); 6] = [
        (&["BLPOP", "a", "0"], &["RPUSH", "a", "element"]),
        (&["BLPOP", "{a}1", "{a}2", "0"], &["RPUSH", "{a}2", "element"]),
        (&["BLMOVE", "{a}from", "{a}to", "LEFT", "RIGHT", "100"], &["RPUSH", "{a}from", "element"]),
        (&["BZPOPMIN", "{a}sorted", "0"], &["ZADD", "{a}sorted", "1", "element"]),
        (&["XREAD", "BLOCK", "0", "STREAMS", "{a}stream", "$"], &["XADD", "{a}stream", "*", "field", "element"]),
        (&["XREADGROUP", "GROUP", "group", "me", "BLOCK", "0", "STREAMS", "{a}stream", ">"], &["PING"]),
    ];
    // While the slot is on its way, and when it has arrived.
    for waits_for_the_end in [false, true] {
        let from = cluster.owner("a");
        let ids: Vec<u64> = waits.iter().map(|(wait, _)| client.submit(wait)).collect();
        until_blocked(from, waits.len());
        let moving = cluster.begin_move("a", cluster.another_than(from));
        moving.keys();
        let late = client.submit(&["BLPOP", "{a}late", "0"]);
        // The other is XREADGROUP: its server lets it go when the stream is gone, and it asks the new node.
        until_blocked(moving.to, 2);
        until_blocked(moving.from, waits.len() - 1);
        if !waits_for_the_end {
            assert_eq!(client.run(&["RPUSH", "{a}late", "element"]).integer(), 1);
            assert!(holds(&client.inbox.take(1)[0], "element"), "behind ASKING");
        }
        moving.finish();
        until_blocked(moving.to, waits.len() + usize::from(waits_for_the_end));
        until_blocked(moving.from, 0);
        for (_, give) in waits {
            assert!(client.run(give).is_ok());
        }
        let done = client.inbox.take(waits.len());
        assert!(done.iter().all(|done| ids.contains(&done.request) && holds(done, "element")), "{done:?}");
        if waits_for_the_end {
            assert_eq!(client.run(&["RPUSH", "{a}late", "element"]).integer(), 1);
            assert_eq!(client.inbox.take(1)[0].request, late);
        }
    }
    client.until_dedicated("in_use", 0);
}

#[test]
fn what_is_given_up_is_unblocked_and_what_finds_nothing_answers_nothing() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    for key in KEYS {
        assert_eq!(client.run(&["BLPOP", key, "0.01"]).reply.kind(), Kind::Nil);
        let id = client.submit(&["BLPOP", key, "0"]);
        until_blocked(cluster.owner(key), 1);
        assert!(client.client.cancel(id));
        client.inbox.take(1)[0].says(Status::Canceled, NotRun, &["cancelled"]);
        assert_eq!(client.run(&["RPUSH", key, "x"]).integer(), 1, "nobody takes it");
        let own = Request { dedicated: true, ..request(&[&["INCR", "{x}1"], &["GET", "{x}1"]]) };
        assert!(client.wait_for(&own).unwrap().is_ok());
    }
    let error = client.send(&request(&[&["BLPOP", "a", "b", "0"]])).unwrap_err();
    assert!(error.status == Status::Argument && error.message.contains("slots"), "{error}");
    let none = client.run_within(100, &["BLPOP", "nothing", "0"]);
    none.says(Status::Timeout, NotRun, &["no answer within 100 ms"]);
    assert!(client.client.close(None));
}

/// While elements come, their slots go from node to node, with and without elements.
#[test]
fn no_element_is_lost_and_none_comes_twice() {
    const PUSHES: usize = 400;
    let cluster = Cluster::start(3, 0);
    let client = endless(&cluster);
    let (is_over, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _stop = StopAtEnd(&is_over);
        let takers: Vec<_> = KEYS
            .iter()
            .flat_map(|key| [key, key])
            .map(|key| {
                let (client, taken) = (&client, &taken);
                scope.spawn(move || {
                    let mut elements = Vec::new();
                    loop {
                        let done = client.run(&["BLPOP", key, "60"]);
                        assert!(done.is_ok(), "{done:?} {}", done.text());
                        let element = String::from_utf8_lossy(done.reply.items()[1].as_bytes()).into_owned();
                        if element == "end" {
                            return elements;
                        }
                        taken.fetch_add(1, SeqCst);
                        elements.push(element);
                    }
                })
            })
            .collect();
        let giver = scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(SeqCst) || number < PUSHES {
                for key in KEYS {
                    assert!(client.run(&["RPUSH", key, &format!("{key}{number}")]).is_ok());
                }
                number += 1;
            }
            number
        });
        for _ in 0..3 {
            for key in KEYS {
                let owner = cluster.owner(key);
                let moving = cluster.begin_move(key, cluster.another_than(owner));
                let before = taken.load(SeqCst);
                wait::until("elements to be taken", || taken.load(SeqCst) > before + 4 || giver.is_finished());
                moving.finish();
            }
        }
        is_over.store(true, SeqCst);
        let number = giver.join().unwrap();
        for key in KEYS {
            assert!(client.run(&["RPUSH", key, "end", "end"]).is_ok());
        }
        let elements: Vec<String> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
        let distinct: BTreeSet<&String> = elements.iter().collect();
        assert_eq!((elements.len(), distinct.len()), (KEYS.len() * number, KEYS.len() * number));
    });
}

#[test]
fn who_waits_at_a_primary_that_becomes_a_replica_waits_at_the_new_one() {
    let cluster = Cluster::start(3, 1);
    let client = endless(&cluster);
    let ids: Vec<u64> = KEYS.iter().map(|key| client.submit(&["BLPOP", key, "0"])).collect();
    let blocked = |nodes: &[Server]| -> usize {
        let count = |node: &Server| {
            let text = node.command(&["INFO", "clients"]).text();
            let line = text.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
            line.parse::<usize>().unwrap()
        };
        nodes.iter().map(count).sum()
    };
    wait::until("all to wait at primaries", || blocked(&cluster.nodes[..3]) == KEYS.len());
    for replica in &cluster.nodes[3..] {
        wait::until("a failover", || replica.command(&["CLUSTER", "FAILOVER"]).is_ok());
        wait::until("its end", || replica.command(&["ROLE"]).items()[0].text() == "master");
    }
    wait::until("all to wait at the new ones", || blocked(&cluster.nodes[3..]) == KEYS.len());
    for key in KEYS {
        assert_eq!(client.run(&["RPUSH", key, "element"]).integer(), 1);
    }
    for done in client.inbox.each_once(&ids).values() {
        assert!(holds(done, "element"), "{done:?}");
    }
}

#[test]
fn leases_count_exactly_while_slots_move() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lease_of =
        |key: &str| Tester { client: client.client.lease(Some(key.as_bytes())).unwrap(), inbox: Default::default() };
    thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        let counters: Vec<_> = KEYS
            .iter()
            .map(|key| {
                let (lease_of, stop, rounds) = (&lease_of, &stop, &rounds);
                scope.spawn(move || {
                    let (mut count, mut ends) = (0, 0);
                    let mut lease = lease_of(key);
                    while !stop.load(SeqCst) {
                        let before = lease.run(&["WATCH", key]);
                        let value = lease.run(&["GET", key]).reply.to_i64().unwrap_or(0) + 1;
                        let done = lease.atomic(&[&["SET", key, &value.to_string()]]);
                        match done.status {
                            Status::Ok if before.is_ok() => count += usize::from(done.reply.kind() != Kind::Nil),
                            status => {
                                assert_eq!((status, done.outcome), (Status::LeaseLost, NotRun), "{}", done.text());
                                (lease, ends) = (lease_of(key), ends + 1);
                            }
                        }
                        rounds.fetch_add(1, SeqCst);
                    }
                    (count, ends)
                })
            })
            .collect();
        for _ in 0..2 {
            for key in KEYS {
                let owner = cluster.owner(key);
                let moving = cluster.begin_move(key, cluster.another_than(owner));
                moving.keys();
                let before = rounds.load(SeqCst);
                wait::until("leases to be used", || rounds.load(SeqCst) > before + 20);
                moving.finish();
            }
        }
        stop.store(true, SeqCst);
        for (key, counter) in KEYS.iter().zip(counters) {
            let (count, ends) = counter.join().unwrap();
            assert_eq!(client.text(&["GET", key]), count.to_string());
            assert!(ends >= 1, "a lease ends when its slot goes");
        }
    });
}

#[test]
fn a_lease_is_of_the_node_of_its_key() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::connect(cluster.url());
    for key in KEYS {
        let lease = Tester { client: client.client.lease(Some(key.as_bytes())).unwrap(), inbox: Default::default() };
        assert_eq!(lease.text(&["CLIENT", "SETNAME", "me"]), "OK");
        assert_eq!(lease.text(&["SET", key, "1"]), "OK");
        let clients = cluster.owner(key).command(&["CLIENT", "LIST"]).text();
        assert!(clients.contains("name=me"), "{clients}");
        // From the first command, then.
        let lease = client.lease();
        assert_eq!(lease.run(&["WATCH", key]).ending(), (Status::Ok, Answered));
        let done = lease.run(&["BLPOP", &format!("{{{key}}}list"), "0.01"]);
        assert_eq!((done.ending(), done.reply.kind()), ((Status::Ok, Answered), Kind::Nil));
        assert!(lease.wait_for(&Request { timeout: Timeout::None, ..request(&[&["PING"]]) }).unwrap().is_ok());
    }
}

#[test]
fn writes_are_waited_for_at_the_node_of_their_keys() {
    let cluster = Cluster::start(3, 1);
    let client = Tester::connect(cluster.url());
    let (key, other) = ("{a}counter", "{a}other");
    let written = |number: i64| {
        let commands: [&[&str]; 3] = [&["INCR", key], &["SET", other, "x"], &["WAIT", "1", "4000"]];
        let done = client.wait_for(&request(&commands)).unwrap();
        let numbers: Vec<Option<i64>> = done.reply.items().iter().map(|item| item.to_i64()).collect();
        assert!(done.is_ok(), "{done:?}");
        assert_eq!((numbers[0], numbers[2]), (Some(number), Some(1)), "{:?}", done.reply);
    };
    // Before there is a map, and while the slot moves: a key that is there yet beside one that is not.
    written(1);
    let owner = cluster.owner("a");
    let moving = cluster.begin_move("a", cluster.another_than(owner));
    written(2);
    moving.keys();
    written(3);
    moving.finish();
    written(4);
    assert_eq!(client.run(&["DEL", other]).integer(), 1);
    let owner = cluster.owner("a");
    let moving = cluster.begin_move("a", cluster.another_than(owner));
    written(5);
    moving.finish();
    written(6);
    let apart = client.send(&request(&[&["SET", "a", "1"], &["SET", "b", "1"], &["WAIT", "1", "0"]])).unwrap_err();
    assert_eq!(apart.status, Status::Argument);
}

/// The first server that answers says that it is one of a cluster, and until then nobody knew.
#[test]
fn what_is_asked_before_it_is_known_to_be_a_cluster_finds_its_way() {
    let cluster = Cluster::start(3, 0);
    let client = Tester::with(cluster.nodes[0].url(), &[("command_timeout", "0")]);
    let ids: Vec<u64> = KEYS.iter().map(|key| client.submit(&["BLPOP", key, "0"])).collect();
    let leases = KEYS.map(|_| client.lease());
    let watches: Vec<u64> = KEYS.iter().zip(&leases).map(|(key, lease)| lease.submit(&["WATCH", key])).collect();
    for ((key, lease), id) in KEYS.iter().zip(&leases).zip(watches) {
        assert_eq!(lease.inbox.each_once(&[id]).remove(&id).unwrap().text(), "OK");
        assert_eq!(lease.run(&["LLEN", key]).integer(), 0);
    }
    for key in KEYS {
        assert_eq!(client.run(&["RPUSH", key, "element"]).integer(), 1);
    }
    for done in client.inbox.each_once(&ids).values() {
        assert!(holds(done, "element"), "{done:?}");
    }
}
