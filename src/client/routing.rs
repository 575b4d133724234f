//! Which node of a cluster a request is for: that of the slot of its keys, or the one that its route names.
//!
//! Invariant: what a cluster cannot do, or this client not yet on a cluster, is refused before anything is queued, with
//! a sentence that says so.

use std::sync::Arc;

use super::admission::Admission;
use super::core::Core;
use super::destination::Destination;
use super::request::Request;
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
const ANYWHERE: [&str; 8] = ["COMMAND", "ECHO", "INFO", "LOLWUT", "PING", "PUBLISH", "SCRIPT", "TIME"];

/// The slots that a command speaks of.
fn slots<A: AsRef<[u8]>>(args: &[A]) -> impl Iterator<Item = u16> {
    catalog::keys(args).chain(catalog::slot_names(args)).map(slot_of)
}

/// The slot of the first key in these encoded commands.
pub(super) fn slot_of_unit(bytes: &[u8]) -> Option<u16> {
    let commands = command::commands(bytes).filter_map(|range| bytes.get(range));
    commands.map(|encoded| command::decode(encoded).collect::<Vec<&[u8]>>()).find_map(|args| slots(&args).next())
}

/// The one slot of all keys of these commands; `None`: they have no keys. Several are an error.
fn slot_of_request<A: AsRef<[u8]>>(commands: &[&[A]]) -> Result<Option<u16>, Error> {
    let mut found = None;
    for slot in commands.iter().flat_map(|args| slots(args)) {
        let first = *found.get_or_insert(slot);
        if first != slot {
            let sentence = format!(
                "the keys of the request are in the slots {first} and {slot} of the cluster; one request reaches one \
                 slot (what stands in braces in a key, as in {{user1}}.name, alone decides its slot)"
            );
            return Err(Error::new(Status::Argument, sentence));
        }
    }
    Ok(found)
}

/// Whether any node may answer these commands, none of which has a key.
fn may_go_anywhere<A: AsRef<[u8]>>(commands: &[&[A]]) -> Result<(), Error> {
    let name = |args: &&[A]| args.first().map(|name| String::from_utf8_lossy(name.as_ref()).to_ascii_uppercase());
    // A script without keys reads and writes none.
    let is_fine = |name: &String| ANYWHERE.contains(&name.as_str()) || name.starts_with("EVAL");
    match commands.iter().filter_map(name).find(|name| !is_fine(name)) {
        None => Ok(()),
        Some(name) => {
            let sentence = format!(
                "{name} names no key, by which the cluster has its nodes; say which node it is for by a route, \
                 \"random\" or an address"
            );
            Err(Error::new(Status::Argument, sentence))
        }
    }
}

impl<D: Destination> Core<D> {
    /// The link that a request goes to which was submitted to this one; `None`: there is one server, and it stays.
    #[inline]
    pub(super) fn routed<A: AsRef<[u8]>>(
        &self,
        link: &Arc<Link>,
        request: &Request<'_, A>,
    ) -> Result<Option<Arc<Link>>, Error> {
        match self.topology.cluster() {
            None => Ok(None),
            Some(cluster) => self.route(cluster, link, request).map(Some),
        }
    }

    fn route<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        link: &Arc<Link>,
        request: &Request<'_, A>,
    ) -> Result<Arc<Link>, Error> {
        let wrong = |sentence: &str| Err(Error::new(Status::Argument, sentence));
        if link.database() != 0 {
            return wrong("a cluster has the database number 0 only");
        }
        if request.cached && self.cache.is_some() {
            return wrong("there is no cache for a cluster yet");
        }
        let slot = match request.route {
            Route::ByKey => slot_of_request(request.commands)?,
            Route::Random => None,
            Route::Node(text) => return self.link_of_address(cluster, text),
            Route::Primaries | Route::Replicas | Route::All => {
                return wrong("a route to several nodes of a cluster is not supported yet");
            }
        };
        let Some(slot) = slot else {
            if request.route == Route::ByKey {
                may_go_anywhere(request.commands)?;
            }
            return Ok(Self::any_link(cluster, link));
        };
        let mut deferred = Deferred::default();
        let owner = cluster.link_of_slot(slot, &mut deferred);
        self.run(deferred);
        if let Some(owner) = owner? {
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

    /// Refuses what cannot be done with a cluster yet.
    pub(super) fn check_for_cluster(&self, admission: &Admission) -> Result<(), Error> {
        let what = match self.topology.cluster() {
            None => return Ok(()),
            Some(_) if admission.multishot => "a subscription, or MONITOR,",
            Some(_) if admission.dedicated => "a command that waits at the server, or wants a connection of its own,",
            Some(_) => return Ok(()),
        };
        Err(Error::new(Status::Argument, format!("{what} is not supported on a cluster yet")))
    }

    /// Does something with links, with no lock held.
    pub(super) fn run(&self, deferred: Deferred) {
        if !deferred.is_empty() {
            let runtime = self.state.runtime.lock().clone();
            deferred.run(runtime);
        }
    }
}
