//! Another server takes over, because the primary dies, because it stands still, or because it was told to.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::counters::{Counter, Stop};
use crate::support::client::Tester;
use crate::support::cluster::Cluster;
use crate::support::sentinel::Watched;
use crate::support::server::Server;
use crate::support::wait;
use crate::{report, scaled, spread};

/// How a primary stops being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is killed, and comes back later.
    Killed,
    /// It stands still, and goes on later.
    Stopped,
    /// It hands over.
    Asked,
}

const KINDS: [Kind; 3] = [Kind::Killed, Kind::Stopped, Kind::Asked];

const PATIENT: [(&str, &str); 3] = [("command_timeout", "60s"), ("dead_after", "500ms"), ("refresh_interval", "1s")];

/// Whether a server takes a write for this key now.
fn takes_writes(server: &Server, key: &str) -> bool {
    let answer = server.try_command(&["SET", key, "1"]);
    answer.is_ok_and(|answer| answer.is_ok())
}

fn replication(server: &Server) -> String {
    server.command(&["INFO", "replication"]).text()
}

/// One line for all failovers of a kind: the servers' own time beside that of the client.
fn tell(what: &str, kind: Kind, times: &[(Duration, Duration)]) {
    let sorted = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.into_iter().map(|time| time.as_millis()).collect::<Vec<_>>()
    };
    let servers = sorted(times.iter().map(|(servers, _)| *servers).collect());
    let later = sorted(times.iter().map(|(servers, client)| client.saturating_sub(*servers)).collect());
    report(&format!(
        "{what}, {kind:?}, {} times: writable again by the servers within {} ms; the client was at most {} ms later, \
         half of the times within {} ms",
        times.len(),
        servers[servers.len() - 1],
        later[later.len() - 1],
        later[later.len() / 2],
    ));
}

/// A key of the shard of each of three primaries.
fn key_of(cluster: &Cluster, node: &Server) -> String {
    let names = (0..).map(|number| format!("failover:{number}"));
    names.into_iter().find(|name| cluster.owner(name).port() == node.port()).unwrap()
}

#[test]
fn a_cluster_fails_over() {
    let cluster = Cluster::start(3, 1);
    let client = Tester::with(cluster.url(), &PATIENT);
    let counters: Vec<Counter> = cluster.primaries().iter().map(|node| Counter::new(key_of(&cluster, node))).collect();
    let stop = AtomicBool::new(false);
    // The two servers of the shard that fails over, again and again.
    let pair = [&cluster.nodes[1], &cluster.nodes[4]];
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        counters.iter().for_each(|counter| drop(scope.spawn(|| counter.count(&client, &stop))));
        for kind in KINDS {
            let mut times = Vec::new();
            let mut others = Vec::new();
            while times.len() < scaled(20) {
                counters.iter().for_each(|counter| counter.until_more(20));
                counters.iter().for_each(|counter| drop(counter.take_times()));
                match fail_over(&cluster, pair, kind, &counters[1]) {
                    Some(time) => times.push(time),
                    None => report("  the servers took a failover back: it does not count"),
                }
                others.extend([0, 2].into_iter().flat_map(|index| counters[index].take_times()));
            }
            others.sort_unstable();
            tell("cluster", kind, &times);
            report(&format!("  the other shards meanwhile: {}", spread(&others)));
        }
    });
    for (index, counter) in counters.iter().enumerate() {
        let held = client.run(&["GET", &counter.key]).text().parse().unwrap();
        // What was acknowledged and no replica has nobody can keep.
        let lost = if index == 1 { usize::MAX } else { 0 };
        counter.check(held, lost);
        assert!(index == 1 || counter.unknown() == 0, "a shard that nothing befell");
    }
}

/// One failover; when the servers took writes again, and when the client was answered. `None`: the new primary became
/// a replica again at once, and the old one holds writes back for up to five seconds (which happens when a replica is
/// asked to take over once more, while a failover of its shard is under way).
fn fail_over(cluster: &Cluster, pair: [&Server; 2], kind: Kind, counter: &Counter) -> Option<(Duration, Duration)> {
    let is_primary = |server: &Server| replication(server).contains("role:master");
    let (primary, replica) = if is_primary(pair[0]) { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
    let probe = format!("{{{}}}probe", counter.key);
    let mut begin = Instant::now();
    match kind {
        Kind::Killed => primary.kill(),
        Kind::Stopped => primary.stop(),
        Kind::Asked => assert!(replica.command(&["CLUSTER", "FAILOVER"]).is_ok()),
    }
    wait::until("the replica to take writes", || {
        // The others do not vote for a second failover of a shard within twice the node timeout.
        if kind == Kind::Asked && begin.elapsed() > Duration::from_secs(1) {
            begin = Instant::now();
            // It refuses as long as it does not know its primary as one that is there.
            wait::until("a failover to begin", || {
                begin = Instant::now();
                replica.command(&["CLUSTER", "FAILOVER"]).is_ok()
            });
        }
        takes_writes(replica, &probe)
    });
    let servers = begin.elapsed();
    let client = servers + counter.until_answered_since(begin + servers);
    let has_lasted = is_primary(replica);
    match kind {
        Kind::Killed => primary.restart(),
        Kind::Stopped => primary.cont(),
        Kind::Asked => {}
    }
    // On a busy machine the servers may have failed over once more by themselves.
    wait::until("one of the two to follow the other", || {
        let follows = |server| {
            replication(server).contains("role:slave") && replication(server).contains("master_link_status:up")
        };
        pair.into_iter().filter(|server| is_primary(server)).count() == 1 && pair.into_iter().any(follows)
    });
    cluster.until_whole();
    has_lasted.then_some((servers, client))
}

#[test]
fn sentinels_fail_over() {
    let watched = Watched::start();
    let client = Tester::with(watched.url(), &PATIENT);
    let (counter, stop) = (Counter::new("failover"), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| counter.count(&client, &stop));
        for kind in KINDS {
            let times: Vec<_> = (0..scaled(20)).map(|_| fail_over_watched(&watched, kind, &counter)).collect();
            tell("sentinel", kind, &times);
        }
    });
    let held: usize = client.run(&["GET", "failover"]).text().parse().unwrap();
    counter.check(held, usize::MAX);
}

/// The moments at which sentinels announce another primary.
fn announcements(watched: &Watched) -> mpsc::Receiver<Instant> {
    let (tell, announced) = mpsc::channel();
    for sentinel in &watched.sentinels {
        let (mut listener, tell) = (sentinel.connect().unwrap(), tell.clone());
        listener.command(&["SUBSCRIBE", "+switch-master"]).unwrap();
        thread::spawn(move || {
            if listener.receive().is_ok() {
                _ = tell.send(Instant::now());
            }
        });
    }
    announced
}

/// The same behind sentinels, whose own time is that of their announcement.
fn fail_over_watched(watched: &Watched, kind: Kind, counter: &Counter) -> (Duration, Duration) {
    counter.until_more(20);
    drop(counter.take_times());
    let primary = watched.primary();
    let announced = announcements(watched);
    let begin = Instant::now();
    match kind {
        Kind::Killed => primary.kill(),
        Kind::Stopped => primary.stop(),
        Kind::Asked => watched.fail_over(),
    }
    let announced = announced.recv_timeout(wait::LIMIT).unwrap_or_else(|_| panic!("no sentinel announces a primary"));
    let servers = announced - begin;
    let client = servers + counter.until_answered_since(begin + servers);
    match kind {
        Kind::Killed => primary.restart(),
        Kind::Stopped => primary.cont(),
        Kind::Asked => {}
    }
    watched.until_whole();
    (servers, client)
}
