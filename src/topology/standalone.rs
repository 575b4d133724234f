//! One server, or several endpoints of which the first that answers is used: one shared link for each database.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Route;
use crate::address::Address;
use crate::connection::driver::{self, Opening};
use crate::connection::link::Link;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::runtime::Runtime;

/// The links of a client of one server.
pub struct Standalone {
    opening: Lock<Option<Opening>>,
    links: Lock<BTreeMap<u32, Arc<Link>>>,
}

impl Standalone {
    /// No link is opened yet.
    pub fn new(opening: Opening) -> Standalone {
        Standalone { opening: Lock::new(Some(opening)), links: Lock::default() }
    }

    /// The shared link of a database, opened if need be; it stays open until [`Standalone::close`].
    pub fn link(&self, database: u32, runtime: &Runtime) -> Result<Arc<Link>, Error> {
        let opening = self.opening()?;
        let mut links = self.links.lock();
        let link = links.entry(database).or_insert_with(|| driver::open(opening, database, runtime));
        Ok(Arc::clone(link))
    }

    /// What a link of its own needs to be opened.
    pub fn opening(&self) -> Result<Opening, Error> {
        self.opening.lock().clone().ok_or_else(|| Error::new(Status::Closed, "the client is closed"))
    }

    /// The links in use.
    pub fn links(&self) -> Vec<Arc<Link>> {
        self.links.lock().values().cloned().collect()
    }

    /// Closes every link and opens no other.
    pub fn close(&self) {
        self.opening.lock().take();
        for link in self.links() {
            link.close();
        }
    }

    /// Whether a route leads to the one server; an address that is not configured is an error.
    pub fn serves(&self, route: Route<'_>, link: &Link) -> Result<bool, Error> {
        let Route::Node(text) = route else { return Ok(route != Route::Replicas) };
        let wanted = Address::parse(text)
            .map_err(|_| Error::new(Status::Argument, format!("route {text:?} is neither a word nor an address")))?;
        let connected = link.address();
        if connected == wanted.to_string() {
            return Ok(true);
        }
        Err(Error::new(Status::Argument, format!("route {text:?}: this client is connected to {connected}")))
    }
}
