//! A client that reads from replicas, which do not always have what it wants.

use std::time::Duration;

use super::*;
use crate::client::fixture::{Fixture, Peer};
use crate::client::request::Timeout;
use crate::config::Config;

/// All slots at p:1, whose replicas are at r:1 and s:1.
const MAP: [&str; 14] = ["*1", "*5", ":0", ":16383", "*2", "$1", "p", ":1", "*2", "$1", "r", ":1", "*2", "$1"];
const REST: [&str; 2] = ["s", ":1"];

const IN_STEP: &str = "role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:100";
const CUT_OFF: &str = "role:slave\r\nmaster_link_status:down\r\nslave_repl_offset:100";
const PRIMARY: &str = "role:master\r\nmaster_repl_offset:100";

const SECOND: Duration = Duration::from_secs(1);

fn reading(read_from: ReadFrom) -> Config {
    Config { read_from, command_timeout: None, ..Config::default() }
}

/// Answers INFO.
fn tell(server: &mut Peer, text: &str) {
    assert_eq!(server.read(), "INFO replication");
    server.answer(&[&format!("${}", text.len()), text]);
}

/// A client of a cluster of which everything is known; the primary and both replicas.
fn cluster(config: Config) -> (Fixture, [Peer; 3]) {
    let mut fixture = Fixture::cluster_with(&[&MAP[..], &REST].concat(), config);
    // What is asked for first makes the client look for replicas.
    fixture.submit_as(&["GET a"], |request| request.replica = true).unwrap();
    fixture.pass(SECOND);
    fixture.pass(SECOND);
    let mut peers = ["p:1", "r:1", "s:1"].map(|address| fixture.node(address));
    fixture.pass(SECOND);
    tell(&mut peers[1], IN_STEP);
    tell(&mut peers[2], IN_STEP);
    fixture.pass(SECOND);
    for peer in &mut peers {
        if peer.read().contains("GET a") {
            peer.answer(&["$-1"]);
        }
    }
    fixture.completions();
    fixture.pass(SECOND);
    peers.iter_mut().skip(1).for_each(|peer| {
        if !peer.is_at_rest() {
            peer.answer(&[&format!("${}", IN_STEP.len()), IN_STEP]);
        }
    });
    (fixture, peers)
}

#[test]
fn what_a_replica_can_answer() {
    for (line, expected) in [
        ("GET k", true),
        ("mget a b", true),
        ("ZRANGE z 0 -1", true),
        ("TTL k", true),
        ("SORT_RO l", true),
        ("SET k v", false),
        ("GETEX k", false),
        ("HSCAN h 0", false),
        ("scan 0", false),
        ("DBSIZE", false),
        ("PING", false),
        ("EVAL_RO x 1 k", false),
        ("FCALL_RO f 1 k", false),
        ("XREAD BLOCK 0 STREAMS s $", false),
        ("XREAD STREAMS s 0", true),
        ("SUBSCRIBE c", false),
        ("NO.SUCH k", false),
    ] {
        assert_eq!(is_read(&line.split(' ').collect::<Vec<_>>()), expected, "{line}");
    }
}

#[test]
fn reads_go_to_each_replica_in_turn_and_the_rest_to_the_primary() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::PreferReplica));
    for line in ["GET a", "GET b", "SET a 1", "GET c", "GET d", "HSCAN a 0"] {
        fixture.submit(&[line]).unwrap();
    }
    fixture.submit(&["GET a", "INCR a"]).unwrap();
    fixture.submit_as(&["GET a"], |request| request.atomic = true).unwrap();
    let mut of_replicas = [r.read(), s.read()];
    of_replicas.sort();
    assert_eq!(of_replicas, ["GET a | GET c", "GET b | GET d"]);
    assert_eq!(p.read(), "SET a 1 | HSCAN a 0 | GET a | INCR a | MULTI | GET a | EXEC");
}

