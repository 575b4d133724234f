//! Gives the tokens of one reply their place: which aggregate a value belongs to, and when the reply is complete.
//! Invariant: it never recurses, and refuses what goes beyond the limits before a sink gets it.
use crate::error::{Error, Status};

use super::block::node::Kind;
use super::leaf::{Leaf, NODE};
use super::limits::Limits;

/// What is told of the structure of a reply.
pub(super) trait Sink {
    /// An aggregate starts, with so many items, or with an end that is marked.
    fn open(&mut self, kind: Kind, count: Option<usize>) -> Result<(), Error>;
    /// A value without items.
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Error>;
    /// The newest aggregate has all its items.
    fn close(&mut self) -> Result<(), Error>;
}

/// Builds nothing: the machine itself counts the memory.
pub(super) struct Counter;

impl Sink for Counter {
    fn open(&mut self, _: Kind, _: Option<usize>) -> Result<(), Error> {
        Ok(())
    }

    fn leaf(&mut self, _: &Leaf<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// An aggregate that is not complete.
struct Level {
    kind: Kind,
    /// The items that still have to come; of an aggregate with a marked end counted down from `usize::MAX`.
    left: usize,
    streamed: bool,
}

/// The structure of one reply, as far as it has come.
pub(super) struct Machine {
    limits: Limits,
    levels: Vec<Level>,
    memory: usize,
    /// Attributes have come, and their value has not.
    attributes: bool,
}

impl Machine {
    pub fn new(limits: Limits) -> Machine {
        Machine { limits, levels: Vec::new(), memory: 0, attributes: false }
    }

    /// What the replies may take from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Starts at the first byte of a reply.
    pub fn reset(&mut self) {
        self.levels.clear();
        self.levels.shrink_to(64);
        self.memory = 0;
        self.attributes = false;
    }

    /// The bytes that the nodes and texts so far take.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// A value without items has come. Whether the reply is complete.
    #[inline]
    pub fn leaf<S: Sink>(&mut self, leaf: &Leaf<'_>, sink: &mut S) -> Result<bool, Error> {
        self.charge(leaf.memory())?;
        sink.leaf(leaf)?;
        self.value(sink)
    }

    /// An aggregate has started. Whether the reply is complete, which it is when the aggregate is empty.
    pub fn open<S: Sink>(&mut self, kind: Kind, count: Option<usize>, sink: &mut S) -> Result<bool, Error> {
        if self.levels.len() >= self.limits.depth {
            return Err(refused(format!(
                "a reply is nested deeper than the limit of {} (max_reply_depth)",
                self.limits.depth
            )));
        }
        self.charge(NODE)?;
        // The items are paid for as they come; a count that cannot come is refused at once.
        if count.is_some_and(|count| count > (self.limits.reply_bytes - self.memory) / NODE) {
            return Err(self.too_large());
        }
        self.levels.try_reserve(1).map_err(|_| Error::memory(size_of::<Level>()))?;
        sink.open(kind, count)?;
        self.attributes = false;
        self.levels.push(Level { kind, left: count.unwrap_or(usize::MAX), streamed: count.is_none() });
        if count == Some(0) { self.close(sink) } else { Ok(false) }
    }

    /// The marked end of an aggregate has come. Whether the reply is complete.
    pub fn end<S: Sink>(&mut self, sink: &mut S) -> Result<bool, Error> {
        let whole = self.levels.last().is_some_and(|level| {
            let items = usize::MAX - level.left;
            level.streamed && !self.attributes && (!level.kind.is_paired() || items.is_multiple_of(2))
        });
        if !whole {
            return Err(refused("an aggregate ends where it cannot".into()));
        }
        self.close(sink)
    }

    /// A text starts that is not a leaf: so many bytes are known.
    pub fn text(&mut self, length: usize) -> Result<(), Error> {
        self.charge(NODE + 1)?;
        self.charge(length)
    }

    /// So many more bytes take memory.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        let sum = self.memory.checked_add(bytes).filter(|&sum| sum <= self.limits.reply_bytes);
        self.memory = sum.ok_or_else(|| self.too_large())?;
        Ok(())
    }

    /// A value is complete. Closes all aggregates that this completes; whether the reply is one of them.
    #[inline]
    pub fn value<S: Sink>(&mut self, sink: &mut S) -> Result<bool, Error> {
        self.attributes = false;
        let Some(level) = self.levels.last_mut() else { return Ok(true) };
        level.left -= 1;
        if level.left > 0 { Ok(false) } else { self.close(sink) }
    }

    /// The newest aggregate is complete, and with it perhaps some of those around it.
    fn close<S: Sink>(&mut self, sink: &mut S) -> Result<bool, Error> {
        while let Some(level) = self.levels.pop() {
            sink.close()?;
            self.attributes = level.kind == Kind::Attr;
            if self.attributes {
                // They stand beside the value that follows, and are no item.
                return Ok(false);
            }
            match self.levels.last_mut() {
                Some(outer) if outer.left > 1 => {
                    outer.left -= 1;
                    return Ok(false);
                }
                Some(_) => {}
                None => return Ok(true),
            }
        }
        Ok(true)
    }

    #[cold]
    fn too_large(&self) -> Error {
        refused(format!("a reply is larger than the limit of {} bytes (max_reply_bytes)", self.limits.reply_bytes))
    }
}

#[cold]
fn refused(message: String) -> Error {
    Error::new(Status::Protocol, message)
}
