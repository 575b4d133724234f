//! One TLS session: records in, plaintext out, and the other way round. No socket, no waiting.
//!
//! Invariant: records have to be sent in the order in which they were encrypted, whoever caused them. What is
//! encrypted while records are received waits in `replies`, and goes before what is encrypted next.
//!
//! It stands on the interface of rustls that works on buffers of ours, so that all whole records are decrypted at once
//! and the readiness of the socket stays the truth: what is held back is at most a part of a record, or of a message of
//! the handshake in several records. rustls remembers places in what is held back, and panics when it is not shown it
//! at every call, whatever the call is for.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error};

use super::records::Records;

/// The plaintext of one record at most (RFC 8446, 5.1).
pub const RECORD: usize = 16 << 10;

/// What a record adds to its plaintext at most: header, nonce, content type, tag.
const OVERHEAD: usize = 64;

/// An alert or a key update, with room.
const SMALL: usize = 1 << 10;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The handshake waits for more of the server's.
    Handshake,
    /// Plaintext can be sent.
    Open,
    /// The server has said that it sends no more (close_notify).
    Closed,
}

/// The session of one connection.
pub struct Session {
    connection: UnbufferedClientConnection,
    replies: Records,
    /// What came and is not used up, as rustls left it.
    held: Vec<u8>,
    is_closed: bool,
    /// After it, rustls is not to be asked again: it would look at the same bytes again, and fail again.
    failure: Option<Error>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Nothing was said yet; [`Session::receive`] of nothing begins the handshake.
    pub fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Session, Error> {
        let connection = UnbufferedClientConnection::new(config, name)?;
        let (replies, held) = (Records::default(), Vec::new());
        Ok(Session { connection, replies, held, is_closed: false, failure: None })
    }

    /// What [`Session::receive`] has not used up.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Whether the handshake is done.
    pub fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Takes what is held with what came behind it, and gives the plaintext of whole records to `take`. Says how far
    /// the session is. After an error the session is at its end; the alert that tells the server why waits to be sent.
    pub fn receive(&mut self, incoming: &mut [u8], take: impl FnMut(&[u8])) -> Result<State, Error> {
        self.check()?;
        let (used, state) = self.process(incoming, take);
        let rest = incoming.get_mut(used..).unwrap_or_default();
        self.held = if rest.is_empty() { Vec::new() } else { rest.to_vec() };
        state.inspect_err(|error| self.fail(error))
    }

    fn check(&self) -> Result<(), Error> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// At most one message is left to be said, the alert: what was to be said before was encoded before.
    fn fail(&mut self, error: &Error) {
        self.failure = Some(error.clone());
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = self.connection.process_tls_records(&mut self.held).state
        {
            _ = encode(&mut self.replies, |space| data.encode(space));
        }
    }

    /// The same, and how many bytes are used up.
    fn process(&mut self, incoming: &mut [u8], mut take: impl FnMut(&[u8])) -> (usize, Result<State, Error>) {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(incoming.get_mut(used..).unwrap_or_default());
            let mut behind = 0;
            let state = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    let mut failure = None;
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                behind += record.discard;
                                take(record.payload);
                            }
                            Err(error) => {
                                failure = Some(error);
                                break;
                            }
                        }
                    }
                    failure.map(Err)
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.replies, |space| data.encode(space)).err().map(Err)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Ok(State::Handshake)),
                Ok(ConnectionState::WriteTraffic(_)) if !self.is_closed => Some(Ok(State::Open)),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed | ConnectionState::WriteTraffic(_)) => {
                    self.is_closed = true;
                    Some(Ok(State::Closed))
                }
                Ok(_) => Some(Err(Error::General("TLS is in a state that a client cannot be in".to_owned()))),
                Err(error) => Some(Err(error)),
            };
            used += discard + behind;
            match state {
                None => {}
                Some(state) => return (used, state),
            }
        }
    }

    /// Moves what waits to be sent behind what `out` holds.
    pub fn take_replies(&mut self, out: &mut Records) {
        if !self.replies.is_empty() {
            out.take_from(&mut self.replies);
        }
    }

    /// Whether something waits to be sent.
    pub fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Encrypts plaintext into `out`, behind what waits to be sent.
    pub fn encrypt(&mut self, plaintext: &[u8], out: &mut Records) -> Result<(), Error> {
        self.check()?;
        self.take_replies(out);
        loop {
            match self.connection.process_tls_records(&mut self.held).state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let room = plaintext.len() + (plaintext.len() / RECORD + 1) * OVERHEAD;
                    return out.append(room, |space| traffic.encrypt(plaintext, space).map_err(|error| unsent(&error)));
                }
                ConnectionState::EncodeTlsData(mut data) => encode(out, |space| data.encode(space))?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.is_closed = true,
                _ => return Err(Error::HandshakeNotComplete),
            }
        }
    }

    /// Encrypts the alert that says that nothing more will be sent (RFC 8446, 6.1), if that is possible just now.
    pub fn encrypt_close(&mut self, out: &mut Records) {
        self.take_replies(out);
        if self.failure.is_some() {
            return;
        }
        let status = self.connection.process_tls_records(&mut self.held);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            _ = out.append(SMALL, |space| traffic.queue_close_notify(space));
        }
    }
}

/// Encodes a message of the handshake, whose size is known only when there was too little room.
fn encode(records: &mut Records, mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) -> Result<(), Error> {
    let required = match records.append(SMALL, &mut write) {
        Ok(()) => return Ok(()),
        Err(EncodeError::InsufficientSize(error)) => error.required_size,
        Err(error) => return Err(Error::General(error.to_string())),
    };
    records.append(required, write).map_err(|error| Error::General(error.to_string()))
}

fn unsent(error: &EncryptError) -> Error {
    Error::General(error.to_string())
}
