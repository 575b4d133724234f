//! What a server says of itself in answer to HELLO. Pure.

use crate::error::{Error, Status};
use crate::protocol::reply::{Kind, Reply};

/// What the server said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// 2 or 3.
    pub protocol: u32,
    /// "redis", "valkey"; empty under RESP2.
    pub server: String,
    /// Its version; empty under RESP2.
    pub version: String,
    /// "standalone", "cluster", "sentinel"; empty under RESP2.
    pub mode: String,
    /// "master", "replica"; under RESP2 empty, unless it was asked for with ROLE.
    pub role: String,
    /// Where it is, as it calls that; empty: it does not tell.
    pub zone: String,
    /// The number of the connection at the server, 0 when unknown.
    pub connection: i64,
    /// It tells of changes to what was read behind CLIENT CACHING.
    pub tracking: bool,
}

impl ServerInfo {
    /// Of a server that speaks RESP2.
    pub(super) fn resp2() -> ServerInfo {
        ServerInfo { protocol: 2, ..ServerInfo::default() }
    }

    /// What the answer to HELLO 3 says, which is no error. `None`: the server goes on in RESP2. Anything but a map is
    /// no answer to HELLO: the server or a proxy did not understand it, or the reply belongs to something else.
    pub(super) fn of(reply: &Reply) -> Result<Option<ServerInfo>, Error> {
        let number = |key: &[u8]| reply.find(key).and_then(|node| node.to_i64());
        match (reply.kind(), number(b"proto")) {
            (Kind::Map, Some(3) | None) => {}
            (Kind::Map | Kind::Array, Some(2)) => return Ok(None),
            (kind, _) => {
                let sentence = format!(
                    "the server answered HELLO 3 with {}, which is no answer to it; is it a Redis server? If it is a \
                     proxy that does not know HELLO, set the option protocol to 2",
                    name_of(kind)
                );
                return Err(Error::new(Status::Protocol, sentence));
            }
        }
        let text = |key: &[u8]| {
            reply.find(key).map_or_else(String::new, |node| String::from_utf8_lossy(node.as_bytes()).into())
        };
        Ok(Some(ServerInfo {
            protocol: 3,
            server: text(b"server"),
            version: text(b"version"),
            mode: text(b"mode"),
            role: text(b"role"),
            zone: text(b"availability_zone"),
            connection: number(b"id").unwrap_or_default(),
            tracking: false,
        }))
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Integer => "an integer",
        Kind::Nil => "nil",
        Kind::Status => "a status",
        Kind::Map => "a map of another protocol",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(proto: i64) -> Vec<(Reply, Reply)> {
        let text = |text: &str| Reply::string(text.as_bytes());
        vec![(text("server"), text("redis")), (text("proto"), Reply::integer(proto)), (text("id"), Reply::integer(7))]
    }

    fn flat(proto: i64) -> Reply {
        Reply::array(pairs(proto).into_iter().flat_map(|(key, value)| [key, value]).collect()).unwrap()
    }

    #[test]
    fn only_a_map_of_version_3_is_resp3() {
        let server_info = ServerInfo::of(&Reply::map(pairs(3)).unwrap()).unwrap().unwrap();
        assert_eq!((server_info.protocol, server_info.server.as_str(), server_info.connection), (3, "redis", 7));
        let silent = Reply::map(vec![(Reply::string(b"server"), Reply::string(b"own"))]).unwrap();
        assert_eq!(ServerInfo::of(&silent).unwrap().unwrap().server, "own", "only RESP3 has maps");
        for reply in [Reply::map(pairs(2)).unwrap(), flat(2)] {
            assert_eq!(ServerInfo::of(&reply).unwrap(), None);
        }
        let others = [
            (Reply::ok(), "a status"),
            (Reply::integer(3), "an integer"),
            (Reply::nil(), "nil"),
            (Reply::string(b"hello"), "a string"),
            (Reply::array(Vec::new()).unwrap(), "an array"),
            (flat(3), "an array"),
            (Reply::map(pairs(4)).unwrap(), "another protocol"),
        ];
        for (reply, name) in others {
            let error = ServerInfo::of(&reply).unwrap_err();
            assert_eq!(error.status, Status::Protocol);
            assert!(error.message.contains(name) && error.message.contains("protocol to 2"), "{}", error.message);
        }
    }
}
