//! The descriptor of a queue: readable while it is raised, and on Linux also while one of the sockets that the takers
//! of the queue read has bytes.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use smallvec::SmallVec;

pub use system::Signal;

use crate::connection::descriptors::Registered;

/// So many are told of at once. Those beyond stay ready, and the kernel tells of them first the next time.
const EVENTS: usize = 64;

/// Sockets that have bytes or have ended, sorted.
#[derive(Debug)]
pub struct Ready(SmallVec<[RawFd; EVENTS]>);

impl Ready {
    fn new(sockets: impl Iterator<Item = RawFd>) -> Ready {
        let mut sockets: SmallVec<_> = sockets.collect();
        sockets.sort_unstable();
        Ready(sockets)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of them.
    pub fn contains(&self, socket: RawFd) -> bool {
        self.0.binary_search(&socket).is_ok()
    }
}

fn register(descriptor: OwnedFd, of_the_library: bool) -> Registered {
    if of_the_library { Registered::new(descriptor) } else { Registered::not_entered(descriptor) }
}

/// How a taker finds out which of its sockets to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// It reads all of them: with one socket that costs as much as a question.
    ReadAll,
    /// It asks which are ready, and waits for the first of them for so long (`None`: for ever).
    Ask(Option<Duration>),
}

impl Query {
    /// For a taker who has so many sockets to read, and waits for so long if it may.
    pub fn of(sockets: usize, may_wait: bool, left: Option<Duration>) -> Query {
        match (sockets, may_wait) {
            (0, _) | (1, false) => Query::ReadAll,
            (_, true) => Query::Ask(left),
            (_, false) => Query::Ask(Some(Duration::ZERO)),
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd};

    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
    use rustix::event::{EventfdFlags, Timespec, eventfd};

    use super::*;

    /// An epoll descriptor that holds an eventfd and the sockets.
    #[derive(Debug)]
    pub struct Signal {
        epoll: Registered,
        event: Registered,
    }

    impl Signal {
        /// `of_the_library`: nobody else knows it, and the child of a fork closes it at once.
        pub fn new(of_the_library: bool) -> io::Result<Signal> {
            let epoll = epoll::create(CreateFlags::CLOEXEC)?;
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let [epoll, event] = [epoll, event].map(|descriptor| register(descriptor, of_the_library));
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

        /// Waits until it is raised or a socket has bytes, and gives those sockets, whose bytes may have come at any
        /// time before; an error if a signal handler ran.
        pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Ready> {
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            let mut space = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
            let (events, _) = epoll::wait(&self.epoll, &mut space, timeout.as_ref())?;
            Ok(Ready::new(events.iter().map(|event| event.data.u64() as RawFd)))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::AsRawFd;

    use super::*;

    /// A pipe; no socket is ever shown, because the background reads them all.
    #[derive(Debug)]
    pub struct Signal {
        read: Registered,
        write: Registered,
    }

    impl Signal {
        /// `of_the_library`: nobody else knows it, and the child of a fork closes it at once.
        pub fn new(of_the_library: bool) -> io::Result<Signal> {
            let (read, write) = rustix::pipe::pipe()?;
            for end in [&read, &write] {
                rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
                rustix::io::ioctl_fionbio(end, true)?;
            }
            let [read, write] = [read, write].map(|descriptor| register(descriptor, of_the_library));
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
            Ok(Ready::new(std::iter::empty()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_asked_before_they_are_read_where_that_saves_reads() {
        let left = Some(Duration::from_millis(7));
        for (sockets, may_wait, wanted) in [
            (0, true, Query::ReadAll),
            (0, false, Query::ReadAll),
            (1, false, Query::ReadAll),
            (2, false, Query::Ask(Some(Duration::ZERO))),
            (1, true, Query::Ask(left)),
            (16, true, Query::Ask(left)),
            (16, false, Query::Ask(Some(Duration::ZERO))),
        ] {
            assert_eq!(Query::of(sockets, may_wait, left), wanted, "{sockets} sockets, may wait: {may_wait}");
        }
        assert_eq!(Query::of(1, true, None), Query::Ask(None));
    }

    #[test]
    fn the_ready_sockets_are_found_in_any_order() {
        let ready = Ready::new([9, 3, 12].into_iter());
        assert!([3, 9, 12].into_iter().all(|socket| ready.contains(socket)));
        assert!(![0, 4, 13].into_iter().any(|socket| ready.contains(socket)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bytes_that_were_there_before_a_socket_was_shown_make_it_ready() {
        use std::io::Write;
        use std::os::fd::{AsFd, AsRawFd};
        use std::os::unix::net::UnixStream;

        let signal = Signal::new(false).unwrap();
        let pairs: Vec<_> = (0..2 * EVENTS).map(|_| UnixStream::pair().unwrap()).collect();
        for (near, far) in &pairs {
            (&*far).write_all(b"x").unwrap();
            signal.watch(near.as_fd()).unwrap();
        }
        let mut found = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let ready = signal.wait(Some(Duration::ZERO)).unwrap();
            found.extend(pairs.iter().map(|(near, _)| near.as_raw_fd()).filter(|socket| ready.contains(*socket)));
        }
        assert_eq!(found.len(), pairs.len(), "those beyond the first {EVENTS} have their turn next");
    }
}
