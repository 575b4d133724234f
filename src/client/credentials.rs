//! Keeps the connections of a client authenticated while user and password change: AUTH between the requests of each,
//! and another way for those that cannot take it.
//!
//! Invariant: AUTH never stands before the answer of a command with which the server waits. What is decided of a
//! dedicated connection is done under the lock of the state, so that nobody gets it in between.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use super::core::{Core, closed};
use super::destination::Destination;
use super::hub::Directory;
use crate::connection::credentials::renewal::{News, Step};
use crate::connection::credentials::source::CredentialsSource;
use crate::connection::credentials::{Credentials, Login};
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::recipient::{LinkEvent, Recipient};
use crate::error::{Error, Status};
use crate::runtime::catch_panic;
use crate::topology::deferred::Deferred;

#[cfg(test)]
mod tests;

/// A defect that shows at once again shall not keep the I/O thread busy.
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(100);

/// The task that asks for fresh credentials; it ends when the client is closed, and then drops `_alive`.
async fn keep_fresh(source: Arc<CredentialsSource>, _alive: Sender<()>) {
    while catch_panic(source.keep_fresh()).await.is_err() {
        sleep(PAUSE_AFTER_PANIC).await;
    }
}

/// The task that brings them to the connections; it ends when the client is closed or gone, and then drops `_alive`.
async fn follow<D: Destination>(core: Weak<Core<D>>, source: Arc<CredentialsSource>, _alive: Sender<()>) {
    while catch_panic(authenticate(&core, &source)).await.is_err() {
        sleep(PAUSE_AFTER_PANIC).await;
    }
}

async fn authenticate<D: Destination>(core: &Weak<Core<D>>, source: &CredentialsSource) {
    let mut changed = source.subscribe();
    while !source.has_ended() {
        let Some(core) = core.upgrade() else { return };
        let next = core.authenticate_links();
        drop(core);
        match next {
            None => _ = changed.changed().await,
            Some(at) => tokio::select! {
                () = sleep_until(at.into()) => {}
                _ = changed.changed() => {}
            },
        }
    }
}

impl<D: Destination> Core<D> {
    /// From now on the connections follow the credentials.
    pub(super) fn follow_credentials(self: &Arc<Self>) -> Result<(), Error> {
        let alive = self.node().opening()?.alive;
        self.with_runtime(|runtime| {
            if !self.follows_credentials.swap(true, Ordering::SeqCst) {
                runtime.spawn(keep_fresh(Arc::clone(&self.credentials), alive.clone()));
                runtime.spawn(follow(Arc::downgrade(self), Arc::clone(&self.credentials), alive));
            }
            Ok(())
        })
    }

    /// These are in force from now on.
    pub(super) fn set_credentials(self: &Arc<Self>, credentials: Credentials) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        self.credentials.push(credentials);
        self.follow_credentials()
    }

    /// Tells what became of AUTH, and does what is to be done now; gives when to look again.
    fn authenticate_links(self: &Arc<Self>) -> Option<Instant> {
        let links = self.topology.links();
        for link in &links {
            link.take_login_news().into_iter().for_each(|news| self.tell(link, news));
        }
        let now = Instant::now();
        let current = self.credentials.current()?;
        if let Some(error) = self.credentials.take_failure()
            && let Some(link) = links.first()
        {
            let left = match current.expires.map(|expires| expires.saturating_duration_since(now).as_millis()) {
                Some(left) => format!("what is held is valid for {left} ms more"),
                None => "what is held stays in force".to_string(),
            };
            self.on_event(link, LinkEvent::Warning(Error::new(error.status, format!("{}; {left}", error.message))));
        }
        let next = links.iter().filter_map(|link| match link.login_step(&current, now) {
            Step::Nothing => None,
            Step::At(at) => Some(at),
            Step::Authenticate => self.authenticate_link(link, &current, now),
            Step::Replace => {
                self.replace(link, &current);
                None
            }
        });
        next.min()
    }

    fn tell(&self, link: &Arc<Link>, news: News) {
        let event = match news {
            News::Renewed => LinkEvent::Authenticated,
            News::Refused(words) => {
                let sentence = format!("{}: the credentials were refused: {words}", link.address());
                LinkEvent::AuthenticationRefused(Error::new(Status::Auth, sentence))
            }
        };
        self.on_event(link, event);
    }

    /// Sends AUTH on a connection, or what leads to it; gives when to look again.
    fn authenticate_link(self: &Arc<Self>, link: &Arc<Link>, current: &Login, now: Instant) -> Option<Instant> {
        match link.purpose() {
            Purpose::Dedicated(number) => return self.authenticate_dedicated(number, link, current, now),
            // Under RESP2 it refuses every command that is not about channels.
            Purpose::Subscriptions if link.status().server_info.protocol == 2 => self.succeed(link, current),
            _ => link.renew_login(current, now),
        }
        None
    }

    fn authenticate_dedicated(&self, number: u64, link: &Link, current: &Login, now: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        let node = self.topology.node_of(link);
        let session = node.and_then(|node| node.session_of(number)).and_then(|id| state.sessions.get(id));
        let (is_lease, blocking) = session.map_or((false, None), |session| (session.is_lease(), session.blocking));
        match blocking {
            None => link.renew_login(current, now),
            // A lease stays on its connection: AUTH follows the end of what blocks it.
            Some(_) if is_lease => {}
            Some(ticket) => match link.login().last_call().filter(|last_call| *last_call > now) {
                Some(last_call) => return Some(last_call),
                None => self.interrupt(&mut state, ticket),
            },
        }
        None
    }

    /// What a connection is authenticated with is over, and it took nothing newer.
    fn replace(self: &Arc<Self>, link: &Arc<Link>, current: &Login) {
        match link.purpose() {
            Purpose::Commands(_) | Purpose::Invalidations | Purpose::Monitor => link.reconnect(),
            Purpose::Subscriptions => self.succeed(link, current),
            Purpose::Dedicated(number) => {
                let mut state = self.state.lock();
                let node = self.topology.node_of(link);
                if let Some(node) = node.filter(|node| node.session_of(number).is_none()) {
                    node.remove(number);
                    state.deferred.close(Arc::clone(link));
                }
            }
        }
    }

    /// Lets another connection take the place of one of subscriptions, once it has subscribed to all that this one has.
    fn succeed(&self, link: &Arc<Link>, current: &Login) {
        let routed: Vec<_> = self.routed_hubs.lock().iter().filter_map(Weak::upgrade).collect();
        let shared = self.hub.lock().upgrade();
        let mut deferred = Deferred::default();
        for hub in shared.into_iter().chain(routed) {
            hub.begin_succession(link, current, |server, recipient| {
                self.open(server, Purpose::Subscriptions, recipient, &mut deferred).ok()
            });
        }
        deferred.run(self.state.runtime.lock().clone());
    }

    /// AUTH goes ahead of what is about to be sent on a dedicated connection, if it is to be authenticated again.
    pub(super) fn authenticate_first(&self, link: &Link) {
        if let Some(current) = self.credentials.current() {
            link.renew_login(&current, Instant::now());
        }
    }

    /// The server waits no longer with a command: its connection can be authenticated.
    pub(super) fn note_unblocked(&self) {
        if self.credentials.rotates() {
            self.credentials.wake();
        }
    }
}
