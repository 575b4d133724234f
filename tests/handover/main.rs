//! Who writes and who reads, model-checked: callers who take the I/O role and give it back, a queue whose takers keep
//! it until somebody else submits, and the background, in random interleavings. The state machines are the real ones,
//! and all that is decided or remembered of who writes and reads is theirs; socket, server, reactor and epoll are
//! models of what they promise:
//!
//! * the server answers in order, and bytes stay in the socket until somebody reads them;
//! * the background is woken when bytes come while it watches; of what is there already when it begins to watch it
//!   hears nothing, and must be told to look; the same holds for room in a socket that was full;
//! * the descriptor of a queue is readable while it is raised, and while a socket that it shows has bytes.
//!
//! Whatever is lost (a reply that nobody reads, a wake-up) leaves somebody waiting for ever, which is found as a
//! deadlock.
//!
//! The searches are seeded, so that each run of a test does the same: see [`search`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail anywhere")]

mod callers;
mod model;
mod queue;

use model::{Model, Mutant, role_near_a_queue, role_of_callers};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Arc;
use shuttle::{Config, Runner, thread};

/// Calls of each caller: enough to take the I/O role, lose it to others, and take it again when left alone.
const MANY: usize = 7;
/// So few that no later call can mend what an earlier one spoilt.
const ONE: usize = 1;

/// Interleavings that each scheduler tries. The two together found every mutant below with each of the first 20 seeds.
const ITERATIONS: usize = 500;
/// The seed of every search, unless the environment variable SHUTTLE_RANDOM_SEED names another.
const SEED: u64 = 1;
/// Priority changes within one interleaving, plus one.
const DEPTH: usize = 3;

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
    let caller = |caller: usize| -> Work { Box::new(move |model| (0..calls).for_each(|_| model.call(caller))) };
    run(Model::new(mutant, role_of_callers(false), callers), (0..callers).map(caller).collect());
}

/// Callers of whom the last has deadlines that pass, and who leave when nothing comes for a while.
fn run_late(callers: usize, calls: usize, mutant: Mutant) {
    let caller = |caller: usize| -> Work { Box::new(move |model| (0..calls).for_each(|_| model.call(caller))) };
    let mut program: Vec<Work> = (0..callers).map(caller).collect();
    program.push(Box::new(move |model| (0..calls).for_each(|_| model.expire(callers - 1))));
    run(Model { impatient: true, ..Model::new(mutant, role_of_callers(false), callers) }, program);
}

/// Callers on a connection on which a message comes.
fn run_hearing(callers: usize, calls: usize, mutant: Mutant) {
    let caller = |caller: usize| -> Work { Box::new(move |model| (0..calls).for_each(|_| model.call(caller))) };
    let mut program: Vec<Work> = (0..callers).map(caller).collect();
    program.push(Box::new(Model::hear));
    run(Model::new(mutant, role_of_callers(true), callers), program);
}

/// Callers on a socket with room for so many requests, whom the server answers when it has so many (`batch`).
fn run_slow_server(callers: usize, calls: usize, (room, batch): (usize, usize), mutant: Mutant) {
    let caller = |caller: usize| -> Work { Box::new(move |model| (0..calls).for_each(|_| model.call(caller))) };
    let model = Model { batch, ..Model::new(mutant, role_of_callers(false), callers) };
    model.socket.lock().unwrap().room = room;
    run(model, (0..callers).map(caller).collect());
}

/// Requests for a queue from which nobody takes, and calls; time passes.
fn run_absent(requests: usize, calls: usize, mutant: Mutant) {
    let program: Vec<Work> = vec![
        Box::new(move |model: &Model| (0..requests).for_each(|_| model.submit())),
        Box::new(move |model: &Model| (0..calls).for_each(|_| model.call(0))),
        Box::new(move |model: &Model| model.wait_for_completions(requests)),
    ];
    run(Model { has_time: true, ..Model::new(mutant, role_near_a_queue(), 1) }, program);
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
    /// Requests for which the socket has room.
    room: usize,
}

