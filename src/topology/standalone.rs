//! One server, or several endpoints of which the first that answers is used: one shared link for each database, links
//! on which messages come, and a pool of dedicated ones.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use super::Route;
use crate::address::Address;
use crate::connection::background_driver::{self, Opening};
use crate::connection::link::Link;
use crate::connection::pool::{Checkout, Pool};
use crate::connection::purpose::Purpose;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::runtime::Runtime;

/// Who has a dedicated link, as the owner of the requests names it.
pub type SessionId = u64;

/// The links of a client of one server.
pub struct Standalone {
    opening: Lock<Option<Opening>>,
    /// By database.
    shared: Lock<BTreeMap<u32, Arc<Link>>>,
    /// Some may be closed.
    push_links: Lock<Vec<Arc<Link>>>,
    pool: Lock<Pool<Arc<Link>, SessionId>>,
}

impl Standalone {
    /// No link is opened yet.
    pub fn new(opening: Opening) -> Standalone {
        let pool = Lock::new(Pool::new(opening.config.max_connections));
        Standalone { opening: Lock::new(Some(opening)), shared: Lock::default(), push_links: Lock::default(), pool }
    }

    /// The shared link of a database, opened if need be; it stays open until [`Standalone::close`].
    pub fn link(&self, database: u32, runtime: &Runtime) -> Result<Arc<Link>, Error> {
        let opening = self.opening.lock();
        let opening = opening.as_ref().ok_or_else(closed)?;
        let mut shared = self.shared.lock();
        if let Some(link) = shared.get(&database) {
            return Ok(Arc::clone(link));
        }
        let number = u16::try_from(shared.len() + 1)
            .map_err(|_| Error::new(Status::Full, format!("{} databases are in use already", shared.len())))?;
        let link = background_driver::open(opening, database, Purpose::Commands(number), runtime);
        shared.insert(database, Arc::clone(&link));
        Ok(link)
    }

    /// The shared link of this number.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        self.shared.lock().values().find(|link| link.purpose() == Purpose::Commands(number)).cloned()
    }

    /// A dedicated link to a database, or a place in line for one; see [`Standalone::serve`].
    pub fn dedicate(&self, database: u32, session: SessionId, runtime: &Runtime) -> Result<Checkout<Arc<Link>>, Error> {
        let opening = self.opening.lock();
        let opening = opening.as_ref().ok_or_else(closed)?;
        let open = |number| self.open(opening, database, number, runtime);
        let given = self.pool.lock().ask(database, session, open);
        given.evicted.inspect(|link| link.close());
        Ok(given.checkout)
    }

    /// Gives the first in line a dedicated link, if there is one again.
    pub fn serve(&self, runtime: &Runtime) -> Option<(SessionId, Arc<Link>)> {
        let opening = self.opening.lock();
        let opening = opening.as_ref()?;
        let open = |database, number| self.open(opening, database, number, runtime);
        let (session, link, evicted) = self.pool.lock().serve(open)?;
        evicted.inspect(|link| link.close());
        Some((session, link))
    }

    fn open(&self, opening: &Opening, database: u32, number: u64, runtime: &Runtime) -> Arc<Link> {
        background_driver::open(opening, database, Purpose::Dedicated(number), runtime)
    }

    /// What a link for messages, which has a recipient of its own, is prepared with; see
    /// [`Standalone::start_push_link`].
    pub fn opening(&self) -> Result<Opening, Error> {
        self.opening.lock().clone().ok_or_else(closed)
    }

    /// Starts a link for messages that was prepared.
    pub fn start_push_link(&self, link: &Arc<Link>, runtime: &Runtime) -> Result<(), Error> {
        let opening = self.opening.lock();
        let opening = opening.as_ref().ok_or_else(closed)?;
        background_driver::start(link, opening, runtime);
        let mut push_links = self.push_links.lock();
        push_links.retain(|link| !link.is_closed());
        push_links.push(Arc::clone(link));
        Ok(())
    }

    /// The dedicated links; what it takes out is to be closed.
    pub fn pool(&self) -> MutexGuard<'_, Pool<Arc<Link>, SessionId>> {
        self.pool.lock()
    }

    /// All links: those that everybody shares, those on which messages come, and the dedicated ones.
    pub fn links(&self) -> Vec<Arc<Link>> {
        let mut links: Vec<Arc<Link>> = self.shared.lock().values().cloned().collect();
        links.extend(self.push_links.lock().iter().filter(|link| !link.is_closed()).cloned());
        links.extend(self.pool.lock().links().cloned());
        links
    }

    /// Closes every link and opens no other.
    pub fn close(&self) {
        self.opening.lock().take();
        self.links().iter().for_each(|link| link.close());
        self.pool.lock().clear();
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

fn closed() -> Error {
    Error::new(Status::Closed, "the client is closed")
}
