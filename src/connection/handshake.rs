//! The handshake on a new connection: protocol version, user and password, database, names. Every step is awaited
//! before the next one that depends on it; AUTH and HELLO never stand behind or ahead of anything.
//!
//! Follows <https://redis.io/docs/latest/commands/hello/>; a server without HELLO (or with `protocol` 2) speaks RESP2.
//! With `protocol` 2 and without `library_info` nothing is said that every proxy does not know.

use super::conversation::{Conversation, text_of};
use super::credentials::Credentials;
use super::refusal::{Meaning, database_refused, has_no_password, hello_refused, meaning_of, refusal};
use super::server_info::ServerInfo;
use super::transport::Transport;
use crate::config::{Config, Protocol, TopologyKind};
use crate::error::{Error, Status};
use crate::protocol::parser::Parser;
use crate::protocol::reply::{Kind, Reply};

/// What one connection is to be made ready for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The number of the database.
    pub database: u32,
    /// The server shall tell of changes, if it can.
    pub track: bool,
    /// The number of the connection at the server must be known, to unblock it.
    pub number: bool,
    /// This server spoke RESP3 before, so that falling back to RESP2 would change the shapes of replies under the user.
    pub resp3_seen: bool,
    /// A server that says of itself that it is a replica, alone and not in a cluster, is not the one that is wanted.
    pub primary: bool,
    /// A replica of a cluster shall answer reads itself.
    pub reads_only: bool,
}

/// Makes a fresh connection ready for commands of one database. Also says whether the server has its data; if not, ask
/// [`has_data`] before sending anything, or every command is refused and the order among them lost.
pub(super) async fn shake_hands(
    transport: &mut Transport,
    parser: &mut Parser,
    config: &Config,
    credentials: Option<&Credentials>,
    terms: Terms,
) -> Result<(ServerInfo, bool), Error> {
    let conversation = Conversation::new(transport, parser, credentials);
    let mut handshake = Handshake { conversation, config, credentials };
    let server_info = match config.protocol {
        Protocol::Resp2 => None,
        Protocol::Resp3 => Some(handshake.hello(terms).await?.ok_or_else(no_resp3)?),
        Protocol::Auto => match handshake.hello(terms).await? {
            None if terms.resp3_seen => return Err(no_resp3()),
            server_info => server_info,
        },
    };
    let mut server_info = match server_info {
        Some(server_info) => server_info,
        None => {
            handshake.authenticate().await?;
            ServerInfo::resp2()
        }
    };
    if server_info.mode == "sentinel" && matches!(config.topology, TopologyKind::Auto | TopologyKind::Cluster) {
        let sentence = "the server is a sentinel, which holds no data; write redis-sentinel://host/name, with the name \
                        by which it knows the server (topology=standalone speaks with the sentinel itself)";
        return Err(Error::new(Status::Connect, sentence));
    }
    if terms.primary && server_info.mode != "cluster" {
        if server_info.role.is_empty() {
            server_info.role = handshake.role().await?;
        }
        if matches!(server_info.role.as_str(), "replica" | "slave") {
            return Err(Error::new(Status::Connect, is_replica(config)));
        }
    }
    // Only RESP3 has a place for what nobody asked for.
    server_info.tracking = terms.track && server_info.protocol == 3;
    let has_data = handshake.settle(terms, &mut server_info).await?;
    Ok((server_info, has_data))
}

/// What is said of a replica where a primary is looked for.
fn is_replica(config: &Config) -> &'static str {
    match config.topology {
        TopologyKind::Sentinel => "the server is a replica, and the primary is looked for",
        _ => {
            "the server is a replica, and of several endpoints the primary is looked for; who wants to read from this \
             server names it alone"
        }
    }
}

/// Whether a server that was loading its data has it now.
pub(super) async fn has_data(transport: &mut Transport, parser: &mut Parser) -> Result<bool, Error> {
    let reply = Conversation::new(transport, parser, None).ask_one(&["PING"]).await?;
    check_pong(&reply)?;
    Ok(!is_loading(&reply))
}

fn is_loading(reply: &Reply) -> bool {
    reply.kind() == Kind::Error && reply.as_bytes().starts_with(b"LOADING ")
}

/// The last reply of a handshake must be the one that was asked for, or all that follow would answer something else.
/// (An error is one, too: who may not PING is connected all the same.)
fn check_pong(reply: &Reply) -> Result<(), Error> {
    if reply.is_error() || reply.as_bytes().eq_ignore_ascii_case(b"PONG") {
        return Ok(());
    }
    Err(Error::new(Status::Protocol, "the server answered PING with something else: its replies are out of step"))
}

fn no_resp3() -> Error {
    Error::new(Status::Connect, "the server does not speak RESP3; set the option protocol to 2")
}

struct Handshake<'a> {
    conversation: Conversation<'a>,
    config: &'a Config,
    credentials: Option<&'a Credentials>,
}