fn run_queue(queued: Queued, mutant: Mutant) {
    let Queued { requests, takers, poll, calls, room } = queued;
    let mut program: Vec<Work> = vec![Box::new(move |model: &Model| (0..requests).for_each(|_| model.submit()))];
    for _ in 0..takers {
        program.push(Box::new(move |model: &Model| model.take_many(requests / takers, poll)));
    }
    if calls > 0 {
        program.push(Box::new(move |model: &Model| (0..calls).for_each(|_| model.call(0))));
    }
    let model = Model::new(mutant, role_near_a_queue(), 1);
    model.socket.lock().unwrap().room = room;
    run(model, program);
}

/// As many wakes as there are takers who wait, while others submit and call; each of them returns.
fn run_wakes(queued: Queued, mutant: Mutant) {
    let Queued { requests, takers, calls, .. } = queued;
    let mut program: Vec<Work> = vec![
        Box::new(move |model: &Model| (0..requests).for_each(|_| model.submit())),
        Box::new(move |model: &Model| (0..takers).for_each(|_| model.wake())),
        Box::new(move |model: &Model| (0..calls).for_each(|_| model.call(0))),
    ];
    for _ in 0..takers {
        program.push(Box::new(|model: &Model| while model.take(true) > 0 {}));
    }
    run(Model::new(mutant, role_near_a_queue(), 1), program);
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
    run_and_then(Model::new(mutant, role_near_a_queue(), 1), program, rest);
}

const ONE_TAKER: Queued = Queued { requests: 4, takers: 1, poll: false, calls: 0, room: usize::MAX };
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
fn every_reply_is_read_when_deadlines_pass() {
    for callers in 2..=3 {
        search(move || run_late(callers, ONE, Mutant::None));
        search(move || run_late(callers, MANY, Mutant::None));
    }
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_role_given_to_a_caller_who_has_gone_is_found() {
    search(|| run_late(3, MANY, Mutant::OffersToAnybody));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_caller_who_does_not_take_the_role_left_for_it_is_found() {
    search(|| run_callers(2, MANY, Mutant::DoesNotCome));
}

#[test]
#[should_panic(expected = "deadlock")]
fn what_the_last_reader_left_unwritten_is_found() {
    search(|| run_callers(3, MANY, Mutant::WritesNothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_caller_who_is_never_woken_is_found() {
    search(|| run_callers(2, MANY, Mutant::ForgetsWhoSleeps));
}

/// The server answers when it has a request of each.
#[test]
fn what_joins_is_sent_while_another_one_reads() {
    search(|| run_slow_server(2, ONE, (usize::MAX, 2), Mutant::None));
    search(|| run_slow_server(3, MANY, (usize::MAX, 3), Mutant::None));
}

#[test]
fn what_finds_no_room_is_sent_later() {
    search(|| run_slow_server(3, MANY, (1, 3), Mutant::None));
    search(|| run_queue(Queued { room: 1, ..TWO_TAKERS }, Mutant::None));
    search(|| run_queue(Queued { room: 1, poll: true, ..A_CALLER }, Mutant::None));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_background_that_does_not_hear_of_room_is_found() {
    search(|| run_slow_server(3, MANY, (1, 3), Mutant::AsksForNoRoom));
}

#[test]
fn what_nobody_takes_is_written_and_read_in_time() {
    search(|| run_absent(1, 0, Mutant::None));
    search(|| run_absent(4, 0, Mutant::None));
    search(|| run_absent(4, 2, Mutant::None));
}

#[test]
#[should_panic(expected = "deadlock")]
fn absent_takers_whom_nobody_looks_for_are_found() {
    search(|| run_absent(4, 0, Mutant::DoesNotLookForTakers));
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
    search(|| run_queue(Queued { poll: true, requests: 8, calls: 3, ..A_CALLER }, Mutant::ForgetsNothing));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_caller_who_leaves_silently_is_found() {
    search(|| run_late(2, ONE, Mutant::GivesBackSilently));
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
