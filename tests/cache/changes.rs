//! No cached answer is older than what the client knows: writes of this client and of others, lost connections.

use std::collections::vec_deque::Drain;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use justredis::client::Client;
use justredis::client::destination::Destination;
use justredis::client::mailbox::Mailbox;
use justredis::client::request::Request;
use justredis::connection::io_role::Submitter;
use justredis::connection::sink::{Completion, Sink, SinkKey};

use crate::support::client::{Inbox, Tester, config, request};
use crate::support::proxy::Proxy;
use crate::support::scripted::{Scripted, Step};
use crate::support::server::Server;
use crate::support::wait;
use crate::{CACHE, caching, read, until_read};

#[test]
fn changes_of_others_are_heard_also_when_nothing_is_under_way() {
    let server = Server::start();
    let client = caching(&server);
    for (number, others) in [&["SET", "a", "1"][..], &["MSET", "a", "2", "b", "2"], &["RENAME", "b", "a"]]
        .into_iter()
        .cycle()
        .take(60)
        .enumerate()
    {
        server.command(others);
        let expected = if number % 3 == 0 { "1" } else { "2" };
        until_read(&client, &["GET", "a"], expected);
        assert_eq!(read(&client, &["GET", "a"]), expected);
    }
    assert!(client.number("cache_invalidations") > 0);
    assert!(client.stat("lone_calls") > 0, "callers read for themselves all the same");
    server.command(&["SET", "a", "3", "PX", "30"]);
    until_read(&client, &["GET", "a"], "3");
    until_read(&client, &["GET", "a"], "");
    for flush in ["FLUSHDB", "FLUSHALL"] {
        server.command(&["SET", "a", flush]);
        until_read(&client, &["GET", "a"], flush);
        server.command(&[flush]);
        until_read(&client, &["GET", "a"], "");
    }
}

#[test]
fn keys_of_a_read_are_watched_one_by_one() {
    let server = Server::start();
    let client = caching(&server);
    let mget = |client: &Tester| {
        let reply = client.cached(&["MGET", "a", "b", "a"]).reply;
        reply.items().iter().map(|item| String::from_utf8_lossy(item.as_bytes()).into_owned()).collect::<String>()
    };
    client.text(&["MSET", "a", "1", "b", "1"]);
    assert_eq!((mget(&client), mget(&client)), ("111".into(), "111".into()));
    server.command(&["SET", "b", "2"]);
    wait::until("b is heard of", || mget(&client) == "121");
    client.text(&["SET", "a", "3"]);
    assert_eq!(mget(&client), "323");
}

/// Whatever the order and the form of a write of this client: who has its answer does not read what was before it.
/// On a connection of its own a write stands in no order with the reads of the others.
#[test]
fn writes_on_other_connections_are_seen_when_they_are_answered() {
    let server = Server::start();
    let client = caching(&server);
    let lease = client.lease();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Somebody else fills the cache all the time.
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                read(&client, &["GET", "key"]);
            }
        });
        let written_and_read = |round: usize| {
            let text = round.to_string();
            if round.is_multiple_of(2) {
                lease.text(&["SET", "key", &text]);
            } else {
                let words: [&[&str]; 1] = [&["SET", "key", &text]];
                client.wait_for(&Request { dedicated: true, ..request(&words) }).unwrap();
            }
            (text, client.cached(&["GET", "key"]).text())
        };
        let pairs: Vec<(String, String)> = (0..1000).map(written_and_read).collect();
        stop.store(true, SeqCst);
        pairs.iter().for_each(|(written, read)| assert_eq!(written, read));
    });
}

