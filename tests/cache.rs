//! Reads that are answered from the cache of the client: without the server as long as nothing changes, and never with
//! what the client knows to be old, whoever writes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use justredis::client::Client;
use justredis::client::destination::{Deliveries, Delivery, Destination};
use justredis::client::mailbox::Mailbox;
use justredis::client::request::Request;
use justredis::connection::io_role::Submitter;
use justredis::error::Status;
use justredis::topology::Route;
use support::client::{Inbox, Tester, config, request};
use support::proxy::Proxy;
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::wait;

const CACHE: [(&str, &str); 2] = [("cache_bytes", "1MiB"), ("reconnect_delay_max", "50ms")];

fn caching(server: &Server) -> Tester {
    let client = Tester::with(server.url(), &CACHE);
    client.until_connected();
    client
}

/// The text of a read that the cache may answer.
fn read(client: &Tester, words: &[&str]) -> String {
    let done = client.cached(words);
    assert!(done.is_ok(), "{done:?} {}", done.text());
    done.text()
}

/// How often a command was called, as the server counts.
fn calls(server: &Server, command: &str) -> usize {
    let info = server.command(&["INFO", "commandstats"]).text();
    let prefix = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// Waits until a cached read says this; how often it had to be tried depends on when the server's word arrives.
fn until_read(client: &Tester, words: &[&str], text: &str) {
    wait::until(&format!("{words:?} is {text:?}"), || read(client, words) == text);
}

#[test]
fn a_hit_does_not_reach_the_server() {
    let server = Server::start();
    let client = caching(&server);
    assert_eq!(client.stat("tracking"), 1);
    client.text(&["SET", "key", "value"]);
    (0..100).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    let inbox = Inbox::default();
    let ids: Vec<u64> = (0..100)
        .map(|_| client.send_to(&inbox, &Request { cached: true, ..request(&[&["GET", "key"]]) }).unwrap())
        .collect();
    assert!(inbox.each_once(&ids).values().all(|done| done.is_ok() && done.text() == "value"));
    assert_eq!(calls(&server, "get"), 1);
    assert_eq!((client.number("cache_hits"), client.number("cache_misses")), (199, 1));
    assert_eq!(client.number("cache_entries"), 1);
    assert_eq!(client.text(&["GET", "key"]), "value");
    assert_eq!(calls(&server, "get"), 2, "without the flag every read goes to the server");
}

#[test]
fn answers_of_every_shape_are_kept() {
    let server = Server::start();
    let client = caching(&server);
    client.text(&["HSET", "hash", "f", "1", "g", "2"]);
    client.text(&["ZADD", "sorted", "1.5", "a", "2", "b"]);
    let commands: [&[&str]; 5] = [
        &["HGETALL", "hash"],
        &["ZRANGE", "sorted", "0", "-1", "WITHSCORES"],
        &["GET", "nothing"],
        &["EXISTS", "hash"],
        &["HMGET", "hash", "f", "missing"],
    ];
    for words in commands {
        let replies: Vec<String> = (0..3).map(|_| format!("{:?}", client.cached(words).reply)).collect();
        assert_eq!(replies[0], format!("{:?}", client.run(words).reply), "{words:?}");
        assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    }
    assert_eq!((client.number("cache_hits"), client.number("cache_entries")), (10, 5));
    // Errors are not.
    (0..2).for_each(|_| assert_eq!(client.cached(&["GET", "hash"]).status, Status::Server));
    assert_eq!((client.number("cache_hits"), client.number("cache_entries")), (10, 5));
}

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

/// A cached read that is refused at first is sent again with what makes the server track it.
#[test]
fn a_read_that_is_sent_again_is_tracked() {
    let refusals = AtomicI64::new(2);
    let server = Scripted::after_handshake(move |_| match refusals.fetch_sub(1, SeqCst) {
        1.. => vec![Step::send("-LOADING soon\r\n")],
        _ => vec![Step::send("$5\r\nvalue\r\n")],
    });
    let client = Tester::with(server.url(), &CACHE);
    (0..3).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    assert_eq!(client.number("cache_hits"), 2);
    let words: Vec<String> = server.received().iter().map(|received| received.words().join(" ")).collect();
    let behind: Vec<&str> = words.windows(2).filter(|pair| pair[1] == "GET key").map(|pair| pair[0].as_str()).collect();
    assert_eq!(behind, ["CLIENT CACHING YES"; 3]);
}

/// Notes how many answers the cache has when a completion is delivered.
#[derive(Clone, Default)]
struct Witness {
    client: Arc<OnceLock<Client<Witness>>>,
    entries: Arc<Mutex<Vec<i64>>>,
}

impl Destination for Witness {
    fn deliver(deliveries: &mut Deliveries<Witness>) {
        for Delivery { destination: witness, .. } in deliveries.drain(..) {
            let stats = witness.client.get().unwrap().stats().unwrap();
            witness
                .entries
                .lock()
                .unwrap()
                .push(stats.find(b"cache_entries").and_then(|count| count.to_i64()).unwrap());
        }
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
    let server = Scripted::after_handshake(|command| match command.words()[1].as_str() {
        "key" => vec![Step::send("$3\r\nold\r\n")],
        _ => vec![Step::send(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n$3\r\nnew\r\n")],
    });
    let client = Client::new(config(server.url(), &CACHE), None).unwrap();
    let witness = Witness::default();
    assert!(witness.client.set(client.clone()).is_ok());
    for (number, key) in ["key", "news"].into_iter().enumerate() {
        let words = ["GET", key];
        let commands = [&words[..]];
        let read = Request { cached: key == "key", ..request(&commands) };
        client.submit(&read, witness.clone(), Submitter::Other).unwrap();
        wait::until("the answer", || witness.entries.lock().unwrap().len() > number);
    }
    assert_eq!(*witness.entries.lock().unwrap(), [1, 0]);
    client.close(None);
}

/// Nobody would tell when it is wrong.
#[test]
fn an_answer_that_is_not_tracked_is_not_kept() {
    let server = Scripted::answering(|command| match (command.name().as_str(), command.words().get(1)) {
        ("HELLO", _) => vec![Step::send("%1\r\n+proto\r\n:3\r\n")],
        ("CLIENT", Some(word)) if word == "CACHING" => vec![Step::send("-ERR not now\r\n")],
        ("CLIENT", _) => vec![Step::send("+OK\r\n")],
        ("PING", _) => vec![Step::send("+PONG\r\n")],
        _ => vec![Step::send("$5\r\nvalue\r\n")],
    });
    let client = Tester::with(server.url(), &CACHE);
    (0..3).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    assert_eq!((client.number("cache_hits"), client.number("cache_entries")), (0, 0));
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

#[test]
fn the_cache_is_bounded() {
    let server = Server::start();
    let client = Tester::with(server.url(), &[("cache_bytes", "64KiB")]);
    for number in 0..2000 {
        let key = format!("key:{number}");
        client.submit(&["SET", &key, &"x".repeat(number % 300)]);
        assert_eq!(read(&client, &["GET", &key]).len(), number % 300);
        let bytes = client.number("cache_bytes");
        assert!(bytes <= 64 << 10, "{bytes}");
    }
    assert!(client.number("cache_evictions") > 1000 && client.number("cache_entries") > 20);
    client.text(&["SET", "large", &"x".repeat(20_000)]);
    (0..2).for_each(|_| assert_eq!(read(&client, &["GET", "large"]).len(), 20_000));
    assert_eq!(client.number("cache_hits"), 0);
}

#[test]
fn without_a_cache_the_flag_changes_nothing() {
    let server = Server::start();
    let old = Server::builder().arguments(&["--rename-command", "HELLO", "NOHELLO"]).start();
    let denied = Server::start();
    denied.command(&["ACL", "SETUSER", "default", "-client|tracking"]);
    for (url, options) in [(server.url(), &[][..]), (old.url(), &CACHE), (denied.url(), &CACHE)] {
        let client = Tester::with(url, options);
        client.text(&["SET", "key", "value"]);
        (0..3).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
        assert_eq!((client.stat("tracking"), client.number("cache_entries")), (0, 0));
        assert_eq!(client.number("cache_hits"), 0);
    }
    assert_eq!(calls(&server, "get"), 3);
    let error = Client::<Inbox>::new(config(server.url(), &[("protocol", "2"), ("cache_bytes", "1MiB")]), None);
    let error = error.err().unwrap();
    assert_eq!(error.status, Status::Config);
    assert!(error.message.contains("cache_bytes") && error.message.contains("protocol"), "{}", error.message);
}

#[test]
fn what_cannot_be_cached_is_refused() {
    let server = Server::start();
    for client in [caching(&server), Tester::connect(server.url())] {
        let refused = |request: Request<'_, &str>, status: Status, word: &str| {
            let error = client.send(&Request { cached: true, ..request }).unwrap_err();
            assert_eq!(error.status, status, "{}", error.message);
            assert!(error.message.contains(word), "{}", error.message);
        };
        for line in ["TTL a", "SET a 1", "ttl a", "SRANDMEMBER a", "PING", "NOSUCH a", "SORT_RO a", "EVAL_RO x 0"] {
            let words: Vec<&str> = line.split(' ').collect();
            refused(request(&[&words]), Status::Argument, &words[0].to_ascii_uppercase());
        }
        refused(request(&[&["GET", "a"], &["GET", "b"]]), Status::Argument, "one command");
        refused(request(&[]), Status::Argument, "no command");
        refused(Request { atomic: true, ..request(&[&["GET", "a"]]) }, Status::Argument, "transaction");
        refused(Request { subscription: 1, ..request(&[&["GET", "a"]]) }, Status::Argument, "subscription");
        refused(Request { route: Route::Primaries, ..request(&[&["GET", "a"]]) }, Status::Argument, "route");
        refused(request(&[&["SELECT", "1"]]), Status::Refused, "jr_client_database");
        refused(request(&[&[]]), Status::Argument, "no name");
        refused(request(&[&["", "a"]]), Status::Argument, "no name");
        assert_eq!(client.cached(&["GET"]).status, Status::Server, "the server says what is wrong with it");
    }
}

/// A place that waits for an answer must not outlive the request, or the answer would never be kept.
#[test]
fn a_request_that_ends_early_leaves_its_place() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let client = Tester::with(proxy.url(), &CACHE);
    client.text(&["SET", "key", "value"]);
    proxy.refuse();
    proxy.reset_all();
    client.until_disconnected();
    let id = client.send(&Request { cached: true, ..request(&[&["GET", "key"]]) }).unwrap();
    assert!(client.number("cache_bytes") > 0);
    assert!(client.client.cancel(id));
    assert_eq!(client.inbox.take(1)[0].status, Status::Canceled);
    assert_eq!(client.number("cache_bytes"), 0);
    proxy.admit();
    (0..2).for_each(|_| assert_eq!(read(&client, &["GET", "key"]), "value"));
    assert_eq!(client.number("cache_hits"), 1);
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
