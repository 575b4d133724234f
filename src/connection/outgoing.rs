//! The requests that wait and their bytes on the way out, who reads what comes back, and the connection that carries
//! both: under one lock, because whether somebody reads depends on whether something is under way.

use std::sync::Arc;

use super::answers::Answers;
use super::caller::Follower;
use super::io_control::{Effects, IoControl, Notice, Pending};
use super::io_role::{Submitter, Writer};
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
    /// Who writes and reads.
    pub(super) control: IoControl<Follower>,
    /// The connection that carries the bytes; what another one brings is not for them.
    pub(super) connection: Option<Arc<Connection>>,
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
            control: IoControl::default(),
            connection: None,
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

    /// What the outgoing bytes are in the midst of.
    pub(super) fn pending(&self) -> Pending {
        Pending { in_flight: self.pipeline.is_in_flight(), unsent: self.pipeline.is_unsent() }
    }

    /// Somebody submits: who writes it, and whether the background is to be notified when the lock was let go.
    pub(super) fn submit(&mut self, by: Submitter) -> (Writer, Notice) {
        let (writer, effects) = self.control.submit(by, self.pipeline.under_way());
        (writer, self.set_interest(effects))
    }

    /// Tells the kernel what the background is to hear of; gives what is left to be done. (What goes wrong here goes
    /// wrong with the socket, which whoever reads or writes next will find out.)
    pub(super) fn set_interest(&self, effects: Effects) -> Notice {
        if let (Some(interest), Some(connection)) = (effects.interest, &self.connection) {
            _ = connection.stream.set_interest(interest);
        }
        effects.notify
    }
}
