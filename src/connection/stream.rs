//! A connected byte stream: how it is read and written. Reading and writing never wait; who wants to wait
//! asks for readiness.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use bytes::Bytes;
use rustix::io::FdFlags;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, sockopt};
use tokio::io::unix::AsyncFdReadyGuard;

use super::descriptors::Registered;
use super::interest::{EventInterest, Events};
use crate::address::Address;

/// At most this many parts go into one system call.
pub const PARTS: usize = 64;

/// Without waiting, and without a signal when the other side is gone.
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

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
    /// Takes over a connected socket, whoever made it.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Stream> {
        rustix::io::ioctl_fionbio(&socket, false)?;
        // A program that the process starts must not hold the connection open. Dialers forget that.
        rustix::io::fcntl_setfd(&socket, rustix::io::fcntl_getfd(&socket)? | FdFlags::CLOEXEC)?;
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

    /// Receives into the front of `space`, which is initialised; gives how many bytes came. `wait`: as
    /// [`Stream::receive_waiting`], else as [`Stream::receive`].
    pub fn receive_into(&self, space: &mut [u8], wait: bool) -> io::Result<usize> {
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let (received, _) = rustix::net::recv(&self.socket, space, flags)?;
        Ok(received)
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
        if let [part] = parts {
            return self.send_bytes(part);
        }
        let mut slices = [IoSlice::new(&[]); PARTS];
        let count = parts.len().min(PARTS);
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let mut nothing = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(&self.socket, &slices[..count], &mut nothing, SEND)?)
    }

    /// Sends as much of these bytes as the socket takes: `WouldBlock` when it takes nothing.
    pub fn send_bytes(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.socket, bytes, SEND)?)
    }

    /// After how long without an acknowledgement the kernel ends the connection; `None`: as it pleases.
    pub fn set_user_timeout(&self, limit: Option<Duration>) {
        // What is no TCP socket has no such limit, and needs none.
        _ = set_user_timeout(&self.socket, limit);
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
    pub fn set_interest(&self, interest: EventInterest) -> io::Result<()> {
        self.events.set_interest(&self.socket, interest)
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

/// After how long without an acknowledgement the kernel ends a TCP connection; `None`: as it pleases.
#[cfg(target_os = "linux")]
pub(super) fn set_user_timeout(socket: impl AsFd, limit: Option<Duration>) -> io::Result<()> {
    let millis = limit.map_or(0, |limit| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
    Ok(sockopt::set_tcp_user_timeout(socket, millis)?)
}

/// Only Linux can be told.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_user_timeout(_: impl AsFd, _: Option<Duration>) -> io::Result<()> {
    Ok(())
}
