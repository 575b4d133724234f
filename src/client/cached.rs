//! Requests that may be answered from the cache, and what keeps the cache right.
//!
//! Invariant: an answer that is kept stands behind every write of this client that was accepted before anybody asked for
//! it, and before every one that is accepted later. For a write forgets its keys under the lock of the state, under which
//! it also gets its place at the link, each time it gets one; and who asks for an answer takes the place that it is to be
//! kept in before it gets its own at the link. So of a read that the server runs before a write, the place is lost when
//! the answer comes, or the answer itself was forgotten. Of the changes of others the server tells, behind the answers
//! that they make wrong: links deliver both in that order.

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;

use super::admission::Admission;
use super::cache::{Cache, Found, Question, Room};
use super::completion::{Completion, Destination, Responder, Verdict};
use super::core::Core;
use super::pending::Work;
use super::plan::Plan;
use super::request::{Place, Request};
use crate::connection::link::Link;
use crate::connection::pipeline::Addressee;
use crate::connection::submission::Next;
use crate::connection::turn::Submitter;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::protocol::catalog::{self, Flags};
use crate::protocol::command;
use crate::protocol::message::Invalidation;
use crate::protocol::reply::{Kind, Reply};
use crate::topology::Route;

/// Replies beside that of the command itself: to CLIENT CACHING.
pub const PRELUDE: u32 = 1;

/// The right to keep an answer; given back when it is dropped.
#[derive(Debug)]
pub struct Fill {
    cache: Arc<Lock<Cache>>,
    /// `None`: nothing is to be kept.
    place: Option<Room>,
}

impl Fill {
    /// The server answered to CLIENT CACHING. If it did not take it, nobody would be told when the answer is wrong.
    pub fn prelude(&mut self, reply: &Reply) {
        if reply.kind() == Kind::Error {
            self.give_back();
        }
    }

    /// Keeps a copy of the answer, if it is one and still right.
    pub fn keep(mut self, completion: &Completion) {
        if completion.status == Status::Ok
            && let Some(place) = self.place
            && let Ok(copy) = Reply::copy(&completion.reply)
        {
            self.cache.lock().fill(place, copy);
            self.place = None;
        }
    }

