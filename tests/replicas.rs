//! Reads from replicas, in every topology: who answers, and what happens when a replica or the primary goes.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use justredis::client::request::Request;
use justredis::error::Outcome::NotRun;
use justredis::error::Status;
use support::client::{Tester, request, within};
use support::cluster::Cluster;
use support::sentinel::Watched;
use support::server::Server;
use support::wait;

/// A primary and two replicas that have its data.
fn replicated() -> [Server; 3] {
    let primary = Server::builder().arguments(&["--repl-diskless-sync-delay", "0"]).start();
    let port = primary.port().to_string();
    let replica = || {
        let replica = Server::builder().arguments(&["--replicaof", "127.0.0.1", &port]).start();
        wait::until("a replica to have the data of its primary", || is_linked(&replica));
        replica
    };
    let replicas = [replica(), replica()];
    let [one, two] = replicas;
    [primary, one, two]
}

fn is_linked(replica: &Server) -> bool {
    replica.command(&["INFO", "replication"]).text().contains("master_link_status:up")
}

/// How many commands of this name a server has run.
fn ran(server: &Server, command: &str) -> usize {
    let text = server.command(&["INFO", "commandstats"]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")).map(str::to_owned));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// Reads until all these servers have answered, and nobody else for a while.
fn until_read_from(client: &Tester, servers: &[&Server], others: &[&Server]) {
    let counts = |servers: &[&Server]| servers.iter().map(|server| ran(server, "get")).collect::<Vec<_>>();
    wait::until("those to be read from that shall, and no others", || {
        let (before, others_before) = (counts(servers), counts(others));
        for _ in 0..10 {
            assert!(client.run(&["GET", "key"]).is_ok());
        }
        let all_asked = counts(servers).iter().zip(&before).all(|(now, before)| now > before);
        all_asked && counts(others) == others_before
    });
}

#[test]
fn replicas_of_a_server_answer_in_turn() {
    let [primary, one, two] = replicated();
    for protocol in ["2", "3"] {
        let options = [("protocol", protocol), ("command_timeout", "60s"), ("dead_after", "500ms")];
        let with = |read_from| Tester::with(primary.url(), &[&options[..], &[("read_from", read_from)]].concat());
        let client = with("prefer_replica");
        assert_eq!(client.text(&["SET", "key", "value"]), "OK");
        until_read_from(&client, &[&one, &two], &[&primary]);
        let view = Tester { client: client.client.database(3).unwrap(), inbox: Default::default() };
        assert_eq!(view.text(&["SET", "key", "other"]), "OK");
        until_read_from(&view, &[&one, &two], &[&primary]);
        until_read_from(&with("any"), &[&primary, &one, &two], &[]);
        until_read_from(&with("replica"), &[&one, &two], &[&primary]);
        until_read_from(&with("primary"), &[&primary], &[&one, &two]);
        // One request alone.
        let client = with("primary");
        let flagged = || {
            let before = (ran(&one, "strlen") + ran(&two, "strlen"), ran(&primary, "strlen"));
            let done = client.wait_for(&Request { replica: true, ..request(&[&["STRLEN", "key"]]) }).unwrap();
            assert!(done.is_ok());
            (ran(&one, "strlen") + ran(&two, "strlen"), ran(&primary, "strlen")) == (before.0 + 1, before.1)
        };
        wait::until("a replica to answer", flagged);
    }
}

#[test]
fn replicas_that_go_and_come_back_are_not_seen() {
    let [primary, one, two] = replicated();
    let options = [("read_from", "prefer_replica"), ("command_timeout", "60s"), ("dead_after", "500ms")];
    let client = Tester::with(primary.url(), &options);
    let only = Tester::with(primary.url(), &[("read_from", "replica"), ("command_timeout", "60s")]);
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
    until_read_from(&client, &[&one, &two], &[&primary]);
    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !stop.load(SeqCst) {
                let done = client.run(&["GET", "key"]);
                assert!(done.is_ok(), "{:?} {}", done.ending(), done.text());
                reads.fetch_add(1, SeqCst);
            }
        });
        let until_more = || {
            let before = reads.load(SeqCst);
            wait::until("more reads", || reads.load(SeqCst) > before + 100 || reading.is_finished());
        };
        one.kill();
        until_more();
        one.restart();
        until_more();
        two.kill();
        until_more();
        assert!(!reading.is_finished());
        stop.store(true, SeqCst);
        reading.join().unwrap();
    });
    until_read_from(&client, &[&one], &[&primary]);
    // One that freezes holds what it was sent before that shows.
    one.stop();
    let reads = || client.wait_for(&Request { timeout: within(300), ..request(&[&["GET", "key"]]) }).unwrap();
    wait::until("the primary to answer", || (0..10).all(|_| reads().is_ok()));
    until_read_from(&client, &[&primary], &[]);
    // Whoever wants no primary waits.
    let waits = || only.wait_for(&Request { timeout: within(300), ..request(&[&["GET", "key"]]) }).unwrap();
    wait::until("nobody to be read from", || !waits().is_ok());
    waits().says(Status::Timeout, NotRun, &["no replica could be read from within 300 ms"]);
    one.cont();
    assert_eq!(only.run(&["GET", "key"]).text(), "1");
    two.restart();
    until_read_from(&client, &[&one, &two], &[&primary]);
}

