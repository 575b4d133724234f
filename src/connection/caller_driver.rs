//! A caller who writes its own request and reads its own reply, because nothing else was under way: no other thread is
//! woken, and the round trip costs one send and one receive.
//!
//! Invariant: whoever holds a [`CallerDriver`] is the only reader; when it is dropped, the background reads if
//! something is still under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::io_role::RoleChange;
use super::link::Link;
use super::socket::Connection;
use super::traffic::Read;
use crate::error::Error;

/// The I/O role to write to a link and to read from it.
#[derive(Debug)]
pub struct CallerDriver {
    link: Arc<Link>,
    connection: Arc<Connection>,
}

impl CallerDriver {
    pub(super) fn new(link: Arc<Link>, connection: Arc<Connection>) -> CallerDriver {
        CallerDriver { link, connection }
    }

    /// Writes what waits and reads, for everybody, until `is_done`, but waits no longer than `patience` for bytes.
    /// Whatever goes wrong is left to the background.
    pub fn drive(self, patience: Duration, is_done: impl Fn() -> bool) {
        let Some(recipient) = self.link.recipient.upgrade() else { return };
        let mut incoming = self.connection.incoming.lock();
        // The server may have hung up, or said something, unnoticed.
        if self.connection.is_time_to_look()
            && let Err(error) = self.link.look(&self.connection, &mut incoming, &*recipient)
        {
            // Nothing was sent and nothing will be, so nothing is lost: the background connects anew.
            return self.fail(error);
        }
        if !matches!(self.link.flush(&self.connection), Ok(true)) {
            return;
        }
        self.be_patient(patience);
        while !is_done() {
            match self.link.read(&self.connection, &mut incoming, &*recipient, true) {
                Ok(Read::Nothing) => return,
                Ok(_) if is_done() || !self.link.is_in_flight() => return,
                Ok(_) => {}
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Leaves the end of the connection to the background.
    fn fail(&self, error: Error) {
        self.connection.fail(error);
        self.link.notify.notify_one();
    }

    /// Sets how long a read waits. To wait less than asked is no harm: the background goes on.
    fn be_patient(&self, patience: Duration) {
        let wanted = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX).max(1000);
        let current = self.connection.patience.load(Ordering::Relaxed);
        if current > wanted || current < wanted / 4 {
            let limited = self.connection.stream.limit_wait(Duration::from_micros(wanted));
            self.connection.patience.store(if limited.is_ok() { wanted } else { u64::MAX }, Ordering::Relaxed);
        }
    }
}

impl Drop for CallerDriver {
    fn drop(&mut self) {
        let mut outgoing = self.link.outgoing.lock();
        if !outgoing.belongs_to(&self.connection) {
            return;
        }
        let idle = outgoing.pipeline.is_idle();
        let change = outgoing.role.give_back(idle);
        outgoing.apply(change);
        drop(outgoing);
        // Data that arrived while epoll was disarmed produces no event; notify the I/O thread.
        if change == RoleChange::Attend || (change == RoleChange::Unnoticed && self.connection.stream.has_bytes()) {
            self.link.notify.notify_one();
        }
    }
}
