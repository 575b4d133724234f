//! What the background keeps an eye on while a connection lives: whether the server is silent, and whether those
//! who read in its place still do.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::health_check::HealthCheck;
use super::link::Link;
use super::socket::Connection;

/// When nobody has read for this long, the background does.
const CALLERS_PAUSE: Duration = Duration::from_millis(100);

/// When bytes have waited for this long for whoever takes from a queue, the background sees to them.
const TAKERS_PAUSE: Duration = Duration::from_millis(2);

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

/// Who reads in the place of the background, and whether they still do. When they have not for a while, the background
/// reads again: it also hears of messages out of turn, and it does not let the answers of a queue wait whose takers are
/// busy with something else.
pub(super) struct RoleMonitor {
    pub(super) read: bool,
    of_a_queue: bool,
    /// How often somebody took the I/O role.
    taken: u64,
    /// How often they came by.
    activity: u64,
    /// So many looks in a row saw no sign of them.
    quiet: u32,
    pub(super) look_at: Instant,
}

impl Default for RoleMonitor {
    fn default() -> RoleMonitor {
        RoleMonitor { read: false, of_a_queue: false, taken: 0, activity: 0, quiet: 0, look_at: Instant::now() }
    }
}

impl RoleMonitor {
    /// Looks who reads. True if the role just returned to the I/O thread, which must read once: epoll does not report
    /// data that was buffered before the I/O thread was interested in it.
    pub(super) fn observe(&mut self, link: &Link, connection: &Connection) -> bool {
        let (read, of_a_queue, taken) = link.role_monitor();
        let came_back = !read && (self.read || taken != self.taken);
        if (read, of_a_queue) != (self.read, self.of_a_queue) {
            *self = RoleMonitor { read, of_a_queue, activity: link.activity(connection), ..RoleMonitor::default() };
            self.look_at += self.pause();
        }
        self.taken = taken;
        came_back
    }

    fn pause(&self) -> Duration {
        if self.of_a_queue { TAKERS_PAUSE } else { CALLERS_PAUSE }
    }

    /// It is time to look whether they still do.
    pub(super) fn look(&mut self, link: &Link, connection: &Connection) {
        let activity = link.activity(connection);
        let came = std::mem::replace(&mut self.activity, activity) != activity;
        self.quiet = if came { 0 } else { self.quiet + 1 };
        self.look_at = Instant::now() + self.pause();
        if came {
            link.reset_backoff();
        } else if self.pause() * self.quiet >= CALLERS_PAUSE {
            link.reclaim();
        } else if self.of_a_queue {
            link.reclaim_from_absent(connection);
        }
    }
}
