//! A client of a cluster that keeps what it has read, and slots that move.

use std::time::Duration;

use crate::client::fixture::{Fixture, Peer};
use crate::config::Config;

/// Slots 0 to 8191 (`b`: 3300, `c`: 7365) at a:1, the others (`a`: 15495) at b:1.
const HALVES: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "a", ":1", "*3", ":8192", ":16383", "*2", "$1", "b", ":1"];

/// The other way round.
const TURNED: [&str; 15] =
    ["*2", "*3", ":0", ":8191", "*2", "$1", "b", ":1", "*3", ":8192", ":16383", "*2", "$1", "a", ":1"];

const MOVED: &str = "-MOVED 3300 b:1";
const ASK: &str = "-ASK 3300 b:1";
const TRACKED: &str = "CLIENT CACHING yes | ";

struct Cached {
    fixture: Fixture,
    a: Peer,
    b: Peer,
}

impl Cached {
    /// Both nodes are connected.
    fn new() -> Cached {
        Cached::with(Duration::from_secs(3600))
    }

    /// The same with this time after which a silent server is dead.
    fn with(dead_after: Duration) -> Cached {
        let config = Config { cache_bytes: 1 << 20, dead_after, ..Config::default() };
        let mut fixture = Fixture::cluster_with(&HALVES, config);
        fixture.submit(&["PING a"]).unwrap();
        fixture.shared.serve(&["+PONG"]);
        fixture.submit(&["GET a"]).unwrap();
        fixture.submit(&["GET b"]).unwrap();
        let (mut a, mut b) = (fixture.node("a:1"), fixture.node("b:1"));
        a.serve(&["$-1"]);
        b.serve(&["$-1"]);
        assert_eq!(fixture.completions().len(), 3);
        Cached { fixture, a, b }
    }

    /// All are asked for the map, and say this.
    fn map(&mut self, slots: &[&str]) {
        self.fixture.pass(Duration::from_secs(100));
        for peer in [&mut self.fixture.shared, &mut self.a, &mut self.b] {
            assert_eq!(peer.read(), "CLUSTER SLOTS");
            peer.answer(slots);
        }
    }

    /// Reads; what is asked of both nodes and, if nothing is, the answer.
    fn read(&mut self, command: &str) -> (String, String, Option<String>) {
        self.fixture.submit_as(&[command], |request| request.cached = true).unwrap();
        let (a, b) = (self.a.read().to_lowercase(), self.b.read().to_lowercase());
        let answer = self.fixture.completions().pop();
        (a, b, answer.map(|answer| answer.rsplit(": ").next().unwrap().to_string()))
    }

    /// Whether a command is answered from the cache with this.
    fn is_kept(&mut self, command: &str, answer: &str) -> bool {
        match self.read(command) {
            (_, _, Some(found)) => {
                assert_eq!(found, answer);
                true
            }
            (a, ..) => {
                match a.is_empty() {
                    true => self.b.answer(&["+OK", "$-1"]),
                    false => self.a.answer(&["+OK", "$-1"]),
                }
                self.fixture.completion();
                false
            }
        }
    }
}

fn asked(command: &str) -> String {
    format!("{TRACKED}{command}").to_lowercase()
}

#[test]
fn an_answer_is_kept_as_long_as_its_slot_stays() {
    // What becomes of the slots, and whether what was read of b, a and c is found afterwards.
    type Event = fn(&mut Cached);
    let cases: [(Event, [bool; 3]); 7] = [
        (|_| {}, [true; 3]),
        (
            |cached| {
                cached.fixture.submit(&["INCR b"]).unwrap();
                cached.a.serve(&[MOVED]);
                cached.b.serve(&[":1"]);
            },
            [false, true, true],
        ),
        (|cached| cached.map(&TURNED), [false; 3]),
        // There and back again: what others have written meanwhile nobody has told.
        (|cached| (cached.map(&TURNED), cached.map(&HALVES)).1, [false; 3]),
        (|cached| cached.map(&HALVES), [true; 3]),
        (|cached| (cached.a.lose(), cached.a.connect()).1, [false, true, false]),
        (|cached| (cached.b.lose(), cached.b.connect()).1, [true, false, true]),
    ];
    for (index, (event, kept)) in cases.into_iter().enumerate() {
        let mut cached = Cached::new();
        for key in ["b", "c"] {
            assert_eq!(cached.read(&format!("GET {key}")), (asked(&format!("GET {key}")), String::new(), None));
            cached.a.answer(&["+OK", "+x"]);
            cached.fixture.completion();
        }
        assert_eq!(cached.read("GET a"), (String::new(), asked("GET a"), None));
        cached.b.answer(&["+OK", "+x"]);
        cached.fixture.completions();
        event(&mut cached);
        cached.fixture.completions();
        let found = ["b", "a", "c"].map(|key| cached.is_kept(&format!("GET {key}"), "x"));
        assert_eq!(found, kept, "case {index}");
    }
}

