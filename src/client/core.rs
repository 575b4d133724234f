//! What all handles of a client share.
//!
//! Locks are taken in this order: state, hub, then what lies below (a link's outgoing bytes, scripts, the cache, a
//! queue). A request that its link completes by itself takes none of the first two.

use std::collections::{BTreeSet, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Weak};

use super::backlog::Backlog;
use super::cache::Cache;
use super::clock::Clock;
use super::delayed::Delayed;
use super::destination::Destination;
use super::destination::Outlet;
use super::hub::Hub;
use super::pending::Requests;
use super::rediscovery::Rediscovery;
use super::script::Scripts;
use super::session::Sessions;
use crate::config::Config;
use crate::connection::background_driver::Opening;
use crate::connection::deadline::Deadlines;
use crate::connection::endpoints::Endpoints;
use crate::connection::link::Link;
use crate::connection::quota::Limits;
use crate::connection::recipient::Recipient;
use crate::connection::stream::Dialer;
use crate::connection::unit::Ticket;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::runtime::Runtime;
use crate::topology::standalone::Standalone;

/// Whether requests are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closed,
}

pub(super) struct State<D: Destination> {
    pub(super) requests: Requests<D>,
    pub(super) deadlines: Deadlines,
    pub(super) delayed: BinaryHeap<Delayed>,
    pub(super) phase: Phase,
    /// Who has a dedicated connection, or waits for one.
    pub(super) sessions: Sessions,
    /// What waits for dedicated connections.
    pub(super) backlog: Backlog,
    /// The search for the primary, where a server is none.
    pub(super) rediscovery: Rediscovery,
    /// The requests that hear of events.
    pub(super) listeners: Vec<(Ticket, Outlet<D>)>,
    /// The requests that get messages.
    pub(super) subscriptions: BTreeSet<Ticket>,
    /// The tick at which the timer wakes up.
    pub(super) armed: u64,
    /// Requests that were taken out to be completed.
    pub(super) taken: u64,
}

/// The heart of a client.
pub struct Core<D: Destination> {
    pub(super) config: Arc<Config>,
    pub(super) topology: Standalone,
    pub(super) state: Lock<State<D>>,
    pub(super) scripts: Lock<Scripts>,
    pub(super) cache: Option<Arc<Lock<Cache>>>,
    pub(super) clock: Arc<Clock>,
    pub(super) runtime: Lock<Option<Arc<Runtime>>>,
    /// The connection of all subscriptions.
    pub(super) hub: Lock<Weak<Hub<D>>>,
    /// Disconnected when every task of this client has ended.
    pub(super) tasks: Lock<Option<Receiver<()>>>,
    /// Completions that were delivered.
    pub(super) delivered: AtomicU64,
    pub(super) settled: Condvar,
    /// As the phase says, without the lock.
    pub(super) closed: AtomicBool,
}

impl<D: Destination> Core<D> {
    /// A client whose tasks hold what is given with it; the timer is still to be started.
    pub(super) fn new(config: Config, dialer: Option<Arc<dyn Dialer>>) -> Result<(Arc<Core<D>>, Sender<()>), Error> {
        config.validate()?;
        let runtime = Runtime::share()?;
        let (alive, tasks) = mpsc::channel();
        let core = Arc::new_cyclic(|me: &Weak<Core<D>>| {
            let config = Arc::new(config);
            let limits = Limits { requests: config.max_requests, bytes: config.max_request_bytes };
            let cache = (config.cache_bytes > 0).then(|| Arc::new(Lock::new(Cache::new(config.cache_bytes))));
            let recipient: Weak<dyn Recipient<Link>> = me.clone();
            let opening = Opening {
                endpoints: Arc::new(Endpoints::new(config.endpoints.clone())),
                config: Arc::clone(&config),
                learnt: Arc::default(),
                dialer,
                recipient,
                alive: alive.clone(),
            };
            Core {
                config,
                topology: Standalone::new(opening),
                state: Lock::new(State {
                    requests: Requests::new(),
                    deadlines: Deadlines::default(),
                    delayed: BinaryHeap::new(),
                    phase: Phase::Open,
                    sessions: Sessions::default(),
                    backlog: Backlog::new(limits),
                    rediscovery: Rediscovery::default(),
                    listeners: Vec::new(),
                    subscriptions: BTreeSet::new(),
                    armed: u64::MAX,
                    taken: 0,
                }),
                scripts: Lock::default(),
                cache,
                clock: Arc::default(),
                runtime: Lock::new(Some(runtime)),
                hub: Lock::default(),
                tasks: Lock::new(Some(tasks)),
                delivered: AtomicU64::new(0),
                settled: Condvar::new(),
                closed: AtomicBool::new(false),
            }
        });
        Ok((core, alive))
    }

    /// The shared link of a database.
    pub(super) fn link(&self, database: u32) -> Result<Arc<Link>, Error> {
        self.with_runtime(|runtime| self.topology.link(database, runtime))
    }

    /// Does something with the I/O thread, unless the client is closed.
    pub(super) fn with_runtime<T>(&self, then: impl FnOnce(&Runtime) -> Result<T, Error>) -> Result<T, Error> {
        self.runtime.lock().as_ref().map_or_else(|| Err(closed()), |runtime| then(runtime))
    }
}

/// What a closed client answers.
pub(super) fn closed() -> Error {
    Error::new(Status::Closed, "the client is closed")
}

impl<D: Destination> Drop for Core<D> {
    fn drop(&mut self) {
        self.shut_down();
    }
}
