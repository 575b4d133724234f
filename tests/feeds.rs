//! MONITOR and the invalidations of CLIENT TRACKING: requests with many answers, each on a connection of its own that
//! ends with it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::client::request::Request;
use justredis::error::Outcome::{Answered, Unknown};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::{Tester, request};
use support::messages::Subscription;
use support::server::Server;
use support::wait;

const SOON: (&str, &str) = ("reconnect_delay_max", "50ms");

/// The next line of MONITOR that shows one of these commands.
fn line_with(monitor: &Subscription, command: &str) -> String {
    loop {
        let line = monitor.take(1).remove(0);
        if line.contains(command) {
            return line;
        }
    }
}

#[test]
fn monitor_shows_what_others_do_until_it_is_cancelled() {
    let server = Server::start();
    for protocol in ["2", "3"] {
        let client = Tester::with(server.url(), &[("protocol", protocol), SOON]);
        let monitor = Subscription::to(&client, &["monitor"]);
        assert_eq!(monitor.take(1), ["OK"]);
        for number in 0..100 {
            assert!(client.run(&["SET", "key", &number.to_string()]).is_ok());
            let line = line_with(&monitor, "\"SET\"");
            assert!(line.ends_with(&format!("\"SET\" \"key\" \"{number}\"")), "{line}");
        }
        assert_eq!(client.links(), ["commands", "monitor"]);
        monitor.cancel();
        assert_eq!(monitor.end().ending(), (Status::Canceled, Unknown));
        assert_eq!(client.links(), ["commands"]);
        let monitors = || server.command(&["CLIENT", "LIST"]).text().matches("flags=O").count();
        wait::until("the end of its connection", || monitors() == 0);
    }
}

#[test]
fn a_monitor_that_was_cut_off_says_so_and_goes_on() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[SOON]);
    let monitor = Subscription::to(&client, &["MONITOR"]);
    assert_eq!(monitor.take(1), ["OK"]);
    for number in 0..5 {
        let list = server.command(&["CLIENT", "LIST"]).text();
        let line = list.lines().find(|line| line.contains("flags=O")).unwrap();
        let id = line.split(' ').next().unwrap().strip_prefix("id=").unwrap();
        server.command(&["CLIENT", "KILL", "ID", id]);
        wait::until("the gap", || client.subscription(monitor.id, "gaps") == number + 1);
        server.command(&["SET", "key", &number.to_string()]);
        loop {
            let done = monitor.inbox.take_exactly(1).remove(0);
            assert!(done.is_ok() && done.more);
            assert_eq!(done.gap, done.text() == "OK", "{done:?}");
            if done.text().ends_with(&format!("\"SET\" \"key\" \"{number}\"")) {
                break;
            }
        }
    }
}

#[test]
fn two_monitors_have_two_connections() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let both = [Subscription::to(&client, &["MONITOR"]), Subscription::to(&client, &["MONITOR"])];
    both.iter().for_each(|one| assert_eq!(one.take(1), ["OK"]));
    both[0].cancel();
    server.command(&["SET", "a", "b"]);
    line_with(&both[1], "\"SET\" \"a\"");
    assert!(client.client.close(None));
    both[1].end().says(Status::Closed, Unknown, &["closed"]);
}

#[test]
fn invalidations_come_for_all_keys_with_a_prefix() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[SOON]);
    let words = ["CLIENT", "TRACKING", "on", "PREFIX", "user:", "prefix", "BCAST:", "bcast", "NOLOOP"];
    let cache = Subscription::to(&client, &words);
    assert_eq!(cache.take(1), ["OK"]);
    assert_eq!(client.links(), ["commands", "invalidations"]);
    client.text(&["SET", "user:1", "a"]);
    assert_eq!(cache.take(1), ["invalidate user:1"]);
    client.text(&["SET", "other", "a"]);
    client.text(&["SET", "BCAST:2", "a"]);
    let done = cache.inbox.take(1);
    assert_eq!((done[0].reply.kind(), done[0].reply.items()[1].items()[0].as_bytes()), (Kind::Push, &b"BCAST:2"[..]));
    client.text(&["FLUSHALL"]);
    assert_eq!(cache.take(1), ["invalidate nil"]);
    // What was invalidated in between nobody can know: the gap means that everything may be stale.
    server.command(&["CLIENT", "KILL", "ID", &client.link_of("invalidations", "connection_id").to_string()]);
    assert_eq!(cache.take_gap(1), ["OK"]);
    client.text(&["SET", "user:2", "a"]);
    assert_eq!(cache.take(1), ["invalidate user:2"]);
    cache.cancel();
    assert_eq!(cache.end().ending(), (Status::Canceled, Unknown));
}

#[test]
fn what_a_server_does_not_grant_ends_the_request() {
    let server = Server::start();
    server.command(&["ACL", "SETUSER", "bob", "on", ">secret", "+@all", "-monitor", "~*", "&*"]);
    let client = Tester::connect(server.url().replace("://", "://bob:secret@"));
    for words in [&["MONITOR"][..], &["CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"]] {
        let refused = Subscription::to(&client, words);
        let end = &refused.inbox.take(1)[0];
        end.says(Status::Server, Answered, &[]);
        assert!(!end.more);
        assert_eq!(client.links(), ["commands"]);
    }
}

#[test]
fn what_cannot_be_had_is_refused_with_a_sentence() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let error = |client: &Tester, subscription: u64, words: &[&str]| {
        client.send(&Request { subscription, ..request(&[words]) }).unwrap_err()
    };
    for words in [
        &["CLIENT", "TRACKING", "ON"][..],
        &["CLIENT", "TRACKING", "OFF"],
        &["CLIENT", "TRACKING", "ON", "PREFIX", "BCAST"],
        &["CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", "7"],
        &["CLIENT", "CACHING", "YES"],
    ] {
        let error = error(&client, 0, words);
        assert_eq!(error.status, Status::Refused);
        assert!(error.message.contains("CLIENT TRACKING ON BCAST"), "{}", error.message);
    }
    let monitor = Subscription::to(&client, &["MONITOR"]);
    let refused = error(&client, monitor.id, &["SUBSCRIBE", "a"]);
    assert_eq!(refused.status, Status::Argument);
    assert!(refused.message.contains("no subscription to channels"), "{}", refused.message);
    let old = Tester::with(server.url(), &[("protocol", "2")]);
    let refused = error(&old, 0, &["CLIENT", "TRACKING", "ON", "BCAST"]);
    assert_eq!(refused.status, Status::Argument);
    assert!(refused.message.contains("RESP3"), "{}", refused.message);
}
