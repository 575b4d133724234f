//! Behind sentinels: the primary is found, and found again when it is another one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use justredis::client::request::{Request, Timeout};
use justredis::config::Secret;
use justredis::connection::credentials::{Answer, Credentials, Purpose};
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use support::client::{Done, Tester, request, until_event};
use support::resp::encode;
use support::rotation::{add_user, asking_at, pair};
use support::scripted::{HELLO_3, Scripted, Step};
use support::sentinel::{NAME, Watched, url_of};
use support::server::Server;
use support::transport::Tls;
use support::{certificates, wait};

const PATIENT: [(&str, &str); 3] = [("command_timeout", "60s"), ("dead_after", "500ms"), ("refresh_interval", "1s")];

fn events_of(done: &[Done], name: &str) -> Vec<(String, String)> {
    let text = |done: &Done, key: &str| {
        done.reply.find(key.as_bytes()).map_or_else(String::new, |text| String::from_utf8_lossy(text.as_bytes()).into())
    };
    let these = done.iter().filter(|done| text(done, "event") == name);
    these.map(|done| (text(done, "address"), text(done, "previous"))).collect()
}

#[test]
fn the_primary_is_found_over_any_of_the_sentinels() {
    let watched = Watched::start();
    for protocol in ["2", "3"] {
        for ports in [&[0, 1, 2][..], &[1]] {
            let ports: Vec<u16> = ports.iter().map(|number| watched.sentinels[*number].port()).collect();
            let client = Tester::with(url_of(&ports), &[("protocol", protocol)]);
            assert_eq!(client.text(&["SET", "key", protocol]), "OK");
            assert_eq!(watched.primary().command(&["GET", "key"]).text(), protocol);
            let view = client.client.database(3).unwrap();
            assert_eq!(view.stats().unwrap().find(b"requests").unwrap().to_i64(), Some(0));
            assert!(client.client.close(None));
        }
    }
    // A sentinel that is dead, and one that is none of this name.
    watched.sentinels[0].kill();
    watched.sentinels[1].command(&["SENTINEL", "REMOVE", NAME]);
    let client = Tester::connect(watched.url());
    assert_eq!(client.run(&["INCR", "counter"]).integer(), 1);
}

/// What a thread that counts has seen: how often it was told that it has counted, and that nobody knows.
#[derive(Default)]
struct Counted {
    stop: AtomicBool,
    answered: AtomicUsize,
    unknown: AtomicUsize,
}

impl Counted {
    fn count(&self, client: &Tester) {
        while !self.stop.load(SeqCst) {
            let done = client.run(&["INCR", "counter"]);
            match done.outcome {
                Answered if done.is_ok() => self.answered.fetch_add(1, SeqCst),
                Unknown => self.unknown.fetch_add(1, SeqCst),
                _ => panic!("{:?}: {}", done.ending(), done.text()),
            };
        }
    }

    /// Waits until so many more were counted.
    fn until_more(&self, more: usize) {
        let before = self.answered.load(SeqCst);
        wait::until("more to be counted", || self.answered.load(SeqCst) >= before + more);
    }
}

#[test]
fn nothing_is_lost_or_told_in_a_failover_that_is_asked_for() {
    let watched = Watched::start();
    let client = Tester::with(watched.url(), &PATIENT);
    let (counted, events) = (Counted::default(), client.events());
    let mut moves = vec![watched.primary_address()];
    thread::scope(|scope| {
        let counting = scope.spawn(|| counted.count(&client));
        for _ in 0..2 {
            counted.until_more(100);
            let before = watched.primary().port();
            watched.fail_over();
            watched.until_primary_is_not(before);
            moves.push(watched.primary_address());
            let now = moves.last().unwrap();
            wait::until("the client to follow", || client.address() == *now || counting.is_finished());
            counted.until_more(100);
        }
        counted.stop.store(true, SeqCst);
        counting.join().unwrap();
    });
    let (answered, unknown) = (counted.answered.load(SeqCst), counted.unknown.load(SeqCst));
    let held = client.run(&["GET", "counter"]).integer() as usize;
    assert!((answered..=answered + unknown).contains(&held), "{held} of {answered} and perhaps {unknown}");
    assert_eq!(unknown, 0, "a primary that lives answers what it was sent");
    let wanted: Vec<(String, String)> = moves.windows(2).map(|two| (two[1].clone(), two[0].clone())).collect();
    assert_eq!(events_of(&events.drain(), "failover"), wanted);
}