#[test]
fn a_replica_may_be_so_far_behind() {
    let [primary, one, two] = replicated();
    let options = [("read_from", "replica"), ("max_replica_lag", "2s"), ("command_timeout", "60s")];
    let client = Tester::with(primary.url(), &options);
    assert_eq!(client.text(&["SET", "key", "1"]), "OK");
    until_read_from(&client, &[&one, &two], &[&primary]);
    // Nobody knows what the primary has by now.
    primary.stop();
    let reads = || client.wait_for(&Request { timeout: within(300), ..request(&[&["GET", "key"]]) }).unwrap();
    wait::until("the replicas to be too old", || !reads().is_ok());
    reads().says(Status::Timeout, NotRun, &["no replica could be read from"]);
    primary.cont();
    assert_eq!(client.run(&["GET", "key"]).text(), "1");
    // One that follows nobody who is there.
    assert!(one.command(&["REPLICAOF", "127.0.0.1", "1"]).is_ok());
    until_read_from(&client, &[&two], &[&primary, &one]);
}

#[test]
fn the_replica_in_the_zone_of_the_client_answers() {
    let Some(builder) = Server::version("valkey-9.1") else { return };
    let start = |zone: &str, more: &[&str]| {
        let arguments = ["--availability-zone", zone, "--repl-diskless-sync-delay", "0"];
        builder.clone().arguments(&arguments).arguments(more).start()
    };
    let primary = start("a", &[]);
    let port = primary.port().to_string();
    let [one, two] = ["a", "b"].map(|zone| {
        let replica = start(zone, &["--replicaof", "127.0.0.1", &port]);
        wait::until("a replica to have the data of its primary", || is_linked(&replica));
        replica
    });
    let options = [("read_from", "nearest_zone"), ("command_timeout", "60s"), ("dead_after", "500ms")];
    let with = |zone| Tester::with(primary.url(), &[&options[..], &[("zone", zone)]].concat());
    let (of_a, of_b, of_c) = (with("a"), with("b"), with("c"));
    until_read_from(&of_a, &[&one], &[&primary, &two]);
    until_read_from(&of_b, &[&two], &[&primary, &one]);
    until_read_from(&of_c, &[&one, &two], &[&primary]);
    one.kill();
    until_read_from(&of_a, &[&primary], &[&two]);
    two.kill();
    until_read_from(&of_b, &[&primary], &[]);
}

#[test]
fn whoever_names_replicas_alone_reads_from_them() {
    let [primary, one, two] = replicated();
    assert!(primary.command(&["SET", "key", "1"]).is_ok());
    wait::until("the replicas to have it", || [&one, &two].iter().all(|one| one.command(&["DBSIZE"]).integer() == 1));
    for read_from in ["replica", "prefer_replica", "any"] {
        let client = Tester::with(one.url(), &[("read_from", read_from)]);
        assert_eq!(client.run(&["GET", "key"]).text(), "1", "{read_from}");
    }
    let several = format!("redis://{},{}", one.address(), two.address());
    let client = Tester::with(several, &[("read_from", "replica"), ("command_timeout", "60s")]);
    until_read_from(&client, &[&one, &two], &[&primary]);
}

