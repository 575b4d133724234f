//! Who writes and who reads, model-checked: callers who take the turn and give it back, a queue whose takers keep it
//! until somebody else submits, and the background, in random interleavings. The state machines are the real ones;
//! socket, server, reactor and epoll are models of what they promise:
//!
//! * the server answers in order, and bytes stay in the socket until somebody reads them;
//! * the background is woken when bytes come while it attends; of what is there already when it starts to attend it
//!   hears nothing, and must be told to look;
//! * the descriptor of a queue is readable while it is raised, and while a socket that it shows has bytes.
//!
//! Whatever is lost (a reply that nobody reads, a wake-up) leaves somebody waiting for ever, which is found as a
//! deadlock.
//!
//! The searches are seeded, so that each run of a test does the same: see [`search`].
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

use std::collections::VecDeque;

use justredis::connection::io_role::{IoRole, QueueId, RoleChange, Submitter, UnderWay, Writer};
use justredis::ffi::queue::takers::{Alarm, Step, Takers};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::AtomicUsize;
use shuttle::sync::atomic::Ordering::SeqCst;
use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
use shuttle::{Config, Runner, thread};

/// Calls of each caller: enough to take the turn, lose it to company, and take it again when left alone.
const MANY: usize = 7;
/// So few that no later call can mend what an earlier one spoilt.
const ONE: usize = 1;

/// Interleavings that each scheduler tries. Priority scheduling finds every mutant below within 30 of them, whatever
/// the seed.
const ITERATIONS: usize = 500;
/// The seed of every search, unless the environment variable SHUTTLE_RANDOM_SEED names another.
const SEED: u64 = 1;
/// Priority changes within one interleaving, plus one.
const DEPTH: usize = 3;

const QUEUE: Submitter = Submitter::Queue(QueueId(1));

/// What goes wrong on purpose, to see that the check can fail.
#[derive(Clone, Copy, PartialEq)]
enum Mutant {
    None,
    /// A caller who gives the turn back tells nobody of what is there already.
    GivesBackSilently,
    /// A caller gives the turn back without looking whether others wait.
    LeavesOthersBehind,
    /// A taker who waits for the descriptor is not told that there is something to write.
    NoWordToWhoWaits,
    /// A taker who leaves does not call the next one.
    CallsNoSuccessor,
    /// A caller gives the turn back without looking whether a message is there already.
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
enum Waiting {
    Caller(usize),
    Queue,
}

/// What is locked together: requests under way, in order, how many of them are not written, and the turn.
struct Outgoing {
    under_way: VecDeque<Waiting>,
    unsent: usize,
    answered: u64,
    role: IoRole,
}

impl Outgoing {
    fn submit(&mut self, by: Submitter) -> (Writer, RoleChange) {
        let next = self.answered + self.under_way.len() as u64;
        self.role.submit(by, UnderWay { oldest: self.answered, next })
    }
}

#[derive(Default)]
struct Socket {
    /// Requests on their way to the server.
    sent: usize,
    /// Replies that nobody has read.
    replies: usize,
    /// Messages that nobody asked for: some that nobody has read, and how many were read.
    messages: usize,
    heard: usize,
    attended: bool,
    background_woken: bool,
    /// The descriptor of the queue shows the socket.
    shown: bool,
    /// The descriptor of the queue is readable by itself.
    raised: bool,
    ended: bool,
}

impl Socket {
    fn has_bytes(&self) -> bool {
        self.replies + self.messages > 0
    }
}

/// What the lock of the queue holds.
#[derive(Default)]
struct Held {
    completions: usize,
    drivers: Vec<u64>,
    takers: Takers,
    /// A taker drives; the drivers are with him.
    driving: bool,
}

struct Model {
    mutant: Mutant,
    outgoing: Mutex<Outgoing>,
    incoming: Mutex<()>,
    socket: Mutex<Socket>,
    changed: Condvar,
    done: Mutex<Vec<usize>>,
    completed: Condvar,
    queue: Mutex<Held>,
    /// How often takers were woken, as a futex.
    woken: Mutex<usize>,
    arrived: Condvar,
    /// Wakes that no take has answered, those that may not have raised the descriptor yet, and those that began.
    due: AtomicUsize,
    under_way: AtomicUsize,
    wakes: AtomicUsize,
}

/// A turn that callers have taken and given back: the background is told of bytes only if messages may come.
fn turn_of_callers(hears: bool) -> IoRole {
    let mut turn = IoRole::new(hears);
    let idle = UnderWay { oldest: 0, next: 0 };
    while turn.submit(Submitter::Caller, idle) != (Writer::Caller, RoleChange::Leave) {}
    assert_eq!(turn.give_back(true), if hears { RoleChange::Unnoticed } else { RoleChange::Nothing });
    turn
}

/// A turn that the next request for the queue hands to its takers.
fn turn_near_a_queue() -> IoRole {
    let mut turn = turn_of_callers(false);
    for _ in 0..5 {
        let idle = UnderWay { oldest: 0, next: 0 };
        assert_eq!(turn.submit(QUEUE, idle).0, Writer::Others);
    }
    turn
}

impl Model {
    fn new(mutant: Mutant, role: IoRole, callers: usize) -> Model {
        let socket = Socket { attended: role.is_background(), ..Socket::default() };
        Model {
            mutant,
            outgoing: Mutex::new(Outgoing { under_way: VecDeque::new(), unsent: 0, answered: 0, role }),
            incoming: Mutex::new(()),
            socket: Mutex::new(socket),
            changed: Condvar::new(),
            done: Mutex::new(vec![0; callers]),
            completed: Condvar::new(),
            queue: Mutex::default(),
            woken: Mutex::new(0),
            arrived: Condvar::new(),
            due: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
        }
    }

