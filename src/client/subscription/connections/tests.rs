//! Subscriptions to a cluster whose slots move at random, against a model of its nodes: nothing that was lost stays
//! unannounced, and in the end everybody hears what they want and no connection is left over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::*;
use crate::address::Address;

/// So many nodes.
const NODES: u16 = 3;

fn node(number: u16) -> Server {
    Server::At(Address::tcp("node", number).unwrap())
}

fn topic(name: &Bytes) -> Topic {
    Topic::Channel(Channel::Sharded, name.clone())
}

/// What a server says.
enum Word {
    Confirmed(Topic, bool),
    Moved(Topic, Server),
    Ended(Topic),
}

/// A connection as the server sees it.
#[derive(Default)]
struct Peer {
    connected: bool,
    subscribed: BTreeSet<Bytes>,
    questions: VecDeque<(Topic, bool)>,
    /// On their way to the client.
    words: VecDeque<Word>,
}

struct World {
    all: Subscriptions,
    peers: BTreeMap<Server, Peer>,
    /// Where the connection to any node leads.
    base: Server,
    /// Who has each channel, and who has it by the map of the client.
    owners: BTreeMap<Bytes, Server>,
    map: BTreeMap<Bytes, Server>,
    wanted: BTreeMap<Ticket, BTreeSet<Bytes>>,
    /// What each subscription was told to have; true: a message may have been lost since.
    has: BTreeMap<(Ticket, Bytes), bool>,
    now: Instant,
    asks_at: Option<Instant>,
}

impl World {
    fn new() -> World {
        let names = (b'a'..=b'e').map(|name| Bytes::from(vec![name]));
        World {
            all: Subscriptions::at(Server::Any),
            peers: BTreeMap::new(),
            base: node(1),
            owners: names.map(|name| (name, node(1))).collect(),
            map: BTreeMap::new(),
            wanted: BTreeMap::new(),
            has: BTreeMap::new(),
            now: Instant::now(),
            asks_at: None,
        }
    }

    fn leads_to(&self, server: &Server) -> Server {
        if *server == Server::Any { self.base.clone() } else { server.clone() }
    }

    fn placed(&self, name: &Bytes) -> (Topic, Server) {
        (topic(name), self.map.get(name).cloned().unwrap_or_default())
    }

