//! Every way a block can be answered.

use super::*;

/// What the replies (as a server writes them) to MULTI, two commands and EXEC become, as text.
fn outcome_of(replies: &[&str]) -> String {
    outcome_of_these(&[&["SET", "k", "v"], &["INCR", "k"]], replies)
}

/// The same for any commands.
fn outcome_of_these(commands: &[&[&str]], replies: &[&str]) -> String {
    let mut request = command::encode_to_vec(&["MULTI"]).unwrap();
    commands.iter().for_each(|args| request.append(&mut command::encode_to_vec(args).unwrap()));
    request.append(&mut command::encode_to_vec(&["EXEC"]).unwrap());
    let mut replies: Vec<Reply> = replies.iter().map(|text| reply_of(text)).collect();
    if replies.len() < commands.len() + FRAME as usize {
        return format!("{:?}", Transaction::of(&replies, &request).block());
    }
    let exec = replies.pop().unwrap();
    let text = |verdict: &Verdict| String::from_utf8_lossy(verdict.reply.as_bytes()).into_owned();
    match Transaction::of(&replies, &request).end(exec) {
        End::Answered(verdict) if verdict.status == Status::Ok => format!("ok, {:?}", verdict.reply.kind()),
        End::Answered(verdict) => format!("{:?}: {}", verdict.status, text(&verdict)),
        End::NotRun(refusal, proof, verdict) => format!("{refusal:?} {proof}: {}", text(&verdict)),
        End::Impossible(why) => format!("impossible: {why}"),
    }
}

fn reply_of(text: &str) -> Reply {
    match text.split_at(1) {
        ("+", text) => Reply::status(text),
        ("-", text) => Reply::error(Status::Server, Outcome::Answered, text),
        ("_", _) => Reply::nil(),
        (":", number) => Reply::integer(number.parse().unwrap()),
        ("*", count) => Reply::array((0..count.parse().unwrap()).map(Reply::integer).collect()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_answer() {
    let loading = "-LOADING Redis is loading";
    let abort = "-EXECABORT Transaction discarded because of previous errors.";
    for (replies, told) in [
        (&["+OK", "+QUEUED", "+QUEUED", "*2"][..], "ok, Array"),
        (&["+OK", "+QUEUED", "+QUEUED", "_"], "ok, Nil"),
        (&["+OK", "+QUEUED", "+QUEUED", "-OOM no memory"], "Server: OOM no memory"),
        (
            &["+OK", "+QUEUED", "-ERR wrong number of arguments", abort],
            "Server: EXECABORT Transaction discarded because of previous errors: command 1 (INCR): ERR wrong number of \
             arguments",
        ),
        (
            &["+OK", loading, loading, abort],
            "NotReady LOADING Redis is loading: EXECABORT Transaction discarded because of previous errors: command 0 \
             (SET): LOADING Redis is loading",
        ),
        (
            &["+OK", "+QUEUED", "+QUEUED", "-READONLY You can't write"],
            "NotPrimary READONLY You can't write: READONLY You can't write",
        ),
        // MULTI is refused.
        (
            &[loading, loading, loading, "-ERR EXEC without MULTI"],
            "NotReady LOADING Redis is loading: ERR EXEC without MULTI: MULTI was refused: LOADING Redis is loading",
        ),
        (
            &["-NOPERM no MULTI", "+OK", ":2", "-ERR EXEC without MULTI"],
            "Server: ERR EXEC without MULTI: MULTI was refused: NOPERM no MULTI; the commands behind it ran one by one",
        ),
        (
            &["-LOADING", "+OK", ":2", "-ERR EXEC without MULTI"],
            "Server: ERR EXEC without MULTI: MULTI was refused: LOADING; the commands behind it ran one by one",
        ),
        // What no server says.
        (&["+QUEUED", "+QUEUED", "+OK", "+QUEUED"], "impossible: the answer to MULTI is neither OK nor an error"),
        (&["+OK", "+OK", "+QUEUED", "*2"], "impossible: the answer to a command behind MULTI is not QUEUED"),
        (&["+OK", "+QUEUED", "+QUEUED", "*0"], "impossible: the answer to EXEC has 0 items, for 2 commands"),
        (&["+OK", "+QUEUED", "+QUEUED", "+OK"], "impossible: the answer to EXEC is neither an array, nil nor an error"),
        (&["+OK", "+QUEUED", "-ERR", "*2"], "impossible: EXEC was not refused, though a command was"),
        (&["-ERR", "+OK", ":2", "*2"], "impossible: EXEC was not refused, though MULTI was"),
        // The connection ends before EXEC is answered.
        (&[], "Unanswered"),
        (&["+OK"], "Queued"),
        (&["+OK", "+QUEUED", "-ERR Protocol error"], "Refused"),
        (&["-NOPERM no MULTI", "+OK"], "NotBegun"),
    ] {
        assert_eq!(outcome_of(replies), told, "{replies:?}");
    }
}

/// Behind a refused MULTI a script runs alone, and may say what the server says when it runs nothing.
#[test]
fn the_words_of_a_script_are_no_proof_that_it_did_not_run() {
    let (loading, without) = ("-LOADING Redis is loading", "-ERR EXEC without MULTI");
    let told = "Server: ERR EXEC without MULTI: MULTI was refused: LOADING Redis is loading; the commands behind it";
    let eval = ["EVAL", "return redis.error_reply('TRYAGAIN')", "0"];
    for (commands, replies, how) in [
        (&[&eval[..]][..], &[loading, "-TRYAGAIN", without][..], "may have run one by one"),
        (&[&["FCALL", "f", "0"], &["GET", "k"]], &[loading, "-TRYAGAIN", loading, without], "may have run one by one"),
        (&[&eval, &["GET", "k"]], &[loading, "-TRYAGAIN", "+v", without], "ran one by one"),
        (&[&eval], &[loading, "-ERR said by the script", without], "may have run one by one"),
    ] {
        assert_eq!(outcome_of_these(commands, replies), format!("{told} {how}"), "{replies:?}");
    }
    // Behind MULTI that was accepted the server speaks itself.
    let abort = "-EXECABORT Transaction discarded because of previous errors.";
    let told = outcome_of_these(&[&eval], &["+OK", loading, abort]);
    assert!(told.starts_with("NotReady LOADING Redis is loading: EXECABORT"), "{told}");
}
