//! How much may wait for one server, and when there is room again after somebody was refused. Pure: its owner counts.

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests, sent or not.
    pub requests: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// So many requests, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests.
    pub requests: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// What the limits leave.
#[derive(Debug)]
pub struct Quota {
    limits: Limits,
    was_full: bool,
}

impl Quota {
    /// As large as the limits say.
    pub fn new(limits: Limits) -> Quota {
        Quota { limits, was_full: false }
    }

    /// Whether `more` fits beside what is `waiting`; if not, [`Quota::is_back`] will say when.
    pub fn fits(&mut self, waiting: Load, more: Load) -> bool {
        let fits = more.requests <= self.limits.requests.saturating_sub(waiting.requests)
            && more.bytes <= self.limits.bytes.saturating_sub(waiting.bytes);
        self.was_full |= !fits;
        fits
    }

    /// True once after a refusal, when no more than half of each limit is in use.
    pub fn is_back(&mut self, waiting: Load) -> bool {
        let back =
            self.was_full && waiting.requests <= self.limits.requests / 2 && waiting.bytes <= self.limits.bytes / 2;
        self.was_full &= !back;
        back
    }
}
