//! The main things on the newest Valkey, whatever server the rest of the tests runs on (`JR_TEST_SERVER`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::{Tester, request};
use support::server::{Builder, Server};

/// A builder of a Valkey server; `None` where it cannot be had, which is said aloud, and is a failure on CI.
fn valkey() -> Option<Builder> {
    Server::version("valkey-9.1")
}

#[test]
fn the_handshake_says_who_is_who() {
    let Some(builder) = valkey() else { return };
    let server = builder.password("secret").start();
    let name = [("client_name", "me"), ("database", "2")];
    let client = Tester::with(server.url(), &name);
    let info = client.text(&["CLIENT", "INFO"]);
    for part in [" name=me ", " db=2 ", "lib-name=justredis", "lib-ver="] {
        assert!(info.contains(part), "{part}: {info}");
    }
    assert_eq!(client.stat("protocol"), 3);
    let client = Tester::connect(format!("redis://:wrong@{}", server.address()));
    client.run(&["PING"]).says(Status::Auth, NotRun, &["WRONGPASS"]);
    let client = Tester::connect(format!("redis://{}?protocol=2", server.address()));
    client.run(&["PING"]).says(Status::Auth, NotRun, &["password"]);
}

#[test]
fn commands_pipelines_transactions_and_scripts() {
    let Some(builder) = valkey() else { return };
    let server = builder.start();
    assert!(server.command(&["INFO", "server"]).text().contains("server_name:valkey"), "it is no Valkey");
    for protocol in ["2", "3"] {
        let client = Tester::with(server.url(), &[("protocol", protocol)]);
        client.run(&["FLUSHALL"]);
        assert_eq!(client.text(&["SET", "key", "value"]), "OK");
        assert_eq!(client.text(&["GET", "key"]), "value");
        client.run(&["HSET", "hash", "field", "value"]);
        let kind = if protocol == "2" { Kind::Array } else { Kind::Map };
        assert_eq!(client.run(&["HGETALL", "hash"]).reply.kind(), kind);
        let done = client.wait_for(&request(&[&["INCR", "n"][..], &["INCR", "key"], &["INCR", "n"]])).unwrap();
        assert_eq!(done.reply.items()[2].to_i64(), Some(2));
        assert_eq!(done.reply.items()[1].outcome(), Some(Answered));
        let done = client.atomic(&[&["INCR", "n"], &["INCR", "n"]]);
        assert_eq!(done.reply.items()[1].to_i64(), Some(4));
        for _ in 0..3 {
            assert_eq!(client.run(&["EVAL", "return 7", "0"]).integer(), 7);
        }
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(client.run(&["EVAL", "return 7", "0"]).integer(), 7);
    }
}

#[test]
fn killed_and_restarted() {
    let Some(builder) = valkey() else { return };
    let server = builder.start();
    let client = Tester::with(server.url(), &[("reconnect_delay_max", "50")]);
    client.until_connected();
    let first: Vec<u64> = (0..1000).map(|_| client.submit_within(100_000, &["INCR", "n"])).collect();
    server.kill();
    let second: Vec<u64> = (0..1000).map(|_| client.submit_within(100_000, &["GET", "n"])).collect();
    server.restart();
    let done = client.inbox.each_once(&[&first[..], &second].concat());
    assert!(second.iter().all(|id| done[id].is_ok()), "what only reads is answered in the end");
    assert_eq!(client.text(&["PING"]), "PONG");
}