    fn take_effects(&mut self) {
        for effect in self.all.effects() {
            match effect {
                Effect::Open(server) => assert!(self.peers.insert(server, Peer::default()).is_none(), "opened once"),
                Effect::Close(server) => {
                    assert!(server != Server::Any && self.peers.remove(&server).is_some(), "it was there");
                }
                Effect::Send(server, topic, joins) => {
                    let peer = self.peers.get_mut(&server).filter(|peer| peer.connected);
                    peer.expect("somebody hears it").questions.push_back((topic, joins));
                }
                Effect::Confirm { to, name: Some(name), joins: true, gap, .. } => {
                    let lost = self.has.insert((to, name), false);
                    assert_eq!(gap, lost.is_some(), "what is told again is told as a gap, and nothing else");
                }
                Effect::Confirm { to, name: Some(name), joins: false, .. } => _ = self.has.remove(&(to, name)),
                Effect::AskAfter(pause) => self.asks_at = Some(self.now + pause),
                Effect::Refused(_) => panic!("{effect:?}"),
                Effect::Started(_)
                | Effect::Made(..)
                | Effect::Changed(..)
                | Effect::Orphaned(_)
                | Effect::Confirm { .. } => {}
            }
        }
        // What is published now is heard by whoever has been told to have it, or is lost.
        for ((who, name), lost) in &mut self.has {
            let owner = &self.owners[name];
            let hears = self.peers.iter().any(|(server, peer)| {
                let leads_there = *(if *server == Server::Any { &self.base } else { server }) == *owner;
                let has_it = leads_there && peer.connected && peer.subscribed.contains(name);
                has_it && self.all.audience(server, Some(Channel::Sharded), name).any(|ticket| ticket == *who)
            });
            assert!(!(hears && *lost), "{who:?} hears {name:?} again and was not told of the gap");
            *lost |= !hears;
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.asks_at.take_if(|at| *at <= self.now).is_some() {
            self.all.ask_again(self.now);
            self.take_effects();
        }
    }

    fn connect(&mut self, server: &Server) {
        if let Some(peer) = self.peers.get_mut(server).filter(|peer| !peer.connected) {
            peer.connected = true;
            self.all.connected(server, self.now);
            self.take_effects();
        }
    }

    fn lose(&mut self, server: &Server, base: Server) {
        let Some(peer) = self.peers.get_mut(server).filter(|peer| peer.connected) else { return };
        *peer = Peer::default();
        if *server == Server::Any {
            self.base = base;
        }
        self.all.lost(server, self.now);
        self.relocate();
    }

    /// The server reads a command.
    fn serve(&mut self, server: &Server) {
        let to = self.leads_to(server);
        let Some(peer) = self.peers.get_mut(server) else { return };
        let Some((topic, joins)) = peer.questions.pop_front() else { return };
        let owner = &self.owners[topic.name()];
        if joins && *owner != to {
            return peer.words.push_back(Word::Moved(topic, owner.clone()));
        }
        match joins {
            true => peer.subscribed.insert(topic.name().clone()),
            false => peer.subscribed.remove(topic.name()),
        };
        peer.words.push_back(Word::Confirmed(topic, joins));
    }

    /// The client hears a word.
    fn hear(&mut self, server: &Server) {
        match self.peers.get_mut(server).and_then(|peer| peer.words.pop_front()) {
            Some(Word::Confirmed(topic, joins)) => self.all.confirmed(server, &topic, joins, self.now),
            Some(Word::Moved(topic, to)) => {
                self.map.insert(topic.name().clone(), to.clone());
                self.all.redirected(server, &topic, &to, self.now);
            }
            Some(Word::Ended(topic)) => self.all.ended(server, &topic, self.now),
            None => return,
        }
        self.take_effects();
    }

    fn move_slot(&mut self, name: &Bytes, to: Server) {
        self.owners.insert(name.clone(), to.clone());
        for (server, peer) in &mut self.peers {
            let is_gone = *(if *server == Server::Any { &self.base } else { server }) != to;
            if is_gone && peer.subscribed.remove(name) {
                peer.words.push_back(Word::Ended(topic(name)));
            }
        }
        self.take_effects();
    }

    /// Everything that is wanted goes where the map of the client has it.
    fn relocate(&mut self) {
        for topic in self.all.sharded() {
            let server = self.map.get(topic.name()).cloned().unwrap_or_default();
            self.all.relocate(&topic, &server);
        }
        self.take_effects();
    }

    fn refresh(&mut self) {
        self.map = self.owners.clone();
        self.relocate();
    }

    /// Whoever wants something changes their mind.
    fn change(&mut self, who: Ticket, request: Ticket, name: &Bytes, kind: u8) {
        let placed = self.placed(name);
        match (self.wanted.get_mut(&who), kind) {
            (None, _) => {
                self.wanted.insert(who, BTreeSet::from([name.clone()]));
                self.all.begin(who, [placed]);
            }
            (Some(_), 0) => {
                self.wanted.remove(&who);
                self.has.retain(|(other, _), _| *other != who);
                self.all.end(who);
            }
            (Some(wanted), 1 | 2) => {
                wanted.remove(name);
                self.all.remove(who, request, Channel::Sharded, Some(vec![name.clone()]));
            }
            (Some(wanted), _) => {
                // (One that is asked for again is confirmed again.)
                if wanted.insert(name.clone()) {
                    self.all.add(who, request, [placed]);
                }
            }
        }
        self.take_effects();
    }

    fn settle(&mut self) {
        self.refresh();
        for _ in 0..100 {
            for server in self.peers.keys().cloned().collect::<Vec<_>>() {
                self.connect(&server);
                self.serve(&server);
                self.hear(&server);
            }
            self.pass(Duration::from_secs(2));
        }
    }
}

#[test]
fn in_the_end_everybody_hears_what_they_want_and_no_gap_goes_untold() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        for number in 0..300 {
            let name = Bytes::from(vec![random.u8(b'a'..=b'e')]);
            let server = if random.u8(..4) == 0 { Server::Any } else { node(random.u16(1..=NODES)) };
            world.pass(Duration::from_millis(random.u64(..20)));
            match random.u8(..16) {
                0..=2 => world.change(Ticket(random.u64(1..4)), Ticket(100 + number), &name, random.u8(..6)),
                3 => world.move_slot(&name, node(random.u16(1..=NODES))),
                4 => world.refresh(),
                5 if random.bool() => world.lose(&server, node(random.u16(1..=NODES))),
                6 | 7 => world.connect(&server),
                8..=11 => world.serve(&server),
                _ => world.hear(&server),
            }
        }
        world.settle();
        for (who, wanted) in &world.wanted {
            let has = |name: &Bytes| world.has.get(&(*who, name.clone())) == Some(&false);
            assert!(wanted.iter().all(has), "seed {seed}: {who:?} wants {wanted:?} and has {:?}", world.has);
        }
        let union: BTreeSet<&Bytes> = world.wanted.values().flatten().collect();
        let subscribed: Vec<&Bytes> = world.peers.values().flat_map(|peer| &peer.subscribed).collect();
        assert_eq!(subscribed.iter().copied().collect::<BTreeSet<_>>(), union, "seed {seed}");
        assert_eq!(subscribed.len(), union.len(), "seed {seed}: each is had of one server");
        let idle = world.peers.iter().filter(|(server, peer)| **server != Server::Any && peer.subscribed.is_empty());
        assert_eq!(idle.count(), 0, "seed {seed}");
        assert_eq!(world.all.changes.len(), 0, "seed {seed}");
    }
}

#[test]
fn a_ping_goes_where_plain_channels_are_or_to_any_server_that_has_some() {
    const A: Ticket = Ticket(1);
    let names = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
    let mut all = Subscriptions::at(Server::Any);
    all.begin(A, [(topic(&names[0]), node(2)), (topic(&names[1]), node(1))]);
    assert_eq!(all.server_for_ping(A), node(1));
    let plain = Topic::Channel(Channel::Plain, names[0].clone());
    all.add(A, Ticket(2), [(plain, Server::Any)]);
    assert_eq!(all.server_for_ping(A), Server::Any);
    all.remove(A, Ticket(3), Channel::Sharded, None);
    all.remove(A, Ticket(4), Channel::Plain, None);
    assert_eq!(all.server_for_ping(A), Server::Any, "of nothing");
}
