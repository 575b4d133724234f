//! User and password that change while a client runs: the program is asked for them or brings them, and every
//! connection follows. What goes wrong is told and tried again; no secret is shown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use justredis::client::Client;
use justredis::connection::background_driver::Hooks;
use justredis::connection::credentials::{Answer, Query, Reason};
use justredis::error::{Error, Outcome, Status};
use support::client::{Inbox, Tester, config, until_event};
use support::messages::Subscription;
use support::rotation::{Asked, Busy, add_user, asking, pair, password_of, users_of};
use support::server::Server;
use support::transport;
use support::wait;

/// A server whose default user needs a password that nobody has, with these users.
fn server_with(users: &[&str]) -> Server {
    let server = Server::builder().password("of nobody").start();
    users.iter().for_each(|user| add_user(&server, user));
    server
}

fn url_of(server: &Server, user: &str) -> String {
    transport::url(format!("{user}:{}@{}", password_of(user), server.address()))
}

fn valid(user: &str, milliseconds: u64) -> Result<Answer, Error> {
    Ok(Answer { credentials: pair(user), valid: Some(Duration::from_millis(milliseconds)) })
}

fn for_good(user: &str) -> Result<Answer, Error> {
    Ok(Answer { credentials: pair(user), valid: None })
}

/// What a program was asked, in order.
#[derive(Clone, Default)]
struct Asks(Arc<Mutex<Vec<Query>>>);

impl Asks {
    /// Notes a question; gives its number, from 1.
    fn note(&self, query: &Query) -> usize {
        let mut asks = self.0.lock().unwrap();
        asks.push(query.clone());
        asks.len()
    }

    fn reasons(&self) -> Vec<Reason> {
        self.0.lock().unwrap().iter().map(|query| query.reason).collect()
    }
}

/// The text of each event so far, and of what it says.
fn events_so_far(events: &Inbox) -> String {
    let text = |node: Option<&justredis::protocol::reply::Node>| {
        node.map(|node| String::from_utf8_lossy(node.as_bytes()).into_owned()).unwrap_or_default()
    };
    let event = |done: &support::client::Done| {
        format!("{} {};", text(done.reply.find(b"event")), text(done.reply.find(b"reason")))
    };
    events.drain().iter().map(event).collect()
}

fn clean(text: &str) {
    assert!(!text.contains("canary"), "a secret is shown: {text}");
}

#[test]
fn one_answer_serves_all_connections() {
    let (server, asks) = (server_with(&["u0"]), Asks::default());
    let noted = asks.clone();
    let client = asking(&server, &[("client_name", "one")], move |query| {
        noted.note(query);
        for_good("u0")
    });
    let view = Tester { client: client.client.database(3).unwrap(), inbox: Inbox::default() };
    let subscription = Subscription::to(&client, &["SUBSCRIBE", "c"]);
    let blocked = client.submit(&["BLPOP", "list", "0"]);
    assert_eq!((client.text(&["SET", "k", "v"]), view.text(&["SET", "k", "v"])), ("OK".into(), "OK".into()));
    assert_eq!(subscription.take(1), ["subscribe c 1"]);
    assert_eq!(client.run(&["RPUSH", "list", "x"]).integer(), 1);
    assert!(client.inbox.each_once(&[blocked])[&blocked].is_ok());
    let asked = asks.0.lock().unwrap().clone();
    assert_eq!(asks.reasons(), [Reason::Connect]);
    assert_eq!(asked[0].address, server.address().to_string());
    assert!(asked[0].budget <= Duration::from_secs(2) && !asked[0].budget.is_zero(), "{:?}", asked[0].budget);
    assert_eq!(users_of(&mut server.connect().unwrap(), "one"), ["u0"; 4]);
}

