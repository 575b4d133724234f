//! When to ask the nodes of a cluster for its map: because of what happened, and now and then. Pure: it is told the
//! time and what chance says.
//!
//! Invariant: the nodes are asked at most once at a time, and between the beginnings of two rounds there is a pause
//! that grows with their number, so that many clients of a large cluster do not keep it busy with that.

use std::time::{Duration, Instant};

/// Between two rounds in a cluster of up to [`SMALL`] nodes.
const PAUSE: Duration = Duration::from_secs(1);

/// So much of the pause is left where requests wait for the map: within half a second after a replica has taken over
/// the nodes are asked who it is.
const URGENT: f64 = 0.25;

/// The pause grows beyond so many nodes, in proportion.
const SMALL: usize = 100;

/// What does not wait for anything is spread over so much of the pause, that clients which notice the same do not ask
/// at the same time.
const SPREAD: f64 = 0.1;

/// Why the map may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A slot has moved; the map has that by now.
    Moved,
    /// A transaction was refused without a word why.
    ExecAbort,
    /// A node is no primary any more.
    ReadOnly,
    /// A connection was lost, or cannot be made.
    Lost,
    /// A node does not answer.
    Silent,
    /// Nobody serves a slot.
    Uncovered,
    /// A node is not known, or how it can be reached.
    UnknownNode,
}

impl Reason {
    /// Whether requests wait until the map is right.
    fn is_urgent(self) -> bool {
        self != Reason::Moved
    }
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask now; [`Schedule::finished`] is to be called when that is over.
    Ask,
    /// Look again at this time.
    LookAt(Instant),
    /// They are being asked.
    Wait,
    /// They are being asked, and who has not answered is not waited for any longer.
    Conclude,
}

/// The schedule.
#[derive(Debug)]
pub struct Schedule {
    /// Between two rounds that nothing has brought about.
    interval: Duration,
    /// When the last round began.
    begun: Option<Instant>,
    due: Instant,
    is_asking: bool,
    /// Something happened while they were asked.
    again: Option<Reason>,
}

impl Schedule {
    /// The first round is due at once.
    pub fn new(interval: Duration, now: Instant) -> Schedule {
        Schedule { interval, begun: None, due: now, is_asking: false, again: None }
    }

    /// When the next round is due, if none is under way.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Something happened in a cluster of so many nodes; `chance` is a number from 0 to 1.
    pub fn on(&mut self, reason: Reason, now: Instant, nodes: usize, chance: f64) -> Action {
        if self.is_asking {
            self.again = self.again.filter(|again| again.is_urgent()).or(Some(reason));
            return Action::Wait;
        }
        let pause = pause_for(nodes);
        let (least, spread) =
            if reason.is_urgent() { (pause.mul_f64(URGENT), pause.mul_f64(SPREAD)) } else { (pause, pause) };
        let earliest = self.begun.map_or(now, |begun| begun + least);
        self.due = self.due.min(earliest.max(now) + spread.mul_f64(chance));
        Action::LookAt(self.due)
    }

    /// The time has come to look, or it has not yet.
    pub fn look(&mut self, now: Instant) -> Action {
        if self.is_asking {
            return Action::Wait;
        }
        if now < self.due {
            return Action::LookAt(self.due);
        }
        self.is_asking = true;
        self.begun = Some(now);
        Action::Ask
    }

    /// All nodes that were asked have answered, or will not; `found`: there is a map.
    pub fn finished(&mut self, found: bool, now: Instant, nodes: usize, chance: f64) -> Action {
        self.is_asking = false;
        // Not all at the same time, whenever they were started.
        self.due = now + self.interval.mul_f64(0.9 + 0.2 * chance);
        let again = self.again.take().or_else(|| (!found).then_some(Reason::UnknownNode));
        match again {
            Some(reason) => self.on(reason, now, nodes, chance),
            None => Action::LookAt(self.due),
        }
    }
}