#[test]
fn replicas_of_a_cluster_answer_for_their_slots() {
    let cluster = Cluster::start(2, 1);
    let options = [("read_from", "prefer_replica"), ("command_timeout", "60s"), ("dead_after", "500ms")];
    // The nodes may not have told each other yet which of them are replicas.
    let client = Tester::with(cluster.url(), &[&options[..], &[("refresh_interval", "1s")]].concat());
    let names: Vec<String> = (0..40).map(|number| format!("key:{number}")).collect();
    for name in &names {
        assert_eq!(client.text(&["SET", name, name]), "OK");
    }
    let of_all = |range: &[Server], command: &str| range.iter().map(|node| ran(node, command)).collect::<Vec<_>>();
    let (primaries, replicas) = cluster.nodes.split_at(2);
    // Who hears of the cluster by its first server only tells replicas to answer as well.
    let told = Tester::with(cluster.nodes[0].url(), &options);
    assert!((0..10).all(|_| names.iter().all(|name| told.run(&["GET", name]).text() == *name)));
    let reads = || {
        let (before, of_replicas) = (of_all(primaries, "get"), of_all(replicas, "get"));
        let all = names.iter().all(|name| client.run(&["GET", name]).text() == *name);
        let asked = of_all(replicas, "get").iter().zip(&of_replicas).all(|(now, before)| now > before);
        all && asked && of_all(primaries, "get") == before
    };
    wait::until("replicas to answer every read", reads);
    let redirected = |node: &Server| node.command(&["INFO", "errorstats"]).text().contains("errorstat_MOVED");
    assert!(!replicas.iter().any(redirected), "they were told to answer");
    // Pipelines and commands over several slots, too.
    let before = of_all(primaries, "mget");
    let words: Vec<&str> = ["MGET"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let all = client.run(&words);
    assert!(names.iter().zip(all.reply.items()).all(|(name, item)| item.as_bytes() == name.as_bytes()));
    let commands: Vec<[&str; 2]> = names.iter().map(|name| ["GET", name]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|words| &words[..]).collect();
    let all = client.wait_for(&request(&commands)).unwrap();
    assert!(names.iter().zip(all.reply.items()).all(|(name, item)| item.as_bytes() == name.as_bytes()));
    assert_eq!(of_all(primaries, "mget"), before);
    // A replica takes over, and is none any more; then the other one dies.
    assert!(replicas[0].command(&["CLUSTER", "FAILOVER"]).is_ok());
    let is_primary = || replicas[0].command(&["ROLE"]).items()[0].text() == "master";
    while !is_primary() {
        assert!(names.iter().all(|name| client.run(&["GET", name]).text() == *name));
    }
    replicas[1].kill();
    for _ in 0..3 {
        assert!(names.iter().all(|name| client.run(&["GET", name]).text() == *name));
    }
    assert_eq!(client.text(&["SET", "key:1", "key:1"]), "OK");
}

#[test]
fn behind_sentinels_reads_go_on_while_the_primary_is_another_one() {
    let watched = Watched::start();
    let options = [("read_from", "prefer_replica"), ("command_timeout", "60s"), ("dead_after", "500ms")];
    let client = Tester::with(watched.url(), &options);
    assert_eq!(client.text(&["SET", "key", "value"]), "OK");
    let servers = &watched.servers;
    until_read_from(&client, &[&servers[1], &servers[2]], &[&servers[0]]);
    watched.fail_over();
    watched.until_primary_is_not(servers[0].port());
    assert!((0..100).all(|_| client.run(&["GET", "key"]).text() == "value"));
    wait::until("the client to follow", || client.address() == watched.primary_address());
    let new = watched.primary();
    let replica = servers[1..].iter().find(|server| server.port() != new.port()).unwrap();
    until_read_from(&client, &[replica], &[new]);
}
