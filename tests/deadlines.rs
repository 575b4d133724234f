//! Deadlines and cancels end a request and nothing else: the connection stays, in step, and what was not sent by then
//! never is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use justredis::client::request::{Request, Timeout};
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use justredis::ffi::client::{jr_client_free, jr_client_new};
use justredis::ffi::completion::jr_completion;
use justredis::ffi::config::{jr_config_new, jr_config_set};
use justredis::ffi::queue::{jr_queue_free, jr_queue_new, jr_queue_take};
use justredis::ffi::reply::jr_reply_free;
use justredis::ffi::request::{jr_bytes, jr_command, jr_request};
use justredis::ffi::status::{JR_ERR_TIMEOUT, JR_OK};
use justredis::ffi::submit::jr_submit;
use justredis::protocol::reply::Kind;
use justredis::topology::Route;
use support::client::{Tester, request, until_event, within};
use support::proxy::Proxy;
use support::resp::encode;
use support::server::Server;
use support::transport;

/// A server that is stopped is not dead as long as somebody is ready to wait for it; here the link is to live anyway.
const PATIENT: [(&str, &str); 2] = [("dead_after", "1h"), ("reconnect_delay_max", "50")];

#[test]
fn ten_thousand_deadlines_pass_and_later_replies_match() {
    let server = Server::start();
    let client = Tester::with(server.url(), &PATIENT);
    client.until_connected();
    server.stop();
    let timeouts = [Some(10), Some(100), Some(1000), None];
    let mut lasting = Vec::new();
    let mut passing = Vec::new();
    for number in 0..10_000 {
        let text = format!("unique {number}");
        let timeout = timeouts[number % 4].map_or(Timeout::None, within);
        let id = client.send(&Request { timeout, ..request(&[&["ECHO", &text]]) }).unwrap();
        if number % 4 == 3 { lasting.push((id, text)) } else { passing.push(id) }
    }
    let done = client.inbox.each_once(&passing);
    for done in done.values() {
        let sentence = if done.outcome == NotRun { "not sent within" } else { "no answer within" };
        done.says(Status::Timeout, done.outcome, &[sentence, &server.address().to_string()]);
    }
    assert!(done.values().any(|done| done.outcome == Unknown), "the kernel took many of them");
    server.cont();
    let ids: Vec<u64> = lasting.iter().map(|(id, _)| *id).collect();
    let done = client.inbox.each_once(&ids);
    for (id, text) in &lasting {
        done[id].says(Status::Ok, Answered, &[]);
        assert_eq!(&done[id].text(), text);
    }
    assert_eq!((client.stat("reconnects"), client.stat("waiting_requests"), client.stat("waiting_bytes")), (0, 0, 0));
}

#[test]
fn what_was_not_sent_in_time_is_never_sent() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    proxy.to_server().record();
    let client = Tester::with(proxy.url(), &PATIENT);
    client.until_connected();
    let events = client.events();
    proxy.refuse();
    proxy.close_all();
    until_event(&events, "lost");
    let ids: Vec<u64> = (0..1000).map(|number| client.submit_within(1 + number % 50, &["SET", "late", "x"])).collect();
    for done in client.inbox.each_once(&ids).values() {
        done.says(Status::Timeout, NotRun, &["not sent within"]);
    }
    let cancelled = client.submit(&["SET", "late", "x"]);
    assert!(client.client.cancel(cancelled));
    assert!(!client.client.cancel(cancelled), "it is over");
    client.inbox.take(1)[0].says(Status::Canceled, NotRun, &["before it was sent"]);
    proxy.admit();
    assert_eq!(client.text(&["SET", "on time", "x"]), "OK");
    let recorded = proxy.to_server().recorded();
    assert!(recorded.windows(7).any(|window| window == b"on time"));
    assert!(!recorded.windows(4).any(|window| window == b"late"), "nothing of it went out");
}

