//! A connection, whoever reads it, the background and the server, around the real state machine of the I/O role.

use std::collections::VecDeque;

use justredis::connection::io_role::{IoRole, Leaving, QueueId, RoleChange, Submitter, Successor, UnderWay, Writer};
use justredis::ffi::queue::takers::Takers;
use shuttle::sync::atomic::AtomicUsize;
use shuttle::sync::{Condvar, Mutex};

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

/// What is locked together: requests under way, in order, how many of them are not written, and the I/O role.
pub struct Outgoing {
    pub under_way: VecDeque<Waiting>,
    pub unsent: usize,
    pub answered: u64,
    pub role: IoRole,
    /// Callers who came to wait while another one reads, and for which of their requests.
    pub followers: VecDeque<(usize, usize)>,
    /// Somebody writes, and will look for more.
    pub writing: bool,
}

impl Outgoing {
    pub fn submit(&mut self, by: Submitter) -> (Writer, RoleChange) {
        let next = self.answered + self.under_way.len() as u64;
        self.role.submit(by, UnderWay { oldest: self.answered, next })
    }
}

#[derive(Default)]
pub struct Socket {
    /// Requests on their way to the server.
    pub sent: usize,
    /// Replies that nobody has read.
    pub replies: usize,
    /// Messages that nobody asked for: some that nobody has read, and how many were read.
    pub messages: usize,
    pub heard: usize,
    pub watched: bool,
    pub background_woken: bool,
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
    pub outgoing: Mutex<Outgoing>,
    pub incoming: Mutex<()>,
    pub writer: Mutex<()>,
    pub socket: Mutex<Socket>,
    pub changed: Condvar,
    pub seats: Mutex<Vec<Seat>>,
    pub completed: Vec<Condvar>,
    pub queue: Mutex<Held>,
    /// How often takers were woken, as a futex.
    pub woken: Mutex<usize>,
    pub arrived: Condvar,
    /// Wakes that no take has answered, those that may not have raised the descriptor yet, and those that began.
    pub due: AtomicUsize,
    pub under_way: AtomicUsize,
    pub wakes: AtomicUsize,
}

/// An I/O role that callers have taken and given back: the background is told of bytes only if messages may come.
pub fn role_of_callers(hears: bool) -> IoRole {
    let mut turn = IoRole::new(hears);
    let idle = UnderWay { oldest: 0, next: 0 };
    while turn.submit(Submitter::Caller, idle) != (Writer::Caller, RoleChange::End) {}
    let change = if hears { RoleChange::Unnoticed } else { RoleChange::Nothing };
    let leaving = Leaving { idle: true, in_order: true, followers: 0 };
    assert_eq!(turn.give_back(leaving), Successor::Others(change));
    turn
}

/// An I/O role that the next request for the queue hands to its takers.
pub fn role_near_a_queue() -> IoRole {
    let mut turn = role_of_callers(false);
    for _ in 0..5 {
        let idle = UnderWay { oldest: 0, next: 0 };
        assert_eq!(turn.submit(QUEUE, idle).0, Writer::Others);
    }
    turn
}

impl Model {
    pub fn new(mutant: Mutant, role: IoRole, callers: usize) -> Model {
        let socket = Socket { watched: role.is_background(), ..Socket::default() };
        Model {
            mutant,
            impatient: false,
            outgoing: Mutex::new(Outgoing {
                under_way: VecDeque::new(),
                unsent: 0,
                answered: 0,
                role,
                followers: VecDeque::new(),
                writing: false,
            }),
            incoming: Mutex::new(()),
            writer: Mutex::new(()),
            socket: Mutex::new(socket),
            changed: Condvar::new(),
            seats: Mutex::new(vec![Seat::default(); callers]),
            completed: (0..callers).map(|_| Condvar::new()).collect(),
            queue: Mutex::default(),
            woken: Mutex::new(0),
            arrived: Condvar::new(),
            due: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
        }
    }

    /// Under the lock of the outgoing.
    pub fn apply(&self, role: &IoRole, change: RoleChange) {
        if change != RoleChange::Nothing {
            self.socket.lock().unwrap().watched = role.is_background();
        }
    }

    pub fn wake_background(&self) {
        self.socket.lock().unwrap().background_woken = true;
        self.changed.notify_all();
    }

    pub fn flush(&self) {
        let _writer = self.writer.lock().unwrap();
        loop {
            let mut outgoing = self.outgoing.lock().unwrap();
            let parts = std::mem::take(&mut outgoing.unsent);
            outgoing.writing = parts > 0;
            drop(outgoing);
            if parts == 0 {
                return;
            }
            self.socket.lock().unwrap().sent += parts;
            self.changed.notify_all();
            let mut outgoing = self.outgoing.lock().unwrap();
            outgoing.writing = outgoing.unsent > 0;
            if !outgoing.writing {
                return;
            }
        }
    }

    /// Reads what is there, or first waits for it; gives the number of replies.
    pub fn receive(&self, wait: bool) -> usize {
        let mut socket = self.socket.lock().unwrap();
        while wait && !socket.has_bytes() {
            socket = self.changed.wait(socket).unwrap();
        }
        socket.heard += std::mem::take(&mut socket.messages);
        self.changed.notify_all();
        std::mem::take(&mut socket.replies)
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
                    let alarm = held.takers.arrived();
                    self.sound(held, alarm);
                }
            }
        }
    }

    /// The background: writes and reads when it is woken and it is its turn.
    pub fn background(&self) {
        loop {
            let mut socket = self.socket.lock().unwrap();
            while !socket.background_woken && !socket.ended {
                socket = self.changed.wait(socket).unwrap();
            }
            if socket.ended {
                return;
            }
            socket.background_woken = false;
            drop(socket);
            let outgoing = self.outgoing.lock().unwrap();
            let in_flight = outgoing.under_way.len() > outgoing.unsent;
            let writes = outgoing.role.is_background() || (in_flight && !outgoing.role.is_of_a_queue());
            drop(outgoing);
            if writes {
                self.flush();
            }
            let Ok(incoming) = self.incoming.try_lock() else { continue };
            if self.outgoing.lock().unwrap().role.is_background() {
                let replies = self.receive(false);
                self.deliver(replies);
            }
            drop(incoming);
        }
    }

    pub fn server(&self) {
        loop {
            let mut socket = self.socket.lock().unwrap();
            while socket.sent == 0 && !socket.ended {
                socket = self.changed.wait(socket).unwrap();
            }
            if socket.ended {
                return;
            }
            socket.sent -= 1;
            socket.replies += 1;
            socket.background_woken |= socket.watched;
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
        socket.background_woken |= socket.watched;
        self.changed.notify_all();
        while socket.heard == 0 {
            socket = self.changed.wait(socket).unwrap();
        }
    }
}
