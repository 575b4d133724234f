//! Whether a request may be sent, and whether it needs a connection of its own: decided by its commands alone, before
//! anything is queued.

use std::time::Duration;

use super::request::{Request, Timeout};
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, BlockingTimeout, Handling, StateChange};

/// What follows from the commands of a request.
#[derive(Debug, Default)]
pub struct Admission {
    /// It goes on a connection of its own.
    pub dedicated: bool,
    /// It gets many answers, or changes a request that does.
    pub multishot: bool,
    /// The server may wait with its last command.
    pub blocks: bool,
    /// How long the server lets that one wait.
    own_timeout: Option<BlockingTimeout>,
    /// Its commands speak of each other: they must not be sent on two connections.
    pub whole: bool,
    /// It is one EVAL that may go out as EVALSHA.
    pub script: bool,
    /// What it leaves behind on its connection.
    pub state_change: Option<StateChange>,
}

impl Admission {
    /// Of a request on a lease, or on a client that others share. The error says why not, and what to do instead.
    pub fn of<A: AsRef<[u8]>>(request: &Request<'_, A>, on_lease: bool) -> Result<Admission, Error> {
        let mut admission = Admission { dedicated: on_lease || request.dedicated, ..Admission::default() };
        let wrong = |sentence| Err(Error::new(Status::Argument, sentence));
        let is_nameless = |args: &&[A]| args.first().is_none_or(|name| name.as_ref().is_empty());
        if let Some(index) = request.commands.iter().position(is_nameless) {
            let sentence = format!("command {index}: it has no name, which is its first argument");
            return Err(Error::new(Status::Argument, sentence));
        }
        match request.commands {
            [] => return wrong("the request has no command"),
            [_] if request.subscription != 0 && !request.atomic => admission.multishot = true,
            _ if request.subscription != 0 => return wrong("a subscription is changed by one command at a time"),
            [args] if !request.atomic => {
                let why = |sentence| Error::new(Status::Refused, sentence);
                admission.admit(args, Position::Alone, on_lease).map_err(why)?;
            }
            commands => {
                for (index, args) in commands.iter().enumerate() {
                    let position = match request.atomic {
                        true => Position::Atomic,
                        false if index + 1 == commands.len() => Position::Last,
                        false => Position::Before,
                    };
                    let why = |sentence| Error::new(Status::Argument, format!("command {index}: {sentence}"));
                    admission.admit(args, position, on_lease).map_err(why)?;
                }
            }
        }
        if admission.multishot && on_lease {
            let sentence = "what gets many answers has a connection beside that of the lease; submit it on the client";
            return Err(Error::new(Status::Refused, sentence));
        }
        if admission.multishot && request.dedicated {
            return wrong(
                "what gets many answers chooses its connection itself; submit it without JR_REQUEST_DEDICATED",
            );
        }
        Ok(admission)
    }

    fn admit<A: AsRef<[u8]>>(&mut self, args: &[A], position: Position, on_lease: bool) -> Result<(), String> {
        let name = || {
            let name = args.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
            name.to_ascii_uppercase()
        };
        let command = catalog::find(args);
        if !command.is_some_and(|command| command.is_whole(args)) {
            // Nobody knows what it does.
            self.changes(StateChange::Lasting);
        }
        match command.map_or(Handling::Ordinary, |command| command.handling(args)) {
            Handling::ConnectionState { instead, on_lease: change } => match change {
                Some(change) if on_lease && position != Position::Atomic => self.changes(change),
                _ => return Err(instead.to_string()),
            },
            Handling::Blocking if position == Position::Alone => self.waits(args),
            Handling::Blocking => {
                return Err(format!(
                    "{} waits at the server and would hold up the other commands of the request; submit it alone",
                    name()
                ));
            }
            Handling::OwnWrites if position == Position::Last || (on_lease && position == Position::Alone) => {
                self.waits(args);
                self.whole = true;
            }
            Handling::OwnWrites => {
                return Err(format!(
                    "{} speaks of the writes of its own connection, which on a shared client are those of everyone; \
                     make it the last command of a pipeline, behind the writes that it is to wait for, or use a lease \
                     (jr_client_lease)",
                    name()
                ));
            }
            Handling::Multishot | Handling::Monitor | Handling::Invalidations if position == Position::Alone => {
                self.multishot = true;
            }
            Handling::Multishot | Handling::Monitor | Handling::Invalidations => {
                return Err(format!("{} gets many answers; submit it as a request of its own", name()));
            }
            // What the server knows of scripts is learnt for shared connections only.
            Handling::Script => self.script = position == Position::Alone && !self.dedicated && args.len() > 1,
            Handling::StoredScript | Handling::Ordinary => {}
        }
        Ok(())
    }