    /// Under the lock of the outgoing.
    fn apply(&self, role: &IoRole, change: RoleChange) {
        if change != RoleChange::Nothing {
            self.socket.lock().unwrap().attended = role.is_background();
        }
    }

    fn wake_background(&self) {
        self.socket.lock().unwrap().background_woken = true;
        self.changed.notify_all();
    }

    fn flush(&self) {
        let unsent = std::mem::take(&mut self.outgoing.lock().unwrap().unsent);
        self.socket.lock().unwrap().sent += unsent;
        self.changed.notify_all();
    }

    /// Reads what is there, or first waits for it; gives the number of replies.
    fn receive(&self, wait: bool) -> usize {
        let mut socket = self.socket.lock().unwrap();
        while wait && !socket.has_bytes() {
            socket = self.changed.wait(socket).unwrap();
        }
        socket.heard += std::mem::take(&mut socket.messages);
        self.changed.notify_all();
        std::mem::take(&mut socket.replies)
    }

    fn deliver(&self, replies: usize) {
        for _ in 0..replies {
            let mut outgoing = self.outgoing.lock().unwrap();
            let waiting = outgoing.under_way.pop_front().expect("a reply that nobody asked for");
            outgoing.answered += 1;
            drop(outgoing);
            match waiting {
                Waiting::Caller(caller) => {
                    self.done.lock().unwrap()[caller] += 1;
                    self.completed.notify_all();
                }
                Waiting::Queue => {
                    let mut held = self.queue.lock().unwrap();
                    held.completions += 1;
                    let alarm = held.takers.arrived();
                    self.sound(held, alarm);
                }
            }
        }
    }

    /// One call, as the library makes it.
    fn call(&self, caller: usize, number: usize) {
        let mut outgoing = self.outgoing.lock().unwrap();
        let (role, change) = outgoing.submit(Submitter::Caller);
        self.apply(&outgoing.role, change);
        outgoing.under_way.push_back(Waiting::Caller(caller));
        outgoing.unsent += 1;
        drop(outgoing);
        if role == Writer::Caller {
            let incoming = self.incoming.lock().unwrap();
            self.flush();
            while self.done.lock().unwrap()[caller] < number {
                let replies = self.receive(true);
                self.deliver(replies);
            }
            drop(incoming);
            let mut outgoing = self.outgoing.lock().unwrap();
            let idle = outgoing.under_way.is_empty() || self.mutant == Mutant::LeavesOthersBehind;
            let change = outgoing.role.give_back(idle);
            self.apply(&outgoing.role, change);
            drop(outgoing);
            let must_look = match change {
                RoleChange::Attend => self.mutant != Mutant::GivesBackSilently,
                RoleChange::Unnoticed => self.mutant != Mutant::DoesNotLook && self.socket.lock().unwrap().has_bytes(),
                RoleChange::Nothing | RoleChange::Leave => false,
            };
            if must_look {
                self.wake_background();
            }
        } else {
            self.wake_background();
        }
        let mut done = self.done.lock().unwrap();
        while done[caller] < number {
            done = self.completed.wait(done).unwrap();
        }
    }

