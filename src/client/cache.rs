//! The answers of cacheable commands, bounded in bytes: pure, without sockets, threads or clock.
//!
//! Invariant: an answer is here only if none of its keys was invalidated since its command was asked for the first
//! time, and `bytes` is at most `limit`. A key that was asked and is not answered yet has its place here, too, and
//! loses it as an answer does: so what was overtaken by a change finds no place to be kept in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::recency::Recency;
use crate::protocol::catalog;
use crate::protocol::command;
use crate::protocol::reply::Reply;

pub mod fill;
mod recency;
#[cfg(test)]
mod tests;

/// An entry takes no more than this part of the cache: a few large answers shall not drive out all others.
const SHARE: usize = 8;

/// What an entry takes beside its key, its keys and its answer: its place in three tables.
const ENTRY: usize = size_of::<Entry>() + size_of::<(Arc<[u8]>, u32)>() + size_of::<Reply>() + size_of::<[usize; 5]>();

/// What a key takes beside its name: a set of places, and its own place in a table.
const KEY: usize = size_of::<(Box<[u8]>, HashSet<u32>)>() + size_of::<[usize; 8]>();

/// Where something was read, and an encoded command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey(Vec<u8>);

/// Where something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The number of a database or, in a cluster, of a connection.
    pub number: u32,
    /// In a cluster: another one whenever the slot has another owner.
    pub generation: u32,
}

/// Before the command stands its origin, in so many bytes.
const ORIGIN: usize = size_of::<[u32; 2]>();

impl CacheKey {
    /// What this command asks there; `None`: it is too long to be of use.
    pub fn new<A: AsRef<[u8]>>(origin: Origin, args: &[A]) -> Option<CacheKey> {
        let length = command::encoded_length(args)?.checked_add(ORIGIN)?;
        let mut name = Vec::new();
        name.try_reserve_exact(length).ok()?;
        name.extend_from_slice(&origin.number.to_le_bytes());
        name.extend_from_slice(&origin.generation.to_le_bytes());
        command::encode(args, &mut name);
        Some(CacheKey(name))
    }
}

/// The keys of a key, each once.
fn keys_of(key: &[u8]) -> HashSet<&[u8]> {
    let args: Vec<&[u8]> = command::decode(key.get(ORIGIN..).unwrap_or_default()).collect();
    let keys = catalog::key_positions(&args).filter_map(|position| args.get(position).copied());
    keys.collect()
}

/// A place that waits for the answer to a key. No two have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation(u64);

impl Reservation {
    fn index(self) -> u32 {
        self.0 as u32
    }
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// The answer.
    Hit(Arc<Reply>),
    /// None; if there is a place for it, it is to be filled or given back.
    Miss(Option<Reservation>),
}

#[derive(Debug)]
struct Entry {
    place: Reservation,
    key: Arc<[u8]>,
    /// `None`: it is on its way.
    reply: Option<Arc<Reply>>,
    bytes: usize,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions that were answered from here.
    pub hits: u64,
    /// Questions that were not.
    pub misses: u64,
    /// Answers that made room for others.
    pub evictions: u64,
    /// Answers that were forgotten because they may be wrong.
    pub invalidations: u64,
    /// Answers that are here.
    pub entries: usize,
    /// What everything takes, questions that are not answered yet included.
    pub bytes: usize,
}

/// A bounded memory of answers.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// Places by key.
    questions: HashMap<Arc<[u8]>, u32>,
    /// Places by the keys of their questions.
    keys: HashMap<Box<[u8]>, HashSet<u32>>,
    /// The places that hold answers.
    recency: Recency,
    serial: u32,
    counts: Counts,
}

impl Cache {
    /// An empty one that takes at most so many bytes.
    pub fn new(limit: usize) -> Cache {
        Cache {
            limit,
            entries: Vec::new(),
            free: Vec::new(),
            questions: HashMap::new(),
            keys: HashMap::new(),
            recency: Recency::default(),
            serial: 0,
            counts: Counts::default(),
        }
    }

    /// Looks for an answer. Without one, a place for it, unless somebody else has asked the same and waits, or it
    /// cannot be kept.
    pub fn lookup(&mut self, key: &CacheKey) -> Found {
        let Some(&index) = self.questions.get(key.0.as_slice()) else {
            self.counts.misses += 1;
            return Found::Miss(self.reserve(key));
        };
        match self.entries.get(index as usize).and_then(Option::as_ref).and_then(|entry| entry.reply.clone()) {
            Some(reply) => {
                self.recency.touch(index);
                self.counts.hits += 1;
                Found::Hit(reply)
            }
            None => {
                self.counts.misses += 1;
                Found::Miss(None)
            }
        }
    }

