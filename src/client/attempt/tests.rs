//! Every event for every kind of unit in every state.

use super::*;

/// A unit that was not sent before, and units with an attempt behind them that did not run or may have.
fn states() -> [(&'static str, Attempts); 3] {
    let cut = Event::Lost(Loss { is_whole: false, is_culprit: false, block: None });
    let whole = Event::Lost(Loss { is_whole: true, is_culprit: false, block: None });
    let after = |event| {
        let mut attempts = Attempts::default();
        attempts.after(event, &terms(true, false));
        attempts
    };
    [("new", Attempts::default()), ("cut off", after(cut)), ("may have run", after(whole))]
}

fn terms(may_run_twice: bool, is_tied: bool) -> Terms {
    Terms { may_run_twice, is_tied, max_attempts: 10 }
}

/// `again`: after whatever pause.
fn told(next: Next) -> &'static str {
    match next {
        Next::Send(_) => "again",
        Next::Complete(Outcome::Answered) => "answered",
        Next::GiveUp(Outcome::Answered) => "given up",
        Next::GiveUp(Outcome::Unknown) => "given up, unknown",
        Next::Complete(Outcome::Unknown) => "answered, unknown",
        Next::Fail(Outcome::NotRun) => "not run",
        Next::Fail(Outcome::Unknown) => "unknown",
        Next::Complete(Outcome::NotRun) | Next::GiveUp(Outcome::NotRun) | Next::Fail(Outcome::Answered) => {
            "a contradiction"
        }
    }
}

#[test]
fn every_loss() {
    use Block::{NotBegun, Queued, Refused, Unanswered};
    // Wholly sent or not, block, may run twice: what follows if it is neither tied nor a culprit, and the outcome if
    // it ends.
    for (is_whole, block, may_run_twice, next, ending) in [
        (false, None, false, "again", "not run"),
        (false, None, true, "again", "not run"),
        (true, None, false, "unknown", "unknown"),
        (true, None, true, "again", "unknown"),
        (false, Some(Unanswered), true, "unknown", "unknown"),
        (true, Some(Unanswered), true, "unknown", "unknown"),
        (false, Some(Queued), false, "again", "not run"),
        (true, Some(Queued), true, "unknown", "unknown"),
        (false, Some(Refused), false, "answered", "answered"),
        (true, Some(Refused), false, "answered", "answered"),
        (false, Some(NotBegun), true, "unknown", "unknown"),
        (true, Some(NotBegun), true, "unknown", "unknown"),
    ] {
        for (is_tied, is_culprit) in [(false, false), (true, false), (false, true), (true, true)] {
            for (state, mut attempts) in states() {
                let loss = Loss { is_whole, is_culprit, block };
                let expected = match if is_tied || is_culprit { ending } else { next } {
                    "not run" if state == "may have run" => "unknown",
                    other => other,
                };
                let next = told(attempts.after(Event::Lost(loss), &terms(may_run_twice, is_tied)));
                assert_eq!(next, expected, "{loss:?}, tied: {is_tied}, {state}");
            }
        }
    }
}

#[test]
fn every_refusal() {
    // The event, whether it is tied: what follows, by the state before.
    for (event, is_tied, expected) in [
        (Event::Refused(b"LOADING"), false, ["again", "again", "again"]),
        (Event::Refused(b"LOADING"), true, ["answered", "answered", "answered, unknown"]),
        (Event::RefusedForGood, false, ["answered", "answered", "answered, unknown"]),
        (Event::RefusedForGood, true, ["answered", "answered", "answered, unknown"]),
    ] {
        for may_run_twice in [false, true] {
            for ((state, mut attempts), expected) in states().into_iter().zip(expected) {
                let next = attempts.after(event, &terms(may_run_twice, is_tied));
                assert_eq!(told(next), expected, "{event:?}, tied: {is_tied}, {state}");
                assert_ne!(next, Next::Send(Duration::ZERO), "the server wants to be left alone for a while");
            }
        }
    }
}

fn node(port: u16) -> Address {
    Address::tcp("node", port).unwrap()
}

/// What follows when the node of the number `by` names that of the number `to`; 0: none.
fn redirect(attempts: &mut Attempts, kind: Kind, by: u16, to: u16, terms: &Terms) -> Next {
    let (by, to) = (node(by), (to > 0).then(|| node(to)));
    let text = if kind == Kind::Ask { b"ASK".as_slice() } else { b"MOVED" };
    attempts.after(Event::Redirected(Redirected { kind, text, by: &by, to: to.as_ref() }), terms)
}

