//! One connection to one server, through all its deaths: what is given to it is sent in order, and its owner, the
//! [`Recipient`], hears of every reply and every loss. The link belongs to no thread: the background writes and reads
//! ([`super::driver`]), or a caller does it for itself ([`super::lead`]).
//!
//! Locks are taken in this order: incoming, (the recipient's own), writer, outgoing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, io, mem};

use bytes::Bytes;
use tokio::sync::Notify;

use super::attention::{Attention, CAN_LOOK_AWAY};
use super::handshake::Greeting;
use super::lead::Lead;
use super::pipeline::{Addressee, Limits, Lost, Pipeline, Ticket};
use super::stream::{Stream, reason};
use super::turn::{Change, Turn};
use crate::config::Config;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::protocol::command;
use crate::protocol::parser::{Frame, Parser};
use crate::protocol::reply::{Kind, Reply};

/// A reply and who it is for.
#[derive(Debug)]
pub struct Answer {
    /// Which reply of which request.
    pub to: Addressee,
    /// The reply.
    pub reply: Reply,
    /// If the reply is an error: the bytes that caused it, for sending them again.
    pub request: Bytes,
}

/// What a link tells of itself.
#[derive(Clone, Debug)]
pub enum News {
    /// Commands can be sent.
    Connected,
    /// The connection is gone; it will be dialled again.
    Lost(Error),
    /// A round of dials failed; it will be dialled again.
    Unreachable(Error),
    /// There is room again after a request was refused with [`Status::Full`].
    Writable,
}

/// The owner of the requests of a link. Called from whatever thread moves the bytes, never under the outgoing lock.
pub trait Recipient: Send + Sync {
    /// Replies, in order.
    fn answered(&self, link: &Arc<Link>, answers: &mut Vec<Answer>);
    /// A message out of turn (RESP3 push).
    fn pushed(&self, link: &Arc<Link>, message: Reply);
    /// The connection is gone; these went out whole and got no (or not every) reply.
    fn lost(&self, link: &Arc<Link>, lost: Vec<Lost>, why: &Error);
    /// No connection could be made: these were not sent and shall not wait any longer.
    fn unreachable(&self, link: &Arc<Link>, waiting: Vec<Addressee>, why: &Error);
    /// Whether one of these requests has a deadline that is still to come, or none.
    fn ready_to_wait(&self, tickets: &[Ticket]) -> bool;
    /// Something happened.
    fn happened(&self, link: &Arc<Link>, news: News);
}

/// What is counted of a link, since it was opened.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes read.
    pub received: AtomicU64,
    /// Bytes written.
    pub sent: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    /// Calls whose caller wrote and read for itself.
    pub lone_calls: AtomicU64,
    /// The last round trip, in microseconds.
    pub round_trip: AtomicU32,
}

/// What is known of the server just now.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The connected address, or the one that was tried last.
    pub address: String,
    /// Whether commands can be sent.
    pub connected: bool,
    /// What the server said of itself in the last handshake.
    pub greeting: Greeting,
    /// Why there is no connection.
    pub error: Option<Error>,
}

/// The living part of a link: one socket.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) incoming: Lock<Incoming>,
    /// The parts of the write that is under way; who holds it writes.
    writer: Lock<Vec<Bytes>>,
    /// Why a caller who read found the connection at its end; the background draws the consequences.
    pub(super) failure: Lock<Option<Error>>,
    /// How long a caller waits on the socket, in microseconds.
    pub(super) patience: AtomicU64,
    /// When a caller took the turn last, in microseconds of the callers' clock.
    pub(super) led: AtomicU64,
}

pub(super) struct Incoming {
    parser: Parser,
    replies: Vec<Reply>,
    answers: Vec<Answer>,
    pushes: Vec<Reply>,
}

impl Connection {
    pub(super) fn new(stream: Stream, parser: Parser) -> Connection {
        let incoming = Incoming { parser, replies: Vec::new(), answers: Vec::new(), pushes: Vec::new() };
        Connection {
            stream,
            incoming: Lock::new(incoming),
            writer: Lock::default(),
            failure: Lock::default(),
            patience: AtomicU64::new(u64::MAX),
            led: AtomicU64::new(0),
        }
    }
}

/// The bytes on their way out, and who reads what comes back. Both under one lock, because whether somebody reads
/// depends on whether something is under way.
pub(super) struct Outgoing {
    pub(super) pipeline: Pipeline,
    pub(super) turn: Turn,
    /// The connection that carries the bytes; what another one brings is not for them.
    connection: Option<Arc<Connection>>,
    /// The socket is full: the background must hear of room.
    blocked: bool,
}

