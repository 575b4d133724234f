//! Each faulty certificate of a server is refused with a sentence that says who, what is wrong, and what helps.

use justredis::error::Outcome::NotRun;
use justredis::error::Status;

use super::support::certificates;
use super::support::client::Tester;
use super::support::scripted::Scripted;
use super::support::server::Server;
use super::support::transport::Tls;
use super::{EACH, trusting};

/// A certificate that is refused, and what the sentence says besides the address.
struct Fault {
    certificate: &'static str,
    /// What the client trusts; without it, what the system does.
    authority: Option<&'static str>,
    /// The client knows the list of revoked certificates.
    has_list: bool,
    words: &'static [&'static str],
}

impl Fault {
    fn options(&self) -> Vec<(&'static str, String)> {
        let authority = self.authority.map(|name| ("tls_ca", certificates::path(name)));
        let list = self.has_list.then(|| ("tls_crl", certificates::path("revoked.crl")));
        authority.into_iter().chain(list).collect()
    }
}

const fn fault(certificate: &'static str, authority: &'static str, words: &'static [&'static str]) -> Fault {
    Fault { certificate, authority: Some(authority), has_list: false, words }
}

const FAULTS: [Fault; 10] = [
    fault("expired", "ca.pem", &["\"127.0.0.1\"", "\"expired\"", "expired on 2020-01-01", "renew"]),
    fault("early", "ca.pem", &["\"127.0.0.1\"", "\"early\"", "not valid before 2090-01-01", "clock"]),
    fault(
        "other-server",
        "ca.pem",
        &["\"127.0.0.1\"", "issued by \"justredis test other-ca\"", "none of the authorities", "tls_ca"],
    ),
    fault("elsewhere", "ca.pem", &["is for \"redis.example.com\"", "not for \"127.0.0.1\"", "tls_server_name"]),
    fault("no-address", "ca.pem", &["is for \"localhost\"", "not for \"127.0.0.1\"", "tls_server_name"]),
    fault("version-1", "ca.pem", &["\"127.0.0.1\"", "X.509 version 1", "subjectAltName"]),
    fault("authority", "authority.pem", &["\"127.0.0.1\"", "an authority", "CA:TRUE"]),
    Fault {
        has_list: true,
        ..fault("revoked", "ca.pem", &["\"127.0.0.1\"", "\"revoked\"", "was revoked", "tls_crl", "renew"])
    },
    Fault {
        has_list: true,
        ..fault("other-server", "other-ca.pem", &["\"127.0.0.1\"", "no list in tls_crl", "justredis test other-ca"])
    },
    Fault {
        authority: None,
        ..fault("server", "", &["\"127.0.0.1\"", "no authority that this system trusts", "set tls_ca"])
    },
];

#[test]
fn each_faulty_certificate_of_a_server_is_refused_with_its_own_sentence() {
    for versions in EACH {
        for fault in FAULTS {
            let server =
                Server::builder().tls(Tls { certificate: fault.certificate, versions, ..Tls::default() }).start();
            let options = fault.options();
            let options: Vec<(&str, &str)> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let client = Tester::with(server.url(), &options);
            let done = client.run_within(100_000, &["PING"]);
            let address = server.address().to_string();
            let words = [fault.words, &[address.as_str()]].concat();
            done.says(Status::Tls, NotRun, &words);
            // The program does not get through by trying again.
            client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
        }
    }
}

/// And nothing was said to it: neither a command nor a password.
#[test]
fn a_refused_server_hears_nothing() {
    for versions in EACH {
        let tls = Tls { certificate: "elsewhere", versions, ..Tls::default() };
        let server = Scripted::after_handshake_over(Some(tls.acceptor()), |_| vec![]);
        let options =
            [("username", "ann"), ("password", "secret"), ("connect_retries", "3"), ("reconnect_delay_max", "50")];
        let client = trusting(server.url(), &options);
        assert_eq!(client.run_within(100_000, &["PING"]).ending(), (Status::Tls, NotRun));
        assert!(server.accepted() > 0 && server.received().is_empty());
    }
}

#[test]
fn a_good_certificate_is_accepted_by_each_of_its_names() {
    let server = Server::builder().tls(Tls::default()).start();
    let crl = certificates::path("revoked.crl");
    for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
        let client = trusting(format!("rediss://{host}:{}", server.port()), &[("tls_crl", &crl)]);
        assert_eq!(client.text(&["PING"]), "PONG");
    }
    // The name does not have to be that of the endpoint.
    for (certificate, name) in [("elsewhere", "redis.example.com"), ("no-address", "localhost"), ("server", "::1")] {
        let server = Server::builder().tls(Tls { certificate, ..Tls::default() }).start();
        let client = trusting(server.url(), &[("tls_server_name", name)]);
        assert_eq!(client.text(&["PING"]), "PONG");
        let client = trusting(server.url(), &[("tls_server_name", "other.example.com")]);
        client.run(&["PING"]).says(Status::Tls, NotRun, &["not for \"other.example.com\""]);
    }
}

#[test]
fn nothing_is_asked_of_a_certificate_only_where_a_program_says_so() {
    // One of version 1 cannot even be read.
    for Fault { certificate, .. } in FAULTS.into_iter().filter(|fault| fault.certificate != "version-1") {
        let server = Server::builder().tls(Tls { certificate, ..Tls::default() }).start();
        let client = Tester::with(server.url(), &[("tls_insecure", "on")]);
        assert_eq!(client.text(&["PING"]), "PONG", "{certificate}");
    }
}
