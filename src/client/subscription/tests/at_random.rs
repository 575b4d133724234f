//! The subscriptions against a model of the server, with events at random.

use std::collections::{BTreeSet, VecDeque};

use super::*;

/// A server that answers in order, and may end things by itself or lose the connection.
#[derive(Default)]
struct Peer {
    subscribed: BTreeSet<Topic>,
    questions: VecDeque<(Topic, bool)>,
    connected: bool,
}

/// What a subscription was told.
#[derive(Default)]
struct Told {
    has: BTreeSet<Bytes>,
    /// Had before the loss and not told of a gap since.
    missed: BTreeSet<Bytes>,
}

struct World {
    all: Subscriptions,
    server: Peer,
    wanted: HashMap<Ticket, BTreeSet<Bytes>>,
    told: HashMap<Ticket, Told>,
    changed: BTreeSet<Ticket>,
    made: BTreeSet<Ticket>,
    now: Instant,
    /// When the timer fires.
    asks_at: Option<Instant>,
}

impl World {
    fn new() -> World {
        World {
            all: Subscriptions::default(),
            server: Peer::default(),
            wanted: HashMap::new(),
            told: HashMap::new(),
            changed: BTreeSet::new(),
            made: BTreeSet::new(),
            now: now(),
            asks_at: None,
        }
    }

    /// Time passes, at most until the timer fires.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.asks_at.is_some_and(|at| at <= self.now) {
            self.asks_at = None;
            self.all.ask_again(self.now);
            self.take_effects();
        }
    }

    fn take_effects(&mut self) {
        for effect in self.all.effects() {
            match effect {
                Effect::Send(_, topic, joins) => {
                    assert!(self.server.connected, "nobody hears it");
                    let same = self.server.questions.iter().filter(|(other, _)| *other == topic).count();
                    assert_eq!(same, 0, "one command for each topic");
                    self.server.questions.push_back((topic, joins));
                }
                Effect::Confirm { to, name: Some(name), joins, count, gap, .. } => {
                    let told = self.told.entry(to).or_default();
                    assert_eq!(gap, joins && told.missed.remove(&name), "each gap is told, once");
                    if joins {
                        told.has.insert(name)
                    } else {
                        told.has.remove(&name)
                    };
                    assert_eq!(count, told.has.len());
                }
                Effect::Changed(request, _) => assert!(self.changed.insert(request), "carried out once"),
                Effect::Made(who, _) => assert!(self.made.insert(who), "made once"),
                Effect::Open(_) | Effect::Started(_) | Effect::Orphaned(_) | Effect::Confirm { .. } => {}
                Effect::AskAfter(pause) => self.asks_at = Some(self.now + pause),
                Effect::Refused(_) | Effect::Close(_) => panic!("{effect:?}"),
            }
        }
    }

    fn answer(&mut self) {
        let Some((topic, joins)) = self.server.questions.pop_front() else { return };
        if joins {
            self.server.subscribed.insert(topic.clone())
        } else {
            self.server.subscribed.remove(&topic)
        };
        self.all.confirmed(&Server::Any, &topic, joins, self.now);
        self.take_effects();
    }

    fn lose(&mut self) {
        self.server = Peer::default();
        for told in self.told.values_mut() {
            told.missed.append(&mut told.has);
        }
        self.all.lost(&Server::Any, self.now);
        self.take_effects();
    }

    fn connect(&mut self) {
        self.server.connected = true;
        self.all.connected(&Server::Any, self.now);
        self.take_effects();
    }
}

#[test]
fn in_the_end_the_server_has_exactly_what_is_wanted() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        let mut requests = 100;
        for _ in 0..200 {
            let name = Bytes::from(vec![b'a' + random.u8(..6)]);
            let topic = Topic::Channel(Channel::Plain, name.clone());
            let who = Ticket(random.u64(1..4));
            requests += 1;
            world.pass(Duration::from_millis(random.u64(..20)));
            match random.u8(..10) {
                0 | 1 => {
                    match world.wanted.get_mut(&who) {
                        Some(wanted) => {
                            wanted.insert(name);
                            world.all.add(who, Ticket(requests), [(topic, Server::Any)]);
                        }
                        None => {
                            let topics = random.bool().then_some((topic, Server::Any));
                            world.wanted.insert(who, topics.iter().map(|_| name.clone()).collect());
                            world.all.begin(who, topics);
                        }
                    }
                    world.take_effects();
                }
                2 | 3 if world.wanted.contains_key(&who) => {
                    world.wanted.get_mut(&who).unwrap().remove(&name);
                    world.told.entry(who).or_default().missed.remove(&name);
                    world.all.remove(who, Ticket(requests), Channel::Plain, Some(vec![name]));
                    world.take_effects();
                }
                4 if random.u8(..4) == 0 => {
                    world.wanted.remove(&who);
                    world.told.remove(&who);
                    world.made.remove(&who);
                    world.all.end(who);
                    world.take_effects();
                }
                5 if random.u8(..4) == 0 && world.server.connected => world.lose(),
                6 if !world.server.connected => world.connect(),
                7 if world.server.subscribed.remove(&topic) => {
                    for told in world.told.values_mut() {
                        if told.has.remove(&name) {
                            told.missed.insert(name.clone());
                        }
                    }
                    world.all.ended(&Server::Any, &topic, world.now);
                    world.take_effects();
                }
                _ => world.answer(),
            }
        }
        if !world.server.connected {
            world.connect();
        }
        while !world.server.questions.is_empty() || world.asks_at.is_some() {
            world.answer();
            world.pass(Duration::from_secs(2));
        }
        let union: BTreeSet<&Bytes> = world.wanted.values().flatten().collect();
        let subscribed: BTreeSet<&Bytes> = world.server.subscribed.iter().map(Topic::name).collect();
        assert_eq!(subscribed, union, "seed {seed}");
        for (who, wanted) in &world.wanted {
            let told = world.told.entry(*who).or_default();
            assert_eq!(&told.has, wanted, "seed {seed}");
            assert!(told.missed.is_empty());
            assert!(world.made.contains(who), "seed {seed}");
        }
        assert!(world.all.changes.is_empty());
    }
}
