//! The topologies, each started when a test wants it first, and stopped at the end.

use std::sync::OnceLock;

use crate::support::certificates;
use crate::support::client::Tester;
use crate::support::cluster::Cluster;
use crate::support::resp::Answer;
use crate::support::sentinel::Watched;
use crate::support::server::Server;
use crate::support::transport::Tls;

/// How the columns of the table are called.
pub const NAMES: [&str; 5] = ["standalone", "unix socket", "sentinel", "cluster", "cluster, TLS"];

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
pub struct Places([OnceLock<Place>; NAMES.len()]);

impl Places {
    /// The place of a column.
    pub fn get(&self, column: usize) -> &Place {
        self.0[column].get_or_init(|| Place::start(NAMES[column]))
    }
}

impl Place {
    fn start(name: &'static str) -> Place {
        let (mut url, mut options) = (String::new(), Vec::new());
        let servers = match name {
            "standalone" => Servers::One(Box::new(Server::start())),
            "unix socket" => {
                let server = Server::builder().unix_socket().start();
                url = format!("unix://{}", server.socket_path().display());
                Servers::One(Box::new(server))
            }
            "sentinel" => Servers::Watched(Watched::start()),
            "cluster" => Servers::Cluster(Cluster::start(3, 1)),
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
        Place { name, url, options, servers }
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
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
