//! Each kind of work with each kind of answer, and with a connection that ends at each point of its way.

use std::slice;

use super::*;
use crate::client::fixture::Fixture;
use crate::client::request::{Request, Timeout};
use crate::config::Config;
use crate::topology::Route;

type Change = fn(&mut Request<'_, &str>);

const AS_IT_IS: Change = |_| {};
const AT_THE_CLIENT: Change = |request| request.route = Route::Random;
const ATOMIC: Change = |request| request.atomic = true;
const IDEMPOTENT: Change = |request| request.idempotent = true;

const LOADING: &str = "-LOADING not yet";

#[test]
fn every_work_with_every_answer() {
    let cases: [(&[&str], Change, &[&str], &str); 19] = [
        (&["SET k v"], AS_IT_IS, &["+OK"], "1 Ok Answered: OK"),
        (&["SET k v"], AS_IT_IS, &["-ERR no"], "1 Server Answered: ERR no"),
        (&["SET k v"], AS_IT_IS, &[LOADING], "again: SET k v"),
        (&["SET k v"], AS_IT_IS, &["-READONLY a replica"], "again: SET k v"),
        (&["SET k v"], AT_THE_CLIENT, &["+OK"], "1 Ok Answered: OK"),
        (&["SET k v"], AT_THE_CLIENT, &["-ERR no"], "1 Server Answered: ERR no"),
        (&["SET k v"], AT_THE_CLIENT, &[LOADING], "again: SET k v"),
        (&["GET k", "INCR n"], AS_IT_IS, &["$-1", ":1"], "1 Ok Answered: [nil, 1]"),
        (&["GET k", "INCR n"], AS_IT_IS, &["-ERR no", ":1"], "1 Ok Answered: [ERR no, 1]"),
        (&["GET k", "INCR n"], AS_IT_IS, &["$-1", LOADING], "again: INCR n"),
        (&["GET k"], ATOMIC, &["+OK", "+QUEUED", "*1", ":1"], "1 Ok Answered: [1]"),
        (&["GET k"], ATOMIC, &["+OK", "+QUEUED", "*-1"], "1 Ok Answered: nil"),
        (
            &["GET k"],
            ATOMIC,
            &["+OK", "-ERR no", "-EXECABORT Discarded."],
            "1 Server Answered: EXECABORT Discarded: command 0 (GET): ERR no",
        ),
        (&["GET k"], ATOMIC, &["+OK", LOADING, "-EXECABORT Discarded."], "again: MULTI | GET k | EXEC"),
        (
            &["GET k"],
            ATOMIC,
            &["+OK", "+OK", "*1", ":1"],
            "1 Protocol Unknown: 127.0.0.1:6379: the answer to a command behind MULTI is not QUEUED",
        ),
        (
            &["GET k"],
            ATOMIC,
            &[LOADING, ":1", LOADING],
            "1 Server Answered: LOADING not yet: MULTI was refused: LOADING not yet; the commands behind it ran one by \
             one",
        ),
        (&["EVAL x 0"], AS_IT_IS, &["-ERR no"], "1 Server Answered: ERR no"),
        // A script may say that itself.
        (&["EVAL x 0"], AS_IT_IS, &[LOADING], "1 Server Answered: LOADING not yet"),
        (&["PING"], |request| request.route = Route::All, &["-ERR no"], "1 Ok Answered: {127.0.0.1:6379, ERR no}"),
    ];
    for (commands, change, answer, sequel) in cases {
        let mut fixture = Fixture::connected();
        fixture.submit_as(commands, change).unwrap();
        fixture.shared.serve(answer);
        assert_eq!(fixture.sequel(), sequel, "{commands:?}, {answer:?}");
    }
}

/// What went out by its digest and was not run goes out with its text at once, and only then.
#[test]
fn a_script_that_is_missing_is_sent_without_a_pause() {
    for (answer, sent, completion) in [
        ("-NOSCRIPT No matching script. Please use EVAL.", "EVAL x 0", ""),
        ("-NOPERM no permissions to run the 'evalsha' command", "EVAL x 0", ""),
        ("-ERR no", "", "2 Server Answered: ERR no"),
        (":2", "", "2 Ok Answered: 2"),
    ] {
        let mut fixture = Fixture::connected();
        fixture.submit(&["EVAL x 0"]).unwrap();
        fixture.shared.serve(&[":1"]);
        fixture.completion();
        fixture.submit(&["EVAL x 0"]).unwrap();
        assert!(fixture.shared.read().starts_with("EVALSHA"));
        fixture.shared.answer(&[answer]);
        assert_eq!((fixture.shared.read().as_str(), fixture.completions().join("")), (sent, completion.into()));
    }
}

#[test]
fn what_is_kept_in_the_cache_is_answered_behind_its_prelude() {
    for (answer, completion) in [
        (["+OK", "+v"], "1 Ok Answered: v"),
        (["+OK", "-ERR no"], "1 Server Answered: ERR no"),
        (["-ERR nothing is tracked", "+v"], "1 Ok Answered: v"),
    ] {
        let mut fixture = Fixture::new(Config { cache_bytes: 1 << 20, ..Config::default() });
        let id = fixture.submit_as(&["GET k"], |request| request.cached = true).unwrap();
        assert_eq!(fixture.whereabouts(id), "to be kept");
        fixture.shared.connect();
        assert_eq!(fixture.shared.read(), "CLIENT CACHING YES | GET k");
        fixture.shared.answer(&answer);
        assert_eq!(fixture.completion(), completion);
    }
}

/// An error that says "later" is an answer where nothing may be sent on a second connection.
#[test]
fn a_lease_gets_the_refusal_itself() {
    let mut fixture = Fixture::connected();
    let lease = fixture.lease();
    fixture.submit_on(Some(lease), &["SET k v"], AS_IT_IS).unwrap();
    fixture.only_dedicated().serve(&[LOADING]);
    assert_eq!(fixture.completion(), "1 Server Answered: LOADING not yet");
}

/// How much of a request the server read before the connection ended.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Nothing,
    Part,
    Whole,
}

