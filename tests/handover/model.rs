//! A connection, whoever reads it, the background and the server, around the real state machine of who writes and
//! reads. The model does what the library does with its answers, and remembers nothing of its own for it.

use std::collections::VecDeque;

use justredis::connection::interest::EventInterest;
use justredis::connection::io_control::{Effects, Handover, IoControl, Notice, Pending, Task};
use justredis::connection::io_role::{QueueId, Submitter, UnderWay, Writer};
use justredis::ffi::queue::takers::Takers;
use shuttle::sync::atomic::Ordering::SeqCst;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use super::callers::Seat;

pub const QUEUE: Submitter = Submitter::Queue(QueueId(1));

/// What goes wrong on purpose, to see that the check can fail.
#[derive(Clone, Copy, PartialEq)]
pub enum Mutant {
    None,
    /// A caller who gives the I/O role back tells nobody of what is there already.
    GivesBackSilently,
    /// A caller gives the I/O role back without looking whether others wait.
    LeavesOthersBehind,
    /// A caller is given the I/O role although it has its reply.
    OffersToAnybody,
    /// A caller for whom the I/O role was left does not take it.
    DoesNotCome,
    /// A caller who was given the I/O role does not write what the one before left.
    WritesNothing,
    /// A caller who woke nobody while it read forgets to do so when it leaves.
    ForgetsWhoSleeps,
    /// A taker who waits for the descriptor is not told that there is something to write.
    NoWordToWhoWaits,
    /// A taker who leaves does not call the next one.
    CallsNoSuccessor,
    /// A caller gives the I/O role back without looking whether a message is there already.
    DoesNotLook,
    /// The background does not ask to hear of room in the socket.
    AsksForNoRoom,
    /// The background does not look whether the takers of a queue still come.
    DoesNotLookForTakers,
    /// A taker whose turn was recalled while it read does not say that it has stopped.
    LeavesTheSocketSilently,
    /// A taker who leaves does not forget what was to be written when no taker can write any more.
    ForgetsNothing,
    /// Wakes in a row count as one.
    CountsNoWakes,
    /// Whoever lowers the descriptor does not mind that a wake may raise it yet.
    ForgetsLateWakes,
    /// A taker looks whether others were woken after it has looked for something to do.
    LooksTooLate,
}

/// Who waits for a reply.
#[derive(Clone, Copy)]
pub enum Waiting {
    Caller(usize),
    /// A caller did, whose deadline has passed.
    Nobody,
    Queue,
}

/// A caller who waits while another one reads, and for which of its requests.
pub type Follower = (usize, usize);

/// What is locked together: requests under way, in order, how many of them are not written, and who writes and reads.
pub struct Outgoing {
    pub under_way: VecDeque<Waiting>,
    pub unsent: usize,
    pub answered: u64,
    pub control: IoControl<Follower>,
}

impl Outgoing {
    pub fn under_way(&self) -> UnderWay {
        UnderWay { oldest: self.answered, next: self.answered + self.under_way.len() as u64 }
    }

    pub fn pending(&self) -> Pending {
        Pending { in_flight: self.under_way.len() > self.unsent, unsent: self.unsent > 0 }
    }
}

pub struct Socket {
    /// Requests on their way to the server, and how many there is room for.
    pub sent: usize,
    pub room: usize,
    /// Replies that nobody has read.
    pub replies: usize,
    /// Messages that nobody asked for: some that nobody has read, and how many were read.
    pub messages: usize,
    pub heard: usize,
    /// What the kernel tells the background of, how often it did, and up to which time the background has seen to it.
    pub interest: EventInterest,
    pub events: usize,
    pub seen: usize,
    /// The background was notified.
    pub notified: bool,
    /// The descriptor of the queue shows the socket.
    pub shown: bool,
    /// The descriptor of the queue is readable by itself.
    pub raised: bool,
    pub ended: bool,
}

impl Socket {
    pub fn has_bytes(&self) -> bool {
        self.replies + self.messages > 0
    }

