//! Whose turn it is to write to a connection and to read from it: a state machine without threads; its owner asks it
//! under the lock of the outgoing bytes.
//!
//! Invariant: while a reply is owed, somebody reads: the background, the one caller who took the turn and has not given
//! it back, or the takers of one queue, as long as all that is under way is that queue's. Whoever changes the reader also
//! changes what the background is told of, under the same lock.

/// So many calls in a row found nothing under way before callers read for themselves, and so many requests in a row
/// came for one queue before its takers do. Below, a moment's silence among many would hand the turn to and fro, which
/// costs more than it saves.
const LONELY: u32 = 4;

/// However often the takers of a queue stayed away, after so many requests they get another chance.
const RELUCTANCE: u32 = 1 << 16;

/// The name of a queue; no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueId(pub u64);

/// Who submits, which is to say: who would read the answer without help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// Somebody who will not.
    Other,
    /// A caller who waits for it.
    Caller,
    /// A queue from which somebody takes.
    Queue(QueueId),
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The background, which is told of bytes.
    Background,
    /// Nobody: nothing is owed, and the background is told of the end only; where messages may come, of bytes too, and
    /// then it reads.
    Nobody,
    /// A caller, on its own thread.
    Caller,
    /// Whoever takes from this queue.
    Queue(QueueId),
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
    /// What it is woken by changes for the time of a call, or has again; it need not be told.
    Unnoticed,
}

/// Who writes what was submitted just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The background, or the caller who reads just now.
    Others,
    /// The caller who submitted: it has the turn now, and must give it back with [`Turn::give_back`].
    Caller,
    /// The takers of the queue.
    Queue {
        /// They have the turn from now on, until it is recalled; before, they had not.
        new: bool,
    },
}

/// What is under way, as sequence numbers.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay {
    /// The oldest; if there is none, the next.
    pub oldest: u64,
    /// What is submitted next gets this one.
    pub next: u64,
}

impl UnderWay {
    fn is_nothing(self) -> bool {
        self.oldest == self.next
    }
}

/// The turn.
#[derive(Debug)]
pub struct Turn {
    reader: Reader,
    /// Calls in a row that found nothing under way.
    lonely: u32,
    /// The queue that the last request was for, and since which sequence number all are.
    run: Option<(QueueId, u64)>,
    /// Requests in a row for that queue.
    length: u32,
    /// So long a run must be.
    reluctance: u32,
    /// How often somebody other than the background took the turn; tells whether they still do.
    taken: u64,
    /// Messages may come that nobody asked for.
    receives_pushes: bool,
}

impl Turn {
    /// The background reads. `hears`: messages may come that nobody asked for, also while nothing is owed.
    pub fn new(receives_pushes: bool) -> Turn {
        Turn {
            reader: Reader::Background,
            lonely: 0,
            run: None,
            length: 0,
            reluctance: LONELY,
            taken: 0,
            receives_pushes,
        }
    }

    /// Whether the background may read.
    pub fn is_background(&self) -> bool {
        self.reader == Reader::Background || (self.receives_pushes && self.reader == Reader::Nobody)
    }

    /// Whether the takers of a queue read.
    pub fn is_of_a_queue(&self) -> bool {
        matches!(self.reader, Reader::Queue(_))
    }

    /// Whether the takers of a queue still have the turn of this number.
    pub fn is_tenure(&self, number: u64) -> bool {
        self.is_of_a_queue() && self.taken == number
    }

    /// How often somebody other than the background took the turn; the number of a tenure that began just now.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Somebody submits while so much is under way.
    pub fn submit(&mut self, by: Submitter, under_way: UnderWay) -> (Role, Change) {
        self.count(by, under_way);
        match (self.reader, by) {
            (Reader::Caller, _) => (Role::Others, Change::Nothing),
            (Reader::Queue(reader), Submitter::Queue(queue)) if reader == queue => {
                (Role::Queue { new: false }, Change::Nothing)
            }
            (Reader::Background | Reader::Nobody, Submitter::Queue(queue)) if self.is_alone(queue, under_way) => {
                (Role::Queue { new: true }, self.hand_to(Reader::Queue(queue)))
            }
            (Reader::Nobody, Submitter::Caller) => (Role::Caller, self.hand_to(Reader::Caller)),
            (Reader::Background, Submitter::Caller) if self.lonely > LONELY => {
                (Role::Caller, self.hand_to(Reader::Caller))
            }
            (Reader::Background | Reader::Nobody | Reader::Queue(_), _) => (Role::Others, self.hand_back()),
        }
    }

