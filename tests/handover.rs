//! The turn to read, model-checked: callers who take it and give it back, callers who join, and the background, in
//! random interleavings. The state machine is the real one; socket, server and reactor are models of what they promise:
//!
//! * the server answers in order, and bytes stay in the socket until somebody reads them;
//! * the background is woken when bytes come while it attends, and when it starts to attend while bytes are there.
//!
//! Whatever is lost (a reply that nobody reads, a wake-up) leaves somebody waiting for ever, which is found as a deadlock.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

use std::collections::VecDeque;

use justredis::connection::turn::{Change, Turn};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

/// Calls of each caller: enough to take the turn, lose it to company, and take it again when left alone.
const MANY: usize = 7;
/// So few that no later call can mend what an earlier one spoilt.
const ONE: usize = 1;

const ITERATIONS: usize = 1500;

/// What goes wrong on purpose, to see that the check can fail.
#[derive(Clone, Copy, PartialEq)]
enum Mutant {
    None,
    /// Who starts to attend is not told of bytes that are there already.
    NoWordOfWhatIsThere,
    /// A caller gives the turn back without looking whether others wait.
    LeavesOthersBehind,
}

/// What is locked together: requests under way, in order, and the turn.
struct Outgoing {
    under_way: VecDeque<usize>,
    turn: Turn,
}

#[derive(Default)]
struct Socket {
    /// Requests on their way to the server.
    sent: usize,
    /// Replies that nobody has read.
    replies: usize,
    attended: bool,
    background_woken: bool,
    ended: bool,
}

struct Link {
    mutant: Mutant,
    outgoing: Mutex<Outgoing>,
    incoming: Mutex<()>,
    socket: Mutex<Socket>,
    changed: Condvar,
    done: Mutex<Vec<usize>>,
    completed: Condvar,
}

/// A turn that callers have taken and given back: the background is not told of bytes.
fn turn_of_callers() -> Turn {
    let mut turn = Turn::default();
    while turn.offer(true) != (true, Change::Leave) {}
    assert_eq!(turn.give_back(true), Change::Nothing);
    turn
}

impl Link {
    fn new(mutant: Mutant, callers: usize) -> Link {
        Link {
            mutant,
            outgoing: Mutex::new(Outgoing { under_way: VecDeque::new(), turn: turn_of_callers() }),
            incoming: Mutex::new(()),
            socket: Mutex::new(Socket::default()),
            changed: Condvar::new(),
            done: Mutex::new(vec![0; callers]),
            completed: Condvar::new(),
        }
    }

    /// Under the lock of the outgoing.
    fn apply(&self, change: Change) {
        let mut socket = self.socket.lock().unwrap();
        match change {
            Change::Nothing => return,
            Change::Leave => socket.attended = false,
            Change::Attend => {
                socket.attended = true;
                socket.background_woken |= socket.replies > 0 && self.mutant != Mutant::NoWordOfWhatIsThere;
            }
        }
        drop(socket);
        self.changed.notify_all();
    }

    fn send(&self) {
        self.socket.lock().unwrap().sent += 1;
        self.changed.notify_all();
    }

    /// Reads what is there, or first waits for it; gives the number of replies.
    fn receive(&self, wait: bool) -> usize {
        let mut socket = self.socket.lock().unwrap();
        while wait && socket.replies == 0 {
            socket = self.changed.wait(socket).unwrap();
        }
        std::mem::take(&mut socket.replies)
    }

    fn deliver(&self, replies: usize) {
        for _ in 0..replies {
            let caller = self.outgoing.lock().unwrap().under_way.pop_front().expect("a reply that nobody asked for");
            self.done.lock().unwrap()[caller] += 1;
            self.completed.notify_all();
        }
    }

    fn is_done(&self, caller: usize, calls: usize) -> bool {
        self.done.lock().unwrap()[caller] >= calls
    }

    /// One call, as the library makes it.
    fn call(&self, caller: usize, number: usize) {
        let mut outgoing = self.outgoing.lock().unwrap();
        let idle = outgoing.under_way.is_empty();
        let (leads, change) = outgoing.turn.offer(idle);
        self.apply(change);
        outgoing.under_way.push_back(caller);
        self.send();
        drop(outgoing);
        if leads {
            let incoming = self.incoming.lock().unwrap();
            while !self.is_done(caller, number) {
                let replies = self.receive(true);
                self.deliver(replies);
            }
            drop(incoming);
            let mut outgoing = self.outgoing.lock().unwrap();
            let idle = outgoing.under_way.is_empty() || self.mutant == Mutant::LeavesOthersBehind;
            let change = outgoing.turn.give_back(idle);
            self.apply(change);
        }
        let mut done = self.done.lock().unwrap();
        while done[caller] < number {
            done = self.completed.wait(done).unwrap();
        }
    }

    /// The background: reads when it is woken and it is its turn.
    fn background(&self) {
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
            let Ok(incoming) = self.incoming.try_lock() else { continue };
            if self.outgoing.lock().unwrap().turn.is_background() {
                let replies = self.receive(false);
                self.deliver(replies);
            }
            drop(incoming);
        }
    }

    fn server(&self) {
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
            socket.background_woken |= socket.attended;
            drop(socket);
            self.changed.notify_all();
        }
    }
}

fn run(callers: usize, calls: usize, mutant: Mutant) {
    let link = Arc::new(Link::new(mutant, callers));
    let helpers = [Link::background, Link::server].map(|work| {
        let link = link.clone();
        thread::spawn(move || work(&link))
    });
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let link = link.clone();
            thread::spawn(move || (1..=calls).for_each(|number| link.call(caller, number)))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    link.socket.lock().unwrap().ended = true;
    link.changed.notify_all();
    helpers.into_iter().for_each(|helper| helper.join().unwrap());
}

#[test]
fn every_reply_is_read_with_two_callers() {
    shuttle::check_random(|| run(2, MANY, Mutant::None), ITERATIONS);
}

#[test]
fn every_reply_is_read_with_three_callers() {
    shuttle::check_pct(|| run(3, MANY, Mutant::None), ITERATIONS, 3);
}

#[test]
fn the_last_reply_is_read_too() {
    shuttle::check_random(|| run(2, ONE, Mutant::None), ITERATIONS);
    shuttle::check_random(|| run(3, ONE, Mutant::None), ITERATIONS);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_word_of_what_is_there_is_found() {
    shuttle::check_random(|| run(2, ONE, Mutant::NoWordOfWhatIsThere), ITERATIONS);
}

#[test]
#[should_panic(expected = "deadlock")]
fn others_left_behind_are_found() {
    shuttle::check_random(|| run(3, ONE, Mutant::LeavesOthersBehind), ITERATIONS);
}
