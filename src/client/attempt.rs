//! What happens next to a unit of a request after an event: it is sent again, it has its answer, or it fails. Pure.
//!
//! Invariant: again goes only what certainly did not run, or what may run twice. Once an attempt may have run, whatever
//! follows, the unit is never told as not run.

use std::mem;
use std::time::Duration;

use super::retry::backoff;
use crate::address::Address;
use crate::error::Outcome;
use crate::topology::cluster::redirect::Kind;

#[cfg(test)]
mod tests;

/// The pause before a server that refused a unit is asked again doubles so many times: up to 400 ms, so that what waits
/// for a new primary goes on soon after that takes writes.
const REFUSED_DOUBLINGS: u16 = 4;

/// So many redirects in a row are followed.
pub const REDIRECTS: u8 = 16;

/// What is fixed for a unit just now, whatever happened to it before.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// It may run twice.
    pub may_run_twice: bool,
    /// It must not be sent on another connection.
    pub is_tied: bool,
    /// So many attempts may end with their connection.
    pub max_attempts: u32,
}

/// How far MULTI .. EXEC had come when its connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// MULTI was not answered: whether the server queues the commands is not known.
    Unanswered,
    /// MULTI was accepted: nothing runs before EXEC.
    Queued,
    /// MULTI was accepted and a command refused: EXEC, if it was read at all, ran nothing.
    Refused,
    /// MULTI was refused: the commands may have run one by one.
    NotBegun,
}

/// The connection ended after at least one byte of the unit was sent.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// All of it was sent.
    pub is_whole: bool,
    /// Its own reply broke the rules (or a limit), and would do so again.
    pub is_culprit: bool,
    /// Of MULTI .. EXEC.
    pub block: Option<Block>,
}

impl Loss {
    /// Whether the server may have run it in this attempt.
    fn may_have_run(&self) -> bool {
        match self.block {
            None | Some(Block::Queued) => self.is_whole,
            Some(Block::Refused) => false,
            Some(Block::Unanswered | Block::NotBegun) => true,
        }
    }
}

/// A node of a cluster says that another one has what the unit is about.
#[derive(Clone, Copy, Debug)]
pub struct Redirected<'a> {
    /// For how long.
    pub kind: Kind,
    /// What it says.
    pub text: &'a [u8],
    /// Who says it.
    pub by: &'a Address,
    /// The other one; `None`: it is not known, or cannot be had.
    pub to: Option<&'a Address>,
}

impl Redirected<'_> {
    /// Whether there is another node, to which the unit can be sent now.
    fn leads_on(&self) -> bool {
        self.to.is_some_and(|to| to != self.by)
    }
}

/// What happened to a unit.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The server refused it before it ran anything, with this text.
    Refused(&'a [u8]),
    /// The same, and asking again would not help: the server's role is confirmed.
    RefusedForGood,
    /// The same, because another server is to be asked.
    Redirected(Redirected<'a>),
    /// Its connection ended.
    Lost(Loss),
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// It is sent again, after this pause; after a redirect without a pause to where that leads, else to whoever has
    /// what it is about then.
    Send(Duration),
    /// It was sent from one server to another, and now it is enough.
    GiveUp(Outcome),
    /// What the server said last is its answer.
    Complete(Outcome),
    /// It ends without an answer.
    Fail(Outcome),
}

/// The attempts of one unit so far.
#[derive(Debug, Default)]
pub struct Attempts {
    lost: u16,
    refused: u16,
    may_have_run: bool,
    last_refusal: Box<str>,
    /// Redirects in a row.
    redirects: u8,
    was_moved: bool,
    was_asked: bool,
}

impl Attempts {
    /// What happens next to a unit on these terms.
    pub fn after(&mut self, event: Event<'_>, terms: &Terms) -> Next {
        match event {
            Event::Refused(text) if !terms.is_tied => {
                self.note_refusal(text);
                // Waiting for a repair is bounded by the deadline.
                self.redirects = 0;
                Next::Send(backoff(self.refused.min(REFUSED_DOUBLINGS)))
            }
            Event::Redirected(redirected) if !terms.is_tied => self.after_redirect(&redirected),
            Event::Refused(_) | Event::RefusedForGood | Event::Redirected(_) => Next::Complete(self.refused_outcome()),
            Event::Lost(loss) => self.after_loss(loss, terms),
        }
    }

    fn after_redirect(&mut self, redirected: &Redirected<'_>) -> Next {
        self.note_refusal(redirected.text);
        self.redirects += 1;
        if self.redirects > REDIRECTS {
            return Next::GiveUp(self.refused_outcome());
        }
        let before = match redirected.kind {
            Kind::Moved => &mut self.was_moved,
            Kind::Ask => &mut self.was_asked,
        };
        let is_first = !mem::replace(before, true);
        Next::Send(if is_first && redirected.leads_on() { Duration::ZERO } else { backoff(self.redirects.into()) })
    }

    fn note_refusal(&mut self, text: &[u8]) {
        self.last_refusal = String::from_utf8_lossy(text).into();
        self.refused = self.refused.saturating_add(1);
    }

    /// The outcome of what ends with a refusal.
    fn refused_outcome(&self) -> Outcome {
        if self.may_have_run { Outcome::Unknown } else { Outcome::Answered }
    }

    fn after_loss(&mut self, loss: Loss, terms: &Terms) -> Next {
        if loss.block == Some(Block::Refused) {
            return Next::Complete(Outcome::Answered);
        }
        self.may_have_run |= loss.may_have_run();
        self.lost = self.lost.saturating_add(1);
        let may_go_again = !loss.may_have_run() || (loss.block.is_none() && terms.may_run_twice);
        if may_go_again && !terms.is_tied && !loss.is_culprit && u32::from(self.lost) < terms.max_attempts {
            return Next::Send(self.pause_after_loss(loss.is_whole));
        }
        Next::Fail(self.outcome())
    }

    /// What went out whole goes again at once the first time; what was cut off in its midst may be what the server does
    /// not want.
    fn pause_after_loss(&self, was_whole: bool) -> Duration {
        if was_whole && self.lost == 1 { Duration::ZERO } else { backoff(self.lost) }
    }

    fn outcome(&self) -> Outcome {
        if self.may_have_run { Outcome::Unknown } else { Outcome::NotRun }
    }

    /// A server has waited with the unit: redirects before that lead in no circle.
    pub fn forget_redirects(&mut self) {
        (self.redirects, self.was_moved, self.was_asked) = (0, false, false);
    }

    /// How many attempts ended with their connection.
    pub fn lost(&self) -> u16 {
        self.lost
    }

    /// A sentence about what the server said; `None`: it refused nothing.
    pub fn refusals(&self) -> Option<String> {
        let Attempts { refused, last_refusal, .. } = self;
        match refused {
            0 => None,
            1 => Some(format!("refused by the server: {last_refusal}")),
            _ => Some(format!("refused by the server {refused} times, the last time with: {last_refusal}")),
        }
    }
}

/// The outcome of a unit that ends without an answer because nothing more is sent: its time is up, nobody wants it, or
/// no connection can be made. `is_sent`: something was sent that may still be answered.
pub fn outcome_of(attempts: Option<&Attempts>, is_sent: bool) -> Outcome {
    match attempts {
        _ if is_sent => Outcome::Unknown,
        Some(attempts) => attempts.outcome(),
        None => Outcome::NotRun,
    }
}
