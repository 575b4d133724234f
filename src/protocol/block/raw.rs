//! Blocks, chains of blocks, and their end.
//! Invariant: a block is one allocation of exactly `Header::size` bytes that starts with its header; a chain ends
//! with a NULL `next`; a block is owned by one `Block`, or by the chain that it is linked into.
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ptr::{self, NonNull};

use super::free_list;
use super::header::{HEADER, Header};
use super::node::Node;
use crate::error::Error;

/// One block, linked to nothing, freed when dropped.
pub(super) struct Block {
    header: NonNull<Header>,
}

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block {}
// SAFETY: through a shared reference a block is only read.
unsafe impl Sync for Block {}

impl Block {
    /// A block with room for `payload` bytes, not initialised.
    #[inline]
    pub(super) fn new(payload: usize) -> Result<Block, Error> {
        let is_small = free_list::KEEPS && payload <= free_list::ROOM;
        if is_small && let Some(header) = free_list::take() {
            // SAFETY: memory of a small block, large and aligned enough for a header.
            unsafe { header.write(Header { next: ptr::null_mut(), size: free_list::SIZE }) };
            return Ok(Block { header });
        }
        let (size, layout) = layout(if is_small { free_list::ROOM } else { payload })?;
        // SAFETY: the layout is at least a header large.
        let memory = unsafe { alloc(layout) }.cast::<Header>();
        let header = NonNull::new(memory).ok_or_else(|| Error::memory(size))?;
        // SAFETY: fresh memory, large and aligned enough for a header.
        unsafe { header.write(Header { next: ptr::null_mut(), size }) };
        Ok(Block { header })
    }

    /// Changes the room to `payload` bytes. What fits in both stays, at another address. On failure nothing changes.
    pub(super) fn resize(&mut self, payload: usize) -> Result<(), Error> {
        let (size, _) = layout(payload)?;
        let (_, old) = layout(self.capacity())?;
        // SAFETY: `old` is the layout that this block was allocated with, and `size` is valid for its alignment.
        let memory = unsafe { realloc(self.header.as_ptr().cast(), old, size) }.cast::<Header>();
        self.header = NonNull::new(memory).ok_or_else(|| Error::memory(size))?;
        // SAFETY: the header is valid and this block's own.
        unsafe { (*self.header.as_ptr()).size = size };
        Ok(())
    }

    /// The bytes of the payload.
    pub(super) fn capacity(&self) -> usize {
        // SAFETY: the header is valid.
        unsafe { (*self.header.as_ptr()).size - HEADER }
    }

    /// Where the payload stands; good for `capacity` bytes until this block is resized or freed.
    #[inline]
    pub(super) fn payload(&self) -> *mut u8 {
        // SAFETY: the allocation is at least a header large.
        unsafe { self.header.as_ptr().cast::<u8>().add(HEADER) }
    }

    /// Gives the memory away, to a chain.
    #[inline]
    pub(super) fn into_header(self) -> NonNull<Header> {
        let header = self.header;
        std::mem::forget(self);
        header
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: this block owns its memory and nothing is linked behind it.
        unsafe { release_chain(self.header.as_ptr()) }
    }
}

/// The size of the allocation of a block with this payload, and its layout.
#[inline]
fn layout(payload: usize) -> Result<(usize, Layout), Error> {
    let size = payload.checked_add(HEADER).ok_or_else(|| Error::memory(payload))?;
    let layout = Layout::from_size_align(size, align_of::<Header>()).map_err(|_| Error::memory(size))?;
    Ok((size, layout))
}

/// A chain of blocks with one owner. Its first block starts with the root node, or with room for it.
pub(super) struct Chain {
    pub(super) first: NonNull<Header>,
}

// SAFETY: a chain is plain memory with one owner.
unsafe impl Send for Chain {}
// SAFETY: through a shared reference a chain is only read.
unsafe impl Sync for Chain {}

impl Chain {
    /// Takes a block in, behind the first one.
    pub(super) fn link(&mut self, block: Block) {
        let header = block.into_header();
        // SAFETY: the chain from `header` is that one block.
        unsafe { self.link_chain(header, header) };
    }

    /// Takes a whole chain in, behind the first block.
    ///
    /// # Safety
    /// `first` to `last` is a chain with no other owner from now on.
    pub(super) unsafe fn link_chain(&mut self, first: NonNull<Header>, last: NonNull<Header>) {
        // SAFETY: all headers are valid and owned; nothing refers to a header.
        unsafe {
            (*last.as_ptr()).next = (*self.first.as_ptr()).next;
            (*self.first.as_ptr()).next = first.as_ptr();
        }
    }

    /// The place of the root node.
    #[inline]
    pub(super) fn root(&self) -> NonNull<Node> {
        // SAFETY: the payload of the first block starts with the room of the root.
        unsafe { self.first.byte_add(HEADER).cast() }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the chain is owned.
        unsafe { release_chain(self.first.as_ptr()) }
    }
}

/// A finished root: a whole tree, constant from here on. Only `block` makes one.
pub(in super::super) struct Root(pub(super) NonNull<Node>);

impl Root {
    /// The root of a chain that is complete: its root node is written.
    #[inline]
    pub(super) fn of(chain: Chain) -> Root {
        let root = chain.root();
        std::mem::forget(chain);
        Root(root)
    }

    /// The root of a tree that has no owner any more.
    pub fn whole(root: NonNull<Node>) -> Root {
        Root(root)
    }

    /// The pointer, whose user now owns the chain.
    #[inline]
    pub fn into_pointer(self) -> NonNull<Node> {
        self.0
    }
}

/// The header of the block that a root node stands in.
///
/// # Safety
/// `root` is the root of a reply, with the provenance of its whole block.
#[inline]
pub(super) unsafe fn header_of(root: NonNull<Node>) -> NonNull<Header> {
    // SAFETY: a root stands directly behind the header of its block.
    unsafe { root.byte_sub(HEADER).cast() }
}

/// The bytes of all blocks of a root's chain; 0 for a static one.
///
/// # Safety
/// `root` is the root of a reply that is in use.
pub(in super::super) unsafe fn memory(root: NonNull<Node>) -> usize {
    // SAFETY: as the caller says.
    let mut header = unsafe { header_of(root) }.as_ptr();
    let mut bytes = 0usize;
    while !header.is_null() {
        // SAFETY: the headers of a chain are valid, and constant while its reply is in use.
        let (next, size) = unsafe { ((*header).next, (*header).size) };
        bytes = bytes.saturating_add(size);
        header = next;
    }
    bytes
}

/// Frees the tree of a root, block by block. Does nothing for a static one.
///
/// # Safety
/// `root` is the root of a reply that is used no more.
#[inline]
pub(in super::super) unsafe fn release(root: NonNull<Node>) {
    // SAFETY: as the caller says.
    unsafe { release_chain(header_of(root).as_ptr()) }
}

/// # Safety
/// The chain is owned and used no more.
#[inline]
unsafe fn release_chain(first: *mut Header) {
    let mut next = NonNull::new(first);
    while let Some(header) = next {
        // SAFETY: the header is valid, and read before its memory goes.
        let Header { next: behind, size } = unsafe { header.read() };
        if size <= free_list::MARK {
            return;
        }
        // SAFETY: the block was allocated with this size and this alignment, and is owned.
        unsafe {
            if !free_list::KEEPS || size != free_list::SIZE || !free_list::put(header) {
                dealloc(header.as_ptr().cast(), Layout::from_size_align_unchecked(size, align_of::<Header>()));
            }
        }
        next = NonNull::new(behind);
    }
}