    fn count(&mut self, by: Submitter, under_way: UnderWay) {
        match by {
            Submitter::Caller if under_way.is_nothing() => self.lonely = self.lonely.saturating_add(1),
            Submitter::Other if under_way.is_nothing() => {}
            _ => self.lonely = 0,
        }
        match (by, self.run) {
            (Submitter::Queue(queue), Some((before, _))) if queue == before => {
                self.length = self.length.saturating_add(1);
            }
            (Submitter::Queue(queue), _) => (self.run, self.length) = (Some((queue, under_way.next)), 0),
            _ => self.run = None,
        }
    }

    /// Whether all that is under way is this queue's, and has been for a while.
    fn is_alone(&self, queue: QueueId, under_way: UnderWay) -> bool {
        self.length > self.reluctance && self.run.is_some_and(|(of, since)| of == queue && under_way.oldest >= since)
    }

    fn hand_to(&mut self, reader: Reader) -> Change {
        let before = std::mem::replace(&mut self.reader, reader);
        self.taken += 1;
        match before {
            Reader::Background => Change::Leave,
            Reader::Nobody if self.receives_pushes => Change::Unnoticed,
            _ => Change::Nothing,
        }
    }

    fn hand_back(&mut self) -> Change {
        match std::mem::replace(&mut self.reader, Reader::Background) {
            Reader::Background => return Change::Nothing,
            Reader::Queue(_) => self.length = 0,
            Reader::Nobody | Reader::Caller => {}
        }
        Change::Attend
    }

    /// The background reads, unless a caller does.
    pub fn recall(&mut self) -> Change {
        if self.reader == Reader::Caller { Change::Nothing } else { self.hand_back() }
    }

    /// As [`Turn::recall`], because the takers of the queue stay away: it will be longer until they get the next chance.
    pub fn recall_from_absent(&mut self) -> Change {
        if self.is_of_a_queue() {
            self.reluctance = (self.reluctance * 2).min(RELUCTANCE);
        }
        self.recall()
    }

    /// The takers of the queue come and take.
    pub fn praise(&mut self) {
        self.reluctance = LONELY;
    }

