//! What follows when the map of a cluster has changed: connections for messages go elsewhere, and events tell of it.

use super::core::Core;
use super::destination::Destination;
use super::hub::Directory;
use crate::address::Address;
use crate::error::Error;
use crate::protocol::reply::Reply;
use crate::topology::cluster::difference::{News, Transfer};

#[cfg(test)]
mod tests;

impl<D: Destination> Core<D> {
    /// If the map of the cluster has changed, the connections for messages follow it and listeners are told.
    pub(super) fn follow_map(&self) {
        let Some(cluster) = self.topology.cluster().filter(|cluster| cluster.has_changed()) else { return };
        for news in cluster.take_news() {
            self.state.listeners.tell(|| describe(&news));
        }
        let Some(hub) = self.hub.lock().upgrade() else { return };
        if let Some(link) = hub.link_to_any() {
            self.choose_again(&link);
            // Nothing that is published in the cluster comes from there any more.
            if Address::parse(&link.address()).is_ok_and(|address| cluster.has_left(&address)) {
                link.reconnect();
            }
        }
        hub.follow_map(self);
    }
}

/// A map: "event" is "topology" ("primaries", "replicas", and "slots" that are served), or "failover" or "moved" (of so
/// many "slots", to "address" from "previous").
fn describe(news: &News) -> Result<Reply, Error> {
    let text = |key: &str, value: &str| (Reply::string(key.as_bytes()), Reply::string(value.as_bytes()));
    let number = |key: &str, value: usize| {
        (Reply::string(key.as_bytes()), Reply::integer(i64::try_from(value).unwrap_or(i64::MAX)))
    };
    let change = |event: &str, Transfer { from, to, slots }: &Transfer| {
        let (from, to) = (from.to_string(), to.to_string());
        vec![text("event", event), text("address", &to), text("previous", &from), number("slots", *slots)]
    };
    Reply::map(match news {
        News::Map { primaries, replicas, slots } => vec![
            text("event", "topology"),
            number("primaries", *primaries),
            number("replicas", *replicas),
            number("slots", *slots),
        ],
        News::Failover(transfer) => change("failover", transfer),
        News::Moved(transfer) => change("moved", transfer),
    })
}
