//! Units that are to be sent again at a certain time, the earliest first.

use std::cmp::Ordering;
use std::time::Instant;

use crate::connection::unit::Unit;

/// A unit that is to be sent again at a certain time.
#[derive(Debug)]
pub struct Delayed {
    pub(super) at: Instant,
    pub(super) unit: Unit,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Delayed) -> bool {
        self.at == other.at
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Delayed) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The greatest is the earliest, as a heap wants it.
impl Ord for Delayed {
    fn cmp(&self, other: &Delayed) -> Ordering {
        other.at.cmp(&self.at)
    }
}
