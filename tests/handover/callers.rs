//! Callers who write, read, and wait for one another, as the library makes them.

use std::time::Duration;

use justredis::connection::io_control::{Arrival, Handover, Notice, Task};
use justredis::connection::io_role::Submitter;
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
        let task = self.append(Submitter::Caller, Waiting::Caller(caller));
        let (mut took_it, mut yields) = (matches!(task, Task::Lead { .. }), task == Task::Lead { yields: true });
        let mut leads = match task {
            Task::Lead { .. } => true,
            Task::Follow => self.follow(caller),
            Task::Wake => {
                self.wake_background();
                false
            }
            Task::Nothing => false,
            Task::Take | Task::Begin { .. } => panic!("a caller got {task:?}"),
        };
        loop {
            if leads {
                let mut held = Vec::new();
                let in_order = self.lead(caller, took_it, yields, &mut held);
                self.leave(in_order);
                self.wake_held(held);
                (took_it, yields) = (false, false);
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
        let pending = outgoing.pending();
        let number = self.seats.lock().unwrap()[caller].taken;
        let arrival = outgoing.control.come(|| (caller, number), pending);
        drop(outgoing);
        match arrival {
            Arrival::Lead => self.mutant != Mutant::DoesNotCome,
            Arrival::Background => false,
            Arrival::Wait { writes } => {
                if writes && !self.flush() {
                    self.notify_background();
                }
                false
            }
        }
    }

    /// Writes and reads with the I/O role, which it took or was given. False: nothing came for a while.
    fn lead(&self, caller: usize, took_it: bool, yields: bool, held: &mut Vec<usize>) -> bool {
        let _incoming = self.incoming.lock().unwrap();
        while yields && self.yields() {
            thread::yield_now();
        }
        if (took_it || self.mutant != Mutant::WritesNothing) && !self.flush() {
            return false;
        }
        while !self.seats.lock().unwrap()[caller].is_done() {
            self.wake_held(std::mem::take(held));
            if self.impatient && thread_rng().gen_bool(0.2) {
                return false;
            }
            let replies = self.receive(!self.impatient);
            self.deliver_and_hold(replies.unwrap_or_default(), held);
            if !self.outgoing.lock().unwrap().pending().in_flight {
                break;
            }
            thread::yield_now();
        }
        true
    }

    fn yields(&self) -> bool {
        let mut outgoing = self.outgoing.lock().unwrap();
        let (under_way, pending) = (outgoing.under_way(), outgoing.pending());
        outgoing.control.yields(under_way, pending, Duration::ZERO)
    }

    /// Gives the I/O role to whoever reads next.
    fn leave(&self, in_order: bool) {
        loop {
            let mut outgoing = self.outgoing.lock().unwrap();
            let idle = outgoing.under_way.is_empty() || self.mutant == Mutant::LeavesOthersBehind;
            let effects = match outgoing.control.give_back(idle, in_order) {
                Handover::ToOthers(effects) => effects,
                Handover::ToFollower((caller, number)) => {
                    drop(outgoing);
                    if self.offer(caller, number) {
                        return;
                    }
                    continue;
                }
            };
            self.set_interest(effects);
            drop(outgoing);
            let must_look = match effects.notify {
                Notice::Yes => self.mutant != Mutant::GivesBackSilently,
                Notice::IfBytesWait => self.mutant != Mutant::DoesNotLook && self.socket.lock().unwrap().has_bytes(),
                Notice::No => false,
            };
            if must_look {
                self.notify_background();
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
