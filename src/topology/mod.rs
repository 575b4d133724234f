//! Which server: the nodes that exist, and the one that serves a request.
//!
//! * [`node`]: one server and its links; [`backlog`]: what waits for dedicated ones; [`held_scripts`]: which scripts
//!   the server holds; [`rediscovery`]: whether to look for a better server; [`deferred`]: what is done with links when
//!   no lock is held.
//! * [`route`]: where a request wants to go.
//! * [`standalone`]: there is one node.
//! * [`cluster`]: each node serves a part of the keys.

pub mod backlog;
pub mod cluster;
pub mod deferred;
pub mod held_scripts;
pub mod node;
pub mod rediscovery;
pub mod route;
pub mod standalone;

use std::sync::Arc;

use self::cluster::Cluster;
use self::node::Node;
pub use self::route::Route;
use self::standalone::Standalone;
use crate::connection::link::Link;
use crate::error::Error;

/// The servers of a client.
#[allow(clippy::large_enum_variant, reason = "a client has one, and that of one server is not to be looked up")]
pub enum Topology {
    /// One server.
    Standalone(Standalone),
    /// Each server has a part of the keys.
    Cluster(Box<Cluster>),
}

impl Topology {
    /// The one node or, of a cluster, what is behind the configured endpoints.
    pub fn first(&self) -> &Node {
        match self {
            Topology::Standalone(standalone) => standalone.node(),
            Topology::Cluster(cluster) => cluster.seeds(),
        }
    }

    /// The cluster, if it is one.
    #[inline]
    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Topology::Standalone(_) => None,
            Topology::Cluster(cluster) => Some(cluster),
        }
    }

    /// Whether a route leads to the server of a link; an address that is not known is an error.
    pub fn serves(&self, route: Route<'_>, link: &Link) -> Result<bool, Error> {
        match self {
            Topology::Standalone(standalone) => standalone.serves(route, link),
            // The link was chosen by the route.
            Topology::Cluster(_) => Ok(true),
        }
    }

    /// All links.
    pub fn links(&self) -> Vec<Arc<Link>> {
        match self {
            Topology::Standalone(standalone) => standalone.node().links(),
            Topology::Cluster(cluster) => cluster.links(),
        }
    }

    /// The shared link of this number.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        match self {
            Topology::Standalone(standalone) => standalone.node().link_of(number),
            Topology::Cluster(cluster) => cluster.link_of(number),
        }
    }

    /// Asks or tells something of the node of a link.
    pub fn with_node_of<T>(&self, link: &Link, then: impl FnOnce(&Node) -> T) -> T {
        match self {
            Topology::Standalone(standalone) => then(standalone.node()),
            Topology::Cluster(cluster) => match cluster.node_of(link) {
                Some(node) => then(&node),
                None => then(cluster.seeds()),
            },
        }
    }

    /// Closes every link and opens no other.
    pub fn close(&self) {
        match self {
            Topology::Standalone(standalone) => standalone.node().close(),
            Topology::Cluster(cluster) => cluster.close(),
        }
    }
}
