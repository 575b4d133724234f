//! A client under test and the servers at the other end of its links: the client is the real one, but its links are
//! never started and its clock goes only when the test moves it. No socket, no thread.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::batch::Batch;
use super::completion::{GAP, MORE};
use super::core::Core;
use super::pending::Work;
use super::request::{Place, Request, Timeout};
use super::session::{Kind, Session};
use super::simulation::inbox::{self, Inbox};
use crate::address::Address;
use crate::config::{Config, TopologyKind};
use crate::connection::background_driver::Hooks;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::requests::Location;
use crate::connection::simulated_driver::SimulatedDriver;
use crate::connection::unit::Ticket;
use crate::error::{Error, Outcome, Status};
use crate::protocol::command;
use crate::protocol::reply::{Kind as ReplyKind, Node};
use crate::topology::Route;
use crate::topology::deferred::Deferred;
use crate::topology::node::SessionId;

/// A client with the shared link of database 0, and what keeps it from believing that its tasks have ended.
pub fn client(config: Config) -> (Arc<Core<inbox::Place>>, Arc<Link>, Sender<()>) {
    let (core, alive) = Core::on(None, config, Hooks::default());
    core.clock.move_on(Duration::ZERO);
    // It is to be started, and never is.
    let link = core.node().link(0, &mut Deferred::default()).unwrap();
    (core, link, alive)
}

/// The server at the other end of a link.
pub struct Peer {
    pub link: Arc<Link>,
    driver: SimulatedDriver,
}

impl Peer {
    fn new(link: &Arc<Link>) -> Peer {
        Peer { link: Arc::clone(link), driver: SimulatedDriver::new(link) }
    }

    /// Accepts a connection.
    pub fn connect(&mut self) {
        self.driver.connect(&*self.driver.recipient());
    }

    /// Accepts a connection, as a server that is of this mode.
    pub fn connect_as(&mut self, mode: &str) {
        self.driver.connect_as(mode, &*self.driver.recipient());
    }

    /// Accepts a connection, if there is none or the client wants a new one.
    pub fn connect_again(&mut self) {
        if self.driver.reconnect(&*self.driver.recipient()) || !self.driver.is_connected() {
            self.connect();
        }
    }

    /// Reads all that the client has to write: the words of each command, and ` | ` between commands.
    pub fn read(&mut self) -> String {
        self.read_at_most(usize::MAX)
    }

    /// Reads so many bytes of it.
    pub fn read_at_most(&mut self, most: usize) -> String {
        if !self.driver.wants_to_write() {
            return String::new();
        }
        let mut bytes = self.driver.begin_write().concat();
        bytes.truncate(most);
        assert!(self.driver.end_write(bytes.len()));
        let words = |command: &[u8]| {
            let words: Vec<_> = command::decode(command).map(String::from_utf8_lossy).collect();
            words.join(" ")
        };
        let commands: Vec<String> = command::commands(&bytes).map(|range| words(&bytes[range])).collect();
        commands.join(" | ")
    }

    /// Answers with these lines.
    pub fn answer(&mut self, lines: &[&str]) {
        self.try_answer(lines).unwrap();
    }

    /// The same; an error: the connection is at its end.
    pub fn try_answer(&mut self, lines: &[&str]) -> Result<(), Error> {
        let bytes: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.driver.receive(bytes.as_bytes(), &*self.driver.recipient())
    }

    /// Reads everything, then answers.
    pub fn serve(&mut self, lines: &[&str]) {
        self.read();
        self.answer(lines);
    }

    /// Whether the client has something to write.
    pub fn wants_to_write(&self) -> bool {
        self.driver.wants_to_write()
    }

    /// Whether nothing is left at the link.
    pub fn is_at_rest(&self) -> bool {
        self.driver.is_at_rest()
    }

    /// The connection ends.
    pub fn lose(&mut self) {
        self.lose_for(Status::Lost);
    }

    /// The connection ends for this reason.
    pub fn lose_for(&mut self, status: Status) {
        self.driver.lose(&Error::new(status, "gone"), &*self.driver.recipient());
    }

    /// No connection can be made just now.
    pub fn is_dialled_in_vain(&self) {
        self.driver.fail_to_connect(&Error::new(Status::Connect, "nobody is there"), &*self.driver.recipient());
    }

    /// No connection can be made.
    pub fn is_unreachable(&self) {
        self.driver.give_up(&Error::new(Status::Connect, "nobody is there"), &*self.driver.recipient());
    }
}

/// A client, its place for completions, and the server at the shared link.
pub struct Fixture {
    pub core: Arc<Core<inbox::Place>>,
    pub shared: Peer,
    inbox: Inbox,
    place: inbox::Place,
    asked: u64,
    alive: Option<Sender<()>>,
}

impl Fixture {
    /// As configured by default, with a shared connection.
    pub fn connected() -> Fixture {
        let mut fixture = Fixture::new(Config::default());
        fixture.shared.connect();
        fixture
    }

