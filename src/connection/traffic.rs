//! Moves bytes between a link and its socket, on whatever thread: writes what waits, reads what comes, and matches each
//! reply with the unit that it answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::link::Link;
use super::recipient::{LinkEvent, Recipient};
use super::socket::{Connection, Incoming, Writer};
use super::transport::{Received, failure};
use crate::error::{Error, Status};
use crate::shrink;

/// The message of the error at the end of the stream.
pub(super) const CLOSED: &str = "the server closed the connection";

/// So often a look reads at most: a server that sends without end is left to the background.
const LOOK_READS: usize = 16;

/// The round-trip time is taken once in so many bytes, because clocks cost time, too.
const SAMPLED: u64 = 4096;

/// The connection ended by this error.
pub(super) fn lost(error: &io::Error) -> Error {
    Error::new(Status::Lost, failure(Status::Lost, error).message)
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

impl Link {
    /// Writes what waits. `Ok(false)`: the socket is full, call again when it is writable.
    pub(super) fn flush(&self, connection: &Arc<Connection>) -> io::Result<bool> {
        let mut writer = connection.writer.lock();
        let Writer { sender, parts } = &mut *writer;
        loop {
            let mut outgoing = self.outgoing.lock();
            if outgoing.belongs_to(connection) {
                match self.reconnecting.load(Ordering::Relaxed) {
                    false => outgoing.pipeline.begin_write_within(sender.most_at_once(), parts),
                    // What was begun has to end, because only then the connection can.
                    true => outgoing.pipeline.begin_rest(parts),
                }
            }
            outgoing.control.write_begins(!parts.is_empty());
            drop(outgoing);
            if parts.is_empty() {
                return match sender.flush(&connection.stream) {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                    Err(error) => Err(error),
                };
            }
            let sent = sender.send(&connection.stream, parts);
            // What was sent may be large, and the next write far away.
            parts.clear();
            let mut outgoing = self.outgoing.lock();
            let is_in_step = outgoing.pipeline.end_write(*sent.as_ref().unwrap_or(&0));
            let (written, is_unsent) = (outgoing.pipeline.written(), outgoing.pipeline.is_unsent());
            outgoing.control.write_ends(is_in_step && sent.is_ok(), is_unsent);
            drop(outgoing);
            if !is_in_step {
                return Err(io::Error::other("the server answered what it was not sent"));
            }
            match sent {
                Ok(bytes) => {
                    let before = self.counters.sent.fetch_add(bytes as u64, Ordering::Relaxed);
                    if before / SAMPLED != (before + bytes as u64) / SAMPLED || before == 0 {
                        self.sample.lock().0.get_or_insert_with(|| (written, Instant::now()));
                        self.sampling.store(true, Ordering::Relaxed);
                    }
                    if !is_unsent && sender.is_flushed() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The background reads once, if it has the I/O role, and delivers the replies that are complete.
    pub(super) fn drive(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        recipient: &dyn Recipient<Link>,
    ) -> Result<Read, Error> {
        // A caller who holds it reads, or is about to hand over: then it calls the background.
        let Some(mut incoming) = connection.incoming.try_lock() else { return Ok(Read::Nothing) };
        if !self.outgoing.lock().control.background_reads() {
            return Ok(Read::Nothing);
        }
        self.read(connection, &mut incoming, recipient, false)
    }

    /// Reads what came while nothing was owed, before something is written: the end, or a reply that nobody asked for,
    /// which would be taken for the answer to what is about to be written.
    pub(super) fn look(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        incoming: &mut Incoming,
        recipient: &dyn Recipient<Link>,
    ) -> Result<(), Error> {
        for _ in 0..LOOK_READS {
            if self.read(connection, incoming, recipient, false)? == Read::Nothing {
                break;
            }
        }
        Ok(())
    }

    /// Reads once what came before the end of a connection, whoever has the I/O role. `None`: somebody else reads just
    /// now.
    pub(super) fn read_rest(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        recipient: &dyn Recipient<Link>,
    ) -> Option<Result<Read, Error>> {
        let mut incoming = connection.incoming.try_lock()?;
        Some(self.read(connection, &mut incoming, recipient, false))
    }

    /// Reads once and delivers the replies that are complete; `wait`: waits for the first byte.
    pub(super) fn read(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        incoming: &mut Incoming,
        recipient: &dyn Recipient<Link>,
        wait: bool,
    ) -> Result<Read, Error> {
        let Incoming { receiver, parser, .. } = &mut *incoming;
        let Received { bytes, is_full, needs_flush } = match receiver.receive(&connection.stream, parser, wait) {
            Ok(Received { bytes: 0, .. }) => return Err(Error::new(Status::Lost, CLOSED)),
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Read::Full),
            Err(error) => return Err(lost(&error)),
        };
        if needs_flush && !matches!(self.flush(connection), Ok(true)) {
            // The background waits for room, or finds out what is wrong.
            self.notify.notify_one();
        }
        self.counters.received.fetch_add(bytes as u64, Ordering::Relaxed);
        let assign = |incoming: &mut Incoming| self.assign(connection, incoming);
        match self.purpose().receives_pushes() {
            true => self.read_pushes(incoming, recipient, assign)?,
            false => self.match_replies(incoming, recipient, assign)?,
        }
        self.check_rest(incoming)?;
        Ok(if is_full { Read::Full } else { Read::Rest })
    }

    /// What stands behind the last complete reply has to be a part of one that is owed.
    pub(super) fn check_rest(&self, incoming: &Incoming) -> Result<(), Error> {
        if incoming.parser.is_within_reply() {
            // (Under RESP2 messages are replies, too.)
            if !self.purpose().receives_pushes() && !self.is_in_flight() {
                let sentence = "the server sent part of a reply that nobody asked for";
                return Err(Error::new(Status::Protocol, sentence));
            }
            self.counters.answers.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Delivers every complete reply and push that the parser holds, in the order in which they came: whoever has been
    /// told of something finds that all the server told of before it has had its effect. `assign` matches the replies
    /// and says whether there is room for requests again.
    pub(super) fn match_replies(
        self: &Arc<Self>,
        incoming: &mut Incoming,
        recipient: &dyn Recipient<Link>,
        assign: impl Fn(&mut Incoming) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        loop {
            let parsed = incoming.parse(!self.is_tracking());
            let assigned = assign(incoming);
            if !incoming.answers.is_empty() {
                recipient.answered(self, &mut incoming.answers);
                incoming.answers.release_excess();
                shrink::release_excess(&mut incoming.replies);
            }
            if assigned? {
                recipient.on_event(self, LinkEvent::Writable);
            }
            let Some(push) = parsed? else { return Ok(()) };
            incoming.pushes.push(push);
            self.deliver_pushes(incoming, recipient);
        }
    }

    /// Matches each reply with the unit that waits for it, and completes the requests for which that is all. True:
    /// there is room for requests again.
    pub(super) fn assign(&self, connection: &Arc<Connection>, incoming: &mut Incoming) -> Result<bool, Error> {
        if incoming.replies.is_empty() {
            return Ok(false);
        }
        self.counters.answers.fetch_add(1, Ordering::Relaxed);
        let mut outgoing = self.outgoing.lock();
        if !outgoing.belongs_to(connection) {
            incoming.replies.clear();
            return Err(Error::new(Status::Lost, "the connection was given up"));
        }
        outgoing.assign(&mut incoming.replies, &mut incoming.answers, self.purpose().receives_pushes())?;
        if self.sampling.load(Ordering::Relaxed) {
            self.end_sample(outgoing.pipeline.answered());
        }
        Ok(outgoing.pipeline.has_room_again())
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
