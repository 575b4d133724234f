//! One link of the client in a simulation, and the wire to the server that it leads to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::client::core::Core;
use crate::client::simulation::command::Digests;
use crate::client::simulation::inbox::Place;
use crate::client::simulation::server::Log;
use crate::client::simulation::wire::Wire;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::simulated_driver::SimulatedDriver;
use crate::error::Error;

/// A link.
pub struct Connection {
    pub link: Arc<Link>,
    pub driver: SimulatedDriver,
    pub wire: Option<Wire>,
    /// How much the socket took of the write that is under way.
    writing: Option<usize>,
}

/// Whether a link has had the one connection of its life.
pub fn is_used_up(link: &Link) -> bool {
    let connections = link.counters.connections.load(Ordering::Relaxed);
    matches!(link.purpose(), Purpose::Dedicated(_)) && connections > 0
}

impl Connection {
    /// Of a link that has no connection yet.
    pub fn new(link: &Arc<Link>) -> Connection {
        Connection { link: Arc::clone(link), driver: SimulatedDriver::new(link), wire: None, writing: None }
    }

    /// Whether no other connection is made after this one.
    pub fn is_over(&self) -> bool {
        self.link.is_closed() || is_used_up(&self.link)
    }

    /// Begins a write, of which the socket takes `taken` bytes of so many; false: there is nothing to write.
    pub fn begin_write(&mut self, taken: impl FnOnce(usize) -> usize, digests: &Digests, log: &mut Log) -> bool {
        let Some(wire) = self.wire.as_mut().filter(|_| self.driver.wants_to_write()) else { return false };
        let bytes = self.driver.begin_write().concat();
        let taken = taken(bytes.len());
        wire.take(&bytes, taken, digests, log);
        self.writing = Some(taken);
        true
    }

    /// Ends the write that is under way, if one is.
    pub fn end_write(&mut self) -> bool {
        let Some(taken) = self.writing.take() else { return false };
        assert!(self.driver.end_write(taken), "a server that answers what it was sent is told to be out of step");
        true
    }

    /// Whether something is to be written, or is being written.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some() || self.driver.wants_to_write()
    }

    /// The connection ends for this reason; gives its wire, from which the server may still read.
    pub fn lose(&mut self, error: &Error, core: &Core<Place>, log: &mut Log) -> Option<Wire> {
        let mut wire = self.wire.take()?;
        wire.cut(log);
        self.end_write();
        self.driver.lose(error, core);
        Some(wire)
    }

    /// The driver gives its connection up where the client wants a new one.
    pub fn reconnect(&mut self, core: &Core<Place>) {
        if self.driver.reconnect(core) {
            self.wire = None;
        }
    }
}
