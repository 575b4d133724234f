//! NOT_RUN means that the server certainly did not run it: never told of what once went out whole and was not answered,
//! however it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::time::Duration;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{self, NotRun, Unknown};
use justredis::error::Status;
use support::client::{Done, Tester, request, until_event, within};
use support::proxy::Proxy;
use support::server::Server;
use support::wait;

/// How a request ends that was run, whose connection is gone, and which cannot be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Deadline,
    Cancel,
    Close,
    Free,
    /// At the reconnect the password is wrong.
    Password,
    /// At the reconnect nobody answers, and that is enough (`connect_retries`).
    Retries,
}

impl End {
    const ALL: [End; 6] = [End::Deadline, End::Cancel, End::Close, End::Free, End::Password, End::Retries];

    fn status(self) -> Status {
        match self {
            End::Deadline => Status::Timeout,
            End::Cancel => Status::Canceled,
            End::Close | End::Free => Status::Closed,
            End::Password => Status::Auth,
            End::Retries => Status::Connect,
        }
    }
}

/// Ends a request in this way. When `end` is reached the server has run what is safe to repeat, the answer is
/// swallowed, and the connection is gone.
fn run(end: End, wanted: &Request<'_, &str>) -> Done {
    let server = Server::builder().password("right").start();
    let proxy = Proxy::to(server.port());
    let retries = if end == End::Retries { "1" } else { "0" };
    let options = [("password", "right"), ("connect_retries", retries), ("reconnect_delay", "1")];
    let client = Tester::with(proxy.url(), &options);
    client.until_connected();
    assert_eq!(client.text(&["SET", "k", "before"]), "OK");
    // A dedicated connection is at hand, too.
    assert!(client.wait_for(&Request { dedicated: true, ..request(&[&["PING"]]) }).unwrap().is_ok());
    let calls = || commandstat(&server, "get") + commandstat(&server, "incr");
    let before = calls();
    let events = client.events();
    proxy.to_client().swallow();
    let timeout = if end == End::Deadline { within(1000) } else { Timeout::None };
    let id = client.send(&Request { timeout, ..*wanted }).unwrap();
    let count = wanted.commands.len() as i64;
    wait::until("the server to run it", || calls() == before + count);
    match end {
        End::Password => _ = server.command(&["CONFIG", "SET", "requirepass", "other"]),
        _ => proxy.refuse(),
    }
    proxy.close_all();
    if end == End::Password {
        proxy.to_client().resume();
    }
    if !wanted.dedicated {
        until_event(&events, "lost");
    }
    match end {
        End::Cancel => assert!(client.client.cancel(id)),
        End::Close => assert!(!client.client.close(Some(Duration::ZERO))),
        End::Free => client.client.shut_down(),
        End::Deadline | End::Password | End::Retries => {}
    }
    client.inbox.each_once(&[id]).remove(&id).unwrap()
}

/// How often the server ran a command.
fn commandstat(server: &Server, name: &str) -> i64 {
    let stats = server.command(&["INFO", "commandstats"]).text();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn what_ran_and_may_run_again_is_never_told_as_not_run() {
    for end in End::ALL {
        for dedicated in [false, true] {
            for (words, idempotent) in [(&["INCR", "n"][..], true), (&["GET", "k"], false)] {
                let done = run(end, &Request { dedicated, idempotent, ..request(&[words]) });
                let what = format!("{end:?} {words:?} dedicated: {dedicated}: {}", done.text());
                assert_eq!((done.status, done.outcome), (end.status(), Unknown), "{what}");
                assert!(!done.text().contains("before it was sent"), "{what}");
            }
        }
    }
}

#[test]
fn each_part_of_a_pipeline_has_the_outcome_of_all_its_attempts() {
    for end in End::ALL {
        for dedicated in [false, true] {
            let commands = [&["GET", "k"][..], &["INCR", "n"]];
            let done = run(end, &Request { dedicated, idempotent: true, ..request(&commands) });
            let outcomes: Vec<Option<Outcome>> = done.reply.items().iter().map(|item| item.outcome()).collect();
            assert_eq!(outcomes, [Some(Unknown), Some(Unknown)], "{end:?} dedicated: {dedicated}");
            assert_eq!((done.status, done.outcome), (end.status(), Unknown));
        }
    }
}

/// The other way round: what was never sent is told as not run, by the same ends.
#[test]
fn what_was_never_sent_is_told_as_not_run() {
    for end in [End::Deadline, End::Cancel, End::Close, End::Free] {
        let server = Server::start();
        let proxy = Proxy::to(server.port());
        let client = Tester::connect(proxy.url());
        client.until_connected();
        let events = client.events();
        proxy.refuse();
        proxy.close_all();
        until_event(&events, "lost");
        let timeout = if end == End::Deadline { within(50) } else { Timeout::None };
        let id = client.send(&Request { timeout, idempotent: true, ..request(&[&["INCR", "n"]]) }).unwrap();
        match end {
            End::Cancel => assert!(client.client.cancel(id)),
            End::Close => assert!(!client.client.close(Some(Duration::ZERO))),
            End::Free => client.client.shut_down(),
            _ => {}
        }
        let done = client.inbox.each_once(&[id]).remove(&id).unwrap();
        assert_eq!((done.status, done.outcome), (end.status(), NotRun), "{}", done.text());
    }
}

/// A later refusal takes nothing back: the server's words come with an outcome that is not known.
#[test]
fn a_refusal_after_an_attempt_that_may_have_run_is_of_unknown_outcome() {
    let (primary, server) = (Server::start(), Server::start());
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("reconnect_delay", "1"), ("reconnect_delay_max", "1")]);
    client.until_connected();
    for commands in [&[&["INCR", "n"][..]][..], &[&["INCR", "n"], &["INCR", "n"]]] {
        server.command(&["REPLICAOF", "NO", "ONE"]);
        let before = commandstat(&server, "incr");
        proxy.to_client().swallow();
        let wanted = Request { idempotent: true, timeout: Timeout::None, ..request(commands) };
        let id = client.send(&wanted).unwrap();
        wait::until("the server to run it", || commandstat(&server, "incr") == before + commands.len() as i64);
        server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        proxy.close_all();
        proxy.to_client().resume();
        let done = client.inbox.each_once(&[id]).remove(&id).unwrap();
        let items = if commands.len() == 1 { std::slice::from_ref(&*done.reply) } else { done.reply.items() };
        assert_eq!(items.len(), commands.len());
        for item in items {
            assert!(item.as_bytes().starts_with(b"READONLY"), "verbatim");
            assert_eq!((item.status_code(), item.outcome()), (Some(Status::Server), Some(Unknown)));
        }
        assert_eq!(done.outcome, Unknown);
    }
}

/// A map by address that is given up has the status of that, and what there is of it.
#[test]
fn a_map_that_is_given_up_says_so() {
    for end in [End::Deadline, End::Cancel] {
        let server = Server::start();
        let client = Tester::connect(server.url());
        client.until_connected();
        server.stop();
        let timeout = if end == End::Deadline { within(50) } else { Timeout::None };
        let route = justredis::topology::Route::All;
        let id = client.send(&Request { timeout, route, ..request(&[&["DBSIZE"]]) }).unwrap();
        if end == End::Cancel {
            assert!(client.client.cancel(id));
        }
        let done = client.inbox.each_once(&[id]).remove(&id).unwrap();
        assert_eq!(done.status, end.status());
        assert_ne!(done.outcome, Outcome::Answered);
        let part = done.reply.find(server.address().to_string().as_bytes()).unwrap();
        assert_eq!(part.status_code(), Some(end.status()));
        server.cont();
    }
}
