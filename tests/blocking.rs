//! Blocking commands: each has a connection of its own, nobody waits for them, and no element is ever taken for nobody.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use justredis::client::request::Request;
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::{Inbox, Tester, request, until_event, within};
use support::proxy::Proxy;
use support::scripted::{HELLO_3, Scripted, Step};
use support::server::Server;
use support::wait;

/// Waits until the server waits with so many commands.
fn until_blocked(server: &Server, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    wait::until(&format!("{count} blocked clients"), || server.command(&["INFO", "clients"]).text().contains(&line));
}

fn length(server: &Server, key: &str) -> i64 {
    server.command(&["LLEN", key]).integer()
}

#[test]
fn elements_come_to_who_waits_and_nil_when_the_time_is_over() {
    for protocol in ["2", "3"] {
        let server = Server::start();
        let client = Tester::with(server.url(), &[("protocol", protocol)]);
        let waits: [(&[&str], &[&str]); 9] = [
            (&["BLPOP", "k1", "0"], &["RPUSH", "k1", "element"]),
            (&["brpop", "k2", "0"], &["RPUSH", "k2", "element"]),
            (&["BRPOPLPUSH", "k3", "to", "0"], &["RPUSH", "k3", "element"]),
            (&["BLMOVE", "k4", "to", "LEFT", "RIGHT", "0"], &["RPUSH", "k4", "element"]),
            (&["BLMPOP", "0", "1", "k5", "LEFT"], &["RPUSH", "k5", "element"]),
            (&["BZPOPMIN", "k6", "0"], &["ZADD", "k6", "1", "element"]),
            (&["BZPOPMAX", "k7", "0"], &["ZADD", "k7", "1", "element"]),
            (&["BZMPOP", "0", "1", "k8", "MIN"], &["ZADD", "k8", "1", "element"]),
            (&["XREAD", "BLOCK", "0", "STREAMS", "k9", "$"], &["XADD", "k9", "*", "field", "element"]),
        ];
        let ids: Vec<u64> = waits.iter().map(|(wait, _)| client.submit(wait)).collect();
        until_blocked(&server, waits.len());
        assert_eq!(client.dedicated("in_use"), 9);
        for (_, give) in waits {
            assert!(client.run(give).is_ok(), "nobody waits for those who wait");
        }
        for done in client.inbox.each_once(&ids).values() {
            assert!(done.is_ok() && format!("{:?}", done.reply).contains("element"), "{done:?}");
        }
        client.until_dedicated("idle", 9);
        let nil = client.run(&["BLPOP", "nothing", "0.01"]);
        assert_eq!((nil.ending(), nil.reply.kind()), ((Status::Ok, Answered), Kind::Nil));
        assert_eq!(client.dedicated("connections"), 9, "one that is idle is used again");
        assert_eq!((client.stat("reconnects"), client.stat("waiting_requests")), (0, 0));
    }
}

/// The dead-peer watch pings behind the command, which no server answers while it waits.
#[test]
fn a_server_that_waits_is_not_dead() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("dead_after", "50ms")]);
    let nil = client.run(&["BLPOP", "nothing", "1"]);
    assert_eq!((nil.ending(), nil.reply.kind()), ((Status::Ok, Answered), Kind::Nil));
    assert_eq!(client.text(&["RPUSH", "k", "element"]), "");
    assert!(client.run(&["BLPOP", "k", "1"]).is_ok());
    assert_eq!(client.dedicated("connections"), 1, "and it is clean, whatever was asked meanwhile");
}

#[test]
fn when_all_are_in_use_they_stand_in_line() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "2")]);
    let first = client.submit(&["BLPOP", "a", "0"]);
    let second = client.submit(&["BLPOP", "b", "0"]);
    until_blocked(&server, 2);
    let third = client.submit(&["BLPOP", "c", "0"]);
    let fourth = client.submit(&["BLPOP", "c", "0"]);
    let late = client.submit_within(20, &["BLPOP", "never", "0"]);
    let done = client.inbox.each_once(&[late]);
    done[&late].says(Status::Timeout, NotRun, &["all 2 dedicated connections are in use", "20 ms"]);
    let cancelled = client.submit(&["BLPOP", "never", "0"]);
    assert_eq!((client.dedicated("waiting"), client.dedicated("waiting_requests")), (3, 3));
    assert!(client.client.cancel(cancelled) && !client.client.cancel(cancelled));
    client.inbox.each_once(&[cancelled])[&cancelled].says(Status::Canceled, NotRun, &["before it was sent"]);
    client.run(&["RPUSH", "a", "1"]);
    client.inbox.each_once(&[first]);
    client.run(&["RPUSH", "c", "2"]);
    assert!(client.inbox.each_once(&[third])[&third].is_ok(), "the first in line comes first");
    client.run(&["RPUSH", "c", "3"]);
    client.run(&["RPUSH", "b", "4"]);
    client.inbox.each_once(&[second, fourth]);
    assert_eq!(client.dedicated("connections"), 2);
    assert_eq!((client.dedicated("waiting"), client.dedicated("waiting_bytes")), (0, 0));
    let commands = server.command(&["INFO", "commandstats"]).text();
    assert!(commands.contains("cmdstat_blpop:calls=4,"), "{commands}");
}

