//! One server, or several endpoints of which the first that answers is used: one node.

use std::sync::Arc;

use super::node::Node;
use super::route::{NO_SLOT, Route};
use crate::connection::background_driver::Opening;
use crate::connection::link::Link;
use crate::error::{Error, Status};

/// The server of a client of one server.
pub struct Standalone {
    node: Arc<Node>,
}

impl Standalone {
    /// No link is opened yet.
    pub fn new(opening: Opening) -> Standalone {
        Standalone { node: Arc::new(Node::new(opening, Arc::default())) }
    }

    /// The one node.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Whether a route leads to the one server; an address that is not configured is an error.
    pub fn serves(&self, route: Route<'_>, link: &Link) -> Result<bool, Error> {
        let text = match route {
            Route::Node(text) => text,
            Route::Slot(None) => return Err(Error::new(Status::Argument, NO_SLOT)),
            route => return Ok(route != Route::Replicas),
        };
        let wanted = Route::address(text)?;
        let connected = link.address();
        if connected == wanted.to_string() {
            return Ok(true);
        }
        Err(Error::new(Status::Argument, format!("route {text:?}: this client is connected to {connected}")))
    }
}
