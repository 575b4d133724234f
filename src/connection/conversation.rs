//! Questions and answers on a fresh connection, before it carries anybody's requests.
//!
//! Invariant: whatever the server sends, one question costs at most `MOST_BYTES` of it, and no read that finds bytes
//! keeps the I/O thread: others get a turn between two of them.

use std::io;

use bytes::Bytes;
use tokio::task::yield_now;

use super::credentials::{Credentials, encode_secretly};
use super::readiness::{when_readable, when_writable};
use super::refusal::refusal;
use super::transport::{Received, Transport, failure};
use crate::error::{Error, Status};
use crate::protocol::parser::{Frame, Limits, Parser};
use crate::protocol::reply::Reply;

/// So much may come until all the questions that were asked together are answered, messages in between included.
const MOST_BYTES: usize = 256 << 10;

/// What an answer may take: that to HELLO, with a map for each module, is the largest by far.
pub(super) const LIMITS: Limits = Limits { depth: 8, reply_bytes: 256 << 10 };

/// The message of the error at the end of the stream.
const HUNG_UP: &str = "the server closed the connection during the handshake";

/// A conversation; its parser was made with [`LIMITS`].
pub(super) struct Conversation<'a> {
    transport: &'a mut Transport,
    parser: &'a mut Parser,
    /// What the server is told of them it shall not repeat in an error.
    told: Option<&'a Credentials>,
    /// The server has closed the connection.
    pub(super) hung_up: bool,
}

impl<'a> Conversation<'a> {
    /// Nothing was asked yet, and nothing is owed.
    pub(super) fn new(
        transport: &'a mut Transport,
        parser: &'a mut Parser,
        told: Option<&'a Credentials>,
    ) -> Conversation<'a> {
        Conversation { transport, parser, told, hung_up: false }
    }

    /// Asks one question.
    pub(super) async fn ask_one(&mut self, args: &[&str]) -> Result<Reply, Error> {
        let mut replies = self.ask(&[args.to_vec()]).await?;
        replies.pop().ok_or_else(|| Error::new(Status::Internal, "the handshake lost a reply"))
    }

    /// Asks several questions at once; gives as many answers. More answers than questions are an error: whoever came
    /// next would take them for their own.
    pub(super) async fn ask(&mut self, questions: &[Vec<&str>]) -> Result<Vec<Reply>, Error> {
        // Among them may be a password.
        self.write(Bytes::from_owner(encode_secretly(questions)?)).await?;
        let mut replies = Vec::with_capacity(questions.len());
        let mut received = 0;
        loop {
            match self.parser.next().map_err(|error| unreadable(&error))? {
                Some(Frame::Reply(_)) if replies.len() == questions.len() => return Err(unasked()),
                Some(Frame::Reply(reply)) => replies.push(reply),
                Some(Frame::Push(_)) => {}
                None if replies.len() == questions.len() && self.parser.is_within_reply() => return Err(unasked()),
                None if replies.len() == questions.len() => return Ok(replies),
                None => self.read_within(&mut received).await?,
            }
        }
    }

    /// Waits for the next reply or message, whichever it is.
    pub(super) async fn next(&mut self) -> Result<Frame, Error> {
        let mut received = 0;
        loop {
            match self.parser.next().map_err(|error| unreadable(&error))? {
                Some(frame) => return Ok(frame),
                None => self.read_within(&mut received).await?,
            }
        }
    }

    /// Reads once; that may be too much with what was `received` before.
    async fn read_within(&mut self, received: &mut usize) -> Result<(), Error> {
        *received += self.read().await?;
        if *received > MOST_BYTES { Err(too_much()) } else { Ok(()) }
    }

    /// Writes what is encoded.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match self.send(bytes).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.disconnect_reason(&error)),
        }
    }

    async fn send(&mut self, mut bytes: Bytes) -> io::Result<()> {
        let Transport { stream, sender, .. } = &mut *self.transport;
        while !bytes.is_empty() {
            let taken = when_writable(stream, || sender.send(stream, std::slice::from_ref(&bytes))).await?;
            drop(bytes.split_to(taken));
        }
        when_writable(stream, || sender.flush(stream)).await
    }

    /// Why the server hung up before it was asked anything, if it said so; else `error`.
    fn disconnect_reason(&mut self, error: &io::Error) -> Error {
        let mut received = 0;
        while received <= MOST_BYTES
            && let Ok(Received { bytes: bytes @ 1.., .. }) =
                self.transport.receiver.receive(&self.transport.stream, self.parser, false)
        {
            received += bytes;
        }
        match self.parser.next() {
            Ok(Some(Frame::Reply(reply))) if reply.is_error() => refusal(&text_of(&reply), self.told),
            _ => {
                let error = broken(error);
                self.hung_up = error.status != Status::Tls;
                error
            }
        }
    }

    /// Reads once; gives how many bytes came.
    async fn read(&mut self) -> Result<usize, Error> {
        let Transport { stream, sender, receiver } = &mut *self.transport;
        let parser = &mut *self.parser;
        let received = when_readable(stream, || receiver.receive(stream, parser, false)).await;
        match received {
            Ok((Received { bytes: 0, .. }, _)) => {
                self.hung_up = true;
                Err(Error::new(Status::Connect, HUNG_UP))
            }
            Ok((Received { bytes, needs_flush, .. }, has_waited)) => {
                if needs_flush {
                    when_writable(stream, || sender.flush(stream)).await.map_err(|error| broken(&error))?;
                }
                if !has_waited {
                    yield_now().await;
                }
                Ok(bytes)
            }
            Err(error) => {
                let error = broken(&error);
                // A failure of TLS says why.
                self.hung_up = error.status != Status::Tls;
                Err(error)
            }
        }
    }
}

/// The text of an error.
pub(super) fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.as_bytes()).into_owned()
}

/// A failure of TLS here is one of its handshake: a server of TLS 1.3 refuses a client only afterwards.
fn broken(error: &io::Error) -> Error {
    let in_the_handshake = failure(Status::Connect, error);
    match in_the_handshake.status {
        Status::Tls => in_the_handshake,
        status => Error::new(status, format!("{} during the handshake", in_the_handshake.message)),
    }
}

fn unasked() -> Error {
    Error::new(Status::Protocol, "the server sent a reply that nobody asked for, during the handshake")
}

fn too_much() -> Error {
    let sentence = format!("the server sent more than {MOST_BYTES} bytes in answer to a question of the handshake");
    Error::new(Status::Protocol, sentence)
}

/// The limits that an answer broke are those of the handshake, not the options that the parser names.
fn unreadable(error: &Error) -> Error {
    match error.message.split_once(" (max_reply_") {
        Some((sentence, _)) => Error::new(error.status, format!("{sentence} in the handshake")),
        None => error.clone(),
    }
}
