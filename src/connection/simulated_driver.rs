//! In the place of the background driver, for a simulation: the same steps, one at a time and whenever the simulation
//! wants, with bytes in memory. No socket, no thread, no time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::link::Link;
use super::recipient::{LinkEvent, Recipient};
use super::server_info::ServerInfo;
use super::socket::Incoming;
use super::transport::Receiver;
use super::unit::Ticket;
use crate::error::{Error, Status};
use crate::protocol::parser::{Limits, Parser};

/// What every server calls its connection.
pub const CONNECTION: i64 = 7;

/// Drives a link that was prepared and never started.
pub struct SimulatedDriver {
    link: Arc<Link>,
    /// What has been read; `None`: there is no connection.
    incoming: Option<Incoming>,
    /// The write that is under way.
    parts: Vec<Bytes>,
    /// The socket took less than there was: it says when there is room.
    is_blocked: bool,
}

impl SimulatedDriver {
    /// There is no connection yet.
    pub fn new(link: &Arc<Link>) -> SimulatedDriver {
        SimulatedDriver { link: Arc::clone(link), incoming: None, parts: Vec::new(), is_blocked: false }
    }

    /// Who is told of what happens to the link.
    pub fn recipient(&self) -> Arc<dyn Recipient<Link>> {
        self.link.recipient.upgrade().expect("the recipient is there")
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.incoming.is_some()
    }

    /// A connection was made.
    pub fn connect(&mut self, recipient: &dyn Recipient<Link>) {
        self.connect_as("", recipient);
    }

    /// The same, to a server that says that it is of this mode.
    pub fn connect_as(&mut self, mode: &str, recipient: &dyn Recipient<Link>) {
        self.connect_to(mode, CONNECTION, recipient);
    }

    /// The same, to a server that calls the connection so.
    pub fn connect_to(&mut self, mode: &str, connection: i64, recipient: &dyn Recipient<Link>) {
        let config = &self.link.config;
        let limits = Limits { depth: config.max_reply_depth, reply_bytes: config.max_reply_bytes };
        self.incoming = Some(Incoming::new(Receiver::Plain, Parser::new(limits, config.receive_buffer)));
        self.is_blocked = false;
        let tracking = self.link.wants_tracking();
        let server_info =
            ServerInfo { protocol: 3, connection, tracking, mode: mode.to_owned(), ..ServerInfo::default() };
        self.link.report_connected(Some(recipient), server_info);
        let mut outgoing = self.link.outgoing.lock();
        // (There is no kernel that tells of bytes.)
        _ = outgoing.control.connect(self.link.receives_pushes());
        outgoing.is_simulated = true;
        drop(outgoing);
        self.fall_asleep();
    }

    /// Whether it is awake, and has something to write.
    pub fn wants_to_write(&self) -> bool {
        let is_awake = self.is_blocked || !self.link.is_asleep();
        let may_write = self.is_connected() && self.parts.is_empty();
        may_write && is_awake && self.link.is_unsent() && (self.is_blocked || !self.is_renewing())
    }

    /// What is given to the socket now; to be followed by [`SimulatedDriver::end_write`].
    pub fn begin_write(&mut self) -> &[Bytes] {
        let pipeline = &mut self.link.outgoing.lock().pipeline;
        match self.is_renewing() {
            false => pipeline.begin_write(&mut self.parts),
            true => pipeline.begin_rest(&mut self.parts),
        }
        &self.parts
    }

    /// The socket took so many bytes of it. False: the server is out of step.
    #[must_use]
    pub fn end_write(&mut self, taken: usize) -> bool {
        let given: usize = self.parts.drain(..).map(|part| part.len()).sum();
        self.is_blocked = taken < given;
        let is_in_step = self.link.outgoing.lock().pipeline.end_write(taken);
        self.fall_asleep();
        is_in_step
    }

