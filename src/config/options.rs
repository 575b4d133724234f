//! The one table of options. [`super::Config::set`], the query part of a URL and the list in the README are all read
//! from it, so that they cannot disagree; a test holds the default texts against what `Config::default` really gives.

use std::sync::LazyLock;

use super::option::{Opt, Setter, option};
use super::value::{self, LONGEST, Range};
use super::{ConnectRetries, Overflow, Protocol, TopologyKind, read_options, sentinel_options, tls_options};
use crate::address::Address;

const MILLISECOND_UP: Range = Range { least: 1, most: LONGEST };
const SECOND_UP: Range = Range { least: 1000, most: LONGEST };
const TIB: u64 = 1 << 40;

/// Every option there is.
pub static OPTIONS: LazyLock<Vec<Opt>> =
    LazyLock::new(|| [SERVERS, sentinel_options::SENTINEL, tls_options::TLS, read_options::READS, LIMITS].concat());

/// Which servers, and what they are told first.
static SERVERS: &[Opt] = &[
    Opt {
        name: "url",
        value: "URL",
        default: "",
        meaning: "Sets endpoints, user name, password, database and any option below at once: \
            `redis://user:password@host:port/database?option=value`, `unix:///path/to.sock`, or \
            `redis-sentinel://user:password@sentinel1,sentinel2/name/database`.",
        secret: true,
        set: Setter::Url,
    },
    option(
        "endpoints",
        "list",
        "127.0.0.1:6379",
        "Servers, separated by commas, tried in order: `host:port`, `[v6]:port`, `host` or `/path/to.sock`.",
        |config, text| {
            config.endpoints = endpoints(text)?;
            Ok(())
        },
    ),
    option(
        "topology",
        "`auto`, `standalone`, `sentinel`, `cluster`",
        "auto",
        "Whether the endpoints lead to one server (of several, to the one that is a primary), to sentinels that know \
            it, or to nodes of a cluster; `auto`: one server, or a cluster if the first server that answers says so, \
            for which it has to speak RESP3.",
        |config, text| {
            config.topology = match text {
                "standalone" => TopologyKind::Standalone,
                "sentinel" => TopologyKind::Sentinel,
                "cluster" => TopologyKind::Cluster,
                "auto" => TopologyKind::Auto,
                _ => return Err("standalone, sentinel, cluster or auto".to_owned()),
            };
            Ok(())
        },
    ),
    Opt {
        secret: true,
        ..option("username", "text", "", "The user to authenticate as; needs a password.", |config, text| {
            config.username = value::secret(text);
            Ok(())
        })
    },
    Opt {
        secret: true,
        ..option("password", "text", "", "The password of the user, or of the server.", |config, text| {
            config.password = value::secret(text);
            Ok(())
        })
    },
    option("database", "number", "0", "The database number that commands run in.", |config, text| {
        config.database = number(text, 0, i32::MAX as u64)?;
        Ok(())
    }),
    option(
        "protocol",
        "`auto`, `2`, `3`",
        "auto",
        "The version of RESP; `auto` takes 3 where the server has it.",
        |config, text| {
            config.protocol = match text {
                "auto" => Protocol::Auto,
                "2" => Protocol::Resp2,
                "3" => Protocol::Resp3,
                _ => return Err("auto, 2 or 3".to_owned()),
            };
            Ok(())
        },
    ),
    option(
        "client_name",
        "text",
        "",
        "The name of every connection in CLIENT LIST; printable ASCII without spaces.",
        |config, text| {
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("printable ASCII without spaces".to_owned());
            }
            config.client_name = if text.is_empty() { None } else { Some(text.to_owned()) };
            Ok(())
        },
    ),
    option(
        "library_info",
        "switch",
        "on",
        "Tells the server the name and version of this library (CLIENT SETINFO); `off`, with `protocol` 2, is for \
            proxies that know few commands.",
        |config, text| {
            config.library_info = value::switch(text)?;
            Ok(())
        },
    ),
];

