//! Many nodes, and many clients: what they cost each other.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::client::fixture::{Fixture, Peer};
use crate::client::request::Timeout;
use crate::config::Config;
use crate::connection::unit::Ticket;
use crate::protocol::slot::{SLOTS, slot_of};

const SECOND: u64 = 1_000_000;

/// A cluster of so many shards, each of the nodes that are named for its number.
struct Shards(u16);

impl Shards {
    /// What its nodes say when they are asked for the map.
    fn map(&self, nodes: impl Fn(u16) -> Vec<String>) -> Vec<String> {
        let mut lines = vec![format!("*{}", self.0)];
        for shard in 0..self.0 {
            let nodes = nodes(shard);
            let (first, last) = (self.first(shard), self.first(shard + 1) - 1);
            lines.extend([format!("*{}", 2 + nodes.len()), format!(":{first}"), format!(":{last}")]);
            for host in nodes {
                lines.extend(["*2".to_string(), format!("${}", host.len()), host, ":1".to_string()]);
            }
        }
        lines
    }

    fn first(&self, shard: u16) -> u16 {
        (u32::from(SLOTS) * u32::from(shard) / u32::from(self.0)) as u16
    }

    /// A key of each.
    fn keys(&self) -> Vec<String> {
        let mut keys = BTreeMap::new();
        for number in 0.. {
            let key = format!("k{number}");
            let slot = slot_of(key.as_bytes());
            let shard = (0..self.0).rev().find(|shard| self.first(*shard) <= slot);
            keys.entry(shard).or_insert(key);
            if keys.len() == usize::from(self.0) {
                break;
            }
        }
        keys.into_values().collect()
    }
}

fn lines(map: &[String]) -> Vec<&str> {
    map.iter().map(String::as_str).collect()
}

#[test]
fn of_a_thousand_nodes_those_are_dialled_that_are_used_and_five_are_asked_for_the_map() {
    let shards = Shards(500);
    let map = shards.map(|shard| vec![format!("p{shard}"), format!("r{shard}")]);
    let mut fixture = Fixture::cluster_with(&lines(&map), Config::default());
    let cluster = fixture.core.topology.cluster().unwrap().map();
    assert_eq!((cluster.nodes().count(), cluster.is_complete()), (1000, true));
    assert_eq!(fixture.core.topology.links().len(), 1, "nobody has asked anything of the others");
    let keys = shards.keys();
    for (used, key) in keys.iter().enumerate().step_by(20) {
        for _ in 0..3 {
            fixture.submit(&[&format!("GET {key}")]).unwrap();
        }
        assert_eq!(fixture.core.topology.links().len(), used / 20 + 2);
    }
    let mut nodes = fixture.nodes();
    nodes.iter_mut().for_each(|node| node.serve(&["$-1", "$-1", "$-1"]));
    assert_eq!((nodes.len(), fixture.completions().len()), (25, 75));
    for round in 1..=5 {
        fixture.pass(Duration::from_secs(70));
        let all = nodes.iter_mut().chain([&mut fixture.shared]);
        let mut asked: Vec<&mut Peer> =
            all.filter_map(|node| (node.read() == "CLUSTER SLOTS").then_some(node)).collect();
        assert_eq!(asked.len(), 5, "in round {round}");
        asked.iter_mut().for_each(|node| node.answer(&lines(&map)));
    }
    assert_eq!(fixture.core.topology.links().len(), 26);
}