#[test]
fn credentials_are_renewed_before_they_expire_and_every_connection_follows() {
    for protocol in ["2", "3"] {
        let (server, asks) = (server_with(&["u1"]), Asks::default());
        let mut admin = server.connect().unwrap();
        let noted = asks.clone();
        let client = asking(&server, &[("protocol", protocol), ("client_name", "renewed")], move |query| {
            valid(&format!("u{}", noted.note(query).min(8)), 900)
        });
        (2..=8).for_each(|number| add_user(&server, &format!("u{number}")));
        let mut busy = Busy::start("renewed", client);
        wait::until("six renewals", || {
            busy.push(&mut admin);
            busy.check_messages();
            asks.reasons().len() >= 7
        });
        assert_eq!(asks.reasons()[..7], [&[Reason::Connect][..], &[Reason::Renew; 6]].concat());
        busy.publish_until_one_comes(&mut admin);
        busy.end(&mut admin);
    }
}

#[test]
fn while_a_renewal_fails_what_is_held_stays_in_force() {
    let (server, works) = (server_with(&["u0", "u1"]), Arc::new(AtomicBool::new(false)));
    let (asked, works_now) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&works));
    let count = Arc::clone(&asked);
    let client = asking(&server, &[("reconnect_delay_max", "50"), ("client_name", "stale")], move |_| {
        match (count.fetch_add(1, SeqCst), works_now.load(SeqCst)) {
            (0, _) => valid("u0", 100),
            (_, true) => for_good("u1"),
            (_, false) => Err(Error::new(Status::Connect, "the credentials callback has no token")),
        }
    });
    let events = client.events();
    assert!(client.run(&["PING"]).is_ok());
    wait::until("five renewals in vain", || asked.load(SeqCst) > 5);
    assert!(client.run(&["PING"]).is_ok(), "the connection goes on");
    until_event(&events, "warning");
    works.store(true, SeqCst);
    let mut admin = server.connect().unwrap();
    wait::until("the new user", || users_of(&mut admin, "stale") == ["u1"]);
    let told = events_so_far(&events);
    assert!(told.contains("warning the credentials callback has no token; what is held is valid for "), "{told}");
    clean(&told);
}

#[test]
fn a_callback_that_fails_is_a_connection_that_cannot_be_made() {
    let server = server_with(&["u0"]);
    let failing = |status| move |_: &Query| Err(Error::new(status, "the credentials callback has no token"));
    let client = asking(&server, &[], failing(Status::Connect));
    client.run(&["PING"]).says(
        Status::Connect,
        Outcome::NotRun,
        &["the credentials callback has no token", "127.0.0.1"],
    );
    // Waiting helps: they wait, as for a server that does not answer.
    let asked = Arc::new(AtomicUsize::new(0));
    let options = [("connect_retries", "0"), ("reconnect_delay", "1"), ("reconnect_delay_max", "20")];
    let patient = asking(&server, &options, move |_| match asked.fetch_add(1, SeqCst) {
        0..3 => Err(Error::new(Status::Connect, "not yet")),
        _ => for_good("u0"),
    });
    assert!(patient.run(&["PING"]).is_ok());
    // Waiting does not help.
    let hopeless = asking(&server, &options, failing(Status::Auth));
    hopeless.run(&["PING"]).says(Status::Auth, Outcome::NotRun, &["has no token"]);
    let panicking = asking(&server, &[], |_| panic!("on purpose"));
    panicking.run(&["PING"]).says(Status::Connect, Outcome::NotRun, &["the credentials callback could not be asked"]);
}