    fn waits<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        (self.dedicated, self.blocks) = (true, true);
        self.own_timeout = catalog::blocking_timeout(args);
    }

    /// Keeps the stronger effect: Lasting, then Watch, then Unwatch.
    fn changes(&mut self, change: StateChange) {
        self.state_change = match (self.state_change, change) {
            (Some(StateChange::Lasting), _) | (_, StateChange::Lasting) => Some(StateChange::Lasting),
            (Some(StateChange::Watch), _) => Some(StateChange::Watch),
            (_, change) => Some(change),
        };
    }

    /// How long the request may take: what a blocking command lets the server wait is added to it, and one that waits
    /// for ever has the deadline that its user names, or none.
    pub fn timeout(&self, wanted: Timeout, default: Option<Duration>) -> Option<Duration> {
        let timeout = match wanted {
            Timeout::Default if self.own_timeout == Some(BlockingTimeout::Forever) => None,
            Timeout::Default => default,
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        }?;
        match self.own_timeout {
            Some(BlockingTimeout::After(own)) => Some(timeout.saturating_add(own)),
            Some(BlockingTimeout::Forever) | None => Some(timeout),
        }
    }
}

/// Where a command stands in its request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Alone,
    /// Between MULTI and EXEC.
    Atomic,
    /// In a pipeline, before others.
    Before,
    /// At the end of a pipeline.
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Route;

    fn admit(commands: &[&'static str], atomic: bool, on_lease: bool) -> Result<Admission, Error> {
        let args = |line: &&'static str| line.split_whitespace().map(|word| if word == "''" { "" } else { word });
        let commands: Vec<Vec<&str>> = commands.iter().map(|line| args(line).collect()).collect();
        let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
        let timeout = Timeout::Default;
        let (idempotent, dedicated, cached, replica) = (false, false, false, false);
        let (route, subscription) = (Route::ByKey, 0);
        let request = Request {
            commands: &commands,
            atomic,
            idempotent,
            dedicated,
            cached,
            replica,
            timeout,
            route,
            subscription,
            user_data: 0,
        };
        Admission::of(&request, on_lease)
    }

    #[test]
    fn who_may_send_what() {
        use Status::{Argument, Ok, Refused};
        // On a shared client and on a lease: alone, between two others, last of two, in a transaction.
        for (line, shared, lease) in [
            ("GET k", [Ok, Ok, Ok, Ok], [Ok, Ok, Ok, Ok]),
            ("EVAL x 0", [Ok, Ok, Ok, Ok], [Ok, Ok, Ok, Ok]),
            ("NO.SUCH.COMMAND", [Ok, Ok, Ok, Ok], [Ok, Ok, Ok, Ok]),
            ("BLPOP k 0", [Ok, Argument, Argument, Argument], [Ok, Argument, Argument, Argument]),
            ("XREAD BLOCK 0 STREAMS s $", [Ok, Argument, Argument, Argument], [Ok, Argument, Argument, Argument]),
            ("XREAD STREAMS s $", [Ok, Ok, Ok, Ok], [Ok, Ok, Ok, Ok]),
            ("WAIT 1 0", [Refused, Argument, Ok, Argument], [Ok, Argument, Ok, Argument]),
            ("WAITAOF 1 1 0", [Refused, Argument, Ok, Argument], [Ok, Argument, Ok, Argument]),
            ("WATCH k", [Refused, Argument, Argument, Argument], [Ok, Ok, Ok, Argument]),
            ("UNWATCH", [Refused, Argument, Argument, Argument], [Ok, Ok, Ok, Argument]),
            ("SELECT 1", [Refused, Argument, Argument, Argument], [Ok, Ok, Ok, Argument]),
            ("CLIENT SETNAME x", [Refused, Argument, Argument, Argument], [Ok, Ok, Ok, Argument]),
            ("MULTI", [Refused, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("HELLO 3", [Refused, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("RESET", [Refused, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("CLIENT REPLY OFF", [Refused, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("SUBSCRIBE c", [Ok, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("MONITOR", [Ok, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("CLIENT TRACKING ON BCAST", [Ok, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("CLIENT TRACKING ON", [Refused, Argument, Argument, Argument], [Refused, Argument, Argument, Argument]),
            ("", [Argument; 4], [Argument; 4]),
            ("''", [Argument; 4], [Argument; 4]),
            ("'' SET k v", [Argument; 4], [Argument; 4]),
        ] {
            for (on_lease, expected) in [(false, shared), (true, lease)] {
                let found = [
                    admit(&[line], false, on_lease),
                    admit(&["PING", line, "PING"], false, on_lease),
                    admit(&["PING", line], false, on_lease),
                    admit(&["PING", line], true, on_lease),
                ];
                let found = found.map(|admission| admission.err().map_or(Ok, |error| error.status));
                assert_eq!(found, expected, "{line}, on a lease: {on_lease}");
            }
        }
        assert!(admit(&["GET k", "BLPOP k 0"], false, false).is_err_and(|error| error.message.contains("command 1")));
    }

    #[test]
    fn what_needs_a_connection_of_its_own() {
        let of = |commands: &[&'static str]| admit(commands, false, false).unwrap();
        let marks = |admission: Admission| (admission.dedicated, admission.blocks, admission.whole);
        assert_eq!(marks(of(&["GET k"])), (false, false, false));
        assert_eq!(marks(of(&["BLPOP k 0"])), (true, true, false));
        assert_eq!(marks(of(&["SET k v", "WAIT 1 0"])), (true, true, true));
        assert!(of(&["EVAL x 0"]).script && !admit(&["EVAL x 0"], false, true).unwrap().script);
    }

    #[test]
    fn what_is_left_behind() {
        let change = |commands: &[&'static str]| admit(commands, false, true).unwrap().state_change;
        assert_eq!(change(&["GET k", "BLPOP_ALIKE"]), Some(StateChange::Lasting), "nobody knows what it does");
        assert_eq!(change(&["GET k"]), None);
        assert_eq!(change(&["WATCH k"]), Some(StateChange::Watch));
        assert_eq!(change(&["UNWATCH"]), Some(StateChange::Unwatch));
        assert_eq!(change(&["UNWATCH", "WATCH k"]), Some(StateChange::Watch));
        assert_eq!(change(&["WATCH k", "UNWATCH"]), Some(StateChange::Watch));
        assert_eq!(change(&["SELECT 1", "WATCH k"]), Some(StateChange::Lasting));
    }

    #[test]
    fn the_time_of_a_blocking_command_is_added() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let of = |line: &'static str, wanted| admit(&[line], false, false).unwrap().timeout(wanted, seconds(5));
        let after = |seconds| Timeout::After(Duration::from_secs(seconds));
        assert_eq!(of("GET k", Timeout::Default), seconds(5));
        assert_eq!(of("BLPOP k 3", Timeout::Default), seconds(8));
        assert_eq!(of("BLPOP k 3", after(1)), seconds(4));
        assert_eq!(of("BLPOP k 3", Timeout::None), None);
        assert_eq!(of("BLPOP k 0", Timeout::Default), None);
        assert_eq!(of("BLPOP k 0", after(1)), seconds(1));
        assert_eq!(of("BLPOP k nonsense", Timeout::Default), seconds(5));
    }
}
