//! What a link is for, and what follows from it for how its bytes are read and how its silence is judged.

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Commands and their replies.
    Commands,
    /// The messages of channels that are subscribed to.
    Subscriptions,
    /// The invalidations of CLIENT TRACKING.
    Invalidations,
    /// The lines of MONITOR.
    Monitor,
}

impl Purpose {
    /// As statistics and events call it.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Commands => "commands",
            Purpose::Subscriptions => "subscriptions",
            Purpose::Invalidations => "invalidations",
            Purpose::Monitor => "monitor",
        }
    }

    /// Whether the server may be asked to tell of changes to what commands read.
    pub(super) const fn may_track(self) -> bool {
        matches!(self, Purpose::Commands)
    }

    /// Whether it is there for messages that answer no command.
    pub(super) const fn hears(self) -> bool {
        !matches!(self, Purpose::Commands)
    }

    /// Whether a server that owes nothing is pinged when it is silent, because a message may come at any time. Not under
    /// MONITOR, which would show the pings.
    pub(super) const fn is_pinged(self) -> bool {
        matches!(self, Purpose::Subscriptions | Purpose::Invalidations)
    }
}