    /// One request for the queue, as the library takes it.
    fn submit(&self) {
        let mut outgoing = self.outgoing.lock().unwrap();
        let nothing_waits = outgoing.unsent == 0;
        let (role, change) = outgoing.submit(QUEUE);
        self.apply(&outgoing.role, change);
        outgoing.under_way.push_back(Waiting::Queue);
        outgoing.unsent += 1;
        let number = outgoing.role.taken();
        drop(outgoing);
        match role {
            Writer::Queue { new } if new || nothing_waits => {
                let mut held = self.queue.lock().unwrap();
                if new {
                    held.drivers.push(number);
                    self.socket.lock().unwrap().shown = true;
                }
                let mut alarm = held.takers.submitted();
                if self.mutant == Mutant::NoWordToWhoWaits {
                    alarm.descriptor = None;
                }
                self.sound(held, alarm);
            }
            Writer::Queue { .. } => {}
            _ => self.wake_background(),
        }
    }

    fn sound(&self, mut held: MutexGuard<'_, Held>, alarm: Alarm) {
        self.show(&mut held, alarm);
        drop(held);
        if alarm.sleeper {
            self.wake_one();
        }
    }

    fn wake_one(&self) {
        *self.woken.lock().unwrap() += 1;
        self.arrived.notify_one();
    }

    fn show(&self, held: &mut Held, alarm: Alarm) {
        match alarm.descriptor {
            Some(true) => self.raise(),
            Some(false) if self.lower() => held.takers.may_be_raised(),
            _ => {}
        }
    }

    fn raise(&self) {
        self.socket.lock().unwrap().raised = true;
        self.changed.notify_all();
    }

    fn lower(&self) -> bool {
        let may_be_raised = self.under_way.load(SeqCst) > 0 && self.mutant != Mutant::ForgetsLateWakes;
        self.socket.lock().unwrap().raised = false;
        if self.due.load(SeqCst) > 0 {
            self.raise();
            return true;
        }
        may_be_raised
    }