#[test]
fn own_writes_are_seen_at_once() {
    let server = Server::start();
    let client = caching(&server);
    for round in 0..200 {
        let text = round.to_string();
        let writes: [&[&[&str]]; 5] = [
            &[&["SET", "key", &text]],
            &[&["DEL", "other"], &["SET", "key", &text]],
            &[&["RENAME", "other", "key"]],
            &[&["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "key", &text]],
            &[&["COPY", "other", "key", "REPLACE"]],
        ];
        for (form, commands) in writes.into_iter().enumerate() {
            client.text(&["SET", "key", "old"]);
            client.text(&["SET", "other", &text]);
            assert_eq!(read(&client, &["GET", "key"]), "old");
            let atomic = round % 2 == 0 && form < 2;
            assert!(client.wait_for(&Request { atomic, ..request(commands) }).unwrap().is_ok());
            assert_eq!(read(&client, &["GET", "key"]), text, "{commands:?}");
        }
        client.text(&["FLUSHDB"]);
        assert_eq!(read(&client, &["GET", "key"]), "");
    }
    // Without waiting: what is submitted later is run later.
    let ids: Vec<(u64, u64)> = (0..500)
        .map(|number| {
            client.submit(&["SET", "key", &number.to_string()]);
            (client.send(&Request { cached: true, ..request(&[&["GET", "key"]]) }).unwrap(), number)
        })
        .collect();
    let done = client.inbox.take(1000);
    for (id, number) in ids {
        let read = done.iter().find(|done| done.request == id).unwrap();
        assert_eq!(read.text(), number.to_string());
    }
}

/// A write that is refused at first is run later than reads that were submitted after it.
#[test]
fn a_write_that_is_sent_again_makes_earlier_reads_old() {
    let state = Arc::new((AtomicBool::new(false), AtomicI64::new(0)));
    let of_server = Arc::clone(&state);
    let server = Scripted::after_handshake(move |command| match command.name().as_str() {
        "SET" if !of_server.0.load(SeqCst) => vec![Step::send("-LOADING soon\r\n")],
        "SET" => {
            of_server.1.store(1, SeqCst);
            vec![Step::send("+OK\r\n")]
        }
        _ => vec![Step::send(format!(":{}\r\n", of_server.1.load(SeqCst)))],
    });
    let client = Tester::with(server.url(), &CACHE);
    client.submit(&["SET", "key", "1"]);
    // One of these reads comes between two attempts, and nothing stands between it and the next one.
    let zero = || client.cached(&["GET", "key"]).integer() == 0;
    wait::until("an old answer is kept", || zero() && client.number("cache_hits") > 0);
    state.0.store(true, SeqCst);
    assert!(client.inbox.take(1)[0].is_ok());
    (0..2).for_each(|_| assert_eq!(client.cached(&["GET", "key"]).integer(), 1));
}

/// A client, which has no text of its own.
struct Watched(Client<Witness>);

impl std::fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Watched")
    }
}

/// Notes how many answers the cache has when a completion is delivered.
#[derive(Clone, Debug, Default)]
struct Witness {
    client: Arc<OnceLock<Watched>>,
    entries: Arc<Mutex<Vec<i64>>>,
}

impl Sink for Witness {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        for _ in completions {
            let stats = self.client.get().unwrap().0.stats().unwrap();
            let entries = stats.find(b"cache_entries").and_then(|count| count.to_i64());
            self.entries.lock().unwrap().push(entries.unwrap());
        }
    }
}

impl Destination for Witness {
    fn key(&self) -> Option<SinkKey> {
        None
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
}

/// What the server said before an answer has had its effect when the answer is delivered: who read elsewhere that
/// something was changed does not read here that it was not.
#[test]
fn an_answer_is_not_delivered_before_what_was_told_ahead_of_it() {
    let server = Scripted::after_handshake(|command| match command.args()[1].as_str() {
        "key" => vec![Step::send("$3\r\nold\r\n")],
        _ => vec![Step::send(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n$3\r\nnew\r\n")],
    });
    let client = Client::new(config(server.url(), &CACHE), None).unwrap();
    let witness = Witness::default();
    assert!(witness.client.set(Watched(client.clone())).is_ok());
    for (number, key) in ["key", "news"].into_iter().enumerate() {
        let words = ["GET", key];
        let commands = [&words[..]];
        let read = Request { cached: key == "key", ..request(&commands) };
        client.submit(&read, &witness, Submitter::Other).unwrap();
        wait::until("the answer", || witness.entries.lock().unwrap().len() > number);
    }
    assert_eq!(*witness.entries.lock().unwrap(), [1, 0]);
    client.close(None);
}

#[test]
fn a_lost_connection_empties_the_cache() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &CACHE);
    let view = Tester { client: client.client.database(3).unwrap(), inbox: Inbox::default() };
    client.text(&["SET", "key", "1"]);
    view.text(&["SET", "key", "of the view"]);
    for round in 1..20 {
        (0..2).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), round.to_string()));
        assert_eq!(read(&view, &["GET", "key"]), "of the view");
        if round % 2 == 0 {
            proxy.refuse();
            proxy.reset_all();
            client.until_disconnected();
            // What is changed now, nobody tells.
            server.command(&["SET", "key", &(round + 1).to_string()]);
            proxy.admit();
        } else {
            server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            server.command(&["SET", "key", &(round + 1).to_string()]);
            until_read(&client, &["GET", "key"], &(round + 1).to_string());
        }
    }
    assert_eq!(client.stat("tracking"), 1);
    assert!(client.stat("reconnects") > 0);
}

