//! Certificates of clients: shown where they are wanted, and what is said where they are not good.

use justredis::error::Outcome::NotRun;
use justredis::error::Status;

use super::support::certificates::{path, pem};
use super::support::server::Server;
use super::support::transport::{Tls, Versions};
use super::{EACH, impossible, trusting};

fn wanting(versions: Versions) -> Server {
    Server::builder().tls(Tls { clients_of: Some("ca"), versions, ..Tls::default() }).start()
}

#[test]
fn a_certificate_is_shown_from_files_or_from_memory() {
    for server in EACH.map(wanting) {
        for (certificate, key) in [
            (path("client.pem"), path("client.key")),
            (pem("client.pem"), pem("client.key")),
            (pem("client.pem"), path("client.key")),
        ] {
            let options = [("tls_certificate", certificate.as_str()), ("tls_key", &key), ("tls_ca", &pem("ca.pem"))];
            assert_eq!(trusting(server.url(), &options).text(&["PING"]), "PONG");
        }
        // Several authorities in one text, and what stands around the certificates.
        let both = format!("# ours\n{}\n{}", pem("other-ca.pem"), pem("ca.pem"));
        let options = [("tls_certificate", path("client.pem")), ("tls_key", path("client.key")), ("tls_ca", both)];
        let options: Vec<(&str, &str)> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(trusting(server.url(), &options).text(&["PING"]), "PONG");
    }
}

/// In TLS 1.3 the server says so only after the client has finished the handshake: with what is read first.
#[test]
fn a_server_that_wants_a_certificate_is_told_from_one_that_hangs_up() {
    for server in EACH.map(wanting) {
        let address = server.address().to_string();
        for protocol in ["2", "auto"] {
            let client = trusting(server.url(), &[("protocol", protocol)]);
            let words = ["wants a certificate", "tls_certificate", "tls_key", &address];
            client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
            client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
        }
        let (certificate, key) = (path("other-client.pem"), path("other-client.key"));
        let client = trusting(server.url(), &[("tls_certificate", &certificate), ("tls_key", &key)]);
        let words = ["refused the certificate of this client", "tls_certificate", &address];
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
    }
}

#[test]
fn a_certificate_that_cannot_be_shown_is_told_before_anything_is_sent() {
    let server = wanting(Versions::Both);
    let (certificate, key) = (path("client.pem"), path("client.key"));
    for (certificate, key, words) in [
        (&certificate, &path("server.key"), &["the key is not that of the certificate"][..]),
        (&path("encrypted.pem"), &path("encrypted.key"), &["tls_key", "encrypted", "openssl pkey"]),
        (&path("encrypted.pem"), &pem("encrypted.key"), &["tls_key", "encrypted", "openssl pkey"]),
        (&certificate, &certificate, &["tls_key", "no private key"]),
        (&key, &key, &["tls_certificate", "no certificate"]),
        (&"/no/such/file.pem".to_owned(), &key, &["tls_certificate", "\"/no/such/file.pem\"", "No such file"]),
        (&certificate, &"/no/such/file.key".to_owned(), &["tls_key", "\"/no/such/file.key\"", "No such file"]),
        (&certificate, &"-----BEGIN PRIVATE KEY-----\ncanary\n".to_owned(), &["tls_key"]),
    ] {
        let client = trusting(server.url(), &[("tls_certificate", certificate), ("tls_key", key)]);
        let done = client.run_within(100_000, &["PING"]);
        done.says(Status::Tls, NotRun, words);
        assert!(!done.text().contains("canary"), "{}", done.text());
    }
    for (option, value) in [("tls_ca", "/no/such/file.pem"), ("tls_crl", "/no/such/file.crl")] {
        let client = trusting(server.url(), &[(option, value)]);
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &[option, value, "No such file"]);
    }
}

#[test]
fn options_that_do_not_fit_make_no_client() {
    let (certificate, key) = (path("client.pem"), path("client.key"));
    for (url, options, words) in [
        ("unix:///tmp/socket", &[("tls", "on")][..], &["Unix socket", "tls_server_name"][..]),
        ("rediss://", &[("endpoints", "/tmp/socket")], &["Unix socket", "tls_server_name"]),
        ("rediss://h", &[("tls_certificate", certificate.as_str())], &["tls_certificate", "tls_key"]),
        ("rediss://h", &[("tls_key", key.as_str())], &["tls_certificate", "tls_key"]),
        ("redis://h", &[("tls_ca", certificate.as_str())], &["tls_ca", "rediss://"]),
        ("redis://h", &[("tls_insecure", "on")], &["tls_insecure", "rediss://"]),
        ("rediss://h", &[("tls", "off"), ("tls_server_name", "h")], &["tls_server_name"]),
    ] {
        let error = impossible(url, options);
        assert_eq!(error.status, Status::Config, "{error:?}");
        words.iter().for_each(|word| assert!(error.message.contains(word), "{word:?} is missing: {}", error.message));
    }
}
