//! Writes the nodes of one reply after the other into blocks, driven by `open`, `leaf` and `close`.
//! Invariant: everything that a finished node leads to is linked into the chain; what still grows belongs to its level.
use std::ptr::{self, NonNull};

use crate::error::{Error, Status};

use super::super::leaf::{Leaf, NODE, verbatim_format};
use super::super::machine::Sink;
use super::buffer::Buffer;
use super::node::{HAS_ATTRIBUTES, Kind, Node};
use super::raw::{Block, Chain, Root, header_of, release};

/// Aggregates that declare more items than this get a place that grows with the items.
const DECLARED_ITEMS: usize = 64;

/// The smallest and the largest block that many nodes share.
const CHUNK: (usize, usize) = (4 << 10, 1 << 20);

/// The node of a leaf whose text stands at `bytes`.
#[inline]
fn node_of(leaf: &Leaf<'_>, bytes: *const u8) -> Node {
    let Leaf { kind, flags, integer, number, .. } = *leaf;
    let length = leaf.bytes.map_or(0, <[u8]>::len);
    Node { kind: kind.number(), flags, integer, number, bytes: bytes.cast(), length, items: ptr::null() }
}

/// Copies bytes and the NUL behind them.
///
/// # Safety
/// `place` is good for one byte more than there are `bytes`, and is not part of them.
#[inline]
unsafe fn write_text(place: *mut u8, bytes: &[u8]) {
    // SAFETY: as the caller says.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        place.add(bytes.len()).write(0);
    }
}

/// A whole reply of one leaf: one allocation, or none for the commonest.
#[inline]
pub(in super::super) fn single(leaf: &Leaf<'_>) -> Result<Root, Error> {
    let block = Block::new(leaf.memory())?;
    let payload = block.payload();
    let mut text = ptr::null_mut();
    if let Some(bytes) = leaf.bytes {
        // SAFETY: the payload has room for a node and, behind it, these bytes and their NUL.
        unsafe {
            text = payload.add(NODE);
            write_text(text, bytes);
        }
    }
    // SAFETY: the payload has room for a node, and blocks are aligned for nodes.
    unsafe { payload.cast::<Node>().write(node_of(leaf, text)) };
    Ok(Root::of(Chain { first: block.into_header() }))
}

/// An aggregate whose items are still coming.
struct Level {
    kind: Kind,
    /// Where the items go: into the chain, or into `growing`.
    items: *mut Node,
    filled: usize,
    capacity: usize,
    /// What the server declared, or `usize::MAX`.
    declared: usize,
    growing: Option<Block>,
    attributes: *const Node,
}

/// A long text whose bytes are still coming.
struct Text {
    kind: Kind,
    flags: u32,
    integer: i64,
    buffer: Buffer,
}

/// Builds replies. Reused, so that only the reply itself is allocated.
pub(in super::super) struct Builder {
    chain: Option<Chain>,
    /// The payload of the newest shared block, and its free part: nodes go to the front, bytes to the back.
    shared: *mut u8,
    front: usize,
    back: usize,
    /// The bytes of all linked blocks.
    total: usize,
    complete: bool,
    levels: Vec<Level>,
    /// The attributes of the next value.
    attributes: *const Node,
    text: Option<Text>,
}

// SAFETY: the pointers lead into blocks that this builder owns, and blocks have no tie to a thread.
unsafe impl Send for Builder {}
// SAFETY: through a shared reference nothing is written.
unsafe impl Sync for Builder {}

impl Builder {
    /// A builder that owns nothing.
    pub const fn new() -> Builder {
        Builder {
            chain: None,
            shared: ptr::null_mut(),
            front: 0,
            back: 0,
            total: 0,
            complete: false,
            levels: Vec::new(),
            attributes: ptr::null(),
            text: None,
        }
    }

    /// Starts a reply whose first block has room for `memory` bytes of nodes and text, the root included. What
    /// goes beyond gets further blocks. An unfinished reply is dropped.
    pub fn start(&mut self, memory: usize) -> Result<(), Error> {
        self.clear();
        let payload = memory.max(NODE);
        let block = Block::new(payload)?;
        self.shared = block.payload();
        (self.front, self.back, self.total) = (NODE, payload, payload);
        self.chain = Some(Chain { first: block.into_header() });
        Ok(())
    }

