//! Threads that mix requests of all kinds and ways, with deadlines and cancellations, decided by a seed; how each ends
//! goes into a ledger.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use justredis::ffi::request::{JR_REQUEST_ATOMIC, JR_REQUEST_CACHED, JR_REQUEST_DEDICATED, JR_REQUEST_IDEMPOTENT};

use super::outcomes::{Command, Ledger, Sent};
use super::support::api::{self, Call, Client, Completion, Queue, Target};
use crate::support::wait;

/// What is to be done.
pub struct Load<'a> {
    pub url: &'a str,
    pub options: &'a [(&'a str, &'a str)],
    pub threads: usize,
    /// Requests of each thread.
    pub requests: usize,
    pub seed: u64,
    /// The longest padding of a command that reads, and of one that writes; one of twenty has some.
    pub padding: [usize; 2],
    /// The server answers GET with its key, so that reads can be cached.
    pub caches: bool,
    /// One request at a time, on the shared connection.
    pub alone: bool,
}

/// The ledgers of all tests of this process: the upper half of `user_data` is the index.
static LEDGERS: Mutex<Vec<Arc<Ledger>>> = Mutex::new(Vec::new());

fn settle(completion: Completion) {
    let Completion { user_data, status, outcome, is_last, reply } = completion;
    assert!(is_last);
    let ledger = Arc::clone(&LEDGERS.lock().unwrap()[(user_data >> 32) as usize]);
    ledger.end(user_data as u32 as usize, status, outcome, &reply);
}

impl Load<'_> {
    /// Does it, and closes the client; gives the ledger when each request has ended.
    pub fn run(&self) -> Arc<Ledger> {
        api::receive_by(settle);
        let ledger = Arc::new(Ledger::default());
        let mark = {
            let mut ledgers = LEDGERS.lock().unwrap();
            ledgers.push(Arc::clone(&ledger));
            (ledgers.len() as u64 - 1) << 32
        };
        let client = Client::new(self.url, self.options);
        let shared = Queue::new(true);
        let queues: Vec<Queue> = (0..self.threads).map(|number| Queue::new(number % 2 == 0)).collect();
        thread::scope(|scope| {
            for (number, queue) in queues.iter().enumerate() {
                let random = Rng::with_seed(self.seed.wrapping_mul(1000).wrapping_add(number as u64));
                let (client, shared, ledger) = (&client, &shared, &*ledger);
                let first_id = (number as u64 + 1) << 32;
                scope.spawn(move || {
                    Worker { load: self, client, queue, shared, ledger, mark, random, next: first_id }.work()
                });
            }
        });
        client.close(3000);
        wait::until("the end of each request", || {
            queues.iter().chain([&shared]).for_each(|queue| queue.take(0).into_iter().for_each(settle));
            ledger.open() == 0
        });
        ledger
    }
}

struct Worker<'a> {
    load: &'a Load<'a>,
    client: &'a Client,
    queue: &'a Queue,
    shared: &'a Queue,
    ledger: &'a Ledger,
    mark: u64,
    random: Rng,
    /// The name of the next command.
    next: u64,
}

impl Worker<'_> {
    fn work(mut self) {
        for _ in 0..self.load.requests {
            if self.random.u8(..30) == 0 && !self.load.alone {
                let lease = self.client.lease();
                for _ in 0..self.random.u8(1..5) {
                    self.request(&lease);
                }
            } else {
                self.request(self.client);
            }
            // Some stay away for longer than others.
            if self.random.u8(..3) == 0 {
                let timeout = self.random.i32(0..3);
                self.queue.take(timeout).into_iter().for_each(settle);
            }
            if self.random.u8(..6) == 0 {
                self.shared.take(0).into_iter().for_each(settle);
            }
        }
    }

    fn command(&mut self) -> Command {
        self.next += 1;
        let reads = self.random.bool();
        let most = self.load.padding[usize::from(!reads)];
        let padding = if self.random.u8(..20) == 0 { self.random.usize(..=most) } else { 0 };
        Command { id: self.next, reads, padding }
    }

    fn request(&mut self, on: &Client) {
        let kind = self.random.u8(..8);
        // Of several commands that are no block, each waits for an answer of its own.
        let is_cached = kind == 3 && self.load.caches;
        let may_be_several = (!self.load.alone || kind == 0) && !is_cached;
        let count = if self.random.bool() && may_be_several { self.random.usize(1..6) } else { 1 };
        let mut sent = Sent { commands: (0..count).map(|_| self.command()).collect(), ..Sent::default() };
        let mut flags = 0;
        match kind {
            0 => (flags, sent.atomic) = (JR_REQUEST_ATOMIC, true),
            1 => (flags, sent.idempotent) = (JR_REQUEST_IDEMPOTENT, true),
            2 if !self.load.alone => flags = JR_REQUEST_DEDICATED,
            _ if is_cached => {
                (flags, sent.cached) = (JR_REQUEST_CACHED, true);
                sent.commands.iter_mut().for_each(|command| command.reads = true);
            }
            _ => {}
        }
        let timeout_ms = match self.random.u8(..4) {
            0 if !self.load.alone => self.random.u32(1..40),
            _ => 0,
        };
        let way = if self.load.alone { 0 } else { self.random.u8(..4) };
        sent.way = ["execute", "own queue", "shared queue", "callback"][usize::from(way)];
        let commands: Vec<_> = sent.commands.iter().map(|command| command.words(sent.cached)).collect();
        let number = self.ledger.enter(sent);
        let user_data = self.mark | number as u64;
        let call = Call { commands: &commands, flags, timeout_ms, user_data };
        let target = match way {
            0 => {
                let (status, reply) = on.execute(&call);
                return self.ledger.end(number, status, None, &reply);
            }
            1 => Target::Queue(self.queue),
            2 => Target::Queue(self.shared),
            _ => Target::Callback,
        };
        match on.submit(&call, target) {
            Err(_) => self.ledger.withdraw(number),
            Ok(id) if self.random.u8(..6) == 0 => {
                thread::sleep(Duration::from_micros(self.random.u64(..2000)));
                on.cancel(id);
            }
            Ok(_) => {}
        }
    }
}
