//! The table of commands against a live `redis-server`: what it reports of each (COMMAND), and where it finds keys
//! (COMMAND GETKEYS). Strict with 7.0, which the table was made from; later servers know more and flag a few differently.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of the test")]

mod support;

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

/// A command with its subcommands, but not those of modules: scripts/catalog.py corrects what these report.
fn reported(reply: &Answer, into: &mut Vec<Reported>) {
    let items = reply.items();
    let name = items[0].text();
    let flags: Vec<String> = items[2].items().iter().map(Answer::text).collect();
    let positions = [items[3].integer(), items[4].integer(), items[5].integer()];
    if !flags.iter().any(|flag| flag == "module") {
        into.push(Reported { name, arity: items[1].integer(), flags, positions });
    }
    for inner in items[9].items() {
        reported(inner, into);
    }
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
        Answer::Error(_) => Vec::new(),
        other => panic!("{other:?}"),
    };
    let found: Vec<String> = catalog::keys(args).map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    if found == expected { Ok(()) } else { Err(format!("{args:?}: found {found:?}, the server says {expected:?}")) }
}

#[test]
fn the_table_is_what_the_server_reports() {
    let running = Server::start();
    let mut server = running.connect().unwrap();
    let info = ask(&mut server, &["INFO", "server"]);
    let strict = info.text().contains("redis_version:7.0.");
    let mut commands = Vec::new();
    for command in ask(&mut server, &["COMMAND"]).items() {
        reported(command, &mut commands);
    }
    assert!(commands.len() > 300);
    let mut differences = Vec::new();
    for Reported { name, flags, positions, .. } in &commands {
        let Some(ours) = find(name) else {
            if strict {
                differences.push(format!("{name} is missing"));
            }
            continue;
        };
        let has = |flag: &str| flags.iter().any(|name| name.replace('-', "_") == flag);
        let theirs: Vec<&str> = Flags::NAMES.iter().map(|(name, _)| *name).filter(|name| has(name)).collect();
        let known: Vec<&str> =
            Flags::NAMES.iter().filter(|(_, flag)| ours.flags.contains(*flag)).map(|(name, _)| *name).collect();
        let same_flags = if strict {
            theirs == known && theirs.len() == flags.len()
        } else {
            ["write", "readonly"].iter().all(|flag| theirs.contains(flag) == known.contains(flag))
        };
        let same_positions = *positions == [ours.first_key, ours.last_key, ours.step].map(i64::from);
        if !same_flags || !same_positions {
            differences.push(format!("{ours:?}, the server says {name} {flags:?} {positions:?}"));
        }
    }
    assert!(differences.is_empty(), "run scripts/catalog.py: {differences:#?}");
}

/// Each command with as many arguments as it must have, and a few more: "1" is a key, a count and a number.
#[test]
fn keys_of_every_command() {
    let running = Server::start();
    let mut server = running.connect().unwrap();
    let mut commands = Vec::new();
    for command in ask(&mut server, &["COMMAND"]).items() {
        reported(command, &mut commands);
    }
    let mut differences = Vec::new();
    for Reported { name, arity, .. } in commands.iter().filter(|command| find(&command.name).is_some()) {
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
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn keys_of_samples() {
    let running = Server::start();
    let mut server = running.connect().unwrap();
    let mut differences = Vec::new();
    for line in SAMPLES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let args: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        differences.extend(compare_keys(&mut server, &args).err());
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

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
    GEORADIUS a 1 2 3 km STORE d STOREDIST e
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
";
