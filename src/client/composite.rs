//! A request made of requests. Each child is an ordinary request whose completion comes here; a policy says what the
//! answers of all make up.
//!
//! Invariant: only the composite has a deadline and can be cancelled; its children end with it. Called with no lock
//! held but its own, which is held only to note an answer.

use std::collections::vec_deque::Drain;
use std::mem;
use std::sync::{Arc, Weak};

use super::completion::Verdict;
use super::destination::Destination;
use super::hub::Owner;
use super::mailbox::Mailbox;
use crate::connection::sink::{Completion, Sink, SinkKey};
use crate::connection::unit::Ticket;
use crate::error::{Error, Outcome, Status};
use crate::lock::Lock;
use crate::protocol::reply::Reply;

#[cfg(test)]
mod tests;

/// What the answers of all children make up.
#[derive(Debug)]
pub enum Policy {
    /// A map from the address of each, in which one that failed is an error.
    ByAddress(Vec<String>),
}

#[derive(Debug)]
struct ChildAnswer {
    outcome: Outcome,
    reply: Reply,
}

#[derive(Debug)]
struct Children {
    /// By the number that is their user's.
    ids: Vec<Ticket>,
    answers: Vec<Option<ChildAnswer>>,
    missing: usize,
    /// The composite itself; `None`: it is not accepted yet, or it has ended.
    parent: Option<Ticket>,
}

/// A request made of requests.
pub struct Composite {
    owner: Weak<dyn Owner>,
    policy: Policy,
    children: Lock<Children>,
}

impl std::fmt::Debug for Composite {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Composite").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Policy {
    fn count(&self) -> usize {
        match self {
            Policy::ByAddress(addresses) => addresses.len(),
        }
    }

    /// What these answers make up, one for each child.
    fn merge(&self, answers: Vec<ChildAnswer>) -> Verdict {
        let not_run = answers.iter().filter(|answer| answer.outcome == Outcome::NotRun).count();
        let outcome = match answers.iter().all(|answer| answer.outcome == Outcome::Answered) {
            true => Outcome::Answered,
            false if not_run == answers.len() => Outcome::NotRun,
            false => Outcome::Unknown,
        };
        let replies = answers.into_iter().map(|answer| answer.reply);
        let reply = match self {
            Policy::ByAddress(addresses) => {
                let keys = addresses.iter().map(|address| Reply::string(address.as_bytes()));
                Reply::map(keys.zip(replies).collect())
            }
        };
        match reply {
            Ok(reply) => Verdict { status: Status::Ok, outcome, reply },
            Err(error) => Verdict::failed(&error, outcome),
        }
    }
}

impl Composite {
    /// Of as many children as the policy wants, none of which is sent yet.
    pub fn new(owner: Weak<dyn Owner>, policy: Policy) -> Arc<Composite> {
        let count = policy.count();
        let answers = (0..count).map(|_| None).collect();
        let children = Children { ids: Vec::with_capacity(count), answers, missing: count, parent: None };
        Arc::new(Composite { owner, policy, children: Lock::new(children) })
    }

    /// What a composite without children comes to.
    pub fn of_none() -> Verdict {
        Policy::ByAddress(Vec::new()).merge(Vec::new())
    }

    /// All children were sent, and have these ids; from now on the composite is known by this one. It may be over
    /// already.
    pub fn start(&self, parent: Ticket, ids: Vec<Ticket>) {
        let mut children = self.children.lock();
        (children.ids, children.parent) = (ids, Some(parent));
        let finished = self.finish(&mut children);
        drop(children);
        self.notify(finished);
    }

    /// How many children have no answer.
    pub fn missing(&self) -> usize {
        self.children.lock().missing
    }

    /// The composite ends for this reason: `give_up` ends a child. Those that have no answer even then have this error.
    pub fn end(&self, error: &Error, mut give_up: impl FnMut(Ticket)) -> Verdict {
        let mut children = self.children.lock();
        children.parent = None;
        let missing = children.ids.iter().zip(&children.answers).filter(|(_, answer)| answer.is_none());
        let missing: Vec<Ticket> = missing.map(|(id, _)| *id).collect();
        drop(children);
        missing.into_iter().for_each(&mut give_up);
        let answers = mem::take(&mut self.children.lock().answers);
        let unknown = || ChildAnswer {
            outcome: Outcome::Unknown,
            reply: Reply::error(error.status, Outcome::Unknown, &error.message),
        };
        let answers = answers.into_iter().map(|answer| answer.unwrap_or_else(unknown));
        Verdict { status: error.status, ..self.policy.merge(answers.collect()) }
    }

    fn finish(&self, children: &mut Children) -> Option<(Ticket, Verdict)> {
        let parent = children.parent.take_if(|_| children.missing == 0)?;
        let answers = mem::take(&mut children.answers).into_iter().flatten();
        Some((parent, self.policy.merge(answers.collect())))
    }

    fn notify(&self, finished: Option<(Ticket, Verdict)>) {
        if let Some((parent, verdict)) = finished
            && let Some(owner) = self.owner.upgrade()
        {
            owner.finish(parent, 0, verdict);
        }
    }
}

impl Sink for Composite {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        let mut children = self.children.lock();
        for Completion { user_data, flags, reply, .. } in completions {
            let outcomes = [Outcome::NotRun, Outcome::Unknown];
            let outcome = outcomes.into_iter().find(|outcome| flags & outcome.bit() != 0).unwrap_or(Outcome::Answered);
            if let Some(place) = children.answers.get_mut(user_data as usize)
                && place.replace(ChildAnswer { outcome, reply }).is_none()
            {
                children.missing -= 1;
            }
        }
        let finished = self.finish(&mut children);
        drop(children);
        self.notify(finished);
    }
}

/// As the place for the completions of its children.
impl Destination for Arc<Composite> {
    fn key(&self) -> Option<SinkKey> {
        None
    }

    fn sink(&self) -> Arc<dyn Sink> {
        self.clone()
    }

    fn offer(&self, _mailbox: &Arc<Mailbox>, _count: usize) -> bool {
        false
    }

    fn takes_many(&self) -> bool {
        false
    }
}
