//! A client, two servers, the connection between them and the time: one step of any of them after another, by random
//! choice.

mod ending;
mod faults;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::books::Books;
use super::command::Digests;
use super::inbox::{Inbox, Place};
use super::server::{Log, Server};
use super::wire::Wire;
use super::workload::Asked;
use crate::client::core::Core;
use crate::client::fixture;
use crate::client::intake::Batch;
use crate::client::request;
use crate::config::Config;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::simulated_driver::SimulatedDriver;
use crate::connection::unit::Ticket;
use crate::error::{Error, Status};

/// So many requests are open at most, so that there is time for each.
const OPEN: usize = 60;

/// A deadline may be noticed so much later, in microseconds.
const LATE: u64 = 4000;

/// All that there is.
pub struct World {
    random: Rng,
    core: Arc<Core<Place>>,
    link: Arc<Link>,
    /// Keeps the client from believing that its tasks have ended.
    alive: Option<Sender<()>>,
    driver: SimulatedDriver,
    servers: [Server; 2],
    wire: Option<Wire>,
    /// Connections that the client has given up and from which a server still reads.
    leftovers: Vec<Wire>,
    /// How much the socket took of the write that is under way.
    writing: Option<usize>,
    /// Where the client finds a server, if at all.
    dialled: usize,
    timer: Option<Instant>,
    inbox: Inbox,
    places: Vec<Place>,
    books: Books,
    log: Log,
    digests: Digests,
    /// One step in so many brings a fault; 0: none does.
    faults: u32,
    max_attempts: u32,
    max_requests: usize,
    /// Tells runs apart.
    trace: u64,
}

impl World {
    /// Everything at its start, decided by the seed.
    pub fn new(seed: u64) -> World {
        // The pauses between attempts are chosen by this one.
        fastrand::seed(seed);
        let mut random = Rng::with_seed(seed);
        let max_attempts = random.choice([1, 2, 8]).unwrap_or(8);
        let max_requests = random.choice([8, 1_000_000]).unwrap_or(8);
        let config = Config { max_attempts, max_requests, ..Config::default() };
        let (core, link, alive) = fixture::client(config);
        let inbox = Inbox::default();
        World {
            driver: SimulatedDriver::new(&link),
            link,
            alive: Some(alive),
            timer: core.tick(),
            core,
            servers: [Server::new(true), Server::new(false)],
            wire: None,
            leftovers: Vec::new(),
            writing: None,
            dialled: 0,
            places: (0..4).map(|number| Place::new(number, number > 0, &inbox)).collect(),
            inbox,
            books: Books::default(),
            log: Log::new(),
            digests: Digests::new(),
            faults: random.choice([0, 1000, 200, 40]).unwrap_or(0),
            max_attempts,
            max_requests,
            random,
            trace: 0,
        }
    }

    /// One step.
    pub fn step(&mut self) {
        if self.faults > 0 && self.random.u32(0..self.faults) == 0 {
            self.fault();
            self.collect();
        }
        match self.random.u8(0..100) {
            0..20 => self.submit(),
            20..23 => self.cancel(),
            23..45 => self.write(),
            45..65 => self.serve(),
            65..85 => self.deliver(),
            85..92 => self.pass_time(),
            92..95 => self.serve_leftovers(),
            _ => self.connect(),
        }
        self.collect();
    }

    fn submit(&mut self) {
        let mut left = if self.random.u8(0..4) == 0 { self.random.usize(1..6) } else { 1 };
        let place = self.places[self.random.usize(0..self.places.len())].clone();
        let (core, link) = (Arc::clone(&self.core), Arc::clone(&self.link));
        let to = request::Place { link: &link, lease: None };
        let mut batch = (left > 1).then(|| Batch::new(&core, to, &place, Submitter::Other));
        while left > 0 && self.books.open() < OPEN {
            left -= 1;
            let asked = Asked::any(&mut self.random);
            let calls = self.log.add(asked.verbs.len());
            let args = asked.args(calls.clone(), &mut self.random);
            let commands: Vec<&[Vec<u8>]> = args.iter().map(Vec::as_slice).collect();
            let request = asked.request(&commands, self.books.next());
            let id = match &mut batch {
                Some(batch) => batch.submit(&request),
                None => core.submit(to, &request, &place, Submitter::Other).map(|(id, _)| id),
            };
            // A batch holds the lock of the link.
            let waiting = if batch.is_some() { None } else { Some(link.waiting().0) };
            match &id {
                Ok(_) => assert!(waiting.is_none_or(|waiting| waiting <= self.max_requests), "{waiting:?} wait"),
                Err(error) => {
                    assert_eq!(error.status, Status::Full, "{error}");
                    let fits = |waiting: usize| waiting + asked.units() <= self.max_requests;
                    assert!(!waiting.is_some_and(fits), "there is room beside {waiting:?}");
                }
            }
            let due = asked.timeout.map(|timeout| core.clock.micros() + timeout.as_micros() as u64 + LATE);
            self.books.add(asked, calls, id.ok().map(|id| (id, place.number(), due)));
        }
    }

