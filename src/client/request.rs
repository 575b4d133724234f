//! What a user asks for, checked and encoded; the way from there into the outgoing bytes of a link.
//!
//! Invariant: an error is returned before anything is queued; afterwards there is a pending request that will be
//! completed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::completion::{Destination, Responder};
use super::core::{Core, Phase, State, closed};
use super::gather::{Gather, Shape};
use super::pending::{NOWHERE, Pending, Requests, Work};
use super::script::Script;
use super::transaction::{FRAME, Transaction};
use crate::connection::link::Link;
use crate::connection::pipeline::{Addressee, LARGE, Pipeline, Ticket};
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, Handling};
use crate::protocol::command;
use crate::topology::Route;

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// As the option `command_timeout` says.
    Default,
    /// For ever.
    None,
    /// This long.
    After(Duration),
}

/// One or more commands and how to run them.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, A> {
    /// The arguments of each command, its name first.
    pub commands: &'a [&'a [A]],
    /// As one transaction.
    pub atomic: bool,
    /// It may run twice.
    pub idempotent: bool,
    /// How long it may take.
    pub timeout: Timeout,
    /// Where it goes.
    pub route: Route<'a>,
}

/// The bytes of a request, and how they are cut into units that stand in the FIFO on their own.
enum Plan<'a, A> {
    One(&'a [A]),
    Script(Vec<&'a [u8]>),
    Several(&'a [&'a [A]]),
    Atomic(&'a [&'a [A]]),
}

const MULTI: [&str; 1] = ["MULTI"];
const EXEC: [&str; 1] = ["EXEC"];

impl<A: AsRef<[u8]>> Plan<'_, A> {
    /// The length of each unit; `None` if it is beyond what can be addressed.
    fn lengths(&self) -> Option<Vec<usize>> {
        let of = |words: &&[A]| command::encoded_length(words);
        match self {
            Plan::One(words) => Some(vec![of(words)?]),
            Plan::Script(words) => Some(vec![command::encoded_length(words)?]),
            Plan::Several(commands) => commands.iter().map(of).collect(),
            Plan::Atomic(commands) => {
                let frame = command::encoded_length(&MULTI)? + command::encoded_length(&EXEC)?;
                let sum = commands.iter().map(of).try_fold(frame, |sum, length| sum.checked_add(length?))?;
                Some(vec![sum])
            }
        }
    }
}
