//! Which server is the primary, by what sentinels answer and tell. Pure: it is told the time, and says what to do.
//!
//! Invariant: while one sentinel's word of a new primary is checked nothing else is adopted; each check ends with
//! [`Action::Adopt`] or [`Action::Keep`].

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, Instant};

use super::agreement::{Vote, agree, is_contradicted};
use super::answer::{Said, Word};
use crate::address::Address;
use crate::error::{Error, Status};

/// So long the others are waited for when some have answered and are not most of all.
const PATIENCE: Duration = Duration::from_millis(300);

/// So long they are waited for when one tells of a new primary.
const CHECK_PATIENCE: Duration = Duration::from_millis(100);

/// After so long every sentinel that answers has heard of a failover, which they tell each other every two seconds.
/// Until then what some say of an earlier one is old and no other opinion.
const SETTLING: Duration = Duration::from_secs(10);

/// So long nothing is sent to a primary that is about to be replaced. The sentinel that does it sees within a second
/// that it is done.
const HOLD: Duration = Duration::from_secs(3);

/// More sentinels than this are not listened to.
const MOST: usize = 64;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// There is a sentinel at this address, too.
    Listen(Address),
    /// What is at this address was listened to under another one.
    Ignore(Address),
    /// Ask all sentinels.
    Ask,
    /// Send nothing more to the primary that there was, and ask sentinels again and again until something is to be done
    /// about that.
    Hold,
    /// Send nothing more to it, and see whether this one is a primary.
    Check(Address),
    /// This is the primary; before it was the other one.
    Adopt(Address, Option<Address>),
    /// The primary is the one that it was.
    Keep(Address),
    /// Nobody says where the primary is, for this reason.
    Fail(Error),
    /// This sentinel says something else than most, or something wrong.
    Warn(Address, String),
}

/// How it stands with a sentinel.
#[derive(Debug, Default)]
struct Sentinel {
    id: Option<String>,
    /// What it said last, or why it does not answer.
    answer: Option<Result<Said, Error>>,
    /// It said so since a check began.
    is_fresh: bool,
    /// It is in the configuration.
    is_configured: bool,
    /// The dissent that was told.
    told: Option<Address>,
}

#[derive(Debug)]
struct Believed {
    address: Address,
    epoch: u64,
    since: Instant,
}

/// One sentinel's word of a new primary.
#[derive(Debug)]
struct Check {
    address: Address,
    by: Address,
    role: Option<Result<(), Error>>,
    until: Instant,
}

/// What is known.
#[derive(Debug)]
pub struct Watch {
    name: String,
    sentinels: BTreeMap<Address, Sentinel>,
    believed: Option<Believed>,
    /// This server is about to become the primary; until when that is waited for.
    hold: Option<(Address, Instant)>,
    check: Option<Check>,
    /// When some have answered for long enough.
    patience: Option<Instant>,
}

impl Watch {
    /// The server of this name is sought, among these sentinels.
    pub fn new(name: &str, configured: &[Address]) -> Watch {
        let sentinel = |address: &Address| (address.clone(), Sentinel { is_configured: true, ..Sentinel::default() });
        let sentinels = configured.iter().map(sentinel).collect();
        Watch { name: name.to_owned(), sentinels, believed: None, hold: None, check: None, patience: None }
    }

    /// Where the sentinels are.
    pub fn sentinels(&self) -> impl Iterator<Item = &Address> {
        self.sentinels.keys()
    }

    /// Whether this one is to be listened to.
    pub fn listens_to(&self, sentinel: &Address) -> bool {
        self.sentinels.contains_key(sentinel)
    }

