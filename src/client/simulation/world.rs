//! A client, its servers, the connections between them and the time: one step of any of them after another, by random
//! choice. In every second world there are two servers, of which the client knows one at a time, in the others those of
//! a cluster.

mod connection;
mod ending;
mod events;
mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use fastrand::Rng;

use self::connection::{Connection, is_used_up};
use super::books::Books;
use super::command::Digests;
use super::inbox::{Inbox, Place};
use super::member::{self, Member, SERVERS, TAGS};
use super::server::{Log, Server};
use super::wire::Wire;
use super::workload::Asked;
use crate::address::Address;
use crate::client::batch::Batch;
use crate::client::core::Core;
use crate::client::fixture;
use crate::client::request;
use crate::config::{Config, TopologyKind};
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::unit::Ticket;
use crate::error::{Error, Status};

/// So many requests are open at most, so that there is time for each.
const OPEN: usize = 60;

/// A deadline may be noticed so much later, in microseconds.
const LATE: u64 = 4000;

/// The timer sleeps at least so long.
const TICK: Duration = Duration::from_millis(4);

/// All that there is.
pub struct World {
    random: Rng,
    core: Arc<Core<Place>>,
    /// Keeps the client from believing that its tasks have ended.
    alive: Option<Sender<()>>,
    /// The first one is the one to which requests are submitted.
    connections: Vec<Connection>,
    servers: Vec<Server>,
    /// Whose each slot of a cluster is, whatever its servers believe.
    owners: [usize; TAGS],
    /// A server that accepts no connection.
    down: Option<usize>,
    /// How often each thing happened among the servers of a cluster.
    happened: BTreeMap<&'static str, u64>,
    /// How many connections were made.
    connected: i64,
    /// How many links the client has closed, because their nodes are gone.
    left: u64,
    /// Connections that the client has given up and from which a server still reads.
    leftovers: Vec<Wire>,
    /// Where the client finds a server, if at all.
    dialled: usize,
    timer: Option<Instant>,
    inbox: Inbox,
    places: Vec<Place>,
    books: Books,
    log: Log,
    digests: Digests,
    /// Nothing changes, and much time passes.
    is_endless: bool,
    /// One step in so many brings a fault; 0: none does.
    faults: u32,
    /// The time for a server to stop waiting.
    grace: Duration,
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
        let is_cluster = seed.is_multiple_of(2);
        let mut config = Config { max_attempts, max_requests, ..Config::default() };
        if is_cluster {
            config.topology = TopologyKind::Cluster;
            config.endpoints = vec![Address::parse(&member::address_of(0)).unwrap()];
            config.refresh_interval = Duration::from_secs(random.choice([1, 60]).unwrap_or(1));
        }
        let mut members: Vec<Member> = (0..SERVERS).map(Member::new).collect();
        // Some servers send everything to each other from the beginning; in some worlds to the end, which is far.
        let is_endless = seed % 40 == 2;
        for tag in (0..TAGS).filter(|_| is_endless || random.u8(0..6) == 0) {
            members.iter_mut().enumerate().for_each(|(number, member)| member.learn(tag, (number + 1) % SERVERS));
        }
        let servers = match is_cluster {
            true => members.into_iter().map(|member| Server::new(true, Some(member))).collect(),
            false => vec![Server::new(true, None), Server::new(false, None)],
        };
        config.max_connections = random.choice([1, 3, 64]).unwrap_or(64);
        let grace = config.unblock_grace;
        let (core, link, alive) = fixture::client(config);
        let inbox = Inbox::default();
        World {
            connections: vec![Connection::new(&link)],
            alive: Some(alive),
            timer: core.tick(),
            core,
            servers,
            owners: Member::new(0).owners,
            down: None,
            happened: BTreeMap::new(),
            connected: 0,
            left: 0,
            leftovers: Vec::new(),
            dialled: 0,
            places: (0..4).map(|number| Place::new(number, number > 0, &inbox)).collect(),
            inbox,
            books: Books::default(),
            log: Log::new(),
            digests: Digests::new(),
            faults: random.choice([0, 1000, 200, 40]).filter(|_| !is_endless).unwrap_or(0),
            is_endless,
            grace,
            max_attempts,
            max_requests,
            random,
            trace: 0,
        }
    }

    fn is_cluster(&self) -> bool {
        self.core.topology.cluster().is_some()
    }

    /// How many tags keys have, of which one decides the slot.
    fn tags(&self) -> usize {
        if self.is_cluster() { TAGS } else { 0 }
    }

    fn member(&mut self, server: usize) -> &mut Member {
        self.servers[server].member.as_mut().expect("a server of a cluster")
    }

    /// Any connection.
    fn any(&mut self) -> usize {
        self.random.usize(0..self.connections.len())
    }

    /// Any connection, if there is one at which something is to be done.
    fn any_with(&mut self, is_busy: impl Fn(&Connection) -> bool) -> usize {
        let (first, count) = (self.any(), self.connections.len());
        let mut all = (first..first + count).map(|at| at % count);
        all.find(|at| is_busy(&self.connections[*at])).unwrap_or(first)
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
            23..45 => {
                let at = self.any_with(Connection::is_writing);
                self.write(at);
            }
            45..65 => {
                let is_to_do = |wire: &Wire| wire.unread() > 0 || wire.waits();
                let at = self.any_with(|connection| connection.wire.as_ref().is_some_and(is_to_do));
                self.serve(at);
            }
            65..85 => {
                let at = self.any_with(|connection| connection.wire.as_ref().is_some_and(|wire| wire.readable() > 0));
                self.deliver(at);
            }
            85..92 => self.pass_time(),
            92..95 => self.serve_leftovers(),
            _ => {
                let at = self.any_with(|connection| !connection.driver.is_connected());
                self.connect(at);
            }
        }
        self.collect();
        self.find_links();
    }

    fn submit(&mut self) {
        let mut left = if self.random.u8(0..4) == 0 { self.random.usize(1..6) } else { 1 };
        let place = self.places[self.random.usize(0..self.places.len())].clone();
        let (core, link) = (Arc::clone(&self.core), Arc::clone(&self.connections[0].link));
        let to = request::Place { link: &link, lease: None };
        let routes = core.topology.cluster().map(|cluster| cluster.routes(0));
        let batch = || Batch::new(&core, to, routes.as_deref(), &place, Submitter::Other);
        let mut batch = (left > 1).then(batch);
        while left > 0 && self.books.open() < OPEN {
            left -= 1;
            let tags = self.tags();
            let may_wait = batch.is_none() && self.random.u8(0..10) == 0;
            let ask = if may_wait { Asked::waiting } else { Asked::any };
            let asked = ask(&mut self.random, tags);
            let calls = self.log.add(asked.verbs.len());
            let args = asked.args(calls.clone(), &mut self.random);
            let commands: Vec<&[Vec<u8>]> = args.iter().map(Vec::as_slice).collect();
            let request = asked.request(&commands, self.books.next());
            let id = match &mut batch {
                Some(batch) => batch.submit(&request),
                None => core.submit(to, &request, &place, Submitter::Other).map(|(id, _)| id),
            };
            // A batch holds the lock of the link; in a cluster it is another link.
            let is_elsewhere = batch.is_some() || self.is_cluster() || may_wait;
            let waiting = if is_elsewhere { None } else { Some(link.waiting().0) };
            match &id {
                Ok(_) => assert!(waiting.is_none_or(|waiting| waiting <= self.max_requests), "{waiting:?} wait"),
                Err(error) => {
                    assert_eq!(error.status, Status::Full, "{error}");
                    let fits = |waiting: usize| waiting + asked.units() <= self.max_requests;
                    assert!(!waiting.is_some_and(fits), "there is room beside {waiting:?}");
                }
            }
            // What a server waits with is over when that was asked to stop, for which there is time.
            let longer = asked.waits().map(|millis| Duration::from_millis(millis) + self.grace);
            let longest = asked.timeout.map(|timeout| timeout + longer.unwrap_or_default());
            let due = longest.map(|longest| core.clock.micros() + longest.as_micros() as u64 + 2 * LATE);
            self.books.add(asked, calls, id.ok().map(|id| (id, place.number(), due)));
        }
    }

    fn cancel(&mut self) {
        let Some((number, id)) = self.books.pick(self.random.usize(0..OPEN)) else { return };
        assert!(self.core.cancel(Ticket(id)), "request {number} is open and cannot be cancelled");
        self.collect();
        if self.books.waits(number) {
            return;
        }
        assert!(self.books.is_over(number), "request {number} was cancelled and has no completion");
        assert!(!self.core.cancel(Ticket(id)), "request {number} was cancelled twice");
    }

    /// Begins a write, or ends the one that is under way.
    fn write(&mut self, at: usize) {
        let World { connections, random, digests, log, .. } = self;
        let connection = &mut connections[at];
        let taken = |length| if random.u8(0..3) == 0 { random.usize(0..=length) } else { length };
        if !connection.end_write() && connection.begin_write(taken, digests, log) && random.bool() {
            connection.end_write();
        }
    }

    fn serve(&mut self, at: usize) {
        let World { connections, servers, log, random, .. } = self;
        let Some(wire) = &mut connections[at].wire else { return };
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

    fn deliver(&mut self, at: usize) {
        let Connection { wire: Some(wire), driver, link, .. } = &mut self.connections[at] else { return };
        let readable = wire.readable();
        let most = if self.random.bool() { readable } else { self.random.usize(0..=readable) };
        let bytes = wire.deliver(most, !link.is_closed(), &mut self.log);
        // (Nothing to read wakes nobody.)
        if !bytes.is_empty()
            && let Err(error) = driver.receive(&bytes, &*self.core)
        {
            assert_eq!(error.status, Status::Protocol, "{error}");
            self.lose(at, &error);
        }
        self.connections[at].reconnect(&self.core);
    }

    fn connect(&mut self, at: usize) {
        let is_cluster = self.is_cluster();
        let connection = &mut self.connections[at];
        connection.reconnect(&self.core);
        if connection.link.is_closed() {
            return self.lose(at, &Error::new(Status::Lost, "it was closed"));
        }
        if connection.driver.is_connected() || connection.is_over() {
            return;
        }
        let server = if is_cluster { member::server_at(&connection.link.address()) } else { Some(self.dialled) };
        let found = server.filter(|server| self.down != Some(*server));
        let Some(server) = found.filter(|_| self.faults == 0 || self.random.u8(0..4) > 0) else {
            let error = Error::new(Status::Connect, "nobody is there");
            connection.driver.fail_to_connect(&error, &*self.core);
            // A client that has reached its cluster does not give up.
            if !is_cluster && self.random.bool() {
                connection.driver.give_up(&error, &*self.core);
            }
            return;
        };
        self.connected += 1;
        connection.driver.connect_to("", self.connected, &*self.core);
        connection.wire = Some(Wire::new(server, self.connected));
    }

    /// Links that the client has opened since; those that it has closed are forgotten, so that it can.
    fn find_links(&mut self) {
        let is_left = |connection: &Connection| connection.is_over() && !connection.driver.is_connected();
        let before = self.connections.len();
        self.connections.retain(|connection| !is_left(connection));
        self.left += (before - self.connections.len()) as u64;
        let links = self.core.topology.links();
        let is_known = |link: &Arc<_>| self.connections.iter().any(|connection| Arc::ptr_eq(&connection.link, link));
        let is_new = |link: &&Arc<Link>| !link.is_closed() && !is_known(link) && !is_used_up(link);
        let new = links.iter().filter(is_new);
        let mut new: Vec<Connection> = new.map(Connection::new).collect();
        // A pool has its links in no order.
        new.sort_by_key(|connection| (connection.link.address(), format!("{:?}", connection.link.purpose())));
        self.connections.extend(new);
    }

    fn pass_time(&mut self) {
        let micros = match self.random.u8(0..20) {
            0 => self.random.u64(0..2_000_000),
            1..6 => self.random.u64(0..40_000),
            _ => self.random.u64(0..2000),
        };
        self.move_on(Duration::from_micros(micros) * if self.is_endless { 8 } else { 1 });
    }

    /// Moves the clock, and lets the timer do what is due when it is if it is awake.
    fn move_on(&mut self, time: Duration) {
        let (clock, mut left) = (Arc::clone(&self.core.clock), time);
        loop {
            if clock.has_changed() || self.timer.is_some_and(|at| at <= clock.instant()) {
                self.timer = self.core.tick();
            }
            let next = self.timer.map(|at| at.saturating_duration_since(clock.instant()).max(TICK));
            let step = next.map_or(left, |next| next.min(left));
            if step.is_zero() {
                break;
            }
            clock.move_on(step);
            left -= step;
        }
        self.log.now = clock.micros();
        self.collect();
        self.books.check_deadlines(clock.micros());
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