#[test]
fn a_primary_that_dies_is_replaced() {
    let watched = Watched::start();
    let client = Tester::with(watched.url(), &PATIENT);
    let counted = Counted::default();
    thread::scope(|scope| {
        let counting = scope.spawn(|| counted.count(&client));
        counted.until_more(100);
        let before = watched.primary();
        // What was acknowledged and no replica has nobody can keep.
        before.kill();
        watched.until_primary_is_not(before.port());
        wait::until("the client to follow", || client.address() == watched.primary_address() || counting.is_finished());
        counted.until_more(100);
        counted.stop.store(true, SeqCst);
        counting.join().unwrap();
    });
    assert!(counted.unknown.load(SeqCst) <= 1, "one was under way");
    assert!(client.run(&["GET", "counter"]).integer() >= 100);
}

#[test]
fn a_primary_that_freezes_is_left() {
    let watched = Watched::start();
    // The client would wait for it.
    let client = Tester::with(watched.url(), &[("command_timeout", "60s"), ("dead_after", "60s")]);
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
    let before = watched.primary();
    let port = before.port();
    before.stop();
    let write = client.submit(&["INCR", "key"]);
    watched.until_primary_is_not(port);
    let done = client.inbox.each_once(&[write]).remove(&write).unwrap();
    assert_eq!(done.ending(), (Status::Lost, Unknown), "{}", done.text());
    assert_eq!(client.text(&["SET", "key", "2"]), "OK");
    assert_eq!(client.address(), watched.primary_address());
    watched.servers.iter().find(|server| server.port() == port).unwrap().cont();
}

#[test]
fn messages_blocking_commands_and_leases_follow() {
    let watched = Watched::start();
    let client = Tester::with(watched.url(), &PATIENT);
    let subscription = client.submit(&["SUBSCRIBE", "news"]);
    client.inbox.until(1);
    let popped = Tester { client: client.client.clone(), inbox: Default::default() };
    let pop = Request { timeout: Timeout::None, ..request(&[&["BLPOP", "list", "0"]]) };
    let pop = popped.send(&pop).unwrap();
    let (used, unused) = (client.lease(), client.lease());
    assert_eq!(used.text(&["WATCH", "key"]), "OK");
    client.until_dedicated("in_use", 2);
    let before = watched.primary();
    wait::until("the server to wait", || before.command(&["INFO", "clients"]).text().contains("blocked_clients:1"));
    watched.fail_over();
    watched.until_primary_is_not(before.port());
    assert_eq!(client.text(&["SET", "other", "1"]), "OK");
    // Not only when the old primary becomes a replica, ten seconds later.
    let now = watched.primary();
    wait::until("the new primary to wait", || now.command(&["INFO", "clients"]).text().contains("blocked_clients:1"));
    assert!(before.command(&["ROLE"]).items()[0].text() == "master", "the old one has not changed yet");
    assert_eq!(client.run(&["RPUSH", "list", "element"]).integer(), 1);
    let done = popped.inbox.each_once(&[pop]).remove(&pop).unwrap();
    assert_eq!(done.reply.items()[1].as_bytes(), b"element");
    let lost = used.run(&["GET", "key"]);
    lost.says(Status::LeaseLost, NotRun, &["the lease is lost"]);
    assert_eq!(unused.text(&["WATCH", "key"]), "OK");
    wait::until("the subscription to be there", || now.command(&["PUBLISH", "news", "here"]).integer() == 1);
    wait::until("a message behind a gap", || {
        let seen = client.inbox.drain();
        assert!(seen.iter().all(|done| done.request == subscription && done.is_ok()));
        seen.iter().any(|done| done.gap)
    });
}