impl Outgoing {
    pub(super) fn belongs_to(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection))
    }

    /// Tells the kernel what the background is to hear of. (What goes wrong here goes wrong with the socket, which
    /// whoever reads or writes next will find out.)
    fn attend(&self) {
        let Some(connection) = &self.connection else { return };
        let attention = match (self.blocked, self.turn.is_background()) {
            (true, _) => Attention::ReadingAndWriting,
            (false, true) => Attention::Reading,
            (false, false) => Attention::Ending,
        };
        _ = connection.stream.attend(attention);
    }

    pub(super) fn apply(&self, change: Change) {
        if change != Change::Nothing {
            self.attend();
        }
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing is there.
    Nothing,
    /// Less than there was room for: nothing more was there but perhaps the end.
    Rest,
    /// There may be more.
    Full,
}

/// The round-trip time is taken once in so many bytes, because clocks cost time, too.
const SAMPLED: u64 = 4096;

/// A sample of the round-trip time under way: when the byte at this position was written.
#[derive(Debug, Default)]
struct Sample(Option<(u64, Instant)>);

/// One connection to one server and database.
pub struct Link {
    pub(super) config: Arc<Config>,
    database: u32,
    pub(super) outgoing: Lock<Outgoing>,
    standing: Lock<Standing>,
    sample: Lock<Sample>,
    /// Whether a sample is under way.
    sampling: AtomicBool,
    /// What is counted.
    pub counters: Counters,
    /// The background sleeps and must be notified of bytes to write.
    pub(super) asleep: AtomicBool,
    pub(super) notify: Notify,
    pub(super) closing: AtomicBool,
    /// Drain and dial again: the server seems to have lost its role.
    pub(super) renewing: AtomicBool,
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(config: Arc<Config>, database: u32) -> Link {
        let limits = Limits { requests: config.max_requests, bytes: config.max_request_bytes };
        let address = config.endpoints.first().map(ToString::to_string).unwrap_or_default();
        Link {
            config,
            database,
            outgoing: Lock::new(Outgoing {
                pipeline: Pipeline::new(limits),
                turn: Turn::default(),
                connection: None,
                blocked: false,
            }),
            standing: Lock::new(Standing { address, ..Standing::default() }),
            sample: Lock::default(),
            sampling: AtomicBool::new(false),
            counters: Counters::default(),
            asleep: AtomicBool::new(false),
            notify: Notify::new(),
            closing: AtomicBool::new(false),
            renewing: AtomicBool::new(false),
        }
    }

    /// The number of the database that its commands see.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// What is known of the server just now.
    pub fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// The address for error texts.
    pub fn address(&self) -> String {
        self.standing.lock().address.clone()
    }

    /// Requests and bytes that wait.
    pub fn waiting(&self) -> (usize, usize) {
        let outgoing = self.outgoing.lock();
        (outgoing.pipeline.waiting(), outgoing.pipeline.waiting_bytes())
    }

    /// Appends a request: all its units or, when a limit is reached, none. `append` gets the pipeline. To be followed
    /// by [`Link::wake`] when the caller has let go of its locks.
    pub fn submit<T>(&self, slots: usize, bytes: usize, append: impl FnOnce(&mut Pipeline) -> T) -> Result<T, Error> {
        let mut outgoing = self.outgoing.lock();
        if !outgoing.pipeline.has_room(slots, bytes) {
            return Err(self.is_full(&outgoing.pipeline));
        }
        let change = Self::joined(&mut outgoing);
        outgoing.apply(change);
        Ok(append(&mut outgoing.pipeline))
    }

    /// As [`Link::submit`], by a caller who waits for the answer and is ready to write and read for itself: with
    /// `Some`, it has to, and the background is not to be woken.
    pub fn submit_and_lead<T>(
        self: &Arc<Self>,
        slots: usize,
        bytes: usize,
        append: impl FnOnce(&mut Pipeline) -> T,
    ) -> Result<(T, Option<Lead>), Error> {
        let mut outgoing = self.outgoing.lock();
        if !outgoing.pipeline.has_room(slots, bytes) {
            return Err(self.is_full(&outgoing.pipeline));
        }
        let Some(connection) = outgoing.connection.clone().filter(|_| CAN_LOOK_AWAY && !self.is_ending()) else {
            return Ok((append(&mut outgoing.pipeline), None));
        };
        let idle = outgoing.pipeline.is_idle();
        let (leads, change) = outgoing.turn.offer(idle);
        outgoing.apply(change);
        let appended = append(&mut outgoing.pipeline);
        drop(outgoing);
        if change == Change::Leave {
            // The background shall look now and then whether callers still read.
            self.notify.notify_one();
        }
        if leads {
            self.counters.lone_calls.fetch_add(1, Ordering::Relaxed);
        }
        Ok((appended, leads.then(|| Lead::new(Arc::clone(self), connection))))
    }

