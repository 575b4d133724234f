//! One endpoint, from its name to the end of the handshake, on one budget: resolves, connects to the first of its
//! addresses that answers, shakes hands, and tries the next address when one of these fails.
//!
//! Invariant: nothing here blocks the I/O thread; what blocks runs on threads of its own, and is left behind in time.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout, timeout_at};

use super::addresses::{FailedAddresses, handshake_share, order};
use super::conversation;
use super::credentials::Login;
use super::credentials::source::CredentialsSource;
use super::handshake::{Terms, has_data, shake_hands};
use super::race::race;
use super::server_info::ServerInfo;
use super::stream::{Dialer, Stream, reason};
use super::tls::handshake::{begin_session, server_name};
use super::tls::keeper::{IdentityKeeper, Kept};
use super::tls::peer::Peer;
use super::transport::Transport;
use crate::address::Address;
use crate::config::Config;
use crate::error::{Error, Status};
use crate::protocol::parser::{Limits, Parser};
use crate::runtime::blocking::on_thread;

#[cfg(test)]
mod tests;

/// How to dial.
#[derive(Clone, Copy)]
pub(super) struct Dial<'a> {
    pub(super) config: &'a Arc<Config>,
    pub(super) dialer: Option<&'a Arc<dyn Dialer>>,
    pub(super) failed: &'a FailedAddresses,
    pub(super) terms: Terms,
    pub(super) credentials: &'a Arc<CredentialsSource>,
    pub(super) identity: &'a IdentityKeeper,
    /// Is told what is worth a warning and hinders nothing.
    pub(super) warn: &'a (dyn Fn(Error) + Sync),
}

/// A connection that commands can be sent on.
pub(super) struct Dialled {
    pub(super) transport: Transport,
    /// Stands between two replies.
    pub(super) parser: Parser,
    pub(super) server_info: ServerInfo,
    /// What it is authenticated with.
    pub(super) login: Login,
    /// The server has its data; else see [`Dial::until_loaded`].
    pub(super) has_data: bool,
}

impl Dial<'_> {
    /// Connects and shakes hands within `connect_timeout`, once more if the credentials are refused and the program can
    /// be asked for others.
    pub(super) async fn dial(&self, address: &Address) -> Result<Dialled, Error> {
        let until = Instant::now() + self.config.connect_timeout;
        loop {
            let login = self.credentials.login(address, until).await?;
            match self.connect(address, &login, until).await {
                Err(error) if error.status == Status::Auth && self.credentials.refused(&login) => {}
                dialled => {
                    if dialled.is_ok() {
                        self.credentials.accept(login.generation);
                    }
                    return dialled;
                }
            }
        }
    }

    async fn connect(&self, address: &Address, login: &Login, until: Instant) -> Result<Dialled, Error> {
        let socket = match (self.dialer, address) {
            (Some(dialer), _) => {
                let dialled = dial_by(dialer, address, left_until(until));
                timeout_at(until.into(), dialled).await
            }
            (None, Address::Unix(path)) => timeout_at(until.into(), dial_unix(path)).await,
            (None, Address::Tcp { host, port }) => {
                let (addresses, is_name) = resolve(host, *port, until).await?;
                return self.try_each((address, login), &addresses, is_name, until).await;
            }
        };
        let socket = socket.unwrap_or_else(|_| Err(self.no_answer()))?;
        self.greet((address, login), socket, until.saturating_duration_since(Instant::now())).await
    }

    /// The first of these addresses that answers the handshake. `named`: errors say which address they are about.
    async fn try_each(
        &self,
        endpoint: (&Address, &Login),
        addresses: &[SocketAddr],
        named: bool,
        until: Instant,
    ) -> Result<Dialled, Error> {
        let about = |address: SocketAddr, error: Error| match named {
            true => Error::new(error.status, format!("{} ({address})", error.message)),
            false => error,
        };
        let mut last = None;
        let mut rest = order(addresses, &self.failed.list());
        loop {
            let race = race(rest, self.config, until).await;
            let unused = race.failed.iter().chain(&race.unanswered);
            unused.for_each(|address| self.failed.add(*address));
            if let Some((address, reason)) = race.last {
                last = Some(about(address, Error::new(Status::Connect, reason)));
            }
            let Some((socket, address)) = race.won else {
                if let Some(address) = race.unanswered.last() {
                    let error = Error::new(Status::Connect, "no answer to the attempt to connect");
                    last = Some(about(*address, error));
                }
                return Err(last.unwrap_or_else(|| self.no_answer()));
            };
            rest = race.untried;
            rest.extend(race.unanswered);
            let share = handshake_share(until.saturating_duration_since(Instant::now()), rest.len());
            match self.greet(endpoint, socket, share).await {
                Ok(dialled) => {
                    self.failed.remove(address);
                    return Ok(dialled);
                }
                Err(error) => {
                    self.failed.add(address);
                    let error = about(address, error);
                    // The next address is another way to the same server, or to one with the same passwords.
                    if rest.is_empty() || error.status == Status::Auth {
                        return Err(error);
                    }
                    last = Some(error);
                }
            }
        }
    }

    /// Shakes hands within `budget`: first those of TLS, if it is on.
    async fn greet(
        &self,
        (endpoint, login): (&Address, &Login),
        socket: OwnedFd,
        budget: Duration,
    ) -> Result<Dialled, Error> {
        let until = Instant::now() + budget;
        let stream = Stream::new(socket).map_err(|error| Error::new(Status::Connect, reason(&error)))?;
        let mut transport = match self.config.tls {
            false => Transport::plain(stream),
            true => {
                let encrypted = timeout_at(until.into(), self.encrypt(endpoint, stream)).await;
                encrypted.unwrap_or_else(|_| Err(self.no_session()))?
            }
        };
        let mut parser = Parser::new(conversation::LIMITS, self.config.receive_buffer);
        let greeted = shake_hands(&mut transport, &mut parser, self.config, login.credentials.as_deref(), self.terms);
        let (server_info, has_data) =
            timeout_at(until.into(), greeted).await.unwrap_or_else(|_| Err(self.no_answer()))?;
        Ok(Dialled { transport, parser, server_info, login: login.clone(), has_data })
    }

    async fn encrypt(&self, endpoint: &Address, stream: Stream) -> Result<Transport, Error> {
        let name = server_name(endpoint, self.config)?;
        let Kept { identity, warning } = self.identity.identity(self.config).await?;
        warning.into_iter().for_each(self.warn);
        begin_session(stream, Peer { name, identity }, self.identity).await
    }

    /// Waits for a server that is there but still loads its data, however long that takes: nothing is sent to it
    /// meanwhile.
    pub(super) async fn until_loaded(&self, dialled: &mut Dialled) -> Result<(), Error> {
        while !dialled.has_data {
            sleep(self.config.reconnect_delay).await;
            let asked = has_data(&mut dialled.transport, &mut dialled.parser);
            let answer = timeout(self.config.connect_timeout, asked).await;
            dialled.has_data = answer.unwrap_or_else(|_| Err(self.no_answer()))?;
        }
        Ok(())
    }

    fn no_answer(&self) -> Error {
        let waited = self.config.connect_timeout.as_millis();
        Error::new(Status::Connect, format!("no connection within {waited} ms: the server does not answer"))
    }

    fn no_session(&self) -> Error {
        let waited = self.config.connect_timeout.as_millis();
        let sentence = format!(
            "the TLS handshake was not finished within {waited} ms; a server that does not speak TLS on this port may \
             wait for ever, as this one does"
        );
        Error::new(Status::Tls, sentence)
    }
}

