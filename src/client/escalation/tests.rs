//! A request keeps its id, its deadline and its place in the books when the client goes on with it.

use std::time::Duration;

use super::*;
use crate::client::fixture::Fixture;
use crate::client::request::{Request, Timeout};
use crate::config::Config;

const LOADING: &str = "-LOADING not yet";

fn within(millis: u64) -> impl FnOnce(&mut Request<'_, &str>) {
    move |request| request.timeout = Timeout::After(Duration::from_millis(millis))
}

/// A request that was refused once, so that the client goes on with it.
fn refused(within_millis: u64) -> (Fixture, u64) {
    let mut fixture = Fixture::connected();
    let id = fixture.submit_as(&["SET k v"], within(within_millis)).unwrap();
    assert_eq!(fixture.whereabouts(id), "at the link");
    fixture.shared.serve(&[LOADING]);
    assert_eq!(fixture.whereabouts(id), "at the client");
    (fixture, id)
}

/// Nobody holds a place, a name or a deadline any more.
fn assert_nothing_is_left(fixture: &Fixture, id: u64) {
    assert_eq!(fixture.whereabouts(id), "gone");
    assert!(!fixture.core.cancel(Ticket(id)));
    assert!(fixture.shared.is_at_rest());
    let state = fixture.core.state.lock();
    assert_eq!((state.requests.len(), state.deadlines.next()), (0, None));
}

#[test]
fn the_answer_to_a_later_attempt_has_the_id_of_the_request() {
    let (mut fixture, id) = refused(60_000);
    assert_eq!(fixture.sequel(), "again: SET k v");
    assert_eq!(fixture.whereabouts(id), "at the client");
    fixture.shared.answer(&["+OK"]);
    assert_eq!(fixture.completed_ids(), [id]);
    assert_nothing_is_left(&fixture, id);
}

#[test]
fn it_is_cancelled_by_its_id() {
    let (fixture, id) = refused(60_000);
    assert!(fixture.core.cancel(Ticket(id)));
    let sentence = "127.0.0.1:6379: cancelled; refused by the server: LOADING not yet";
    assert_eq!(fixture.completion(), format!("1 Canceled NotRun: {sentence}"));
    assert_nothing_is_left(&fixture, id);
}

#[test]
fn its_deadline_is_the_one_that_it_had() {
    for passed in [0, 30] {
        let mut fixture = Fixture::connected();
        let id = fixture.submit_as(&["SET k v"], within(50)).unwrap();
        fixture.pass(Duration::from_millis(passed));
        fixture.shared.serve(&[LOADING]);
        // Its next attempt would be answered too late.
        fixture.pass(Duration::from_millis(44 - passed));
        fixture.shared.read();
        assert_eq!(fixture.completions(), Vec::<String>::new());
        fixture.pass(Duration::from_millis(12));
        assert!(fixture.completion().starts_with("1 Timeout "), "{passed}");
        fixture.shared.lose();
        assert_nothing_is_left(&fixture, id);
    }
}

#[test]
fn a_request_that_is_over_is_not_gone_on_with() {
    let mut fixture = Fixture::connected();
    let id = fixture.submit(&["SET k v"]).unwrap();
    fixture.shared.read();
    assert!(fixture.core.cancel(Ticket(id)));
    fixture.completion();
    fixture.shared.answer(&[LOADING]);
    assert_eq!(fixture.completions(), Vec::<String>::new());
    assert_nothing_is_left(&fixture, id);
}

/// An id is given again only when the request that had it is over, wherever that ended.
#[test]
fn ids_are_told_apart() {
    let (mut fixture, id) = refused(60_000);
    let second = fixture.submit(&["SET k v"]).unwrap();
    assert_ne!(Ticket(second).index(), Ticket(id).index(), "the place is still taken");
    assert!(fixture.core.cancel(Ticket(id)));
    let third = fixture.submit(&["SET k v"]).unwrap();
    assert_eq!(Ticket(third).index(), Ticket(id).index(), "the place is free again");
    assert_ne!(third, id);
    assert!(!fixture.core.cancel(Ticket(id)), "the old id is nobody's");
}

/// What ends at a link is told as what its server may have done.
#[test]
fn the_requests_of_a_link_end_as_they_stand() {
    for (is_sent, outcome) in [(false, "NotRun"), (true, "Unknown")] {
        for ending in ["cancelled", "late", "closed"] {
            let mut fixture = Fixture::connected();
            let id = fixture.submit_as(&["SET k v"], within(50)).unwrap();
            if is_sent {
                fixture.shared.read();
            }
            let address = "127.0.0.1:6379";
            let expected = match (ending, is_sent) {
                ("cancelled", false) => format!("1 Canceled NotRun: {address}: cancelled before it was sent"),
                ("cancelled", true) => format!("1 Canceled Unknown: {address}: cancelled after it was sent"),
                ("late", false) => format!("1 Timeout NotRun: {address}: not sent within 50 ms"),
                ("late", true) => format!("1 Timeout Unknown: {address}: no answer within 50 ms"),
                _ => format!("1 Closed {outcome}: the client was closed"),
            };
            match ending {
                "cancelled" => assert!(fixture.core.cancel(Ticket(id))),
                "late" => assert_eq!(
                    {
                        fixture.core.clock.move_on(Duration::from_millis(60));
                        fixture.core.expire_at(&fixture.shared.link, 9)
                    },
                    1
                ),
                _ => fixture.core.shut_down_at(&fixture.shared.link),
            }
            assert_eq!(fixture.completion(), expected);
            assert_eq!(fixture.core.waiting_at_links(), 0);
        }
    }
}

/// Many deadlines pass in turns, so that others get the lock in between.
#[test]
fn deadlines_that_pass_together_end_in_turns() {
    let mut fixture = Fixture::connected();
    for _ in 0..5 {
        fixture.submit_as(&["SET k v"], within(50)).unwrap();
    }
    fixture.core.clock.move_on(Duration::from_millis(60));
    let counts: Vec<usize> = (0..4).map(|_| fixture.core.expire_at(&fixture.shared.link, 2)).collect();
    assert_eq!((counts, fixture.completions().len()), (vec![2, 2, 1, 0], 5));
}

/// Whoever was told that a link is full hears once when an end makes room.
#[test]
fn an_end_makes_room() {
    let mut fixture = Fixture::new(Config { max_requests: 1, ..Config::default() });
    let id = fixture.submit(&["SET k v"]).unwrap();
    let link = Arc::clone(&fixture.shared.link);
    assert_eq!(fixture.submit(&["SET k v"]).unwrap_err().status, Status::Full);
    assert!(fixture.core.cancel(Ticket(id)));
    assert!(!link.has_room_again(), "it was told");
    fixture.submit(&["SET k v"]).unwrap();
}
