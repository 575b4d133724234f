//! What a server takes away unasked or is not ready to give: who is told, and when it is asked for again.

use std::time::{Duration, Instant};

use super::{Effect, Subscriptions};
use crate::client::topic::{Entry, Presence, Server, Topic};

impl Subscriptions {
    /// The server ended a topic by itself, because its slot moved.
    pub fn ended(&mut self, server: &Server, topic: &Topic, now: Instant) {
        let has_it = |entry: &&mut Entry| entry.server == *server && entry.presence == Presence::Present;
        let Some(entry) = self.topics.get_mut(topic).filter(has_it) else { return };
        let pause = entry.setbacks.ended(now);
        self.take_away(topic);
        match pause {
            Duration::ZERO => self.reconcile(topic),
            _ => self.postpone(topic, now, pause),
        }
    }

    /// The server answered with an error; `later`: one that will pass.
    pub fn refused(&mut self, server: &Server, topic: &Topic, joins: bool, later: bool, now: Instant) {
        let Some(entry) = self.topics.get_mut(topic).filter(|entry| entry.server == *server) else { return };
        match (entry.presence, joins) {
            (Presence::Joining, true) if later => {
                let pause = entry.setbacks.refused(now);
                self.postpone(topic, now, pause);
            }
            (Presence::Joining, true) => {
                // Not to be asked for again while those who want it go.
                entry.presence = Presence::Postponed(now);
                // Whoever has it newly from a change loses the change; whoever was made with it or had it once, ends.
                let mut losers = Vec::new();
                for want in &entry.wants {
                    let made_with = want.asked.contains(&want.subscription);
                    match made_with || want.missed || want.asked.is_empty() {
                        true => losers.push(want.subscription),
                        false => losers.extend(&want.asked),
                    }
                }
                losers.dedup();
                for loser in losers {
                    self.effects.push(Effect::Refused(loser));
                    self.end(loser);
                    self.withdraw(loser);
                }
                if let Some(entry) = self.topics.get_mut(topic) {
                    entry.presence = Presence::Absent;
                    self.reconcile(topic);
                }
            }
            // It goes on and nobody listens; whoever wants it again has it at once.
            (Presence::Leaving, false) => entry.presence = Presence::Present,
            _ => {}
        }
    }

    /// Asks the server for all that was to wait until now.
    pub fn ask_again(&mut self, now: Instant) {
        let mut next: Option<Instant> = None;
        for (_, entry) in self.topics.entries_mut() {
            match entry.presence {
                Presence::Postponed(until) if until <= now => entry.presence = Presence::Absent,
                Presence::Postponed(until) => next = Some(next.map_or(until, |next| next.min(until))),
                _ => {}
            }
        }
        self.asks_at = next;
        if let Some(next) = next {
            self.effects.push(Effect::AskAfter(next.saturating_duration_since(now)));
        }
        self.reconcile_all();
    }

    /// A topic is to wait a while, if somebody wants it; one timer serves all.
    pub(super) fn postpone(&mut self, topic: &Topic, now: Instant, pause: Duration) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        if entry.wants.is_empty() {
            entry.presence = Presence::Absent;
            return self.reconcile(topic);
        }
        let until = now + pause;
        entry.presence = Presence::Postponed(until);
        if self.asks_at.is_none_or(|at| until < at) {
            self.asks_at = Some(until);
            self.effects.push(Effect::AskAfter(pause));
        }
    }
}
