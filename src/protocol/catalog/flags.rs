//! What servers report about commands, as a set of bits.

use std::fmt;

/// What servers say about a command, as a set of bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub(super) u32);

impl Flags {
    /// Changes data.
    pub const WRITE: Flags = Flags(1 << 0);
    /// Changes nothing; but see [`super::is_read_only`], which servers are not asked about.
    pub const READONLY: Flags = Flags(1 << 1);
    /// Is refused when the server is out of memory.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// Is for administrators.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Belongs to publish and subscribe.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Cannot be called by scripts.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// May block; only [`super::handling`] knows whether it does with these arguments.
    pub const BLOCKING: Flags = Flags(1 << 6);
    /// Is answered while the server loads its data.
    pub const LOADING: Flags = Flags(1 << 7);
    /// Is answered by a replica that lost its primary.
    pub const STALE: Flags = Flags(1 << 8);
    /// Is not shown by MONITOR.
    pub const SKIP_MONITOR: Flags = Flags(1 << 9);
    /// Is not in the slow log.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 10);
    /// Is served by a node that imports the slot.
    pub const ASKING: Flags = Flags(1 << 11);
    /// Takes constant or logarithmic time.
    pub const FAST: Flags = Flags(1 << 12);
    /// Needs no authentication.
    pub const NO_AUTH: Flags = Flags(1 << 13);
    /// May be called without the keys it could have.
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 14);
    /// Is refused while a replica loads its data.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 15);
    /// Cannot stand between MULTI and EXEC.
    pub const NO_MULTI: Flags = Flags(1 << 16);
    /// Is answered while a script runs.
    pub const ALLOW_BUSY: Flags = Flags(1 << 17);
    /// Belongs to a module.
    pub const MODULE: Flags = Flags(1 << 18);
    /// The arguments tell where the keys are.
    pub const MOVABLEKEYS: Flags = Flags(1 << 19);

    /// Every flag with the name that servers give it.
    pub const NAMES: [(&'static str, Flags); 20] = [
        ("write", Flags::WRITE),
        ("readonly", Flags::READONLY),
        ("denyoom", Flags::DENYOOM),
        ("admin", Flags::ADMIN),
        ("pubsub", Flags::PUBSUB),
        ("noscript", Flags::NOSCRIPT),
        ("blocking", Flags::BLOCKING),
        ("loading", Flags::LOADING),
        ("stale", Flags::STALE),
        ("skip_monitor", Flags::SKIP_MONITOR),
        ("skip_slowlog", Flags::SKIP_SLOWLOG),
        ("asking", Flags::ASKING),
        ("fast", Flags::FAST),
        ("no_auth", Flags::NO_AUTH),
        ("no_mandatory_keys", Flags::NO_MANDATORY_KEYS),
        ("no_async_loading", Flags::NO_ASYNC_LOADING),
        ("no_multi", Flags::NO_MULTI),
        ("allow_busy", Flags::ALLOW_BUSY),
        ("module", Flags::MODULE),
        ("movablekeys", Flags::MOVABLEKEYS),
    ];

    /// The bits themselves.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `flags` are among these.
    pub const fn contains(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Flags::NAMES.iter().filter(|(_, flag)| self.contains(*flag)).map(|(name, _)| name);
        formatter.debug_set().entries(names).finish()
    }
}
