//! Whoever takes from a queue writes and reads for itself, as long as nobody else submits: how that ends.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::collections::vec_deque::Drain;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use justredis::client::Client;
use justredis::client::destination::Destination;
use justredis::client::mailbox::Mailbox;
use justredis::connection::io_role::{QueueId, Submitter};
use justredis::connection::queue_driver::QueueDriver;
use justredis::connection::sink::{Completion, Sink, SinkKey};
use rustix::event::{PollFd, PollFlags, poll};
use support::client::{Inbox, Tester, config, request};
use support::scripted::{Scripted, Step};
use support::wait;

/// The name of the thread that takes.
const TAKER: &str = "taker";

/// A queue whose taker the test plays, and holds up while it delivers what it has read.
#[derive(Clone, Debug, Default)]
struct Queue(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    inbox: Inbox,
    driver: Mutex<Option<QueueDriver>>,
    gate: Mutex<Gate>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    is_closed: bool,
    /// The taker stands before it.
    is_taker_there: bool,
}

impl Sink for Queue {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        Arc::new(self.0.inbox.clone()).deliver(completions);
        if thread::current().name() == Some(TAKER) {
            let mut gate = self.0.gate.lock().unwrap();
            gate.is_taker_there = gate.is_closed;
            drop(self.0.opened.wait_while(gate, |gate| gate.is_closed).unwrap());
        }
    }
}

impl Destination for Queue {
    fn key(&self) -> Option<SinkKey> {
        Some(SinkKey(Arc::as_ptr(&self.0).addr(), 0))
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(self.clone())
    }

    fn offer(&self, _: &Arc<Mailbox>, _: usize) -> bool {
        false
    }

    fn takes_many(&self) -> bool {
        false
    }

    fn call_takers(&self, driver: Option<QueueDriver>) {
        *self.0.driver.lock().unwrap() = driver;
    }
}

impl Queue {
    fn set_gate(&self, is_closed: bool) {
        self.0.gate.lock().unwrap().is_closed = is_closed;
        self.0.opened.notify_all();
    }

    /// Submits until the taker has the I/O role.
    fn driver(&self, client: &Client<Queue>) -> QueueDriver {
        let get: [&[&str]; 1] = [&["GET", "k"]];
        let submit = |_| {
            let before = self.0.inbox.len();
            client.submit(&request(&get), self, Submitter::Queue(QueueId(1))).unwrap();
            let driver = self.0.driver.lock().unwrap().take();
            if driver.is_none() {
                self.0.inbox.until(before + 1);
            }
            driver
        };
        (0..1000).find_map(submit).unwrap()
    }

    /// A taker with the I/O role that delivers what it has read, and is held up there; and its socket.
    fn held_taker(&self, client: &Client<Queue>) -> (JoinHandle<()>, OwnedFd) {
        self.set_gate(true);
        let start = |_| {
            let driver = self.driver(client);
            let socket = driver.as_fd().try_clone_to_owned().unwrap();
            let take = move || {
                driver.is_awaited(true);
                while driver.write() && driver.read() {}
            };
            let taker = thread::Builder::new().name(TAKER.to_string()).spawn(take).unwrap();
            let is_there = || self.0.gate.lock().unwrap().is_taker_there;
            wait::until("the taker", || is_there() || taker.is_finished());
            // (It has lost the role if the machine made it wait for long.)
            is_there().then_some((taker, socket))
        };
        (0..100).find_map(start).unwrap()
    }
}

/// Waits until this socket has something to read.
fn until_readable(socket: &OwnedFd) {
    let is_readable = || {
        let mut polled = [PollFd::new(socket, PollFlags::IN)];
        poll(&mut polled, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    };
    wait::until("bytes", is_readable);
}

/// The background is called when somebody else submits. What comes while the taker still delivers what it has read, the
/// background cannot read; when the taker has stopped, it does.
#[test]
fn what_comes_while_a_taker_stops_is_read() {
    let server = Scripted::after_handshake(|_| vec![Step::send("+OK\r\n")]);
    // No PING shall mend anything.
    let options = [("dead_after", "1000s")];
    let client: Client<Queue> = Client::new(config(server.url(), &options), None).unwrap();
    let (queue, others) = (Queue::default(), Queue::default());
    let (taker, socket) = queue.held_taker(&client);

    let set: [&[&str]; 1] = [&["SET", "k", "v"]];
    client.submit(&request(&set), &others, Submitter::Other).unwrap();
    until_readable(&socket);
    // The I/O thread has heard of that when it has moved the bytes of somebody else.
    let other = Tester::connect(server.url());
    (0..3).for_each(|count| {
        other.submit(&["GET", "k"]);
        other.inbox.until(count + 1);
    });

    queue.set_gate(false);
    taker.join().unwrap();
    let done = others.0.inbox.take(1).remove(0);
    assert!(done.is_ok(), "{done:?}");
}
