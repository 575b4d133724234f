//! Who has the I/O role: who may write to a connection and to read from it: a state machine without threads; its owner
//! asks it under the lock of the outgoing bytes.
//!
//! Invariant: while a reply is owed, somebody reads: the background, the one caller who took the I/O role and has not
//! given it back, or the takers of one queue, as long as all that is under way is that queue's. Whoever changes the
//! reader also changes what the background is told of, under the same lock.

/// Hysteresis: so many calls in a row that found nothing under way before callers do their own I/O, and so many
/// requests in a row for one queue before its takers do. Lower values make the role flap.
const TAKEOVER_AFTER: u32 = 4;

/// However often the takers of a queue stayed away, after so many requests they get another chance.
const MAX_THRESHOLD: u32 = 1 << 16;

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
pub enum RoleChange {
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
pub enum Writer {
    /// The background, or the caller who reads just now.
    Others,
    /// The caller who submitted: it has the I/O role now, and must give it back with [`IoRole::give_back`].
    Caller,
    /// The takers of the queue.
    Queue {
        /// They have the I/O role from now on, until it is recalled; before, they had not.
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

/// The role.
#[derive(Debug)]
pub struct IoRole {
    reader: Reader,
    /// Calls in a row that found nothing under way.
    solo_calls: u32,
    /// The queue that the last request was for, and since which sequence number all are.
    run: Option<(QueueId, u64)>,
    /// Requests in a row for that queue.
    length: u32,
    /// So long a run must be.
    takeover_threshold: u32,
    /// How often somebody other than the background took the role; tells whether they still do.
    taken: u64,
    /// Messages may come that nobody asked for.
    receives_pushes: bool,
}

impl IoRole {
    /// The background reads. `hears`: messages may come that nobody asked for, also while nothing is owed.
    pub fn new(receives_pushes: bool) -> IoRole {
        IoRole {
            reader: Reader::Background,
            solo_calls: 0,
            run: None,
            length: 0,
            takeover_threshold: TAKEOVER_AFTER,
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

    /// Whether the takers of a queue still have the I/O role of this number.
    pub fn is_held_by(&self, number: u64) -> bool {
        self.is_of_a_queue() && self.taken == number
    }

    /// How often somebody other than the background took the role; the number of a driver that began just now.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Somebody submits while so much is under way.
    pub fn submit(&mut self, by: Submitter, under_way: UnderWay) -> (Writer, RoleChange) {
        self.count(by, under_way);
        match (self.reader, by) {
            (Reader::Caller, _) => (Writer::Others, RoleChange::Nothing),
            (Reader::Queue(reader), Submitter::Queue(queue)) if reader == queue => {
                (Writer::Queue { new: false }, RoleChange::Nothing)
            }
            (Reader::Background | Reader::Nobody, Submitter::Queue(queue)) if self.is_alone(queue, under_way) => {
                (Writer::Queue { new: true }, self.hand_to(Reader::Queue(queue)))
            }
            (Reader::Nobody, Submitter::Caller) => (Writer::Caller, self.hand_to(Reader::Caller)),
            (Reader::Background, Submitter::Caller) if self.solo_calls > TAKEOVER_AFTER => {
                (Writer::Caller, self.hand_to(Reader::Caller))
            }
            (Reader::Background | Reader::Nobody | Reader::Queue(_), _) => (Writer::Others, self.hand_back()),
        }
    }

    fn count(&mut self, by: Submitter, under_way: UnderWay) {
        match by {
            Submitter::Caller if under_way.is_nothing() => self.solo_calls = self.solo_calls.saturating_add(1),
            Submitter::Other if under_way.is_nothing() => {}
            _ => self.solo_calls = 0,
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
        self.length > self.takeover_threshold
            && self.run.is_some_and(|(of, since)| of == queue && under_way.oldest >= since)
    }

    fn hand_to(&mut self, reader: Reader) -> RoleChange {
        let before = std::mem::replace(&mut self.reader, reader);
        self.taken += 1;
        match before {
            Reader::Background => RoleChange::Leave,
            Reader::Nobody if self.receives_pushes => RoleChange::Unnoticed,
            _ => RoleChange::Nothing,
        }
    }

    fn hand_back(&mut self) -> RoleChange {
        match std::mem::replace(&mut self.reader, Reader::Background) {
            Reader::Background => return RoleChange::Nothing,
            Reader::Queue(_) => self.length = 0,
            Reader::Nobody | Reader::Caller => {}
        }
        RoleChange::Attend
    }

    /// The background reads, unless a caller does.
    pub fn reclaim(&mut self) -> RoleChange {
        if self.reader == Reader::Caller { RoleChange::Nothing } else { self.hand_back() }
    }

    /// As [`IoRole::reclaim`], because the takers of the queue stay away: it will be longer until they get the next
    /// chance.
    pub fn reclaim_from_absent(&mut self) -> RoleChange {
        if self.is_of_a_queue() {
            self.takeover_threshold = (self.takeover_threshold * 2).min(MAX_THRESHOLD);
        }
        self.reclaim()
    }

    /// The takers of the queue come and take.
    pub fn reset_backoff(&mut self) {
        self.takeover_threshold = TAKEOVER_AFTER;
    }

    /// The caller who has the I/O role gives it back; `idle`: nothing is under way any more.
    pub fn give_back(&mut self, idle: bool) -> RoleChange {
        if self.reader != Reader::Caller {
            // The connection ended meanwhile, and the I/O role began anew.
            return RoleChange::Nothing;
        }
        if idle {
            self.reader = Reader::Nobody;
            return if self.receives_pushes { RoleChange::Unnoticed } else { RoleChange::Nothing };
        }
        self.solo_calls = 0;
        self.hand_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: UnderWay = UnderWay { oldest: 1, next: 1 };
    const BUSY: UnderWay = UnderWay { oldest: 1, next: 2 };
    const QUEUE: Submitter = Submitter::Queue(QueueId(7));
    const OTHERS: (Writer, RoleChange) = (Writer::Others, RoleChange::Nothing);

    fn taken_by_a_caller() -> IoRole {
        let mut role = IoRole::new(false);
        for _ in 0..TAKEOVER_AFTER {
            assert_eq!(role.submit(Submitter::Caller, IDLE), OTHERS);
        }
        assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::Leave));
        role
    }

    fn taken_by_a_queue() -> IoRole {
        let mut role = IoRole::new(false);
        for _ in 0..=TAKEOVER_AFTER {
            assert_eq!(role.submit(QUEUE, IDLE), OTHERS);
        }
        assert_eq!(role.submit(QUEUE, BUSY), (Writer::Queue { new: true }, RoleChange::Leave));
        role
    }

    #[test]
    fn a_lone_caller_reads_for_itself_after_a_while() {
        let mut role = taken_by_a_caller();
        assert_eq!(role.give_back(true), RoleChange::Nothing);
        let again = role.submit(Submitter::Caller, IDLE);
        assert_eq!(again, (Writer::Caller, RoleChange::Nothing), "the background hears of nothing meanwhile");
    }

    #[test]
    fn where_messages_may_come_the_background_reads_between_calls() {
        let mut role = IoRole::new(true);
        for _ in 0..TAKEOVER_AFTER {
            assert_eq!(role.submit(Submitter::Caller, IDLE), OTHERS);
        }
        assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::Leave));
        for _ in 0..3 {
            assert!(!role.is_background());
            assert_eq!(role.give_back(true), RoleChange::Unnoticed);
            assert!(role.is_background());
            assert_eq!(role.submit(Submitter::Caller, IDLE), (Writer::Caller, RoleChange::Unnoticed));
        }
        assert_eq!(role.give_back(false), RoleChange::Attend);
    }

    #[test]
    fn company_keeps_the_background_reading() {
        let mut role = IoRole::new(false);
        for _ in 0..100 {
            assert_eq!(role.submit(Submitter::Caller, IDLE), OTHERS);
            assert_eq!(role.submit(Submitter::Caller, BUSY), OTHERS);
        }
    }

    #[test]
    fn who_joins_a_caller_is_read_for_until_the_caller_leaves() {
        let mut role = taken_by_a_caller();
        for joiner in [Submitter::Other, Submitter::Caller, QUEUE] {
            assert_eq!(role.submit(joiner, BUSY), OTHERS);
        }
        assert!(!role.is_background());
        assert_eq!(role.give_back(false), RoleChange::Attend);
        assert!(role.is_background());
    }

    #[test]
    fn whoever_comes_while_nobody_reads_calls_the_background() {
        let mut role = taken_by_a_caller();
        assert_eq!(role.give_back(true), RoleChange::Nothing);
        assert_eq!(role.submit(Submitter::Other, IDLE), (Writer::Others, RoleChange::Attend));
        assert!(role.is_background());
        assert_eq!(role.submit(Submitter::Other, BUSY), OTHERS);
    }

    #[test]
    fn a_queue_reads_until_somebody_else_submits() {
        for other in [Submitter::Other, Submitter::Caller, Submitter::Queue(QueueId(8))] {
            let mut role = taken_by_a_queue();
            assert_eq!(role.submit(QUEUE, BUSY), (Writer::Queue { new: false }, RoleChange::Nothing));
            assert_eq!(role.submit(other, BUSY), (Writer::Others, RoleChange::Attend));
            assert!(role.is_background());
        }
    }

    #[test]
    fn a_queue_waits_until_what_is_older_is_answered() {
        let mut role = IoRole::new(false);
        assert_eq!(role.submit(Submitter::Other, IDLE), OTHERS);
        for next in 2..50 {
            assert_eq!(role.submit(QUEUE, UnderWay { oldest: 1, next }), OTHERS, "the oldest is somebody else's");
        }
        let mine = UnderWay { oldest: 2, next: 50 };
        assert_eq!(role.submit(QUEUE, mine), (Writer::Queue { new: true }, RoleChange::Leave));
    }

    #[test]
    fn a_queue_whose_takers_stay_away_gets_fewer_chances() {
        let mut role = taken_by_a_queue();
        assert_eq!(role.reclaim_from_absent(), RoleChange::Attend);
        let requests = |role: &mut IoRole| (1..).find(|_| role.submit(QUEUE, BUSY) != OTHERS);
        assert_eq!(requests(&mut role), Some(2 * TAKEOVER_AFTER + 1));
        assert_eq!(role.reclaim_from_absent(), RoleChange::Attend);
        assert_eq!(requests(&mut role), Some(4 * TAKEOVER_AFTER + 1));
        role.reset_backoff();
        assert_eq!(role.reclaim(), RoleChange::Attend);
        assert_eq!(requests(&mut role), Some(TAKEOVER_AFTER + 1));
    }
}
