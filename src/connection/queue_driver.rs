//! The queue driver: as long as all that is under way on a connection is for one queue, whoever takes from it
//! writes and reads for itself, and no other thread is woken.
//!
//! Invariant: a driver that is dropped, or that has lost the I/O role, leaves the connection to the background, which
//! is told of what is there.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::io_control::Notice;
use super::link::Link;
use super::socket::Connection;
use crate::error::Error;

#[cfg(test)]
mod tests;

/// Holds the I/O role of one connection for a queue.
pub struct QueueDriver {
    link: Arc<Link>,
    connection: Arc<Connection>,
    /// As the I/O role counts them.
    number: u64,
}

impl std::fmt::Debug for QueueDriver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("QueueDriver").field("link", &self.link).finish_non_exhaustive()
    }
}

impl QueueDriver {
    pub(super) fn new(link: Arc<Link>, connection: Arc<Connection>, number: u64) -> QueueDriver {
        QueueDriver { link, connection, number }
    }

    /// Writes what waits. False: the I/O role is lost, and the driver is to be dropped.
    pub fn write(&self) -> bool {
        // A full socket is left to the background, which waits for room and reads meanwhile.
        self.visit() && self.look() && matches!(self.link.flush(&self.connection), Ok(true))
    }

    /// Looks what came, if nothing is owed and nobody has looked for a while. False: the connection has ended.
    fn look(&self) -> bool {
        if !self.connection.is_time_to_look() || self.link.is_in_flight() {
            return true;
        }
        let Some(recipient) = self.link.recipient.upgrade() else { return false };
        let mut incoming = self.connection.incoming.lock();
        let looked = self.link.look(&self.connection, &mut incoming, &*recipient);
        looked.map_err(|error| self.fail(error)).is_ok()
    }

    /// Reads once and delivers what came, without waiting. False: as for [`QueueDriver::write`].
    pub fn read(&self) -> bool {
        let Some(recipient) = self.link.recipient.upgrade() else { return false };
        let mut incoming = self.connection.incoming.lock();
        if !self.is_held() {
            return false;
        }
        let read = self.link.read(&self.connection, &mut incoming, &*recipient, false);
        drop(incoming);
        match read {
            // Whoever reclaimed the I/O role meanwhile found the reader at work.
            Ok(_) => self.is_held(),
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    /// Whether a reply is owed.
    pub fn is_in_flight(&self) -> bool {
        self.link.is_in_flight()
    }

    /// Somebody waits for the descriptor just now: he will come when there is something to read.
    pub fn is_awaited(&self, awaited: bool) {
        self.connection.awaited.store(awaited, Ordering::Relaxed);
    }

    /// Whether the I/O role is not lost.
    pub fn is_held(&self) -> bool {
        let outgoing = self.link.outgoing.lock();
        outgoing.control.is_held_by(self.number) && outgoing.belongs_to(&self.connection)
    }

    /// As [`QueueDriver::is_held`], and whoever watches over those who read is told that somebody came.
    fn visit(&self) -> bool {
        let mut outgoing = self.link.outgoing.lock();
        outgoing.belongs_to(&self.connection) && outgoing.control.visit(self.number)
    }

    /// Leaves the end of the connection to the background.
    fn fail(&self, error: Error) {
        self.connection.fail(error);
        self.link.notify.notify_one();
    }
}

/// Readable when [`QueueDriver::read`] has something to read, or finds the end of the connection or of the I/O role.
impl AsFd for QueueDriver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.stream.as_fd()
    }
}

impl Drop for QueueDriver {
    fn drop(&mut self) {
        self.is_awaited(false);
        let mut outgoing = self.link.outgoing.lock();
        if !outgoing.belongs_to(&self.connection) {
            return;
        }
        let effects = outgoing.control.leave(self.number);
        let notify = outgoing.set_interest(effects);
        drop(outgoing);
        if notify == Notice::Yes {
            self.link.notify.notify_one();
        }
    }
}