    /// What each sentinel says: the address of the primary, or why it names none.
    pub fn opinions(&self) -> impl Iterator<Item = (&Address, Result<&Address, String>)> {
        self.sentinels.iter().map(|(by, sentinel)| {
            let said = match &sentinel.answer {
                None => Err("it was not reached yet".to_owned()),
                Some(Err(error)) => Err(error.message.clone()),
                Some(Ok(Said::NoSuchName)) => Err("it does not know the name".to_owned()),
                Some(Ok(Said::Refused(text))) => Err(text.clone()),
                Some(Ok(Said::Primary { address, .. })) => Ok(address),
            };
            (by, said)
        })
    }

    /// Where the primary is.
    pub fn believed(&self) -> Option<&Address> {
        self.believed.as_ref().map(|believed| &believed.address)
    }

    /// When to call [`Watch::on_time`].
    pub fn due(&self) -> Option<Instant> {
        let hold = self.hold.as_ref().map(|(_, until)| *until);
        self.check.as_ref().map(|check| check.until).or(hold).or(self.patience)
    }

    /// Whether sentinels are to be asked again and again.
    pub fn is_holding(&self) -> bool {
        self.hold.is_some() && self.check.is_none()
    }

    /// A sentinel has answered.
    pub fn on_word(&mut self, from: &Address, word: Word, now: Instant) -> Vec<Action> {
        let Some(sentinel) = self.sentinels.get_mut(from) else { return Vec::new() };
        if self.patience.is_none() && matches!(word.said, Said::Primary { .. }) {
            self.patience = Some(now + PATIENCE);
        }
        sentinel.answer = Some(Ok(word.said));
        sentinel.is_fresh = true;
        sentinel.id = word.id;
        let mut actions = self.forget_twins(from);
        for (id, address) in word.others {
            let is_known = self.sentinels.values().any(|sentinel| sentinel.id.as_ref() == Some(&id));
            if !is_known && !self.sentinels.contains_key(&address) && self.sentinels.len() < MOST {
                self.sentinels.insert(address.clone(), Sentinel { id: Some(id), ..Sentinel::default() });
                actions.push(Action::Listen(address));
            }
        }
        self.judge(now, &mut actions);
        actions
    }

    /// One sentinel has one voice, under however many addresses it was found.
    fn forget_twins(&mut self, of: &Address) -> Vec<Action> {
        let Some(id) = self.sentinels.get(of).and_then(|sentinel| sentinel.id.clone()) else { return Vec::new() };
        let twins = self.sentinels.iter().filter(|(address, other)| *address != of && other.id.as_ref() == Some(&id));
        let twins: Vec<(Address, bool)> =
            twins.map(|(address, other)| (address.clone(), other.is_configured)).collect();
        let is_found = self.sentinels.get(of).is_some_and(|sentinel| !sentinel.is_configured);
        let extra: Vec<Address> = match twins.iter().any(|(_, is_configured)| *is_configured) && is_found {
            true => vec![of.clone()],
            false => twins.into_iter().map(|(address, _)| address).collect(),
        };
        extra.iter().for_each(|address| _ = self.sentinels.remove(address));
        extra.into_iter().map(Action::Ignore).collect()
    }

    /// A sentinel does not answer.
    pub fn on_failure(&mut self, from: &Address, error: Error, now: Instant) -> Vec<Action> {
        let Some(sentinel) = self.sentinels.get_mut(from) else { return Vec::new() };
        sentinel.answer = Some(Err(error));
        let mut actions = Vec::new();
        self.judge(now, &mut actions);
        actions
    }

    /// A sentinel tells that the primary is another one from now on.
    pub fn on_switch(&mut self, from: &Address, address: Address, now: Instant) -> Vec<Action> {
        let is_checked = self.check.as_ref().is_some_and(|check| check.address == address);
        if is_checked || self.believed() == Some(&address) || !self.sentinels.contains_key(from) {
            return Vec::new();
        }
        self.sentinels.values_mut().for_each(|sentinel| sentinel.is_fresh = false);
        let (by, until) = (from.clone(), now + CHECK_PATIENCE);
        self.hold = None;
        self.check = Some(Check { address: address.clone(), by, role: None, until });
        vec![Action::Check(address), Action::Ask]
    }