/// More than ids of requests have numbers for, though never as many at a time.
#[test]
fn a_client_outlives_seventy_thousand_connections_to_nodes_that_come_and_go() {
    const LINKS: usize = 70_000;
    let shards = Shards(500);
    let keys = shards.keys();
    let map = |round: usize| shards.map(|shard| vec![format!("n{round}-{shard}")]);
    let mut fixture = Fixture::cluster_with(&lines(&map(0)), Config { max_nodes: 1024, ..Config::default() });
    let (mut ids, mut opened, mut last) = (HashSet::new(), 0, 0);
    for round in 1.. {
        let first = ids.len() as u64;
        for key in &keys {
            let id = fixture.submit(&[&format!("INCR {key}")]).unwrap();
            assert!(ids.insert(id), "{id} was given before");
            last = last.max(Ticket(id).link());
        }
        let mut nodes = fixture.nodes();
        nodes.retain(|node| node.wants_to_write());
        assert_eq!(nodes.len(), keys.len(), "one for each node");
        opened += nodes.len();
        for node in &mut nodes {
            node.serve(&[":1"]);
            // So that the seed alone is asked for the map.
            node.lose();
        }
        let mut completed = fixture.completed_ids();
        assert_eq!(completed.len(), keys.len());
        if opened >= LINKS {
            break;
        }
        // An id of before is nobody's.
        completed.truncate(3);
        assert!(!completed.into_iter().any(|id| fixture.core.cancel(Ticket(id))), "after {first} requests");
        drop(nodes);
        fixture.pass(Duration::from_secs(70));
        assert_eq!(fixture.shared.read(), "CLUSTER SLOTS");
        fixture.shared.answer(&lines(&map(round)));
    }
    assert!(usize::from(last) < 4 * keys.len(), "numbers up to {last} were needed");
    assert!(fixture.close());
}

/// What a client does when its map is old: at these times, in microseconds since then, it asks a node for the map.
struct Client {
    fixture: Fixture,
    nodes: Vec<Peer>,
    /// When the map became old, by its own clock.
    start: u64,
    asked: Vec<u64>,
}

/// Three shards; of the first one the primary is this node.
fn map_with(first: &str) -> Vec<String> {
    Shards(3).map(|shard| vec![if shard == 0 { first.to_string() } else { format!("n{shard}") }])
}

impl Client {
    /// Connected to all nodes, and not as old as others.
    fn new(chance: u64) -> Client {
        fastrand::seed(chance);
        let mut fixture = Fixture::cluster_with(&lines(&map_with("n0")), Config::default());
        for key in Shards(3).keys() {
            fixture.submit(&[&format!("GET {key}")]).unwrap();
        }
        let mut nodes = fixture.nodes();
        nodes.iter_mut().for_each(|node| node.serve(&["$-1"]));
        assert_eq!(fixture.completions().len(), 3);
        fixture.pass(Duration::from_micros(fastrand::u64(5 * SECOND..40 * SECOND)));
        let start = fixture.core.clock.micros();
        Client { fixture, nodes, start, asked: Vec::new() }
    }

    fn node(&mut self, address: &str) -> &mut Peer {
        self.nodes.iter_mut().find(|node| node.link.address() == address).expect(address)
    }

    /// Until that time it does what it does by itself. `map`: what nodes say at a time; `then` is called after each
    /// round.
    fn live(&mut self, end: u64, map: impl Fn(u64) -> Vec<String>, then: impl Fn(&mut Client)) {
        loop {
            let clock = &self.fixture.core.clock;
            let due = self.fixture.core.tick().map(|at| at.saturating_duration_since(clock.instant()));
            let now = clock.micros() - self.start;
            let due = due.filter(|due| now + (due.as_micros() as u64) < end);
            let mut was_asked = false;
            for node in self.nodes.iter_mut().chain([&mut self.fixture.shared]) {
                if node.read() == "CLUSTER SLOTS" {
                    was_asked = true;
                    self.asked.push(now);
                    node.answer(&lines(&map(now)));
                }
            }
            if was_asked {
                then(self);
                continue;
            }
            let Some(due) = due else { return };
            self.fixture.core.clock.move_on(due.max(Duration::from_millis(1)));
        }
    }
}

/// How many of these times are in the fullest span of so many microseconds that begins at a multiple of it.
fn most_within(span: u64, times: &[u64]) -> usize {
    let mut counts = BTreeMap::<u64, usize>::new();
    times.iter().for_each(|time| *counts.entry(time / span).or_default() += 1);
    counts.into_values().max().unwrap_or(0)
}

const CLIENTS: u64 = 1000;

#[test]
fn a_thousand_clients_that_hear_of_one_move_ask_in_turn() {
    let mut asked = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Client::new(number);
        let key = &Shards(3).keys()[0];
        client.fixture.submit(&[&format!("INCR {key}")]).unwrap();
        client.node("n0:1").serve(&[&format!("-MOVED {} n1:1", slot_of(key.as_bytes()))]);
        client.node("n1:1").serve(&[":1"]);
        assert_eq!(client.fixture.completion(), "4 Ok Answered: 1", "nobody waits for the map");
        client.live(5 * SECOND, |_| map_with("n1"), |_| {});
        asked.extend(client.asked);
    }
    let all = asked.len();
    assert_eq!(all as u64, 4 * CLIENTS, "each asks the seed and three nodes, once");
    let most = most_within(SECOND / 10, &asked);
    assert!(most <= all / 7, "{most} of {all} questions within a tenth of a second");
}

