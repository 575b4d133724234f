//! Requests on connections of their own: those whose user wants it, and those that wait for their own writes.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use justredis::client::request::Request;
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use support::client::{Tester, request, within};
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

/// A request of these commands on a connection of its own.
fn dedicated<'a>(commands: &'a [&'a [&'a str]]) -> Request<'a, &'a str> {
    Request { dedicated: true, ..request(commands) }
}

#[test]
fn what_takes_long_holds_up_nobody() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let shared = client.run(&["CLIENT", "ID"]).integer();
    let id = client.wait_for(&dedicated(&[&["CLIENT", "ID"]])).unwrap();
    assert_ne!(id.integer(), shared);
    let many = client.wait_for(&dedicated(&[&["SET", "k", "1"], &["CLIENT", "ID"], &["nonsense"]])).unwrap();
    assert_eq!(many.reply.items()[1].to_i64(), id.reply.to_i64(), "the same one again");
    assert!(many.reply.items()[2].is_error());
    let commands: [&[&str]; 2] = [&["INCR", "k"], &["INCR", "k"]];
    let atomic = client.wait_for(&Request { atomic: true, ..dedicated(&commands) }).unwrap();
    assert_eq!(atomic.reply.items().iter().map(|item| item.to_i64()).collect::<Vec<_>>(), [Some(2), Some(3)]);
    let script = client.wait_for(&dedicated(&[&["EVAL", "return ARGV[1]", "0", "text"]])).unwrap();
    assert_eq!(script.text(), "text");
    client.until_dedicated("idle", 1);
    assert_eq!(client.dedicated("connections"), 2, "what nobody knows may have left something behind on the first");
}

#[test]
fn who_does_something_unknown_leaves_the_connection_to_nobody() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    for (count, words) in [["NONSENSE", "x"], ["CLIENT", "NONSENSE"]].iter().enumerate() {
        client.wait_for(&dedicated(&[words])).unwrap().says(Status::Server, Answered, &[]);
        client.until_dedicated("in_use", 0);
        assert_eq!((client.dedicated("idle"), client.dedicated("connections")), (0, count as i64 + 1));
    }
    client.wait_for(&dedicated(&[&["PING"]])).unwrap();
    client.until_dedicated("idle", 1);
}

/// A deadline ends what does not block at once, and what the server then still says is nobody's.
#[test]
fn a_deadline_ends_the_request_and_its_connection() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "GET" => vec![Step::Silence],
        _ => vec![Step::send("+OK\r\n")],
    });
    let client = Tester::with(server.url(), &[("unblock_grace", "1h")]);
    let late = client.wait_for(&Request { timeout: within(30), ..dedicated(&[&["GET", "k"]]) }).unwrap();
    late.says(Status::Timeout, Unknown, &["no answer within 30 ms"]);
    client.until_dedicated("in_use", 0);
    assert_eq!(client.dedicated("idle"), 0);
    assert!(client.wait_for(&dedicated(&[&["SET", "k", "v"]])).unwrap().is_ok());
}

