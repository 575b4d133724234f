//! The replies of a pipeline, which become one array.

use std::mem;
use std::sync::Arc;

use crate::connection::link::Link;
use crate::connection::unit::Unit;
use crate::error::{Outcome, Status};
use crate::protocol::reply::Reply;

use super::attempt::Attempts;
use super::cache::fill::CacheFill;
use super::completion::Verdict;
use super::merge::Merge;

/// The sequence number of a unit that stands at no link: it waits to be sent again.
pub const NOT_QUEUED: u64 = 0;

/// Where a part goes when it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// To whoever has its keys.
    Keys,
    /// To the node to which it was sent, whatever that says of others.
    Node,
    /// To whoever has this slot.
    Slot(u16),
}

#[derive(Debug)]
struct Part {
    /// Its unit at the link.
    sequence: u64,
    /// The link, if it is not that of the request.
    link: Option<Arc<Link>>,
    bound: Bound,
    attempts: Option<Box<Attempts>>,
    /// It was refused and is sent again.
    refused: Option<Box<Refused>>,
    reply: Option<Reply>,
    /// Its answer is to be kept.
    fill: Option<Box<CacheFill>>,
}

impl Part {
    /// It was refused, has keys in this slot, and is not over.
    fn is_refused(&self, slot: u16) -> bool {
        self.reply.is_none() && self.refused.as_ref().is_some_and(|refused| refused.slot == slot)
    }
}

/// A part that was refused.
#[derive(Debug)]
struct Refused {
    /// Of its keys.
    slot: u16,
    /// What is sent when it is its turn.
    waits: Option<Unit>,
}

/// The parts of one request, each answered in its own time.
#[derive(Debug)]
pub struct Gather {
    parts: Vec<Part>,
    missing: usize,
    merge: Merge,
}

impl Gather {
    /// As many parts as sequence numbers.
    pub fn new(sequences: impl Iterator<Item = u64>) -> Gather {
        let bound = Bound::Keys;
        let parts: Vec<Part> = sequences
            .map(|sequence| Part {
                sequence,
                link: None,
                bound,
                attempts: None,
                refused: None,
                reply: None,
                fill: None,
            })
            .collect();
        Gather { missing: parts.len(), parts, merge: Merge::List }
    }

    /// What the replies make up, in the place of a list of all; and where the parts go again, if not to their keys.
    pub fn set_merge(&mut self, merge: Merge, bounds: &[Bound]) {
        self.merge = merge;
        self.parts.iter_mut().zip(bounds).for_each(|(part, bound)| part.bound = *bound);
    }

    /// Where a part goes when it is sent again.
    pub fn bound(&self, part: u32) -> Bound {
        self.parts.get(part as usize).map_or(Bound::Keys, |part| part.bound)
    }

    /// Whether every part has its reply.
    pub fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether a part has its reply.
    pub fn has_answers(&self) -> bool {
        self.missing < self.parts.len()
    }

    /// Whether it is the last of all parts.
    pub fn is_last(&self, part: u32) -> bool {
        self.parts.len() == part as usize + 1
    }

    /// Whether all parts but one have their reply.
    pub fn is_last_missing(&self) -> bool {
        self.missing == 1
    }

    /// A part has come to its end.
    pub fn put(&mut self, part: u32, reply: Reply) {
        if let Some(part) = self.parts.get_mut(part as usize)
            && part.reply.replace(reply).is_none()
        {
            self.missing -= 1;
        }
    }

    /// The answer of a part is to be kept.
    pub fn set_fill(&mut self, part: usize, fill: Box<CacheFill>) {
        if let Some(part) = self.parts.get_mut(part) {
            part.fill = Some(fill);
        }
    }

    /// What keeps the answer of a part, which is taken out; none: it is not kept.
    pub fn take_fill(&mut self, part: u32) -> Option<Box<CacheFill>> {
        self.parts.get_mut(part as usize)?.fill.take()
    }

    /// Whether the answer of a part is to be kept.
    pub fn has_fill(&self, part: u32) -> bool {
        self.parts.get(part as usize).is_some_and(|part| part.fill.is_some())
    }

