//! A real primary with two replicas, and three sentinels that watch it, all on free ports. It is handed out when every
//! sentinel knows the others and both replicas.

use super::resp::Answer;
use super::server::{Builder, Server};
use super::transport::Tls;
use super::wait;

/// The name by which the sentinels know the servers.
pub const NAME: &str = "mymaster";

/// So long a server is silent before a sentinel takes it for dead, in milliseconds.
const DOWN_AFTER: &str = "500";

/// The servers and who watches them.
pub struct Watched {
    /// First the one that is the primary at first.
    pub servers: Vec<Server>,
    pub sentinels: Vec<Server>,
}

impl Watched {
    /// One primary, two replicas, three sentinels.
    pub fn start() -> Watched {
        Watched::with(None, None)
    }

    /// The same; the sentinels want this password.
    pub fn with_password(password: Option<&str>) -> Watched {
        Watched::with(password, None)
    }

    /// The same; servers and sentinels speak TLS in this way.
    pub fn over(tls: Tls) -> Watched {
        Watched::with(None, Some(tls))
    }

    fn with(password: Option<&str>, tls: Option<Tls>) -> Watched {
        let builder = || tls.iter().cloned().fold(Server::builder(), Builder::tls);
        let server =
            |arguments: &[&str]| builder().arguments(&["--repl-diskless-sync-delay", "0"]).arguments(arguments).start();
        let primary = server(&[]);
        let port = primary.port().to_string();
        let replica = || server(&["--replicaof", "127.0.0.1", &port]);
        let servers = vec![replica(), replica()];
        for replica in &servers {
            wait::until("a replica to have the data of its primary", || {
                replica.command(&["INFO", "replication"]).text().contains("master_link_status:up")
            });
        }
        let lines = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} 2\nsentinel down-after-milliseconds {NAME} {DOWN_AFTER}\n\
             sentinel failover-timeout {NAME} 3000\n"
        );
        let lines = match password {
            None => lines,
            Some(password) => format!("{lines}sentinel sentinel-pass {password}\n"),
        };
        let sentinel = || {
            let builder = builder().config_file(&lines).arguments(&["--sentinel"]);
            password.map_or(builder.clone(), |password| builder.password(password)).start()
        };
        let sentinels = (0..3).map(|_| sentinel()).collect();
        let watched = Watched { servers: std::iter::once(primary).chain(servers).collect(), sentinels };
        watched.until_whole();
        watched
    }

    /// Waits until every sentinel knows all others and both replicas, of which it takes none for dead, and until these
    /// have the data of the same primary.
    pub fn until_whole(&self) {
        for sentinel in &self.sentinels {
            wait::until("a sentinel to know all", || {
                let count = |what: &str| sentinel.command(&["SENTINEL", what, NAME]).items().len();
                count("SENTINELS") == 2
                    && count("REPLICAS") == 2
                    && sentinel.command(&["SENTINEL", "CKQUORUM", NAME]).text().starts_with("OK ")
            });
        }
        wait::until("both replicas to follow the primary", || {
            let port = self.primary().port();
            // (Sentinels part a server whose role they change from its clients.)
            let follows = |server: &&Server| {
                let answer = server.try_command(&["INFO", "replication"]);
                let text = answer.map_or_else(|_| String::new(), |answer| answer.text());
                text.contains(&format!("master_port:{port}\r\n")) && text.contains("master_link_status:up")
            };
            self.servers.iter().filter(|server| server.port() != port).all(|server| follows(&server))
        });
    }

    /// A URL with all sentinels.
    pub fn url(&self) -> String {
        url_of(&self.sentinels.iter().map(Server::port).collect::<Vec<_>>())
    }

    /// The server that a sentinel says is the primary.
    pub fn primary(&self) -> &Server {
        let port = self.sentinels.iter().rev().find_map(port_of_primary);
        self.servers.iter().find(|server| Some(server.port()) == port).expect("one of the servers")
    }

    /// The address of the primary.
    pub fn primary_address(&self) -> String {
        self.primary().address().to_string()
    }

    /// Lets another server become the primary; does not wait for it. Begins when the sentinels are ready to.
    pub fn fail_over(&self) {
        wait::until("a failover to begin", || self.sentinels[0].command(&["SENTINEL", "FAILOVER", NAME]).is_ok());
    }

    /// Waits until all sentinels that run say that the primary is another one than at this port.
    pub fn until_primary_is_not(&self, port: u16) {
        wait::until("all sentinels to know of another primary", || {
            self.sentinels.iter().all(|sentinel| port_of_primary(sentinel).is_none_or(|primary| primary != port))
        });
    }
}

/// A URL of sentinels at these ports.
pub fn url_of(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("redis-sentinel://{}/{NAME}", hosts.join(","))
}

/// The port of the primary as a sentinel says; `None`: it does not answer.
fn port_of_primary(sentinel: &Server) -> Option<u16> {
    let answer = sentinel.try_command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
    match answer.ok()? {
        Answer::Array(items) => items.get(1)?.text().parse().ok(),
        _ => None,
    }
}
