//! Why TLS failed, as a sentence that names the server, the certificate and what to do. Pure.

use std::fmt::Write as _;

use rustls::{AlertDescription as Alert, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::certificate::{Names, day};
use crate::config::TlsVersion;

/// What a sentence needs to know.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The name that the certificate has to be for.
    pub server: String,
    /// Of the certificate that was refused, if one was.
    pub certificate: Option<Names>,
    /// The system's authorities are trusted, not those of the option `tls_ca`.
    pub trusts_system: bool,
    /// What the option `tls_minimum_version` says.
    pub minimum: TlsVersion,
    /// The handshake was done before.
    pub is_established: bool,
    /// The server has asked for a certificate of the client.
    pub is_asked: bool,
    /// The client has one.
    pub has_certificate: bool,
}

impl Facts {
    /// Why TLS failed.
    pub fn sentence(&self, error: &Error) -> String {
        match error {
            Error::InvalidCertificate(error) => self.certificate_sentence(error),
            Error::InvalidCertRevocationList(error) => {
                format!("a list in tls_crl cannot be used: {error:?}")
            }
            Error::AlertReceived(alert) => self.alert_sentence(*alert),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => self.no_version(),
            Error::PeerIncompatible(error) => {
                format!("the server and this client have too little of TLS in common: {error:?}")
            }
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) if !self.is_established => {
                "the server does not speak TLS on this port; use its port for TLS, or write redis:// without the \
                  second \"s\" (option tls=off)"
                    .to_owned()
            }
            error => format!("the TLS session failed: {error}"),
        }
    }

    fn no_version(&self) -> String {
        let spoken = match self.minimum {
            TlsVersion::Tls12 => "1.2 nor 1.3",
            TlsVersion::Tls13 => "1.3 (option tls_minimum_version)",
        };
        let word = if self.minimum == TlsVersion::Tls12 { "neither TLS " } else { "not TLS " };
        format!("the server speaks {word}{spoken}; older versions are not safe: enable a newer one at the server")
    }

    /// The server ended the session and said why.
    fn alert_sentence(&self, alert: Alert) -> String {
        let name = format!("{alert:?}");
        match alert {
            Alert::ProtocolVersion => self.no_version(),
            Alert::UnrecognisedName => {
                format!("the server does not know the name \"{}\"; set tls_server_name to one of its", self.server)
            }
            Alert::CertificateRequired => self.wanted(&name),
            Alert::HandshakeFailure | Alert::NoCertificate | Alert::BadCertificate if self.lacks_certificate() => {
                self.wanted(&name)
            }
            Alert::HandshakeFailure if !self.is_asked => {
                "the server and this client have no cipher of TLS in common (alert HandshakeFailure)".to_owned()
            }
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure
                if self.is_asked && self.has_certificate =>
            {
                format!(
                    "the server refused the certificate of this client (alert {name}); tls_certificate must be valid, \
                     and issued by an authority that the server trusts"
                )
            }
            _ => format!("the server ended the TLS session (alert {name})"),
        }
    }

    fn lacks_certificate(&self) -> bool {
        self.is_asked && !self.has_certificate
    }

    fn wanted(&self, alert: &str) -> String {
        match self.has_certificate {
            true => format!("the server wants another certificate of this client than tls_certificate (alert {alert})"),
            false => format!(
                "the server wants a certificate of this client (alert {alert}); set tls_certificate and tls_key"
            ),
        }
    }

    /// The certificate of the server is not to be trusted.
    fn certificate_sentence(&self, error: &CertificateError) -> String {
        let (server, who) = (&self.server, self.who());
        match error {
            CertificateError::ExpiredContext { not_after, .. } => {
                format!("{who} expired on {}; renew it at the server", day(*not_after))
            }
            CertificateError::NotValidYetContext { not_before, time } => format!(
                "{who} is not valid before {}, and today is {}; check the clock of this machine",
                day(*not_before),
                day(*time)
            ),
            CertificateError::UnknownIssuer if self.trusts_system => format!(
                "{who} was issued by no authority that this system trusts; set tls_ca to the certificate of its \
                 authority"
            ),
            CertificateError::UnknownIssuer => format!("{who} was issued by none of the authorities in tls_ca"),
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
                "{who} is for no name at all, so it cannot be for \"{server}\"; make one with a subjectAltName (the \
                 common name does not count)"
            ),
            CertificateError::NotValidForNameContext { presented, .. } => format!(
                "{who} is for {}, not for \"{server}\"; connect by one of these names, or set tls_server_name to one",
                listed(presented)
            ),
            CertificateError::Revoked => format!("{who} was revoked, says a list in tls_crl; renew it at the server"),
            CertificateError::UnknownRevocationStatus => {
                format!("no list in tls_crl is by the authority that issued {who}; add its list")
            }
            CertificateError::ExpiredRevocationListContext { next_update, .. } => {
                format!("the list in tls_crl that covers {who} ended on {}; fetch the next one", day(*next_update))
            }
            CertificateError::Other(other) => self.other_sentence(&who, other),
            error => format!("{who} cannot be trusted: {error}"),
        }
    }

    fn other_sentence(&self, who: &str, error: &rustls::OtherError) -> String {
        match error.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::UnsupportedCertVersion) => format!(
                "{who} is of X.509 version 1, which knows no subjectAltName; make one of version 3, with a \
                 subjectAltName"
            ),
            Some(webpki::Error::CaUsedAsEndEntity) => format!(
                "{who} is that of an authority (CA:TRUE), which must not be used by a server; let the authority issue \
                 one for the server"
            ),
            _ => format!("{who} cannot be trusted: {error}"),
        }
    }

    /// The certificate, as the subject of a sentence.
    fn who(&self) -> String {
        let mut text = format!("the certificate of \"{}\"", self.server);
        let Some(Names { subject, issuer }) = &self.certificate else { return text };
        let shown = match (subject.is_empty(), issuer.is_empty()) {
            (true, true) => Ok(()),
            (false, true) => write!(text, " (\"{subject}\")"),
            (true, false) => write!(text, " (issued by \"{issuer}\")"),
            (false, false) => write!(text, " (\"{subject}\", issued by \"{issuer}\")"),
        };
        // Writing to a text does not fail.
        _ = shown;
        text
    }
}

/// The first names of a certificate.
fn listed(presented: &[String]) -> String {
    const SHOWN: usize = 4;
    // `DnsName("db.example")` and `IpAddress(127.0.0.1)` are how they are presented.
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        format!("\"{}\"", inner.trim_matches('"').chars().filter(|letter| !letter.is_control()).collect::<String>())
    };
    let mut text = presented.iter().take(SHOWN).map(plain).collect::<Vec<_>>().join(", ");
    if presented.len() > SHOWN {
        text.push_str(" and others");
    }
    text
}

#[cfg(test)]
mod tests;