    /// Sleeps, if there is nothing more to write, until somebody wakes the link.
    fn fall_asleep(&self) {
        self.link.asleep.store(true, Ordering::SeqCst);
        if self.link.is_unsent() {
            self.link.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// These bytes came. An error: the connection is to be given up.
    pub fn receive(&mut self, bytes: &[u8], recipient: &dyn Recipient<Link>) -> Result<(), Error> {
        let Some(incoming) = &mut self.incoming else { return Ok(()) };
        incoming.parser.feed(bytes);
        let assign = |incoming: &mut Incoming| {
            let mut outgoing = self.link.outgoing.lock();
            let with_request = self.link.purpose().receives_pushes();
            outgoing.assign(&mut incoming.replies, &mut incoming.answers, with_request)?;
            Ok(outgoing.pipeline.has_room_again())
        };
        match self.link.purpose().receives_pushes() {
            true => self.link.read_pushes(incoming, recipient, assign)?,
            false => self.link.match_replies(incoming, recipient, assign)?,
        }
        self.link.check_rest(incoming)?;
        self.fall_asleep();
        Ok(())
    }

    /// The connection ended for this reason; no write is under way.
    pub fn lose(&mut self, error: &Error, recipient: &dyn Recipient<Link>) {
        assert!(self.parts.is_empty(), "whoever ends a connection waits for the write that is under way");
        self.incoming = None;
        let disconnect = || {
            let mut outgoing = self.link.outgoing.lock();
            outgoing.is_simulated = false;
            outgoing.pipeline.disconnect()
        };
        self.link.report_loss(Some(recipient), error, disconnect);
    }

    /// No connection could be made this time.
    pub fn fail_to_connect(&self, error: &Error, recipient: &dyn Recipient<Link>) {
        recipient.on_event(&self.link, LinkEvent::Unreachable(error.clone()));
    }

    /// No connection could be made, and those who wait shall not wait longer.
    pub fn give_up(&self, error: &Error, recipient: &dyn Recipient<Link>) {
        self.link.fail_waiting(Some(recipient), error);
    }

    fn is_renewing(&self) -> bool {
        self.link.reconnecting.load(Ordering::SeqCst)
    }

    /// Lets the connection go if it is to be made anew and nothing is under way.
    pub fn reconnect(&mut self, recipient: &dyn Recipient<Link>) -> bool {
        let may_end = self.is_connected() && self.parts.is_empty() && self.is_renewing();
        let ends = may_end && !self.link.is_in_flight();
        if ends && !self.link.purpose().is_dialled_again() {
            self.lose(&Error::new(Status::Lost, "given up, because the server is no primary"), recipient);
        } else if ends {
            self.incoming = None;
            self.link.outgoing.lock().is_simulated = false;
            self.link.update_status(|status| status.connected = false);
            self.link.report_tracking_ended(Some(recipient));
        }
        ends
    }

    /// How it stands, for people.
    pub fn state(&self) -> String {
        let (is_asleep, is_renewing) = (self.link.is_asleep(), self.is_renewing());
        let (waiting, is_in_flight) = (self.link.waiting(), self.link.is_in_flight());
        format!("asleep {is_asleep}, reconnecting {is_renewing}, waiting {waiting:?}, in flight {is_in_flight}")
    }

    /// Whether nothing at all is left at the link.
    pub fn is_at_rest(&self) -> bool {
        let outgoing = self.link.outgoing.lock();
        outgoing.pipeline.is_idle() && outgoing.requests.is_at_rest()
    }

    /// Who still waits at the link, whatever is on the way.
    pub fn who_waits(&self) -> Vec<Ticket> {
        let mut outgoing = self.link.outgoing.lock();
        let mut tickets: Vec<Ticket> = outgoing.pipeline.tickets_ahead_of(u64::MAX).collect();
        tickets.extend(outgoing.pipeline.clear_unsent().into_iter().map(|to| to.ticket));
        tickets.extend(outgoing.requests.waiting());
        tickets
    }
}
