//! What came of a request, and where that goes. Links know no more of who asked.

use std::collections::vec_deque::Drain;
use std::fmt::Debug;
use std::sync::Arc;

use crate::error::{Outcome, Status};
use crate::protocol::reply::Reply;

/// What came of a request.
#[derive(Debug)]
pub struct Completion {
    /// The user's, untouched.
    pub user_data: u64,
    /// The id that submit gave.
    pub request: u64,
    /// The reason.
    pub status: Status,
    /// One [`Outcome`] bit, and what the client adds.
    pub flags: u32,
    /// What the server said, or an error of this library.
    pub reply: Reply,
}

impl Completion {
    /// The server answered, and not with an error.
    #[inline]
    pub fn answered(user_data: u64, request: u64, reply: Reply) -> Completion {
        Completion { user_data, request, status: Status::Ok, flags: Outcome::Answered.bit(), reply }
    }
}

/// Where final completions go. Called from library threads and from those of the user; it must neither wait nor call
/// the client back, but only put the completions where somebody else will find them.
pub trait Sink: Send + Sync + Debug {
    /// Takes completions, in order, and wakes whoever waits for them.
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>);
}

/// What tells sinks apart: equal only for sinks that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SinkKey(pub usize, pub usize);
