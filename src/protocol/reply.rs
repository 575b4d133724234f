//! The reply: an immutable tree of [`Node`]s in a chain of raw blocks, owned by one [`Reply`]. Invariant: every pointer
//! of a node leads into the chain of the same reply or to static memory, a NUL follows every `bytes`, and nothing is
//! written once a `Reply` exists, but for the kind of an owned root. Nodes are made by `block` alone and never copied
//! out.
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use super::block;

pub use super::block::node::{Kind, Node};

/// A whole reply. Dropping it frees all of it, without recursion.
pub struct Reply {
    root: NonNull<Node>,
}

// SAFETY: a reply owns its blocks alone, and blocks have no tie to a thread.
unsafe impl Send for Reply {}
// SAFETY: a reply is never written through a shared reference, nor anything that it leads to.
unsafe impl Sync for Reply {}

impl Reply {
    /// The tree of a root node that stands in the first block of its chain.
    pub(super) fn from_root(root: block::Root) -> Reply {
        Reply { root: root.into_pointer() }
    }

    /// Gives the tree away, to become part of another.
    pub(super) fn into_root(self) -> block::Root {
        let root = block::Root::whole(self.root);
        std::mem::forget(self);
        root
    }

    /// Gives the tree away: to C, or to whatever calls [`Reply::from_raw`] later.
    pub fn into_raw(self) -> *mut Node {
        let root = self.root.as_ptr();
        std::mem::forget(self);
        root
    }

    /// How much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        // SAFETY: the root is that of this reply.
        unsafe { block::memory(self.root) }
    }

    /// The same as a message: under RESP2 messages come as lists. Only a list with items can be one.
    pub fn into_push(self) -> Reply {
        if self.kind() == Kind::Array && !self.items().is_empty() {
            // SAFETY: the reply is owned, so that nothing refers to its root. A list with items is no static constant,
            // and a push keeps its items, and its attributes, in the same fields.
            unsafe { (*self.root.as_ptr()).kind = Kind::Push.number() };
        }
        self
    }

    /// Takes a tree back.
    ///
    /// # Safety
    /// `root` came from [`Reply::into_raw`], and nothing else uses it.
    pub unsafe fn from_raw(root: NonNull<Node>) -> Reply {
        Reply { root }
    }
}

impl Deref for Reply {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        // SAFETY: the root is valid and constant for as long as the reply lives.
        unsafe { self.root.as_ref() }
    }
}

impl Drop for Reply {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this reply owns the chain of its root, and no reference outlives it.
        unsafe { block::release(self.root) }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}
