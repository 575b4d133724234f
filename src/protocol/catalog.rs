//! What must be known of a command before it is sent: its keys, whether it may be sent again, whether it blocks or
//! changes its connection. Asked once per submitted request, so nothing here allocates; what is unknown is ordinary.

mod keys;
mod role;
#[rustfmt::skip]
mod table;

use std::fmt;

use keys::KeySpec;
pub use keys::{Keys, Positions};
use role::Role;
pub use role::{BlockingTimeout, Handling, Trace};
use table::COMMANDS;

/// One command, or one subcommand, as the servers report it.
pub struct Command {
    /// In capitals; of a subcommand `CLIENT|SETNAME`.
    pub name: &'static str,
    /// What the server says about it.
    pub flags: Flags,
    /// The position of the first key; 0: none, or only the arguments tell (see [`keys`]).
    pub first_key: i16,
    /// The position of the last key; negative: counted from the end.
    pub last_key: i16,
    /// How many arguments lie between two keys.
    pub step: i16,
    keys: &'static [KeySpec],
    subcommands: &'static [Command],
    role: Role,
    read_only: bool,
    cacheable: bool,
}

/// What servers say about a command, as a set of bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// Changes data.
    pub const WRITE: Flags = Flags(1 << 0);
    /// Changes nothing; but see [`is_read_only`], which servers are not asked about.
    pub const READONLY: Flags = Flags(1 << 1);
    /// Is refused when the server is out of memory.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// Is for administrators.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Belongs to publish and subscribe.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Cannot be called by scripts.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// May block; only [`handling`] knows whether it does with these arguments.
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

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?} {} {} {}", self.name, self.flags, self.first_key, self.last_key, self.step)
    }
}

/// A row of the table: what the server reports, and what follows from it and from the name.
const fn command(
    name: &'static str,
    flags: u32,
    (first_key, last_key, step): (i16, i16, i16),
    keys: &'static [KeySpec],
    subcommands: &'static [Command],
) -> Command {
    let flags = Flags(flags);
    let role = role::role(name);
    let read_only = role::read_only(name, flags, role);
    let cacheable = role::cacheable(name);
    Command { name, flags, first_key, last_key, step, keys, subcommands, role, read_only, cacheable }
}

/// Every command; the subcommands of a container are [`Command::subcommands`].
pub fn commands() -> &'static [Command] {
    &COMMANDS
}

impl Command {
    /// `CLIENT|SETNAME` and the like, of a command that has such.
    pub fn subcommands(&self) -> &'static [Command] {
        self.subcommands
    }

    /// Whether it is all that `args`, for which it was found, name: not the container of a subcommand that is unknown.
    pub fn is_whole<A>(&self, args: &[A]) -> bool {
        self.subcommands.is_empty() || args.len() == 1
    }

    /// As [`handling`], without another lookup; `args` begin with the name.
    pub fn handling<A: AsRef<[u8]>>(&self, args: &[A]) -> Handling {
        self.role.handling(args)
    }

    /// As [`is_read_only`], without another lookup.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether its answer stays right until one of its keys is changed: it depends on nothing else, not on the time, on
    /// chance or on how the server stores a value.
    pub fn is_cacheable(&self) -> bool {
        self.cacheable
    }

    /// As [`keys`], without another lookup; `args` begin with the name.
    pub fn keys<'a, A: AsRef<[u8]>>(&self, args: &'a [A]) -> Keys<'a, A> {
        Keys::new(args, self.key_positions(args))
    }

    /// As [`key_positions`], without another lookup; `args` begin with the name.
    pub fn key_positions<'a, A: AsRef<[u8]>>(&self, args: &'a [A]) -> Positions<'a, A> {
        Positions::new(args, self.keys, true)
    }
}

/// The command of these arguments, in any case. An unknown subcommand gives its container, an unknown command `None`.
#[inline]
pub fn find<A: AsRef<[u8]>>(args: &[A]) -> Option<&'static Command> {
    let command = lookup(args.first()?.as_ref())?;
    if command.subcommands.is_empty() {
        return Some(command);
    }
    let Some(second) = args.get(1) else { return Some(command) };
    let second = second.as_ref();
    let after_bar = command.name.len() + 1;
    let matches =
        |sub: &&Command| sub.name.as_bytes().get(after_bar..).is_some_and(|name| name.eq_ignore_ascii_case(second));
    Some(command.subcommands.iter().find(matches).unwrap_or(command))
}

