//! What the library can do, each as a small program that is the same wherever it runs. It gives the word that stands in
//! the table.

use justredis::client::request::Request;
use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use justredis::topology::Route;

use crate::places::{Place, is_resp2};
use crate::support::client::{Inbox, Tester, config, request, until_event};
use crate::support::messages::Subscription;
use crate::support::wait;

const OK: &str = "ok";

/// What is tried; it gives the word for the table.
type Capability = fn(&Place) -> &'static str;

/// Each with its name, in the order of the table.
pub const CAPABILITIES: [(&str, Capability); 23] = [
    ("values of any bytes", values),
    ("a thousand in flight", in_flight),
    ("a pipeline over many keys", pipeline),
    ("MGET, MSET, DEL over many keys", split),
    ("a transaction", transaction),
    ("a watched transaction on a lease", watched),
    ("a script, EVALSHA unseen", script),
    ("a function on every primary", function),
    ("BLPOP", blocking),
    ("XREAD BLOCK", streams),
    ("WAIT behind a pipeline", replication),
    ("a deadline", deadline),
    ("a cancelled request", cancelled),
    ("channels and patterns", channels),
    ("shard channels", shard_channels),
    ("MONITOR of one server", monitor),
    ("cached reads", cached),
    ("SCAN of everything", scan),
    ("DBSIZE of everything", size),
    ("a route to every primary", every_primary),
    ("a read from a replica", replica),
    ("a connection that is killed", killed),
    ("database numbers", databases),
];

/// Keys that begin with a word, in many slots.
fn keys(word: &str) -> Vec<String> {
    (0..40).map(|number| format!("{word}:{number}")).collect()
}

fn words<'a>(first: &'a str, others: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    [first].into_iter().chain(others.into_iter().map(String::as_str)).collect()
}

fn values(place: &Place) -> &'static str {
    let client = place.client();
    let large = vec![0xff; 1 << 20];
    for value in [&b""[..], b"\r\n\0$5\r\n", &large] {
        for key in keys("value") {
            assert!(client.run(&[b"SET", key.as_bytes(), value]).is_ok());
            assert_eq!(client.run(&[b"GET", key.as_bytes()]).reply.as_bytes(), value);
            if value.len() > 100 {
                break;
            }
        }
    }
    OK
}

fn in_flight(place: &Place) -> &'static str {
    let client = place.client();
    let keys = keys("counter");
    // Who does not know yet where the keys are is sent on, and that changes the order.
    keys.iter().for_each(|key| assert_eq!(client.run(&["INCR", key]).integer(), 1));
    let ids: Vec<u64> = (0..1000).map(|number| client.submit(&["INCR", &keys[number % keys.len()]])).collect();
    let done = client.inbox.each_once(&ids);
    // What one thread asks of a key is answered in its order.
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(done[id].integer(), (number / keys.len() + 2) as i64, "{}", done[id].text());
    }
    OK
}

fn pipeline(place: &Place) -> &'static str {
    let client = place.client();
    let keys = keys("pipeline");
    let commands: Vec<[&str; 3]> = keys.iter().flat_map(|key| [["APPEND", key, "a"], ["APPEND", key, "b"]]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|words| &words[..]).collect();
    let done = client.wait_for(&request(&commands)).unwrap();
    let lengths: Vec<i64> = done.reply.items().iter().filter_map(|item| item.to_i64()).collect();
    assert_eq!(lengths, [1, 2].repeat(keys.len()));
    assert!(keys.iter().all(|key| client.text(&["GET", key]) == "ab"));
    OK
}

fn split(place: &Place) -> &'static str {
    let client = place.client();
    let keys = keys("split");
    let pairs: Vec<String> = keys.iter().flat_map(|key| [key.clone(), key.to_uppercase()]).collect();
    assert_eq!(client.text(&words("MSET", &pairs)), "OK");
    let all = client.run(&words("MGET", &keys));
    assert!(keys.iter().zip(all.reply.items()).all(|(key, item)| item.as_bytes() == key.to_uppercase().as_bytes()));
    for (name, count) in [("EXISTS", 40), ("TOUCH", 40), ("UNLINK", 40), ("DEL", 0)] {
        assert_eq!(client.run(&words(name, &keys)).integer(), count, "{name}");
    }
    OK
}

fn transaction(place: &Place) -> &'static str {
    let client = place.client();
    for tag in keys("transaction") {
        let (a, b) = (format!("{{{tag}}}a"), format!("{{{tag}}}b"));
        let done = client.atomic(&[&["SET", &a, "1"][..], &["INCR", &a], &["RPUSH", &b, "x"]]);
        assert!(done.is_ok(), "{done:?} {}", done.text());
        assert_eq!(done.reply.items()[1].to_i64(), Some(2));
    }
    OK
}

