//! What each request was, how it ended, and whether that is true by the server's own log. Pure but for [`Ledger`].

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use justredis::error::Outcome;
use justredis::ffi::status::JR_OK;
use justredis::protocol::reply::{Kind, Node};

/// One command. Its number is in its bytes, so that the server can log it and answer with it.
#[derive(Clone, Debug)]
pub struct Command {
    pub id: u64,
    /// It only reads, so that it may run twice.
    pub reads: bool,
    /// Bytes that come with it.
    pub padding: usize,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub commands: Vec<Command>,
    pub atomic: bool,
    pub idempotent: bool,
    /// The cache may answer it. It is one command that reads.
    pub cached: bool,
    /// Waiting, queue or callback; for the report.
    pub way: &'static str,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With the answer that is its own.
    Own,
    /// With this error of the server.
    Refused(String),
    /// Without an answer.
    Unanswered(Outcome, String),
    /// With what cannot be.
    Wrong(String),
}

/// What the server did.
#[derive(Debug, Default)]
pub struct Log {
    /// How often a command was run.
    pub ran: HashMap<u64, u32>,
    /// Whole answers that stood before an orderly end of the stream (FIN), and nothing wrong before them.
    pub answered: HashSet<u64>,
}

/// The name of a command in its bytes and in errors.
pub fn tag(id: u64) -> String {
    format!("<{id}>")
}

/// The number in bytes that begin with a name, or hold one.
pub fn find_tag(bytes: &[u8]) -> Option<u64> {
    let start = bytes.iter().position(|byte| *byte == b'<')? + 1;
    let length = bytes[start..].iter().position(|byte| *byte == b'>')?;
    std::str::from_utf8(&bytes[start..start + length]).ok()?.parse().ok()
}

impl Command {
    /// Name and padding, as ECHO gives them back.
    pub fn text(&self) -> Vec<u8> {
        let mut text = tag(self.id).into_bytes();
        text.resize(text.len() + self.padding, b'a' + (self.id % 26) as u8);
        text
    }

    /// The words that are sent; `cached`: those of a command that a cache knows.
    pub fn words(&self, cached: bool) -> Vec<Vec<u8>> {
        match self.reads {
            true if cached => vec![b"GET".to_vec(), self.text()],
            true => vec![b"ECHO".to_vec(), self.text()],
            false => vec![b"RPUSH".to_vec(), b"torture:log".to_vec(), self.text()],
        }
    }

    /// How it ended, by its own reply.
    fn end(&self, node: &Node) -> End {
        match node.kind() {
            Kind::Error => unanswered_or_refused(node),
            // A real server says how long the list is.
            Kind::Integer if !self.reads => End::Own,
            Kind::String if node.as_bytes() == self.text() => End::Own,
            _ => End::Wrong(show(node)),
        }
    }
}

fn show(node: &Node) -> String {
    let text = String::from_utf8_lossy(node.as_bytes());
    format!("{:?} of {} items {}", node.kind(), node.items().len(), text.chars().take(40).collect::<String>())
}

fn unanswered_or_refused(node: &Node) -> End {
    let text = String::from_utf8_lossy(node.as_bytes()).into_owned();
    match node.outcome() {
        Some(Outcome::Answered) => End::Refused(text),
        Some(outcome) => End::Unanswered(outcome, text),
        None => End::Wrong(format!("an error without outcome: {text}")),
    }
}

impl Sent {
    /// How each command ended. `outcome`: of the completion; `None` where it is not told, by jr_execute.
    pub fn ends(&self, status: i32, outcome: Option<Outcome>, reply: &Node) -> Vec<End> {
        let all = |end: End| vec![end; self.commands.len()];
        if status != JR_OK && reply.kind() == Kind::Error {
            let end = unanswered_or_refused(reply);
            return match (outcome, reply.outcome()) {
                (Some(one), Some(other)) if one != other => all(End::Wrong(format!("{one:?} and {other:?}"))),
                _ => all(end),
            };
        }
        if status == JR_OK && outcome.is_some_and(|outcome| outcome != Outcome::Answered) {
            return all(End::Wrong(format!("JR_OK and {outcome:?}")));
        }
        match &self.commands[..] {
            [one] if !self.atomic => vec![one.end(reply)],
            commands if reply.kind() == Kind::Array && reply.items().len() == commands.len() => {
                commands.iter().zip(reply.items()).map(|(command, node)| command.end(node)).collect()
            }
            _ => all(End::Wrong(show(reply))),
        }
    }
}

