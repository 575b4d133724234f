//! The table of commands against live servers: what they report of each (COMMAND), and where they find keys (COMMAND
//! GETKEYS). Strict with the servers that the table was made from; where they differ among each other `DIFFERENT` says
//! it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of the test")]

mod support;

use std::collections::BTreeSet;

use justredis::protocol::catalog::{self, Command, Flags};
use support::resp::{Answer, Plain};
use support::server::Server;

/// The answer to a command that cannot fail to be answered.
fn ask(server: &mut Plain, words: &[&str]) -> Answer {
    server.command(words).unwrap()
}

/// What the server says of one command.
struct Reported {
    name: String,
    arity: i64,
    flags: Vec<String>,
    positions: [i64; 3],
}

/// The servers that the table was made from, as far as they can be had, and the one that the tests run on.
fn servers() -> Vec<(&'static str, Server)> {
    let versions = ["redis-7.0", "redis-8.2", "valkey-9.1"];
    let known = versions.into_iter().filter_map(|name| Some((name, Server::version(name)?.start())));
    known.chain([(ANY, Server::start())]).collect()
}

/// The server that the tests run on, of whatever version.
const ANY: &str = "any";

/// A command with its subcommands, but not those of modules that are loaded: scripts/commands.txt has these.
fn reported(reply: &Answer, into: &mut Vec<Reported>) {
    let items = reply.items();
    let name = items[0].text();
    let flags: Vec<String> = items[2].items().iter().map(|flag| flag_of(&flag.text())).collect();
    let positions = [items[3].integer(), items[4].integer(), items[5].integer()];
    if !name.contains('.') {
        into.push(Reported { name, arity: items[1].integer(), flags, positions });
    }
    for inner in items[9].items() {
        reported(inner, into);
    }
}

/// A flag as Redis 7.0 writes it: others have other dashes, and Valkey a new name for the slow log.
fn flag_of(text: &str) -> String {
    text.replace('-', "_").replace("skip_commandlog", "skip_slowlog")
}

/// All that a server reports.
fn all_reported(server: &mut Plain) -> Vec<Reported> {
    let mut commands = Vec::new();
    for command in ask(server, &["COMMAND"]).items() {
        reported(command, &mut commands);
    }
    assert!(commands.len() > 300);
    commands
}

fn find(name: &str) -> Option<&'static Command> {
    let words: Vec<&str> = name.split('|').collect();
    catalog::find(&words).filter(|command| command.name.eq_ignore_ascii_case(name))
}

/// Ours and the server's keys of one invocation.
fn compare_keys(server: &mut Plain, args: &[&str]) -> Result<(), String> {
    let mut question = vec!["COMMAND", "GETKEYS"];
    question.extend(args);
    let expected: Vec<String> = match ask(server, &question) {
        Answer::Array(keys) => keys.iter().map(Answer::text).collect(),
        // It is newer than the server.
        Answer::Error(text) if text.contains("Invalid command specified") => return Ok(()),
        Answer::Error(_) => Vec::new(),
        other => panic!("{other:?}"),
    };
    let found: Vec<String> = catalog::keys(args).map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    if found == expected { Ok(()) } else { Err(format!("{args:?}: found {found:?}, the server says {expected:?}")) }
}

#[test]
fn the_table_is_what_the_servers_report() {
    let mut differences = Vec::new();
    for (version, running) in servers() {
        let mut found = BTreeSet::new();
        for Reported { name, flags, positions, .. } in all_reported(&mut running.connect().unwrap()) {
            let Some(ours) = find(&name) else {
                if version != ANY {
                    differences.push(format!("{version}: {name} is missing"));
                }
                continue;
            };
            if positions != [ours.first_key, ours.last_key, ours.step].map(i64::from) {
                differences.push(format!("{version}: {ours:?}, the server says {name} {positions:?}"));
            }
            let known = Flags::NAMES.iter().filter(|(_, flag)| ours.flags.contains(*flag));
            let known: BTreeSet<String> = known.map(|(name, _)| (*name).to_owned()).collect();
            let said = BTreeSet::from_iter(flags);
            let more = said.difference(&known).map(|flag| format!("+{flag}"));
            let less = known.difference(&said).map(|flag| format!("-{flag}"));
            found.extend(more.chain(less).map(|flag| format!("{version} {flag} {}", name.to_ascii_uppercase())));
        }
        if version == ANY {
            // Of a version that is not known here the least must be right.
            found.retain(|one| one.contains("+write ") || one.contains("-write ") || one.contains("+readonly "));
        }
        let expected = DIFFERENT.iter().filter(|(server, ..)| *server == version);
        let expected = expected
            .flat_map(|(_, flag, names)| names.split_whitespace().map(move |name| format!("{version} {flag} {name}")))
            .collect();
        differences.extend(found.difference(&expected).map(|one| format!("is: {one}")));
        differences.extend(expected.difference(&found).map(|one| format!("is not: {one}")));
    }
    assert!(differences.is_empty(), "run scripts/catalog.py: {differences:#?}");
}