    /// The caller who has the turn gives it back; `idle`: nothing is under way any more.
    pub fn give_back(&mut self, idle: bool) -> Change {
        if self.reader != Reader::Caller {
            // The connection ended meanwhile, and the turn began anew.
            return Change::Nothing;
        }
        if idle {
            self.reader = Reader::Nobody;
            return if self.receives_pushes { Change::Unnoticed } else { Change::Nothing };
        }
        self.lonely = 0;
        self.hand_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: UnderWay = UnderWay { oldest: 1, next: 1 };
    const BUSY: UnderWay = UnderWay { oldest: 1, next: 2 };
    const QUEUE: Submitter = Submitter::Queue(QueueId(7));
    const OTHERS: (Role, Change) = (Role::Others, Change::Nothing);

    fn taken_by_a_caller() -> Turn {
        let mut turn = Turn::new(false);
        for _ in 0..LONELY {
            assert_eq!(turn.submit(Submitter::Caller, IDLE), OTHERS);
        }
        assert_eq!(turn.submit(Submitter::Caller, IDLE), (Role::Caller, Change::Leave));
        turn
    }

    fn taken_by_a_queue() -> Turn {
        let mut turn = Turn::new(false);
        for _ in 0..=LONELY {
            assert_eq!(turn.submit(QUEUE, IDLE), OTHERS);
        }
        assert_eq!(turn.submit(QUEUE, BUSY), (Role::Queue { new: true }, Change::Leave));
        turn
    }

    #[test]
    fn a_lone_caller_reads_for_itself_after_a_while() {
        let mut turn = taken_by_a_caller();
        assert_eq!(turn.give_back(true), Change::Nothing);
        let again = turn.submit(Submitter::Caller, IDLE);
        assert_eq!(again, (Role::Caller, Change::Nothing), "the background hears of nothing meanwhile");
    }

    #[test]
    fn where_messages_may_come_the_background_reads_between_calls() {
        let mut turn = Turn::new(true);
        for _ in 0..LONELY {
            assert_eq!(turn.submit(Submitter::Caller, IDLE), OTHERS);
        }
        assert_eq!(turn.submit(Submitter::Caller, IDLE), (Role::Caller, Change::Leave));
        for _ in 0..3 {
            assert!(!turn.is_background());
            assert_eq!(turn.give_back(true), Change::Unnoticed);
            assert!(turn.is_background());
            assert_eq!(turn.submit(Submitter::Caller, IDLE), (Role::Caller, Change::Unnoticed));
        }
        assert_eq!(turn.give_back(false), Change::Attend);
    }

    #[test]
    fn company_keeps_the_background_reading() {
        let mut turn = Turn::new(false);
        for _ in 0..100 {
            assert_eq!(turn.submit(Submitter::Caller, IDLE), OTHERS);
            assert_eq!(turn.submit(Submitter::Caller, BUSY), OTHERS);
        }
    }

    #[test]
    fn who_joins_a_caller_is_read_for_until_the_caller_leaves() {
        let mut turn = taken_by_a_caller();
        for joiner in [Submitter::Other, Submitter::Caller, QUEUE] {
            assert_eq!(turn.submit(joiner, BUSY), OTHERS);
        }
        assert!(!turn.is_background());
        assert_eq!(turn.give_back(false), Change::Attend);
        assert!(turn.is_background());
    }

    #[test]
    fn whoever_comes_while_nobody_reads_calls_the_background() {
        let mut turn = taken_by_a_caller();
        assert_eq!(turn.give_back(true), Change::Nothing);
        assert_eq!(turn.submit(Submitter::Other, IDLE), (Role::Others, Change::Attend));
        assert!(turn.is_background());
        assert_eq!(turn.submit(Submitter::Other, BUSY), OTHERS);
    }

    #[test]
    fn a_queue_reads_until_somebody_else_submits() {
        for other in [Submitter::Other, Submitter::Caller, Submitter::Queue(QueueId(8))] {
            let mut turn = taken_by_a_queue();
            assert_eq!(turn.submit(QUEUE, BUSY), (Role::Queue { new: false }, Change::Nothing));
            assert_eq!(turn.submit(other, BUSY), (Role::Others, Change::Attend));
            assert!(turn.is_background());
        }
    }

    #[test]
    fn a_queue_waits_until_what_is_older_is_answered() {
        let mut turn = Turn::new(false);
        assert_eq!(turn.submit(Submitter::Other, IDLE), OTHERS);
        for next in 2..50 {
            assert_eq!(turn.submit(QUEUE, UnderWay { oldest: 1, next }), OTHERS, "the oldest is somebody else's");
        }
        let mine = UnderWay { oldest: 2, next: 50 };
        assert_eq!(turn.submit(QUEUE, mine), (Role::Queue { new: true }, Change::Leave));
    }

    #[test]
    fn a_queue_whose_takers_stay_away_gets_fewer_chances() {
        let mut turn = taken_by_a_queue();
        assert_eq!(turn.recall_from_absent(), Change::Attend);
        let requests = |turn: &mut Turn| (1..).find(|_| turn.submit(QUEUE, BUSY) != OTHERS);
        assert_eq!(requests(&mut turn), Some(2 * LONELY + 1));
        assert_eq!(turn.recall_from_absent(), Change::Attend);
        assert_eq!(requests(&mut turn), Some(4 * LONELY + 1));
        turn.praise();
        assert_eq!(turn.recall(), Change::Attend);
        assert_eq!(requests(&mut turn), Some(LONELY + 1));
    }
}
