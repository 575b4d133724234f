//! Publish and subscribe as requests with many answers, in both versions of the protocol: what is confirmed, what
//! comes, what changes a subscription, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::{Done, Inbox, Tester, request, within};
use support::messages::{Subscription, show};
use support::proxy::Proxy;
use support::server::Server;
use support::transport;
use support::wait;

/// A server, and a client for each version of the protocol in turn.
fn in_both(test: impl Fn(&Server, &Tester)) {
    let server = Server::start();
    for protocol in ["2", "3"] {
        let options = [("protocol", protocol), ("reconnect_delay_max", "50ms")];
        test(&server, &Tester::with(server.url(), &options));
        server.command(&["FLUSHALL"]);
    }
}

fn publish(server: &Server, channel: &str, text: &str) -> i64 {
    server.command(&["PUBLISH", channel, text]).integer()
}

/// What the server is subscribed to, by any connection.
fn channels(server: &Server) -> usize {
    server.command(&["PUBSUB", "CHANNELS"]).items().len()
}

#[test]
fn messages_come_in_order_and_are_the_same_in_both_protocols() {
    in_both(|server, client| {
        let news = Subscription::to(client, &["SUBSCRIBE", "news", "weather"]);
        assert_eq!(news.take(2), ["subscribe news 1", "subscribe weather 2"]);
        (0..1000).for_each(|number| assert_eq!(publish(server, "news", &number.to_string()), 1));
        let expected: Vec<String> = (0..1000).map(|number| format!("message news {number}")).collect();
        assert_eq!(news.take(1000), expected);
        let patterns = Subscription::to(client, &["psubscribe", "n*"]);
        assert_eq!(patterns.take(1), ["psubscribe n* 1"]);
        publish(server, "news", "both");
        assert_eq!(patterns.take(1), ["pmessage n* news both"]);
        assert_eq!(news.take(1), ["message news both"]);
        let sharded = Subscription::to(client, &["SSUBSCRIBE", "shard"]);
        assert_eq!(sharded.take(1), ["ssubscribe shard 1"]);
        server.command(&["SPUBLISH", "shard", "hi"]);
        assert_eq!(sharded.take(1), ["smessage shard hi"]);
        assert!(client.text(&["ECHO", "beside"]) == "beside", "commands go on as ever");
    });
}

#[test]
fn a_message_is_a_push_that_more_will_follow() {
    in_both(|server, client| {
        let news = Subscription::to(client, &["SUBSCRIBE", "news"]);
        publish_to_one(server, "news", "\r\n\0binary");
        let done = news.inbox.take(3);
        for (done, kind) in done.iter().zip([Kind::Push, Kind::Integer, Kind::Push]) {
            assert_eq!((done.status, done.outcome, done.more, done.gap), (Status::Ok, Answered, true, false));
            assert_eq!((done.request, done.reply.kind()), (news.id, kind));
        }
        assert_eq!(done[2].reply.items()[2].as_bytes(), b"\r\n\0binary");
    });
}

/// Publishes once there is somebody who gets it.
fn publish_to_one(server: &Server, channel: &str, text: &str) {
    wait::until("a subscriber", || publish(server, channel, text) == 1);
}

#[test]
fn several_want_the_same_channel_over_one_connection() {
    in_both(|server, client| {
        let before = server.command(&["CLIENT", "LIST"]).text().lines().count();
        let many: Vec<Subscription> = (0..20).map(|_| Subscription::to(client, &["SUBSCRIBE", "shared"])).collect();
        many.iter().for_each(|one| assert_eq!(one.take(1), ["subscribe shared 1"]));
        let after = server.command(&["CLIENT", "LIST"]).text().lines().count();
        assert!(after <= before + 2, "one for commands, one for all subscriptions");
        assert_eq!(publish(server, "shared", "hello"), 1);
        many.iter().for_each(|one| assert_eq!(one.take(1), ["message shared hello"]));
        many[1..].iter().for_each(Subscription::cancel);
        assert_eq!(publish(server, "shared", "still"), 1);
        assert_eq!(many[0].take(1), ["message shared still"]);
        many[0].cancel();
        wait::until("nobody subscribed", || channels(server) == 0);
    });
}