    /// A sentinel is about to make this server the primary.
    pub fn on_promoting(&mut self, from: &Address, address: Address, now: Instant) -> Vec<Action> {
        let is_news = self.believed().is_some_and(|believed| *believed != address) && self.check.is_none();
        if !is_news || self.hold.is_some() || !self.sentinels.contains_key(from) {
            return Vec::new();
        }
        self.hold = Some((address, now + HOLD));
        vec![Action::Hold]
    }

    /// The server at this address was asked whether it is a primary.
    pub fn on_role(&mut self, address: &Address, role: Result<(), Error>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(check) = self.check.as_mut().filter(|check| check.address == *address) {
            check.role = Some(role);
            self.judge(now, &mut actions);
        }
        actions
    }

    /// Some time has passed.
    pub fn on_time(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        self.judge(now, &mut actions);
        actions
    }

    fn judge(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match (&self.check, &self.hold) {
            (Some(_), _) => self.judge_check(now, actions),
            (None, Some((address, until))) => {
                let (address, is_late) = (address.clone(), now >= *until);
                let says_so = votes(&self.sentinels).find(|(vote, _)| *vote.address == address);
                if let Some(by) = says_so.map(|(vote, _)| vote.by.clone()) {
                    actions.extend(self.on_switch(&by, address, now));
                } else if is_late {
                    self.hold = None;
                    actions.extend(self.believed().cloned().map(Action::Keep));
                }
            }
            (None, None) => self.judge_answers(now, actions),
        }
    }

    fn judge_check(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Some(check) = &mut self.check else { return };
        let is_late = now >= check.until;
        let failure = match &check.role {
            None => {
                // How long that may take is limited by who asks.
                if is_late {
                    check.until = now + CHECK_PATIENCE;
                }
                return;
            }
            Some(role) => role.as_ref().err().map(|error| error.message.clone()),
        };
        let answers = || self.sentinels.values().filter(|sentinel| !matches!(sentinel.answer, Some(Err(_))));
        let all_in = answers().all(|sentinel| sentinel.is_fresh);
        if failure.is_none() && !all_in && !is_late {
            return;
        }
        let votes: Vec<Vote<'_>> =
            votes(&self.sentinels).filter(|(_, is_fresh)| *is_fresh).map(|(vote, _)| vote).collect();
        let reason = match failure {
            Some(failure) => Some(failure),
            None => is_contradicted(&votes, &check.address).then(|| "other sentinels contradict".to_owned()),
        };
        let epoch = votes.iter().filter(|vote| *vote.address == check.address).map(|vote| vote.epoch).max();
        let Some(Check { address, by, .. }) = self.check.take() else { return };
        let Some(reason) = reason else {
            let before = self.believed.as_ref().map_or(0, |believed| believed.epoch);
            return self.adopt(address, epoch.unwrap_or(before), now, actions);
        };
        actions.push(Action::Warn(by, format!("it tells that {address} is the primary now: {reason}")));
        if let Some(believed) = self.believed() {
            actions.push(Action::Keep(believed.clone()));
        }
        self.patience = Some(now + PATIENCE);
    }

