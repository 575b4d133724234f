//! A server that never stops sending harms nobody but its own client: the I/O thread goes on with the others, memory
//! stays small, and closing returns.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use justredis::error::Outcome::{NotRun, Unknown};
use justredis::error::Status;
use support::client::Tester;
use support::scripted::{HELLO_3, Scripted, Step};
use support::server::Server;
use support::wait;

const PUSHES: &str = ">1\r\n+x\r\n";
const ATTRIBUTES: &str = "|0\r\n";
const BULK: &str = "xxxxxxxx";

/// Where in its life the server begins to send without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Accept,
    Hello,
    Auth,
    Ping,
    Loading,
    Command,
}

/// A server that sends `first` and then `again` without end.
fn flooding(place: Place, first: &'static str, again: &'static str) -> Arc<Scripted> {
    let flood = move || vec![Step::send(first), Step::flood(again)];
    if place == Place::Accept {
        return Arc::new(Scripted::playing(flood()));
    }
    let pings = AtomicUsize::new(0);
    Arc::new(Scripted::answering(move |command| match (command.name().as_str(), place) {
        ("HELLO", Place::Hello) | ("AUTH", Place::Auth) | ("PING", Place::Ping) | ("INCR", _) => flood(),
        ("PING", Place::Loading) if pings.fetch_add(1, SeqCst) % 2 == 1 => flood(),
        ("PING", Place::Loading) => vec![Step::send("-LOADING Redis is loading the dataset in memory\r\n")],
        ("HELLO", _) => vec![Step::send(HELLO_3)],
        ("PING", _) => vec![Step::send("+PONG\r\n")],
        _ => vec![Step::send("+OK\r\n")],
    }))
}

/// The background of the process answers another client while the flood goes on; then closing the client of the flood
/// returns.
fn harms_nobody(name: &str, hostile: Tester, server: &Scripted, healthy: &Tester) {
    wait::until(&format!("the flood of {name}"), || server.flooded() > 0);
    for number in 0..5 {
        let id = healthy.submit_within(100_000, &["ECHO", &number.to_string()]);
        assert_eq!(healthy.inbox.each_once(&[id])[&id].text(), number.to_string(), "{name}");
    }
    let (closed, is_closed) = mpsc::channel();
    thread::spawn(move || {
        hostile.client.close(Some(Duration::from_millis(200)));
        closed.send(()).unwrap();
    });
    is_closed.recv_timeout(wait::LIMIT).unwrap_or_else(|_| panic!("{name}: closing does not return"));
}

#[test]
fn a_flood_in_the_handshake_ends_the_attempt_and_stops_nobody() {
    let healthy_server = Server::start();
    let healthy = Tester::connect(healthy_server.url());
    healthy.until_connected();
    for place in [Place::Accept, Place::Hello, Place::Auth, Place::Ping, Place::Loading] {
        for protocol in ["auto", "2"] {
            if (place, protocol) == (Place::Hello, "2") || (place, protocol) == (Place::Auth, "auto") {
                continue;
            }
            for (first, again) in [("", PUSHES), ("", ATTRIBUTES), ("$900000000\r\n", BULK), ("*100000000\r\n", PUSHES)]
            {
                let name = format!("{again:?} at {place:?} with protocol {protocol}");
                let server = flooding(place, first, again);
                // The budget is far away: it is not what ends the attempt.
                let options = [
                    ("connect_timeout", "100s"),
                    ("protocol", protocol),
                    ("password", "pw"),
                    ("reconnect_delay", "1"),
                    ("reconnect_delay_max", "1"),
                ];
                let hostile = Tester::with(server.url(), &options);
                let id = hostile.submit_within(1_000_000, &["GET", "key"]);
                let done = hostile.inbox.each_once(&[id]).remove(&id).unwrap();
                done.says(Status::Protocol, NotRun, &[&server.port().to_string()]);
                assert!(!done.text().contains("max_reply"), "no option helps: {}", done.text());
                harms_nobody(&name, hostile, &server, &healthy);
            }
        }
    }
}

#[test]
fn a_flood_of_messages_that_answer_nothing_ends_the_connection_and_stops_nobody() {
    let healthy_server = Server::start();
    let healthy = Tester::connect(healthy_server.url());
    healthy.until_connected();
    for options in [[("protocol", "auto"), ("cache_bytes", "0")], [("protocol", "3"), ("cache_bytes", "1MiB")]] {
        let server = flooding(Place::Command, "", PUSHES);
        let all = [&options[..], &[("dead_after", "50")]].concat();
        let hostile = Tester::with(server.url(), &all);
        let id = hostile.submit_within(1_000_000, &["INCR", "key"]);
        // Within this deadline somebody still waits for an answer: then no server is dead.
        let impatient = hostile.submit_within(300, &["INCR", "key"]);
        hostile.inbox.until(1);
        assert_eq!(hostile.inbox.len(), 1);
        harms_nobody("a request", hostile.clone(), &server, &healthy);
        let done = hostile.inbox.each_once(&[id, impatient]);
        assert_eq!(done[&impatient].ending(), (Status::Timeout, Unknown));
    }
}

/// The server answers nothing, and nobody is ready to wait any longer: messages alone do not keep the connection.
#[test]
fn a_server_that_sends_messages_and_no_answers_is_given_up() {
    let server = flooding(Place::Command, "", PUSHES);
    let hostile = Tester::with(server.url(), &[("dead_after", "50"), ("reconnect_delay_max", "50")]);
    let events = hostile.events();
    wait::until("a request to go out", || hostile.run_within(200, &["INCR", "key"]).outcome == Unknown);
    support::client::until_event(&events, "lost");
    let lost = events.take(1).into_iter().find(|done| done.reply.find(b"reason").is_some()).unwrap();
    let reason = String::from_utf8_lossy(lost.reply.find(b"reason").unwrap().as_bytes()).into_owned();
    assert!(reason.contains("silent"), "{reason}");
}

/// Messages that somebody asked for, more than anybody can take: they are counted and dropped, and stop nobody.
#[test]
fn a_flood_of_wanted_messages_stops_nobody() {
    const CONFIRMED: &str = ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
    const MESSAGE: &str = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n";
    const INVALID: &str = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
    let healthy_server = Server::start();
    let healthy = Tester::connect(healthy_server.url());
    healthy.until_connected();
    // However much a read may bring.
    for receive_buffer in ["32KiB", "64MiB"] {
        let server = Scripted::after_handshake(|command| match command.name().as_str() {
            "SUBSCRIBE" => vec![Step::send(CONFIRMED), Step::flood(MESSAGE)],
            "GET" => vec![Step::send("+OK\r\n+OK\r\n$1\r\nx\r\n"), Step::flood(INVALID)],
            _ => vec![],
        });
        let options = [("receive_buffer", receive_buffer), ("max_unread", "1000"), ("cache_bytes", "1MiB")];
        let subscriber = Tester::with(server.url(), &options);
        subscriber.submit(&["SUBSCRIBE", "c"]);
        subscriber.inbox.until(2);
        harms_nobody("messages", subscriber, &server, &healthy);
        let flooded = server.flooded();
        let reader = Tester::with(server.url(), &options);
        reader.cached(&["GET", "k"]);
        wait::until("the flood of invalidations", || server.flooded() > flooded);
        harms_nobody("invalidations", reader, &server, &healthy);
    }
}
