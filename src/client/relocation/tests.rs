//! A client of a cluster whose blocking commands and leases meet slots that move.

use super::*;
use crate::client::fixture::{Fixture, Peer};
use crate::client::request::Timeout;

/// Slots 0 to 8191 (`b`: 3300, `c`: 7365) at a:1, the others (`a`: 15495) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

/// The other way round.
const TURNED: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "b", ":1", "*3", ":8192", ":16383", "*2", "$1", "a", ":1"];

const MOVED: &str = "-MOVED 3300 b:1";
const ASK: &str = "-ASK 3300 b:1";

/// How many dedicated links the node at an address has in use, and idle.
fn count(fixture: &Fixture, address: &str) -> (usize, usize) {
    let link = fixture.core.topology.links().into_iter().find(|link| link.address() == address).unwrap();
    let count = fixture.core.topology.node_of(&link).unwrap().dedicated();
    (count.in_use, count.idle)
}

/// A client that has sent these commands on a dedicated link to a:1, and the server there.
fn sent(commands: &[&str]) -> (Fixture, Peer) {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit_as(commands, |request| request.dedicated = true).unwrap();
    let mut a = fixture.dedicated_at("a:1");
    assert_eq!(a.read(), commands.join(" | "));
    (fixture, a)
}

#[test]
fn a_unit_is_sent_again_with_the_time_that_is_left() {
    let again = |line: &str, pause: u64, waited: Option<u64>| {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = crate::protocol::command::encode_to_vec(&words).unwrap().into();
        let to = crate::connection::unit::Addressee { ticket: Ticket(1), part: 0 };
        let unit = Unit { to, replies: 1, bytes };
        let waited = waited.map(Duration::from_millis);
        let (unit, pause) = after_waiting(unit, Duration::from_millis(pause), waited)?;
        let words: Vec<_> = crate::protocol::command::decode(&unit.bytes)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        Some((words.join(" "), pause.as_millis()))
    };
    for (line, pause, waited, expected) in [
        ("BLPOP b 5", 0, Some(2000), Some(("BLPOP b 3.000", 0))),
        ("BLPOP b 5", 500, Some(2000), Some(("BLPOP b 2.500", 500))),
        ("BLPOP b 5", 500, Some(4800), Some(("BLPOP b 0.200", 0))),
        ("BLPOP b 5", 500, Some(5000), None),
        ("BLPOP b 0", 500, Some(5000), Some(("BLPOP b 0", 500))),
        ("XREAD BLOCK 900 STREAMS b $", 0, Some(100), Some(("XREAD BLOCK 800 STREAMS b $", 0))),
        ("WAIT 1 900", 100, Some(100), Some(("WAIT 1 700", 100))),
        ("BLPOP b nonsense", 7, Some(5000), Some(("BLPOP b nonsense", 7))),
        ("SET b 1", 7, Some(5000), Some(("SET b 1", 7))),
        ("BLPOP b 5", 7, None, Some(("BLPOP b 5", 7))),
    ] {
        let expected = expected.map(|(line, pause)| (line.to_string(), pause));
        assert_eq!(again(line, pause, waited), expected, "{line} {pause} {waited:?}");
    }
}

#[test]
fn a_blocking_command_follows_its_slot() {
    let (fixture, mut a) = sent(&["BLPOP b 10"]);
    fixture.core.clock.move_on(Duration::from_secs(4));
    a.answer(&[MOVED]);
    let mut b = fixture.dedicated_at("b:1");
    assert_eq!(b.read(), "BLPOP b 6.000");
    assert_eq!((count(&fixture, "a:1"), count(&fixture, "b:1")), ((0, 1), (1, 0)));
    b.answer(&["*2", "+b", "+x"]);
    assert_eq!((fixture.completion().as_str(), count(&fixture, "b:1")), ("1 Ok Answered: [b, x]", (0, 1)));
}

#[test]
fn one_whose_time_is_over_when_its_slot_moves_has_got_nothing() {
    let (fixture, mut a) = sent(&["BLPOP b 10"]);
    fixture.core.clock.move_on(Duration::from_secs(11));
    a.answer(&[MOVED]);
    assert_eq!((fixture.completion().as_str(), count(&fixture, "a:1")), ("1 Ok Answered: nil", (0, 1)));
}