#[test]
fn a_request_alone_may_ask_for_a_replica() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::Primary));
    fixture.submit(&["GET a"]).unwrap();
    fixture.submit_as(&["GET b"], |request| request.replica = true).unwrap();
    fixture.submit_as(&["SET c 1"], |request| request.replica = true).unwrap();
    assert_eq!((p.read().as_str(), r.read() + &s.read()), ("GET a | SET c 1", "GET b".to_string()));
    let refused = fixture.submit_as(&["GET b"], |request| (request.replica, request.cached) = (true, true));
    assert_eq!(refused.unwrap_err().status, Status::Argument);
}

#[test]
fn a_pipeline_and_a_split_command_are_read_where_each_part_is() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::Replica));
    fixture.submit(&["MGET a b"]).unwrap();
    fixture.submit(&["GET a", "GET b"]).unwrap();
    fixture.submit(&["GET a", "GET {a}"]).unwrap();
    let (of_r, of_s) = (r.read(), s.read());
    assert_eq!(p.read(), "");
    let mut all: Vec<&str> = of_r.split(" | ").chain(of_s.split(" | ")).collect();
    all.sort_unstable();
    assert_eq!(all, ["GET a", "GET a", "GET b", "GET {a}", "MGET a", "MGET b"]);
}

/// What a replica does, and where a read is then.
#[test]
fn a_replica_that_does_not_answer_is_passed_over() {
    for read_from in [ReadFrom::PreferReplica, ReadFrom::Replica] {
        for (what, event) in [
            ("loads", (|r: &mut Peer| r.answer(&["-LOADING Redis is loading the dataset in memory"])) as fn(&mut Peer)),
            ("has lost its primary", |r| r.answer(&["-MASTERDOWN Link with MASTER is down"])),
            ("follows another", |r| r.answer(&["-MOVED 15495 p:1"])),
            ("ends the connection", |r| r.lose()),
        ] {
            let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(read_from));
            s.lose();
            fixture.submit(&["GET a"]).unwrap();
            assert_eq!(r.read(), "GET a", "{what}");
            event(&mut r);
            fixture.pass(SECOND / 10);
            fixture.pass(SECOND * 5);
            let is_primary_asked = p.read().contains("GET a");
            assert_eq!(is_primary_asked, read_from == ReadFrom::PreferReplica, "{what}");
            if !is_primary_asked {
                s.connect();
                fixture.pass(SECOND);
                tell(&mut s, IN_STEP);
                fixture.pass(SECOND);
                assert!(s.read().contains("GET a"), "{what}");
            }
        }
    }
}

#[test]
fn a_replica_that_does_not_say_how_it_is_is_passed_over() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::PreferReplica));
    s.lose();
    fixture.submit(&["GET a"]).unwrap();
    fixture.pass(SECOND);
    assert_eq!(r.read(), "GET a | INFO replication");
    fixture.pass(SECOND * 4);
    fixture.submit(&["GET b"]).unwrap();
    assert_eq!((p.read().as_str(), r.read().contains("GET b")), ("GET b", false));
}

#[test]
fn what_was_not_sent_when_a_replica_went_goes_elsewhere() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::PreferReplica));
    s.lose();
    fixture.submit(&["GET a"]).unwrap();
    r.lose();
    assert_eq!(p.read(), "GET a");
}

#[test]
fn a_replica_that_is_cut_off_answers_only_where_nobody_else_does() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::PreferReplica));
    fixture.pass(SECOND);
    tell(&mut r, CUT_OFF);
    tell(&mut s, PRIMARY);
    fixture.submit(&["GET a"]).unwrap();
    assert_eq!((p.read().as_str(), r.read().as_str(), s.read().as_str()), ("GET a", "", ""));
    p.lose();
    r.read();
    fixture.submit(&["GET b"]).unwrap();
    assert_eq!(r.read(), "GET b", "what the primary was asked stays there");
}

