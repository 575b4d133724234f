//! What a server does to subscriptions unasked: channels that it takes away, and words that look like answers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use support::client::Tester;
use support::messages::{Subscription, show};
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

/// The server says that a slot has moved: not asked for, and yet not an answer to anything (valkey #1066, rueidis
/// #690).
#[test]
fn a_sharded_channel_survives_that_its_slot_goes_and_comes_back() {
    let server = Server::builder().arguments(&["--cluster-enabled", "yes"]).start();
    server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    wait::until("the cluster", || server.command(&["CLUSTER", "INFO"]).text().contains("cluster_state:ok"));
    let slot = server.command(&["CLUSTER", "KEYSLOT", "shard"]).integer().to_string();
    for protocol in ["2", "3"] {
        // (It is the only node, and tells the port at which it speaks no TLS.)
        let client = Tester::with(server.url(), &[("protocol", protocol), ("topology", "standalone")]);
        let shard = Subscription::to(&client, &["SSUBSCRIBE", "shard"]);
        let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
        assert_eq!(shard.take(1), ["ssubscribe shard 1"]);
        assert_eq!(news.take(1), ["subscribe news 1"]);
        server.command(&["CLUSTER", "DELSLOTS", &slot]);
        // Everything else stays in step.
        for _ in 0..10 {
            assert!(news.change(&["PING", "x"]).is_ok());
            news.take(1);
        }
        server.command(&["CLUSTER", "ADDSLOTS", &slot]);
        assert_eq!(shard.take_gap(1), ["ssubscribe shard 1"]);
        wait::until("the sharded channel", || server.command(&["SPUBLISH", "shard", "back"]).integer() == 1);
        assert_eq!(shard.take(1), ["smessage shard back"]);
        assert_eq!(server.command(&["PUBLISH", "news", "too"]).integer(), 1);
        assert_eq!(news.take(1), ["message news too"]);
    }
}

/// A server that takes a channel away as often as it gives it is asked again after pauses, and has lost nobody in the
/// end.
#[test]
fn a_channel_that_the_server_takes_away_again_and_again_is_asked_for_after_pauses() {
    const TAKEN_AWAY: usize = 6;
    for (protocol, mark) in [("2", '*'), ("3", '>')] {
        let asked = AtomicUsize::new(0);
        let server = Scripted::after_handshake(move |command| {
            let say = |kind: &str, last: &str| format!("{mark}3\r\n${}\r\n{kind}\r\n$1\r\na\r\n{last}\r\n", kind.len());
            let number = match command.name().as_str() {
                "SSUBSCRIBE" => asked.fetch_add(1, SeqCst),
                _ => return vec![Step::send("+OK\r\n")],
            };
            let then = match number < TAKEN_AWAY {
                true => say("sunsubscribe", ":0"),
                false => say("smessage", "$2\r\nhi"),
            };
            vec![Step::send(say("ssubscribe", ":1") + &then)]
        });
        // (It is the only node, and tells the port at which it speaks no TLS.)
        let client = Tester::with(server.url(), &[("protocol", protocol), ("topology", "standalone")]);
        let shard = Subscription::to(&client, &["SSUBSCRIBE", "a"]);
        let (mut commands, mut messages) = (0, Vec::new());
        while messages.len() < 1 + TAKEN_AWAY + 1 {
            assert_eq!(client.text(&["SET", "k", "v"]), "OK");
            commands += 1;
            messages.extend(shard.drain());
        }
        let asked = server.received().iter().filter(|command| command.name() == "SSUBSCRIBE").count();
        assert_eq!(asked, TAKEN_AWAY + 1);
        assert!(commands > 20 * asked, "only {commands} commands went by meanwhile");
        assert!(messages[1..=TAKEN_AWAY].iter().all(|done| done.gap), "each tells of the gap");
        assert_eq!(show(&messages[TAKEN_AWAY + 1].reply), "smessage a hi");
    }
}

/// Words that look like an answer, while another one is awaited.
#[test]
fn what_nobody_asked_for_never_answers_for_something_else() {
    for (protocol, mark) in [("2", '*'), ("3", '>')] {
        let server = Scripted::after_handshake(move |command| {
            let words = command.args();
            let say = |kind: &str, count: usize| {
                let name = &words[1];
                format!("{mark}3\r\n${}\r\n{kind}\r\n${}\r\n{name}\r\n:{count}\r\n", kind.len(), name.len())
            };
            match command.name().as_str() {
                // The slot had moved away and come back when the command was on its way.
                "SSUBSCRIBE" => vec![Step::send(say("sunsubscribe", 0)), Step::send(say("ssubscribe", 1))],
                "SUNSUBSCRIBE" => vec![Step::send(say("sunsubscribe", 0).repeat(2))],
                _ => vec![Step::send("-ERR what?\r\n")],
            }
        });
        let client = Tester::with(server.url(), &[("protocol", protocol)]);
        let shards = Subscription::to(&client, &["SSUBSCRIBE", "a", "b"]);
        assert_eq!(shards.take(2), ["ssubscribe a 1", "ssubscribe b 2"]);
        for _ in 0..20 {
            assert!(shards.change(&["SUNSUBSCRIBE", "a"]).is_ok());
            assert!(shards.change(&["SSUBSCRIBE", "a"]).is_ok());
            assert_eq!(shards.take(2), ["sunsubscribe a 1", "ssubscribe a 2"]);
        }
        assert_eq!(shards.change(&["PING"]).text(), "PONG");
        assert_eq!(server.accepted(), 2, "no connection was given up");
    }
}