#[test]
fn ask_and_what_is_not_ready_yet() {
    let (fixture, mut a) = sent(&["BLPOP b {b}2 10"]);
    a.answer(&[ASK]);
    let mut b = fixture.dedicated_at("b:1");
    assert_eq!(b.read(), "ASKING | BLPOP b {b}2 10.000");
    b.answer(&["+OK", "-TRYAGAIN later"]);
    fixture.pass(Duration::from_secs(2));
    assert!(a.read().starts_with("BLPOP b {b}2 9."), "the slot is still there");
    a.answer(&[ASK]);
    fixture.pass(Duration::from_millis(200));
    assert!(b.read().starts_with("ASKING | BLPOP b {b}2 "), "the second time after a pause");
    b.answer(&["+OK", "*2", "+b", "+x"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [b, x]");
    assert_eq!((count(&fixture, "a:1"), count(&fixture, "b:1")), ((0, 1), (0, 1)));
}

/// The server closes the connection behind that word; a replica may be all that is left of it.
#[test]
fn who_is_sent_away_by_a_primary_that_is_none_any_more_finds_the_new_one() {
    let (mut fixture, mut a) = sent(&["BLPOP b 0"]);
    a.answer(&["-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"]);
    a.lose();
    fixture.pass(Duration::from_secs(5));
    assert_eq!(fixture.shared.read(), "CLUSTER SLOTS");
    fixture.shared.answer(&TURNED);
    fixture.pass(Duration::from_secs(5));
    let mut b = fixture.dedicated_at("b:1");
    assert_eq!(b.read(), "BLPOP b 0");
    b.answer(&["*2", "+b", "+x"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [b, x]");
}

#[test]
fn what_waits_for_a_node_that_is_gone_goes_to_the_next() {
    for in_line in [false, true] {
        let mut fixture = Fixture::cluster(&HALVES);
        let count = if in_line { 1 + fixture.core.config.max_connections } else { 1 };
        (0..count).for_each(|_| _ = fixture.submit(&["BLPOP b 0"]).unwrap());
        fixture.pass(Duration::from_secs(100));
        fixture.shared.serve(&TURNED);
        assert_eq!(fixture.dedicated_at("b:1").read(), "BLPOP b 0");
        assert_eq!(super::tests::count(&fixture, "a:1"), (0, 0));
    }
}

#[test]
fn the_parts_of_a_pipeline_move_when_nothing_is_left_behind() {
    let (fixture, mut a) = sent(&["INCR b", "INCR b", "INCR b"]);
    a.answer(&[":1", MOVED]);
    assert_eq!((count(&fixture, "a:1"), fixture.core.topology.links().len()), ((1, 0), 4));
    a.answer(&[MOVED]);
    let mut b = fixture.dedicated_at("b:1");
    assert_eq!((b.read().as_str(), count(&fixture, "a:1")), ("INCR b | INCR b", (0, 1)));
    b.answer(&[":2", ":3"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [1, 2, 3]");
    let (fixture, mut a) = sent(&["INCR b", "INCR b", "GET b"]);
    a.answer(&[ASK, "-TRYAGAIN later", ":1"]);
    let mut b = fixture.dedicated_at("b:1");
    assert_eq!(b.read(), "ASKING | INCR b", "behind the last answer of the one before");
    fixture.pass(Duration::from_secs(5));
    b.answer(&["+OK", ":2"]);
    assert_eq!(a.read(), "INCR b", "whoever has the slot");
    a.answer(&[":3"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [2, 3, 1]");
}

#[test]
fn a_command_that_is_given_up_is_unblocked_where_it_is() {
    let (mut fixture, mut a) = sent(&["GET b"]);
    a.answer(&["+x"]);
    fixture.completion();
    let id = fixture.submit(&["XREAD BLOCK 0 STREAMS b 0"]).unwrap();
    a.read();
    a.answer(&[ASK]);
    let (mut b, mut shared) = (fixture.dedicated_at("b:1"), fixture.node("b:1"));
    assert_eq!(b.read(), "ASKING | XREAD BLOCK 0 STREAMS b 0");
    assert!(fixture.core.cancel(Ticket(id)));
    assert!(shared.read().starts_with("CLIENT UNBLOCK "));
    shared.answer(&[":1"]);
    b.answer(&["+OK", MOVED]);
    let told = "2 Canceled NotRun: b:1: cancelled while the server waited with it; the server stopped waiting and had \
                done nothing";
    assert_eq!(fixture.completion(), told, "it was sent away at that moment");
}

#[test]
fn a_lease_goes_where_its_key_is() {
    for (key, commands, address) in [
        (Some("a"), &["CLIENT SETNAME me"][..], "b:1"),
        (Some("b"), &["CLIENT SETNAME me"], "a:1"),
        (None, &["WATCH b"], "a:1"),
        (None, &["WATCH a"], "b:1"),
        (None, &["PING", "GET b"], "a:1"),
    ] {
        let mut fixture = Fixture::cluster(&HALVES);
        let lease = fixture.lease();
        fixture.core.state.lock().sessions.get(lease).unwrap().slot =
            key.map(|key| crate::protocol::slot::slot_of(key.as_bytes()));
        fixture.submit_on(Some(lease), commands, |_| {}).unwrap();
        assert_eq!(fixture.dedicated_at(address).read(), commands.join(" | "));
        fixture.submit_on(Some(lease), &["DBSIZE"], |_| {}).unwrap();
        fixture.submit_on(Some(lease), &["GET a"], |_| {}).unwrap();
        assert_eq!(fixture.core.topology.links().iter().filter(|link| link.purpose().name() == "dedicated").count(), 1);
    }
}

#[test]
fn a_lease_of_a_key_waits_until_it_is_known_where_that_is() {
    for is_reached in [false, true] {
        let endpoints = vec![crate::address::Address::parse("seed:1").unwrap()];
        let topology = crate::config::TopologyKind::Cluster;
        let mut fixture = Fixture::new(crate::config::Config { endpoints, topology, ..Default::default() });
        fixture.core.tick();
        let lease = fixture.lease();
        fixture.core.state.lock().sessions.get(lease).unwrap().slot = Some(15495);
        let id = fixture.submit_on(Some(lease), &["CLIENT SETNAME me"], |_| {}).unwrap();
        assert_eq!((fixture.whereabouts(id), fixture.dedicated().len()), ("in line", 0));
        if is_reached {
            fixture.shared.connect();
            fixture.shared.serve(&HALVES);
            assert_eq!(fixture.dedicated_at("b:1").read(), "CLIENT SETNAME me");
        } else {
            fixture.shared.is_unreachable();
            assert_eq!(fixture.completion(), "1 Connect NotRun: nobody is there");
        }
    }
}

#[test]
fn a_lease_of_which_nothing_was_run_moves() {
    for (refusal, again) in [(MOVED, "WATCH b"), (ASK, "ASKING | WATCH b")] {
        let mut fixture = Fixture::cluster(&HALVES);
        let lease = Some(fixture.lease());
        fixture.submit_on(lease, &["WATCH b"], |_| {}).unwrap();
        fixture.submit_on(lease, &["GET b"], |_| {}).unwrap();
        let mut a = fixture.dedicated_at("a:1");
        assert_eq!(a.read(), "WATCH b", "nothing else until it is known that this is the place");
        a.answer(&[refusal]);
        let mut b = fixture.dedicated_at("b:1");
        assert_eq!(b.read(), again);
        b.answer(if refusal == ASK { &["+OK", "+OK"] } else { &["+OK"] });
        assert_eq!(b.read(), "GET b");
        b.answer(&["+x"]);
        assert_eq!(fixture.completions(), ["1 Ok Answered: OK", "2 Ok Answered: x"]);
        assert_eq!(count(&fixture, "a:1").0, 0);
    }
}

#[test]
fn a_lease_that_was_used_ends_where_its_slot_leaves_it() {
    let ends = [
        MOVED,
        ASK,
        "-READONLY You can't write against a read only replica.",
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ];
    for end in ends {
        for commands in [&["INCR b"][..], &["INCR b", "INCR b"]] {
            let mut fixture = Fixture::cluster(&HALVES);
            let lease = Some(fixture.lease());
            fixture.submit_on(lease, &["WATCH b"], |_| {}).unwrap();
            let mut a = fixture.dedicated_at("a:1");
            a.serve(&["+OK"]);
            fixture.completion();
            fixture.submit_on(lease, commands, |_| {}).unwrap();
            fixture.submit_on(lease, &["GET b"], |_| {}).unwrap();
            a.read();
            a.answer(&vec![end; commands.len()]);
            a.lose();
            let told = format!("a:1: {}; the lease is lost, make a new one", &end[1..]);
            let list = if commands.len() == 1 { told.clone() } else { format!("[{told}, {told}]") };
            let completions = fixture.completions();
            assert_eq!(completions[0], format!("2 LeaseLost NotRun: {list}"));
            assert!(completions[1].starts_with("3 LeaseLost Unknown: "), "{completions:?}");
            fixture.submit_on(lease, &["GET b"], |request| request.timeout = Timeout::Default).unwrap();
            assert_eq!(fixture.completion(), format!("4 LeaseLost NotRun: {told}"));
        }
    }
}
