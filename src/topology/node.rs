//! One server and what belongs to it: one shared link for each database, links on which messages come, a pool of
//! dedicated ones and what waits for those, and what was learnt of it.
//!
//! Invariant: once it is closed no link is opened. The lock of the opening is taken before the others, which are
//! taken one at a time; no link is started or closed under any of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::backlog::Backlog;
use super::deferred::Deferred;
use super::held_scripts::{HeldScripts, Life, ScriptId};
use super::rediscovery::{Advice, Rediscovery};
use crate::connection::background_driver::Opening;
use crate::connection::endpoints::Endpoints;
use crate::connection::link::Link;
use crate::connection::link_number::LinkNumbers;
use crate::connection::pool::{Checkout, Count, Pool};
use crate::connection::purpose::Purpose;
use crate::connection::quota::Limits;
use crate::error::{Error, Status};
use crate::lock::Lock;

#[cfg(test)]
mod tests;

/// Who has a dedicated link, as the owner of the requests names it.
pub type SessionId = u64;

/// One server.
pub struct Node {
    /// Where it is dialled, and no other node.
    endpoints: Arc<Endpoints>,
    numbers: Arc<LinkNumbers>,
    /// `None`: it is closed.
    opening: Lock<Option<Opening>>,
    /// By database.
    shared: Lock<BTreeMap<u32, Arc<Link>>>,
    /// Some may be closed.
    push_links: Lock<Vec<Arc<Link>>>,
    pool: Lock<Pool<Arc<Link>, SessionId>>,
    backlog: Backlog,
    scripts: Lock<HeldScripts>,
    rediscovery: Lock<Rediscovery>,
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Node").finish_non_exhaustive()
    }
}

impl Node {
    /// No link is opened yet. Its links have numbers that those of other nodes of the client have not.
    pub fn new(opening: Opening, numbers: Arc<LinkNumbers>) -> Node {
        let config = &opening.config;
        let limits = Limits { requests: config.max_requests, bytes: config.max_request_bytes };
        Node {
            endpoints: Arc::clone(&opening.endpoints),
            numbers,
            shared: Lock::default(),
            push_links: Lock::default(),
            pool: Lock::new(Pool::new(config.max_connections)),
            backlog: Backlog::new(limits),
            scripts: Lock::default(),
            rediscovery: Lock::default(),
            opening: Lock::new(Some(opening)),
        }
    }

    /// What the numbers of its links come from.
    pub fn numbers(&self) -> &Arc<LinkNumbers> {
        &self.numbers
    }

    /// Whether a link is one of its own.
    pub fn owns(&self, link: &Link) -> bool {
        Arc::ptr_eq(&self.endpoints, link.endpoints())
    }

    /// The shared link of a database, opened if need be; it stays open until [`Node::close`].
    pub fn link(&self, database: u32, deferred: &mut Deferred) -> Result<Arc<Link>, Error> {
        self.while_open(|opening| {
            let mut shared = self.shared.lock();
            if let Some(link) = shared.get(&database) {
                return Ok(Arc::clone(link));
            }
            let number = self.numbers.take()?;
            let link = deferred.open(opening, database, Purpose::Commands(number.number()));
            link.keep_number(number);
            shared.insert(database, Arc::clone(&link));
            Ok(link)
        })?
    }