/// The socket is full: what stands behind is unsent, and leaves without a trace in the middle of the stream.
#[test]
fn what_waits_behind_a_full_socket_is_withdrawn() {
    let (server, proxy, client, large) = stuck();
    let ids: Vec<u64> = (0..20)
        .map(|_| {
            client.send(&Request { timeout: Timeout::None, ..request(&[&[&b"SET"[..], b"large", &large]]) }).unwrap()
        })
        .collect();
    let behind: Vec<u64> = (0..100).map(|_| client.submit_within(20, &["INCR", "never"])).collect();
    let cancelled = client.submit(&["INCR", "never"]);
    let after = client.send(&Request { timeout: Timeout::None, ..request(&[&["ECHO", "after"]]) }).unwrap();
    assert!(client.client.cancel(cancelled));
    let withdrawn = client.inbox.take(behind.len() + 1);
    assert_eq!(withdrawn.len(), behind.len() + 1);
    // One that ends in the very moment of a write is not known to be unsent; it is withdrawn all the same (see below).
    assert!(withdrawn.iter().all(|done| done.outcome != Answered));
    assert!(withdrawn.iter().filter(|done| done.outcome == NotRun).count() > behind.len() / 2);
    proxy.to_server().resume();
    let done = client.inbox.each_once(&[&ids[..], &[after]].concat());
    assert!(done.values().all(|done| done.is_ok()));
    assert_eq!(done[&after].text(), "after");
    assert_eq!(server.command(&["EXISTS", "never"]).integer(), 0);
    assert_eq!(client.stat("reconnects"), 0);
}

/// A client whose proxy takes nothing any more, and a value that no socket buffer holds.
fn stuck() -> (Server, Proxy, Tester, Vec<u8>) {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &PATIENT);
    assert_eq!(client.text(&["PING"]), "PONG");
    proxy.to_server().stall();
    (server, proxy, client, vec![b'x'; 8 << 20])
}

/// A request of which some bytes went out when it ended is not sent again in whole when the connection is made anew.
#[test]
fn what_was_half_sent_and_given_up_is_not_started_again() {
    for by_cancel in [false, true] {
        let (server, proxy, client, large) = stuck();
        let sent = client.stat("bytes_sent");
        let timeout = if by_cancel { Timeout::None } else { within(50) };
        let id = client.send(&Request { timeout, ..request(&[&[&b"SET"[..], b"half", &large]]) }).unwrap();
        client.until_stat("bytes_sent", |now| now > sent);
        if by_cancel {
            assert!(client.client.cancel(id));
        }
        let status = if by_cancel { Status::Canceled } else { Status::Timeout };
        client.inbox.take(1)[0].says(status, Unknown, &[]);
        proxy.reset_all();
        proxy.to_server().resume();
        assert_eq!(client.text(&["PING"]), "PONG");
        assert_eq!((client.stat("reconnects"), client.stat("waiting_bytes")), (1, 0));
        assert_eq!(server.command(&["EXISTS", "half"]).integer(), 0);
    }
}

#[test]
fn a_cancel_after_sending_leaves_the_others_in_step() {
    let server = Server::start();
    let client = Tester::with(server.url(), &PATIENT);
    assert_eq!(client.text(&["PING"]), "PONG");
    let sent = client.stat("bytes_sent");
    server.stop();
    let texts: Vec<String> = (0..1000).map(|number| format!("unique {number}")).collect();
    let ids: Vec<u64> = texts.iter().map(|text| client.submit_within(100_000, &["ECHO", text])).collect();
    let all: usize = texts.iter().map(|text| encode(&["ECHO", text]).len()).sum();
    client.until_stat("bytes_sent", |now| now == sent + all as i64);
    for id in ids.iter().step_by(2) {
        assert!(client.client.cancel(*id));
        assert!(!client.client.cancel(*id));
    }
    for done in client.inbox.take(500) {
        done.says(Status::Canceled, Unknown, &["after it was sent"]);
    }
    server.cont();
    let kept: Vec<u64> = ids.iter().copied().skip(1).step_by(2).collect();
    let done = client.inbox.each_once(&kept);
    for (id, text) in ids.iter().zip(&texts).skip(1).step_by(2) {
        assert_eq!(&done[id].text(), text);
    }
    assert!(!client.client.cancel(ids[1]), "an answered request is over");
    assert_eq!(client.stat("reconnects"), 0);
}

/// Held while callbacks are to sleep.
static ASLEEP: Mutex<()> = Mutex::new(());

unsafe extern "C" fn sleep_in_callback(completion: *const jr_completion) {
    drop(ASLEEP.lock().unwrap());
    // SAFETY: the library lends a valid completion, whose reply now belongs to this function.
    unsafe { jr_reply_free((*completion).reply) };
}

