//! Which node of a cluster a request is for: that of the slot of its keys, or the one that its route names.
//!
//! Invariant: what a cluster cannot do, or this client not yet on a cluster, is refused before anything is queued, with
//! a sentence that says so.

use std::sync::Arc;

use super::admission::Admission;
use super::core::Core;
use super::destination::Destination;
use super::request::{Place, Request, small};
use crate::address::Address;
use crate::connection::link::Link;
use crate::error::{Error, Status};
use crate::protocol::slot::slot_of;
use crate::protocol::{catalog, command};
use crate::topology::Route;
use crate::topology::cluster::Cluster;
use crate::topology::cluster::refresh::Reason;
use crate::topology::deferred::Deferred;

#[cfg(test)]
mod tests;

/// Commands without keys that any node answers as well as another.
const ANYWHERE: [&str; 7] = ["COMMAND", "ECHO", "INFO", "LOLWUT", "PING", "PUBLISH", "TIME"];

/// The slots that a command speaks of.
fn slots<A: AsRef<[u8]>>(args: &[A]) -> impl Iterator<Item = u16> {
    catalog::keys(args).chain(catalog::slot_names(args)).map(slot_of)
}

/// The slot of the first key in these encoded commands.
pub(super) fn slot_of_unit(bytes: &[u8]) -> Option<u16> {
    let commands = command::commands(bytes).filter_map(|range| bytes.get(range));
    commands.map(|encoded| command::decode(encoded).collect::<Vec<&[u8]>>()).find_map(|args| slots(&args).next())
}

/// The slot of a command; `None`: any node may answer it, because it has no key. What has keys in several slots, or
/// would have to go to several nodes, is an error.
fn slot_of_command<A: AsRef<[u8]>>(args: &[A]) -> Result<Option<u16>, Error> {
    let mut slots = slots(args);
    let name = || args.first().map_or_else(String::new, |name| String::from_utf8_lossy(name.as_ref()).to_uppercase());
    let Some(first) = slots.next() else { return may_go_anywhere(&name()).map(|()| None) };
    match slots.find(|slot| *slot != first) {
        None => Ok(Some(first)),
        Some(other) => Err(in_two_slots(&name(), first, other)),
    }
}

/// The one slot of all these commands.
pub(super) fn slot_of_request<A: AsRef<[u8]>>(commands: &[&[A]]) -> Result<Option<u16>, Error> {
    let mut found = None;
    for args in commands {
        match (found, slot_of_command(args)?) {
            (Some(first), Some(slot)) if first != slot => return Err(in_two_slots("the transaction", first, slot)),
            (found_before, slot) => found = found_before.or(slot),
        }
    }
    Ok(found)
}

fn in_two_slots(what: &str, first: u16, other: u16) -> Error {
    let sentence = format!(
        "{what} has keys in the slots {first} and {other} of the cluster, and can reach one only (what stands in \
         braces in a key, as in {{user1}}.name, alone decides its slot)"
    );
    Error::new(Status::Argument, sentence)
}

/// Whether any node may answer a command of this name, which has no key.
fn may_go_anywhere(name: &str) -> Result<(), Error> {
    // A script without keys reads and writes none.
    if ANYWHERE.contains(&name) || name.starts_with("EVAL") {
        return Ok(());
    }
    let sentence = format!(
        "{name} names no key, by which the cluster has its nodes; say which node it is for by a route, \"random\" or \
         an address"
    );
    Err(Error::new(Status::Argument, sentence))
}

fn wrong(sentence: &str) -> Error {
    Error::new(Status::Argument, sentence)
}

