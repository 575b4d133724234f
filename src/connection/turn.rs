//! Whose turn it is to read from a connection: a state machine without threads; its owner asks it under the lock of the
//! outgoing bytes.
//!
//! Invariant: while a reply is owed, somebody reads: the background, or the one caller who took the turn and has not
//! given it back. Whoever changes the reader also changes what the background is told of, under the same lock.

/// So many calls in a row found nothing under way before callers read for themselves. Below, a moment's silence among
/// many callers would hand the turn to and fro, which costs more than it saves.
const LONELY: u32 = 4;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The background, which is told of bytes.
    Background,
    /// Nobody: nothing is owed, and the background is told of the end only.
    Nobody,
    /// A caller, on its own thread.
    Caller,
}

/// What the background is to be told from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// As before.
    Nothing,
    /// It reads from now on.
    Attend,
    /// It must not be woken by bytes any more, only by the end.
    Leave,
}

/// The turn.
#[derive(Debug)]
pub struct Turn {
    reader: Reader,
    /// Calls in a row that found nothing under way.
    lonely: u32,
    /// How often callers took the turn; tells whether they still do.
    taken: u64,
}

impl Default for Turn {
    /// The background reads.
    fn default() -> Turn {
        Turn { reader: Reader::Background, lonely: 0, taken: 0 }
    }
}

impl Turn {
    /// Whether the background may read.
    pub fn is_background(&self) -> bool {
        self.reader == Reader::Background
    }

    /// How often callers took the turn.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// A caller who waits for its answer submits; `idle`: nothing else is under way. True: it takes the turn, and must
    /// give it back with [`Turn::give_back`].
    pub fn offer(&mut self, idle: bool) -> (bool, Change) {
        self.lonely = if idle { self.lonely.saturating_add(1) } else { 0 };
        match self.reader {
            Reader::Caller => return (false, Change::Nothing),
            Reader::Nobody => {}
            Reader::Background if self.lonely > LONELY => {}
            Reader::Background => return (false, Change::Nothing),
        }
        let change = if self.reader == Reader::Background { Change::Leave } else { Change::Nothing };
        self.reader = Reader::Caller;
        self.taken += 1;
        (true, change)
    }

    /// Somebody submits who will not read.
    pub fn join(&mut self, idle: bool) -> Change {
        if !idle {
            self.lonely = 0;
        }
        self.attend_if_nobody()
    }

    /// Callers have not read for a while: the background reads if nobody does.
    pub fn attend_if_nobody(&mut self) -> Change {
        if self.reader != Reader::Nobody {
            return Change::Nothing;
        }
        self.reader = Reader::Background;
        Change::Attend
    }

    /// The caller who has the turn gives it back; `idle`: nothing is under way any more.
    pub fn give_back(&mut self, idle: bool) -> Change {
        if self.reader != Reader::Caller {
            // The connection ended meanwhile, and the turn began anew.
            return Change::Nothing;
        }
        if idle {
            self.reader = Reader::Nobody;
            return Change::Nothing;
        }
        self.reader = Reader::Background;
        self.lonely = 0;
        Change::Attend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_by_a_caller() -> Turn {
        let mut turn = Turn::default();
        for _ in 0..LONELY {
            assert_eq!(turn.offer(true), (false, Change::Nothing));
        }
        assert_eq!(turn.offer(true), (true, Change::Leave));
        turn
    }

    #[test]
    fn a_lone_caller_reads_for_itself_after_a_while() {
        let mut turn = taken_by_a_caller();
        assert_eq!(turn.give_back(true), Change::Nothing);
        assert_eq!(turn.offer(true), (true, Change::Nothing), "the background hears of nothing meanwhile");
    }

    #[test]
    fn company_keeps_the_background_reading() {
        let mut turn = Turn::default();
        for _ in 0..100 {
            assert_eq!(turn.offer(true), (false, Change::Nothing));
            assert_eq!(turn.offer(false), (false, Change::Nothing));
        }
    }

    #[test]
    fn who_joins_a_caller_is_read_for_until_the_caller_leaves() {
        let mut turn = taken_by_a_caller();
        assert_eq!(turn.join(false), Change::Nothing);
        assert_eq!(turn.offer(false), (false, Change::Nothing));
        assert!(!turn.is_background());
        assert_eq!(turn.give_back(false), Change::Attend);
        assert!(turn.is_background());
    }

    #[test]
    fn whoever_comes_while_nobody_reads_calls_the_background() {
        let mut turn = taken_by_a_caller();
        assert_eq!(turn.give_back(true), Change::Nothing);
        assert_eq!(turn.join(true), Change::Attend);
        assert!(turn.is_background());
        assert_eq!(turn.join(false), Change::Nothing);
    }
}
