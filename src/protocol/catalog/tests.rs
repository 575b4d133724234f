//! The lookup, what commands need, and where their keys are; `tests/catalog.rs` holds the table against a server.

use super::role::Role;
use super::*;

fn args(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "''" { "" } else { word }).collect()
}

fn name(line: &str) -> Option<&'static str> {
    find(&args(line)).map(|command| command.name)
}

fn keys_of(line: &str) -> String {
    let args = args(line);
    let found: Vec<&str> = keys(&args).map(|key| std::str::from_utf8(key).unwrap()).collect();
    let positions: Vec<&str> = key_positions(&args).map(|position| args[position]).collect();
    assert_eq!(found, positions);
    found.join(" ")
}

#[test]
fn every_command_is_found_in_any_case() {
    for command in commands() {
        let upper = command.name.to_ascii_uppercase();
        assert_eq!(upper, command.name);
        for name in [upper.clone(), upper.to_ascii_lowercase()] {
            assert!(std::ptr::eq(find(&[name]).unwrap(), command));
        }
        for sub in command.subcommands() {
            let args: Vec<String> = sub.name.split('|').map(str::to_ascii_lowercase).collect();
            assert!(std::ptr::eq(find(&args).unwrap(), sub));
            assert_eq!(args[0], command.name.to_ascii_lowercase());
        }
    }
    assert!(commands().len() * 4 < SLOTS);
}

#[test]
fn what_is_unknown() {
    assert_eq!(name("client setname x"), Some("CLIENT|SETNAME"));
    assert_eq!(name("cLiEnT nonsense"), Some("CLIENT"));
    assert_eq!(name("client"), Some("CLIENT"));
    assert_eq!(name("client|setname"), None);
    assert_eq!(name("get\0"), None);
    assert_eq!(name("ge"), None);
    assert_eq!(name(""), None);
    assert_eq!(find::<&str>(&[]).map(|command| command.name), None);
    assert_eq!(find(&[[0xff_u8; 100]]).map(|command| command.name), None);
    assert_eq!(handling(&["nonsense"]), Handling::Ordinary);
    let is_whole = |line: &str| find(&args(line)).is_some_and(|command| command.is_whole(&args(line)));
    assert!(["get k", "client id", "client"].into_iter().all(is_whole));
    assert!(!["nonsense k", "client nonsense", ""].into_iter().any(is_whole));
    assert!(!is_read_only(&["nonsense"]));
    assert_eq!(keys(&["nonsense", "key"]).count(), 0);
}

#[test]
fn connection_state_is_refused_with_the_replacement() {
    for (line, instead) in [
        ("SELECT 1", "jr_client_database"),
        ("auth x", "username and password"),
        ("HELLO 3", "protocol"),
        ("RESET", "nothing to reset"),
        ("QUIT", "jr_client_close"),
        ("MULTI", "JR_REQUEST_ATOMIC"),
        ("EXEC", "JR_REQUEST_ATOMIC"),
        ("DISCARD", "JR_REQUEST_ATOMIC"),
        ("WATCH k", "WATCH needs a connection of its own, which shared clients do not give"),
        ("UNWATCH", "lease"),
        ("CLIENT REPLY OFF", "dropped"),
        ("CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST"),
        ("CLIENT TRACKING ON PREFIX BCAST", "CLIENT TRACKING ON BCAST"),
        ("CLIENT TRACKING ON BCAST REDIRECT 1", "CLIENT TRACKING ON BCAST"),
        ("CLIENT CACHING YES", "CLIENT TRACKING ON BCAST"),
        ("client setname x", "client_name"),
        ("CLIENT SETINFO LIB-NAME x", "library_info"),
        ("CLIENT NO-EVICT ON", "jr_client_lease"),
        ("CLIENT NO-TOUCH ON", "jr_client_lease"),
        ("CLIENT CAPA redirect", "handshake"),
        ("CLIENT IMPORT-SOURCE ON", "jr_client_lease"),
        ("CLIENT MAINT_NOTIFICATIONS ON", "handshake"),
        ("HIMPORT PREPARE f a b", "jr_client_lease"),
        ("himport set k f 1 2", "jr_client_lease"),
        ("HIMPORT DISCARD f", "jr_client_lease"),
        ("HIMPORT DISCARDALL", "jr_client_lease"),
        ("READONLY", "JR_REQUEST_REPLICA"),
        ("READWRITE", "JR_REQUEST_REPLICA"),
        ("ASKING", "redirections"),
        ("SYNC", "replication stream"),
        ("PSYNC ? -1", "replication stream"),
        ("REPLCONF ACK 0", "replication stream"),
        ("SCRIPT DEBUG YES", "redis-cli"),
    ] {
        match handling(&args(line)) {
            Handling::ConnectionState { instead: sentence, .. } => {
                assert!(sentence.contains(instead), "{line}: {sentence}");
                assert!(!sentence.contains("  ") && !sentence.ends_with('.'), "{sentence}");
            }
            other => panic!("{line}: {other:?}"),
        }
        assert!(!is_read_only(&args(line)), "{line}");
    }
    for line in
        ["CLIENT KILL ID 1", "CLIENT ID", "CLIENT UNBLOCK 1", "CLIENT PAUSE 1", "SCRIPT LOAD x", "GET k", "PING"]
    {
        assert_eq!(handling(&args(line)), Handling::Ordinary, "{line}");
    }
}