fn watched(place: &Place) -> &'static str {
    let client = place.client();
    for key in keys("watched").iter().take(8) {
        let count = |lease: &Tester| {
            let before = lease.run(&["GET", key]).reply.to_i64().unwrap_or(0);
            lease.atomic(&[&["SET", key, &(before + 1).to_string()]])
        };
        let lease = client.lease();
        assert_eq!(lease.text(&["WATCH", key]), "OK");
        client.text(&["SET", key, "7"]);
        assert_eq!(count(&lease).reply.kind(), Kind::Nil, "somebody came between");
        assert_eq!(lease.text(&["WATCH", key]), "OK");
        assert!(count(&lease).is_ok());
        assert_eq!(client.text(&["GET", key]), "8");
    }
    OK
}

fn script(place: &Place) -> &'static str {
    let client = place.client();
    let text = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    for round in 1..=2 {
        for key in keys("script") {
            assert_eq!(client.run(&["EVAL", text, "1", &key, "3"]).integer(), 3 * round);
        }
    }
    OK
}

fn function(place: &Place) -> &'static str {
    let client = place.client();
    let library = "#!lua name=places\nredis.register_function('double', function(keys, args) \
                   return 2 * redis.call('GET', keys[1]) end)";
    assert_eq!(client.text(&["FUNCTION", "LOAD", "REPLACE", library]), "places");
    for key in keys("function") {
        client.text(&["SET", &key, "21"]);
        assert_eq!(client.run(&["FCALL", "double", "1", &key]).integer(), 42);
    }
    OK
}

fn blocking(place: &Place) -> &'static str {
    let client = place.client();
    let keys = keys("list");
    let waiting: Vec<u64> = keys.iter().take(8).map(|key| client.submit_within(20_000, &["BLPOP", key, "0"])).collect();
    let ids: Vec<u64> = waiting.clone();
    for key in keys.iter().take(8) {
        client.text(&["RPUSH", key, "element"]);
    }
    let done = client.inbox.each_once(&ids);
    assert!(waiting.iter().all(|id| done[id].reply.items()[1].as_bytes() == b"element"));
    OK
}

fn streams(place: &Place) -> &'static str {
    let client = place.client();
    let keys = keys("stream");
    for key in keys.iter().take(4) {
        let id = client.submit_within(20_000, &["XREAD", "BLOCK", "0", "STREAMS", key, "0"]);
        client.text(&["XADD", key, "*", "field", "value"]);
        assert!(client.inbox.each_once(&[id])[&id].is_ok());
    }
    OK
}

fn replication(place: &Place) -> &'static str {
    let client = place.client();
    let commands: [&[&str]; 2] = [&["SET", "wait", "1"], &["WAIT", "0", "1000"]];
    let done = client.wait_for(&request(&commands)).unwrap();
    assert!(done.is_ok(), "{}", done.text());
    assert!(done.reply.items()[1].to_i64().is_some(), "{}", done.text());
    OK
}

fn deadline(place: &Place) -> &'static str {
    let client = place.client();
    let done = client.run_within(50, &["BLPOP", "nobody", "0"]);
    assert_eq!(done.status, Status::Timeout, "{}", done.text());
    assert_eq!(client.text(&["PING"]), "PONG");
    OK
}

fn cancelled(place: &Place) -> &'static str {
    let client = place.client();
    let id = client.submit_within(20_000, &["BLPOP", "nobody else", "0"]);
    assert!(client.client.cancel(id));
    assert_eq!(client.inbox.each_once(&[id])[&id].status, Status::Canceled);
    OK
}

fn channels(place: &Place) -> &'static str {
    let client = place.client();
    let channel = format!("news of {}", place.name);
    let news = Subscription::to(&client, &["SUBSCRIBE", &channel]);
    assert_eq!(news.take(1), [format!("subscribe {channel} 1")]);
    let pattern = Subscription::to(&client, &["PSUBSCRIBE", "news of *"]);
    assert_eq!(pattern.take(1), ["psubscribe news of * 1"]);
    // In a cluster a node passes a message on when it has heard of the others.
    assert!(client.run(&["PUBLISH", &channel, "hello"]).is_ok());
    assert_eq!(news.take(1), [format!("message {channel} hello")]);
    assert_eq!(pattern.take(1), [format!("pmessage news of * {channel} hello")]);
    // One that is made without any, and has all kinds in the end.
    let all = Subscription::to(&client, &["SUBSCRIBE"]);
    assert_eq!((all.until_made(), all.change(&["PING", "there"]).text().as_str()), (0, "there"));
    assert_eq!(all.take(1), ["pong there"]);
    let keys = keys("kinds");
    let sharded: Vec<&str> = ["SSUBSCRIBE"].into_iter().chain(keys.iter().take(4).map(String::as_str)).collect();
    assert_eq!(all.change(&sharded).integer(), 4);
    assert_eq!(all.change(&["SUBSCRIBE", &channel]).integer(), 5);
    all.take(5);
    for key in &keys[..4] {
        assert_eq!(client.run(&["SPUBLISH", key, "sharded"]).integer(), 1);
        assert_eq!(all.take(1), [format!("smessage {key} sharded")]);
    }
    assert!(client.run(&["PUBLISH", &channel, "plain"]).is_ok());
    assert_eq!(all.take(1), [format!("message {channel} plain")]);
    OK
}

