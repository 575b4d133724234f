//! What the client does about a command, by its name and where needed by its arguments. Servers report none of this;
//! a test holds every name here against the table.

use std::time::Duration;

use super::flags::Flags;
use super::keys::number;

/// What has to be done about a command before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Send it on the shared connection.
    Ordinary,
    /// It would change the connection that others share. A lease may run some of these, nobody else any.
    ConnectionState {
        /// A whole sentence for the error: why not, and what to use instead.
        instead: &'static str,
        /// What it does to the connection of a lease; `None`: it is refused there as well.
        on_lease: Option<StateChange>,
    },
    /// It waits on the server: a dedicated connection. See [`super::blocking_timeout`].
    Blocking,
    /// SUBSCRIBE and its kin, UNSUBSCRIBE and its kin included: many answers, or a change of a subscription.
    Multishot,
    /// MONITOR: many answers, on a connection of its own.
    Monitor,
    /// CLIENT TRACKING ON BCAST: many answers, on a connection of its own.
    Invalidations,
    /// EVAL and EVAL_RO: may go out as EVALSHA.
    Script,
    /// EVALSHA, FCALL and their read-only forms: sent as they are. As with `Script`, an error text out of it proves
    /// nothing about whether it ran.
    StoredScript,
    /// WAIT and WAITAOF: they speak of the writes of their own connection, and they block.
    OwnWrites,
}

/// What a command leaves behind on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// Keys are watched until EXEC or UNWATCH.
    Watch,
    /// No key is watched any more, once it was answered.
    Unwatch,
    /// Something that nothing takes back.
    Lasting,
}

/// How long the server lets a blocking command wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockingTimeout {
    /// Without limit (the argument is 0).
    Forever,
    /// This long.
    After(Duration),
}