#[test]
fn a_line_is_as_long_as_the_limits_say() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1"), ("max_requests", "10")]);
    let events = client.events();
    let first = client.submit(&["BLPOP", "k", "0"]);
    let ids: Vec<u64> = (0..10).map(|_| client.submit(&["BLPOP", "k", "0"])).collect();
    let error = client.send(&request(&[&["BLPOP", "k", "0"]])).unwrap_err();
    assert_eq!(error.status, Status::Full);
    assert!(error.message.contains("max_requests 10"), "{}", error.message);
    for (index, id) in ids.iter().enumerate() {
        assert!(client.client.cancel(*id), "{index}");
    }
    client.inbox.each_once(&ids);
    until_event(&events, "writable");
    assert_eq!((client.dedicated("waiting_requests"), client.dedicated("waiting_bytes")), (0, 0));
    client.run(&["RPUSH", "k", "1"]);
    client.inbox.each_once(&[first]);
}

#[test]
fn what_times_out_or_is_cancelled_takes_nothing() {
    for protocol in ["2", "3"] {
        let server = Server::start();
        let client = Tester::with(server.url(), &[("protocol", protocol)]);
        let words: [&[&str]; 4] = [
            &["BLPOP", "k", "0"],
            &["BLMOVE", "k", "to", "LEFT", "RIGHT", "0"],
            &["XREAD", "BLOCK", "0", "STREAMS", "s", "$"],
            &["BZPOPMIN", "z", "0"],
        ];
        for words in words {
            // On a busy machine the connection may not be made in time.
            let late = std::iter::repeat_with(|| client.run_within(20, words))
                .find(|late| !late.text().contains("not sent within"))
                .unwrap();
            late.says(Status::Timeout, NotRun, &["no answer within 20 ms", "had done nothing"]);
            let id = client.submit(words);
            until_blocked(&server, 1);
            assert!(client.client.cancel(id));
            client.inbox.each_once(&[id])[&id].says(Status::Canceled, NotRun, &["cancelled", "had done nothing"]);
        }
        client.run(&["RPUSH", "k", "element"]);
        assert_eq!(length(&server, "k"), 1);
        client.until_dedicated("in_use", 0);
        // One that was dialled for a request that was too late may only now be made.
        wait::until("all to be idle, and none closed", || client.dedicated("idle") == client.dedicated("connections"));
    }
}

/// The deadline of the command is that of the request and what the command itself waits.
#[test]
fn the_time_that_the_server_waits_is_added_to_the_deadline() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("command_timeout", "1s")]);
    let nil = client.run(&["BLPOP", "k", "1.1"]);
    assert_eq!((nil.ending(), nil.reply.kind()), ((Status::Ok, Answered), Kind::Nil));
    let nil = client.run_within(1000, &["BLPOP", "k", "1.1"]);
    assert_eq!((nil.ending(), nil.reply.kind()), ((Status::Ok, Answered), Kind::Nil));
    // One that waits for ever has no deadline but the one that it is given.
    let id = client.submit(&["BLPOP", "k", "0"]);
    client.run_within(200, &["BLPOP", "other", "0"]).says(Status::Timeout, NotRun, &["200 ms"]);
    assert_eq!(client.inbox.len(), 0);
    client.run(&["RPUSH", "k", "element"]);
    assert!(client.inbox.each_once(&[id])[&id].is_ok());
}

/// CLIENT UNBLOCK may come to the server before the command that it is to end: they use two connections.
#[test]
fn a_cancel_at_any_moment_takes_nothing() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let pusher = Tester { client: client.client.clone(), inbox: Inbox::default() };
    let (mut ids, mut pushed) = (Vec::new(), 0);
    for round in 0..300 {
        let id = client.submit(&["BLPOP", "k", "0"]);
        if round % 3 == 0 {
            pusher.submit(&["RPUSH", "k", "element"]);
            pushed += 1;
        }
        if round % 2 == 0 {
            std::thread::yield_now();
        }
        client.client.cancel(id);
        ids.push(id);
    }
    let done = client.inbox.each_once(&ids);
    let popped = done.values().filter(|done| done.is_ok()).count() as i64;
    for done in done.values().filter(|done| !done.is_ok()) {
        done.says(Status::Canceled, NotRun, &[]);
    }
    wait::until("each element to be somewhere", || popped + length(&server, "k") == pushed);
    client.until_dedicated("in_use", 0);
}