/// What is not true of how a request ended.
pub fn violations(sent: &Sent, ends: &[End], log: &Log) -> Vec<String> {
    let ran = |id: &u64| log.ran.get(id).copied().unwrap_or(0);
    let mut all = Vec::new();
    for (command, end) in sent.commands.iter().zip(ends) {
        let times = ran(&command.id);
        let may_repeat = !sent.atomic && (command.reads || sent.idempotent);
        if times > 1 && !may_repeat {
            all.push(format!("ran {times} times"));
        }
        match end {
            End::Own if times == 0 => all.push("answered, and did not run".to_owned()),
            End::Own => {}
            End::Refused(text) if !text.contains(&tag(command.id)) && !sent.atomic => {
                all.push(format!("has the error of somebody else: {text}"));
            }
            // Of what is sent again an earlier attempt may have run, and then a refusal is the answer of a later one;
            // but not one that only says "later".
            End::Refused(text) if times > 0 && text.contains("refused") => {
                if !may_repeat || text.starts_with("LOADING") {
                    all.push(format!("refused, and ran {times} times: {text}"));
                }
            }
            End::Refused(_) => {}
            End::Unanswered(Outcome::NotRun, text) if times > 0 => {
                all.push(format!("NOT_RUN, and ran {times} times: {text}"));
            }
            End::Unanswered(_, text)
                if log.answered.contains(&command.id) && text.contains("closed the connection") =>
            {
                all.push(format!("its answer stood before the end of the stream: {text}"));
            }
            End::Unanswered(..) => {}
            End::Wrong(what) => all.push(format!("has what cannot be its answer: {what}")),
        }
    }
    let mut counts = sent.commands.iter().map(|command| ran(&command.id));
    let first = counts.next();
    if sent.atomic && counts.any(|count| Some(count) != first) {
        all.push("ran in part, and is a transaction".to_owned());
    }
    all
}

/// A request and its end.
struct Entry {
    sent: Sent,
    ends: Option<Vec<End>>,
    /// Completions.
    completions: u32,
}

/// All requests of a test.
#[derive(Default)]
pub struct Ledger(Mutex<Vec<Entry>>);

/// What the judgement counts.
#[derive(Debug, Default)]
pub struct Verdict {
    pub requests: usize,
    /// Commands that were answered, refused, and neither of both.
    pub own: usize,
    pub refused: usize,
    pub unanswered: usize,
    pub violations: Vec<String>,
}

impl Ledger {
    /// A request is about to be submitted: its number.
    pub fn enter(&self, sent: Sent) -> usize {
        let mut entries = self.0.lock().unwrap();
        entries.push(Entry { sent, ends: None, completions: 0 });
        entries.len() - 1
    }

    /// It was not accepted.
    pub fn withdraw(&self, number: usize) {
        self.0.lock().unwrap()[number].completions += 1;
    }

    /// It ended.
    pub fn end(&self, number: usize, status: i32, outcome: Option<Outcome>, reply: &Node) {
        let mut entries = self.0.lock().unwrap();
        let entry = &mut entries[number];
        entry.completions += 1;
        entry.ends = Some(entry.sent.ends(status, outcome, reply));
    }

