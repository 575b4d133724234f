//! A queue and those who take from it, around the real state machine of the takers.

use justredis::connection::io_control::{Notice, Task};
use justredis::ffi::queue::takers::{Alarm, Step};
use shuttle::sync::MutexGuard;
use shuttle::sync::atomic::Ordering::SeqCst;

use super::model::{Held, Model, Mutant, QUEUE, Waiting};

impl Model {
    /// One request for the queue, as the library takes it.
    pub fn submit(&self) {
        match self.append(QUEUE, Waiting::Queue) {
            Task::Take => self.call_takers(None),
            Task::Begin { number } => self.call_takers(Some(number)),
            Task::Wake => self.wake_background(),
            Task::Nothing => {}
            task @ (Task::Lead { .. } | Task::Follow) => panic!("a queue got {task:?}"),
        }
    }

    /// There is something to write for the takers, perhaps with a new I/O role.
    fn call_takers(&self, driver: Option<u64>) {
        let mut held = self.queue.lock().unwrap();
        if let Some(number) = driver {
            held.drivers.push(number);
            self.socket.lock().unwrap().shown = true;
        }
        let mut alarm = held.takers.submitted();
        if self.mutant == Mutant::NoWordToWhoWaits {
            alarm.descriptor = None;
        }
        self.sound(held, alarm);
    }

    pub fn sound(&self, mut held: MutexGuard<'_, Held>, alarm: Alarm) {
        self.show(&mut held, alarm);
        drop(held);
        if alarm.sleeper {
            self.wake_one();
        }
    }

    pub fn wake_one(&self) {
        *self.woken.lock().unwrap() += 1;
        self.arrived.notify_one();
    }

    pub fn show(&self, held: &mut Held, alarm: Alarm) {
        match alarm.descriptor {
            Some(true) => self.raise(),
            Some(false) if self.lower() => held.takers.may_be_raised(),
            _ => {}
        }
    }

    pub fn raise(&self) {
        self.socket.lock().unwrap().raised = true;
        self.changed.notify_all();
    }

    pub fn lower(&self) -> bool {
        let may_be_raised = self.under_way.load(SeqCst) > 0 && self.mutant != Mutant::ForgetsLateWakes;
        self.socket.lock().unwrap().raised = false;
        if self.due.load(SeqCst) > 0 {
            self.raise();
            return true;
        }
        may_be_raised
    }

    /// Makes one take return, without the lock.
    pub fn wake(&self) {
        self.under_way.fetch_add(1, SeqCst);
        match self.mutant {
            Mutant::CountsNoWakes => self.due.store(1, SeqCst),
            _ => _ = self.due.fetch_add(1, SeqCst),
        }
        self.wakes.fetch_add(1, SeqCst);
        self.wake_one();
        self.raise();
        self.under_way.fetch_sub(1, SeqCst);
    }

    pub fn answer_wake(&self, held: &mut Held) -> bool {
        let answered = self.due.fetch_update(SeqCst, SeqCst, |due| due.checked_sub(1)).is_ok();
        if answered {
            held.takers.may_be_raised();
        }
        answered
    }

    pub fn sleep(&self, woken: usize) {
        let mut now = self.woken.lock().unwrap();
        // (As a futex does: whoever is woken does not look again.)
        if *now == woken {
            now = self.arrived.wait(now).unwrap();
        }
        drop(now);
    }

    /// Waits until the descriptor is readable.
    pub fn poll(&self) {
        let mut socket = self.socket.lock().unwrap();
        while !(socket.raised || socket.shown && socket.has_bytes()) {
            socket = self.changed.wait(socket).unwrap();
        }
    }

    pub fn is_held(&self, number: u64) -> bool {
        self.outgoing.lock().unwrap().control.is_held_by(number)
    }

    /// The takers of this I/O role come and write. False: they have lost it, or the socket is full.
    fn write(&self, number: u64) -> bool {
        let is_held = self.outgoing.lock().unwrap().control.visit(number);
        is_held && self.flush()
    }

