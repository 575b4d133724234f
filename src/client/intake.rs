//! Where accepted requests get in. One small command, as nearly all are, waits at its link, which completes it by
//! itself: it takes the lock of the link and no other. What needs more thought waits at the client.
//!
//! Invariant: a request whose units are appended has its place among those that wait before the locks are let go, so
//! that no reply can come before it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::{Core, closed};
use super::destination::{Destination, Responder};
use super::pending::{Pending, Work};
use super::request::{Request, Timeout, in_millis};
use super::state::{Phase, State};
use super::wakeups::Wakeups;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::pipeline::Pipeline;
use crate::connection::quota::Load;
use crate::connection::requests::Waiting;
use crate::connection::submission::Submission;
use crate::connection::unit::{Addressee, Ticket};
use crate::error::{Error, Status};
use crate::protocol::command;

/// The lock of a link, held while small requests get in.
pub(super) struct Intake<'a, D: Destination> {
    core: &'a Core<D>,
    submission: Submission<'a>,
    /// A timeout and the tick at which it passes, so that requests with the same one look at the clock once.
    due: Option<(u32, u64)>,
    /// The timer sleeps for too long.
    is_earlier: bool,
}

impl<'a, D: Destination> Intake<'a, D> {
    /// Takes the lock, if the client and the destination are open.
    #[inline]
    pub(super) fn open(
        core: &'a Core<D>,
        link: &'a Arc<Link>,
        by: Submitter,
        destination: &D,
    ) -> Result<Intake<'a, D>, Error> {
        Intake::of(core, link.submission(by), destination)
    }

    /// The same; `None`: somebody else holds the lock.
    pub(super) fn try_open(
        core: &'a Core<D>,
        link: &'a Arc<Link>,
        by: Submitter,
        destination: &D,
    ) -> Result<Option<Intake<'a, D>>, Error> {
        link.try_submission(by).map(|submission| Intake::of(core, submission, destination)).transpose()
    }

    #[inline]
    fn of(core: &'a Core<D>, submission: Submission<'a>, destination: &D) -> Result<Intake<'a, D>, Error> {
        // Whoever closes one of both takes this lock afterwards, and so finds what gets in now.
        destination.check_open()?;
        match core.closed.load(Ordering::SeqCst) {
            true => Err(closed()),
            false => Ok(Intake { core, submission, due: None, is_earlier: false }),
        }
    }

    /// Whether it is the lock of this link.
    #[inline]
    pub(super) fn is_of(&self, link: &Arc<Link>) -> bool {
        self.submission.is_of(link)
    }

    /// One command of at most `most` encoded bytes, written straight to where it goes; gives its id.
    #[inline]
    pub(super) fn put<A: AsRef<[u8]>>(
        &mut self,
        request: &Request<'_, A>,
        args: &[A],
        most: usize,
        destination: &D,
    ) -> Result<u64, Error> {
        self.core.forget_what_changes(request.commands);
        let append = |pipeline: &mut Pipeline, ticket| {
            pipeline.append(Addressee { ticket, part: 0 }, 1, most, |mut room| {
                command::encode(args, &mut room);
                room
            })
        };
        let timeout = self.core.timeout_of(request);
        let due = timeout.map(|timeout| match self.due {
            Some((same, due)) if same == timeout => due,
            _ => {
                let due = self.core.clock.due(timeout);
                self.due = Some((timeout, due));
                due
            }
        });
        let (user_data, idempotent) = (request.user_data, request.idempotent);
        let waiting = Waiting { sequence: 0, user_data, timeout: timeout.unwrap_or_default(), idempotent };
        let (load, sink) = (Load { requests: 1, bytes: most }, (destination.key(), || destination.sink()));
        let (ticket, is_earlier) = self.submission.put(load, append, waiting, due, sink)?;
        self.is_earlier |= is_earlier;
        Ok(ticket.0)
    }

    /// Lets the lock go and wakes whoever has something to do now; all requests were for `destination`. A lone caller
    /// gets the I/O role to write and to read. From here on the client may be gone.
    #[inline]
    pub(super) fn close(self, destination: &D) -> Option<CallerDriver> {
        self.end(destination).send()
    }

    /// The same, for whoever holds other locks: nobody is woken yet.
    #[inline]
    pub(super) fn end(self, destination: &D) -> Wakeups<D> {
        let Intake { core, submission, is_earlier, .. } = self;
        let timer = is_earlier.then(|| Arc::clone(&core.clock));
        submission.end(|next| Wakeups::new(next, destination, timer))
    }
}

impl<D: Destination> Core<D> {
    /// Appends a request of so many units and bytes that waits at the client; gives its id and, to a lone caller, the
    /// I/O role.
    pub(super) fn put<A: AsRef<[u8]>>(
        &self,
        (link, by): (&Arc<Link>, Submitter),
        request: &Request<'_, A>,
        load: Load,
        append: impl FnOnce(&mut Pipeline, Ticket) -> u64,
        work: impl FnOnce(u64) -> Work<D>,
        destination: &impl Destination,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let timeout = self.timeout_of(request);
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state, destination)?;
        let mut submission = link.submission(by);
        self.forget_what_changes(request.commands);
        let sequence = match submission.append(load, |pipeline| append(pipeline, ticket)) {
            Ok(sequence) => sequence,
            Err(error) => {
                state.requests.give_back(ticket);
                return Err(error);
            }
        };
        let responder = Responder::new(ticket.0, request.user_data, destination);
        let pending = Pending {
            sequence,
            timeout: timeout.unwrap_or_default(),
            idempotent: request.idempotent,
            ..Pending::new(responder, link, work(sequence))
        };
        let due = timeout.map(|timeout| self.clock.due(timeout));
        let timer = state.hold(ticket, pending, due).then(|| Arc::clone(&self.clock));
        let wakeups = submission.end(|next| Wakeups::new(next, destination, timer));
        drop(state);
        Ok((ticket.0, wakeups.send()))
    }

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

    /// A place for a request that waits at the client, if that is open.
    pub(super) fn reserve(&self, state: &mut State<D>, destination: &impl Destination) -> Result<Ticket, Error> {
        // Whoever closes the destination takes the lock of the state afterwards, and so finds what gets in now.
        destination.check_open()?;
        match state.phase {
            Phase::Open => state.requests.reserve().ok_or_else(|| {
                Error::new(Status::Full, format!("{} requests wait at the client already", Ticket::INDICES))
            }),
            Phase::Closed => Err(closed()),
        }
    }
}
