//! A lease: a dedicated connection that one handle has to itself, from its first command until it is freed or lost.
//!
//! Invariant: nothing of a lease is ever sent over a second connection once the server may have run some of it.

use std::sync::Arc;

use super::core::{Core, closed};
use super::destination::Destination;
use super::session::{Kind, Session};
use super::state::Phase;
use crate::error::Error;
use crate::protocol::slot::slot_of;
use crate::topology::node::SessionId;

/// The right to a connection; it ends with this value.
pub struct Lease<D: Destination> {
    core: Arc<Core<D>>,
    session: SessionId,
}

impl<D: Destination> Lease<D> {
    /// Of a connection to a database, which is looked for when the first command comes; in a cluster to the node of
    /// this key, if there is one.
    pub fn new(core: &Arc<Core<D>>, database: u32, key: Option<&[u8]>) -> Result<Lease<D>, Error> {
        let mut state = core.state.lock();
        if state.phase == Phase::Closed {
            return Err(closed());
        }
        let mut session = Session::new(Kind::Lease { open: true }, database);
        session.slot = key.map(slot_of);
        let session = state.sessions.add(session);
        Ok(Lease { core: Arc::clone(core), session })
    }

    /// Who it is among those who have dedicated connections.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Nothing more will be asked of it. What is under way still ends; then somebody else gets the connection or, if it
    /// may be not as it was, it is closed.
    pub fn end(&self) {
        let mut state = self.core.state.lock();
        if let Some(session) = state.sessions.get(self.session) {
            session.end();
            self.core.move_on(&mut state, self.session);
        }
    }
}

impl<D: Destination> Drop for Lease<D> {
    fn drop(&mut self) {
        self.end();
    }
}
