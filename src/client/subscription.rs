//! Who wants which channels, what the servers have confirmed, and what is to be said to either. Pure: it is told what
//! was asked and what came, and gives [`Effect`]s in order.
//!
//! Invariant: on a connection at most one command is under way for each topic that belongs there, and once none is, the
//! server is subscribed to exactly what is wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

use super::topic::{Entry, Presence, Server, Topic, Topics, Want};
use crate::connection::unit::Ticket;
use crate::error::Outcome;
use crate::protocol::message::Channel;

mod connections;
mod postponed;
#[cfg(test)]
mod tests;

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// There is to be a connection to this server.
    Open(Server),
    /// And no more.
    Close(Server),
    /// The server is to be asked to begin (true) or to end.
    Send(Server, Topic, bool),
    /// A subscription is to be told that a topic is its own from here on (true) or not any more.
    Confirm {
        /// The subscription.
        to: Ticket,
        /// Of which kind; `None`: a feed.
        channel: Option<Channel>,
        /// Its name; `None`: it was to leave all of this kind, and had none.
        name: Option<Bytes>,
        /// Whether it begins.
        joins: bool,
        /// How many of the kind the subscription has now: channels and patterns together, or sharded channels.
        count: usize,
        /// Messages may be missing before this.
        gap: bool,
        /// A request of the subscription asked for it; else the server gave up the topic, or the connection was lost.
        asked: bool,
    },
    /// The subscription got its first confirmation, or was made without channels.
    Started(Ticket),
    /// All topics that a subscription was made with are its own, or not wanted any more: it has so many.
    Made(Ticket, usize),
    /// A request that changes a subscription is carried out; the subscription now has so many topics.
    Changed(Ticket, usize),
    /// The server refused what this request asked for. If it is a subscription, it has ended.
    Refused(Ticket),
    /// The subscription that this request was for has ended.
    Orphaned(Ticket),
    /// [`Subscriptions::ask_again`] is to be called after so long.
    AskAfter(Duration),
}

#[derive(Debug, Default)]
struct Subscriber {
    topics: BTreeSet<Topic>,
    /// Confirmed on this connection.
    confirmed: Counts,
    started: bool,
    /// It was told something: the server may know of it.
    told: bool,
    /// The requests for it that are under way.
    requests: Vec<Ticket>,
}

/// How many channels and patterns, and how many others.
#[derive(Clone, Copy, Debug, Default)]
struct Counts([usize; 2]);

impl Counts {
    fn of(&mut self, channel: Option<Channel>) -> &mut usize {
        &mut self.0[usize::from(!matches!(channel, Some(Channel::Plain | Channel::Pattern)))]
    }
}

/// What a request asked for: that which changes a subscription, or that which makes one (of the same ticket).
#[derive(Debug)]
struct Change {
    subscription: Ticket,
    /// Confirmations that are missing.
    left: usize,
    /// Some came.
    begun: bool,
}

/// Subscriptions to some or many servers, with a connection to each.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// The server of all that belongs to no other. The connection to it lasts as long as there are subscriptions.
    base: Server,
    /// Those that were opened, and whether they are connected.
    connections: BTreeMap<Server, bool>,
    topics: Topics,
    subscribers: HashMap<Ticket, Subscriber>,
    changes: HashMap<Ticket, Change>,
    /// When [`Subscriptions::ask_again`] will be called, if it is to be.
    asks_at: Option<Instant>,
    effects: Vec<Effect>,
}

impl Subscriptions {
    /// None; topics that belong to no other server are asked for at this one.
    pub fn at(base: Server) -> Subscriptions {
        Subscriptions { base, ..Subscriptions::default() }
    }

    /// What is to be done since the last time.
    pub fn effects(&mut self) -> Vec<Effect> {
        mem::take(&mut self.effects)
    }

    /// Whether there is no subscription, with channels or without.
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// How many topics a subscription wants.
    pub fn wanted_by(&self, subscription: Ticket) -> usize {
        self.subscribers.get(&subscription).map_or(0, |subscriber| subscriber.topics.len())
    }

