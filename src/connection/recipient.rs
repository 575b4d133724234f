//! What a link tells the one who gave it requests.

use std::sync::Arc;

use super::answers::Answers;
use super::unit::{Addressee, Lost, Ticket};
use crate::error::Error;
use crate::protocol::reply::Reply;

/// What a link tells of itself.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// Commands can be sent.
    Connected,
    /// The connection is gone; it will be dialled again.
    Lost(Error),
    /// A round of dials failed; it will be dialled again.
    Unreachable(Error),
    /// Something that hinders nothing yet, and will if it stays as it is.
    Warning(Error),
    /// The connection has another user from now on.
    Authenticated,
    /// The server refused another user; the connection keeps the one it has.
    AuthenticationRefused(Error),
    /// There is room again after a request was refused with [`crate::error::Status::Full`].
    Writable,
}

/// The owner of the requests of a link, which is an `L`. Called from whatever thread moves the bytes, never under the
/// outgoing lock.
pub trait Recipient<L>: Send + Sync {
    /// What a read has brought; all of it is taken out.
    fn answered(&self, link: &Arc<L>, answers: &mut Answers);
    /// Messages that answer no command, in order.
    fn on_pushes(&self, link: &Arc<L>, messages: &mut Vec<Reply>);
    /// The connection that told of changes is gone: from here on they go unnoticed.
    fn tracking_ended(&self, link: &Arc<L>);
    /// The connection is gone; of these something was sent, and the last reply did not come.
    fn lost(&self, link: &Arc<L>, lost: Vec<Lost>, why: &Error);
    /// No connection could be made: these were not sent and shall not wait any longer.
    fn unreachable(&self, link: &Arc<L>, waiting: Vec<Addressee>, why: &Error);
    /// The server has not answered for long: whether one of these requests, which came before, has a deadline that is
    /// still to come, or none, and nobody has taken the server's place.
    fn ready_to_wait(&self, link: &Arc<L>, tickets: &[Ticket]) -> bool;
    /// Something happened.
    fn on_event(&self, link: &Arc<L>, news: LinkEvent);
}