    /// The answer that was found last is not believed.
    pub fn count_as_missed(&mut self) {
        self.counts.hits -= 1;
        self.counts.misses += 1;
    }

    fn reserve(&mut self, key: &CacheKey) -> Option<Reservation> {
        let keys = keys_of(&key.0);
        let names: usize = keys.iter().map(|key| KEY + key.len()).sum();
        let bytes = ENTRY + key.0.len() + names;
        if keys.is_empty() || !self.make_room(bytes, bytes) {
            return None;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as u32
        });
        for key in keys {
            match self.keys.get_mut(key) {
                Some(places) => _ = places.insert(index),
                None => _ = self.keys.insert(Box::from(key), HashSet::from([index])),
            }
        }
        self.serial = self.serial.wrapping_add(1);
        let place = Reservation(u64::from(self.serial) << 32 | u64::from(index));
        let key: Arc<[u8]> = Arc::from(key.0.as_slice());
        self.questions.insert(Arc::clone(&key), index);
        self.counts.bytes += bytes;
        self.entries[index as usize] = Some(Entry { place, key, reply: None, bytes });
        Some(place)
    }

    /// Lets the oldest answers go until there is room for `more` bytes of an entry of `whole`; false if that cannot be.
    fn make_room(&mut self, more: usize, whole: usize) -> bool {
        if whole > self.limit / SHARE {
            return false;
        }
        while more > self.limit - self.counts.bytes {
            let Some(oldest) = self.recency.oldest() else { return false };
            self.remove(oldest);
            self.counts.evictions += 1;
        }
        true
    }

    /// Whether a place has not been lost.
    fn waits(&self, place: Reservation) -> bool {
        let entry = self.entries.get(place.index() as usize).and_then(Option::as_ref);
        entry.is_some_and(|entry| entry.place == place && entry.reply.is_none())
    }

    /// Fills a place, if it has not been lost and there is room.
    pub fn fill(&mut self, place: Reservation, reply: Reply) {
        if !self.waits(place) {
            return;
        }
        let memory = reply.memory();
        let index = place.index();
        let before = self.entries[index as usize].as_ref().map_or(0, |entry| entry.bytes);
        if !self.make_room(memory, before.saturating_add(memory)) {
            return self.remove(index);
        }
        if let Some(entry) = &mut self.entries[index as usize] {
            entry.reply = Some(Arc::new(reply));
            entry.bytes += memory;
        }
        self.counts.bytes += memory;
        self.counts.entries += 1;
        self.recency.add(index);
    }

    /// Gives a place back, if it has not been lost: no answer comes.
    pub fn give_back(&mut self, place: Reservation) {
        if self.waits(place) {
            self.remove(place.index());
        }
    }

    /// A key may have been changed, in whichever database.
    pub fn invalidate(&mut self, key: &[u8]) {
        // Each removal takes its place out of the set.
        let Some(places) = self.keys.get(key) else { return };
        let places: Vec<u32> = places.iter().copied().collect();
        places.into_iter().for_each(|index| self.forget(index));
    }

    /// Everything may have been changed.
    pub fn clear(&mut self) {
        self.clear_where(|_| true);
    }

    /// Everything that was read there may have been changed; see [`Origin::number`].
    pub fn clear_origin(&mut self, number: u32) {
        self.clear_where(|entry| entry.key.starts_with(&number.to_le_bytes()));
    }

    fn clear_where(&mut self, which: impl Fn(&Entry) -> bool) {
        for index in 0..self.entries.len() {
            if self.entries[index].as_ref().is_some_and(&which) {
                self.forget(index as u32);
            }
        }
        if self.questions.is_empty() {
            // The tables that grew give their memory back.
            *self = Cache { serial: self.serial, counts: self.counts, ..Cache::new(self.limit) };
        }
    }

    fn forget(&mut self, index: u32) {
        let entry = self.entries.get(index as usize).and_then(Option::as_ref);
        self.counts.invalidations += u64::from(entry.is_some_and(|entry| entry.reply.is_some()));
        self.remove(index);
    }

    fn remove(&mut self, index: u32) {
        let Some(entry) = self.entries.get_mut(index as usize).and_then(Option::take) else { return };
        self.free.push(index);
        self.questions.remove(&entry.key);
        for key in keys_of(&entry.key) {
            if let Some(places) = self.keys.get_mut(key) {
                places.remove(&index);
                if places.is_empty() {
                    self.keys.remove(key);
                }
            }
        }
        self.counts.bytes -= entry.bytes;
        if entry.reply.is_some() {
            self.counts.entries -= 1;
            self.recency.remove(index);
        }
    }

    /// What is counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