#[test]
fn every_work_with_a_loss_at_every_point() {
    const UNKNOWN: &str = "1 Lost Unknown: 127.0.0.1:6379: gone; the command was sent, it may have run";
    const BLOCK: &str = "again: MULTI | SET k v | EXEC";
    let cases: [(&[&str], Change, [&str; 3]); 7] = [
        (&["SET k v"], AS_IT_IS, ["again: SET k v", "again: SET k v", UNKNOWN]),
        (&["SET k v"], AT_THE_CLIENT, ["again: SET k v", "again: SET k v", UNKNOWN]),
        (&["SET k v"], IDEMPOTENT, ["again: SET k v"; 3]),
        (&["GET k"], AS_IT_IS, ["again: GET k"; 3]),
        (&["EVAL x 0"], IDEMPOTENT, ["again: EVAL x 0", "again: EVAL x 0", UNKNOWN]),
        // Without an answer to MULTI nobody knows whether the commands ran one by one.
        (&["SET k v"], ATOMIC, [BLOCK, UNKNOWN, UNKNOWN]),
        (
            &["SET k v"],
            |request| request.route = Route::All,
            [
                "again: SET k v",
                "again: SET k v",
                "1 Ok Unknown: {127.0.0.1:6379, 127.0.0.1:6379: gone; the command was sent, it may have run}",
            ],
        ),
    ];
    for (commands, change, sequels) in cases {
        for (cut, sequel) in [Cut::Nothing, Cut::Part, Cut::Whole].into_iter().zip(sequels) {
            let mut fixture = Fixture::connected();
            fixture.submit_as(commands, change).unwrap();
            match cut {
                Cut::Nothing => String::new(),
                Cut::Part => fixture.shared.read_at_most(3),
                Cut::Whole => fixture.shared.read(),
            };
            fixture.shared.lose();
            assert_eq!(fixture.sequel(), sequel, "{commands:?}, {cut:?}");
        }
    }
}

