//! What every block of a reply's memory starts with.
use super::node::Node;

/// What every block starts with. The payload stands directly behind it.
#[repr(C, align(8))]
pub(super) struct Header {
    /// The next block of the chain.
    pub(super) next: *mut Header,
    /// The bytes of the allocation with this header; 0 for a static block, which is never freed, and
    /// [`super::free_list::MARK`] for one that is not in use.
    pub(super) size: usize,
}

/// The bytes of a header.
pub(super) const HEADER: usize = size_of::<Header>();

const _: () = assert!(HEADER.is_multiple_of(align_of::<Node>()) && align_of::<Header>() >= align_of::<Node>());
const _: () = assert!(size_of::<usize>() != 8 || (size_of::<Node>() == 48 && HEADER == 16));