    /// How many have not ended.
    pub fn open(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|entry| entry.completions == 0).count()
    }

    /// Where the server keeps no trace of what only reads, each such command is taken for run if it was answered, and
    /// if another one of its transaction ran.
    pub fn trust_reads(&self, log: &mut Log) {
        for Entry { sent, ends, .. } in self.0.lock().unwrap().iter() {
            let part_ran = sent.commands.iter().any(|command| log.ran.contains_key(&command.id));
            for (command, end) in sent.commands.iter().zip(ends.iter().flatten()) {
                if command.reads && (*end == End::Own || sent.atomic && part_ran) {
                    log.ran.insert(command.id, 1);
                }
            }
        }
    }

    /// Judges all by the server's log.
    pub fn judge(&self, log: &Log) -> Verdict {
        let mut verdict = Verdict::default();
        for (number, Entry { sent, ends, completions }) in self.0.lock().unwrap().iter().enumerate() {
            verdict.requests += 1;
            let mut wrong = Vec::new();
            if *completions != 1 {
                wrong.push(format!("completed {completions} times"));
            }
            for end in ends.iter().flatten() {
                match end {
                    End::Own => verdict.own += 1,
                    End::Refused(_) => verdict.refused += 1,
                    End::Unanswered(..) => verdict.unanswered += 1,
                    End::Wrong(_) => {}
                }
            }
            let none = vec![End::Unanswered(Outcome::NotRun, "not accepted".to_owned()); sent.commands.len()];
            wrong.extend(violations(sent, ends.as_ref().unwrap_or(&none), log));
            let kind = match (sent.atomic, sent.idempotent) {
                (true, _) => "atomic",
                (false, true) => "idempotent",
                (false, false) => "plain",
            };
            let count = sent.commands.len();
            verdict.violations.extend(
                wrong.iter().map(|wrong| format!("request {number} ({kind}, {count} commands, {}): {wrong}", sent.way)),
            );
        }
        verdict
    }
}

#[test]
fn the_checker_sees_what_is_not_true() {
    let command = |reads| Command { id: 7, reads, padding: 0 };
    let single = |reads| Sent { commands: vec![command(reads)], ..Sent::default() };
    let log = |ran: u32| Log { ran: HashMap::from([(7, ran)]), answered: HashSet::from([7]) };
    let unanswered = |outcome| End::Unanswered(outcome, "the server closed the connection".to_owned());
    let refused = |text: &str| End::Refused(text.to_owned());
    for (sent, end, ran, wrong) in [
        (single(false), End::Own, 1, ""),
        (single(false), End::Own, 0, "answered, and did not run"),
        (single(false), End::Own, 2, "ran 2 times"),
        (single(true), End::Own, 2, ""),
        (Sent { idempotent: true, ..single(false) }, End::Own, 2, ""),
        (Sent { idempotent: true, atomic: true, ..single(false) }, End::Own, 2, "ran 2 times"),
        (single(false), refused("ERR refused <7>"), 0, ""),
        (single(false), refused("ERR refused <7>"), 1, "refused, and ran"),
        (single(true), refused("ERR refused <7>"), 1, ""),
        (single(true), refused("LOADING refused <7>"), 1, "refused, and ran"),
        (single(false), refused("ERR failed <7>"), 1, ""),
        (single(false), refused("ERR refused <8>"), 0, "somebody else"),
        (single(false), End::Unanswered(Outcome::NotRun, "not sent".to_owned()), 0, ""),
        (single(false), End::Unanswered(Outcome::NotRun, "not sent".to_owned()), 1, "NOT_RUN, and ran"),
        (single(false), End::Unanswered(Outcome::Unknown, "no answer within 3 ms".to_owned()), 1, ""),
        (single(false), unanswered(Outcome::Unknown), 1, "before the end of the stream"),
        (single(false), End::Wrong("Nil".to_owned()), 1, "cannot be its answer"),
    ] {
        let found = violations(&sent, std::slice::from_ref(&end), &log(ran));
        assert_eq!(found.is_empty(), wrong.is_empty(), "{end:?}, {ran}: {found:?}");
        assert!(found.iter().all(|found| found.contains(wrong)), "{found:?}");
    }
    let other = Command { id: 8, reads: true, padding: 0 };
    let block = Sent { commands: vec![command(false), other], atomic: true, ..Sent::default() };
    let ends = [unanswered(Outcome::Unknown), unanswered(Outcome::Unknown)];
    let log = Log { ran: HashMap::from([(7, 1)]), answered: HashSet::new() };
    assert_eq!(violations(&block, &ends, &log), ["ran in part, and is a transaction"]);
}
