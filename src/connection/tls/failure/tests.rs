//! Every way of failing has a sentence that names the server, what is wrong and what to do.

use std::sync::Arc;
use std::time::Duration;

use rustls::OtherError;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

fn facts() -> Facts {
    Facts {
        server: "db.example".to_owned(),
        certificate: Some(Names { subject: "db".to_owned(), issuer: "Corp CA".to_owned() }),
        trusts_system: false,
        minimum: TlsVersion::Tls12,
        is_established: false,
        is_asked: false,
        has_certificate: false,
    }
}

/// So many days after 1970-01-01.
fn days(count: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(count * 86_400))
}

fn other(error: webpki::Error) -> CertificateError {
    CertificateError::Other(OtherError(Arc::new(error)))
}

#[test]
fn certificates_that_cannot_be_trusted() {
    let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
        expected: ServerName::try_from("db.example").unwrap(),
        presented: presented.iter().map(|&name| name.to_owned()).collect(),
    };
    let many = ["DnsName(\"a\")", "DnsName(\"b\")", "DnsName(\"c\")", "DnsName(\"d\")", "DnsName(\"e\")"];
    for (error, part) in [
        (
            CertificateError::ExpiredContext { time: days(20_000), not_after: days(19_999) },
            "expired on 2024-10-03; renew it",
        ),
        (
            CertificateError::NotValidYetContext { time: days(20_000), not_before: days(20_001) },
            "is not valid before 2024-10-05, and today is 2024-10-04; check the clock",
        ),
        (CertificateError::UnknownIssuer, "issued by none of the authorities in tls_ca"),
        (named(&["DnsName(\"www.example\")", "IpAddress(10.0.0.1)"]), "is for \"www.example\", \"10.0.0.1\", not for"),
        (named(&many), "\"d\" and others, not for \"db.example\""),
        (named(&[]), "for no name at all, so it cannot be for \"db.example\"; make one with a subjectAltName"),
        (CertificateError::Revoked, "was revoked"),
        (CertificateError::UnknownRevocationStatus, "no list in tls_crl is by the authority"),
        (
            CertificateError::ExpiredRevocationListContext { time: days(1), next_update: days(0) },
            "ended on 1970-01-01; fetch the next one",
        ),
        (other(webpki::Error::UnsupportedCertVersion), "is of X.509 version 1"),
        (other(webpki::Error::CaUsedAsEndEntity), "is that of an authority (CA:TRUE)"),
        (other(webpki::Error::BadDer), "cannot be trusted: "),
        (CertificateError::BadSignature, "cannot be trusted: "),
    ] {
        let sentence = facts().sentence(&Error::InvalidCertificate(error));
        assert!(sentence.contains(part), "{sentence}");
        assert!(sentence.contains("the certificate of \"db.example\" (\"db\", issued by \"Corp CA\")"), "{sentence}");
    }
    let system = Facts { trusts_system: true, ..facts() };
    let sentence = system.sentence(&Error::InvalidCertificate(CertificateError::UnknownIssuer));
    assert!(sentence.contains("no authority that this system trusts; set tls_ca"), "{sentence}");
}

#[test]
fn a_certificate_is_named_as_far_as_it_says_who_it_is() {
    for (subject, issuer, who) in [
        ("", "", "the certificate of \"db.example\""),
        ("a", "", "the certificate of \"db.example\" (\"a\")"),
        ("", "b", "the certificate of \"db.example\" (issued by \"b\")"),
    ] {
        let names = Names { subject: subject.to_owned(), issuer: issuer.to_owned() };
        assert_eq!(Facts { certificate: Some(names), ..facts() }.who(), who);
    }
    assert_eq!(Facts { certificate: None, ..facts() }.who(), "the certificate of \"db.example\"");
}

#[test]
fn what_the_server_says_against_the_client() {
    for (alert, is_asked, has_certificate, part) in [
        (Alert::CertificateRequired, true, false, "set tls_certificate and tls_key"),
        (Alert::CertificateRequired, true, true, "wants another certificate"),
        (Alert::HandshakeFailure, true, false, "set tls_certificate and tls_key"),
        (Alert::BadCertificate, true, false, "set tls_certificate and tls_key"),
        (Alert::HandshakeFailure, false, false, "no cipher of TLS in common"),
        (Alert::UnknownCA, true, true, "refused the certificate of this client (alert UnknownCA)"),
        (Alert::CertificateExpired, true, true, "refused the certificate of this client"),
        (Alert::UnknownCA, false, true, "ended the TLS session (alert UnknownCA)"),
        (Alert::ProtocolVersion, false, false, "neither TLS 1.2 nor 1.3"),
        (Alert::UnrecognisedName, false, false, "does not know the name \"db.example\"; set tls_server_name"),
        (Alert::InternalError, false, false, "alert InternalError"),
    ] {
        let sentence = Facts { is_asked, has_certificate, ..facts() }.sentence(&Error::AlertReceived(alert));
        assert!(sentence.contains(part), "{alert:?}: {sentence}");
    }
}

#[test]
fn servers_of_other_versions_and_of_none() {
    let version = Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig);
    let established = Facts { is_established: true, ..facts() };
    let newest = Facts { minimum: TlsVersion::Tls13, ..facts() };
    for (sentence, part) in [
        (facts().sentence(&version), "neither TLS 1.2 nor 1.3"),
        (newest.sentence(&version), "not TLS 1.3 (option tls_minimum_version)"),
        (facts().sentence(&Error::InvalidMessage(InvalidMessage::InvalidContentType)), "does not speak TLS"),
        (
            established.sentence(&Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            "the TLS session failed: received corrupt message",
        ),
        (
            facts().sentence(&Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)),
            "too little of TLS in common",
        ),
        (facts().sentence(&Error::DecryptError), "the TLS session failed: cannot decrypt peer's message"),
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
}
