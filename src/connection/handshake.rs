//! The first words on a new connection: protocol version, user and password, database, names. Every step is awaited
//! before the next one that depends on it; AUTH and HELLO never stand behind or ahead of anything.
//!
//! Follows <https://redis.io/docs/latest/commands/hello/>; a server without HELLO (or with `protocol` 2) speaks RESP2.

use std::io;

use bytes::{Bytes, BytesMut};

use super::attention::Attention;
use super::stream::{Stream, reason};
use crate::config::{Config, Protocol, Secret};
use crate::error::{Error, Status};
use crate::protocol::command;
use crate::protocol::parser::{Frame, Parser};
use crate::protocol::reply::{Kind, Reply};

/// What the server said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// 2 or 3.
    pub protocol: u32,
    /// "redis", "valkey"; empty under RESP2.
    pub server: String,
    /// Its version; empty under RESP2.
    pub version: String,
    /// "standalone", "cluster", "sentinel"; empty under RESP2.
    pub mode: String,
    /// "master", "replica"; empty under RESP2.
    pub role: String,
    /// The number of the connection at the server, 0 when unknown.
    pub connection: i64,
    /// It tells of changes to what was read behind CLIENT CACHING.
    pub tracking: bool,
}

/// Makes a fresh connection ready for commands of one database. `track`: the server shall tell of changes, if it can.
/// `resp3_seen`: this server spoke RESP3 before, so that
/// falling back to RESP2 would change the shapes of replies under the user. Also says whether the server has its data;
/// if not, ask [`has_data`] before sending anything, or every command is refused and the order among them lost.
pub async fn shake_hands(
    stream: &Stream,
    parser: &mut Parser,
    config: &Config,
    database: u32,
    track: bool,
    resp3_seen: bool,
) -> Result<(Greeting, bool), Error> {
    let mut conversation = Conversation { stream, parser, config };
    let greeting = match config.protocol {
        Protocol::Resp2 => None,
        Protocol::Resp3 => Some(conversation.hello(config).await?.ok_or_else(no_resp3)?),
        Protocol::Auto => match conversation.hello(config).await? {
            None if resp3_seen => return Err(no_resp3()),
            greeting => greeting,
        },
    };
    let mut greeting = match greeting {
        Some(greeting) => greeting,
        None => {
            conversation.authenticate(config).await?;
            Greeting { protocol: 2, ..Greeting::default() }
        }
    };
    // Only RESP3 has a place for what nobody asked for.
    greeting.tracking = track && greeting.protocol == 3;
    let has_data = conversation.settle(config, database, &mut greeting).await?;
    Ok((greeting, has_data))
}

/// Whether a server that was loading its data has it now.
pub async fn has_data(stream: &Stream, parser: &mut Parser, config: &Config) -> Result<bool, Error> {
    let reply = Conversation { stream, parser, config }.ask_one(&["PING"]).await?;
    Ok(!is_loading(&reply))
}

fn is_loading(reply: &Reply) -> bool {
    reply.kind() == Kind::Error && reply.as_bytes().starts_with(b"LOADING ")
}

fn no_resp3() -> Error {
    Error::new(Status::Connect, "the server does not speak RESP3; set the option protocol to 2")
}

struct Conversation<'a> {
    stream: &'a Stream,
    parser: &'a mut Parser,
    config: &'a Config,
}

