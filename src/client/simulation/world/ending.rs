//! The end of a simulation, and what is true then.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::World;
use crate::client::request::Place;
use crate::client::simulation::books::Tally;
use crate::client::simulation::member::{Confusion, SERVERS, TAGS, address_of, slot_of_tag};
use crate::client::simulation::workload::Asked;
use crate::connection::io_role::Submitter;
use crate::connection::unit::Ticket;
use crate::error::Status;

/// After so long without a fault every request is over, in steps of [`CALM_STEP`].
const CALM_STEPS: usize = 3000;

const CALM_STEP: Duration = Duration::from_millis(20);

/// Nodes that are asked for the map within a second: five, three times.
const QUESTIONS: u64 = 15;

/// After so many rounds the client has heard what is true.
const ROUNDS: u64 = 20;

impl World {
    /// The end: with or without a while in which nothing goes wrong, the client is closed. Then nothing is left. Gives
    /// what is the same for two runs only if they are.
    pub fn end(mut self, tally: &mut Tally) -> u64 {
        let is_calm = self.random.u8(0..3) > 0;
        if is_calm {
            self.calm_down();
        }
        self.connections.iter_mut().for_each(|connection| _ = connection.end_write());
        *tally.entry("a node was left".into()).or_default() += self.left;
        self.happened.iter().for_each(|(what, count)| *tally.entry(what.to_string()).or_default() += count);
        drop(self.alive.take());
        // What servers wait with is ended by close, one way or the other.
        let (waiting, others) = self.books.open_by_kind();
        let is_drained = self.core.close(Some(Duration::ZERO));
        assert!(waiting > 0 || is_drained == (others == 0), "{others} were open, and close says {is_drained}");
        assert!(!is_drained || others == 0, "{others} were open, and close had nothing to end");
        self.collect();
        for connection in &self.connections {
            assert_eq!(connection.driver.who_waits(), [], "somebody waits at the link of a closed client");
        }
        self.check_client(is_calm);
        self.submit_in_vain();
        self.leftovers.extend(self.connections.iter_mut().filter_map(|connection| connection.wire.take()));
        while !self.leftovers.is_empty() {
            self.serve_leftovers();
        }
        self.check_questions();
        self.books.check(&self.log, self.max_attempts);
        self.books.count(&self.log, tally);
        for connection in &self.connections {
            *tally.entry("connected".into()).or_default() +=
                connection.link.counters.connections.load(Ordering::Relaxed);
        }
        self.trace
    }

    /// Nothing goes wrong any more: all that is open ends by itself.
    fn calm_down(&mut self) {
        self.faults = 0;
        self.dialled = 0;
        let is_cluster = self.is_cluster();
        // The server of another cluster may stay; not the seed, which is believed if no other node is connected.
        let is_contradicted = is_cluster && self.random.u8(0..4) == 0;
        for (number, server) in self.servers.iter_mut().enumerate() {
            (server.is_primary, server.is_loading, server.refuses) = (number == 0 || is_cluster, false, 0);
        }
        if is_cluster {
            self.settle();
            if is_contradicted {
                let one = self.random.usize(1..SERVERS);
                self.member(one).confusion = Confusion::AnotherCluster;
            }
        } else if self.connections[0].wire.as_ref().is_some_and(|wire| wire.server != 0) {
            self.cut(0);
        }
        for _ in 0..CALM_STEPS {
            self.live_for(CALM_STEP);
            if self.books.open() == 0 && self.is_at_rest() {
                return self.await_true_map(is_contradicted);
            }
        }
        let states: Vec<String> = self.connections.iter().map(|connection| connection.driver.state()).collect();
        panic!("{} requests wait for ever: {:?}, {states:?}", self.books.open(), self.books.pick(0));
    }

    fn is_at_rest(&self) -> bool {
        self.connections.iter().all(|connection| connection.driver.is_at_rest())
    }