    /// Where a topic is asked for, if anybody wants it.
    pub fn server_of(&self, topic: &Topic) -> Option<&Server> {
        self.topics.get(topic).map(|entry| &entry.server)
    }

    /// Who gets what came from a server for a topic; `channel`: `None` for a feed, of which there is one, whatever the
    /// name.
    pub fn audience(&self, server: &Server, channel: Option<Channel>, name: &[u8]) -> impl Iterator<Item = Ticket> {
        let entry = self.topics.find(channel, name).filter(|entry| entry.server == *server);
        entry.into_iter().flat_map(|entry| &entry.wants).filter(|want| want.confirmed).map(|want| want.subscription)
    }

    /// A new subscription, made by the request of the same ticket, to topics that belong to these servers.
    pub fn begin(&mut self, subscription: Ticket, topics: impl IntoIterator<Item = (Topic, Server)>) {
        self.subscribers.insert(subscription, Subscriber::default());
        let topics: Vec<(Topic, Server)> = topics.into_iter().collect();
        let left = topics.len();
        // The confirmation of a feed says that all is done.
        if topics.iter().all(|(topic, _)| topic.channel().is_some()) {
            self.changes.insert(subscription, Change { subscription, left, begun: false });
        }
        if left == 0 {
            self.carried_out(subscription);
        }
        topics.into_iter().for_each(|(topic, server)| self.join(subscription, subscription, topic, &server));
    }

    /// A request adds topics to a subscription, as of [`Subscriptions::begin`].
    pub fn add(&mut self, subscription: Ticket, request: Ticket, topics: impl IntoIterator<Item = (Topic, Server)>) {
        let Some(subscriber) = self.subscribers.get_mut(&subscription) else {
            return self.effects.push(Effect::Orphaned(request));
        };
        subscriber.requests.push(request);
        let topics: Vec<(Topic, Server)> = topics.into_iter().collect();
        self.changes.insert(request, Change { subscription, left: topics.len(), begun: false });
        topics.into_iter().for_each(|(topic, server)| self.join(subscription, request, topic, &server));
    }

    /// A request takes topics of a kind from a subscription: these, or all (`None`). It is carried out at once,
    /// whatever the server says.
    pub fn remove(&mut self, subscription: Ticket, request: Ticket, channel: Channel, names: Option<Vec<Bytes>>) {
        let Some(subscriber) = self.subscribers.get(&subscription) else {
            return self.effects.push(Effect::Orphaned(request));
        };
        let of_kind = |topic: &&Topic| topic.channel() == Some(channel);
        let topics: Vec<Topic> = match names {
            Some(names) => names.into_iter().map(|name| Topic::Channel(channel, name)).collect(),
            None => subscriber.topics.iter().filter(of_kind).cloned().collect(),
        };
        if topics.is_empty() {
            self.confirm(subscription, Some(channel), None, false, false, true);
        }
        for topic in topics {
            if let Some(want) = self.drop_want(subscription, &topic) {
                want.asked.iter().for_each(|request| self.one_less(*request));
            }
            self.confirm(subscription, Some(channel), Some(topic.name()), false, false, true);
            self.reconcile(&topic);
        }
        self.effects.push(Effect::Changed(request, self.wanted_by(subscription)));
    }

    /// A subscription ends.
    pub fn end(&mut self, subscription: Ticket) {
        let Some(subscriber) = self.subscribers.remove(&subscription) else { return };
        self.changes.remove(&subscription);
        for topic in subscriber.topics {
            if let Some(entry) = self.topics.get_mut(&topic) {
                entry.wants.retain(|want| want.subscription != subscription);
            }
            self.reconcile(&topic);
        }
        for request in subscriber.requests {
            self.changes.remove(&request);
            self.effects.push(Effect::Orphaned(request));
        }
    }

