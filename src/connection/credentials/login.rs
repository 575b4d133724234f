//! AUTH on a link that is in use: it goes out between two requests as every other command of the client's own, with a
//! PING behind it, whose reply shows whether that of AUTH is missing.
//!
//! The bytes of AUTH lie in memory of their own, which is wiped when the pipeline lets go of it, after the reply.

use std::time::Instant;

use bytes::Bytes;

use super::renewal::{News, Step};
use super::{Login, encode_secretly, shown};
use crate::connection::link::Link;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::protocol::reply::Reply;

/// PING with this text goes out behind AUTH. Redis 8 drops the reply to an AUTH that it refuses where an earlier reply
/// waits to be written (redis/redis#15640): without the reply to PING in its place, every later one would be given to
/// the request before its own.
const PROBE: [&str; 2] = ["PING", "AUTH"];

/// What is told of a refusal whose reply was dropped.
const DROPPED: &str = "refused; the server, as Redis 8 does behind other replies, did not say why";

/// What never stood in a pipeline has this number.
const NO_SEQUENCE: u64 = 0;

impl Link {
    /// A connection was made, and authenticated with this.
    pub fn logged_in(&self, login: Login) {
        let leftover = self.renewal.lock().connected(login);
        if let Some(sequence) = leftover {
            // It would bring an older user back.
            self.withdraw(sequence);
        }
    }

    /// What to do about its user while these credentials are in force.
    pub fn login_step(&self, current: &Login, now: Instant) -> Step {
        if self.is_connected() { self.renewal.lock().step(current, now) } else { Step::Nothing }
    }

    /// What its connection is authenticated with.
    pub fn login(&self) -> Login {
        self.renewal.lock().login().clone()
    }

    /// Sends AUTH with these credentials, unless it has them, AUTH is under way, or it is too early to try again.
    pub fn renew_login(&self, current: &Login, now: Instant) {
        if !self.is_connected() {
            return;
        }
        let named = self.status().server_info.protocol == 3;
        let mut renewal = self.renewal.lock();
        if renewal.step(current, now) != Step::Authenticate {
            return;
        }
        let Some(credentials) = &current.credentials else { return };
        let Ok(bytes) = encode_secretly(&[credentials.words(named), PROBE.to_vec()]) else { return };
        let to = Addressee { ticket: Ticket::LOGIN, part: 0 };
        let sequence = self.send_uncopied(Unit { to, replies: 2, bytes: Bytes::from_owner(bytes) });
        renewal.sent(current.clone(), sequence);
    }

    /// The reply to AUTH came; `None`: it was dropped.
    pub fn on_login_reply(&self, reply: Option<&Reply>) {
        let mut renewal = self.renewal.lock();
        if reply.is_some_and(|reply| !reply.is_error()) {
            if let Some(generation) = renewal.accepted() {
                self.credentials.accept(generation);
            }
        } else {
            let text = reply.map_or(DROPPED.into(), |reply| String::from_utf8_lossy(reply.as_bytes()));
            let sent = renewal.under_way().and_then(|login| login.credentials.clone());
            let words = shown(&text, sent.as_deref()).to_owned();
            if let Some(generation) = renewal.refused(&words, Instant::now()) {
                self.credentials.reject(generation);
            }
        }
        drop(renewal);
        self.credentials.wake();
    }

    /// Another connection is being made to take its place, because it cannot be authenticated. False: it is behind no
    /// more, or that is under way.
    pub fn begin_succession(&self, current: &Login) -> bool {
        let mut renewal = self.renewal.lock();
        let is_behind = renewal.is_behind(current);
        if is_behind {
            renewal.sent(current.clone(), NO_SEQUENCE);
        }
        is_behind
    }

    /// The server refused to the new connection what this one has.
    pub fn succession_refused(&self, reply: &Reply) {
        let words = String::from_utf8_lossy(reply.as_bytes()).into_owned();
        self.renewal.lock().refused(&words, Instant::now());
        self.credentials.wake();
    }

    /// The new connection has taken its place.
    pub fn succession_ended(&self) {
        self.credentials.wake();
    }

    /// What became of AUTH on it since this was asked last.
    pub fn take_login_news(&self) -> Vec<News> {
        self.renewal.lock().take_news()
    }
}
