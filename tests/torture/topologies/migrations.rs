//! Thousands of slots go from one node to another and back while everybody goes on.

use std::ops::Range;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::counters::Counter;
use super::server_counts::ServerCounts;
use super::traffic::{Traffic, tags_of};
use super::{by_migrate, by_servers};
use crate::support::client::Tester;
use crate::support::cluster::{Cluster, info};
use crate::support::server::Server;
use crate::support::wait;
use crate::{every, report, scaled, spread};

/// Slots go there and back so often.
const ROUNDS: usize = 4;

/// So many of the slots hold keys.
const HOLD_KEYS: usize = 20;

const OPTIONS: [(&str, &str); 1] = [("command_timeout", "60s")];

/// What who moves slots tells.
pub enum Step {
    /// Some keys of a slot have gone, others perhaps not.
    SomeKeys,
    /// So many slots have gone.
    Slots(usize),
}

/// How slots move from one primary to another.
type Mover = fn(&Cluster, [usize; 2], Range<u16>, &mut dyn FnMut(Step) -> bool);

#[test]
fn slots_move_by_migrate() {
    let counts = move_under_load("MIGRATE", &Cluster::start(3, 0), by_migrate::move_slots);
    assert!(counts.ask > 0, "{counts:?}");
}

#[test]
fn slots_move_by_their_servers() {
    let Some(server) = Server::version("valkey-9.1") else { return };
    let cluster = Cluster::of(3, 0, |_| server.clone());
    let counts = move_under_load("CLUSTER MIGRATESLOTS", &cluster, by_servers::move_slots);
    assert!(counts.ask == 0 && counts.try_again == 0, "{counts:?}");
}

/// What the servers counted while slots moved between the first two primaries.
fn move_under_load(name: &str, cluster: &Cluster, mover: Mover) -> ServerCounts {
    let slots = 0..scaled(4000 / ROUNDS) as u16;
    let every_slot = tags_of(slots.clone());
    let client = Tester::with(cluster.url(), &OPTIONS);
    let caching = Tester::with(cluster.url(), &[&OPTIONS[..], &[("cache_bytes", "1MiB")]].concat());
    let traffic = Traffic::new(&client, &caching, &every_slot, HOLD_KEYS);
    let elsewhere = tags_of(16383..16384).remove(0);
    let bystander = Counter::new(elsewhere);
    let mut figures = None;
    traffic.during(&bystander, |traffic| {
        traffic.until_more(20);
        drop(bystander.take_times());
        bystander.until_more(100 + scaled(1000));
        let undisturbed = spread(&bystander.take_times());
        let (before, begin) = (ServerCounts::of(cluster), Instant::now());
        let moved = rounds(cluster, traffic, mover, &slots);
        let (counts, took) = (ServerCounts::of(cluster) - before, begin.elapsed());
        let disturbed = spread(&bystander.take_times());
        traffic.until_more(20);
        report(&format!("{name}: {moved} slots in {} s, {HOLD_KEYS} of {} hold keys", took.as_secs(), slots.len()));
        report(&format!("  where no slot moves: before {undisturbed}; meanwhile {disturbed}"));
        figures = Some((moved, counts, took));
    });
    let (moved, counts, took) = figures.unwrap();
    tell(&traffic, &counts, took);
    let held = client.run(&["GET", &bystander.key]).integer();
    bystander.check(usize::try_from(held).unwrap(), 0);
    assert_eq!((moved, bystander.unknown()), (slots.len() * ROUNDS, 0));
    assert!(counts.moved > 0, "{counts:?}");
    // However many MOVED there are, each client asks all nodes at most once a second.
    let most = 2 * cluster.nodes.len() * (took.as_secs() as usize + 3);
    assert!(counts.questions <= most, "{counts:?} in {took:?}");
    counts
}

/// There and back; gives how many moved.
fn rounds(cluster: &Cluster, traffic: &Traffic<'_>, mover: Mover, slots: &Range<u16>) -> usize {
    let (begin, mut moved, mut is_due) = (Instant::now(), 0, every(Duration::from_secs(5)));
    for round in 0..ROUNDS {
        let pair = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        mover(cluster, pair, slots.clone(), &mut |step| {
            match step {
                // Everybody meets the slot as it is.
                Step::SomeKeys => traffic.until_all_keys_are_used(),
                Step::Slots(more) => {
                    traffic.until_slots_are_used(more);
                    moved += more;
                }
            }
            if is_due() {
                report(&format!("  {moved} slots after {} s", begin.elapsed().as_secs()));
            }
            !traffic.is_over()
        });
        // Else the way back would begin with an epoch that another node has already.
        let epoch = info(&cluster.primaries()[pair[1]], "cluster_my_epoch");
        wait::until("all nodes to know of the moves", || {
            cluster.nodes.iter().all(|node| info(node, "cluster_current_epoch") == epoch)
        });
    }
    moved
}

fn tell(traffic: &Traffic<'_>, counts: &ServerCounts, took: Duration) {
    for worker in &traffic.workers {
        report(&format!("  {}: {}", worker.name, worker.done()));
    }
    let ServerCounts { moved, ask, try_again, questions } = counts;
    report(&format!("  the servers said MOVED {moved} times, ASK {ask} times, TRYAGAIN {try_again} times"));
    report(&format!("  two clients asked for the map {questions} times in {} s", took.as_secs()));
    report(&format!("  {} gaps were told of channels", traffic.gaps.load(SeqCst)));
    let stale_for = *traffic.stale_for.lock().unwrap();
    report(&format!(
        "  what was written was not yet read by another client with a cache {} ms later at most",
        stale_for.as_millis()
    ));
}
