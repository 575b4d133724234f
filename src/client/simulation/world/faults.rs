//! What goes wrong in a simulation.

use super::World;
use crate::client::simulation::member::{Confusion, SERVERS, TAGS};
use crate::client::simulation::server::Server;
use crate::client::simulation::wire::Wire;
use crate::error::{Error, Status};

impl World {
    /// One of all that can go wrong.
    pub(super) fn fault(&mut self) {
        if self.is_cluster() && self.random.bool() {
            return self.fault_of_cluster();
        }
        let at = self.any();
        match self.random.u8(0..16) {
            0..4 => self.cut(at),
            4 => self.connections[at].wire.iter_mut().for_each(Wire::garble),
            5 => self.fail_over(),
            6 => self.restart(),
            7 => self.servers.iter_mut().for_each(|server| server.is_loading = false),
            8 => self.servers.iter_mut().for_each(Server::forget_scripts),
            9 | 10 => {
                let refuses = self.random.choice([0, 0, 1, 2, 10]).unwrap_or(0);
                self.servers.iter_mut().for_each(|server| server.refuses = refuses);
            }
            11 => self.dialled = self.random.usize(0..2),
            12 => self.connections[at].wire.iter_mut().for_each(Wire::push),
            _ => self.connections[at].wire.iter_mut().for_each(|wire| wire.refuse_begun(&mut self.log)),
        }
    }

    /// The connection ends, between any two bytes.
    pub(super) fn cut(&mut self, at: usize) {
        if self.connections[at].wire.is_none() {
            return;
        }
        if self.random.bool() {
            self.deliver(at);
        }
        self.lose(at, &Error::new(Status::Lost, "the server closed the connection"));
    }

    pub(super) fn lose(&mut self, at: usize, error: &Error) {
        let Some(wire) = self.connections[at].lose(error, &self.core, &mut self.log) else { return };
        if self.random.bool() {
            self.leftovers.push(wire);
        }
    }

    fn fail_over(&mut self) {
        let has_primary = self.random.u8(0..4) > 0;
        let primary = self.random.usize(0..2);
        if self.is_cluster() {
            return self.take_over();
        }
        for (number, server) in self.servers.iter_mut().enumerate() {
            server.is_primary = has_primary && number == primary;
        }
        match self.random.u8(0..3) {
            0 => self.cut(0),
            1 => self.dialled = primary,
            _ => {}
        }
    }

    fn restart(&mut self) {
        let number = self.random.usize(0..self.servers.len());
        self.servers[number].forget_scripts();
        self.servers[number].is_loading = self.random.bool();
        self.hang_up(number);
    }

    /// All connections of a server end, and it reads nothing more of them.
    fn hang_up(&mut self, number: usize) {
        self.leftovers.retain(|wire| wire.server != number);
        for at in 0..self.connections.len() {
            if self.connections[at].wire.as_ref().is_some_and(|wire| wire.server == number) {
                self.lose(at, &Error::new(Status::Lost, "the server closed the connection"));
                self.leftovers.retain(|wire| wire.server != number);
            }
        }
    }

    /// What goes wrong, or goes its way, among the servers of a cluster.
    fn fault_of_cluster(&mut self) {
        let (tag, server, other) =
            (self.random.usize(0..TAGS), self.random.usize(0..SERVERS), self.random.usize(0..SERVERS));
        match self.random.u8(0..12) {
            0 | 1 => self.begin_move(tag, other),
            2..5 => self.finish_move(tag),
            // Without ASK, as a server does that moves a slot in one piece; one of the two learns of it first.
            5 => {
                let owner = self.owner_by_itself(tag);
                let first = if self.random.bool() { other } else { owner };
                self.owners[tag] = other;
                self.member(first).learn(tag, other);
            }
            6 => self.take_over(),
            // One learns what is true of a slot, or all of them of all.
            7..9 => {
                let owner = self.owners[tag];
                self.member(server).learn(tag, owner);
            }
            9 => self.settle(),
            // Two that send everything to each other.
            10 => {
                self.member(server).learn(tag, other);
                self.member(other).learn(tag, server);
            }
            _ => {
                let confusions = [Confusion::NoHosts, Confusion::Itself, Confusion::NoSlots, Confusion::Nonsense];
                let confused = if self.random.bool() { self.random.choice(confusions) } else { None };
                self.member(server).confusion = confused.unwrap_or(Confusion::Nothing);
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
    fn take_over(&mut self) {
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

    /// All servers know what is true, and nothing moves.
    pub(super) fn settle(&mut self) {
        for (tag, owner) in self.owners.into_iter().enumerate() {
            (0..SERVERS).for_each(|number| self.member(number).learn(tag, owner));
        }
        (0..SERVERS).for_each(|number| self.member(number).confusion = Confusion::Nothing);
        self.down = None;
    }
}