    /// No connection is made yet.
    pub fn new(config: Config) -> Fixture {
        let (core, link, alive) = client(config);
        let inbox = Inbox::default();
        let place = inbox::Place::new(1, true, &inbox);
        Fixture { shared: Peer::new(&link), core, inbox, place, asked: 0, alive: Some(alive) }
    }

    /// A client of a cluster whose seed, at `seed:1`, is connected and said this when it was asked for the map.
    pub fn cluster(slots: &[&str]) -> Fixture {
        Fixture::cluster_of(slots, Config::default().max_requests)
    }

    /// The same with so many requests at most for each node.
    pub fn cluster_of(slots: &[&str], max_requests: usize) -> Fixture {
        Fixture::cluster_with(slots, Config { max_requests, ..Config::default() })
    }

    /// The same, configured otherwise.
    pub fn cluster_with(slots: &[&str], config: Config) -> Fixture {
        let (endpoints, topology) = (vec![Address::parse("seed:1").unwrap()], TopologyKind::Cluster);
        let mut fixture = Fixture::new(Config { endpoints, topology, ..config });
        fixture.core.tick();
        fixture.shared.connect();
        assert_eq!(fixture.shared.read(), "CLUSTER SLOTS");
        fixture.shared.answer(slots);
        fixture
    }

    /// The server at the link to an address, connected.
    pub fn node(&self, address: &str) -> Peer {
        let is_shared = |link: &Arc<Link>| matches!(link.purpose(), Purpose::Commands(_));
        let mut links = self.core.topology.links().into_iter().rev().filter(is_shared);
        let link = links.find(|link| link.address() == address);
        let mut peer = Peer::new(&link.expect(address));
        peer.connect();
        peer
    }

    /// The servers at the links to all nodes but the seed that are used, connected.
    pub fn nodes(&self) -> Vec<Peer> {
        let cluster = self.core.topology.cluster().expect("a cluster");
        let mut peers: Vec<Peer> = cluster.links().iter().filter(|link| !link.is_closed()).map(Peer::new).collect();
        peers.iter_mut().for_each(Peer::connect);
        peers
    }

    /// The servers at the links on which messages come, in the order of their addresses; not connected.
    pub fn push_peers(&self) -> Vec<Peer> {
        let mut links = self.core.topology.links();
        links.retain(|link| link.purpose().receives_pushes() && !link.is_closed());
        links.sort_by_key(|link| link.address());
        links.iter().map(Peer::new).collect()
    }

