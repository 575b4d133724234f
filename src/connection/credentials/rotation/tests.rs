use super::*;
use crate::config::Secret;
use crate::error::Status;

const DELAYS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

fn pair(name: &str) -> Credentials {
    Credentials { username: Some(Secret::new(name)), password: Secret::new(format!("{name}-password")) }
}

/// A rotation, the clock, and the number of the question that is under way.
struct Play {
    rotation: Rotation,
    start: Instant,
    now: Instant,
}

impl Play {
    fn new(credentials: Option<Credentials>, asks: bool) -> Play {
        let now = Instant::now();
        Play { rotation: Rotation::new(credentials, asks, DELAYS), start: now, now }
    }

    fn at(&mut self, milliseconds: u64) -> &mut Play {
        self.now = self.start + Duration::from_millis(milliseconds);
        self
    }

    /// What a handshake does now, in words.
    fn need(&mut self) -> String {
        match self.rotation.need(self.now) {
            Need::Use(login) => format!("use {}", name_of(&login)),
            Need::Wait(question) => format!("wait {question}"),
            Need::Ask(question, reason) => format!("ask {question} {reason:?}"),
        }
    }

    fn outcome(&self, question: u64) -> String {
        match self.rotation.outcome(question, self.now) {
            None => "under way".to_owned(),
            Some(Ok(login)) => format!("use {}", name_of(&login)),
            Some(Err(error)) => error.message,
        }
    }

    fn answer(&mut self, name: &str, valid: Option<u64>, reason: Reason) {
        let answer = Answer { credentials: pair(name), valid: valid.map(Duration::from_millis) };
        self.rotation.on_answer(answer, reason, self.now);
    }

    fn fail(&mut self, words: &str) {
        self.rotation.on_failure(Error::new(Status::Connect, words), self.now);
    }

    fn generation(&self) -> u64 {
        self.rotation.current().unwrap().generation
    }

    /// When it is to be looked at again, in milliseconds.
    fn next(&mut self) -> Result<u128, Next> {
        match self.rotation.renew(self.now) {
            Next::At(at) => Ok(at.duration_since(self.start).as_millis()),
            other => Err(other),
        }
    }
}

fn name_of(login: &Login) -> String {
    let credentials = login.credentials.as_ref();
    credentials.map_or("none", |pair| pair.username.as_ref().map_or("default", Secret::expose)).to_owned()
}

#[test]
fn what_is_fixed_is_used_whatever_a_server_says() {
    for (credentials, name) in [(None, "use none"), (Some(pair("fixed")), "use fixed")] {
        let mut play = Play::new(credentials, false);
        assert_eq!(play.need(), name);
        let generation = play.generation();
        play.rotation.reject(generation, play.now);
        assert_eq!(play.at(1_000_000).need(), name);
        assert_eq!(play.next(), Err(Next::Later));
    }
}

#[test]
fn one_question_serves_all_who_need_credentials() {
    let mut play = Play::new(None, true);
    assert_eq!(play.next(), Err(Next::Later), "nothing is renewed before it was needed");
    assert_eq!(play.need(), "ask 1 Connect");
    assert_eq!((play.need(), play.need()), ("wait 1".into(), "wait 1".into()));
    assert_eq!(play.outcome(1), "under way");
    play.answer("u1", Some(10_000), Reason::Connect);
    assert_eq!((play.outcome(1), play.need()), ("use u1".into(), "use u1".into()));
    assert_eq!(play.at(9_999).need(), "use u1", "valid to its end");
    assert_eq!(play.at(10_000).need(), "ask 2 Connect");
}

#[test]
fn an_answer_that_expires_at_once_is_used_by_those_who_waited_for_it() {
    let mut play = Play::new(None, true);
    assert_eq!(play.need(), "ask 1 Connect");
    play.answer("u1", Some(0), Reason::Connect);
    assert_eq!(play.outcome(1), "use u1");
    assert_eq!(play.need(), "ask 2 Connect");
}

#[test]
fn credentials_are_renewed_at_some_four_fifths_of_their_validity() {
    let mut drawn = Vec::new();
    for _ in 0..50 {
        let mut play = Play::new(None, true);
        play.need();
        play.answer("u1", Some(10_000), Reason::Connect);
        let at = play.next().unwrap();
        assert!((7500..=8500).contains(&at), "{at}");
        drawn.push(at);
        play.at(8500);
        assert_eq!(play.next(), Err(Next::Ask(2, Reason::Renew)));
        assert_eq!(play.next(), Err(Next::Later), "one question at a time");
        assert_eq!(play.need(), "use u1", "what is held is used meanwhile");
        play.answer("u2", Some(10_000), Reason::Renew);
        assert_eq!((play.need(), play.generation()), ("use u2".into(), 2));
    }
    drawn.dedup();
    assert!(drawn.len() > 10, "clients do not ask in step: {drawn:?}");
}

