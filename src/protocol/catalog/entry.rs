//! One row of the table of commands, and what follows from it.

use std::fmt;

use super::flags::Flags;
use super::keys::{KeySpec, Keys, Positions};
use super::role::{self, Handling, Role};

/// One command, or one subcommand, as the servers report it.
pub struct Command {
    /// In capitals; of a subcommand `CLIENT|SETNAME`.
    pub name: &'static str,
    /// What the server says about it.
    pub flags: Flags,
    /// The position of the first key; 0: none, or only the arguments tell (see [`super::keys`]).
    pub first_key: i16,
    /// The position of the last key; negative: counted from the end.
    pub last_key: i16,
    /// How many arguments lie between two keys.
    pub step: i16,
    pub(super) keys: &'static [KeySpec],
    pub(super) subcommands: &'static [Command],
    pub(super) role: Role,
    read_only: bool,
    cacheable: bool,
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?} {} {} {}", self.name, self.flags, self.first_key, self.last_key, self.step)
    }
}

/// A row of the table: what the server reports, and what follows from it and from the name.
pub(super) const fn command(
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

impl Command {
    /// `CLIENT|SETNAME` and the like, of a command that has such.
    pub fn subcommands(&self) -> &'static [Command] {
        self.subcommands
    }

    /// Whether it is all that `args`, for which it was found, name: not the container of a subcommand that is unknown.
    pub fn is_whole<A>(&self, args: &[A]) -> bool {
        self.subcommands.is_empty() || args.len() == 1
    }

    /// As [`super::handling`], without another lookup; `args` begin with the name.
    pub fn handling<A: AsRef<[u8]>>(&self, args: &[A]) -> Handling {
        self.role.handling(args)
    }

    /// As [`super::is_read_only`], without another lookup.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether its answer stays right until one of its keys is changed: it depends on nothing else, not on the time, on
    /// chance or on how the server stores a value.
    pub fn is_cacheable(&self) -> bool {
        self.cacheable
    }

    /// As [`super::keys`], without another lookup; `args` begin with the name.
    pub fn keys<'a, A: AsRef<[u8]>>(&self, args: &'a [A]) -> Keys<'a, A> {
        Keys::new(args, self.key_positions(args))
    }

    /// As [`super::key_positions`], without another lookup; `args` begin with the name.
    pub fn key_positions<'a, A: AsRef<[u8]>>(&self, args: &'a [A]) -> Positions<'a, A> {
        Positions::new(args, self.keys, Some(true))
    }
}
