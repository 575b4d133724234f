//! Of which parts the commands of a request consist, and to which node of a cluster each goes: a command goes whole to
//! one, whole to several, or is split. Pure.
//!
//! Invariant: what no node can answer is an error, before anything is sent.

use std::borrow::Cow;

use super::gather::Bound;
use super::merge::Merge;
use super::policy::{Nodes, Policy};
use super::scan::{Cursor, Step};
use super::split::Split;
use crate::address::Address;
use crate::error::{Error, Status};
use crate::protocol::slot::{SLOTS, slot_of};
use crate::protocol::{catalog, command};
use crate::topology::Route;
use crate::topology::cluster::slot_map::SlotMap;

#[cfg(test)]
mod tests;

/// To which node a part goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// To any.
    Any,
    /// To the primary of the slot of its keys.
    Keys(u16),
    /// To the primary of this slot, though it has no key there.
    Slot(u16),
    /// To this one and no other.
    Node(Address),
}

/// A command that goes to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its arguments.
    pub args: Vec<Cow<'a, [u8]>>,
    /// Where it goes.
    pub to: To,
}

/// A request for several nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOut<'a> {
    /// What is sent.
    pub parts: Vec<Part<'a>>,
    /// What the answers make up.
    pub merge: Merge,
}

/// A request that waits for the map, or for what the servers say of themselves.
#[derive(Debug)]
pub struct Held {
    /// Its commands.
    pub commands: Vec<Vec<Vec<u8>>>,
    /// As its user wrote it; `None`: by keys and policies.
    pub route: Option<String>,
}

impl Held {
    /// These commands.
    pub fn new<A: AsRef<[u8]>>(commands: &[&[A]], route: Route<'_>) -> Held {
        let words = |args: &&[A]| args.iter().map(|word| word.as_ref().to_vec()).collect();
        Held { commands: commands.iter().map(words).collect(), route: route.to_text() }
    }

    /// Where it goes.
    pub fn route(&self) -> Route<'_> {
        self.route.as_deref().map_or(Route::ByKey, Route::parse)
    }
}

/// Why a command has no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// Its keys are in these two slots.
    Two(u16, u16),
    /// It has no key, and not any node is as good as another.
    NoKey,
}

impl NoSlot {
    /// The error of a command that can be sent in no other way.
    pub fn error<A: AsRef<[u8]>>(self, args: &[A]) -> Error {
        let name = args.first().map_or_else(String::new, |name| String::from_utf8_lossy(name.as_ref()).to_uppercase());
        match self {
            NoSlot::Two(first, other) => in_two_slots(&name, first, other),
            NoSlot::NoKey => wrong(&format!(
                "{name} names no key, by which the cluster has its nodes; say which node it is for by a route, \
                 \"random\" or an address"
            )),
        }
    }
}

fn wrong(sentence: &str) -> Error {
    Error::new(Status::Argument, sentence)
}

/// The error of what would have to be in one slot.
pub fn in_two_slots(what: &str, first: u16, other: u16) -> Error {
    wrong(&format!(
        "{what} has keys in the slots {first} and {other} of the cluster, and can reach one only (what stands in \
         braces in a key, as in {{user1}}.name, alone decides its slot)"
    ))
}

/// The slots that a command speaks of.
pub(super) fn slots<A: AsRef<[u8]>>(args: &[A]) -> impl Iterator<Item = u16> {
    catalog::slotted(args).map(slot_of)
}

/// The slot of the first key in these encoded commands.
pub fn slot_of_unit(bytes: &[u8]) -> Option<u16> {
    let commands = command::commands(bytes).filter_map(|range| bytes.get(range));
    commands.map(|encoded| command::decode(encoded).collect::<Vec<&[u8]>>()).find_map(|args| slots(&args).next())
}

/// The slot of a command; `None`: any node may answer it, because it has no key.
#[inline]
pub fn slot_of_command<A: AsRef<[u8]>>(args: &[A]) -> Result<Option<u16>, NoSlot> {
    // Nearly all are like this.
    match catalog::only_key(args) {
        Some(key) => Ok(Some(slot_of(key))),
        None => slot_of_keys(args),
    }
}

fn slot_of_keys<A: AsRef<[u8]>>(args: &[A]) -> Result<Option<u16>, NoSlot> {
    let mut slots = slots(args);
    match slots.next() {
        None if Policy::of(args).is_some_and(|policy| policy.nodes == Nodes::One) => Ok(None),
        None => Err(NoSlot::NoKey),
        Some(first) => match slots.find(|slot| *slot != first) {
            None => Ok(Some(first)),
            Some(other) => Err(NoSlot::Two(first, other)),
        },
    }
}

impl Part<'_> {
    /// Where it goes when it is sent again.
    pub fn bound(&self) -> Bound {
        match self.to {
            To::Any | To::Keys(_) => Bound::Keys,
            To::Slot(slot) => Bound::Slot(slot),
            To::Node(_) => Bound::Node,
        }
    }
}

