//! A client of a cluster whose nodes send its requests to each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::address::Address;
use crate::client::fan_out::FanOut;
use crate::client::fixture::{Fixture, Peer};
use crate::client::request::Timeout;
use crate::connection::link::Link;
use crate::topology::Route;
use crate::topology::deferred::Deferred;

/// Slots 0 to 8191 (`b`: 3300) at a:1, the others (`a`: 15495) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

/// The other way round.
const TURNED: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "b", ":1", "*3", ":8192", ":16383", "*2", "$1", "a", ":1"];

/// A client that has sent these commands to a:1, which is connected; b:1 is connected too.
fn sent(commands: &[&str], atomic: bool) -> (Fixture, Peer, Peer) {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.submit(&["PING a"]).unwrap();
    fixture.shared.serve(&["+PONG"]);
    fixture.completion();
    fixture.submit(&["GET a"]).unwrap();
    let mut b = fixture.node("b:1");
    b.serve(&["$-1"]);
    fixture.completion();
    fixture.submit_as(commands, |request| request.atomic = atomic).unwrap();
    let mut a = fixture.node("a:1");
    a.read();
    (fixture, a, b)
}

const MOVED: &str = "-MOVED 3300 b:1";
const ASK: &str = "-ASK 3300 b:1";

#[test]
fn moved_leads_to_the_new_owner_and_so_does_every_later_request() {
    let (mut fixture, mut a, mut b) = sent(&["INCR b"], false);
    a.answer(&[MOVED]);
    assert_eq!(b.read(), "INCR b");
    b.answer(&[":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
    fixture.submit(&["INCR {b}"]).unwrap();
    fixture.submit(&["INCR b"]).unwrap();
    assert_eq!((a.read().as_str(), b.read().as_str()), ("", "INCR {b} | INCR b"));
    assert!(a.is_at_rest());
}

#[test]
fn ask_leads_to_the_importing_node_once_behind_asking() {
    let (mut fixture, mut a, mut b) = sent(&["INCR b"], false);
    a.answer(&[ASK]);
    assert_eq!(b.read(), "ASKING | INCR b");
    b.answer(&["+OK", ":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
    fixture.submit(&["INCR b"]).unwrap();
    assert_eq!((a.read().as_str(), b.read().as_str()), ("INCR b", ""), "the slot is still where it was");
}

#[test]
fn a_map_that_is_old_and_a_slot_that_is_moving_cost_no_pause() {
    let (fixture, mut a, mut b) = sent(&["INCR b"], false);
    a.answer(&[MOVED]);
    b.serve(&["-ASK 3300 a:1"]);
    assert_eq!(a.read(), "ASKING | INCR b");
    a.answer(&["+OK", ":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
}

/// b:1, which knows of the failover, says so when it is asked for a slot of a:1, which is gone.
#[test]
fn what_waits_for_a_node_that_is_gone_is_not_overtaken_when_another_one_says_who_has_the_slot() {
    let (mut fixture, mut a, mut b) = sent(&["GET b"], false);
    a.answer(&["-ASK 3300 b:1"]);
    a.lose();
    fixture.submit(&["INCR b"]).unwrap();
    fixture.submit(&["INCR {b}"]).unwrap();
    assert_eq!(b.read(), "ASKING | GET b");
    b.answer(&["+OK", "-MOVED 3300 c:1"]);
    fixture.submit(&["DECR b"]).unwrap();
    assert_eq!(fixture.node("c:1").read(), "INCR b | INCR {b} | GET b | DECR b");
}

#[test]
fn what_was_to_ask_a_node_that_is_not_there_goes_home_with_the_next_map_though_that_is_the_same() {
    let (mut fixture, mut a, mut b) = sent(&["INCR b"], false);
    a.answer(&["-ASK 3300 c:1"]);
    assert_eq!((a.read(), b.read()), (String::new(), String::new()), "it waits for c");
    fixture.pass(Duration::from_secs(70));
    for node in [&mut a, &mut b, &mut fixture.shared] {
        assert_eq!(node.read(), "CLUSTER SLOTS");
        node.answer(&HALVES);
    }
    assert_eq!(a.read(), "INCR b");
    a.answer(&[":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
}

/// Of two redirects of one kind the second waits a while, and then goes where it leads.
#[test]
fn whoever_asks_again_waits_and_still_asks() {
    let (fixture, mut a, mut b) = sent(&["INCR b"], false);
    a.answer(&[ASK]);
    b.serve(&["+OK", "-TRYAGAIN later"]);
    fixture.pass(Duration::from_secs(5));
    assert_eq!(a.read(), "INCR b");
    a.answer(&[ASK]);
    assert_eq!(b.read(), "");
    fixture.pass(Duration::from_secs(5));
    assert_eq!(b.read(), "ASKING | INCR b");
    b.answer(&["+OK", ":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
}

#[test]
fn parts_of_a_pipeline_go_their_own_ways_and_come_together() {
    let (fixture, mut a, mut b) = sent(&["INCR b", "INCR b", "INCR b", "INCR b"], false);
    a.answer(&[":1", ASK, MOVED, MOVED]);
    assert_eq!(b.read(), "ASKING | INCR b | INCR b | INCR b");
    b.answer(&["-ERR I know no ASKING", ":2", ":3", "-WRONGTYPE no"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: [1, 2, 3, WRONGTYPE no]");
    assert!(a.is_at_rest() && b.is_at_rest());
}

/// What is for one slot would not keep its order on two connections.
#[test]
fn commands_of_a_slot_go_together_also_when_it_moves_while_they_are_looked_up() {
    let fixture = Fixture::cluster(&HALVES);
    let core = &fixture.core;
    let cluster = core.topology.cluster().unwrap();
    let [a, b] = ["a:1", "b:1"].map(|address| Address::parse(address).unwrap());
    let link = cluster.primary_of(15495).and(cluster.first_link(0)).unwrap();
    let commands = [["GET", "a"], ["GET", "b"]].repeat(50);
    let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                cluster.apply_moved(15495, &b, &a);
                cluster.apply_moved(15495, &a, &b);
            }
        });
        let split = (0..2000).find(|_| {
            let parts = FanOut::of(&commands, Route::ByKey, None).unwrap().unwrap().parts;
            let of_pipeline = core.links_of_pipeline(cluster, &link, &commands).ok().flatten().unwrap();
            let of_parts = core.links_of_parts(cluster, &parts, &link, &mut Deferred::default()).unwrap();
            let is_split = |links: &[Arc<Link>]| links.iter().step_by(2).any(|other| !Arc::ptr_eq(other, &links[0]));
            is_split(&of_pipeline) || is_split(&of_parts)
        });
        is_over.store(true, Ordering::SeqCst);
        assert_eq!(split, None);
    });
}

#[test]
fn a_part_of_a_pipeline_that_moved_is_cancelled_where_it_is() {
    let (mut fixture, mut a, mut b) = sent(&["INCR b", "INCR b"], false);
    fixture.submit(&["INCR b", "INCR b"]).unwrap();
    a.answer(&[":1", ":2"]);
    fixture.completion();
    let id = fixture.submit(&["INCR b", "INCR b"]).unwrap();
    a.read();
    a.answer(&[":3", ":4", ":5", MOVED]);
    fixture.completion();
    assert!(fixture.core.cancel(crate::connection::unit::Ticket(id)));
    let told = "5 Canceled Unknown: [5, b:1: cancelled; refused by the server: MOVED 3300 b:1]";
    assert_eq!(fixture.completion(), told);
    assert_eq!(b.read(), "", "it was taken back");
}

#[test]
fn a_transaction_goes_as_a_whole() {
    let lines = |last: &'static str| [["+OK", MOVED, "+QUEUED"].as_slice(), &[last]].concat();
    // What a:1 answers, what b:1 gets, what it answers.
    for (answers, got, then) in [
        (lines("-EXECABORT because of previous errors."), "MULTI | INCR b | INCR b | EXEC", "*2"),
        (vec!["+OK", "+QUEUED", "+QUEUED", MOVED], "MULTI | INCR b | INCR b | EXEC", "*2"),
        (vec!["+OK", "+QUEUED", ASK, "-EXECABORT no."], "ASKING | MULTI | INCR b | INCR b | EXEC", "*2"),
    ] {
        let (fixture, mut a, mut b) = sent(&["INCR b", "INCR b"], true);
        a.answer(&answers);
        assert_eq!(b.read(), got);
        if got.starts_with("ASKING") {
            b.answer(&["+OK"]);
        }
        b.answer(&["+OK", "+QUEUED", "+QUEUED", then, ":1", ":2"]);
        assert_eq!(fixture.completion(), "3 Ok Answered: [1, 2]", "{answers:?}");
    }
}

/// The transaction ran: a command in it that answers with such words has written them itself.
#[test]
fn a_redirect_inside_the_array_of_exec_proves_nothing() {
    let (fixture, mut a, mut b) = sent(&["INCR b", "INCR b"], true);
    a.answer(&["+OK", "+QUEUED", "+QUEUED", "*2", ":1", MOVED]);
    assert_eq!(fixture.completion(), "3 Ok Answered: [1, MOVED 3300 b:1]");
    assert_eq!(b.read(), "");
}

#[test]
fn a_redirect_to_another_slot_is_the_word_of_a_script() {
    for said in ["-MOVED 3301 b:1", "-ASK 3301 b:1", "-MOVED to b:1", "-MOVED", "-LOADING", "-CLUSTERDOWN"] {
        let (fixture, mut a, mut b) = sent(&["EVAL script 1 b"], false);
        a.answer(&[said]);
        assert_eq!(fixture.completion(), format!("3 Server Answered: {}", &said[1..]));
        assert_eq!(b.read(), "");
    }
}

#[test]
fn a_script_whose_keys_are_on_their_way_waits_for_them() {
    let (fixture, mut a, mut b) = sent(&["EVAL script 2 b {b}2"], false);
    let later = "-TRYAGAIN Multiple keys request during rehashing of slot";
    a.answer(&[later]);
    fixture.pass(Duration::from_secs(5));
    a.serve(&[ASK]);
    b.serve(&["+OK", later]);
    fixture.pass(Duration::from_secs(5));
    a.serve(&[":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
}

/// A script may answer with what somebody has stored.
#[test]
fn a_script_leads_to_no_server_that_the_cluster_does_not_have() {
    for text in ["-MOVED 3300 elsewhere:1", "-ASK 3300 elsewhere:1"] {
        let (mut fixture, mut a, b) = sent(&["EVAL script 1 b"], false);
        a.answer(&[text]);
        assert!(fixture.completion().contains(&text[1..]), "it is the answer");
        assert!(fixture.core.topology.links().iter().all(|link| link.address() != "elsewhere:1"));
        fixture.submit(&["INCR b"]).unwrap();
        assert_eq!(a.read(), "INCR b", "the slot is where it was");
        assert!(b.is_at_rest());
    }
}

#[test]
fn a_script_follows_its_slot_and_is_sent_as_text_where_it_is_not_known() {
    let (mut fixture, mut a, mut b) = sent(&["EVAL script 1 b"], false);
    a.answer(&[":1"]);
    fixture.submit(&["EVAL script 1 b"]).unwrap();
    assert!(a.read().starts_with("EVALSHA "));
    a.answer(&[ASK]);
    assert!(b.read().starts_with("ASKING | EVALSHA "));
    b.answer(&["+OK", "-NOSCRIPT No matching script."]);
    assert_eq!(b.read(), "ASKING | EVAL script 1 b");
    b.answer(&["+OK", ":2"]);
    assert_eq!(fixture.completions(), ["3 Ok Answered: 1", "4 Ok Answered: 2"]);
    // What one node holds another need not.
    fixture.submit(&["EVAL script 1 a"]).unwrap();
    assert!(b.read().starts_with("EVALSHA "), "it was learnt there too");
}

#[test]
fn sixteen_redirects_are_enough() {
    for (atomic, to, name) in [(false, "-MOVED 3300", "a command"), (true, "-MOVED 3300", "a transaction")] {
        let (fixture, mut a, mut b) = sent(&["INCR b"], atomic);
        // Answers what was read: the question for the map and, at last, the request.
        let answer = |peer: &mut Peer, read: &str, other: &str| {
            let moved = format!("{to} {other}:1");
            for command in read.split(" | ") {
                match command {
                    "CLUSTER SLOTS" => peer.answer(&["-ERR later"]),
                    "MULTI" => peer.answer(&["+OK"]),
                    "INCR b" if atomic => peer.answer(&["+QUEUED"]),
                    _ => peer.answer(&[&moved]),
                }
            }
        };
        let mut read = if atomic { "MULTI | INCR b | EXEC" } else { "INCR b" }.to_string();
        for _ in 0..8 {
            answer(&mut a, &read, "b");
            fixture.pass(Duration::from_secs(5));
            let at_b = b.read();
            assert!(at_b.contains("INCR b"), "{name}: {at_b}");
            answer(&mut b, &at_b, "a");
            fixture.pass(Duration::from_secs(5));
            read = a.read();
            assert!(read.contains("INCR b"), "{name}: {read}");
        }
        assert_eq!(fixture.completions(), Vec::<String>::new());
        answer(&mut a, &read, "b");
        let end = "the cluster redirected it 16 times, the last time with: MOVED 3300 b:1";
        assert_eq!(fixture.completion(), format!("3 Server Answered: a:1: {end}"), "{name}");
    }
}

#[test]
fn what_was_redirected_and_then_lost_is_told_by_what_happened_last() {
    for (asking, command, again) in
        [(ASK, "INCR b", "3 Lost Unknown"), (ASK, "GET b", "again"), (MOVED, "GET b", "again")]
    {
        let (fixture, mut a, mut b) = sent(&[command], false);
        a.answer(&[asking]);
        b.read();
        b.lose();
        match again {
            "again" => {
                b.connect();
                let there = if asking == ASK { &mut a } else { &mut b };
                assert_eq!(there.read(), command, "without ASKING, to the owner");
            }
            end => assert!(fixture.completion().starts_with(end)),
        }
    }
}

#[test]
fn a_deadline_passes_wherever_the_request_is() {
    let mut fixture = Fixture::cluster(&HALVES);
    let timeout = Timeout::After(Duration::from_millis(1500));
    fixture.submit_as(&["INCR b"], |request| request.timeout = timeout).unwrap();
    let mut a = fixture.node("a:1");
    a.serve(&["-MOVED 3300 c:1"]);
    fixture.pass(Duration::from_millis(1400));
    assert_eq!(fixture.completions(), Vec::<String>::new());
    fixture.pass(Duration::from_millis(200));
    let end = "c:1: no other answer within 1500 ms; refused by the server: MOVED 3300 c:1";
    assert_eq!(fixture.completion(), format!("1 Timeout NotRun: {end}"));
    assert!(!fixture.node("c:1").read().contains("INCR"));
}

#[test]
fn a_node_that_names_itself_is_dialled_anew_and_what_it_refused_waits() {
    let (fixture, mut a, _b) = sent(&["INCR b"], false);
    a.answer(&["-MOVED 3300 :1"]);
    fixture.pass(Duration::from_secs(2));
    assert_eq!(a.read(), "", "nothing is begun on the old connection");
    a.connect_again();
    assert_eq!(a.read(), "INCR b");
    a.answer(&[":1"]);
    assert_eq!(fixture.completion(), "3 Ok Answered: 1");
}

#[test]
fn a_node_whose_host_nobody_knows_is_looked_for() {
    for said in ["-MOVED 3300 ?:1", "-MOVED 3300 b", "-ASK 3300 ?:1"] {
        let (mut fixture, mut a, mut b) = sent(&["INCR b"], false);
        a.answer(&[said]);
        fixture.pass(Duration::from_secs(2));
        let asked = [a.read(), b.read(), fixture.shared.read()];
        let questions = asked.iter().filter(|text| text.contains("CLUSTER SLOTS")).count();
        assert_eq!(questions, 3, "{said}: {asked:?}");
        assert!(asked[0].contains("INCR b"), "{said}: {asked:?}");
    }
}

#[test]
fn before_there_is_a_map_scripts_go_where_nodes_send_them() {
    let mut fixture = Fixture::cluster(&["-ERR later"]);
    for (command, said, address) in [("EVAL script 1 b", MOVED, "b:1"), ("EVAL script 1 a", "-MOVED 15495 c:1", "c:1")]
    {
        fixture.submit(&[command]).unwrap();
        assert!(fixture.shared.read().starts_with("EVAL"));
        fixture.shared.answer(&[said]);
        let mut node = fixture.node(address);
        assert!(node.read().starts_with("EVAL"), "{command}");
        node.answer(&[":7"]);
        assert!(fixture.completion().ends_with("Ok Answered: 7"));
    }
}

/// It is not sent around: the node that says so waits for the end of a move, or for what it does not know yet.
#[test]
fn a_node_whose_host_nobody_knows_is_waited_for_until_the_deadline() {
    for said in ["-MOVED 3300 ?:1", "-ASK 3300 ?:1"] {
        let (mut fixture, mut a, _b) = sent(&["GET b"], false);
        a.answer(&["$-1"]);
        fixture.completion();
        fixture.submit_as(&["INCR b"], |request| request.timeout = Timeout::None).unwrap();
        let mut refusals = 0;
        for _ in 0..100 {
            for command in a.read().split(" | ") {
                match command {
                    "CLUSTER SLOTS" => a.answer(&HALVES),
                    "INCR b" => {
                        a.answer(&[said]);
                        refusals += 1;
                    }
                    _ => {}
                }
            }
            fixture.pass(Duration::from_secs(2));
        }
        assert!(refusals > 30, "{said}: {refusals}");
        assert!(fixture.completions().is_empty(), "{said}");
    }
}

/// The node is dead, and another one has its slots by now.
#[test]
fn what_waits_for_a_connection_goes_to_whoever_has_its_slot_by_the_next_map() {
    let (mut fixture, mut a, mut b) = sent(&["GET b"], false);
    a.lose();
    let ids = [fixture.submit(&["INCR b"]).unwrap(), fixture.submit(&["SET b 1", "GET b"]).unwrap()];
    fixture.submit(&["INCR a"]).unwrap();
    fixture.pass(Duration::from_secs(2));
    assert_eq!(b.read(), "INCR a | CLUSTER SLOTS");
    fixture.shared.serve(&TURNED);
    b.answer(&[":7"]);
    b.answer(&TURNED);
    assert_eq!(b.read(), "GET b | INCR b | SET b 1 | GET b", "in the order in which they waited");
    assert_eq!(ids.map(|id| fixture.whereabouts(id)), ["at the client", "gathered"]);
    b.answer(&["$-1", ":1", "+OK", "$1", "1"]);
    let completions = ["6 Ok Answered: 7", "3 Ok Answered: nil", "4 Ok Answered: 1", "5 Ok Answered: [OK, 1]"];
    assert_eq!(fixture.completions(), completions);
    assert_eq!(ids.map(|id| fixture.whereabouts(id)), ["gone", "gone"]);
}

#[test]
fn a_question_that_is_not_answered_ends_and_is_asked_again() {
    let fixture = Fixture::cluster(&["-ERR later"]);
    assert_eq!(fixture.core.state.lock().requests.len(), 0);
    let mut shared = fixture.shared;
    let core = &fixture.core;
    for _ in 0..3 {
        core.clock.move_on(Duration::from_secs(2));
        core.tick();
        assert_eq!((shared.read().as_str(), core.state.lock().requests.len()), ("CLUSTER SLOTS", 1));
        core.clock.move_on(Duration::from_secs(3));
        core.tick();
        assert_eq!(core.state.lock().requests.len(), 0);
        shared.answer(&["*0"]);
    }
}

#[test]
fn a_question_holds_no_close_up() {
    let mut fixture = Fixture::cluster(&HALVES);
    fixture.pass(Duration::from_secs(70));
    assert_eq!(fixture.core.state.lock().requests.len(), 1);
    assert!(fixture.close(), "there was nothing to end");
}
