//! Requests that may be answered from the cache, and what keeps the cache right.
//!
//! Invariant: no answer is kept that a write of this client, accepted before or later, makes wrong. A write invalidates
//! its keys in the critical section that queues it; a read reserves its entry before it is queued. A write in between
//! cancels the reservation. Changes by others are told by the server behind the answers that they make wrong, and links
//! deliver both in that order. In a cluster an answer is found only as long as its slot is served by the node that gave
//! it, and only a key that was there is remembered.

use std::sync::Arc;

use super::admission::Admission;
use super::cache::fill::{CacheFill, Changes, forget};
use super::cache::{CacheKey, Found, Origin, Reservation};
use super::clock::Clock;
use super::completion::Verdict;
use super::core::Core;
use super::destination::{Destination, Responder};
use super::pending::Work;
use super::plan::Plan;
use super::request::{Place, Request};
use super::state::Locked;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::unit::{Ticket, Unit};
use crate::error::{Error, Outcome, Status};
use crate::protocol::catalog;
use crate::protocol::command;
use crate::protocol::message::Invalidation;
use crate::protocol::reply::Reply;
use crate::protocol::slot::slot_of;
use crate::topology::Route;

#[cfg(test)]
mod tests;

/// The one command of a request that may be answered from a cache; else a sentence that says why it may not.
pub(super) fn cacheable<'a, A: AsRef<[u8]>>(request: &Request<'a, A>, on_lease: bool) -> Result<&'a [A], Error> {
    let wrong = |sentence: &str| Error::new(Status::Argument, format!("JR_REQUEST_CACHED: {sentence}"));
    let admission = Admission::of(request, on_lease)?;
    let [args] = request.commands else {
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
    if !catalog::find(args).is_some_and(catalog::Command::is_cacheable) {
        let name = args.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
        let name = name.to_ascii_uppercase();
        return Err(wrong(&format!("{name} is no command whose answer depends on the values of its keys alone")));
    }
    Ok(args)
}

/// What the cache has of a part of a command.
pub(super) enum FoundPart {
    /// Its answer.
    Kept(Reply),
    /// A place for its answer.
    ToKeep(Box<CacheFill>),
    /// Nothing.
    NotKept,
}

