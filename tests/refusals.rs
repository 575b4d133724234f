//! What a server refuses before it runs it is sent again; the same words out of a script prove nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use support::client::{Tester, request, within};
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

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

fn is_readonly(text: &str) -> bool {
    text.starts_with("READONLY")
}

fn commands(server: &Scripted) -> usize {
    let handshake = ["HELLO", "AUTH", "CLIENT", "SELECT", "PING"];
    server.received().iter().filter(|command| !handshake.contains(&command.name().as_str())).count()
}

#[test]
fn a_refused_command_is_sent_until_it_is_answered() {
    for text in REFUSALS {
        let (times, connections) = if is_readonly(text) { (2, 3) } else { (4, 1) };
        let server = refusing(text, times);
        let client = Tester::with(server.url(), &[("max_attempts", "1")]);
        let done = client.wait_for(&Request { timeout: within(100_000), ..request(&[&["INCR", "n"]]) }).unwrap();
        done.says(Status::Ok, Answered, &["answered"]);
        assert_eq!(commands(&server), times + 1, "{text}");
        assert_eq!(server.accepted(), connections, "only READONLY dials again: {text}");
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

/// A replica that stays one says so, after the client has looked twice for a better server; then nothing is made anew
/// for a while, whatever is sent.
#[test]
fn the_word_of_a_lasting_replica_is_final_after_two_looks() {
    let (primary, replica) = (Server::start(), Server::start());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let client = Tester::connect(replica.url());
    for number in 0..10 {
        let done = client.wait_for(&Request { timeout: Timeout::None, ..request(&[&["INCR", "n"]]) }).unwrap();
        done.says(Status::Server, Answered, &[]);
        assert_eq!(done.text(), "READONLY You can't write against a read only replica.", "verbatim");
        assert_eq!(client.stat("reconnects"), 2, "command {number}");
    }
    let done = client.wait_for(&Request { dedicated: true, ..request(&[&["INCR", "n"]]) }).unwrap();
    done.says(Status::Server, Answered, &["READONLY"]);
    let done = client.atomic(&[&["INCR", "n"], &["INCR", "n"]]);
    done.says(Status::Server, Answered, &["EXECABORT", "command 0 (INCR): READONLY"]);
    assert_eq!(client.stat("reconnects"), 2);
}

/// A deadline that passes while a server is not ready is reported with its last error, and that nothing was run.
#[test]
fn a_deadline_tells_what_the_server_said_last() {
    for text in REFUSALS.iter().filter(|text| !is_readonly(text)) {
        for (dedicated, atomic) in [(false, false), (true, false), (false, true)] {
            let server = refusing(text, usize::MAX);
            let client = Tester::connect(server.url());
            let refused = Request { dedicated, atomic, timeout: within(200), ..request(&[&["INCR", "n"]]) };
            let done = client.wait_for(&refused).unwrap();
            assert_eq!(done.status, Status::Timeout, "{}", done.text());
            // While an attempt is out it may be run; between two attempts it is certain that it was not.
            if done.outcome == NotRun {
                done.says(Status::Timeout, NotRun, &["no other answer within 200 ms", "refused by the server", text]);
                let before = commands(&server);
                assert_eq!(client.text(&["PING"]), "PONG");
                assert_eq!(commands(&server), before, "it is not sent any more");
            }
        }
    }
}

#[test]
fn a_cancel_tells_what_the_server_said_last() {
    let server = refusing(REFUSALS[3], usize::MAX);
    let client = Tester::connect(server.url());
    let mut told = Vec::new();
    // An attempt may be out when it is cancelled; between two of them it is certain that it was not run.
    while told.last().is_none_or(|(outcome, _)| *outcome != NotRun) {
        let before = commands(&server);
        let id = client.submit_within(100_000, &["INCR", "n"]);
        wait::until("several attempts", || commands(&server) >= before + 3);
        assert!(client.client.cancel(id));
        let done = client.inbox.each_once(&[id]).remove(&id).unwrap();
        assert_eq!(done.status, Status::Canceled);
        told.push((done.outcome, done.text()));
    }
    let (_, text) = told.pop().unwrap();
    assert!(text.contains("cancelled; refused by the server") && text.contains("CLUSTERDOWN"), "{text}");
}

/// An error in the place of EXEC's answer proves that nothing of the block ran; the whole of it is sent again.
#[test]
fn a_refused_transaction_is_sent_again_as_a_whole() {
    for (text, is_multi_refused) in [(REFUSALS[0], false), (REFUSALS[0], true), (REFUSALS[4], false)] {
        let refused = AtomicUsize::new(0);
        let server = Scripted::after_handshake(move |command| {
            let is_refusing = refused.load(SeqCst) < 2;
            let answer = match (command.name().as_str(), is_refusing) {
                ("MULTI", true) if is_multi_refused => format!("-{text}\r\n"),
                ("MULTI", _) => "+OK\r\n".to_string(),
                ("INCR", true) => format!("-{text}\r\n"),
                ("INCR", false) => "+QUEUED\r\n".to_string(),
                ("EXEC", true) => {
                    refused.fetch_add(1, SeqCst);
                    match is_multi_refused {
                        true => "-ERR EXEC without MULTI\r\n".to_string(),
                        false => "-EXECABORT Transaction discarded because of previous errors.\r\n".to_string(),
                    }
                }
                _ => "*2\r\n:1\r\n:2\r\n".to_string(),
            };
            vec![Step::send(answer)]
        });
        let client = Tester::connect(server.url());
        let done = client.atomic(&[&["INCR", "n"], &["INCR", "n"]]);
        assert!(done.is_ok(), "{}", done.text());
        assert_eq!(done.reply.items()[1].to_i64(), Some(2));
        assert_eq!(commands(&server), 12, "three times MULTI, INCR, INCR, EXEC");
    }
}

#[test]
fn the_same_words_out_of_a_script_or_a_function_are_the_users() {
    for text in REFUSALS {
        let cases: [&[&str]; 4] = [
            &["EVAL", "return 1", "0"],
            &["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"],
            &["EVAL_RO", "return 1", "0"],
            &["FCALL", "f", "0"],
        ];
        for words in cases {
            let server = refusing(text, usize::MAX);
            let client = Tester::connect(server.url());
            let done = client.wait_for(&Request { timeout: Timeout::None, ..request(&[words]) }).unwrap();
            done.says(Status::Server, Answered, &[text]);
            assert_eq!(commands(&server), 1, "{words:?} {text}");
            assert_eq!(server.accepted(), 1);
        }
    }
}

/// Inside the array of EXEC the rest of the block has run.
#[test]
fn the_same_words_out_of_a_transaction_that_ran_are_the_users() {
    for text in REFUSALS {
        let server = Scripted::after_handshake(move |command| match command.name().as_str() {
            "MULTI" => vec![Step::send("+OK\r\n")],
            "EXEC" => vec![Step::send(format!("*2\r\n:1\r\n-{text}\r\n"))],
            _ => vec![Step::send("+QUEUED\r\n")],
        });
        let client = Tester::connect(server.url());
        let done = client.atomic(&[&["INCR", "n"], &["EVAL", "return 1", "0"]]);
        assert!(done.is_ok());
        assert_eq!(done.reply.items()[1].as_bytes(), text.as_bytes());
        assert_eq!((commands(&server), server.accepted()), (4, 1));
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

/// A real replica refuses; once it is made a primary, writes succeed, on a new connection.
#[test]
fn readonly_is_over_once_the_server_is_primary() {
    let (primary, replica) = (Server::start(), Server::start());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let client = Tester::connect(replica.url());
    client.until_connected();
    let id = client.submit_within(100_000, &["INCR", "n"]);
    client.until_stat("reconnects", |reconnects| reconnects > 0);
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    // On a busy machine the client may have looked twice before the role changed.
    let first = client.inbox.each_once(&[id]).remove(&id).unwrap();
    if !first.is_ok() {
        first.says(Status::Server, Answered, &["READONLY"]);
        assert_eq!(client.run(&["INCR", "n"]).integer(), 1);
    }
    assert_eq!(replica.command(&["GET", "n"]).integer(), 1);
}

/// A connection to what is no primary any more ends when nothing is under way: what was begun is written to its end.
#[test]
fn what_is_being_written_does_not_hold_up_the_search_for_a_primary() {
    let stage = Arc::new(AtomicUsize::new(0));
    let (reached, refused) = (Arc::clone(&stage), AtomicUsize::new(0));
    let until = move |number| wait::until("the next stage", || reached.load(SeqCst) >= number);
    let server = Scripted::after_handshake(move |command| match command.name().as_str() {
        "GET" => {
            until(1);
            vec![Step::send("+held\r\n")]
        }
        "INCR" if refused.fetch_add(1, SeqCst) == 0 => vec![Step::send(format!("-{}\r\n", REFUSALS[4]))],
        "ECHO" => {
            until(2);
            vec![Step::send("+echo\r\n")]
        }
        _ => vec![Step::send(":1\r\n")],
    });
    let client = Tester::with(server.url(), &[("dead_after", "100000")]);
    let large = vec![b'x'; 32 << 20];
    let words = [&[&b"GET"[..], b"k"][..], &[b"INCR", b"n"], &[b"ECHO", b"x"], &[b"SET", b"large", &large]];
    let ids = words.map(|words| client.send(&Request { timeout: within(20_000), ..request(&[words]) }).unwrap());
    // The sockets do not hold all of the last one, and the server reads no further than ECHO.
    client.until_stat("bytes_sent", |bytes| bytes > 100_000);
    stage.store(1, SeqCst);
    client.until_stat("bytes_received", |bytes| bytes > "+held\r\n".len() as i64);
    stage.store(2, SeqCst);
    let done = client.inbox.each_once(&ids);
    assert!(done.values().all(|done| done.is_ok()), "{done:?}");
    assert_eq!((commands(&server), server.accepted()), (5, 2));
}
