//! One connection of a link, from its handshake to its end: the socket, what has been read from it, and who reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use super::answers::Answers;
use super::stream::Stream;
use super::transport::{Receiver, Sender, Transport};
use crate::error::Error;
use crate::lock::Lock;
use crate::protocol::parser::{Frame, Parser};
use crate::protocol::reply::Reply;

/// So many microseconds after the last look, a connection that owes nothing is looked at before it is written to.
const LOOK: u64 = 500;

/// The living part of a link: one socket.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) incoming: Lock<Incoming>,
    /// Who holds it writes.
    pub(super) writer: Lock<Writer>,
    /// Why a caller who read found the connection at its end; the background draws the consequences.
    pub(super) failure: Lock<Option<Error>>,
    /// How long a caller waits on the socket, in microseconds.
    pub(super) patience: AtomicU64,
    /// Since when there is this connection.
    born: Instant,
    /// When somebody looked last what came while nothing was owed, in microseconds since then.
    looked: AtomicU64,
    /// Somebody who takes from a queue waits for bytes.
    pub(super) awaited: AtomicBool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connection").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The way out.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) sender: Sender,
    /// The parts of the write that is under way.
    pub(super) parts: Vec<Bytes>,
}

/// The way in.
pub(super) struct Incoming {
    pub(super) receiver: Receiver,
    pub(super) parser: Parser,
    pub(super) replies: Vec<Reply>,
    pub(super) answers: Answers,
    pub(super) pushes: Vec<Reply>,
}

impl Incoming {
    /// Nothing has come yet but what the parser and the receiver hold.
    pub(super) fn new(receiver: Receiver, parser: Parser) -> Incoming {
        Incoming { receiver, parser, replies: Vec::new(), answers: Answers::default(), pushes: Vec::new() }
    }

    /// Takes the complete replies out of the parser, up to the first push, which is given, or to the end. On a link
    /// that does not track (`skip`), pushes have nobody who could have asked for them: what causes them is refused
    /// there.
    pub(super) fn parse(&mut self, skip: bool) -> Result<Option<Reply>, Error> {
        loop {
            match self.parser.next()? {
                None => return Ok(None),
                Some(Frame::Reply(reply)) => self.replies.push(reply),
                Some(Frame::Push(_)) if skip => {}
                Some(Frame::Push(push)) => return Ok(Some(push)),
            }
        }
    }
}

impl Connection {
    pub(super) fn new(transport: Transport, parser: Parser) -> Connection {
        let Transport { stream, sender, receiver } = transport;
        Connection {
            stream,
            incoming: Lock::new(Incoming::new(receiver, parser)),
            writer: Lock::new(Writer { sender, parts: Vec::new() }),
            failure: Lock::default(),
            patience: AtomicU64::new(u64::MAX),
            born: Instant::now(),
            looked: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
        }
    }

    /// Whoever read for himself found it at its end: from now on nothing is written to it.
    pub(super) fn fail(&self, error: Error) {
        *self.failure.lock() = Some(error);
        self.stream.shut_down();
    }

    /// Ends the connection in order: the server is told, if the socket takes that at once and nobody writes.
    pub(super) fn close(&self) {
        if let Some(mut writer) = self.writer.try_lock() {
            writer.sender.close(&self.stream);
        }
        self.stream.shut_down();
    }

    /// Whether it is time to look what came while nothing was owed; not to look each time saves a system call each.
    pub(super) fn is_time_to_look(&self) -> bool {
        // The first look is always due: the handshake may have left something behind.
        let now = LOOK + self.born.elapsed().as_micros() as u64;
        let is_time = now.saturating_sub(self.looked.load(Ordering::Relaxed)) >= LOOK;
        if is_time {
            self.looked.store(now, Ordering::Relaxed);
        }
        is_time
    }
}
