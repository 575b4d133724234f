//! Requests on their way into the outgoing bytes of a link: any number of them under one lock.
//!
//! Invariant: whoever is to write and read what was appended is known before the lock is let go, and is told
//! afterwards.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use super::caller_driver::CallerDriver;
use super::interest::CAN_LIMIT_INTEREST;
use super::io_control::{Notice, Task};
use super::io_role::{Submitter, Writer};
use super::link::Link;
use super::outgoing::Outgoing;
use super::pipeline::Pipeline;
use super::queue_driver::QueueDriver;
use super::quota::Load;
use super::requests::Waiting;
use super::sink::{Sink, SinkKey};
use super::unit::Ticket;
use crate::error::{Error, Status};

/// What whoever submitted has to do when it has let go of its locks.
#[derive(Debug)]
pub enum Next {
    /// Nothing: somebody is about to write it.
    Nothing,
    /// Wake the background, which sleeps, with [`Link::wake`].
    Wake(Arc<Link>),
    /// Write, and read or wait while another caller reads.
    CallerDriver(CallerDriver),
    /// Let somebody take from the queue: there is something to write.
    Take,
    /// As [`Next::Take`], and from now on whoever takes from the queue has this I/O role.
    Begin(QueueDriver),
}

/// The outgoing bytes of a link, locked.
pub struct Submission<'a> {
    link: &'a Arc<Link>,
    outgoing: MutexGuard<'a, Outgoing>,
    by: Submitter,
    /// Nothing waited for being written before.
    nothing_waited: bool,
    /// What the first request brought about.
    outcome: Option<(Writer, Notice)>,
}

impl<'a> Submission<'a> {
    #[inline]
    pub(super) fn new(link: &'a Arc<Link>, by: Submitter) -> Submission<'a> {
        Submission::of(link, link.outgoing.lock(), by)
    }

    #[inline]
    fn of(link: &'a Arc<Link>, outgoing: MutexGuard<'a, Outgoing>, by: Submitter) -> Submission<'a> {
        let may_choose = CAN_LIMIT_INTEREST && outgoing.connection.is_some() && !link.is_ending();
        let by = if may_choose { by } else { Submitter::Other };
        let nothing_waited = !outgoing.pipeline.is_unsent();
        Submission { link, outgoing, by, nothing_waited, outcome: None }
    }

    /// Whether it is of this link.
    #[inline]
    pub fn is_of(&self, link: &Arc<Link>) -> bool {
        Arc::ptr_eq(self.link, link)
    }

    /// Appends a request: all its units or, when a limit is reached, none. `append` gets the pipeline.
    #[inline]
    pub fn append<T>(&mut self, load: Load, append: impl FnOnce(&mut Pipeline) -> T) -> Result<T, Error> {
        if !self.outgoing.pipeline.has_room(load) {
            return Err(self.is_full());
        }
        if self.outcome.is_none() {
            self.outcome = Some(self.outgoing.submit(self.by));
        }
        Ok(append(&mut self.outgoing.pipeline))
    }

    /// As [`Submission::append`], of one unit and its request, which the link completes by itself if that is possible;
    /// `due`: its deadline, in ticks. Gives its id, and whether nobody will look for passed deadlines before that.
    #[inline]
    pub fn put(
        &mut self,
        load: Load,
        append: impl FnOnce(&mut Pipeline, Ticket) -> u64,
        waiting: Waiting,
        due: Option<u64>,
        (key, sink): (Option<SinkKey>, impl FnOnce() -> Arc<dyn Sink>),
    ) -> Result<(Ticket, bool), Error> {
        let Some(ticket) = self.outgoing.requests.next_ticket() else { return Err(self.is_full()) };
        let sequence = self.append(load, |pipeline| append(pipeline, ticket))?;
        let requests = &mut self.outgoing.requests;
        requests.put(ticket, Waiting { sequence, ..waiting }, key, sink);
        let is_earlier = due.is_some_and(|due| requests.set_deadline(ticket, due));
        Ok((ticket, is_earlier))
    }

    #[cold]
    fn is_full(&self) -> Error {
        let (pipeline, config) = (&self.outgoing.pipeline, &self.link.config);
        let (requests, bytes) = (pipeline.waiting(), pipeline.waiting_bytes());
        Error::new(
            Status::Full,
            format!(
                "{}: {requests} requests with {bytes} bytes wait already (limits: max_requests {}, \
                 max_request_bytes {})",
                self.link.address(),
                config.max_requests,
                config.max_request_bytes,
            ),
        )
    }

    /// Lets the lock go, after `prepare` was told what is to be done when no other lock is held either; gives what that
    /// made of it. What was appended may be completed at once, and whoever gets the completion may free what this
    /// borrows: `prepare` has to hold what it needs.
    #[inline]
    pub fn end<T>(self, prepare: impl FnOnce(Next) -> T) -> T {
        let Submission { link, mut outgoing, nothing_waited, outcome, .. } = self;
        let Some((writer, notify)) = outcome else { return prepare(Next::Nothing) };
        let task = outgoing.control.task(writer, nothing_waited, link.is_asleep());
        let next = match (task, &outgoing.connection) {
            (Task::Begin { number }, Some(connection)) => {
                link.counters.queue_turns.fetch_add(1, Ordering::Relaxed);
                Next::Begin(QueueDriver::new(Arc::clone(link), Arc::clone(connection), number))
            }
            (Task::Lead { yields }, Some(connection)) => {
                link.counters.lone_calls.fetch_add(1, Ordering::Relaxed);
                Next::CallerDriver(CallerDriver::leader(Arc::clone(link), Arc::clone(connection), yields))
            }
            (Task::Follow, Some(connection)) => {
                Next::CallerDriver(CallerDriver::follower(Arc::clone(link), Arc::clone(connection)))
            }
            (Task::Take, _) => Next::Take,
            (Task::Wake, _) => Next::Wake(Arc::clone(link)),
            // (Without a connection, nobody but the background gets the I/O role.)
            (Task::Nothing | Task::Begin { .. } | Task::Lead { .. } | Task::Follow, _) => Next::Nothing,
        };
        let notified = (notify == Notice::Yes).then(|| Arc::clone(link));
        let prepared = prepare(next);
        drop(outgoing);
        if let Some(link) = notified {
            link.notify.notify_one();
        }
        prepared
    }
}

impl Link {
    /// An error if there is no room for so much more.
    pub fn check_room(self: &Arc<Self>, load: Load) -> Result<(), Error> {
        let mut submission = self.submission(Submitter::Other);
        let has_room = submission.outgoing.pipeline.has_room(load);
        if has_room { Ok(()) } else { Err(submission.is_full()) }
    }

    /// Begins to append requests. `by` says who would read the answers.
    #[inline]
    pub fn submission(self: &Arc<Self>, by: Submitter) -> Submission<'_> {
        Submission::new(self, by)
    }

    /// The same; `None`: somebody else holds the lock.
    #[inline]
    pub fn try_submission(self: &Arc<Self>, by: Submitter) -> Option<Submission<'_>> {
        self.outgoing.try_lock().map(|outgoing| Submission::of(self, outgoing, by))
    }
}
