//! Requests of all kinds against servers that misbehave, and through a proxy that does: each ends once, and what its
//! outcome says is true by what the server itself knows. JR_TORTURE_SEED repeats what servers and callers decide.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::chaos_server::ChaosServer;
use crate::load::Load;
use crate::outcomes::{Ledger, Log, find_tag};
use crate::support::flow::Fault;
use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::{report, scaled};

/// Failures are short, so that there are many.
const OPTIONS: [(&str, &str); 6] = [
    ("cache_bytes", "1MiB"),
    ("command_timeout", "500ms"),
    ("dead_after", "100ms"),
    ("reconnect_delay", "1ms"),
    ("reconnect_delay_max", "20ms"),
    ("max_connections", "8"),
];

fn seed() -> u64 {
    let wanted = std::env::var("JR_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = wanted.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("  JR_TORTURE_SEED={seed}");
    seed
}

/// Prints what came of it, and fails if something is not true.
fn judge(what: &str, seed: u64, begun: Instant, ledger: &Ledger, log: &Log) {
    let verdict = ledger.judge(log);
    let line = format!(
        "{what}, seed {seed}: {} requests in {:.1} s; of their commands {} were answered, {} refused, {} not answered",
        verdict.requests,
        begun.elapsed().as_secs_f64(),
        verdict.own,
        verdict.refused,
        verdict.unanswered
    );
    report(&line);
    let found = verdict.violations.len();
    let first: Vec<&String> = verdict.violations.iter().take(40).collect();
    assert!(found == 0, "{line}\n{found} things are not true, such as {first:#?}");
    assert!(verdict.own > 0 && verdict.unanswered > 0, "{line}");
}

/// Requests to a chaotic server, by so many threads; `repeats`: one that repeats itself, to requests that are `alone`.
fn judge_chaos(what: &str, repeats: bool, threads: usize, requests: usize, padding: usize) {
    let (seed, begun) = (seed(), Instant::now());
    let server = ChaosServer::start(seed, repeats);
    let (url, options, padding) = (server.url(), OPTIONS, [padding; 2]);
    let requests = scaled(requests);
    let load = Load { url: &url, options: &options, threads, requests, seed, padding, caches: true, alone: repeats };
    let ledger = load.run();
    let (log, connections) = server.end();
    judge(&format!("{what}, with {connections} connections"), seed, begun, &ledger, &log);
}

#[test]
fn outcomes_are_true_whatever_a_server_does() {
    judge_chaos("a chaotic server", false, 6, 3_000, 200_000);
}

/// A second answer in the same bytes as the first can be told from an answer only when nothing else waits.
#[test]
fn no_caller_gets_a_second_answer_to_another_request() {
    judge_chaos("a server that repeats itself", true, 1, 5_000, 0);
}

#[test]
fn outcomes_are_true_whatever_befalls_the_connection() {
    let (seed, begun) = (seed(), Instant::now());
    let server = Server::start();
    let proxy = Proxy::with_small_buffers(server.port());
    let (url, options, over) = (proxy.url(), OPTIONS, AtomicBool::new(false));
    let load = Load {
        url: &url,
        options: &options,
        threads: 6,
        requests: scaled(3_000),
        seed,
        padding: [300_000, 2000],
        caches: false,
        alone: false,
    };
    let ledger = thread::scope(|scope| {
        scope.spawn(|| interfere(&proxy, seed, &over));
        let ledger = load.run();
        over.store(true, SeqCst);
        ledger
    });
    drop(proxy);
    let mut log = Log::default();
    // ECHO leaves no trace: it is not looked for.
    let answers = server.command(&["LRANGE", "torture:log", "0", "-1"]);
    for answer in answers.items() {
        *log.ran.entry(find_tag(answer.bytes()).unwrap()).or_default() += 1;
    }
    ledger.trust_reads(&mut log);
    judge("a real server behind a faulty proxy", seed, begun, &ledger, &log);
}

/// One fault after the other, in both directions.
fn interfere(proxy: &Proxy, seed: u64, over: &AtomicBool) {
    let mut random = Rng::with_seed(seed);
    while !over.load(SeqCst) {
        let flow = if random.bool() { proxy.to_client() } else { proxy.to_server() };
        let place = 1 << random.u32(..16);
        match random.u8(..12) {
            0 => flow.chunks(1..=1),
            1 => flow.chunks(1..=random.usize(1..2000)),
            2 => flow.delay(Duration::ZERO..=Duration::from_micros(random.u64(1..3000))),
            3 => flow.after(random.u64(..place), Fault::Close),
            4 => flow.after(random.u64(..place), Fault::Reset),
            5 => flow.after(random.u64(..place), Fault::HalfClose),
            6 => flow.stall(),
            7 => flow.swallow(),
            8 => proxy.close_all(),
            9 => proxy.reset_all(),
            10 => proxy.refuse(),
            _ => proxy.half_close_to_server(),
        }
        thread::sleep(Duration::from_micros(random.u64(..30_000)));
        if random.bool() {
            heal(proxy);
        }
    }
    heal(proxy);
}

/// Ends all faults, and the connections: a network that swallowed bytes does not deliver those that follow.
fn heal(proxy: &Proxy) {
    proxy.refuse();
    proxy.reset_all();
    proxy.to_client().heal();
    proxy.to_server().heal();
    proxy.admit();
}
