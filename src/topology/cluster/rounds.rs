//! The rounds in which nodes of a cluster are asked for its map: who has answered, and when a round is over. Pure.
//!
//! Invariant: a round is over once. Nodes that are silent do not keep those that have answered from being heard.

use std::mem;
use std::time::{Duration, Instant};

use super::agreement;
use super::refresh::{Action, Schedule};
use super::view::View;

/// So long after the first answer the others are waited for. When a replica takes over, nodes disagree for a moment:
/// one that stands still must not hold back what the others say.
const PATIENCE: Duration = Duration::from_millis(250);

/// The present round, and when the next one begins.
#[derive(Debug)]
pub struct Rounds {
    /// When to ask.
    pub schedule: Schedule,
    number: u64,
    views: Vec<View>,
    asked: usize,
    /// How many of them have not answered.
    missing: usize,
    is_over: bool,
    /// Until when answers are waited for; `None`: there is none yet.
    until: Option<Instant>,
}

impl Rounds {
    /// Nobody has been asked.
    pub fn new(schedule: Schedule) -> Rounds {
        Rounds { schedule, number: 0, views: Vec::new(), asked: 0, missing: 0, is_over: true, until: None }
    }

    /// What to do at this time. [`Action::Ask`] is to be followed by [`Rounds::begin`], [`Action::Conclude`] by
    /// [`Rounds::conclude`].
    pub fn look(&mut self, now: Instant) -> Action {
        match (self.schedule.look(now), self.until) {
            (Action::Wait, Some(until)) if now >= until => Action::Conclude,
            (Action::Wait, Some(until)) => Action::LookAt(until),
            (action, _) => action,
        }
    }

    /// So many nodes are asked; the number of the round.
    pub fn begin(&mut self, asked: usize) -> u64 {
        self.number += 1;
        self.views.clear();
        (self.asked, self.missing) = (asked, asked);
        (self.is_over, self.until) = (false, None);
        self.number
    }

    /// How many nodes are asked and have not answered.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// A node said this in a round.
    pub fn add(&mut self, round: u64, view: View, now: Instant) {
        if round == self.number && !self.is_over {
            self.views.push(view);
            self.until.get_or_insert(now + PATIENCE);
        }
    }

    /// A node that was asked has answered, or will not. Whether its round is over by that, because it was the last one
    /// or most of them have said the same; then [`Rounds::conclude`] is to follow.
    pub fn one_is_over(&mut self, round: u64) -> bool {
        if round != self.number || self.missing == 0 {
            return false;
        }
        self.missing -= 1;
        !self.is_over && (self.missing == 0 || agreement::is_settled(&self.views, self.asked))
    }

    /// The round is over: what was said, and how many were asked. `None`: it was over before.
    pub fn conclude(&mut self) -> Option<(Vec<View>, usize)> {
        self.until = None;
        (!mem::replace(&mut self.is_over, true)).then(|| (mem::take(&mut self.views), self.asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_silent_are_waited_for_until_a_while_after_the_first_answer() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut rounds = Rounds::new(Schedule::new(Duration::from_secs(60), start));
        assert_eq!(rounds.look(start), Action::Ask);
        let round = rounds.begin(3);
        assert_eq!(rounds.look(after(5000)), Action::Wait, "for whoever is the first");
        rounds.add(round, View::default(), after(5000));
        assert!(!rounds.one_is_over(round));
        assert_eq!(rounds.look(after(5249)), Action::LookAt(after(5250)));
        assert!(!rounds.one_is_over(round), "one of them will not answer");
        assert_eq!(rounds.look(after(5250)), Action::Conclude);
        assert_eq!(rounds.conclude(), Some((vec![View::default()], 3)));
        assert_eq!((rounds.missing(), rounds.look(after(5250))), (1, Action::Wait));
        // It answers after all.
        rounds.add(round, View::default(), after(5251));
        assert!(!rounds.one_is_over(round));
        assert_eq!((rounds.missing(), rounds.conclude()), (0, None));
        let next = rounds.begin(1);
        rounds.add(round, View::default(), after(5252));
        assert!(!rounds.one_is_over(round) && rounds.one_is_over(next));
        assert_eq!(rounds.conclude(), Some((vec![], 1)), "what was said in an earlier round does not count");
    }
}