/// The node may have lost the slot, of which it does not tell unless it is asked.
#[test]
fn an_answer_is_asked_for_again_now_and_then() {
    let mut cached = Cached::with(Duration::from_secs(3));
    cached.fixture.pass(Duration::from_secs(10));
    cached.read("GET b");
    cached.a.answer(&["+OK", "+x"]);
    cached.fixture.completion();
    for _ in 0..3 {
        assert_eq!(cached.read("GET b").2.as_deref(), Some("x"));
        cached.fixture.pass(Duration::from_secs(3));
        assert_eq!(cached.read("GET b").2.as_deref(), Some("x"));
        cached.fixture.pass(Duration::from_secs(1));
        assert_eq!(cached.read("GET b"), ("get b".to_string(), String::new(), None));
        assert_eq!(cached.read("GET b").2.as_deref(), Some("x"), "who asks meanwhile");
        cached.a.answer(&["+x"]);
        cached.fixture.completion();
    }
    cached.fixture.pass(Duration::from_secs(4));
    cached.read("GET b");
    cached.a.answer(&[MOVED]);
    cached.b.serve(&["+y"]);
    assert_eq!(cached.fixture.completion(), "17 Ok Answered: y");
    assert!(!cached.is_kept("GET b", "x"));
}

#[test]
fn what_another_node_answers_is_not_kept() {
    for (redirect, again, answers) in [(MOVED, "get b", &["+x"][..]), (ASK, "asking | get b", &["+OK", "+x"])] {
        let mut cached = Cached::new();
        assert_eq!(cached.read("GET b").0, asked("GET b"));
        cached.a.answer(&["+OK", redirect]);
        assert_eq!(cached.b.read().to_lowercase(), again, "CLIENT CACHING would undo ASKING");
        cached.b.answer(answers);
        assert_eq!(cached.fixture.completion().rsplit(": ").next(), Some("x"));
        assert!(!cached.is_kept("GET b", "x"));
    }
}

/// While its slot is on its way a key that is not there is made at the other node, which tells nobody.
#[test]
fn what_is_not_there_is_not_kept() {
    for (command, answer, is_kept) in [
        ("GET b", &["+x"][..], true),
        ("GET b", &["$-1"], false),
        ("STRLEN b", &[":0"], false),
        ("STRLEN b", &[":1"], true),
        ("LRANGE b 0 -1", &["*0"], false),
        ("MGET b {b}2", &["*2", "+x", "+y"], true),
        ("MGET b {b}2", &["*2", "+x", "$-1"], false),
        ("SUNION b {b}2", &["*1", "+x"], false),
    ] {
        let mut cached = Cached::new();
        cached.read(command);
        let prelude: &[&str] = if command.starts_with("SUNION") { &[] } else { &["+OK"] };
        cached.a.answer(&[prelude, answer].concat());
        cached.fixture.completion();
        assert_eq!(cached.read(command).2.is_some(), is_kept, "{command} {answer:?}");
    }
}

/// (a: 15495, at b:1; b: 3300 and c: 7365, at a:1.)
#[test]
fn of_a_command_of_many_slots_each_part_is_kept() {
    let mut cached = Cached::new();
    let (a, b) = (asked("MGET b"), asked("MGET a"));
    assert_eq!(cached.read("MGET a b"), (a, b, None));
    cached.a.answer(&["+OK", "*1", "+y"]);
    cached.b.answer(&["+OK", "*1", "+x"]);
    assert_eq!(cached.fixture.completion(), "4 Ok Answered: [x, y]");
    assert_eq!(cached.read("MGET b a").2.as_deref(), Some("[y, x]"), "nobody is asked");
    assert_eq!(cached.read("MGET c b a"), (asked("MGET c"), String::new(), None));
    cached.a.answer(&["+OK", "*1", "$-1"]);
    assert_eq!(cached.fixture.completion(), "6 Ok Answered: [nil, y, x]");
    // What was not there is asked for again, and what moved is asked for where it is.
    assert_eq!(cached.read("MGET c b"), (asked("MGET c"), String::new(), None));
    cached.a.answer(&["+OK", "*1", "+z"]);
    cached.fixture.completion();
    cached.fixture.submit(&["INCR b"]).unwrap();
    cached.a.serve(&[MOVED]);
    cached.b.serve(&[":1"]);
    cached.fixture.completion();
    assert_eq!(cached.read("MGET c b"), (String::new(), asked("MGET b"), None));
    cached.b.answer(&["+OK", "*1", "+1"]);
    assert_eq!(cached.fixture.completion(), "9 Ok Answered: [z, 1]");
}

#[test]
fn a_part_that_is_redirected_or_lost_is_answered_and_not_kept() {
    for (event, again, answers) in
        [(ASK, "asking | mget b", &["+OK", "*1", "+y"][..]), (MOVED, "mget b", &["*1", "+y"]), ("", "", &[])]
    {
        let mut cached = Cached::new();
        cached.read("MGET a b");
        cached.b.answer(&["+OK", "*1", "+x"]);
        if event.is_empty() {
            cached.a.lose();
            cached.a.connect();
            assert_eq!(cached.a.read().to_lowercase(), asked("MGET b"), "it may run twice");
            cached.a.answer(&["+OK", "*1", "+y"]);
        } else {
            cached.a.answer(&["+OK", event]);
            assert_eq!(cached.b.read().to_lowercase(), again);
            cached.b.answer(answers);
        }
        assert_eq!(cached.fixture.completion(), "4 Ok Answered: [x, y]", "{event}");
        let (a, b, _) = cached.read("MGET a b");
        assert_eq!(a.len() + b.len(), asked("MGET b").len(), "one part is kept: {event}");
    }
}
