//! The state of a client in numbers. The keys are contract: they are added to, never changed.

mod nodes;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Core;
use super::destination::Destination;
use super::hub::Report;
use super::pending::{Pending, Work};
use crate::connection::link::Link;
use crate::connection::unit::Ticket;
use crate::error::Error;
use crate::protocol::reply::Reply;
use crate::topology::node::Node;

impl<D: Destination> Core<D> {
    /// A map: "version", "requests" (accepted and not completed), "nodes" and "links": arrays of maps, one for each;
    /// "dedicated": a map; "sentinels": an array of maps; "subscriptions": an array of maps, one for each request that
    /// gets messages; and what the cache counts.
    pub(super) fn stats(&self) -> Result<Reply, Error> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let own = self.state.listeners.tickets().len() + state.subscriptions.len() + state.sessions.unblocking();
        let own = own + self.topology.cluster().map_or(0, |cluster| cluster.missing());
        let own = own + self.topology.replicas().missing();
        let requests = state.requests.len() + self.waiting_at_links() - own;
        let mut subscriptions = Vec::new();
        for ticket in &state.subscriptions {
            let Some(Pending { work: Work::Subscription(hub), .. }) = state.requests.get(*ticket) else { continue };
            if let Some(report) = hub.report(*ticket) {
                subscriptions.push(describe_subscription(*ticket, &report)?);
            }
        }
        // (One to a node that has left its cluster is remembered for a while.)
        let links: Vec<_> = self.topology.links().into_iter().filter(|link| !link.is_closed()).collect();
        let nodes = self.describe_nodes(&links)?;
        let links = links.iter().map(describe).collect::<Result<Vec<_>, Error>>()?;
        let cache = self.cache.as_ref().map(|cache| cache.lock().counts()).unwrap_or_default();
        Reply::map(vec![
            text("version", env!("CARGO_PKG_VERSION")),
            number("requests", requests as u64),
            (Reply::string(b"nodes"), nodes),
            (Reply::string(b"links"), Reply::array(links)?),
            (Reply::string(b"dedicated"), describe_dedicated(&self.topology.nodes())?),
            (Reply::string(b"sentinels"), self.describe_sentinels()?),
            (Reply::string(b"subscriptions"), Reply::array(subscriptions)?),
            number("cache_hits", cache.hits),
            number("cache_misses", cache.misses),
            number("cache_evictions", cache.evictions),
            number("cache_invalidations", cache.invalidations),
            number("cache_entries", cache.entries as u64),
            number("cache_bytes", cache.bytes as u64),
        ])
    }

    fn describe_sentinels(&self) -> Result<Reply, Error> {
        let opinions = self.topology.sentinels().map(|sentinels| sentinels.opinions()).unwrap_or_default();
        let maps = opinions.into_iter().map(|(sentinel, opinion)| {
            let (primary, error) = match opinion {
                Ok(primary) => (primary.to_string(), String::new()),
                Err(error) => (String::new(), error),
            };
            Reply::map(vec![text("address", &sentinel.to_string()), text("primary", &primary), text("error", &error)])
        });
        Reply::array(maps.collect::<Result<Vec<_>, Error>>()?)
    }
}

/// Of all nodes together.
fn describe_dedicated(nodes: &[Arc<Node>]) -> Result<Reply, Error> {
    let sum = |of: &dyn Fn(&Node) -> u64| nodes.iter().map(|node| of(node)).sum();
    Reply::map(vec![
        number("in_use", sum(&|node| node.dedicated().in_use as u64)),
        number("idle", sum(&|node| node.dedicated().idle as u64)),
        number("waiting", sum(&|node| node.dedicated().waiting as u64)),
        number("waiting_requests", sum(&|node| node.backlog().load().requests as u64)),
        number("waiting_bytes", sum(&|node| node.backlog().load().bytes as u64)),
        number("connections", sum(&|node| node.dedicated().opened)),
    ])
}

fn describe_subscription(ticket: Ticket, report: &Report) -> Result<Reply, Error> {
    Reply::map(vec![
        number("request", ticket.0),
        number("channels", report.topics as u64),
        number("unread", report.counts.unread as u64),
        number("unread_bytes", report.counts.unread_bytes as u64),
        number("taken", report.counts.taken),
        number("dropped", report.counts.dropped),
        number("gaps", report.gaps),
    ])
}

fn describe(link: &Arc<Link>) -> Result<Reply, Error> {
    let status = link.status();
    let (waiting, bytes) = link.waiting();
    let counters = &link.counters;
    let connections = counters.connections.load(Ordering::Relaxed);
    let error = status.error.map(|error| error.message).unwrap_or_default();
    Reply::map(vec![
        text("address", &status.address),
        number("database", link.database().into()),
        text("purpose", link.purpose().name()),
        number("connected", status.connected.into()),
        number("protocol", status.server_info.protocol.into()),
        text("server", &status.server_info.server),
        text("server_version", &status.server_info.version),
        text("mode", &status.server_info.mode),
        text("role", &status.server_info.role),
        (Reply::string(b"connection_id"), Reply::integer(status.server_info.connection)),
        number("tracking", (status.connected && link.is_tracking()).into()),
        number("waiting_requests", waiting as u64),
        number("waiting_bytes", bytes as u64),
        number("bytes_sent", counters.sent.load(Ordering::Relaxed)),
        number("bytes_received", counters.received.load(Ordering::Relaxed)),
        number("connections", connections),
        number("reconnects", connections.saturating_sub(1)),
        number("lone_calls", counters.lone_calls.load(Ordering::Relaxed)),
        number("queue_turns", counters.queue_turns.load(Ordering::Relaxed)),
        number("round_trip_us", counters.round_trip.load(Ordering::Relaxed).into()),
        text("error", &error),
    ])
}

type Pair = (Reply, Reply);

fn text(key: &str, value: &str) -> Pair {
    (Reply::string(key.as_bytes()), Reply::string(value.as_bytes()))
}

fn number(key: &str, value: u64) -> Pair {
    (Reply::string(key.as_bytes()), Reply::integer(i64::try_from(value).unwrap_or(i64::MAX)))
}