/// Each command with as many arguments as it must have, and a few more: "1" is a key, a count and a number.
#[test]
fn keys_of_every_command() {
    for (version, running) in servers() {
        let mut server = running.connect().unwrap();
        let mut differences = Vec::new();
        for Reported { name, arity, .. } in all_reported(&mut server).iter().filter(|one| find(&one.name).is_some()) {
            let more = if *arity < 0 { 3 } else { 0 };
            // "PFMERGE d" is legal and writes d, but COMMAND GETKEYS does not see a key there.
            let least = usize::from(name == "pfmerge");
            for extra in least..=more {
                let mut args: Vec<&str> = name.split('|').collect();
                let count = usize::try_from(arity.unsigned_abs()).unwrap() + extra;
                args.resize(count.max(args.len()), "1");
                differences.extend(compare_keys(&mut server, &args).err());
            }
        }
        assert!(differences.is_empty(), "{version}: {differences:#?}");
    }
}

#[test]
fn keys_of_samples() {
    for (version, running) in servers() {
        let mut server = running.connect().unwrap();
        let mut differences = Vec::new();
        for line in SAMPLES.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let args: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
            differences.extend(compare_keys(&mut server, &args).err());
        }
        assert!(differences.is_empty(), "{version}: {differences:#?}");
    }
}

/// Redis' COMMAND GETKEYS names each STORE of GEORADIUS, Valkey's the last; all of them write the last only.
#[test]
fn georadius_stores_once() {
    for (version, running) in servers() {
        let mut server = running.connect().unwrap();
        ask(&mut server, &["GEOADD", "places", "0", "0", "here"]);
        for [first, second] in [["STORE", "STOREDIST"], ["STOREDIST", "STORE"], ["STORE", "STORE"]] {
            let line = ["GEORADIUS", "places", "0", "0", "9", "km", first, "not", second, "stored"];
            assert_eq!(catalog::keys(&line).collect::<Vec<_>>(), [&b"places"[..], b"stored"]);
            assert_eq!(ask(&mut server, &line).integer(), 1, "{version}");
            assert_eq!(ask(&mut server, &["DEL", "not"]).integer(), 0, "{version}");
            assert_eq!(ask(&mut server, &["DEL", "stored"]).integer(), 1, "{version}");
        }
    }
}

/// What a server says otherwise than the table, which follows the newest Redis: a flag that it has, or has not, at some
/// commands.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("redis-7.0", "+noscript", "BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN WAIT"),
    ("redis-7.0", "-blocking", "WAIT"),
    ("redis-7.0", "-denyoom", "PSUBSCRIBE SSUBSCRIBE SUBSCRIBE"),
    (
        "redis-7.0",
        "-loading",
        "CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|INFO CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|MYID CLUSTER|NODES \
         CLUSTER|REPLICAS CLUSTER|SHARDS CLUSTER|SLAVES CLUSTER|SLOTS",
    ),
    ("redis-8.2", "-denyoom", "PSUBSCRIBE SSUBSCRIBE SUBSCRIBE"),
    (
        "redis-8.2",
        "-loading",
        "CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|INFO CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|MYID \
         CLUSTER|MYSHARDID CLUSTER|NODES CLUSTER|REPLICAS CLUSTER|SLAVES",
    ),
    (
        "valkey-9.1",
        "+allow_busy",
        "CLIENT|CACHING CLIENT|GETNAME CLIENT|GETREDIR CLIENT|ID CLIENT|NO-EVICT CLIENT|NO-TOUCH CLIENT|REPLY \
         CLIENT|SETINFO CLIENT|SETNAME SELECT",
    ),
    ("valkey-9.1", "+loading", "MEMORY|MALLOC-STATS MEMORY|PURGE"),
    ("valkey-9.1", "+no_multi", "CLIENT|REPLY MULTI WATCH"),
    ("valkey-9.1", "+stale", "SCRIPT|EXISTS SCRIPT|FLUSH"),
    ("valkey-9.1", "-denyoom", "PSUBSCRIBE SSUBSCRIBE SUBSCRIBE"),
    (
        "valkey-9.1",
        "-loading",
        "CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|REPLICAS CLUSTER|SLAVES",
    ),
];

