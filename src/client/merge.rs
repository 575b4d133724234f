//! What the answers to the parts of a request make up. Pure.
//!
//! Invariant: what one part has met is told, whatever the others were answered.

use std::collections::HashSet;

use super::completion::Verdict;
use super::scan::Step;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::{Kind, Node, Reply};

#[cfg(test)]
mod tests;

/// What the answers to the parts make up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A list of all answers: they are those of a pipeline.
    List,
    /// A list of what each command of a pipeline comes to: of how many parts it is made, and what these make up.
    Pipeline(Vec<(usize, Merge)>),
    /// A map from these addresses, one for each part.
    ByAddress(Vec<String>),
    /// A list of the items of all answers; of each part the places of its items.
    InOrder(Vec<Vec<usize>>),
    /// Their sum.
    Sum,
    /// The sum of the numbers in each place of all answers; what is no number is the same in all.
    SumOfItems,
    /// For each place of all answers whether it is 1 in all of them.
    And,
    /// The items of all answers, one behind the other.
    Concatenate,
    /// The same, each item once.
    Union,
    /// That of any of them, as they are all the same.
    Same,
    /// The first that is no error.
    OneSucceeded,
    /// The first that is not nil.
    FirstFound,
    /// The one answer of a node to SCAN, with the cursor of the whole cluster.
    Scan(Box<Step>),
}

impl Merge {
    /// What a route that leads to no node comes to.
    pub fn of_none() -> Verdict {
        by_address(Vec::new(), &[])
    }

    /// What these replies make up, one for each part; those that failed are errors. `address` tells where a part was
    /// sent.
    pub fn verdict(self, mut replies: Vec<Reply>, address: &dyn Fn(usize) -> String) -> Verdict {
        let one = |replies, merge: fn(&[Reply]) -> Reply| one(replies, address, |replies| merge(&replies));
        match self {
            Merge::List => list(replies),
            Merge::Pipeline(members) => pipeline(replies, members, address),
            Merge::ByAddress(addresses) => by_address(replies, &addresses),
            Merge::InOrder(places) => list(in_order(&replies, &places)),
            Merge::Sum => one(replies, sum),
            Merge::SumOfItems => one(replies, |replies| by_place(replies, i64::saturating_add)),
            Merge::And => one(replies, |replies| by_place(replies, |a, b| i64::from(a == 1 && b == 1))),
            Merge::Concatenate => one(replies, |replies| concatenate(replies, |_| true)),
            Merge::Union => one(replies, |replies| {
                let mut seen = HashSet::new();
                concatenate(replies, |item| seen.insert(item.as_bytes().to_vec()))
            }),
            Merge::Same => same(replies, address),
            Merge::OneSucceeded => {
                replies.sort_by_key(|reply| reply.is_error());
                match replies.first().is_some_and(|reply| !reply.is_error()) {
                    true => Verdict::answered(Status::Ok, replies.swap_remove(0)),
                    false => same(replies, address),
                }
            }
            Merge::FirstFound => match replies.iter().position(|reply| !reply.is_error() && !reply.is_nil()) {
                Some(found) => Verdict::answered(Status::Ok, replies.swap_remove(found)),
                None => same(replies, address),
            },
            Merge::Scan(step) => self::one(replies, address, |replies| scan(&replies, &step)),
        }
    }
}

fn is_unanswered(reply: &Reply) -> bool {
    reply.outcome().is_some_and(|outcome| outcome != Outcome::Answered)
}

/// The outcome of all replies together.
fn outcome_of(replies: &[Reply]) -> Outcome {
    together(replies.iter().map(|reply| reply.outcome().unwrap_or(Outcome::Answered)))
}

fn together(outcomes: impl Iterator<Item = Outcome> + Clone) -> Outcome {
    let all = |wanted: Outcome| outcomes.clone().all(|outcome| outcome == wanted);
    match () {
        () if all(Outcome::Answered) => Outcome::Answered,
        () if all(Outcome::NotRun) => Outcome::NotRun,
        () => Outcome::Unknown,
    }
}