    /// Appends what was accepted before, whatever the limits say.
    pub fn submit_again(&self, to: Addressee, replies: u32, bytes: Bytes) -> u64 {
        let mut outgoing = self.outgoing.lock();
        let change = Self::joined(&mut outgoing);
        outgoing.apply(change);
        let sequence = outgoing.pipeline.append_encoded(to, replies, bytes);
        drop(outgoing);
        self.wake();
        sequence
    }

    fn joined(outgoing: &mut Outgoing) -> Change {
        let idle = outgoing.pipeline.is_idle();
        outgoing.turn.join(idle)
    }

    fn is_full(&self, pipeline: &Pipeline) -> Error {
        let (requests, bytes) = (pipeline.waiting(), pipeline.waiting_bytes());
        Error::new(
            Status::Full,
            format!(
                "{}: {requests} requests with {bytes} bytes wait already (limits: max_requests {}, max_request_bytes {})",
                self.address(),
                self.config.max_requests,
                self.config.max_request_bytes,
            ),
        )
    }

    fn is_ending(&self) -> bool {
        self.closing.load(Ordering::SeqCst) || self.renewing.load(Ordering::SeqCst)
    }

    /// Takes a unit back; true if no byte of it was sent, and then none ever will be.
    pub fn withdraw(&self, sequence: u64) -> bool {
        self.outgoing.lock().pipeline.withdraw(sequence)
    }

    /// True once after a refusal, when there is room again: [`News::Writable`] is to be told. To be asked after
    /// whatever makes room.
    pub fn has_room_again(&self) -> bool {
        self.outgoing.lock().pipeline.has_room_again()
    }