#[test]
fn a_callback_that_blocks_for_too_long_holds_nobody_up_and_is_not_asked_a_second_time_meanwhile() {
    let (server, gate) = (server_with(&["u0"]), Arc::new((Mutex::new(false), Condvar::new())));
    let (asked, passes) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&gate));
    let count = Arc::clone(&asked);
    let options = [("connect_timeout", "50"), ("reconnect_delay", "1"), ("reconnect_delay_max", "10")];
    let client = asking(&server, &options, move |_| {
        count.fetch_add(1, SeqCst);
        drop(passes.1.wait_while(passes.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        for_good("u0")
    });
    let sentence = "the credentials callback gave no answer within 50 ms";
    for _ in 0..3 {
        client.run(&["PING"]).says(Status::Connect, Outcome::NotRun, &[sentence]);
    }
    assert_eq!(asked.load(SeqCst), 1);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    wait::until("the answer that came late to be used", || client.run(&["PING"]).is_ok());
    assert_eq!(asked.load(SeqCst), 1);
}

#[test]
fn what_a_server_refuses_is_asked_for_again_once() {
    let (server, asks) = (server_with(&["u0"]), Asks::default());
    let noted = asks.clone();
    let client = asking(&server, &[], move |query| match noted.note(query) {
        1 => for_good("unknown"),
        _ => for_good("u0"),
    });
    assert!(client.run(&["PING"]).is_ok(), "nobody notices");
    assert_eq!(asks.reasons(), [Reason::Connect, Reason::Rejected]);

    for protocol in ["2", "3"] {
        let asks = Asks::default();
        let noted = asks.clone();
        let wrong = asking(&server, &[("protocol", protocol)], move |query| {
            noted.note(query);
            for_good("unknown")
        });
        let events = wrong.events();
        let done = wrong.run(&["PING"]);
        done.says(Status::Auth, Outcome::NotRun, &["WRONGPASS"]);
        assert_eq!(asks.reasons()[..2], [Reason::Connect, Reason::Rejected]);
        until_event(&events, "unreachable");
        let said = [done.text(), events_so_far(&events), format!("{done:?} {:?}", wrong.client.stats())].concat();
        clean(&said);
    }
}

#[test]
fn a_refused_push_leaves_the_old_user_in_force_and_is_tried_again() {
    for protocol in ["2", "3"] {
        let server = server_with(&["u0"]);
        let mut admin = server.connect().unwrap();
        let options = [
            ("protocol", protocol),
            ("client_name", "refused"),
            ("reconnect_delay", "1"),
            ("reconnect_delay_max", "20"),
        ];
        let client = Tester::with(url_of(&server, "u0"), &options);
        let events = client.events();
        let subscription = Subscription::to(&client, &["SUBSCRIBE", "c"]);
        assert_eq!(subscription.take(1), ["subscribe c 1"]);
        assert!(client.run(&["PING"]).is_ok());
        client.client.set_credentials(pair("u1")).unwrap();
        until_event(&events, "authentication_refused");
        assert!(client.run(&["PING"]).is_ok(), "the old user is in force");
        assert!(users_of(&mut admin, "refused").iter().all(|user| user == "u0" || user == "default"));
        assert_eq!(admin.command(&["PUBLISH", "c", "m"]).unwrap().integer(), 1);
        assert_eq!(subscription.take(1), ["message c m"]);
        add_user(&server, "u1");
        wait::until("the new user on all connections", || users_of(&mut admin, "refused") == ["u1", "u1"]);
        until_event(&events, "authenticated");
        let told = events_so_far(&events);
        assert!(told.contains("the credentials were refused: WRONGPASS"), "{told}");
        clean(&told);
        clean(&format!("{:?}", client.client.stats()));
    }
}

#[test]
fn a_connection_that_takes_nothing_new_is_made_anew_when_the_old_credentials_expire() {
    let (server, works, asks) = (server_with(&["u0", "u1"]), Arc::new(AtomicBool::new(false)), Asks::default());
    let (works_now, noted) = (Arc::clone(&works), asks.clone());
    let options = [("reconnect_delay", "1"), ("reconnect_delay_max", "20"), ("client_name", "expired")];
    let client = asking(&server, &options, move |query| match (noted.note(query), works_now.load(SeqCst)) {
        (1, _) => valid("u0", 200),
        (_, true) => for_good("u1"),
        (_, false) => for_good("unknown"),
    });
    assert!(client.run(&["PING"]).is_ok());
    client.until_disconnected();
    works.store(true, SeqCst);
    let mut admin = server.connect().unwrap();
    wait::until("the new user", || users_of(&mut admin, "expired") == ["u1"]);
    assert!(client.run(&["PING"]).is_ok());
    assert_eq!(asks.reasons()[..3], [Reason::Connect, Reason::Renew, Reason::Rejected]);
}

#[test]
fn a_callback_and_a_password_contradict_each_other() {
    let hooks = Hooks { dialer: None, credentials: Some(Arc::new(Asked(|_: &Query| for_good("u0")))) };
    let Err(error) = Client::<Inbox>::with_hooks(config("redis://:canary@127.0.0.1:1", &[]), hooks, None) else {
        panic!("taken")
    };
    assert_eq!(error.status, Status::Config);
    assert!(error.message.contains("\"password\"") && error.message.contains("credentials callback"), "{error:?}");
    clean(&error.message);
}

#[test]
fn a_blocked_lease_stays_and_is_authenticated_when_its_wait_is_over() {
    let server = server_with(&["u0", "u1"]);
    let mut admin = server.connect().unwrap();
    let client = Tester::with(url_of(&server, "u0"), &[("client_name", "leased")]);
    let lease = client.lease();
    assert!(lease.run(&["WATCH", "k"]).is_ok());
    let blocked = lease.submit(&["BLPOP", "list", "0"]);
    wait::until("the wait", || admin.command(&["INFO", "clients"]).unwrap().text().contains("blocked_clients:1"));
    client.client.set_credentials(pair("u1")).unwrap();
    wait::until("the others", || {
        let mut users = users_of(&mut admin, "leased");
        users.sort();
        users == ["u0", "u1"]
    });
    admin.command(&["RPUSH", "list", "x"]).unwrap();
    assert!(lease.inbox.each_once(&[blocked])[&blocked].is_ok());
    wait::until("the lease", || users_of(&mut admin, "leased") == ["u1", "u1"]);
    assert!(lease.atomic(&[&["SET", "k", "v"]]).is_ok(), "it is the same connection, which watches");
    assert_eq!(client.dedicated("connections"), 1);
}

#[test]
fn what_would_miss_something_is_not_called_back() {
    let server = server_with(&["u0", "u1"]);
    let mut admin = server.connect().unwrap();
    let client = Tester::with(url_of(&server, "u0"), &[("client_name", "stream")]);
    let from_now_on = client.submit(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]);
    let from_there = client.submit(&["XREAD", "BLOCK", "0", "STREAMS", "t", "0-1"]);
    wait::until("the wait", || admin.command(&["INFO", "clients"]).unwrap().text().contains("blocked_clients:2"));
    client.client.set_credentials(pair("u1")).unwrap();
    wait::until("the others", || {
        let mut users = users_of(&mut admin, "stream");
        users.sort();
        users == ["u0", "u1", "u1"]
    });
    for stream in ["s", "t"] {
        admin.command(&["XADD", stream, "*", "f", "v"]).unwrap();
    }
    let done = client.inbox.each_once(&[from_now_on, from_there]);
    assert!(done.values().all(|done| done.is_ok()), "{done:?}");
    wait::until("the rest", || users_of(&mut admin, "stream") == ["u1", "u1", "u1"]);
}