    /// Takes back what of a request was not confirmed, and says whether the server may have heard of it.
    pub fn withdraw(&mut self, request: Ticket) -> Outcome {
        // What is over was carried out, or nearly.
        let Some(change) = self.changes.remove(&request) else { return Outcome::Unknown };
        let Some(subscriber) = self.subscribers.get_mut(&change.subscription) else { return Outcome::Unknown };
        subscriber.requests.retain(|other| *other != request);
        let mut unknown = change.begun;
        for topic in subscriber.topics.clone() {
            let Some(entry) = self.topics.get_mut(&topic) else { continue };
            let Some(want) = entry.wants.iter_mut().find(|want| want.subscription == change.subscription) else {
                continue;
            };
            let before = want.asked.len();
            want.asked.retain(|other| *other != request);
            let is_over = want.asked.is_empty() && !want.confirmed && !want.missed;
            if want.asked.len() == before {
                continue;
            }
            unknown |= entry.presence == Presence::Joining;
            if is_over {
                self.drop_want(change.subscription, &topic);
                self.reconcile(&topic);
            }
        }
        if unknown { Outcome::Unknown } else { Outcome::NotRun }
    }

    /// A request for a subscription is under way that asks for no topic.
    pub fn ping_started(&mut self, subscription: Ticket, request: Ticket) {
        match self.subscribers.get_mut(&subscription) {
            Some(subscriber) => subscriber.requests.push(request),
            None => self.effects.push(Effect::Orphaned(request)),
        }
    }

    /// Such a request is over.
    pub fn ping_finished(&mut self, subscription: Ticket, request: Ticket) {
        if let Some(subscriber) = self.subscribers.get_mut(&subscription) {
            subscriber.requests.retain(|other| *other != request);
        }
    }

    /// Whether a subscription got its first confirmation, or was made without channels.
    pub fn has_started(&self, subscription: Ticket) -> bool {
        self.subscribers.get(&subscription).is_some_and(|subscriber| subscriber.started)
    }

    /// Whether a subscription, made by the request of the same ticket, may be known to the server.
    pub fn may_be_known(&self, subscription: Ticket) -> bool {
        let subscriber = self.subscribers.get(&subscription);
        // What is over was refused just now.
        subscriber.is_none_or(|subscriber| {
            let of_topic = |topic: &Topic| self.topics.get(topic);
            let is_known = |entry: &Entry| !matches!(entry.presence, Presence::Absent | Presence::Postponed(_));
            subscriber.told || subscriber.topics.iter().filter_map(of_topic).any(is_known)
        })
    }

    /// The server answered that a topic begins (true) or ends.
    pub fn confirmed(&mut self, server: &Server, topic: &Topic, joins: bool, now: Instant) {
        let Some(entry) = self.topics.get_mut(topic).filter(|entry| entry.server == *server) else { return };
        match (entry.presence, joins) {
            (Presence::Joining, true) => {
                entry.presence = Presence::Present;
                entry.setbacks.confirmed(now);
                let subscriptions: Vec<Ticket> = entry.wants.iter().map(|want| want.subscription).collect();
                subscriptions.into_iter().for_each(|subscription| self.tell(subscription, topic));
            }
            (Presence::Leaving, false) => entry.presence = Presence::Absent,
            _ => return,
        }
        self.reconcile(topic);
    }

    fn join(&mut self, subscription: Ticket, request: Ticket, topic: Topic, server: &Server) {
        let Some(subscriber) = self.subscribers.get_mut(&subscription) else { return };
        subscriber.topics.insert(topic.clone());
        let entry = self.topics.enter(&topic, server);
        match entry.wants.iter_mut().find(|want| want.subscription == subscription) {
            Some(want) => want.asked.push(request),
            None => entry.wants.push(Want {
                subscription,
                confirmed: false,
                missed: false,
                asked: SmallVec::from_elem(request, 1),
            }),
        }
        if entry.presence == Presence::Present {
            self.tell(subscription, &topic);
        }
        self.reconcile(&topic);
    }

