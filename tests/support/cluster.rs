//! A real cluster: primaries that share the slots evenly, each perhaps with replicas, on free ports. It is handed out
//! when every node knows every slot.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::certificates;
use super::port;
use super::resp::Answer;
use super::server::{Builder, Server};
use super::transport::Tls;
use super::wait;

/// How many slots there are.
const SLOTS: usize = 16384;

/// So long a node is silent before the others take it for dead, in milliseconds.
const NODE_TIMEOUT: &str = "1000";

/// The nodes of a cluster: first the primaries, then their replicas, one of each in turn.
pub struct Cluster {
    pub nodes: Vec<Server>,
    primaries: usize,
}

impl Cluster {
    /// So many primaries, each with so many replicas.
    pub fn start(primaries: usize, replicas: usize) -> Cluster {
        Cluster::of(primaries, replicas, |_| Server::builder())
    }

    /// The same, whose nodes speak so, whatever the transport of the run is.
    pub fn over(tls: Option<Tls>, primaries: usize, replicas: usize) -> Cluster {
        Cluster::of(primaries, replicas, |_| tls.iter().cloned().fold(Server::builder(), Builder::tls))
    }

    /// The same, each of whose nodes is started so: it is told the place of the node among [`Cluster::nodes`].
    pub fn of(primaries: usize, replicas: usize, builder: impl Fn(usize) -> Builder) -> Cluster {
        let nodes: Vec<Server> = (0..primaries * (1 + replicas)).map(|place| node(builder(place))).collect();
        let cluster = Cluster { nodes, primaries };
        for (index, primary) in cluster.nodes[..primaries].iter().enumerate() {
            let (first, end) = (index * SLOTS / primaries, (index + 1) * SLOTS / primaries);
            let range = [first.to_string(), (end - 1).to_string()];
            assert!(primary.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]).is_ok());
            let epoch = (index + 1).to_string();
            assert!(primary.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).is_ok());
        }
        cluster.introduce_all();
        for (index, replica) in cluster.nodes.iter().enumerate().skip(primaries) {
            let primary = cluster.nodes[index % primaries].command(&["CLUSTER", "MYID"]).text();
            wait::until("a replica to know its primary", || {
                replica.command(&["CLUSTER", "REPLICATE", &primary]).is_ok()
            });
        }
        cluster.until_whole();
        for replica in &cluster.nodes[primaries..] {
            wait::until("a replica to have the data of its primary", || {
                replica.command(&["INFO", "replication"]).text().contains("master_link_status:up")
            });
        }
        cluster
    }

    /// Waits until every node knows who serves every slot.
    pub fn until_whole(&self) {
        let size = self.primaries.to_string();
        self.until_all("to serve every slot", |node| {
            info(node, "cluster_state") == "ok" && info(node, "cluster_size") == size && entries(node) >= self.primaries
        });
        // Else the next change may begin with an epoch that another one has already.
        wait::until("all nodes to know the same epoch", || {
            let epochs = self.nodes.iter().map(|node| info(node, "cluster_current_epoch"));
            epochs.collect::<BTreeSet<String>>().len() == 1
        });
    }

    /// A URL with one seed.
    pub fn url(&self) -> String {
        format!("{}?topology=cluster", self.nodes[0].url())
    }

    /// The node that serves the slot of a key, by its own word: others may learn of it later.
    pub fn owner(&self, key: &str) -> &Server {
        let serves = |node: &&Server| !matches!(node.command(&["EXISTS", key]), Answer::Error(_));
        wait::until_some("a node that serves a slot", || self.nodes[..self.primaries].iter().find(serves))
    }

    /// Begins to move the slot of a key to another primary, with ASK; gives the slot and the two nodes.
    pub fn begin_move<'a>(&'a self, key: &str, to: &'a Server) -> Move<'a> {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).integer().to_string();
        let from = self.owner(key);
        let id = |node: &Server| node.command(&["CLUSTER", "MYID"]).text();
        assert!(to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]).is_ok());
        assert!(from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]).is_ok());
        Move { cluster: self, slot, from, to }
    }

    /// Those that were primaries at first.
    pub fn primaries(&self) -> &[Server] {
        &self.nodes[..self.primaries]
    }

    /// A primary beside the owner of a key.
    pub fn another_than(&self, owner: &Server) -> &Server {
        self.nodes[..self.primaries].iter().find(|node| node.port() != owner.port()).expect("another primary")
    }

    /// Lets every node meet the first one, and waits until all know each other. On a busy machine it takes longer than
    /// the node timeout, and is forgotten: then they meet again.
    fn introduce_all(&self) {
        let count = self.nodes.len().to_string();
        let knows_all = |node: &&Server| info(node, "cluster_known_nodes") == count;
        let mut next = Instant::now();
        wait::until("all nodes to know each other", || {
            if Instant::now() >= next {
                next = Instant::now() + Duration::from_secs(2);
                self.nodes[1..].iter().filter(|node| !knows_all(node)).for_each(|node| self.introduce(node));
            }
            self.nodes.iter().all(|node| knows_all(&node))
        });
    }

    fn introduce(&self, node: &Server) {
        let (first, bus) = (&self.nodes[0], bus_port(&self.nodes[0]));
        let words = ["CLUSTER", "MEET", &first.address().ip().to_string(), &first.port().to_string(), &bus];
        assert!(node.command(&words).is_ok());
    }

    fn until_all(&self, what: &str, holds: impl Fn(&Server) -> bool) {
        wait::until(&format!("all nodes {what}"), || self.nodes.iter().all(&holds));
    }
}

