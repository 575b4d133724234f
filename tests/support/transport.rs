//! What carries the bytes between client and server in all tests: the environment variable JR_TEST_TRANSPORT says
//! `plain` (as when it is not set), `tls1.2` or `tls1.3`. Nothing else reads it: servers and scripted servers ask here
//! how to speak, and tests make their URLs here, or have them from a server.

use std::fmt::Display;
use std::sync::{Arc, LazyLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::certificates;

/// How a server speaks TLS. Names of certificates are those of scripts/certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    /// What the server shows.
    pub certificate: &'static str,
    /// Whose certificates clients must show; none: they need not show any.
    pub clients_of: Option<&'static str>,
    pub versions: Versions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    Only12,
    Only13,
    Both,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls { certificate: "server", clients_of: None, versions: Versions::Both }
    }
}

/// How servers of this run speak, but for those that a test configures itself; `None`: without TLS.
pub fn current() -> Option<Tls> {
    static CURRENT: LazyLock<Option<Versions>> =
        LazyLock::new(|| match std::env::var("JR_TEST_TRANSPORT").as_deref().unwrap_or("plain") {
            "plain" => None,
            "tls1.2" => Some(Versions::Only12),
            "tls1.3" => Some(Versions::Only13),
            other => panic!("JR_TEST_TRANSPORT is {other:?}, not plain, tls1.2 or tls1.3"),
        });
    CURRENT.map(|versions| Tls { versions, ..Tls::default() })
}

/// A URL for a server of this run: with `127.0.0.1:6379/2`, `redis://127.0.0.1:6379/2` or `rediss://127.0.0.1:6379/2`.
pub fn url(rest: impl Display) -> String {
    url_over(current().is_some(), rest)
}

/// A URL with TLS or without.
pub fn url_over(tls: bool, rest: impl Display) -> String {
    format!("{}://{rest}", if tls { "rediss" } else { "redis" })
}

/// The options by which a client trusts the servers of this run, if the URL asks for TLS.
pub fn trust(url: &str) -> Vec<(&'static str, String)> {
    if current().is_some() && url.starts_with("rediss://") {
        vec![("tls_ca", certificates::path("ca.pem"))]
    } else {
        Vec::new()
    }
}

impl Tls {
    /// The arguments of a server that listens on `port` so; it listens without TLS on another port.
    pub fn arguments(&self, port: u16) -> Vec<String> {
        let protocols = match self.versions {
            Versions::Only12 => "TLSv1.2",
            Versions::Only13 => "TLSv1.3",
            Versions::Both => "TLSv1.2 TLSv1.3",
        };
        let file = |extension: &str| certificates::path(&format!("{}.{extension}", self.certificate));
        let authority = certificates::path(&format!("{}.pem", self.clients_of.unwrap_or("ca")));
        let clients = if self.clients_of.is_some() { "yes" } else { "no" };
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", file("pem")),
            ("--tls-key-file", file("key")),
            ("--tls-ca-cert-file", authority),
            ("--tls-auth-clients", clients.to_owned()),
            ("--tls-protocols", protocols.to_owned()),
            // A replica is told the port of its primary that tests know.
            ("--tls-replication", "yes".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    /// The same for a server within this process.
    pub fn acceptor(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let versions = match self.versions {
            Versions::Only12 => vec![&TLS12],
            Versions::Only13 => vec![&TLS13],
            Versions::Both => vec![&TLS12, &TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).unwrap();
        let builder = match self.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificate(authority));
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from_pem_file(certificates::path(&format!("{}.key", self.certificate))).unwrap();
        // Not looked at here: it may be faulty.
        let key =
            CertifiedKey::new(certificate(self.certificate), provider.key_provider.load_private_key(key).unwrap());
        Arc::new(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key))))
    }
}

fn certificate(name: &str) -> Vec<CertificateDer<'static>> {
    let path = certificates::path(&format!("{name}.pem"));
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}