    /// Something has come.
    fn arrived(&mut self) {
        self.events += usize::from(matches!(self.interest, EventInterest::Reading | EventInterest::ReadingAndWriting));
    }

    /// There is room.
    fn drained(&mut self) {
        self.events += usize::from(self.interest == EventInterest::ReadingAndWriting);
    }
}

/// What the lock of the queue holds.
#[derive(Default)]
pub struct Held {
    pub completions: usize,
    pub drivers: Vec<u64>,
    pub takers: Takers,
    /// A taker drives; the drivers are with him.
    pub driving: bool,
}

pub struct Model {
    pub mutant: Mutant,
    /// A caller who reads leaves when nothing comes for a while.
    pub impatient: bool,
    /// The server answers when it has so many requests.
    pub batch: usize,
    /// Time passes, again and again, while the background watches over those who read.
    pub has_time: bool,
    pub outgoing: Mutex<Outgoing>,
    pub incoming: Mutex<()>,
    pub writer: Mutex<()>,
    pub socket: Mutex<Socket>,
    pub changed: Condvar,
    /// The background sleeps, or is about to.
    pub asleep: AtomicBool,
    pub seats: Mutex<Vec<Seat>>,
    pub completed: Vec<Condvar>,
    pub queue: Mutex<Held>,
    /// A completion was put into the queue.
    pub put: Condvar,
    /// Somebody who takes from the queue waits for bytes.
    pub awaited: AtomicBool,
    /// How often takers were woken, as a futex.
    pub woken: Mutex<usize>,
    pub arrived: Condvar,
    /// Wakes that no take has answered, those that may not have raised the descriptor yet, and those that began.
    pub due: AtomicUsize,
    pub under_way: AtomicUsize,
    pub wakes: AtomicUsize,
}

/// Who writes and reads on a connection, and what the kernel tells the background of.
pub struct Start {
    control: IoControl<Follower>,
    interest: EventInterest,
}

impl Start {
    /// Somebody submits while nothing is under way.
    fn submit(&mut self, by: Submitter) -> Writer {
        let (writer, effects) = self.control.submit(by, UnderWay { oldest: 0, next: 0 });
        self.interest = effects.interest.unwrap_or(self.interest);
        writer
    }
}

/// Callers have taken the I/O role and given it back: the background is told of bytes only if messages may come.
pub fn role_of_callers(hears: bool) -> Start {
    let mut control = IoControl::default();
    let interest = control.connect(hears).interest.unwrap();
    let mut start = Start { control, interest };
    while start.submit(Submitter::Caller) != Writer::Caller {}
    let Handover::ToOthers(effects) = start.control.give_back(true, true) else { panic!("there are no others") };
    start.interest = effects.interest.unwrap_or(start.interest);
    let is_told = start.interest == EventInterest::Reading;
    assert_eq!(is_told, hears);
    // The background has looked already.
    _ = start.control.observe();
    start
}

/// The next request for the queue hands the I/O role to its takers.
pub fn role_near_a_queue() -> Start {
    let mut start = role_of_callers(false);
    for _ in 0..5 {
        assert_eq!(start.submit(QUEUE), Writer::Others);
    }
    _ = start.control.observe();
    start
}

impl Model {
    pub fn new(mutant: Mutant, start: Start, callers: usize) -> Model {
        Model {
            mutant,
            impatient: false,
            batch: 1,
            has_time: false,
            outgoing: Mutex::new(Outgoing {
                under_way: VecDeque::new(),
                unsent: 0,
                answered: 0,
                control: start.control,
            }),
            incoming: Mutex::new(()),
            writer: Mutex::new(()),
            socket: Mutex::new(Socket {
                sent: 0,
                room: usize::MAX,
                replies: 0,
                messages: 0,
                heard: 0,
                interest: start.interest,
                events: 0,
                seen: 0,
                notified: false,
                shown: false,
                raised: false,
                ended: false,
            }),
            changed: Condvar::new(),
            asleep: AtomicBool::new(false),
            seats: Mutex::new(vec![Seat::default(); callers]),
            completed: (0..callers).map(|_| Condvar::new()).collect(),
            queue: Mutex::default(),
            put: Condvar::new(),
            awaited: AtomicBool::new(false),
            woken: Mutex::new(0),
            arrived: Condvar::new(),
            due: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
        }
    }