    /// A part with keys in this slot was refused, and this unit is to be sent again, perhaps at once. Parts of one slot
    /// that were refused keep their order: the unit is given back if it may go now.
    pub fn refused(&mut self, unit: Unit, slot: Option<u16>, at_once: bool) -> Option<Unit> {
        let Some(slot) = slot else { return Some(unit) };
        let place = unit.to.part as usize;
        let Some((before, [part, ..])) = self.parts.split_at_mut_checked(place) else { return Some(unit) };
        // What follows another one on the same link stays behind it.
        let follows = |other: &Part| {
            at_once
                && other.sequence != NOT_QUEUED
                && other.link.as_ref().map(Arc::as_ptr) == part.link.as_ref().map(Arc::as_ptr)
        };
        let waits = before.iter().filter(|other| other.is_refused(slot)).any(|other| !follows(other));
        let (waiting, sent) = if waits { (Some(unit), None) } else { (None, Some(unit)) };
        if waits {
            part.sequence = NOT_QUEUED;
        }
        part.refused = Some(Box::new(Refused { slot, waits: waiting }));
        sent
    }

    /// A part is over: what waited for it, and for no other of its slot.
    pub fn next_of_slot(&mut self, part: u32) -> Vec<Unit> {
        let Some(slot) = self.parts.get(part as usize).and_then(|part| Some(part.refused.as_ref()?.slot)) else {
            return Vec::new();
        };
        // Those that go to the same link at once keep their order there.
        let mut first = None;
        let later = self.parts.iter_mut().filter(|part| part.is_refused(slot));
        let together = later.map_while(|part| {
            let link = part.link.as_ref().map(Arc::as_ptr);
            let goes = *first.get_or_insert(link) == link;
            part.refused.as_mut().filter(|_| goes)?.waits.take()
        });
        together.collect()
    }

    /// A part stands in another place now.
    pub fn set_place(&mut self, part: u32, sequence: u64) {
        if let Some(part) = self.parts.get_mut(part as usize) {
            part.sequence = sequence;
        }
    }

    /// A part stands at another link now, or at that of its request again.
    pub fn set_link(&mut self, part: u32, link: Option<&Arc<Link>>) {
        if let Some(part) = self.parts.get_mut(part as usize) {
            part.link = link.cloned();
        }
    }

    /// The link of a part, if it is not that of the request.
    pub fn link(&self, part: u32) -> Option<&Arc<Link>> {
        self.parts.get(part as usize)?.link.as_ref()
    }

    /// The places of the parts that are not answered: the part, its link if that is not that of the request, and its
    /// unit there.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = (u32, Option<&Arc<Link>>, u64)> {
        let missing = self.parts.iter().enumerate().filter(|(_, part)| part.reply.is_none());
        missing.map(|(index, part)| (index as u32, part.link.as_ref(), part.sequence))
    }

    /// What became of earlier attempts of a part.
    pub fn attempts(&mut self, part: u32) -> Option<&mut Option<Box<Attempts>>> {
        self.parts.get_mut(part as usize).map(|part| &mut part.attempts)
    }

    /// Ends every part that is not answered, for this reason; `why` tells more of the unit at a place, and what may
    /// have become of it. The link of a place is given if it is not that of the request.
    pub fn end(
        &mut self,
        (status, link): (Status, &Link),
        mut why: impl FnMut(Option<&Arc<Link>>, u64, Option<&Attempts>) -> (String, Outcome),
    ) -> Verdict {
        for part in &mut self.parts {
            let (link, sequence, attempts) = (part.link.as_ref(), part.sequence, part.attempts.as_deref());
            part.reply.get_or_insert_with(|| {
                let (sentence, outcome) = why(link, sequence, attempts);
                Reply::error(status, outcome, &sentence)
            });
        }
        self.missing = 0;
        let is_map = matches!(self.merge, Merge::ByAddress(_));
        let verdict = self.finish(link);
        // A map is an answer, whatever stands in it.
        if is_map { Verdict { status, ..verdict } } else { verdict }
    }

    /// All parts in one reply, which is taken out; `link` is that of the request.
    pub fn finish(&mut self, link: &Link) -> Verdict {
        let (mut links, mut replies) = (Vec::new(), Vec::with_capacity(self.parts.len()));
        for Part { link, reply, .. } in mem::take(&mut self.parts) {
            links.push(link);
            replies.extend(reply);
        }
        let address = |part: usize| links.get(part).and_then(Option::as_deref).unwrap_or(link).address();
        mem::replace(&mut self.merge, Merge::List).verdict(replies, &address)
    }
}
