//! What was asked: requests, their retries, transactions, scripts and subscriptions, and the completions of each. Knows
//! nothing of C, of descriptors or of callbacks.
//!
//! * In: [`request`] is what is asked; `submit` checks it, with `admission`; `plan` lays the bytes out; `intake`
//!   takes the locks and appends, for many at once [`batch`]; `wakeups` calls whoever goes on.
//! * Under way: `core` is what all handles share; `pending` the requests that no link completes by itself, `escalation`
//!   how others become such; `delayed`, `clock` and `timer` their time; `state` all that changes, and its lock; `end`
//!   how they end.
//! * Made of parts: `gather` has the replies of a pipeline, or of what went to several nodes.
//! * Out: `recipient` is told what a link brings; `attempt` decides what happens next, with what `retry`, `script`
//!   and `transaction` know; [`completion`] is the one end of each request, [`destination`] where it goes,
//!   [`mailbox`] where messages wait that more will follow.
//! * On connections of their own: `session` keeps the books, `checkout` is the way in, `dedicated` the flow,
//!   `relocation` how it goes to another node of a cluster (WAIT with `own_writes`), `unblocking` the end of what the
//!   server waits with, by `unblock`; `lease` a whole connection for one user.
//! * In a cluster: `routing` finds the node of a request; `fan_out` says which parts it has for which nodes, by the
//!   `policy` of commands without keys, by how a command can be `split`, and by the cursor of a `scan`; `spread` sends
//!   them, and `merge` is what their answers make up; `redirects` follows what nodes say of each other, `discovery`
//!   asks them for the map. `undecided`: what is submitted before the first server has said that it is one.
//! * `reading`: which requests replicas may answer, and which of them does.
//! * Messages: `subscription`, `topic` and `setbacks` are the machine of what is wanted, `hub` their links and readers,
//!   `directory` where those lead, `map_changes` when that changes, `subscribe` the way in; `event` tells of the life
//!   of connections.
//! * Reads without the server: `cache` keeps answers, `cached` keeps them right.
//! * `failover`: what becomes of requests when sentinels name another server. `credentials`: keeps all connections
//!   authenticated while user and password change.
//! * `stats`: all of it in numbers. `simulation`: all of it under test, without sockets, threads and time; `fixture`:
//!   one client and the servers at its links, for a test to play.

pub mod batch;
pub mod completion;
pub mod destination;
pub mod mailbox;
pub mod request;

mod admission;
mod attempt;
mod cache;
mod cached;
mod checkout;
mod clock;
mod core;
mod credentials;
mod dedicated;
mod delayed;
mod directory;
mod discovery;
mod end;
mod escalation;
mod event;
mod failover;
mod fan_out;
#[cfg(test)]
mod fixture;
mod gather;
mod hub;
mod intake;
mod lease;
mod map_changes;
mod merge;
mod own_writes;
mod pending;
mod plan;
mod policy;
mod reading;
mod recipient;
mod redirects;
mod relocation;
mod retry;
mod routing;
mod scan;
mod script;
mod session;
mod setbacks;
#[cfg(test)]
mod simulation;
mod split;
mod spread;
mod state;
mod stats;
mod submit;
mod subscribe;
mod subscription;
mod timer;
mod topic;
mod transaction;
mod unblock;
mod unblocking;
mod undecided;
mod wakeups;

use std::sync::Arc;
use std::time::Duration;

use self::batch::Batch;
use self::core::Core;
use self::destination::Destination;
use self::lease::Lease;
use self::request::{Place, Request};
use crate::config::Config;
use crate::connection::background_driver::Hooks;
use crate::connection::caller::Caller;
use crate::connection::credentials::Credentials;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::stream::Dialer;
use crate::connection::unit::Ticket;
use crate::error::{Error, Status};
use crate::protocol::reply::Reply;
use crate::topology::cluster::routes::Routes;

/// The heart of a client, with its timer running.
fn start<D: Destination>(config: Config, hooks: Hooks) -> Result<Arc<Core<D>>, Error> {
    let asks = hooks.credentials.is_some();
    let (core, alive) = Core::new(config, hooks)?;
    core.with_runtime(|runtime| {
        runtime.spawn(timer::run(Arc::downgrade(&core), Arc::clone(&core.clock), alive));
        Ok(())
    })?;
    core.follow_sentinels()?;
    if asks {
        core.follow_credentials()?;
    }
    Ok(core)
}

/// A client, a view of it on another database, or a lease of a connection. They share everything but that.
pub struct Client<D: Destination> {
    core: Arc<Core<D>>,
    link: Arc<Link>,
    lease: Option<Arc<Lease<D>>>,
}

impl<D: Destination> Clone for Client<D> {
    fn clone(&self) -> Client<D> {
        Client { core: Arc::clone(&self.core), link: Arc::clone(&self.link), lease: self.lease.clone() }
    }
}

impl<D: Destination> Client<D> {
    /// Starts dialling and does not wait for it.
    pub fn new(config: Config, dialer: Option<Arc<dyn Dialer>>) -> Result<Client<D>, Error> {
        Client::with_hooks(config, Hooks { dialer, credentials: None }, None)
    }

