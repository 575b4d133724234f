//! Every reply goes to its own request, however the bytes come and whatever becomes of the requests around it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use justredis::address::Address;
use justredis::client::request::{Request, Timeout};
use justredis::connection::stream::Dialer;
use justredis::error::Outcome::Answered;
use justredis::error::Status;
use socket2::{Domain, SockRef, Socket, Type};
use support::client::{Inbox, Tester, request, within};
use support::proxy::Proxy;
use support::server::Server;

const THREADS: usize = 8;

/// What one thread found.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    given_up: usize,
}

/// ECHOes unique texts in bursts; some are cancelled, some have hardly any time. Every completion is checked.
fn echo(client: &Tester, thread: usize, bursts: usize, burst: usize) -> Tally {
    let mut tally = Tally::default();
    for number in 0..bursts {
        let inbox = Inbox::default();
        let mut sent = Vec::new();
        for place in 0..burst {
            let unique = format!("{thread}/{number}/{place}/{}", "x".repeat(fastrand::usize(0..40)));
            let timeout = if fastrand::u32(0..10) == 0 { within(fastrand::u64(1..5)) } else { Timeout::None };
            let id = client.send_to(&inbox, &Request { timeout, ..request(&[&["ECHO", &unique]]) }).unwrap();
            if fastrand::u32(0..20) == 0 {
                client.client.cancel(sent.get(fastrand::usize(0..=place)).map_or(id, |(id, _)| *id));
            }
            sent.push((id, unique));
        }
        let ids: Vec<u64> = sent.iter().map(|(id, _)| *id).collect();
        let done = inbox.each_once(&ids);
        for (id, unique) in &sent {
            match done[id].status {
                Status::Ok => {
                    assert_eq!(&done[id].text(), unique, "a reply of somebody else");
                    tally.answered += 1;
                }
                Status::Timeout | Status::Canceled => tally.given_up += 1,
                _ => panic!("{:?} {}", done[id], done[id].text()),
            }
        }
        assert_eq!(inbox.len(), 0, "a second completion");
    }
    tally
}

fn torture(client: &Tester, bursts: usize, burst: usize) {
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || echo(client, thread, bursts, burst))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let answered: usize = tallies.iter().map(|tally| tally.answered).sum();
    let given_up: usize = tallies.iter().map(|tally| tally.given_up).sum();
    assert_eq!(answered + given_up, THREADS * bursts * burst);
    assert!(answered > 0 && given_up > 0, "{tallies:?}");
    assert_eq!(client.stat("reconnects"), 0, "the link survived it all");
    // Behind every reply that nobody waits for any more.
    assert_eq!((client.text(&["ECHO", "end"]), client.stat("waiting_requests")), ("end".into(), 0));
}

#[test]
fn hundred_thousand_echoes_with_timeouts_and_cancels() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("dead_after", "1h")]);
    proxy.to_client().delay(Duration::ZERO..=Duration::from_millis(2));
    proxy.to_server().delay(Duration::ZERO..=Duration::from_millis(2));
    torture(&client, 50, 250);
}

#[test]
fn echoes_in_chunks_of_a_few_bytes() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &[("dead_after", "1h")]);
    client.until_connected();
    proxy.to_client().chunks(1..=1);
    proxy.to_server().chunks(1..=7);
    torture(&client, 5, 50);
}

/// An error in the midst of a pipeline moves nothing.
#[test]
fn errors_keep_their_places() {
    let server = Server::start();
    let client = Tester::connect(server.url());
    assert!(client.run(&["RPUSH", "list", "x"]).is_ok());
    let commands: Vec<Vec<String>> = (0..200)
        .map(|number| match number % 3 {
            0 => vec!["INCR".into(), "list".into()],
            _ => vec!["ECHO".into(), number.to_string()],
        })
        .collect();
    let commands: Vec<&[String]> = commands.iter().map(Vec::as_slice).collect();
    let done = client.wait_for(&request(&commands)).unwrap();
    assert_eq!(done.ending(), (Status::Ok, Answered));
    assert_eq!(done.reply.items().len(), commands.len());
    for (number, item) in done.reply.items().iter().enumerate() {
        if number % 3 == 0 {
            assert!(item.as_bytes().starts_with(b"WRONGTYPE"));
        } else {
            assert_eq!(item.as_bytes(), number.to_string().as_bytes());
        }
    }
}

/// Brings sockets with hardly any buffer.
struct Narrow(SocketAddr);

impl Dialer for Narrow {
    fn dial(&self, _: &Address, _: Duration) -> Result<OwnedFd, String> {
        let dial = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_recv_buffer_size(4096)?;
            socket.set_send_buffer_size(4096)?;
            socket.connect(&self.0.into())?;
            let stream = TcpStream::from(socket);
            SockRef::from(&stream).set_tcp_nodelay(true)?;
            Ok(OwnedFd::from(stream))
        };
        dial().map_err(|error: std::io::Error| error.to_string())
    }
}

/// Both sides have much to say: whoever stops reading while it writes is stuck.
#[test]
fn large_values_both_ways_through_tiny_buffers() {
    let server = Server::start();
    let value: Vec<u8> = (0..4 << 20).map(|place: u32| (place % 251) as u8).collect();
    assert!(server.command(&[&b"SET"[..], b"large", &value]).is_ok());
    let dialer = Arc::new(Narrow(server.address()));
    let options = [("max_request_bytes", "1GiB"), ("dead_after", "1h")];
    let client = Tester::dialling(server.url(), &options, Some(dialer));
    let mut gets = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..64 {
        let timeout = Timeout::None;
        gets.push(client.send(&Request { timeout, ..request(&[&["GET", "large"]]) }).unwrap());
        ids.push(client.send(&Request { timeout, ..request(&[&[&b"SET"[..], b"other", &value]]) }).unwrap());
    }
    ids.extend(&gets);
    let done = client.inbox.each_once(&ids);
    assert!(done.values().all(|done| done.is_ok()));
    assert!(gets.iter().all(|id| done[id].reply.as_bytes() == value));
    assert_eq!(server.command(&["GET", "other"]).bytes(), value);
    assert_eq!(client.stat("reconnects"), 0);
}

#[test]
fn a_value_of_fifty_megabytes() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("command_timeout", "none"), ("dead_after", "1h")]);
    let value: Vec<u8> = (0..50_000_000_u32).map(|place| (place % 253) as u8).collect();
    assert!(client.run(&[&b"SET"[..], b"huge", &value]).is_ok());
    let small = client.submit(&["ECHO", "small"]);
    assert!(client.run(&["GET", "huge"]).reply.as_bytes() == value);
    assert_eq!(client.inbox.each_once(&[small])[&small].text(), "small");
}

#[test]
fn an_array_of_a_million_items() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("command_timeout", "none"), ("dead_after", "1h")]);
    let fill = "for n = 1, 1000000, 1000 do local items = {} for m = n, n + 999 do items[#items + 1] = m end \
        redis.call('RPUSH', 'many', unpack(items)) end return redis.call('LLEN', 'many')";
    assert_eq!(client.run(&["EVAL", fill, "0"]).integer(), 1_000_000);
    let done = client.run(&["LRANGE", "many", "0", "-1"]);
    let items = done.reply.items();
    assert_eq!(items.len(), 1_000_000);
    assert!(items.iter().enumerate().all(|(place, item)| item.to_i64() == Some(place as i64 + 1)));
    assert_eq!(client.text(&["ECHO", "after"]), "after");
}
