//! Which answers are kept: what can be cached, what is tracked, within which bounds.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use justredis::client::Client;
use justredis::client::request::Request;
use justredis::error::Status;
use justredis::topology::Route;

use crate::support::client::{Inbox, Tester, config, request};
use crate::support::proxy::Proxy;
use crate::support::scripted::{Scripted, Step};
use crate::support::server::Server;
use crate::{CACHE, caching, calls, read};

#[test]
fn a_hit_does_not_reach_the_server() {
    let server = Server::start();
    let client = caching(&server);
    assert_eq!(client.stat("tracking"), 1);
    client.text(&["SET", "key", "value"]);
    (0..100).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    let inbox = Inbox::default();
    let ids: Vec<u64> = (0..100)
        .map(|_| client.send_to(&inbox, &Request { cached: true, ..request(&[&["GET", "key"]]) }).unwrap())
        .collect();
    assert!(inbox.each_once(&ids).values().all(|done| done.is_ok() && done.text() == "value"));
    assert_eq!(calls(&server, "get"), 1);
    assert_eq!((client.number("cache_hits"), client.number("cache_misses")), (199, 1));
    assert_eq!(client.number("cache_entries"), 1);
    assert_eq!(client.text(&["GET", "key"]), "value");
    assert_eq!(calls(&server, "get"), 2, "without the flag every read goes to the server");
}

#[test]
fn answers_of_every_shape_are_kept() {
    let server = Server::start();
    let client = caching(&server);
    client.text(&["HSET", "hash", "f", "1", "g", "2"]);
    client.text(&["ZADD", "sorted", "1.5", "a", "2", "b"]);
    let commands: [&[&str]; 5] = [
        &["HGETALL", "hash"],
        &["ZRANGE", "sorted", "0", "-1", "WITHSCORES"],
        &["GET", "nothing"],
        &["EXISTS", "hash"],
        &["HMGET", "hash", "f", "missing"],
    ];
    for words in commands {
        let replies: Vec<String> = (0..3).map(|_| format!("{:?}", client.cached(words).reply)).collect();
        assert_eq!(replies[0], format!("{:?}", client.run(words).reply), "{words:?}");
        assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    }
    assert_eq!((client.number("cache_hits"), client.number("cache_entries")), (10, 5));
    // Errors are not.
    (0..2).for_each(|_| assert_eq!(client.cached(&["GET", "hash"]).status, Status::Server));
    assert_eq!((client.number("cache_hits"), client.number("cache_entries")), (10, 5));
}

/// A cached read that is refused at first is sent again with what makes the server track it.
#[test]
fn a_read_that_is_sent_again_is_tracked() {
    let refusals = AtomicI64::new(2);
    let server = Scripted::after_handshake(move |_| match refusals.fetch_sub(1, SeqCst) {
        1.. => vec![Step::send("-LOADING soon\r\n")],
        _ => vec![Step::send("$5\r\nvalue\r\n")],
    });
    let client = Tester::with(server.url(), &CACHE);
    (0..3).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    assert_eq!(client.number("cache_hits"), 2);
    let words: Vec<String> = server.received().iter().map(|received| received.args().join(" ")).collect();
    let behind: Vec<&str> = words.windows(2).filter(|pair| pair[1] == "GET key").map(|pair| pair[0].as_str()).collect();
    assert_eq!(behind, ["CLIENT CACHING YES"; 3]);
}

/// Nobody would tell when it is wrong.
#[test]
fn an_answer_that_is_not_tracked_is_not_kept() {
    let server = Scripted::answering(|command| match (command.name().as_str(), command.args().get(1)) {
        ("HELLO", _) => vec![Step::send("%1\r\n+proto\r\n:3\r\n")],
        ("CLIENT", Some(word)) if word == "CACHING" => vec![Step::send("-ERR not now\r\n")],
        ("CLIENT", _) => vec![Step::send("+OK\r\n")],
        ("PING", _) => vec![Step::send("+PONG\r\n")],
        _ => vec![Step::send("$5\r\nvalue\r\n")],
    });
    let client = Tester::with(server.url(), &CACHE);
    (0..3).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    assert_eq!((client.number("cache_hits"), client.number("cache_entries")), (0, 0));
}

