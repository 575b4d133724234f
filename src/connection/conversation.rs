//! Questions and answers on a bare stream, before it carries anybody's requests.
//!
//! Invariant: whatever the server sends, one question costs at most `MOST_BYTES` of it, and no read that finds bytes
//! keeps the I/O thread: others get a turn between two of them.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::task::yield_now;

use super::interest::EventInterest;
use super::refusal::refusal;
use super::stream::{Stream, reason};
use crate::config::Config;
use crate::error::{Error, Status};
use crate::protocol::command;
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
    stream: &'a Stream,
    parser: &'a mut Parser,
    config: &'a Config,
    /// The server has closed the connection.
    pub(super) hung_up: bool,
}

impl<'a> Conversation<'a> {
    /// Nothing was asked yet, and nothing is owed.
    pub(super) fn new(stream: &'a Stream, parser: &'a mut Parser, config: &'a Config) -> Conversation<'a> {
        Conversation { stream, parser, config, hung_up: false }
    }

    /// Asks one question.
    pub(super) async fn ask_one(&mut self, args: &[&str]) -> Result<Reply, Error> {
        let mut replies = self.ask(&[args.to_vec()]).await?;
        replies.pop().ok_or_else(|| Error::new(Status::Internal, "the handshake lost a reply"))
    }

    /// Asks several questions at once; gives as many answers. More answers than questions are an error: whoever came
    /// next would take them for their own.
    pub(super) async fn ask(&mut self, questions: &[Vec<&str>]) -> Result<Vec<Reply>, Error> {
        let mut out = BytesMut::new();
        for question in questions {
            out.extend_from_slice(&command::encode_to_vec(question)?);
        }
        self.write(out.freeze()).await?;
        let mut replies = Vec::with_capacity(questions.len());
        let mut received = 0;
        loop {
            match self.parser.next().map_err(|error| unreadable(&error))? {
                Some(Frame::Reply(_)) if replies.len() == questions.len() => return Err(unasked()),
                Some(Frame::Reply(reply)) => replies.push(reply),
                Some(Frame::Push(_)) => {}
                None if replies.len() == questions.len() && self.parser.is_within_reply() => return Err(unasked()),
                None if replies.len() == questions.len() => return Ok(replies),
                None => {
                    received += self.read().await?;
                    if received > MOST_BYTES {
                        return Err(too_much());
                    }
                }
            }
        }
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        let mut is_told_of_room = false;
        while !bytes.is_empty() {
            match self.stream.send(std::slice::from_ref(&bytes)) {
                Ok(taken) => drop(bytes.split_to(taken)),
                // There may be room before the event for it is enabled.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_told_of_room => {
                    self.stream.set_interest(EventInterest::ReadingAndWriting).map_err(broken)?;
                    is_told_of_room = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.disconnect_reason(error)),
            }
        }
        if is_told_of_room { self.stream.set_interest(EventInterest::Reading).map_err(broken) } else { Ok(()) }
    }

    /// Waits until something happens on the socket. To be followed by another attempt.
    async fn wait(&self) -> Result<(), Error> {
        self.stream.ready().await.map_err(broken)?.clear_ready();
        Ok(())
    }

    /// Why the server hung up before it was asked anything, if it said so; else `error`.
    fn disconnect_reason(&mut self, error: io::Error) -> Error {
        let mut received = 0;
        while received <= MOST_BYTES
            && let Ok(bytes @ 1..) = self.parser.receive(|space| self.stream.receive(space))
        {
            received += bytes;
        }
        match self.parser.next() {
            Ok(Some(Frame::Reply(reply))) if reply.is_error() => refusal(&text_of(&reply), self.config),
            _ => {
                self.hung_up = true;
                broken(error)
            }
        }
    }

    /// Reads once; gives how many bytes came.
    async fn read(&mut self) -> Result<usize, Error> {
        let mut has_waited = false;
        loop {
            match self.parser.receive(|space| self.stream.receive(space)) {
                Ok(0) => {
                    self.hung_up = true;
                    return Err(Error::new(Status::Connect, HUNG_UP));
                }
                Ok(received) => {
                    if !has_waited {
                        yield_now().await;
                    }
                    return Ok(received);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait().await?;
                    has_waited = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.hung_up = true;
                    return Err(broken(error));
                }
            }
        }
    }
}

/// The text of an error.
pub(super) fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.as_bytes()).into_owned()
}

fn broken(error: io::Error) -> Error {
    Error::new(Status::Connect, format!("{} during the handshake", reason(&error)))
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
