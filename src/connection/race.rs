//! Connecting to one of several addresses: attempts start one after another and run beside each other, and the first
//! that succeeds is taken (RFC 8305). An attempt that fails lets the next one start at once.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::addresses::attempt_delay;
use super::stream::{reason, set_user_timeout};
use crate::config::Config;

/// How a race went: what it leaves for the next one, should the winner turn out to be of no use.
pub(super) struct Race {
    /// The socket, and where it leads.
    pub(super) won: Option<(OwnedFd, SocketAddr)>,
    /// Those that failed, in the order in which they did, and why the last one did.
    pub(super) failed: Vec<SocketAddr>,
    pub(super) last: Option<(SocketAddr, String)>,
    /// Those that were tried before the winner and have not answered yet.
    pub(super) unanswered: Vec<SocketAddr>,
    /// Those that were not tried, or only after the winner.
    pub(super) untried: VecDeque<SocketAddr>,
}

/// Connects to the first of `addresses` that answers before `until`.
pub(super) async fn race(addresses: VecDeque<SocketAddr>, config: &Config, until: Instant) -> Race {
    let mut race = Race { won: None, failed: Vec::new(), last: None, unanswered: Vec::new(), untried: addresses };
    let mut attempts = JoinSet::new();
    let mut next_at = Instant::now();
    loop {
        let now = Instant::now();
        if now >= until {
            return race;
        }
        if attempts.is_empty() || now >= next_at {
            match race.untried.pop_front() {
                Some(address) => {
                    next_at = now + attempt_delay(until - now, race.untried.len() + 1);
                    race.unanswered.push(address);
                    let options = Options::of(config);
                    attempts.spawn(async move { (address, connect(address, options).await) });
                }
                None if attempts.is_empty() => return race,
                None => next_at = until,
            }
        }
        let ended = tokio::select! {
            biased;
            ended = attempts.join_next() => ended,
            () = sleep_until(next_at.min(until).into()) => None,
        };
        match ended {
            Some(Ok((address, connected))) => {
                let position = race.unanswered.iter().position(|other| *other == address).unwrap_or_default();
                match connected {
                    Ok(socket) => {
                        let later = race.unanswered.split_off(position);
                        later.into_iter().skip(1).rev().for_each(|later| race.untried.push_front(later));
                        race.won = Some((socket, address));
                        return race;
                    }
                    Err(error) => {
                        race.unanswered.remove(position);
                        race.failed.push(address);
                        race.last = Some((address, reason(&error)));
                        next_at = Instant::now();
                    }
                }
            }
            // An attempt that panicked stays listed as one without an answer.
            Some(Err(_)) => next_at = Instant::now(),
            None => {}
        }
    }
}

/// The options of a socket, for an attempt that outlives the borrow of the configuration.
#[derive(Clone, Copy)]
struct Options {
    nodelay: bool,
    keepalive: Option<Duration>,
    dead_after: Duration,
}

impl Options {
    fn of(config: &Config) -> Options {
        Options { nodelay: config.tcp_nodelay, keepalive: config.tcp_keepalive, dead_after: config.dead_after }
    }
}

async fn connect(address: SocketAddr, options: Options) -> io::Result<OwnedFd> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let socket = OwnedFd::from(socket.connect(address).await?.into_std()?);
    sockopt::set_tcp_nodelay(&socket, options.nodelay)?;
    if let Some(idle) = options.keepalive {
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, idle.max(Duration::from_secs(1)))?;
        sockopt::set_tcp_keepintvl(&socket, (idle / 3).max(Duration::from_secs(1)))?;
        sockopt::set_tcp_keepcnt(&socket, 3)?;
    }
    set_user_timeout(&socket, Some(options.dead_after))?;
    Ok(socket)
}
