//! The descriptor of a queue: readable while it is raised, and on Linux also while one of the sockets that the takers
//! of the queue read has bytes.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use smallvec::SmallVec;

pub use system::Signal;

/// The sockets that have bytes.
pub type Ready = SmallVec<[RawFd; EVENTS]>;

const EVENTS: usize = 8;

#[cfg(target_os = "linux")]
mod system {
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};

    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
    use rustix::event::{EventfdFlags, Timespec, eventfd};

    use super::*;

    /// An epoll descriptor that holds an eventfd and the sockets.
    #[derive(Debug)]
    pub struct Signal {
        epoll: OwnedFd,
        event: OwnedFd,
    }

    impl Signal {
        pub fn new() -> io::Result<Signal> {
            let epoll = epoll::create(CreateFlags::CLOEXEC)?;
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let signal = Signal { epoll, event };
            signal.watch(signal.event.as_fd())?;
            Ok(signal)
        }

        /// What may be given to an event loop.
        pub fn descriptor(&self) -> RawFd {
            self.epoll.as_raw_fd()
        }

        /// All that the child of a fork has to close.
        pub fn descriptors(&self) -> [RawFd; 2] {
            [self.epoll.as_raw_fd(), self.event.as_raw_fd()]
        }

        /// True if it worked.
        pub fn raise(&self) -> bool {
            rustix::io::write(&self.event, &1u64.to_ne_bytes()).is_ok()
        }

        /// True if it worked.
        pub fn lower(&self) -> bool {
            rustix::io::read(&self.event, &mut [0u8; 8]).is_ok()
        }

        /// Shows the bytes of a socket, too; one that is shown already stays so.
        pub fn watch(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
            let number = EventData::new_u64(socket.as_raw_fd() as u64);
            match epoll::add(&self.epoll, socket, number, EventFlags::IN | EventFlags::RDHUP) {
                Err(rustix::io::Errno::EXIST) => Ok(()),
                added => Ok(added?),
            }
        }

        /// Does not show a socket any more.
        pub fn forget(&self, socket: BorrowedFd<'_>) {
            // It fails if the socket was not shown.
            _ = epoll::delete(&self.epoll, socket);
        }

        /// Waits until it is raised or a socket has bytes, and gives those sockets; an error if a signal handler ran.
        pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Ready> {
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            let mut space = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
            let (events, _) = epoll::wait(&self.epoll, &mut space, timeout.as_ref())?;
            Ok(events.iter().map(|event| event.data.u64() as RawFd).collect())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::{AsRawFd, OwnedFd};

    use super::*;

    /// A pipe; no socket is ever shown, because the background reads them all.
    #[derive(Debug)]
    pub struct Signal {
        read: OwnedFd,
        write: OwnedFd,
    }

    impl Signal {
        pub fn new() -> io::Result<Signal> {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
                rustix::io::ioctl_fionbio(end, true)?;
            }
            Ok(Signal { read, write })
        }

        /// What may be given to an event loop.
        pub fn descriptor(&self) -> RawFd {
            self.read.as_raw_fd()
        }

        /// All that the child of a fork has to close.
        pub fn descriptors(&self) -> [RawFd; 2] {
            [self.read.as_raw_fd(), self.write.as_raw_fd()]
        }

        /// True if it worked.
        pub fn raise(&self) -> bool {
            rustix::io::write(&self.write, &[1]).is_ok()
        }

        /// True if it worked.
        pub fn lower(&self) -> bool {
            let mut tokens = [0u8; 64];
            while rustix::io::read(&self.read, &mut tokens) == Ok(tokens.len()) {}
            true
        }

        pub fn watch(&self, _socket: BorrowedFd<'_>) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn forget(&self, _socket: BorrowedFd<'_>) {}

        pub fn wait(&self, _timeout: Option<Duration>) -> io::Result<Ready> {
            Ok(Ready::new())
        }
    }
}
