//! What the background keeps an eye on while a connection lives: whether the server is silent, and whether callers still
//! read for themselves.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::link::Link;
use super::silence::Silence;

/// When no caller has read for this long, the background listens again.
const CALLERS_PAUSE: Duration = Duration::from_millis(100);

/// What a connection is watched with.
pub(super) struct Watch {
    pub(super) silence: Option<Silence>,
    pub(super) look_at: Instant,
    /// What was received when it looked last.
    pub(super) heard: u64,
    /// The sequence number of the last PING.
    pub(super) ping: u64,
    /// The kernel was told to end a connection on which nothing is acknowledged.
    pub(super) by_kernel: bool,
}

impl Watch {
    pub(super) fn new(by_kernel: bool) -> Watch {
        Watch { silence: None, look_at: Instant::now(), heard: 0, ping: 0, by_kernel }
    }

    /// A silence can only be one while replies are owed.
    pub(super) fn begin_or_end(&mut self, link: &Link) {
        match (&self.silence, link.is_in_flight()) {
            (None, true) => {
                let now = Instant::now();
                self.look_at = now + link.config.dead_after / 4;
                self.heard = link.counters.received.load(Ordering::Relaxed);
                self.silence = Some(Silence::new(link.config.dead_after, now));
            }
            (Some(_), false) => self.silence = None,
            _ => {}
        }
    }
}

/// Whether callers still read for themselves. When they have not for a while, the background reads again: it also hears
/// of messages out of turn.
pub(super) struct Callers {
    pub(super) read: bool,
    taken: u64,
    pub(super) look_at: Instant,
}

impl Default for Callers {
    fn default() -> Callers {
        Callers { read: false, taken: 0, look_at: Instant::now() }
    }
}

impl Callers {
    /// Looks whether callers read.
    pub(super) fn observe(&mut self, link: &Link) {
        let (is_background, taken) = link.turn();
        if is_background {
            self.read = false;
        } else if !self.read {
            *self = Callers { read: true, taken, look_at: Instant::now() + CALLERS_PAUSE };
        }
    }

    /// It is time to look whether they still do.
    pub(super) fn look(&mut self, link: &Link) {
        let (_, taken) = link.turn();
        if taken == self.taken {
            link.attend_if_nobody();
        }
        *self = Callers { read: true, taken, look_at: Instant::now() + CALLERS_PAUSE };
    }
}
