//! What is accepted, where it then waits and what is sent of it; what is refused, and that nothing is left of it.

use crate::client::request::Timeout;
use std::time::Duration;

use super::*;
use crate::client::fixture::Fixture;
use crate::config::Config;
use crate::topology::Route;

type Change = fn(&mut Request<'_, &str>);

const AS_IT_IS: Change = |_| {};

#[test]
fn an_accepted_request_waits_where_its_kind_says() {
    let cases: [(&[&str], Change, &str, &str); 10] = [
        (&["GET k"], AS_IT_IS, "at the link", "GET k"),
        (&["GET k"], |request| request.route = Route::Random, "at the client", "GET k"),
        (&["GET k", "INCR n"], AS_IT_IS, "gathered", "GET k | INCR n"),
        (&["GET k", "INCR n"], |request| request.atomic = true, "as a transaction", "MULTI | GET k | INCR n | EXEC"),
        (&["GET k"], |request| request.atomic = true, "as a transaction", "MULTI | GET k | EXEC"),
        (&["EVAL x 0"], AS_IT_IS, "as a script", "EVAL x 0"),
        // Without a cache it is like any other.
        (&["GET k"], |request| request.cached = true, "at the client", "GET k"),
        (&["PING"], |request| request.route = Route::All, "gathered", "PING"),
        (&["GET k"], |request| request.dedicated = true, "on a dedicated link", ""),
        (&["BLPOP k 0"], AS_IT_IS, "on a dedicated link", ""),
    ];
    for (commands, change, whereabouts, sent) in cases {
        let mut fixture = Fixture::connected();
        let id = fixture.submit_as(commands, change).unwrap();
        assert_eq!((fixture.whereabouts(id), fixture.shared.read().as_str()), (whereabouts, sent), "{commands:?}");
        let dedicated: Vec<String> = fixture
            .dedicated()
            .iter_mut()
            .map(|peer| {
                peer.connect();
                peer.read()
            })
            .collect();
        let on_its_own = if sent.is_empty() { vec![commands.join(" | ")] } else { vec![] };
        assert_eq!((dedicated, fixture.completions()), (on_its_own, vec![]), "{commands:?}");
    }
}

#[test]
fn a_refused_request_leaves_nothing_behind() {
    let cases: [(&[&str], Change, Status, &str); 12] = [
        (&[], AS_IT_IS, Status::Argument, "no command"),
        (&[""], AS_IT_IS, Status::Argument, "no name"),
        (&["SELECT 1"], AS_IT_IS, Status::Refused, ""),
        (&["PING", "BLPOP k 0"], AS_IT_IS, Status::Argument, "command 1: BLPOP waits at the server"),
        (&["PING", "PING"], |request| request.route = Route::All, Status::Argument, "one command at a time"),
        (&["PING"], |request| (request.route, request.atomic) = (Route::All, true), Status::Argument, "one command"),
        (&["PING"], |request| request.route = Route::Node("10.0.0.1:1"), Status::Argument, "is connected to"),
        (&["PING"], |request| request.route = Route::Node("?"), Status::Argument, "neither a word nor an address"),
        (&["BLPOP k 0"], |request| request.route = Route::All, Status::Argument, "a connection of its own"),
        (&["BLPOP k 0"], |request| request.route = Route::Replicas, Status::Argument, "a route to several nodes"),
        (&["SUBSCRIBE c"], |request| request.dedicated = true, Status::Argument, "many answers"),
        (&["SET k v", "SET l w"], |request| request.subscription = 9, Status::Argument, "by one command at a time"),
    ];
    for (commands, change, status, sentence) in cases {
        let mut fixture = Fixture::connected();
        let error = fixture.submit_as(commands, change).unwrap_err();
        assert_eq!(error.status, status, "{commands:?}: {error}");
        assert!(error.message.contains(sentence), "{commands:?}: {error}");
        assert_is_at_rest(&fixture, commands);
    }
}

/// Nothing is queued, nothing waits, nobody is told of anything.
fn assert_is_at_rest(fixture: &Fixture, commands: &[&str]) {
    assert_eq!(fixture.completions(), Vec::<String>::new(), "{commands:?}");
    assert_eq!(fixture.shared.link.waiting(), (0, 0), "{commands:?}");
    assert_eq!(fixture.core.waiting_at_links(), 0, "{commands:?}");
    assert!(fixture.dedicated().is_empty(), "{commands:?}");
    let state = fixture.core.state.lock();
    assert_eq!((state.requests.len(), state.deadlines.next()), (0, None), "{commands:?}");
}

#[test]
fn limits_hold_for_every_way_in() {
    let long = format!("SET k {}", "v".repeat(200));
    let config = Config { max_requests: 2, max_request_bytes: 200, ..Config::default() };
    for change in [
        AS_IT_IS,
        |request| request.atomic = true,
        |request| request.route = Route::All,
        |request| {
            request.dedicated = true;
        },
    ] {
        let mut fixture = Fixture::new(config.clone());
        let error = fixture.submit_as(&[&long], change).unwrap_err();
        assert_eq!(error.status, Status::Argument, "{error}");
        assert_is_at_rest(&fixture, &[&long]);
    }
    for change in [AS_IT_IS, |request| request.atomic = true, |request| request.route = Route::All] {
        let mut fixture = Fixture::new(config.clone());
        fixture.submit(&["GET k"]).unwrap();
        fixture.submit(&["GET k", "GET k"]).unwrap_err();
        fixture.submit(&["GET k"]).unwrap();
        let requests = fixture.core.state.lock().requests.len();
        let error = fixture.submit_as(&["GET k"], change).unwrap_err();
        assert_eq!(error.status, Status::Full);
        assert!(error.message.contains("2 requests with 40 bytes wait already"), "{error}");
        assert_eq!(fixture.core.state.lock().requests.len(), requests, "it gave its place back");
        assert_eq!(fixture.core.waiting_at_links(), 2);
    }
}

#[test]
fn a_closed_client_takes_nothing() {
    let cases: [(&[&str], Change); 7] = [
        (&["GET k"], AS_IT_IS),
        (&["GET k", "GET k"], AS_IT_IS),
        (&["GET k"], |request| request.atomic = true),
        (&["EVAL x 0"], AS_IT_IS),
        (&["PING"], |request| request.route = Route::All),
        (&["PING"], |request| request.route = Route::Replicas),
        (&["BLPOP k 0"], AS_IT_IS),
    ];
    let mut fixture = Fixture::connected();
    fixture.close();
    for (commands, change) in cases {
        let error = fixture.submit_as(commands, change).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (Status::Closed, "the client is closed"), "{commands:?}");
        assert_is_at_rest(&fixture, commands);
    }
}