#[test]
fn wait_counts_the_replicas_that_have_the_writes_before_it() {
    let (server, replica) = (Server::start(), Server::start());
    replica.command(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    wait::until("the replica to be in step", || {
        server.command(&["INFO", "replication"]).text().contains("state=online")
    });
    let client = Tester::connect(server.url());
    for round in 0..20 {
        let value = round.to_string();
        let done = client.wait_for(&request(&[&["SET", "k", &value][..], &["WAIT", "1", "0"]])).unwrap();
        assert_eq!(done.reply.items()[1].to_i64(), Some(1), "{done:?}");
        assert_eq!(replica.command(&["GET", "k"]).text(), value, "it really has it");
    }
    assert_eq!(client.dedicated("connections"), 1);
    // A replica that does not answer is not counted, and the time of WAIT is added to the deadline.
    replica.stop();
    let commands: [&[&str]; 2] = [&["SET", "k", "v"], &["WAIT", "1", "1100"]];
    let done = client.wait_for(&Request { timeout: within(1000), ..request(&commands) }).unwrap();
    assert!(done.is_ok());
    assert_eq!(done.reply.items()[1].to_i64(), Some(0));
    // Unblocked, it says how many there are so far.
    let commands: [&[&str]; 2] = [&["SET", "k", "v"], &["WAIT", "1", "0"]];
    let done = client.wait_for(&Request { timeout: within(100), ..request(&commands) }).unwrap();
    assert!(done.is_ok());
    assert_eq!((done.reply.items()[0].as_bytes(), done.reply.items()[1].to_i64()), (&b"OK"[..], Some(0)));
    replica.cont();
}

/// The writes went over the connection that is lost: another WAIT, on another one, would speak of nothing.
#[test]
fn what_belongs_together_is_never_sent_on_two_connections() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "SET" => vec![Step::send("+OK\r\n"), Step::Close],
        _ => vec![Step::send(":1\r\n")],
    });
    let client = Tester::connect(server.url());
    let commands: [&[&str]; 2] = [&["SET", "k", "v"], &["WAIT", "1", "0"]];
    let done = client.wait_for(&Request { idempotent: true, ..request(&commands) }).unwrap();
    assert_eq!(done.ending(), (Status::Lost, Unknown));
    assert_eq!(done.reply.items()[0].as_bytes(), b"OK");
    assert!(done.reply.items()[1].is_error());
    let sent = server.received().iter().filter(|command| matches!(command.name().as_str(), "SET" | "WAIT")).count();
    assert!(sent <= 2, "nothing was sent again");
}

/// Each command of a pipeline has its own nature, on whatever connection.
#[test]
fn what_only_reads_is_sent_again_on_another_connection() {
    let server = Scripted::after_handshake(|command| match (command.connection, command.name().as_str()) {
        (1, "INCR") => vec![Step::Close],
        _ => vec![Step::send(":7\r\n")],
    });
    let client = Tester::connect(server.url());
    client.until_connected();
    let done = client.wait_for(&dedicated(&[&["GET", "a"], &["INCR", "n"], &["GET", "b"]])).unwrap();
    let items = done.reply.items();
    assert_eq!((items[0].to_i64(), items[2].to_i64()), (Some(7), Some(7)));
    assert_eq!((items[1].is_error(), done.status), (true, Status::Lost));
    assert_eq!(client.dedicated("connections"), 2);
}

#[test]
fn a_line_has_room_for_pipelines_too() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1")]);
    let first = client.submit(&["BLPOP", "k", "0"]);
    let commands: [&[&str]; 3] = [&["SET", "a", "1"], &["GET", "a"], &["RPUSH", "other", "x"]];
    let cancelled = client.send(&dedicated(&commands)).unwrap();
    let second = client.send(&dedicated(&commands)).unwrap();
    assert_eq!((client.dedicated("waiting"), client.dedicated("waiting_requests")), (2, 6));
    assert!(client.client.cancel(cancelled));
    let done = client.inbox.each_once(&[cancelled]);
    assert_eq!(done[&cancelled].ending(), (Status::Canceled, NotRun));
    assert_eq!(done[&cancelled].reply.items().len(), 3);
    client.run(&["RPUSH", "k", "element"]);
    let done = client.inbox.each_once(&[first, second]);
    assert_eq!(done[&second].reply.items()[1].as_bytes(), b"1");
    assert_eq!(client.dedicated("waiting_bytes"), 0);
}

/// A client that closes lets those in line have their turn.
#[test]
fn a_client_that_closes_serves_the_line() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "1")]);
    let first = client.submit(&["BLPOP", "k", "0"]);
    let ids: Vec<u64> = (0..10).map(|_| client.send(&dedicated(&[&["INCR", "n"]])).unwrap()).collect();
    assert!(client.client.close(None));
    let done = client.inbox.each_once(&[&ids[..], &[first]].concat());
    assert!(ids.iter().all(|id| done[id].is_ok()), "{done:?}");
    assert_eq!(server.command(&["GET", "n"]).integer(), 10);
}
