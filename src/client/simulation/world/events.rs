//! What happens among the servers of a simulated cluster: slots move and servers take over, as every day, and what is
//! rare with real ones. Each kind has a rate of its own.

use super::World;
use crate::client::simulation::member::{Confusion, SERVERS, TAGS};

/// What happens.
#[derive(Clone, Copy)]
enum Event {
    BeginMove,
    FinishMove,
    MoveAtOnce,
    TakeOver,
    Learn,
    Settle,
    TwoPrimaries,
    Disagree,
    Loop,
    Ring,
    Confuse,
    AnotherCluster,
}

use Event::{
    AnotherCluster, BeginMove, Confuse, Disagree, FinishMove, Learn, Loop, MoveAtOnce, Ring, Settle, TakeOver,
    TwoPrimaries,
};

/// Each with its name in the count and with how often it happens, of the sum of all.
const EVENTS: [(Event, &str, u32); 12] = [
    (BeginMove, "event: a slot is on its way", 16),
    (FinishMove, "event: a slot has arrived", 20),
    (MoveAtOnce, "event: a slot moved in one piece", 8),
    (TakeOver, "event: a server took over", 8),
    (Learn, "event: a server learnt whose a slot is", 16),
    (Settle, "event: all servers agreed", 8),
    (TwoPrimaries, "event: two primaries for a slot", 6),
    (Disagree, "event: no two servers agreed", 3),
    (Loop, "event: two servers sent everything to each other", 6),
    (Ring, "event: all servers sent it on in a ring", 3),
    (Confuse, "event: a server was confused", 8),
    (AnotherCluster, "event: a server had the map of another cluster", 6),
];

impl World {
    /// Something happens.
    pub(super) fn event_of_cluster(&mut self) {
        let mut chance = self.random.u32(0..EVENTS.iter().map(|(_, _, rate)| rate).sum());
        let found = EVENTS.iter().find(|(_, _, rate)| {
            let is_it = chance < *rate;
            chance = chance.saturating_sub(*rate);
            is_it
        });
        let (event, name, _) = found.expect("the sum of all rates is more");
        *self.happened.entry(name).or_default() += 1;
        let (tag, server, other) =
            (self.random.usize(0..TAGS), self.random.usize(0..SERVERS), self.random.usize(0..SERVERS));
        match event {
            BeginMove => self.begin_move(tag, other),
            FinishMove => self.finish_move(tag),
            // Without ASK, as a server does that moves a slot in one piece; one of the two learns of it first.
            MoveAtOnce => {
                let owner = self.owner_by_itself(tag);
                let first = if self.random.bool() { other } else { owner };
                self.owners[tag] = other;
                self.member(first).learn(tag, other);
            }
            TakeOver => self.take_over(),
            Learn => {
                let owner = self.owners[tag];
                self.member(server).learn(tag, owner);
            }
            Settle => self.settle(),
            TwoPrimaries => self.divide(server, other),
            Disagree => {
                for number in 0..SERVERS {
                    for _ in 0..TAGS / 3 {
                        let (tag, owner) = (self.random.usize(0..TAGS), self.random.usize(0..SERVERS));
                        self.member(number).learn(tag, owner);
                    }
                }
            }
            Loop => {
                self.member(server).learn(tag, other);
                self.member(other).learn(tag, server);
            }
            Ring => (0..SERVERS).for_each(|number| self.member(number).learn(tag, (number + 1) % SERVERS)),
            Confuse => {
                let confusions = [Confusion::NoHosts, Confusion::Itself, Confusion::NoSlots, Confusion::Nonsense];
                let confused = if self.random.bool() { self.random.choice(confusions) } else { None };
                self.member(server).confusion = confused.unwrap_or(Confusion::Nothing);
            }
            // One at a time, as where a node's address was given to another one.
            AnotherCluster => {
                (0..SERVERS).for_each(|number| self.member(number).confusion = Confusion::Nothing);
                self.member(server).confusion = Confusion::AnotherCluster;
            }
        }
    }

    /// A server that takes a slot for its own; if none does, whose it is.
    fn owner_by_itself(&mut self, tag: usize) -> usize {
        let owner = (0..SERVERS).find(|number| self.member(*number).owns(tag));
        owner.unwrap_or(self.owners[tag])
    }

    fn begin_move(&mut self, tag: usize, to: usize) {
        let from = self.owner_by_itself(tag);
        if from != to {
            self.member(from).migrating[tag] = Some(to);
            self.member(to).importing[tag] = true;
        }
    }

    /// A slot that was on its way has arrived: only the one, only the other, or both of them know.
    fn finish_move(&mut self, tag: usize) {
        let from = self.owner_by_itself(tag);
        let Some(to) = self.member(from).migrating[tag] else { return };
        self.owners[tag] = to;
        let who = self.random.u8(0..4);
        if who != 0 {
            self.member(to).learn(tag, to);
        }
        if who != 1 {
            self.member(from).learn(tag, to);
        }
    }

    /// Another server takes the slots of one that seems dead, which may be alive and not know it.
    pub(super) fn take_over(&mut self) {
        let (dead, heir) = (self.random.usize(0..SERVERS), self.random.usize(0..SERVERS));
        let tags: Vec<usize> = (0..TAGS).filter(|tag| self.owners[*tag] == dead).collect();
        let knows = self.random.bool();
        for tag in tags {
            self.owners[tag] = heir;
            self.member(heir).learn(tag, heir);
            if knows {
                self.member(dead).learn(tag, heir);
            }
        }
        self.down = self.random.bool().then_some(dead);
        if self.down.is_some() {
            self.hang_up(dead);
        }
    }

    /// Two servers take the same slots for their own and run what comes; the others believe the one or the other.
    fn divide(&mut self, one: usize, other: usize) {
        for tag in (0..TAGS).filter(|tag| self.owners[*tag] == one).collect::<Vec<_>>() {
            self.owners[tag] = other;
            for number in 0..SERVERS {
                let believed = match number {
                    _ if number == one || number == other => number,
                    _ if self.random.bool() => one,
                    _ => other,
                };
                self.member(number).learn(tag, believed);
            }
        }
    }

    /// All servers know what is true, and nothing moves.
    pub(super) fn settle(&mut self) {
        for (tag, owner) in self.owners.into_iter().enumerate() {
            (0..SERVERS).for_each(|number| self.member(number).learn(tag, owner));
        }
        (0..SERVERS).for_each(|number| self.member(number).confusion = Confusion::Nothing);
        self.down = None;
    }
}
