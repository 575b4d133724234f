//! What the connections for messages have to know of the servers: where each leads, and where the topics are.

use std::sync::{Arc, Weak};

use super::core::Core;
use super::destination::Destination;
use super::hub::{Directory, Redirect};
use super::topic::{Server, Topic};
use crate::address::Address;
use crate::connection::background_driver::{self, Opening};
use crate::connection::endpoints::Endpoints;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::recipient::Recipient;
use crate::error::Error;
use crate::protocol::message::Channel;
use crate::protocol::reply::Reply;
use crate::protocol::slot::slot_of;
use crate::topology::cluster::redirect::Kind;
use crate::topology::cluster::refresh::Reason;
use crate::topology::cluster::{self, Cluster};
use crate::topology::deferred::Deferred;

#[cfg(test)]
mod tests;

impl<D: Destination> Directory for Core<D> {
    fn server_of(&self, topic: &Topic) -> Server {
        let Topic::Channel(Channel::Sharded, name) = topic else { return Server::Any };
        // Where nobody is known to have the slot, any node may know who has.
        let primary = self.topology.cluster().and_then(|cluster| cluster.primary_of(slot_of(name)));
        primary.map_or(Server::Any, Server::At)
    }

    fn open(
        &self,
        server: &Server,
        purpose: Purpose,
        recipient: Weak<dyn Recipient<Link>>,
        deferred: &mut Deferred,
    ) -> Result<Arc<Link>, Error> {
        if let (Server::At(address), Some(cluster)) = (server, self.topology.cluster()) {
            let node = cluster.node_at(address)?;
            let link = background_driver::prepare(&Opening { recipient, ..node.opening()? }, 0, purpose);
            node.add_push_link(&link, deferred)?;
            return Ok(link);
        }
        // Messages come from all databases.
        let mut opening = Opening { recipient, ..self.node().opening()? };
        if let Some(cluster) = self.topology.cluster() {
            opening.endpoints = Arc::new(Endpoints::new(self.in_turn(cluster, None)));
        } else if self.topology.may_be_cluster() {
            // These are replaced when it is found to be one.
            opening.endpoints = Arc::new(Endpoints::configured(&self.config));
        }
        let link = background_driver::prepare(&opening, 0, purpose);
        self.node().add_push_link(&link, deferred)?;
        Ok(link)
    }

    fn run(&self, deferred: Deferred) {
        Core::run(self, deferred);
    }

    fn redirected(&self, link: &Arc<Link>, error: &Reply) -> Redirect {
        let (Some(cluster), Some(_)) = (self.topology.cluster(), Kind::of(error.as_bytes())) else {
            return Redirect::None;
        };
        let by = Address::parse(&link.address()).unwrap_or_default();
        match cluster::redirect::Redirect::parse(error.as_bytes(), &by) {
            Ok(cluster::redirect::Redirect { kind: Kind::Moved, slot, to: Some(to) }) => {
                self.note_move(cluster, link, slot, (&by, &to));
                Redirect::To(Server::At(to))
            }
            _ => {
                self.note(Reason::UnknownNode);
                Redirect::ToSomebody
            }
        }
    }

    fn taken_away(&self) {
        // A replica that was the primary gives it back when it is asked, and does not say who is.
        self.note(Reason::Uncovered);
    }

    fn choose_again(&self, link: &Arc<Link>) {
        let Some(cluster) = self.topology.cluster() else { return };
        let before = Address::parse(&link.address()).ok();
        link.endpoints().replace(self.in_turn(cluster, before.as_ref()));
    }
}

impl<D: Destination> Core<D> {
    /// All nodes of a cluster, in the order in which any of them is looked for: one that is likely to be gone is the
    /// last of those that the map names.
    fn in_turn(&self, cluster: &Cluster, gone: Option<&Address>) -> Vec<Address> {
        let mut nodes = cluster.addresses();
        fastrand::shuffle(&mut nodes);
        nodes.sort_by_key(|node| Some(node) == gone);
        let seeds: Vec<_> = self.config.endpoints.iter().filter(|seed| !nodes.contains(seed)).cloned().collect();
        nodes.extend(seeds);
        nodes
    }
}