#[test]
fn nodes_are_asked_again_as_long_as_a_request_waits_for_one_that_is_lost() {
    for (waits, rounds) in [(true, 11..=16), (false, 1..=1)] {
        let mut client = Client::new(1);
        client.node("n0:1").lose();
        if waits {
            client.fixture.submit(&[&format!("INCR {}", Shards(3).keys()[0])]).unwrap();
        }
        client.live(4 * SECOND, |_| map_with("n0"), |_| {});
        // Two nodes and the seed.
        let asked = client.asked.len() / 3;
        assert!(rounds.contains(&asked), "{asked} rounds; a request waits: {waits}");
    }
}

#[test]
fn a_thousand_clients_that_lose_a_node_ask_others_four_times_a_second_until_one_takes_over() {
    const ELECTION: u64 = 10;
    const ROUNDS: u64 = 4;
    let mut asked = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Client::new(number);
        client.node("n0:1").lose();
        // As long as it is named it is dialled, in vain.
        let dial = |client: &mut Client| {
            let cluster = client.fixture.core.topology.cluster().unwrap();
            if cluster.addresses().iter().any(|address| address.to_string() == "n0:1") {
                client.node("n0:1").is_dialled_in_vain();
            }
        };
        let map = |now| if now < ELECTION * SECOND { map_with("n0") } else { map_with("n1") };
        client.live(20 * SECOND, map, dial);
        let after = client.asked.iter().filter(|time| **time >= ELECTION * SECOND).count();
        assert!((3..=6).contains(&after), "{after} questions when another one has taken over");
        asked.extend(client.asked);
    }
    let (all, seconds) = (asked.len(), ELECTION + 1);
    assert!(all as u64 <= 3 * CLIENTS * (ROUNDS * seconds + 1), "{all} questions");
    let most = most_within(SECOND, &asked);
    assert!(most as u64 <= 3 * CLIENTS * ROUNDS * 11 / 10, "{most} of {all} questions within a second");
}

/// As when a replica takes over: nodes disagree for a moment, and the old primary may stand still.
#[test]
fn a_node_that_is_silent_does_not_hold_back_what_the_others_say() {
    let shards = Shards(4);
    let map = |first: &str| shards.map(|shard| vec![if shard == 0 { first.into() } else { format!("n{shard}") }]);
    let mut fixture = Fixture::cluster_with(&lines(&map("n0")), Config::default());
    for key in shards.keys() {
        fixture.submit(&[&format!("GET {key}")]).unwrap();
    }
    let mut nodes = fixture.nodes();
    nodes.iter_mut().for_each(|node| node.serve(&["$-1"]));
    fixture.pass(Duration::from_secs(70));
    let all = nodes.iter_mut().chain([&mut fixture.shared]);
    let asked = all.filter_map(|node| (node.read() == "CLUSTER SLOTS").then_some(node));
    // Of five.
    for (node, first) in asked.zip(["n0", "new", "new"]) {
        node.answer(&lines(&map(first)));
    }
    let is_named = |fixture: &Fixture| {
        let nodes = fixture.core.topology.cluster().unwrap().addresses();
        nodes.iter().any(|address| address.to_string() == "new:1")
    };
    fixture.pass(Duration::from_millis(200));
    assert!(!is_named(&fixture), "the others are waited for");
    fixture.pass(Duration::from_millis(100));
    assert!(is_named(&fixture));
}

#[test]
fn a_cluster_that_names_more_nodes_than_may_be_is_not_believed() {
    let map = Shards(1025).map(|shard| vec![format!("n{shard}")]);
    let mut fixture = Fixture::cluster_with(&lines(&map), Config::default());
    assert_eq!(fixture.core.topology.cluster().unwrap().map().nodes().count(), 0);
    let timeout = Timeout::After(Duration::from_millis(10));
    fixture.submit_as(&["GET a"], |request| request.timeout = timeout).unwrap();
    fixture.pass(Duration::from_millis(20));
    assert!(fixture.completion().starts_with("1 Timeout NotRun"));
}