#[test]
fn a_subscription_changes_and_lives_on_with_nothing() {
    in_both(|server, client| {
        let all = Subscription::to(client, &["SUBSCRIBE", "a"]);
        assert_eq!(all.take(1), ["subscribe a 1"]);
        assert_eq!(all.change(&["SUBSCRIBE", "b", "a", "b"]).integer(), 2);
        assert_eq!(all.take(3), ["subscribe a 1", "subscribe b 2", "subscribe b 2"]);
        assert_eq!(all.change(&["PSUBSCRIBE", "c*"]).integer(), 3);
        assert_eq!(all.change(&["SSUBSCRIBE", "s"]).integer(), 4);
        assert_eq!(all.take(2), ["psubscribe c* 3", "ssubscribe s 1"]);
        assert_eq!(all.change(&["UNSUBSCRIBE", "a", "nothing"]).integer(), 3);
        assert_eq!(all.take(2), ["unsubscribe a 2", "unsubscribe nothing 2"]);
        assert_eq!(all.change(&["unsubscribe"]).integer(), 2);
        assert_eq!(all.change(&["PUNSUBSCRIBE"]).integer(), 1);
        assert_eq!(all.change(&["SUNSUBSCRIBE", "s"]).integer(), 0);
        assert_eq!(all.change(&["SUNSUBSCRIBE"]).integer(), 0);
        let last = ["unsubscribe b 1", "punsubscribe c* 0", "sunsubscribe s 0", "sunsubscribe nil 0"];
        assert_eq!(all.take(4), last);
        wait::until("nobody subscribed", || channels(server) == 0);
        assert_eq!(all.change(&["SUBSCRIBE", "late"]).integer(), 1);
        assert_eq!(publish(server, "late", "yes"), 1);
        assert_eq!(all.take(2), ["subscribe late 1", "message late yes"]);
    });
}

#[test]
fn a_ping_is_answered_among_the_messages() {
    in_both(|server, client| {
        let news = Subscription::to(client, &["SUBSCRIBE", "news"]);
        news.take(1);
        for round in 0..50 {
            assert_eq!(publish(server, "news", &round.to_string()), 1);
            let answer = news.change(&["PING", "there?"]);
            assert_eq!((answer.reply.kind(), answer.text().as_str()), (Kind::String, "there?"));
            assert_eq!(news.take(2), [format!("message news {round}"), "pong there?".to_owned()]);
        }
        for channels in [1, 0] {
            let answer = news.change(&["PING"]);
            assert_eq!((answer.reply.kind(), answer.text().as_str()), (Kind::Status, "PONG"));
            let pong = news.inbox.take_exactly(1).remove(0);
            assert!(pong.is_ok() && pong.more && pong.reply.kind() == Kind::Push, "{pong:?}");
            assert_eq!(show(&pong.reply), "pong ", "{channels} channels");
            assert_eq!(news.change(&["UNSUBSCRIBE"]).integer(), 0);
            news.take(1);
        }
        news.change(&["PING", "one", "two"]).says(Status::Server, Answered, &["wrong number of arguments"]);
        assert_eq!(news.inbox.len(), 0, "an error is for whoever asked");
    });
}