fn shard_channels(place: &Place) -> &'static str {
    let client = place.client();
    let names = keys("shard");
    let readers: Vec<Subscription> =
        names.iter().take(8).map(|name| Subscription::to(&client, &["SSUBSCRIBE", name])).collect();
    for (name, reader) in names.iter().zip(&readers) {
        assert!(reader.take(1)[0].starts_with(&format!("ssubscribe {name} ")));
        assert_eq!(client.run(&["SPUBLISH", name, "hello"]).integer(), 1);
        assert_eq!(reader.take(1), [format!("smessage {name} hello")]);
    }
    OK
}

fn monitor(place: &Place) -> &'static str {
    let client = place.client();
    // Who is behind sentinels learns the address of the server with the connection.
    assert_eq!(client.text(&["PING"]), "PONG");
    let address = match place.server_of("monitor") {
        _ if client.address().starts_with('/') => client.address(),
        server => server.address().to_string(),
    };
    let inbox = Inbox::default();
    let seen = Request { route: Route::Node(&address), ..request(&[&["MONITOR"]]) };
    client.send_to(&inbox, &seen).unwrap();
    inbox.until(1);
    client.text(&["SET", "monitor", "seen"]);
    wait::until("the command to be seen", || inbox.drain().iter().any(|done| done.text().contains("\"seen\"")));
    OK
}

fn cached(place: &Place) -> &'static str {
    if is_resp2() {
        let config = config("redis://localhost", &[("protocol", "2"), ("cache_bytes", "1MiB")]);
        assert_eq!(config.validate().unwrap_err().status, Status::Config);
        return "refused";
    }
    let client = place.client_with(&[("cache_bytes", "1MiB")]);
    for key in keys("cached").iter().take(8) {
        client.text(&["SET", key, "1"]);
        assert_eq!(client.cached(&["GET", key]).text(), "1");
        assert!(place.server_of(key).command(&["SET", key, "2"]).is_ok());
        wait::until("the change to be heard of", || client.cached(&["GET", key]).text() == "2");
    }
    OK
}

fn scan(place: &Place) -> &'static str {
    let client = place.client();
    let mut names = keys("scan");
    names.iter().for_each(|name| drop(client.text(&["SET", name, "1"])));
    names.sort();
    assert_eq!(scanned(&client, "SCAN"), names);
    // Where the servers have a cursor over a whole cluster themselves, it is theirs to the end.
    if place.name == "cluster, valkey-9.1" {
        assert_eq!(scanned(&client, "CLUSTERSCAN"), names);
    }
    OK
}

/// The keys that a command with a cursor finds.
fn scanned(client: &Tester, command: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let done = client.run(&[command, &cursor, "MATCH", "scan:*", "COUNT", "10"]);
        assert!(done.is_ok(), "{}", done.text());
        found.extend(
            done.reply.items()[1].items().iter().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
        );
        cursor = String::from_utf8_lossy(done.reply.items()[0].as_bytes()).into_owned();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    found
}

fn size(place: &Place) -> &'static str {
    let client = place.client();
    keys("size").iter().for_each(|name| drop(client.text(&["SET", name, "1"])));
    assert!(client.run(&["DBSIZE"]).integer() >= 40, "the keys of all nodes");
    OK
}

fn every_primary(place: &Place) -> &'static str {
    let client = place.client();
    let done = client.wait_for(&Request { route: Route::Primaries, ..request(&[&["PING"]]) }).unwrap();
    assert_eq!(done.reply.kind(), Kind::Map, "{}", done.text());
    assert_eq!(done.reply.items().len() / 2, place.on_all_primaries(&["PING"]).len());
    OK
}

fn replica(place: &Place) -> &'static str {
    let client = place.client_with(&[("read_from", "prefer_replica")]);
    for key in keys("replica").iter().take(8) {
        client.text(&["SET", key, "1"]);
        wait::until("the value to be read", || client.run(&["GET", key]).text() == "1");
    }
    OK
}

fn killed(place: &Place) -> &'static str {
    let client = place.client_with(&[("client_name", "killed")]);
    let events = client.events();
    client.text(&["SET", "killed", "0"]);
    let server = place.server_of("killed");
    let list = server.command(&["CLIENT", "LIST"]).text();
    let own = list.lines().filter(|line| line.contains(" name=killed "));
    for id in own.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()) {
        server.command(&["CLIENT", "KILL", "ID", id]);
    }
    until_event(&events, "lost");
    assert_eq!(client.text(&["GET", "killed"]), "0");
    OK
}

fn databases(place: &Place) -> &'static str {
    let client = place.client();
    let view = Tester { client: client.client.database(3).unwrap(), inbox: Inbox::default() };
    let done = view.run(&["SET", "numbered", "3"]);
    if !place.has_databases() {
        done.says(Status::Connect, NotRun, &["database 3", "cluster-databases"]);
        return "refused";
    }
    assert_eq!(done.ending(), (Status::Ok, Answered));
    assert_eq!(client.run(&["EXISTS", "numbered"]).integer(), 0);
    OK
}
