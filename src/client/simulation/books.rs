//! What was asked and what came of it, held against the log of the servers.

use std::collections::BTreeMap;
use std::ops::Range;

use super::command::Verb;
use super::server::{History, Log, NOT_READ, hash_of};
use super::workload::Asked;
use crate::client::attempt::REDIRECTS;
use crate::connection::sink::Completion;
use crate::connection::unit::Ticket;
use crate::error::{Outcome, Status};
use crate::protocol::reply::{Kind, Node};

/// What is told of a command that servers of a cluster sent to each other.
const REDIRECTED: &str = "the cluster redirected it 16 times";

/// So often a command is sent within a millisecond at most: again and again it goes only after pauses.
const WITHIN: u32 = 8;

/// How often each thing happened.
pub type Tally = BTreeMap<String, u64>;

/// A request and its end.
#[derive(Debug)]
struct Entry {
    asked: Asked,
    /// The numbers of its calls.
    calls: Range<u32>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The client did not take it.
    Refused,
    /// It has this id, and its completion is to come to this place; by this time, in microseconds, at the latest.
    Open { id: u64, place: usize, due: Option<u64> },
    /// It is over. `at`: its place among all completions.
    Over { id: u64, status: Status, outcome: Outcome, ends: Vec<End>, at: usize },
}

/// What a completion tells of one call, or of a transaction.
#[derive(Debug)]
struct End {
    status: Status,
    outcome: Outcome,
    reply: u64,
    error: String,
}

impl End {
    fn of(node: &Node, status: Status, outcome: Outcome) -> End {
        let mut bytes = Vec::new();
        write(node, &mut bytes);
        let error = if node.is_error() { node.as_bytes() } else { b"" };
        End { status, outcome, reply: hash_of(&bytes), error: String::from_utf8_lossy(error).into_owned() }
    }
}

impl End {
    /// Whether it is an answer of nothing.
    fn is_nil(&self) -> bool {
        self.reply == hash_of(b"$-1\r\n")
    }
}

/// The bytes of a reply, as the servers of a simulation write it.
fn write(node: &Node, out: &mut Vec<u8>) {
    let (bytes, items) = (node.as_bytes(), node.items());
    let (start, text) = match node.kind() {
        Kind::Status => ("+".to_string(), bytes),
        Kind::Error => ("-".to_string(), bytes),
        Kind::Integer => (format!(":{}", node.to_i64().unwrap()), &b""[..]),
        Kind::Nil => ("$-1".to_string(), &b""[..]),
        Kind::String => (format!("${}\r\n", bytes.len()), bytes),
        Kind::Array => (format!("*{}", items.len()), &b""[..]),
        other => panic!("no server of the simulation answers {other:?}"),
    };
    out.extend(start.as_bytes());
    out.extend(text);
    out.extend(b"\r\n");
    items.iter().for_each(|item| write(item, out));
}

/// All requests, by the number that is their user data.
#[derive(Debug, Default)]
pub struct Books {
    entries: Vec<Entry>,
    open: Vec<usize>,
    over: usize,
}

impl Books {
    /// The number of the next request.
    pub fn next(&self) -> u64 {
        self.entries.len() as u64
    }

    /// A request was submitted; `taken`: its id, its place and the time by which it is over.
    pub fn add(&mut self, asked: Asked, calls: Range<u32>, taken: Option<(u64, usize, Option<u64>)>) {
        let state = match taken {
            Some((id, place, due)) => {
                self.open.push(self.entries.len());
                State::Open { id, place, due }
            }
            None => State::Refused,
        };
        self.entries.push(Entry { asked, calls, state });
    }

    /// How many are not over.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The same: those with which servers may wait, and the others.
    pub fn open_by_kind(&self) -> (usize, usize) {
        let waiting = self.open.iter().filter(|number| self.waits(**number)).count();
        (waiting, self.open.len() - waiting)
    }

    /// The number and the id of one that was accepted, over or not.
    pub fn pick(&self, index: usize) -> Option<(usize, u64)> {
        let number = *self.open.get(index)?;
        match self.entries[number].state {
            State::Open { id, .. } => Some((number, id)),
            _ => None,
        }
    }

    /// Whether a request is over.
    pub fn is_over(&self, number: usize) -> bool {
        matches!(self.entries[number].state, State::Over { .. })
    }

    /// Whether a server may wait with a request.
    pub fn waits(&self, number: usize) -> bool {
        self.entries[number].asked.waits().is_some()
    }

