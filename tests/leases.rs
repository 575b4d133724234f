//! Leases: a connection that one handle has to itself. What is watched is watched, what is changed stays there, nothing
//! is sent twice, and nobody after it finds anything left behind.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::thread;
use std::time::Duration;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::{Tester, request};
use support::proxy::Proxy;
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

/// Adds one to a counter as people do who read before they write: whether nobody came between.
fn increment(lease: &Tester, key: &str) -> bool {
    assert_eq!(lease.text(&["WATCH", key]), "OK");
    let before = lease.run(&["GET", key]);
    let value = before.reply.to_i64().unwrap_or(0) + 1;
    let done = lease.atomic(&[&["SET", key, &value.to_string()]]);
    assert!(done.is_ok(), "{done:?} {}", done.text());
    done.reply.kind() != Kind::Nil
}

#[test]
fn sixteen_threads_count_exactly() {
    for protocol in ["2", "3"] {
        let server = Server::start();
        let client = Tester::with(server.url(), &[("protocol", protocol)]);
        let conflicts: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let mut conflicts = 0;
                        for _ in 0..25 {
                            let lease = client.lease();
                            while !increment(&lease, "counter") {
                                conflicts += 1;
                            }
                        }
                        conflicts
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(client.text(&["GET", "counter"]), "400");
        assert!(conflicts > 0, "or nobody came between");
        assert!(client.dedicated("connections") <= 16, "they are used again");
        assert_eq!(client.stat("reconnects"), 0);
    }
}

/// A watch that was left armed would make the transaction of the next one fail.
#[test]
fn nobody_finds_what_was_left_behind() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1")]);
    let atomic = |key: &str| {
        let commands: [&[&str]; 1] = [&["SET", key, "1"]];
        client.wait_for(&Request { atomic: true, dedicated: true, ..request(&commands) }).unwrap()
    };
    type Use = fn(&Tester);
    let uses: [(Use, bool); 9] = [
        (|lease| drop(lease.text(&["GET", "k"])), true),
        (|lease| drop(lease.text(&["WATCH", "k"])), false),
        (|lease| assert!(increment(lease, "k")), true),
        (|lease| (lease.text(&["WATCH", "k"]), lease.text(&["UNWATCH"]), ()).2, true),
        (|lease| (increment(lease, "k"), lease.text(&["WATCH", "k"]), ()).2, false),
        (|lease| drop(lease.run(&["DISCARD.ALIKE"])), false),
        (|lease| drop(lease.text(&["SELECT", "3"])), false),
        (|lease| drop(lease.text(&["CLIENT", "SETNAME", "me"])), false),
        (|lease| drop(lease.text(&["CLIENT", "NO-EVICT", "ON"])), false),
    ];
    for (index, (run, is_clean)) in uses.into_iter().enumerate() {
        client.run(&["SET", "k", "0"]);
        let before = client.dedicated("connections");
        let lease = client.lease();
        run(&lease);
        drop(lease);
        client.until_dedicated("in_use", 0);
        assert_eq!(client.dedicated("idle"), i64::from(is_clean), "use {index}");
        client.run(&["SET", "k", "changed"]);
        assert_eq!(atomic("k").reply.kind(), Kind::Array, "use {index}");
        assert!(client.dedicated("connections") - before <= 1, "use {index}");
        assert_eq!(client.text(&["CLIENT", "GETNAME"]), "");
    }
    // A conflict is an answer as good as any.
    let lease = client.lease();
    lease.text(&["WATCH", "k"]);
    client.run(&["SET", "k", "changed again"]);
    let conflict = lease.atomic(&[&["SET", "k", "mine"]]);
    assert_eq!((conflict.ending(), conflict.reply.kind()), ((Status::Ok, Answered), Kind::Nil));
    drop(lease);
    client.until_dedicated("idle", 1);
    // So is a transaction that the server would not even queue.
    let lease = client.lease();
    lease.text(&["WATCH", "k"]);
    lease.atomic(&[&["SET", "k"]]).says(Status::Server, Answered, &["EXECABORT"]);
    drop(lease);
    client.until_dedicated("idle", 1);
    assert_eq!(atomic("k").reply.kind(), Kind::Array);
}

#[test]
fn what_is_changed_on_a_lease_is_changed_there_only() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let lease = client.lease();
    lease.text(&["SELECT", "5"]);
    lease.text(&["SET", "k", "in five"]);
    lease.text(&["CLIENT", "SETNAME", "mine"]);
    assert_eq!((lease.text(&["GET", "k"]), client.text(&["GET", "k"])), ("in five".to_string(), String::new()));
    assert_eq!(
        (lease.text(&["CLIENT", "GETNAME"]), client.text(&["CLIENT", "GETNAME"])),
        ("mine".into(), String::new())
    );
    let view = Tester { client: client.client.database(5).unwrap(), ..client.lease() };
    assert_eq!(view.text(&["GET", "k"]), "in five");
    let lease_of_view = view.lease();
    assert_eq!(lease_of_view.text(&["GET", "k"]), "in five", "a lease of a view sees its database");
    assert!(lease.client.database(1).is_err_and(|error| error.status == Status::Argument));
    for words in [&["MULTI"][..], &["HELLO", "3"], &["RESET"], &["QUIT"], &["CLIENT", "REPLY", "OFF"], &["MONITOR"]] {
        assert_eq!(lease.send(&request(&[words])).unwrap_err().status, Status::Refused, "{words:?}");
    }
    assert_eq!(lease.text(&["PING"]), "PONG");
}

