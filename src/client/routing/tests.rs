//! A client of a cluster, whose nodes are played by hand.

use std::time::Duration;

use super::*;
use crate::client::fixture::Fixture;
use crate::client::request::Timeout;
use crate::connection::unit::Ticket;

/// Slots 0 to 8191 (`b`: 3300) at a:1, the others (`a`: 15495, `c`: 7365 is at a:1) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

fn refusal(fixture: &mut Fixture, commands: &[&str]) -> String {
    let error = fixture.submit(commands).unwrap_err();
    assert_eq!(error.status, Status::Argument, "{error}");
    error.message
}

#[test]
fn a_request_goes_to_the_node_of_its_keys() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit(&["GET a"]).unwrap();
    fixture.submit(&["GET b"]).unwrap();
    fixture.submit(&["SET b 1", "INCR b"]).unwrap();
    fixture.submit_as(&["INCR a"], |request| request.atomic = true).unwrap();
    fixture.submit(&["SPUBLISH a hello"]).unwrap();
    let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
    assert_eq!(a.read(), "GET b | SET b 1 | INCR b");
    assert_eq!(b.read(), "GET a | MULTI | INCR a | EXEC | SPUBLISH a hello");
    assert_eq!(fixture.shared.read(), "");
    a.answer(&[":1", "+OK", ":2"]);
    b.answer(&[":3", "+OK", "+QUEUED", "*1", ":4", ":5"]);
    let completions = ["2 Ok Answered: 1", "3 Ok Answered: [OK, 2]", "1 Ok Answered: 3", "4 Ok Answered: [4]"];
    assert_eq!(fixture.completions()[..4], completions);
    assert!(a.is_at_rest() && b.is_at_rest() && fixture.shared.is_at_rest());
}

#[test]
fn requests_that_go_to_one_node_after_the_other_do_not_wake_the_timer_each_time() {
    let mut fixture = Fixture::cluster(&HALVES);
    let mut wakes = 0;
    for number in 0..20 {
        let (command, node) = [("GET a", "b:1"), ("GET b", "a:1")][number % 2];
        let timeout = Timeout::After(Duration::from_secs(5));
        fixture.submit_as(&[command], |request| request.timeout = timeout).unwrap();
        if fixture.core.clock.has_changed() {
            wakes += 1;
            fixture.core.tick();
        }
        fixture.node(node).serve(&["_"]);
        fixture.core.clock.move_on(Duration::from_millis(1));
    }
    assert!(wakes <= 2, "{wakes} wakes");
}

#[test]
fn what_one_node_cannot_answer_is_refused_with_a_sentence() {
    let mut fixture = Fixture::cluster(&HALVES);
    let several = "has keys in the slots 15495 and 3300";
    assert!(refusal(&mut fixture, &["SINTER a b"]).starts_with(&format!("SINTER {several}")));
    assert!(refusal(&mut fixture, &["GET a", "sinter {a}1 a b"]).starts_with(&format!("SINTER {several}")));
    assert!(refusal(&mut fixture, &["MSETNX a 1 b 2"]).starts_with(&format!("MSETNX {several}")));
    let error = fixture.submit_as(&["GET a", "GET b"], |request| request.atomic = true).unwrap_err();
    assert!(error.message.starts_with(&format!("the transaction {several}")), "{error}");
    assert!(refusal(&mut fixture, &["NO.SUCH.COMMAND a"]).starts_with("NO.SUCH.COMMAND names no key"));
    assert!(refusal(&mut fixture, &["PING", "shutdown"]).starts_with("SHUTDOWN names no key"));
    assert!(refusal(&mut fixture, &["GET a", "CLUSTER reset", "GET b"]).starts_with("CLUSTER names no key"));
    let error = fixture.submit_as(&["INCR a", "FLUSHALL"], |request| request.atomic = true).unwrap_err();
    assert!(error.message.starts_with("FLUSHALL names no key"), "{error}");
    let one = "what goes on one connection has keys in the slots 15495 and 3300";
    for commands in [&["BLPOP a b 0"][..], &["XREAD BLOCK 0 STREAMS a b $ $"], &["SET a 1", "SET b 1", "WAIT 1 0"]] {
        assert!(refusal(&mut fixture, commands).starts_with(one), "{commands:?}");
    }
    for commands in [&["MGET a b"][..], &["GET a", "GET b"]] {
        let error = fixture.submit_as(commands, |request| request.dedicated = true).unwrap_err();
        assert!(error.message.starts_with(one), "{error}");
    }
    for route in [Route::All, Route::Primaries, Route::Replicas] {
        let error = fixture.submit_as(&["PING", "PING"], |request| request.route = route).unwrap_err();
        assert!(error.message.contains("takes one command at a time"), "{error}");
    }
    let error = fixture.submit_as(&["PING"], |request| request.route = Route::Slot(None)).unwrap_err();
    assert!(error.message.contains("there are slots 0 to 16383"), "{error}");
    fixture.submit(&["MGET {a}1 {a}2"]).unwrap();
    assert_eq!(fixture.node("b:1").read(), "MGET {a}1 {a}2");
}

