//! A cluster as one of its nodes sees it: the answer to CLUSTER SLOTS, under RESP2 and RESP3. Pure.
//!
//! Invariant: what is taken is a map that no hostile server can make larger than its limit of nodes; an answer that
//! contradicts itself is refused as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::redirect;
use super::slot_map::SlotMap;
use crate::address::Address;
use crate::error::{Error, Status};
use crate::protocol::reply::{Kind, Node};
use crate::protocol::slot::SLOTS;

/// Longer names of zones are none.
const LONGEST_ZONE: usize = 256;

/// What a node said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Where the node was asked.
    pub by: Address,
    /// The slots and their shards, in the order of their first slots.
    pub map: SlotMap,
    /// Nodes that it could not tell how to reach. Slots whose primary is one of them have no shard.
    pub left_out: usize,
    /// Where the nodes are, of those that say so (Valkey 9.1 and later).
    pub zones: BTreeMap<Address, String>,
}

/// Slots from the first to the last, and the nodes that serve them.
struct Entry<'a> {
    first: u16,
    last: u16,
    nodes: &'a [Node],
}

/// What is known of one primary.
#[derive(Default)]
struct Found {
    ranges: Vec<(u16, u16)>,
    replicas: BTreeSet<Address>,
}

impl View {
    /// Of the answer to CLUSTER SLOTS of the node that was asked at `asked`; more than `most` nodes are an error.
    pub fn of(reply: &Node, asked: &Address, most: usize) -> Result<View, Error> {
        View::read(reply, asked, most)
            .map_err(|what| Error::new(Status::Protocol, format!("{asked}: the answer to CLUSTER SLOTS {what}")))
    }

    fn read(reply: &Node, asked: &Address, most: usize) -> Result<View, String> {
        if reply.is_error() {
            return Err(format!("is an error: {}", String::from_utf8_lossy(reply.as_bytes())));
        }
        if reply.kind() != Kind::Array {
            return Err("is no list".to_string());
        }
        // No two entries have a slot in common, so that there are not many: more are refused before they are kept.
        if reply.items().len() > SLOTS.into() {
            return Err("has more entries than there are slots".to_string());
        }
        let mut entries = reply.items().iter().map(Entry::of).collect::<Result<Vec<_>, String>>()?;
        entries.sort_by_key(|entry| entry.first);
        let neighbours = entries.iter().zip(entries.iter().skip(1));
        if let Some((_, next)) = neighbours.into_iter().find(|(entry, next)| next.first <= entry.last) {
            return Err(format!("gives slot {} twice", next.first));
        }
        let (mut known, mut left_out, mut zones) = (BTreeSet::new(), 0, BTreeMap::new());
        let mut shards: Vec<Address> = Vec::new();
        let mut found: BTreeMap<Address, Found> = BTreeMap::new();
        for Entry { first, last, nodes } in entries {
            let mut places = Vec::with_capacity(nodes.len().min(most));
            for (index, node) in nodes.iter().enumerate() {
                match address_of(node, asked)? {
                    Some(address) => {
                        known.insert(address.clone());
                        if let Some(zone) = zone_of(node) {
                            zones.insert(address.clone(), zone);
                        }
                        places.push((index, address));
                    }
                    None => left_out += 1,
                }
                if known.len() > most {
                    return Err(format!("names more than {most} nodes (max_nodes)"));
                }
            }
            let mut places = places.into_iter().peekable();
            let Some((_, primary)) = places.next_if(|(index, _)| *index == 0) else { continue };
            let shard = found.entry(primary.clone()).or_insert_with(|| {
                shards.push(primary);
                Found::default()
            });
            shard.ranges.push((first, last));
            shard.replicas.extend(places.map(|(_, address)| address));
        }
        Ok(View { by: asked.clone(), map: map_of(shards, found), left_out, zones })
    }
}

/// A node that is a primary is nobody's replica, and a node follows one primary: the last that names it.
fn map_of(shards: Vec<Address>, mut found: BTreeMap<Address, Found>) -> SlotMap {
    let primaries: BTreeSet<Address> = shards.iter().cloned().collect();
    let mut taken: BTreeSet<Address> = BTreeSet::new();
    let mut map = SlotMap::default();
    for primary in shards {
        let Found { ranges, mut replicas } = found.remove(&primary).unwrap_or_default();
        replicas.retain(|replica| !primaries.contains(replica) && taken.insert(replica.clone()));
        let shard = map.add_shard(primary, replicas);
        ranges.into_iter().for_each(|(first, last)| map.give_free(first, last, shard));
    }
    map
}

impl<'a> Entry<'a> {
    fn of(node: &'a Node) -> Result<Entry<'a>, String> {
        let [first, last, nodes @ ..] = node.items() else { return Err("has an entry without slots".to_string()) };
        let number = |node: &Node| node.to_i64().and_then(|number| u16::try_from(number).ok());
        let slot = |node: &Node| {
            number(node).filter(|slot| *slot < SLOTS).ok_or_else(|| format!("has {node:?} in the place of a slot"))
        };
        let (first, last) = (slot(first)?, slot(last)?);
        if first > last {
            return Err(format!("has slots from {first} down to {last}"));
        }
        if nodes.is_empty() {
            return Err(format!("names no node for slot {first}"));
        }
        Ok(Entry { first, last, nodes })
    }
}

/// Where a node listens: `[host, port, id, metadata]`, of which the last two may be missing.
fn address_of(node: &Node, asked: &Address) -> Result<Option<Address>, String> {
    let wrong = || format!("has a node that cannot be read: {node:?}");
    let [host, port, rest @ ..] = node.items() else { return Err(wrong()) };
    let text = |node: &Node| match node.kind() {
        Kind::String | Kind::Status => std::str::from_utf8(node.as_bytes()).ok().map(str::to_owned),
        Kind::Nil => Some(String::new()),
        _ => None,
    };
    let port = port.to_i64().and_then(|port| u16::try_from(port).ok()).ok_or_else(wrong)?;
    let host = text(host).ok_or_else(wrong)?;
    let host = match rest.get(1).and_then(|metadata| metadata.find(b"ip")).filter(|_| host == "?") {
        Some(ip) => text(ip).filter(|ip| !ip.is_empty()).unwrap_or(host),
        None => host,
    };
    redirect::place_of(&host, port, asked).map_err(|_| wrong())
}

/// In which zone a node is.
fn zone_of(node: &Node) -> Option<String> {
    let zone = node.items().get(3)?.find(b"availability-zone")?;
    let is_name = zone.kind() == Kind::String && (1..=LONGEST_ZONE).contains(&zone.as_bytes().len());
    is_name.then(|| String::from_utf8_lossy(zone.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
