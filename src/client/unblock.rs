//! CLIENT UNBLOCK: what is sent to end the command with which a server waits. Pure.
//!
//! A server before 2025 crashes when it is told to unblock a connection that CLIENT PAUSE has put off, or runs the
//! command all the same; and only the server knows whether it has. So a command that writes is preceded by one of its
//! kind with a timeout that no server accepts: as long as writing is paused that one is put off as well, and CLIENT
//! UNBLOCK, which stands behind it, with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::connection::link::Link;
use crate::connection::unit::Ticket;
use crate::protocol::catalog::{self, BlockingTimeout, Flags};
use crate::protocol::command;
use crate::topology::node::SessionId;

/// A CLIENT UNBLOCK under way.
#[derive(Debug)]
pub struct Unblock {
    /// The request with which the server waits.
    pub of: Ticket,
    /// Whose it is.
    pub session: SessionId,
    /// Its connection; CLIENT UNBLOCK goes over another one, to the same server.
    pub link: Arc<Link>,
    pub bytes: Bytes,
    pub replies: u32,
    /// The server answered: it will not unblock anybody any more.
    pub is_settled: bool,
}

/// What is sent to unblock the connection of this number, which an encoded command blocks, and how many replies it
/// gets; `None`: that cannot be done.
pub fn unblock_commands(blocking: &[u8], connection: i64) -> Option<(Bytes, u32)> {
    let number = Some(connection).filter(|number| *number != 0)?.to_string();
    let mut args: Vec<&[u8]> = command::decode(blocking).collect();
    let mut bytes = Vec::new();
    let mut replies = 1;
    if catalog::find(&args)?.flags.contains(Flags::WRITE) {
        let position = catalog::timeout_position(&args)?;
        *args.get_mut(position)? = b"-1";
        bytes = command::encode_to_vec(&args).ok()?;
        replies = 2;
    }
    bytes.append(&mut command::encode_to_vec(&["CLIENT", "UNBLOCK", &number]).ok()?);
    Some((bytes.into(), replies))
}

/// Whether an encoded blocking command that did nothing can be sent again as if it had waited all the time.
pub fn can_wait_anew(blocking: &[u8]) -> bool {
    let args: Vec<&[u8]> = command::decode(blocking).collect();
    !catalog::speaks_of_now(&args)
}

/// Whether the server may wait with an encoded command.
pub fn waits(command: &[u8]) -> bool {
    catalog::blocking_timeout(&command::decode(command).collect::<Vec<&[u8]>>()).is_some()
}

/// An encoded blocking command, for the time that is left when the server has waited for so long with it; `None`:
/// none is left.
pub fn with_time_left(blocking: &Bytes, waited: Duration) -> Option<Bytes> {
    let mut args: Vec<&[u8]> = command::decode(blocking).collect();
    let BlockingTimeout::After(timeout) = catalog::blocking_timeout(&args)? else { return Some(blocking.clone()) };
    let left = timeout.checked_sub(waited).filter(|left| left.as_millis() > 0)?;
    let position = catalog::timeout_position(&args)?;
    let text = catalog::timeout_text(&args, left)?;
    *args.get_mut(position)? = text.as_bytes();
    command::encode_to_vec(&args).ok().map(Bytes::from)
}