    /// Submits these commands, each a line of words, and takes messages.
    pub fn subscribe(&mut self, command: &str, change: impl FnOnce(&mut Request<'_, &str>)) -> Result<u64, Error> {
        self.place.take_many();
        self.submit_as(&[command], change)
    }

    /// Submits these commands, each a line of words.
    pub fn submit(&mut self, commands: &[&str]) -> Result<u64, Error> {
        self.submit_as(commands, |_| {})
    }

    /// Submits one request after a change of its terms. It has no deadline unless the change says so.
    pub fn submit_as(&mut self, commands: &[&str], change: impl FnOnce(&mut Request<'_, &str>)) -> Result<u64, Error> {
        self.submit_on(None, commands, change)
    }

    /// The same on a lease.
    pub fn submit_on(
        &mut self,
        lease: Option<SessionId>,
        commands: &[&str],
        change: impl FnOnce(&mut Request<'_, &str>),
    ) -> Result<u64, Error> {
        let words: Vec<Vec<&str>> = commands.iter().map(|line| line.split_whitespace().collect()).collect();
        let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
        let mut request = self.request_of(&words);
        change(&mut request);
        let place = Place { link: &self.shared.link, lease };
        self.core.submit(place, &request, &self.place, Submitter::Other).map(|(id, _)| id)
    }

    /// Submits each of these commands, a line of words, in one batch.
    pub fn submit_batch(&mut self, commands: &[&str]) -> Vec<Result<u64, Error>> {
        let (core, routes) = (Arc::clone(&self.core), self.core.topology.cluster().map(|cluster| cluster.routes(0)));
        let (link, destination) = (Arc::clone(&self.shared.link), self.place.clone());
        let place = Place { link: &link, lease: None };
        let mut batch = Batch::new(&core, place, routes.as_deref(), &destination, Submitter::Other);
        let submitted = commands.iter().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            batch.submit(&self.request_of(&[&words]))
        });
        submitted.collect()
    }

    fn request_of<'a>(&mut self, commands: &'a [&'a [&'a str]]) -> Request<'a, &'a str> {
        self.asked += 1;
        Request {
            commands,
            atomic: false,
            idempotent: false,
            dedicated: false,
            cached: false,
            replica: false,
            timeout: Timeout::None,
            route: Route::ByKey,
            subscription: 0,
            user_data: self.asked,
        }
    }

    /// Hears of events.
    pub fn listen(&mut self) -> u64 {
        self.core.listen(&self.shared.link, &self.place, 0).unwrap()
    }

    /// Hears of events, which are among the completions.
    pub fn listen_for_events(&mut self) {
        self.place.take_many();
        self.listen();
    }

    /// A lease, which has no connection yet.
    pub fn lease(&self) -> SessionId {
        self.core.state.lock().sessions.add(Session::new(Kind::Lease { open: true }, 0))
    }

    /// The servers at the dedicated links, in the order in which these were opened.
    pub fn dedicated(&self) -> Vec<Peer> {
        let number = |link: &Arc<Link>| match link.purpose() {
            Purpose::Dedicated(number) => Some(number),
            _ => None,
        };
        let mut links: Vec<_> = self.core.node().links().into_iter().filter(|link| number(link).is_some()).collect();
        links.sort_by_key(number);
        links.iter().map(Peer::new).collect()
    }

    /// The server at the dedicated link to an address that was opened last, connected.
    pub fn dedicated_at(&self, address: &str) -> Peer {
        let links = self.core.topology.links().into_iter();
        let numbered = links.filter(|link| link.address() == address).filter_map(|link| match link.purpose() {
            Purpose::Dedicated(number) => Some((number, link)),
            _ => None,
        });
        let (_, link) = numbered.max_by_key(|(number, _)| *number).expect(address);
        let mut peer = Peer::new(&link);
        peer.connect();
        peer
    }

    /// The server at the only dedicated link, connected.
    pub fn only_dedicated(&self) -> Peer {
        let [mut peer]: [Peer; 1] = self.dedicated().try_into().ok().expect("one dedicated link");
        peer.connect();
        peer
    }

    /// Time passes, and the timer does what is due.
    pub fn pass(&self, time: Duration) {
        self.core.clock.move_on(time);
        self.core.tick();
    }

    /// Closes the client, whose tasks have ended.
    pub fn close(&mut self) -> bool {
        drop(self.alive.take());
        self.core.close(Some(Duration::ZERO))
    }

    /// What was completed since this was asked last: the number of the request, its status and outcome, its reply.
    pub fn completions(&self) -> Vec<String> {
        let completions = std::mem::take(&mut *self.inbox.lock());
        let completions = completions.into_iter().map(|(_, completion)| {
            let outcomes = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered];
            let (flags, more) = (completion.flags & !(MORE | GAP), completion.flags & (MORE | GAP));
            let outcome = outcomes.into_iter().find(|outcome| outcome.bit() == flags).unwrap();
            let name = match more {
                0 => format!("{:?} {outcome:?}", completion.status),
                MORE => "message".to_string(),
                _ => "gap".to_string(),
            };
            format!("{} {name}: {}", completion.user_data, shown(&completion.reply))
        });
        completions.collect()
    }

    /// The ids of the requests that were completed since this was asked last.
    pub fn completed_ids(&self) -> Vec<u64> {
        self.inbox.lock().drain(..).map(|(_, completion)| completion.request).collect()
    }

    /// What follows when the connection is there again and all pauses are over: the completions or, if there are none,
    /// what is sent again over the shared link.
    pub fn sequel(&mut self) -> String {
        let completions = self.completions();
        if !completions.is_empty() {
            return completions.join(" | ");
        }
        self.shared.connect_again();
        self.pass(Duration::from_secs(5));
        format!("again: {}", self.shared.read())
    }

    /// The one completion since this was asked last.
    pub fn completion(&self) -> String {
        let [completion]: [String; 1] = self.completions().try_into().expect("one completion");
        completion
    }

    /// Where a request waits.
    pub fn whereabouts(&self, id: u64) -> &'static str {
        let id = Ticket(id);
        let name = match self.core.topology.link_of(id.link()).map(|link| link.location_of(id)) {
            Some(Location::Here) => return "at the link",
            Some(Location::Gone) => return "gone",
            Some(Location::Moved(name)) => name,
            None => id,
        };
        let mut state = self.core.state.lock();
        let Some(pending) = state.requests.get(name) else { return "gone" };
        match (&pending.dedicated, &pending.work) {
            (Some(dedicated), _) if !dedicated.waiting.is_empty() => "in line",
            (Some(_), _) => "on a dedicated link",
            (None, Work::Single) => "at the client",
            (None, Work::Script(_)) => "as a script",
            (None, Work::Cached(_)) => "to be kept",
            (None, Work::Gather(_)) => "gathered",
            (None, Work::Transaction) => "as a transaction",
            (None, _) => "as something else",
        }
    }
}

/// A reply as people write it.
pub fn shown(node: &Node) -> String {
    let items = || node.items().iter().map(shown).collect::<Vec<_>>().join(", ");
    match node.kind() {
        ReplyKind::Array | ReplyKind::Push => format!("[{}]", items()),
        ReplyKind::Map => format!("{{{}}}", items()),
        ReplyKind::Nil => "nil".to_string(),
        ReplyKind::Integer => node.to_i64().unwrap().to_string(),
        _ => String::from_utf8_lossy(node.as_bytes()).into_owned(),
    }
}
