//! What a server refuses before it runs it is sent again; the same words out of a script prove nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use support::client::{Tester, request, within};
use support::scripted::{Scripted, Step};
use support::server::Server;

const REFUSALS: [&str; 5] = [
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "READONLY You can't write against a read only replica.",
];

/// Refuses so many times, in these words, whatever comes after the handshake; then it answers.
fn refusing(text: &'static str, times: usize) -> Scripted {
    let count = AtomicUsize::new(0);
    Scripted::after_handshake(move |_| match count.fetch_add(1, SeqCst) {
        number if number < times => vec![Step::send(format!("-{text}\r\n"))],
        _ => vec![Step::send("+answered\r\n")],
    })
}

fn commands(server: &Scripted) -> usize {
    let handshake = ["HELLO", "AUTH", "CLIENT", "SELECT", "PING"];
    server.received().iter().filter(|command| !handshake.contains(&command.name().as_str())).count()
}

#[test]
fn a_refused_command_is_sent_until_it_is_answered() {
    for text in REFUSALS {
        let server = refusing(text, 3);
        let client = Tester::connect(server.url());
        let done = client.wait_for(&Request { timeout: within(100_000), ..request(&[&["INCR", "n"]]) }).unwrap();
        done.says(Status::Ok, Answered, &["answered"]);
        assert_eq!(commands(&server), 4, "{text}");
        assert_eq!(server.accepted() > 1, text.starts_with("READONLY"), "only READONLY dials again: {text}");
    }
}

#[test]
fn each_command_of_a_pipeline_is_sent_until_it_is_answered() {
    let server = refusing(REFUSALS[0], 3);
    let client = Tester::connect(server.url());
    let done = client.wait_for(&request(&[&["INCR", "n"][..], &["GET", "k"], &["SET", "k", "v"]])).unwrap();
    assert!(done.is_ok());
    assert!(done.reply.items().iter().all(|item| item.as_bytes() == b"answered"), "{done:?}");
    assert_eq!(commands(&server), 6);
}

#[test]
fn attempts_end_with_the_words_of_the_server() {
    for text in REFUSALS {
        let server = refusing(text, usize::MAX);
        let client = Tester::with(server.url(), &[("max_attempts", "3")]);
        let done = client.wait_for(&Request { timeout: Timeout::None, ..request(&[&["INCR", "n"]]) }).unwrap();
        done.says(Status::Server, Answered, &[]);
        assert_eq!(done.text(), text, "verbatim");
        assert_eq!(commands(&server), 3);
    }
}

#[test]
fn a_deadline_ends_the_attempts_too() {
    let server = refusing(REFUSALS[0], usize::MAX);
    let client = Tester::with(server.url(), &[("max_attempts", "1000000")]);
    let done = client.run_within(200, &["INCR", "n"]);
    assert_eq!(done.status, Status::Timeout, "{}", done.text());
    // Between two attempts it is certain that it did not run; while one is out it is not.
    let before = commands(&server);
    assert!(before > 1);
    if done.outcome == NotRun {
        assert_eq!(commands(&server), before, "and it is not sent any more");
    }
}

#[test]
fn the_same_words_out_of_a_script_a_function_or_a_transaction_are_the_users() {
    for text in REFUSALS {
        let cases: [(&[&str], bool); 5] = [
            (&["EVAL", "return 1", "0"], false),
            (&["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"], false),
            (&["EVAL_RO", "return 1", "0"], false),
            (&["FCALL", "f", "0"], false),
            (&["INCR", "n"], true),
        ];
        for (words, atomic) in cases {
            let server = refusing(text, usize::MAX);
            let client = Tester::connect(server.url());
            let done = client.wait_for(&Request { atomic, timeout: Timeout::None, ..request(&[words]) }).unwrap();
            done.says(Status::Server, Answered, &[text]);
            assert_eq!(commands(&server), if atomic { 3 } else { 1 }, "{words:?} {text}");
            assert_eq!(server.accepted(), 1);
        }
    }
}

/// Really: a script that writes and then says READONLY runs once.
#[test]
fn a_script_that_speaks_like_a_server_runs_once() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    for code in ["READONLY", "LOADING", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN"] {
        server.command(&["DEL", "n"]);
        let script = format!("redis.call('INCR', 'n') return redis.error_reply('{code} says the script')");
        let done = client.run(&["EVAL", &script, "0"]);
        done.says(Status::Server, Answered, &["says the script"]);
        assert_eq!(server.command(&["GET", "n"]).integer(), 1, "{code}");
    }
}

/// A real replica refuses; once it is made a primary, the same request succeeds on a new connection.
#[test]
fn readonly_is_over_once_the_server_is_primary() {
    let (primary, replica) = (Server::start(), Server::start());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let client = Tester::with(replica.url(), &[("max_attempts", "1000000")]);
    client.until_connected();
    let id = client.submit_within(100_000, &["INCR", "n"]);
    client.until_stat("reconnects", |reconnects| reconnects > 0);
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    let done = client.inbox.each_once(&[id]);
    assert_eq!(done[&id].integer(), 1);
}
