//! How much waits for dedicated connections, and how much may. Pure.

use crate::connection::quota::{Limits, Load, Quota};
use crate::connection::unit::Unit;

/// What waits for dedicated connections.
pub struct Backlog {
    load: Load,
    quota: Quota,
}

impl Backlog {
    /// Nothing, within these limits.
    pub fn new(limits: Limits) -> Backlog {
        Backlog { load: Load::default(), quota: Quota::new(limits) }
    }

    /// Whether so much more may wait.
    pub fn fits(&mut self, more: Load) -> bool {
        self.quota.fits(self.load, more)
    }

    /// These wait from now on.
    pub fn add(&mut self, units: &[Unit]) {
        self.load.requests += units.len();
        self.load.bytes += bytes_of(units);
    }

    /// These do not any more.
    pub fn remove(&mut self, units: &[Unit]) {
        self.load.requests -= units.len();
        self.load.bytes -= bytes_of(units);
    }

    /// True once after a refusal, when there is room again.
    pub fn has_room_again(&mut self) -> bool {
        self.quota.is_back(self.load)
    }

    /// How much waits.
    pub fn load(&self) -> Load {
        self.load
    }
}

fn bytes_of(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.bytes.len()).sum()
}
