//! One connection to one server, through all its deaths: what is given to it is sent in order, and its owner, the
//! [`super::recipient::Recipient`], hears of every reply and every loss. The link belongs to no thread: the background
//! writes and reads ([`super::background_driver`]), a caller does it for itself ([`super::caller_driver`]), or whoever
//! takes from a queue ([`super::queue_driver`]).
//!
//! Locks are taken in this order: incoming, (the recipient's own), writer, outgoing.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;

use super::caller::Follower;
use super::credentials::renewal::Renewal;
use super::credentials::source::CredentialsSource;
use super::endpoints::Endpoints;
use super::io_control::{Effects, IoControl, Notice, Pending};
use super::io_role::Submitter;
use super::outgoing::Outgoing;
use super::pipeline::Pipeline;
use super::purpose::Purpose;
use super::quota::Limits;
use super::recipient::Recipient;
use super::server_info::ServerInfo;
use super::socket::Connection;
use super::unit::{Addressee, Lost, Ticket, Unit};
use crate::config::Config;
use crate::error::Error;
use crate::lock::Lock;

/// What is counted of a link, since it was opened.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes read.
    pub received: AtomicU64,
    /// How often a read brought replies or a part of one: not pushes alone.
    pub answers: AtomicU64,
    /// Bytes written.
    pub sent: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    /// Calls whose caller wrote and read for itself.
    pub lone_calls: AtomicU64,
    /// How often whoever takes from a queue got the I/O role to write and read.
    pub queue_turns: AtomicU64,
    /// The last round trip, in microseconds.
    pub round_trip: AtomicU32,
}

/// What is known of the server just now.
#[derive(Clone, Debug, Default)]
pub struct LinkStatus {
    /// The connected address, or the one that was tried last; until one is known the name of the server.
    pub address: String,
    /// Whether commands can be sent.
    pub connected: bool,
    /// What the server said of itself in the last handshake.
    pub server_info: ServerInfo,
    /// Why there is no connection.
    pub error: Option<Error>,
}

/// A sample of the round-trip time under way: when the byte at this position was written.
#[derive(Debug, Default)]
pub(super) struct Sample(pub(super) Option<(u64, Instant)>);

