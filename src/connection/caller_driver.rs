//! A caller who moves bytes itself. One that has the I/O role writes what waits and reads for everybody, so that no
//! other thread is woken and a round trip costs one send and one receive. One that found such a caller writes its
//! request at once and waits: for its reply, or for the I/O role, which the other one hands on when it leaves.
//!
//! Invariant: of all [`CallerDriver`]s of a connection one at most has the role; when it leaves, another caller reads,
//! or the background does, if something is still under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::caller::{Caller, Follower, HeldWakes};
use super::io_control::{Arrival, Handover, Notice};
use super::link::Link;
use super::socket::Connection;
use super::traffic::Read;
use crate::error::Error;

#[cfg(test)]
mod tests;

/// What a caller has to do for its request.
#[derive(Debug)]
pub struct CallerDriver {
    link: Arc<Link>,
    connection: Arc<Connection>,
    part: Part,
    /// Whether others are expected to submit before it writes.
    yields: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// It has the I/O role.
    Leader,
    /// Another caller has it.
    Follower,
    /// Nothing is left to do, unless the I/O role is handed on to it.
    Ended,
}

impl CallerDriver {
    pub(super) fn leader(link: Arc<Link>, connection: Arc<Connection>, yields: bool) -> CallerDriver {
        CallerDriver { link, connection, part: Part::Leader, yields }
    }

    pub(super) fn follower(link: Arc<Link>, connection: Arc<Connection>) -> CallerDriver {
        CallerDriver { link, connection, part: Part::Follower, yields: false }
    }

    /// Whether it has the I/O role.
    pub fn is_leader(&self) -> bool {
        self.part == Part::Leader
    }

    /// Writes what waits. With the I/O role also reads, for everybody, until the caller has its completion, but waits
    /// no longer than `patience` for bytes, and no longer than is `left` until its deadline. Whatever goes wrong is
    /// left to the background. True: the completion is there, and [`Caller::wait`] is not needed.
    pub fn drive(&mut self, patience: Duration, left: Option<Duration>, caller: &Arc<impl Caller>) -> bool {
        if self.part == Part::Follower {
            self.follow(caller);
        }
        if self.part == Part::Leader {
            // Whoever woke up while this thread still has the role would only get to wait for it.
            let _held = HeldWakes(&**caller);
            let in_order = self.lead(patience, left.unwrap_or(Duration::MAX), &**caller);
            self.leave(in_order);
            // (Nobody hands the role on to who had it.)
            return caller.is_done();
        }
        false
    }

    /// Another caller has handed the I/O role on: see [`Caller::wait`].
    pub fn take_role(&mut self) {
        self.part = Part::Leader;
    }

    /// Comes to wait while another caller reads; afterwards it has the I/O role, or nothing is left to do.
    fn follow(&mut self, caller: &Arc<impl Caller>) {
        let mut outgoing = self.link.outgoing.lock();
        self.part = Part::Ended;
        if !outgoing.belongs_to(&self.connection) {
            return;
        }
        let pending = outgoing.pending();
        match outgoing.control.come(|| Follower::new(caller), pending) {
            Arrival::Lead => self.part = Part::Leader,
            Arrival::Background => {}
            Arrival::Wait { writes } => {
                drop(outgoing);
                if writes && !matches!(self.link.flush(&self.connection), Ok(true)) {
                    // The background waits for room, or finds out what is wrong.
                    self.link.notify.notify_one();
                }
            }
        }
    }