/// Those that come after them: how long, how often, how much.
static LIMITS: &[Opt] = &[
    option(
        "connect_timeout",
        "duration",
        "2s",
        "One budget for resolving, connecting and the handshake.",
        |config, text| {
            config.connect_timeout = value::duration(text, MILLISECOND_UP)?;
            Ok(())
        },
    ),
    option(
        "connect_retries",
        "`auto`, number",
        "auto",
        "Failed rounds of all endpoints before the requests that wait fail; `auto` is 1 until the first success and \
            then without limit, `0` is without limit.",
        |config, text| {
            config.connect_retries = match text {
                "auto" => ConnectRetries::Auto,
                _ => match number(text, 0, 1_000_000).map_err(|expected| format!("auto or {expected}"))? {
                    0 => ConnectRetries::Unlimited,
                    rounds => ConnectRetries::Rounds(rounds),
                },
            };
            Ok(())
        },
    ),
    option(
        "command_timeout",
        "duration, `none`",
        "5s",
        "The deadline of a request that names none.",
        |config, text| {
            config.command_timeout = value::optional_duration(text, MILLISECOND_UP)?;
            Ok(())
        },
    ),
    option(
        "dead_after",
        "duration",
        "3s",
        "How long a ping on a silent connection may stay unanswered before the connection counts as dead.",
        |config, text| {
            config.dead_after = value::duration(text, MILLISECOND_UP)?;
            Ok(())
        },
    ),
    option(
        "reconnect_delay",
        "duration",
        "50ms",
        "The most that the first wait between two rounds of dialling lasts; it doubles, and chance picks a part of it.",
        |config, text| {
            config.reconnect_delay = value::duration(text, MILLISECOND_UP)?;
            Ok(())
        },
    ),
    option("reconnect_delay_max", "duration", "5s", "What that wait doubles up to.", |config, text| {
        config.reconnect_delay_max = value::duration(text, MILLISECOND_UP)?;
        Ok(())
    }),
    option(
        "max_attempts",
        "number",
        "8",
        "How often one request is sent in all, when attempts end with their connection and it is safe to send it \
            again.",
        |config, text| {
            config.max_attempts = number(text, 1, 1_000_000)?;
            Ok(())
        },
    ),
    option(
        "tcp_keepalive",
        "duration, `off`",
        "60s",
        "How long a connection is idle before the kernel probes it.",
        |config, text| {
            config.tcp_keepalive = value::optional_duration(text, SECOND_UP)?;
            Ok(())
        },
    ),
    option("tcp_nodelay", "switch", "on", "Sends small packets at once (TCP_NODELAY).", |config, text| {
        config.tcp_nodelay = value::switch(text)?;
        Ok(())
    }),
    option("receive_buffer", "bytes", "64KiB", "The size of a connection's read buffer.", |config, text| {
        config.receive_buffer = value::size(text, Range { least: 32 << 10, most: 1 << 30 })?;
        Ok(())
    }),
    option(
        "max_connections",
        "number",
        "16",
        "Dedicated connections to each server (of a cluster, to each node), for blocking commands, \
            `JR_REQUEST_DEDICATED` and leases, over all database numbers; when all are in use, requests wait in \
            line until their deadline.",
        |config, text| {
            config.max_connections = count(text, 1, 100_000)?;
            Ok(())
        },
    ),
    option(
        "idle_timeout",
        "duration, `none`",
        "60s",
        "How long a dedicated connection that nobody uses is kept.",
        |config, text| {
            config.idle_timeout = value::optional_duration(text, MILLISECOND_UP)?;
            Ok(())
        },
    ),
    option(
        "unblock_grace",
        "duration",
        "500ms",
        "How long a server that was asked to stop waiting with a blocking command may take to answer before the \
            connection is closed.",
        |config, text| {
            config.unblock_grace = value::duration(text, MILLISECOND_UP)?;
            Ok(())
        },
    ),
    option(
        "max_requests",
        "number",
        "1000000",
        "Requests that may wait for one server; beyond, submitting fails.",
        |config, text| {
            config.max_requests = count(text, 1, u64::from(u32::MAX))?;
            Ok(())
        },
    ),
    option(
        "max_request_bytes",
        "bytes",
        "256MiB",
        "Bytes of requests that may wait for one server; beyond, submitting fails.",
        |config, text| {
            config.max_request_bytes = value::size(text, Range { least: 1 << 10, most: TIB })?;
            Ok(())
        },
    ),
    option(
        "max_reply_bytes",
        "bytes",
        "1GiB",
        "The size of the largest reply; a larger one ends its connection.",
        |config, text| {
            config.max_reply_bytes = value::size(text, Range { least: 1 << 10, most: TIB })?;
            Ok(())
        },
    ),
    option(
        "max_reply_depth",
        "number",
        "128",
        "How deep a reply may nest; a deeper one ends its connection.",
        |config, text| {
            // Less than 8 would not let the replies of the handshake through.
            config.max_reply_depth = count(text, 8, 10_000)?;
            Ok(())
        },
    ),
    option(
        "max_unread",
        "number",
        "1000000",
        "Completions that one queue, or the callbacks of one client, may owe or hold (beyond, submitting for it \
            fails), and messages that one subscription may hold unread.",
        |config, text| {
            config.max_unread = count(text, 1, u64::from(u32::MAX))?;
            Ok(())
        },
    ),
    option(
        "max_unread_bytes",
        "bytes",
        "64MiB",
        "Bytes in memory of the messages that one subscription may hold unread. Confirmations count, but none is \
            dropped.",
        |config, text| {
            config.max_unread_bytes = value::size(text, Range { least: 1 << 10, most: TIB })?;
            Ok(())
        },
    ),
    option(
        "subscription_overflow",
        "`drop_oldest`, `drop_newest`, `close`",
        "drop_oldest",
        "What is done when a subscription holds that much and another message comes; what is dropped is counted.",
        |config, text| {
            config.subscription_overflow = match text {
                "drop_oldest" => Overflow::DropOldest,
                "drop_newest" => Overflow::DropNewest,
                "close" => Overflow::Close,
                _ => return Err("drop_oldest, drop_newest or close".to_owned()),
            };
            Ok(())
        },
    ),
    option(
        "cache_bytes",
        "bytes",
        "0",
        "Memory for the answers of requests with JR_REQUEST_CACHED, kept right by CLIENT TRACKING; `0` is no cache.",
        |config, text| {
            config.cache_bytes = value::size(text, Range { least: 0, most: TIB })?;
            Ok(())
        },
    ),
    option("max_nodes", "number", "1024", "Nodes of a cluster; more are refused.", |config, text| {
        config.max_nodes = count(text, 1, 16_384)?;
        Ok(())
    }),
    option(
        "refresh_interval",
        "duration",
        "60s",
        "How often the nodes of a cluster are asked which of them serves what, and sentinels which server is the \
            primary, when nothing else is a reason to.",
        |config, text| {
            config.refresh_interval = value::duration(text, SECOND_UP)?;
            Ok(())
        },
    ),
];

pub(super) fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.name == name)
}

fn number(text: &str, least: u64, most: u64) -> Result<u32, String> {
    let number = value::number(text, Range { least, most })?;
    u32::try_from(number).map_err(|_| format!("a number up to {}", u32::MAX))
}

fn count(text: &str, least: u64, most: u64) -> Result<usize, String> {
    let number = value::number(text, Range { least, most })?;
    usize::try_from(number).map_err(|_| format!("a number up to {}", usize::MAX))
}

fn endpoints(text: &str) -> Result<Vec<Address>, String> {
    text.split(',')
        .map(|part| Address::parse(part.trim()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("host:port, [v6]:port, host or /path, separated by commas ({})", error.message))
}
