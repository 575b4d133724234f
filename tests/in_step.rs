//! A link is in exact step with its server or it is dead: a reply that nobody asked for is never taken for the answer
//! to what is sent next, whoever reads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use justredis::error::Status;
use support::proxy::Proxy;
use support::readers::{CClient, Job, Reader, SOON};
use support::scripted::{HELLO_3, Scripted, Step};
use support::server::Server;
use support::wait;

/// Who takes up an idle connection looks at it, at most once in 500 us.
const LOOK: Duration = Duration::from_micros(500);

#[test]
fn a_stray_reply_on_an_idle_connection_ends_it() {
    let server = Server::start();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for reader in Reader::ALL {
        for stray in ["+stray\r\n", ":1\r\n", "$5\r\nstray\r\n", "-ERR stray\r\n", "+one\r\n+two\r\n", "*2\r\n:1\r\n"] {
            let proxy = Proxy::to(server.port());
            let client = CClient::new(proxy.url(), &SOON, reader);
            client.settle();
            for _ in 0..random.u32(1..20) {
                assert_eq!(client.run(&Job::of(&["ECHO", "mine"])).text(), "mine");
            }
            let last = Instant::now();
            proxy.inject(stray.as_bytes());
            wait::until("a look is due", || last.elapsed() > LOOK);
            let connections = client.stat("connections");
            for number in 0..20 {
                let text = number.to_string();
                let answer = client.run(&Job::of(&["ECHO", &text]));
                assert_eq!(answer.text(), text, "{reader:?} {stray:?}");
            }
            assert!(client.stat("connections") >= connections);
        }
    }
}

/// What comes too much in the handshake ends the connection: at once, or before the first command is sent.
#[test]
fn a_stray_reply_in_the_handshake_ends_the_connection() {
    for protocol in ["2", "3", "auto"] {
        for stray in ["+OK\r\n", "+PONG\r\n", ":1\r\n", "$5\r\nstray\r\n", "*2\r\n:1\r\n", "-ERR stray\r\n", HELLO_3] {
            // With a stray reply at accept, and behind the answer to each command of the handshake.
            for place in ["accept", "HELLO", "CLIENT", "PING"] {
                let (strays, held) = (AtomicUsize::new(0), Mutex::new(HashMap::<usize, String>::new()));
                let server = Scripted::greeting(if place == "accept" { stray } else { "" }, move |command| {
                    let name = command.name();
                    let answer = match name.as_str() {
                        "HELLO" => HELLO_3.to_string(),
                        "PING" => "+PONG\r\n".to_string(),
                        "ECHO" => format!("+{}\r\n", command.args()[1]),
                        _ => "+OK\r\n".to_string(),
                    };
                    // Two connections are out of step; the third is well.
                    let is_stray = name == place && strays.fetch_add(1, SeqCst) < 2;
                    let answer = if is_stray { answer + stray } else { answer };
                    // CLIENT and PING are asked together, and answered together: what comes later than the client needs
                    // to write its first command is the answer to that.
                    let mut held = held.lock().unwrap();
                    let answers = held.entry(command.connection).or_default();
                    answers.push_str(&answer);
                    if name == "CLIENT" { Vec::new() } else { vec![Step::send(std::mem::take(answers))] }
                });
                let options = [&SOON[..], &[("protocol", protocol), ("connect_retries", "0")]].concat();
                let client = CClient::new(server.url(), &options, Reader::Caller);
                let may_fail = place == "accept" || protocol == "2";
                for number in 0..if place == "accept" { 1 } else { 3 } {
                    let text = number.to_string();
                    let echo = Job { timeout: if may_fail { 150 } else { 30_000 }, ..Job::of(&["ECHO", &text]) };
                    let answer = client.run(&echo);
                    match answer.status {
                        Status::Ok => assert_eq!(answer.text(), text, "{protocol} {place} {stray:?}"),
                        // Each connection begins like that.
                        status => {
                            assert!(may_fail, "{protocol} {place} {stray:?}");
                            assert!(matches!(status, Status::Timeout | Status::Lost | Status::Protocol));
                        }
                    }
                }
            }
        }
    }
}

/// Two replies to one command, in one piece: the second ends the connection before anybody else is given it.
#[test]
fn a_second_reply_to_one_command_ends_the_connection() {
    let server = Scripted::after_handshake(|command| match command.args().get(1).map(String::as_str) {
        Some("twice") => vec![Step::send("+twice\r\n+twice\r\n")],
        Some(text) => vec![Step::send(format!("+{text}\r\n"))],
        None => vec![Step::send("+OK\r\n")],
    });
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &SOON, reader);
        for _ in 0..20 {
            client.settle();
            let twice = client.run(&Job::of(&["ECHO", "twice"]));
            // It is answered, or ended with its connection: both are true.
            assert!(matches!(twice.status, Status::Ok | Status::Protocol), "{}", twice.text());
            for number in 0..5 {
                let text = number.to_string();
                assert_eq!(client.run(&Job::of(&["ECHO", &text])).text(), text, "{reader:?}");
            }
        }
    }
}

/// What is answered before a byte of it was sent, or as a success before all of it was, ends the connection.
#[test]
fn an_answer_to_what_was_not_sent_ends_the_connection() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "ECHO" => vec![Step::send(format!("+{}\r\n", command.args()[1]))],
        _ => vec![Step::send("+OK\r\n")],
    });
    for reader in Reader::ALL {
        let proxy = Proxy::to_address(server.address());
        let options = [&SOON[..], &[("max_attempts", "2")]].concat();
        let client = CClient::new(proxy.url(), &options, reader);
        client.settle();
        // The proxy takes nothing any more: a value that no socket buffer holds is half written for as long as that.
        proxy.to_server().stall();
        let sent = client.stat("bytes_sent");
        let value = "x".repeat(32 << 20);
        let id = client.begin(&Job::of(&["SET", "k", &value]));
        wait::until("the value to be half written", || client.stat("bytes_sent") > sent);
        proxy.inject(b"+early\r\n");
        let answer = client.end(id);
        proxy.to_server().resume();
        assert_eq!(answer.status, Status::Protocol, "{reader:?}: {}", answer.text());
        assert_eq!(client.run(&Job::of(&["ECHO", "mine"])).text(), "mine");
    }
}