    /// Ends the link: its socket is closed and its driver ends. What still waits is not reported.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(connection) = &self.outgoing.lock().connection {
            // A caller who waits on the socket wakes up.
            connection.stream.shut_down();
        }
        self.notify.notify_one();
    }

    /// Dials anew as soon as nothing is in flight: the server answered as if it had lost its role.
    pub fn renew(&self) {
        self.renewing.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    /// Wakes the background if it sleeps: there are bytes to write.
    pub fn wake(&self) {
        // Looking first saves the exclusive access of every command but the first. It cannot miss a driver that falls
        // asleep: it says so before it looks for bytes, under the lock under which the caller has appended them.
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    pub(super) fn change_standing(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock());
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

    /// From now on this connection carries the bytes.
    pub(super) fn connect(&self, connection: &Arc<Connection>) {
        let mut outgoing = self.outgoing.lock();
        outgoing.turn = Turn::default();
        outgoing.connection = Some(Arc::clone(connection));
        outgoing.blocked = false;
        outgoing.attend();
    }

    /// Lets go of the connection if nothing is under way.
    pub(super) fn disconnect_if_idle(&self) -> bool {
        let mut outgoing = self.outgoing.lock();
        let idle = !outgoing.pipeline.is_in_flight();
        if idle {
            outgoing.connection = None;
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

    pub(super) fn clear_unsent(&self) -> Vec<Addressee> {
        self.outgoing.lock().pipeline.clear_unsent()
    }

    /// Appends a PING; gives its sequence number.
    pub(super) fn ping(&self) -> u64 {
        let words = ["PING"];
        let length = command::encoded_length(&words).unwrap_or_default();
        let to = Addressee { ticket: Ticket::NOBODY, part: 0 };
        self.outgoing.lock().pipeline.append(to, 1, length, |tail| command::encode(&words, tail))
    }

    /// Whose turn it is: the background's, and how often callers took it.
    pub(super) fn turn(&self) -> (bool, u64) {
        let turn = &self.outgoing.lock().turn;
        (turn.is_background(), turn.taken())
    }

    /// No caller has read for a while, or the connection is at its end: if nobody reads, the background does.
    pub(super) fn attend_if_nobody(&self) {
        let mut outgoing = self.outgoing.lock();
        let change = outgoing.turn.attend_if_nobody();
        outgoing.apply(change);
    }

    pub(super) fn is_unsent(&self) -> bool {
        self.outgoing.lock().pipeline.is_unsent()
    }

    /// The socket is full, or not any more: whether the background has to hear of room.
    pub(super) fn set_blocked(&self, blocked: bool) {
        let mut outgoing = self.outgoing.lock();
        if outgoing.blocked != blocked {
            outgoing.blocked = blocked;
            outgoing.attend();
        }
    }

    /// Writes what waits. `Ok(false)`: the socket is full, call again when it is writable.
    pub(super) fn flush(&self, connection: &Arc<Connection>) -> io::Result<bool> {
        let mut parts = connection.writer.lock();
        loop {
            parts.clear();
            let mut outgoing = self.outgoing.lock();
            if outgoing.belongs_to(connection) {
                outgoing.pipeline.begin_write(&mut parts);
            }
            drop(outgoing);
            if parts.is_empty() {
                return Ok(true);
            }
            let sent = connection.stream.send(&parts);
            let mut outgoing = self.outgoing.lock();
            outgoing.pipeline.end_write(*sent.as_ref().unwrap_or(&0));
            let (written, is_unsent) = (outgoing.pipeline.written(), outgoing.pipeline.is_unsent());
            drop(outgoing);
            match sent {
                Ok(bytes) => {
                    let before = self.counters.sent.fetch_add(bytes as u64, Ordering::Relaxed);
                    if before / SAMPLED != (before + bytes as u64) / SAMPLED || before == 0 {
                        self.sample.lock().0.get_or_insert_with(|| (written, Instant::now()));
                        self.sampling.store(true, Ordering::Relaxed);
                    }
                    if !is_unsent {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The background reads once, if it is its turn, and delivers the replies that are complete.
    pub(super) fn drive(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        recipient: &dyn Recipient,
    ) -> Result<Read, Error> {
        // A caller who holds it reads, or is about to hand over: then it calls the background.
        let Some(mut incoming) = connection.incoming.try_lock() else { return Ok(Read::Nothing) };
        if !self.outgoing.lock().turn.is_background() {
            return Ok(Read::Nothing);
        }
        self.read(connection, &mut incoming, recipient, false)
    }

    /// Reads once and delivers the replies that are complete; `wait`: waits for the first byte.
    pub(super) fn read(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        incoming: &mut Incoming,
        recipient: &dyn Recipient,
        wait: bool,
    ) -> Result<Read, Error> {
        let mut room = 0;
        let received = incoming.parser.receive(|space| {
            room = space.len();
            let stream = &connection.stream;
            if wait { stream.receive_waiting(space) } else { stream.receive(space) }
        });
        let received = match received {
            Ok(0) => return Err(Error::new(Status::Lost, "the server closed the connection")),
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Read::Full),
            Err(error) => return Err(Error::new(Status::Lost, reason(&error))),
        };
        self.counters.received.fetch_add(received as u64, Ordering::Relaxed);
        let parsed = self.parse(incoming);
        let assigned = self.assign(connection, incoming);
        if !incoming.answers.is_empty() {
            recipient.answered(self, &mut incoming.answers);
            incoming.answers.clear();
        }
        for message in mem::take(&mut incoming.pushes) {
            recipient.pushed(self, message);
        }
        if assigned? {
            recipient.happened(self, News::Writable);
        }
        parsed?;
        Ok(if received < room { Read::Rest } else { Read::Full })
    }

    /// Takes every complete reply and message out of the parser.
    fn parse(&self, incoming: &mut Incoming) -> Result<(), Error> {
        while let Some(frame) = incoming.parser.next()? {
            match frame {
                Frame::Reply(reply) => incoming.replies.push(reply),
                Frame::Push(message) => incoming.pushes.push(message),
            }
        }
        Ok(())
    }

    /// Gives each reply to the slot that waits for it. True: there is room for requests again.
    fn assign(&self, connection: &Arc<Connection>, incoming: &mut Incoming) -> Result<bool, Error> {
        if incoming.replies.is_empty() {
            return Ok(false);
        }
        let mut outgoing = self.outgoing.lock();
        if !outgoing.belongs_to(connection) {
            incoming.replies.clear();
            return Err(Error::new(Status::Lost, "the connection was given up"));
        }
        let outgoing = &mut outgoing.pipeline;
        for reply in incoming.replies.drain(..) {
            let is_error = reply.kind() == Kind::Error;
            let request = if is_error { outgoing.front_bytes() } else { Bytes::new() };
            match outgoing.answer() {
                Some(to) if to.ticket == Ticket::NOBODY => {}
                Some(to) => incoming.answers.push(Answer { to, reply, request }),
                None if is_error => {
                    let text = String::from_utf8_lossy(reply.as_bytes());
                    return Err(Error::new(Status::Lost, format!("the server ended the connection: {text}")));
                }
                None => return Err(Error::new(Status::Protocol, "the server sent a reply that nobody asked for")),
            }
        }
        if self.sampling.load(Ordering::Relaxed) {
            self.end_sample(outgoing.answered());
        }
        Ok(outgoing.has_room_again())
    }

    fn end_sample(&self, answered: u64) {
        let mut sample = self.sample.lock();
        if let Some((_, since)) = sample.0.filter(|(position, _)| answered >= *position) {
            let micros = since.elapsed().min(Duration::from_secs(3600)).as_micros() as u32;
            self.counters.round_trip.store(micros, Ordering::Relaxed);
            sample.0 = None;
            self.sampling.store(false, Ordering::Relaxed);
        }
    }
}
