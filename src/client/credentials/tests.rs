//! What goes out on each connection when the credentials change, played by hand.

use super::*;
use crate::client::fixture::{Fixture, Peer};
use crate::config::Secret;
use crate::topology::Route;

const ASKED_TO_STOP: &str = "BLPOP k -1 | CLIENT UNBLOCK 7";
const AUTH: &str = "AUTH u1 secret | PING AUTH";
const ECHOED: &str = "$4\r\nAUTH";

fn credentials() -> Credentials {
    Credentials { username: Some(Secret::new("u1")), password: Secret::new("secret") }
}

/// Others are in force from now on, and every connection is seen to.
fn rotate(fixture: &Fixture) {
    fixture.core.credentials.push(credentials());
    fixture.core.authenticate_links();
}

/// A client with a blocked request of these words.
fn blocked(words: &str) -> (Fixture, u64, Peer) {
    let mut fixture = Fixture::connected();
    let id = fixture.submit(&[words]).unwrap();
    let mut peer = fixture.only_dedicated();
    assert_eq!(peer.read(), words);
    (fixture, id, peer)
}

#[test]
fn auth_goes_out_between_requests_and_is_matched_like_any_other() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["GET 1"]).unwrap();
    rotate(&fixture);
    fixture.submit(&["GET 2"]).unwrap();
    assert_eq!(fixture.shared.read(), format!("GET 1 | {AUTH} | GET 2"));
    fixture.core.authenticate_links();
    assert_eq!(fixture.shared.read(), "", "one AUTH at a time");
    fixture.shared.answer(&["+one", "+OK", ECHOED, "+two"]);
    assert_eq!(fixture.completions(), ["1 Ok Answered: one", "2 Ok Answered: two"]);
    fixture.core.authenticate_links();
    assert_eq!((fixture.shared.read(), fixture.shared.is_at_rest()), (String::new(), true));
}

#[test]
fn a_refusal_ends_nothing() {
    let mut fixture = Fixture::connected();
    rotate(&fixture);
    fixture.submit(&["GET 1"]).unwrap();
    fixture.shared.serve(&["-WRONGPASS no", ECHOED, "+one"]);
    assert_eq!(fixture.completions(), ["1 Ok Answered: one"]);
    let news = fixture.shared.link.take_login_news();
    assert_eq!(news, [News::Refused("WRONGPASS no".to_owned())]);
}

/// Redis 8 drops the reply to an AUTH that it refuses behind another reply.
#[test]
fn a_refusal_whose_reply_is_dropped_shifts_no_later_one() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["GET 1"]).unwrap();
    rotate(&fixture);
    fixture.submit(&["GET 2"]).unwrap();
    fixture.shared.serve(&["+one", ECHOED, "+two"]);
    assert_eq!(fixture.completions(), ["1 Ok Answered: one", "2 Ok Answered: two"]);
    let [News::Refused(words)] = &fixture.shared.link.take_login_news()[..] else { panic!("no refusal") };
    assert!(words.contains("did not say why"), "{words}");
    assert!(fixture.shared.is_at_rest());
}

/// A user who may not say PING is told so; what no PING can be answered with is the reply to something else.
#[test]
fn what_comes_in_the_place_of_the_reply_to_ping_ends_the_connection_unless_it_is_an_error() {
    for (reply, fits) in [("-NOPERM no", true), ("+two", false), (":2", false)] {
        let mut fixture = Fixture::connected();
        rotate(&fixture);
        fixture.submit(&["GET 2"]).unwrap();
        fixture.shared.read();
        assert_eq!(fixture.shared.try_answer(&["-NOPERM no", reply]).is_ok(), fits, "{reply}");
    }
}

/// A server may repeat what it was told.
#[test]
fn a_refusal_that_repeats_a_secret_is_not_shown() {
    let mut fixture = Fixture::connected();
    rotate(&fixture);
    fixture.shared.serve(&["-ERR unknown command 'AUTH' 'u1' 'secret'", ECHOED]);
    let news = format!("{:?}", fixture.shared.link.take_login_news());
    assert!(news.contains("not shown") && !news.contains("secret'"), "{news}");
}

#[test]
fn an_auth_that_was_not_sent_is_not_for_the_next_connection() {
    let mut fixture = Fixture::connected();
    rotate(&fixture);
    fixture.shared.lose();
    // The handshake of the new connection has brought something newer.
    let login = Login { generation: 2, ..Login::default() };
    fixture.shared.link.logged_in(login);
    fixture.shared.connect();
    fixture.core.authenticate_links();
    assert_eq!(fixture.shared.read(), "");
}

