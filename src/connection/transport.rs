//! How bytes of RESP travel on a stream: as they are, or encrypted. Two halves, because one thread may send while
//! another one receives.
//!
//! Invariant: a receive leaves nothing behind that could be read, so that the readiness of the socket is the truth. And
//! plaintext counts as sent as soon as it is encrypted: it cannot be taken back, and the socket gets it in order.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::stream::{Stream, reason};
use super::tls::peer::Peer;
use super::tls::records::Records;
use super::tls::scratch;
use super::tls::session::{RECORD, Session, State};
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::protocol::parser::Parser;

/// A read takes at most so much, however large the read buffer is: all of it is parsed and delivered in one go.
const AT_ONCE: usize = 256 << 10;

/// So much plaintext is encrypted at once, and may count as sent before the socket has taken it.
const SEALED_AT_ONCE: usize = 64 << 10;

/// What a receive brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// So many bytes came off the socket; 0: it is at its end.
    pub(super) bytes: usize,
    /// As many as there was room for: there may be more.
    pub(super) is_full: bool,
    /// The session has something to say to that: the other half is to be flushed.
    pub(super) needs_flush: bool,
}

/// A connected stream and both halves.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) stream: Stream,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
}

impl Transport {
    /// Bytes travel as they are.
    pub(super) fn plain(stream: Stream) -> Transport {
        Transport { stream, sender: Sender::Plain, receiver: Receiver::Plain }
    }

    /// Bytes travel encrypted by this session, whose handshake is done; `early`: the plaintext that came already, and
    /// whether it was all that the server sends.
    pub(super) fn encrypted(stream: Stream, session: Session, peer: Peer, early: (Vec<u8>, bool)) -> Transport {
        let session = Arc::new(Lock::new(session));
        let sender = Sender::Tls(Sealer { session: Arc::clone(&session), records: Records::default() });
        let (early, is_closed) = early;
        let end = is_closed.then_some(End::Closed);
        Transport { stream, sender, receiver: Receiver::Tls(Opener { session, peer, early, end }) }
    }
}

/// The half that sends.
#[derive(Debug)]
pub(super) enum Sender {
    Plain,
    Tls(Sealer),
}

impl Sender {
    /// Sends as much of these parts as can be: `WouldBlock` when nothing can.
    pub(super) fn send(&mut self, stream: &Stream, parts: &[Bytes]) -> io::Result<usize> {
        match self {
            Sender::Plain => stream.send(parts),
            Sender::Tls(sealer) => sealer.send(stream, parts),
        }
    }

    /// So many bytes are taken at once, if the socket takes them.
    pub(super) fn most_at_once(&self) -> usize {
        match self {
            Sender::Plain => usize::MAX,
            Sender::Tls(_) => SEALED_AT_ONCE,
        }
    }

    /// Sends what was encrypted already: `WouldBlock` when the socket does not take all of it.
    pub(super) fn flush(&mut self, stream: &Stream) -> io::Result<()> {
        match self {
            Sender::Plain => Ok(()),
            Sender::Tls(sealer) => sealer.flush(stream),
        }
    }

    /// Whether there is nothing for [`Sender::flush`].
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Sender::Plain => true,
            Sender::Tls(sealer) => sealer.records.is_empty() && !sealer.session.lock().has_replies(),
        }
    }

    /// Tells the server that nothing more is sent, if the socket takes that at once.
    pub(super) fn close(&mut self, stream: &Stream) {
        if let Sender::Tls(sealer) = self {
            sealer.session.lock().encrypt_close(&mut sealer.records);
            _ = sealer.flush(stream);
        }
    }
}

/// The half that receives.
#[derive(Debug)]
pub(super) enum Receiver {
    Plain,
    Tls(Opener),
}

impl Receiver {
    /// Gives the parser what is there, once: `WouldBlock` when nothing is. `wait`: see [`Stream::receive_waiting`].
    pub(super) fn receive(&mut self, stream: &Stream, parser: &mut Parser, wait: bool) -> io::Result<Received> {
        match self {
            Receiver::Plain => {
                let mut room = 0;
                let bytes = parser.receive(|space| {
                    let most = space.len().min(AT_ONCE);
                    let space = space.get_mut(..most).unwrap_or_default();
                    room = space.len();
                    if wait { stream.receive_waiting(space) } else { stream.receive(space) }
                })?;
                Ok(Received { bytes, is_full: bytes == room, needs_flush: false })
            }
            Receiver::Tls(opener) => opener.receive(stream, parser, wait),
        }
    }
}

/// Encrypts.
#[derive(Debug)]
pub(super) struct Sealer {
    session: Arc<Lock<Session>>,
    /// Encrypted, and not all of it sent.
    records: Records,
}

