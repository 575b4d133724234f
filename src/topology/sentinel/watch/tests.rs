//! What is done about answers and messages of three sentinels, one after the other.

use super::*;

fn at(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A watch that is told things in words, and what it then does, in words.
struct Played {
    watch: Watch,
    start: Instant,
    now: Duration,
}

impl Played {
    fn new(sentinels: &[&str]) -> Played {
        let sentinels: Vec<Address> = sentinels.iter().map(|sentinel| at(sentinel)).collect();
        Played { watch: Watch::new("m", &sentinels), start: Instant::now(), now: Duration::ZERO }
    }

    /// `s1 says a 2`, `s1 knows nothing`, `s1 fails why`, `s1 refuses why`, `s1 promotes a`, `s1 switches a`, `a is
    /// primary`, `a is replica`, `after 300`.
    fn tell(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let now = self.start + self.now;
        let connect = |text: &str| Error::new(Status::Connect, text);
        let word = |said| Word { said, id: None, others: Vec::new() };
        let actions = match words[..] {
            [from, "says", address, epoch] => {
                let said = Said::Primary { address: at(address), epoch: epoch.parse().unwrap() };
                self.watch.on_word(&at(from), word(said), now)
            }
            [from, "knows", "nothing"] => self.watch.on_word(&at(from), word(Said::NoSuchName), now),
            [from, "refuses", why] => self.watch.on_word(&at(from), word(Said::Refused(why.to_owned())), now),
            [from, "fails", "auth"] => self.watch.on_failure(&at(from), Error::new(Status::Auth, "password"), now),
            [from, "fails", why] => self.watch.on_failure(&at(from), connect(why), now),
            [from, "promotes", address] => self.watch.on_promoting(&at(from), at(address), now),
            [from, "switches", address] => self.watch.on_switch(&at(from), at(address), now),
            [address, "is", "primary"] => self.watch.on_role(&at(address), Ok(()), now),
            [address, "is", "replica"] => self.watch.on_role(&at(address), Err(connect("a replica")), now),
            ["after", millis] => {
                self.now += Duration::from_millis(millis.parse().unwrap());
                self.watch.on_time(self.start + self.now)
            }
            _ => panic!("{line}"),
        };
        actions.into_iter().map(shown).collect()
    }

    fn play(&mut self, lines: &[(&str, &[&str])]) {
        for (line, actions) in lines {
            assert_eq!(self.tell(line), *actions, "{line}, of {lines:?}");
        }
    }
}

fn shown(action: Action) -> String {
    let text = match action {
        Action::Listen(address) => format!("listen {address}"),
        Action::Ignore(address) => format!("ignore {address}"),
        Action::Ask => "ask".to_owned(),
        Action::Hold => "hold".to_owned(),
        Action::Check(address) => format!("check {address}"),
        Action::Adopt(address, None) => format!("adopt {address}"),
        Action::Adopt(address, Some(previous)) => format!("adopt {address} after {previous}"),
        Action::Keep(address) => format!("keep {address}"),
        Action::Fail(error) => format!("fail {:?}: {}", error.status, error.message),
        Action::Warn(sentinel, sentence) => format!("warn {sentinel}: {sentence}"),
    };
    text.replace(":6379", "")
}

const THREE: [&str; 3] = ["s1", "s2", "s3"];

#[test]
fn most_decide_as_soon_as_they_have_answered() {
    Played::new(&THREE).play(&[
        ("s1 says a 1", &[]),
        ("s2 says a 1", &["adopt a"]),
        ("s3 says a 1", &[]),
        ("s3 says a 2", &[]),
        ("s1 says b 3", &["warn s1: it says that the primary is b, and the others say a"]),
        ("s1 says b 3", &[]),
        ("s2 says b 3", &["warn s3: it says that the primary is a, and the others say b", "adopt b after a"]),
    ]);
}

#[test]
fn some_are_waited_for_a_while() {
    Played::new(&THREE).play(&[("s1 says a 1", &[]), ("after 299", &[]), ("after 1", &["adopt a"])]);
    Played::new(&THREE).play(&[("s1 says a 1", &[]), ("s2 fails gone", &[]), ("s3 fails gone", &["adopt a"])]);
    let dissent = "warn s1: it says that the primary is a, and the others say b";
    Played::new(&THREE).play(&[
        ("s1 says a 1", &[]),
        ("s2 says b 2", &[]),
        ("s3 fails gone", &[dissent, "adopt b"]),
        ("s3 says b 2", &[]),
    ]);
}

#[test]
fn nobody_answers_and_nobody_knows_the_name_are_two_things() {
    for (lines, failure) in [
        (["s1 fails gone", "s2 fails gone", "s3 fails away"], "fail Connect: no sentinel answers: s3: away"),
        (["s1 fails auth", "s2 fails gone", "s3 fails gone"], "fail Auth: no sentinel answers: s1: password"),
        (
            ["s1 knows nothing", "s2 knows nothing", "s3 fails gone"],
            "fail Connect: no sentinel knows the name \"m\" (2 of 3 answered)",
        ),
        (
            ["s1 fails gone", "s2 refuses NOPERM", "s3 fails gone"],
            "fail Connect: no sentinel says where \"m\" is: s2: NOPERM",
        ),
    ] {
        let mut played = Played::new(&THREE);
        assert!(played.tell(lines[0]).is_empty() && played.tell(lines[1]).is_empty(), "{lines:?}");
        assert_eq!(played.tell(lines[2]), [failure]);
        assert!(played.tell("s1 says a 1").is_empty() || played.watch.believed().is_some());
        played.tell("after 300");
        assert_eq!(played.watch.believed(), Some(&at("a")), "later one does");
        assert!(lines.iter().all(|line| played.tell(line).is_empty()), "what is believed stays");
    }
}

fn settled() -> Played {
    let mut played = Played::new(&THREE);
    played.play(&[("s1 says a 1", &[]), ("s2 says a 1", &["adopt a"]), ("s3 says a 1", &[])]);
    played.tell("after 20000");
    played
}

#[test]
fn a_switch_is_adopted_at_once_when_its_role_is_known_and_nobody_contradicts() {
    settled().play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("s2 switches b", &[]),
        ("s1 says b 2", &[]),
        ("b is primary", &[]),
        ("s2 says a 1", &[]),
        ("s3 says a 1", &["adopt b after a"]),
        // They have not heard of it yet.
        ("s2 says a 1", &[]),
        ("after 5000", &[]),
        ("s2 says b 2", &[]),
        ("s3 says b 2", &[]),
    ]);
    // Who does not answer in time is not waited for.
    settled().play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("s1 says b 2", &[]),
        ("b is primary", &[]),
        ("after 99", &[]),
        ("after 1", &["adopt b after a"]),
    ]);
    let mut played = settled();
    assert_eq!(played.tell("s3 fails gone"), [""; 0]);
    played.play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("b is primary", &[]),
        ("s1 says b 2", &[]),
        ("s2 says a 1", &["adopt b after a"]),
    ]);
}

