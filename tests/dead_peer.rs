//! A peer that is gone without a word is found by our own clock; one that is only busy is left in peace.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::Unknown;
use justredis::error::Status;
use support::client::{Tester, request, until_event};
use support::proxy::Proxy;
use support::server::Server;
use support::wait;

fn through_proxy(dead_after: &str) -> (Server, Proxy, Tester) {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("dead_after", dead_after), ("reconnect_delay_max", "50")]);
    assert_eq!(client.text(&["PING"]), "PONG");
    (server, proxy, client)
}

fn swallow(proxy: &Proxy) {
    proxy.to_server().swallow();
    proxy.to_client().swallow();
}

fn heal(proxy: &Proxy) {
    proxy.to_server().resume();
    proxy.to_client().resume();
}

/// The proxy acknowledges every byte, so the kernel sees nothing wrong: only the missing answers tell.
#[test]
fn a_black_hole_is_found_and_healed() {
    let (_server, proxy, client) = through_proxy("150");
    let events = client.events();
    swallow(&proxy);
    client.run_within(20, &["PING"]).says(Status::Timeout, Unknown, &[]);
    until_event(&events, "lost");
    let lost = events.take(1);
    let reason = lost[0].reply.find(b"reason").map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    assert!(reason.unwrap().contains("silent"), "it was our clock that found it: {lost:?}");
    heal(&proxy);
    assert_eq!(client.text(&["ECHO", "healed"]), "healed");
}

/// There is always a request whose deadline is to come, and yet nothing ahead of the PING waits any longer.
#[test]
fn a_black_hole_is_found_under_steady_traffic() {
    let (_server, proxy, client) = through_proxy("150");
    let events = client.events();
    swallow(&proxy);
    wait::until("the black hole to be found", || {
        client.submit_within(100, &["PING"]);
        events.len() > 0
    });
    until_event(&events, "lost");
    heal(&proxy);
    assert_eq!(client.text(&["ECHO", "healed"]), "healed");
}

/// What is in flight when the peer is found dead ends as lost, or is sent again when that is safe.
#[test]
fn what_was_swallowed_is_told_or_repaired() {
    let (_server, proxy, client) = through_proxy("150");
    swallow(&proxy);
    // Behind the first PING of the library, so that it does not keep the link alive.
    client.run_within(20, &["PING"]);
    let pinged = client.stat("bytes_sent");
    client.until_stat("bytes_sent", |sent| sent > pinged);
    let write = client.submit_within(100_000, &["INCR", "n"]);
    let read = client.submit_within(100_000, &["ECHO", "again"]);
    client.until_disconnected();
    heal(&proxy);
    let done = client.inbox.each_once(&[write, read]);
    done[&write].says(Status::Lost, Unknown, &["silent", "may have run"]);
    assert_eq!(done[&read].text(), "again");
}

/// A Lua loop until a key of another client changes cannot be had: the script counts instead, for longer than
/// `dead_after` and shorter than any deadline.
const BUSY: &str = "local start = redis.call('TIME') \
    repeat local now = redis.call('TIME') until (now[1] - start[1]) * 1000000 + now[2] - start[2] > 600000 \
    return 'done'";

#[test]
fn a_server_busy_with_a_script_is_not_dead() {
    let (_server, _proxy, client) = through_proxy("50");
    let script = client.submit_within(100_000, &["EVAL", BUSY, "0"]);
    let behind = client.submit_within(100_000, &["ECHO", "behind"]);
    let impatient = client.submit_within(100, &["ECHO", "impatient"]);
    let done = client.inbox.each_once(&[script, behind, impatient]);
    assert_eq!((done[&script].text(), done[&behind].text()), ("done".into(), "behind".into()));
    assert_eq!(done[&impatient].ending(), (Status::Timeout, Unknown));
    assert_eq!(client.stat("reconnects"), 0);
}

/// The same with DEBUG SLEEP, from another client.
#[test]
fn a_server_that_sleeps_for_another_client_is_not_dead() {
    let (server, _proxy, client) = through_proxy("50");
    let mut other = server.connect().unwrap();
    other.send(&support::resp::encode(&["DEBUG", "SLEEP", "0.5"])).unwrap();
    assert_eq!(client.wait_for(&Request { timeout: Timeout::None, ..request(&[&["ECHO", "x"]]) }).unwrap().text(), "x");
    assert!(other.receive().unwrap().is_ok());
    assert_eq!(client.stat("reconnects"), 0);
}

/// Its receive window closed, but it acknowledges every probe: it is busy, not dead, and the kernel must not think so.
#[test]
fn a_server_that_takes_no_more_bytes_is_not_dead() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("dead_after", "300")]);
    assert_eq!(client.text(&["PING"]), "PONG");
    server.stop();
    let large = vec![b'x'; 8 << 20];
    let ids: Vec<u64> = (0..8)
        .map(|_| {
            client.send(&Request { timeout: Timeout::None, ..request(&[&[&b"SET"[..], b"large", &large]]) }).unwrap()
        })
        .collect();
    client.run_within(3000, &["ECHO", "a clock"]);
    client.inbox.take(0);
    server.cont();
    assert!(client.inbox.each_once(&ids).values().all(|done| done.is_ok()));
    assert_eq!(client.stat("reconnects"), 0);
}
