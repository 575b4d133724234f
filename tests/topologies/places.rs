//! The topologies, each started when a test wants it first, and stopped at the end.

use std::sync::OnceLock;

use crate::support::certificates;
use crate::support::client::Tester;
use crate::support::cluster::Cluster;
use crate::support::resp::Answer;
use crate::support::sentinel::Watched;
use crate::support::server::Server;
use crate::support::transport::{self, Tls};

/// How the columns of the table are called.
pub const NAMES: [&str; 7] =
    ["standalone", "unix socket", "sentinel", "cluster", "cluster, TLS", "cluster, redis-8.2", "cluster, valkey-9.1"];

/// What gives the servers of a cluster more databases than one, where they can have them.
fn databases_of(name: &str) -> &'static [&'static str] {
    if name == "cluster, valkey-9.1" { &["--cluster-databases", "16"] } else { &[] }
}

/// Whether clients speak RESP2: the environment variable JR_TEST_PROTOCOL says `3` (as when it is not set) or `2`.
pub fn is_resp2() -> bool {
    match std::env::var("JR_TEST_PROTOCOL").as_deref().unwrap_or("3") {
        "3" => false,
        "2" => true,
        other => panic!("JR_TEST_PROTOCOL is {other:?}, not 2 or 3"),
    }
}

/// The servers of a place.
enum Servers {
    One(Box<Server>),
    Watched(Watched),
    Cluster(Cluster),
}

/// A topology that runs.
pub struct Place {
    pub name: &'static str,
    url: String,
    options: Vec<(&'static str, String)>,
    servers: Servers,
}

/// All of them, in the order of [`NAMES`].
#[derive(Default)]
pub struct Places([OnceLock<Option<Place>>; NAMES.len()]);

impl Places {
    /// The place of a column; `None`, and a line on stderr, where its servers cannot be had.
    pub fn get(&self, column: usize) -> Option<&Place> {
        self.0[column].get_or_init(|| Place::start(NAMES[column])).as_ref()
    }
}

impl Place {
    fn start(name: &'static str) -> Option<Place> {
        let (mut url, mut options) = (String::new(), Vec::new());
        if is_resp2() {
            options.push(("protocol", "2".to_string()));
        }
        let servers = match name {
            "standalone" => Servers::One(Box::new(Server::start())),
            "unix socket" => {
                let server = Server::builder().unix_socket().start();
                url = format!("unix://{}", server.socket_path().display());
                Servers::One(Box::new(server))
            }
            "sentinel" => {
                if transport::current().is_some() {
                    let authority = certificates::path("ca.pem");
                    options.extend([("tls_ca", authority.clone()), ("sentinel_tls_ca", authority)]);
                    options.extend(["tls", "sentinel_tls"].map(|name| (name, "on".to_string())));
                }
                Servers::Watched(Watched::start())
            }
            "cluster" => Servers::Cluster(Cluster::start(3, 1)),
            "cluster, redis-8.2" | "cluster, valkey-9.1" => {
                let version = name.split(' ').next_back().unwrap_or_default();
                let builder = Server::version(version)?.plain().arguments(databases_of(name));
                Servers::Cluster(Cluster::of(3, 1, |_| builder.clone()))
            }
            _ => {
                options.push(("tls_ca", certificates::path("ca.pem")));
                Servers::Cluster(Cluster::over(Some(Tls::default()), 3, 1))
            }
        };
        if url.is_empty() {
            url = match &servers {
                Servers::One(server) => server.url(),
                Servers::Watched(watched) => watched.url(),
                Servers::Cluster(cluster) => cluster.url(),
            };
        }
        Some(Place { name, url, options, servers })
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Whether there are more databases than number 0.
    pub fn has_databases(&self) -> bool {
        !self.is_cluster() || !databases_of(self.name).is_empty()
    }

    /// A client of the place.
    pub fn client(&self) -> Tester {
        self.client_with(&[])
    }

    /// The same with more options.
    pub fn client_with(&self, options: &[(&str, &str)]) -> Tester {
        let own = self.options.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(options.iter().copied()).collect();
        Tester::with(&self.url, &all)
    }

    /// A primary that serves a key, as whoever asks it without the library sees it.
    pub fn server_of(&self, key: &str) -> &Server {
        match &self.servers {
            Servers::One(server) => server,
            Servers::Watched(watched) => watched.primary(),
            Servers::Cluster(cluster) => cluster.owner(key),
        }
    }

    /// One command to every primary.
    pub fn on_all_primaries(&self, words: &[&str]) -> Vec<Answer> {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.primaries().iter().map(|node| node.command(words)).collect(),
            _ => vec![self.server_of("").command(words)],
        }
    }
}