    /// All servers say the same by now, but perhaps the one of another cluster: the client comes to believe it, and
    /// then believes nothing else.
    fn await_true_map(&mut self, is_contradicted: bool) {
        // Of two, one of which is of another cluster, it is the word of one against that of the other.
        let owners: BTreeSet<usize> = self.owners.iter().copied().collect();
        if is_contradicted && owners.len() < 3 {
            return;
        }
        let round = self.core.config.refresh_interval.as_secs() * 6 / 5 + 2;
        let (mut believed, mut second, mut is_settled) = (0, 0, false);
        let after = if is_contradicted { 4 * round } else { 0 };
        while believed <= after || !self.is_at_rest() {
            believed = if self.is_map_true() { believed + 1 } else { 0 };
            is_settled |= believed > round;
            assert!(second < ROUNDS * round, "the client does not believe what is true: {:?}", self.owners);
            assert!(!is_settled || believed > 0, "the client believes what was not true for long: {:?}", self.owners);
            self.live_for(Duration::from_secs(1));
            second += 1;
        }
    }

    fn is_map_true(&self) -> bool {
        let Some(cluster) = self.core.topology.cluster() else { return true };
        let primary = |tag| cluster.primary_of(slot_of_tag(tag)).map(|address| address.to_string());
        (0..TAGS).all(|tag| primary(tag) == Some(address_of(self.owners[tag])))
    }

    /// Time passes, and all that is on the way then arrives.
    fn live_for(&mut self, time: Duration) {
        self.move_on(time);
        (0..self.connections.len()).for_each(|at| self.move_everything(at));
        self.collect();
        self.find_links();
    }

    /// All that is on the way at a connection arrives, there and back.
    fn move_everything(&mut self, at: usize) {
        self.connect(at);
        while self.connections[at].is_writing() {
            self.write(at);
        }
        let World { connections, servers, log, random, .. } = self;
        if let Some(wire) = &mut connections[at].wire {
            wire.serve(u64::MAX, &mut servers[wire.server], log, random);
        }
        self.deliver(at);
    }

    /// However the servers contradict each other, they are not asked again and again.
    fn check_questions(&self) {
        let (asked, seconds) = (self.log.questions, self.log.now / 1_000_000);
        assert!(asked <= QUESTIONS * (seconds + 2), "asked for the map {asked} times in {seconds} s");
    }

    /// What the client holds when all is over.
    fn check_client(&self, is_calm: bool) {
        assert!(!is_calm || self.is_at_rest(), "something is left at a link");
        let state = self.core.state.lock();
        assert_eq!(state.requests.len(), 0, "requests are left at the client");
        assert_eq!(state.deadlines.next(), None, "deadlines are left at the client");
        // What was given up is forgotten when its time comes.
        let delayed: Vec<Ticket> = state.delayed.iter().map(|delayed| delayed.unit.to.ticket).collect();
        assert!(delayed.iter().all(|ticket| state.requests.is_over(*ticket)));
        let at_links: u64 = self.core.topology.links().iter().map(|link| link.taken()).sum();
        let at_gone = self.core.topology.taken_by_gone();
        let taken = state.taken + at_links + at_gone;
        drop(state);
        assert_eq!(self.core.delivered.load(Ordering::SeqCst), taken);
    }

    fn submit_in_vain(&mut self) {
        let tags = self.tags();
        let asked = Asked::any(&mut self.random, tags);
        let calls = self.log.add(asked.verbs.len());
        let args = asked.args(calls.clone(), &mut self.random);
        let commands: Vec<&[Vec<u8>]> = args.iter().map(Vec::as_slice).collect();
        let request = asked.request(&commands, self.books.next());
        let to = Place { link: &self.connections[0].link, lease: None };
        let error = self.core.submit(to, &request, &self.places[0], Submitter::Other).unwrap_err();
        assert_eq!(error.status, Status::Closed);
        self.books.add(asked, calls, None);
    }
}
