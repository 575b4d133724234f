//! Those that wait for elements: each gets all of them, in order.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use justredis::client::request::{Request, Timeout};

use super::{Traffic, Worker, key};
use crate::support::client::{Done, request};
use crate::support::wait;

/// So many lists, and so many streams.
const KEYS: usize = 3;

/// So far who gives may be ahead of who takes.
const AHEAD: usize = 50;

/// The last element.
const END: &str = "end";

/// Calls that for each element of a key that has come, until it says that it was the last.
type Take<'a> = dyn Fn(&str, &mut dyn FnMut(&str) -> bool) + Sync + 'a;

/// How an element is given and taken.
struct Kind<'a> {
    name: &'static str,
    give: fn(&Traffic<'_>, &str, &str),
    take: &'a Take<'a>,
}

pub fn lists(traffic: &Traffic<'_>, worker: &Worker) {
    let take = |key: &str, each: &mut dyn FnMut(&str) -> bool| loop {
        let done = wait_for(traffic, &["BLPOP", key, "0"]);
        assert_eq!(done.reply.items()[0].as_bytes(), key.as_bytes());
        if !each(str::from_utf8(done.reply.items()[1].as_bytes()).unwrap()) {
            return;
        }
    };
    let give = |traffic: &Traffic<'_>, key: &str, element: &str| {
        assert!(traffic.answer(&request(&[&["RPUSH", key, element]])).integer() > 0);
    };
    exchange(traffic, worker, &Kind { name: "list", give, take: &take });
}

pub fn streams(traffic: &Traffic<'_>, worker: &Worker) {
    let take = |key: &str, each: &mut dyn FnMut(&str) -> bool| {
        let mut last = "0".to_owned();
        loop {
            let done = wait_for(traffic, &["XREAD", "BLOCK", "0", "STREAMS", key, &last]);
            let entries = done.reply.find(key.as_bytes()).unwrap();
            for entry in entries.items() {
                last = String::from_utf8(entry.items()[0].as_bytes().to_vec()).unwrap();
                if !each(str::from_utf8(entry.items()[1].items()[1].as_bytes()).unwrap()) {
                    return;
                }
            }
        }
    };
    let give = |traffic: &Traffic<'_>, key: &str, element: &str| {
        let words = ["XADD", key, "MAXLEN", "~", "1000", "*", "element", element];
        traffic.answer(&request(&[&words]));
    };
    exchange(traffic, worker, &Kind { name: "stream", give, take: &take });
}

fn wait_for(traffic: &Traffic<'_>, words: &[&str]) -> Done {
    traffic.answer(&Request { timeout: Timeout::None, ..request(&[words]) })
}

fn exchange(traffic: &Traffic<'_>, worker: &Worker, kind: &Kind<'_>) {
    let keys: Vec<String> = traffic.tags.iter().take(KEYS).map(|tag| key(tag, kind.name)).collect();
    let taken: Vec<AtomicUsize> = keys.iter().map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for (key, taken) in keys.iter().zip(&taken) {
            scope.spawn(move || {
                (kind.take)(key, &mut |element| {
                    let is_next = element == taken.load(SeqCst).to_string();
                    assert!(is_next || element == END, "{key}: {element} in the place of {taken:?}");
                    if is_next {
                        taken.fetch_add(1, SeqCst);
                        worker.count();
                    }
                    is_next
                });
            });
        }
        let mut given = 0;
        while !traffic.is_over() {
            for (key, taken) in keys.iter().zip(&taken) {
                (kind.give)(traffic, key, &given.to_string());
                wait::until("elements to be taken", || taken.load(SeqCst) + AHEAD > given || traffic.is_over());
            }
            given += 1;
        }
        keys.iter().for_each(|key| (kind.give)(traffic, key, END));
        wait::until("all elements to be taken", || taken.iter().all(|taken| taken.load(SeqCst) == given));
    });
}