/// What the client has to do about a command before it sends it.
pub fn handling<A: AsRef<[u8]>>(args: &[A]) -> Handling {
    find(args).map_or(Handling::Ordinary, |command| command.handling(args))
}

/// Whether it may be sent again when nobody knows whether it ran: it changes nothing, neither in the data nor in the
/// server. Scripts and functions are not, whatever they call themselves, nor are unknown commands.
pub fn is_read_only<A: AsRef<[u8]>>(args: &[A]) -> bool {
    find(args).is_some_and(Command::is_read_only)
}

/// The keys among the arguments, in the order of `COMMAND GETKEYS`; none for an unknown command.
pub fn keys<A: AsRef<[u8]>>(args: &[A]) -> Keys<'_, A> {
    Keys::new(args, key_positions(args))
}

/// Where in `args` the keys stand.
pub fn key_positions<A: AsRef<[u8]>>(args: &[A]) -> Positions<'_, A> {
    Positions::new(args, find(args).map_or(&[], |command| command.keys), true)
}

/// What has a slot as keys have and is none: the sharded channels of SPUBLISH, SSUBSCRIBE and SUNSUBSCRIBE, and the cursor
/// of CLUSTERSCAN, which names the node to ask.
pub fn slot_names<A: AsRef<[u8]>>(args: &[A]) -> Keys<'_, A> {
    Keys::new(args, Positions::new(args, find(args).map_or(&[], |command| command.keys), false))
}

/// How long the server itself lets a blocking command wait. `None`: it does not block, or its timeout is not a
/// number, which the server answers with an error at once.
pub fn blocking_timeout<A: AsRef<[u8]>>(args: &[A]) -> Option<BlockingTimeout> {
    find(args)?.role.timeout(args)
}

/// Where in `args` the timeout of a blocking command stands.
pub fn timeout_position<A: AsRef<[u8]>>(args: &[A]) -> Option<usize> {
    find(args)?.role.timeout_position(args).filter(|position| *position < args.len())
}

/// A power of two, more than four times the number of commands: nearly every name stands where its hash says.
const SLOTS: usize = 2048;
const FREE: u16 = u16::MAX;

/// From the hash of a name to its place in the table, by open addressing; made by the compiler.
static INDEX: [u16; SLOTS] = index();

const fn index() -> [u16; SLOTS] {
    let mut slots = [FREE; SLOTS];
    let mut place = 0;
    while place < COMMANDS.len() {
        let mut slot = Key::of(COMMANDS[place].name.as_bytes()).slot();
        while slots[slot] != FREE {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = place as u16;
        place += 1;
    }
    slots
}

/// The keys of the table's names, in its order.
static KEYS: [Key; COMMANDS.len()] = {
    let mut keys = [Key { head: 0, tail: 0 }; COMMANDS.len()];
    let mut place = 0;
    while place < keys.len() {
        keys[place] = Key::of(COMMANDS[place].name.as_bytes());
        place += 1;
    }
    keys
};

/// The first eight and the last eight bytes of a name, whatever their case; a name of at most seven is all in its head.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    head: u64,
    tail: u64,
}

impl Key {
    #[inline]
    const fn of(name: &[u8]) -> Key {
        const LOWER_CASE: u64 = 0x2020_2020_2020_2020;
        let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => {
                let (mut number, mut rest) = (0, name);
                while let [byte, after @ ..] = rest {
                    number = number << 8 | *byte as u64;
                    rest = after;
                }
                (number, 0)
            }
        };
        Key { head: head | LOWER_CASE, tail: tail | LOWER_CASE }
    }

    const fn slot(self) -> usize {
        let head = self.head.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let tail = self.tail.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        ((head ^ tail.rotate_left(29)) >> (64 - SLOTS.trailing_zeros())) as usize
    }
}

#[inline]
fn lookup(name: &[u8]) -> Option<&'static Command> {
    let key = Key::of(name);
    let mut slot = key.slot();
    // There are free slots, so the walk ends; an entry that is not in the table is a free slot.
    loop {
        let place = usize::from(*INDEX.get(slot)?);
        if *KEYS.get(place)? == key {
            let command = COMMANDS.get(place)?;
            // All of a short name is in its key, but for characters that no name of a command has. A long one has a middle.
            if name.len() == command.name.len()
                && (name.len() < 8 || command.name.as_bytes().eq_ignore_ascii_case(name))
            {
                return Some(command);
            }
        }
        slot = (slot + 1) % SLOTS;
    }
}

#[cfg(test)]
mod tests;
