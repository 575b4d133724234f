//! What goes wrong in a simulation.

use super::World;
use crate::client::simulation::server::Server;
use crate::client::simulation::wire::Wire;
use crate::error::{Error, Status};

impl World {
    /// One of all that can go wrong.
    pub(super) fn fault(&mut self) {
        if self.is_cluster() && self.random.bool() {
            return self.event_of_cluster();
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
    pub(super) fn hang_up(&mut self, number: usize) {
        self.leftovers.retain(|wire| wire.server != number);
        for at in 0..self.connections.len() {
            if self.connections[at].wire.as_ref().is_some_and(|wire| wire.server == number) {
                self.lose(at, &Error::new(Status::Lost, "the server closed the connection"));
                self.leftovers.retain(|wire| wire.server != number);
            }
        }
    }
}