#[test]
fn that_all_is_confirmed_is_told_once_behind_the_confirmations() {
    in_both(|server, client| {
        let news = Subscription::to(client, &["SUBSCRIBE", "a", "b", "a"]);
        let done = news.inbox.take_exactly(4);
        let texts: Vec<String> = done.iter().map(|done| show(&done.reply)).collect();
        assert_eq!(texts, ["subscribe a 1", "subscribe a 1", "subscribe b 2", "2"]);
        assert_eq!((done[3].status, done[3].outcome, done[3].more, done[3].gap), (Status::Ok, Answered, true, false));
        assert_eq!(done[3].reply.kind(), Kind::Integer);
        // Again on a new connection, and what it was made with is no news.
        for _ in 0..2 {
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            let again = news.inbox.take_exactly(2);
            assert!(again.iter().all(|done| done.gap && done.reply.kind() == Kind::Push), "{again:?}");
        }
        // One that finds the connection and the channels there.
        let other = Subscription::to(client, &["SUBSCRIBE", "a"]);
        assert_eq!(
            other.inbox.take_exactly(2).iter().map(|done| show(&done.reply)).collect::<Vec<_>>(),
            ["subscribe a 1", "1"]
        );
        assert_eq!(news.change(&["PING"]).text(), "PONG");
        assert_eq!(news.take(1), ["pong "]);
    });
}

#[test]
fn one_without_channels_is_made_without_a_connection_and_changed_afterwards() {
    in_both(|server, client| {
        let all = Subscription::with(client, &["SUBSCRIBE"], within(100));
        assert_eq!(all.until_made(), 0);
        assert_eq!(client.links(), ["commands"], "nobody needs another one");
        assert_eq!(client.subscription(all.id, "channels"), 0);
        assert_eq!(all.change(&["PSUBSCRIBE", "a*"]).integer(), 1);
        assert_eq!(all.change(&["SUBSCRIBE", "b"]).integer(), 2);
        assert_eq!(all.change(&["SSUBSCRIBE", "c"]).integer(), 3);
        assert_eq!(all.take(3), ["psubscribe a* 1", "subscribe b 2", "ssubscribe c 1"]);
        assert_eq!(publish(server, "ab", "hello"), 1);
        assert_eq!(all.take(1), ["pmessage a* ab hello"]);
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        assert_eq!(all.take_gap(3).len(), 3);
        assert_eq!(all.change(&["PUNSUBSCRIBE"]).integer(), 2);
        all.take(1);
        all.cancel();
        all.end().says(Status::Canceled, Unknown, &["the subscription was cancelled"]);
        // Pinged, or given up, with nothing.
        let empty = Subscription::to(client, &["subscribe"]);
        assert_eq!(empty.change(&["PING", "hi"]).text(), "hi");
        assert_eq!(empty.until_made(), 0);
        assert_eq!(empty.take(1), ["pong hi"]);
        let other = Subscription::to(client, &["subscribe"]);
        other.cancel();
        other.end().says(Status::Canceled, NotRun, &["the subscription was cancelled"]);
        assert_eq!(empty.change(&["SUBSCRIBE", "late"]).integer(), 1);
        empty.cancel();
        wait::until("nobody subscribed", || channels(server) == 0);
    });
}

#[test]
fn a_change_of_an_empty_subscription_fails_without_it() {
    let unreachable = Tester::connect(transport::url("127.0.0.1:1"));
    let all = Subscription::to(&unreachable, &["SUBSCRIBE"]);
    assert_eq!(all.until_made(), 0);
    all.change(&["SUBSCRIBE", "x"]).says(Status::Connect, NotRun, &["127.0.0.1:1", "refused"]);
    all.cancel();
    assert_eq!(all.end().ending(), (Status::Canceled, NotRun));
    // No deadline passes for what is made already.
    let server = Server::start();
    let client = Tester::connect(server.url());
    let all = Subscription::with(&client, &["SUBSCRIBE"], within(1));
    let late = client.submit_within(50, &["BLPOP", "nothing", "0"]);
    assert_eq!(client.inbox.each_once(&[late])[&late].status, Status::Timeout);
    assert_eq!(all.change(&["SUBSCRIBE", "x"]).integer(), 1);
    assert!(client.client.close(None));
    all.end().says(Status::Closed, Unknown, &["closed"]);
}

