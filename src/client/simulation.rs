//! A simulation of a client with two servers, or a cluster: the client, its links and its parser are the real ones;
//! sockets, servers, threads and time are not. Thousands of small worlds, each decided by its seed, take random steps:
//! requests, bytes to and fro, time, losses at any byte, refusals, failovers, and what is rare in a cluster: two
//! primaries for a slot, servers that contradict each other or send everything on in a ring, one that belongs to
//! another cluster. Then every request has had one completion, what must not run twice has not, every outcome is true
//! by the log of the servers, no element of a list was lost, nothing was sent to and fro without end or pause, and when
//! the servers agree again the client believes what they say.
//!
//! * [`world`]: all of it, and its steps; [`workload`]: what is asked; [`command`], [`server`], [`member`], [`wire`]:
//!   the other side; [`inbox`], [`books`]: what came of it.
//!
//! JR_SIMULATION_STEPS: how many steps, in worlds that were not seen before. JR_SIMULATION_SEED: one world only, as it
//! was before.

mod books;
mod command;
pub(super) mod inbox;
mod member;
mod server;
mod wire;
mod workload;
mod world;

use std::time::{Duration, Instant};

use self::books::Tally;
use self::world::World;

/// Steps without a word from outside: what a slow machine does in half a minute, unoptimized.
const STEPS: u64 = 1_500_000;

/// Of one world.
const WORLD: u64 = 4000;

/// Says how to see a failure again.
struct Replay {
    seed: u64,
    step: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("simulation: failed at step {}; JR_SIMULATION_SEED={} repeats it", self.step, self.seed);
        }
    }
}

/// One world from its start to its end; gives how many steps it took and its trace.
fn run(seed: u64, tally: &mut Tally) -> (u64, u64) {
    let mut world = World::new(seed);
    let mut replay = Replay { seed, step: 0 };
    // Most have the time to become full; some end early.
    let steps = if seed.is_multiple_of(4) { seed % WORLD } else { WORLD };
    while replay.step < steps {
        replay.step += 1;
        world.step();
    }
    (steps, world.end(tally))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

/// What happens often in so many steps, or the simulation shows less than it says.
const EXPECTED: [&str; 50] = [
    "a node was left",
    "blocking: Canceled, NotRun",
    "blocking: Canceled, Unknown",
    "blocking: Lost, Unknown",
    "blocking: Ok, Answered",
    "blocking: Timeout, NotRun",
    "blocking: Timeout, Unknown",
    "command: Canceled, NotRun",
    "command: Canceled, Unknown",
    "command: Closed, NotRun",
    "command: Closed, Unknown",
    "command: Connect, NotRun",
    "command: Connect, Unknown",
    "command: Lost, NotRun",
    "command: Lost, Unknown",
    "command: Ok, Answered",
    "command: Protocol, Unknown",
    "command: Server, Answered",
    "command: Server, Unknown",
    "command: Timeout, NotRun",
    "command: Timeout, Unknown",
    "connected",
    "event: a server had the map of another cluster",
    "event: a server learnt whose a slot is",
    "event: a server took over",
    "event: a server was confused",
    "event: a slot has arrived",
    "event: a slot is on its way",
    "event: a slot moved in one piece",
    "event: all servers agreed",
    "event: all servers sent it on in a ring",
    "event: no two servers agreed",
    "event: two primaries for a slot",
    "event: two servers sent everything to each other",
    "ran again",
    "redirected again and again",
    "redirected too often",
    "redirected, ran once",
    "refused again and again",
    "refused while it was written",
    "script was missing",
    "sent again, ran once",
    "transaction: Canceled, Unknown",
    "transaction: Connect, NotRun",
    "transaction: Lost, Unknown",
    "transaction: Ok, Answered",
    "transaction: Server, Answered",
    "transaction: Timeout, NotRun",
    "transaction: Timeout, Unknown",
    "was full",
];

#[test]
fn every_request_has_one_end_which_is_true_whatever_happens() {
    let mut tally = Tally::new();
    if let Some(seed) = number("JR_SIMULATION_SEED") {
        run(seed, &mut tally);
        return;
    }
    let (wanted, start) = (number("JR_SIMULATION_STEPS"), Instant::now());
    let (mut steps, mut told) = (0, start);
    let mut seed = if wanted.is_some() { fastrand::u64(..1 << 48) } else { 1 };
    while steps < wanted.unwrap_or(STEPS) {
        steps += run(seed, &mut tally).0;
        seed += 1;
        if wanted.is_some() && told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            println!("  {steps} steps, {:.0} a second", steps as f64 / start.elapsed().as_secs_f64());
        }
    }
    println!("  {steps} steps: {tally:#?}");
    let missing: Vec<_> = EXPECTED.into_iter().filter(|what| !tally.contains_key(*what)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "this never happened");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 5, 7, 8, 10] {
        let run = || run(seed, &mut Tally::new());
        assert_eq!(run(), run(), "seed {seed}");
    }
}
