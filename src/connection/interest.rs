//! Whether the background is told what happens on a socket. On Linux any thread decides that with one system call: the
//! socket sits in an epoll of its own, and that epoll is what the reactor of the background watches. Elsewhere the
//! background is always told.

use std::io;

use tokio::io::unix::AsyncFdReadyGuard;

use super::descriptors::Registered;

/// What the background is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventInterest {
    /// Of bytes and of the end.
    Reading,
    /// Also of room to write.
    ReadingAndWriting,
    /// Of the end only: a thread waits on the socket itself.
    Ending,
    /// Of nothing: a thread waits on the socket itself, again and again. The kernel has less to do for each event then.
    Nothing,
}

pub use system::{CAN_LIMIT_INTEREST, Events};

#[cfg(target_os = "linux")]
mod system {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::*;

    /// Whether [`EventInterest::Ending`] has an effect.
    pub const CAN_LIMIT_INTEREST: bool = true;

    /// What the reactor watches in the place of a socket.
    #[derive(Debug)]
    pub struct Events {
        epoll: AsyncFd<Registered>,
        /// The socket is in the epoll. Changed by one thread at a time.
        is_in: AtomicBool,
    }

    impl Events {
        /// Of this socket; the background is told of bytes.
        pub fn of(socket: &Registered) -> io::Result<Events> {
            let events = epoll::create(CreateFlags::CLOEXEC)?;
            epoll::add(&events, socket, EventData::new_u64(0), flags(EventInterest::Reading))?;
            #[expect(deprecated, reason = "sound here: the descriptor is owned, and always the same one")]
            let epoll = AsyncFd::with_interest(Registered::new(events), Interest::READABLE)?;
            Ok(Events { epoll, is_in: AtomicBool::new(true) })
        }

        /// Changes which events the I/O thread gets from now on. EPOLL_CTL_MOD raises no event for a socket that is
        /// already on the ready list; the caller must make the I/O thread read once. One thread at a time.
        pub fn set_interest(&self, socket: &Registered, interest: EventInterest) -> io::Result<()> {
            let (epoll, data) = (self.epoll.get_ref(), EventData::new_u64(0));
            match (self.is_in.load(Ordering::Relaxed), interest) {
                (false, EventInterest::Nothing) => return Ok(()),
                (true, EventInterest::Nothing) => epoll::delete(epoll, socket)?,
                (true, _) => epoll::modify(epoll, socket, data, flags(interest))?,
                (false, _) => epoll::add(epoll, socket, data, flags(interest))?,
            }
            self.is_in.store(interest != EventInterest::Nothing, Ordering::Relaxed);
            Ok(())
        }

        /// Waits for what the background is told of. To be cleared when neither reading nor writing finds anything to
        /// do.
        pub async fn ready(&self) -> io::Result<AsyncFdReadyGuard<'_, Registered>> {
            self.epoll.readable().await
        }
    }

    fn flags(interest: EventInterest) -> EventFlags {
        match interest {
            EventInterest::Reading => EventFlags::IN | EventFlags::RDHUP,
            EventInterest::ReadingAndWriting => EventFlags::IN | EventFlags::RDHUP | EventFlags::OUT,
            EventInterest::Ending | EventInterest::Nothing => EventFlags::RDHUP,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::*;

    /// Whether [`EventInterest::Ending`] has an effect.
    pub const CAN_LIMIT_INTEREST: bool = false;

    /// What the reactor watches in the place of a socket: the same socket by another number.
    #[derive(Debug)]
    pub struct Events(AsyncFd<Registered>);

    impl Events {
        /// Of this socket.
        pub fn of(socket: &Registered) -> io::Result<Events> {
            let copy = Registered::new(rustix::io::fcntl_dupfd_cloexec(socket, 0)?);
            #[expect(deprecated, reason = "sound here: the descriptor is owned, and always the same one")]
            let events = AsyncFd::with_interest(copy, Interest::READABLE | Interest::WRITABLE)?;
            Ok(Events(events))
        }

        /// Changes nothing: the background is always told.
        pub fn set_interest(&self, _socket: &Registered, _attention: EventInterest) -> io::Result<()> {
            Ok(())
        }

        /// Waits for what the background is told of. To be cleared when neither reading nor writing finds anything to
        /// do.
        pub async fn ready(&self) -> io::Result<AsyncFdReadyGuard<'_, Registered>> {
            self.0.ready(Interest::READABLE | Interest::WRITABLE).await
        }
    }
}
