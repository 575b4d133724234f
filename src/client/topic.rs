//! What can be subscribed to, who wants it, and how the server stands to it. A message finds its topic by the name
//! alone.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::setbacks::Setbacks;
use crate::address::Address;
use crate::connection::unit::Ticket;
use crate::protocol::message::Channel;

/// What can be subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A channel, a pattern or a sharded channel, by its name.
    Channel(Channel, Bytes),
    /// All that this encoded command brings, on a connection of its own.
    Feed(Bytes),
}

/// Where a topic is asked for. There is a connection for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// The only server or, of a cluster, any of its nodes.
    #[default]
    Any,
    /// This node of a cluster.
    At(Address),
}

/// How the server stands to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Not subscribed, and nothing is under way.
    Absent,
    /// Asked to begin.
    Joining,
    /// Subscribed.
    Present,
    /// Asked to end.
    Leaving,
    /// It took the topic away or was not ready, and is to be asked then.
    Postponed(Instant),
}

/// That one subscription wants one topic.
#[derive(Debug)]
pub struct Want {
    /// The subscription.
    pub subscription: Ticket,
    /// It was told that the topic is its own, on this connection.
    pub confirmed: bool,
    /// It was told so on an earlier connection: it will have missed messages.
    pub missed: bool,
    /// Requests that wait for the confirmation, once for each time they named the topic.
    pub asked: SmallVec<[Ticket; 1]>,
}

/// What is known of one topic.
#[derive(Debug)]
pub struct Entry {
    /// Where it is asked for.
    pub server: Server,
    /// How that server stands to it.
    pub presence: Presence,
    /// How often it did not last.
    pub setbacks: Setbacks,
    /// In the order in which topics came to be wanted, they are asked for.
    number: u64,
    /// Who wants it.
    pub wants: Vec<Want>,
}

impl Topic {
    /// Its kind; `None`: a feed.
    pub fn channel(&self) -> Option<Channel> {
        match self {
            Topic::Channel(channel, _) => Some(*channel),
            Topic::Feed(_) => None,
        }
    }

    /// Its name, or the command.
    pub fn name(&self) -> &Bytes {
        match self {
            Topic::Channel(_, name) | Topic::Feed(name) => name,
        }
    }
}

/// All topics that somebody wants, or of which the server is still to be told that nobody does.
#[derive(Debug, Default)]
pub struct Topics {
    by_kind: [HashMap<Bytes, Entry>; 4],
    /// How many there are of each server; 0 of none.
    counts: HashMap<Server, usize>,
    /// Of the last entry.
    number: u64,
}

fn one_less(counts: &mut HashMap<Server, usize>, server: &Server) {
    if let Some(count) = counts.get_mut(server) {
        *count -= 1;
        if *count == 0 {
            counts.remove(server);
        }
    }
}

/// All kinds, in the order of their places.
const KINDS: [Option<Channel>; 4] = [Some(Channel::Plain), Some(Channel::Pattern), Some(Channel::Sharded), None];

/// The place of a kind in [`Topics::by_kind`].
fn place(channel: Option<Channel>) -> usize {
    match channel {
        Some(Channel::Plain) => 0,
        Some(Channel::Pattern) => 1,
        Some(Channel::Sharded) => 2,
        None => 3,
    }
}

impl Topics {
    /// The topic of this kind and name; of the only feed there is whatever the name.
    pub fn find(&self, channel: Option<Channel>, name: &[u8]) -> Option<&Entry> {
        let all = &self.by_kind[place(channel)];
        if channel.is_some() { all.get(name) } else { all.values().next() }
    }

    /// What is known of a topic.
    pub fn get(&self, topic: &Topic) -> Option<&Entry> {
        self.by_kind[place(topic.channel())].get(topic.name())
    }

    /// As [`Topics::get`], to be changed.
    pub fn get_mut(&mut self, topic: &Topic) -> Option<&mut Entry> {
        self.by_kind[place(topic.channel())].get_mut(topic.name())
    }

    /// As [`Topics::get_mut`]; a new one is absent, wanted by nobody, and asked for there.
    pub fn enter(&mut self, topic: &Topic, server: &Server) -> &mut Entry {
        self.by_kind[place(topic.channel())].entry(topic.name().clone()).or_insert_with(|| {
            self.number += 1;
            *self.counts.entry(server.clone()).or_default() += 1;
            let (setbacks, wants) = (Setbacks::default(), Vec::new());
            Entry { server: server.clone(), presence: Presence::Absent, setbacks, number: self.number, wants }
        })
    }

    /// Forgets a topic.
    pub fn remove(&mut self, topic: &Topic) {
        if let Some(entry) = self.by_kind[place(topic.channel())].remove(topic.name()) {
            one_less(&mut self.counts, &entry.server);
        }
    }

    /// From now on it is asked for there; gives where it was.
    pub fn relocate(&mut self, topic: &Topic, server: &Server) -> Option<Server> {
        let entry = self.by_kind[place(topic.channel())].get_mut(topic.name())?;
        *self.counts.entry(server.clone()).or_default() += 1;
        let before = std::mem::replace(&mut entry.server, server.clone());
        one_less(&mut self.counts, &before);
        Some(before)
    }

    /// Forgets those of a server that nobody wants.
    pub fn remove_unwanted(&mut self, server: &Server) {
        let Topics { by_kind, counts, .. } = self;
        for topics in by_kind {
            topics.retain(|_, entry| {
                let is_wanted = entry.server != *server || !entry.wants.is_empty();
                if !is_wanted {
                    one_less(counts, server);
                }
                is_wanted
            });
        }
    }

    /// Whether no topic is asked for there.
    pub fn has_none_at(&self, server: &Server) -> bool {
        !self.counts.contains_key(server)
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.by_kind.iter().flat_map(HashMap::values)
    }

    /// All entries, to be changed, with the kinds of their topics.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = (Option<Channel>, &mut Entry)> {
        let kinds = self.by_kind.iter_mut().zip(KINDS);
        kinds.flat_map(|(topics, kind)| topics.values_mut().map(move |entry| (kind, entry)))
    }

    /// All topics, in the order in which they came to be wanted.
    pub fn in_order(&self) -> Vec<Topic> {
        let mut all: Vec<(u64, Topic)> = Vec::new();
        for channel in KINDS {
            let topic = |name: &Bytes| match channel {
                Some(channel) => Topic::Channel(channel, name.clone()),
                None => Topic::Feed(name.clone()),
            };
            all.extend(self.by_kind[place(channel)].iter().map(|(name, entry)| (entry.number, topic(name))));
        }
        all.sort_unstable_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, topic)| topic).collect()
    }
}
