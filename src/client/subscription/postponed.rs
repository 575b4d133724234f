//! What the server takes away unasked or is not ready to give: who is told, and when it is asked for again.

use std::mem;
use std::time::{Duration, Instant};

use super::{Effect, Subscriptions};
use crate::client::topic::{Presence, Topic};

impl Subscriptions {
    /// The server ended a topic by itself, because its slot moved.
    pub fn ended(&mut self, topic: &Topic, now: Instant) {
        let Some(entry) = self.topics.get_mut(topic).filter(|entry| entry.presence == Presence::Present) else {
            return;
        };
        entry.presence = Presence::Absent;
        let pause = entry.setbacks.ended(now);
        let is_wanted = !entry.wants.is_empty();
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
        match pause {
            Duration::ZERO => self.reconcile(topic),
            _ if is_wanted => self.postpone(topic, now, pause),
            _ => self.reconcile(topic),
        }
    }

    /// The server answered with an error; `later`: one that will pass.
    pub fn refused(&mut self, topic: &Topic, joins: bool, later: bool, now: Instant) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
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
        for entry in self.topics.entries_mut() {
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

    /// A topic is to wait a while; one timer serves all.
    fn postpone(&mut self, topic: &Topic, now: Instant, pause: Duration) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let until = now + pause;
        entry.presence = Presence::Postponed(until);
        if self.asks_at.is_none_or(|at| until < at) {
            self.asks_at = Some(until);
            self.effects.push(Effect::AskAfter(pause));
        }
    }
}