/// A paused server crashes when it is told to unblock what it has put off; nothing that writes may be unblocked then.
#[test]
fn a_paused_server_survives() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("unblock_grace", "10s")]);
    assert!(client.run(&["BLPOP", "k", "0.01"]).is_ok());
    server.command(&["CLIENT", "PAUSE", "300", "WRITE"]);
    let late = client.run_within(50, &["BLPOP", "k", "0"]);
    late.says(Status::Timeout, NotRun, &["had done nothing"]);
    server.command(&["RPUSH", "k", "element"]);
    assert_eq!(length(&server, "k"), 1);
    client.until_dedicated("in_use", 0);
    assert_eq!((client.dedicated("idle"), client.dedicated("connections"), client.stat("reconnects")), (1, 1, 0));
}

#[test]
fn who_may_not_unblock_closes_the_connection() {
    let server = Server::start();
    server.command(&["ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-client|unblock"]);
    let client = Tester::with(server.url(), &[("username", "worker"), ("password", "secret"), ("unblock_grace", "1h")]);
    let late = client.run_within(20, &["BLPOP", "k", "0"]);
    late.says(Status::Timeout, Unknown, &["CLIENT UNBLOCK was refused", "NOPERM"]);
    until_blocked(&server, 0);
    server.command(&["RPUSH", "k", "element"]);
    assert_eq!(length(&server, "k"), 1, "its connection was closed");
    client.until_dedicated("in_use", 0);
    assert_eq!(client.dedicated("idle"), 0);
}

#[test]
fn a_silent_server_loses_the_connection_after_a_while() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("unblock_grace", "50ms"), ("dead_after", "1h")]);
    let id = client.send(&Request { timeout: within(100), ..request(&[&["BLPOP", "k", "0"]]) }).unwrap();
    until_blocked(&server, 1);
    server.stop();
    let done = client.inbox.each_once(&[id]);
    done[&id].says(Status::Timeout, Unknown, &["CLIENT UNBLOCK had no effect within 50 ms"]);
    client.until_dedicated("in_use", 0);
    server.cont();
    assert!(client.run(&["RPUSH", "k", "element"]).is_ok());
    until_blocked(&server, 0);
    assert_eq!(client.stat("reconnects"), 0, "the shared connection goes on");
}

#[test]
fn a_lost_connection_ends_what_may_have_run_and_repeats_what_only_reads() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let pops = client.submit(&["BLPOP", "k", "0"]);
    let reads = client.submit(&["XREAD", "BLOCK", "0", "STREAMS", "s", "0"]);
    until_blocked(&server, 2);
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    client.inbox.each_once(&[pops])[&pops].says(Status::Lost, Unknown, &["may have run"]);
    until_blocked(&server, 1);
    // The shared connection was killed as well, and what is sent in that moment may be lost with it.
    wait::until("an element is added", || client.run(&["XADD", "s", "*", "field", "element"]).is_ok());
    assert!(client.inbox.each_once(&[reads])[&reads].is_ok());
    assert_eq!(client.dedicated("connections"), 3, "one more for what was repeated");
}

#[test]
fn a_wrong_port_is_told_to_the_whole_line() {
    let proxy = Proxy::to(1);
    proxy.refuse();
    let client = Tester::with(proxy.url(), &[("max_connections", "1")]);
    let ids: Vec<u64> = (0..20).map(|_| client.submit(&["BLPOP", "k", "0"])).collect();
    for done in client.inbox.each_once(&ids).values() {
        done.says(Status::Connect, NotRun, &[]);
    }
    client.until_dedicated("in_use", 0);
}

/// Once the server was there, they wait for it.
#[test]
fn who_comes_while_the_server_is_away_waits() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("reconnect_delay_max", "50ms")]);
    client.until_connected();
    server.kill();
    client.until_disconnected();
    let id = client.submit(&["BLPOP", "k", "0"]);
    client.run_within(100, &["BLPOP", "k", "0"]).says(Status::Timeout, NotRun, &["not sent within"]);
    server.restart();
    until_blocked(&server, 1);
    client.run(&["RPUSH", "k", "element"]);
    assert!(client.inbox.each_once(&[id])[&id].is_ok());
}

