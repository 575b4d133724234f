//! The queue driver: as long as all that is under way on a connection is for one queue, whoever takes from it
//! writes and reads for itself, and no other thread is woken.
//!
//! Invariant: a driver that is dropped, or that has lost the I/O role, leaves the connection to the background, which
//! is told of what is there.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::io_role::{IoRole, RoleChange};
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
        self.connection.visits.fetch_add(1, Ordering::Relaxed);
        // A full socket is left to the background, which waits for room and reads meanwhile.
        self.is_held() && self.look() && matches!(self.link.flush(&self.connection), Ok(true))
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

    /// Somebody waits for the descriptor just now: he will come when there is something to read.
    pub fn is_awaited(&self, awaited: bool) {
        self.connection.awaited.store(awaited, Ordering::Relaxed);
    }

    /// Whether the I/O role is not lost.
    pub fn is_held(&self) -> bool {
        self.link.outgoing.lock().is_held_by(self.number, &self.connection)
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
        let change = if outgoing.role.is_held_by(self.number) { outgoing.role.reclaim() } else { RoleChange::Begin };
        // Also when somebody else reclaimed it: the background may have looked while this thread still read.
        if outgoing.role.is_background() {
            outgoing.apply(change);
            drop(outgoing);
            self.link.notify.notify_one();
        }
    }
}

impl Link {
    /// Ends the driver of a queue, or the pause of callers: the background reads.
    pub fn reclaim(&self) {
        self.reclaim_by(IoRole::reclaim);
    }

    /// Ends the driver of a queue if bytes wait and nobody comes for them.
    pub(super) fn reclaim_from_absent(&self, connection: &Connection) {
        let is_awaited = connection.awaited.load(Ordering::Relaxed);
        if !is_awaited && (self.is_unsent() || connection.stream.has_bytes()) {
            self.reclaim_by(IoRole::reclaim_from_absent);
        }
    }

    /// Whoever has the I/O role in the place of the background comes by.
    pub(super) fn reset_backoff(&self) {
        self.outgoing.lock().role.reset_backoff();
    }

    /// Whether somebody other than the background reads, whether these are the takers of a queue, and how often
    /// somebody took the I/O role.
    pub(super) fn role_monitor(&self) -> (bool, bool, u64) {
        let role = &self.outgoing.lock().role;
        (!role.is_background(), role.is_of_a_queue(), role.taken())
    }

    /// How often others than the background came by; tells whether they still do.
    pub(super) fn activity(&self, connection: &Connection) -> u64 {
        self.outgoing.lock().role.taken() + connection.visits.load(Ordering::Relaxed)
    }

    fn reclaim_by(&self, reclaim: impl FnOnce(&mut IoRole) -> RoleChange) {
        let mut outgoing = self.outgoing.lock();
        let change = reclaim(&mut outgoing.role);
        outgoing.apply(change);
        drop(outgoing);
        if change == RoleChange::Begin {
            self.notify.notify_one();
        }
    }
}