    /// The shared link of this number.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        self.shared.lock().values().find(|link| link.purpose() == Purpose::Commands(number)).cloned()
    }

    /// The shared link of a database, if there is one.
    pub fn shared_link(&self, database: u32) -> Option<Arc<Link>> {
        self.shared.lock().get(&database).cloned()
    }

    /// A shared link, of whatever database: one that is connected, if any is.
    pub fn any_shared_link(&self) -> Option<Arc<Link>> {
        let shared = self.shared.lock();
        shared.values().find(|link| link.is_connected()).or_else(|| shared.values().next()).cloned()
    }

    /// A dedicated link to a database, or a place in line for one; see [`Node::serve`].
    pub fn check_out(
        &self,
        database: u32,
        session: SessionId,
        deferred: &mut Deferred,
    ) -> Result<Checkout<Arc<Link>>, Error> {
        self.while_open(|opening| {
            let open = |number| deferred.open(opening, database, Purpose::Dedicated(number));
            let given = self.pool.lock().check_out(database, session, open);
            given.evicted.into_iter().for_each(|link| deferred.close(link));
            given.checkout
        })
    }

    /// Gives the first in line a dedicated link, if there is one again; to be called until it gives nothing.
    pub fn serve(&self, deferred: &mut Deferred) -> Option<(SessionId, Arc<Link>)> {
        let served = self.while_open(|opening| {
            let open = |database, number| deferred.open(opening, database, Purpose::Dedicated(number));
            self.pool.lock().serve(open)
        });
        let (session, link, evicted) = served.ok()??;
        evicted.into_iter().for_each(|link| deferred.close(link));
        Some((session, link))
    }

    /// A dedicated link comes back, and can be given to anybody.
    pub fn check_in(&self, number: u64, now: u64) {
        self.pool.lock().check_in(number, now);
    }

    /// A dedicated link has ended or is to be closed; gives whose it was.
    pub fn remove(&self, number: u64) -> Option<SessionId> {
        self.pool.lock().remove(number)
    }

    /// Whose the dedicated link of this number is; `None`: nobody's.
    pub fn session_of(&self, number: u64) -> Option<SessionId> {
        self.pool.lock().session(number).copied()
    }

    /// A session does not wait in line any more.
    pub fn leave(&self, place: u64) {
        self.pool.lock().leave(place);
    }

    /// Takes out every dedicated link that is idle since `since` or longer; they are to be closed.
    pub fn expire(&self, since: u64) -> Vec<Arc<Link>> {
        self.pool.lock().expire(since)
    }

    /// Since when the dedicated link is idle that is so for longest.
    pub fn idle_since(&self) -> Option<u64> {
        self.pool.lock().idle_since()
    }

    /// Whose the dedicated link of this number is, and who waits for one like it.
    pub fn sessions_for(&self, number: u64, database: u32) -> Vec<SessionId> {
        let pool = self.pool.lock();
        pool.session(number).into_iter().chain(pool.line(database)).copied().collect()
    }

    /// How many dedicated links there are.
    pub fn dedicated(&self) -> Count {
        self.pool.lock().count()
    }

    /// Whether something is under way at one of its links, or somebody has a dedicated one or waits for it.
    pub fn is_used(&self) -> bool {
        let Count { in_use, waiting, .. } = self.dedicated();
        in_use + waiting > 0 || self.links().iter().any(|link| link.is_used())
    }

    /// What waits for dedicated links.
    pub fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Whether a script can be sent by its digest on this shared link.
    pub fn holds_script(&self, script: ScriptId, link: &Link) -> bool {
        self.scripts.lock().holds(script, life_of(link))
    }

    /// A script was run on this shared link.
    pub fn learn_script(&self, script: ScriptId, link: &Link) {
        self.scripts.lock().learn(script, life_of(link));
    }

    /// The command that runs this script by its digest is forbidden on this shared link.
    pub fn forbid_script(&self, script: ScriptId, link: &Link) {
        self.scripts.lock().forbid(script, life_of(link));
    }

    /// What a link for messages, which has a recipient of its own, is prepared with; see [`Node::add_push_link`].
    pub fn opening(&self) -> Result<Opening, Error> {
        self.while_open(Opening::clone)
    }

    /// A link for messages, which was prepared, is to be started.
    pub fn add_push_link(&self, link: &Arc<Link>, deferred: &mut Deferred) -> Result<(), Error> {
        self.while_open(|opening| {
            let mut push_links = self.push_links.lock();
            push_links.retain(|link| !link.is_closed());
            push_links.push(Arc::clone(link));
            deferred.start(Arc::clone(link), opening.clone());
        })
    }

    /// Those on which messages come.
    pub fn push_links(&self) -> Vec<Arc<Link>> {
        self.push_links.lock().iter().filter(|link| !link.is_closed()).cloned().collect()
    }

    /// All links: those that everybody shares, those on which messages come, and the dedicated ones.
    pub fn links(&self) -> Vec<Arc<Link>> {
        let mut links: Vec<Arc<Link>> = self.shared.lock().values().cloned().collect();
        links.extend(self.push_links());
        links.extend(self.pool.lock().links().cloned());
        links
    }

    /// A command was refused on this link because the server is no primary: whether to look for a better one.
    pub fn rediscover(&self, link: &Link, now: Instant) -> Advice {
        // Dedicated connections come and go; those that all share tell whether anybody has looked since.
        let shared = self.shared_with(link);
        let counters = shared.as_ref().map_or(&link.counters, |shared| &shared.counters);
        self.rediscovery.lock().on_refusal(counters.connections.load(Ordering::Relaxed), now)
    }

    /// The server behind this link is no primary any more: all connections to it are made anew.
    pub fn reconnect(&self, link: &Link, deferred: &mut Deferred) {
        self.expire(u64::MAX).into_iter().for_each(|link| deferred.close(link));
        link.reconnect();
        if let Some(shared) = self.shared_with(link) {
            shared.reconnect();
        }
    }

    /// The shared link to the database of another link.
    fn shared_with(&self, link: &Link) -> Option<Arc<Link>> {
        if matches!(link.purpose(), Purpose::Commands(_)) { None } else { self.shared_link(link.database()) }
    }

    /// Opens no other link, and its links are to be closed: the node is not needed any more.
    pub fn retire(&self, deferred: &mut Deferred) {
        self.opening.lock().take();
        self.links().into_iter().for_each(|link| deferred.close(link));
        self.shared.lock().clear();
    }

    /// Closes every link and opens no other.
    pub fn close(&self) {
        self.opening.lock().take();
        self.links().iter().for_each(|link| link.close());
        self.pool.lock().clear();
    }

    /// Does something that [`Node::close`] then finds done.
    fn while_open<T>(&self, then: impl FnOnce(&Opening) -> T) -> Result<T, Error> {
        let opening = self.opening.lock();
        opening.as_ref().map(then).ok_or_else(|| Error::new(Status::Closed, "the client is closed"))
    }
}

/// The present connection of a shared link, which is the only one to its database.
fn life_of(link: &Link) -> Life {
    Life { database: link.database(), connections: link.counters.connections.load(Ordering::Relaxed) }
}