impl Sealer {
    fn send(&mut self, stream: &Stream, parts: &[Bytes]) -> io::Result<usize> {
        self.flush(stream)?;
        let mut taken = 0;
        let mut session = self.session.lock();
        let mut rest = parts;
        while !rest.is_empty() {
            let (together, behind) = rest.split_at(within_a_record(rest));
            rest = behind;
            // There may be a password in it.
            let joined = Zeroizing::new(if together.len() > 1 { together.concat() } else { Vec::new() });
            let bytes = match together {
                [part] => part.as_ref(),
                _ => joined.as_slice(),
            };
            let piece = bytes.get(..bytes.len().min(SEALED_AT_ONCE - taken)).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            session.encrypt(piece, &mut self.records).map_err(io::Error::other)?;
            taken += piece.len();
        }
        drop(session);
        match self.flush(stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && !self.records.is_begun() => Err(error),
            // What hinders the rest hinders the next attempt, too.
            _ => Ok(taken),
        }
    }

    fn flush(&mut self, stream: &Stream) -> io::Result<()> {
        loop {
            if self.records.is_empty() {
                self.session.lock().take_replies(&mut self.records);
                if self.records.is_empty() {
                    return Ok(());
                }
            }
            match stream.send_bytes(self.records.rest()) {
                Ok(sent) => self.records.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How many of the first parts fit into one record together; at least one. A server handles and answers each record for
/// itself, so one that is not needed costs it a read and a write.
fn within_a_record(parts: &[Bytes]) -> usize {
    let mut length = 0;
    let fits = |part: &&Bytes| {
        length += part.len();
        length <= RECORD
    };
    parts.iter().take_while(fits).count().max(1)
}

/// Decrypts.
#[derive(Debug)]
pub(super) struct Opener {
    session: Arc<Lock<Session>>,
    peer: Peer,
    /// Plaintext that came with the end of the handshake.
    early: Vec<u8>,
    /// Nothing more can be received.
    end: Option<End>,
}

/// Why nothing more can be received.
#[derive(Debug)]
enum End {
    /// The server has said that it sends no more.
    Closed,
    /// The session failed.
    Failed(Error),
}

impl Opener {
    fn receive(&mut self, stream: &Stream, parser: &mut Parser, wait: bool) -> io::Result<Received> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            parser.feed(&early);
            return Ok(Received { bytes: early.len(), is_full: true, needs_flush: false });
        }
        match &self.end {
            None => {}
            Some(End::Closed) => return Ok(Received { bytes: 0, is_full: false, needs_flush: false }),
            Some(End::Failed(error)) => return Err(io::Error::other(error.clone())),
        }
        let mut buffer = scratch::take();
        let received = self.receive_into(&mut buffer, stream, parser, wait);
        scratch::give_back(buffer);
        received
    }

    fn receive_into(
        &mut self,
        buffer: &mut [u8],
        stream: &Stream,
        parser: &mut Parser,
        wait: bool,
    ) -> io::Result<Received> {
        // Only who receives changes what is held.
        let held = self.session.lock().held().len();
        let Some((front, space)) = buffer.split_at_mut_checked(held).filter(|(_, space)| !space.is_empty()) else {
            return Err(io::Error::other(Error::new(Status::Tls, "the server sent a TLS message that is too long")));
        };
        let bytes = stream.receive_into(space, wait)?;
        let is_full = bytes == space.len();
        if bytes == 0 {
            return Ok(Received { bytes, is_full, needs_flush: false });
        }
        let mut session = self.session.lock();
        front.copy_from_slice(session.held());
        let incoming = buffer.get_mut(..held + bytes).unwrap_or_default();
        let state = session.receive(incoming, |plaintext| parser.feed_piece(plaintext));
        let needs_flush = session.has_replies();
        drop(session);
        // What stands before the end is to be delivered first.
        self.end = match state {
            Ok(State::Closed) => Some(End::Closed),
            Ok(State::Open | State::Handshake) => None,
            Err(error) => Some(End::Failed(self.peer.failure(&error, true))),
        };
        Ok(Received { bytes, is_full, needs_flush })
    }
}

/// What went wrong on a transport: a failure of TLS has a sentence of its own, anything else gets this status.
pub(super) fn failure(status: Status, error: &io::Error) -> Error {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    of_tls.map_or_else(|| Error::new(status, reason(error)), Error::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_as_long_as_they_fit_into_a_record() {
        for (lengths, together) in [
            (&[5][..], 1),
            (&[5, 6, 7], 3),
            (&[RECORD - 5, 5, 1], 2),
            (&[RECORD - 5, 6], 1),
            (&[RECORD, 1], 1),
            (&[3 * RECORD, 1], 1),
            (&[1, 3 * RECORD, 1], 1),
        ] {
            let parts: Vec<Bytes> = lengths.iter().map(|length| vec![0; *length].into()).collect();
            assert_eq!(within_a_record(&parts), together, "{lengths:?}");
        }
    }
}
