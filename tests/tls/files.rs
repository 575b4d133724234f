//! Certificates are renewed while programs run: files are read again for each connection, and what is broken in them
//! changes nothing.

use std::fs;
use std::path::PathBuf;

use justredis::error::Outcome::NotRun;
use justredis::error::Status;
use tempfile::TempDir;

use super::support::certificates::{path, pem};
use super::support::client::Tester;
use super::support::server::Server;
use super::support::transport::Tls;
use super::support::wait;

/// Files of a client, under names that stay.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        files.take("ca.pem", "client");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Puts these certificates there.
    fn take(&self, authority: &str, client: &str) {
        fs::write(self.path("ca"), pem(authority)).unwrap();
        fs::write(self.path("certificate"), pem(&format!("{client}.pem"))).unwrap();
        fs::write(self.path("key"), pem(&format!("{client}.key"))).unwrap();
    }

    fn client(&self, server: &Server) -> Tester {
        let (ca, certificate, key) = (self.text("ca"), self.text("certificate"), self.text("key"));
        let options = [
            ("tls_ca", ca.as_str()),
            ("tls_certificate", &certificate),
            ("tls_key", &key),
            ("reconnect_delay", "1ms"),
            ("reconnect_delay_max", "10ms"),
        ];
        Tester::with(server.url(), &options)
    }
}

/// From here on the server has these files.
fn renew(server: &Server, certificate: &str, clients_of: &str) {
    let files = [
        "tls-cert-file".to_owned(),
        path(&format!("{certificate}.pem")),
        "tls-key-file".to_owned(),
        path(&format!("{certificate}.key")),
        "tls-ca-cert-file".to_owned(),
        path(&format!("{clients_of}.pem")),
    ];
    let command: Vec<&str> = ["CONFIG", "SET"].into_iter().chain(files.iter().map(String::as_str)).collect();
    assert!(server.command(&command).is_ok());
}

/// Ends the connections of the client.
fn disconnect(server: &Server, client: &Tester) {
    let connections = client.stat("connections");
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    wait::until("the connection to be noticed as gone", || {
        client.stat("connected") == 0 || client.stat("connections") > connections
    });
}

#[test]
fn all_certificates_change_under_a_running_client() {
    let server = Server::builder().tls(Tls { clients_of: Some("ca"), ..Tls::default() }).start();
    let files = Files::new();
    let client = files.client(&server);
    assert_eq!(client.text(&["PING"]), "PONG");
    for (authority, certificate, user) in [
        ("other-ca", "other-server", "other-client"),
        ("ca", "server", "client"),
        ("other-ca", "other-server", "other-client"),
    ] {
        renew(&server, certificate, authority);
        files.take(&format!("{authority}.pem"), user);
        disconnect(&server, &client);
        assert_eq!(client.text(&["PING"]), "PONG");
    }
}

#[test]
fn a_client_gets_through_once_its_files_are_mended() {
    let server =
        Server::builder().tls(Tls { certificate: "other-server", clients_of: Some("ca"), ..Tls::default() }).start();
    let files = Files::new();
    let client = files.client(&server);
    client.run(&["PING"]).says(Status::Tls, NotRun, &["none of the authorities"]);
    files.take("other-ca.pem", "other-client");
    wait::until("the new authority to be trusted", || {
        let done = client.run(&["PING"]);
        done.text().contains("refused the certificate of this client")
    });
    files.take("other-ca.pem", "client");
    wait::until("the new certificate to be shown", || client.run(&["PING"]).is_ok());
}

/// A file is written while it is read, or one of two is there before the other.
#[test]
fn the_last_good_certificates_stay_while_the_files_are_broken() {
    let server = Server::builder().tls(Tls { clients_of: Some("ca"), ..Tls::default() }).start();
    let files = Files::new();
    let client = files.client(&server);
    assert_eq!(client.text(&["PING"]), "PONG");
    let whole = pem("client.pem");
    for (name, content) in [
        ("certificate", String::new()),
        ("certificate", whole[..whole.len() / 2].to_owned()),
        ("certificate", pem("other-client.pem")),
        ("key", "no key".to_owned()),
        ("ca", "no certificate".to_owned()),
    ] {
        fs::write(files.path(name), content).unwrap();
        disconnect(&server, &client);
        assert_eq!(client.text(&["PING"]), "PONG", "{name}");
        files.take("ca.pem", "client");
    }
    fs::remove_file(files.path("key")).unwrap();
    disconnect(&server, &client);
    assert_eq!(client.text(&["PING"]), "PONG");
    // And once they are whole again, they count.
    renew(&server, "other-server", "other-ca");
    files.take("other-ca.pem", "other-client");
    disconnect(&server, &client);
    assert_eq!(client.text(&["PING"]), "PONG");
}
