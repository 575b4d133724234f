//! The map that is in use: what is asked of it, how it is replaced, and what is to be told of that.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::difference::{self, News};
use super::slot_map::SlotMap;
use super::{Cluster, Known};
use crate::address::Address;

/// So much news is kept until it is told.
const NEWS: usize = 4096;

impl Cluster {
    /// Who serves what, as far as is known.
    pub fn map(&self) -> SlotMap {
        self.known.lock().map.clone()
    }

    /// What the rounds have brought since this was asked last.
    pub fn take_news(&self) -> Vec<News> {
        mem::take(&mut self.known.lock().news)
    }

    /// Who takes writes to a slot.
    pub fn primary_of(&self, slot: u16) -> Option<Address> {
        self.known.lock().map.primary_of(slot).cloned()
    }

    /// Where the nodes that the map names are.
    pub fn addresses(&self) -> Vec<Address> {
        self.known.lock().map.nodes().cloned().collect()
    }

    /// Whether an earlier map named this node, and the present one does not.
    pub fn has_left(&self, address: &Address) -> bool {
        self.known.lock().former.contains(address)
    }

    /// Whether the map has changed since this was asked last.
    pub fn has_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst)
    }
}

impl Known {
    /// A round has brought a map; true: there is news. (What MOVED says between two rounds is told with the next one.)
    pub(super) fn note_news(&mut self) -> bool {
        let mut news = difference::difference(&self.last, &self.map);
        let is_news = !news.is_empty();
        if is_news {
            self.last = self.map.clone();
            // Nobody takes it where there is no timer.
            self.news.truncate(NEWS);
            self.news.append(&mut news);
        }
        is_news
    }

    /// So many former nodes are remembered at most.
    pub(super) fn replace_map(&mut self, map: SlotMap, most: usize) {
        let before = mem::replace(&mut self.map, map);
        self.routes = Arc::default();
        let named: BTreeSet<&Address> = self.map.nodes().collect();
        self.former.extend(before.nodes().cloned());
        self.former.retain(|address| !named.contains(address));
        if self.former.len() > most {
            self.former.clear();
        }
    }
}
