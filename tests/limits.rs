//! Everything that waits is bounded, the bounds are told, and what is given up gives its memory back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{NotRun, Unknown};
use justredis::error::Status;
use support::client::{Tester, request, until_event};
use support::scripted::{Scripted, Step};
use support::server::Server;

fn full(client: &Tester, words: &[&[u8]]) {
    let error = client.send(&request(&[words])).unwrap_err();
    assert_eq!(error.status, Status::Full);
    assert!(error.message.contains("max_requests") && error.message.contains("max_request_bytes"), "{}", error.message);
}

#[test]
fn more_requests_than_allowed_are_refused_until_there_is_room() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_requests", "10"), ("dead_after", "1h")]);
    let events = client.events();
    client.until_connected();
    server.stop();
    let ids: Vec<u64> = (0..10).map(|_| client.submit_within(100_000, &["INCR", "n"])).collect();
    full(&client, &[b"INCR", b"n"]);
    server.cont();
    assert!(client.inbox.each_once(&ids).values().all(|done| done.is_ok()));
    until_event(&events, "writable");
    assert_eq!(client.run(&["INCR", "n"]).integer(), 11, "what was refused was not run");
    let eleven = vec![&["INCR", "n"][..]; 11];
    assert_eq!(client.send(&request(&eleven)).unwrap_err().status, Status::Argument, "it would never fit");
    assert!(client.wait_for(&request(&eleven[1..])).unwrap().is_ok());
    assert!(client.atomic(&eleven).is_ok(), "a transaction is one request");
}

#[test]
fn more_bytes_than_allowed_are_refused_until_there_is_room() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_request_bytes", "1MiB"), ("dead_after", "1h")]);
    let events = client.events();
    let half = vec![b'x'; 500 << 10];
    client.until_connected();
    server.stop();
    let ids = [client.submit(&[b"SET", b"key", &half[..]]), client.submit(&[b"SET", b"key", &half[..]])];
    full(&client, &[b"SET", b"key", &half]);
    server.cont();
    assert!(client.inbox.each_once(&ids).values().all(|done| done.is_ok()));
    until_event(&events, "writable");
    let whole = vec![b'x'; 1 << 20];
    let error = client.send(&request(&[&[&b"SET"[..], b"key", &whole]])).unwrap_err();
    assert_eq!(error.status, Status::Argument, "it would never fit");
    assert!(error.message.contains("max_request_bytes"));
    assert!(client.run(&[b"SET", b"key", &half[..]]).is_ok());
}

/// Room that comes from deadlines, cancels and losses is told as well: nobody answers who could tell it.
#[test]
fn room_that_comes_without_an_answer_is_told() {
    let server = Server::start();
    let options = [("max_requests", "4"), ("reconnect_delay_max", "50"), ("dead_after", "1h")];
    let client = Tester::with(server.url(), &options);
    client.until_connected();
    let fill = |milliseconds| {
        let ids: Vec<u64> = (0..4).map(|_| client.submit_within(milliseconds, &["INCR", "n"])).collect();
        full(&client, &[b"INCR", b"n"]);
        ids
    };
    // Lost in flight.
    let events = client.events();
    server.stop();
    let sent = client.stat("bytes_sent");
    let ids = fill(100_000);
    client.until_stat("bytes_sent", |now| now > sent);
    server.kill();
    client.inbox.each_once(&ids);
    until_event(&events, "writable");
    // Past their deadline, unsent.
    let events = client.events();
    let ids = fill(300);
    client.inbox.each_once(&ids);
    until_event(&events, "writable");
    // Cancelled, unsent.
    let events = client.events();
    let ids = fill(100_000);
    ids.iter().for_each(|id| assert!(client.client.cancel(*id)));
    client.inbox.each_once(&ids);
    until_event(&events, "writable");
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn what_is_withdrawn_gives_its_memory_back() {
    let server = Server::start();
    let options = [("max_request_bytes", "128MiB"), ("reconnect_delay_max", "50")];
    let client = Tester::with(server.url(), &options);
    let events = client.events();
    client.until_connected();
    server.kill();
    until_event(&events, "lost");
    let value = vec![b'x'; 4000];
    let mut peaks = Vec::new();
    for round in 0..4 {
        let ids: Vec<u64> = (0..30_000)
            .map(|_| {
                client.send(&Request { timeout: Timeout::None, ..request(&[&[&b"SET"[..], b"k", &value]]) }).unwrap()
            })
            .collect();
        peaks.push(resident());
        assert!(client.stat("waiting_bytes") > 120_000_000);
        ids.iter().for_each(|id| assert!(client.client.cancel(*id)));
        assert!(
            client.inbox.each_once(&ids).values().all(|done| done.ending() == (Status::Canceled, NotRun)),
            "{round}"
        );
        assert_eq!((client.stat("waiting_requests"), client.stat("waiting_bytes")), (0, 0));
    }
    // What the allocator keeps for itself is used again; what the library kept would be there four times.
    assert!(peaks[3] < peaks[0] + (100 << 20), "{peaks:?}");
}

#[test]
fn a_reply_beyond_the_limit_ends_its_connection_and_its_request() {
    let server = Server::start();
    server.command(&["SETRANGE", "large", "100000", "x"]);
    server.command(&["SET", "small", "value"]);
    let client = Tester::with(server.url(), &[("max_reply_bytes", "64KiB"), ("reconnect_delay_max", "50")]);
    let large = client.submit(&["GET", "large"]);
    let behind = client.submit(&["GET", "small"]);
    let done = client.inbox.each_once(&[large, behind]);
    done[&large].says(Status::Protocol, Unknown, &["max_reply_bytes", &server.address().to_string()]);
    assert_eq!(done[&behind].text(), "value", "what stood behind it is repaired");
    assert_eq!(client.stat("connections"), 2, "it is not asked for again");
    server.command(&["RPUSH", "many", "x"]);
    assert!(client.run(&["LRANGE", "many", "0", "-1"]).is_ok());
}

#[test]
fn a_reply_that_nests_too_deep_ends_its_connection_and_its_request() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "GET" => vec![Step::send("*1\r\n".repeat(1_000_000)), Step::send(":1\r\n")],
        _ => vec![Step::send("+fine\r\n")],
    });
    let client = Tester::with(server.url(), &[("reconnect_delay_max", "50")]);
    client.run(&["GET", "bomb"]).says(Status::Protocol, Unknown, &["max_reply_depth"]);
    assert_eq!(client.text(&["ECHO", "x"]), "fine");
    assert_eq!(client.stat("connections"), 2);
}

/// A server that answers what nobody asked, garbles, or promises more than it has.
#[test]
fn a_server_out_of_step_is_dialled_again() {
    for reply in ["+one\r\n+two\r\n", "?what\r\n", "$-5\r\nx\r\n", "*9999999999999999999\r\n"] {
        let server = Scripted::after_handshake(move |command| match command.name().as_str() {
            "SET" => vec![Step::send(reply)],
            _ => vec![Step::send("+fine\r\n")],
        });
        let client = Tester::with(server.url(), &[("reconnect_delay_max", "50")]);
        let done = client.run(&["SET", "k", "v"]);
        assert!(done.text() == "one" || done.ending() == (Status::Protocol, Unknown), "{done:?}");
        client.until_stat("connections", |connections| connections == 2);
        assert_eq!(client.text(&["ECHO", "x"]), "fine");
    }
}
