//! Clients and their views, as handles that are counted.

use std::ffi::c_char;
use std::mem;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::boundary::{call, check_generation, check_may_wait, null};
use super::callback::Callbacks;
use super::clients::{self, Cancels};
use super::config::{UserDialer, jr_config};
use super::credentials::{UserCredentials, read_credentials};
use super::fork;
use super::lent::Lent;
use super::request::{JR_TIMEOUT_NONE, jr_bytes, jr_request, read_request};
use super::signals;
use super::status::jr_status;
use super::target::Target;
use super::user::{User, to_target};
use crate::client::Client;
use crate::connection::background_driver::Hooks;
use crate::connection::credentials::CredentialsProvider;
use crate::connection::stream::Dialer;
use crate::error::{Error, Status};
use crate::protocol::reply::Node;
use crate::runtime;

/// A client of one server, a view of it on another database, or a lease of one connection. Any thread, many at once. A
/// handle is cheap.
pub struct jr_client {
    user: User,
    shared: Arc<Shared>,
    generation: u32,
    kind: Kind,
    /// A view or a lease that was closed; a client knows it by itself.
    closed: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    View,
    Lease,
}

/// What all handles of a client hold together; with the last of them the client ends.
struct Shared {
    root: User,
    dialer: Option<Arc<Lent<UserDialer>>>,
    credentials: Option<Arc<Lent<UserCredentials>>>,
}

impl Cancels for Shared {
    fn cancel_all_to(&self, target: &Target) {
        self.root.client.cancel_all_to(target);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.root.client.shut_down();
    }
}

impl jr_client {
    /// A handle that may be used.
    pub(super) fn check(client: Option<&jr_client>) -> Result<&jr_client, Error> {
        let client = client.ok_or_else(|| null("client"))?;
        check_generation(client.generation)?;
        if client.closed.load(Ordering::Relaxed) {
            let what = if client.kind == Kind::Lease { "lease" } else { "view" };
            return Err(Error::new(Status::Closed, format!("the {what} is closed")));
        }
        Ok(client)
    }

    /// Another handle beside this one, of which nothing is used once `make` has begun: who hears of events may free it.
    fn beside(
        &self,
        kind: Kind,
        make: impl FnOnce(&Client<Target>) -> Result<Client<Target>, Error>,
    ) -> Result<Box<jr_client>, Error> {
        let (user, shared, generation) = (self.user.clone(), Arc::clone(&self.shared), self.generation);
        let user = User { client: make(&user.client)?, ..user };
        Ok(Box::new(jr_client { user, shared, generation, kind, closed: AtomicBool::new(false) }))
    }

    pub(super) fn user(&self) -> &User {
        &self.user
    }
}

/// Makes a client: starts dialling and does not wait for it; requests wait for the connection. `config` (NULL: all
/// defaults) may be freed afterwards. Free it with jr_client_free.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_new(
    config: Option<&jr_config>,
    client: Option<&mut mem::MaybeUninit<Box<jr_client>>>,
) -> jr_status {
    call(|| {
        fork::watch();
        signals::keep_off_threads();
        let out = client.ok_or_else(|| null("client"))?;
        let options = config.map(|config| config.config.clone()).unwrap_or_default();
        let logger = config.and_then(|config| config.logger.clone());
        let dialer = config.and_then(|config| config.dialer.clone()).map(|dialer| Arc::new(Lent::new(dialer)));
        let credentials = config.and_then(|config| config.credentials.clone());
        let credentials = credentials.map(|credentials| Arc::new(Lent::new(credentials)));
        let has_logger = logger.is_some();
        let callbacks = Callbacks::new(logger);
        let hooks = Hooks {
            dialer: dialer.clone().map(|dialer| dialer as Arc<dyn Dialer>),
            credentials: credentials.clone().map(|credentials| credentials as Arc<dyn CredentialsProvider>),
        };
        if has_logger {
            callbacks.start()?;
        }
        let listener = has_logger.then(|| Target::Log(Arc::clone(&callbacks)));
        let root: Client<Target> = Client::with_hooks(options, hooks, listener.as_ref())?;
        let user = User { client: root, callbacks };
        let shared = Arc::new(Shared { root: user.clone(), dialer, credentials });
        let known: Weak<Shared> = Arc::downgrade(&shared);
        clients::add(known);
        let generation = runtime::generation();
        out.write(Box::new(jr_client { user, shared, generation, kind: Kind::Client, closed: AtomicBool::new(false) }));
        Ok(())
    })
}