#[test]
fn who_is_asked_in_vain_is_told_apart() {
    let free = || support::port::free(std::net::Ipv4Addr::LOCALHOST.into());
    let (one, two) = (free(), free());
    let done = Tester::connect(url_of(&[one, two])).run(&["PING"]);
    done.says(Status::Connect, NotRun, &["no sentinel answers: 127.0.0.1:", "connection refused"]);
    let watched = Watched::start();
    let client = Tester::connect(watched.url().replace(NAME, "other"));
    let done = client.run(&["PING"]);
    done.says(Status::Connect, NotRun, &["no sentinel knows the name \"other\" (3 of 3 answered)"]);
    // It is a server, not a sentinel.
    let done = Tester::connect(url_of(&[watched.servers[0].port()])).run(&["PING"]);
    done.says(Status::Connect, NotRun, &["no sentinel says where", "unknown command"]);
}

#[test]
fn sentinels_have_their_own_password() {
    let watched = Watched::with_password(Some("of-sentinels"));
    let done = Tester::connect(watched.url()).run(&["PING"]);
    done.says(Status::Auth, NotRun, &["no sentinel answers", "NOAUTH"]);
    let client = Tester::with(watched.url(), &[("sentinel_password", "of-sentinels")]);
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
    let done = Tester::with(watched.url(), &[("sentinel_password", "wrong")]).run(&["PING"]);
    done.says(Status::Auth, NotRun, &["no sentinel answers"]);
    assert!(!done.text().contains("wrong"));
}

/// A sentinel that names this port as the primary's, with a very high epoch, and tells of a failover to it.
fn liar(port: impl Fn() -> u16 + Send + Sync + 'static) -> Scripted {
    let bulk = |words: &[&str]| encode(words);
    Scripted::answering(move |received| {
        let port = port().to_string();
        let answer = match (received.name().as_str(), received.args().get(1).map(|word| word.to_ascii_uppercase())) {
            ("HELLO", _) => HELLO_3.as_bytes().to_vec(),
            ("SENTINEL", Some(word)) if word == "GET-MASTER-ADDR-BY-NAME" => bulk(&["127.0.0.1", &port]),
            ("SENTINEL", Some(word)) if word == "MASTER" => bulk(&["name", NAME, "config-epoch", "999"]),
            ("SENTINEL", Some(word)) if word == "SENTINELS" => b"*0\r\n".to_vec(),
            ("SENTINEL", _) => b"$5\r\nliars\r\n".to_vec(),
            ("SUBSCRIBE", _) => b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n".repeat(2),
            ("PING", _) => b"+PONG\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        };
        let mut steps = vec![Step::send(answer)];
        if received.args().get(1).is_some_and(|word| word.eq_ignore_ascii_case("MYID")) {
            let message = format!("{NAME} 127.0.0.1 1 127.0.0.1 {port}");
            let message =
                format!(">3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n${}\r\n{message}\r\n", message.len());
            steps.push(Step::send(message));
        }
        steps
    })
}

#[test]
fn a_sentinel_that_names_a_replica_is_not_believed() {
    let watched = Watched::start();
    let replica = watched.servers[1].port();
    let liar = liar(move || replica);
    let url = url_of(&[&watched.sentinels[0], &watched.sentinels[1]].map(Server::port));
    let url = url.replace(&format!("/{NAME}"), &format!(",{}/{NAME}", liar.address()));
    let client = Tester::with(url, &PATIENT);
    let events = client.events();
    for number in 1..200 {
        assert_eq!(client.run(&["INCR", "counter"]).integer(), number);
    }
    until_event(&events, "warning");
    assert_eq!(client.address(), watched.primary_address());
    assert!(events_of(&events.drain(), "failover").is_empty());
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
}

#[test]
fn where_subscribing_is_refused_sentinels_are_asked_again_and_again() {
    let watched = Watched::start();
    for sentinel in &watched.sentinels {
        assert!(sentinel.command(&["ACL", "SETUSER", "default", "-subscribe"]).is_ok());
    }
    let client = Tester::with(watched.url(), &PATIENT);
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
    let before = watched.primary().port();
    watched.fail_over();
    watched.until_primary_is_not(before);
    wait::until("the client to follow", || client.address() == watched.primary_address());
    assert_eq!(client.text(&["SET", "key", "2"]), "OK");
}

#[test]
fn a_server_that_is_a_sentinel_says_how_it_is_named() {
    let watched = Watched::start();
    let address = watched.sentinels[0].address();
    for topology in ["auto", "cluster"] {
        let done = Tester::with(format!("redis://{address}"), &[("topology", topology)]).run(&["GET", "key"]);
        done.says(Status::Connect, NotRun, &["the server is a sentinel", "redis-sentinel://host/name"]);
    }
    // Who wants to speak with a sentinel can.
    let client = Tester::with(format!("redis://{address}"), &[("topology", "standalone")]);
    assert_eq!(client.run(&["SENTINEL", "MASTERS"]).reply.items().len(), 1);
}

#[test]
fn the_program_is_asked_for_the_credentials_of_servers_and_not_of_sentinels() {
    let watched = Watched::with_password(Some("of-sentinels"));
    for server in &watched.servers {
        add_user(server, "somebody");
    }
    let asks: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asks);
    let client = asking_at(watched.url(), &[("sentinel_password", "of-sentinels")], move |query| {
        noted.lock().unwrap().push(query.address.clone());
        Ok(Answer { credentials: pair("somebody"), valid: None })
    });
    assert_eq!(client.text(&["ACL", "WHOAMI"]), "somebody");
    assert_eq!(*asks.lock().unwrap(), [watched.primary_address()]);
}

