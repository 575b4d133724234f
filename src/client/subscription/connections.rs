//! The connections that subscriptions have: to which servers there are some, what becomes of topics when one comes or
//! goes, and topics that come to belong to another server.
//!
//! Invariant: there is a connection to a server as long as topics belong there; that to the base lasts longer.

use std::collections::{BTreeSet, HashSet};
use std::mem;
use std::time::{Duration, Instant};

use super::{Effect, Subscriptions};
use crate::client::topic::{Presence, Server, Topic};
use crate::connection::unit::Ticket;
use crate::protocol::message::Channel;

#[cfg(test)]
mod tests;

impl Subscriptions {
    /// There is a new connection, on which nothing is subscribed to.
    pub fn connected(&mut self, server: &Server, now: Instant) {
        self.lost(server, now);
        self.set_connected(server);
        self.reconcile_all();
    }

    /// The connection is gone.
    pub fn lost(&mut self, server: &Server, now: Instant) {
        if let Some(is_connected) = self.connections.get_mut(server) {
            *is_connected = false;
        }
        let mut taken = Vec::new();
        for (channel, entry) in self.topics.entries_mut().filter(|(_, entry)| entry.server == *server) {
            entry.setbacks.connection_lost(now);
            entry.presence = Presence::Absent;
            for want in entry.wants.iter_mut().filter(|want| want.confirmed) {
                (want.confirmed, want.missed) = (false, true);
                taken.push((want.subscription, channel));
            }
        }
        for (subscription, channel) in taken {
            self.counts(subscription, channel, |count| count.saturating_sub(1));
        }
        self.topics.remove_unwanted(server);
        self.close_if_unused(server);
    }

    /// No connection could be opened, for a reason that may pass.
    pub fn not_opened(&mut self, server: &Server, now: Instant) {
        self.connections.remove(server);
        for topic in self.topics_at(server) {
            let Some(entry) = self.topics.get_mut(&topic) else { continue };
            let pause = entry.setbacks.refused(now);
            self.postpone(&topic, now, pause);
        }
    }

    /// Who waits for a connection to this server and has had none: subscriptions without a first confirmation, and
    /// changes.
    pub fn waiting(&self, server: &Server) -> Vec<Ticket> {
        let mut waiting = BTreeSet::new();
        let absent = |entry: &&super::Entry| entry.server == *server && entry.presence != Presence::Present;
        for want in self.topics.entries().filter(absent).flat_map(|entry| &entry.wants) {
            let is_new = self.subscribers.get(&want.subscription).is_some_and(|subscriber| !subscriber.started);
            waiting.extend(is_new.then_some(want.subscription));
            let is_change = |request: &&Ticket| **request != want.subscription && self.changes.contains_key(request);
            waiting.extend(want.asked.iter().filter(is_change));
        }
        waiting.into_iter().collect()
    }

    /// All topics of a server that somebody wants, but for those that it is to be asked for later.
    pub fn topics_to_move(&self, server: &Server) -> Vec<Topic> {
        let is_postponed = |topic: &Topic| {
            self.topics.get(topic).is_some_and(|entry| matches!(entry.presence, Presence::Postponed(_)))
        };
        self.topics_at(server).into_iter().filter(|topic| !is_postponed(topic)).collect()
    }

    /// Another connection to a server has taken the place of the present one, and has subscribed to these topics
    /// already. Whoever has one of them is told of the gap.
    pub fn moved(&mut self, server: &Server, joined: &[Topic], now: Instant) {
        self.lost(server, now);
        self.set_connected(server);
        for topic in joined {
            let entry = self.topics.enter(topic, server);
            if entry.server == *server {
                entry.presence = Presence::Joining;
            } else {
                // It came to belong elsewhere meanwhile.
                self.effects.push(Effect::Send(server.clone(), topic.clone(), false));
            }
        }
        joined.iter().for_each(|topic| self.confirmed(server, topic, true, now));
        self.reconcile_all();
    }

    /// The sharded channels that somebody wants.
    pub fn sharded(&self) -> Vec<Topic> {
        let is_sharded = |topic: &Topic| topic.channel() == Some(Channel::Sharded);
        self.topics.in_order().into_iter().filter(|topic| is_sharded(topic) && self.is_wanted(topic)).collect()
    }

