//! Which node of a cluster a request is for: that of the slot of its keys, or the one that its route names.
//!
//! Invariant: what a cluster cannot do, or this client not yet on a cluster, is refused before anything is queued, with
//! a sentence that says so.

use std::sync::Arc;

use super::admission::Admission;
use super::core::Core;
use super::destination::Destination;
use super::fan_out::{NoSlot, Part, To, in_two_slots, slot_of_command, slot_of_unit, slots};
use super::gather::Bound;
use super::request::{Place, Request, small};
use crate::address::Address;
use crate::connection::link::Link;
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, Handling};
use crate::protocol::slot::{SLOTS, slot_of};
use crate::topology::Route;
use crate::topology::cluster::Cluster;
use crate::topology::cluster::refresh::Reason;
use crate::topology::deferred::Deferred;
use crate::topology::node::SessionId;
use crate::topology::route::NO_SLOT;

#[cfg(test)]
mod tests;

/// The one slot of all these commands.
pub(super) fn slot_of_request<A: AsRef<[u8]>>(commands: &[&[A]]) -> Result<Option<u16>, Error> {
    let mut found = None;
    for args in commands {
        match (found, slot_of_command(args).map_err(|why| why.error(args))?) {
            (Some(first), Some(slot)) if first != slot => return Err(in_two_slots("the transaction", first, slot)),
            (found_before, slot) => found = found_before.or(slot),
        }
    }
    Ok(found)
}

/// The one slot of all these commands, which go to one node whatever else they are; `None`: any node may run them.
fn slot_of_whole<A: AsRef<[u8]>>(commands: &[&[A]]) -> Result<Option<u16>, Error> {
    let mut all = commands.iter().flat_map(|args| slots(args));
    let Some(first) = all.next() else {
        let ordinary = commands.iter().filter(|args| catalog::handling(args) != Handling::OwnWrites);
        let mut slots = ordinary.map(|args| slot_of_command(args).map_err(|why| why.error(args)));
        return slots.try_for_each(|slot| slot.map(drop)).map(|()| None);
    };
    match all.find(|slot| *slot != first) {
        None => Ok(Some(first)),
        Some(other) => Err(in_two_slots("what goes on one connection", first, other)),
    }
}

/// Why the commands of a pipeline have no links, one for each.
pub(super) enum NotWhole {
    /// One of them is for several nodes, or for none.
    Several,
    /// There is no link to a node.
    Failed(Error),
}

/// The error of a route to a node that is not there.
pub(super) fn no_such_node(route: &str) -> Error {
    wrong(&format!("route {route:?}: the cluster has no such node, as far as is known"))
}

fn wrong(sentence: &str) -> Error {
    Error::new(Status::Argument, sentence)
}