#[test]
fn a_wait_is_called_back_and_goes_on_behind_auth() {
    for (is_unblocked_first, answer) in [(true, ":1"), (false, ":1"), (false, ":0")] {
        let (mut fixture, _, mut peer) = blocked("BLPOP k 0");
        rotate(&fixture);
        assert_eq!(peer.read(), "", "AUTH would wait behind it");
        assert_eq!(fixture.shared.read(), format!("{AUTH} | {ASKED_TO_STOP}"));
        let unblocked = ["+OK", ECHOED, "-ERR timeout is negative", answer];
        if is_unblocked_first {
            fixture.shared.answer(&unblocked);
            assert_eq!(peer.read(), "");
            peer.answer(&["*-1"]);
        } else {
            peer.answer(&["*-1"]);
            assert_eq!(peer.read(), "", "CLIENT UNBLOCK may still come, and is not for what is sent then");
            fixture.shared.answer(&unblocked);
        }
        assert_eq!(peer.read(), format!("{AUTH} | BLPOP k 0"), "{answer}");
        assert_eq!(fixture.completions(), Vec::<String>::new());
        fixture.pass(PAUSE_AFTER_PANIC);
        assert_eq!(fixture.shared.read(), "", "nobody is unblocked any more");
        peer.answer(&["+OK", ECHOED, "*2\r\n$1\r\nk\r\n$1\r\nv"]);
        assert_eq!(fixture.completion(), "1 Ok Answered: [k, v]");
        assert!(!peer.link.is_closed(), "it serves others");
    }
}

