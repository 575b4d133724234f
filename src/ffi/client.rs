//! Clients and their views, as handles that are counted.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::boundary::{call, check_generation, check_may_wait, null};
use super::callback::Callbacks;
use super::completion::Target;
use super::config::{ClientDialer, jr_config};
use super::fork;
use super::request::{JR_TIMEOUT_NONE, jr_request, read_request, to_target};
use super::status::jr_status;
use crate::client::Client;
use crate::connection::stream::Dialer;
use crate::connection::submission::Next;
use crate::error::{Error, Status};
use crate::protocol::reply::Node;
use crate::runtime;

/// A client of one server, or a view of it on another database. Any thread, many at once. A handle is cheap.
pub struct jr_client {
    client: Client<Target>,
    shared: Arc<Shared>,
    generation: u32,
    is_view: bool,
    /// A view that was closed; a client knows it by itself.
    closed: AtomicBool,
}

/// What all handles of a client hold together; with the last of them the client ends.
struct Shared {
    root: Client<Target>,
    callbacks: Arc<Callbacks>,
    dialer: Option<Arc<ClientDialer>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.root.shut_down();
    }
}

impl jr_client {
    /// A handle that may be used.
    pub(super) fn check(client: Option<&jr_client>) -> Result<&jr_client, Error> {
        let client = client.ok_or_else(|| null("client"))?;
        check_generation(client.generation)?;
        if client.closed.load(Ordering::Relaxed) {
            return Err(Error::new(Status::Closed, "the view is closed"));
        }
        Ok(client)
    }

    pub(super) fn client(&self) -> &Client<Target> {
        &self.client
    }

    pub(super) fn callbacks(&self) -> &Arc<Callbacks> {
        &self.shared.callbacks
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
        let out = client.ok_or_else(|| null("client"))?;
        let (options, dialer, logger) = match config {
            None => Default::default(),
            Some(config) => (config.config.clone(), config.dialer.clone(), config.logger.clone()),
        };
        let dialer = dialer.map(|dialer| Arc::new(ClientDialer::new(dialer)));
        let has_logger = logger.is_some();
        let callbacks = Callbacks::new(logger);
        let by_user = dialer.clone().map(|dialer| dialer as Arc<dyn Dialer>);
        let root: Client<Target> = if has_logger {
            callbacks.start()?;
            Client::with_listener(options, by_user, Target::Log(Arc::clone(&callbacks)))?
        } else {
            Client::new(options, by_user)?
        };
        let shared = Arc::new(Shared { root: root.clone(), callbacks, dialer });
        let generation = runtime::generation();
        out.write(Box::new(jr_client {
            client: root,
            shared,
            generation,
            is_view: false,
            closed: AtomicBool::new(false),
        }));
        Ok(())
    })
}

/// A view on another database number: a handle of its own that shares everything else, over a connection for that
/// database. Free it with jr_client_free, before or after the client.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_database(
    client: Option<&jr_client>,
    number: u32,
    view: Option<&mut mem::MaybeUninit<Box<jr_client>>>,
) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        let out = view.ok_or_else(|| null("view"))?;
        let (view, shared) = (client.client.database(number)?, Arc::clone(&client.shared));
        let generation = client.generation;
        out.write(Box::new(jr_client {
            client: view,
            shared,
            generation,
            is_view: true,
            closed: AtomicBool::new(false),
        }));
        Ok(())
    })
}

/// Ends a request before its answer: JR_OK means that its completion follows (JR_ERR_CANCELED, or the answer if that was
/// faster), JR_ERR_NOT_FOUND that it was completed already. A command that was sent may still run: see the outcome.
#[unsafe(no_mangle)]
pub extern "C" fn jr_cancel(client: Option<&jr_client>, id: u64) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        if client.client.cancel(id) {
            return Ok(());
        }
        Err(Error::new(Status::NotFound, format!("request {id} is over, or never was")))
    })
}

/// Lets the queue or callback of `target` hear of the life of the connections: a completion with JR_COMPLETION_MORE for
/// each event, whose reply is a map with "event" ("connected", "lost", "unreachable", "writable"), "address",
/// "database", "purpose" (as in jr_client_stats), and "reason" where there is one. It ends with jr_cancel or with the client.
/// `target` has no commands. What happened before is not told: see jr_client_stats. Of events that are not taken in time
/// the oldest are dropped.
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
        let listen = |target, _| Ok((client.client.listen(target)?, Next::Nothing));
        // SAFETY: as above.
        let listening = unsafe { to_target(client, &request, listen) }?;
        if let Some(id) = id {
            *id = listening;
        }
        Ok(())
    })
}

/// The state of the client in numbers: a map with "version", "requests" (accepted and not completed) and "links", an
/// array of maps with "address", "database", "purpose" ("commands", "subscriptions", "invalidations", "monitor"),
/// "connected" (0 or 1), "tracking" (0 or 1: the server tells of changes to what is cached), "protocol", "server", "server_version", "mode", "role", "connection_id", "waiting_requests",
/// "waiting_bytes", "bytes_sent", "bytes_received", "connections", "reconnects", "lone_calls" (written and read on the
/// caller's own thread), "queue_turns" (how often whoever takes from a queue began to write and read), "round_trip_us" (of
/// the last sample) and "error"; and "subscriptions", an array of maps, one for each request that gets messages: "request"
/// (its id), "channels", "unread", "unread_bytes" (in memory), "taken", "dropped" and "gaps" (confirmations with
/// JR_COMPLETION_GAP); and of JR_REQUEST_CACHED "cache_hits", "cache_misses", "cache_evictions" (of answers that made room),
/// "cache_invalidations" (of answers that may be wrong), "cache_entries" and "cache_bytes" (in memory). Keys are added, never changed. The map is yours to free.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_stats(client: Option<&jr_client>, map: Option<&mut *mut Node>) -> jr_status {
    call(|| {
        let client = jr_client::check(client)?;
        let map = map.ok_or_else(|| null("map"))?;
        *map = client.client.stats()?.into_raw();
        Ok(())
    })
}

/// The barrier at the end: accepts nothing more, lets what is under way end for up to `timeout_ms` (JR_TIMEOUT_NONE: as
/// long as it takes), ends the rest with JR_ERR_CLOSED, and waits for a callback that runs. When it returns, no callback
/// of this client runs or will run and its threads are gone. JR_OK, or JR_ERR_TIMEOUT if something had to be ended. The
/// handle must still be freed. On a view it closes that handle only. Not from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn jr_client_close(client: Option<&jr_client>, timeout_ms: u32) -> jr_status {
    call(|| {
        let client = client.ok_or_else(|| null("client"))?;
        check_generation(client.generation)?;
        check_may_wait()?;
        if client.is_view {
            client.closed.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let timeout = (timeout_ms != JR_TIMEOUT_NONE).then(|| Duration::from_millis(timeout_ms.into()));
        let drained = client.client.close(timeout);
        let shared = &client.shared;
        if let Some(dialer) = &shared.dialer {
            dialer.close();
        }
        shared.callbacks.end();
        shared.callbacks.join();
        if drained {
            return Ok(());
        }
        Err(Error::new(Status::Timeout, format!("not everything ended within {timeout_ms} ms; the rest was failed")))
    })
}

/// Gives a handle back. The last one of a client (views included) ends it at once: what is under way gets
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
