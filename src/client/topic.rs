//! What can be subscribed to, who wants it, and how the server stands to it. A message finds its topic by the name
//! alone.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::setbacks::Setbacks;
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
    /// How the server stands to it.
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
    /// Of the last entry.
    number: u64,
}

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

    /// As [`Topics::get_mut`]; a new one is absent and wanted by nobody.
    pub fn enter(&mut self, topic: &Topic) -> &mut Entry {
        self.by_kind[place(topic.channel())].entry(topic.name().clone()).or_insert_with(|| {
            self.number += 1;
            let (setbacks, wants) = (Setbacks::default(), Vec::new());
            Entry { presence: Presence::Absent, setbacks, number: self.number, wants }
        })
    }

    /// Forgets a topic.
    pub fn remove(&mut self, topic: &Topic) {
        self.by_kind[place(topic.channel())].remove(topic.name());
    }

    /// Forgets those that nobody wants.
    pub fn remove_unwanted(&mut self) {
        self.by_kind.iter_mut().for_each(|topics| topics.retain(|_, entry| !entry.wants.is_empty()));
    }

    /// All entries.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.by_kind.iter_mut().flat_map(HashMap::values_mut)
    }

    /// All topics, in the order in which they came to be wanted.
    pub fn in_order(&self) -> Vec<Topic> {
        let mut all: Vec<(u64, Topic)> = Vec::new();
        for channel in [Some(Channel::Plain), Some(Channel::Pattern), Some(Channel::Sharded), None] {
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