impl Handshake<'_> {
    /// `None`: the server does not know HELLO or RESP3, and may be spoken to in RESP2.
    async fn hello(&mut self, terms: Terms) -> Result<Option<ServerInfo>, Error> {
        let config = self.config;
        let mut args: Vec<&str> = vec!["HELLO", "3"];
        if let Some(credentials) = self.credentials {
            // AUTH among its words, with the user and the password.
            args.extend(credentials.words(true));
        }
        if let Some(name) = &config.client_name {
            args.extend(["SETNAME", name]);
        }
        let reply = match self.conversation.ask_one(&args).await {
            Ok(reply) => reply,
            Err(error) => {
                let of_proxies = "a proxy that does not know HELLO needs protocol=2 and library_info=off";
                return Err(self.explained(error, " when it heard HELLO", Some(of_proxies)));
            }
        };
        if reply.kind() != Kind::Error {
            return ServerInfo::of(&reply);
        }
        let text = text_of(&reply);
        let falls_back = config.protocol == Protocol::Auto && !terms.resp3_seen;
        match meaning_of(&text, self.credentials.is_some()) {
            Meaning::NoHello if falls_back => Ok(None),
            _ => Err(hello_refused(&text, self.credentials)),
        }
    }

    /// What a server may have meant that hung up without a word at this moment.
    fn explained(&self, error: Error, moment: &str, of_proxies: Option<&str>) -> Error {
        if !self.conversation.hung_up {
            return error;
        }
        let of_tls = (!self.config.tls).then_some("a server that wants TLS needs rediss:// or tls=on");
        let causes: Vec<&str> = of_tls.into_iter().chain(of_proxies).collect();
        let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join("; ")) };
        Error::new(error.status, format!("{}{moment}{causes}", error.message))
    }

    async fn authenticate(&mut self) -> Result<(), Error> {
        let Some(credentials) = self.credentials else { return Ok(()) };
        let reply = self.conversation.ask_one(&credentials.words(false)).await?;
        if reply.kind() != Kind::Error {
            return Ok(());
        }
        let text = text_of(&reply);
        // A server of Redis 6 takes any password for a user who needs none, but only if the user is named, as HELLO
        // does: whether it lets somebody in must not depend on the option protocol.
        if has_no_password(&text)
            && credentials.username.is_none()
            && let Ok(reply) = self.conversation.ask_one(&credentials.words(true)).await
            && reply.kind() != Kind::Error
        {
            return Ok(());
        }
        Err(refusal(&text, self.credentials))
    }

    /// What a server that did not answer HELLO says that it is. Who may not ask it is told nothing.
    async fn role(&mut self) -> Result<String, Error> {
        let reply = self.conversation.ask_one(&["ROLE"]).await?;
        Ok(reply.items().first().map(|word| String::from_utf8_lossy(word.as_bytes()).into_owned()).unwrap_or_default())
    }

    /// Everything that needs a known user and may go out together; in the end whether the server has its data. A server
    /// that refuses to track does not: the server_info says so.
    async fn settle(&mut self, terms: Terms, server_info: &mut ServerInfo) -> Result<bool, Error> {
        let (config, database) = (self.config, terms.database);
        let number = database.to_string();
        let mut questions: Vec<Vec<&str>> = Vec::new();
        if config.library_info {
            questions.push(vec!["CLIENT", "SETINFO", "LIB-NAME", env!("CARGO_PKG_NAME")]);
            questions.push(vec!["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")]);
        }
        if let Some(name) = config.client_name.as_deref().filter(|_| server_info.protocol == 2) {
            questions.push(vec!["CLIENT", "SETNAME", name]);
        }
        if server_info.protocol == 2 && (terms.number || config.library_info) {
            questions.push(vec!["CLIENT", "ID"]);
        }
        if database != 0 {
            questions.push(vec!["SELECT", &number]);
        }
        // Else one that becomes a replica goes on to answer reads, of data that grow old.
        if terms.primary && server_info.server == "valkey" && server_info.mode != "cluster" {
            questions.push(vec!["CLIENT", "CAPA", "REDIRECT"]);
        }
        if terms.reads_only {
            questions.push(vec!["READONLY"]);
        }
        if server_info.tracking {
            questions.push(vec!["CLIENT", "TRACKING", "ON", "OPTIN"]);
        }
        questions.push(vec!["PING"]);
        let replies = match self.conversation.ask(&questions).await {
            Ok(replies) => replies,
            Err(error) => {
                let of_proxies = "a proxy that does not know CLIENT SETINFO needs the option library_info=off";
                return Err(self.explained(error, "", config.library_info.then_some(of_proxies)));
            }
        };
        for (question, reply) in questions.iter().zip(&replies) {
            // (Who is not told to answer reads says who does.)
            let optional = matches!(question[..], ["READONLY"] | [_, "SETINFO" | "ID" | "CAPA" | "TRACKING", ..]);
            if question.get(1) == Some(&"ID") {
                server_info.connection = reply.to_i64().unwrap_or_default();
            }
            if reply.kind() == Kind::Error && question.get(1) == Some(&"TRACKING") {
                server_info.tracking = false;
            }
            if reply.kind() == Kind::Error && !optional {
                let text = text_of(reply);
                // Who may not PING is connected all the same, but a server that takes nobody says so to whatever comes.
                let takes_nobody = text.starts_with("NOAUTH") || meaning_of(&text, false) == Meaning::Nobody;
                if question[0] == "PING" && !takes_nobody {
                    continue;
                }
                return Err(match question[0] {
                    "SELECT" if !text.starts_with("NOAUTH") => {
                        let is_cluster = config.topology == TopologyKind::Cluster || server_info.mode == "cluster";
                        database_refused(database, is_cluster, &text, self.credentials)
                    }
                    _ => refusal(&text, self.credentials),
                });
            }
        }
        replies.last().map_or(Ok(()), check_pong)?;
        Ok(!replies.last().is_some_and(is_loading))
    }
}
