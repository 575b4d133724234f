//! One connection to one server, through all its deaths: what is given to it is sent in order, and its owner, the
//! [`Recipient`], hears of every reply and every loss. The link belongs to no thread: whoever has reason to may call
//! `flush` and `drive`; today that is the background driver.
//!
//! Locks are taken in this order: incoming, (the recipient's own), outgoing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, mem};

use bytes::Bytes;
use tokio::sync::Notify;

use super::handshake::Greeting;
use super::pipeline::{Addressee, Limits, Lost, Pipeline, Ticket};
use super::stream::{Stream, reason};
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
    incoming: Lock<Incoming>,
    /// The parts of the write that is under way; who holds it writes.
    writer: Lock<Vec<Bytes>>,
}

struct Incoming {
    parser: Parser,
    replies: Vec<Reply>,
    answers: Vec<Answer>,
    pushes: Vec<Reply>,
}

impl Connection {
    pub(super) fn new(stream: Stream, parser: Parser) -> Connection {
        let incoming = Incoming { parser, replies: Vec::new(), answers: Vec::new(), pushes: Vec::new() };
        Connection { stream, incoming: Lock::new(incoming), writer: Lock::new(Vec::new()) }
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing is there.
    Nothing,
    /// Less than there was room for: nothing more was there. What comes after it, and the end, wakes the reactor.
    Rest,
    /// There may be more.
    Full,
}

/// A sample of the round-trip time under way: when the byte at this position was written.
#[derive(Debug, Default)]
struct Sample(Option<(u64, Instant)>);

/// One connection to one server and database.
#[derive(Debug)]
pub struct Link {
    pub(super) config: Arc<Config>,
    database: u32,
    outgoing: Lock<Pipeline>,
    standing: Lock<Standing>,
    sample: Lock<Sample>,
    /// What is counted.
    pub counters: Counters,
    /// The background sleeps and must be notified of bytes to write.
    pub(super) asleep: AtomicBool,
    pub(super) notify: Notify,
    pub(super) closing: AtomicBool,
    /// Drain and dial again: the server seems to have lost its role.
    pub(super) renewing: AtomicBool,
}

impl Link {
    pub(super) fn new(config: Arc<Config>, database: u32) -> Link {
        let limits = Limits { requests: config.max_requests, bytes: config.max_request_bytes };
        let address = config.endpoints.first().map(ToString::to_string).unwrap_or_default();
        Link {
            config,
            database,
            outgoing: Lock::new(Pipeline::new(limits)),
            standing: Lock::new(Standing { address, ..Standing::default() }),
            sample: Lock::default(),
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
        (outgoing.waiting(), outgoing.waiting_bytes())
    }

    /// Appends a request: all its units or, when a limit is reached, none. `append` gets the pipeline. To be followed
    /// by [`Link::wake`] when the caller has let go of its locks.
    pub fn submit<T>(&self, slots: usize, bytes: usize, append: impl FnOnce(&mut Pipeline) -> T) -> Result<T, Error> {
        let mut outgoing = self.outgoing.lock();
        if !outgoing.has_room(slots, bytes) {
            let (requests, waiting) = (outgoing.waiting(), outgoing.waiting_bytes());
            drop(outgoing);
            return Err(Error::new(
                Status::Full,
                format!(
                    "{}: {requests} requests with {waiting} bytes wait already (limits: max_requests {}, max_request_bytes {})",
                    self.address(),
                    self.config.max_requests,
                    self.config.max_request_bytes,
                ),
            ));
        }
        Ok(append(&mut outgoing))
    }

    /// Appends what was accepted before, whatever the limits say.
    pub fn submit_again(&self, to: Addressee, replies: u32, bytes: Bytes) -> u64 {
        let sequence = self.outgoing.lock().append_encoded(to, replies, bytes);
        self.wake();
        sequence
    }

    /// Takes a unit back; true if no byte of it was sent, and then none ever will be.
    pub fn withdraw(&self, sequence: u64) -> bool {
        self.outgoing.lock().withdraw(sequence)
    }

    /// True once after a refusal, when there is room again: [`News::Writable`] is to be told. To be asked after
    /// whatever makes room.
    pub fn has_room_again(&self) -> bool {
        self.outgoing.lock().has_room_again()
    }

    /// Ends the link: its socket is closed and its driver ends. What still waits is not reported.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
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

    pub(super) fn is_unsent(&self) -> bool {
        self.outgoing.lock().is_unsent()
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.outgoing.lock().is_in_flight()
    }

    /// Bytes that were written and are not answered.
    pub(super) fn outstanding(&self) -> u64 {
        let outgoing = self.outgoing.lock();
        outgoing.written().saturating_sub(outgoing.answered())
    }

    pub(super) fn tickets_ahead_of(&self, sequence: u64) -> Vec<Ticket> {
        self.outgoing.lock().tickets_ahead_of(sequence).collect()
    }

    pub(super) fn disconnect(&self) -> Vec<Lost> {
        *self.sample.lock() = Sample::default();
        self.outgoing.lock().disconnect()
    }

    pub(super) fn clear_unsent(&self) -> Vec<Addressee> {
        self.outgoing.lock().clear_unsent()
    }

    /// Appends a PING; gives its sequence number.
    pub(super) fn ping(&self) -> u64 {
        let words = ["PING"];
        let length = command::encoded_length(&words).unwrap_or_default();
        let to = Addressee { ticket: Ticket::NOBODY, part: 0 };
        self.outgoing.lock().append(to, 1, length, |tail| command::encode(&words, tail))
    }

    /// Writes what waits. `Ok(false)`: the socket is full, call again when it is writable.
    pub(super) fn flush(&self, connection: &Connection) -> io::Result<bool> {
        let mut parts = connection.writer.lock();
        loop {
            parts.clear();
            self.outgoing.lock().begin_write(&mut parts);
            if parts.is_empty() {
                return Ok(true);
            }
            let sent = connection.stream.send(&parts);
            let mut outgoing = self.outgoing.lock();
            outgoing.end_write(*sent.as_ref().unwrap_or(&0));
            let written = outgoing.written();
            drop(outgoing);
            match sent {
                Ok(bytes) => {
                    self.counters.sent.fetch_add(bytes as u64, Ordering::Relaxed);
                    self.sample.lock().0.get_or_insert_with(|| (written, Instant::now()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once and delivers the replies that are complete.
    pub(super) fn drive(self: &Arc<Self>, connection: &Connection, recipient: &dyn Recipient) -> Result<Read, Error> {
        let mut incoming = connection.incoming.lock();
        let incoming = &mut *incoming;
        let mut room = 0;
        let received = incoming.parser.receive(|space| {
            room = space.len();
            connection.stream.receive(space)
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
        let assigned = self.assign(incoming);
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
    fn assign(&self, incoming: &mut Incoming) -> Result<bool, Error> {
        if incoming.replies.is_empty() {
            return Ok(false);
        }
        let mut outgoing = self.outgoing.lock();
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
        let mut sample = self.sample.lock();
        if let Some((_, since)) = sample.0.filter(|(position, _)| outgoing.answered() >= *position) {
            let micros = since.elapsed().min(Duration::from_secs(3600)).as_micros() as u32;
            self.counters.round_trip.store(micros, Ordering::Relaxed);
            sample.0 = None;
        }
        Ok(outgoing.has_room_again())
    }
}
