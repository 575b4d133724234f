//! How requests end that have no answer, by where they are.

use std::time::Duration;

use super::*;
use crate::client::fixture::Fixture;

/// A request of each kind, by its commands and whether it is atomic.
const KINDS: [(&[&str], bool); 3] = [(&["GET k"], false), (&["GET a", "GET b"], false), (&["GET k"], true)];

/// Ends a request of each kind, before it is sent or after, and compares how.
fn each_ends(end: impl Fn(&mut Fixture, u64), expected: [&str; 2]) {
    for is_sent in [false, true] {
        for (lines, atomic) in KINDS {
            let mut fixture = Fixture::connected();
            let id = fixture.submit(lines, |request| request.atomic = atomic).unwrap();
            if is_sent {
                fixture.write();
            }
            end(&mut fixture, id);
            let done = fixture.done();
            let expected = expected[usize::from(is_sent)];
            assert_eq!(done.len(), 1, "{lines:?}");
            // The text of a pipeline is in its items.
            let prefix = if lines.len() > 1 { expected.split(':').next().unwrap() } else { expected };
            assert!(done[0].0 == id && done[0].1.starts_with(prefix), "{lines:?}, sent: {is_sent}: {done:?}");
            assert!(!fixture.core.cancel(Ticket(id)), "it is over");
        }
    }
}

#[test]
fn cancelled() {
    each_ends(
        |fixture, id| assert!(fixture.core.cancel(Ticket(id))),
        [
            "Canceled NotRun: 127.0.0.1:6379: cancelled before it was sent",
            "Canceled Unknown: 127.0.0.1:6379: cancelled after it was sent",
        ],
    );
}

#[test]
fn late() {
    let after_ten_seconds = |fixture: &mut Fixture, _: u64| {
        fixture.core.clock.move_on(Duration::from_secs(10));
        fixture.core.tick();
    };
    each_ends(
        after_ten_seconds,
        [
            "Timeout NotRun: 127.0.0.1:6379: not sent within 5000 ms",
            "Timeout Unknown: 127.0.0.1:6379: no answer within 5000 ms",
        ],
    );
}

#[test]
fn with_the_client() {
    let sentence = ["Closed NotRun: the client was closed", "Closed Unknown: the client was closed"];
    each_ends(|fixture, _| fixture.core.shut_down(), sentence);
}

#[test]
fn a_late_answer_finds_nobody_and_the_next_is_matched() {
    let mut fixture = Fixture::connected();
    let first = fixture.submit(&["GET a"], |_| {}).unwrap();
    let second = fixture.submit(&["GET b"], |_| {}).unwrap();
    fixture.write();
    assert!(fixture.core.cancel(Ticket(first)));
    fixture.hear("$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(fixture.done()[1..], [(second, "Ok Answered: b".to_string())]);
    assert!(fixture.driver.is_at_rest());
}