#[test]
fn where_only_replicas_may_answer_a_read_waits_for_one_until_its_deadline() {
    let (mut fixture, [mut p, mut r, mut s]) = cluster(reading(ReadFrom::Replica));
    fixture.pass(SECOND);
    tell(&mut r, PRIMARY);
    tell(&mut s, PRIMARY);
    fixture.submit_as(&["GET a"], |request| request.timeout = Timeout::After(SECOND * 2)).unwrap();
    fixture.submit(&["GET b"]).unwrap();
    fixture.pass(SECOND * 3);
    let end = fixture.completion();
    assert!(end.ends_with("Timeout NotRun: no replica could be read from within 2000 ms"), "{end}");
    tell(&mut s, IN_STEP);
    fixture.pass(SECOND / 10);
    assert_eq!((p.read(), s.read().as_str()), (String::new(), "GET b"));
}

#[test]
fn the_data_of_a_replica_may_be_so_old() {
    let config = Config { max_replica_lag: Some(SECOND * 4), ..reading(ReadFrom::PreferReplica) };
    let mut fixture = Fixture::cluster_with(&[&MAP[..], &REST].concat(), config);
    fixture.submit(&["GET a"]).unwrap();
    fixture.pass(SECOND);
    let [mut p, mut r] = ["p:1", "r:1"].map(|address| fixture.node(address));
    p.serve(&["$-1"]);
    fixture.completions();
    fixture.pass(SECOND);
    tell(&mut p, PRIMARY);
    tell(&mut r, IN_STEP);
    for (second, is_replica) in [(1, true), (3, true), (5, false)] {
        fixture.pass(SECOND);
        tell(&mut p, &format!("role:master\r\nmaster_repl_offset:{}", 100 + second));
        tell(&mut r, IN_STEP);
        if second > 1 {
            fixture.pass(SECOND);
            tell(&mut p, &format!("role:master\r\nmaster_repl_offset:{}", 101 + second));
            tell(&mut r, IN_STEP);
        }
        fixture.submit(&["GET a"]).unwrap();
        let asked = if is_replica { &mut r } else { &mut p };
        assert_eq!(asked.read(), "GET a", "after {second} seconds");
        asked.answer(&["$-1"]);
    }
}

#[test]
fn of_one_server_the_primary_names_its_replicas() {
    let mut fixture = Fixture::new(reading(ReadFrom::PreferReplica));
    fixture.shared.connect();
    fixture.submit(&["GET a"]).unwrap();
    fixture.shared.serve(&["$-1"]);
    fixture.completion();
    fixture.pass(SECOND);
    tell(&mut fixture.shared, "role:master\r\nslave0:ip=r,port=1,state=online,offset=1,lag=0");
    fixture.pass(SECOND);
    let mut r = fixture.node("r:1");
    fixture.pass(SECOND);
    tell(&mut r, IN_STEP);
    fixture.submit(&["GET b"]).unwrap();
    assert_eq!(r.read(), "GET b");
    // It is gone from the list, and then from the client.
    fixture.shared.read();
    fixture.shared.answer(&[&format!("${}", PRIMARY.len()), PRIMARY]);
    r.answer(&["$-1"]);
    fixture.submit(&["GET c"]).unwrap();
    assert_eq!(fixture.shared.read(), "GET c");
    fixture.shared.answer(&["$-1"]);
    for _ in 0..3 {
        fixture.pass(SECOND);
        if r.read().contains("INFO") {
            r.answer(&[&format!("${}", IN_STEP.len()), IN_STEP]);
        }
        if fixture.shared.read().contains("INFO") {
            fixture.shared.answer(&[&format!("${}", PRIMARY.len()), PRIMARY]);
        }
    }
    assert!(r.link.is_closed());
}

#[test]
fn whoever_names_a_replica_reads_from_it() {
    let mut fixture = Fixture::new(reading(ReadFrom::Replica));
    fixture.shared.connect();
    fixture.submit(&["GET a"]).unwrap();
    fixture.pass(SECOND);
    tell(&mut fixture.shared, IN_STEP);
    fixture.pass(SECOND);
    let mut r = fixture.node("127.0.0.1:6379");
    assert!(!Arc::ptr_eq(&r.link, &fixture.shared.link));
    fixture.pass(SECOND);
    tell(&mut r, IN_STEP);
    fixture.pass(SECOND / 10);
    assert_eq!(r.read(), "GET a");
}