#[test]
fn a_server_that_became_a_replica_is_left_until_it_is_primary() {
    let (primary, server) = (Server::start(), Server::start());
    let client = Tester::with(server.url(), &[("max_attempts", "1000000")]);
    let id = client.submit(&["BLPOP", "k", "0"]);
    until_blocked(&server, 1);
    server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    client.until_stat("reconnects", |reconnects| reconnects > 0);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    until_blocked(&server, 1);
    server.command(&["RPUSH", "k", "element"]);
    assert!(client.inbox.each_once(&[id])[&id].is_ok());
}

#[test]
fn idle_connections_are_closed_after_a_while() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("idle_timeout", "100ms")]);
    let ids: Vec<u64> = (0..5).map(|_| client.submit(&["BLPOP", "nothing", "0.01"])).collect();
    client.inbox.each_once(&ids);
    wait::until("all to be closed", || {
        client.dedicated("idle") == 0
            && server.command(&["CLIENT", "LIST", "TYPE", "normal"]).text().lines().count() == 2
    });
    assert!(client.run(&["BLPOP", "nothing", "0.01"]).is_ok());
    assert_eq!(client.dedicated("connections"), 6);
}

/// An idle connection that the server closes is not given to anybody.
#[test]
fn an_idle_connection_that_ends_is_forgotten() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    assert!(client.run(&["BLPOP", "nothing", "0.01"]).is_ok());
    client.until_dedicated("idle", 1);
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    client.until_dedicated("idle", 0);
    assert!(client.run(&["BLPOP", "nothing", "0.01"]).is_ok());
}

#[test]
fn a_client_that_closes_ends_blocking_commands_first() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "3")]);
    let ids: Vec<u64> = (0..5).map(|_| client.submit(&["BLPOP", "k", "0"])).collect();
    until_blocked(&server, 3);
    assert!(client.client.close(Some(Duration::from_secs(20))), "nothing had to be ended by force");
    let done = client.inbox.each_once(&ids);
    assert!(done.values().all(|done| done.ending() == (Status::Closed, NotRun)), "{done:?}");
    until_blocked(&server, 0);
}

#[test]
fn a_client_that_is_shut_down_ends_them_at_once() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1")]);
    let ids: Vec<u64> = (0..2).map(|_| client.submit(&["BLPOP", "k", "0"])).collect();
    until_blocked(&server, 1);
    client.client.shut_down();
    let done = client.inbox.each_once(&ids);
    assert_eq!(done[&ids[0]].ending(), (Status::Closed, Unknown));
    assert_eq!(done[&ids[1]].ending(), (Status::Closed, NotRun));
    until_blocked(&server, 0);
}

/// While CLIENT UNBLOCK is under way its connection goes to nobody, however the command ended meanwhile: it would hit
/// the next one.
#[test]
fn a_late_unblocking_hits_nobody_else() {
    let may_answer = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
    let flags = Arc::clone(&may_answer);
    let wait_for = |what: &str, flag: &AtomicBool| wait::until(what, || flag.load(SeqCst));
    let server = Scripted::answering(move |command| match command.name().as_str() {
        "HELLO" => vec![Step::send(HELLO_3)],
        "PING" => vec![Step::send("+PONG\r\n")],
        "CLIENT" if command.args()[1] == "UNBLOCK" => {
            wait_for("the test to let CLIENT UNBLOCK be answered", &flags.1);
            vec![Step::send(":0\r\n")]
        }
        "BLPOP" if command.args()[2] == "-1" => vec![Step::send("-ERR timeout is negative\r\n")],
        "BLPOP" => {
            wait_for("the test to let BLPOP be answered", &flags.0);
            vec![Step::send("*2\r\n$1\r\nk\r\n$7\r\nelement\r\n")]
        }
        _ => vec![Step::send("+OK\r\n")],
    });
    let client = Tester::with(server.url(), &[("max_connections", "1"), ("unblock_grace", "1h"), ("dead_after", "1h")]);
    let first = client.submit(&["BLPOP", "k", "0"]);
    server.until_received("BLPOP", 1);
    assert!(client.client.cancel(first));
    server.until_received("BLPOP", 2);
    may_answer.0.store(true, SeqCst);
    assert!(client.inbox.each_once(&[first])[&first].is_ok(), "an element that arrives is delivered even then");
    let next = client.submit(&["BLPOP", "k", "0"]);
    assert_eq!((client.dedicated("in_use"), client.dedicated("waiting")), (1, 1));
    may_answer.1.store(true, SeqCst);
    assert!(client.inbox.each_once(&[next])[&next].is_ok());
    assert_eq!(client.dedicated("connections"), 1);
}