#[test]
fn what_needs_handling() {
    for (line, expected) in [
        ("SUBSCRIBE a", Handling::Multishot),
        ("sunsubscribe", Handling::Multishot),
        ("PUNSUBSCRIBE", Handling::Multishot),
        ("MONITOR", Handling::Monitor),
        ("client tracking on prefix x bcast", Handling::Invalidations),
        ("EVAL x 0", Handling::Script),
        ("EVAL_RO x 0", Handling::Script),
        ("EVALSHA x 0", Handling::StoredScript),
        ("fcall_ro x 0", Handling::StoredScript),
        ("WAIT 1 0", Handling::OwnWrites),
        ("WAITAOF 1 1 0", Handling::OwnWrites),
        ("XREAD COUNT 1 STREAMS block 0", Handling::Ordinary),
        ("XREADGROUP GROUP block block STREAMS s >", Handling::Ordinary),
        ("TS.READ k 0 MAX_COUNT 10", Handling::Ordinary),
        ("TS.READ BLOCK 0", Handling::Ordinary),
        ("TS.READ k block", Handling::Ordinary),
        ("LMOVEM a b LEFT RIGHT COUNT 2", Handling::Ordinary),
        ("PUBLISH c m", Handling::Ordinary),
    ] {
        assert_eq!(handling(&args(line)), expected, "{line}");
    }
}

#[test]
fn blocking_commands_and_their_timeouts() {
    let after = |milliseconds| Some(BlockingTimeout::After(std::time::Duration::from_millis(milliseconds)));
    for (line, timeout) in [
        ("BLPOP a b 0", Some(BlockingTimeout::Forever)),
        ("brpop a 1.5", after(1500)),
        ("BRPOPLPUSH a b 2", after(2000)),
        ("BLMOVE a b LEFT RIGHT 0.25", after(250)),
        ("BLMPOP 3 1 a LEFT", after(3000)),
        ("BZMPOP 0 1 a MIN", Some(BlockingTimeout::Forever)),
        ("BZPOPMIN a 1e1", after(10_000)),
        ("BZPOPMAX a 1", after(1000)),
        ("XREAD BLOCK 100 STREAMS s $", after(100)),
        ("xread count 1 block 0 streams s $", Some(BlockingTimeout::Forever)),
        ("XREADGROUP GROUP block streams COUNT 1 BLOCK 7 NOACK STREAMS s >", after(7)),
        ("XREADGROUP GROUP g c CLAIM 5 BLOCK 7 STREAMS s >", after(7)),
        ("XREAD COUNT 1 MAXCOUNT 5 MAXSIZE 9 BLOCK 7 STREAMS s $", after(7)),
        ("BLMOVEM a b LEFT RIGHT 2.5", after(2500)),
        ("blmovem a b LEFT RIGHT 0 COUNT EXACTLY 3 OBO BULK", Some(BlockingTimeout::Forever)),
        ("BLMOVEM a b LEFT RIGHT", None),
        ("TS.READ k 0 BLOCK 250 1", after(250)),
        ("ts.read k $ MAX_COUNT 10 block 0 1", Some(BlockingTimeout::Forever)),
        ("TS.READ k 0 BLOCK 1500 2 MAX_COUNT 10", after(1500)),
        ("TS.READ block block BLOCK 9 1", after(9)),
        ("BLPOP a -1", None),
        ("BLPOP a x", None),
        ("BLPOP a inf", None),
        ("BLPOP a nan", None),
        ("BLPOP a 1e300", None),
        ("BLPOP a ''", None),
        ("BLPOP", None),
        ("BLMPOP", None),
        ("XREAD BLOCK -1 STREAMS s $", None),
        ("XREAD BLOCK 99999999999999999999 STREAMS s $", None),
    ] {
        assert_eq!(handling(&args(line)), Handling::Blocking, "{line}");
        assert_eq!(blocking_timeout(&args(line)), timeout, "{line}");
        let argument = timeout_position(&args(line)).map(|position| args(line)[position]);
        assert!(timeout.is_none() || argument.is_some(), "{line}");
    }
    assert_eq!(blocking_timeout(&args("WAIT 1 500")), after(500));
    assert_eq!(blocking_timeout(&args("WAITAOF 1 1 500")), after(500));
    assert_eq!(blocking_timeout(&args("GET 1")), None);
    assert_eq!(blocking_timeout(&args("XREAD STREAMS s 0")), None);
    // Whatever the servers flag as blocking has a role here.
    for command in commands().iter().filter(|command| command.flags.contains(Flags::BLOCKING)) {
        assert!(!matches!(command.role, Role::Ordinary), "{}", command.name);
    }
}

