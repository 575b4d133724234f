//! What programs ask of a cluster while its slots move. Each kind of request has a thread of its own, which checks
//! every answer: an error, a number out of turn, a lost element, or a gap that was not told fails the test.

mod blocking;
mod cached;
mod channels;
mod commands;
mod slots;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use justredis::client::request::Request;
use justredis::protocol::reply::Node;

pub use self::slots::tags_of;
use super::counters::{Counter, Stop};
use crate::support::client::{Done, Tester};
use crate::support::wait;

const COMMANDS: &str = "commands";
const EACH_SLOT: &str = "GET in each slot";

/// A kind of request.
pub struct Worker {
    pub name: &'static str,
    /// How often it has done what it does.
    done: AtomicUsize,
    work: fn(&Traffic<'_>, &Worker),
}

/// All of them.
pub struct Traffic<'a> {
    client: &'a Tester,
    /// One that keeps what it has read.
    caching: &'a Tester,
    /// A key with such a tag lies in a slot that moves: one tag for each of these slots, of which some hold keys.
    every_slot: &'a [String],
    tags: Vec<&'a str>,
    pub workers: Vec<Worker>,
    stop: AtomicBool,
    /// So many gaps of channels were told.
    pub gaps: AtomicUsize,
    /// The longest time from the answer to a write to the last time when another client asked its cache and got
    /// something older.
    pub stale_for: Mutex<Duration>,
}

impl Worker {
    fn new(name: &'static str, work: fn(&Traffic<'_>, &Worker)) -> Worker {
        Worker { name, done: AtomicUsize::new(0), work }
    }

    pub fn done(&self) -> usize {
        self.done.load(SeqCst)
    }

    fn count(&self) {
        self.done.fetch_add(1, SeqCst);
    }
}

impl<'a> Traffic<'a> {
    /// So many of the slots hold keys.
    pub fn new(client: &'a Tester, caching: &'a Tester, every_slot: &'a [String], hold_keys: usize) -> Traffic<'a> {
        let tags = every_slot.iter().step_by(every_slot.len() / hold_keys).map(String::as_str).collect();
        let workers = vec![
            Worker::new(COMMANDS, commands::single),
            Worker::new("requests side by side", commands::side_by_side),
            Worker::new("pipelines", commands::pipelines),
            Worker::new("MSET, MGET, DEL of a slot", commands::of_a_slot),
            Worker::new("MSET, MGET, UNLINK of several slots", commands::of_several_slots),
            Worker::new("transactions", commands::transactions),
            Worker::new("scripts", commands::scripts),
            Worker::new(EACH_SLOT, commands::in_each_slot),
            Worker::new("BLPOP", blocking::lists),
            Worker::new("XREAD BLOCK", blocking::streams),
            Worker::new("messages of shard channels", channels::messages),
            Worker::new("cached reads", cached::reads),
        ];
        let (stop, gaps, stale_for) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::default());
        Traffic { client, caching, every_slot, tags, workers, stop, gaps, stale_for }
    }

    /// All work, and so does who counts where nothing moves, until that returns.
    pub fn during(&self, bystander: &Counter, moves: impl FnOnce(&Traffic<'_>)) {
        thread::scope(|scope| {
            // One that fails stops all.
            let _stop = Stop(&self.stop);
            scope.spawn(|| {
                let _stop = Stop(&self.stop);
                bystander.count(self.client, &self.stop);
            });
            for worker in &self.workers {
                scope.spawn(|| {
                    let _stop = Stop(&self.stop);
                    (worker.work)(self, worker);
                });
            }
            moves(self);
        });
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Waits until each has done so much more.
    pub fn until_more(&self, more: usize) {
        self.workers.iter().for_each(|worker| self.until_more_of(worker.name, more));
    }

    /// Waits until each slot that holds keys was used.
    pub fn until_all_keys_are_used(&self) {
        self.until_more_of(COMMANDS, self.tags.len());
    }

    /// Waits until so many of all slots were used.
    pub fn until_slots_are_used(&self, slots: usize) {
        self.until_more_of(EACH_SLOT, slots);
    }

    fn until_more_of(&self, name: &str, more: usize) {
        let worker = self.workers.iter().find(|worker| worker.name == name).unwrap();
        let before = worker.done();
        wait::until(&format!("{more} more: {name}"), || worker.done() >= before + more || self.is_over());
    }

    /// Some keys in slots that move.
    fn keys(&self, name: &str) -> Vec<String> {
        self.tags.iter().map(|tag| key(tag, name)).collect()
    }

    /// What a request is answered: no error, and none within.
    fn answer<W: AsRef<[u8]>>(&self, request: &Request<'_, W>) -> Done {
        checked(self.client.wait_for(request).unwrap())
    }
}

fn key(tag: &str, name: &str) -> String {
    format!("{{{tag}}}{name}")
}

fn checked(done: Done) -> Done {
    assert!(done.is_ok() && !has_error(&done.reply), "{:?} {:?}: {}", done.ending(), done.reply, done.text());
    done
}

fn has_error(node: &Node) -> bool {
    node.is_error() || node.kind().is_aggregate() && node.items().iter().any(has_error)
}
