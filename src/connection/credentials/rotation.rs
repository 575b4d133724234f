//! Which credentials are in force for the connections of a client, and when the program is asked for others. Pure: it
//! is told the time, and what came of each question.
//!
//! Invariant: at most one question is under way, and whoever needs credentials meanwhile waits for its answer. What is
//! held stays in force until it expires or is refused, whatever becomes of questions for others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Answer, Credentials, Login, Reason};
use crate::connection::reconnect::Schedule;
use crate::error::Error;

#[cfg(test)]
mod tests;

/// However short credentials are valid, the program is not asked to renew them earlier than so long after its answer.
const SHORTEST: Duration = Duration::from_millis(50);

/// The part of their validity after which credentials are renewed, from here ..
const EARLIEST: f64 = 0.75;

/// .. to here, drawn anew each time, so that not all clients ask at once.
const LATEST: f64 = 0.85;

/// What to do before a handshake.
#[derive(Debug)]
pub enum Need {
    /// Use these.
    Use(Login),
    /// Wait for the end of this question: see [`Rotation::outcome`].
    Wait(u64),
    /// Ask the program, for this reason, and wait for the end of this question.
    Ask(u64, Reason),
}

/// What to do to keep the credentials fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask the program, for this reason.
    Ask(u64, Reason),
    /// Look again then, or when something has changed.
    At(Instant),
    /// Look again when something has changed.
    Later,
}

#[derive(Debug)]
struct Held {
    login: Login,
    renew_at: Option<Instant>,
    /// A server refused it.
    rejected: bool,
    /// It was pushed: answers of the program do not replace it.
    pushed: bool,
}

/// The credentials of one client.
#[derive(Debug)]
pub struct Rotation {
    /// The program can be asked.
    asks: bool,
    /// `None`: the program was not asked yet.
    held: Option<Held>,
    /// Whether a question is under way; its number is that of the last one.
    is_asking: bool,
    /// Questions so far.
    questions: u64,
    /// The last of them that was answered.
    answered: u64,
    /// The last of them that failed, if that came after the last answer.
    failed: Option<(u64, Error)>,
    /// How often in a row what was held was refused.
    rejections: u32,
    pauses: Schedule,
    delays: (Duration, Duration),
    /// Not before then is the program asked to renew.
    again_at: Option<Instant>,
}

impl Rotation {
    /// Of a client that has these from the start, or none. `asks`: the program is to be asked instead. `delays`: those
    /// between questions that fail, the first and the longest.
    pub fn new(credentials: Option<Credentials>, asks: bool, delays: (Duration, Duration)) -> Rotation {
        let login = Login { credentials: credentials.map(Arc::new), ..Login::default() };
        let held = (!asks).then_some(Held { login, renew_at: None, rejected: false, pushed: true });
        Rotation {
            asks,
            held,
            is_asking: false,
            questions: 0,
            answered: 0,
            failed: None,
            rejections: 0,
            pauses: Schedule::new(delays.0, delays.1),
            delays,
            again_at: None,
        }
    }

    /// What is in force; `None`: nothing yet.
    pub fn current(&self) -> Option<&Login> {
        self.held.as_ref().map(|held| &held.login)
    }

    /// What to do before a handshake.
    pub fn need(&mut self, now: Instant) -> Need {
        let is_refused = self.held.as_ref().is_some_and(|held| held.rejected);
        if let Some(login) = self.usable(now) {
            return Need::Use(login);
        }
        if self.is_asking {
            return Need::Wait(self.questions);
        }
        let reason = if is_refused { Reason::Rejected } else { Reason::Connect };
        Need::Ask(self.ask(), reason)
    }

    /// What came of a question; `None`: it is under way.
    pub fn outcome(&self, question: u64, now: Instant) -> Option<Result<Login, Error>> {
        if let Some((_, error)) = self.failed.as_ref().filter(|(failed, _)| *failed >= question) {
            return Some(self.usable(now).ok_or_else(|| error.clone()));
        }
        if self.answered >= question {
            // However short it is valid: who waited for it uses it.
            return self.held.as_ref().map(|held| Ok(held.login.clone()));
        }
        // Others may have been pushed meanwhile.
        self.usable(now).map(Ok)
    }