#[test]
fn however_short_they_are_valid_the_program_is_not_asked_without_a_pause() {
    let mut play = Play::new(None, true);
    play.need();
    play.answer("u1", Some(1), Reason::Connect);
    assert_eq!(play.next(), Ok(SHORTEST.as_millis()));
    play.need();
    play.answer("u2", None, Reason::Connect);
    assert_eq!(play.at(u64::from(u32::MAX)).next(), Err(Next::Later), "without an end there is nothing to renew");
    assert_eq!(play.need(), "use u2");
}

#[test]
fn a_failed_renewal_leaves_what_is_held_until_it_expires() {
    let mut play = Play::new(None, true);
    play.need();
    play.answer("u1", Some(10_000), Reason::Connect);
    let mut questions = 1;
    for _ in 0..5 {
        play.at(8500);
        questions += 1;
        while let Ok(at) = play.next() {
            assert!(at <= 8500 + 5000, "{at}");
            play.now = play.start + Duration::from_millis(at as u64 + 1);
        }
        assert_eq!(play.rotation.questions, questions);
        play.fail("no token");
        assert_eq!((play.at(9000).need(), play.outcome(questions)), ("use u1".into(), "use u1".into()));
    }
    play.at(10_000);
    assert_eq!(play.need(), format!("ask {} Connect", questions + 1));
    play.fail("still none");
    assert_eq!(play.outcome(questions + 1), "still none");
}

#[test]
fn refused_credentials_are_asked_for_again_once_and_then_with_pauses() {
    let mut play = Play::new(None, true);
    play.need();
    play.answer("u1", Some(10_000), Reason::Connect);
    play.rotation.reject(0, play.now);
    assert_eq!(play.need(), "use u1", "another one was refused");
    play.rotation.reject(1, play.now);
    play.rotation.reject(1, play.now);
    assert_eq!(play.next(), Err(Next::Ask(2, Reason::Rejected)), "at once");
    assert_eq!(play.need(), "wait 2", "it is not used again");
    play.answer("u1", Some(10_000), Reason::Rejected);
    assert_eq!((play.need(), play.generation()), ("use u1".into(), 2), "if the program insists");
    let mut paused = 0;
    for generation in 2..12 {
        play.rotation.reject(generation, play.now);
        paused += u32::from(play.next().is_ok());
        assert_eq!(play.need(), format!("ask {} Rejected", generation + 1), "who connects does not wait for a pause");
        play.answer("u1", Some(10_000), Reason::Rejected);
    }
    assert!(paused > 5, "{paused}");
    play.rotation.accept(12);
    play.rotation.reject(12, play.now);
    assert_eq!(play.next(), Err(Next::Ask(13, Reason::Rejected)), "one that was taken ends the row");
}

#[test]
fn what_is_pushed_wins_until_it_is_refused() {
    let mut play = Play::new(None, true);
    assert_eq!(play.need(), "ask 1 Connect");
    play.rotation.push(pair("p1"));
    assert_eq!((play.outcome(1), play.need()), ("use p1".into(), "use p1".into()), "who waited has it");
    play.answer("u1", Some(10), Reason::Connect);
    assert_eq!((play.outcome(1), play.need(), play.generation()), ("use p1".into(), "use p1".into(), 1));
    assert_eq!(play.at(u64::from(u32::MAX)).next(), Err(Next::Later));
    play.rotation.reject(1, play.now);
    assert_eq!(play.need(), "ask 2 Rejected");
    play.answer("u2", None, Reason::Rejected);
    assert_eq!((play.need(), play.generation()), ("use u2".into(), 2));
    play.rotation.push(pair("p2"));
    assert_eq!((play.need(), play.generation()), ("use p2".into(), 3));

    let mut fixed = Play::new(Some(pair("fixed")), false);
    fixed.rotation.push(pair("p1"));
    assert_eq!((fixed.need(), fixed.generation()), ("use p1".into(), 1));
    fixed.rotation.reject(1, fixed.now);
    assert_eq!(fixed.need(), "use p1", "nobody can be asked for others");
}

#[test]
fn the_same_credentials_for_longer_are_nothing_new() {
    let mut play = Play::new(None, true);
    play.need();
    play.answer("u1", Some(10_000), Reason::Connect);
    play.at(9000);
    assert_eq!(play.next(), Err(Next::Ask(2, Reason::Renew)));
    play.answer("u1", Some(10_000), Reason::Renew);
    assert_eq!(play.generation(), 1);
    assert_eq!(play.at(18_999).need(), "use u1");
    play.at(17_600);
    assert_eq!(play.next(), Err(Next::Ask(3, Reason::Renew)));
}

#[test]
fn no_secret_is_printed() {
    let mut play = Play::new(None, true);
    play.need();
    play.answer("u1", Some(10_000), Reason::Connect);
    play.rotation.push(pair("u2"));
    let printed = format!("{:?} {:#?}", play.rotation, play.rotation.current());
    assert!(!printed.contains("u1") && !printed.contains("u2") && !printed.contains("-password"), "{printed}");
}
