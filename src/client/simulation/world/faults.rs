//! What goes wrong in a simulation.

use super::World;
use crate::client::simulation::server::Server;
use crate::client::simulation::wire::Wire;
use crate::error::{Error, Status};

impl World {
    /// One of all that can go wrong.
    pub(super) fn fault(&mut self) {
        match self.random.u8(0..16) {
            0..4 => self.cut(),
            4 => self.wire.iter_mut().for_each(Wire::garble),
            5 => self.fail_over(),
            6 => self.restart(),
            7 => self.servers.iter_mut().for_each(|server| server.is_loading = false),
            8 => self.servers.iter_mut().for_each(Server::forget_scripts),
            9 | 10 => {
                let refuses = self.random.choice([0, 0, 1, 2, 10]).unwrap_or(0);
                self.servers.iter_mut().for_each(|server| server.refuses = refuses);
            }
            11 => self.dialled = self.random.usize(0..2),
            12 => self.wire.iter_mut().for_each(Wire::push),
            _ => self.wire.iter_mut().for_each(|wire| wire.refuse_begun(&mut self.log)),
        }
    }

    /// The connection ends, between any two bytes.
    pub(super) fn cut(&mut self) {
        if self.wire.is_none() {
            return;
        }
        if self.random.bool() {
            self.deliver();
        }
        self.lose(&Error::new(Status::Lost, "the server closed the connection"));
    }

    pub(super) fn lose(&mut self, error: &Error) {
        let Some(mut wire) = self.wire.take() else { return };
        wire.cut(&mut self.log);
        self.end_write();
        self.driver.lose(error, &*self.core);
        if self.random.bool() {
            self.leftovers.push(wire);
        }
    }

    fn fail_over(&mut self) {
        let has_primary = self.random.u8(0..4) > 0;
        let primary = self.random.usize(0..2);
        for (number, server) in self.servers.iter_mut().enumerate() {
            server.is_primary = has_primary && number == primary;
        }
        match self.random.u8(0..3) {
            0 => self.cut(),
            1 => self.dialled = primary,
            _ => {}
        }
    }

    fn restart(&mut self) {
        let number = self.random.usize(0..2);
        self.servers[number].forget_scripts();
        self.servers[number].is_loading = self.random.bool();
        self.leftovers.retain(|wire| wire.server != number);
        if self.wire.as_ref().is_some_and(|wire| wire.server == number) {
            self.lose(&Error::new(Status::Lost, "the server closed the connection"));
            self.leftovers.retain(|wire| wire.server != number);
        }
    }
}
