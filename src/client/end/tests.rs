//! Each way to end a request before its answer, by where the request is: what is told of it, and that nothing is left.

use super::*;
use crate::client::fixture::Fixture;
use crate::client::request::{Request, Timeout};
use crate::topology::Route;

type Change = fn(&mut Request<'_, &str>);
type Setup = fn(&mut Fixture) -> u64;

const AS_IT_IS: Change = |_| {};
const AT_THE_CLIENT: Change = |request| request.route = Route::Random;
const ATOMIC: Change = |request| request.atomic = true;
const TO_ALL: Change = |request| request.route = Route::All;
const DEDICATED: Change = |request| request.dedicated = true;

/// Each with a deadline after 50 ms.
fn ask(fixture: &mut Fixture, commands: &[&str], change: Change) -> u64 {
    let timed = |request: &mut Request<'_, &str>| {
        change(request);
        request.timeout = Timeout::After(Duration::from_millis(50));
    };
    fixture.submit_as(commands, timed).unwrap()
}

fn unsent(fixture: &mut Fixture, commands: &[&str], change: Change) -> u64 {
    ask(fixture, commands, change)
}

fn sent(fixture: &mut Fixture, commands: &[&str], change: Change) -> u64 {
    let id = ask(fixture, commands, change);
    fixture.shared.read();
    id
}

#[test]
fn every_end_wherever_the_request_is() {
    const SET: &[&str] = &["SET k v"];
    const TWO: &[&str] = &["SET k v", "INCR n"];
    // What is told when it is cancelled, late, or its client closed; @ stands for the address.
    let cases: [(&str, Setup, [&str; 3]); 11] = [
        (
            "at the client, unsent",
            |fixture| unsent(fixture, SET, AT_THE_CLIENT),
            [
                "Canceled NotRun: @: cancelled before it was sent",
                "Timeout NotRun: @: not sent within 50 ms",
                "Closed NotRun: the client was closed",
            ],
        ),
        (
            "at the client, sent",
            |fixture| sent(fixture, SET, AT_THE_CLIENT),
            [
                "Canceled Unknown: @: cancelled after it was sent",
                "Timeout Unknown: @: no answer within 50 ms",
                "Closed Unknown: the client was closed",
            ],
        ),
        (
            "a transaction, unsent",
            |fixture| unsent(fixture, SET, ATOMIC),
            [
                "Canceled NotRun: @: cancelled before it was sent",
                "Timeout NotRun: @: not sent within 50 ms",
                "Closed NotRun: the client was closed",
            ],
        ),
        (
            "a transaction, sent",
            |fixture| sent(fixture, SET, ATOMIC),
            [
                "Canceled Unknown: @: cancelled after it was sent",
                "Timeout Unknown: @: no answer within 50 ms",
                "Closed Unknown: the client was closed",
            ],
        ),
        (
            "gathered, unsent",
            |fixture| unsent(fixture, TWO, AS_IT_IS),
            [
                "Canceled NotRun: [@: cancelled before it was sent, @: cancelled before it was sent]",
                "Timeout NotRun: [@: not sent within 50 ms, @: not sent within 50 ms]",
                "Closed NotRun: [the client was closed, the client was closed]",
            ],
        ),
        (
            "gathered, half answered",
            |fixture| {
                let id = sent(fixture, TWO, AS_IT_IS);
                fixture.shared.answer(&["+OK"]);
                id
            },
            [
                "Canceled Unknown: [OK, @: cancelled after it was sent]",
                "Timeout Unknown: [OK, @: no answer within 50 ms]",
                "Closed Unknown: [OK, the client was closed]",
            ],
        ),
        (
            "gathered by address, unsent",
            |fixture| unsent(fixture, SET, TO_ALL),
            [
                "Canceled NotRun: {@, @: cancelled before it was sent}",
                "Timeout NotRun: {@, @: not sent within 50 ms}",
                "Closed NotRun: {@, the client was closed}",
            ],
        ),
        (
            "gathered by address, sent",
            |fixture| sent(fixture, SET, TO_ALL),
            [
                "Canceled Unknown: {@, @: cancelled after it was sent}",
                "Timeout Unknown: {@, @: no answer within 50 ms}",
                "Closed Unknown: {@, the client was closed}",
            ],
        ),
        (
            "between two attempts, refused",
            |fixture| {
                let id = sent(fixture, SET, AT_THE_CLIENT);
                fixture.shared.answer(&["-LOADING not yet"]);
                id
            },
            [
                "Canceled NotRun: @: cancelled; refused by the server: LOADING not yet",
                "Timeout NotRun: @: no other answer within 50 ms; refused by the server: LOADING not yet",
                "Closed NotRun: the client was closed",
            ],
        ),
        (
            "between two attempts, perhaps run",
            |fixture| {
                let id = sent(fixture, SET, |request| request.idempotent = true);
                fixture.shared.lose();
                id
            },
            [
                "Canceled Unknown: @: cancelled after it was sent",
                "Timeout Unknown: @: gone; no answer within 50 ms; it was sent before, it may have run",
                "Closed Unknown: the client was closed",
            ],
        ),
        (
            "on a dedicated link, unsent",
            |fixture| unsent(fixture, SET, DEDICATED),
            [
                "Canceled NotRun: @: cancelled before it was sent",
                "Timeout NotRun: @: not sent within 50 ms",
                "Closed NotRun: the client was closed",
            ],
        ),
    ];
    for (name, setup, told) in cases {
        for (ending, told) in [cancel as fn(&mut Fixture, u64), be_late, close].into_iter().zip(told) {
            let mut fixture = Fixture::connected();
            let id = setup(&mut fixture);
            ending(&mut fixture, id);
            let expected = told.replace('@', "127.0.0.1:6379");
            assert_eq!(fixture.completions(), [format!("1 {expected}")], "{name}");
            assert_nothing_is_left(&fixture, id, name);
        }
    }
}