#[test]
fn what_may_be_sent_again() {
    for line in [
        "GET k",
        "ARGET k 1",
        "DIGEST k",
        "TS.READ k 0 BLOCK 5 1",
        "CLUSTERSCAN 0",
        "SDIFFCARD 1 k",
        "PING",
        "TIME",
        "ECHO x",
        "INFO",
        "config get x",
        "XREAD BLOCK 0 STREAMS s $",
        "JSON.GET k",
        "SCAN 0",
    ] {
        assert!(is_read_only(&args(line)), "{line}");
    }
    for line in [
        "SET k v",
        "EVAL_RO x 0",
        "EVALSHA_RO x 0",
        "FCALL_RO f 0",
        "EVAL x 0",
        "PUBLISH c m",
        "CLIENT",
        "CLIENT KILL x",
        "CONFIG SET a b",
        "CONFIG RESETSTAT",
        "SLOWLOG RESET",
        "FT.CURSOR READ i 1",
        "FT.CURSOR DEL i 1",
        "FT.DICTADD d t",
        "FT.ALIASADD a i",
        "ARSET k 1 v",
        "INCREX k",
        "XNACK k g x 0-1",
        "BLMOVEM a b LEFT RIGHT 0",
        "HIMPORT SET k f 1",
        "SUBSCRIBE c",
        "WAIT 0 0",
        "BLPOP k 0",
        "GETDEL k",
        "XREADGROUP GROUP g c STREAMS s >",
        "ACL LOG RESET",
        "SHUTDOWN",
        "DEBUG SLEEP 1",
        "SCRIPT FLUSH",
        "SCRIPT LOAD x",
        "MEMORY PURGE",
        "GETEX k",
        "SPUBLISH c m",
    ] {
        assert!(!is_read_only(&args(line)), "{line}");
    }
    for command in commands().iter().flat_map(|command| std::iter::once(command).chain(command.subcommands())) {
        assert!(!(command.is_read_only() && command.flags.contains(Flags::WRITE)), "{}", command.name);
    }
}