    /// The map says that a topic belongs to this server.
    pub fn relocate(&mut self, topic: &Topic, to: &Server) {
        let Some(entry) = self.topics.get_mut(topic).filter(|entry| entry.server != *to) else { return };
        match entry.presence {
            // What is under way is answered, and the answer may be that it has moved.
            Presence::Joining | Presence::Leaving => return,
            // The base has it, for now: that server will say when it has not.
            Presence::Present if entry.server == self.base => return,
            Presence::Present => {
                let from = entry.server.clone();
                self.take_away(topic);
                if self.is_connected_to(&from) {
                    self.effects.push(Effect::Send(from, topic.clone(), false));
                }
            }
            Presence::Absent | Presence::Postponed(_) => {}
        }
        self.move_to(topic, to);
        self.reconcile(topic);
    }

    /// The server that was asked for a topic said that it belongs to another one.
    pub fn redirected(&mut self, server: &Server, topic: &Topic, to: &Server, now: Instant) {
        let is_asked = |entry: &&mut super::Entry| entry.server == *server && entry.presence == Presence::Joining;
        let Some(entry) = self.topics.get_mut(topic).filter(is_asked) else { return };
        entry.presence = Presence::Absent;
        let pause = entry.setbacks.redirected();
        self.move_to(topic, to);
        match pause {
            Duration::ZERO => self.reconcile(topic),
            _ => self.postpone(topic, now, pause),
        }
    }

    /// The server on whose connection a subscription gets the answer to a PING.
    pub fn server_for_ping(&mut self, subscription: Ticket) -> Server {
        let topics = self.subscribers.get(&subscription).map(|subscriber| &subscriber.topics);
        let server_of = |topic: &Topic| self.topics.get(topic).map(|entry| entry.server.clone());
        let mut servers: HashSet<Server> = topics.into_iter().flatten().filter_map(server_of).collect();
        let server = match servers.take(&self.base) {
            Some(base) => base,
            None => servers.into_iter().min().unwrap_or_else(|| self.base.clone()),
        };
        self.open(&server);
        server
    }

    fn set_connected(&mut self, server: &Server) {
        // It may have been closed just now.
        if *server == self.base || self.connections.contains_key(server) {
            self.connections.insert(server.clone(), true);
        }
    }

    pub(super) fn is_connected_to(&self, server: &Server) -> bool {
        self.connections.get(server).copied().unwrap_or_default()
    }

    pub(super) fn open(&mut self, server: &Server) {
        if !self.connections.contains_key(server) {
            self.connections.insert(server.clone(), false);
            self.effects.push(Effect::Open(server.clone()));
        }
    }

    pub(super) fn close_if_unused(&mut self, server: &Server) {
        let is_used = *server == self.base || !self.topics.has_none_at(server);
        if !is_used && self.connections.remove(server).is_some() {
            self.effects.push(Effect::Close(server.clone()));
        }
    }

    /// The server does not give a topic any more: whoever has it has it no longer, and is told of the gap later.
    pub(super) fn take_away(&mut self, topic: &Topic) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        entry.presence = Presence::Absent;
        let mut told = Vec::new();
        for want in &mut entry.wants {
            if mem::take(&mut want.confirmed) {
                want.missed = true;
                told.push(want.subscription);
            }
        }
        for subscription in told {
            self.counts(subscription, topic.channel(), |count| count.saturating_sub(1));
        }
    }

    fn move_to(&mut self, topic: &Topic, to: &Server) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        entry.presence = Presence::Absent;
        if let Some(before) = self.topics.relocate(topic, to) {
            self.close_if_unused(&before);
        }
    }

    fn is_wanted(&self, topic: &Topic) -> bool {
        self.topics.get(topic).is_some_and(|entry| !entry.wants.is_empty())
    }

    /// Those of a server that somebody wants.
    fn topics_at(&self, server: &Server) -> Vec<Topic> {
        let belongs = |topic: &Topic| self.topics.get(topic).is_some_and(|entry| entry.server == *server);
        self.topics.in_order().into_iter().filter(|topic| belongs(topic) && self.is_wanted(topic)).collect()
    }
}
