//! What a sentinel is asked, and what its answers and messages mean. Pure.

use crate::address::Address;
use crate::protocol::reply::{Kind, Node, Reply};

/// The channel on which a sentinel tells that the primary is another one.
const SWITCHED: &str = "+switch-master";

/// That on which it tells which replica it is about to make a primary. The old primary takes writes all the while,
/// which are lost.
const PROMOTING: &str = "+failover-state-send-slaveof-noone";

/// What to subscribe to.
pub const CHANNELS: [&str; 2] = [SWITCHED, PROMOTING];

/// What a sentinel tells unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The primary is at this address from now on.
    Switched(Address),
    /// The server at this address is about to become it.
    Promoting(Address),
}

/// What a sentinel says of the server of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is this one, since the failover of this number.
    Primary {
        /// Where it is.
        address: Address,
        /// A later failover has a higher number; 0: it is not told.
        epoch: u64,
    },
    /// It does not know the name.
    NoSuchName,
    /// It does not answer that, in these words.
    Refused(String),
}

/// The answers of a sentinel to all of [`questions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where the primary is.
    pub said: Said,
    /// Which sentinel it is, if it told.
    pub id: Option<String>,
    /// The other sentinels that watch this server: which they are, and where.
    pub others: Vec<(String, Address)>,
}

/// What a sentinel is asked about the server of this name.
pub fn questions(name: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name],
        vec!["SENTINEL", "MASTER", name],
        vec!["SENTINEL", "SENTINELS", name],
        vec!["SENTINEL", "MYID"],
    ]
}

/// What the answers say. All but the first may be refused.
pub fn read(replies: &[Reply]) -> Word {
    let [address, primary, sentinels, id] = replies else {
        return Word { said: Said::Refused("it gave no answer".to_owned()), id: None, others: Vec::new() };
    };
    let epoch = field(primary, b"config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
    let said = match address.kind() {
        Kind::Nil => Said::NoSuchName,
        Kind::Error => Said::Refused(text(address)),
        _ => match address.items() {
            [host, port] => match address_of(&text(host), &text(port)) {
                Some(address) => Said::Primary { address, epoch },
                None => Said::Refused(format!("it names {:?} and {:?}, which is no address", text(host), text(port))),
            },
            _ => Said::Refused("it answers what no sentinel answers".to_owned()),
        },
    };
    let others = sentinels.items().iter().filter_map(|other| {
        let address = address_of(&field(other, b"ip")?, &field(other, b"port")?)?;
        Some((field(other, b"runid").filter(|id| !id.is_empty())?, address))
    });
    let id = Some(text(id)).filter(|text| id.kind() == Kind::String && !text.is_empty());
    Word { said, id, others: others.collect() }
}

/// What this message tells of the server of this name.
pub fn told(message: &Reply, name: &str) -> Option<Told> {
    let [kind, channel, content] = message.items() else { return None };
    if kind.as_bytes() != b"message" {
        return None;
    }
    // Names and hosts have no spaces; those of other servers are none of ours.
    let (channel, content) = (text(channel), text(content));
    let words: Vec<&str> = content.split(' ').collect();
    match (channel.as_str(), &words[..]) {
        (SWITCHED, [of, _, _, host, port]) if *of == name => address_of(host, port).map(Told::Switched),
        (PROMOTING, [_, _, host, port, "@", of, ..]) if *of == name => address_of(host, port).map(Told::Promoting),
        _ => None,
    }
}

fn address_of(host: &str, port: &str) -> Option<Address> {
    Address::tcp(host, port.parse().ok()?).ok()
}

fn text(node: &Node) -> String {
    String::from_utf8_lossy(node.as_bytes()).into_owned()
}

/// A value by its key, in a map or in a list of pairs, as RESP2 has them.
fn field(pairs: &Node, key: &[u8]) -> Option<String> {
    pairs.find(key).map(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Outcome, Status};

    fn string(text: &str) -> Reply {
        Reply::string(text.as_bytes())
    }

    fn list(text: &str) -> Reply {
        Reply::array(text.split(' ').map(string).collect()).unwrap()
    }

    fn refusal() -> Reply {
        Reply::error(Status::Server, Outcome::Answered, "NOPERM no")
    }

    fn at(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn answers() {
        let others = || {
            Reply::array(vec![
                list("name a ip 10.0.0.2 port 26379 runid bbb"),
                list("name b ip 10.0.0.3 port 0 runid ccc"),
                list("name c ip 10.0.0.4 port 26379 runid"),
            ])
            .unwrap()
        };
        let word = read(&[list("10.0.0.9 6379"), list("name m config-epoch 7"), others(), string("aaa")]);
        assert_eq!(word.said, Said::Primary { address: at("10.0.0.9:6379"), epoch: 7 });
        assert_eq!(
            (word.id.as_deref(), &word.others[..]),
            (Some("aaa"), &[("bbb".to_owned(), at("10.0.0.2:26379"))][..])
        );
        let map = Reply::map(vec![(string("config-epoch"), string("8"))]).unwrap();
        let word = read(&[list("::1 6379"), map, refusal(), refusal()]);
        assert_eq!(word.said, Said::Primary { address: at("[::1]:6379"), epoch: 8 });
        assert_eq!((word.id, word.others), (None, Vec::new()));
        for (first, said) in [
            (Reply::nil(), Said::NoSuchName),
            (refusal(), Said::Refused("NOPERM no".to_owned())),
            (list("10.0.0.9 0"), Said::Refused("it names \"10.0.0.9\" and \"0\", which is no address".to_owned())),
            (list("a b c"), Said::Refused("it answers what no sentinel answers".to_owned())),
            (Reply::ok(), Said::Refused("it answers what no sentinel answers".to_owned())),
        ] {
            assert_eq!(read(&[first, refusal(), refusal(), refusal()]).said, said);
        }
        assert!(matches!(read(&[Reply::nil()]).said, Said::Refused(_)));
    }

    #[test]
    fn only_the_name_that_is_meant_is_heard_of() {
        let promoting = "+failover-state-send-slaveof-noone";
        for (channel, content, wanted) in [
            ("+switch-master", "m 10.0.0.1 6379 10.0.0.2 6380", Some(Told::Switched(at("10.0.0.2:6380")))),
            ("+switch-master", "m 10.0.0.1 6379 ::1 6380", Some(Told::Switched(at("[::1]:6380")))),
            ("+switch-master", "mm 10.0.0.1 6379 10.0.0.2 6380", None),
            ("+switch-master", "m 10.0.0.1 6379 10.0.0.2", None),
            ("+switch-master", "m 10.0.0.1 6379 10.0.0.2 6380 more", None),
            ("+switch-master", "m 10.0.0.1 6379 10.0.0.2 0", None),
            (promoting, "slave h:2 10.0.0.2 6380 @ m 10.0.0.1 6379", Some(Told::Promoting(at("10.0.0.2:6380")))),
            (promoting, "slave h:2 10.0.0.2 6380 @ mm 10.0.0.1 6379", None),
            (promoting, "m 10.0.0.1 6379 10.0.0.2 6380", None),
            ("+sdown", "m 10.0.0.1 6379 10.0.0.2 6380", None),
        ] {
            let message = Reply::array(vec![string("message"), string(channel), string(content)]).unwrap();
            assert_eq!(told(&message, "m"), wanted, "{channel} {content}");
        }
        assert_eq!(told(&list("subscribe +switch-master 1"), "m"), None);
        assert_eq!(told(&Reply::ok(), "m"), None);
    }
}
