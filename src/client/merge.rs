//! What the answers to the parts of a request make up. Pure.
//!
//! Invariant: what one part has met is told, whatever the others were answered.

use super::completion::Verdict;
use crate::error::{Outcome, Status};
use crate::protocol::reply::Reply;

/// What the answers to the parts make up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A list of all answers: they are those of a pipeline.
    List,
    /// A list of the items of all answers; of each part the places of its items.
    InOrder(Vec<Vec<usize>>),
    /// Their sum.
    Sum,
    /// That of any of them, as they are all the same.
    Same,
}

impl Merge {
    /// What these replies make up, one for each part; those that failed are errors.
    pub fn verdict(self, replies: Vec<Reply>) -> Verdict {
        match self {
            Merge::List => list(replies),
            Merge::InOrder(places) => list(in_order(&replies, &places)),
            Merge::Sum => one(replies, |replies| {
                let numbers: Option<Vec<i64>> = replies.iter().map(|reply| reply.to_i64()).collect();
                let sum = numbers.map(|numbers| numbers.into_iter().fold(0, i64::saturating_add));
                sum.map_or_else(|| broken("an answer is no number"), Reply::integer)
            }),
            Merge::Same => one(replies, |replies| replies.into_iter().next().unwrap_or_else(Reply::ok)),
        }
    }
}

fn is_unanswered(reply: &Reply) -> bool {
    reply.outcome().is_some_and(|outcome| outcome != Outcome::Answered)
}

/// The outcome of all replies together.
fn outcome_of(replies: &[Reply]) -> Outcome {
    let all = |wanted: Outcome| replies.iter().all(|reply| reply.outcome().unwrap_or(Outcome::Answered) == wanted);
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

/// One reply for all or, if one failed, that: the first that was not answered, else the first that is an error.
fn one(mut replies: Vec<Reply>, merge: impl FnOnce(Vec<Reply>) -> Reply) -> Verdict {
    let outcome = outcome_of(&replies);
    let failed = replies.iter().position(is_unanswered).or_else(|| replies.iter().position(|reply| reply.is_error()));
    let reply = match failed {
        Some(failed) => replies.swap_remove(failed),
        None => merge(replies),
    };
    let outcome = if failed.is_none() { reply.outcome().unwrap_or(outcome) } else { outcome };
    Verdict { status: reply.status_code().unwrap_or(Status::Ok), outcome, reply }
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
            let no_memory = |error: crate::error::Error| Reply::error(error.status, Outcome::Unknown, &error.message);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers, `+text`, or an error: its status and outcome.
    fn reply(text: &str) -> Reply {
        match text {
            "server" => Reply::error(Status::Server, Outcome::Answered, text),
            "lost" => Reply::error(Status::Lost, Outcome::Unknown, text),
            "unsent" => Reply::error(Status::Lost, Outcome::NotRun, text),
            "OK" => Reply::ok(),
            list if list.contains(',') => Reply::array(list.split(',').map(reply).collect()).unwrap(),
            number => Reply::integer(number.parse().unwrap()),
        }
    }

    fn shown(reply: &crate::protocol::reply::Node) -> String {
        match reply.to_i64() {
            Some(number) => number.to_string(),
            None if reply.items().is_empty() => String::from_utf8_lossy(reply.as_bytes()).into_owned(),
            None => reply.items().iter().map(shown).collect::<Vec<_>>().join(","),
        }
    }

    #[test]
    fn every_merge_of_every_kind_of_answer() {
        use Outcome::{Answered, NotRun, Unknown};
        let places = || Merge::InOrder(vec![vec![0, 2], vec![1, 3]]);
        let broken = "an answer has not as many items as there were keys";
        let max = i64::MAX.to_string();
        for (merge, replies, status, outcome, text) in [
            (Merge::List, "1 server", Status::Ok, Answered, "1,server".to_string()),
            (Merge::List, "1 lost unsent", Status::Lost, Unknown, "1,lost,unsent".to_string()),
            (Merge::List, "unsent unsent", Status::Lost, NotRun, "unsent,unsent".to_string()),
            (places(), "1,3 2,4", Status::Ok, Answered, "1,2,3,4".to_string()),
            (places(), "1,3 server", Status::Ok, Answered, "1,server,3,server".to_string()),
            (places(), "lost 2,4", Status::Lost, Unknown, "lost,2,lost,4".to_string()),
            (places(), "unsent unsent", Status::Lost, NotRun, "unsent,unsent,unsent,unsent".to_string()),
            (places(), "1,2,3 2,4", Status::Protocol, Unknown, format!("{broken},2,{broken},4")),
            (places(), "7 2,4", Status::Protocol, Unknown, format!("{broken},2,{broken},4")),
            (Merge::Sum, "1 2 3", Status::Ok, Answered, "6".to_string()),
            (Merge::Sum, &format!("{max} 2"), Status::Ok, Answered, max.clone()),
            (Merge::Sum, "1 OK", Status::Protocol, Unknown, "an answer is no number".to_string()),
            (Merge::Sum, "1 server", Status::Server, Answered, "server".to_string()),
            (Merge::Sum, "server 1 lost", Status::Lost, Unknown, "lost".to_string()),
            (Merge::Same, "OK OK", Status::Ok, Answered, "OK".to_string()),
            (Merge::Same, "OK unsent", Status::Lost, Unknown, "unsent".to_string()),
            (Merge::Same, "unsent unsent", Status::Lost, NotRun, "unsent".to_string()),
        ] {
            let what = format!("{merge:?} of {replies}");
            let verdict = merge.verdict(replies.split(' ').map(reply).collect());
            assert_eq!((verdict.status, verdict.outcome, shown(&verdict.reply)), (status, outcome, text), "{what}");
        }
    }
}
