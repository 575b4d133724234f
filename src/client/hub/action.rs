//! What follows for requests from what a hub was told: data, to be carried out when no lock is held.

use std::sync::Arc;
use std::time::Duration;

use crate::client::topic::Server;
use crate::connection::link::Link;
use crate::connection::unit::Ticket;
use crate::error::Error;
use crate::topology::deferred::Deferred;

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
    /// No connection to this server could be opened.
    NotOpened(Server, Error),
    /// Nothing more is expected of this connection but the answers that are missing.
    Retired(Arc<Link>),
    /// All connections end, because nobody needs them any more.
    Close,
}

/// What is still to be done when the locks are free. To be given to [`super::Hub::apply`].
#[derive(Default)]
#[must_use]
pub struct Actions {
    /// About requests, in order.
    pub list: Vec<Action>,
    /// About links, before that.
    pub deferred: Deferred,
}

impl Actions {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.deferred.is_empty()
    }

    /// What is to be done after that.
    pub fn append(&mut self, mut later: Actions) {
        self.list.append(&mut later.list);
        self.deferred.append(later.deferred);
    }
}
