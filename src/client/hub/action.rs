//! What follows for requests from what a hub was told: data, to be carried out when no lock is held.

use std::time::Duration;

use crate::connection::unit::Ticket;

/// What is to be done about requests, with no lock held.
#[derive(Debug)]
pub enum Action {
    /// Its deadline is over.
    Started(Ticket),
    /// It is carried out.
    Changed(Ticket, usize),
    /// It ends with the error of the server.
    Refused(Ticket),
    /// What it was for has ended.
    Orphaned(Ticket),
    /// Its reader is too slow.
    Overflowed(Ticket),
    /// The server is to be asked again after a while.
    AskAfter(Duration),
    /// The connection ends, because nobody needs it any more.
    Close,
}

/// What is still to be done when the locks are free. To be given to [`super::Hub::apply`].
#[derive(Debug, Default)]
#[must_use]
pub struct Actions(pub Vec<Action>);