#[test]
fn what_is_no_subscription_is_refused_with_a_sentence() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let refused = |subscription: u64, words: &[&str], status: Status, says: &str| {
        let error = client.send(&Request { subscription, ..request(&[words]) }).unwrap_err();
        assert_eq!(error.status, status, "{words:?}: {}", error.message);
        assert!(error.message.contains(says), "{words:?}: {}", error.message);
    };
    let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
    refused(0, &["UNSUBSCRIBE", "a"], Status::Argument, "request.subscription");
    refused(0, &["PSUBSCRIBE"], Status::Argument, "names no channel");
    refused(0, &["SSUBSCRIBE"], Status::Argument, "names no channel");
    refused(news.id, &["SUBSCRIBE"], Status::Argument, "names no channel");
    refused(news.id, &["GET", "key"], Status::Argument, "GET does not change a subscription");
    refused(news.id, &["MONITOR"], Status::Argument, "MONITOR does not change a subscription");
    refused(news.id + 1, &["SUBSCRIBE", "a"], Status::NotFound, "no subscription");
    let pair: [&[&str]; 2] = [&["PING"], &["subscribe", "a"]];
    for (atomic, subscription) in [(true, 0), (false, 0), (true, news.id), (false, news.id)] {
        let error = client.send(&Request { atomic, subscription, ..request(&pair) }).unwrap_err();
        assert_eq!(error.status, Status::Argument);
        let says = if subscription == 0 { "command 1: SUBSCRIBE gets many answers" } else { "one command at a time" };
        assert!(error.message.contains(says), "{}", error.message);
    }
    let route = justredis::topology::Route::All;
    let error = client.send(&Request { route, ..request(&[&["SUBSCRIBE", "a"]]) }).unwrap_err();
    assert_eq!(error.status, Status::Argument);
    news.cancel();
    refused(news.id, &["SUBSCRIBE", "a"], Status::NotFound, "no subscription");
}

#[test]
fn a_channel_that_the_server_denies_ends_what_asked_for_it() {
    let server = Server::start();
    server.command(&["ACL", "SETUSER", "bob", "on", ">secret", "+@all", "~*", "resetchannels", "&ok*"]);
    let url = server.url().replace("://", "://bob:secret@");
    for protocol in ["2", "3"] {
        let client = Tester::with(&url, &[("protocol", protocol), ("reconnect_delay_max", "50ms")]);
        let denied = Subscription::to(&client, &["SUBSCRIBE", "no"]);
        let end = &denied.inbox.take(1)[0];
        end.says(Status::Server, Answered, &["NOPERM"]);
        assert!(!end.more);
        let good = Subscription::to(&client, &["SUBSCRIBE", "ok1"]);
        good.change(&["SUBSCRIBE", "ok2", "no"]).says(Status::Server, Answered, &["NOPERM"]);
        assert_eq!(good.take(2), ["subscribe ok1 1", "subscribe ok2 2"]);
        assert_eq!(channels(&server), 2, "the first part of the change");
        assert!(good.change(&["PING"]).is_ok());
        good.take(1);
        // What was allowed and is not any more: the server hangs up, and then says no.
        server.command(&["ACL", "SETUSER", "bob", "resetchannels", "&ok1"]);
        let end = good.end();
        end.says(Status::Server, Answered, &["NOPERM"]);
        server.command(&["ACL", "SETUSER", "bob", "resetchannels", "&ok*"]);
    }
}

#[test]
fn the_deadline_is_for_the_first_confirmation_only() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let news = Subscription::with(&client, &["SUBSCRIBE", "news"], within(300));
    assert_eq!(news.take(1), ["subscribe news 1"]);
    // Another one with a later deadline, which passes.
    server.stop();
    let late = Subscription::with(&client, &["SUBSCRIBE", "late"], within(400));
    let id = news.begin_change(&["SUBSCRIBE", "more"], within(500));
    late.inbox.take(1)[0].says(Status::Timeout, Unknown, &["no answer within 400 ms"]);
    client.inbox.each_once(&[id])[&id].says(Status::Timeout, Unknown, &["no answer within 500 ms"]);
    server.cont();
    assert!(news.change(&["PING"]).is_ok());
    wait::until("what failed to be taken back", || channels(&server) == 1);
    assert_eq!(publish(&server, "news", "still"), 1);
    assert!(news.take(2).contains(&"message news still".to_owned()));
}