    /// A completion came.
    pub fn complete(&mut self, place: usize, completion: &Completion) {
        let Completion { user_data, request, status, flags, reply } = completion;
        let number = *user_data as usize;
        let entry = &mut self.entries[number];
        let State::Open { id, place: wanted, .. } = entry.state else {
            panic!("request {number} is completed though it is not open: {entry:?}, {completion:?}")
        };
        assert_eq!((id, wanted), (*request, place), "request {number}: the id and the place of the completion");
        let mut outcomes = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered].into_iter();
        let outcome = outcomes.find(|outcome| outcome.bit() == *flags).expect("one outcome and nothing else");
        let is_gathered = !entry.asked.atomic && entry.asked.verbs.len() > 1;
        let ends = match is_gathered {
            false => vec![End::of(reply, *status, outcome)],
            true => {
                assert_eq!(reply.items().len(), entry.calls.len(), "request {number}: one reply for each command");
                let of = |item: &Node| match item.is_error() {
                    true => End::of(item, item.status_code().unwrap(), item.outcome().unwrap()),
                    false => End::of(item, Status::Ok, Outcome::Answered),
                };
                reply.items().iter().map(of).collect()
            }
        };
        self.over += 1;
        entry.state = State::Over { id, status: *status, outcome, ends, at: self.over };
        self.open.retain(|open| *open != number);
    }

    /// At this time, in microseconds, the timer has done what was due.
    pub fn check_deadlines(&self, now: u64) {
        for number in &self.open {
            if let State::Open { due: Some(due), .. } = self.entries[*number].state {
                assert!(now < due, "request {number} has no completion {} us after its deadline", now - due);
            }
        }
    }

    /// All is over: whether every outcome is true. `max_attempts`: of the client.
    pub fn check(&self, log: &Log, max_attempts: u32) {
        for (number, entry) in self.entries.iter().enumerate() {
            let histories = &log.calls[entry.calls.start as usize..entry.calls.end as usize];
            if let Err(sentence) = entry.check(histories, max_attempts) {
                panic!("request {number}: {sentence}; {entry:?}, {histories:?}");
            }
        }
        self.check_order(log);
    }

    /// Counts what came of the requests.
    pub fn count(&self, log: &Log, tally: &mut Tally) {
        let mut add = |what: &str| *tally.entry(what.to_string()).or_default() += 1;
        for entry in &self.entries {
            let State::Over { ends, .. } = &entry.state else {
                add("was full");
                continue;
            };
            let kind = match entry.asked.waits() {
                Some(_) => "blocking",
                None if entry.asked.atomic => "transaction",
                None => "command",
            };
            for end in ends {
                add(&format!("{kind}: {:?}, {:?}", end.status, end.outcome));
                if end.error.starts_with(NOT_READ) {
                    add("refused while it was written");
                }
                if end.error.contains(REDIRECTED) {
                    add("redirected too often");
                }
            }
            for call in &log.calls[entry.calls.start as usize..entry.calls.end as usize] {
                match (call.taken, call.runs) {
                    (2.., 0) => add("refused again and again"),
                    (2.., 1) => add("sent again, ran once"),
                    (_, 2..) => add("ran again"),
                    _ => {}
                }
                if call.was_missing {
                    add("script was missing");
                }
                match (call.redirects, call.runs) {
                    (1.., 1) => add("redirected, ran once"),
                    (5.., _) => add("redirected again and again"),
                    _ => {}
                }
            }
        }
    }

    /// Plain requests that were given to one link, sent once, to one server, about one slot, and answered were run, and
    /// completed, in the order in which they were asked.
    fn check_order(&self, log: &Log) {
        let mut last = BTreeMap::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let State::Over { id, status: Status::Ok, ends, at, .. } = &entry.state else { continue };
            let [call] = &log.calls[entry.calls.start as usize..entry.calls.end as usize] else { continue };
            let verb = entry.asked.verbs[0];
            let is_plain = !entry.asked.atomic && verb.script().is_none() && !verb.blocks();
            if is_plain && (call.taken, call.cuts) == (1, 0) && ends[0].outcome == Outcome::Answered {
                let place = (Ticket(*id).link(), call.server, entry.asked.tags.first());
                let (run_at, at) = (call.run_at, *at);
                let before = last.insert(place, (run_at, at)).unwrap_or_default();
                assert!(
                    run_at > before.0 && at > before.1,
                    "request {number} was overtaken: {before:?}, {run_at} {at}"
                );
            }
        }
    }
}