impl Dialled {
    /// The connection and the parser, which from now on takes replies as large as the configuration says.
    pub(super) fn into_parts(self, config: &Config) -> (Transport, Parser, ServerInfo) {
        let Dialled { transport, mut parser, server_info, .. } = self;
        parser.set_limits(Limits { depth: config.max_reply_depth, reply_bytes: config.max_reply_bytes });
        (transport, parser, server_info)
    }
}

/// The time that is left, in whole milliseconds.
fn left_until(until: Instant) -> Duration {
    let left = until.saturating_duration_since(Instant::now());
    Duration::from_millis(left.as_micros().div_ceil(1000) as u64)
}

async fn dial_by(dialer: &Arc<dyn Dialer>, address: &Address, budget: Duration) -> Result<OwnedFd, Error> {
    let (dialer, address) = (Arc::clone(dialer), address.clone());
    let dialled = on_thread("justredis-dial", move || dialer.dial(&address, budget)).await;
    match dialled {
        Ok(dialled) => dialled.map_err(|reason| Error::new(Status::Connect, reason)),
        Err(error) => Err(Error::new(Status::Connect, format!("the dialer failed: {}", error.message))),
    }
}

async fn dial_unix(path: &Path) -> Result<OwnedFd, Error> {
    let connected = UnixStream::connect(path).await.and_then(UnixStream::into_std);
    connected.map(OwnedFd::from).map_err(|error| Error::new(Status::Connect, reason(&error)))
}

/// The addresses of a host, and whether it is a name.
async fn resolve(host: &str, port: u16, until: Instant) -> Result<(Vec<SocketAddr>, bool), Error> {
    if let Ok(number) = host.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(number, port)], false));
    }
    let question = (host.to_owned(), port);
    let look_up =
        on_thread("justredis-name", move || question.to_socket_addrs().map(|found| found.collect::<Vec<_>>()));
    let unresolved = |why: String| Err(Error::new(Status::Connect, format!("the name \"{host}\" {why}")));
    match timeout_at(until.into(), look_up).await {
        Ok(Ok(Ok(found))) if found.is_empty() => unresolved("has no address".to_owned()),
        Ok(Ok(Ok(found))) => Ok((found, true)),
        Ok(Ok(Err(error))) => unresolved(format!("could not be resolved: {}", reason(&error))),
        Ok(Err(error)) => unresolved(format!("could not be resolved: {}", error.message)),
        Err(_) => unresolved("could not be resolved in time".to_owned()),
    }
}