/// A slot that is on its way.
pub struct Move<'a> {
    cluster: &'a Cluster,
    pub slot: String,
    pub from: &'a Server,
    pub to: &'a Server,
}

impl Move<'_> {
    /// Moves all keys of the slot.
    pub fn keys(&self) {
        self.keys_of(0);
    }

    /// Moves those of one database.
    pub fn keys_of(&self, database: u32) {
        loop {
            let mut from = self.from.connect().expect("a connection");
            let mut command = |words: &[String]| from.command(words).expect("the server answers");
            if database != 0 {
                assert!(command(&["SELECT".to_owned(), database.to_string()]).is_ok());
            }
            let keys = command(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"].map(str::to_owned));
            if keys.items().is_empty() {
                return;
            }
            let (host, port) = (self.to.address().ip().to_string(), self.to.port().to_string());
            let mut words: Vec<String> =
                ["MIGRATE", &host, &port, "", &database.to_string(), "5000", "KEYS"].map(str::to_owned).into();
            words.extend(keys.items().iter().map(Answer::text));
            // NOKEY: somebody has taken the last of them meanwhile.
            let moved = command(&words).text();
            assert!(matches!(&*moved, "OK" | "NOKEY"), "{moved}");
        }
    }

    /// The new owner has it from now on; waits until all nodes know. (Before that another move could make two of them
    /// believe in the same epoch, and the slot go to either.)
    pub fn finish(&self) {
        self.keys();
        let id = self.to.command(&["CLUSTER", "MYID"]).text();
        let others = self.cluster.nodes[..self.cluster.primaries].iter();
        let others = others.filter(|node| node.port() != self.to.port() && node.port() != self.from.port());
        for node in [self.to, self.from].into_iter().chain(others) {
            assert!(node.command(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &id]).is_ok());
        }
        let epoch = info(self.to, "cluster_my_epoch");
        self.cluster.until_all("to know of the move", |node| info(node, "cluster_current_epoch") == epoch);
    }
}

fn node(builder: Builder) -> Server {
    let bus = port::free(builder.address()).to_string();
    let cluster = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", &bus];
    let timing = ["--cluster-node-timeout", NODE_TIMEOUT, "--repl-diskless-sync-delay", "0"];
    // Also a replica that has just lost its primary may take over, as it does when one failover follows another.
    let timing = [&timing[..], &["--cluster-replica-validity-factor", "0"]].concat();
    let builder = builder.arguments(&cluster).arguments(&timing);
    if !builder.speaks_tls() {
        return builder.start();
    }
    // The nodes show each other certificates, too, and tell the ports that speak TLS.
    let (certificate, key) = (certificates::path("client.pem"), certificates::path("client.key"));
    let cluster = ["--tls-cluster", "yes", "--tls-client-cert-file", &certificate, "--tls-client-key-file", &key];
    builder.arguments(&cluster).start()
}

fn bus_port(node: &Server) -> String {
    node.command(&["CONFIG", "GET", "cluster-port"]).items()[1].text()
}

/// What a node says of the cluster.
pub fn info(node: &Server, key: &str) -> String {
    let text = node.command(&["CLUSTER", "INFO"]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().to_owned()
}

/// How many ranges of slots a node knows.
fn entries(node: &Server) -> usize {
    node.command(&["CLUSTER", "SLOTS"]).items().len()
}
