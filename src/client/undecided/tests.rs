use super::*;
use crate::client::fixture::Fixture;
use crate::config::Config;

/// Slots 0 to 8191 and the others: "b" (3300) is in the first half, "a" (15495) in the second.
const HALVES: &[&str] =
    &["*2", "*3\r\n:0\r\n:8191\r\n*2\r\n$5\r\nfirst\r\n:1", "*3\r\n:8192\r\n:16383\r\n*2\r\n$6\r\nsecond\r\n:1"];

#[test]
fn what_one_node_cannot_do_waits_for_the_map() {
    let (stays, waits) = (Fate::Stays, Fate::WaitsForMap);
    let cases: [(&[&str], bool, &Fate); 10] = [
        (&["GET a"], false, &stays),
        (&["PING"], false, &stays),
        (&["MGET a b"], false, &waits),
        (&["MSETNX a 1 b 1"], false, &waits),
        (&["FLUSHALL"], false, &waits),
        (&["SCAN 0"], false, &waits),
        (&["GET a", "GET b"], false, &stays),
        (&["GET a", "DBSIZE", "GET b"], false, &waits),
        (&["SET {a}1 1", "SET {a}2 1"], true, &stays),
        (&["PING", "GET a"], true, &stays),
    ];
    let words = |line: &&'static str| line.split(' ').map(str::as_bytes).collect::<Vec<_>>();
    let fate = |lines: &[&'static str], atomic| {
        let words: Vec<_> = lines.iter().map(words).collect();
        fate(&words.iter().map(Vec::as_slice).collect::<Vec<_>>(), atomic)
    };
    for (lines, atomic, expected) in cases {
        assert_eq!(fate(lines, atomic), *expected, "{lines:?}");
    }
    let Fate::Refused(error) = fate(&["SET a 1", "SET b 1"], true) else { panic!("two slots") };
    assert_eq!(error.status, Status::Argument);
}

fn submit_all(fixture: &mut Fixture) {
    for line in ["SET a 1", "FLUSHALL", "MGET a b", "GET b", "SET a 2"] {
        fixture.submit(&[line]).unwrap();
    }
    fixture.submit(&["INCR a", "DBSIZE"]).unwrap();
    fixture.submit_as(&["SET a 3", "SET b 3"], |request| request.atomic = true).unwrap();
    fixture.submit_as(&["PING"], |request| request.route = Route::All).unwrap();
    fixture.submit_as(&["PING"], |request| request.route = Route::Replicas).unwrap();
    fixture.submit_as(&["PING"], |request| request.route = Route::Slot(Some(0))).unwrap();
    fixture.submit_as(&["GET a"], |request| request.route = Route::Node("second:1")).unwrap();
}

#[test]
fn one_server_gets_all_in_order() {
    let mut fixture = Fixture::new(Config::default());
    submit_all(&mut fixture);
    fixture.shared.connect();
    fixture.core.tick();
    let address = fixture.shared.link.address();
    assert_eq!(
        fixture.shared.read(),
        "SET a 1 | FLUSHALL | MGET a b | GET b | SET a 2 | INCR a | DBSIZE | MULTI | SET a 3 | SET b 3 | EXEC | PING \
         | PING"
    );
    // Routes to no node.
    assert_eq!(
        fixture.completions(),
        [
            "9 Ok Answered: {}".to_owned(),
            format!("11 Argument NotRun: route \"second:1\": this client is connected to {address}"),
        ]
    );
    fixture.shared.answer(&["+OK", "+OK", "*2\r\n_\r\n_", "_", "+OK", ":3", ":1"]);
    fixture.shared.answer(&["+OK", "+QUEUED", "+QUEUED", "*2\r\n+OK\r\n+OK", "+PONG", "+PONG"]);
    let completions = fixture.completions();
    assert_eq!(
        completions[5..],
        [
            "6 Ok Answered: [3, 1]".to_owned(),
            "7 Ok Answered: [OK, OK]".to_owned(),
            format!("8 Ok Answered: {{{address}, PONG}}"),
            "10 Ok Answered: PONG".to_owned(),
        ]
    );
}

#[test]
fn a_cluster_gets_each_at_its_nodes() {
    let mut fixture = Fixture::new(Config::default());
    submit_all(&mut fixture);
    fixture.shared.connect_as("cluster");
    // No cluster does that at once.
    let refused = fixture.completion();
    assert!(refused.starts_with("7 Argument NotRun: the transaction has keys in the slots"), "{refused}");
    fixture.core.tick();
    assert_eq!(fixture.shared.read(), "SET a 1 | GET b | SET a 2 | CLUSTER SLOTS");
    fixture.shared.answer(&["+OK", "-MOVED 3300 first:1", "+OK"]);
    fixture.shared.answer(HALVES);
    fixture.core.tick();
    assert_eq!(fixture.completions(), ["1 Ok Answered: OK", "5 Ok Answered: OK", "9 Ok Answered: {}"]);
    let (mut first, mut second) = (fixture.node("first:1"), fixture.node("second:1"));
    assert_eq!(first.read(), "GET b | FLUSHALL | MGET b | DBSIZE | PING | PING");
    assert_eq!(second.read(), "FLUSHALL | MGET a | INCR a | DBSIZE | PING | GET a");
    first.answer(&["_", "+OK", "*1\r\n+b", ":1", "+PONG", "+PONG"]);
    second.answer(&["+OK", "*1\r\n+a", ":7", ":2", "+PONG", "+a"]);
    let mut completions = fixture.completions();
    completions.sort();
    assert_eq!(
        completions,
        [
            "10 Ok Answered: PONG",
            "11 Ok Answered: a",
            "2 Ok Answered: OK",
            "3 Ok Answered: [a, b]",
            "4 Ok Answered: nil",
            "6 Ok Answered: [7, 3]",
            "8 Ok Answered: {first:1, PONG, second:1, PONG}",
        ]
    );
}

#[test]
fn what_waits_for_the_decision_ends_in_time_when_nobody_answers() {
    let mut fixture = Fixture::new(Config::default());
    fixture.submit_as(&["PING"], |request| request.route = Route::All).unwrap();
    fixture.submit(&["FLUSHALL"]).unwrap();
    fixture.shared.is_unreachable();
    let completions = fixture.completions();
    assert!(
        completions.len() == 2 && completions.iter().all(|one| one.contains(" Connect NotRun: ")),
        "{completions:?}"
    );
    let id = fixture.submit_as(&["PING"], |request| request.route = Route::Primaries).unwrap();
    assert!(fixture.core.cancel(crate::connection::unit::Ticket(id)));
    assert!(fixture.completion().contains("Canceled NotRun"));
    assert!(fixture.close());
}