/// A list of replies, some of which may be errors.
fn list(replies: Vec<Reply>) -> Verdict {
    let outcome = outcome_of(&replies);
    let status = replies.iter().find(|reply| is_unanswered(reply)).and_then(|reply| reply.status_code());
    match Reply::array(replies) {
        Ok(reply) => Verdict { status: status.unwrap_or(Status::Ok), outcome, reply },
        Err(error) => Verdict::failed(&error, outcome),
    }
}

/// What the commands of a pipeline come to.
fn pipeline(replies: Vec<Reply>, members: Vec<(usize, Merge)>, address: &dyn Fn(usize) -> String) -> Verdict {
    let (mut replies, mut first) = (replies.into_iter(), 0);
    let verdicts = members.into_iter().map(|(count, merge)| {
        let verdict = merge.verdict(replies.by_ref().take(count).collect(), &|part| address(first + part));
        first += count;
        verdict
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    let outcome = together(verdicts.iter().map(|verdict| verdict.outcome));
    let unanswered = verdicts.iter().find(|verdict| verdict.outcome != Outcome::Answered);
    let status = unanswered.map_or(Status::Ok, |verdict| verdict.status);
    match Reply::array(verdicts.into_iter().map(|verdict| verdict.reply).collect()) {
        Ok(reply) => Verdict { status, outcome, reply },
        Err(error) => Verdict::failed(&error, outcome),
    }
}

/// What each address answered, be it an error.
fn by_address(replies: Vec<Reply>, addresses: &[String]) -> Verdict {
    let outcome = outcome_of(&replies);
    let addresses = addresses.iter().map(|address| Reply::string(address.as_bytes()));
    match Reply::map(addresses.zip(replies).collect()) {
        Ok(reply) => Verdict { status: Status::Ok, outcome, reply },
        Err(error) => Verdict::failed(&error, outcome),
    }
}

/// One reply for all or, if one failed, that: the first that was not answered, which tells of all the others, too; else
/// the first that is an error.
fn one(mut replies: Vec<Reply>, address: &dyn Fn(usize) -> String, merge: impl FnOnce(Vec<Reply>) -> Reply) -> Verdict {
    let outcome = outcome_of(&replies);
    let unanswered = replies.iter().position(is_unanswered);
    let failed = unanswered.or_else(|| replies.iter().position(|reply| reply.is_error()));
    let reply = match failed {
        Some(failed) if unanswered.is_some() && replies.len() > 1 => with_parts(replies, failed, address, outcome),
        Some(failed) => replies.swap_remove(failed),
        None => merge(replies),
    };
    let outcome = if failed.is_none() { reply.outcome().unwrap_or(outcome) } else { outcome };
    Verdict { status: reply.status_code().unwrap_or(Status::Ok), outcome, reply }
}

/// The error of one part, and beside it, as the attribute `parts`, what all have met. Its outcome is that of all.
fn with_parts(replies: Vec<Reply>, failed: usize, address: &dyn Fn(usize) -> String, outcome: Outcome) -> Reply {
    let Some(error) = replies.get(failed) else { return Reply::nil() };
    let text = String::from_utf8_lossy(error.as_bytes());
    let error = Reply::error(error.status_code().unwrap_or(Status::Lost), outcome, &text);
    let parts: Vec<(String, &Node)> =
        replies.iter().enumerate().map(|(part, reply)| (address(part), &**reply)).collect();
    Reply::copy_with_map(&error, "parts", &parts).unwrap_or(error)
}

fn same(replies: Vec<Reply>, address: &dyn Fn(usize) -> String) -> Verdict {
    one(replies, address, |replies| replies.into_iter().next().unwrap_or_else(Reply::ok))
}

fn sum(replies: &[Reply]) -> Reply {
    let numbers: Option<Vec<i64>> = replies.iter().map(|reply| reply.to_i64()).collect();
    let sum = numbers.map(|numbers| numbers.into_iter().fold(0, i64::saturating_add));
    sum.map_or_else(|| broken("an answer is no number"), Reply::integer)
}

/// Lists of the same length become one: numbers are combined, and what is none stands there as in the first list.
fn by_place(replies: &[Reply], combine: impl Fn(i64, i64) -> i64) -> Reply {
    let length = replies.first().map_or(0, |reply| reply.items().len());
    if replies.iter().any(|reply| reply.kind() != Kind::Array || reply.items().len() != length) {
        return broken("the answers are no lists of the same length");
    }
    let item = |place: usize| {
        let items = || replies.iter().filter_map(|reply| reply.items().get(place));
        let number = |item: &Node| (item.kind() == Kind::Integer).then(|| item.to_i64()).flatten();
        let numbers: Option<Vec<i64>> = items().map(number).collect();
        match (numbers.and_then(|numbers| numbers.into_iter().reduce(&combine)), items().next()) {
            (Some(number), _) => Ok(Reply::integer(number)),
            (None, Some(first)) => Reply::copy(first),
            (None, None) => Ok(Reply::nil()),
        }
    };
    joined((0..length).map(item))
}

fn concatenate(replies: &[Reply], mut is_wanted: impl FnMut(&Node) -> bool) -> Reply {
    if replies.iter().any(|reply| !matches!(reply.kind(), Kind::Array | Kind::Set)) {
        return broken("an answer is no list");
    }
    let items = replies.iter().flat_map(|reply| reply.items()).filter(|item| is_wanted(item));
    joined(items.map(Reply::copy))
}

/// `[cursor, keys]`, with the cursor of the cluster in the place of that of the node.
fn scan(replies: &[Reply], step: &Step) -> Reply {
    let items = replies.first().map_or(&[][..], |reply| reply.items());
    let [cursor, keys] = items else { return broken("an answer to SCAN is no cursor with keys") };
    let number = std::str::from_utf8(cursor.as_bytes()).ok().and_then(|text| text.parse().ok());
    let Some(number) = number.or_else(|| cursor.to_i64().and_then(|number| u64::try_from(number).ok())) else {
        return broken("a cursor is no number");
    };
    let text = step.then(number).map_or_else(|| "0".to_owned(), |cursor| cursor.to_string());
    joined([Ok(Reply::string(text.as_bytes())), Reply::copy(keys)].into_iter())
}

fn joined(items: impl Iterator<Item = Result<Reply, Error>>) -> Reply {
    let list = items.collect::<Result<Vec<_>, Error>>().and_then(Reply::array);
    list.unwrap_or_else(|error| Reply::error(error.status, Outcome::Unknown, &error.message))
}

/// The items of all replies, each in its place; where a reply is an error, it stands in the places of all its items.
fn in_order(replies: &[Reply], places: &[Vec<usize>]) -> Vec<Reply> {
    let mut items: Vec<(usize, Reply)> = Vec::new();
    for (reply, places) in replies.iter().zip(places) {
        let is_whole = reply.items().len() == places.len();
        for (index, place) in places.iter().enumerate() {
            let item = match reply.items().get(index).filter(|_| is_whole) {
                Some(item) => Reply::copy(item),
                None if reply.is_error() => Reply::copy(reply),
                None => Ok(broken("an answer has not as many items as there were keys")),
            };
            let no_memory = |error: Error| Reply::error(error.status, Outcome::Unknown, &error.message);
            items.push((*place, item.unwrap_or_else(no_memory)));
        }
    }
    items.sort_by_key(|(place, _)| *place);
    items.into_iter().map(|(_, item)| item).collect()
}

/// No server answers so.
fn broken(sentence: &str) -> Reply {
    Reply::error(Status::Protocol, Outcome::Unknown, sentence)
}
