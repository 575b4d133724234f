//! What all handles of a client share.
//!
//! Locks are taken in this order: state, hub, then what lies below (those of the node, a link's outgoing bytes,
//! scripts, the cache, a queue). A request that its link completes by itself takes none of the first two.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Weak};

use super::cache::Cache;
use super::clock::Clock;
use super::destination::Destination;
use super::hub::Hub;
use super::script::Scripts;
use super::state::StateLock;
use crate::config::Config;
use crate::connection::background_driver::{Hooks, Opening};
use crate::connection::credentials::source::CredentialsSource;
use crate::connection::endpoints::Endpoints;
use crate::connection::link::Link;
use crate::connection::recipient::Recipient;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::runtime::Runtime;
use crate::topology::Topology;
use crate::topology::deferred::Deferred;
use crate::topology::node::Node;

/// The heart of a client.
pub struct Core<D: Destination> {
    pub(super) config: Arc<Config>,
    pub(super) topology: Topology,
    /// Held by whoever submits, or decides, while it is open whether there is a cluster. Taken before all other locks.
    pub(super) undecided: Lock<()>,
    pub(super) state: StateLock<D>,
    pub(super) scripts: Lock<Scripts>,
    pub(super) cache: Option<Arc<Lock<Cache>>>,
    pub(super) clock: Arc<Clock>,
    /// The connection of all subscriptions.
    pub(super) hub: Lock<Weak<Hub<D>>>,
    /// Those of subscriptions that name a node.
    pub(super) routed_hubs: Lock<Vec<Weak<Hub<D>>>>,
    /// User and password of all connections.
    pub(super) credentials: Arc<CredentialsSource>,
    /// Disconnected when every task of this client has ended.
    pub(super) tasks: Lock<Option<Receiver<()>>>,
    /// Completions that were delivered.
    pub(super) delivered: AtomicU64,
    pub(super) settled: Condvar,
    /// As the phase says, without the lock.
    pub(super) closed: AtomicBool,
    /// A task authenticates the connections again when the credentials change.
    pub(super) follows_credentials: AtomicBool,
}

impl<D: Destination> Core<D> {
    /// A client whose tasks hold what is given with it; the timer is still to be started.
    pub(super) fn new(config: Config, hooks: Hooks) -> Result<(Arc<Core<D>>, Sender<()>), Error> {
        config.validate()?;
        if hooks.credentials.is_some() && config.password.is_some() {
            let sentence = "option \"password\" is set, and a credentials callback; one of them has to be left out";
            return Err(Error::new(Status::Config, sentence));
        }
        if hooks.credentials.is_none() && config.sentinel.credentials_callback {
            let sentence = "option \"sentinel_credentials_callback\" is on, and there is no credentials callback";
            return Err(Error::new(Status::Config, sentence));
        }
        let runtime = Runtime::share()?;
        Ok(Core::on(Some(runtime), config, hooks))
    }

    /// The same with this I/O thread; without one, as in tests, no link is ever started.
    pub(super) fn on(runtime: Option<Arc<Runtime>>, config: Config, hooks: Hooks) -> (Arc<Core<D>>, Sender<()>) {
        let (alive, tasks) = mpsc::channel();
        let core = Arc::new_cyclic(|me: &Weak<Core<D>>| {
            let Hooks { dialer, credentials } = hooks;
            let credentials = Arc::new(CredentialsSource::new(&config, credentials));
            let config = Arc::new(config);
            let cache = (config.cache_bytes > 0).then(|| Arc::new(Lock::new(Cache::new(config.cache_bytes))));
            let recipient: Weak<dyn Recipient<Link>> = me.clone();
            let opening = Opening {
                endpoints: Arc::new(Endpoints::configured(&config)),
                config: Arc::clone(&config),
                learnt: Arc::default(),
                credentials: Arc::clone(&credentials),
                identity: Arc::default(),
                dialer,
                recipient,
                alive: alive.clone(),
            };
            let clock: Arc<Clock> = Arc::default();
            let topology = Topology::new(opening, clock.instant_of(0));
            Core {
                config,
                topology,
                undecided: Lock::default(),
                state: StateLock::new(runtime),
                scripts: Lock::default(),
                cache,
                clock,
                hub: Lock::default(),
                routed_hubs: Lock::default(),
                credentials,
                tasks: Lock::new(Some(tasks)),
                delivered: AtomicU64::new(0),
                settled: Condvar::new(),
                closed: AtomicBool::new(false),
                follows_credentials: AtomicBool::new(false),
            }
        });
        (core, alive)
    }

    /// The shared link of a database.
    pub(super) fn link(&self, database: u32) -> Result<Arc<Link>, Error> {
        let mut deferred = Deferred::default();
        let link = self.node().link(database, &mut deferred);
        let runtime = self.state.runtime.lock().clone();
        deferred.run(runtime);
        link
    }

    /// The server or, of a cluster, what is behind the configured endpoints.
    pub(super) fn node(&self) -> &Arc<Node> {
        self.topology.first()
    }

    /// Does something with the I/O thread, unless the client is closed.
    pub(super) fn with_runtime<T>(&self, then: impl FnOnce(&Runtime) -> Result<T, Error>) -> Result<T, Error> {
        self.state.runtime.lock().as_ref().map_or_else(|| Err(closed()), |runtime| then(runtime))
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
