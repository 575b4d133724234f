//! What must be known of a command before it is sent: its keys, whether it may be sent again, whether it blocks or
//! changes its connection. Asked once per submitted request, so nothing here allocates; what is unknown is ordinary.

mod entry;
mod flags;
mod keys;
mod role;
#[rustfmt::skip]
mod table;

use std::time::Duration;

pub use entry::Command;
pub use flags::Flags;
pub use keys::{Keys, Positions};
pub use role::{BlockingTimeout, Handling, StateChange};
use table::COMMANDS;

/// Every command; the subcommands of a container are [`Command::subcommands`].
pub fn commands() -> &'static [Command] {
    &COMMANDS
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
    Positions::new(args, find(args).map_or(&[], |command| command.keys), Some(true))
}

/// What has a slot as keys have and is none: the sharded channels of SPUBLISH, SSUBSCRIBE and SUNSUBSCRIBE, and the
/// cursor of CLUSTERSCAN, which names the node to ask.
pub fn slot_names<A: AsRef<[u8]>>(args: &[A]) -> Keys<'_, A> {
    Keys::new(args, Positions::new(args, find(args).map_or(&[], |command| command.keys), Some(false)))
}

/// What decides the slot of a command: its keys, and what is named by [`slot_names`].
pub fn slotted<A: AsRef<[u8]>>(args: &[A]) -> Keys<'_, A> {
    Keys::new(args, Positions::new(args, find(args).map_or(&[], |command| command.keys), None))
}

/// The key of a command that always has one key, in the same place, as nearly all have; `None`: it takes more thought.
#[inline]
pub fn only_key<A: AsRef<[u8]>>(args: &[A]) -> Option<&[u8]> {
    let [spec] = find(args)?.keys else { return None };
    args.get(spec.only_place()?).map(AsRef::as_ref)
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

/// How the timeout of a blocking command is written, for the time that is left to it.
pub fn timeout_text<A: AsRef<[u8]>>(args: &[A], left: Duration) -> Option<String> {
    find(args)?.role.timeout_text(left)
}

/// Whether what comes meanwhile would be missed if a blocking command that did nothing were sent again.
pub fn speaks_of_now<A: AsRef<[u8]>>(args: &[A]) -> bool {
    find(args).is_none_or(|command| command.role.speaks_of_now(args))
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
            // All of a short name is in its key, but for characters that no name of a command has. A long one has a
            // middle.
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