#[test]
fn the_program_is_asked_for_the_credentials_of_sentinels_too_if_that_is_wanted() {
    let watched = Watched::with_password(Some("of-sentinels"));
    for server in &watched.servers {
        add_user(server, "somebody");
    }
    let asks: Arc<Mutex<Vec<Purpose>>> = Arc::default();
    let noted = Arc::clone(&asks);
    let client = asking_at(watched.url(), &[("sentinel_credentials_callback", "on")], move |query| {
        noted.lock().unwrap().push(query.purpose);
        let credentials = match query.purpose {
            Purpose::Data => pair("somebody"),
            Purpose::Sentinel => Credentials { username: None, password: Secret::new("of-sentinels") },
        };
        Ok(Answer { credentials, valid: None })
    });
    assert_eq!(client.text(&["ACL", "WHOAMI"]), "somebody");
    // Once for all three, and before anybody knows where the server is.
    assert_eq!(*asks.lock().unwrap(), [Purpose::Sentinel, Purpose::Data]);
}

#[test]
fn sentinels_and_servers_speak_tls() {
    // Its certificate is for localhost, and sentinels announce the address.
    let watched = Watched::over(Tls { certificate: "no-address", ..Tls::default() });
    let authority = certificates::path("ca.pem");
    let (sentinels, url) = ([("sentinel_tls", "on"), ("sentinel_tls_ca", &authority)], watched.url());
    let named = |name| [&sentinels[..], &[("sentinel_tls_server_name", name)]].concat();
    let servers = [("tls", "on"), ("tls_ca", authority.as_str())];
    let client = Tester::with(&url, &[&named("localhost")[..], &servers, &[("tls_server_name", "localhost")]].concat());
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
    let before = watched.primary().port();
    watched.fail_over();
    watched.until_primary_is_not(before);
    assert_eq!(client.text(&["SET", "key", "2"]), "OK");
    wait::until("the client to follow", || client.address() == watched.primary_address());
    // What goes wrong with the one is not said of the other.
    let done = Tester::with(&url, &[&named("localhost")[..], &servers].concat()).run(&["PING"]);
    done.says(Status::Tls, NotRun, &[&watched.primary_address(), "localhost"]);
    assert!(!done.text().contains("sentinel"), "{}", done.text());
    let done = Tester::with(&url, &[&sentinels[..], &servers].concat()).run(&["PING"]);
    done.says(Status::Connect, NotRun, &["no sentinel answers", "localhost"]);
    let plain = Tester::with(&url, &[("command_timeout", "10s")]).run(&["PING"]);
    plain.says(Status::Connect, NotRun, &["no sentinel answers"]);
}
