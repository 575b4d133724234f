//! What each kind of request becomes by what a server says, and by the end of its connection.

use std::time::Duration;

use super::*;
use crate::client::fixture::Fixture;

/// What a request of these commands becomes when it was written and the server says this.
fn answered(lines: &[&str], atomic: bool, said: &str) -> Vec<String> {
    let mut fixture = Fixture::connected();
    fixture.submit(lines, |request| request.atomic = atomic).unwrap();
    fixture.write();
    fixture.hear(said);
    fixture.texts()
}

#[test]
fn each_kind_with_each_answer() {
    let two = &["GET a", "GET b"][..];
    for (lines, atomic, said, told) in [
        (&["GET k"][..], false, "$1\r\nx\r\n", &["Ok Answered: x"][..]),
        (&["GET k"], false, "-WRONGTYPE no\r\n", &["Server Answered: WRONGTYPE no"]),
        (&["GET k"], false, "-LOADING later\r\n", &[]),
        (&["EVAL x 0"], false, "-LOADING says the script\r\n", &["Server Answered: LOADING says the script"]),
        (&["EVAL x 0"], false, "+OK\r\n", &["Ok Answered: OK"]),
        (two, false, "+a\r\n", &[]),
        (two, false, "+a\r\n-ERR b\r\n", &["Ok Answered: "]),
        (two, false, "+a\r\n-LOADING b\r\n", &[]),
        (&["GET k"], true, "+OK\r\n+QUEUED\r\n*1\r\n+x\r\n", &["Ok Answered: "]),
        (&["GET k"], true, "+OK\r\n+QUEUED\r\n", &[]),
        (&["GET k"], true, "+OK\r\n+QUEUED\r\n-LOADING\r\n", &[]),
        (
            &["GET k"],
            true,
            "+OK\r\n-ERR no\r\n-EXECABORT x\r\n",
            &["Server Answered: EXECABORT x: command 0 (GET): ERR no"],
        ),
    ] {
        assert_eq!(answered(lines, atomic, said), told, "{lines:?}, atomic: {atomic}, {said:?}");
    }
}

#[test]
fn what_was_refused_is_sent_again_after_a_while_under_the_same_id() {
    let mut fixture = Fixture::connected();
    let id = fixture.submit(&["INCR n"], |_| {}).unwrap();
    let length = fixture.write();
    for _ in 0..3 {
        fixture.hear("-LOADING later\r\n");
        assert_eq!(fixture.write(), 0, "not at once");
        fixture.core.clock.move_on(Duration::from_secs(1));
        fixture.core.tick();
        assert_eq!(fixture.write(), length);
    }
    fixture.hear(":1\r\n");
    assert_eq!(fixture.done(), [(id, "Ok Answered: ".to_string())]);
    assert!(fixture.driver.is_at_rest());
}

#[test]
fn what_was_lost_is_sent_again_only_if_that_does_no_harm() {
    for (line, idempotent, again) in
        [("GET k", false, true), ("INCR n", false, false), ("INCR n", true, true), ("EVAL x 0", true, false)]
    {
        let mut fixture = Fixture::connected();
        fixture.submit(&[line], |request| request.idempotent = idempotent).unwrap();
        let length = fixture.write();
        fixture.lose();
        fixture.driver.connect(&*fixture.core);
        assert_eq!(fixture.write(), if again { length } else { 0 }, "{line}");
        let told = ["Lost Unknown: 127.0.0.1:6379: gone; the command was sent, it may have run"];
        assert_eq!(fixture.texts(), if again { &[][..] } else { &told }, "{line}");
    }
}

#[test]
fn what_was_not_sent_waits_for_the_next_connection_or_is_told_why_there_is_none() {
    let mut fixture = Fixture::connected();
    fixture.submit(&["INCR n"], |_| {}).unwrap();
    fixture.lose();
    assert!(fixture.done().is_empty());
    fixture.driver.give_up(&Error::new(Status::Connect, "nobody is there"), &*fixture.core);
    assert_eq!(fixture.texts(), ["Connect NotRun: nobody is there"]);
}