/// Through the C API: a callback that does not return delays no deadline and no answer of a queue.
#[test]
fn deadlines_pass_while_a_callback_sleeps() {
    let server = Server::start();
    let mut config = jr_config_new().unwrap();
    let url = server.url();
    let trust = transport::trust(&url);
    let trust = trust.iter().map(|(key, value)| (*key, value.as_str()));
    for (key, value) in [("url", url.as_str()), ("dead_after", "1h")].into_iter().chain(trust) {
        let (key, value) = (CString::new(key).unwrap(), CString::new(value).unwrap());
        // SAFETY: both end with a NUL and live through the call.
        assert_eq!(unsafe { jr_config_set(Some(&mut config), key.as_ptr(), value.as_ptr()) }, JR_OK);
    }
    let mut client = MaybeUninit::uninit();
    assert_eq!(jr_client_new(Some(&config), Some(&mut client)), JR_OK);
    // SAFETY: JR_OK means that it was made.
    let client = unsafe { client.assume_init() };
    let queue = jr_queue_new().unwrap();
    let asleep: MutexGuard<'_, ()> = ASLEEP.lock().unwrap();
    let words = [jr_bytes { data: c"PING".as_ptr().cast(), len: 4 }];
    let command = jr_command { args: words.as_ptr(), count: 1 };
    // SAFETY: all zero is a request of nothing, to be filled in.
    let mut wanted: jr_request = unsafe { MaybeUninit::zeroed().assume_init() };
    (wanted.size, wanted.commands, wanted.count) = (size_of::<jr_request>(), &raw const command, 1);
    let called = jr_request { callback: Some(sleep_in_callback), ..wanted };
    let queued = |timeout_ms| jr_request { queue: &raw const *queue as *mut _, timeout_ms, ..wanted };
    let take = |timeout_ms| {
        let mut one = MaybeUninit::<jr_completion>::uninit();
        // SAFETY: there is room for one completion, and it is read only when one was given.
        unsafe {
            assert_eq!(jr_queue_take(Some(&queue), one.as_mut_ptr(), 1, timeout_ms), 1);
            let one = one.assume_init();
            jr_reply_free(one.reply);
            one.status
        }
    };
    let submit = |request: &jr_request| {
        // SAFETY: the request and what it leads to live through the call.
        assert_eq!(unsafe { jr_submit(Some(&client), ptr::from_ref(request), None) }, JR_OK);
    };
    submit(&called);
    submit(&queued(60_000));
    assert_eq!(take(20_000), JR_OK, "answers go on");
    server.stop();
    (0..100).for_each(|timeout| submit(&queued(1 + timeout)));
    (0..100).for_each(|_| assert_eq!(take(20_000), JR_ERR_TIMEOUT));
    server.cont();
    submit(&queued(60_000));
    assert_eq!(take(20_000), JR_OK);
    drop(asleep);
    jr_client_free(Some(client));
    jr_queue_free(Some(queue));
}

/// A map of all nodes that is given up has the reason as its status, and a reason of its own for each node.
#[test]
fn a_map_of_all_nodes_ends_with_what_it_waits_for() {
    let server = Server::start();
    let client = Tester::with(server.url(), &PATIENT);
    client.until_connected();
    let all = |timeout| Request { timeout, route: Route::All, ..request(&[&["PING"]]) };
    assert!(client.wait_for(&all(Timeout::None)).unwrap().is_ok());
    server.stop();
    for status in [Status::Timeout, Status::Canceled, Status::Closed] {
        let timeout = if status == Status::Timeout { within(20) } else { Timeout::None };
        let id = client.send(&all(timeout)).unwrap();
        assert_eq!(client.number("requests"), 1, "its children are no requests of the user");
        match status {
            Status::Canceled => assert!(client.client.cancel(id)),
            Status::Closed => assert!(!client.client.close(Some(Duration::ZERO))),
            _ => {}
        }
        let done = client.inbox.each_once(&[id]).remove(&id).unwrap();
        assert!(done.status == status && done.outcome != Answered, "{done:?}");
        let node = &done.reply.items()[1];
        assert_eq!((done.reply.kind(), node.kind(), node.status_code()), (Kind::Map, Kind::Error, Some(status)));
    }
    server.cont();
}

/// Requests are counted from their acceptance to their completion, wherever they wait.
#[test]
fn the_statistics_count_requests_that_wait() {
    let server = Server::start();
    let client = Tester::with(server.url(), &PATIENT);
    client.until_connected();
    server.stop();
    (0..3).for_each(|_| _ = client.submit(&["PING"]));
    let pipeline: [&[&str]; 2] = [&["PING"], &["PING"]];
    client.send(&request(&pipeline)).unwrap();
    assert_eq!(client.number("requests"), 4);
    server.cont();
    client.inbox.until(4);
    assert_eq!(client.number("requests"), 0);
}