/// The same, and if no time is left, for the least that there is.
pub fn with_some_time_left(blocking: &Bytes, waited: Duration) -> Bytes {
    let args: Vec<&[u8]> = command::decode(blocking).collect();
    let Some(BlockingTimeout::After(timeout)) = catalog::blocking_timeout(&args) else { return blocking.clone() };
    let waited = waited.min(timeout.saturating_sub(Duration::from_millis(1)));
    with_time_left(blocking, waited).unwrap_or_else(|| blocking.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands_for(line: &str) -> Option<Vec<String>> {
        let args: Vec<&str> = line.split(' ').collect();
        let (bytes, replies) = unblock_commands(&command::encode_to_vec(&args).unwrap(), 7)?;
        let commands: Vec<String> = command::commands(&bytes)
            .map(|range| {
                let args: Vec<_> = command::decode(&bytes[range]).map(String::from_utf8_lossy).collect();
                args.join(" ")
            })
            .collect();
        assert_eq!(commands.len(), replies as usize);
        Some(commands)
    }

    #[test]
    fn what_writes_is_asked_behind_something_that_a_pause_puts_off() {
        let unblock = "CLIENT UNBLOCK 7";
        for (line, before) in [
            ("BLPOP a b 0", "BLPOP a b -1"),
            ("blmpop 5 1 a LEFT", "blmpop -1 1 a LEFT"),
            ("BLMOVE a b LEFT RIGHT 1.5", "BLMOVE a b LEFT RIGHT -1"),
            ("BLMOVEM a b LEFT RIGHT 0 COUNT 2", "BLMOVEM a b LEFT RIGHT -1 COUNT 2"),
            ("XREADGROUP GROUP g c BLOCK 5 STREAMS s >", "XREADGROUP GROUP g c BLOCK -1 STREAMS s >"),
        ] {
            assert_eq!(commands_for(line).unwrap(), [before, unblock]);
        }
        for line in ["XREAD BLOCK 0 STREAMS s $", "TS.READ k 0 BLOCK 0 1", "WAIT 1 0", "WAITAOF 1 1 0"] {
            assert_eq!(commands_for(line).unwrap(), [unblock]);
        }
        assert_eq!(commands_for("NO.SUCH.COMMAND 0"), None);
        assert_eq!(
            unblock_commands(&command::encode_to_vec(&["BLPOP", "a", "0"]).unwrap(), 0),
            None,
            "its number is unknown"
        );
    }

    #[test]
    fn what_is_sent_again_waits_for_the_time_that_is_left() {
        let left = |line: &str, waited: u64| {
            let args: Vec<&str> = line.split(' ').collect();
            let bytes = Bytes::from(command::encode_to_vec(&args).unwrap());
            let bytes = with_time_left(&bytes, Duration::from_millis(waited))?;
            let args: Vec<_> = command::decode(&bytes).map(String::from_utf8_lossy).collect();
            Some(args.join(" "))
        };
        for (line, waited, again) in [
            ("BLPOP a b 0", 7000, Some("BLPOP a b 0")),
            ("BLPOP a b 10", 2500, Some("BLPOP a b 7.500")),
            ("BLPOP a b 10", 9999, Some("BLPOP a b 0.001")),
            ("BLPOP a b 10", 10_000, None),
            ("BLPOP a b 10", 11_000, None),
            ("BLMPOP 1.5 1 a LEFT", 400, Some("BLMPOP 1.100 1 a LEFT")),
            ("XREAD BLOCK 1000 STREAMS s 0-1", 400, Some("XREAD BLOCK 600 STREAMS s 0-1")),
            ("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 5, Some("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")),
        ] {
            assert_eq!(left(line, waited).as_deref(), again, "{line}");
        }
    }

    #[test]
    fn what_speaks_of_the_moment_is_not_sent_again() {
        for (line, can) in [
            ("BLPOP a 0", true),
            ("BZMPOP 0 1 a MIN", true),
            ("XREAD BLOCK 0 STREAMS s 0-1", true),
            ("XREADGROUP GROUP g c BLOCK 5 STREAMS s >", true),
            ("XREAD BLOCK 0 STREAMS s $", false),
            ("XREAD BLOCK 0 STREAMS s t 0-1 $", false),
            ("TS.READ k 0 BLOCK 0 1", false),
            ("WAIT 1 0", false),
            ("WAITAOF 1 1 0", false),
        ] {
            let args: Vec<&str> = line.split(' ').collect();
            assert_eq!(can_wait_anew(&command::encode_to_vec(&args).unwrap()), can, "{line}");
        }
    }
}