/// Nothing of it ran, as the server had said before its connection ended.
#[test]
fn a_refused_transaction_is_sent_again_if_the_reason_passes_also_when_exec_is_not_answered() {
    for (refusal, sequel) in [
        (LOADING, "again: MULTI | SET k v | EXEC"),
        ("-ERR wrong number of arguments", "1 Server Answered: command 0 (SET): ERR wrong number of arguments"),
    ] {
        let mut fixture = Fixture::connected();
        fixture.submit_as(&["SET k v"], ATOMIC).unwrap();
        fixture.shared.serve(&["+OK", refusal]);
        fixture.shared.lose();
        assert_eq!(fixture.sequel(), sequel);
    }
    let mut fixture = Fixture::connected();
    let lease = fixture.lease();
    fixture.submit_on(Some(lease), &["SET k v"], ATOMIC).unwrap();
    let mut peer = fixture.only_dedicated();
    peer.serve(&["+OK", LOADING]);
    peer.lose();
    assert_eq!(fixture.completion(), "1 Server Answered: command 0 (SET): LOADING not yet", "nothing of a lease is");
}

#[test]
fn a_part_of_a_pipeline_that_is_lost_ends_or_goes_again_by_itself() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["SET k v", "SET l w", "GET k", "SET m x"]).unwrap();
    // (A SET has 27 bytes here, a GET 20.)
    assert_eq!(fixture.shared.read_at_most(27 * 2 + 20), "SET k v | SET l w | GET k");
    fixture.shared.answer(&["+OK"]);
    fixture.shared.lose();
    assert_eq!(fixture.sequel(), "again: SET m x | GET k");
    fixture.shared.answer(&["+OK", "+v"]);
    let lost = "127.0.0.1:6379: gone; the command was sent, it may have run";
    assert_eq!(fixture.completion(), format!("1 Lost Unknown: [OK, {lost}, v, OK]"));
}

/// A reply that breaks the rules would break them again.
#[test]
fn what_the_server_broke_the_rules_with_is_not_asked_again() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["GET k"]).unwrap();
    fixture.submit(&["GET l"]).unwrap();
    fixture.shared.read();
    fixture.shared.lose_for(Status::Protocol);
    let sentence = "1 Protocol Unknown: 127.0.0.1:6379: gone; the command was sent, it may have run";
    assert_eq!(fixture.completion(), sentence);
    assert_eq!(fixture.sequel(), "again: GET l");
}

#[test]
fn what_waits_for_a_connection_that_cannot_be_made_ends_as_its_attempts_say() {
    let (not_run, unknown) = ("Connect NotRun: nobody is there", "Connect Unknown: nobody is there");
    for (change, is_sent_before, completion) in [
        (AS_IT_IS, false, format!("1 {not_run}")),
        (AT_THE_CLIENT, false, format!("1 {not_run}")),
        (ATOMIC, false, format!("1 {not_run}")),
        (AS_IT_IS, true, format!("1 {unknown}; the command was sent before, it may have run")),
    ] {
        let mut fixture = Fixture::connected();
        fixture.submit_as(&["GET k"], change).unwrap();
        if is_sent_before {
            fixture.shared.read();
        }
        fixture.shared.lose();
        fixture.shared.is_unreachable();
        assert_eq!(fixture.completions(), [completion]);
        assert_eq!(fixture.shared.link.waiting(), (0, 0));
    }
}

/// Whoever has not ended yet is ready to wait for a server that says nothing.
#[test]
fn somebody_is_ready_to_wait_while_a_request_is_open() {
    let mut fixture = Fixture::connected();
    let link = Arc::clone(&fixture.shared.link);
    assert!(!fixture.core.ready_to_wait(&link, &[]));
    for change in [AS_IT_IS, AT_THE_CLIENT] {
        let timed = |request: &mut Request<'_, &str>| {
            change(request);
            request.timeout = Timeout::After(Duration::from_millis(50));
        };
        let ticket = Ticket(fixture.submit_as(&["GET k"], timed).unwrap());
        assert!(fixture.core.ready_to_wait(&link, slice::from_ref(&ticket)));
        fixture.pass(Duration::from_millis(60));
        // (One that its link completes by itself is not even named any more when it is over.)
        assert_eq!(fixture.core.ready_to_wait(&link, &[ticket]), ticket.link() != Ticket::NO_LINK);
    }
}