    fn judge_answers(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_settled = |believed: &&Believed| now.saturating_duration_since(believed.since) < SETTLING;
        let least = self.believed.as_ref().filter(is_settled).map_or(0, |believed| believed.epoch);
        let known = self.sentinels.len();
        let is_late = self.patience.is_some_and(|patience| now >= patience);
        let all_in = is_late || self.sentinels.values().all(|sentinel| sentinel.answer.is_some());
        let is_current = |vote: &Vote<'_>| vote.epoch >= least || self.believed() == Some(vote.address);
        let votes: Vec<Vote<'_>> = votes(&self.sentinels).map(|(vote, _)| vote).filter(is_current).collect();
        let Some(agreed) = agree(&votes, known) else {
            if all_in && self.believed.is_none() {
                actions.push(Action::Fail(self.failure()));
            }
            if is_late {
                self.patience = None;
            }
            return;
        };
        if !agreed.is_majority && !all_in {
            return;
        }
        let dissent = votes.iter().filter(|vote| *vote.address != agreed.address);
        let dissent: Vec<(Address, Address)> = dissent.map(|vote| (vote.by.clone(), vote.address.clone())).collect();
        if all_in {
            self.patience = None;
            self.warn(&dissent, &agreed.address, actions);
        }
        match &mut self.believed {
            Some(believed) if believed.address == agreed.address => believed.epoch = agreed.epoch.max(believed.epoch),
            _ => self.adopt(agreed.address, agreed.epoch, now, actions),
        }
    }

    fn adopt(&mut self, address: Address, epoch: u64, now: Instant, actions: &mut Vec<Action>) {
        let previous = self.believed.replace(Believed { address: address.clone(), epoch, since: now });
        match previous.map(|believed| believed.address) {
            Some(previous) if previous == address => actions.push(Action::Keep(address)),
            previous => actions.push(Action::Adopt(address, previous)),
        }
    }

    /// Tells once of each sentinel that says something else.
    fn warn(&mut self, dissent: &[(Address, Address)], agreed: &Address, actions: &mut Vec<Action>) {
        for (by, sentinel) in &mut self.sentinels {
            let other = dissent.iter().find(|(dissenter, _)| dissenter == by).map(|(_, other)| other.clone());
            let told = mem::replace(&mut sentinel.told, other);
            if let Some(other) = sentinel.told.as_ref().filter(|other| told.as_ref() != Some(other)) {
                let sentence = format!("it says that the primary is {other}, and the others say {agreed}");
                actions.push(Action::Warn(by.clone(), sentence));
            }
        }
    }

    /// Why nobody says where the primary is.
    fn failure(&self) -> Error {
        let answers: Vec<(&Address, &Result<Said, Error>)> =
            self.sentinels.iter().filter_map(|(by, sentinel)| Some((by, sentinel.answer.as_ref()?))).collect();
        let errors: Vec<(&Address, &Error)> =
            answers.iter().filter_map(|(by, answer)| Some((*by, answer.as_ref().err()?))).collect();
        let refused = answers.iter().find_map(|(by, answer)| match answer {
            Ok(Said::Refused(text)) => Some((*by, text)),
            _ => None,
        });
        let knows_not = answers.iter().filter(|(_, answer)| matches!(answer, Ok(Said::NoSuchName))).count();
        if knows_not > 0 {
            let sentence =
                format!("no sentinel knows the name \"{}\" ({knows_not} of {} answered)", self.name, answers.len());
            return Error::new(Status::Connect, sentence);
        }
        if let Some((by, text)) = refused {
            let sentence = format!("no sentinel says where \"{}\" is: {by}: {text}", self.name);
            return Error::new(Status::Connect, sentence);
        }
        // A wrong password is what people must hear of.
        let error = errors.iter().find(|(_, error)| error.status == Status::Auth).or(errors.last());
        match error {
            Some((by, error)) => {
                let status = if error.status == Status::Auth { Status::Auth } else { Status::Connect };
                Error::new(status, format!("no sentinel answers: {by}: {}", error.message))
            }
            None => Error::new(Status::Connect, "no sentinel answers"),
        }
    }
}

/// What sentinels say, and whether they do since a check began.
fn votes(sentinels: &BTreeMap<Address, Sentinel>) -> impl Iterator<Item = (Vote<'_>, bool)> {
    sentinels.iter().filter_map(|(by, sentinel)| match &sentinel.answer {
        Some(Ok(Said::Primary { address, epoch })) => Some((Vote { by, address, epoch: *epoch }, sentinel.is_fresh)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
