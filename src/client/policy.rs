//! Which nodes of a cluster a command without keys is for, and what their answers make up. Pure.
//!
//! Invariant: it is a list of ours, not what servers say of their commands: some of them say what is wrong. What does
//! not stand here is refused without a route.

use super::merge::Merge;

/// Where a command without keys goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// To any one.
    One,
    /// To every primary.
    Primaries,
    /// To every node.
    All,
    /// To the primary of the slot whose number is this argument.
    SlotAt(usize),
    /// To one after the other.
    InTurn,
}

/// What becomes of a command without keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it goes.
    pub nodes: Nodes,
    /// What the answers make up.
    pub merge: Merge,
}

/// A name, its subcommands (none: with and without any), where they go, and what their answers make up.
type Row = (&'static str, &'static [&'static str], Nodes, Merge);

const ONE: Nodes = Nodes::One;
const PRIMARIES: Nodes = Nodes::Primaries;

const POLICIES: &[Row] = &[
    ("PING", &[], ONE, Merge::Same),
    ("PUBLISH", &[], ONE, Merge::Same),
    ("INFO", &[], ONE, Merge::Same),
    // Scripts and functions without keys read and write none.
    ("EVAL", &[], ONE, Merge::Same),
    ("EVAL_RO", &[], ONE, Merge::Same),
    ("EVALSHA", &[], ONE, Merge::Same),
    ("EVALSHA_RO", &[], ONE, Merge::Same),
    ("FCALL", &[], ONE, Merge::Same),
    ("FCALL_RO", &[], ONE, Merge::Same),
    ("COMMAND", &[], ONE, Merge::Same),
    ("ECHO", &[], ONE, Merge::Same),
    ("LASTSAVE", &[], ONE, Merge::Same),
    ("LOLWUT", &[], ONE, Merge::Same),
    ("ROLE", &[], ONE, Merge::Same),
    ("TIME", &[], ONE, Merge::Same),
    ("DBSIZE", &[], PRIMARIES, Merge::Sum),
    ("KEYS", &[], PRIMARIES, Merge::Concatenate),
    ("RANDOMKEY", &[], PRIMARIES, Merge::FirstFound),
    ("FLUSHALL", &[], PRIMARIES, Merge::Same),
    ("FLUSHDB", &[], PRIMARIES, Merge::Same),
    ("BGREWRITEAOF", &[], PRIMARIES, Merge::Same),
    ("BGSAVE", &[], PRIMARIES, Merge::Same),
    ("SAVE", &[], PRIMARIES, Merge::Same),
    ("SCAN", &[], Nodes::InTurn, Merge::Same),
    // Scripts are not replicated, functions are.
    ("SCRIPT", &["EXISTS"], PRIMARIES, Merge::And),
    ("SCRIPT", &["FLUSH", "LOAD"], Nodes::All, Merge::Same),
    ("SCRIPT", &["KILL"], PRIMARIES, Merge::OneSucceeded),
    ("SCRIPT", &["HELP", "SHOW"], ONE, Merge::Same),
    ("FUNCTION", &["DELETE", "FLUSH", "LOAD", "RESTORE"], PRIMARIES, Merge::Same),
    ("FUNCTION", &["KILL"], PRIMARIES, Merge::OneSucceeded),
    ("FUNCTION", &["DUMP", "HELP", "LIST", "STATS"], ONE, Merge::Same),
    ("PUBSUB", &["CHANNELS", "SHARDCHANNELS"], Nodes::All, Merge::Union),
    ("PUBSUB", &["NUMSUB", "SHARDNUMSUB"], Nodes::All, Merge::SumOfItems),
    ("PUBSUB", &["NUMPAT"], Nodes::All, Merge::Sum),
    ("PUBSUB", &["HELP"], ONE, Merge::Same),
    ("CONFIG", &["RESETSTAT", "REWRITE", "SET"], Nodes::All, Merge::Same),
    ("CONFIG", &["GET", "HELP"], ONE, Merge::Same),
    ("ACL", &["DELUSER", "SAVE", "SETUSER"], Nodes::All, Merge::Same),
    ("ACL", &["CAT", "DRYRUN", "GENPASS", "GETUSER", "HELP", "LIST", "LOG", "USERS", "WHOAMI"], ONE, Merge::Same),
    ("CLIENT", &["PAUSE", "UNPAUSE"], PRIMARIES, Merge::Same),
    ("CLIENT", &["GETNAME", "GETREDIR", "HELP", "ID", "INFO", "LIST", "TRACKINGINFO"], ONE, Merge::Same),
    ("CLUSTER", &["COUNTKEYSINSLOT", "GETKEYSINSLOT"], Nodes::SlotAt(2), Merge::Same),
    ("CLUSTER", &["HELP", "INFO", "KEYSLOT", "LINKS", "MYID", "MYSHARDID", "NODES", "SHARDS", "SLOTS"], ONE, {
        Merge::Same
    }),
    ("CLUSTER", &["COUNT-FAILURE-REPORTS", "REPLICAS", "SLAVES"], ONE, Merge::Same),
    ("SLOWLOG", &["RESET"], Nodes::All, Merge::Same),
    ("SLOWLOG", &["GET", "HELP", "LEN"], ONE, Merge::Same),
    ("COMMANDLOG", &["RESET"], Nodes::All, Merge::Same),
    ("COMMANDLOG", &["GET", "HELP", "LEN"], ONE, Merge::Same),
    ("LATENCY", &["RESET"], Nodes::All, Merge::Sum),
    ("LATENCY", &["DOCTOR", "GRAPH", "HELP", "HISTOGRAM", "HISTORY", "LATEST"], ONE, Merge::Same),
    ("MEMORY", &["PURGE"], PRIMARIES, Merge::Same),
    ("MEMORY", &["DOCTOR", "HELP", "MALLOC-STATS", "STATS"], ONE, Merge::Same),
    ("MODULE", &["HELP", "LIST"], ONE, Merge::Same),
];

impl Policy {
    /// That of a command without keys; `None`: only a route can say where it goes.
    pub fn of<A: AsRef<[u8]>>(args: &[A]) -> Option<Policy> {
        let name = args.first()?.as_ref();
        let second = args.get(1).map(AsRef::as_ref).unwrap_or_default();
        let is = |word: &[u8], other: &str| word.eq_ignore_ascii_case(other.as_bytes());
        if is(name, "CLIENT") && is(second, "KILL") {
            // CLIENT KILL address knows the client, or does not; with filters it tells how many it has found.
            let merge = if args.len() == 3 { Merge::OneSucceeded } else { Merge::Sum };
            return Some(Policy { nodes: Nodes::All, merge });
        }
        let row = POLICIES.iter().find(|(other, subcommands, ..)| {
            is(name, other) && (subcommands.is_empty() || subcommands.iter().any(|word| is(second, word)))
        });
        row.map(|(_, _, nodes, merge)| Policy { nodes: *nodes, merge: merge.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::catalog;

    #[test]
    fn where_commands_without_keys_go() {
        for (line, nodes, merge) in [
            ("dbsize", PRIMARIES, Merge::Sum),
            ("KEYS *", PRIMARIES, Merge::Concatenate),
            ("FlushAll ASYNC", PRIMARIES, Merge::Same),
            ("script exists a b", PRIMARIES, Merge::And),
            ("SCRIPT LOAD x", Nodes::All, Merge::Same),
            ("FUNCTION LOAD x", PRIMARIES, Merge::Same),
            ("FUNCTION LIST", ONE, Merge::Same),
            ("CLUSTER COUNTKEYSINSLOT 7", Nodes::SlotAt(2), Merge::Same),
            ("CLIENT KILL 1.2.3.4:5", Nodes::All, Merge::OneSucceeded),
            ("CLIENT KILL ID 7", Nodes::All, Merge::Sum),
            ("INFO server", ONE, Merge::Same),
            ("EVAL x 0", ONE, Merge::Same),
            ("SCAN 0", Nodes::InTurn, Merge::Same),
            ("PUBSUB NUMSUB a", Nodes::All, Merge::SumOfItems),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(Policy::of(&words), Some(Policy { nodes, merge }), "{line}");
        }
        for line in ["NO.SUCH", "SCRIPT", "CLUSTER FAILOVER", "SHUTDOWN", "CLUSTER RESET", "WAIT 1 0", "CONFIG"] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(Policy::of(&words), None, "{line}");
        }
    }

    #[test]
    fn every_command_of_the_list_is_known_and_stands_there_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, subcommands, ..) in POLICIES {
            let command = catalog::find(&[name]).unwrap_or_else(|| panic!("{name}"));
            for word in *subcommands {
                let known = command.subcommands().iter().any(|other| other.name == format!("{name}|{word}"));
                assert!(known || *word == "HELP", "{name} {word}");
            }
            let words = if subcommands.is_empty() { &[""][..] } else { subcommands };
            assert!(words.iter().all(|word| seen.insert((name, *word))), "{name} {words:?} stands there twice");
        }
    }
}