#[test]
fn a_pipeline_goes_to_the_nodes_of_its_commands_and_comes_back_as_one() {
    let mut fixture = Fixture::cluster(&HALVES);
    let id = fixture.submit(&["PING", "INCR a", "INCR b", "PING a", "INCR a", "GET b"]).unwrap();
    let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
    assert_eq!(fixture.shared.read(), "PING", "a word that goes anywhere");
    assert_eq!((a.read().as_str(), b.read().as_str()), ("INCR b | PING a | GET b", "INCR a | INCR a"));
    b.answer(&[":1", ":2"]);
    fixture.shared.answer(&["+PONG"]);
    a.answer(&[":3", "+a"]);
    assert_eq!((fixture.completions(), fixture.whereabouts(id)), (vec![], "gathered"));
    a.answer(&["-ERR no"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [PONG, 1, 3, a, 2, ERR no]");
}

#[test]
fn a_part_of_a_pipeline_is_lost_with_its_node_alone() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit(&["INCR a", "INCR b", "GET a", "GET b"]).unwrap();
    let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
    b.read();
    b.lose();
    b.connect();
    assert_eq!((a.read().as_str(), b.read().as_str()), ("INCR b | GET b", "GET a"));
    b.answer(&["$1", "x"]);
    a.answer(&[":1", "$1", "1"]);
    let lost = "b:1: gone; the command was sent, it may have run";
    assert_eq!(fixture.completion(), format!("1 Lost Unknown: [{lost}, 1, x, 1]"));
}

#[test]
fn a_pipeline_is_cancelled_at_every_node() {
    let mut fixture = Fixture::cluster(&HALVES);
    let id = fixture.submit(&["INCR a", "INCR b", "INCR a"]).unwrap();
    let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
    a.read();
    assert!(fixture.core.cancel(Ticket(id)));
    let ends = "b:1: cancelled before it was sent, a:1: cancelled after it was sent, b:1: cancelled before it was sent";
    assert_eq!(fixture.completion(), format!("1 Canceled Unknown: [{ends}]"));
    a.answer(&[":1"]);
    assert!(b.read().is_empty() && a.is_at_rest() && b.is_at_rest());
}

#[test]
fn a_pipeline_for_which_one_node_has_no_room_is_sent_to_none() {
    let mut fixture = Fixture::cluster_of(&HALVES, 3);
    for _ in 0..2 {
        fixture.submit(&["INCR b"]).unwrap();
    }
    let error = fixture.submit(&["INCR a", "INCR b", "INCR b"]).unwrap_err();
    assert_eq!(error.status, Status::Full, "{error}");
    assert!(error.message.starts_with("a:1: 2 requests"), "{error}");
    fixture.submit(&["INCR a", "INCR b"]).unwrap();
    assert_eq!(fixture.node("b:1").read(), "INCR a");
    assert_eq!(fixture.node("a:1").read(), "INCR b | INCR b | INCR b");
}

#[test]
fn a_command_of_many_slots_is_sent_as_several_and_answered_as_one() {
    // The command, what a:1 and b:1 get and answer, the completion.
    for (command, at_a, answer_of_a, at_b, answer_of_b, completion) in [
        (
            "MGET a b {a}1 c b",
            "MGET b b | MGET c",
            &["*2", "+b", "+b", "*1", "$-1"][..],
            "MGET a {a}1",
            &["*2", "+a", "+a1"][..],
            { "Ok Answered: [a, b, a1, nil, b]" },
        ),
        (
            "MGET a b c",
            "MGET b | MGET c",
            &["-ERR no", "*1", "+c"],
            "MGET a",
            &["*1", "+a"],
            "Ok Answered: [a, ERR no, c]",
        ),
        ("MGET a b", "MGET b", &["*2", "+b", "+b"], "MGET a", &["*1", "+a"], {
            "Protocol Unknown: [a, an answer has not as many items as there were keys]"
        }),
        ("DEL a b {a}1", "DEL b", &[":1"], "DEL a {a}1", &[":2"], "Ok Answered: 3"),
        ("EXISTS a b c", "EXISTS b | EXISTS c", &[":0", "-ERR no"], "EXISTS a", &[":1"], "Server Answered: ERR no"),
        ("MSET a 1 b 2", "MSET b 2", &["+OK"], "MSET a 1", &["+OK"], "Ok Answered: OK"),
    ] {
        let mut fixture = Fixture::cluster(&HALVES);
        fixture.submit(&[command]).unwrap();
        let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
        assert_eq!((a.read().as_str(), b.read().as_str()), (at_a, at_b));
        a.answer(answer_of_a);
        b.answer(answer_of_b);
        assert_eq!(fixture.completion(), format!("1 {completion}"));
    }
}

#[test]
fn a_part_of_a_command_that_is_lost_is_told_for_its_keys() {
    let lost = "b:1: gone; the command was sent, it may have run";
    for (command, answers, completion) in [
        ("MSET a 1 b 2", "+OK", format!("1 Lost Unknown: {lost}")),
        ("DEL b a", ":1", format!("1 Lost Unknown: {lost}")),
    ] {
        let mut fixture = Fixture::cluster(&HALVES);
        fixture.submit(&[command]).unwrap();
        let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
        b.read();
        b.lose();
        a.serve(&[answers]);
        assert_eq!(fixture.completion(), completion);
    }
    let mut fixture = Fixture::cluster(&HALVES);
    let id = fixture.submit(&["MGET a b {a}1"]).unwrap();
    fixture.node("a:1").serve(&["*1", "+b"]);
    fixture.core.cancel(Ticket(id));
    let end = "b:1: cancelled before it was sent";
    assert_eq!(fixture.completion(), format!("1 Canceled Unknown: [{end}, b, {end}]"));
}

#[test]
fn what_has_no_key_goes_to_any_node_or_to_the_one_of_its_route() {
    let mut fixture = Fixture::cluster(&HALVES);
    for commands in [&["PING"][..], &["eval return_1 0"], &["PUBLISH a b"], &["INFO", "TIME"]] {
        fixture.submit(commands).unwrap();
    }
    fixture.submit_as(&["DBSIZE"], |request| request.route = Route::Random).unwrap();
    assert_eq!(fixture.shared.read(), "PING | eval return_1 0 | PUBLISH a b | INFO | TIME | DBSIZE");
    fixture.submit_as(&["FLUSHALL"], |request| request.route = Route::Node("b:1")).unwrap();
    assert_eq!(fixture.node("b:1").read(), "FLUSHALL");
    for (route, why) in [("c:1", "the cluster has no such node"), ("c:x", "neither a word nor an address")] {
        let error = fixture.submit_as(&["PING"], |request| request.route = Route::Node(route)).unwrap_err();
        assert!(error.status == Status::Argument && error.message.contains(why), "{error}");
    }
}

#[test]
fn before_there_is_a_map_the_seed_is_asked_and_tells_where_to_go() {
    let mut fixture = Fixture::cluster(&["-ERR later"]);
    let id = fixture.submit(&["INCR a"]).unwrap();
    fixture.shared.serve(&["-MOVED 15495 b:1"]);
    let mut b = fixture.node("b:1");
    assert_eq!((b.read().as_str(), fixture.whereabouts(id)), ("INCR a", "at the client"));
    b.answer(&[":1"]);
    assert_eq!((fixture.completion().as_str(), fixture.whereabouts(id)), ("1 Ok Answered: 1", "gone"));
    fixture.submit(&["INCR {a}"]).unwrap();
    assert_eq!(b.read(), "INCR {a}", "the slot is known from now on");
}

/// As `HALVES`, and a:1 has the replica r:1.
const REPLICATED: [&str; 19] = [
    "*2", "*4", ":0", ":8191", "*2", "$1", "a", ":1", "*2", "$1", "r", ":1", "*3", ":8192", ":16383", "*2", "$1", "b",
    ":1",
];

#[test]
fn a_route_to_several_nodes_is_answered_by_address_and_each_fails_alone() {
    let mut fixture = Fixture::cluster(&REPLICATED);
    fixture.submit_as(&["DBSIZE"], |request| request.route = Route::All).unwrap();
    let [mut a, mut b, mut r] = ["a:1", "b:1", "r:1"].map(|address| fixture.node(address));
    assert_eq!([a.read(), b.read(), r.read()], ["DBSIZE", "DBSIZE", "DBSIZE"]);
    a.answer(&[":1"]);
    b.answer(&["-ERR no"]);
    assert_eq!(fixture.completions(), [""; 0]);
    r.answer(&[":3"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: {a:1, 1, b:1, ERR no, r:1, 3}");
    fixture.submit_as(&["INCR a"], |request| request.route = Route::Primaries).unwrap();
    assert_eq!((a.read(), b.read(), r.read()), ("INCR a".to_owned(), "INCR a".to_owned(), String::new()));
    a.answer(&["-MOVED 15495 b:1"]);
    b.lose();
    let lost = "b:1: gone; the command was sent, it may have run";
    assert_eq!(fixture.completion(), format!("2 Ok Unknown: {{a:1, MOVED 15495 b:1, b:1, {lost}}}"));
    fixture.submit_as(&["PING"], |request| request.route = Route::Replicas).unwrap();
    r.serve(&["+PONG"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: {r:1, PONG}");
    fixture.submit_as(&["EVAL x 0"], |request| request.route = Route::Replicas).unwrap();
    r.serve(&["+script"]);
    assert_eq!(fixture.completion(), "4 Ok Answered: {r:1, script}");
}

#[test]
fn a_map_that_is_cancelled_or_late_has_what_came_so_far() {
    for (status, why) in
        [(Status::Canceled, "cancelled after it was sent"), (Status::Timeout, "no answer within 50 ms")]
    {
        let mut fixture = Fixture::cluster(&HALVES);
        let timeout = Timeout::After(Duration::from_millis(50));
        let of = |request: &mut Request<'_, &str>| (request.route, request.timeout) = (Route::All, timeout);
        let id = fixture.submit_as(&["DBSIZE"], of).unwrap();
        fixture.node("a:1").serve(&[":1"]);
        fixture.node("b:1").read();
        match status {
            Status::Canceled => assert!(fixture.core.cancel(Ticket(id))),
            _ => fixture.pass(Duration::from_secs(1)),
        }
        let completion = fixture.completion();
        assert!(completion.starts_with(&format!("1 {status:?} Unknown: {{a:1, 1, b:1, ")), "{completion}");
        assert!(completion.ends_with(&format!("b:1: {why}}}")), "{completion}");
    }
}

#[test]
fn a_route_to_many_nodes_of_which_one_has_no_room_goes_to_none() {
    let mut fixture = Fixture::cluster_of(&HALVES, 2);
    for _ in 0..2 {
        fixture.submit(&["INCR b"]).unwrap();
    }
    let error = fixture.submit_as(&["PING"], |request| request.route = Route::All).unwrap_err();
    assert_eq!(error.status, Status::Full, "{error}");
    assert_eq!(fixture.submit(&["DBSIZE"]).unwrap_err().status, Status::Full);
    fixture.submit(&["INCR a"]).unwrap();
    assert_eq!(fixture.node("b:1").read(), "INCR a");
}

#[test]
fn a_route_names_a_slot_or_a_key() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit_as(&["DBSIZE"], |request| request.route = Route::Slot(Some(8192))).unwrap();
    fixture.submit_as(&["SAVE", "PING"], |request| request.route = Route::Key("x{a}")).unwrap();
    fixture.submit_as(&["DBSIZE"], |request| request.route = Route::Key("b")).unwrap();
    fixture.submit(&["CLUSTER COUNTKEYSINSLOT 8191"]).unwrap();
    assert_eq!(fixture.node("b:1").read(), "DBSIZE | SAVE | PING");
    assert_eq!(fixture.node("a:1").read(), "DBSIZE | CLUSTER COUNTKEYSINSLOT 8191");
}

#[test]
fn commands_without_keys_are_answered_by_all_who_are_to() {
    for (command, answer_of_a, answer_of_b, completion) in [
        ("DBSIZE", &[":1"][..], &[":2"][..], "3"),
        ("KEYS *", &["*1", "+a"], &["*1", "+b"], "[a, b]"),
        ("FLUSHALL", &["+OK"], &["+OK"], "OK"),
        ("SCRIPT EXISTS x y", &["*2", ":1", ":1"], &["*2", ":0", ":1"], "[0, 1]"),
        ("SCRIPT KILL", &["-NOTBUSY no"], &["+OK"], "OK"),
        ("RANDOMKEY", &["$-1"], &["+b"], "b"),
        ("PUBSUB NUMSUB x", &["*2", "+x", ":1"], &["*2", "+x", ":2"], "[x, 3]"),
    ] {
        let mut fixture = Fixture::cluster(&HALVES);
        fixture.submit(&[command]).unwrap();
        let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
        assert_eq!((a.read().as_str(), b.read().as_str()), (command, command));
        a.answer(answer_of_a);
        b.answer(answer_of_b);
        assert_eq!(fixture.completion(), format!("1 Ok Answered: {completion}"));
    }
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit(&["GET b", "DBSIZE", "DEL a b", "PING"]).unwrap();
    let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
    assert_eq!(a.read(), "GET b | DBSIZE | DEL b | PING");
    assert_eq!(b.read(), "DBSIZE | DEL a");
    a.answer(&["+x", ":1", ":1", "+PONG"]);
    b.answer(&[":2", "-ERR no"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [x, 3, ERR no, PONG]");
}

#[test]
fn what_is_for_all_primaries_waits_for_the_one_that_follows_a_primary() {
    let mut fixture = Fixture::cluster(&REPLICATED);
    fixture.submit(&["FLUSHALL"]).unwrap();
    let mut a = fixture.node("a:1");
    fixture.node("b:1").serve(&["+OK"]);
    a.serve(&["-LOADING later"]);
    // A command with a key learns that the replica has taken over.
    fixture.submit(&["GET b"]).unwrap();
    a.serve(&["-MOVED 3300 r:1"]);
    fixture.pass(Duration::from_secs(5));
    let mut r = fixture.node("r:1");
    assert_eq!(r.read(), "GET b | FLUSHALL");
    r.answer(&["$-1", "+OK"]);
    assert_eq!(fixture.completions(), ["2 Ok Answered: nil", "1 Ok Answered: OK"]);
}

#[test]
fn what_takes_the_map_is_sent_when_it_comes() {
    let mut fixture = Fixture::cluster(&["-ERR later"]);
    let id = fixture.submit(&["DBSIZE"]).unwrap();
    fixture.submit_as(&["PING"], |request| request.route = Route::Replicas).unwrap();
    let late = |request: &mut Request<'_, &str>| request.timeout = Timeout::After(Duration::from_millis(1));
    fixture.submit_as(&["FLUSHALL"], late).unwrap();
    let gone = fixture.submit(&["KEYS *"]).unwrap();
    assert!(fixture.core.cancel(Ticket(gone)));
    assert!(fixture.completion().starts_with("4 Canceled NotRun"));
    fixture.pass(Duration::from_secs(5));
    assert!(fixture.completion().starts_with("3 Timeout NotRun"));
    assert_eq!(fixture.shared.read(), "CLUSTER SLOTS");
    fixture.shared.answer(&HALVES);
    fixture.pass(Duration::ZERO);
    assert_eq!(fixture.completion(), "2 Ok Answered: {}");
    fixture.node("a:1").serve(&[":1"]);
    fixture.node("b:1").serve(&[":2"]);
    assert_eq!((fixture.completion().as_str(), fixture.whereabouts(id)), ("1 Ok Answered: 3", "gone"));
}

#[test]
fn a_scan_of_the_cluster_is_one_cursor() {
    let mut fixture = Fixture::cluster(&HALVES);
    let mut cursor = "0".to_owned();
    let mut peers = std::collections::BTreeMap::new();
    for (node, asked, answer, keys) in [
        ("a:1", "0", "7", "[x, y]"),
        ("a:1", "7", "0", "[x, y]"),
        ("b:1", "0", "12", "[x, y]"),
        ("b:1", "12", "0", "[x, y]"),
    ] {
        fixture.submit(&[&format!("SCAN {cursor} MATCH * COUNT 2")]).unwrap();
        let peer = peers.entry(node).or_insert_with(|| fixture.node(node));
        assert_eq!(peer.read(), format!("SCAN {asked} MATCH * COUNT 2"), "at {node}");
        peer.answer(&["*2", &format!("+{answer}"), "*2", "+x", "+y"]);
        let completion = fixture.completion();
        let (_, told) = completion.split_once("[").unwrap();
        let (next, rest) = told.split_once(", ").unwrap();
        assert_eq!(rest, format!("{keys}]"));
        cursor = next.to_owned();
    }
    assert_eq!(cursor, "0");
    assert!(refusal(&mut fixture, &["SCAN 12"]).starts_with("SCAN over a cluster begins with"));
}

#[test]
fn refused_commands_of_a_slot_are_sent_again_one_after_the_other() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit(&["SET a 1", "GET b", "APPEND a 2", "INCR {b}", "APPEND a 3", "GET {b}"]).unwrap();
    let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
    assert_eq!(
        (a.read().as_str(), b.read().as_str()),
        ("GET b | INCR {b} | GET {b}", "SET a 1 | APPEND a 2 | APPEND a 3")
    );
    // The last one ran, and stays.
    b.answer(&["-LOADING 1", "-MOVED 15495 a:1", ":1"]);
    a.answer(&["$1", "x", ":1", "-LOADING 2"]);
    assert_eq!(a.read(), "", "it waits for the one before it, whatever it was told");
    fixture.pass(Duration::from_secs(5));
    let again = a.read();
    let mut again: Vec<&str> = again.split(" | ").filter(|line| *line != "CLUSTER SLOTS").collect();
    again.sort_unstable();
    assert_eq!(again, ["GET {b}", "SET a 1"], "slots do not wait for each other");
}

#[test]
fn a_chain_goes_on_when_its_first_command_is_over() {
    for end in ["+OK", "-ERR no"] {
        let mut fixture = Fixture::cluster(&HALVES);
        fixture.submit(&["SET a 1", "GET b", "APPEND a 2", "APPEND a 3"]).unwrap();
        let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
        b.serve(&["-ASK 15495 a:1", "-TRYAGAIN", "-ASK 15495 a:1"]);
        assert_eq!(a.read(), "GET b | ASKING | SET a 1");
        a.answer(&["$1", "x", "+OK", end]);
        assert_eq!((a.read().as_str(), b.read().as_str()), ("", "APPEND a 2"), "to whoever has the slot");
        b.answer(&[":2"]);
        assert_eq!(a.read(), "ASKING | APPEND a 3");
        a.answer(&["+OK", ":3"]);
        let end = &end[1..];
        assert_eq!(fixture.completion(), format!("1 Ok Answered: [{end}, x, 2, 3]"));
    }
}
