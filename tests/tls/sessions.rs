//! The session by itself: bytes of a server of rustls go in, in whatever pieces, and nothing of it needs a socket.

use std::io::{Read, Write};
use std::sync::Arc;

use justredis::config::Config;
use justredis::connection::tls::identity::{Identity, Inputs};
use justredis::connection::tls::records::Records;
use justredis::connection::tls::session::{Session, State};
use rustls::ServerConnection;
use rustls::pki_types::ServerName;

use super::support::certificates;
use super::support::transport::Versions;
use super::{EACH, speaking};

/// A client, a server that splits its messages into small records, and what the client holds of the server's bytes.
struct Both {
    client: Session,
    server: ServerConnection,
    got: Vec<u8>,
}

impl Both {
    fn new(versions: Versions) -> Both {
        let mut config = Config::default();
        config.set("url", "rediss://localhost").unwrap();
        config.set("tls_ca", &certificates::path("ca.pem")).unwrap();
        let identity = Identity::new(&config, &Inputs::read(&config).unwrap()).unwrap();
        let client = Session::new(identity.config, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut tls = Arc::unwrap_or_clone(speaking(versions).acceptor());
        tls.max_fragment_size = Some(48);
        Both { client, server: ServerConnection::new(Arc::new(tls)).unwrap(), got: Vec::new() }
    }

    /// The client gets these bytes.
    fn feed(&mut self, bytes: &[u8]) -> State {
        let mut incoming = [self.client.held(), bytes].concat();
        let got = &mut self.got;
        self.client.receive(&mut incoming, |plaintext| got.extend_from_slice(plaintext)).unwrap()
    }

    /// What the client has said so far goes to the server.
    fn hear(&mut self, mut said: Records) {
        self.client.take_replies(&mut said);
        let mut rest = said.rest();
        while !rest.is_empty() {
            self.server.read_tls(&mut rest).unwrap();
            self.server.process_new_packets().unwrap();
        }
    }

    fn spoken(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// All of the handshake; gives what the server says behind it, such as tickets.
    fn shake_hands(&mut self) -> Vec<u8> {
        let mut state = self.feed(b"");
        loop {
            self.hear(Records::default());
            let spoken = self.spoken();
            if state == State::Open {
                return spoken;
            }
            state = self.feed(&spoken);
        }
    }
}

/// At each byte of a ticket that comes in several records, the client may want to say something.
#[test]
fn something_is_said_while_a_part_of_a_message_is_there() {
    for versions in EACH {
        let behind = {
            let mut both = Both::new(versions);
            both.shake_hands().len()
        };
        for position in 0..=behind {
            let mut both = Both::new(versions);
            let tickets = both.shake_hands();
            let position = position.min(tickets.len());
            assert_eq!(both.feed(&tickets[..position]), State::Open);
            let mut said = Records::default();
            both.client.encrypt(b"PING\r\n", &mut said).unwrap();
            both.hear(said);
            let mut heard = [0; 6];
            both.server.reader().read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"PING\r\n");
            both.server.writer().write_all(b"+PONG\r\n").unwrap();
            let rest = [&tickets[position..], &both.spoken()].concat();
            both.feed(&rest);
            assert_eq!(both.got, b"+PONG\r\n", "{versions:?}, {position} of {}", tickets.len());
            let mut said = Records::default();
            both.client.encrypt_close(&mut said);
            both.hear(said);
            assert_eq!(both.server.reader().read(&mut heard).unwrap(), 0);
        }
    }
}

/// A failure in the midst of such a message is told to the server once, and for ever to who asks.
#[test]
fn a_failure_is_final() {
    for position in [0, 1, 60, 100] {
        let mut both = Both::new(Versions::Only13);
        let mut tickets = both.shake_hands();
        assert!(tickets.len() > 150);
        tickets[position + 5] ^= 0xff;
        let mut incoming = [both.client.held(), &tickets].concat();
        let error = both.client.receive(&mut incoming, |_| {}).unwrap_err();
        let mut alert = Records::default();
        both.client.take_replies(&mut alert);
        let mut bytes = alert.rest();
        both.server.read_tls(&mut bytes).unwrap();
        assert!(matches!(both.server.process_new_packets(), Err(rustls::Error::AlertReceived(_))));
        assert_eq!(both.client.receive(&mut incoming, |_| {}), Err(error.clone()));
        let mut said = Records::default();
        assert_eq!(both.client.encrypt(b"PING\r\n", &mut said), Err(error));
        both.client.encrypt_close(&mut said);
        assert!(said.is_empty());
    }
}