#[test]
fn what_is_sent_again_has_the_time_that_is_left() {
    let (mut fixture, _, mut peer) = blocked("BLPOP k 10");
    fixture.pass(Duration::from_secs(4));
    rotate(&fixture);
    fixture.shared.serve(&["+OK", ECHOED, "-ERR timeout is negative", ":1"]);
    peer.answer(&["*-1"]);
    assert_eq!(peer.read(), format!("{AUTH} | BLPOP k 6.000"));
    peer.answer(&["+OK", ECHOED, "*-1"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: nil", "the end of its own time");

    let (mut fixture, _, mut peer) = blocked("BLPOP k 10");
    rotate(&fixture);
    fixture.shared.serve(&["+OK", ECHOED, "-ERR timeout is negative", ":0"]);
    fixture.pass(Duration::from_secs(11));
    peer.answer(&["*-1"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: nil", "no time was left");
}

#[test]
fn an_element_that_comes_meanwhile_is_delivered() {
    let (mut fixture, _, mut peer) = blocked("BLPOP k 0");
    rotate(&fixture);
    assert_eq!(fixture.shared.read(), format!("{AUTH} | {ASKED_TO_STOP}"));
    peer.answer(&["*2\r\n$1\r\nk\r\n$1\r\nv"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [k, v]");
    fixture.shared.answer(&["+OK", ECHOED, "-ERR timeout is negative", ":0"]);
    assert_eq!(fixture.shared.read(), "");
    fixture.core.authenticate_links();
    assert_eq!(peer.read(), AUTH, "it is idle, and authenticated");
}

#[test]
fn a_server_that_refuses_to_unblock_is_not_asked_again() {
    let (mut fixture, _, mut peer) = blocked("BLPOP k 0");
    rotate(&fixture);
    fixture.shared.serve(&["+OK", ECHOED, "-ERR timeout is negative", "-NOPERM no"]);
    fixture.core.authenticate_links();
    assert_eq!((fixture.shared.read(), peer.read()), (String::new(), String::new()));
    peer.answer(&["*2\r\n$1\r\nk\r\n$1\r\nv"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [k, v]");
    fixture.core.authenticate_links();
    assert_eq!(peer.read(), AUTH);
}

#[test]
fn a_wait_that_is_called_back_can_be_cancelled() {
    // Before the server stopped waiting, and while what is left of it waits for the end of CLIENT UNBLOCK.
    for has_stopped in [false, true] {
        let (mut fixture, id, mut peer) = blocked("BLPOP k 0");
        rotate(&fixture);
        assert_eq!(fixture.shared.read(), format!("{AUTH} | {ASKED_TO_STOP}"));
        if has_stopped {
            peer.answer(&["*-1"]);
        }
        assert!(fixture.core.cancel(crate::connection::unit::Ticket(id)));
        if !has_stopped {
            assert_eq!(fixture.completions(), Vec::<String>::new());
            peer.answer(&["*-1"]);
        }
        let completion = fixture.completion();
        assert!(completion.starts_with("1 Canceled NotRun"), "{completion}");
        fixture.shared.answer(&["+OK", ECHOED, "-ERR timeout is negative", ":1"]);
        assert!(!peer.link.is_closed());
        fixture.core.authenticate_links();
        assert_eq!(peer.read(), AUTH);
    }
}

#[test]
fn a_shared_connection_that_is_lost_meanwhile_does_not_end_the_wait() {
    let (mut fixture, _, mut peer) = blocked("BLPOP k 0");
    rotate(&fixture);
    assert_eq!(fixture.shared.read(), format!("{AUTH} | {ASKED_TO_STOP}"));
    fixture.shared.lose();
    assert!(!peer.link.is_closed());
    fixture.shared.link.logged_in(Login::default());
    fixture.shared.connect();
    fixture.core.authenticate_links();
    assert_eq!(fixture.shared.read(), format!("{AUTH} | {ASKED_TO_STOP}"), "once more");
    fixture.shared.answer(&["+OK", ECHOED, "-ERR timeout is negative", ":1"]);
    peer.answer(&["*-1"]);
    assert_eq!(peer.read(), format!("{AUTH} | BLPOP k 0"));
    peer.answer(&["+OK", ECHOED, "*2\r\n$1\r\nk\r\n$1\r\nv"]);
    assert_eq!(fixture.completion(), "1 Ok Answered: [k, v]");
    assert!(peer.link.is_closed(), "the first CLIENT UNBLOCK may still come, to whoever waits there then");
}

#[test]
fn a_lease_is_authenticated_ahead_of_its_next_command() {
    let mut fixture = Fixture::connected();
    let lease = fixture.lease();
    fixture.submit_on(Some(lease), &["BLPOP k 0"], |_| {}).unwrap();
    let mut peer = fixture.only_dedicated();
    assert_eq!(peer.read(), "BLPOP k 0");
    rotate(&fixture);
    fixture.submit_on(Some(lease), &["BLPOP l 0"], |_| {}).unwrap();
    assert_eq!((fixture.shared.read().as_str(), peer.read().as_str()), (AUTH, ""));
    peer.answer(&["*2\r\n$1\r\nk\r\n$1\r\nv"]);
    assert_eq!(peer.read(), format!("{AUTH} | BLPOP l 0"));
}

/// AUTH is nothing that a user did.
#[test]
fn a_lease_that_only_said_auth_is_not_lost_with_its_connection() {
    let (mut fixture, _, mut peer) = blocked("BLPOP k 0");
    peer.answer(&["*2\r\n$1\r\nk\r\n$1\r\nv"]);
    fixture.completion();
    rotate(&fixture);
    assert_eq!(peer.read(), AUTH);
    let lease = fixture.lease();
    fixture.submit_on(Some(lease), &["GET k"], |_| {}).unwrap();
    peer.lose();
    assert_eq!(fixture.completions(), Vec::<String>::new());
    let mut peer = fixture.only_dedicated();
    assert!(peer.read().ends_with("GET k"));
}

/// Of a cluster: any node, the owner of a slot, and a node that was named.
#[test]
fn every_connection_of_subscriptions_can_be_replaced() {
    let mut fixture = Fixture::cluster(&["*1", "*3", ":0", ":16383", "*2", "$1", "a", ":1"]);
    for (command, route) in
        [("SUBSCRIBE c", Route::ByKey), ("SSUBSCRIBE c", Route::ByKey), ("SUBSCRIBE c", { Route::Node("a:1") })]
    {
        fixture.subscribe(command, |request| request.route = route).unwrap();
    }
    let mut peers = fixture.push_peers();
    peers.iter_mut().for_each(Peer::connect);
    let asked: Vec<String> = peers.iter_mut().map(Peer::read).collect();
    assert_eq!(asked.len(), 3);
    fixture.core.credentials.push(credentials());
    let current = fixture.core.credentials.current().unwrap();
    for (number, peer) in peers.iter().enumerate() {
        fixture.core.succeed(&peer.link, &current);
        let mut others = fixture.push_peers();
        others.retain(|other| peers.iter().all(|peer| !Arc::ptr_eq(&other.link, &peer.link)));
        others.retain(|other| !other.link.is_connected());
        assert_eq!(others.len(), 1, "{}", asked[number]);
        others[0].connect();
        assert_eq!(others[0].read(), asked[number]);
    }
}
