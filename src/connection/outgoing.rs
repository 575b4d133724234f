//! The requests that wait and their bytes on the way out, who reads what comes back, and the connection that carries
//! both: under one lock, because whether somebody reads depends on whether something is under way.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answers::Answers;
use super::caller::Follower;
use super::interest::EventInterest;
use super::io_role::{IoRole, RoleChange, Submitter, Writer};
use super::pipeline::Pipeline;
use super::quota::Limits;
use super::requests::Requests;
use super::socket::Connection;
use crate::error::{Error, Status};
use crate::protocol::reply::{Kind, Reply};

/// What is locked together.
pub(super) struct Outgoing {
    pub(super) pipeline: Pipeline,
    /// Those that the link completes by itself.
    pub(super) requests: Requests,
    pub(super) role: IoRole,
    /// Callers who wait while another one reads; some may have their replies by now.
    pub(super) followers: VecDeque<Follower>,
    /// The connection that carries the bytes; what another one brings is not for them.
    pub(super) connection: Option<Arc<Connection>>,
    /// Somebody writes, and will look for more to write before it stops.
    pub(super) writing: bool,
    /// The socket is full: the background must hear of room.
    pub(super) blocked: bool,
    /// There is a connection, and it is that of a [`super::simulated_driver::SimulatedDriver`].
    #[cfg(test)]
    pub(super) is_simulated: bool,
}

impl Outgoing {
    /// Nothing is under way, and there is no connection. `number`: of the link.
    pub(super) fn new(number: u16, limits: Limits) -> Outgoing {
        Outgoing {
            pipeline: Pipeline::new(limits),
            requests: Requests::new(number),
            role: IoRole::new(false),
            followers: VecDeque::new(),
            connection: None,
            writing: false,
            blocked: false,
            #[cfg(test)]
            is_simulated: false,
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        #[cfg(test)]
        if self.is_simulated {
            return true;
        }
        self.connection.is_some()
    }

    /// Whether this connection carries the bytes.
    pub(super) fn belongs_to(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection))
    }

    /// Matches each reply with the unit that waits for it, and completes the requests for which that is all.
    /// `with_request`: see [`Pipeline::answer`].
    pub(super) fn assign(
        &mut self,
        replies: &mut Vec<Reply>,
        answers: &mut Answers,
        with_request: bool,
    ) -> Result<(), Error> {
        for reply in replies.drain(..) {
            match self.pipeline.answer(reply, with_request) {
                Ok(None) => {}
                Ok(Some(answer)) => self.requests.answered(answer, answers),
                Err(reply) if reply.kind() == Kind::Error => {
                    let text = String::from_utf8_lossy(reply.as_bytes());
                    return Err(Error::new(Status::Lost, format!("the server ended the connection: {text}")));
                }
                Err(_) => return Err(Error::new(Status::Protocol, "the server sent a reply that nobody asked for")),
            }
        }
        Ok(())
    }

    /// Whether the takers of a queue still have this I/O role on this connection.
    pub(super) fn is_held_by(&self, number: u64, connection: &Arc<Connection>) -> bool {
        self.role.is_held_by(number) && self.belongs_to(connection)
    }

    /// Somebody submits: who writes it, and whether that is new to the background.
    pub(super) fn submit(&mut self, by: Submitter) -> (Writer, RoleChange) {
        let (role, change) = self.role.submit(by, self.pipeline.under_way());
        self.apply(change);
        (role, change)
    }

    /// Tells the kernel what the background is to hear of. (What goes wrong here goes wrong with the socket, which
    /// whoever reads or writes next will find out.)
    pub(super) fn set_interest(&self) {
        let Some(connection) = &self.connection else { return };
        let interest = match (self.blocked, self.role.is_background()) {
            (true, _) => EventInterest::ReadingAndWriting,
            (false, true) => EventInterest::Reading,
            // Where messages may come, what the background is told of changes with each call.
            (false, false) if self.role.receives_pushes() => EventInterest::Ending,
            (false, false) => EventInterest::Nothing,
        };
        _ = connection.stream.set_interest(interest);
    }

    /// As [`Outgoing::set_interest`], if the I/O role says so.
    pub(super) fn apply(&self, change: RoleChange) {
        if change != RoleChange::Nothing {
            self.set_interest();
        }
    }
}