/// A view on another database number: a handle of its own that shares everything else, over a connection for that
/// database (in a cluster one to each node). Free it with jr_client_free, before or after the client. That the server
/// has no such database is told by its requests: JR_ERR_CONNECT, and nothing was run. A cluster has the number 0 only,
/// unless its servers are of Valkey 9 or later and have more by cluster-databases.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_database(
    client: Option<&jr_client>,
    number: u32,
    view: Option<&mut mem::MaybeUninit<Box<jr_client>>>,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        let out = view.ok_or_else(|| null("view"))?;
        out.write(client.beside(Kind::View, |client| client.database(number))?);
        Ok(())
    })
}

/// A handle that has one connection to itself: for WATCH and the commands up to the JR_REQUEST_ATOMIC request that ends
/// it (JR_OK with JR_NIL when a watched key has changed), and for what would change a shared connection (SELECT, CLIENT
/// SETNAME, CLIENT NO-EVICT, CLIENT NO-TOUCH, READONLY). Blocking commands and WAIT may stand alone on it; what is
/// submitted behind one waits for its end. `key` (or NULL) is one of those it will be used for. Does not wait: the
/// first command gets a connection out of those of max_connections, or waits for one, until its deadline.
///
/// In a cluster the connection leads to the node that serves `key` or, without one, the first key of the first command
/// (if that has none either, to any primary). A node that does not serve it any more ends the lease: JR_ERR_LEASE_LOST,
/// JR_OUTCOME_NOT_RUN. Only the first command goes to another node by itself.
///
/// Nothing is sent again on a lease. When its connection is lost, what is under way ends with JR_ERR_LEASE_LOST and
/// JR_OUTCOME_UNKNOWN, and all that comes later, for ever, with JR_ERR_LEASE_LOST and JR_OUTCOME_NOT_RUN: make a new
/// one.
///
/// Free it with jr_client_free, before or after the client. What is under way still ends; then the connection serves
/// others, if it is certain that nothing was left behind on it (what was watched must have ended with an atomic request
/// or UNWATCH), and is closed otherwise.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_lease(
    client: Option<&jr_client>,
    key: Option<&jr_bytes>,
    lease: Option<&mut mem::MaybeUninit<Box<jr_client>>>,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        let out = lease.ok_or_else(|| null("lease"))?;
        if key.is_some_and(|key| (key.data.is_null() && key.len > 0) || key.len > isize::MAX as usize) {
            return Err(null("key.data"));
        }
        let key = key.map(|key| match key.len {
            0 => &[][..],
            // SAFETY: not NULL; the caller promises so many bytes, which stay as they are during the call.
            len => unsafe { slice::from_raw_parts(key.data.cast::<u8>(), len) },
        });
        out.write(client.beside(Kind::Lease, |client| client.lease(key))?);
        Ok(())
    })
}

/// Ends a request before its answer: JR_OK means that its completion follows (JR_ERR_CANCELED, or the answer if that
/// was faster), JR_ERR_NOT_FOUND that it was completed already. A command that was sent may still run: see the outcome.
#[unsafe(no_mangle)]
pub extern "C" fn jr_cancel(client: Option<&jr_client>, id: u64) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?.user.client.clone();
        if client.cancel(id) {
            return Ok(());
        }
        Err(Error::new(Status::NotFound, format!("request {id} is over, or never was")))
    })
}