    fn give_back(&mut self) {
        if let Some(place) = self.place.take() {
            self.cache.lock().give_back(place);
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The one command of a request that may be answered from a cache; else a sentence that says why it may not.
fn cacheable<'a, A: AsRef<[u8]>>(request: &Request<'a, A>, on_lease: bool) -> Result<&'a [A], Error> {
    let wrong = |sentence: &str| Error::new(Status::Argument, format!("JR_REQUEST_CACHED: {sentence}"));
    let admission = Admission::of(request, on_lease)?;
    let [words] = request.commands else {
        return Err(wrong("the request must have one command"));
    };
    if admission.dedicated {
        return Err(wrong("a connection of its own, as of a lease, is not answered from a cache"));
    }
    if request.atomic || request.subscription != 0 {
        return Err(wrong("a transaction or a subscription is not answered from a cache"));
    }
    if request.route != Route::ByKey {
        return Err(wrong("the request goes by its key and has no other route"));
    }
    if !catalog::find(words).is_some_and(catalog::Command::is_cacheable) {
        let name = words.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
        let name = name.to_ascii_uppercase();
        return Err(wrong(&format!("{name} is no command whose answer depends on the values of its keys alone")));
    }
    Ok(words)
}

/// What a command may change.
enum Change<'a> {
    Key(&'a [u8]),
    Everything,
}

/// Names what these commands may change, whether they will run or not. What a command changes without naming it, and what
/// an unknown one changes, the server tells.
fn each_change<A: AsRef<[u8]>>(commands: impl Iterator<Item = impl AsRef<[A]>>, mut tell: impl FnMut(Change<'_>)) {
    for words in commands {
        let words = words.as_ref();
        let Some(command) = catalog::find(words).filter(|command| !command.is_read_only()) else { continue };
        let mut keys = command.keys(words).peekable();
        // FLUSHALL, SWAPDB and their like.
        if keys.peek().is_none() && command.flags.contains(Flags::WRITE) {
            tell(Change::Everything);
        }
        keys.for_each(|key| tell(Change::Key(key)));
    }
}

/// Forgets what these commands may change.
fn forget<A: AsRef<[u8]>>(cache: &Lock<Cache>, commands: impl Iterator<Item = impl AsRef<[A]>>) {
    let mut locked: Option<MutexGuard<'_, Cache>> = None;
    each_change(commands, |change| {
        let cache = locked.get_or_insert_with(|| cache.lock());
        match change {
            Change::Key(key) => cache.invalidate(key),
            Change::Everything => cache.clear(),
        }
    });
}

/// What a request on a connection of its own may change. It stands in no order with what the shared connection reads, so
/// it is forgotten when the server has answered, before anybody hears of that.
#[derive(Debug, Default)]
pub struct Changes {
    keys: Vec<Box<[u8]>>,
    everything: bool,
}

impl<D: Destination> Core<D> {
    /// Accepts a request that may be answered from the cache.
    pub(super) fn accept_cached<A: AsRef<[u8]>>(
        &self,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: D,
        by: Submitter,
    ) -> Result<(u64, Next), Error> {
        let words = cacheable(request, place.lease.is_some())?;
        let link = place.link;
        let (plan, work) = match self.ask(link, words) {
            Found::Hit(reply) => {
                let verdict = Verdict::answered(Status::Ok, Reply::copy(&reply)?);
                return self.answer_at_once(destination, verdict).map(|id| (id, Next::Nothing));
            }
            Found::Miss(Some(place)) => {
                let cache = self.cache.clone();
                let fill = cache.map(|cache| Box::new(Fill { cache, place: Some(place) }));
                (Plan::Tracked(words), fill.map(Work::Cached))
            }
            Found::Miss(None) => (Plan::One(words), None),
        };
        self.accept_plan(link, request, plan, work, destination, by)
    }

    fn ask<A: AsRef<[u8]>>(&self, link: &Link, words: &[A]) -> Found {
        let cache = self.cache.as_ref().filter(|_| link.is_tracking());
        match cache.and_then(|cache| Some((cache, Question::new(link.database(), words)?))) {
            Some((cache, question)) => cache.lock().ask(&question),
            None => Found::Miss(None),
        }
    }

    /// Completes a request that needs nobody else.
    pub(super) fn answer_at_once(&self, destination: D, verdict: Verdict) -> Result<u64, Error> {
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state)?;
        state.requests.give_back(ticket);
        state.taken += 1;
        drop(state);
        self.complete(Responder::new(ticket.0, destination).finish(verdict).into_iter().collect());
        Ok(ticket.0)
    }

    /// These commands get a place at a link; the state is locked.
    #[inline]
    pub(super) fn forget_what_changes<A: AsRef<[u8]>>(&self, commands: &[&[A]]) {
        if let Some(cache) = &self.cache {
            forget(cache, commands.iter());
        }
    }

    /// What is to be forgotten when these commands were answered on a connection of their own.
    pub(super) fn changes<A: AsRef<[u8]>>(&self, commands: &[&[A]]) -> Changes {
        let mut changes = Changes::default();
        if self.cache.is_some() {
            each_change(commands.iter(), |change| match change {
                Change::Key(key) => changes.keys.push(key.into()),
                Change::Everything => changes.everything = true,
            });
        }
        changes
    }

    /// They were answered, or will not be; the state is locked.
    pub(super) fn forget_changes(&self, changes: &Changes) {
        let Some(cache) = &self.cache else { return };
        if changes.everything || !changes.keys.is_empty() {
            let mut cache = cache.lock();
            changes.keys.iter().for_each(|key| cache.invalidate(key));
            if changes.everything {
                cache.clear();
            }
        }
    }

    /// A unit gets another place at its link; the state is locked.
    pub(super) fn submit_again(&self, link: &Link, to: Addressee, replies: u32, bytes: Bytes) -> u64 {
        if let Some(cache) = &self.cache {
            let commands = command::commands(&bytes).filter_map(|range| bytes.get(range));
            forget(cache, commands.map(|encoded| command::decode(encoded).collect::<Vec<&[u8]>>()));
        }
        link.submit_again(to, replies, bytes)
    }

    /// The server tells what was changed.
    pub(super) fn invalidate(&self, messages: &[Reply]) {
        let Some(cache) = &self.cache else { return };
        let mut cache = cache.lock();
        for message in messages {
            match Invalidation::of(message) {
                Some(Invalidation::Keys(keys)) => keys.iter().for_each(|key| cache.invalidate(key.as_bytes())),
                Some(Invalidation::Everything) => cache.clear(),
                None => {}
            }
        }
    }

    /// Nobody tells what is changed in the database of a link.
    pub(super) fn forget_database(&self, link: &Link) {
        if let Some(cache) = &self.cache {
            cache.lock().clear_database(link.database());
        }
    }
}