fn cancel(fixture: &mut Fixture, id: u64) {
    assert!(fixture.core.cancel(Ticket(id)));
}

fn be_late(fixture: &mut Fixture, _: u64) {
    fixture.pass(Duration::from_millis(44));
    assert_eq!(fixture.completions(), Vec::<String>::new(), "too early");
    fixture.pass(Duration::from_millis(12));
}

fn close(fixture: &mut Fixture, _: u64) {
    assert!(!fixture.close(), "something had to be ended");
}

fn assert_nothing_is_left(fixture: &Fixture, id: u64, name: &str) {
    assert_eq!((fixture.whereabouts(id), fixture.core.cancel(Ticket(id))), ("gone", false), "{name}");
    let state = fixture.core.state.lock();
    assert_eq!((state.requests.len(), state.deadlines.next()), (0, None), "{name}");
    let taken = state.taken + fixture.shared.link.taken();
    assert_eq!(fixture.core.delivered.load(Ordering::SeqCst), taken, "{name}");
}

#[test]
fn a_close_with_nothing_under_way_has_nothing_to_end() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["GET k"]).unwrap();
    fixture.shared.serve(&["+v"]);
    fixture.completion();
    let listener = fixture.listen();
    assert!(fixture.close(), "whoever hears of events is not under way");
    assert_eq!(fixture.completion(), "0 Closed NotRun: the client was closed");
    assert!(fixture.shared.link.is_closed() && fixture.core.clock.is_stopped());
    assert!(!fixture.core.cancel(Ticket(listener)));
    assert!(fixture.close(), "twice is no harm");
}

#[test]
fn a_shutdown_waits_for_nothing() {
    let mut fixture = Fixture::connected();
    let ids: Vec<u64> = [AS_IT_IS, AT_THE_CLIENT, ATOMIC, TO_ALL, DEDICATED, |request: &mut Request<'_, &str>| {
        request.timeout = Timeout::None;
    }]
    .into_iter()
    .map(|change| fixture.submit_as(&["SET k v"], change).unwrap())
    .collect();
    fixture.core.shut_down();
    let mut completions = fixture.completions();
    completions.sort();
    assert_eq!(completions.len(), ids.len());
    assert!(completions.iter().all(|completion| completion.contains("Closed NotRun")), "{completions:?}");
    ids.into_iter().for_each(|id| assert_nothing_is_left(&fixture, id, "shut down"));
    assert!(fixture.core.node().links().iter().all(|link| link.is_closed()));
    fixture.core.shut_down();
    assert_eq!(fixture.completions(), Vec::<String>::new(), "twice is no harm");
}