const SAMPLES: &str = "
    GET a
    get a
    SET a 1 EX 5 GET
    MGET a b c
    MSET a 1 b 2 c 3
    MSETNX a 1 b 2
    DEL a b c
    UNLINK a b
    EXISTS a a
    TOUCH a b
    RENAME a b
    COPY a b DB 1
    BITOP AND d a b c
    PFCOUNT a b
    PFMERGE d a b
    SINTERSTORE d a b
    SINTERCARD 2 a b LIMIT 1
    SMOVE a b m
    LMOVE a b LEFT RIGHT
    LMPOP 2 a b LEFT COUNT 3
    LCS a b LEN
    BLPOP a b c 0
    BRPOPLPUSH a b 0
    BLMOVE a b LEFT RIGHT 0
    BLMPOP 0 2 a b LEFT
    BZPOPMIN a b 0
    BZMPOP 0 3 a b c MIN
    ZUNION 2 a b WEIGHTS 1 2
    ZUNIONSTORE d 2 a b AGGREGATE MAX
    ZINTER 3 a b c WITHSCORES
    ZINTERSTORE d 1 a
    ZINTERCARD 2 a b LIMIT 5
    ZDIFF 2 a b
    ZDIFFSTORE d 2 a b
    ZMPOP 1 a MIN
    ZRANGESTORE d a 0 -1
    ZUNION 0 a
    ZUNION -1 a
    ZUNION x a
    XREAD STREAMS a b 0 0
    XREAD COUNT 5 BLOCK 100 STREAMS a b c 0 0 0
    xread streams a $
    XREADGROUP GROUP g c STREAMS a >
    XREADGROUP GROUP g c COUNT 5 BLOCK 0 NOACK STREAMS a b > >
    XADD a * f v
    XGROUP CREATE a g $ MKSTREAM
    XINFO STREAM a FULL
    XAUTOCLAIM a g c 0 0
    SORT a
    SORT a BY w_* LIMIT 0 5 GET # ALPHA
    SORT a STORE d
    SORT a LIMIT 0 1 GET x STORE d ALPHA STORE e
    SORT a BY store GET store
    SORT_RO a BY x GET y
    EVAL return 0
    EVAL return 2 a b x y
    EVAL return 3 a b
    EVAL_RO return 1 a
    EVALSHA abc 1 a x
    FCALL f 2 a b
    FCALL_RO f 0
    MIGRATE host 1 a 0 100
    MIGRATE host 1 a 0 100 COPY REPLACE AUTH keys
    MIGRATE host 1 '' 0 100 KEYS a b c
    MIGRATE host 1 '' 0 100 REPLACE AUTH2 keys keys KEYS a b
    MIGRATE host 1 a 0 100 KEYS b
    GEORADIUS a 1 2 3 km
    GEORADIUS a 1 2 3 km STORE d
    GEORADIUS a 1 2 3 km COUNT 5 ASC STOREDIST d
    GEORADIUSBYMEMBER a m 3 km STOREDIST d
    GEORADIUS_RO a 1 2 3 km
    GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 km ASC
    OBJECT ENCODING a
    OBJECT HELP
    MEMORY USAGE a SAMPLES 5
    MEMORY STATS
    DUMP a
    RESTORE a 0 x
    BITFIELD a GET u8 0
    SUBSCRIBE a
    SPUBLISH a m
    SSUBSCRIBE a b
    PUBLISH a m
    WATCH a b
    CLIENT SETNAME a
    CLUSTER KEYSLOT a
    PING
    PING a
    INFO server
    SCAN 0 MATCH a
    KEYS a
    LPOS a x RANK 1
    SETRANGE a 1 x
    HRANDFIELD a 5 WITHVALUES
    HGETDEL a FIELDS 1 f
    HSETEX a EX 5 FIELDS 1 f v
    MSETEX 2 a 1 b 2 EX 5
    XDELEX a IDS 1 0-1
    XACKDEL a g IDS 1 0-1
    VADD a VALUES 1 1 x
    VSIM a ELE x
    DELIFEQ a v
    CLUSTERSCAN 0
";
