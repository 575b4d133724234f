//! The end of a request with which the server waits: when the server has said what it did, or its connection is closed.

use super::*;
use crate::client::fixture::{Fixture, Peer};
use crate::config::Config;

/// A request with which the server waits, and that server.
fn blocked(fixture: &mut Fixture) -> (u64, Peer) {
    let id = fixture.submit(&["BLPOP k 0"]).unwrap();
    let mut peer = fixture.only_dedicated();
    assert_eq!(peer.read(), "BLPOP k 0");
    (id, peer)
}

const ASKED_TO_STOP: &str = "BLPOP k -1 | CLIENT UNBLOCK 7";

#[test]
fn what_the_server_waits_with_ends_when_the_server_has_said_what_it_did() {
    let done_nothing = "cancelled while the server waited with it; the server stopped waiting and had done nothing";
    for (answer, completion, is_kept) in [
        ("*-1", format!("1 Canceled NotRun: 127.0.0.1:6379: {done_nothing}"), true),
        ("*2\r\n$1\r\nk\r\n$1\r\nv", "1 Ok Answered: [k, v]".to_string(), true),
    ] {
        let mut fixture = Fixture::connected();
        let (id, mut peer) = blocked(&mut fixture);
        assert!(fixture.core.cancel(Ticket(id)));
        assert_eq!((fixture.shared.read().as_str(), fixture.completions()), (ASKED_TO_STOP, vec![]));
        fixture.shared.answer(&["-ERR timeout is negative", ":1"]);
        peer.answer(&[answer]);
        assert_eq!((fixture.completion(), !peer.link.is_closed()), (completion, is_kept));
        assert_eq!(fixture.whereabouts(id), "gone");
    }
}

#[test]
fn a_server_that_does_not_stop_waiting_loses_its_connection() {
    let because = "cancelled while the server waited with it; its connection was closed, because CLIENT UNBLOCK";
    for (answer, after, sentence) in [
        (&["-ERR timeout is negative", "-NOPERM no"][..], 10, "was refused: NOPERM no"),
        (&["-ERR timeout is negative", ":1"], 1100, "had no effect within 1000 ms"),
        (&[], 1100, "had no effect within 1000 ms"),
    ] {
        let config = Config { unblock_grace: Duration::from_secs(1), ..Config::default() };
        let mut fixture = Fixture::new(config);
        fixture.shared.connect();
        let (id, peer) = blocked(&mut fixture);
        assert!(fixture.core.cancel(Ticket(id)));
        fixture.shared.serve(answer);
        fixture.pass(Duration::from_millis(after));
        assert_eq!(fixture.completion(), format!("1 Canceled Unknown: 127.0.0.1:6379: {because} {sentence}"));
        assert!(peer.link.is_closed());
    }
}

#[test]
fn close_asks_the_server_to_stop_and_ends_what_does_not_in_time() {
    let mut fixture = Fixture::connected();
    let (id, peer) = blocked(&mut fixture);
    assert!(!fixture.close());
    assert_eq!(fixture.completion(), "1 Closed Unknown: the client was closed");
    assert!(peer.link.is_closed());
    assert_eq!(fixture.whereabouts(id), "gone");
}

#[test]
fn what_the_server_cannot_be_waiting_with_yet_ends_at_once() {
    let mut fixture = Fixture::connected();
    let id = fixture.submit(&["BLPOP k 0"]).unwrap();
    let peer = fixture.only_dedicated();
    assert!(fixture.core.cancel(Ticket(id)));
    assert_eq!(fixture.completion(), "1 Canceled NotRun: 127.0.0.1:6379: cancelled before it was sent");
    assert_eq!((fixture.shared.read().as_str(), peer.link.is_closed()), ("", false));
}

/// CLIENT UNBLOCK may overtake the command that it is to end, which is on another connection.
#[test]
fn a_server_that_did_not_wait_yet_is_asked_again() {
    let mut fixture = Fixture::connected();
    let (id, _peer) = blocked(&mut fixture);
    assert!(fixture.core.cancel(Ticket(id)));
    for _ in 0..3 {
        assert_eq!(fixture.shared.read(), ASKED_TO_STOP);
        fixture.shared.answer(&["-ERR timeout is negative", ":0"]);
        assert_eq!(fixture.shared.read(), "");
        fixture.pass(PAUSE);
    }
    assert_eq!(fixture.completions(), Vec::<String>::new());
}