impl Conversation<'_> {
    /// `None`: the server does not know HELLO or RESP3.
    async fn hello(&mut self, config: &Config) -> Result<Option<Greeting>, Error> {
        let mut words: Vec<&str> = vec!["HELLO", "3"];
        if let Some(password) = &config.password {
            words.extend(["AUTH", config.username.as_ref().map_or("default", Secret::expose), password.expose()]);
        }
        if let Some(name) = &config.client_name {
            words.extend(["SETNAME", name]);
        }
        let reply = self.ask_one(&words).await?;
        if reply.kind() != Kind::Error {
            return Ok(Some(greeting_of(&reply)));
        }
        let text = text_of(&reply);
        let unknown = text.starts_with("NOPROTO") || text.to_ascii_lowercase().starts_with("err unknown command");
        if unknown { Ok(None) } else { Err(refusal(&text, config)) }
    }

    async fn authenticate(&mut self, config: &Config) -> Result<(), Error> {
        let Some(password) = &config.password else { return Ok(()) };
        let reply = match &config.username {
            Some(username) => self.ask_one(&["AUTH", username.expose(), password.expose()]).await?,
            None => self.ask_one(&["AUTH", password.expose()]).await?,
        };
        if reply.kind() == Kind::Error { Err(refusal(&text_of(&reply), config)) } else { Ok(()) }
    }

    /// Everything that needs a known user and may go out together; in the end whether the server has its data. A server
    /// that refuses to track does not: the greeting says so.
    async fn settle(&mut self, config: &Config, database: u32, greeting: &mut Greeting) -> Result<bool, Error> {
        let number = database.to_string();
        let mut questions: Vec<Vec<&str>> = Vec::new();
        if config.library_info {
            questions.push(vec!["CLIENT", "SETINFO", "LIB-NAME", env!("CARGO_PKG_NAME")]);
            questions.push(vec!["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")]);
        }
        if let Some(name) = config.client_name.as_deref().filter(|_| greeting.protocol == 2) {
            questions.push(vec!["CLIENT", "SETNAME", name]);
        }
        if greeting.protocol == 2 {
            questions.push(vec!["CLIENT", "ID"]);
        }
        if database != 0 {
            questions.push(vec!["SELECT", &number]);
        }
        if greeting.tracking {
            questions.push(vec!["CLIENT", "TRACKING", "ON", "OPTIN"]);
        }
        questions.push(vec!["PING"]);
        let replies = self.ask(&questions).await?;
        for (question, reply) in questions.iter().zip(&replies) {
            let optional = matches!(question.get(1), Some(&("SETINFO" | "ID" | "TRACKING")));
            if question.get(1) == Some(&"ID") {
                greeting.connection = reply.to_i64().unwrap_or_default();
            }
            if reply.kind() == Kind::Error && question.get(1) == Some(&"TRACKING") {
                greeting.tracking = false;
            }
            if reply.kind() == Kind::Error && !optional {
                let text = text_of(reply);
                // Who may not PING is connected all the same.
                if question[0] == "PING" && !text.starts_with("NOAUTH") {
                    continue;
                }
                return Err(match question[0] {
                    "SELECT" if !text.starts_with("NOAUTH") => {
                        let text = without_secrets(&text, config);
                        Error::new(Status::Connect, format!("database {database} could not be selected: {text}"))
                    }
                    _ => refusal(&text, config),
                });
            }
        }
        Ok(!replies.last().is_some_and(is_loading))
    }

    async fn ask_one(&mut self, words: &[&str]) -> Result<Reply, Error> {
        let mut replies = self.ask(&[words.to_vec()]).await?;
        replies.pop().ok_or_else(|| Error::new(Status::Internal, "the handshake lost a reply"))
    }

    async fn ask(&mut self, questions: &[Vec<&str>]) -> Result<Vec<Reply>, Error> {
        let mut out = BytesMut::new();
        for question in questions {
            out.extend_from_slice(&command::encode_to_vec(question)?);
        }
        self.write(out.freeze()).await?;
        let mut replies = Vec::with_capacity(questions.len());
        while replies.len() < questions.len() {
            match self.parser.next()? {
                Some(Frame::Reply(reply)) => replies.push(reply),
                Some(Frame::Push(_)) => {}
                None => self.read().await?,
            }
        }
        Ok(replies)
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        let mut is_told_of_room = false;
        while !bytes.is_empty() {
            match self.stream.send(std::slice::from_ref(&bytes)) {
                Ok(taken) => drop(bytes.split_to(taken)),
                // There may be room before it is told.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_told_of_room => {
                    self.stream.attend(Attention::ReadingAndWriting).map_err(broken)?;
                    is_told_of_room = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.last_words(broken(error))),
            }
        }
        if is_told_of_room { self.stream.attend(Attention::Reading).map_err(broken) } else { Ok(()) }
    }

    /// Waits until something happens on the socket. To be followed by another attempt.
    async fn wait(&self) -> Result<(), Error> {
        self.stream.ready().await.map_err(broken)?.clear_ready();
        Ok(())
    }

    /// Why the server hung up before it was asked anything, if it said so; else `error`.
    fn last_words(&mut self, error: Error) -> Error {
        while let Ok(1..) = self.parser.receive(|space| self.stream.receive(space)) {}
        match self.parser.next() {
            Ok(Some(Frame::Reply(reply))) if reply.kind() == Kind::Error => refusal(&text_of(&reply), self.config),
            _ => error,
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        loop {
            match self.parser.receive(|space| self.stream.receive(space)) {
                Ok(0) => {
                    return Err(Error::new(Status::Connect, "the server closed the connection during the handshake"));
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::new(Status::Connect, format!("{} during the handshake", reason(&error)))
}

/// The server's text, unless it repeats a secret that we told it.
fn without_secrets<'a>(text: &'a str, config: &Config) -> &'a str {
    let repeats = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| text.contains(secret.expose()));
    // The words of this one are fixed, and a user may well be called "user".
    let is_fixed = text == "WRONGPASS invalid username-password pair or user is disabled.";
    if !is_fixed && (repeats(&config.password) || repeats(&config.username)) {
        return "it repeats the user name or the password, so its words are not shown";
    }
    text
}

/// The server's "no" to HELLO or AUTH.
fn refusal(text: &str, config: &Config) -> Error {
    let code = text.split(' ').next().unwrap_or_default();
    let shown = without_secrets(text, config);
    match code {
        "NOAUTH" => Error::new(Status::Auth, format!("the server wants a password, set the option password: {shown}")),
        "WRONGPASS" | "NOPERM" => Error::new(Status::Auth, shown),
        _ if text.contains("AUTH") || text.contains("password") => Error::new(Status::Auth, shown),
        _ => Error::new(Status::Connect, format!("the server refused the connection: {shown}")),
    }
}

fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.as_bytes()).into_owned()
}

fn greeting_of(reply: &Reply) -> Greeting {
    let text =
        |key: &[u8]| reply.find(key).map_or_else(String::new, |node| String::from_utf8_lossy(node.as_bytes()).into());
    let number = |key: &[u8]| reply.find(key).and_then(|node| node.to_i64()).unwrap_or_default();
    Greeting {
        protocol: 3,
        server: text(b"server"),
        version: text(b"version"),
        mode: text(b"mode"),
        role: text(b"role"),
        connection: number(b"id"),
        tracking: false,
    }
}
