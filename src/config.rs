//! What a client is told before it starts: one typed struct, set by name through the one table of [`options::OPTIONS`].
//! A failed `set` leaves everything as it was, and no error or `Debug` print holds a secret.

use std::time::Duration;

use crate::address::Address;
use crate::error::{Error, Status};

mod markdown;
mod option;
pub mod options;
mod quote;
mod read_options;
mod secret;
mod sentinel;
mod sentinel_options;
mod set;
mod suggestion;
mod tls_options;
mod value;

pub use secret::Secret;
pub use sentinel::Sentinels;

/// Which version of the protocol is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP3 if the server knows HELLO, else RESP2; never back to RESP2 once RESP3 was seen.
    #[default]
    Auto,
    /// RESP2 only; HELLO is not sent.
    Resp2,
    /// RESP3 only; a server that does not know it is an error.
    Resp3,
}

/// After how many failed rounds of all endpoints those who wait are failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectRetries {
    /// One round until the first success, so that a wrong port is told at once; afterwards they wait to their deadline.
    #[default]
    Auto,
    /// This many rounds, at least 1.
    Rounds(u32),
    /// Never: they wait to their deadline.
    Unlimited,
}

/// What is done when a subscription holds as many unread messages as it may and another one comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest make room.
    #[default]
    DropOldest,
    /// It is dropped itself.
    DropNewest,
    /// The subscription ends.
    Close,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 or 1.3, whichever is the newest that the server has.
    #[default]
    Tls12,
    /// 1.3 only.
    Tls13,
}

/// How the servers belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopologyKind {
    /// The endpoints lead to one server.
    Standalone,
    /// They lead to sentinels, which know the server.
    Sentinel,
    /// They lead to nodes of a cluster, which know the others.
    Cluster,
    /// One server or a cluster, as the first server says that answers.
    #[default]
    Auto,
}

/// Which servers answer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadFrom {
    /// The primary.
    #[default]
    Primary,
    /// A replica; the primary if there is none to be had.
    PreferReplica,
    /// A replica.
    Replica,
    /// All of them in turn.
    Any,
    /// A replica, or the primary, in the zone of the client; else another.
    NearestZone,
}

/// Everything a client can be told. Each field is described by the option of the same name in [`options::OPTIONS`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table of options documents each field, and only once")]
pub struct Config {
    /// Never empty; tried in order.
    pub endpoints: Vec<Address>,
    pub topology: TopologyKind,
    pub sentinel: Sentinels,
    pub username: Option<Secret>,
    pub password: Option<Secret>,
    pub database: u32,
    pub protocol: Protocol,
    pub client_name: Option<String>,
    pub library_info: bool,
    pub tls: bool,
    pub tls_ca: Option<String>,
    pub tls_certificate: Option<String>,
    /// A secret, because it may be the key itself.
    pub tls_key: Option<Secret>,
    pub tls_server_name: Option<String>,
    pub tls_minimum_version: TlsVersion,
    pub tls_crl: Option<String>,
    pub tls_insecure: bool,
    pub connect_timeout: Duration,
    pub connect_retries: ConnectRetries,
    /// `None`: no deadline.
    pub command_timeout: Option<Duration>,
    pub dead_after: Duration,
    pub reconnect_delay: Duration,
    pub reconnect_delay_max: Duration,
    pub max_attempts: u32,
    /// `None`: no probes.
    pub tcp_keepalive: Option<Duration>,
    pub tcp_nodelay: bool,
    pub receive_buffer: usize,
    pub max_connections: usize,
    /// `None`: for ever.
    pub idle_timeout: Option<Duration>,
    pub unblock_grace: Duration,
    pub max_requests: usize,
    pub max_request_bytes: usize,
    pub max_reply_bytes: usize,
    pub max_reply_depth: usize,
    pub max_unread: usize,
    pub max_unread_bytes: usize,
    pub subscription_overflow: Overflow,
    pub cache_bytes: usize,
    pub max_nodes: usize,
    pub refresh_interval: Duration,
    pub read_from: ReadFrom,
    pub zone: Option<String>,
    pub max_replica_lag: Option<Duration>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            endpoints: vec![Address::default()],
            topology: TopologyKind::Auto,
            sentinel: Sentinels::default(),
            username: None,
            password: None,
            database: 0,
            protocol: Protocol::Auto,
            client_name: None,
            library_info: true,
            tls: false,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
            tls_server_name: None,
            tls_minimum_version: TlsVersion::Tls12,
            tls_crl: None,
            tls_insecure: false,
            connect_timeout: Duration::from_secs(2),
            connect_retries: ConnectRetries::Auto,
            command_timeout: Some(Duration::from_secs(5)),
            dead_after: Duration::from_secs(3),
            reconnect_delay: Duration::from_millis(50),
            reconnect_delay_max: Duration::from_secs(5),
            max_attempts: 8,
            tcp_keepalive: Some(Duration::from_secs(60)),
            tcp_nodelay: true,
            receive_buffer: 64 << 10,
            max_connections: 16,
            idle_timeout: Some(Duration::from_secs(60)),
            unblock_grace: Duration::from_millis(500),
            max_requests: 1_000_000,
            max_request_bytes: 256 << 20,
            max_reply_bytes: 1 << 30,
            max_reply_depth: 128,
            max_unread: 1_000_000,
            max_unread_bytes: 64 << 20,
            subscription_overflow: Overflow::DropOldest,
            cache_bytes: 0,
            max_nodes: 1024,
            refresh_interval: Duration::from_secs(60),
            read_from: ReadFrom::Primary,
            zone: None,
            max_replica_lag: None,
        }
    }
}