/// The server lost its role: the connection is given up, and nobody tells what is changed until there is another one.
#[test]
fn a_renewed_connection_empties_the_cache() {
    let refused = AtomicBool::new(false);
    let server = Scripted::after_handshake(move |command| match (command.name().as_str(), refused.load(SeqCst)) {
        ("SET", false) => {
            refused.store(true, SeqCst);
            vec![Step::send("-READONLY You can't write against a read only replica.\r\n")]
        }
        ("SET", true) => vec![Step::send("+OK\r\n")],
        (_, false) => vec![Step::send("$3\r\nold\r\n")],
        (_, true) => vec![Step::send("$3\r\nnew\r\n")],
    });
    let client = Tester::with(server.url(), &CACHE);
    assert_eq!(read(&client, &["GET", "key"]), "old");
    client.submit(&["SET", "another key", "value"]);
    wait::until("another connection", || server.accepted() == 2);
    client.until_connected();
    assert!(client.inbox.take(1)[0].is_ok());
    assert_eq!(read(&client, &["GET", "key"]), "new");
}

/// A server that is gone without a word tells of no changes either: it is pinged although nothing is under way.
#[test]
fn a_dead_server_does_not_leave_its_answers_behind() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[&CACHE[..], &[("dead_after", "200ms")]].concat());
    client.text(&["SET", "key", "value"]);
    assert_eq!(read(&client, &["GET", "key"]), "value");
    server.stop();
    client.until_disconnected();
    wait::until("the cache is empty", || client.number("cache_entries") == 0);
    server.cont();
    until_read(&client, &["GET", "key"], "value");
}

const KEYS: usize = 4;
const ROUNDS: usize = 3_000;

/// Counters that only grow, by this client and by another. A cached read is never smaller than what this client was
/// told before the read was submitted: by the answer to any of its own writes, whichever thread waited for it, and by
/// any read before it, cached or not. And in the end it is what the server says.
#[test]
fn eight_writers_and_eight_readers() {
    let server = Server::start();
    let client = caching(&server);
    let other = Tester::connect(server.url());
    let known: [AtomicI64; KEYS] = Default::default();
    let reading = AtomicBool::new(true);
    let key = |number: usize| format!("counter:{}", number % KEYS);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (client, known) = (&client, &known);
                let from = if writer == 7 { &other } else { client };
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(writer);
                    for _ in 0..ROUNDS / 8 {
                        let number = random.usize(..KEYS);
                        let counter = key(number);
                        match random.u32(..4) {
                            // Pauses let the readers have their hits.
                            0 => (0..20).for_each(|_| thread::yield_now()),
                            1 if writer != 7 => {
                                let told = from.atomic(&[&["INCR", &counter], &["GET", &counter]]);
                                known[number].fetch_max(told.reply.items()[0].to_i64().unwrap(), SeqCst);
                            }
                            _ => {
                                let told = from.run(&["INCR", &counter]).integer();
                                // What another client was told, this one hears of in a moment only.
                                if writer != 7 {
                                    known[number].fetch_max(told, SeqCst);
                                }
                            }
                        }
                    }
                })
            })
            .collect();
        for reader in 0..8 {
            let (client, known, reading) = (&client, &known, &reading);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(100 + reader);
                while reading.load(SeqCst) {
                    let number = random.usize(..KEYS);
                    let at_least = known[number].load(SeqCst);
                    let words = [["GET".to_owned(), key(number)], ["MGET".to_owned(), key(number)]];
                    let done = match random.u32(..16) {
                        0 => client.run(&words[0]),
                        form => client.cached(&words[form as usize % 2]),
                    };
                    let value = done.reply.items().first().unwrap_or(&done.reply).to_i64().unwrap_or(0);
                    assert!(value >= at_least, "{}: {value} after {at_least}", key(number));
                    known[number].fetch_max(value, SeqCst);
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        reading.store(false, SeqCst);
    });
    for number in 0..KEYS {
        let expected = server.command(&["GET", &key(number)]).text();
        until_read(&client, &["GET", &key(number)], &expected);
    }
    let (hits, misses) = (client.number("cache_hits"), client.number("cache_misses"));
    assert!(hits > 100 && misses > 100, "{hits} hits, {misses} misses");
}
