//! Which server: the nodes that exist, and the one that serves a request.
//!
//! * [`node`]: one server and its links; [`backlog`]: what waits for dedicated ones; [`held_scripts`]: which scripts
//!   the server holds; [`rediscovery`]: whether to look for a better server; [`deferred`]: what is done with links when
//!   no lock is held.
//! * [`route`]: where a request wants to go.
//! * [`standalone`]: there is one node.
//! * [`sentinel`]: there is one node, wherever sentinels say.
//! * [`replicas`]: those that answer reads; [`replica_choice`]: which of them does; [`replication`]: how old its data
//!   are.
//! * [`cluster`]: each node serves a part of the keys.

pub mod backlog;
pub mod cluster;
pub mod deferred;
pub mod held_scripts;
pub mod node;
pub mod rediscovery;
pub mod replica_choice;
pub mod replicas;
pub mod replication;
pub mod route;
pub mod sentinel;
pub mod standalone;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use self::cluster::Cluster;
use self::node::Node;
use self::replicas::Replicas;
pub use self::route::Route;
use self::sentinel::Sentinels;
use self::standalone::Standalone;
use crate::address::Address;
use crate::config::TopologyKind;
use crate::connection::background_driver::Opening;
use crate::connection::link::Link;
use crate::connection::server_info::ServerInfo;
use crate::error::Error;

/// The servers of a client.
pub struct Topology {
    /// The one server or, of a cluster, what is behind the configured endpoints.
    first: Standalone,
    /// Who know where the one server is.
    sentinels: Option<Arc<Sentinels>>,
    /// Whether it is a cluster: set from the beginning, or when the first server has answered.
    cluster: OnceLock<Option<Cluster>>,
    replicas: Replicas,
}

impl Topology {
    /// As the configuration says.
    pub fn new(opening: Opening, now: Instant) -> Topology {
        let kind = opening.config.topology;
        let replicas = Replicas::new(&opening.config);
        let first = Standalone::new(opening.clone());
        let is_sentinel = kind == TopologyKind::Sentinel;
        let sentinels = is_sentinel.then(|| Arc::new(Sentinels::new(Arc::clone(first.node()), &opening)));
        let topology = Topology { first, sentinels, cluster: OnceLock::new(), replicas };
        match kind {
            TopologyKind::Auto => {}
            TopologyKind::Cluster => topology.decide(true, now),
            TopologyKind::Standalone | TopologyKind::Sentinel => topology.decide(false, now),
        }
        topology
    }

    /// Whether no server has said yet if it is one of a cluster.
    #[inline]
    pub fn is_undecided(&self) -> bool {
        self.cluster.get().is_none()
    }

    /// A server says this of itself. The first one decides whether it is a cluster.
    pub fn learn(&self, server_info: &ServerInfo, now: Instant) {
        if self.is_undecided() {
            self.decide(server_info.mode == "cluster", now);
        }
    }

    /// (A closed client decides nothing.)
    fn decide(&self, is_cluster: bool, now: Instant) {
        let seeds = self.first.node();
        let cluster = match (is_cluster, seeds.opening()) {
            (false, _) => None,
            (true, Ok(opening)) => Some(Cluster::new(opening, Arc::clone(seeds), now)),
            (true, Err(_)) => return,
        };
        _ = self.cluster.set(cluster);
    }

    /// The one node or, of a cluster, what is behind the configured endpoints.
    pub fn first(&self) -> &Arc<Node> {
        self.first.node()
    }

