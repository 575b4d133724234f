//! Readers that are too slow, or never read: what waits for them is bounded, what is dropped is counted exactly, and
//! nobody else notices.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::vec_deque::Drain;
use std::sync::{Arc, Mutex};

use justredis::client::Client;
use justredis::client::completion::{DROPPED, GAP};
use justredis::client::destination::Destination;
use justredis::client::mailbox::Mailbox;
use justredis::client::request::Request;
use justredis::connection::io_role::Submitter;
use justredis::connection::sink::{Completion, Sink, SinkKey};
use justredis::error::Status;
use support::client::{config, request};
use support::messages::show;
use support::server::Server;
use support::wait;

/// A destination whose messages stay in their mailbox until the test takes them.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    mailbox: Option<Arc<Mailbox>>,
    /// Messages that were offered and not taken.
    offered: usize,
    last: Option<Completion>,
}

impl Sink for Shelf {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        for completion in completions {
            assert!(self.0.lock().unwrap().last.replace(completion).is_none(), "one end");
        }
    }
}

impl Destination for Shelf {
    fn key(&self) -> Option<SinkKey> {
        None
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(self.clone())
    }

    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        let mut held = self.0.lock().unwrap();
        held.mailbox = Some(mailbox.clone());
        held.offered += count;
        true
    }

    fn takes_many(&self) -> bool {
        true
    }
}

/// One message as its reader gets it.
#[derive(Debug)]
struct Message {
    text: String,
    dropped: i64,
    gap: bool,
}

impl Shelf {
    /// Takes all that is there.
    fn take(&self) -> Vec<Message> {
        let mut held = self.0.lock().unwrap();
        let offered = std::mem::take(&mut held.offered);
        let mailbox = held.mailbox.clone().unwrap();
        let taken = (0..offered).filter_map(|_| mailbox.take());
        let read = |completion: Completion| {
            let attributes = completion.reply.attributes();
            let dropped = attributes.and_then(|all| all.find(b"dropped")).and_then(|count| count.to_i64());
            assert_eq!(dropped.is_some(), completion.flags & DROPPED != 0, "the flag and the count");
            let gap = completion.flags & GAP != 0;
            Message { text: show(&completion.reply), dropped: dropped.unwrap_or(0), gap }
        };
        taken.map(read).collect()
    }
}

struct Slow {
    server: Server,
    client: Client<Shelf>,
    shelf: Shelf,
    id: u64,
}

fn subscriber(options: &[(&str, &str)]) -> Slow {
    // The server itself would drop a reader that falls behind its own limit.
    let no_limit = ["--client-output-buffer-limit", "pubsub 0 0 0"];
    let server = Server::builder().arguments(&no_limit).start();
    let client: Client<Shelf> = Client::new(config(server.url(), options), None).unwrap();
    let shelf = Shelf::default();
    let words: [&[&str]; 1] = [&["SUBSCRIBE", "news"]];
    let id = client.submit(&request(&words), &shelf, Submitter::Other).unwrap();
    wait::until("the confirmation, and that it is made", || shelf.0.lock().unwrap().offered == 2);
    Slow { server, client, shelf, id }
}

impl Slow {
    /// Publishes these numbers, in few system calls.
    fn publish(&self, numbers: std::ops::Range<u64>) {
        let mut plain = self.server.connect().unwrap();
        let numbers: Vec<u64> = numbers.collect();
        for batch in numbers.chunks(10_000) {
            let commands: Vec<[String; 3]> = batch.iter().map(|number| words(*number)).collect();
            let answers = plain.pipeline(&commands).unwrap();
            assert!(answers.iter().all(|answer| answer.integer() == 1));
        }
    }

    /// Publishes so many, also when nobody listens any more.
    fn publish_anyway(&self, count: u64) {
        let mut plain = self.server.connect().unwrap();
        let commands: Vec<[String; 3]> = (0..count).map(words).collect();
        plain.pipeline(&commands).unwrap();
    }