    /// As [`Client::new`], with all that the program may do by itself, and perhaps with a listener that misses nothing:
    /// see [`Client::listen`].
    pub fn with_hooks(config: Config, hooks: Hooks, listener: Option<&D>) -> Result<Client<D>, Error> {
        let database = config.database;
        let core = start(config, hooks)?;
        let link = match listener {
            Some(listener) => core.open_and_listen(database, listener)?,
            None => core.link(database)?,
        };
        Ok(Client { core, link, lease: None })
    }

    /// A view on another database.
    pub fn database(&self, number: u32) -> Result<Client<D>, Error> {
        if self.lease.is_some() {
            let sentence = "a lease has one connection; SELECT changes its database, or lease a view";
            return Err(Error::new(Status::Argument, sentence));
        }
        Ok(Client { core: Arc::clone(&self.core), link: self.core.link(number)?, lease: None })
    }

    /// A handle with a connection to itself. Its first command gets one or waits for one; in a cluster to the node of
    /// this key, if there is one, else of the first key of that command.
    pub fn lease(&self, key: Option<&[u8]>) -> Result<Client<D>, Error> {
        let lease = Lease::new(&self.core, self.link.database(), key)?;
        let (core, link) = (Arc::clone(&self.core), Arc::clone(&self.link));
        Ok(Client { core, link, lease: Some(Arc::new(lease)) })
    }

    /// Gives the connection of a lease back, as soon as what is under way has ended; of others nothing.
    pub fn end_lease(&self) {
        if let Some(lease) = &self.lease {
            lease.end();
        }
    }

    /// Accepts a request: `destination` gets exactly one final completion, with the id that is returned. After an error
    /// nothing was queued and `destination` gets nothing. `by` tells who would read the answer without help: not a
    /// caller, see [`Client::execute`]. The completion may come before this returns, and whoever gets it may drop the
    /// client: nothing of it, nor of `destination`, is used from then on.
    pub fn submit<A: AsRef<[u8]>>(
        &self,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<u64, Error> {
        // By hand, as copying the pair whole makes the processor wait for the two halves that were just written.
        match self.core.submit(self.place(), request, destination, by) {
            Ok((id, _)) => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// As [`Client::submit`], for many requests of one destination; `routes` is what [`Client::routes`] gave a moment
    /// ago. The client must be there until the batch is dropped.
    pub fn batch<'a>(&'a self, routes: Option<&'a Routes>, destination: &'a D, by: Submitter) -> Batch<'a, D> {
        Batch::new(&self.core, self.place(), routes, destination, by)
    }

    /// Where the requests of a batch go in a cluster; `None`: it is none.
    pub fn routes(&self) -> Option<Arc<Routes>> {
        self.core.topology.cluster().map(|cluster| cluster.routes(self.link.database()))
    }

    /// As [`Client::submit`], and waits until `caller` has the completion, which `destination` is to bring there. With
    /// nothing else under way, or a few requests of other callers, this thread writes the request and may read the
    /// answers.
    pub fn execute<A: AsRef<[u8]>>(
        &self,
        request: &Request<'_, A>,
        destination: &D,
        caller: &Arc<impl Caller>,
    ) -> Result<u64, Error> {
        self.core.execute(self.place(), request, destination, caller)
    }

    fn place(&self) -> Place<'_> {
        Place { link: &self.link, lease: self.lease.as_ref().map(|lease| lease.session()) }
    }

    /// `destination` hears of what happens to the connections, until it is cancelled or the client ends.
    pub fn listen(&self, destination: &D, user_data: u64) -> Result<u64, Error> {
        self.core.listen(&self.link, destination, user_data)
    }

    /// Ends a request before its answer: its completion follows. False: there is no such request (any more).
    pub fn cancel(&self, id: u64) -> bool {
        self.core.cancel(Ticket(id))
    }

    /// Ends all requests that have this destination: their completions follow.
    pub fn cancel_all_to(&self, destination: &D) {
        self.core.cancel_all_to(&destination.sink());
    }

    /// Completes a request that was not accepted, for this reason; gives its id.
    pub fn complete_refused<A>(&self, request: &Request<'_, A>, destination: &D, why: &Error) -> Result<u64, Error> {
        self.core.complete_refused(request, destination, why)
    }

    /// Credentials for all connections, from now on: those that there are are authenticated again, without waiting for
    /// it.
    pub fn set_credentials(&self, credentials: Credentials) -> Result<(), Error> {
        self.core.set_credentials(credentials)
    }

    /// The state of the client in numbers.
    pub fn stats(&self) -> Result<Reply, Error> {
        self.core.stats()
    }

    /// Which slot of a cluster a key has, and which nodes serve it.
    pub fn locate(&self, key: &[u8]) -> Result<Reply, Error> {
        self.core.locate(key)
    }

    /// What the client was told.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Accepts nothing more, waits until what is under way has ended, at most `timeout` long, ends the rest, and waits
    /// for the tasks of the client. True: nothing had to be ended. Every view is closed too.
    pub fn close(&self, timeout: Option<Duration>) -> bool {
        self.core.close(timeout)
    }

    /// Ends everything at once, without waiting.
    pub fn shut_down(&self) {
        self.core.shut_down();
    }
}