    /// Writes and reads. True: the connection is in order.
    fn lead(&self, patience: Duration, left: Duration, caller: &impl Caller) -> bool {
        let Some(recipient) = self.link.recipient.upgrade() else { return false };
        let mut incoming = self.connection.incoming.lock();
        // The server may have hung up, or said something, unnoticed.
        if self.connection.is_time_to_look()
            && let Err(error) = self.link.look(&self.connection, &mut incoming, &*recipient)
        {
            // Nothing was sent and nothing will be, so nothing is lost: the background connects anew.
            self.fail(error);
            return false;
        }
        if self.yields {
            self.yield_to_others();
        }
        if !matches!(self.link.flush(&self.connection), Ok(true)) {
            return false;
        }
        self.be_patient(patience.min(left));
        // Since it read something, and not yet its own answer.
        let mut since = None;
        while !caller.is_done() {
            caller.hold_wakes();
            match self.link.read(&self.connection, &mut incoming, &*recipient, true) {
                Ok(Read::Nothing) => return false,
                Ok(_) if caller.is_done() || !self.link.is_in_flight() => return true,
                Ok(_) => {
                    let passed = since.get_or_insert_with(Instant::now).elapsed();
                    self.be_patient(patience.min(left.saturating_sub(passed)));
                }
                Err(error) => {
                    self.fail(error);
                    return false;
                }
            }
        }
        true
    }

    /// Lets other threads run whose requests one write shall carry together with this one.
    fn yield_to_others(&self) {
        let mut took = Duration::ZERO;
        loop {
            let mut outgoing = self.link.outgoing.lock();
            let (under_way, pending) = (outgoing.pipeline.under_way(), outgoing.pending());
            if !outgoing.control.yields(under_way, pending, took) {
                return;
            }
            drop(outgoing);
            let since = Instant::now();
            thread::yield_now();
            took = since.elapsed();
        }
    }

    /// Leaves the end of the connection to the background.
    fn fail(&self, error: Error) {
        self.connection.fail(error);
        self.link.notify.notify_one();
    }

    /// Sets how long a read waits, if it has to be set anew.
    fn be_patient(&self, patience: Duration) {
        let current = self.connection.patience.load(Ordering::Relaxed);
        if let Some(wanted) = patience_to_set(current, patience) {
            let limited = self.connection.stream.limit_wait(Duration::from_micros(wanted));
            self.connection.patience.store(if limited.is_ok() { wanted } else { u64::MAX }, Ordering::Relaxed);
        }
    }

    /// Gives the I/O role to whoever reads next; `in_order`: the connection is, and bytes come.
    fn leave(&mut self, in_order: bool) {
        // Whoever has its reply already refuses it.
        while let Some(follower) = self.give_back(in_order) {
            if follower.offer() {
                break;
            }
        }
        self.part = Part::Ended;
    }

    /// Gives the I/O role back, or the caller to whom it is to be given.
    fn give_back(&mut self, in_order: bool) -> Option<Follower> {
        let mut outgoing = self.link.outgoing.lock();
        if outgoing.belongs_to(&self.connection) {
            let idle = outgoing.pipeline.is_idle();
            match outgoing.control.give_back(idle, in_order) {
                Handover::ToFollower(follower) => return Some(follower),
                Handover::ToOthers(effects) => {
                    let notify = outgoing.set_interest(effects);
                    drop(outgoing);
                    if notify == Notice::Yes || (notify == Notice::IfBytesWait && self.connection.stream.has_bytes()) {
                        self.link.notify.notify_one();
                    }
                }
            }
        }
        None
    }
}

/// The microseconds that a read is to wait from now on; `None`: what is set will do, which saves a system call. To wait
/// less than asked is no harm: the background goes on.
fn patience_to_set(current: u64, asked: Duration) -> Option<u64> {
    let wanted = u64::try_from(asked.as_micros()).unwrap_or(u64::MAX).max(1000);
    (current > wanted || current < wanted / 4).then_some(wanted)
}

impl Drop for CallerDriver {
    fn drop(&mut self) {
        if self.part == Part::Follower {
            // It will not wait; others may rely on its coming.
            let mut outgoing = self.link.outgoing.lock();
            let leads = outgoing.belongs_to(&self.connection) && outgoing.control.stay_away();
            drop(outgoing);
            self.part = if leads { Part::Leader } else { Part::Ended };
            self.link.notify.notify_one();
        }
        if self.part == Part::Leader {
            self.leave(false);
        }
    }
}
