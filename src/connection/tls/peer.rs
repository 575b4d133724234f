//! The server at the other end of a session, as errors name it.

use std::sync::Arc;

use rustls::client::ResolvesClientCert as _;
use rustls::pki_types::ServerName;

use super::failure::Facts;
use super::identity::Identity;
use crate::error::{Error, Status};

/// A server, and what the client trusts and shows.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The name that its certificate has to be for.
    pub name: ServerName<'static>,
    /// For the handshake.
    pub identity: Arc<Identity>,
}

impl Peer {
    /// Why the session failed, in the handshake or when it was established.
    pub fn failure(&self, error: &rustls::Error, is_established: bool) -> Error {
        let Identity { verifier, shown, trusts_system, minimum, .. } = &*self.identity;
        let facts = Facts {
            server: self.name.to_str().into_owned(),
            certificate: verifier.refused(&self.name),
            trusts_system: *trusts_system,
            minimum: *minimum,
            is_established,
            is_asked: shown.is_asked(),
            has_certificate: shown.has_certs(),
        };
        Error::new(Status::Tls, facts.sentence(error))
    }
}
