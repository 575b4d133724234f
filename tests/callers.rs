//! Callers who find nothing under way write and read for themselves, and hand over to the background as soon as they
//! are not alone, at their deadline, and when anything goes wrong: nothing may be lost or mixed up at any of these
//! moments.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use justredis::client::request::{Request, Timeout};
use justredis::error::{Outcome, Status};
use support::client::{Done, Tester, request};
use support::server::Server;
use support::wait;

/// A client whose next lone call is carried by its caller.
fn single_caller(server: &Server) -> Tester {
    // Connections that live briefly, as in these tests, are otherwise dialled with growing pauses.
    let client = Tester::with(server.url(), &[("reconnect_delay", "1"), ("reconnect_delay_max", "1")]);
    wait::until("callers read for themselves", || {
        client.text(&["PING"]);
        client.stat("lone_calls") > 0
    });
    client
}

fn debugging() -> Server {
    Server::builder().arguments(&["--enable-debug-command", "yes"]).start()
}

#[test]
fn lone_calls_are_carried_by_their_caller() {
    let server = Server::start();
    let client = single_caller(&server);
    let before = client.stat("lone_calls");
    for number in 0..1000 {
        let text = number.to_string();
        assert_eq!(client.text(&["ECHO", &text]), text);
    }
    assert_eq!(client.stat("lone_calls"), before + 1000);
    assert_eq!(client.stat("connections"), 1);
}

#[test]
fn who_joins_a_caller_gets_an_answer_too() {
    let server = debugging();
    let client = single_caller(&server);
    for round in 0..20 {
        let before = client.stat("lone_calls");
        let ids: Vec<u64> = thread::scope(|scope| {
            let caller = scope.spawn(|| client.run(&["DEBUG", "SLEEP", "0.02"]));
            wait::until("the caller waits for the server", || {
                client.stat("lone_calls") > before || caller.is_finished()
            });
            let ids = (0..100).map(|number| client.submit(&["ECHO", &format!("{round}.{number}")])).collect();
            assert!(caller.join().unwrap().is_ok());
            ids
        });
        let done = client.inbox.each_once(&ids);
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(done[id].text(), format!("{round}.{number}"));
        }
        wait::until("alone again", || {
            client.text(&["PING"]);
            client.stat("lone_calls") > before + 1
        });
    }
}

#[test]
fn a_caller_whose_deadline_passes_leaves_the_connection_in_step() {
    let server = Server::start();
    let client = single_caller(&server);
    server.stop();
    client.run_within(20, &["ECHO", "late"]).says(Status::Timeout, Outcome::Unknown, &["no answer"]);
    client.run_within(20, &["ECHO", "later"]).says(Status::Timeout, Outcome::Unknown, &["no answer"]);
    server.cont();
    assert_eq!(client.text(&["ECHO", "in step"]), "in step");
    assert_eq!(client.stat("connections"), 1);
}