#[test]
fn a_route_to_no_node_is_answered_at_once() {
    let mut fixture = Fixture::connected();
    let id = fixture.submit_as(&["PING"], |request| request.route = Route::Replicas).unwrap();
    assert_eq!(fixture.completion(), "1 Ok Answered: {}");
    assert_eq!((fixture.whereabouts(id), fixture.shared.read().as_str()), ("gone", ""));
}

#[test]
fn a_route_to_all_nodes_is_answered_by_address() {
    let mut fixture = Fixture::connected();
    let address = fixture.shared.link.address();
    let id = fixture.submit_as(&["PING"], |request| request.route = Route::All).unwrap();
    fixture.shared.serve(&["+PONG"]);
    assert_eq!(fixture.completion(), format!("1 Ok Answered: {{{address}, PONG}}"));
    assert_eq!(fixture.whereabouts(id), "gone");
}

/// The timer is called if it would sleep for longer than the deadline of what was accepted, and else not.
#[test]
fn the_timer_is_called_for_the_earliest_deadline_only() {
    let cases: [(&[&str], Change); 5] = [
        (&["GET k"], AS_IT_IS),
        (&["GET k", "GET k"], AS_IT_IS),
        (&["GET k"], |request| request.atomic = true),
        (&["PING"], |request| request.route = Route::All),
        (&["GET k"], |request| request.dedicated = true),
    ];
    for (commands, change) in cases {
        let mut fixture = Fixture::connected();
        for (millis, is_called) in [(None, false), (Some(500), true), (Some(900), false), (Some(300), true)] {
            let timeout = millis.map_or(Timeout::None, |millis| Timeout::After(Duration::from_millis(millis)));
            let both = |request: &mut Request<'_, &str>| {
                change(request);
                request.timeout = timeout;
            };
            fixture.submit_as(commands, both).unwrap();
            assert_eq!(fixture.core.clock.has_changed(), is_called, "{commands:?} within {millis:?} ms");
        }
    }
}

#[test]
fn a_script_goes_out_by_its_digest_once_the_server_holds_it() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["EVAL x 0"]).unwrap();
    assert_eq!(fixture.shared.read(), "EVAL x 0");
    fixture.shared.answer(&[":1"]);
    fixture.submit(&["EVAL x 0"]).unwrap();
    assert_eq!(fixture.shared.read(), "EVALSHA 11f6ad8ec52a2984abaafd7c3b516503785c2072 0");
    assert_eq!(fixture.completions(), ["1 Ok Answered: 1"]);
}