impl Config {
    /// Whether the options contradict each other; asked when a client is made, because options come in any order.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |sentence: &str| Err(Error::new(Status::Config, sentence));
        if self.endpoints.is_empty() {
            return wrong("option \"endpoints\": there is none");
        }
        if self.username.is_some() && self.password.is_none() {
            return wrong("option \"username\" is set without \"password\"");
        }
        if self.cache_bytes > 0 && self.protocol == Protocol::Resp2 {
            return wrong("option \"cache_bytes\" needs RESP3, which \"protocol\" rules out");
        }
        if self.reconnect_delay > self.reconnect_delay_max {
            return wrong("option \"reconnect_delay\" is longer than \"reconnect_delay_max\"");
        }
        if (self.read_from == ReadFrom::NearestZone) != self.zone.is_some() {
            return wrong("options \"zone\" and \"read_from=nearest_zone\" belong together; one is missing");
        }
        if self.zone.is_some() && self.protocol == Protocol::Resp2 {
            return wrong(
                "option \"zone\" needs RESP3, in which servers say where they are, and \"protocol\" rules it out",
            );
        }
        self.sentinel.validate(self.topology == TopologyKind::Sentinel)?;
        self.validate_tls()
    }

    /// As a sentinel is spoken with: nothing that the servers of the data alone shall see is in it.
    pub fn of_sentinels(&self) -> Config {
        let sentinel = self.sentinel.clone();
        Config {
            username: sentinel.username,
            password: sentinel.password,
            tls: sentinel.tls,
            tls_ca: sentinel.tls_ca,
            tls_certificate: sentinel.tls_certificate,
            tls_key: sentinel.tls_key,
            tls_server_name: sentinel.tls_server_name,
            tls_crl: None,
            tls_insecure: sentinel.tls_insecure,
            sentinel: Sentinels::default(),
            database: 0,
            cache_bytes: 0,
            ..self.clone()
        }
    }

    fn validate_tls(&self) -> Result<(), Error> {
        let wrong = |sentence: String| Err(Error::new(Status::Config, sentence));
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return wrong("options \"tls_certificate\" and \"tls_key\" belong together; one is missing".to_owned());
        }
        if !self.tls {
            let given = [
                ("tls_ca", self.tls_ca.is_some()),
                ("tls_certificate", self.tls_certificate.is_some()),
                ("tls_server_name", self.tls_server_name.is_some()),
                ("tls_crl", self.tls_crl.is_some()),
                ("tls_insecure", self.tls_insecure),
            ];
            return match given.iter().find(|(_, is_given)| *is_given) {
                Some((name, _)) => wrong(format!(
                    "option \"{name}\" is set, and TLS is off; write rediss:// instead of redis://, or set \"tls\" \
                     to on"
                )),
                None => Ok(()),
            };
        }
        let is_unix = |address: &Address| matches!(address, Address::Unix(_));
        let is_any_unix = self.topology != TopologyKind::Sentinel && self.endpoints.iter().any(is_unix);
        if self.tls_server_name.is_none() && !self.tls_insecure && is_any_unix {
            return wrong("TLS over a Unix socket needs the option \"tls_server_name\": a path is no name".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
