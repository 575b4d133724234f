//! The nodes in statistics, and the one that a key belongs to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{number, text};
use crate::client::core::Core;
use crate::client::destination::Destination;
use crate::connection::link::Link;
use crate::error::Error;
use crate::protocol::reply::Reply;
use crate::protocol::slot::slot_of;
use crate::topology::cluster::slot_map::SlotMap;

#[cfg(test)]
mod tests;

/// As servers say it of themselves.
const ROLES: [&str; 2] = ["master", "replica"];

impl<D: Destination> Core<D> {
    /// An array of maps, one for each node: of a cluster those that its map names.
    pub(super) fn describe_nodes(&self, links: &[Arc<Link>]) -> Result<Reply, Error> {
        let Some(cluster) = self.topology.cluster() else {
            let Some(link) = links.first() else { return Reply::array(Vec::new()) };
            let (address, role) = (link.address(), link.status().server_info.role);
            return Reply::array(vec![describe(&address, (&role, ""), (0, &[]), (None, links))?]);
        };
        let map = cluster.map();
        let ranges = map.ranges();
        let mut nodes = Vec::new();
        for (shard, ranges) in map.shards().iter().zip(&ranges) {
            let (primary, slots) = (shard.primary.to_string(), (usize::from(shard.slots), &ranges[..]));
            nodes.push(describe(&primary, (ROLES[0], ""), slots, (cluster.zone_of(&shard.primary), links))?);
            for replica in &shard.replicas {
                let zone = cluster.zone_of(replica);
                nodes.push(describe(&replica.to_string(), (ROLES[1], &primary), slots, (zone, links))?);
            }
        }
        Reply::array(nodes)
    }

    /// A map: "slot" of a key, "primary" that takes writes to it, and "replicas".
    pub(in crate::client) fn locate(&self, key: &[u8]) -> Result<Reply, Error> {
        let slot = slot_of(key);
        let map = self.topology.cluster().map(|cluster| cluster.map());
        let (primary, replicas) = match &map {
            None => (self.node().any_shared_link().map(|link| link.address()).unwrap_or_default(), Vec::new()),
            Some(map) => of_slot(map, slot),
        };
        let replicas = replicas.iter().map(|replica| Reply::string(replica.as_bytes())).collect();
        Reply::map(vec![
            number("slot", slot.into()),
            text("primary", &primary),
            (Reply::string(b"replicas"), Reply::array(replicas)?),
        ])
    }
}

/// The primary of a slot, if one is known, and its replicas.
fn of_slot(map: &SlotMap, slot: u16) -> (String, Vec<String>) {
    let shard = map.shard_of(slot).and_then(|shard| map.shards().get(shard));
    let of_shard = shard.map(|shard| {
        (shard.primary.to_string(), shard.replicas.iter().map(ToString::to_string).collect::<Vec<String>>())
    });
    of_shard.unwrap_or_default()
}

fn describe(
    address: &str,
    (role, primary): (&str, &str),
    (slots, ranges): (usize, &[(u16, u16)]),
    (told, links): (Option<String>, &[Arc<Link>]),
) -> Result<Reply, Error> {
    let range =
        |(first, last): &(u16, u16)| Reply::array([first, last].map(|slot| Reply::integer((*slot).into())).into());
    let ranges = ranges.iter().map(range).collect::<Result<Vec<_>, Error>>()?;
    let own: Vec<&Arc<Link>> = links.iter().filter(|link| link.address() == address).collect();
    // It tells that itself, or the map does.
    let zone = own.iter().map(|link| link.status().server_info.zone).find(|zone| !zone.is_empty());
    let zone = zone.or(told).unwrap_or_default();
    let round_trips = own.iter().map(|link| link.counters.round_trip.load(Ordering::Relaxed));
    let round_trip = round_trips.filter(|micros| *micros > 0).min().unwrap_or_default();
    Reply::map(vec![
        text("address", address),
        text("role", role),
        text("primary", primary),
        number("slots", slots as u64),
        (Reply::string(b"ranges"), Reply::array(ranges)?),
        text("zone", &zone),
        number("links", own.len() as u64),
        number("round_trip_us", round_trip.into()),
    ])
}