/// What the table stores of a name; the arguments decide the rest.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Ordinary,
    Refused(&'static str),
    /// For leases only.
    Leased(StateChange, &'static str),
    /// Its timeout, in seconds, is this argument, or the last one.
    Blocking(Option<usize>),
    /// XREAD and XREADGROUP: block only with BLOCK, in milliseconds.
    StreamRead,
    /// TS.READ: the same, with other options.
    SeriesRead,
    Multishot,
    Monitor,
    Tracking,
    Script,
    StoredScript,
    /// Its timeout, in milliseconds, is this argument.
    OwnWrites(usize),
}

const SELECT: &str = "SELECT would change the database of everybody on this connection; use jr_client_database";
const AUTH: &str = "AUTH would change the user of everybody on this connection, now or later; set the options username \
    and password";
const HELLO: &str = "HELLO would change the protocol and the user of everybody on this connection, now or later; set \
    the options protocol, username and password";
const RESET: &str = "RESET would undo the handshake of a connection that others use, now or later; there is nothing to \
    reset on a shared connection, and a lease (jr_client_lease) is reset by freeing it";
const QUIT: &str = "QUIT would close a connection under those who use it; use jr_client_close or jr_client_free";
const MULTI: &str = "MULTI, EXEC and DISCARD one by one would catch whatever is sent between them; send the commands \
    as one request with JR_REQUEST_ATOMIC";
const WATCH: &str = "WATCH needs a connection of its own, which shared clients do not give; use a lease \
    (jr_client_lease)";
const UNWATCH: &str = "UNWATCH belongs to the connection that watches, which is not a shared one; use a lease \
    (jr_client_lease)";
const REPLY: &str = "CLIENT REPLY would take away the replies that others wait for; submit without a queue or callback \
    to have the answer dropped";
const TRACKING: &str = "CLIENT TRACKING and CLIENT CACHING speak of what everybody on this connection reads, now or \
    later; CLIENT TRACKING ON BCAST, without REDIRECT, is a request that gets the invalidations of all keys with \
    a prefix";
const SETNAME: &str = "CLIENT SETNAME would be forgotten by the next reconnect; set the option client_name, or use a \
    lease (jr_client_lease)";
const SETINFO: &str = "CLIENT SETINFO is sent in every handshake; see the option library_info";
const NO_EVICT: &str = "CLIENT NO-EVICT would change how the server treats a connection that others use; use a lease \
    (jr_client_lease)";
const NO_TOUCH: &str = "CLIENT NO-TOUCH would change what the commands of others do; use a lease (jr_client_lease)";
const CAPA: &str = "CLIENT CAPA tells the server what the client can do, which is for the handshake to say";
const IMPORT_SOURCE: &str = "CLIENT IMPORT-SOURCE would change what the commands of others do; use a lease \
    (jr_client_lease)";
const READONLY: &str = "READONLY and READWRITE would change where the commands of others are answered; set \
    JR_REQUEST_REPLICA on the request that a replica may answer";
const ASKING: &str = "ASKING would apply to whichever command comes next; redirections are followed without it";
const MAINTENANCE: &str = "CLIENT MAINT_NOTIFICATIONS asks for messages on this connection, which is for the handshake \
    to say";
const HASH_IMPORT: &str = "the fields that HIMPORT PREPARE names are known on its own connection only, and lost with \
    it; use a lease (jr_client_lease) for HIMPORT";
const REPLICATION: &str = "a replication stream is not a reply; SYNC, PSYNC and REPLCONF need a program that speaks \
    as a replica does";
const DEBUGGER: &str = "SCRIPT DEBUG would turn a connection that others use into a debugger session; use a debugger \
    such as redis-cli --ldb";

/// By the name as it stands in the table.
pub(super) const fn role(name: &str) -> Role {
    match name.as_bytes() {
        b"SELECT" => Role::Leased(StateChange::Lasting, SELECT),
        b"AUTH" => Role::Refused(AUTH),
        b"HELLO" => Role::Refused(HELLO),
        b"RESET" => Role::Refused(RESET),
        b"QUIT" => Role::Refused(QUIT),
        b"MULTI" | b"EXEC" | b"DISCARD" => Role::Refused(MULTI),
        b"WATCH" => Role::Leased(StateChange::Watch, WATCH),
        b"UNWATCH" => Role::Leased(StateChange::Unwatch, UNWATCH),
        b"CLIENT|REPLY" => Role::Refused(REPLY),
        b"CLIENT|TRACKING" => Role::Tracking,
        b"CLIENT|CACHING" => Role::Refused(TRACKING),
        b"CLIENT|SETNAME" => Role::Leased(StateChange::Lasting, SETNAME),
        b"CLIENT|SETINFO" => Role::Refused(SETINFO),
        b"CLIENT|NO-EVICT" => Role::Leased(StateChange::Lasting, NO_EVICT),
        b"CLIENT|NO-TOUCH" => Role::Leased(StateChange::Lasting, NO_TOUCH),
        b"CLIENT|CAPA" => Role::Refused(CAPA),
        b"CLIENT|IMPORT-SOURCE" => Role::Leased(StateChange::Lasting, IMPORT_SOURCE),
        b"READONLY" | b"READWRITE" => Role::Leased(StateChange::Lasting, READONLY),
        b"HIMPORT|PREPARE" | b"HIMPORT|DISCARD" | b"HIMPORT|DISCARDALL" | b"HIMPORT|SET" => {
            Role::Leased(StateChange::Lasting, HASH_IMPORT)
        }
        b"CLIENT|MAINT_NOTIFICATIONS" => Role::Refused(MAINTENANCE),
        b"ASKING" => Role::Refused(ASKING),
        b"SYNC" | b"PSYNC" | b"REPLCONF" => Role::Refused(REPLICATION),
        b"SCRIPT|DEBUG" => Role::Refused(DEBUGGER),
        b"BLPOP" | b"BRPOP" | b"BRPOPLPUSH" | b"BLMOVE" | b"BZPOPMIN" | b"BZPOPMAX" => Role::Blocking(None),
        b"BLMPOP" | b"BZMPOP" => Role::Blocking(Some(1)),
        // Its timeout is not the last: COUNT, EXACTLY, OBO and BULK may follow.
        b"BLMOVEM" => Role::Blocking(Some(5)),
        b"XREAD" | b"XREADGROUP" => Role::StreamRead,
        b"TS.READ" => Role::SeriesRead,
        b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE" => Role::Multishot,
        b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" => Role::Multishot,
        b"MONITOR" => Role::Monitor,
        b"EVAL" | b"EVAL_RO" => Role::Script,
        b"EVALSHA" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => Role::StoredScript,
        b"WAIT" => Role::OwnWrites(2),
        b"WAITAOF" => Role::OwnWrites(3),
        _ => Role::Ordinary,
    }
}

/// Whether it may be sent twice. The flag of the server is right for its own commands; modules flag as read-only
/// what makes and moves their cursors.
pub(super) const fn read_only(name: &str, flags: Flags, role: Role) -> bool {
    match role {
        Role::Ordinary | Role::StreamRead | Role::SeriesRead => {}
        _ => return false,
    }
    match name.as_bytes() {
        b"FT.CONFIG" | b"FT.CURSOR" | b"FT.CURSOR|READ" | b"FT.CURSOR|DEL" | b"FT.CURSOR|GC" | b"FT.AGGREGATE"
        | b"FT.HYBRID" | b"FT.PROFILE" | b"CF.COMPACT" => false,
        b"PING" | b"ECHO" | b"TIME" | b"INFO" | b"LASTSAVE" | b"ROLE" | b"COMMAND" => true,
        b"ACL|CAT" | b"ACL|DRYRUN" | b"ACL|GETUSER" | b"ACL|LIST" | b"ACL|USERS" | b"ACL|WHOAMI" => true,
        b"CLIENT|GETNAME" | b"CLIENT|GETREDIR" | b"CLIENT|ID" | b"CLIENT|INFO" | b"CLIENT|LIST" => true,
        b"CLIENT|TRACKINGINFO" | b"CONFIG|GET" | b"COMMANDLOG|GET" | b"COMMANDLOG|LEN" => true,
        b"CLUSTER|COUNTKEYSINSLOT" | b"CLUSTER|GETKEYSINSLOT" | b"CLUSTER|INFO" | b"CLUSTER|KEYSLOT" => true,
        b"CLUSTER|LINKS" | b"CLUSTER|MYID" | b"CLUSTER|MYSHARDID" | b"CLUSTER|NODES" | b"CLUSTER|REPLICAS" => true,
        b"CLUSTER|GETSLOTMIGRATIONS" | b"BACKUP|LIST" | b"BACKUP|STATUS" | b"HOTKEYS|GET" => true,
        b"CLUSTER|SHARDS" | b"CLUSTER|SLAVES" | b"CLUSTER|SLOTS" | b"CLUSTER|SLOT-STATS" => true,
        b"COMMAND|COUNT" | b"COMMAND|DOCS" | b"COMMAND|GETKEYS" | b"COMMAND|GETKEYSANDFLAGS" => true,
        b"COMMAND|INFO" | b"COMMAND|LIST" | b"FUNCTION|DUMP" | b"FUNCTION|LIST" | b"FUNCTION|STATS" => true,
        b"LATENCY|HISTORY" | b"LATENCY|LATEST" | b"LATENCY|HISTOGRAM" | b"MEMORY|STATS" | b"MODULE|LIST" => true,
        b"PUBSUB|CHANNELS" | b"PUBSUB|NUMPAT" | b"PUBSUB|NUMSUB" | b"PUBSUB|SHARDCHANNELS" => true,
        b"PUBSUB|SHARDNUMSUB" | b"SCRIPT|EXISTS" | b"SLOWLOG|GET" | b"SLOWLOG|LEN" => true,
        _ => flags.contains(Flags::READONLY),
    }
}

/// Whether its answer depends on the values of its keys alone, so that it stays right as long as the server tells of no
/// change to them. Not so: what counts the time down or up (TTL, OBJECT IDLETIME, XINFO), what picks at random, what
/// shows how a value is stored (OBJECT ENCODING, HSCAN), and what reads keys that it does not name (SORT_RO). Commands
/// of modules are left out, because not every module tells of its changes.
pub(super) const fn cacheable(name: &str) -> bool {
    matches!(
        name.as_bytes(),
        b"DUMP"
            | b"EXISTS"
            | b"DIGEST"
            | b"EXPIRETIME"
            | b"PEXPIRETIME"
            | b"TYPE"
            | b"BITCOUNT"
            | b"BITFIELD_RO"
            | b"BITPOS"
            | b"GET"
            | b"GETBIT"
            | b"GETRANGE"
            | b"LCS"
            | b"MGET"
            | b"STRLEN"
            | b"SUBSTR"
            | b"HEXISTS"
            | b"HEXPIRETIME"
            | b"HGET"
            | b"HGETALL"
            | b"HKEYS"
            | b"HLEN"
            | b"HMGET"
            | b"HPEXPIRETIME"
            | b"HSTRLEN"
            | b"HVALS"
            | b"LINDEX"
            | b"LLEN"
            | b"LPOS"
            | b"LRANGE"
            | b"SCARD"
            | b"SDIFF"
            | b"SDIFFCARD"
            | b"SINTER"
            | b"SINTERCARD"
            | b"SISMEMBER"
            | b"SMEMBERS"
            | b"SMISMEMBER"
            | b"SUNION"
            | b"SUNIONCARD"
            | b"ZCARD"
            | b"ZCOUNT"
            | b"ZDIFF"
            | b"ZINTER"
            | b"ZINTERCARD"
            | b"ZLEXCOUNT"
            | b"ZMSCORE"
            | b"ZRANGE"
            | b"ZRANGEBYLEX"
            | b"ZRANGEBYSCORE"
            | b"ZRANK"
            | b"ZREVRANGE"
            | b"ZREVRANGEBYLEX"
            | b"ZREVRANGEBYSCORE"
            | b"ZREVRANK"
            | b"ZSCORE"
            | b"ZUNION"
            | b"GEODIST"
            | b"GEOHASH"
            | b"GEOPOS"
            | b"GEORADIUSBYMEMBER_RO"
            | b"GEORADIUS_RO"
            | b"GEOSEARCH"
            | b"PFCOUNT"
            | b"XLEN"
            | b"XRANGE"
            | b"XREVRANGE"
            | b"ARCOUNT"
            | b"ARGET"
            | b"ARGETRANGE"
            | b"ARLEN"
            | b"ARMGET"
    )
}

impl Role {
    pub(super) fn handling<A: AsRef<[u8]>>(self, args: &[A]) -> Handling {
        match self {
            Role::Ordinary => Handling::Ordinary,
            Role::Refused(instead) => Handling::ConnectionState { instead, on_lease: None },
            Role::Leased(trace, instead) => Handling::ConnectionState { instead, on_lease: Some(trace) },
            Role::Blocking(_) => Handling::Blocking,
            Role::StreamRead if block_position(args).is_some() => Handling::Blocking,
            Role::SeriesRead if series_block_position(args).is_some() => Handling::Blocking,
            Role::StreamRead | Role::SeriesRead => Handling::Ordinary,
            Role::Multishot => Handling::Multishot,
            Role::Monitor => Handling::Monitor,
            Role::Tracking if is_broadcast(args) => Handling::Invalidations,
            Role::Tracking => Handling::ConnectionState { instead: TRACKING, on_lease: None },
            Role::Script => Handling::Script,
            Role::StoredScript => Handling::StoredScript,
            Role::OwnWrites(_) => Handling::OwnWrites,
        }
    }

    pub(super) fn timeout<A: AsRef<[u8]>>(self, args: &[A]) -> Option<BlockingTimeout> {
        let argument = args.get(self.timeout_position(args)?)?.as_ref();
        match self {
            Role::Blocking(_) => {
                let seconds: f64 = std::str::from_utf8(argument).ok()?.parse().ok()?;
                // The server refuses what is negative, infinite or does not fit, and answers at once.
                wait(Duration::try_from_secs_f64(seconds).ok()?)
            }
            _ => milliseconds(argument),
        }
    }

    /// How it is told to wait for so long at most; `None`: it does not wait.
    pub(super) fn timeout_text(self, left: Duration) -> Option<String> {
        let milliseconds = left.as_millis();
        match self {
            Role::Blocking(_) => Some(format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)),
            Role::StreamRead | Role::SeriesRead | Role::OwnWrites(_) => Some(milliseconds.to_string()),
            _ => None,
        }
    }

    /// Whether it cannot be sent again as if it had waited all the time, because it speaks of the moment at which it is
    /// run.
    pub(super) fn speaks_of_now<A: AsRef<[u8]>>(self, args: &[A]) -> bool {
        match self {
            Role::Blocking(_) => false,
            Role::StreamRead => args.iter().any(|argument| argument.as_ref() == b"$"),
            _ => true,
        }
    }

    /// Where its timeout stands, or would stand if there were enough arguments.
    pub(super) fn timeout_position<A: AsRef<[u8]>>(self, args: &[A]) -> Option<usize> {
        match self {
            // A lone name has no timeout; its last argument is the name.
            Role::Blocking(None) => args.len().checked_sub(1).filter(|last| *last > 0),
            Role::Blocking(Some(position)) | Role::OwnWrites(position) => Some(position),
            Role::StreamRead => block_position(args),
            Role::SeriesRead => series_block_position(args),
            _ => None,
        }
    }
}