/// A caller who waits for a server that is stopped or busy, and one who has joined it.
fn two_callers<'a>(
    scope: &'a thread::Scope<'a, '_>,
    client: &'a Tester,
    first: (u64, &'a str),
    second: (u64, &'a str),
) -> [thread::ScopedJoinHandle<'a, Done>; 2] {
    [first, second].map(|(within, command)| {
        let before = client.stat("bytes_sent");
        let caller = scope.spawn(move || {
            let words: Vec<&str> = command.split(' ').collect();
            client.run_within(within, &words)
        });
        wait::until("the request is written", || client.stat("bytes_sent") > before);
        caller
    })
}

#[test]
fn callers_who_overlap_leave_nothing_to_the_background() {
    let server = debugging();
    let client = single_caller(&server);
    for _ in 0..10 {
        let before = client.stat("lone_calls");
        thread::scope(|scope| {
            // The second answer comes later than the first.
            let callers = two_callers(scope, &client, (5000, "DEBUG SLEEP 0.05"), (5000, "DEBUG SLEEP 0.01"));
            callers.into_iter().for_each(|caller| assert!(caller.join().unwrap().is_ok()));
        });
        client.text(&["PING"]);
        assert_eq!(client.stat("lone_calls"), before + 2, "the next one alone carries itself at once");
    }
}

#[test]
fn who_joins_a_caller_keeps_its_own_deadline() {
    let server = Server::start();
    let client = single_caller(&server);
    // The one who reads is late, and the one who waits; in the end both are answered in step.
    for (first, second) in [(5000, 20), (20, 5000), (20, 20)] {
        server.stop();
        thread::scope(|scope| {
            let callers = two_callers(scope, &client, (first, "ECHO first"), (second, "ECHO second"));
            let mut late: Vec<_> = [first, second].into_iter().zip(callers).collect();
            late.sort_by_key(|(within, _)| *within);
            for (within, caller) in late {
                if within > 20 {
                    server.cont();
                    assert!(caller.join().unwrap().is_ok());
                } else {
                    caller.join().unwrap().says(Status::Timeout, Outcome::Unknown, &["no answer"]);
                }
            }
        });
        server.cont();
        assert_eq!(client.text(&["ECHO", "in step"]), "in step");
        wait::until("callers read for themselves again", || {
            let before = client.stat("lone_calls");
            client.text(&["PING"]);
            client.stat("lone_calls") > before
        });
    }
    assert_eq!(client.stat("connections"), 1);
}

#[test]
fn closing_frees_a_caller_who_waits_on_the_socket() {
    let server = Server::start();
    let client = single_caller(&server);
    server.stop();
    let count = || (client.stat("lone_calls"), client.stat("bytes_sent"));
    let before = count();
    let caller = thread::spawn({
        let client = client.clone();
        move || client.wait_for(&Request { timeout: Timeout::None, ..request(&[&["PING"]]) }).unwrap()
    });
    // Counted when it gets the turn, and when it has written.
    wait::until("the caller waits for the server", || count().0 > before.0 && count().1 > before.1);
    assert!(!client.client.close(Some(Duration::ZERO)));
    caller.join().unwrap().says(Status::Closed, Outcome::Unknown, &["closed"]);
}

#[test]
fn a_connection_that_ended_between_two_calls_costs_nothing() {
    let server = Server::start();
    for _ in 0..30 {
        let client = single_caller(&server);
        let connection = client.run(&["CLIENT", "ID"]).integer().to_string();
        // When this is answered, the end has come to the client's socket; whether anybody saw it is another matter.
        let last = Instant::now();
        server.command(&["CLIENT", "KILL", "ID", &connection]);
        // In a row of calls that follow each other faster than this nobody looks.
        wait::until("the row is over", || last.elapsed() > Duration::from_millis(1));
        client.run(&["INCR", "counter"]).says(Status::Ok, Outcome::Answered, &[]);
    }
    assert_eq!(server.command(&["GET", "counter"]).text(), "30");
}

#[test]
fn a_connection_that_ends_under_a_caller_is_told() {
    let server = Server::start();
    let client = single_caller(&server);
    let before = client.stat("lone_calls");
    server.stop();
    let caller = thread::spawn({
        let client = client.clone();
        move || client.run(&["INCR", "counter"])
    });
    wait::until("the caller waits for the server", || client.stat("lone_calls") > before);
    server.kill();
    caller.join().unwrap().says(Status::Lost, Outcome::Unknown, &["may have run"]);
}

#[test]
fn large_values_go_both_ways() {
    let server = Server::start();
    let client = single_caller(&server);
    let value = vec![b'x'; 30 << 20];
    for _ in 0..3 {
        assert!(client.run(&[b"SET".as_slice(), b"large", &value]).is_ok());
        assert_eq!(client.run(&["GET", "large"]).reply.as_bytes(), value);
    }
}

/// Two or three callers who are sometimes alone and sometimes not: every way of handing the turn over.
#[test]
fn callers_who_come_and_go_each_get_their_own_answer() {
    let server = Server::start();
    let client = single_caller(&server);
    thread::scope(|scope| {
        for caller in 0..3 {
            let client = &client;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(caller);
                for number in 0..10_000 {
                    let text = format!("{caller}.{number}");
                    assert_eq!(client.text(&["ECHO", &text]), text);
                    if random.u32(0..50) == 0 {
                        // Not to wait for anything: so that others are alone for a moment.
                        thread::park_timeout(Duration::from_micros(random.u64(0..2000)));
                    }
                }
            });
        }
    });
    assert_eq!(client.stat("connections"), 1);
    assert_eq!(client.stat("waiting_requests"), 0);
}
