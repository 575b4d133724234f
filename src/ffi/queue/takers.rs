//! Who takes from a queue, and who must be told of what: a state machine without threads and descriptors; its owner
//! asks it under the lock of the queue.
//!
//! Invariant: while there is something to take, to write or to read, either a taker is about to look, or one is woken,
//! or the descriptor is readable.

/// What a taker who found nothing to take does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes and reads itself, alone.
    Drive,
    /// Sleeps until somebody wakes it.
    Sleep,
}

/// What is to be done, under the lock or after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Alarm {
    /// Make the descriptor readable (true) or not.
    pub descriptor: Option<bool>,
    /// Wake one who sleeps.
    pub sleeper: bool,
}

/// The takers of a queue, and its descriptor.
#[derive(Debug, Default)]
pub struct Takers {
    /// Sleep until they are woken.
    sleepers: usize,
    /// One writes and reads.
    driving: bool,
    /// And just now waits for the descriptor.
    waiting: bool,
    /// The user has the descriptor.
    watched: bool,
    /// Something is to be written.
    to_write: bool,
    /// The descriptor is readable by itself, whatever the sockets are.
    raised: bool,
    /// It may be so without `raised`.
    may_be_raised: bool,
}

impl Takers {
    /// The user asked for the descriptor; `due`: there is something to take, or a take shall return.
    pub fn watch(&mut self, due: bool) -> Alarm {
        self.watched = true;
        let descriptor = self.set(due || self.to_write);
        Alarm { descriptor, sleeper: false }
    }

    /// Completions were put.
    pub fn arrived(&mut self) -> Alarm {
        // Whoever drives without waiting put them, or will see them.
        if self.driving && !self.waiting { Alarm::default() } else { self.call() }
    }

    /// Something was submitted that a taker has to write.
    pub fn submitted(&mut self) -> Alarm {
        self.to_write = true;
        if self.driving && !self.waiting { Alarm::default() } else { self.call() }
    }

    /// The descriptor was made readable without a question to this machine, or may yet be.
    pub fn may_be_raised(&mut self) {
        self.may_be_raised = true;
    }

    fn call(&mut self) -> Alarm {
        let descriptor = if self.watched || self.waiting { self.set(true) } else { None };
        Alarm { descriptor, sleeper: !self.driving && self.sleepers > 0 }
    }

    /// What a taker does who found nothing to take; `drivers`: it may drive.
    pub fn step(&self, drivers: bool) -> Step {
        if drivers && !self.driving { Step::Drive } else { Step::Sleep }
    }

    /// A taker falls asleep.
    pub fn sleep(&mut self) {
        self.sleepers += 1;
    }

    /// A taker is awake again.
    pub fn wake_up(&mut self) {
        self.sleepers -= 1;
    }

    /// A taker begins to write and read; `waits`: in between, for the descriptor.
    pub fn begin(&mut self, waits: bool) -> Alarm {
        (self.driving, self.waiting, self.to_write) = (true, waits, false);
        Alarm { descriptor: self.set(false), sleeper: false }
    }

    /// The taker who drives waits no longer.
    pub fn stop_waiting(&mut self) {
        self.waiting = false;
    }

    /// The taker who drives is done with it.
    pub fn end(&mut self) {
        (self.driving, self.waiting) = (false, false);
    }

    /// A taker who does not drive leaves; `due`: there is more to take, or another take shall return; `drivers`: there
    /// is something to drive.
    pub fn leave(&mut self, due: bool, drivers: bool) -> Alarm {
        // Who submitted may say so after the connection went back to the background, which has written it: then no
        // taker can, and none must be called for it again and again.
        self.to_write &= drivers || self.driving;
        if self.driving {
            return Alarm::default();
        }
        let descriptor = self.set(self.watched && (due || self.to_write));
        Alarm { descriptor, sleeper: self.sleepers > 0 && (due || drivers) }
    }

    fn set(&mut self, raised: bool) -> Option<bool> {
        let changes = std::mem::replace(&mut self.raised, raised) != raised;
        let is_uncertain = !raised && std::mem::take(&mut self.may_be_raised);
        (changes || is_uncertain).then_some(raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wake_did_to_the_descriptor_is_not_relied_on() {
        let mut takers = watched();
        takers.may_be_raised();
        assert_eq!(takers.arrived(), RAISE);
        assert_eq!(takers.leave(false, false), LOWER);
        takers.may_be_raised();
        assert_eq!(takers.leave(false, false), LOWER);
        assert_eq!(takers.leave(false, false), Alarm::default());
    }

    /// The user has the descriptor, which is not readable.
    fn watched() -> Takers {
        let mut takers = Takers::default();
        assert_eq!(takers.watch(false), Alarm::default());
        takers
    }

    const RAISE: Alarm = Alarm { descriptor: Some(true), sleeper: false };
    const LOWER: Alarm = Alarm { descriptor: Some(false), sleeper: false };

    #[test]
    fn a_word_to_write_that_comes_when_no_taker_can_is_forgotten() {
        let mut takers = watched();
        assert_eq!(takers.submitted(), RAISE);
        assert_eq!(takers.step(false), Step::Sleep);
        assert_eq!(takers.leave(false, false), LOWER);
        assert_eq!(takers.watch(false), Alarm::default(), "it is forgotten, not only silenced");
    }

    #[test]
    fn a_word_to_write_stays_while_a_taker_can() {
        let mut takers = watched();
        assert_eq!(takers.submitted(), RAISE);
        assert_eq!(takers.leave(false, true), Alarm::default(), "a taker who found completions did not write");
        assert_eq!(takers.begin(false), LOWER);
        assert_eq!(takers.submitted(), Alarm::default());
        assert_eq!(takers.leave(false, false), Alarm::default(), "the other taker has the connections with him");
        takers.end();
        assert_eq!(takers.leave(false, true), RAISE);
    }
}