    fn cancel(&mut self) {
        let Some((number, id)) = self.books.pick(self.random.usize(0..OPEN)) else { return };
        assert!(self.core.cancel(Ticket(id)), "request {number} is open and cannot be cancelled");
        self.collect();
        assert!(self.books.is_over(number), "request {number} was cancelled and has no completion");
        assert!(!self.core.cancel(Ticket(id)), "request {number} was cancelled twice");
    }

    /// Begins a write, or ends the one that is under way.
    fn write(&mut self) {
        if self.end_write() {
            return;
        }
        let Some(wire) = self.wire.as_mut().filter(|_| self.driver.wants_to_write()) else { return };
        let bytes = self.driver.begin_write().concat();
        let taken = if self.random.u8(0..3) == 0 { self.random.usize(0..=bytes.len()) } else { bytes.len() };
        wire.take(&bytes, taken, &self.digests, &mut self.log);
        self.writing = Some(taken);
        if self.random.bool() {
            self.end_write();
        }
    }

    fn end_write(&mut self) -> bool {
        let Some(taken) = self.writing.take() else { return false };
        assert!(self.driver.end_write(taken), "a server that answers what it was sent is told to be out of step");
        true
    }

    fn serve(&mut self) {
        let World { wire: Some(wire), servers, log, random, .. } = self else { return };
        let unread = wire.unread();
        let most = if random.bool() { unread } else { random.u64(0..=unread) };
        wire.serve(most, &mut servers[wire.server], log, random);
    }

    fn serve_leftovers(&mut self) {
        let World { leftovers, servers, log, random, .. } = self;
        if leftovers.is_empty() {
            return;
        }
        let index = random.usize(0..leftovers.len());
        let wire = &mut leftovers[index];
        wire.serve(random.u64(0..=wire.unread()), &mut servers[wire.server], log, random);
        if wire.unread() == 0 || random.u8(0..8) == 0 {
            leftovers.swap_remove(index);
        }
    }

    fn deliver(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        let readable = wire.readable();
        let most = if self.random.bool() { readable } else { self.random.usize(0..=readable) };
        let bytes = wire.deliver(most);
        // (Nothing to read wakes nobody.)
        if !bytes.is_empty()
            && let Err(error) = self.driver.receive(&bytes, &*self.core)
        {
            assert_eq!(error.status, Status::Protocol, "{error}");
            self.lose(&error);
        }
        self.reconnect();
    }

    /// The driver gives its connection up where the client wants a new one.
    fn reconnect(&mut self) {
        if self.driver.reconnect(&*self.core) {
            self.wire = None;
        }
    }

    fn connect(&mut self) {
        self.reconnect();
        if self.driver.is_connected() {
            return;
        }
        if self.faults > 0 && self.random.u8(0..4) == 0 {
            if self.random.bool() {
                self.driver.give_up(&Error::new(Status::Connect, "nobody is there"), &*self.core);
            }
            return;
        }
        self.driver.connect(&*self.core);
        self.wire = Some(Wire::new(self.dialled));
    }

    fn pass_time(&mut self) {
        let micros = match self.random.u8(0..20) {
            0 => self.random.u64(0..2_000_000),
            1..6 => self.random.u64(0..40_000),
            _ => self.random.u64(0..2000),
        };
        self.move_on(Duration::from_micros(micros));
    }

    /// Moves the clock, and lets the timer do what is due if it is awake.
    fn move_on(&mut self, time: Duration) {
        let clock = &self.core.clock;
        clock.move_on(time);
        if clock.has_changed() || self.timer.is_some_and(|at| at <= clock.instant()) {
            self.timer = self.core.tick();
        }
        self.collect();
        self.books.check_deadlines(self.core.clock.micros());
    }

    fn collect(&mut self) {
        for (place, completion) in self.inbox.lock().drain(..) {
            self.books.complete(place, &completion);
            let news =
                completion.user_data ^ u64::from(completion.flags) << 32 ^ (completion.status.code() as u64) << 40;
            self.trace = self.trace.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ news;
        }
    }
}
