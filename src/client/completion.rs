//! The one final answer of a request, and the place it goes to.
//!
//! Invariant: a [`Responder`] delivers exactly one final completion: `finish` consumes it, and one that is dropped
//! delivers an error, so that no forgotten path can leave a caller waiting.

use smallvec::SmallVec;

use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

/// More completions of this request follow.
pub const MORE: u32 = 8;
/// Messages may be missing before this one: the connection was lost and made again.
pub const GAP: u32 = 16;
/// Messages were dropped before this one: its reader is too slow.
pub const DROPPED: u32 = 32;

/// What came of a request.
#[derive(Debug)]
pub struct Completion {
    /// The id that submit gave.
    pub request: u64,
    /// The reason.
    pub status: Status,
    /// One [`Outcome`] bit, and [`MORE`], [`GAP`], [`DROPPED`].
    pub flags: u32,
    /// What the server said, or an error of this library.
    pub reply: Reply,
}

/// A final completion and where it goes.
#[derive(Debug)]
pub struct Delivery<D> {
    /// Where it goes.
    pub destination: D,
    /// What came of the request.
    pub completion: Completion,
}

/// What ended together; one is the rule where callers wait, and costs no memory.
pub type Deliveries<D> = SmallVec<[Delivery<D>; 1]>;

/// Where completions go. Called from library threads and from those of the user; it must neither wait nor call the
/// client back, but only put the completion where somebody else will find it.
pub trait Destination: Sized + Send + 'static {
    /// Takes final completions, in order, and wakes whoever waits for them; none is left.
    fn deliver(deliveries: &mut Deliveries<Self>);
    /// Takes a completion that more will follow; false if there is no room for it.
    fn deliver_more(&self, completion: Completion) -> bool;
}

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

/// The right and the duty to complete a request.
#[derive(Debug)]
pub struct Responder<D: Destination> {
    destination: Option<D>,
    request: u64,
    dropped: bool,
}

impl<D: Destination> Responder<D> {
    /// For the request of this id.
    pub fn new(request: u64, destination: D) -> Responder<D> {
        Responder { destination: Some(destination), request, dropped: false }
    }

    /// The final completion, to be delivered.
    pub fn finish(mut self, verdict: Verdict) -> Option<Delivery<D>> {
        self.end(verdict)
    }

    /// A completion that is not the last; remembers if there was no room for it.
    pub fn more(&mut self, reply: Reply, flags: u32) {
        let Some(destination) = &self.destination else { return };
        let flags = MORE | Outcome::Answered.bit() | flags | if self.dropped { DROPPED } else { 0 };
        let completion = Completion { request: self.request, status: Status::Ok, flags, reply };
        self.dropped = !destination.deliver_more(completion);
    }

    fn end(&mut self, verdict: Verdict) -> Option<Delivery<D>> {
        let destination = self.destination.take()?;
        let Verdict { status, outcome, reply } = verdict;
        let flags = outcome.bit() | if self.dropped { DROPPED } else { 0 };
        Some(Delivery { destination, completion: Completion { request: self.request, status, flags, reply } })
    }
}

impl<D: Destination> Drop for Responder<D> {
    fn drop(&mut self) {
        if self.destination.is_some() {
            let error = Error::new(Status::Internal, "the request was forgotten; please report this");
            D::deliver(&mut self.end(Verdict::failed(&error, Outcome::Unknown)).into_iter().collect());
        }
    }
}