impl<D: Destination> Core<D> {
    /// Refuses what cannot be done with a cluster, or not yet.
    pub(super) fn check_for_cluster<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
    ) -> Result<(), Error> {
        if place.link.database() != 0 {
            return Err(wrong("a cluster has the database number 0 only"));
        }
        if request.cached {
            return if self.cache.is_some() { Err(wrong("there is no cache for a cluster yet")) } else { Ok(()) };
        }
        // (Nothing that is small needs more than a link.)
        if small(place, request, self.config.max_request_bytes).is_some() {
            return Ok(());
        }
        let admission = Admission::of(request, place.lease.is_some())?;
        if admission.multishot {
            return Err(wrong("a subscription, or MONITOR, is not supported on a cluster yet"));
        }
        if admission.dedicated {
            let what = "a command that waits at the server, or wants a connection of its own,";
            return Err(wrong(&format!("{what} is not supported on a cluster yet")));
        }
        Ok(())
    }

    /// The link of a cluster that a request goes to which was submitted to this one.
    pub(super) fn route<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        link: &Arc<Link>,
        request: &Request<'_, A>,
    ) -> Result<Arc<Link>, Error> {
        let slot = match request.route {
            Route::ByKey => slot_of_request(request.commands)?,
            Route::Random => None,
            Route::Node(text) => return self.link_of_address(cluster, text),
            Route::Primaries | Route::Replicas | Route::All => {
                return Err(wrong("a route to several nodes of a cluster is not supported yet"));
            }
        };
        match slot {
            Some(slot) => self.link_of_slot(cluster, slot, link),
            None => Ok(Self::any_link(cluster, link)),
        }
    }

    /// The links to which the commands of a pipeline go, one for each; `None`: all to one.
    pub(super) fn links_of_pipeline<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        link: &Arc<Link>,
        request: &Request<'_, A>,
    ) -> Result<Option<Vec<Arc<Link>>>, Error> {
        if request.commands.len() < 2 || request.atomic || request.cached || request.route != Route::ByKey {
            return Ok(None);
        }
        let slots = request.commands.iter().map(|args| slot_of_command(args)).collect::<Result<Vec<_>, Error>>()?;
        let first = slots.iter().flatten().next();
        if slots.iter().flatten().all(|slot| Some(slot) == first) {
            return Ok(None);
        }
        // What has no key goes where the command before it goes.
        let mut last = Self::any_link(cluster, link);
        let links = slots.into_iter().map(|slot| {
            if let Some(slot) = slot {
                last = self.link_of_slot(cluster, slot, link)?;
            }
            Ok(Arc::clone(&last))
        });
        links.collect::<Result<_, Error>>().map(Some)
    }

    /// The link to the owner of a slot; if nobody knows it, that to any node.
    pub(super) fn link_of_slot(&self, cluster: &Cluster, slot: u16, link: &Arc<Link>) -> Result<Arc<Link>, Error> {
        let mut deferred = Deferred::default();
        let owner = self.owner_of_slot(cluster, slot, link, &mut deferred);
        self.run(deferred);
        owner
    }

    /// The same, as far as links are concerned to be started later.
    pub(super) fn owner_of_slot(
        &self,
        cluster: &Cluster,
        slot: u16,
        link: &Arc<Link>,
        deferred: &mut Deferred,
    ) -> Result<Arc<Link>, Error> {
        if let Some(owner) = cluster.link_of_slot(slot, deferred)? {
            return Ok(owner);
        }
        // Another node will know, or will say that nobody does.
        self.note(Reason::Uncovered);
        Ok(Self::any_link(cluster, link))
    }

    fn link_of_address(&self, cluster: &Cluster, text: &str) -> Result<Arc<Link>, Error> {
        let wrong = |why: &str| Error::new(Status::Argument, format!("route {text:?}{why}"));
        let address = Address::parse(text).map_err(|_| wrong(" is neither a word nor an address"))?;
        let mut deferred = Deferred::default();
        let link = cluster.link_of_node(&address, &mut deferred);
        self.run(deferred);
        link.unwrap_or_else(|| Err(wrong(": the cluster has no such node, as far as is known")))
    }

    /// A link to any node; if none can be had, this one.
    fn any_link(cluster: &Cluster, link: &Arc<Link>) -> Arc<Link> {
        let any = cluster.connected_link().or_else(|| cluster.first_link());
        any.unwrap_or_else(|| Arc::clone(link))
    }

    /// The link on which a unit is sent that was sent before, on this one.
    pub(super) fn link_again(&self, link: &Arc<Link>, bytes: &[u8], deferred: &mut Deferred) -> Arc<Link> {
        let Some(cluster) = self.topology.cluster() else { return Arc::clone(link) };
        let owner = slot_of_unit(bytes).map(|slot| cluster.link_of_slot(slot, deferred));
        match owner {
            Some(Ok(Some(owner))) => owner,
            Some(Ok(None)) => {
                self.note(Reason::Uncovered);
                Self::any_link(cluster, link)
            }
            _ if link.is_closed() => Self::any_link(cluster, link),
            _ => Arc::clone(link),
        }
    }

    /// Does something with links, with no lock held.
    pub(super) fn run(&self, deferred: Deferred) {
        if !deferred.is_empty() {
            let runtime = self.state.runtime.lock().clone();
            deferred.run(runtime);
        }
    }
}
