//! Where completions go, and the right to send them there.
//!
//! Invariant: a [`Responder`] delivers exactly one final completion: `finish` consumes it, and one that is dropped
//! delivers an error, so that no forgotten path can leave a caller waiting.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use super::completion::Verdict;
use super::mailbox::{Limits, Mailbox, Put};
use crate::connection::queue_driver::QueueDriver;
use crate::connection::requests::Taken;
use crate::connection::sink::{Completion, Sink, SinkKey};
use crate::connection::sinks::is_same;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

/// A final completion and where it goes.
#[derive(Debug)]
pub struct Delivery {
    /// Where it goes.
    pub sink: Arc<dyn Sink>,
    /// What came of the request.
    pub completion: Completion,
}

/// What ended together; one is the rule where callers wait, and costs no memory.
pub type Deliveries = SmallVec<[Delivery; 1]>;

/// Delivers completions, in order.
pub fn deliver(deliveries: Deliveries) {
    let mut run = VecDeque::new();
    let mut last: Option<Arc<dyn Sink>> = None;
    for Delivery { sink, completion } in deliveries {
        if let Some(other) = last.take_if(|last| !Arc::ptr_eq(last, &sink)) {
            other.deliver(run.drain(..));
        }
        run.push_back(completion);
        last.get_or_insert(sink);
    }
    if let Some(sink) = last {
        sink.deliver(run.drain(..));
    }
}

/// What a user names as the place for completions.
pub trait Destination: Clone + Send + Sync + 'static {
    /// Tells whether its sink is the same as that of another one; `None`: it serves one request only.
    fn key(&self) -> Option<SinkKey>;
    /// Where final completions go.
    fn sink(&self) -> Arc<dyn Sink>;
    /// Tells the reader of so many more messages in a mailbox, each to be taken once. False: nobody will ever read
    /// them.
    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool;
    /// An error if nobody takes completions there any more.
    #[inline]
    fn check_open(&self) -> Result<(), Error> {
        Ok(())
    }
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
pub struct Responder {
    sink: Option<Arc<dyn Sink>>,
    user_data: u64,
    request: u64,
    flags: u32,
}

impl Responder {
    /// For the request of this id.
    pub fn new(request: u64, user_data: u64, destination: &impl Destination) -> Responder {
        Responder { sink: Some(destination.sink()), user_data, request, flags: 0 }
    }

    /// For a request that was taken out of a link.
    pub fn of(taken: Taken) -> Responder {
        let Taken { ticket, waiting, sink, .. } = taken;
        Responder { sink: Some(sink), user_data: waiting.user_data, request: ticket.0, flags: 0 }
    }

    /// For a request of the client itself: nobody hears of it.
    pub fn to_nobody() -> Responder {
        Responder { sink: None, user_data: 0, request: 0, flags: 0 }
    }

    /// Whether its completion goes to this sink.
    pub fn is_to(&self, sink: &Arc<dyn Sink>) -> bool {
        self.sink.as_ref().is_some_and(|own| is_same(own, sink))
    }

    /// Whether nobody will hear of it.
    pub fn is_to_nobody(&self) -> bool {
        self.sink.is_none()
    }

    /// The final completion, to be delivered.
    #[inline(always)]
    pub fn finish(mut self, verdict: Verdict) -> Option<Delivery> {
        self.end(verdict)
    }

    /// The id that the user of the request knows.
    pub fn request(&self) -> u64 {
        self.request
    }

    /// Flags of the final completion beside its outcome.
    pub fn mark(&mut self, flags: u32) {
        self.flags |= flags;
    }

    #[inline(always)]
    fn end(&mut self, verdict: Verdict) -> Option<Delivery> {
        let sink = self.sink.take()?;
        let Verdict { status, outcome, reply } = verdict;
        let (flags, user_data, request) = (outcome.bit() | self.flags, self.user_data, self.request);
        Some(Delivery { sink, completion: Completion { user_data, request, status, flags, reply } })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.sink.is_some() {
            let error = Error::new(Status::Internal, "the request was forgotten; please report this");
            deliver(self.end(Verdict::failed(&error, Outcome::Unknown)).into_iter().collect());
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
    pub fn new(request: u64, user_data: u64, destination: &D, limits: Limits) -> Outlet<D> {
        let mailbox = Arc::new(Mailbox::new(request, user_data, limits));
        Outlet { mailbox, destination: destination.clone(), added: 0 }
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