    /// Makes one take return, without the lock.
    fn wake(&self) {
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

    fn answer_wake(&self, held: &mut Held) -> bool {
        let answered = self.due.fetch_update(SeqCst, SeqCst, |due| due.checked_sub(1)).is_ok();
        if answered {
            held.takers.may_be_raised();
        }
        answered
    }

    fn sleep(&self, woken: usize) {
        let mut now = self.woken.lock().unwrap();
        // (As a futex does: whoever is woken does not look again.)
        if *now == woken {
            now = self.arrived.wait(now).unwrap();
        }
        drop(now);
    }

    /// Waits until the descriptor is readable.
    fn poll(&self) {
        let mut socket = self.socket.lock().unwrap();
        while !(socket.raised || socket.shown && socket.has_bytes()) {
            socket = self.changed.wait(socket).unwrap();
        }
    }

    fn is_held(&self, number: u64) -> bool {
        self.outgoing.lock().unwrap().role.is_held_by(number)
    }

    /// Takes at most one completion; how many there were to take.
    fn take(&self, may_wait: bool) -> usize {
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

    fn drive<'a>(&'a self, mut held: MutexGuard<'a, Held>, may_wait: bool) -> MutexGuard<'a, Held> {
        let mut drivers = std::mem::take(&mut held.drivers);
        held.driving = true;
        let alarm = held.takers.begin(may_wait);
        self.show(&mut held, alarm);
        drop(held);
        let mut lost: Vec<u64> = drivers.extract_if(.., |number| !self.is_held(*number)).collect();
        if !drivers.is_empty() {
            self.flush();
            if may_wait {
                self.poll();
                self.queue.lock().unwrap().takers.stop_waiting();
            }
        }
        lost.extend(drivers.extract_if(.., |number| {
            let incoming = self.incoming.lock().unwrap();
            if !self.is_held(*number) {
                return true;
            }
            let replies = self.receive(false);
            self.deliver(replies);
            drop(incoming);
            !self.is_held(*number)
        }));
        for _ in lost {
            let outgoing = self.outgoing.lock().unwrap();
            if outgoing.role.is_background() && self.mutant != Mutant::LeavesTheSocketSilently {
                self.apply(&outgoing.role, RoleChange::Attend);
                self.wake_background();
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
    fn take_many(&self, mut count: usize, polls: bool) {
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

    /// Takes whenever the descriptor is readable, until so many wakes were answered; then it comes to rest.
    fn take_until_woken(&self, wakes: usize) {
        self.watch();
        while self.wakes.load(SeqCst) < wakes || self.due.load(SeqCst) > 0 {
            self.poll();
            self.take(false);
        }
    }

    /// Asks for the descriptor.
    fn watch(&self) {
        let mut held = self.queue.lock().unwrap();
        let due = held.completions > 0 || self.due.load(SeqCst) > 0;
        let alarm = held.takers.watch(due);
        self.sound(held, alarm);
    }

    /// The background: writes and reads when it is woken and it is its turn.
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

impl Model {
    /// The server says something that nobody asked for, and somebody reads it, whatever else happens.
    fn hear(&self) {
        let mut socket = self.socket.lock().unwrap();
        socket.messages += 1;
        socket.background_woken |= socket.attended;
        self.changed.notify_all();
        while socket.heard == 0 {
            socket = self.changed.wait(socket).unwrap();
        }
    }
}

/// What a thread does.
type Work = Box<dyn FnOnce(&Model) + Send>;

/// Runs the threads of a program against one connection, to their end.
fn run(model: Model, program: Vec<Work>) {
    run_and_then(model, program, Box::new(|_| ()));
}

/// As [`run`], and does something more when they have ended.
fn run_and_then(model: Model, program: Vec<Work>, then: Work) {
    let model = Arc::new(model);
    let start = |work: Work| {
        let model = model.clone();
        thread::spawn(move || work(&model))
    };
    let helpers = [start(Box::new(Model::background)), start(Box::new(Model::server))];
    let program: Vec<_> = program.into_iter().map(start).collect();
    program.into_iter().for_each(|thread| thread.join().unwrap());
    then(&model);
    model.socket.lock().unwrap().ended = true;
    model.changed.notify_all();
    helpers.into_iter().for_each(|helper| helper.join().unwrap());
}

fn run_callers(callers: usize, calls: usize, mutant: Mutant) {
    let caller =
        |caller: usize| -> Work { Box::new(move |model| (1..=calls).for_each(|number| model.call(caller, number))) };
    run(Model::new(mutant, turn_of_callers(false), callers), (0..callers).map(caller).collect());
}

/// Callers on a connection on which a message comes.
fn run_hearing(callers: usize, calls: usize, mutant: Mutant) {
    let caller =
        |caller: usize| -> Work { Box::new(move |model| (1..=calls).for_each(|number| model.call(caller, number))) };
    let mut program: Vec<Work> = (0..callers).map(caller).collect();
    program.push(Box::new(Model::hear));
    run(Model::new(mutant, turn_of_callers(true), callers), program);
}

/// Who shares a connection with the queue.
#[derive(Clone, Copy)]
struct Queued {
    requests: usize,
    takers: usize,
    /// The takers wait for the descriptor instead of in the take.
    poll: bool,
    /// Calls of a thread that does not use the queue.
    calls: usize,
}

fn run_queue(queued: Queued, mutant: Mutant) {
    let Queued { requests, takers, poll, calls } = queued;
    let mut program: Vec<Work> = vec![Box::new(move |model: &Model| (0..requests).for_each(|_| model.submit()))];
    for _ in 0..takers {
        program.push(Box::new(move |model: &Model| model.take_many(requests / takers, poll)));
    }
    if calls > 0 {
        program.push(Box::new(move |model: &Model| (1..=calls).for_each(|number| model.call(0, number))));
    }
    run(Model::new(mutant, turn_near_a_queue(), 1), program);
}

/// As many wakes as there are takers who wait, while others submit and call; each of them returns.
fn run_wakes(queued: Queued, mutant: Mutant) {
    let Queued { requests, takers, calls, .. } = queued;
    let mut program: Vec<Work> = vec![
        Box::new(move |model: &Model| (0..requests).for_each(|_| model.submit())),
        Box::new(move |model: &Model| (0..takers).for_each(|_| model.wake())),
        Box::new(move |model: &Model| (1..=calls).for_each(|number| model.call(0, number))),
    ];
    for _ in 0..takers {
        program.push(Box::new(|model: &Model| while model.take(true) > 0 {}));
    }
    run(Model::new(mutant, turn_near_a_queue(), 1), program);
}

/// Wakes from two threads and one who polls: at last the descriptor is not readable any more.
fn run_wakes_of_a_poller(wakes: usize, mutant: Mutant) {
    let wake = |model: &Model| model.wake();
    let mut program: Vec<Work> = (0..wakes).map(|_| Box::new(wake) as Work).collect();
    program.push(Box::new(move |model: &Model| model.take_until_woken(wakes)));
    let rest = Box::new(|model: &Model| {
        model.take(false);
        assert!(!model.socket.lock().unwrap().raised, "readable after a take that found nothing");
    });
    run_and_then(Model::new(mutant, turn_near_a_queue(), 1), program, rest);
}

const ONE_TAKER: Queued = Queued { requests: 4, takers: 1, poll: false, calls: 0 };
const TWO_TAKERS: Queued = Queued { takers: 2, ..ONE_TAKER };
const A_CALLER: Queued = Queued { calls: 2, ..ONE_TAKER };

/// Runs `program` in many interleavings, of two kinds: priority scheduling (PCT) leaves a thread behind for long, which
/// is what most faults need; random scheduling switches often. Panics in the first interleaving that ends wrongly.
fn search(program: impl Fn() + Copy + Send + Sync + 'static) {
    let seed = std::env::var("SHUTTLE_RANDOM_SEED").unwrap_or_else(|_| SEED.to_string());
    eprintln!("seed {seed} (set another one with SHUTTLE_RANDOM_SEED)");
    Runner::new(PctScheduler::new_from_seed(SEED, DEPTH, ITERATIONS), Config::new()).run(program);
    Runner::new(RandomScheduler::new_from_seed(SEED, ITERATIONS), Config::new()).run(program);
}

#[test]
fn every_reply_is_read_with_two_callers() {
    search(|| run_callers(2, MANY, Mutant::None));
}

#[test]
fn every_reply_is_read_with_three_callers() {
    search(|| run_callers(3, MANY, Mutant::None));
}

#[test]
fn the_last_reply_is_read_too() {
    search(|| run_callers(2, ONE, Mutant::None));
    search(|| run_callers(3, ONE, Mutant::None));
}

#[test]
fn a_message_is_read_whoever_calls() {
    for callers in 1..=2 {
        search(move || run_hearing(callers, ONE, Mutant::None));
        search(move || run_hearing(callers, MANY, Mutant::None));
    }
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_message_that_nobody_looks_for_is_found() {
    search(|| run_hearing(1, ONE, Mutant::DoesNotLook));
}

#[test]
fn a_taker_gets_what_another_thread_submits() {
    search(|| run_queue(ONE_TAKER, Mutant::None));
}

#[test]
fn two_takers_share_a_queue() {
    search(|| run_queue(TWO_TAKERS, Mutant::None));
}

#[test]
fn a_queue_and_a_caller_share_a_connection() {
    search(|| run_queue(A_CALLER, Mutant::None));
    search(|| run_queue(Queued { calls: 2, ..TWO_TAKERS }, Mutant::None));
}

#[test]
fn the_descriptor_of_a_queue_is_readable_when_it_must() {
    let polled = Queued { poll: true, ..ONE_TAKER };
    search(move || run_queue(polled, Mutant::None));
    search(move || run_queue(Queued { calls: 2, ..polled }, Mutant::None));
}

#[test]
#[should_panic(expected = "readable after a take that found nothing")]
fn a_descriptor_that_never_comes_to_rest_is_found() {
    search(|| run_queue(Queued { poll: true, ..A_CALLER }, Mutant::ForgetsNothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_caller_who_leaves_silently_is_found() {
    search(|| run_callers(2, ONE, Mutant::GivesBackSilently));
}

#[test]
#[should_panic(expected = "deadlock")]
fn others_left_behind_are_found() {
    search(|| run_callers(3, ONE, Mutant::LeavesOthersBehind));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_taker_who_waits_and_hears_nothing_is_found() {
    search(|| run_queue(ONE_TAKER, Mutant::NoWordToWhoWaits));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_descriptor_that_says_nothing_is_found() {
    search(|| run_queue(Queued { poll: true, ..ONE_TAKER }, Mutant::NoWordToWhoWaits));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_taker_who_calls_no_successor_is_found() {
    search(|| run_queue(TWO_TAKERS, Mutant::CallsNoSuccessor));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_recalled_taker_who_leaves_silently_is_found() {
    search(|| run_queue(A_CALLER, Mutant::LeavesTheSocketSilently));
}

#[test]
fn each_wake_ends_one_take() {
    let waiting = Queued { requests: 0, takers: 3, ..ONE_TAKER };
    search(move || run_wakes(waiting, Mutant::None));
    search(|| run_wakes(TWO_TAKERS, Mutant::None));
    search(|| run_wakes(Queued { calls: 2, ..TWO_TAKERS }, Mutant::None));
}

#[test]
#[should_panic(expected = "deadlock")]
fn wakes_that_are_not_counted_are_found() {
    search(|| run_wakes(Queued { requests: 0, ..TWO_TAKERS }, Mutant::CountsNoWakes));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_taker_who_sleeps_through_a_wake_is_found() {
    search(|| run_wakes(Queued { requests: 0, ..ONE_TAKER }, Mutant::LooksTooLate));
}

#[test]
fn a_descriptor_comes_to_rest_after_wakes() {
    search(|| run_wakes_of_a_poller(2, Mutant::None));
}

/// Either it is readable in the end, or whoever polls is called without end.
#[test]
#[should_panic]
fn a_wake_that_comes_late_is_found() {
    search(|| run_wakes_of_a_poller(2, Mutant::ForgetsLateWakes));
}