impl Entry {
    fn check(&self, calls: &[History], max_attempts: u32) -> Result<(), String> {
        for (call, verb) in calls.iter().zip(&self.asked.verbs) {
            let may_run_twice =
                !self.asked.atomic && verb.script().is_none() && (self.asked.idempotent || *verb == Verb::Get);
            let most = if may_run_twice { max_attempts } else { 1 };
            ensure(call.runs <= most, || format!("a command ran {} times", call.runs))?;
            ensure(call.most_within <= WITHIN, || format!("sent {} times within a millisecond", call.most_within))?;
            // (What is lost after it was redirected the client does not count; and what a server has waited with for a
            // while was not sent to and fro.)
            let in_a_row = u32::from(REDIRECTS) + 1 + max_attempts;
            let is_bounded = self.asked.atomic || verb.blocks() || call.most_in_a_row <= in_a_row;
            ensure(is_bounded, || format!("sent to and fro {} times", call.most_in_a_row))?;
        }
        match &self.state {
            State::Refused => ensure(calls.iter().all(|call| call.taken == 0), || "a refused request was sent".into()),
            State::Open { .. } => Err("it has no completion".into()),
            State::Over { ends, .. } if self.asked.atomic => check_transaction(&ends[0], calls),
            State::Over { status, outcome, ends, .. } => {
                for ((call, end), verb) in calls.iter().zip(ends).zip(&self.asked.verbs) {
                    // A script is led to no node that is new: then it is told what a node said, and did not run.
                    let is_told = verb.script().is_some() && call.redirects > 0 && call.runs == 0;
                    let is_element = end.outcome == Outcome::Answered && end.error.is_empty() && !end.is_nil();
                    let is_lost = verb.blocks() && call.is_delivered && !is_element;
                    ensure(!is_lost, || "an element came, and its user never got it".into())?;
                    if verb.blocks() && end.outcome == Outcome::Answered && end.is_nil() {
                        ensure(call.runs == 0, || "it is told as empty, and took an element".into())?;
                    } else if !is_told || end.outcome != Outcome::Answered || !names_a_node(end) {
                        check_call(end, call)?;
                    }
                }
                let all = |wanted: Outcome| ends.iter().all(|end| end.outcome == wanted);
                let true_outcome = match () {
                    () if all(Outcome::Answered) => Outcome::Answered,
                    () if all(Outcome::NotRun) => Outcome::NotRun,
                    () => Outcome::Unknown,
                };
                ensure(*outcome == true_outcome, || format!("{true_outcome:?} is the outcome of its parts"))?;
                let is_server = *status == Status::Server || *status == Status::Ok;
                ensure(is_server || *outcome != Outcome::Answered, || "an answer has the status of none".into())
            }
        }
    }
}

fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(sentence()) }
}

/// Whether it is a redirect, or tells of one.
fn names_a_node(end: &End) -> bool {
    ["MOVED ", "ASK "].iter().any(|word| end.error.contains(word))
}

/// Callers hear nothing of where slots are, but in the end of what was sent to and fro, and of what waited in vain.
fn check_redirects(end: &End) -> Result<(), String> {
    let is_explained = end.error.contains(REDIRECTED) || end.error.contains(" by a script");
    let is_an_answer = end.status == Status::Server;
    ensure(!is_an_answer || !names_a_node(end) || is_explained, || "a redirect is shown".into())
}

/// What is told of one command, by what the servers did with it.
fn check_call(end: &End, call: &History) -> Result<(), String> {
    check_redirects(end)?;
    let said = call.replies.iter().find(|(reply, _)| *reply == end.reply);
    match end.outcome {
        Outcome::Answered if end.error.contains(REDIRECTED) => {
            ensure(call.runs == 0, || "it is told as redirected, and ran".into())
        }
        Outcome::Answered => {
            let Some((_, ran)) = said else { return Err("no server gave this answer".into()) };
            // Any other error says nothing of earlier attempts.
            let is_proof = !*ran && !end.error.starts_with(NOT_READ);
            ensure(!is_proof || call.runs == 0, || "it is told as refused, and ran".into())?;
            ensure(!end.error.starts_with("NOSCRIPT"), || "its script was not sent".into())
        }
        Outcome::NotRun => ensure(call.runs == 0, || "it is told as not run, and ran".into()),
        // Of what is cut off by its user part may have been sent.
        Outcome::Unknown => match end.status {
            Status::Timeout | Status::Canceled | Status::Closed => Ok(()),
            _ => ensure(call.taken > 0, || "it may have run, it says, and was never sent whole".into()),
        },
    }
}

fn check_transaction(end: &End, calls: &[History]) -> Result<(), String> {
    check_redirects(end)?;
    let did_not_run = calls.iter().all(|call| call.runs == 0);
    match (end.outcome, end.status) {
        (Outcome::Answered, Status::Ok) => {
            let said = calls.first().is_some_and(|call| call.transactions.contains(&end.reply));
            ensure(said, || "no server gave this answer to EXEC".into())?;
            ensure(calls.iter().all(|call| call.runs == 1), || "it did not run as a whole".into())
        }
        (Outcome::Answered, _) => {
            let is_told = match end.error.contains("one by one") {
                true => end.error.contains("may have run") || !did_not_run,
                false => did_not_run,
            };
            ensure(is_told, || "the error does not tell what ran".into())
        }
        (Outcome::NotRun, _) => ensure(did_not_run, || "it is told as not run, and ran".into()),
        (Outcome::Unknown, _) => Ok(()),
    }
}
