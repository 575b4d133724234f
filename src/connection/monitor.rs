//! When the background looks after a connection that lives: whether the server is silent, and whether those who read in
//! its place still do. What follows is decided by [`super::health_check`] and [`super::io_control`].

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::health_check::HealthCheck;
use super::link::Link;
use super::socket::Connection;

/// What a connection is watched with.
pub(super) struct HealthMonitor {
    pub(super) check: Option<HealthCheck>,
    pub(super) look_at: Instant,
    /// How many bytes were received when it looked last, and how often answers.
    activity: (u64, u64),
    /// The sequence number of the last PING.
    pub(super) ping: u64,
    /// The kernel was told to end a connection on which nothing is acknowledged.
    pub(super) by_kernel: bool,
}

impl HealthMonitor {
    pub(super) fn new(by_kernel: bool) -> HealthMonitor {
        HealthMonitor { check: None, look_at: Instant::now(), activity: (0, 0), ping: 0, by_kernel }
    }

    /// There is a check only while replies are owed or messages may come.
    pub(super) fn begin_or_end(&mut self, link: &Link) {
        let is_pinged = link.purpose().is_pinged();
        // As long as the death of a server that tracks goes unnoticed, changes do too: it may not be silent for longer
        // than one that owes replies.
        let owes = link.is_tracking() || link.is_in_flight();
        match (&self.check, is_pinged || owes) {
            (None, true) => {
                let check = HealthCheck::new(link.config.dead_after, !is_pinged, Instant::now());
                self.look_at = check.first_look();
                self.activity = activity_of(link);
                self.check = Some(check);
            }
            (Some(_), false) => self.check = None,
            _ => {}
        }
    }

    /// Whether it is time to look.
    pub(super) fn is_due(&self) -> bool {
        self.check.is_some() && Instant::now() >= self.look_at
    }

    /// Tells the health check what came since the last call. True if bytes came that are no answer to what is owed:
    /// messages show that somebody is there, not that anybody gets answers.
    pub(super) fn listen(&mut self, link: &Link, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.activity, activity_of(link));
        let (has_bytes, has_answers) = (before.0 != self.activity.0, before.1 != self.activity.1);
        let counts = has_answers || (has_bytes && !link.is_in_flight());
        if let Some(check) = self.check.as_mut().filter(|_| counts) {
            check.on_bytes(now);
        }
        has_bytes && !counts
    }
}

fn activity_of(link: &Link) -> (u64, u64) {
    let counters = &link.counters;
    (counters.received.load(Ordering::Relaxed), counters.answers.load(Ordering::Relaxed))
}

/// Looks now and then whether those who read in the place of the background still do.
pub(super) struct RoleMonitor {
    /// Others read.
    pub(super) read: bool,
    pub(super) look_at: Instant,
}

impl Default for RoleMonitor {
    fn default() -> RoleMonitor {
        RoleMonitor { read: false, look_at: Instant::now() }
    }
}

impl RoleMonitor {
    /// Looks who reads. True if the role just returned to the I/O thread, which must read once: epoll does not report
    /// data that was buffered before the I/O thread was interested in it.
    pub(super) fn observe(&mut self, link: &Link) -> bool {
        let observed = link.outgoing.lock().control.observe();
        self.read = observed.others_read;
        if let Some(pause) = observed.look_in {
            self.look_at = Instant::now() + pause;
        }
        observed.came_back
    }

    /// It is time to look whether they still do.
    pub(super) fn look(&mut self, link: &Link, connection: &Connection) {
        let is_awaited = connection.awaited.load(Ordering::Relaxed);
        let mut is_nobody_there = false;
        link.carry_out(|control, pending| {
            let look = control.look(pending, is_awaited);
            self.look_at = Instant::now() + look.pause;
            is_nobody_there = look.is_nobody_there;
            look.effects
        });
        if is_nobody_there && connection.stream.has_bytes() {
            link.carry_out(|control, _| control.reclaim_from_absent());
        }
    }
}