impl<'a> FanOut<'a> {
    /// Of these commands, each by its keys or its policy, or of one to the nodes of a route; `None`: it takes the map
    /// to say.
    pub fn of<A: AsRef<[u8]>>(
        commands: &'a [&'a [A]],
        route: Route<'_>,
        map: Option<&SlotMap>,
    ) -> Result<Option<FanOut<'a>>, Error> {
        let (mut parts, mut members, mut is_known) = (Vec::new(), Vec::new(), true);
        for args in commands {
            let found = if route.is_several() { to_route(args, route, map) } else { member(args, map)? };
            let Some(FanOut { parts: mut more, merge }) = found else {
                is_known = false;
                continue;
            };
            members.push((more.len(), merge));
            parts.append(&mut more);
        }
        let merge = match members.len() {
            1 => members.swap_remove(0).1,
            _ => Merge::Pipeline(members),
        };
        Ok(is_known.then_some(FanOut { parts, merge }))
    }

    /// Of these commands, which all go to the node that their user has named, or to the one that there is.
    pub fn whole<A: AsRef<[u8]>>(commands: &'a [&'a [A]], route: Route<'_>, address: String) -> FanOut<'a> {
        let merge = match commands {
            _ if route.is_several() => Merge::ByAddress(vec![address]),
            [_] => Merge::Same,
            _ => Merge::List,
        };
        FanOut { parts: commands.iter().map(|args| whole(args, To::Any)).collect(), merge }
    }
}

fn whole<'a, A: AsRef<[u8]>>(args: &'a [A], to: To) -> Part<'a> {
    Part { args: args.iter().map(|arg| Cow::Borrowed(arg.as_ref())).collect(), to }
}

/// One command to the nodes that its user names.
fn to_route<'a, A: AsRef<[u8]>>(args: &'a [A], route: Route<'_>, map: Option<&SlotMap>) -> Option<FanOut<'a>> {
    let addresses = addresses(route, map?);
    let merge = Merge::ByAddress(addresses.iter().map(Address::to_string).collect());
    let parts = addresses.into_iter().map(|address| whole(args, To::Node(address)));
    Some(FanOut { parts: parts.collect(), merge })
}

/// The primaries first.
fn addresses(route: Route<'_>, map: &SlotMap) -> Vec<Address> {
    let shards = map.shards_from(0);
    let primaries = shards.iter().map(|(_, shard)| shard.primary.clone());
    let replicas = shards.iter().flat_map(|(_, shard)| shard.replicas.iter().cloned());
    match route {
        Route::Primaries => primaries.collect(),
        Route::Replicas => replicas.collect(),
        _ => primaries.chain(replicas).collect(),
    }
}

/// One command by its keys or its policy.
fn member<'a, A: AsRef<[u8]>>(args: &'a [A], map: Option<&SlotMap>) -> Result<Option<FanOut<'a>>, Error> {
    let one = |to: To| Ok(Some(FanOut { parts: vec![whole(args, to)], merge: Merge::Same }));
    let why = match slot_of_command(args) {
        Ok(Some(slot)) => return one(To::Keys(slot)),
        Ok(None) => return one(To::Any),
        Err(why) => why,
    };
    if let Some(Split { parts, merge }) = Split::of(args) {
        let parts = parts.into_iter().map(|(slot, args)| Part { args, to: To::Keys(slot) });
        return Ok(Some(FanOut { parts: parts.collect(), merge }));
    }
    let policy = Policy::of(args).filter(|_| why == NoSlot::NoKey).ok_or_else(|| why.error(args))?;
    let several = |parts: Vec<Part<'a>>| match parts.is_empty() {
        true => Err(Error::new(Status::Connect, "the cluster has no primary, as far as is known")),
        false => Ok(Some(FanOut { parts, merge: policy.merge.clone() })),
    };
    match (policy.nodes, map) {
        (Nodes::One, _) => one(To::Any),
        (Nodes::SlotAt(place), _) => one(slot_at(args, place).map_or(To::Any, To::Slot)),
        (Nodes::InTurn, map) => scan(args, map),
        (_, None) => Ok(None),
        // Whoever has the slots by then, as all primaries together have all of them.
        (Nodes::Primaries, Some(map)) => {
            several(map.shards_from(0).into_iter().map(|(first, _)| whole(args, To::Slot(first))).collect())
        }
        (Nodes::All, Some(map)) => {
            several(addresses(Route::All, map).into_iter().map(|address| whole(args, To::Node(address))).collect())
        }
    }
}

/// The number of a slot in this argument; `None`: it is none, which a server will say.
fn slot_at<A: AsRef<[u8]>>(args: &[A], place: usize) -> Option<u16> {
    let text = std::str::from_utf8(args.get(place)?.as_ref()).ok()?;
    text.parse().ok().filter(|slot| *slot < SLOTS)
}

/// SCAN, to the node that its cursor tells.
fn scan<'a, A: AsRef<[u8]>>(args: &'a [A], map: Option<&SlotMap>) -> Result<Option<FanOut<'a>>, Error> {
    let Some(cursor) = args.get(1) else {
        return Ok(Some(FanOut { parts: vec![whole(args, To::Any)], merge: Merge::Same }));
    };
    let cursor = Cursor::parse(cursor.as_ref()).ok_or_else(|| {
        wrong("SCAN over a cluster begins with the cursor 0 and goes on with the text that its answer has as cursor")
    })?;
    let Some(map) = map else { return Ok(None) };
    let (step, address) = Step::of(cursor, map)
        .ok_or_else(|| Error::new(Status::Connect, "no node serves what is left to scan, as far as is known"))?;
    let mut part = whole(args, To::Node(address));
    if let Some(place) = part.args.get_mut(1) {
        *place = Cow::Owned(step.node.to_string().into_bytes());
    }
    Ok(Some(FanOut { parts: vec![part], merge: Merge::Scan(Box::new(step)) }))
}
