//! What came of a request, and the flags of its completions.

use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

/// More completions of this request follow.
pub const MORE: u32 = 8;
/// Messages may be missing before this one: the connection was lost and made again.
pub const GAP: u32 = 16;
/// Messages were dropped before this one: its reader is too slow.
pub const DROPPED: u32 = 32;

/// The status, outcome and reply of a request that is over.
#[derive(Debug)]
pub struct Verdict {
    /// The reason.
    pub status: Status,
    /// What the server may have done.
    pub outcome: Outcome,
    /// The reply, or an error that says why there is none.
    pub reply: Reply,
}

impl Verdict {
    /// The server answered.
    pub fn answered(status: Status, reply: Reply) -> Verdict {
        Verdict { status, outcome: Outcome::Answered, reply }
    }

    /// There is no answer, for this reason.
    pub fn failed(error: &Error, outcome: Outcome) -> Verdict {
        Verdict { status: error.status, outcome, reply: Reply::error(error.status, outcome, &error.message) }
    }
}
