//! What servers say unasked: the names of the commands of publish and subscribe, what a message or a confirmation
//! tells, and what CLIENT TRACKING says was changed. Follows <https://redis.io/docs/latest/develop/pubsub/>. A reply
//! alone does not tell whether it is a message: under RESP2 a list may begin with the same words, so only connections
//! that subscribe are read in this way.
use super::reply::{Kind, Node};

/// What is subscribed to by one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A channel.
    Plain,
    /// All channels whose names match a pattern.
    Pattern,
    /// A sharded channel: it has a slot as keys have.
    Sharded,
}

impl Channel {
    const ALL: [Channel; 3] = [Channel::Plain, Channel::Pattern, Channel::Sharded];

    /// The name of the command that joins it or leaves it.
    pub const fn command(self, joins: bool) -> &'static str {
        match (self, joins) {
            (Channel::Plain, true) => "SUBSCRIBE",
            (Channel::Plain, false) => "UNSUBSCRIBE",
            (Channel::Pattern, true) => "PSUBSCRIBE",
            (Channel::Pattern, false) => "PUNSUBSCRIBE",
            (Channel::Sharded, true) => "SSUBSCRIBE",
            (Channel::Sharded, false) => "SUNSUBSCRIBE",
        }
    }

    /// The first word of the confirmation that it was joined or left.
    pub const fn confirmation(self, joins: bool) -> &'static str {
        match (self, joins) {
            (Channel::Plain, true) => "subscribe",
            (Channel::Plain, false) => "unsubscribe",
            (Channel::Pattern, true) => "psubscribe",
            (Channel::Pattern, false) => "punsubscribe",
            (Channel::Sharded, true) => "ssubscribe",
            (Channel::Sharded, false) => "sunsubscribe",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Channel::Plain => "message",
            Channel::Pattern => "pmessage",
            Channel::Sharded => "smessage",
        }
    }

    /// What the command of this name, in any case, joins (true) or leaves.
    pub fn of_command(name: &[u8]) -> Option<(Channel, bool)> {
        let all = Channel::ALL.into_iter().flat_map(|channel| [(channel, true), (channel, false)]);
        all.into_iter().find(|(channel, joins)| name.eq_ignore_ascii_case(channel.command(*joins).as_bytes()))
    }
}

/// What came on a connection that subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Something was published; the name is that of the channel or the pattern that was subscribed to.
    Published(Channel, &'a [u8]),
    /// From here on the connection is subscribed (true) or not (false).
    Confirmed(Channel, bool, &'a [u8]),
    /// Something else that answers no command: an invalidation, a line of MONITOR.
    Other,
}

impl<'a> Message<'a> {
    /// What a reply or a push says; `None`: it answers a command.
    pub fn of(node: &'a Node) -> Option<Message<'a>> {
        let kind = node.kind();
        if kind == Kind::Status {
            // A line of MONITOR begins with the time; what else is a status begins with a letter.
            return node.as_bytes().first().filter(|byte| byte.is_ascii_digit()).map(|_| Message::Other);
        }
        if !matches!(kind, Kind::Array | Kind::Push) {
            return None;
        }
        if let [word, name, _, ..] = node.items() {
            let (word, name) = (word.as_bytes(), name.as_bytes());
            for channel in Channel::ALL {
                if word == channel.message().as_bytes() {
                    return Some(Message::Published(channel, name));
                }
                if let Some(joins) =
                    [true, false].into_iter().find(|joins| word == channel.confirmation(*joins).as_bytes())
                {
                    return Some(Message::Confirmed(channel, joins, name));
                }
            }
        }
        (kind == Kind::Push).then_some(Message::Other)
    }
}

/// What CLIENT TRACKING says was changed.
#[derive(Debug)]
pub enum Invalidation<'a> {
    /// All keys of all databases.
    Everything,
    /// The keys of these names, in whichever database.
    Keys(&'a [Node]),
}

impl<'a> Invalidation<'a> {
    /// What a push invalidates; `None`: it says something else.
    pub fn of(push: &'a Node) -> Option<Invalidation<'a>> {
        match push.items() {
            [word, keys] if word.as_bytes() == b"invalidate" => Some(match keys.kind() {
                Kind::Array => Invalidation::Keys(keys.items()),
                _ => Invalidation::Everything,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::parser::{Frame, Limits, Parser};
    use crate::protocol::reply::Reply;

    fn parsed(bytes: &str) -> Reply {
        let mut parser = Parser::new(Limits::default(), 0);
        parser.feed(bytes.as_bytes());
        match parser.next().unwrap().unwrap() {
            Frame::Reply(reply) | Frame::Push(reply) => reply,
        }
    }

    #[test]
    fn messages_are_the_same_in_both_protocols() {
        for mark in ["*", ">"] {
            let message = parsed(&format!("{mark}3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"));
            assert_eq!(Message::of(&message), Some(Message::Published(Channel::Plain, b"a")));
            let message = parsed(&format!("{mark}4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$2\r\nhi\r\n"));
            assert_eq!(Message::of(&message), Some(Message::Published(Channel::Pattern, b"a*")));
            let message = parsed(&format!("{mark}3\r\n$12\r\nsunsubscribe\r\n$1\r\nx\r\n:0\r\n"));
            assert_eq!(Message::of(&message), Some(Message::Confirmed(Channel::Sharded, false, b"x")));
        }
    }

    #[test]
    fn answers_are_told_from_messages() {
        for answer in ["+PONG\r\n", "+OK\r\n", "$2\r\nhi\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n", "-NOPERM no\r\n"] {
            assert_eq!(Message::of(&parsed(answer)), None, "{answer}");
        }
        for other in ["+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n", ">2\r\n$10\r\ninvalidate\r\n_\r\n"] {
            assert_eq!(Message::of(&parsed(other)), Some(Message::Other), "{other}");
        }
    }

    #[test]
    fn invalidations_name_keys_or_mean_everything() {
        let push = parsed(">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        let Some(Invalidation::Keys(keys)) = Invalidation::of(&push) else { panic!("{push:?}") };
        assert_eq!(keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(), [b"a", b"b"]);
        let push = parsed(">2\r\n$10\r\ninvalidate\r\n_\r\n");
        assert!(matches!(Invalidation::of(&push), Some(Invalidation::Everything)));
        assert!(Invalidation::of(&parsed(">2\r\n$3\r\nabc\r\n_\r\n")).is_none());
    }

    #[test]
    fn commands_are_known_in_any_case() {
        assert_eq!(Channel::of_command(b"subscribe"), Some((Channel::Plain, true)));
        assert_eq!(Channel::of_command(b"PunSubscribe"), Some((Channel::Pattern, false)));
        assert_eq!(Channel::of_command(b"PUBLISH"), None);
    }
}