#[test]
fn where_keys_are() {
    for (line, expected) in [
        ("GET a", "a"),
        ("get", ""),
        ("MSET a 1 b 2", "a b"),
        ("MSET a 1 b", "a b"),
        ("EVAL x 2 a b c", "a b"),
        ("EVAL x 0 a", ""),
        ("EVAL x 3 a b", ""),
        ("EVAL x -1 a", ""),
        ("EVAL x 99999999999999999999 a", ""),
        ("EVAL x 18446744073709551615 a", ""),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
        ("XREAD COUNT 1 STREAMS a b 0 0", "a b"),
        ("XREAD STREAMS", ""),
        ("SORT a BY store GET store STORE d", "a d"),
        ("SORT a STORE d STORE e", "a e"),
        ("SORT a LIMIT 0 1 STORE", "a"),
        ("MIGRATE h 1 k 0 10", "k"),
        ("MIGRATE h 1 '' 0 10 AUTH keys KEYS a b", "a b"),
        ("MIGRATE h 1 k 0 10 KEYS a", ""),
        ("GEORADIUS a 1 2 3 m STORE d", "a d"),
        ("GEORADIUS a 1 2 3 m STORE d COUNT 1 STOREDIST e", "a e"),
        ("georadius a 1 2 3 m storedist d store e", "a e"),
        ("GEORADIUS a 1 2 3 m STORE STOREDIST STOREDIST store", "a store"),
        ("GEORADIUS a 1 2 3 m STORE", "a"),
        ("GEORADIUS STORE 1 2 3 m ASC", "STORE"),
        ("GEORADIUSBYMEMBER a m 3 m STOREDIST d STORE e", "a e"),
        ("GEORADIUSBYMEMBER a STORE 3 m", "a"),
        ("ARGET a 1", "a"),
        ("ARMSET a 1 b 2 c", "a"),
        ("INCREX a BYINT 1", "a"),
        ("XNACK a g x 0-1", "a"),
        ("BLMOVEM a b LEFT RIGHT 0 COUNT EXACTLY 3", "a b"),
        ("LMOVEM a b LEFT RIGHT", "a b"),
        ("SDIFFCARD 2 a b LIMIT 1", "a b"),
        ("SUNIONCARD 1 a", "a"),
        ("HIMPORT SET a f 1", "a"),
        ("HIMPORT PREPARE f a b", ""),
        ("TS.READ a 0 BLOCK 0 1", "a"),
        ("TS.NRANGE 2 a b - +", "a b"),
        ("JSON.DEBUG MEMORY a $", "a"),
        ("CLUSTERSCAN 0", ""),
        ("OBJECT ENCODING a", "a"),
        ("XINFO STREAM a", "a"),
        ("MEMORY USAGE a", "a"),
        ("BLPOP a b 0", "a b"),
        ("MSETEX 2 a 1 b 2 EX 5", "a b"),
        ("JSON.MGET a b $", "a b"),
        ("TS.MADD a 1 1 b 2 2", "a b"),
        ("TDIGEST.MERGE d 2 a b", "d a b"),
        ("FT.SEARCH i q", ""),
        ("SPUBLISH c m", ""),
        ("PING", ""),
    ] {
        assert_eq!(keys_of(line), expected, "{line}");
        let args = args(line);
        let key = only_key(&args);
        let all: Vec<_> = slotted(&args).collect();
        assert!(key.is_none_or(|key| all == [key]), "{line}");
    }
    assert_eq!(only_key(&args("GET a")), Some(&b"a"[..]));
    assert_eq!(only_key(&args("GET")), None);
    let channels = |line| slot_names(&args(line)).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(channels("SSUBSCRIBE a b"), [b"a", b"b"]);
    assert_eq!(channels("SPUBLISH a m"), [b"a"]);
    assert_eq!(channels("CLUSTERSCAN 0-{06S}-0 COUNT 5"), [b"0-{06S}-0"]);
    assert!(channels("SUNSUBSCRIBE").is_empty() && channels("GET a").is_empty());
}

/// An answer that is kept must read its keys and do nothing else.
#[test]
fn cacheable_commands() {
    for command in commands().iter().filter(|command| command.is_cacheable()) {
        assert!(command.is_read_only() && command.flags.contains(Flags::READONLY), "{}", command.name);
        assert!(!command.flags.contains(Flags::MODULE) && !command.keys.is_empty(), "{}", command.name);
        assert!(matches!(command.role, Role::Ordinary), "{}", command.name);
    }
    assert_eq!(commands().iter().filter(|command| command.is_cacheable()).count(), 72);
    for line in [
        "TTL a",
        "ARGREP a 0 9 MATCH x",
        "OBJECT ENCODING a",
        "SRANDMEMBER a",
        "HSCAN a 0",
        "SORT_RO a",
        "XREAD STREAMS a 0",
        "TOUCH a",
    ] {
        assert!(!find(&args(line)).unwrap().is_cacheable(), "{line}");
    }
}

/// Arguments that make no sense: no panic, and no position beyond them.
#[test]
fn random_arguments() {
    let pieces = [
        "",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "a",
        "STREAMS",
        "BLOCK",
        "STORE",
        "STOREDIST",
        "MAX_COUNT",
        "KEYS",
        "AUTH2",
        "AUTH",
        "GROUP",
        "LIMIT",
        "GET",
        "18446744073709551615",
        "9223372036854775807",
        "4611686018427387904",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut args = Vec::new();
    for _ in 0..200 {
        for command in commands().iter().flat_map(|command| std::iter::once(command).chain(command.subcommands())) {
            args.clear();
            args.extend(command.name.split('|'));
            args.extend((0..random.usize(..9)).map(|_| pieces[random.usize(..pieces.len())]));
            assert!(key_positions(&args).all(|position| position < args.len()), "{args:?}");
            let _ = (handling(&args), blocking_timeout(&args), slot_names(&args).count());
        }
    }
}