#[test]
fn a_wait_that_is_called_back_can_be_cancelled_and_times_out() {
    let server = server_with(&["u0", "u1", "u2"]);
    let client = Tester::with(url_of(&server, "u0"), &[]);
    let push = |number: usize| client.client.set_credentials(pair(&format!("u{}", number % 3))).unwrap();
    for number in 1..100 {
        let ids: Vec<u64> = (0..3).map(|_| client.submit(&["BLPOP", "list", "0"])).collect();
        push(number);
        if number % 2 == 0 {
            assert!(client.run(&["PING"]).is_ok());
        }
        for id in &ids {
            assert!(client.client.cancel(*id));
        }
        for done in client.inbox.each_once(&ids).values() {
            assert_eq!(done.status, Status::Canceled, "{}", done.text());
        }
    }
    for number in 1..20 {
        let id = client.submit_within(1, &["BLPOP", "list", "0"]);
        push(number);
        assert_eq!(client.inbox.each_once(&[id])[&id].status, Status::Timeout);
        let id = client.submit(&["BLPOP", "list", "0.01"]);
        push(number + 1);
        let done = client.inbox.each_once(&[id]).remove(&id).unwrap();
        assert!(done.is_ok(), "the server's own end of the wait: {done:?} {}", done.text());
    }
    assert_eq!(client.number("requests"), 0);
}

