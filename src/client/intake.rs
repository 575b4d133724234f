//! Where accepted requests get in: any number of them under one lock of the client's state and one of a link.
//!
//! Invariant: a request whose units are appended has its place among the pending ones before the locks are let go, so
//! that no reply can come before it.

use std::sync::{Arc, MutexGuard};

use super::core::{Core, Phase, State, closed};
use super::destination::{Destination, Responder};
use super::pending::{Pending, Requests, Work};
use super::request::{Place, Request, Timeout, in_millis, small};
use super::wakeups::Wakeups;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::pipeline::Pipeline;
use crate::connection::quota::Load;
use crate::connection::submission::Submission;
use crate::connection::unit::{Addressee, Ticket};
use crate::error::Error;
use crate::protocol::command;

impl<D: Destination> State<D> {
    /// Sets the deadline of a request that has none; true if the timer sleeps for longer than that.
    #[inline]
    pub(super) fn set_deadline(&mut self, ticket: Ticket, due: u64) -> bool {
        self.deadlines.set(Requests::<D>::index(ticket), due);
        let is_earlier = due < self.armed;
        self.armed = self.armed.min(due);
        is_earlier
    }
}

/// So many requests get in under one lock; then others may have their turn.
const RUN: usize = 64;

/// The locks, held.
pub(super) struct Intake<'a, D: Destination> {
    core: &'a Core<D>,
    link: &'a Arc<Link>,
    state: MutexGuard<'a, State<D>>,
    submission: Submission<'a>,
    /// A timeout and the tick at which it passes, so that requests with the same one look at the clock once.
    due: Option<(u32, u64)>,
    /// The timer sleeps for too long.
    is_earlier: bool,
    /// The request that got in last.
    last: Ticket,
}

impl<'a, D: Destination> Intake<'a, D> {
    /// Takes the locks, if the client is open.
    #[inline]
    pub(super) fn open(core: &'a Core<D>, link: &'a Arc<Link>, by: Submitter) -> Result<Intake<'a, D>, Error> {
        let state = core.state.lock();
        if state.phase == Phase::Closed {
            return Err(closed());
        }
        Ok(Intake {
            core,
            link,
            state,
            submission: link.submission(by),
            due: None,
            is_earlier: false,
            last: Ticket::NOBODY,
        })
    }

    /// One command of at most `most` encoded bytes, written straight to where it goes.
    #[inline]
    pub(super) fn put_small<A: AsRef<[u8]>>(
        &mut self,
        request: &Request<'_, A>,
        args: &[A],
        most: usize,
        destination: D,
    ) -> Result<u64, Error> {
        let append = |pipeline: &mut Pipeline, ticket| {
            let to = Addressee { ticket, part: 0 };
            pipeline.append(to, 1, most, |mut room| {
                command::encode(args, &mut room);
                room
            })
        };
        self.put(request, Load { requests: 1, bytes: most }, append, |_| Work::Single, destination)
    }

    /// Appends a request of so many units and bytes, and remembers who waits for it; gives its id.
    #[inline]
    pub(super) fn put<A: AsRef<[u8]>>(
        &mut self,
        request: &Request<'_, A>,
        load: Load,
        append: impl FnOnce(&mut Pipeline, Ticket) -> u64,
        work: impl FnOnce(u64) -> Work<D>,
        destination: D,
    ) -> Result<u64, Error> {
        let timeout = self.core.timeout_of(request);
        self.core.forget_what_changes(request.commands);
        let state = &mut *self.state;
        let ticket = state.requests.reserve();
        let sequence = match self.submission.append(load, |pipeline| append(pipeline, ticket)) {
            Ok(sequence) => sequence,
            Err(error) => {
                state.requests.give_back(ticket);
                return Err(error);
            }
        };
        let pending = Pending {
            responder: Responder::new(ticket.0, destination),
            link: Arc::clone(self.link),
            sequence,
            work: work(sequence),
            timeout: timeout.unwrap_or_default(),
            attempts: None,
            idempotent: request.idempotent,
            dedicated: None,
        };
        state.requests.fill(ticket, pending);
        if let Some(timeout) = timeout {
            let due = match self.due {
                Some((same, due)) if same == timeout => due,
                _ => self.core.clock.due(timeout),
            };
            self.due = Some((timeout, due));
            self.is_earlier |= state.set_deadline(ticket, due);
        }
        self.last = ticket;
        Ok(ticket.0)
    }

    /// Lets the locks go and wakes whoever has something to do now. A lone caller gets the I/O role to write and to
    /// read. From here on the client may be gone.
    #[inline]
    pub(super) fn close(self) -> Option<CallerDriver> {
        let Intake { core, mut state, submission, is_earlier, last, .. } = self;
        let wakeups = Wakeups::new(core, &mut state, submission.end(), last, is_earlier);
        drop(state);
        wakeups.send()
    }
}

/// Requests for one destination that are submitted together: the locks are taken once for many.
pub struct Batch<'a, D: Destination> {
    core: &'a Arc<Core<D>>,
    place: Place<'a>,
    by: Submitter,
    intake: Option<Intake<'a, D>>,
    /// How many more may get in before the locks are let go.
    left: usize,
}

impl<'a, D: Destination> Batch<'a, D> {
    pub(super) fn new(core: &'a Arc<Core<D>>, place: Place<'a>, by: Submitter) -> Batch<'a, D> {
        Batch { core, place, by, intake: None, left: RUN }
    }

    /// As `Client::submit`.
    #[inline]
    pub fn submit<A: AsRef<[u8]>>(&mut self, request: &Request<'_, A>, destination: D) -> Result<u64, Error> {
        let Some((args, most)) = small(self.place, request, self.core.config.max_request_bytes) else {
            self.close();
            return self.core.submit(self.place, request, destination, self.by).map(|(id, _)| id);
        };
        let intake = match &mut self.intake {
            Some(intake) => intake,
            closed => closed.insert(Intake::open(self.core, self.place.link, self.by)?),
        };
        let id = intake.put_small(request, args, most, destination);
        self.left -= 1;
        if self.left == 0 || id.is_err() {
            self.close();
        }
        id
    }

    fn close(&mut self) {
        self.left = RUN;
        // (No batch is a lone caller's.)
        _ = self.intake.take().map(Intake::close);
    }
}

impl<D: Destination> Drop for Batch<'_, D> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<D: Destination> Core<D> {
    /// How long a request may take, in milliseconds.
    #[inline]
    pub(super) fn timeout_of<A>(&self, request: &Request<'_, A>) -> Option<u32> {
        let timeout = match request.timeout {
            Timeout::Default => self.config.command_timeout,
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        };
        timeout.map(in_millis)
    }

    /// A place for a request, if the client is open.
    pub(super) fn reserve(&self, state: &mut State<D>) -> Result<Ticket, Error> {
        match state.phase {
            Phase::Open => Ok(state.requests.reserve()),
            Phase::Closed => Err(closed()),
        }
    }
}
