//! Connections die in every way and at every byte; no request is lost, doubled, or said to be what it is not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use support::client::{Done, Tester, request, until_event};
use support::flow::Fault;
use support::proxy::Proxy;
use support::resp::Answer;
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

/// Dials again soon, so that the tests do not wait for the schedule.
const SOON: [(&str, &str); 1] = [("reconnect_delay_max", "50")];

fn through_proxy(options: &[(&str, &str)]) -> (Server, Proxy, Tester) {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[&SOON[..], options].concat());
    (server, proxy, client)
}

fn list(server: &Server, key: &str) -> Vec<String> {
    server.command(&["LRANGE", key, "0", "-1"]).items().iter().map(Answer::text).collect()
}

const THREADS: usize = 8;
const REQUESTS: usize = 10_000;

/// What one thread sent: its id and what it was.
type Sent = Vec<(u64, String)>;

/// One thread's share: unique ids pushed to a list of its own, and a counter; `pace` is asked before each.
fn push_and_count(client: &Tester, thread: usize, pace: &(dyn Fn(usize) + Sync)) -> Sent {
    let (mut sent, list, counter) = (Vec::new(), format!("list:{thread}"), format!("counter:{thread}"));
    for number in 0..REQUESTS / THREADS {
        pace(number);
        let unique = format!("{thread}:{number:05}");
        let timeout = Timeout::None;
        let (words, name): (Vec<&str>, _) = match number % 2 {
            0 => (vec!["RPUSH", &list, &unique], unique.clone()),
            _ => (vec!["INCR", &counter], counter.clone()),
        };
        sent.push((client.send(&Request { timeout, ..request(&[&words]) }).unwrap(), name));
    }
    sent
}

/// What the requests of all threads say they did, against what the server holds.
fn check(server: &Server, sent: &[Sent], done: &HashMap<u64, Done>) {
    for (thread, sent) in sent.iter().enumerate() {
        let (mut acknowledged, mut unknown) = (0, 0);
        let pushed = list(server, &format!("list:{thread}"));
        let held: HashSet<&String> = pushed.iter().collect();
        assert_eq!(held.len(), pushed.len(), "nothing was run twice");
        assert!(pushed.is_sorted(), "each thread's requests ran in its order: {pushed:?}");
        for (id, name) in sent {
            let done = &done[id];
            let is_push = name.contains(':') && !name.starts_with("counter");
            match done.outcome {
                Answered => assert!(done.is_ok(), "{done:?}"),
                NotRun => assert!(!is_push || !held.contains(name), "{name} was said not to have run"),
                Unknown => assert_eq!(done.status, Status::Lost, "{}", done.text()),
            }
            assert!(done.outcome != Answered || !is_push || held.contains(name), "{name} was acknowledged");
            if !is_push {
                acknowledged += i64::from(done.outcome == Answered);
                unknown += i64::from(done.outcome == Unknown);
            }
        }
        let counted = server.command(&["GET", &format!("counter:{thread}")]).integer();
        assert!((acknowledged..=acknowledged + unknown).contains(&counted), "{counted} of {acknowledged} + {unknown}");
    }
}

#[test]
fn killed_and_restarted_in_the_middle_of_ten_thousand_requests() {
    // The append-only file lets the restarted server know what the killed one had run.
    let server = Server::builder().arguments(&["--appendonly", "yes", "--appendfsync", "always"]).start();
    let client = Tester::with(server.url(), &SOON);
    // Killed before the first connection there would be nothing to make again.
    client.until_connected();
    let pace = |number: usize| {
        // The second half does not begin before the kill, so that there are requests on both sides of it.
        if number == REQUESTS / THREADS / 2 {
            client.until_stat("reconnects", |reconnects| reconnects > 0);
        }
    };
    let sent: Vec<Sent> = thread::scope(|scope| {
        let (client, pace) = (&client, &pace);
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || push_and_count(client, thread, pace))).collect();
        wait::until("the requests to be under way", || client.inbox.len() > REQUESTS / 10);
        server.kill();
        server.restart();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ids: Vec<u64> = sent.iter().flatten().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), REQUESTS);
    let done = client.inbox.each_once(&ids);
    check(&server, &sent, &done);
    assert!(done.values().filter(|done| done.outcome == Answered).count() > REQUESTS / 4, "many were answered");
}