    /// Takes at most one completion; how many there were to take.
    pub fn take(&self, may_wait: bool) -> usize {
        let mut held = self.queue.lock().unwrap();
        let mut tried = false;
        loop {
            let woken = *self.woken.lock().unwrap();
            if held.completions > 0 || self.answer_wake(&mut held) || (tried && !may_wait) {
                break;
            }
            tried = true;
            match held.takers.step(!held.drivers.is_empty()) {
                Step::Drive => held = self.drive(held, may_wait),
                Step::Sleep if may_wait => {
                    let late = self.mutant == Mutant::LooksTooLate;
                    let woken = if late { *self.woken.lock().unwrap() } else { woken };
                    held.takers.sleep();
                    drop(held);
                    self.sleep(woken);
                    held = self.queue.lock().unwrap();
                    held.takers.wake_up();
                }
                Step::Sleep => {}
            }
        }
        let count = held.completions.min(1);
        held.completions -= count;
        let (due, drivers) = (held.completions > 0 || self.due.load(SeqCst) > 0, !held.drivers.is_empty());
        let mut alarm = held.takers.leave(due, drivers || self.mutant == Mutant::ForgetsNothing);
        alarm.sleeper &= self.mutant != Mutant::CallsNoSuccessor;
        if count == 0 && !held.driving && !drivers {
            self.show(&mut held, alarm);
            alarm.descriptor = None;
            // Nobody can write or read here any more: whoever polls would be called again and again for nothing.
            // (With wakes, only in the end.)
            let raised = self.socket.lock().unwrap().raised;
            let wakes = self.under_way.load(SeqCst) + self.wakes.load(SeqCst);
            assert!(!raised || wakes > 0, "readable after a take that found nothing");
        }
        self.sound(held, alarm);
        count
    }

    pub fn drive<'a>(&'a self, mut held: MutexGuard<'a, Held>, may_wait: bool) -> MutexGuard<'a, Held> {
        let mut drivers = std::mem::take(&mut held.drivers);
        held.driving = true;
        let alarm = held.takers.begin(may_wait);
        self.show(&mut held, alarm);
        drop(held);
        let mut lost: Vec<u64> = drivers.extract_if(.., |number| !self.write(*number)).collect();
        if !drivers.is_empty() && may_wait {
            self.awaited.store(true, SeqCst);
            self.poll();
            self.awaited.store(false, SeqCst);
            self.queue.lock().unwrap().takers.stop_waiting();
        }
        lost.extend(drivers.extract_if(.., |number| {
            let incoming = self.incoming.lock().unwrap();
            if !self.is_held(*number) {
                return true;
            }
            let replies = self.receive(false);
            self.deliver(replies.unwrap_or_default());
            drop(incoming);
            !self.is_held(*number)
        }));
        for number in lost {
            let mut outgoing = self.outgoing.lock().unwrap();
            let effects = outgoing.control.leave(number);
            self.set_interest(effects);
            drop(outgoing);
            if effects.notify == Notice::Yes && self.mutant != Mutant::LeavesTheSocketSilently {
                self.notify_background();
            }
        }
        let mut held = self.queue.lock().unwrap();
        held.takers.end();
        held.driving = false;
        drivers.append(&mut held.drivers);
        held.drivers = drivers;
        self.socket.lock().unwrap().shown = !held.drivers.is_empty();
        held
    }

    /// Takes so many completions, one at a time.
    pub fn take_many(&self, mut count: usize, polls: bool) {
        if polls {
            self.watch();
        }
        while count > 0 {
            if polls {
                self.poll();
            }
            count -= self.take(!polls);
        }
    }

    /// Waits until so many completions can be taken, and takes none.
    pub fn wait_for_completions(&self, count: usize) {
        let mut held = self.queue.lock().unwrap();
        while held.completions < count {
            held = self.put.wait(held).unwrap();
        }
    }

    /// Takes whenever the descriptor is readable, until so many wakes were answered; then it comes to rest.
    pub fn take_until_woken(&self, wakes: usize) {
        self.watch();
        while self.wakes.load(SeqCst) < wakes || self.due.load(SeqCst) > 0 {
            self.poll();
            self.take(false);
        }
    }

    /// Asks for the descriptor.
    pub fn watch(&self) {
        let mut held = self.queue.lock().unwrap();
        let due = held.completions > 0 || self.due.load(SeqCst) > 0;
        let alarm = held.takers.watch(due);
        self.sound(held, alarm);
    }
}
