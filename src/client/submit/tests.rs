//! What is accepted, where it then waits, and what is refused before anything is queued.

use super::*;
use crate::client::fixture::Fixture;
use crate::config::Config;
use crate::topology::Route;

/// How many requests wait at the link, and how many at the client.
fn waiting(fixture: &Fixture) -> (usize, usize) {
    (fixture.link.requests(), fixture.core.state.lock().requests.len())
}

#[test]
fn a_plain_request_waits_at_its_link_and_others_at_the_client() {
    let long = format!("SET k {}", "x".repeat(100_000));
    for (lines, special, expected) in [
        (&["GET k"][..], "", (1, 0)),
        (&["GET k"], "idempotent", (1, 0)),
        (&["NO.SUCH.COMMAND"], "", (1, 0)),
        (&[&long], "", (0, 1)),
        (&["GET a", "GET b"], "", (0, 1)),
        (&["GET k"], "atomic", (0, 1)),
        (&["EVAL x 0"], "", (0, 1)),
        // The one for the node and the one that is made of it.
        (&["PING"], "all", (0, 2)),
        (&["PING"], "dedicated", (0, 1)),
        (&["BLPOP k 0"], "", (0, 1)),
    ] {
        let fixture = Fixture::connected();
        let id = fixture.submit(lines, |request| match special {
            "idempotent" => request.idempotent = true,
            "atomic" => request.atomic = true,
            "all" => request.route = Route::All,
            "dedicated" => request.dedicated = true,
            _ => {}
        });
        assert_eq!(waiting(&fixture), expected, "{} {special}", &lines[0][..lines[0].len().min(20)]);
        assert_eq!(Ticket(id.unwrap()).link() == Ticket::NO_LINK, expected.0 == 0);
        assert!(fixture.done().is_empty());
    }
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    for (lines, status) in [
        (&["SELECT 1"][..], Status::Refused),
        (&["GET a", "SUBSCRIBE c"], Status::Argument),
        (&["WAIT 1 0"], Status::Argument),
        (&["UNSUBSCRIBE c"], Status::Argument),
    ] {
        let fixture = Fixture::connected();
        let refused = fixture.submit(lines, |_| {}).map_err(|error| error.status);
        assert!(refused.is_err(), "{lines:?}");
        if status == Status::Refused {
            assert_eq!(refused, Err(status));
        }
        assert_eq!((waiting(&fixture), fixture.link.waiting()), ((0, 0), (0, 0)), "{lines:?}");
    }
    let full = Fixture::new(Config { max_requests: 2, ..Config::default() });
    for expected in [Ok(()), Ok(()), Err(Status::Full)] {
        assert_eq!(full.submit(&["PING"], |_| {}).map(|_| ()).map_err(|error| error.status), expected);
    }
    assert_eq!(full.submit(&["PING", "PING"], |_| {}).map_err(|error| error.status), Err(Status::Full));
    assert_eq!((waiting(&full), full.link.waiting().0), ((2, 0), 2));
    full.core.shut_down();
    assert_eq!(full.submit(&["PING"], |_| {}).map_err(|error| error.status), Err(Status::Closed));
    assert_eq!(full.texts(), ["Closed NotRun: the client was closed"; 2]);
}

#[test]
fn a_route_to_no_node_is_answered_at_once() {
    let fixture = Fixture::connected();
    let id = fixture.submit(&["PING"], |request| request.route = Route::Replicas).unwrap();
    assert_eq!(fixture.done(), [(id, "Ok Answered: ".to_string())]);
    assert_eq!(waiting(&fixture), (0, 0));
}