fn pause_for(nodes: usize) -> Duration {
    PAUSE.mul_f64(nodes.max(SMALL) as f64 / SMALL as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reason::{ExecAbort, Lost, Moved, ReadOnly, Silent, Uncovered, UnknownNode};

    const INTERVAL: Duration = Duration::from_secs(60);

    /// After the first round, which began at the start and took no time.
    fn asked_once(start: Instant) -> Schedule {
        let mut schedule = Schedule::new(INTERVAL, start);
        assert_eq!(schedule.look(start), Action::Ask);
        schedule.finished(true, start, 3, 0.5);
        schedule
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn every_reason_at_every_time() {
        let start = Instant::now();
        // The reason, when, how many nodes, chance; when they are asked; all in milliseconds since the last round.
        for (reason, at, nodes, chance, asked) in [
            (Moved, 0, 3, 0.0, 1000),
            (Moved, 0, 3, 1.0, 2000),
            (Moved, 5000, 3, 0.5, 5500),
            (Lost, 0, 3, 0.0, 250),
            (Lost, 200, 3, 1.0, 350),
            (Lost, 5000, 3, 0.0, 5000),
            (Lost, 5000, 3, 1.0, 5100),
            (Lost, 5000, 100, 1.0, 5100),
            (Lost, 2000, 1000, 0.0, 2500),
            (Moved, 2000, 1000, 0.0, 10_000),
            (Lost, 50_000, 1000, 1.0, 51_000),
            (Moved, 50_000, 1000, 0.5, 55_000),
            (Silent, 5000, 3, 0.5, 5050),
            (ExecAbort, 5000, 3, 0.5, 5050),
            (ReadOnly, 5000, 3, 0.5, 5050),
            (Uncovered, 5000, 3, 0.5, 5050),
            (UnknownNode, 5000, 3, 0.5, 5050),
            (Moved, 59_900, 3, 1.0, 60_000),
        ] {
            let mut schedule = asked_once(start);
            let action = schedule.on(reason, start + millis(at), nodes, chance);
            let asked = start + millis(asked);
            assert_eq!(action, Action::LookAt(asked), "{reason:?} at {at} of {nodes}, {chance}");
            assert_eq!(schedule.look(asked - millis(1)), Action::LookAt(asked));
            assert_eq!(schedule.look(asked), Action::Ask);
        }
    }

    #[test]
    fn a_later_reason_does_not_put_off_what_is_due() {
        let start = Instant::now();
        let mut schedule = asked_once(start);
        let due = schedule.on(Lost, start + millis(2000), 3, 0.5);
        assert_eq!(schedule.on(Moved, start + millis(2010), 3, 1.0), due);
        assert_eq!(schedule.on(Lost, start + millis(2010), 3, 0.0), Action::LookAt(start + millis(2010)));
    }

    #[test]
    fn they_are_asked_once_at_a_time_and_then_for_what_happened_meanwhile() {
        let start = Instant::now();
        for (meanwhile, next) in
            [(vec![], 60_000), (vec![Moved], 1500), (vec![Moved, Lost], 300), (vec![Lost, Moved], 300)]
        {
            let mut schedule = Schedule::new(INTERVAL, start);
            assert_eq!(schedule.look(start), Action::Ask);
            for reason in &meanwhile {
                assert_eq!(schedule.on(*reason, start + millis(10), 3, 0.0), Action::Wait);
            }
            assert_eq!(schedule.look(start + millis(90_000)), Action::Wait, "whatever happens");
            let next = start + millis(next);
            assert_eq!(schedule.finished(true, start, 3, 0.5), Action::LookAt(next), "{meanwhile:?}");
            assert_eq!(schedule.look(next), Action::Ask);
        }
    }

    #[test]
    fn nobody_answered_is_a_reason_to_ask_again() {
        let start = Instant::now();
        let mut schedule = Schedule::new(INTERVAL, start);
        assert_eq!(schedule.look(start), Action::Ask);
        assert_eq!(schedule.finished(false, start + millis(2000), 3, 0.5), Action::LookAt(start + millis(2050)));
    }

    #[test]
    fn a_thousand_clients_do_not_ask_together() {
        let start = Instant::now();
        let mut asked: Vec<Duration> = (0..1000)
            .map(|client| {
                let mut schedule = asked_once(start);
                match schedule.on(Lost, start + millis(5000), 3, f64::from(client) / 1000.0) {
                    Action::LookAt(at) => at - start,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        asked.sort();
        assert!(asked.windows(50).all(|some| some[49] - some[0] >= millis(4)), "fifty of them within 4 ms");
    }
}