    /// Drops an unfinished reply.
    pub fn clear(&mut self) {
        self.levels.clear();
        self.levels.shrink_to(64);
        self.text = None;
        self.chain = None;
        self.complete = false;
        self.attributes = ptr::null();
        (self.shared, self.front, self.back) = (ptr::null_mut(), 0, 0);
    }

    /// The tree, when its root is there.
    pub fn finish(&mut self) -> Result<Root, Error> {
        let complete = self.complete && self.levels.is_empty();
        let chain = self.chain.take().filter(|_| complete);
        self.clear();
        chain.map(Root::of).ok_or_else(defect)
    }

    /// A value that is a whole tree already: its blocks are taken over, nothing but its root is copied.
    pub fn adopt(&mut self, root: Root) -> Result<(), Error> {
        let root = root.into_pointer();
        let Some(chain) = self.chain.as_mut() else {
            // SAFETY: the tree is owned here alone.
            unsafe { release(root) };
            return Err(defect());
        };
        // SAFETY: the root of a tree, owned here alone. Its node is read once, and from there on only the copy counts.
        let node = unsafe {
            let first = header_of(root);
            if (*first.as_ptr()).size > 0 {
                let mut last = first;
                while let Some(next) = NonNull::new((*last.as_ptr()).next) {
                    last = next;
                }
                chain.link_chain(first, last);
            }
            root.read()
        };
        self.place(node)
    }

    /// Starts a text that is too long to wait for, or comes in pieces.
    pub fn open_text(&mut self, leaf: &Leaf<'_>) {
        let Leaf { kind, flags, integer, .. } = *leaf;
        self.text = Some(Text { kind, flags, integer, buffer: Buffer::default() });
    }

    /// Where the bytes of the open text go, with room for a NUL in the end.
    pub fn text(&mut self) -> Option<&mut Buffer> {
        self.text.as_mut().map(|text| &mut text.buffer)
    }

    /// The open text is complete: it becomes a value.
    pub fn close_text(&mut self) -> Result<(), Error> {
        let Text { kind, flags, mut integer, mut buffer } = self.text.take().ok_or_else(defect)?;
        let needed = buffer.len().saturating_add(1);
        if buffer.capacity() < needed || buffer.spare() > needed / 16 {
            buffer.resize(needed)?;
        }
        buffer.append(b"\0");
        let mut start = 0;
        if kind == Kind::Verb {
            let format = buffer.as_bytes().first_chunk::<4>().ok_or_else(defect)?;
            integer = verbatim_format(format)?;
            start = format.len();
        }
        let (block, filled) = buffer.into_block();
        let block = block.ok_or_else(defect)?;
        let length = filled.saturating_sub(start + 1);
        let leaf = Leaf { flags, ..Leaf::integer(kind, integer) };
        // SAFETY: `filled` bytes of the payload are initialised, and `start` is within them.
        let bytes = unsafe { block.payload().add(start) };
        let node = Node { length, ..node_of(&leaf, bytes) };
        self.link(block)?;
        self.place(node)
    }

    fn link(&mut self, block: Block) -> Result<(), Error> {
        let chain = self.chain.as_mut().ok_or_else(defect)?;
        self.total = self.total.saturating_add(block.capacity());
        chain.link(block);
        Ok(())
    }

    /// A place of `size` bytes in the chain: for nodes in front (`size` a multiple of theirs), for bytes behind.
    fn room(&mut self, size: usize, for_nodes: bool) -> Result<*mut u8, Error> {
        if size > self.back - self.front {
            let chunk = (self.total / 16).clamp(CHUNK.0, CHUNK.1) & !(align_of::<Node>() - 1);
            // What would leave much of a shared block unused gets a block of its own size.
            if size > chunk / 16 {
                let block = Block::new(size)?;
                let place = block.payload();
                self.link(block)?;
                return Ok(place);
            }
            let block = Block::new(chunk)?;
            (self.shared, self.front, self.back) = (block.payload(), 0, chunk);
            self.link(block)?;
        }
        let offset = if for_nodes { self.front } else { self.back - size };
        if for_nodes {
            self.front += size;
        } else {
            self.back = offset;
        }
        // SAFETY: front <= offset <= back, within the payload of the shared block.
        Ok(unsafe { self.shared.add(offset) })
    }