#[test]
fn cut_again_and_again_under_load() {
    let (server, proxy, client) = through_proxy(&[]);
    client.until_connected();
    let pace = |_: usize| ();
    let sent: Vec<Sent> = thread::scope(|scope| {
        let (client, pace) = (&client, &pace);
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || push_and_count(client, thread, pace))).collect();
        for (place, fault) in [(5_000, Fault::Close), (9_001, Fault::Reset), (14_503, Fault::HalfClose)] {
            proxy.to_client().after(place, fault);
            proxy.to_server().after(place * 7, fault);
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ids: Vec<u64> = sent.iter().flatten().map(|(id, _)| *id).collect();
    let done = client.inbox.each_once(&ids);
    assert!(client.stat("reconnects") > 0, "some of the faults struck");
    check(&server, &sent, &done);
}

/// Words of a small conversation whose every command leaves its own trace.
fn conversation(client: &Tester) -> Vec<u64> {
    let mut ids = vec![client.submit(&["RPUSH", "list", "a"]), client.submit(&["LRANGE", "constant", "0", "-1"])];
    ids.push(
        client.send(&Request { atomic: true, ..request(&[&["RPUSH", "list", "b"], &["RPUSH", "list", "c"]]) }).unwrap(),
    );
    ids.push(client.submit(&["RPUSH", "list", "d"]));
    ids
}

/// Cuts a fresh connection after byte k of one direction, for every k of the whole conversation.
fn cut_everywhere(fault: Fault, of_replies: bool) {
    let (server, proxy, client) = through_proxy(&[]);
    server.command(&["RPUSH", "constant", "x", "y"]);
    client.until_connected();
    let flow = || if of_replies { proxy.to_client() } else { proxy.to_server() };
    let before = flow().received();
    let ids = conversation(&client);
    assert!(client.inbox.each_once(&ids).values().all(|done| done.is_ok()));
    let length = flow().received() - before;
    for place in 0..length {
        server.command(&["DEL", "list"]);
        assert_eq!(client.text(&["PING"]), "PONG");
        let lost = client.stat("reconnects");
        flow().after(place, fault);
        let ids = conversation(&client);
        let done = client.inbox.each_once(&ids);
        // Over TLS the same replies come in more or fewer records: where these are shorter, the cut needs more bytes.
        client.until_stat("reconnects", |now| {
            assert_eq!(client.text(&["PING"]), "PONG");
            now > lost
        });
        let held = list(&server, "list");
        let read = &done[&ids[1]];
        assert!(
            read.is_ok() && read.reply.items().len() == 2,
            "what only reads is sent again: {read:?} {}",
            read.text()
        );
        for (id, values) in [(ids[0], &["a"][..]), (ids[2], &["b", "c"]), (ids[3], &["d"])] {
            let copies: Vec<usize> =
                values.iter().map(|value| held.iter().filter(|found| found == value).count()).collect();
            assert!(copies.iter().all(|count| *count == copies[0]), "all of it or nothing: {held:?}");
            match done[&id].outcome {
                Answered => assert_eq!(copies[0], 1, "{values:?} after byte {place}: {held:?}"),
                NotRun => assert_eq!(copies[0], 0, "{values:?} after byte {place}: {held:?}"),
                Unknown => assert!(copies[0] <= 1, "{values:?} after byte {place}: {held:?}"),
            }
        }
    }
}

#[test]
fn cut_after_every_byte_of_the_replies() {
    cut_everywhere(Fault::Close, true);
}

#[test]
fn reset_after_every_byte_of_the_replies() {
    cut_everywhere(Fault::Reset, true);
}

#[test]
fn half_closed_after_every_byte_of_the_replies() {
    cut_everywhere(Fault::HalfClose, true);
}

#[test]
fn cut_after_every_byte_of_the_requests() {
    cut_everywhere(Fault::Close, false);
}

/// A server that hangs up instead of answering a command for the first few times.
fn hanging_up(times: usize) -> Scripted {
    let count = AtomicUsize::new(0);
    Scripted::after_handshake(move |_| match count.fetch_add(1, SeqCst) {
        number if number < times => vec![Step::Close],
        _ => vec![Step::send("+done\r\n")],
    })
}

fn sent_to(server: &Scripted, name: &str) -> usize {
    server.received().iter().filter(|command| command.name() == name).count()
}

#[test]
fn what_only_reads_or_is_idempotent_is_sent_again() {
    let server = hanging_up(3);
    let client = Tester::with(server.url(), &SOON);
    assert_eq!(client.text(&["GET", "key"]), "done");
    assert_eq!(sent_to(&server, "GET"), 4);
    let server = hanging_up(3);
    let client = Tester::with(server.url(), &SOON);
    let done = client.wait_for(&Request { idempotent: true, ..request(&[&["SET", "key", "value"]]) }).unwrap();
    done.says(Status::Ok, Answered, &["done"]);
    assert_eq!(sent_to(&server, "SET"), 4);
}

#[test]
fn attempts_end_at_max_attempts() {
    let server = hanging_up(usize::MAX);
    let client = Tester::with(server.url(), &[SOON[0], ("max_attempts", "3")]);
    client.run(&["GET", "key"]).says(Status::Lost, Unknown, &[&server.port().to_string()]);
    assert_eq!(sent_to(&server, "GET"), 3);
}

#[test]
fn writes_scripts_and_transactions_are_sent_once() {
    let cases: [(&str, Vec<&str>, bool, bool); 6] = [
        ("SET", vec!["SET", "key", "value"], false, false),
        ("EVAL", vec!["EVAL", "return 1", "0"], true, false),
        ("EVAL_RO", vec!["EVAL_RO", "return 1", "0"], true, false),
        ("FCALL", vec!["FCALL", "f", "0"], true, false),
        ("MULTI", vec!["GET", "key"], true, true),
        ("NO.SUCH", vec!["NO.SUCH", "key"], false, false),
    ];
    for (name, words, idempotent, atomic) in cases {
        let server = hanging_up(1);
        let client = Tester::with(server.url(), &SOON);
        let done = client.wait_for(&Request { idempotent, atomic, ..request(&[&words]) }).unwrap();
        done.says(Status::Lost, Unknown, &["it may have run"]);
        assert_eq!(client.text(&["ECHO", "hello"]), "done");
        assert_eq!(sent_to(&server, name), 1, "{name}");
    }
}

/// Each command of a pipeline goes by its own nature.
#[test]
fn a_pipeline_is_repaired_command_by_command() {
    let (server, proxy, client) = through_proxy(&[]);
    server.command(&["SET", "key", "value"]);
    client.until_connected();
    proxy.to_client().after(0, Fault::Close);
    let done = client.wait_for(&request(&[&["GET", "key"], &["INCR", "n"], &["GET", "key"]])).unwrap();
    assert_eq!(done.ending(), (Status::Lost, Unknown));
    let items = done.reply.items();
    assert_eq!((items[0].as_bytes(), items[2].as_bytes()), (&b"value"[..], &b"value"[..]));
    assert_eq!((items[1].status_code(), items[1].outcome()), (Some(Status::Lost), Some(Unknown)));
    assert!(server.command(&["GET", "n"]).integer() <= 1);
}

#[test]
fn unsent_requests_wait_in_an_outage_and_go_out_in_order() {
    let server = Server::start();
    let client = Tester::with(server.url(), &SOON);
    assert_eq!(client.text(&["PING"]), "PONG");
    let events = client.events();
    server.kill();
    until_event(&events, "unreachable");
    let late = client.submit_within(200, &["RPUSH", "list", "never"]);
    let expected: Vec<String> = (0..500).map(|number| format!("{number}")).collect();
    let ids: Vec<u64> =
        expected.iter().map(|number| client.submit_within(100_000, &["RPUSH", "list", number])).collect();
    let address = server.address().to_string();
    client.inbox.take(1)[0].says(Status::Timeout, NotRun, &["200 ms", &address, "refused"]);
    server.restart();
    assert!(client.inbox.each_once(&ids).values().all(|done| done.is_ok()), "{late}");
    assert_eq!(list(&server, "list"), expected);
}

#[test]
fn connect_retries_bound_the_rounds_that_requests_wait() {
    for (retries, dials) in [("1", 1), ("4", 4), ("auto", 1)] {
        let server = Scripted::playing(vec![Step::Close]);
        let client = Tester::with(server.url(), &[("connect_retries", retries), ("reconnect_delay_max", "50")]);
        client.run_within(100_000, &["PING"]).says(Status::Connect, NotRun, &[&server.port().to_string()]);
        assert!(sent_dials(&server) >= dials, "{} dials with {retries}", sent_dials(&server));
    }
    // Once connected, "auto" waits to the deadline; a number does not.
    let server = Server::start();
    let client = Tester::with(server.url(), &[SOON[0], ("connect_retries", "3")]);
    client.until_connected();
    server.kill();
    client.until_disconnected();
    client.run_within(100_000, &["PING"]).says(Status::Connect, NotRun, &["refused"]);
}

fn sent_dials(server: &Scripted) -> usize {
    server.accepted()
}

/// The first wait is at most 100 ms, then 200, 400, ...: in a second there is time for some rounds, not for a storm.
#[test]
fn dials_are_few_while_the_server_is_down_or_dies_young() {
    for steps in
        [vec![Step::Close], vec![Step::Command, Step::send(support::scripted::HELLO_3), Step::Bytes, Step::Close]]
    {
        let server = Scripted::playing(steps);
        let client = Tester::with(server.url(), &[("connect_retries", "0"), ("reconnect_delay", "100")]);
        client.run_within(1000, &["PING"]);
        let dials = sent_dials(&server);
        assert!((1..=60).contains(&dials), "{dials} dials in a second");
    }
}