/// One connection to one server and database.
pub struct Link {
    pub(super) config: Arc<Config>,
    /// Where its server is dialled.
    pub(super) endpoints: Arc<Endpoints>,
    /// With what it is authenticated.
    pub(super) credentials: Arc<CredentialsSource>,
    pub(super) renewal: Lock<Renewal>,
    pub(super) recipient: Weak<dyn Recipient<Link>>,
    database: u32,
    purpose: Purpose,
    pub(super) outgoing: Lock<Outgoing>,
    status: Lock<LinkStatus>,
    pub(super) sample: Lock<Sample>,
    /// Whether a sample is under way.
    pub(super) sampling: AtomicBool,
    /// What is counted.
    pub counters: Counters,
    /// The background sleeps and must be notified of bytes to write.
    pub(super) asleep: AtomicBool,
    pub(super) notify: Notify,
    /// The pause before the next dial is to end.
    pub(super) dial: Notify,
    pub(super) closing: AtomicBool,
    /// See [`Link::is_tracking`].
    tracking: AtomicBool,
    /// Drain and dial again: the server seems to have lost its role.
    pub(super) reconnecting: AtomicBool,
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        config: Arc<Config>,
        endpoints: Arc<Endpoints>,
        credentials: Arc<CredentialsSource>,
        database: u32,
        purpose: Purpose,
        recipient: Weak<dyn Recipient<Link>>,
    ) -> Link {
        let limits = Limits { requests: config.max_requests, bytes: config.max_request_bytes };
        let wants_tracking = purpose.may_track() && config.cache_bytes > 0;
        let name = || config.sentinel.name.clone().unwrap_or_default();
        let address = endpoints.first().as_ref().map_or_else(name, ToString::to_string);
        let renewal = Renewal::new((config.reconnect_delay, config.reconnect_delay_max));
        Link {
            config,
            endpoints,
            credentials,
            renewal: Lock::new(renewal),
            recipient,
            database,
            purpose,
            outgoing: Lock::new(Outgoing::new(purpose.number(), limits)),
            status: Lock::new(LinkStatus { address, ..LinkStatus::default() }),
            sample: Lock::default(),
            sampling: AtomicBool::new(false),
            counters: Counters::default(),
            asleep: AtomicBool::new(false),
            notify: Notify::new(),
            dial: Notify::new(),
            closing: AtomicBool::new(false),
            tracking: AtomicBool::new(wants_tracking),
            reconnecting: AtomicBool::new(false),
        }
    }

    /// The number of the database that its commands see.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// Where its server is dialled.
    pub fn endpoints(&self) -> &Arc<Endpoints> {
        &self.endpoints
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether the server tells of changes to what was read behind CLIENT CACHING. Before the first connection: whether
    /// it will be asked to.
    #[inline]
    pub fn is_tracking(&self) -> bool {
        self.tracking.load(Ordering::Relaxed)
    }

    pub(super) fn set_tracking(&self, tracking: bool) {
        self.tracking.store(tracking, Ordering::Relaxed);
    }

    /// Whether the next connection shall track.
    pub(super) fn wants_tracking(&self) -> bool {
        self.purpose.may_track() && self.config.cache_bytes > 0
    }

    /// Whether messages come that answer no command, so that somebody must read also when nothing is owed.
    pub(super) fn receives_pushes(&self) -> bool {
        self.purpose.receives_pushes() || self.is_tracking()
    }

    /// What is known of the server just now.
    pub fn status(&self) -> LinkStatus {
        self.status.lock().clone()
    }

    /// The address for error texts.
    pub fn address(&self) -> String {
        self.status.lock().address.clone()
    }

    /// Whether its server says that it is in this zone.
    pub fn is_in_zone(&self, zone: &str) -> bool {
        self.status.lock().server_info.zone == zone
    }

    /// Requests and bytes that wait.
    pub fn waiting(&self) -> (usize, usize) {
        let outgoing = self.outgoing.lock();
        (outgoing.pipeline.waiting(), outgoing.pipeline.waiting_bytes())
    }

    /// Appends what was accepted before, or a command of the client's own, whatever the limits say.
    pub fn send(&self, unit: Unit) -> u64 {
        self.send_with(unit, |_| {})
    }

    /// The same, with something that is to be done for these bytes under the lock under which they are appended.
    pub fn send_with(&self, unit: Unit, before: impl FnOnce(&[u8])) -> u64 {
        self.append(unit, before, Pipeline::append_encoded)
    }

    /// As [`Link::send`], and the bytes are not copied: they are gone with their owner when they are let go of.
    pub(super) fn send_uncopied(&self, unit: Unit) -> u64 {
        self.append(unit, |_| {}, Pipeline::append_uncopied)
    }

    fn append(
        &self,
        Unit { to, replies, bytes }: Unit,
        before: impl FnOnce(&[u8]),
        append: impl FnOnce(&mut Pipeline, Addressee, u32, Bytes) -> u64,
    ) -> u64 {
        let mut outgoing = self.outgoing.lock();
        before(&bytes);
        // What this means for the background it finds when it is woken.
        _ = outgoing.submit(Submitter::Other);
        let sequence = append(&mut outgoing.pipeline, to, replies, bytes);
        drop(outgoing);
        self.wake();
        sequence
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_closed() || self.is_reconnecting()
    }

    /// Whether its connection shall end as soon as nothing is under way on it, and another one take its place.
    pub fn is_reconnecting(&self) -> bool {
        self.reconnecting.load(Ordering::SeqCst)
    }

    /// Takes a unit back; true if no byte of it was sent, and then none ever will be.
    pub fn withdraw(&self, sequence: u64) -> bool {
        self.outgoing.lock().pipeline.withdraw(sequence)
    }

    /// As [`Link::withdraw`], but a unit that was sent stays as it is, and its reply is still for whoever waits.
    pub fn withdraw_unsent(&self, sequence: u64) -> bool {
        self.outgoing.lock().pipeline.withdraw_unsent(sequence)
    }

    /// Takes back everything that was not sent.
    pub fn take_unsent(&self) -> Vec<Unit> {
        self.outgoing.lock().pipeline.take_unsent()
    }

    /// The bytes of a unit that waits for being sent or for its reply.
    pub fn bytes_of(&self, sequence: u64) -> Option<Bytes> {
        self.outgoing.lock().pipeline.bytes_of(sequence)
    }

    /// Whether something can be sent at once.
    pub fn is_connected(&self) -> bool {
        !self.is_ending() && self.outgoing.lock().is_connected()
    }

    /// Ends the connection for this reason, as if it had broken by itself: what is under way is reported as lost.
    pub fn abort(&self, error: Error) {
        if let Some(connection) = &self.outgoing.lock().connection {
            connection.fail(error);
        }
        self.notify.notify_one();
    }

    /// True once after a refusal, when there is room again: [`super::recipient::LinkEvent::Writable`] is to be told. To
    /// be asked after whatever makes room.
    pub fn has_room_again(&self) -> bool {
        self.outgoing.lock().pipeline.has_room_again()
    }

    /// Ends the link: its socket is closed and its driver ends. What still waits is not reported.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(connection) = &self.outgoing.lock().connection {
            // A caller who waits on the socket wakes up.
            connection.close();
        }
        self.notify.notify_one();
    }

    /// Dials anew as soon as nothing is in flight: the server answered as if it had lost its role.
    pub fn reconnect(&self) {
        self.reconnecting.store(true, Ordering::SeqCst);
        self.reclaim();
        self.notify.notify_one();
    }

    /// Dials now, if it pauses before it dials again: somebody has said that the server is there. If a dial is under
    /// way and fails, the pause behind it is left out.
    pub fn dial_now(&self) {
        if !self.is_connected() {
            self.dial.notify_one();
        }
    }

    /// Whether the background sleeps. Who appended bytes and has not let go of the lock of the outgoing since cannot
    /// miss a driver that falls asleep: it says so before it looks for bytes, under that lock.
    pub(super) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::SeqCst)
    }

    /// Wakes the background if it sleeps: there are bytes to write.
    pub fn wake(&self) {
        // Looking first saves the exclusive access of every command but the first.
        if self.is_asleep() && self.asleep.swap(false, Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    pub(super) fn update_status(&self, change: impl FnOnce(&mut LinkStatus)) {
        change(&mut self.status.lock());
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.outgoing.lock().pipeline.is_in_flight()
    }

    /// Bytes that were written and are not answered.
    pub(super) fn outstanding(&self) -> u64 {
        let outgoing = self.outgoing.lock();
        outgoing.pipeline.written().saturating_sub(outgoing.pipeline.answered())
    }

    pub(super) fn tickets_ahead_of(&self, sequence: u64) -> Vec<Ticket> {
        self.outgoing.lock().pipeline.tickets_ahead_of(sequence).collect()
    }

    /// The connection that carries the bytes.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        self.outgoing.lock().connection.clone()
    }

    /// So many bytes were carried so far, in both directions.
    pub(super) fn carried(&self) -> u64 {
        self.counters.received.load(Ordering::Relaxed) + self.counters.sent.load(Ordering::Relaxed)
    }

    /// Gives back the memory in which bytes wait, if none do.
    pub(super) fn release_buffers(&self, connection: &Connection) {
        // Whoever reads needs it.
        if let Some(mut incoming) = connection.incoming.try_lock() {
            incoming.parser.release();
        }
        let mut outgoing = self.outgoing.lock();
        outgoing.pipeline.release_buffers();
        outgoing.requests.release_buffers();
    }

    /// From now on this connection carries the bytes.
    pub(super) fn connect(&self, connection: &Arc<Connection>) {
        let mut outgoing = self.outgoing.lock();
        let effects = outgoing.control.connect(self.receives_pushes());
        outgoing.connection = Some(Arc::clone(connection));
        outgoing.set_interest(effects);
    }

    /// Lets go of the connection if nothing is under way.
    pub(super) fn disconnect_if_idle(&self) -> bool {
        let mut outgoing = self.outgoing.lock();
        let idle = !outgoing.pipeline.is_in_flight();
        if let Some(connection) = outgoing.connection.take_if(|_| idle) {
            // A caller who was about to write waits on the socket in vain.
            connection.close();
        }
        idle
    }

    /// Lets go of the connection, which is at its end; gives what was under way.
    pub(super) fn disconnect(&self, connection: &Connection) -> Vec<Lost> {
        connection.stream.shut_down();
        // Nobody is in the midst of a write.
        let writer = connection.writer.lock();
        *self.sample.lock() = Sample::default();
        let mut outgoing = self.outgoing.lock();
        outgoing.connection = None;
        let lost = outgoing.pipeline.disconnect();
        drop(writer);
        lost
    }

    /// Forgets everything that was not sent and tells who waited for it.
    pub fn clear_unsent(&self) -> Vec<Addressee> {
        self.outgoing.lock().pipeline.clear_unsent()
    }

    /// Appends a PING; gives its sequence number.
    pub(super) fn ping(&self) -> u64 {
        let to = Addressee { ticket: Ticket::NOBODY, part: 0 };
        self.send(Unit { to, replies: 1, bytes: Bytes::from_static(b"*1\r\n$4\r\nPING\r\n") })
    }

    /// Whether the background writes what waits: else a caller or the takers of a queue are about to.
    pub(super) fn background_writes(&self) -> bool {
        let outgoing = self.outgoing.lock();
        outgoing.control.background_writes(outgoing.pending())
    }

    /// Whether something is to be written while nothing is owed.
    pub(super) fn is_about_to_begin(&self) -> bool {
        let pipeline = &self.outgoing.lock().pipeline;
        pipeline.is_unsent() && !pipeline.is_in_flight()
    }

    pub(super) fn is_unsent(&self) -> bool {
        self.outgoing.lock().pipeline.is_unsent()
    }

    /// The socket is full, or not any more: whether the background has to hear of room. True: it has to from now on.
    pub(super) fn set_blocked(&self, blocked: bool) -> bool {
        let mut outgoing = self.outgoing.lock();
        let effects = outgoing.control.set_blocked(blocked);
        outgoing.set_interest(effects);
        blocked && effects.interest.is_some()
    }

    /// Ends the driver of a queue, or the pause of callers: the background reads.
    pub fn reclaim(&self) {
        self.carry_out(|control, _| control.reclaim());
    }

    /// Tells who writes and reads of an event that concerns no socket but the present one, and does what follows.
    pub(super) fn carry_out(&self, event: impl FnOnce(&mut IoControl<Follower>, Pending) -> Effects) {
        let mut outgoing = self.outgoing.lock();
        let pending = outgoing.pending();
        let effects = event(&mut outgoing.control, pending);
        let notify = outgoing.set_interest(effects);
        drop(outgoing);
        if notify == Notice::Yes {
            self.notify.notify_one();
        }
    }
}
