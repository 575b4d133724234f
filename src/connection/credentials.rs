//! User and password of a client, which may change while it runs: what they are, and who is asked for them. Data, and
//! the trait behind which the program stands.
//!
//! * [`rotation`]: which pair is in force and when to ask for another, decided; [`source`]: the same with the callback,
//!   a lock, and those who wait; [`renewal`]: how one connection stands to the pair in force, decided; [`login`]: AUTH
//!   on a live link.

pub mod login;
pub mod renewal;
pub mod rotation;
pub mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::config::Secret;
use crate::error::Error;
use crate::protocol::command;

/// A user and a password. Neither is ever printed, and both are wiped with the last copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `None`: the default user.
    pub username: Option<Secret>,
    /// The password, or a token that serves as one.
    pub password: Secret,
}

/// What a connection is authenticated with, or is to be.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// `None`: AUTH is not said.
    pub credentials: Option<Arc<Credentials>>,
    /// Pairs are counted; a later one has a higher number.
    pub generation: u64,
    /// When it was known.
    pub obtained: Option<Instant>,
    /// When the server may end connections that were authenticated with it. `None`: never.
    pub expires: Option<Instant>,
    /// Why the program was asked for it. `None`: it was not asked.
    pub reason: Option<Reason>,
}

/// Why the program is asked for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A connection is being made, and none are held that are valid.
    Connect,
    /// Those that are held expire soon.
    Renew,
    /// A server refused those that are held.
    Rejected,
}

/// What credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For servers with data.
    Data,
    /// For sentinels.
    Sentinel,
}

/// A question for credentials.
#[derive(Clone, Debug)]
pub struct Query {
    /// What they are for.
    pub purpose: Purpose,
    /// Which server they are for, as errors name it.
    pub address: String,
    /// Why it is asked.
    pub reason: Reason,
    /// After so long nobody waits for the answer any more.
    pub budget: Duration,
}

/// The answer of a program.
#[derive(Debug)]
pub struct Answer {
    /// The pair.
    pub credentials: Credentials,
    /// For how long. `None`: until it is refused.
    pub valid: Option<Duration>,
}

/// Knows the credentials; for who wants to change them. Called on a thread that may block, one
/// call at a time for each purpose.
pub trait CredentialsProvider: Send + Sync {
    /// A user and a password, or why there are none: [`crate::error::Status::Auth`] if waiting would not help.
    fn credentials(&self, query: &Query) -> Result<Answer, Error>;
}

impl Login {
    /// When what cannot be authenticated in place is to be moved: after nine tenths of its validity, or as soon as
    /// there is something newer. What is renewed after about eight tenths may end by itself meanwhile.
    pub fn last_call(&self) -> Option<Instant> {
        let (obtained, expires) = (self.obtained?, self.expires?);
        expires.checked_sub(expires.saturating_duration_since(obtained) / 10)
    }
}

impl Credentials {
    /// The words of AUTH. `named`: the server knows users, so that the default one can be named.
    pub(super) fn words(&self, named: bool) -> Vec<&str> {
        let mut words = vec!["AUTH"];
        match &self.username {
            Some(username) => words.push(username.expose()),
            None if named => words.push("default"),
            None => {}
        }
        words.push(self.password.expose());
        words
    }

    /// Whether this text repeats one of the two.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let holds = |secret: &Secret| !secret.expose().is_empty() && text.contains(secret.expose());
        holds(&self.password) || self.username.as_ref().is_some_and(holds)
    }
}

/// Encodes commands one behind the other, in memory that is wiped when it is let go of.
pub(super) fn encode_secretly(commands: &[Vec<&str>]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parts = commands.iter().map(|words| command::encode_to_vec(words).map(Zeroizing::new));
    let parts = parts.collect::<Result<Vec<_>, Error>>()?;
    // With all the room from the start: what a vector outgrows is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}

/// The server's text, unless it repeats a secret that it was told.
pub(super) fn shown<'a>(text: &'a str, told: Option<&Credentials>) -> &'a str {
    // The words of this one are fixed, and a user may well be called "user".
    let is_fixed = text == "WRONGPASS invalid username-password pair or user is disabled.";
    if !is_fixed && told.is_some_and(|told| told.are_in(text)) {
        return "it repeats the user name or the password, so its words are not shown";
    }
    text
}