    /// Every node.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes = vec![Arc::clone(self.first.node())];
        nodes.extend(self.cluster().into_iter().flat_map(Cluster::nodes));
        nodes
    }

    /// Whether it is a cluster, or a server may still say so.
    pub fn may_be_cluster(&self) -> bool {
        self.cluster.get().is_none_or(Option::is_some)
    }

    /// The cluster, if it is known to be one.
    #[inline]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.get().and_then(Option::as_ref)
    }

    /// The replicas that answer reads.
    #[inline]
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// Those who know where the server is, if there are such.
    pub fn sentinels(&self) -> Option<&Arc<Sentinels>> {
        self.sentinels.as_ref()
    }

    /// Whether a route leads to the server of a link; an address that is not known is an error.
    pub fn serves(&self, route: Route<'_>, link: &Link) -> Result<bool, Error> {
        match self.cluster() {
            None => self.first.serves(route, link),
            // The link was chosen by the route.
            Some(_) => Ok(true),
        }
    }

    /// Whether others have taken the place of a link's server, as far as is known.
    pub fn has_replaced(&self, link: &Link) -> bool {
        match (self.cluster(), self.sentinels()) {
            (Some(cluster), _) => Address::parse(&link.address()).is_ok_and(|address| cluster.has_left(&address)),
            (None, Some(_)) => link.is_reconnecting(),
            (None, None) => false,
        }
    }

    /// All links.
    pub fn links(&self) -> Vec<Arc<Link>> {
        let mut links = self.first().links();
        links.extend(self.cluster().into_iter().flat_map(Cluster::links));
        links.extend(self.replicas.links());
        links
    }

    /// The shared link of this number.
    pub fn link_of(&self, number: u16) -> Option<Arc<Link>> {
        let of_cluster = || self.cluster()?.link_of(number);
        self.first().link_of(number).or_else(of_cluster).or_else(|| self.replicas.link_of(number))
    }

    /// The node of a link; `None`: it has left the cluster.
    pub fn node_of(&self, link: &Link) -> Option<Arc<Node>> {
        let first = self.first.node();
        if first.owns(link) {
            return Some(Arc::clone(first));
        }
        let of_cluster = self.cluster().and_then(|cluster| cluster.node_of(link));
        of_cluster.or_else(|| self.replicas.node_of(link))
    }

    /// The node of a link; if that has left the cluster, what is behind the configured endpoints.
    pub fn node_or_first(&self, link: &Link) -> Arc<Node> {
        self.node_of(link).unwrap_or_else(|| Arc::clone(self.first.node()))
    }

    /// Asks or tells something of the node of a link.
    pub fn with_node_of<T>(&self, link: &Link, then: impl FnOnce(&Node) -> T) -> T {
        then(&self.node_or_first(link))
    }

    /// Closes every link and opens no other.
    pub fn close(&self) {
        if let Some(cluster) = self.cluster() {
            cluster.close();
        }
        if let Some(sentinels) = &self.sentinels {
            sentinels.close();
        }
        self.replicas.close();
        self.first().close();
    }

    /// How many requests were taken out to be completed at links that are not among [`Topology::links`] any more.
    pub fn taken_by_gone(&self) -> u64 {
        self.cluster().map_or(0, Cluster::taken_by_gone) + self.replicas.taken_by_gone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::connection::fixture::{self, Noted};
    use crate::topology::deferred::Deferred;

    #[test]
    fn a_cluster_is_what_the_configuration_or_the_first_server_calls_so() {
        let (no_mode, standalone, cluster) = ("", "standalone", "cluster");
        // What is configured, what that makes of it (`None`: undecided), the mode a server tells, and what that makes.
        for (kind, at_first, mode, then) in [
            (TopologyKind::Standalone, Some(false), cluster, false),
            (TopologyKind::Sentinel, Some(false), cluster, false),
            (TopologyKind::Cluster, Some(true), standalone, true),
            (TopologyKind::Auto, None, no_mode, false),
            (TopologyKind::Auto, None, standalone, false),
            (TopologyKind::Auto, None, cluster, true),
        ] {
            let config = Config { topology: kind, ..Config::default() };
            let topology = Topology::new(fixture::opening(config, &Noted::new()), Instant::now());
            assert_eq!((!topology.is_undecided()).then(|| topology.cluster().is_some()), at_first, "{kind:?}");
            assert_eq!(topology.may_be_cluster(), at_first != Some(false), "{kind:?}");
            let seed = topology.first().link(0, &mut Deferred::default()).unwrap();
            // What others say later changes nothing.
            for mode in [mode, standalone, cluster] {
                topology.learn(&ServerInfo { mode: mode.to_string(), ..ServerInfo::default() }, Instant::now());
                assert_eq!((topology.cluster().is_some(), topology.may_be_cluster()), (then, then), "{kind:?} {mode}");
            }
            assert!(Arc::ptr_eq(&topology.link_of(1).unwrap(), &seed) && topology.links().len() == 1);
            topology.close();
            assert!(seed.is_closed());
        }
    }

    #[test]
    fn a_closed_client_forms_no_cluster() {
        let config = Config { topology: TopologyKind::Auto, ..Config::default() };
        let topology = Topology::new(fixture::opening(config, &Noted::new()), Instant::now());
        topology.close();
        let server_info = ServerInfo { mode: "cluster".to_string(), ..ServerInfo::default() };
        topology.learn(&server_info, Instant::now());
        assert!(topology.is_undecided());
    }
}