#[test]
fn without_a_server_a_subscription_says_so_or_waits() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("reconnect_delay_max", "50ms")]);
    let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
    news.take(1);
    server.kill();
    client.until_disconnected();
    // The connection was there once: whoever comes now waits, as commands do.
    let patient = Subscription::with(&client, &["SUBSCRIBE", "patient"], Timeout::None);
    let impatient = Subscription::with(&client, &["SUBSCRIBE", "impatient"], within(100));
    impatient.inbox.take(1)[0].says(Status::Timeout, NotRun, &["not sent within 100 ms"]);
    let change = news.change_with(&["SUBSCRIBE", "x"], within(100));
    change.says(Status::Timeout, NotRun, &["not sent within 100 ms"]);
    server.restart();
    assert_eq!(patient.take(1), ["subscribe patient 1"]);
    assert_eq!(news.take_gap(1), ["subscribe news 1"]);
    wait::until("only what is wanted", || channels(&server) == 2);
    drop((news, patient));
    // A client that never reached its server.
    let unreachable = Tester::connect(transport::url("127.0.0.1:1"));
    let lost = Subscription::to(&unreachable, &["SUBSCRIBE", "x"]);
    lost.inbox.take(1)[0].says(Status::Connect, NotRun, &["127.0.0.1:1", "refused"]);
}

#[test]
fn close_ends_subscriptions_first() {
    in_both(|server, client| {
        let news = Subscription::to(client, &["SUBSCRIBE", "news"]);
        let other = Subscription::to(client, &["PSUBSCRIBE", "*"]);
        [&news, &other].iter().for_each(|one| assert_eq!(one.take(1).len(), 1));
        publish(server, "news", "last");
        let slow = client.submit(&["ECHO", "slow"]);
        assert!(client.client.close(None));
        for subscription in [&news, &other] {
            subscription.end().says(Status::Closed, Unknown, &["closed"]);
            assert_eq!(subscription.inbox.len(), 0, "nothing follows the end");
        }
        assert!(client.inbox.each_once(&[slow])[&slow].is_ok());
        let error = client.send(&request(&[&["SUBSCRIBE", "late"]])).unwrap_err();
        assert_eq!(error.status, Status::Closed);
    });
}

#[test]
fn the_connection_is_closed_after_the_last_and_opened_again() {
    in_both(|server, client| {
        for _ in 0..10 {
            let news = Subscription::to(client, &["SUBSCRIBE", "news"]);
            assert_eq!(news.take(1), ["subscribe news 1"]);
            assert_eq!(client.links(), ["commands", "subscriptions"]);
            news.cancel();
            assert_eq!(news.end().ending(), (Status::Canceled, Unknown));
            assert!(!client.client.cancel(news.id), "it is over");
            assert_eq!(client.links(), ["commands"]);
        }
        wait::until("the end of the connections", || {
            !server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).text().contains("addr=")
        });
    });
}

#[test]
fn what_was_wanted_on_the_old_connection_is_not_sent_on_the_new_one() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("reconnect_delay_max", "50ms"), ("dead_after", "1h")]);
    let all = Subscription::to(&client, &["SUBSCRIBE", "kept"]);
    assert_eq!(all.take(1), ["subscribe kept 1"]);
    // More than sockets and proxy hold: some of it stays unsent.
    proxy.to_server().stall();
    let long = "x".repeat(100_000);
    let names: Vec<String> = (0..200).map(|number| format!("{number}{long}")).collect();
    let words: Vec<&str> = ["SUBSCRIBE"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let change = all.begin_change(&words, Timeout::None);
    wait::until("unsent bytes", || client.link_of("subscriptions", "waiting_bytes") > 10_000_000);
    assert_eq!(all.change(&["UNSUBSCRIBE"]).integer(), 0);
    assert!(client.inbox.each_once(&[change])[&change].is_ok(), "what was asked for is not wanted any more");
    let late = all.begin_change(&["SUBSCRIBE", "late"], Timeout::None);
    proxy.reset_all();
    proxy.to_server().heal();
    assert!(client.inbox.each_once(&[late])[&late].is_ok());
    wait::until("only what is wanted", || channels(&server) == 1);
    assert!(all.change(&["PING"]).is_ok());
    assert_eq!(channels(&server), 1);
}

