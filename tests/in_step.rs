//! A link is in exact step with its server or it is dead: a reply that nobody asked for is never taken for the answer to
//! what is sent next, whoever reads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::time::{Duration, Instant};

use justredis::error::Status;
use support::proxy::Proxy;
use support::readers::{CClient, Job, Reader};
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

/// Connections that live briefly, as in these tests, are otherwise dialled with growing pauses.
const SOON: [(&str, &str); 2] = [("reconnect_delay", "1"), ("reconnect_delay_max", "1")];

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

/// Two replies to one command, in one piece: the second ends the connection before anybody else is given it.
#[test]
fn a_second_reply_to_one_command_ends_the_connection() {
    let server = Scripted::after_handshake(|command| match command.words().get(1).map(String::as_str) {
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
        "ECHO" => vec![Step::send(format!("+{}\r\n", command.words()[1]))],
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