/// All that a subscription may be asked while its connection is replaced.
#[test]
fn a_subscription_changes_while_its_connection_is_replaced() {
    let server = server_with(&["u0", "u1", "u2"]);
    let mut admin = server.connect().unwrap();
    let client = Tester::with(url_of(&server, "u0"), &[("protocol", "2"), ("client_name", "changing")]);
    let subscription = Subscription::to(&client, &["SUBSCRIBE", "c"]);
    subscription.inbox.until(1);
    for number in 1..60 {
        client.client.set_credentials(pair(&format!("u{}", number % 3))).unwrap();
        let channel = format!("c{}", number % 2);
        assert!(subscription.change(&["SUBSCRIBE", &channel]).is_ok());
        let pong = subscription.change(&["PING", "there"]);
        assert!(pong.is_ok(), "{pong:?} {}", pong.text());
        assert!(subscription.change(&["PSUBSCRIBE", "p*"]).is_ok());
        assert!(subscription.change(&["UNSUBSCRIBE", &channel]).is_ok());
    }
    // A connection whose place was taken may not be gone yet.
    wait::until("the last user", || users_of(&mut admin, "changing") == ["u2", "u2"]);
    wait::until("the channel that is left", || {
        let channels = admin.command(&["PUBSUB", "CHANNELS"]).unwrap();
        channels.items().iter().map(|name| name.text()).collect::<Vec<_>>() == ["c"]
    });
    assert_eq!(admin.command(&["PUBSUB", "NUMPAT"]).unwrap().integer(), 1);
    subscription.drain();
    // (The last of them may have its place only now.)
    wait::until("one connection to be left", || admin.command(&["PUBLISH", "c", "m"]).unwrap().integer() == 1);
    wait::until("the message", || {
        subscription.drain().iter().any(|done| !done.gap && done.reply.items()[0].as_bytes() == b"message")
    });
    subscription.cancel();
    wait::until("its connection to go", || users_of(&mut admin, "changing").len() == 1);
}

#[test]
fn a_subscription_that_the_new_user_may_not_have_stays_with_the_old_one() {
    let server = server_with(&["u0"]);
    let mut admin = server.connect().unwrap();
    let less = format!(">{}", password_of("u1"));
    admin.command(&["ACL", "SETUSER", "u1", "on", &less, "~*", "resetchannels", "+@all"]).unwrap();
    let options = [("protocol", "2"), ("client_name", "less"), ("reconnect_delay", "1"), ("reconnect_delay_max", "20")];
    let client = Tester::with(url_of(&server, "u0"), &options);
    let events = client.events();
    let subscription = Subscription::to(&client, &["SUBSCRIBE", "c"]);
    assert_eq!(subscription.take(1), ["subscribe c 1"]);
    client.client.set_credentials(pair("u1")).unwrap();
    until_event(&events, "authentication_refused");
    admin.command(&["PUBLISH", "c", "m"]).unwrap();
    assert_eq!(subscription.take(1), ["message c m"]);
    admin.command(&["ACL", "SETUSER", "u1", "allchannels"]).unwrap();
    assert_eq!(subscription.take_gap(1), ["subscribe c 1"]);
    wait::until("the new user", || users_of(&mut admin, "less") == ["u1", "u1"]);
}

#[test]
fn feeds_are_authenticated_in_place() {
    for protocol in ["2", "3"] {
        let server = server_with(&["u0", "u1"]);
        let mut admin = server.connect().unwrap();
        let client = Tester::with(url_of(&server, "u0"), &[("protocol", protocol), ("client_name", "feeds")]);
        let monitor = Subscription::to(&client, &["MONITOR"]);
        monitor.inbox.take(1);
        client.client.set_credentials(pair("u1")).unwrap();
        wait::until("the new user", || users_of(&mut admin, "feeds") == ["u1", "u1"]);
        assert!(client.run(&["SET", "feeds", "v"]).is_ok());
        let mut lines = String::new();
        wait::until("the line", || {
            lines += &monitor.inbox.drain().iter().map(|done| done.text()).collect::<String>();
            lines.contains("\"feeds\" \"v\"")
        });
        clean(&lines);
    }
}

#[test]
fn a_closed_client_takes_no_credentials() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    assert!(client.run(&["PING"]).is_ok());
    client.client.close(None);
    assert_eq!(client.client.set_credentials(pair("u1")).unwrap_err().status, Status::Closed);
}