#[test]
fn messages_come_whole_out_of_single_bytes() {
    let server = Server::start();
    for protocol in ["2", "3"] {
        let proxy = Proxy::to(server.port());
        proxy.to_client().chunks(1..=1);
        let client = Tester::with(proxy.url(), &[("protocol", protocol)]);
        let news = Subscription::to(&client, &["SUBSCRIBE", "news", "other"]);
        assert_eq!(news.take(2), ["subscribe news 1", "subscribe other 2"]);
        (0..20).for_each(|number| assert_eq!(publish(&server, "news", &number.to_string()), 1));
        let expected: Vec<String> = (0..20).map(|number| format!("message news {number}")).collect();
        assert_eq!(news.take(20), expected);
    }
}

#[test]
fn a_silent_server_is_noticed_though_nothing_is_asked_of_it() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("dead_after", "200ms"), ("reconnect_delay_max", "50ms")]);
    let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
    assert_eq!(news.take(1), ["subscribe news 1"]);
    server.stop();
    wait::until("the loss", || client.link_of("subscriptions", "connected") == 0);
    server.cont();
    assert_eq!(news.take_gap(1), ["subscribe news 1"]);
}

#[test]
fn events_and_statistics_tell_of_it() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("reconnect_delay_max", "50ms")]);
    let events = client.events();
    let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
    news.until_made();
    assert_eq!(client.subscription(news.id, "channels"), 1);
    assert_eq!(client.subscription(news.id, "taken"), 2, "a confirmation, and that it is made");
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(news.take_gap(1), ["subscribe news 1"]);
    assert_eq!(client.subscription(news.id, "gaps"), 1);
    assert_eq!(client.number("requests"), 0, "a subscription is not waiting for an answer");
    let seen: Vec<Done> = events.take(3);
    assert!(seen.iter().any(|event| event.reply.find(b"purpose").unwrap().as_bytes() == b"subscriptions"));
}

/// What has no deadline and is on a connection that goes with its last subscription.
#[test]
fn a_ping_ends_with_its_subscription() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("dead_after", "1h")]);
    let news = Subscription::to(&client, &["SUBSCRIBE", "news"]);
    news.take(1);
    server.stop();
    let ping = news.begin_change(&["PING"], Timeout::None);
    let change = news.begin_change(&["SUBSCRIBE", "more"], Timeout::None);
    news.cancel();
    let done = client.inbox.each_once(&[ping, change]);
    for id in [ping, change] {
        assert_eq!(done[&id].status, Status::Canceled, "{}", done[&id].text());
        assert!(done[&id].text().contains("has ended"));
    }
    server.cont();
    assert!(client.client.close(None));
}

#[test]
fn every_subscription_ends_once_whatever_ends_it() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    let mut inboxes: Vec<Inbox> = Vec::new();
    for round in 0..200 {
        let news = Subscription::to(&client, &["SUBSCRIBE", &format!("c{}", round % 7)]);
        if round % 3 == 0 {
            news.take(1);
        }
        let id = news.begin_change(&["SUBSCRIBE", "x"], Timeout::Default);
        assert!(client.client.cancel(news.id));
        let done = client.inbox.each_once(&[id]);
        assert!(done[&id].is_ok() || done[&id].status == Status::Canceled, "{done:?}");
        inboxes.push(news.inbox.clone());
    }
    assert!(client.client.close(None));
    for inbox in inboxes {
        let done = inbox.take(1);
        assert_eq!(done.iter().filter(|done| !done.more).count(), 1);
        assert!(!done.last().unwrap().more, "nothing follows the end");
    }
}