/// Lets the queue or callback of `target` hear of the life of the connections: a completion with JR_COMPLETION_MORE for
/// each event, whose reply is a map with "event" ("connected", "lost", "unreachable", "warning", "writable",
/// "authenticated": the connection has another user from now on; "authentication_refused": it keeps the one it has),
/// "address", "database", "purpose" (as in jr_client_stats), and "reason" where there is one. With topology=sentinel
/// also "topology": the primary was found; "failover": another server is the primary from now on; both with "address",
/// the latter with "previous"; a "warning" about a sentinel has its "address". Of a cluster, each time a look at its
/// map finds another one, "topology" with "primaries", "replicas" and "slots" (that are served), then for each two
/// nodes "failover" (a replica took over) or "moved", with "address" (who has the slots now), "previous" and "slots".
/// It ends with jr_cancel or with the client. `target` has no commands. What happened before is not told: see
/// jr_client_stats. Of events that are not taken in time the oldest are dropped.
///
/// # Safety
/// As jr_submit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_client_events(
    client: Option<&jr_client>,
    target: *const jr_request,
    id: Option<&mut u64>,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        // SAFETY: the caller's promise is passed on.
        let request = unsafe { read_request(target) }?;
        if request.count != 0 {
            return Err(Error::new(Status::Argument, "a request for events has no commands"));
        }
        if request.flags != 0 || request.subscription != 0 {
            return Err(Error::new(Status::Argument, "a request for events has no flags and no subscription"));
        }
        if request.queue.is_null() && request.callback.is_none() {
            return Err(Error::new(Status::Argument, "a request for events names a queue or a callback"));
        }
        let user = client.user();
        // SAFETY: as above.
        let listening =
            unsafe { to_target(user, &request, |target, _| user.client.listen(target, request.user_data)) }?;
        if let Some(id) = id {
            *id = listening;
        }
        Ok(())
    })
}

/// Brings user (NULL: the default one) and password to a client that runs: for programs that renew them by themselves.
/// From now on they are in force for the client and all its views and leases, until others are brought or a server
/// refuses them; then a credentials callback, if there is one, is asked. Connections follow at once, as
/// jr_config_set_credentials says; this does not wait for it. Both texts are copied. Keep the old user until the events
/// "authenticated" or CLIENT LIST show that nobody needs it. JR_ERR_CLOSED: the client is closed.
///
/// # Safety
/// Both texts end with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_client_set_credentials(
    client: Option<&jr_client>,
    user: *const c_char,
    password: *const c_char,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        // SAFETY: the caller promises C strings.
        let credentials = unsafe { read_credentials(user, password) }?;
        client.user().client.set_credentials(credentials)
    })
}

/// The state of the client in numbers: a map with "version", "requests" (accepted and not completed), "nodes", "links",
/// "dedicated", "sentinels", "subscriptions", and what the cache counts. Keys are added, never changed. The map is
/// yours to free.
///
/// "nodes" are the servers, of a cluster those that its map names: an array of maps with "address", "role" ("master",
/// "replica"; empty: not known), "primary" (whom a replica follows), "slots" (how many it serves, as a primary or as a
/// replica), "ranges" (of them: an array of arrays of the first and the last), "zone" (its availability zone, from
/// Valkey 8.1 on; empty: not known), "links" (connections to it) and "round_trip_us" (the least of theirs; 0: not
/// known). "links" are the connections: an array of maps with "address", "database", "purpose" ("commands": shared by
/// all; "dedicated": of one request or lease alone; "subscriptions", "invalidations", "monitor"), "connected" (0 or
/// 1), "tracking" (0 or 1: the server tells of changes to what is cached), "protocol", "server", "server_version",
/// "mode", "role", "connection_id", "waiting_requests", "waiting_bytes", "bytes_sent", "bytes_received",
/// "connections", "reconnects", "lone_calls" (written and read on the caller's own thread), "queue_turns" (how often
/// whoever takes from a queue, or the thread of the callbacks, began to write and read), "round_trip_us" (of the last
/// sample) and "error". "dedicated" is a map about dedicated connections together: "in_use", "idle", "waiting" (who
/// waits in line for one), "waiting_requests" and "waiting_bytes" (of those who wait), "connections" (opened so far).
/// "sentinels" is an array of maps: "address", "primary" (what it says; empty: nothing), and "error" (why not).
/// "subscriptions" is an array of maps, one for each request that gets messages: "request" (its id), "channels",
/// "unread", "unread_bytes" (in memory), "taken", "dropped" and "gaps" (confirmations with JR_COMPLETION_GAP). Of
/// JR_REQUEST_CACHED: "cache_hits", "cache_misses", "cache_evictions" (of answers that made room),
/// "cache_invalidations" (of answers that may be wrong), "cache_entries" and "cache_bytes" (in memory).
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_stats(client: Option<&jr_client>, map: Option<&mut *mut Node>) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        let map = map.ok_or_else(|| null("map"))?;
        *map = client.user.client.stats()?.into_raw();
        Ok(())
    })
}