#[test]
fn the_cache_is_bounded() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("cache_bytes", "64KiB")]);
    for number in 0..2000 {
        let key = format!("key:{number}");
        client.submit(&["SET", &key, &"x".repeat(number % 300)]);
        assert_eq!(read(&client, &["GET", &key]).len(), number % 300);
        let bytes = client.number("cache_bytes");
        assert!(bytes <= 64 << 10, "{bytes}");
    }
    assert!(client.number("cache_evictions") > 1000 && client.number("cache_entries") > 20);
    client.text(&["SET", "large", &"x".repeat(20_000)]);
    (0..2).for_each(|_| assert_eq!(read(&client, &["GET", "large"]).len(), 20_000));
    assert_eq!(client.number("cache_hits"), 0);
}

#[test]
fn without_a_cache_the_flag_changes_nothing() {
    let server = Server::start();
    let old = Server::builder().arguments(&["--rename-command", "HELLO", "NOHELLO"]).start();
    let denied = Server::start();
    denied.command(&["ACL", "SETUSER", "default", "-client|tracking"]);
    for (url, options) in [(server.url(), &[][..]), (old.url(), &CACHE), (denied.url(), &CACHE)] {
        let client = Tester::with(url, options);
        client.text(&["SET", "key", "value"]);
        (0..3).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
        assert_eq!((client.stat("tracking"), client.number("cache_entries")), (0, 0));
        assert_eq!(client.number("cache_hits"), 0);
    }
    assert_eq!(calls(&server, "get"), 3);
    let error = Client::<Inbox>::new(config(server.url(), &[("protocol", "2"), ("cache_bytes", "1MiB")]), None);
    let error = error.err().unwrap();
    assert_eq!(error.status, Status::Config);
    assert!(error.message.contains("cache_bytes") && error.message.contains("protocol"), "{}", error.message);
}

#[test]
fn what_cannot_be_cached_is_refused() {
    let server = Server::start();
    for client in [caching(&server), Tester::connect(server.url())] {
        let refused = |request: Request<'_, &str>, status: Status, word: &str| {
            let error = client.send(&Request { cached: true, ..request }).unwrap_err();
            assert_eq!(error.status, status, "{}", error.message);
            assert!(error.message.contains(word), "{}", error.message);
        };
        for line in ["TTL a", "SET a 1", "ttl a", "SRANDMEMBER a", "PING", "NOSUCH a", "SORT_RO a", "EVAL_RO x 0"] {
            let words: Vec<&str> = line.split(' ').collect();
            refused(request(&[&words]), Status::Argument, &words[0].to_ascii_uppercase());
        }
        refused(request(&[&["GET", "a"], &["GET", "b"]]), Status::Argument, "one command");
        refused(request(&[]), Status::Argument, "no command");
        refused(Request { atomic: true, ..request(&[&["GET", "a"]]) }, Status::Argument, "transaction");
        refused(Request { subscription: 1, ..request(&[&["GET", "a"]]) }, Status::Argument, "subscription");
        refused(Request { route: Route::Primaries, ..request(&[&["GET", "a"]]) }, Status::Argument, "route");
        refused(request(&[&["SELECT", "1"]]), Status::Refused, "jr_client_database");
        refused(request(&[&[]]), Status::Argument, "no name");
        refused(request(&[&["", "a"]]), Status::Argument, "no name");
        assert_eq!(client.cached(&["GET"]).status, Status::Server, "the server says what is wrong with it");
    }
}

/// A place that waits for an answer must not outlive the request, or the answer would never be kept.
#[test]
fn a_request_that_ends_early_leaves_its_place() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &CACHE);
    client.text(&["SET", "key", "value"]);
    proxy.refuse();
    proxy.reset_all();
    client.until_disconnected();
    let id = client.send(&Request { cached: true, ..request(&[&["GET", "key"]]) }).unwrap();
    assert!(client.number("cache_bytes") > 0);
    assert!(client.client.cancel(id));
    assert_eq!(client.inbox.take(1)[0].status, Status::Canceled);
    assert_eq!(client.number("cache_bytes"), 0);
    proxy.admit();
    (0..2).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    assert_eq!(client.number("cache_hits"), 1);
}
