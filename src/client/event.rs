//! The life of a client as its user can watch it: who hears of events, and what an event looks like.
//!
//! Invariant: whoever was removed gets no event any more, so that its final completion is the last.

use std::sync::Arc;

use super::destination::{Destination, Outlet};
use crate::connection::link::Link;
use crate::connection::recipient::LinkEvent;
use crate::connection::unit::Ticket;
use crate::error::Error;
use crate::lock::Lock;
use crate::protocol::reply::Reply;

/// The requests that hear of events.
pub struct Listeners<D>(Lock<Vec<(Ticket, Outlet<D>)>>);

impl<D> Default for Listeners<D> {
    fn default() -> Listeners<D> {
        Listeners(Lock::default())
    }
}

impl<D: Destination> Listeners<D> {
    /// This request hears of events from now on.
    pub fn add(&self, ticket: Ticket, outlet: Outlet<D>) {
        self.0.lock().push((ticket, outlet));
    }

    /// It does not any more.
    pub fn remove(&self, ticket: Ticket) {
        self.0.lock().retain(|(listener, _)| *listener != ticket);
    }

    /// All of them.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.0.lock().iter().map(|(ticket, _)| *ticket).collect()
    }

    /// Something happened. To be called with no lock held.
    pub fn notify(&self, link: &Arc<Link>, event: &LinkEvent) {
        self.tell(|| describe(link, event));
    }

    /// The same of what is described so.
    pub fn tell(&self, describe: impl Fn() -> Result<Reply, Error>) {
        for (_, outlet) in self.0.lock().iter_mut() {
            if let Ok(event) = describe() {
                outlet.put(event, 0);
                outlet.announce();
            }
        }
    }
}

/// A map: "event" is "connected", "lost", "unreachable", "warning", "authenticated", "authentication_refused" or
/// "writable"; "address", "database", "purpose" of the connection; "reason" where there is one.
fn describe(link: &Arc<Link>, news: &LinkEvent) -> Result<Reply, Error> {
    let (event, reason) = match news {
        LinkEvent::Connected => ("connected", None),
        LinkEvent::Lost(error) => ("lost", Some(error)),
        LinkEvent::Unreachable(error) => ("unreachable", Some(error)),
        LinkEvent::Warning(error) => ("warning", Some(error)),
        LinkEvent::Authenticated => ("authenticated", None),
        LinkEvent::AuthenticationRefused(error) => ("authentication_refused", Some(error)),
        LinkEvent::Writable => ("writable", None),
    };
    let mut pairs = vec![
        (Reply::string(b"event"), Reply::string(event.as_bytes())),
        (Reply::string(b"address"), Reply::string(link.address().as_bytes())),
        (Reply::string(b"database"), Reply::integer(i64::from(link.database()))),
        (Reply::string(b"purpose"), Reply::string(link.purpose().name().as_bytes())),
    ];
    if let Some(error) = reason {
        pairs.push((Reply::string(b"reason"), Reply::string(error.message.as_bytes())));
    }
    Reply::map(pairs)
}