/// Where a key is: a map with "slot" (of a cluster), "primary" (the address of the node that takes writes to it, empty
/// if none is known yet) and "replicas" (an array of addresses); where there is one server, that. It is what the client
/// knows at this moment; a command finds its node without that. The map is yours to free.
///
/// # Safety
/// `key->data` leads to `key->len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jr_client_locate(
    client: Option<&jr_client>,
    key: Option<&jr_bytes>,
    map: Option<&mut *mut Node>,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        let key = key.ok_or_else(|| null("key"))?;
        let map = map.ok_or_else(|| null("map"))?;
        if key.len > isize::MAX as usize || (key.data.is_null() && key.len > 0) {
            return Err(Error::new(Status::Argument, "key.data is NULL or key.len is out of range"));
        }
        let key: &[u8] = match key.len {
            0 => &[],
            // SAFETY: not NULL; the caller promises so many bytes.
            len => unsafe { slice::from_raw_parts(key.data.cast(), len) },
        };
        *map = client.user.client.locate(key)?.into_raw();
        Ok(())
    })
}

/// The barrier at the end: accepts nothing more, ends subscriptions, blocking commands and those who hear of events,
/// lets the rest end for up to `timeout_ms` (JR_TIMEOUT_NONE: as long as it takes), ends what is then left with
/// JR_ERR_CLOSED, and waits for a callback that runs. When it returns, no callback of this client runs or will run and
/// its threads are gone. JR_OK, or JR_ERR_TIMEOUT if something had to be ended. The handle must still be freed. On a
/// view or a lease it closes that handle only. Not from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_close(client: Option<&jr_client>, timeout_ms: u32) -> jr_status {
    call(|| {
        let client = client.ok_or_else(|| null("client"))?;
        check_generation(client.generation)?;
        check_may_wait()?;
        if client.kind != Kind::Client {
            client.closed.store(true, Ordering::Relaxed);
            client.user.client.end_lease();
            return Ok(());
        }
        let timeout = (timeout_ms != JR_TIMEOUT_NONE).then(|| Duration::from_millis(timeout_ms.into()));
        // A callback may free the handle meanwhile.
        let (User { client, callbacks }, shared) = (client.user.clone(), Arc::clone(&client.shared));
        let drained = client.close(timeout);
        if let Some(dialer) = &shared.dialer {
            dialer.close();
        }
        if let Some(credentials) = &shared.credentials {
            credentials.close();
        }
        callbacks.end();
        callbacks.join();
        if drained {
            return Ok(());
        }
        Err(Error::new(Status::Timeout, format!("not everything ended within {timeout_ms} ms; the rest was failed")))
    })
}

/// Gives a handle back. The last one of a client (views and leases included) ends it at once: what is under way gets
/// JR_ERR_CLOSED. Never waits, and may be called while requests are under way and from a callback. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_free(client: Option<Box<jr_client>>) {
    call(|| {
        match client {
            // In the child of a fork its sockets are closed already and nothing else of it may be touched.
            Some(client) if check_generation(client.generation).is_err() => mem::forget(client),
            client => drop(client),
        }
        Ok(())
    });
}