    /// Appends a request; what whoever submitted it has to do.
    pub fn append(&self, by: Submitter, waiting: Waiting) -> Task {
        let mut outgoing = self.outgoing.lock().unwrap();
        let nothing_waited = !outgoing.pending().unsent;
        let under_way = outgoing.under_way();
        let (writer, effects) = outgoing.control.submit(by, under_way);
        self.set_interest(effects);
        outgoing.under_way.push_back(waiting);
        outgoing.unsent += 1;
        let task = outgoing.control.task(writer, nothing_waited, self.asleep.load(SeqCst));
        drop(outgoing);
        if effects.notify == Notice::Yes {
            self.notify_background();
        }
        task
    }

    /// Wakes the background if it sleeps.
    pub fn wake_background(&self) {
        if self.asleep.swap(false, SeqCst) {
            self.notify_background();
        }
    }

    /// Under the lock of the outgoing. (Of what is there already, the kernel does not tell.)
    pub fn set_interest(&self, effects: Effects) {
        if let Some(interest) = effects.interest {
            self.socket.lock().unwrap().interest = interest;
        }
    }

    pub fn notify_background(&self) {
        self.socket.lock().unwrap().notified = true;
        self.changed.notify_all();
    }

    /// False: the socket is full.
    pub fn flush(&self) -> bool {
        let _writer = self.writer.lock().unwrap();
        loop {
            let mut outgoing = self.outgoing.lock().unwrap();
            let parts = std::mem::take(&mut outgoing.unsent);
            outgoing.control.write_begins(parts > 0);
            drop(outgoing);
            if parts == 0 {
                return true;
            }
            let mut socket = self.socket.lock().unwrap();
            let taken = parts.min(socket.room - socket.sent);
            socket.sent += taken;
            drop(socket);
            self.changed.notify_all();
            let mut outgoing = self.outgoing.lock().unwrap();
            outgoing.unsent += parts - taken;
            let is_unsent = outgoing.unsent > 0;
            outgoing.control.write_ends(taken > 0, is_unsent);
            if taken == 0 || !is_unsent {
                return taken > 0;
            }
        }
    }

    /// Reads what is there, or first waits for it; gives the number of replies. `None`: nothing is there.
    pub fn receive(&self, wait: bool) -> Option<usize> {
        let mut socket = self.socket.lock().unwrap();
        while wait && !socket.has_bytes() {
            socket = self.changed.wait(socket).unwrap();
        }
        if !socket.has_bytes() {
            return None;
        }
        socket.heard += std::mem::take(&mut socket.messages);
        self.changed.notify_all();
        Some(std::mem::take(&mut socket.replies))
    }

    pub fn deliver(&self, replies: usize) {
        for _ in 0..replies {
            let mut outgoing = self.outgoing.lock().unwrap();
            let waiting = outgoing.under_way.pop_front().expect("a reply that nobody asked for");
            outgoing.answered += 1;
            drop(outgoing);
            match waiting {
                Waiting::Caller(caller) => self.complete(caller),
                Waiting::Nobody => {}
                Waiting::Queue => {
                    let mut held = self.queue.lock().unwrap();
                    held.completions += 1;
                    self.put.notify_all();
                    let alarm = held.takers.arrived();
                    self.sound(held, alarm);
                }
            }
        }
    }

