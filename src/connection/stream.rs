//! A connected byte stream: how it is dialled, read and written. Reading and writing never wait; who wants to wait
//! asks for readiness.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, sockopt};
use tokio::io::unix::AsyncFdReadyGuard;
use tokio::net::{TcpSocket, UnixStream, lookup_host};
use tokio::time::timeout;

use super::attention::{Attention, Events};
use super::descriptors::Registered;
use crate::address::Address;
use crate::config::Config;
use crate::error::{Error, Status};

/// At most this many parts go into one system call.
pub const PARTS: usize = 64;

/// Brings a connected socket; for who wants to dial in a way of his own. Called on a thread that may block.
pub trait Dialer: Send + Sync {
    /// A connected stream socket, which then belongs to the library, or the reason why there is none.
    fn dial(&self, address: &Address, budget: Duration) -> Result<OwnedFd, String>;
}

/// A connected socket. It is in blocking mode, so that a thread can wait on it with one system call; everybody else
/// reads and writes without waiting.
#[derive(Debug)]
pub struct Stream {
    socket: Registered,
    events: Events,
}

impl Stream {
    /// Connects to one address within `budget`; all that its name resolves to is tried in order.
    pub async fn dial(
        address: &Address,
        config: &Config,
        dialer: Option<&Arc<dyn Dialer>>,
        budget: Duration,
    ) -> Result<Stream, Error> {
        let dialled = match (dialer, address) {
            (Some(dialer), _) => dial_by(dialer, address, budget).await,
            (None, Address::Unix(path)) => dial_unix(path).await,
            (None, Address::Tcp { host, port }) => dial_tcp(host, *port, config, budget).await,
        };
        let stream = dialled.and_then(|socket| Stream::new(socket).map_err(|error| reason(&error)));
        stream.map_err(|reason| Error::new(Status::Connect, reason))
    }

    fn new(socket: OwnedFd) -> io::Result<Stream> {
        rustix::io::ioctl_fionbio(&socket, false)?;
        let socket = Registered::new(socket);
        let events = Events::of(&socket)?;
        Ok(Stream { socket, events })
    }

    /// Receives into the front of `space`: `WouldBlock` when nothing is there, an empty slice at the end.
    pub fn receive<'a>(&self, space: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        self.receive_with(space, RecvFlags::DONTWAIT)
    }

    /// As [`Stream::receive`], but waits for the first byte; `WouldBlock` when none came in the time that
    /// [`Stream::limit_wait`] set.
    pub fn receive_waiting<'a>(&self, space: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        self.receive_with(space, RecvFlags::empty())
    }

    fn receive_with<'a>(&self, space: &'a mut [MaybeUninit<u8>], flags: RecvFlags) -> io::Result<&'a mut [u8]> {
        let ((received, _), _) = rustix::net::recv(&self.socket, space, flags)?;
        Ok(received)
    }

    /// How long [`Stream::receive_waiting`] waits.
    pub fn limit_wait(&self, limit: Duration) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(limit))?)
    }

    /// Sends as much of the first [`PARTS`] parts as the socket takes: `WouldBlock` when it takes nothing.
    pub fn send(&self, parts: &[Bytes]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if let [part] = parts {
            return Ok(rustix::net::send(&self.socket, part, flags)?);
        }
        let mut slices = [IoSlice::new(&[]); PARTS];
        let count = parts.len().min(PARTS);
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let mut nothing = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(&self.socket, &slices[..count], &mut nothing, flags)?)
    }

    /// After how long without an acknowledgement the kernel ends the connection; `None`: as it pleases.
    pub fn limit_silence(&self, limit: Option<Duration>) {
        // What is no TCP socket has no such limit, and needs none.
        _ = set_silence(&self.socket, limit);
    }

    /// Whether the other side has ended the connection and nothing is left to read.
    pub fn is_at_end(&self) -> bool {
        match self.peek() {
            Ok(received) => received == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Whether there is something to read.
    pub fn has_bytes(&self) -> bool {
        self.peek().is_ok_and(|received| received > 0)
    }

    fn peek(&self) -> io::Result<usize> {
        let mut byte = [MaybeUninit::uninit()];
        Ok(self.receive_with(&mut byte, RecvFlags::DONTWAIT | RecvFlags::PEEK)?.len())
    }

    /// Ends the connection, so that whoever waits on the socket wakes up.
    pub fn shut_down(&self) {
        _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// Decides what the background is told of from now on; what is there already it may hear nothing of.
    pub fn attend(&self, attention: Attention) -> io::Result<()> {
        self.events.attend(&self.socket, attention)
    }

    /// Waits for what the background is told of. To be cleared when neither reading nor writing finds anything to do.
    pub async fn ready(&self) -> io::Result<AsyncFdReadyGuard<'_, Registered>> {
        self.events.ready().await
    }
}

/// For waiting.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What went wrong, without the number of the operating system.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

async fn dial_by(dialer: &Arc<dyn Dialer>, address: &Address, budget: Duration) -> Result<OwnedFd, String> {
    let (dialer, address) = (Arc::clone(dialer), address.clone());
    match tokio::task::spawn_blocking(move || dialer.dial(&address, budget)).await {
        Ok(dialled) => dialled,
        Err(_) => Err("the dialer failed".to_string()),
    }
}

async fn dial_unix(path: &Path) -> Result<OwnedFd, String> {
    let stream = UnixStream::connect(path).await.map_err(|error| reason(&error))?;
    stream.into_std().map(OwnedFd::from).map_err(|error| reason(&error))
}

async fn dial_tcp(host: &str, port: u16, config: &Config, budget: Duration) -> Result<OwnedFd, String> {
    let until = Instant::now() + budget;
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(number) => vec![SocketAddr::new(number, port)],
        Err(_) => match timeout(budget, lookup_host((host, port))).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(format!("the name \"{host}\" could not be resolved: {}", reason(&error))),
            Err(_) => return Err(format!("the name \"{host}\" could not be resolved in time")),
        },
    };
    let mut last = format!("the name \"{host}\" has no address");
    for (index, address) in addresses.iter().enumerate() {
        // A silent address must leave time for those behind it.
        let share = until.saturating_duration_since(Instant::now()) / (addresses.len() - index) as u32;
        last = match timeout(share, connect(*address, config)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => reason(&error),
            Err(_) => "no answer to the attempt to connect".to_string(),
        };
        if address.ip().to_string() != host {
            last = format!("{last} ({address})");
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, config: &Config) -> io::Result<OwnedFd> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let socket = OwnedFd::from(socket.connect(address).await?.into_std()?);
    sockopt::set_tcp_nodelay(&socket, config.tcp_nodelay)?;
    if let Some(idle) = config.tcp_keepalive {
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, idle.max(Duration::from_secs(1)))?;
        sockopt::set_tcp_keepintvl(&socket, (idle / 3).max(Duration::from_secs(1)))?;
        sockopt::set_tcp_keepcnt(&socket, 3)?;
    }
    set_silence(&socket, Some(config.dead_after))?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn set_silence(socket: impl AsFd, limit: Option<Duration>) -> io::Result<()> {
    let millis = limit.map_or(0, |limit| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
    Ok(sockopt::set_tcp_user_timeout(socket, millis)?)
}

#[cfg(not(target_os = "linux"))]
fn set_silence(_: impl AsFd, _: Option<Duration>) -> io::Result<()> {
    Ok(())
}
