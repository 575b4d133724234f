//! A request on a dedicated connection gets one or waits in line, and leaves it to the next or closes it.

use super::*;
use crate::client::fixture::{Fixture, Peer};
use crate::client::request::{Request, Timeout};
use crate::config::Config;
use crate::connection::pool::Count;

const OWN: fn(&mut Request<'_, &str>) = |request| request.dedicated = true;

/// A command, behind MULTI in a transaction, and the answers.
type Step = (&'static str, &'static [&'static str]);

/// A client with one dedicated connection at most.
fn one_link() -> Fixture {
    Fixture::new(Config { max_connections: 1, ..Config::default() })
}

/// How many dedicated links are in use, idle, waited for, and were opened.
fn count(fixture: &Fixture) -> [u64; 4] {
    let Count { in_use, idle, waiting, opened } = fixture.core.node().dedicated();
    [in_use as u64, idle as u64, waiting as u64, opened]
}

/// One request on a dedicated link, and the server there.
fn begun(fixture: &mut Fixture, command: &str) -> (u64, Peer) {
    let id = fixture.submit_as(&[command], OWN).unwrap();
    (id, fixture.only_dedicated())
}

#[test]
fn a_link_goes_from_one_request_to_the_next() {
    let mut fixture = Fixture::connected();
    let (_, mut peer) = begun(&mut fixture, "SET k v");
    assert_eq!(count(&fixture), [1, 0, 0, 1]);
    peer.serve(&["+OK"]);
    assert_eq!((fixture.completion(), count(&fixture)), ("1 Ok Answered: OK".to_string(), [0, 1, 0, 1]));
    fixture.submit_as(&["GET k"], OWN).unwrap();
    assert_eq!((peer.read().as_str(), count(&fixture)), ("GET k", [1, 0, 0, 1]));
}

#[test]
fn who_finds_no_link_waits_in_line() {
    let mut fixture = one_link();
    let (_, mut peer) = begun(&mut fixture, "SET k 1");
    let [second, third] = ["SET k 2", "SET k 3"].map(|command| fixture.submit_as(&[command], OWN).unwrap());
    assert_eq!([second, third].map(|id| fixture.whereabouts(id)), ["in line"; 2]);
    assert_eq!((count(&fixture), fixture.core.node().backlog().load().requests), ([1, 0, 2, 1], 2));
    assert_eq!(peer.read(), "SET k 1");
    peer.answer(&["+OK"]);
    assert_eq!([second, third].map(|id| fixture.whereabouts(id)), ["on a dedicated link", "in line"]);
    assert_eq!(peer.read(), "SET k 2");
    assert!(fixture.core.cancel(Ticket(third)), "who stands in line may leave");
    assert_eq!((count(&fixture), fixture.core.node().backlog().load().requests), ([1, 0, 0, 1], 0));
    peer.answer(&["+OK"]);
    assert_eq!((fixture.completions().len(), count(&fixture)), (3, [0, 1, 0, 1]));
}

#[test]
fn a_link_on_which_nothing_is_left_behind_is_given_back() {
    const EXEC: [&str; 3] = ["+OK", "+QUEUED", "*1\r\n+OK"];
    // What is asked on a lease, the answers, and whether somebody else may have the connection afterwards.
    let cases: [(&[Step], bool); 11] = [
        (&[("GET k", &["+v"])], true),
        (&[("GET k", &["-ERR no"])], true),
        (&[("SELECT 1", &["+OK"])], false),
        (&[("NO.SUCH.COMMAND", &["+OK"])], false),
        (&[("WATCH k", &["+OK"])], false),
        (&[("WATCH k", &["+OK"]), ("UNWATCH", &["+OK"])], true),
        (&[("WATCH k", &["+OK"]), ("UNWATCH", &["-ERR no"])], false),
        (&[("UNWATCH", &["+OK"]), ("WATCH k", &["+OK"])], false),
        (&[("WATCH k", &["+OK"]), ("MULTI SET k v", &EXEC)], true),
        (&[("WATCH k", &["+OK"]), ("MULTI SET k v", &["+OK", "-ERR no", "-EXECABORT no"])], true),
        (&[("MULTI SET k v", &["-ERR no", "-ERR no", "-ERR no"])], false),
    ];
    for (steps, is_given_back) in cases {
        let mut fixture = Fixture::connected();
        let lease = fixture.lease();
        let mut peer = None;
        for (command, answers) in steps {
            let (command, atomic) = match command.strip_prefix("MULTI ") {
                Some(command) => (command, true),
                None => (*command, false),
            };
            fixture.submit_on(Some(lease), &[command], |request| request.atomic = atomic).unwrap();
            peer.get_or_insert_with(|| fixture.only_dedicated()).serve(answers);
        }
        assert_eq!((fixture.completions().len(), count(&fixture)), (steps.len(), [1, 0, 0, 1]), "it is the lease's");
        end_lease(&fixture, lease);
        let idle = u64::from(is_given_back);
        assert_eq!(count(&fixture), [0, idle, 0, 1], "{steps:?}");
        assert_eq!(peer.unwrap().link.is_closed(), !is_given_back, "{steps:?}");
    }
}

fn end_lease(fixture: &Fixture, lease: SessionId) {
    let mut state = fixture.core.state.lock();
    state.sessions.get(lease).unwrap().end();
    fixture.core.move_on(&mut state, lease);
}

#[test]
fn a_request_that_is_given_up_takes_its_connection_with_it_if_it_was_sent() {
    for is_sent in [false, true] {
        let mut fixture = one_link();
        let (id, mut peer) = begun(&mut fixture, "SET k v");
        let next = fixture.submit_as(&["GET k"], OWN).unwrap();
        if is_sent {
            peer.read();
        }
        assert!(fixture.core.cancel(Ticket(id)));
        assert_eq!(peer.link.is_closed(), is_sent);
        assert_eq!(
            (fixture.whereabouts(next), count(&fixture)),
            ("on a dedicated link", [1, 0, 0, 1 + u64::from(is_sent)])
        );
        let mut peer = if is_sent { fixture.only_dedicated() } else { peer };
        assert_eq!(peer.read(), "GET k");
    }
}

#[test]
fn what_was_on_a_lost_link_moves_as_far_as_it_may() {
    let lost = "1 Lost Unknown: 127.0.0.1:6379: gone; the command was sent, it may have run";
    for (command, is_sent, expected) in [
        ("SET k v", false, "SET k v"),
        ("SET k v", true, ""),
        ("GET k", true, "GET k"),
        ("BLPOP k 0", false, "BLPOP k 0"),
    ] {
        let mut fixture = one_link();
        let (_, mut peer) = begun(&mut fixture, command);
        fixture.submit_as(&["GET next"], OWN).unwrap();
        if is_sent {
            peer.read();
        }
        peer.lose();
        let completions = if expected.is_empty() { vec![lost.to_string()] } else { vec![] };
        assert_eq!(fixture.completions(), completions, "{command}");
        let sent = if expected.is_empty() { "GET next" } else { expected };
        assert_eq!((fixture.only_dedicated().read().as_str(), count(&fixture)[3]), (sent, 2), "{command}");
    }
}

#[test]
fn a_lease_is_lost_with_its_connection_once_that_was_used() {
    let gone = "127.0.0.1:6379: gone";
    let end = "the lease is lost, make a new one";
    for is_used in [false, true] {
        let mut fixture = Fixture::connected();
        let lease = Some(fixture.lease());
        fixture.submit_on(lease, &["SET k v"], |_| {}).unwrap();
        let mut peer = fixture.only_dedicated();
        if is_used {
            peer.read();
        }
        fixture.submit_on(lease, &["SET l w"], |_| {}).unwrap();
        peer.lose();
        if !is_used {
            assert_eq!(
                (fixture.only_dedicated().read().as_str(), count(&fixture)),
                ("SET k v | SET l w", [1, 0, 0, 2])
            );
            continue;
        }
        let may_have_run = format!("1 LeaseLost Unknown: {gone}; the command was sent, it may have run; {end}");
        assert_eq!(fixture.completions(), [may_have_run, format!("2 LeaseLost NotRun: {gone}; {end}")]);
        fixture.submit_on(lease, &["GET k"], |_| {}).unwrap();
        assert_eq!(fixture.completion(), format!("3 LeaseLost NotRun: {gone}; {end}"));
        assert_eq!(count(&fixture), [0, 0, 0, 1], "nothing is asked on a second connection");
    }
}

/// Whoever is unblocked is the one who was meant.
#[test]
fn nothing_is_sent_on_a_lease_with_which_the_server_waits() {
    let mut fixture = Fixture::connected();
    let lease = Some(fixture.lease());
    fixture.submit_on(lease, &["BLPOP k 0"], |_| {}).unwrap();
    let second = fixture.submit_on(lease, &["GET k"], |_| {}).unwrap();
    let mut peer = fixture.only_dedicated();
    assert_eq!((peer.read().as_str(), fixture.whereabouts(second)), ("BLPOP k 0", "in line"));
    peer.answer(&["*-1"]);
    assert_eq!((peer.read().as_str(), fixture.whereabouts(second)), ("GET k", "on a dedicated link"));
}

#[test]
fn who_waits_for_a_link_that_cannot_be_made_is_told() {
    let mut fixture = one_link();
    fixture.submit_as(&["SET k 1"], OWN).unwrap();
    fixture.submit_as(&["SET k 2"], OWN).unwrap();
    fixture.dedicated()[0].is_unreachable();
    let told = ["1 Connect NotRun: nobody is there", "2 Connect NotRun: nobody is there"];
    assert_eq!((fixture.completions(), count(&fixture)[2]), (told.map(String::from).to_vec(), 0));
}

#[test]
fn an_idle_link_is_closed_when_its_time_has_come() {
    let mut fixture = Fixture::new(Config { idle_timeout: Some(Duration::from_secs(1)), ..Config::default() });
    let (_, mut peer) = begun(&mut fixture, "GET k");
    peer.serve(&["+v"]);
    assert!(fixture.core.clock.has_changed(), "the timer is called for it");
    fixture.pass(Duration::from_millis(900));
    assert!(!peer.link.is_closed());
    fixture.pass(Duration::from_millis(200));
    assert_eq!((peer.link.is_closed(), count(&fixture)), (true, [0, 0, 0, 1]));
}

#[test]
fn a_deadline_passes_in_line_as_on_a_link() {
    for (is_sent, end) in [
        (false, "Timeout NotRun: 127.0.0.1:6379: not sent within 50 ms, all 1 dedicated connections are in use"),
        (true, "Timeout Unknown: 127.0.0.1:6379: no answer within 50 ms"),
    ] {
        let mut fixture = one_link();
        let (_, mut peer) = begun(&mut fixture, "SET k 1");
        let within = |request: &mut Request<'_, &str>| {
            (request.dedicated, request.timeout) = (true, Timeout::After(Duration::from_millis(50)));
        };
        fixture.submit_as(&["SET k 2"], within).unwrap();
        if is_sent {
            peer.serve(&["+OK"]);
            assert_eq!((fixture.completion(), peer.read()), ("1 Ok Answered: OK".to_string(), "SET k 2".to_string()));
        }
        fixture.pass(Duration::from_millis(44));
        assert_eq!(fixture.completions(), Vec::<String>::new());
        fixture.pass(Duration::from_millis(12));
        assert_eq!((fixture.completion(), peer.link.is_closed()), (format!("2 {end}"), is_sent));
    }
}