impl<D: Destination> Core<D> {
    /// Refuses what cannot be done with a cluster, or not yet. True: it gets many answers, or changes what does.
    pub(super) fn check_for_cluster<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
    ) -> Result<bool, Error> {
        // (Nothing that is small needs more than a link.)
        if small(place, request, self.config.max_request_bytes).is_some() {
            return Ok(false);
        }
        let admission = Admission::of(request, place.lease.is_some())?;
        Ok(admission.multishot)
    }

    /// The link to the node that has a dedicated connection for a request; `None`: it needs none.
    pub(super) fn link_for_dedicated<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        place: Place<'_>,
        request: &Request<'_, A>,
    ) -> Result<Option<Arc<Link>>, Error> {
        let link = place.link;
        if request.cached || small(place, request, self.config.max_request_bytes).is_some() {
            return Ok(None);
        }
        if let Some(lease) = place.lease {
            return self.link_of_lease(cluster, lease, link, request).map(Some);
        }
        if !Admission::of(request, false)?.dedicated {
            return Ok(None);
        }
        match request.route {
            Route::ByKey => match slot_of_whole(request.commands)? {
                Some(slot) => self.link_of_slot(cluster, slot, link).map(Some),
                None => Ok(Some(Self::any_link(cluster, link))),
            },
            _ => self.route(cluster, link, request).map(Some),
        }
    }

    /// The link to the node of a lease: that of its key, else that of its first request.
    fn link_of_lease<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        lease: SessionId,
        link: &Arc<Link>,
        request: &Request<'_, A>,
    ) -> Result<Arc<Link>, Error> {
        let mut state = self.state.lock();
        let Some(session) = state.sessions.get(lease) else { return Ok(Arc::clone(link)) };
        if let Some(link) = session.node.as_ref().and_then(|node| node.shared_link(link.database())) {
            return Ok(link);
        }
        // (Its first command need not be about its key, and could not tell that this is not the node.)
        session.awaits_map = session.slot.is_some_and(|slot| !cluster.knows(slot));
        let slot = session.slot;
        drop(state);
        let slot = slot.or_else(|| request.commands.iter().find_map(|args| slots(args).next()));
        let any = || fastrand::u16(..SLOTS);
        self.link_of_slot(cluster, slot.unwrap_or_else(any), link)
    }

    /// The link of a cluster that a request goes to which was submitted to this one.
    pub(super) fn route<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        link: &Arc<Link>,
        request: &Request<'_, A>,
    ) -> Result<Arc<Link>, Error> {
        let mut deferred = Deferred::default();
        let by_key = || slot_of_request(request.commands);
        let found = self.link_of_route(cluster, link, (request.route, &by_key), &mut deferred);
        self.run(deferred);
        found
    }

    /// The link to the one node to which a route leads; `by_key`: the slot of the keys, if it goes by these.
    pub(super) fn link_of_route(
        &self,
        cluster: &Cluster,
        link: &Arc<Link>,
        (route, by_key): (Route<'_>, &dyn Fn() -> Result<Option<u16>, Error>),
        deferred: &mut Deferred,
    ) -> Result<Arc<Link>, Error> {
        let slot = match route {
            Route::ByKey => by_key()?,
            Route::Random => None,
            Route::Node(text) => {
                let found = cluster.link_of_node(&Route::address(text)?, link.database(), deferred);
                return found.unwrap_or_else(|| Err(no_such_node(text)));
            }
            Route::Slot(slot) => Some(slot.ok_or_else(|| wrong(NO_SLOT))?),
            Route::Key(key) => Some(slot_of(key.as_bytes())),
            Route::Primaries | Route::Replicas | Route::All => {
                return Err(wrong("a route to several nodes takes one command at a time"));
            }
        };
        match slot {
            Some(slot) => self.owner_of_slot(cluster, slot, link, deferred),
            None => Ok(Self::any_link(cluster, link)),
        }
    }

    /// The link to the owner of a slot, or to any node.
    pub(super) fn link_of(&self, cluster: &Cluster, slot: Option<u16>, link: &Arc<Link>) -> Result<Arc<Link>, Error> {
        match slot {
            Some(slot) => self.link_of_slot(cluster, slot, link),
            None => Ok(Self::any_link(cluster, link)),
        }
    }

    /// The links to which the commands of a pipeline go, one for each; `None`: all to one. The error is of the command
    /// that is for several.
    pub(super) fn links_of_pipeline<A: AsRef<[u8]>>(
        &self,
        cluster: &Cluster,
        link: &Arc<Link>,
        commands: &[&[A]],
    ) -> Result<Option<Vec<Arc<Link>>>, NotWhole> {
        let slots = commands.iter().map(|args| slot_of_command(args)).collect::<Result<Vec<_>, NoSlot>>();
        let slots = slots.map_err(|_| NotWhole::Several)?;
        let first = slots.iter().flatten().next();
        if slots.iter().flatten().all(|slot| Some(slot) == first) {
            return Ok(None);
        }
        let mut deferred = Deferred::default();
        let owners = cluster.links_of_slots(slots.iter().flatten().copied(), link.database(), &mut deferred);
        self.run(deferred);
        let mut owners = owners.map_err(NotWhole::Failed)?.into_iter();
        // What has no key goes where the command before it goes.
        let mut last = Self::any_link(cluster, link);
        let links = slots.into_iter().map(|slot| {
            if slot.is_some() {
                last = self.owner_or_any(cluster, owners.next().flatten(), link);
            }
            Arc::clone(&last)
        });
        Ok(Some(links.collect()))
    }

    /// The links of these parts; what may go anywhere goes where the part before it goes.
    pub(super) fn links_of_parts(
        &self,
        cluster: &Cluster,
        parts: &[Part<'_>],
        link: &Arc<Link>,
        deferred: &mut Deferred,
    ) -> Result<Vec<Arc<Link>>, Error> {
        let slots = parts.iter().filter_map(|part| match part.to {
            To::Keys(slot) | To::Slot(slot) => Some(slot),
            To::Any | To::Node(_) => None,
        });
        let mut owners = cluster.links_of_slots(slots, link.database(), deferred)?.into_iter();
        let mut last = Self::any_link(cluster, link);
        let links = parts.iter().map(|part| {
            last = match &part.to {
                To::Any => Arc::clone(&last),
                To::Node(address) => cluster.link_at(address, link.database(), deferred)?,
                To::Keys(_) | To::Slot(_) => self.owner_or_any(cluster, owners.next().flatten(), link),
            };
            Ok(Arc::clone(&last))
        });
        links.collect()
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
        Ok(self.owner_or_any(cluster, cluster.link_of_slot(slot, link.database(), deferred)?, link))
    }

    /// The link to the owner of a slot, if it is known: else another node will know, or will say that nobody does.
    fn owner_or_any(&self, cluster: &Cluster, owner: Option<Arc<Link>>, link: &Arc<Link>) -> Arc<Link> {
        owner.unwrap_or_else(|| {
            self.note(Reason::Uncovered);
            Self::any_link(cluster, link)
        })
    }

    /// A link to any node and the same database; if none can be had, this one.
    fn any_link(cluster: &Cluster, link: &Arc<Link>) -> Arc<Link> {
        let any = cluster.connected_link(link.database()).or_else(|| cluster.first_link(link.database()));
        any.unwrap_or_else(|| Arc::clone(link))
    }

    /// The link on which a unit is sent that was sent before, on this one.
    pub(super) fn link_again(
        &self,
        link: &Arc<Link>,
        bound: Bound,
        bytes: &[u8],
        deferred: &mut Deferred,
    ) -> Arc<Link> {
        let Some(cluster) = self.topology.cluster() else { return Arc::clone(link) };
        let slot = match bound {
            Bound::Keys => slot_of_unit(bytes),
            Bound::Slot(slot) => Some(slot),
            // A node that was parted with meanwhile is dialled anew: it answers, or its part fails.
            Bound::Node if link.is_closed() => {
                let address = Address::parse(&link.address());
                let again = address.and_then(|address| cluster.link_at(&address, link.database(), deferred));
                return again.unwrap_or_else(|_| Arc::clone(link));
            }
            Bound::Node => return Arc::clone(link),
        };
        let owner = slot.map(|slot| cluster.link_of_slot(slot, link.database(), deferred));
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