fn wait(duration: Duration) -> Option<BlockingTimeout> {
    Some(if duration.is_zero() { BlockingTimeout::Forever } else { BlockingTimeout::After(duration) })
}

fn milliseconds(text: &[u8]) -> Option<BlockingTimeout> {
    wait(Duration::from_millis(u64::try_from(number(text)?).ok()?))
}

/// Whether CLIENT TRACKING asks for the invalidations of all keys, not of those that its connection reads, and not on
/// another connection.
fn is_broadcast<A: AsRef<[u8]>>(args: &[A]) -> bool {
    let mut options = args.iter().skip(2).map(AsRef::as_ref);
    let mut broadcast = false;
    if !options.next().is_some_and(|first| first.eq_ignore_ascii_case(b"ON")) {
        return false;
    }
    while let Some(option) = options.next() {
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        if is("REDIRECT") {
            return false;
        } else if is("PREFIX") {
            options.next();
        }
        broadcast |= is("BCAST");
    }
    broadcast
}

/// Where the time after BLOCK stands among the options of XREAD and XREADGROUP, which end at STREAMS: a stream, a group
/// or a consumer may well be called "block".
fn block_position<A: AsRef<[u8]>>(args: &[A]) -> Option<usize> {
    let mut at = 1;
    while let Some(option) = args.get(at).map(AsRef::as_ref) {
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        if is("BLOCK") {
            return Some(at + 1).filter(|position| *position < args.len());
        } else if is("STREAMS") {
            return None;
        }
        at += match () {
            () if is("GROUP") => 3,
            () if is("COUNT") || is("CLAIM") || is("MAXCOUNT") || is("MAXSIZE") => 2,
            () => 1,
        };
    }
    None
}

/// Where the time after BLOCK stands among the options of TS.READ, behind the key and the time from which it reads.
fn series_block_position<A: AsRef<[u8]>>(args: &[A]) -> Option<usize> {
    let mut at = 3;
    while let Some(option) = args.get(at).map(AsRef::as_ref) {
        if option.eq_ignore_ascii_case(b"BLOCK") {
            return Some(at + 1).filter(|position| *position < args.len());
        }
        at += if option.eq_ignore_ascii_case(b"MAX_COUNT") { 2 } else { 1 };
    }
    None
}
