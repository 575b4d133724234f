//! A value without items on its way from the wire, or from the library, into a node.
//! Invariant: it holds what a node of its kind holds, and `memory` is what that node and its text take.
use crate::error::{Error, Outcome, Status};

use super::block::node::{Kind, Node};

/// The bytes of a node.
pub(super) const NODE: usize = size_of::<Node>();

/// A value without items.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub kind: Kind,
    pub flags: u32,
    pub integer: i64,
    pub number: f64,
    pub bytes: Option<&'a [u8]>,
}

impl<'a> Leaf<'a> {
    /// A leaf that is nothing but its kind.
    pub const fn new(kind: Kind) -> Leaf<'a> {
        Leaf { kind, flags: 0, integer: 0, number: 0.0, bytes: None }
    }

    /// A leaf with a text.
    pub const fn text(kind: Kind, bytes: &'a [u8]) -> Leaf<'a> {
        Leaf { kind, flags: 0, integer: 0, number: 0.0, bytes: Some(bytes) }
    }

    /// A leaf with an integer.
    pub const fn integer(kind: Kind, integer: i64) -> Leaf<'a> {
        Leaf { kind, flags: 0, integer, number: 0.0, bytes: None }
    }

    /// An error, with its reason and whether the server may have run the command.
    pub const fn error(status: Status, outcome: Outcome, text: &'a [u8]) -> Leaf<'a> {
        Leaf { kind: Kind::Error, flags: outcome.bit(), integer: status.code() as i64, number: 0.0, bytes: Some(text) }
    }

    /// What it takes in a block: a node, and the bytes with their NUL.
    #[inline]
    pub fn memory(&self) -> usize {
        NODE + self.bytes.map_or(0, |bytes| bytes.len() + 1)
    }
}

/// The three letters in front of a verbatim text, the first one in the lowest byte. A colon must follow them.
pub(super) fn verbatim_format(format: &[u8; 4]) -> Result<i64, Error> {
    let [first, second, third, colon] = format.map(i64::from);
    if colon != i64::from(b':') {
        return Err(Error::new(Status::Protocol, "expected a colon behind the format of a verbatim text"));
    }
    Ok(first | second << 8 | third << 16)
}