    /// The background: the steps of its driver while a connection lives.
    pub fn background(&self) {
        loop {
            let observed = self.outgoing.lock().unwrap().control.observe();
            if observed.came_back {
                self.read_in_background();
            }
            let may_write = self.background_writes().0;
            let is_full = may_write && !self.flush();
            if self.set_blocked(is_full) {
                continue;
            }
            self.asleep.store(true, SeqCst);
            if !is_full && self.background_writes() == (true, true) {
                self.asleep.store(false, SeqCst);
                continue;
            }
            let mut socket = self.socket.lock().unwrap();
            let has_time = self.has_time && self.mutant != Mutant::DoesNotLookForTakers;
            let is_watching = has_time && observed.others_read;
            while socket.events == socket.seen && !socket.notified && !socket.ended && !is_watching {
                socket = self.changed.wait(socket).unwrap();
            }
            if socket.ended {
                return;
            }
            let events = socket.events;
            let is_ready = events > socket.seen;
            socket.notified &= is_ready;
            drop(socket);
            if is_ready {
                if !self.read_in_background() {
                    self.socket.lock().unwrap().seen = events;
                }
            } else if is_watching {
                self.look_in_background();
                thread::yield_now();
            }
            self.asleep.store(false, SeqCst);
        }
    }

    /// Whether the background writes, and whether there is something to write.
    fn background_writes(&self) -> (bool, bool) {
        let outgoing = self.outgoing.lock().unwrap();
        (outgoing.control.background_writes(outgoing.pending()), outgoing.pending().unsent)
    }

    /// True: the background is to hear of room from now on, and tries again.
    fn set_blocked(&self, blocked: bool) -> bool {
        let mut outgoing = self.outgoing.lock().unwrap();
        let effects = outgoing.control.set_blocked(blocked);
        if self.mutant != Mutant::AsksForNoRoom {
            self.set_interest(effects);
        }
        blocked && effects.interest.is_some()
    }

    /// False: there was nothing to read, or it is not for the background to read.
    fn read_in_background(&self) -> bool {
        let Ok(_incoming) = self.incoming.try_lock() else { return false };
        if !self.outgoing.lock().unwrap().control.background_reads() {
            return false;
        }
        let replies = self.receive(false);
        self.deliver(replies.unwrap_or_default());
        replies.is_some()
    }

    /// The background looks whether those still read who have the I/O role.
    fn look_in_background(&self) {
        let is_awaited = self.awaited.load(SeqCst);
        let mut outgoing = self.outgoing.lock().unwrap();
        let pending = outgoing.pending();
        let look = outgoing.control.look(pending, is_awaited);
        self.carry_out(&outgoing, look.effects);
        drop(outgoing);
        if look.is_nobody_there && self.socket.lock().unwrap().has_bytes() {
            let mut outgoing = self.outgoing.lock().unwrap();
            let effects = outgoing.control.reclaim_from_absent();
            self.carry_out(&outgoing, effects);
        }
    }

    /// Under the lock of the outgoing, for the background, which may be notified under it.
    fn carry_out(&self, _: &Outgoing, effects: Effects) {
        self.set_interest(effects);
        if effects.notify == Notice::Yes {
            self.notify_background();
        }
    }

    pub fn server(&self) {
        let mut requests = 0;
        loop {
            let mut socket = self.socket.lock().unwrap();
            while socket.sent == 0 && !socket.ended {
                socket = self.changed.wait(socket).unwrap();
            }
            if socket.ended {
                return;
            }
            socket.sent -= 1;
            socket.drained();
            requests += 1;
            if requests >= self.batch {
                socket.replies += std::mem::take(&mut requests);
                socket.arrived();
            }
            drop(socket);
            self.changed.notify_all();
        }
    }
}

impl Model {
    /// The server says something that nobody asked for, and somebody reads it, whatever else happens.
    pub fn hear(&self) {
        let mut socket = self.socket.lock().unwrap();
        socket.messages += 1;
        socket.arrived();
        self.changed.notify_all();
        while socket.heard == 0 {
            socket = self.changed.wait(socket).unwrap();
        }
    }
}
