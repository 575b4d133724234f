//! The sinks that the requests at a link wait for, each held once however many requests name it, so that a request
//! needs no counted reference. Pure.
//!
//! Invariant: a sink is held as long as a request waits for it, and no longer.

use std::collections::HashMap;
use std::sync::Arc;

use super::sink::{Sink, SinkKey};

#[derive(Debug)]
struct Entry {
    sink: Arc<dyn Sink>,
    /// `None`: it is for one request only.
    key: Option<SinkKey>,
    /// How many requests wait for it.
    waiting: u32,
}

/// Sinks by a small number.
#[derive(Debug, Default)]
pub struct Sinks {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// The one that was named last, which is nearly always the one that is named next.
    last: Option<(SinkKey, u32)>,
    /// All others that have a key.
    others: HashMap<SinkKey, u32>,
}

impl Sinks {
    /// One more request waits for the sink of this key, or for the one that `sink` gives; gives its number.
    #[inline]
    pub fn add(&mut self, key: Option<SinkKey>, sink: impl FnOnce() -> Arc<dyn Sink>) -> u32 {
        if let (Some(key), Some((last, number))) = (key, self.last)
            && key == last
            && let Some(Some(entry)) = self.entries.get_mut(number as usize)
        {
            entry.waiting += 1;
            return number;
        }
        self.add_other(key, sink)
    }

    /// The number of a sink, if a request waits for it.
    pub fn number_of(&self, sink: &Arc<dyn Sink>) -> Option<u32> {
        let is_it = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| is_same(&entry.sink, sink));
        self.entries.iter().position(is_it).map(|number| number as u32)
    }

    /// Whether no request waits for any.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }

    fn add_other(&mut self, key: Option<SinkKey>, sink: impl FnOnce() -> Arc<dyn Sink>) -> u32 {
        let known = key.and_then(|key| self.others.remove(&key));
        let number = match known {
            Some(number) => {
                if let Some(Some(entry)) = self.entries.get_mut(number as usize) {
                    entry.waiting += 1;
                }
                number
            }
            None => self.insert(Entry { sink: sink(), key, waiting: 1 }),
        };
        if let Some(key) = key
            && let Some((last, number)) = self.last.replace((key, number))
        {
            self.others.insert(last, number);
        }
        number
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.entries.get_mut(number as usize) {
                    *place = Some(entry);
                }
                number
            }
            None => {
                self.entries.push(Some(entry));
                (self.entries.len() - 1) as u32
            }
        }
    }

    /// A request does not wait any more; gives its sink, if that is `wanted` or nobody else waits for it.
    #[inline]
    pub fn remove(&mut self, number: u32, wanted: bool) -> Option<Arc<dyn Sink>> {
        let place = self.entries.get_mut(number as usize)?;
        let entry = place.as_mut()?;
        entry.waiting -= 1;
        if entry.waiting > 0 {
            return wanted.then(|| Arc::clone(&entry.sink));
        }
        let Entry { sink, key, .. } = place.take()?;
        self.free.push(number);
        if let Some(key) = key {
            match self.last {
                Some((last, _)) if last == key => self.last = None,
                _ => _ = self.others.remove(&key),
            }
        }
        Some(sink)
    }
}

/// Whether both are the same sink. (Their tables of methods may be copies.)
pub fn is_same(sink: &Arc<dyn Sink>, other: &Arc<dyn Sink>) -> bool {
    Arc::as_ptr(sink).addr() == Arc::as_ptr(other).addr()
}

#[cfg(test)]
mod tests {
    use std::collections::vec_deque::Drain;

    use super::*;
    use crate::connection::sink::Completion;

    #[derive(Debug)]
    struct Nobody;

    impl Sink for Nobody {
        fn deliver(self: Arc<Self>, _completions: Drain<'_, Completion>) {}
    }

    /// Random requests for some sinks, of which some have no key, against a plain count.
    #[test]
    fn a_sink_is_held_once_and_as_long_as_somebody_waits() {
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut sinks = Sinks::default();
            let known: Vec<Arc<dyn Sink>> = (0..5).map(|_| Arc::new(Nobody) as Arc<dyn Sink>).collect();
            let mut waiting: Vec<(u32, usize)> = Vec::new();
            for _ in 0..1000 {
                if random.bool() {
                    let which = random.usize(0..known.len());
                    let key = (which > 0).then_some(SinkKey(which, 0));
                    waiting.push((sinks.add(key, || Arc::clone(&known[which])), which));
                } else if !waiting.is_empty() {
                    let (number, which) = waiting.swap_remove(random.usize(0..waiting.len()));
                    let wanted = random.bool();
                    let sink = sinks.remove(number, wanted);
                    let is_last = which == 0 || waiting.iter().all(|(_, other)| *other != which);
                    assert_eq!(sink.is_some(), wanted || is_last);
                    assert!(sink.is_none_or(|sink| Arc::ptr_eq(&sink, &known[which])));
                }
                for (which, sink) in known.iter().enumerate() {
                    let count = waiting.iter().filter(|(_, other)| *other == which).count();
                    assert_eq!(Arc::strong_count(sink) - 1, if which == 0 { count } else { count.min(1) });
                }
            }
        }
    }
}
