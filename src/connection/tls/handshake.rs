//! The TLS handshake on a fresh stream.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::task::yield_now;

use super::keeper::IdentityKeeper;
use super::peer::Peer;
use super::records::Records;
use super::scratch;
use super::session::{Session, State};
use crate::address::Address;
use crate::config::Config;
use crate::connection::readiness::{when_readable, when_writable};
use crate::connection::stream::{Stream, reason};
use crate::connection::transport::Transport;
use crate::error::{Error, Status};

/// So much may come until the handshake is done: certificates may be many.
const MOST_BYTES: usize = 256 << 10;

/// The name that the certificate of the server at this address has to be for.
pub fn server_name(address: &Address, config: &Config) -> Result<ServerName<'static>, Error> {
    let name = match (&config.tls_server_name, address) {
        (Some(name), _) => name.as_str(),
        (None, Address::Tcp { host, .. }) => host.as_str(),
        // Only without a check of the certificate: see `Config::validate`.
        (None, Address::Unix(_)) => "localhost",
    };
    ServerName::try_from(name.to_owned()).map_err(|_| {
        Error::new(Status::Tls, format!("\"{name}\" can be the name of no certificate; set tls_server_name"))
    })
}

/// Begins a session on this stream.
pub(in crate::connection) async fn begin_session(
    stream: Stream,
    peer: Peer,
    keeper: &IdentityKeeper,
) -> Result<Transport, Error> {
    let mut session = Session::new(Arc::clone(&peer.identity.config), peer.name.clone())
        .map_err(|error| Error::new(Status::Tls, error.to_string()))?;
    let mut incoming = scratch::take();
    let done = shake_hands(&stream, &mut session, &mut incoming).await;
    scratch::give_back(incoming);
    match done {
        Ok(early) => Ok(Transport::encrypted(stream, session, peer, early)),
        Err(Failure::Io(error)) => Err(broken(&error)),
        Err(Failure::Tls(error)) => {
            if matches!(error, rustls::Error::InvalidCertificate(_)) {
                keeper.on_refusal();
            }
            Err(peer.failure(&error, false))
        }
    }
}

enum Failure {
    Io(io::Error),
    Tls(rustls::Error),
}

/// Shakes hands; gives the plaintext that came with the server's last message, and whether it was all that it sends: a
/// server may speak, and even end, before it has heard the client's last.
async fn shake_hands(stream: &Stream, session: &mut Session, incoming: &mut [u8]) -> Result<(Vec<u8>, bool), Failure> {
    let (mut filled, mut received) = (0, 0);
    let (mut early, mut outgoing) = (Vec::new(), Records::default());
    loop {
        let state = session.receive(incoming.get_mut(..filled).unwrap_or_default(), |plaintext| {
            early.extend_from_slice(plaintext);
        });
        filled = session.held().len();
        incoming.get_mut(..filled).unwrap_or_default().copy_from_slice(session.held());
        session.take_replies(&mut outgoing);
        let sent = when_writable(stream, || send(stream, &mut outgoing)).await;
        // Why the session failed says more than that the server did not hear of it.
        match state.map_err(Failure::Tls)? {
            State::Open => return sent.map(|()| (early, false)).map_err(Failure::Io),
            // That it did not hear of the end of the handshake says less than what it said.
            State::Closed if session.is_established() => return Ok((early, true)),
            State::Closed => return Err(Failure::Io(io::ErrorKind::UnexpectedEof.into())),
            State::Handshake => {}
        }
        let unsent = sent.err();
        let space = incoming.get_mut(filled..).unwrap_or_default();
        if space.is_empty() || received > MOST_BYTES {
            let sentence = format!("the server sent more than {received} bytes in the TLS handshake");
            return Err(Failure::Tls(rustls::Error::General(sentence)));
        }
        let read = when_readable(stream, || stream.receive_into(space, false)).await;
        match read {
            Ok((0, _)) => return Err(Failure::Io(unsent.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))),
            Ok((bytes, has_waited)) => {
                (filled, received) = (filled + bytes, received + bytes);
                if !has_waited {
                    yield_now().await;
                }
            }
            Err(error) => return Err(Failure::Io(error)),
        }
    }
}

/// Sends all of it: `WouldBlock` when the socket takes no more.
fn send(stream: &Stream, outgoing: &mut Records) -> io::Result<()> {
    while !outgoing.is_empty() {
        let sent = stream.send_bytes(outgoing.rest())?;
        outgoing.advance(sent);
    }
    Ok(())
}

fn broken(error: &io::Error) -> Error {
    let happened = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => reason(error),
    };
    let hint = "is this its port for TLS, and does it take connections from here?";
    Error::new(Status::Tls, format!("{happened} during the TLS handshake; {hint}"))
}