    /// A number of the statistics of the subscription.
    fn count(&self, key: &str) -> i64 {
        let stats = self.client.stats().unwrap();
        let all = stats.find(b"subscriptions").unwrap();
        all.items()[0].find(key.as_bytes()).unwrap().to_i64().unwrap()
    }

    /// Waits until so many messages have come, one confirmation, and that the subscription is made.
    fn until_arrived(&self, messages: u64) {
        let total = || self.count("unread") + self.count("taken") + self.count("dropped");
        wait::until("all messages", || total() == messages as i64 + 2);
    }

    /// A command of somebody else.
    fn ping(&self) {
        let shelf = Shelf::default();
        let words: [&[&str]; 1] = [&["PING"]];
        self.client.submit(&request(&words), &shelf, Submitter::Other).unwrap();
        wait::until("an answer", || shelf.0.lock().unwrap().last.is_some());
    }
}

fn words(number: u64) -> [String; 3] {
    ["PUBLISH".to_owned(), "news".to_owned(), number.to_string()]
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Nobody reads while they come; each is there in the end, also that of another change, and the messages behind them.
#[test]
fn no_confirmation_is_dropped() {
    const CHANNELS: usize = 3000;
    for overflow in ["drop_oldest", "drop_newest", "close"] {
        let options = [("max_unread", "10"), ("max_unread_bytes", "2KiB"), ("subscription_overflow", overflow)];
        let slow = subscriber(&options);
        let names: Vec<String> = (0..CHANNELS).map(|number| format!("channel {number}")).collect();
        let mut words = vec!["SUBSCRIBE"];
        words.extend(names.iter().map(String::as_str));
        let change = |words: &[&str]| {
            let shelf = Shelf::default();
            let words = [words];
            let request = Request { subscription: slow.id, ..request(&words) };
            slow.client.submit(&request, &shelf, Submitter::Other).unwrap();
            wait::until("the change", || shelf.0.lock().unwrap().last.is_some());
        };
        change(&words);
        slow.publish(0..1);
        slow.until_arrived(1 + CHANNELS as u64);
        change(&["PING"]);
        change(&["UNSUBSCRIBE"]);
        let (bytes, unread) = (slow.count("unread_bytes"), slow.count("unread"));
        assert!(bytes < unread * 300, "{bytes} bytes for {unread} confirmations");
        let mut texts = slow.shelf.take().into_iter().map(|message| (message.text, message.dropped));
        let mut expected: Vec<String> =
            (0..CHANNELS).map(|number| format!("subscribe channel {number} {}", number + 2)).collect();
        expected.splice(0..0, ["subscribe news 1", "1"].map(str::to_owned));
        expected.push("message news 0".to_owned());
        assert!(texts.by_ref().take(CHANNELS + 3).eq(expected.into_iter().map(|text| (text, 0))), "{overflow}");
        assert_eq!(texts.next().map(|(text, _)| text), Some("pong ".to_owned()));
        assert_eq!(texts.filter(|(text, _)| text.starts_with("unsubscribe ")).count(), CHANNELS + 1, "{overflow}");
        assert!(slow.client.cancel(slow.id));
    }
}

/// A million messages for nobody: memory stays, and the count is exact.
#[test]
fn a_million_messages_that_nobody_reads_are_dropped_and_counted() {
    const MESSAGES: u64 = 1_000_000;
    let slow = subscriber(&[("max_unread_bytes", "8MiB")]);
    slow.publish(0..1000);
    let before = resident();
    let step = MESSAGES / 50;
    for start in (1000..MESSAGES).step_by(step as usize) {
        slow.publish(start..(start + step).min(MESSAGES));
        slow.ping();
    }
    slow.until_arrived(MESSAGES);
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for 8 MiB of messages");
    assert!(slow.count("unread_bytes") <= 8 << 20);
    let (unread, dropped) = (slow.count("unread"), slow.count("dropped"));
    assert_eq!(unread + dropped, MESSAGES as i64 + 2, "each is here or counted");
    let left = slow.shelf.take();
    assert_eq!((left.len() as i64, left[2].dropped), (unread, dropped), "the reader is told of all, once");
    assert!(left[3..].iter().all(|message| message.dropped == 0));
    assert_eq!((left[0].text.as_str(), left[0].dropped), ("subscribe news 1", 0), "no confirmation is dropped");
    assert_eq!((left[1].text.as_str(), left[1].dropped), ("1", 0), "nor that it is made");
    let last = |back: usize| format!("message news {}", MESSAGES - 1 - back as u64);
    let expected: Vec<String> = (0..left.len() - 2).rev().map(last).collect();
    assert!(left[2..].iter().map(|message| &message.text).eq(&expected), "the newest, in order");
}

#[test]
fn the_newest_are_dropped_where_that_is_wanted() {
    let slow = subscriber(&[("max_unread", "100"), ("subscription_overflow", "drop_newest")]);
    slow.publish(0..1000);
    slow.until_arrived(1000);
    let kept = slow.shelf.take();
    assert_eq!((kept.len(), kept[99].text.as_str()), (100, "message news 97"));
    assert!(kept.iter().all(|message| message.dropped == 0));
    slow.publish(1000..1001);
    slow.until_arrived(1001);
    let next = slow.shelf.take();
    assert_eq!((next.len(), next[0].text.as_str(), next[0].dropped), (1, "message news 1000", 902));
    assert!(slow.client.cancel(slow.id));
}

#[test]
fn a_subscription_that_is_to_be_closed_ends_behind_its_last_message() {
    let slow = subscriber(&[("max_unread", "100"), ("subscription_overflow", "close")]);
    slow.publish_anyway(1000);
    wait::until("the end", || slow.shelf.0.lock().unwrap().last.is_some());
    let kept = slow.shelf.take();
    assert_eq!((kept.len(), kept[99].text.as_str()), (100, "message news 97"), "what was there can still be read");
    let last = slow.shelf.0.lock().unwrap().last.take().unwrap();
    assert_eq!(last.status, Status::Full);
    assert!(last.flags & DROPPED != 0, "something is missing before the end");
    assert!(String::from_utf8_lossy(last.reply.as_bytes()).contains("max_unread"));
    wait::until("nobody subscribed", || slow.server.command(&["PUBSUB", "CHANNELS"]).items().is_empty());
}

#[test]
fn a_gap_that_is_dropped_is_told_on_the_next_message() {
    let slow = subscriber(&[("max_unread", "4"), ("reconnect_delay_max", "50ms")]);
    slow.server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    wait::until("the gap", || slow.count("gaps") == 1);
    slow.publish(0..10);
    slow.until_arrived(11);
    let kept = slow.shelf.take();
    let seen: Vec<_> = kept.iter().map(|one| (one.text.as_str(), one.dropped, one.gap)).collect();
    let made = [("subscribe news 1", 0, false), ("1", 0, false)];
    let messages = [("message news 8", 9, true), ("message news 9", 0, false)];
    assert_eq!((&seen[..2], &seen[2..]), (&made[..], &messages[..]));
}

#[test]
fn one_slow_reader_does_not_slow_another() {
    let slow = subscriber(&[("max_unread", "10")]);
    let fast = Shelf::default();
    let words: [&[&str]; 1] = [&["SUBSCRIBE", "news"]];
    slow.client.submit(&request(&words), &fast, Submitter::Other).unwrap();
    wait::until("the confirmation, and that it is made", || fast.0.lock().unwrap().offered == 2);
    fast.take();
    for round in 0..500 {
        slow.publish(round..round + 1);
        wait::until("the message", || fast.0.lock().unwrap().offered == 1);
        let message = fast.take().remove(0);
        assert_eq!((message.text, message.dropped), (format!("message news {round}"), 0));
    }
}