    /// Tells a subscription that a topic is its own, as often as it was asked for.
    fn tell(&mut self, subscription: Ticket, topic: &Topic) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let Some(want) = entry.wants.iter_mut().find(|want| want.subscription == subscription) else { return };
        let (asked, mut gap) = (mem::take(&mut want.asked), mem::take(&mut want.missed));
        if !mem::replace(&mut want.confirmed, true) {
            self.counts(subscription, topic.channel(), |count| count + 1);
        }
        let was_asked = !asked.is_empty();
        for _ in 0..asked.len().max(usize::from(gap)) {
            self.confirm(subscription, topic.channel(), Some(topic.name()), true, mem::take(&mut gap), was_asked);
        }
        asked.into_iter().for_each(|request| self.one_less(request));
    }

    fn confirm(
        &mut self,
        to: Ticket,
        channel: Option<Channel>,
        name: Option<&Bytes>,
        joins: bool,
        gap: bool,
        asked: bool,
    ) {
        let Some(subscriber) = self.subscribers.get_mut(&to) else { return };
        let (count, name) = (*subscriber.confirmed.of(channel), name.cloned());
        subscriber.told = true;
        self.effects.push(Effect::Confirm { to, channel, name, joins, count, gap, asked });
        self.start(to);
    }

    fn start(&mut self, subscription: Ticket) {
        let Some(subscriber) = self.subscribers.get_mut(&subscription) else { return };
        if !mem::replace(&mut subscriber.started, true) {
            self.effects.push(Effect::Started(subscription));
        }
    }

    fn counts(&mut self, subscription: Ticket, channel: Option<Channel>, change: impl FnOnce(usize) -> usize) {
        if let Some(subscriber) = self.subscribers.get_mut(&subscription) {
            let count = subscriber.confirmed.of(channel);
            *count = change(*count);
        }
    }

    /// A subscription does not want a topic any more.
    fn drop_want(&mut self, subscription: Ticket, topic: &Topic) -> Option<Want> {
        let entry = self.topics.get_mut(topic)?;
        let index = entry.wants.iter().position(|want| want.subscription == subscription)?;
        let want = entry.wants.remove(index);
        if want.confirmed {
            self.counts(subscription, topic.channel(), |count| count.saturating_sub(1));
        }
        self.subscribers.get_mut(&subscription)?.topics.remove(topic);
        Some(want)
    }

    /// Of what a request asked for, one more is done.
    fn one_less(&mut self, request: Ticket) {
        let Some(change) = self.changes.get_mut(&request) else { return };
        change.left -= 1;
        change.begun = true;
        if change.left == 0 {
            self.carried_out(request);
        }
    }

    /// All that a request asked for is done.
    fn carried_out(&mut self, request: Ticket) {
        let Some(Change { subscription, .. }) = self.changes.remove(&request) else { return };
        let count = self.wanted_by(subscription);
        if request == subscription {
            self.effects.push(Effect::Made(subscription, count));
            return self.start(subscription);
        }
        self.ping_finished(subscription, request);
        self.effects.push(Effect::Changed(request, count));
    }

    /// Asks the server for what is missing, or forgets what nobody wants.
    fn reconcile(&mut self, topic: &Topic) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let joins = match (entry.presence, entry.wants.is_empty()) {
            (Presence::Absent, false) => {
                let server = entry.server.clone();
                if self.is_connected_to(&server) { true } else { return self.open(&server) }
            }
            (Presence::Present, true) => false,
            (Presence::Absent | Presence::Postponed(_), true) => {
                let server = entry.server.clone();
                self.topics.remove(topic);
                return self.close_if_unused(&server);
            }
            _ => return,
        };
        let Some(entry) = self.topics.get_mut(topic) else { return };
        entry.presence = if joins { Presence::Joining } else { Presence::Leaving };
        self.effects.push(Effect::Send(entry.server.clone(), topic.clone(), joins));
    }

    fn reconcile_all(&mut self) {
        self.topics.in_order().iter().for_each(|topic| self.reconcile(topic));
    }
}
