//! Where completions go, and the right to send them there.
//!
//! Invariant: a [`Responder`] delivers exactly one final completion: `finish` consumes it, and one that is dropped
//! delivers an error, so that no forgotten path can leave a caller waiting.

use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use super::completion::{Completion, Verdict};
use super::mailbox::{Limits, Mailbox, Put};
use crate::connection::queue_driver::QueueDriver;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

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
pub trait Destination: Clone + Send + 'static {
    /// Takes final completions, in order, and wakes whoever waits for them; none is left.
    fn deliver(deliveries: &mut Deliveries<Self>);
    /// Tells the reader of so many more messages in a mailbox, each to be taken once. False: nobody will ever read
    /// them.
    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool;
    /// Whether it has a place for more than the final completion.
    fn takes_many(&self) -> bool;
    /// Requests for it were appended that whoever takes from it has to write; `driver`: from now on with this I/O role.
    /// Called on the thread that submitted, only for requests whose submitter was [`Submitter::Queue`].
    ///
    /// [`Submitter::Queue`]: crate::connection::io_role::Submitter::Queue
    fn call_takers(&self, driver: Option<QueueDriver>) {
        // An I/O role that is dropped goes back to the background.
        drop(driver);
    }
}

/// The right and the duty to complete a request.
#[derive(Debug)]
pub struct Responder<D: Destination> {
    destination: Option<D>,
    request: u64,
    flags: u32,
}

impl<D: Destination> Responder<D> {
    /// For the request of this id.
    pub fn new(request: u64, destination: D) -> Responder<D> {
        Responder { destination: Some(destination), request, flags: 0 }
    }

    /// For a request of the client itself: nobody hears of it.
    pub fn to_nobody() -> Responder<D> {
        Responder { destination: None, request: 0, flags: 0 }
    }

    /// Whether nobody will hear of it.
    pub fn is_to_nobody(&self) -> bool {
        self.destination.is_none()
    }

    /// The final completion, to be delivered.
    #[inline(always)]
    pub fn finish(mut self, verdict: Verdict) -> Option<Delivery<D>> {
        self.end(verdict)
    }

    /// Where the completion goes, once more.
    pub fn destination(&self) -> Option<D> {
        self.destination.clone()
    }

    /// The request.
    pub fn request(&self) -> u64 {
        self.request
    }

    /// Flags of the final completion beside its outcome.
    pub fn mark(&mut self, flags: u32) {
        self.flags |= flags;
    }

    #[inline(always)]
    fn end(&mut self, verdict: Verdict) -> Option<Delivery<D>> {
        let destination = self.destination.take()?;
        let Verdict { status, outcome, reply } = verdict;
        let flags = outcome.bit() | self.flags;
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

/// A mailbox and where its reader is.
#[derive(Debug)]
pub struct Outlet<D> {
    mailbox: Arc<Mailbox>,
    destination: D,
    /// Messages that the reader was not told of yet.
    added: usize,
}

impl<D: Destination> Outlet<D> {
    /// For the messages of this request.
    pub fn new(request: u64, destination: D, limits: Limits) -> Outlet<D> {
        Outlet { mailbox: Arc::new(Mailbox::new(request, limits)), destination, added: 0 }
    }

    /// Puts a message; with [`Put::Added`] to be announced.
    pub fn put(&mut self, reply: Reply, flags: u32) -> Put {
        let put = self.mailbox.put(reply, flags);
        self.added += usize::from(put == Put::Added);
        put
    }

    /// The same with an answer to what the reader itself asked for, which is never dropped.
    pub fn answer(&mut self, reply: Reply, flags: u32) -> Put {
        let put = self.mailbox.answer(reply, flags);
        self.added += usize::from(put == Put::Added);
        put
    }

    /// Whether the reader knows of all that was put.
    pub fn is_announced(&self) -> bool {
        self.added == 0
    }

    /// Tells the reader of what was put since the last time.
    pub fn announce(&mut self) {
        let added = mem::take(&mut self.added);
        if added > 0 && !self.destination.offer(&self.mailbox, added) {
            self.mailbox.abandon();
        }
    }

    /// The mailbox.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }
}