#[test]
fn wait_on_a_lease_speaks_of_its_own_writes() {
    let (server, replica) = (Server::start(), Server::start());
    replica.command(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    wait::until("the replica to be in step", || {
        server.command(&["INFO", "replication"]).text().contains("state=online")
    });
    let lease = Tester::connect(server.url()).lease();
    lease.text(&["SET", "k", "v"]);
    assert_eq!(lease.run(&["WAIT", "1", "0"]).integer(), 1);
    assert_eq!(replica.command(&["GET", "k"]).text(), "v");
}

#[test]
fn a_lost_lease_is_lost_for_ever() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("dead_after", "1h")]);
    let lease = client.lease();
    lease.text(&["WATCH", "k"]);
    server.stop();
    let ids: Vec<u64> = (0..10).map(|_| lease.submit_within(100_000, &["GET", "k"])).collect();
    proxy.close_all();
    server.cont();
    for done in lease.inbox.each_once(&ids).values() {
        done.says(Status::LeaseLost, done.outcome, &["the lease is lost", &proxy.address().to_string()]);
    }
    for _ in 0..3 {
        lease.run(&["GET", "k"]).says(Status::LeaseLost, NotRun, &["make a new one"]);
        let atomic = lease.atomic(&[&["SET", "k", "v"]]);
        atomic.says(Status::LeaseLost, NotRun, &["make a new one"]);
    }
    assert_eq!(server.command(&["EXISTS", "k"]).integer(), 0, "what was watched is not, so nothing may run");
    assert!(increment(&client.lease(), "k"));
}

/// What a lost connection certainly ran, perhaps ran, and certainly did not run.
#[test]
fn a_lost_lease_tells_what_may_have_run() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "SET" => vec![Step::send("+OK\r\n")],
        "BLPOP" => vec![Step::Command, Step::Close],
        _ => vec![Step::send("$1\r\nv\r\n")],
    });
    let client = Tester::connect(server.url());
    let lease = client.lease();
    assert_eq!(lease.text(&["SET", "k", "v"]), "OK");
    let slow = lease.submit(&["BLPOP", "k", "0"]);
    let behind = lease.submit(&["GET", "k"]);
    let atomic = lease.send(&Request { atomic: true, ..request(&[&["SET", "k", "v"]]) }).unwrap();
    server.until_received("BLPOP", 1);
    // Nothing was sent behind what blocks; the second command that the script waits for is the PING of the watch, or
    // this question.
    assert!(lease.client.cancel(slow));
    let done = lease.inbox.each_once(&[slow, behind, atomic]);
    assert_eq!(done[&slow].outcome, Unknown, "{done:?}");
    assert_eq!(done[&behind].ending(), (Status::LeaseLost, NotRun));
    assert_eq!(done[&atomic].ending(), (Status::LeaseLost, NotRun));
    assert_eq!(server.received().iter().filter(|command| command.name() == "GET").count(), 0);
}

#[test]
fn behind_a_blocking_command_the_rest_waits() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let lease = client.lease();
    let first = lease.submit(&["BLPOP", "a", "0"]);
    let second = lease.submit_within(60_000, &["BLPOP", "b", "0"]);
    let third = lease.submit(&["INCR", "n"]);
    let late = lease.submit_within(20, &["INCR", "n"]);
    lease.inbox.each_once(&[late])[&late].says(Status::Timeout, NotRun, &["not sent within 20 ms"]);
    // The second is not at the server yet, so the first goes on.
    assert!(lease.client.cancel(second));
    lease.inbox.each_once(&[second])[&second].says(Status::Canceled, NotRun, &["before it was sent"]);
    assert_eq!(client.dedicated("waiting_requests"), 1);
    client.run(&["RPUSH", "a", "element"]);
    let done = lease.inbox.each_once(&[first, third]);
    assert!(done[&first].is_ok());
    assert_eq!(done[&third].integer(), 1);
    // One whose time is up is unblocked, and what stands behind it goes on.
    let fourth = lease.submit_within(50, &["BLPOP", "b", "0"]);
    let fifth = lease.submit(&["INCR", "n"]);
    let done = lease.inbox.each_once(&[fourth, fifth]);
    done[&fourth].says(Status::Timeout, NotRun, &["had done nothing"]);
    assert_eq!(done[&fifth].integer(), 2);
    assert_eq!(client.dedicated("connections"), 1);
}

