//! The TLS of the harness proves itself against a client by rustls alone: servers and scripted servers speak it in the
//! wanted version, and each step of TLS alone does what it says.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};
use support::certificates;
use support::resp::encode;
use support::scripted::{Scripted, Step};
use support::server::Server;
use support::transport::{Tls, Versions};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts one authority and shows this certificate.
fn client(authority: &str, certificate: Option<&str>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates::path(authority)).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = vec![CertificateDer::from_pem_file(certificates::path(&format!("{name}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(certificates::path(&format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

/// A connection with the handshake done.
fn connect(client: &Arc<ClientConfig>, port: u16) -> io::Result<Stream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(support::wait::LIMIT))?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(client.clone(), name).map_err(io::Error::other)?, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn ping(stream: &mut Stream) -> io::Result<String> {
    stream.write_all(&encode(&["PING"]))?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn version(stream: &Stream) -> ProtocolVersion {
    stream.conn.protocol_version().unwrap()
}

const WANTED: [(Versions, ProtocolVersion); 3] = [
    (Versions::Only12, ProtocolVersion::TLSv1_2),
    (Versions::Only13, ProtocolVersion::TLSv1_3),
    (Versions::Both, ProtocolVersion::TLSv1_3),
];

#[test]
fn servers_speak_the_wanted_version_and_keep_their_ports() {
    for (versions, wanted) in WANTED {
        let server = Server::builder().tls(Tls { versions, ..Tls::default() }).start();
        assert!(server.url().starts_with("rediss://") && server.url().ends_with(&server.port().to_string()));
        assert!(server.command(&["SET", "key", "value"]).is_ok());
        for _ in 0..2 {
            let mut stream = connect(&client("ca.pem", None), server.port()).unwrap();
            assert_eq!((version(&stream), ping(&mut stream).unwrap().as_str()), (wanted, "+PONG\r\n"));
            server.restart();
        }
    }
}

#[test]
fn servers_want_a_certificate_of_their_authority_when_told_to() {
    for versions in [Versions::Only12, Versions::Only13] {
        let tls = Tls { clients_of: Some("ca"), versions, ..Tls::default() };
        let server = Server::builder().tls(tls.clone()).start();
        let scripted = Scripted::playing_over(Some(tls.acceptor()), vec![Step::Command, Step::send("+PONG\r\n")]);
        for port in [server.port(), scripted.port()] {
            let ping = |certificate| {
                let client = client("ca.pem", certificate);
                connect(&client, port).and_then(|mut stream| ping(&mut stream))
            };
            assert_eq!(ping(Some("client")).unwrap(), "+PONG\r\n");
            assert!(ping(None).is_err() && ping(Some("other-client")).is_err());
        }
    }
}

#[test]
fn each_faulty_certificate_is_refused_and_the_good_one_is_not() {
    let accepts = |certificate: &'static str, authority: &str| {
        let server = Scripted::playing_over(
            Some(Tls { certificate, ..Tls::default() }.acceptor()),
            vec![Step::Command, Step::send("+PONG\r\n")],
        );
        connect(&client(authority, None), server.port()).and_then(|mut stream| ping(&mut stream)).is_ok()
    };
    assert!(accepts("server", "ca.pem") && accepts("other-server", "other-ca.pem"));
    // Whether one is revoked, only a client knows that has the list.
    assert!(accepts("revoked", "ca.pem"));
    for certificate in ["expired", "early", "elsewhere", "no-address", "version-1", "other-server"] {
        assert!(!accepts(certificate, "ca.pem"), "{certificate}");
    }
    assert!(!accepts("authority", "authority.pem"));
    assert!(!accepts("server", "other-ca.pem"));
}

#[test]
fn scripted_servers_speak_the_wanted_version_and_know_returning_sessions() {
    for (versions, wanted) in WANTED {
        let steps = vec![Step::expect(&["PING"]), Step::send("+PO"), Step::send("NG\r\n"), Step::Silence];
        let scripted = Scripted::playing_over(Some(Tls { versions, ..Tls::default() }.acceptor()), steps);
        let client = client("ca.pem", None);
        for round in 0..2 {
            let mut stream = connect(&client, scripted.port()).unwrap();
            assert_eq!((version(&stream), ping(&mut stream).unwrap().as_str()), (wanted, "+PONG\r\n"));
            assert_eq!(scripted.resumed(), round);
        }
        assert_eq!((scripted.received().len(), scripted.differences().len()), (2, 0));
    }
}

#[test]
fn records_and_new_keys_go_as_the_steps_say() {
    let records = Step::Records(vec![b"+a\r\n+b\r\n+".to_vec(), b"c\r".to_vec(), b"\n".to_vec()]);
    let steps = vec![Step::Command, records, Step::UpdateKeys, Step::send("+d\r\n"), Step::Command, Step::Close];
    for versions in [Versions::Only12, Versions::Only13] {
        let mut steps = steps.clone();
        if versions == Versions::Only12 {
            steps.retain(|step| !matches!(step, Step::UpdateKeys));
        }
        let scripted = Scripted::playing_over(Some(Tls { versions, ..Tls::default() }.acceptor()), steps);
        let mut stream = connect(&client("ca.pem", None), scripted.port()).unwrap();
        stream.write_all(&encode(&["PING"])).unwrap();
        let mut answers = [0; 16];
        stream.read_exact(&mut answers).unwrap();
        assert_eq!(&answers, b"+a\r\n+b\r\n+c\r\n+d\r\n");
        stream.write_all(&encode(&["PING"])).unwrap();
        assert_eq!(stream.read(&mut answers).unwrap(), 0, "close_notify");
        assert_eq!(scripted.received().len(), 2, "what came under new keys was understood");
    }
}

#[test]
fn a_cut_is_told_from_an_orderly_end() {
    for (step, wanted) in [
        (Step::Close, Ok(0)),
        (Step::Cut, Err(ErrorKind::UnexpectedEof)),
        (Step::Reset, Err(ErrorKind::ConnectionReset)),
    ] {
        let scripted = Scripted::playing_over(Some(Tls::default().acceptor()), vec![Step::Command, step]);
        let mut stream = connect(&client("ca.pem", None), scripted.port()).unwrap();
        stream.write_all(&encode(&["PING"])).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).map_err(|error| error.kind()), wanted);
    }
}