#[test]
fn what_the_old_primary_would_lose_is_held_back_until_there_is_a_new_one() {
    settled().play(&[
        ("s1 promotes b", &["hold"]),
        ("s2 promotes b", &[]),
        ("s2 says a 1", &[]),
        ("after 1000", &[]),
        ("s1 says b 2", &["check b", "ask"]),
        ("s1 says b 2", &[]),
        ("b is primary", &[]),
        ("s2 says a 1", &[]),
        ("s3 says b 2", &["adopt b after a"]),
        ("s1 promotes b", &[]),
    ]);
    settled().play(&[("s1 promotes b", &["hold"]), ("s3 switches b", &["check b", "ask"])]);
    settled().play(&[("s1 promotes b", &["hold"]), ("after 2999", &[]), ("after 1", &["keep a"]), ("after 1", &[])]);
    Played::new(&THREE).play(&[("s1 promotes b", &[])]);
}

#[test]
fn a_switch_that_is_wrong_changes_nothing() {
    settled().play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("s1 says b 9", &[]),
        ("b is replica", &["warn s1: it tells that b is the primary now: a replica", "keep a"]),
        ("after 300", &["warn s1: it says that the primary is b, and the others say a"]),
        ("b is primary", &[]),
    ]);
    let contradicted = "warn s1: it tells that b is the primary now: other sentinels contradict";
    settled().play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("b is primary", &[]),
        ("s1 says b 1", &[]),
        ("s2 says a 1", &[]),
        ("s3 says a 1", &[contradicted, "keep a"]),
    ]);
    settled().play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("s2 switches c", &["check c", "ask"]),
        ("b is primary", &[]),
        ("c is primary", &[]),
        ("after 100", &["adopt c after a"]),
    ]);
    settled().play(&[("s1 switches a", &[]), ("s9 switches b", &[])]);
}

#[test]
fn most_are_right_against_one_in_the_long_run() {
    let mut played = settled();
    played.play(&[
        ("s1 switches b", &["check b", "ask"]),
        ("s1 says b 9", &[]),
        ("b is primary", &[]),
        ("s2 says a 1", &[]),
        ("s3 says a 1", &["adopt b after a"]),
        ("s2 says a 1", &[]),
        ("after 9999", &[]),
        ("s2 says a 1", &[]),
        ("after 1", &["warn s1: it says that the primary is b, and the others say a", "adopt a after b"]),
    ]);
}

#[test]
fn a_check_waits_for_the_role_and_ends() {
    let mut played = settled();
    played.play(&[("s1 switches b", &["check b", "ask"]), ("after 100", &[]), ("after 1000", &[])]);
    assert!(played.watch.due().is_some_and(|due| due > played.start + played.now));
    assert_eq!(played.tell("b is primary"), [""; 0]);
    assert_eq!(played.tell("after 100"), ["adopt b after a"]);
    assert_eq!(played.watch.due(), None);
}

#[test]
fn the_list_of_sentinels_grows_and_each_has_one_voice() {
    let mut watch = Watch::new("m", &[at("s1")]);
    let now = Instant::now();
    let word = |id: &str, others: &[(&str, &str)]| Word {
        said: Said::Primary { address: at("a"), epoch: 1 },
        id: Some(id.to_owned()),
        others: others.iter().map(|(id, address)| ((*id).to_owned(), at(address))).collect(),
    };
    let actions = |actions: Vec<Action>| actions.into_iter().map(shown).collect::<Vec<_>>();
    let found = actions(watch.on_word(&at("s1"), word("A", &[("B", "s2"), ("C", "s3"), ("B", "s2")]), now));
    assert_eq!(found, ["listen s2", "listen s3"]);
    assert_eq!(actions(watch.on_word(&at("s2"), word("B", &[("A", "other-name"), ("C", "s3")]), now)), ["adopt a"]);
    // It is another address of one that is known.
    assert_eq!(actions(watch.on_word(&at("s3"), word("A", &[]), now)), ["ignore s3"]);
    assert!(!watch.listens_to(&at("s3")) && watch.listens_to(&at("s1")));
    assert!(watch.on_word(&at("s3"), word("A", &[]), now).is_empty());
    assert_eq!(watch.opinions().filter(|(_, opinion)| opinion.is_ok()).count(), 2);
}
