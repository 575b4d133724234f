//! What is answered at once: each key is written by one thread, so that each answer is known.

use justredis::client::request::Request;
use justredis::protocol::reply::Kind;

use super::{Traffic, Worker, checked, key};
use crate::support::client::{Inbox, Tester, request};

/// Keys that are counted, and what is expected of them.
struct Tally {
    keys: Vec<String>,
    counted: Vec<i64>,
}

impl Tally {
    fn new(keys: Vec<String>) -> Tally {
        Tally { counted: vec![0; keys.len()], keys }
    }

    /// Each key, and what it is when it is counted once more.
    fn next(&mut self) -> impl Iterator<Item = (&str, i64)> {
        self.keys.iter().zip(&mut self.counted).map(|(key, counted)| {
            *counted += 1;
            (&**key, *counted)
        })
    }

    /// Nothing ran twice, also not the last.
    fn check(&self, client: &Tester) {
        for (key, counted) in self.keys.iter().zip(&self.counted) {
            assert_eq!(client.text(&["GET", key]), counted.to_string(), "{key}");
        }
    }
}

pub fn single(traffic: &Traffic<'_>, worker: &Worker) {
    let mut tally = Tally::new(traffic.keys("single"));
    while !traffic.is_over() {
        for (key, expected) in tally.next() {
            assert_eq!(traffic.answer(&request(&[&["INCR", key]])).integer(), expected, "{key}");
            worker.count();
        }
    }
    tally.check(traffic.client);
}

/// Two for each key, all under way at the same time: what is redirected may change places.
pub fn side_by_side(traffic: &Traffic<'_>, worker: &Worker) {
    let (mut tally, inbox) = (Tally::new(traffic.keys("side by side")), Inbox::default());
    while !traffic.is_over() {
        tally.next().for_each(drop);
        let all: Vec<(String, i64)> = tally.next().map(|(key, expected)| (key.to_owned(), expected)).collect();
        let send = |(key, _): &(String, i64)| traffic.client.send_to(&inbox, &request(&[&["INCR", key]])).unwrap();
        let (first, second): (Vec<u64>, Vec<u64>) = all.iter().map(|pair| (send(pair), send(pair))).unzip();
        let ids: Vec<u64> = first.iter().chain(&second).copied().collect();
        let mut done = inbox.each_once(&ids);
        for ((key, expected), ids) in all.iter().zip(first.iter().zip(&second)) {
            let mut counted = [ids.0, ids.1].map(|id| checked(done.remove(id).unwrap()).integer());
            counted.sort_unstable();
            assert_eq!(counted, [expected - 1, *expected], "{key}");
            worker.count();
        }
    }
    tally.check(traffic.client);
}

/// One over all slots; what is for one slot keeps its order.
pub fn pipelines(traffic: &Traffic<'_>, worker: &Worker) {
    let mut tally = Tally::new(traffic.keys("pipeline"));
    while !traffic.is_over() {
        let all: Vec<(String, i64)> = tally.next().map(|(key, expected)| (key.to_owned(), expected)).collect();
        let commands: Vec<[&str; 2]> = all.iter().flat_map(|(key, _)| [["INCR", key], ["GET", key]]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
        let done = traffic.answer(&request(&commands));
        for ((key, expected), items) in all.iter().zip(done.reply.items().chunks(2)) {
            assert_eq!(items[0].to_i64().unwrap(), *expected, "{key}");
            assert_eq!(items[1].as_bytes(), expected.to_string().as_bytes(), "{key}");
        }
        assert_eq!(done.reply.items().len(), commands.len());
        worker.count();
    }
    tally.check(traffic.client);
}

/// Several keys of a slot, of which some may have moved already.
pub fn of_a_slot(traffic: &Traffic<'_>, worker: &Worker) {
    let mut number = 0;
    while !traffic.is_over() {
        number += 1;
        let value = number.to_string();
        for tag in &traffic.tags {
            let [left, right] = ["left", "right"].map(|name| key(tag, name));
            traffic.answer(&request(&[&["MSET", &left, &value, &right, &value]]));
            let both = traffic.answer(&request(&[&["MGET", &left, &right]]));
            assert!(both.reply.items().iter().all(|item| item.as_bytes() == value.as_bytes()), "{left}: {both:?}");
            assert_eq!(both.reply.items().len(), 2);
            if number % 2 == 0 {
                assert_eq!(traffic.answer(&request(&[&["DEL", &left, &right]])).integer(), 2, "{left}");
            }
            worker.count();
        }
    }
}

/// The client splits them.
pub fn of_several_slots(traffic: &Traffic<'_>, worker: &Worker) {
    let (keys, mut number) = (traffic.keys("spread"), 0);
    let of_all =
        |name: &'static str| -> Vec<&str> { [name].into_iter().chain(keys.iter().map(|key| &**key)).collect() };
    while !traffic.is_over() {
        number += 1;
        let value = number.to_string();
        let mut words = vec!["MSET"];
        keys.iter().for_each(|key| words.extend([&**key, &value]));
        traffic.answer(&request(&[&words]));
        let all = traffic.answer(&request(&[&of_all("MGET")]));
        assert!(all.reply.items().iter().all(|item| item.as_bytes() == value.as_bytes()), "{value}: {all:?}");
        assert_eq!(traffic.answer(&request(&[&of_all("EXISTS")])).integer(), keys.len() as i64);
        if number % 2 == 0 {
            assert_eq!(traffic.answer(&request(&[&of_all("UNLINK")])).integer(), keys.len() as i64);
        }
        worker.count();
    }
}

pub fn transactions(traffic: &Traffic<'_>, worker: &Worker) {
    let mut tally = Tally::new(traffic.keys("transaction"));
    while !traffic.is_over() {
        for (key, expected) in tally.next() {
            let copy = format!("{key} copy");
            let value = expected.to_string();
            let commands: [&[&str]; 3] = [&["INCR", key], &["SET", &copy, &value], &["MGET", key, &copy]];
            let done = traffic.answer(&Request { atomic: true, ..request(&commands) });
            let items = done.reply.items();
            assert_eq!((items.len(), items[0].to_i64().unwrap()), (3, expected), "{key}");
            let both = items[2].items();
            assert!(both.len() == 2 && both.iter().all(|item| item.as_bytes() == value.as_bytes()), "{key}: {done:?}");
            worker.count();
        }
    }
    tally.check(traffic.client);
}

pub fn scripts(traffic: &Traffic<'_>, worker: &Worker) {
    const SCRIPT: &str = "local n = redis.call('INCR', KEYS[1]); redis.call('SET', KEYS[2], n); return n";
    let mut tally = Tally::new(traffic.keys("script"));
    while !traffic.is_over() {
        for (key, expected) in tally.next() {
            let copy = format!("{key} copy");
            let done = traffic.answer(&request(&[&["EVAL", SCRIPT, "2", key, &copy]]));
            assert_eq!(done.integer(), expected, "{key}");
            worker.count();
        }
    }
    tally.check(traffic.client);
}

/// Also in the many slots without keys.
pub fn in_each_slot(traffic: &Traffic<'_>, worker: &Worker) {
    while !traffic.is_over() {
        for tag in traffic.every_slot.iter().take_while(|_| !traffic.is_over()) {
            let done = traffic.answer(&request(&[&["GET", &key(tag, "nothing")]]));
            assert_eq!(done.reply.kind(), Kind::Nil, "{tag}");
            worker.count();
        }
    }
}
