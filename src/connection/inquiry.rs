//! A connection for questions of the client's own, which carries nobody's requests: to a sentinel, or to a server whose
//! role is in doubt. It may subscribe, and keeps what comes for whoever asks.
//!
//! Invariant: after an error nothing more is asked on it: it may owe answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout_at;

use super::addresses::FailedAddresses;
use super::background_driver::Opening;
use super::conversation::Conversation;
use super::credentials::encode_secretly;
use super::dial::Dial;
use super::handshake::Terms;
use super::transport::Transport;
use crate::address::Address;
use crate::error::{Error, Status};
use crate::protocol::parser::{Frame, Parser};
use crate::protocol::reply::Reply;

/// So many messages wait for being read; of more the first ones are forgotten.
const MOST_MESSAGES: usize = 256;

/// The connection.
pub struct Inquiry {
    transport: Transport,
    parser: Parser,
    messages: VecDeque<Reply>,
    budget: Duration,
    /// It speaks RESP2, in which who subscribes may ask nothing.
    pub is_resp2: bool,
}

impl Inquiry {
    /// Dials this address as the links of this opening do. `primary`: a replica will not do. `warn` is told what
    /// hinders nothing yet.
    pub async fn dial(
        opening: &Opening,
        address: &Address,
        primary: bool,
        warn: &(dyn Fn(Error) + Sync),
    ) -> Result<Inquiry, Error> {
        let terms = Terms { database: 0, track: false, number: false, resp3_seen: false, primary, reads_only: false };
        let failed = FailedAddresses::default();
        let dial = Dial {
            config: &opening.config,
            dialer: opening.dialer.as_ref(),
            failed: &failed,
            terms,
            credentials: &opening.credentials,
            identity: &opening.identity,
            warn,
        };
        let dialled = dial.dial(address).await?;
        Ok(Inquiry {
            is_resp2: dialled.server_info.protocol == 2,
            transport: dialled.transport,
            parser: dialled.parser,
            messages: VecDeque::new(),
            budget: opening.config.connect_timeout,
        })
    }

    /// Asks several questions at once; gives as many answers, in time or not at all.
    pub async fn ask(&mut self, questions: &[Vec<&str>]) -> Result<Vec<Reply>, Error> {
        self.ask_encoded(encode_secretly(questions)?.to_vec().into(), questions.len() as u32).await
    }

    /// Asks what is encoded already and gets so many answers.
    pub async fn ask_encoded(&mut self, questions: Bytes, answers: u32) -> Result<Vec<Reply>, Error> {
        self.in_time(async |me| {
            let mut replies = Vec::new();
            me.conversation().write(questions).await?;
            while replies.len() < answers as usize {
                match me.conversation().next().await? {
                    Frame::Reply(reply) if kind_of_message(&reply).is_none() => replies.push(reply),
                    Frame::Reply(message) | Frame::Push(message) => me.keep(message),
                }
            }
            Ok(replies)
        })
        .await
    }

    /// Subscribes to channels. False: that is not allowed.
    pub async fn subscribe(&mut self, channels: &[&str]) -> Result<bool, Error> {
        self.change("subscribe", channels).await
    }

    /// Ends that.
    pub async fn unsubscribe(&mut self, channels: &[&str]) -> Result<(), Error> {
        self.change("unsubscribe", channels).await.map(drop)
    }

    async fn change(&mut self, change: &str, channels: &[&str]) -> Result<bool, Error> {
        let words = [&[change], channels].concat();
        let bytes = encode_secretly(&[words])?.to_vec();
        let mut missing = channels.len();
        self.in_time(async |me| {
            me.conversation().write(bytes.into()).await?;
            while missing > 0 {
                match me.conversation().next().await? {
                    Frame::Reply(reply) if reply.is_error() => return Ok(false),
                    Frame::Reply(reply) | Frame::Push(reply) => match kind_of_message(&reply) {
                        Some(kind) if kind == change.as_bytes() => missing -= 1,
                        _ => me.keep(reply),
                    },
                }
            }
            Ok(true)
        })
        .await
    }

    async fn in_time<T>(&mut self, work: impl AsyncFnOnce(&mut Inquiry) -> Result<T, Error>) -> Result<T, Error> {
        let budget = self.budget;
        let until = Instant::now() + budget;
        timeout_at(until.into(), work(self)).await.unwrap_or_else(|_| {
            let waited = budget.as_millis();
            Err(Error::new(Status::Connect, format!("no answer to a question within {waited} ms")))
        })
    }

    fn conversation(&mut self) -> Conversation<'_> {
        Conversation::new(&mut self.transport, &mut self.parser, None)
    }

    fn keep(&mut self, message: Reply) {
        if self.messages.len() >= MOST_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    /// Waits for a message. Nothing is lost when this is not waited for to the end.
    pub async fn message(&mut self) -> Result<Reply, Error> {
        if let Some(message) = self.messages.pop_front() {
            return Ok(message);
        }
        match self.conversation().next().await? {
            Frame::Reply(message) | Frame::Push(message) => Ok(message),
        }
    }
}

/// What kind of message this is, if it is one: in RESP2 they look like answers.
fn kind_of_message(reply: &Reply) -> Option<&[u8]> {
    let kind = reply.items().first()?.as_bytes();
    let is_one = reply.items().len() == 3 && [&b"message"[..], b"subscribe", b"unsubscribe"].contains(&kind);
    is_one.then_some(kind)
}