    /// What is held, if it may be used for a handshake.
    fn usable(&self, now: Instant) -> Option<Login> {
        let held = self.held.as_ref()?;
        let is_over = held.rejected || held.login.expires.is_some_and(|expires| expires <= now);
        (!self.asks || !is_over).then(|| held.login.clone())
    }

    fn ask(&mut self) -> u64 {
        self.is_asking = true;
        self.questions += 1;
        self.questions
    }

    /// The program answered the question that is under way, which was asked for this reason.
    pub fn on_answer(&mut self, answer: Answer, reason: Reason, now: Instant) {
        self.end_question();
        self.answered = self.questions;
        self.failed = None;
        self.pauses = Schedule::new(self.delays.0, self.delays.1);
        let before = self.held.as_ref().filter(|held| !held.rejected);
        if before.is_some_and(|held| held.pushed) {
            return;
        }
        let Answer { credentials, valid } = answer;
        let expires = valid.and_then(|valid| now.checked_add(valid));
        let part = EARLIEST + (LATEST - EARLIEST) * fastrand::f64();
        let renew_at = valid.and_then(|valid| now.checked_add(valid.mul_f64(part).max(SHORTEST)));
        // The same ones, valid for longer: connections that have them need nothing new.
        let same = before.filter(|held| held.login.credentials.as_deref() == Some(&credentials));
        let (credentials, generation) = match same {
            Some(held) => (held.login.credentials.clone(), held.login.generation),
            None => (Some(Arc::new(credentials)), self.next_generation()),
        };
        let login = Login { credentials, generation, obtained: Some(now), expires, reason: Some(reason) };
        self.held = Some(Held { login, renew_at, rejected: false, pushed: false });
    }

    /// The question that is under way failed.
    pub fn on_failure(&mut self, error: Error, now: Instant) {
        self.end_question();
        self.failed = Some((self.questions, error));
        self.again_at = Some(now + self.pauses.after_failure());
    }

    fn end_question(&mut self) {
        self.is_asking = false;
        self.again_at = None;
    }

    /// The program brings credentials unasked: they are in force from now on, until others are pushed or they are
    /// refused.
    pub fn push(&mut self, credentials: Credentials) {
        let generation = self.next_generation();
        let login = Login { credentials: Some(Arc::new(credentials)), generation, ..Login::default() };
        self.held = Some(Held { login, renew_at: None, rejected: false, pushed: true });
        self.rejections = 0;
    }

    fn next_generation(&self) -> u64 {
        self.current().map_or(1, |login| login.generation + 1)
    }

    /// A server refused these: the program is asked for others at once, the first time in a row.
    pub fn reject(&mut self, generation: u64, now: Instant) {
        let Some(held) = &mut self.held else { return };
        if !self.asks || held.login.generation != generation || std::mem::replace(&mut held.rejected, true) {
            return;
        }
        self.rejections = self.rejections.saturating_add(1);
        if self.rejections > 1 {
            self.again_at = Some(now + self.pauses.after_failure());
        }
    }

    /// A server took these.
    pub fn accept(&mut self, generation: u64) {
        if self.current().is_some_and(|login| login.generation == generation) {
            self.rejections = 0;
        }
    }

    /// What to do to keep the credentials fresh. Before the first handshake there is nothing to be kept.
    pub fn renew(&mut self, now: Instant) -> Next {
        let Some(held) = self.held.as_ref().filter(|_| self.asks && !self.is_asking) else { return Next::Later };
        let reason = if held.rejected { Reason::Rejected } else { Reason::Renew };
        let due = match (held.rejected, held.renew_at) {
            (true, _) => now,
            (false, Some(at)) => at,
            (false, None) => return Next::Later,
        };
        let due = self.again_at.map_or(due, |again| due.max(again));
        if due > now { Next::At(due) } else { Next::Ask(self.ask(), reason) }
    }
}
