//! Callers who write, read, and wait for one another, as the library makes them.

use std::time::Duration;

use justredis::connection::io_role::{Follow, Leaving, RoleChange, Submitter, Successor, UnderWay, Writer};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::model::{Model, Mutant, Waiting};

/// Where a caller waits.
#[derive(Clone, Default)]
pub struct Seat {
    /// Completions that came, and that were taken.
    done: usize,
    taken: usize,
    /// The I/O role was handed on to it.
    leads: bool,
}

impl Seat {
    fn is_done(&self) -> bool {
        self.done > self.taken
    }
}

impl Model {
    /// One call.
    pub fn call(&self, caller: usize) {
        let mut outgoing = self.outgoing.lock().unwrap();
        let (writer, change) = outgoing.submit(Submitter::Caller);
        self.apply(&outgoing.role, change);
        outgoing.under_way.push_back(Waiting::Caller(caller));
        outgoing.unsent += 1;
        let mut took_it = writer == Writer::Caller;
        drop(outgoing);
        let mut leads = match writer {
            Writer::Caller => true,
            Writer::Follower => self.follow(caller),
            _ => {
                self.wake_background();
                false
            }
        };
        loop {
            if leads {
                let mut held = Vec::new();
                let in_order = self.lead(caller, took_it, &mut held);
                self.leave(in_order);
                self.wake_held(held);
                took_it = false;
            }
            if self.take_seat(caller) {
                return;
            }
            leads = true;
        }
    }

    /// Comes to wait while another caller reads. True: it has the I/O role.
    fn follow(&self, caller: usize) -> bool {
        let mut outgoing = self.outgoing.lock().unwrap();
        match outgoing.role.follow() {
            Follow::Lead => return self.mutant != Mutant::DoesNotCome,
            Follow::Background => return false,
            Follow::Wait => {}
        }
        let number = self.seats.lock().unwrap()[caller].taken;
        outgoing.followers.push_back((caller, number));
        let in_flight = outgoing.under_way.len() > outgoing.unsent;
        let writes = in_flight && outgoing.unsent > 0 && !outgoing.writing;
        drop(outgoing);
        if writes {
            self.flush();
        }
        false
    }

    /// Writes and reads with the I/O role, which it took or was given. False: nothing came for a while.
    fn lead(&self, caller: usize, took_it: bool, held: &mut Vec<usize>) -> bool {
        let _incoming = self.incoming.lock().unwrap();
        while took_it && self.yields() {
            thread::yield_now();
        }
        if took_it || self.mutant != Mutant::WritesNothing {
            self.flush();
        }
        while !self.seats.lock().unwrap()[caller].is_done() {
            self.wake_held(std::mem::take(held));
            if self.impatient && thread_rng().gen_bool(0.2) {
                return false;
            }
            let replies = self.receive(!self.impatient);
            self.deliver_and_hold(replies, held);
            if self.outgoing.lock().unwrap().under_way.is_empty() {
                break;
            }
            thread::yield_now();
        }
        true
    }

    fn yields(&self) -> bool {
        let mut outgoing = self.outgoing.lock().unwrap();
        let in_flight = outgoing.under_way.len() > outgoing.unsent;
        let next = outgoing.answered + outgoing.under_way.len() as u64;
        let under_way = UnderWay { oldest: outgoing.answered, next };
        !in_flight && outgoing.role.yields(under_way, Duration::ZERO)
    }

    /// Gives the I/O role to whoever reads next.
    fn leave(&self, in_order: bool) {
        loop {
            let mut outgoing = self.outgoing.lock().unwrap();
            let idle = outgoing.under_way.is_empty() || self.mutant == Mutant::LeavesOthersBehind;
            let followers = outgoing.followers.len();
            let change = match outgoing.role.give_back(Leaving { idle, in_order, followers }) {
                Successor::Others(change) => {
                    outgoing.followers.clear();
                    change
                }
                Successor::Follower => {
                    let (caller, number) = outgoing.followers.pop_front().expect("a caller who came to wait");
                    drop(outgoing);
                    if self.offer(caller, number) {
                        return;
                    }
                    continue;
                }
            };
            self.apply(&outgoing.role, change);
            drop(outgoing);
            let must_look = match change {
                RoleChange::Begin => self.mutant != Mutant::GivesBackSilently,
                RoleChange::Unnoticed => self.mutant != Mutant::DoesNotLook && self.socket.lock().unwrap().has_bytes(),
                RoleChange::Nothing | RoleChange::End => false,
            };
            if must_look {
                self.wake_background();
            }
            return;
        }
    }

    /// False: the caller does not wait for this request any more.
    fn offer(&self, caller: usize, number: usize) -> bool {
        let mut seats = self.seats.lock().unwrap();
        let seat = &mut seats[caller];
        if (seat.taken != number || seat.is_done()) && self.mutant != Mutant::OffersToAnybody {
            return false;
        }
        seat.leads = true;
        self.completed[caller].notify_one();
        true
    }

    /// Waits for the completion, and takes it (true), or for the I/O role.
    fn take_seat(&self, caller: usize) -> bool {
        let mut seats = self.seats.lock().unwrap();
        loop {
            let seat = &mut seats[caller];
            if std::mem::take(&mut seat.leads) {
                return false;
            }
            if seat.is_done() {
                seat.taken += 1;
                return true;
            }
            seats = self.completed[caller].wait(seats).unwrap();
        }
    }

    pub fn complete(&self, caller: usize) {
        self.seats.lock().unwrap()[caller].done += 1;
        self.completed[caller].notify_one();
    }

    /// As [`Model::deliver`] to callers, who are woken later.
    fn deliver_and_hold(&self, replies: usize, held: &mut Vec<usize>) {
        for _ in 0..replies {
            let mut outgoing = self.outgoing.lock().unwrap();
            if let Some(Waiting::Caller(caller)) = outgoing.under_way.front().copied() {
                outgoing.under_way.pop_front();
                outgoing.answered += 1;
                drop(outgoing);
                self.seats.lock().unwrap()[caller].done += 1;
                held.push(caller);
            } else {
                drop(outgoing);
                self.deliver(1);
            }
        }
    }

    fn wake_held(&self, held: Vec<usize>) {
        if self.mutant != Mutant::ForgetsWhoSleeps {
            held.into_iter().for_each(|caller| self.completed[caller].notify_one());
        }
    }

    /// The deadline of whatever this caller waits for passes, if it waits.
    pub fn expire(&self, caller: usize) {
        let mut outgoing = self.outgoing.lock().unwrap();
        let mut waiting = outgoing.under_way.iter_mut();
        if let Some(place) = waiting.find(|waiting| matches!(waiting, Waiting::Caller(other) if *other == caller)) {
            *place = Waiting::Nobody;
            self.complete(caller);
        }
    }
}
