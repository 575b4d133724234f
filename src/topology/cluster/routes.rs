//! The links to the primaries, by slot: what most requests ask, in a form that can be kept for a while without a lock.
//!
//! Invariant: it says what the map said when it was made. It lacks links that were not needed yet.

use std::sync::Arc;

use super::slot_map::{Owners, shard_of};
use crate::connection::link::Link;

/// Which link leads to the primary of a slot.
#[derive(Clone, Default)]
pub struct Routes {
    /// The place of the shard of each slot; `None`: nothing is known.
    owners: Option<Owners>,
    /// The links, by the place of their shard.
    links: Vec<Option<Arc<Link>>>,
}

impl Routes {
    /// Those of a map with so many shards, to which no links are known yet.
    pub(super) fn new(owners: Owners, shards: usize) -> Routes {
        Routes { owners: Some(owners), links: vec![None; shards] }
    }

    /// This link leads to the primary of a slot.
    pub(super) fn add(&mut self, slot: u16, link: &Arc<Link>) {
        let shard = self.owners.as_ref().and_then(|owners| shard_of(owners, slot));
        if let Some(place) = shard.and_then(|shard| self.links.get_mut(shard)) {
            *place = Some(Arc::clone(link));
        }
    }

    /// The link to the primary of a slot; `None`: none is known.
    #[inline]
    pub fn link_of_slot(&self, slot: u16) -> Option<&Arc<Link>> {
        let shard = shard_of(self.owners.as_ref()?, slot)?;
        self.links.get(shard)?.as_ref()
    }
}
