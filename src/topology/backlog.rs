//! How much waits for dedicated links to a server, and how much may.

use crate::connection::quota::{Limits, Load, Quota};
use crate::connection::unit::Unit;
use crate::lock::Lock;

/// What waits for dedicated links.
pub struct Backlog(Lock<Waiting>);

struct Waiting {
    load: Load,
    quota: Quota,
}

impl Backlog {
    /// Nothing, within these limits.
    pub(super) fn new(limits: Limits) -> Backlog {
        Backlog(Lock::new(Waiting { load: Load::default(), quota: Quota::new(limits) }))
    }

    /// Whether so much more may wait.
    pub fn fits(&self, more: Load) -> bool {
        let mut waiting = self.0.lock();
        let load = waiting.load;
        waiting.quota.fits(load, more)
    }

    /// These wait from now on.
    pub fn add(&self, units: &[Unit]) {
        let mut waiting = self.0.lock();
        waiting.load.requests += units.len();
        waiting.load.bytes += bytes_of(units);
    }

    /// These do not any more.
    pub fn remove(&self, units: &[Unit]) {
        let mut waiting = self.0.lock();
        waiting.load.requests -= units.len();
        waiting.load.bytes -= bytes_of(units);
    }

    /// True once after a refusal, when there is room again.
    pub fn has_room_again(&self) -> bool {
        let mut waiting = self.0.lock();
        let load = waiting.load;
        waiting.quota.is_back(load)
    }

    /// How much waits.
    pub fn load(&self) -> Load {
        self.0.lock().load
    }
}

fn bytes_of(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.bytes.len()).sum()
}