    /// Writes a finished value where it belongs: behind its siblings, or to the root.
    #[inline(always)]
    fn place(&mut self, node: Node) -> Result<(), Error> {
        let place = match self.levels.last_mut() {
            Some(level) => level.next()?,
            None => {
                let chain = self.chain.as_ref().filter(|_| !self.complete).ok_or_else(defect)?;
                self.complete = true;
                chain.root().as_ptr()
            }
        };
        // SAFETY: a place for a node that is not written yet, in the chain or in the block that grows.
        unsafe { place.write(node) };
        if !self.attributes.is_null() {
            // SAFETY: just written, and nothing else refers to it.
            attach(unsafe { &mut *place }, self.attributes);
            self.attributes = ptr::null();
        }
        Ok(())
    }
}

/// Puts attributes into the field that a kind leaves unused.
fn attach(node: &mut Node, attributes: *const Node) {
    if !attributes.is_null() {
        node.flags |= HAS_ATTRIBUTES;
        if node.kind().is_aggregate() {
            node.bytes = attributes.cast();
        } else {
            node.items = attributes;
        }
    }
}

#[cold]
fn defect() -> Error {
    Error::new(Status::Internal, "a reply was built in a wrong order")
}

impl Level {
    /// The place of the next item.
    #[inline]
    fn next(&mut self) -> Result<*mut Node, Error> {
        if self.filled == self.capacity {
            self.grow()?;
        }
        // SAFETY: `filled` is below `capacity`, the number of nodes that `items` has room for.
        let place = unsafe { self.items.add(self.filled) };
        self.filled += 1;
        Ok(place)
    }

    /// Doubles the room, up to what was declared.
    fn grow(&mut self) -> Result<(), Error> {
        let capacity = self.capacity.saturating_mul(2).max(8).min(self.declared);
        let block = self.growing.as_mut().filter(|_| capacity > self.capacity).ok_or_else(defect)?;
        let size = capacity.checked_mul(NODE).ok_or_else(|| Error::memory(usize::MAX))?;
        block.resize(size)?;
        self.items = block.payload().cast();
        self.capacity = capacity;
        Ok(())
    }
}

impl Sink for Builder {
    fn open(&mut self, kind: Kind, declared: Option<usize>) -> Result<(), Error> {
        self.levels.try_reserve(1).map_err(|_| Error::memory(size_of::<Level>()))?;
        let free = (self.back - self.front) / NODE;
        let (mut items, mut capacity, mut growing) = (ptr::null_mut::<Node>(), 0, None);
        match declared {
            Some(0) => {}
            Some(count) if count <= DECLARED_ITEMS || count <= free => {
                capacity = count;
                items = self.room(count * NODE, true)?.cast();
            }
            _ => {
                capacity = declared.map_or(8, |_| DECLARED_ITEMS);
                let block = Block::new(capacity * NODE)?;
                items = block.payload().cast();
                growing = Some(block);
            }
        }
        let attributes = std::mem::replace(&mut self.attributes, ptr::null());
        let declared = declared.unwrap_or(usize::MAX);
        self.levels.push(Level { kind, items, filled: 0, capacity, declared, growing, attributes });
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Error> {
        let mut text = ptr::null_mut();
        if let Some(bytes) = leaf.bytes {
            text = self.room(bytes.len() + 1, false)?;
            // SAFETY: the room is so large, and new.
            unsafe { write_text(text, bytes) };
        }
        self.place(node_of(leaf, text))
    }

    fn close(&mut self) -> Result<(), Error> {
        let Level { kind, mut items, filled, capacity, declared, growing, attributes } =
            self.levels.pop().ok_or_else(defect)?;
        if declared != usize::MAX && filled != declared {
            return Err(defect());
        }
        if let Some(mut block) = growing {
            if filled < capacity {
                block.resize(filled * NODE)?;
                items = block.payload().cast();
            }
            self.link(block)?;
        }
        let mut node = node_of(&Leaf::new(kind), ptr::null());
        if filled > 0 {
            node.length = filled;
            node.items = items;
        }
        attach(&mut node, attributes);
        if kind == Kind::Attr {
            let place = self.room(NODE, true)?.cast::<Node>();
            // SAFETY: the room is a node large, aligned, and new.
            unsafe { place.write(node) };
            self.attributes = place;
            return Ok(());
        }
        self.place(node)
    }
}
