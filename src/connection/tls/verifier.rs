//! Judges the certificate of a server, and remembers the one that it refused, for the sentence that says why.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::certificate::Names;
use crate::lock::Lock;

/// The verifier of a client. Whoever shows a certificate must have its key, whoever judges it.
#[derive(Debug)]
pub struct Verifier {
    /// `None`: any certificate is taken (the option `tls_insecure`).
    judge: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    refused: Lock<Option<(ServerName<'static>, Names)>>,
}

impl Verifier {
    /// Refuses what this one refuses; `None`: no certificate.
    pub fn new(judge: Option<Arc<dyn ServerCertVerifier>>, provider: Arc<CryptoProvider>) -> Verifier {
        Verifier { judge, provider, refused: Lock::default() }
    }

    /// Whose the certificate is that was refused last, if it was one of this server.
    pub fn refused(&self, server: &ServerName<'_>) -> Option<Names> {
        self.refused.lock().as_ref().filter(|(name, _)| name == server).map(|(_, names)| names.clone())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(judge) = &self.judge else { return Ok(ServerCertVerified::assertion()) };
        let judged = judge.verify_server_cert(certificate, others, server, ocsp, now);
        if judged.is_err() {
            *self.refused.lock() = Some((server.to_owned(), Names::of(certificate)));
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
