//! The life of a client as its user can watch it: what an event looks like.

use std::sync::Arc;

use crate::connection::link::Link;
use crate::connection::recipient::LinkEvent;
use crate::error::Error;
use crate::protocol::reply::Reply;

/// A map: "event" is "connected", "lost", "unreachable" or "writable"; "address", "database",
/// "purpose" of the connection; "reason" where there is one.
pub fn describe(link: &Arc<Link>, news: &LinkEvent) -> Result<Reply, Error> {
    let (event, reason) = match news {
        LinkEvent::Connected => ("connected", None),
        LinkEvent::Lost(error) => ("lost", Some(error)),
        LinkEvent::Unreachable(error) => ("unreachable", Some(error)),
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