#[test]
fn every_redirect() {
    // Where it leads, by node 1; whether it is tied: what follows by the state before, and whether at once.
    for (to, is_tied, expected, at_once) in [
        (2, false, ["again", "again", "again"], true),
        (1, false, ["again", "again", "again"], false),
        (0, false, ["again", "again", "again"], false),
        (2, true, ["answered", "answered", "answered, unknown"], false),
        (1, true, ["answered", "answered", "answered, unknown"], false),
        (0, true, ["answered", "answered", "answered, unknown"], false),
    ] {
        for kind in [Kind::Moved, Kind::Ask] {
            for may_run_twice in [false, true] {
                for ((state, mut attempts), expected) in states().into_iter().zip(expected) {
                    let next = redirect(&mut attempts, kind, 1, to, &terms(may_run_twice, is_tied));
                    let what = format!("{kind:?} to {to}, tied: {is_tied}, {state}");
                    assert_eq!(told(next), expected, "{what}");
                    assert_eq!(next == Next::Send(Duration::ZERO), at_once, "{what}");
                }
            }
        }
    }
}

#[test]
fn only_the_first_redirect_of_each_kind_is_followed_at_once() {
    let mut attempts = Attempts::default();
    let mut at_once =
        |kind, by, to| redirect(&mut attempts, kind, by, to, &terms(false, false)) == Next::Send(Duration::ZERO);
    assert!(at_once(Kind::Moved, 1, 2), "the map was old");
    assert!(at_once(Kind::Ask, 2, 3), "and the slot is being moved");
    assert!(!at_once(Kind::Moved, 3, 2));
    assert!(!at_once(Kind::Ask, 2, 3));
}

#[test]
fn nothing_is_sent_from_one_server_to_another_for_ever() {
    for ((state, mut attempts), end) in states().into_iter().zip(["given up", "given up", "given up, unknown"]) {
        let terms = terms(false, false);
        let mut go_on = |by, to| told(redirect(&mut attempts, Kind::Moved, by, to, &terms));
        (0..REDIRECTS / 2).for_each(|_| assert_eq!([go_on(1, 2), go_on(2, 1)], ["again"; 2], "{state}"));
        assert_eq!(go_on(1, 2), end, "{state}");
        // A wait for a repair between them is bounded by the deadline.
        let Next::Send(_) = attempts.after(Event::Refused(b"TRYAGAIN"), &terms) else { panic!("{state}") };
        assert_eq!(told(redirect(&mut attempts, Kind::Ask, 1, 2, &terms)), "again", "{state}");
        let refusals = attempts.refusals().unwrap();
        assert!(refusals.contains("refused by the server 19 times") && refusals.contains("ASK"), "{refusals}");
    }
}

#[test]
fn every_end_without_an_answer() {
    assert_eq!([false, true].map(|is_sent| outcome_of(None, is_sent)), [Outcome::NotRun, Outcome::Unknown]);
    for ((state, attempts), unsent) in states().iter().zip([Outcome::NotRun, Outcome::NotRun, Outcome::Unknown]) {
        assert_eq!(outcome_of(Some(attempts), false), unsent, "{state}");
        assert_eq!(outcome_of(Some(attempts), true), Outcome::Unknown, "{state}");
    }
}

#[test]
fn attempts_that_end_with_their_connection_are_counted() {
    let loss = Event::Lost(Loss { is_whole: true, is_culprit: false, block: None });
    for max_attempts in 1..5 {
        let mut attempts = Attempts::default();
        let terms = Terms { max_attempts, ..terms(true, false) };
        let sent = (1..).find(|_| !matches!(attempts.after(loss, &terms), Next::Send(_)));
        assert_eq!(sent, Some(max_attempts), "the first attempt is one of them");
        assert_eq!(u32::from(attempts.lost()), max_attempts);
        assert!(matches!(attempts.after(Event::Refused(b"LOADING"), &terms), Next::Send(_)), "a refusal is no loss");
    }
}

/// Attempts on a server that hangs up on each are not used up in a moment.
#[test]
fn only_the_first_loss_of_what_went_out_whole_is_repeated_at_once() {
    let pause = |attempts: &mut Attempts, is_whole| {
        let loss = Event::Lost(Loss { is_whole, is_culprit: false, block: None });
        match attempts.after(loss, &terms(true, false)) {
            Next::Send(pause) => pause,
            other => panic!("{other:?}"),
        }
    };
    assert!(!pause(&mut Attempts::default(), false).is_zero());
    let seven = || {
        let mut attempts = Attempts::default();
        assert!(pause(&mut attempts, true).is_zero());
        (1..7).map(|_| pause(&mut attempts, true)).inspect(|pause| assert!(!pause.is_zero())).sum::<Duration>()
    };
    let mean = (0..200).map(|_| seven()).sum::<Duration>() / 200;
    assert!(mean > Duration::from_millis(1500), "{mean:?}");
}

#[test]
fn the_last_refusal_is_told() {
    let mut attempts = Attempts::default();
    assert_eq!(attempts.refusals(), None);
    attempts.after(Event::Refused(b"LOADING first"), &terms(false, false));
    assert_eq!(attempts.refusals().as_deref(), Some("refused by the server: LOADING first"));
    attempts.after(Event::Refused(b"CLUSTERDOWN second"), &terms(false, false));
    let expected = "refused by the server 2 times, the last time with: CLUSTERDOWN second";
    assert_eq!(attempts.refusals().as_deref(), Some(expected));
}