impl<D: Destination> Core<D> {
    /// Accepts a request that may be answered from the cache.
    pub(super) fn accept_cached<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        place: Place<'_>,
        request: &Request<'_, A>,
        destination: &D,
        by: Submitter,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let args = cacheable(request, place.lease.is_some())?;
        let link = place.link;
        let (plan, work) = match self.lookup(link, args) {
            Found::Hit(reply) => {
                let verdict = Verdict::answered(Status::Ok, Reply::copy(&reply)?);
                return self.answer_at_once(request, destination, verdict).map(|id| (id, None));
            }
            Found::Miss(Some(place)) => (Plan::Tracked(args), self.fill_for(place).map(Work::Cached)),
            Found::Miss(None) => (Plan::One(args), None),
        };
        self.accept_plan(link, request, plan, work, destination, by)
    }

    /// Looks for the parts of a command, each of which would go to the link in its place.
    pub(super) fn look_up_parts<A: AsRef<[u8]>>(
        &self,
        links: &[Arc<Link>],
        parts: &[&[A]],
    ) -> Result<Vec<FoundPart>, Error> {
        let found = links.iter().zip(parts).map(|(link, args)| match self.lookup(link, args) {
            Found::Hit(reply) => Reply::copy(&reply).map(FoundPart::Kept),
            Found::Miss(place) => {
                let fill = place.and_then(|place| self.fill_for(place));
                Ok(fill.map_or(FoundPart::NotKept, FoundPart::ToKeep))
            }
        });
        found.collect()
    }

    fn fill_for(&self, place: Reservation) -> Option<Box<CacheFill>> {
        let new = if self.topology.cluster().is_some() { CacheFill::in_cluster } else { CacheFill::new };
        self.cache.clone().map(|cache| Box::new(new(cache, place)))
    }

    fn lookup<A: AsRef<[u8]>>(&self, link: &Link, args: &[A]) -> Found {
        let cache = self.cache.as_ref().filter(|_| link.is_tracking());
        let Some(cache) = cache else { return Found::Miss(None) };
        let Some((origin, is_believed)) = self.origin(link, args) else { return Found::Miss(None) };
        let Some(key) = CacheKey::new(origin, args) else { return Found::Miss(None) };
        let mut cache = cache.lock();
        match cache.lookup(&key) {
            Found::Hit(_) if !is_believed => {
                cache.count_as_missed();
                Found::Miss(None)
            }
            found => found,
        }
    }

    /// Where a command is read that is sent on this link, and whether what was kept of there is believed; `None`:
    /// nothing is kept of it.
    fn origin<A: AsRef<[u8]>>(&self, link: &Link, args: &[A]) -> Option<(Origin, bool)> {
        let Some(cluster) = self.topology.cluster() else {
            return Some((Origin { number: link.database(), generation: 0 }, true));
        };
        let Purpose::Commands(number) = link.purpose() else { return None };
        let mut keys = catalog::keys(args);
        let first = keys.next()?;
        // Of several keys one that is not there could be missed.
        let is_clear = args.first().is_some_and(|name| name.as_ref().eq_ignore_ascii_case(b"MGET"));
        if !is_clear && keys.next().is_some() {
            return None;
        }
        // A node from which a slot is taken drops its keys and tells nobody; whoever asks it is sent away.
        let most = Clock::ticks_of(self.config.dead_after.mul_f64(1.25));
        let (generation, is_believed) = cluster.generation(slot_of(first), self.clock.now(), most);
        Some((Origin { number: number.into(), generation }, is_believed))
    }

    /// Completes a request that needs nobody else.
    pub(super) fn answer_at_once<A>(
        self: &Arc<Self>,
        request: &Request<'_, A>,
        destination: &D,
        verdict: Verdict,
    ) -> Result<u64, Error> {
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state, destination)?;
        self.answer_with(ticket, state, request, destination, verdict)
    }

    /// The same for a request that was not accepted, for this reason; also of a closed client.
    pub(super) fn complete_refused<A>(
        self: &Arc<Self>,
        request: &Request<'_, A>,
        destination: &D,
        why: &Error,
    ) -> Result<u64, Error> {
        let mut state = self.state.lock();
        let ticket = state.requests.reserve().ok_or_else(|| Error::memory(0))?;
        self.answer_with(ticket, state, request, destination, Verdict::failed(why, Outcome::NotRun))
    }

    fn answer_with<A>(
        self: &Arc<Self>,
        ticket: Ticket,
        mut state: Locked<'_, D>,
        request: &Request<'_, A>,
        destination: &D,
        verdict: Verdict,
    ) -> Result<u64, Error> {
        // Held, because whoever gets the completion may free the client.
        let core = Arc::clone(self);
        state.requests.give_back(ticket);
        state.taken += 1;
        drop(state);
        let responder = Responder::new(ticket.0, request.user_data, destination);
        core.complete(responder.finish(verdict));
        Ok(ticket.0)
    }

    /// These commands get a place at a link, whose lock is held.
    #[inline]
    pub(super) fn forget_what_changes<A: AsRef<[u8]>>(&self, commands: &[&[A]]) {
        if let Some(cache) = &self.cache {
            forget(cache, commands.iter());
        }
    }

    /// What is to be forgotten when these commands were answered on a connection of their own.
    pub(super) fn changes<A: AsRef<[u8]>>(&self, commands: &[&[A]]) -> Changes {
        if self.cache.is_some() { Changes::of(commands.iter()) } else { Changes::default() }
    }

    /// They were answered, or will not be; the state is locked.
    pub(super) fn forget_changes(&self, changes: &Changes) {
        if let Some(cache) = &self.cache {
            changes.forget(cache);
        }
    }

    /// A unit gets another place at its link.
    pub(super) fn resend(&self, link: &Link, unit: Unit) -> u64 {
        link.send_with(unit, |bytes| {
            if let Some(cache) = &self.cache {
                let commands = command::commands(bytes).filter_map(|range| bytes.get(range));
                forget(cache, commands.map(|encoded| command::decode(encoded).collect::<Vec<&[u8]>>()));
            }
        })
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

    /// Nobody tells what is changed of that which was read on a link.
    pub(super) fn forget_origin(&self, link: &Link) {
        let number = match link.purpose() {
            Purpose::Commands(number) if self.topology.cluster().is_some() => number.into(),
            _ => link.database(),
        };
        if let Some(cache) = &self.cache {
            cache.lock().clear_origin(number);
        }
    }
}
