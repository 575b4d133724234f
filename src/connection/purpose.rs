//! What a link is for, and what follows from it: how long it lives, how its bytes are read and how its silence is
//! judged.

use super::unit::Ticket;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The commands of everybody. The link has this number in the ids of requests; none has 0.
    Commands(u16),
    /// The commands of one session at a time: a dedicated link. It has this number in its pool.
    Dedicated(u64),
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
            Purpose::Commands(_) => "commands",
            Purpose::Dedicated(_) => "dedicated",
            Purpose::Subscriptions => "subscriptions",
            Purpose::Invalidations => "invalidations",
            Purpose::Monitor => "monitor",
        }
    }

    /// Its number in the ids of requests.
    pub(super) const fn number(self) -> u16 {
        match self {
            Purpose::Commands(number) => number,
            _ => Ticket::NO_LINK,
        }
    }

    /// Whether it lives through all its connections, until it is closed; else it ends with its first one, because what
    /// was done on that cannot be done again.
    pub(super) const fn is_dialled_again(self) -> bool {
        !matches!(self, Purpose::Dedicated(_))
    }

    /// Whether the server may wait with a command, so that the number of the connection must be known to end that.
    pub(super) const fn may_block(self) -> bool {
        matches!(self, Purpose::Dedicated(_))
    }

    /// Whether the server may be asked to tell of changes to what commands read.
    pub(super) const fn may_track(self) -> bool {
        matches!(self, Purpose::Commands(_))
    }

    /// Whether messages come that answer no command.
    pub const fn receives_pushes(self) -> bool {
        matches!(self, Purpose::Subscriptions | Purpose::Invalidations | Purpose::Monitor)
    }

    /// Whether a server that owes nothing is pinged when it is silent, because a message may come at any time. Not
    /// under MONITOR, which would show the pings.
    pub(super) const fn is_pinged(self) -> bool {
        matches!(self, Purpose::Subscriptions | Purpose::Invalidations)
    }
}
