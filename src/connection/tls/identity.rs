//! What a client trusts and what it shows, made of its options: authorities, revoked certificates, its own certificate
//! and key.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::verifier::Verifier;
use crate::config::{Config, TlsVersion};
use crate::error::{Error, Status};

/// No file of an option is larger.
const LARGEST_FILE: u64 = 16 << 20;

/// How PEM begins; a value without it is a path.
const PEM: &str = "-----BEGIN";

/// The content of the options, files read.
pub struct Inputs {
    authorities: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    key: Option<Zeroizing<Vec<u8>>>,
    revoked: Option<Vec<u8>>,
}

impl Inputs {
    /// Reads the files that the options name. Blocks.
    pub fn read(config: &Config) -> Result<Inputs, Error> {
        let content = |option, value: &Option<String>| value.as_deref().map(|value| read(option, value)).transpose();
        Ok(Inputs {
            authorities: content("tls_ca", &config.tls_ca)?,
            certificate: content("tls_certificate", &config.tls_certificate)?,
            key: config.tls_key.as_ref().map(|key| read("tls_key", key.expose())).transpose()?.map(Zeroizing::new),
            revoked: content("tls_crl", &config.tls_crl)?,
        })
    }

    /// Tells whether it is the same content as before, without keeping it.
    pub fn digest(&self) -> [u8; 20] {
        let mut digest = Sha1::new();
        let key = self.key.as_deref();
        for content in [self.authorities.as_ref(), self.certificate.as_ref(), key, self.revoked.as_ref()] {
            digest.update(content.map_or(u64::MAX, |content| content.len() as u64).to_le_bytes());
            digest.update(content.map_or(&[][..], |content| content));
        }
        digest.finalize().into()
    }
}

/// Whether an option names a file, so that its content may change.
pub fn has_files(config: &Config) -> bool {
    let is_file = |value: &str| !value.contains(PEM);
    let values = [&config.tls_ca, &config.tls_certificate, &config.tls_crl];
    values.into_iter().flatten().any(|value| is_file(value))
        || config.tls_key.as_ref().is_some_and(|key| is_file(key.expose()))
}

/// The content of an option that is PEM, or the path of a file with PEM.
fn read(option: &str, value: &str) -> Result<Vec<u8>, Error> {
    if value.contains(PEM) {
        return Ok(value.as_bytes().to_vec());
    }
    let mut content = Vec::new();
    let file = std::fs::File::open(value);
    match file.and_then(|file| file.take(LARGEST_FILE).read_to_end(&mut content)) {
        Ok(_) => Ok(content),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or_default();
            Err(wrong(option, &format!("the file \"{value}\" cannot be read: {reason}")))
        }
    }
}

/// What is needed for a handshake; shared by all connections of a client, whose sessions are resumed.
#[derive(Debug)]
pub struct Identity {
    /// For rustls.
    pub config: Arc<ClientConfig>,
    /// The same that `config` has.
    pub verifier: Arc<Verifier>,
    /// The same that `config` has.
    pub shown: Arc<Shown>,
    /// The system's authorities are trusted.
    pub trusts_system: bool,
    /// The oldest version.
    pub minimum: TlsVersion,
}

impl Identity {
    /// Takes what the options say. Blocks where the system's authorities are asked for.
    pub fn new(config: &Config, inputs: &Inputs) -> Result<Identity, Error> {
        let provider = Arc::new(ring::default_provider());
        let judge = (!config.tls_insecure).then(|| judge(inputs, &provider)).transpose()?;
        let verifier = Arc::new(Verifier::new(judge, Arc::clone(&provider)));
        let key = match (&inputs.certificate, &inputs.key) {
            (Some(certificate), Some(key)) => Some(Arc::new(own_certificate(certificate, key, &provider)?)),
            _ => None,
        };
        let shown = Arc::new(Shown { key, is_asked: AtomicBool::new(false) });
        let versions: &[_] = match config.tls_minimum_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let builder = builder.map_err(|error| Error::new(Status::Tls, error.to_string()))?;
        // What the verifier does is said at `judge`.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::<Verifier>::clone(&verifier));
        let rustls = builder.with_client_cert_resolver(Arc::<Shown>::clone(&shown));
        Ok(Identity {
            config: Arc::new(rustls),
            verifier,
            shown,
            trusts_system: inputs.authorities.is_none(),
            minimum: config.tls_minimum_version,
        })
    }
}

/// Who judges servers: the system, or the given authorities, with the given lists of revoked certificates.
fn judge(inputs: &Inputs, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let unusable =
        |error: &dyn std::fmt::Display| Error::new(Status::Tls, format!("the system's authorities: {error}"));
    let mut roots = RootCertStore::empty();
    match (&inputs.authorities, &inputs.revoked) {
        (None, None) => {
            let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
            return Ok(Arc::new(verifier.map_err(|error| unusable(&error))?));
        }
        (Some(authorities), _) => {
            for authority in certificates("tls_ca", authorities)? {
                let added = roots.add(authority);
                added.map_err(|error| wrong("tls_ca", &format!("it holds a certificate that is broken: {error}")))?;
            }
        }
        (None, Some(_)) => {
            let found = rustls_native_certs::load_native_certs();
            if let (0, _) = roots.add_parsable_certificates(found.certs) {
                return Err(unusable(&"there are none (set tls_ca, or install the package ca-certificates)"));
            }
        }
    }
    let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if let Some(revoked) = &inputs.revoked {
        builder = builder.with_crls(revocation_lists(revoked)?).only_check_end_entity_revocation();
    }
    match builder.build() {
        Ok(verifier) => Ok(verifier),
        Err(error) => Err(Error::new(Status::Tls, format!("options tls_ca and tls_crl: {error}"))),
    }
}

fn certificates(option: &str, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| wrong(option, &format!("it is not PEM: {error}")))?;
    match found.is_empty() {
        true => Err(wrong(option, "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")),
        false => Ok(found),
    }
}

fn revocation_lists(content: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let found = CertificateRevocationListDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| wrong("tls_crl", &format!("it is not PEM: {error}")))?;
    match found.is_empty() {
        true => Err(wrong("tls_crl", "it holds no list in PEM (-----BEGIN X509 CRL-----)")),
        false => Ok(found),
    }
}

/// The certificate and the key that belong together.
fn own_certificate(certificate: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let chain = certificates("tls_certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY".as_slice();
        wrong(
            "tls_key",
            match error {
                _ if key.windows(encrypted.len()).any(|part| part == encrypted) => {
                    "the key is encrypted; write it without a passphrase (openssl pkey -in KEY)"
                }
                pem::Error::NoItemsFound => "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)",
                _ => "it is not PEM",
            },
        )
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            Error::new(Status::Tls, "options tls_certificate and tls_key: the key is not that of the certificate")
        }
        error => wrong("tls_key", &format!("the key cannot be used: {error}")),
    })
}

fn wrong(option: &str, sentence: &str) -> Error {
    Error::new(Status::Tls, format!("option \"{option}\": {sentence}"))
}

/// The certificate that the client shows when it is asked for one.
#[derive(Debug)]
pub struct Shown {
    key: Option<Arc<CertifiedKey>>,
    /// A server has asked.
    is_asked: AtomicBool,
}

impl Shown {
    /// Whether a server has asked for a certificate.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.is_asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
