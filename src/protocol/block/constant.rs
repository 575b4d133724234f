//! The commonest replies as static blocks: no allocation, and freeing them does nothing.
//! Invariant: a static header has size 0 and no next; a static node has no attributes.
use std::ptr::{self, NonNull};

use crate::error::{Outcome, Status};

use super::super::leaf::Leaf;
use super::header::{HEADER, Header};
use super::node::{Kind, Node};
use super::raw::Root;

#[repr(C)]
struct Constant {
    header: Header,
    node: Node,
}

// SAFETY: never written; its pointers are NULL or lead to static bytes.
unsafe impl Sync for Constant {}

impl Constant {
    const fn new(kind: Kind, flags: u32, integer: i64, text: Option<&'static [u8]>) -> Constant {
        let (bytes, length) = match text {
            // The NUL that ends `text` is not counted.
            Some(text) => (text.as_ptr(), text.len() - 1),
            None => (ptr::null(), 0),
        };
        let header = Header { next: ptr::null_mut(), size: 0 };
        let kind = kind.number();
        Constant {
            header,
            node: Node { kind, flags, integer, number: 0.0, bytes: bytes.cast(), length, items: ptr::null() },
        }
    }

    fn root(&'static self) -> Root {
        // The pointer is made from the whole constant, so that the header may be reached from it.
        // SAFETY: the node stands behind the header.
        Root(unsafe { NonNull::from(self).byte_add(HEADER).cast() })
    }
}

const LEAST: i64 = -1;
const INTEGERS: usize = 1025;

static NUMBERS: [Constant; INTEGERS] = numbers();
static NIL: Constant = Constant::new(Kind::Nil, 0, 0, None);
static FALSE: Constant = Constant::new(Kind::Bool, 0, 0, None);
static TRUE: Constant = Constant::new(Kind::Bool, 0, 1, None);
static EMPTY: Constant = Constant::new(Kind::Array, 0, 0, None);
static NOTHING: Constant = Constant::new(Kind::String, 0, 0, Some(b"\0"));
static OK: Constant = Constant::new(Kind::Status, 0, 0, Some(b"OK\0"));
static PONG: Constant = Constant::new(Kind::Status, 0, 0, Some(b"PONG\0"));
static QUEUED: Constant = Constant::new(Kind::Status, 0, 0, Some(b"QUEUED\0"));
static NO_MEMORY: [Constant; 3] =
    [no_memory(Outcome::NotRun), no_memory(Outcome::Unknown), no_memory(Outcome::Answered)];

const fn numbers() -> [Constant; INTEGERS] {
    const ZERO: Constant = Constant::new(Kind::Integer, 0, 0, None);
    let mut table = [ZERO; INTEGERS];
    let mut index = 0;
    while index < INTEGERS {
        table[index].node.integer = LEAST + index as i64;
        index += 1;
    }
    table
}

const fn no_memory(outcome: Outcome) -> Constant {
    Constant::new(Kind::Error, outcome.bit(), Status::Memory.code() as i64, Some(b"out of memory\0"))
}

/// The static reply that equals this leaf, if there is one.
#[inline]
pub(in super::super) fn constant(leaf: &Leaf<'_>) -> Option<Root> {
    let found = match leaf.kind {
        Kind::Status => match leaf.bytes? {
            b"OK" => &OK,
            b"PONG" => &PONG,
            b"QUEUED" => &QUEUED,
            _ => return None,
        },
        Kind::Integer => NUMBERS.get(usize::try_from(leaf.integer.checked_sub(LEAST)?).ok()?)?,
        Kind::Nil => &NIL,
        Kind::Bool if leaf.integer == 0 => &FALSE,
        Kind::Bool => &TRUE,
        Kind::Array => &EMPTY,
        Kind::String if leaf.bytes?.is_empty() => &NOTHING,
        _ => return None,
    };
    Some(found.root())
}

/// The error that says that there was no memory even for an error.
pub(in super::super) fn out_of_memory(outcome: Outcome) -> Root {
    let [not_run, unknown, answered] = &NO_MEMORY;
    match outcome {
        Outcome::NotRun => not_run.root(),
        Outcome::Unknown => unknown.root(),
        Outcome::Answered => answered.root(),
    }
}