#[test]
fn the_first_command_waits_for_the_connection() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1")]);
    let first = client.lease();
    assert_eq!(client.dedicated("in_use"), 0, "nothing is needed yet");
    first.text(&["WATCH", "k"]);
    let second = client.lease();
    second.run_within(20, &["GET", "k"]).says(Status::Timeout, NotRun, &["all 1 dedicated connections are in use"]);
    let ids: Vec<u64> = (0..10).map(|_| second.submit_within(60_000, &["INCR", "n"])).collect();
    let other = client.submit_within(60_000, &["BLPOP", "list", "0.01"]);
    assert_eq!((client.dedicated("waiting"), client.dedicated("waiting_requests")), (2, 11));
    assert!(first.atomic(&[&["SET", "k", "v"]]).is_ok());
    drop(first);
    let done = second.inbox.each_once(&ids);
    assert_eq!(ids.iter().map(|id| done[id].integer()).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>(), "in order");
    drop(second);
    client.inbox.each_once(&[other]);
    assert_eq!(client.dedicated("connections"), 1);
    // One that is freed in the line leaves it.
    let first = client.lease();
    first.text(&["PING"]);
    let second = client.lease();
    let id = second.submit_within(20, &["GET", "k"]);
    second.inbox.each_once(&[id]);
    drop(second);
    assert_eq!(client.dedicated("waiting"), 0);
}

#[test]
fn a_lease_that_is_freed_lets_what_is_under_way_end() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1")]);
    let lease = client.lease();
    let inbox = lease.inbox.clone();
    let first = lease.submit(&["BLPOP", "k", "0"]);
    let second = lease.submit(&["INCR", "n"]);
    drop(lease);
    assert_eq!(client.dedicated("in_use"), 1);
    client.run(&["RPUSH", "k", "element"]);
    let done = inbox.each_once(&[first, second]);
    assert!(done[&first].is_ok() && done[&second].integer() == 1);
    client.until_dedicated("idle", 1);
    // It is cancelled through any handle of the client.
    let lease = Tester { inbox: inbox.clone(), ..client.lease() };
    let third = lease.submit(&["BLPOP", "k", "0"]);
    drop(lease);
    assert!(client.client.cancel(third));
    inbox.each_once(&[third])[&third].says(Status::Canceled, NotRun, &[]);
    client.until_dedicated("in_use", 0);
}

#[test]
fn a_lease_that_never_had_a_connection_is_not_lost() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("connect_retries", "1"), ("reconnect_delay_max", "50ms")]);
    client.until_connected();
    server.kill();
    let lease = client.lease();
    lease.run(&["GET", "k"]).says(Status::Connect, NotRun, &[]);
    lease.run_within(1, &["GET", "k"]);
    server.restart();
    wait::until("the lease to be connected", || lease.run(&["SET", "k", "v"]).is_ok());
    assert!(increment(&lease, "n"));
}

/// Nothing is sent again on a lease: another command may have gone before it meanwhile.
#[test]
fn a_refusal_is_the_users() {
    let server = Scripted::after_handshake(|command| match (command.name().as_str(), command.connection) {
        ("INCR", 1) => vec![Step::send("-LOADING Redis is loading the dataset in memory\r\n")],
        ("DECR", 1) => vec![Step::send("-READONLY You can't write against a read only replica.\r\n")],
        _ => vec![Step::send(":1\r\n")],
    });
    let client = Tester::connect(server.url());
    client.until_connected();
    let lease = client.lease();
    lease.run(&["INCR", "n"]).says(Status::Server, Answered, &["LOADING"]);
    lease.run(&["DECR", "n"]).says(Status::Server, Answered, &["READONLY"]);
    assert_eq!(lease.run(&["GET", "n"]).integer(), 1);
    assert_eq!(client.dedicated("connections"), 1);
}

#[test]
fn the_end_of_the_client_is_the_end_of_its_leases() {
    let server = Server::start();
    for by_force in [false, true] {
        let client = Tester::connect(server.url());
        let lease = client.lease();
        lease.text(&["WATCH", "k"]);
        let id = lease.submit(&["BLPOP", "k", "0"]);
        let behind = lease.send(&Request { timeout: Timeout::None, ..request(&[&["PING"]]) }).unwrap();
        if by_force {
            client.client.shut_down();
        } else {
            assert!(client.client.close(Some(Duration::from_secs(20))));
        }
        let done = lease.inbox.each_once(&[id, behind]);
        assert_eq!(done[&id].status, Status::Closed);
        assert_eq!(done[&behind].is_ok(), !by_force, "what is under way drains");
        assert_eq!(lease.send(&request(&[&["PING"]])).unwrap_err().status, Status::Closed);
        assert!(client.client.lease(None).is_err());
        drop(lease);
    }
}
