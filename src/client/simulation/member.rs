//! What a server believes of its cluster, which need not be true: whose each slot is, and which are on their way.

use fastrand::Rng;

use crate::protocol::slot::{SLOTS, slot_of};

/// How many slots are used: those of the tags from 0.
pub const TAGS: usize = 12;

/// How many servers a cluster has; the last one has no slots at first.
pub const SERVERS: usize = 4;

/// One server's beliefs.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which server it is.
    pub number: usize,
    /// Whose the slots are.
    pub owners: [usize; TAGS],
    /// Where its own slots are going.
    pub migrating: [Option<usize>; TAGS],
    /// Which slots it is being given.
    pub importing: [bool; TAGS],
    /// What is wrong with what it says.
    pub confusion: Confusion,
}

/// What is wrong with what it says of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confusion {
    Nothing,
    /// It does not know their hosts.
    NoHosts,
    /// It gives its own address for that of another.
    Itself,
    /// It serves nothing, as far as it says.
    NoSlots,
    /// It says what nobody understands.
    Nonsense,
    /// It has the address of a server of the cluster and belongs to another one, whose servers nobody reaches.
    AnotherCluster,
}

/// Where a server listens.
pub fn address_of(server: usize) -> String {
    format!("s{server}:1")
}

/// Where a server of another cluster listens.
fn address_elsewhere(server: usize) -> String {
    format!("other{server}:1")
}

/// The server that listens at an address; `None`: it is one of another cluster.
pub fn server_at(address: &str) -> Option<usize> {
    let number = |name: &str| address.strip_prefix(name)?.strip_suffix(":1")?.parse().ok();
    let server: Option<usize> = number("s");
    assert!(server.or_else(|| number("other")).is_some(), "the client dials {address:?}");
    server
}

/// The slot of a tag.
pub fn slot_of_tag(tag: usize) -> u16 {
    slot_of(tag.to_string().as_bytes())
}

impl Member {
    /// The server of this number, when a cluster begins.
    pub fn new(number: usize) -> Member {
        Member {
            number,
            owners: std::array::from_fn(|tag| tag % (SERVERS - 1)),
            migrating: [None; TAGS],
            importing: [false; TAGS],
            confusion: Confusion::Nothing,
        }
    }

    /// Whether it takes a slot for its own.
    pub fn owns(&self, tag: usize) -> bool {
        self.owners[tag] == self.number
    }

    /// It learns whose a slot is, and that it is there to stay.
    pub fn learn(&mut self, tag: usize, owner: usize) {
        (self.owners[tag], self.migrating[tag], self.importing[tag]) = (owner, None, false);
    }

    /// What it says of a command about this slot that it does not run.
    pub fn redirect(&self, tag: Option<usize>, is_asking: bool, random: &mut Rng) -> Option<String> {
        let tag = tag?;
        let slot = slot_of_tag(tag);
        let place = |server: usize| match self.confusion {
            Confusion::NoHosts => "?:1".to_string(),
            Confusion::Itself if random_half(slot) => ":0".to_string(),
            Confusion::Itself => address_of(self.number),
            Confusion::AnotherCluster => address_elsewhere(server),
            _ => address_of(server),
        };
        match self.migrating[tag] {
            // Whether the key has gone already.
            Some(to) if self.owns(tag) && random.bool() => Some(format!("ASK {slot} {}", place(to))),
            _ if self.owns(tag) || (is_asking && self.importing[tag]) => None,
            _ => Some(format!("MOVED {slot} {}", place(self.owners[tag]))),
        }
    }

    /// Its answer to CLUSTER SLOTS.
    pub fn slots(&self, random: &mut Rng) -> Vec<u8> {
        match self.confusion {
            Confusion::NoSlots => return b"*0\r\n".to_vec(),
            Confusion::Nonsense => {
                let nonsense = ["-ERR unknown subcommand\r\n", "*1\r\n*1\r\n:1\r\n", "+OK\r\n"];
                return random.choice(nonsense).unwrap_or_default().into();
            }
            _ => {}
        }
        let mut tags: Vec<usize> = (0..TAGS).collect();
        tags.sort_by_key(|tag| slot_of_tag(*tag));
        let mut reply = format!("*{TAGS}\r\n");
        for (index, tag) in tags.iter().enumerate() {
            let first = if index == 0 { 0 } else { slot_of_tag(*tag) };
            let last = tags.get(index + 1).map_or(SLOTS, |tag| slot_of_tag(*tag)) - 1;
            let host = match self.owners[*tag] {
                _ if self.confusion == Confusion::NoHosts => "?".to_string(),
                owner if owner == self.number && random.bool() => String::new(),
                owner if self.confusion == Confusion::AnotherCluster && owner != self.number => format!("other{owner}"),
                owner => format!("s{owner}"),
            };
            reply += &format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n${}\r\n{host}\r\n:1\r\n", host.len());
        }
        reply.into_bytes()
    }
}

/// The same for the same slot, so that what is said of it does not change.
fn random_half(slot: u16) -> bool {
    slot.is_multiple_of(2)
}
