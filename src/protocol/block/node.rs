//! One node of a reply, as C sees it, and how it is read.
//! Invariant: every pointer of a node leads into the memory of the same reply or to static memory, a NUL follows every
//! `bytes`, and nothing is written once a reply exists. Nodes are made by `block` alone and never copied out.
use std::ffi::c_char;
use std::fmt;
use std::slice;

use crate::error::{Outcome, Status};

/// What a reply is. The numbers are those of hiredis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// `$`: a byte string.
    String = 1,
    /// `*`: a list.
    Array = 2,
    /// `:`: a number of 64 bits.
    Integer = 3,
    /// `_`, `$-1`, `*-1`: nothing.
    Nil = 4,
    /// `+`: a short text such as `OK`.
    Status = 5,
    /// `-`, `!`: an error.
    Error = 6,
    /// `,`: a floating point number.
    Double = 7,
    /// `#`: true or false.
    Bool = 8,
    /// `%`: key, value, key, value.
    Map = 9,
    /// `~`: a list without order or duplicates.
    Set = 10,
    /// `|`: what is told beside a value.
    Attr = 11,
    /// `>`: a message that answers no command.
    Push = 12,
    /// `(`: an integer of any size, as text.
    Bignum = 13,
    /// `=`: text with a format of three letters.
    Verb = 14,
}

impl Kind {
    /// Every kind, in the order of its number.
    /// cbindgen:ignore
    pub const ALL: [Kind; 14] = [
        Kind::String,
        Kind::Array,
        Kind::Integer,
        Kind::Nil,
        Kind::Status,
        Kind::Error,
        Kind::Double,
        Kind::Bool,
        Kind::Map,
        Kind::Set,
        Kind::Attr,
        Kind::Push,
        Kind::Bignum,
        Kind::Verb,
    ];

    /// The number that crosses the C boundary.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Whether it holds items.
    pub const fn is_aggregate(self) -> bool {
        matches!(self, Kind::Array | Kind::Map | Kind::Set | Kind::Attr | Kind::Push)
    }

    /// Whether its items are pairs of key and value.
    pub const fn is_paired(self) -> bool {
        matches!(self, Kind::Map | Kind::Attr)
    }
}

/// The flag of a node that has attributes. Private to the library, behind the outcome bits.
pub(super) const HAS_ATTRIBUTES: u32 = 1 << 8;

/// One node of a reply: public, read-only, 48 bytes where pointers have 64 bits. Exported to C as `jr_reply`.
///
/// Go by `kind`: it says which of the other fields have a meaning. The others are 0 or NULL, but for one
/// exception: a value with RESP3 attributes keeps them in a field that its kind leaves unused, so that a
/// pointer there is no sign of text or items. `jr_reply_attributes` reads them.
#[repr(C)]
pub struct Node {
    /// What it is: JR_STRING 1, JR_ARRAY 2, JR_INTEGER 3, JR_NIL 4, JR_STATUS 5, JR_ERROR 6, JR_DOUBLE 7,
    /// JR_BOOL 8, JR_MAP 9, JR_SET 10, JR_ATTR 11, JR_PUSH 12, JR_BIGNUM 13, JR_VERB 14.
    pub(in super::super) kind: u32,
    /// Of an error: its outcome (JR_OUTCOME_*). Other bits are private to the library.
    pub(super) flags: u32,
    /// Of an integer: its value. Of a bool: 0 or 1. Of an error: its jr_status. Of verbatim text: the three
    /// letters of its format, the first one in the lowest byte.
    pub(in super::super) integer: i64,
    /// Of a double: its value.
    pub(in super::super) number: f64,
    /// Strings, statuses, errors, big numbers, verbatim text without its format, and the text of a double as
    /// the server wrote it. A NUL always follows the last byte.
    pub(super) bytes: *const c_char,
    /// The length of bytes in bytes, or the number of items (of a map or of attributes: 2 x pairs).
    pub(super) length: usize,
    /// The items of an array, map, set, push or of attributes, contiguous; a map holds key, value, key, value.
    pub(super) items: *const Node,
}

// SAFETY: a node is never written once a reply exists, and what its pointers lead to lives as long and is as constant.
unsafe impl Sync for Node {}

impl Node {
    /// What it is.
    pub fn kind(&self) -> Kind {
        let index = (self.kind as usize).wrapping_sub(1);
        Kind::ALL.get(index).copied().unwrap_or(Kind::Nil)
    }

    /// The text of whatever has a text: strings, statuses, errors, doubles, big numbers, verbatim. Else empty.
    pub fn as_bytes(&self) -> &[u8] {
        if self.bytes.is_null() || self.kind().is_aggregate() {
            return &[];
        }
        // SAFETY: `bytes` of what is not an aggregate leads to `length` bytes that live as long as this node
        // (invariant).
        unsafe { slice::from_raw_parts(self.bytes.cast(), self.length) }
    }

    /// The items of an aggregate: of a map key, value, key, value. Empty for everything else.
    pub fn items(&self) -> &[Node] {
        if self.items.is_null() || !self.kind().is_aggregate() {
            return &[];
        }
        // SAFETY: `items` of an aggregate leads to `length` nodes that live as long as this one (invariant).
        unsafe { slice::from_raw_parts(self.items, self.length) }
    }

    /// The RESP3 attributes that stand beside this value: a node of kind [`Kind::Attr`].
    pub fn attributes(&self) -> Option<&Node> {
        if self.flags & HAS_ATTRIBUTES == 0 {
            return None;
        }
        let place = if self.kind().is_aggregate() { self.bytes.cast::<Node>() } else { self.items };
        // SAFETY: with this flag the field that the kind leaves unused is NULL or leads to a node of the same chain.
        unsafe { place.as_ref() }
    }

    /// The value of a key in a map, in attributes, or in a flat list of keys and values.
    pub fn find(&self, key: &[u8]) -> Option<&Node> {
        self.items().chunks_exact(2).find_map(|pair| match pair {
            [name, value] if name.as_bytes() == key => Some(value),
            _ => None,
        })
    }

    /// Of an error: the reason. [`Status::Server`] for what the server said.
    pub fn status_code(&self) -> Option<Status> {
        let code = i32::try_from(self.integer).ok()?;
        (self.kind() == Kind::Error).then(|| Status::from_code(code)).flatten()
    }

    /// Of an error: whether the server may have run the command.
    pub fn outcome(&self) -> Option<Outcome> {
        let outcomes = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered];
        let found = outcomes.into_iter().find(|outcome| self.flags & outcome.bit() != 0);
        found.filter(|_| self.kind() == Kind::Error)
    }

    /// Whether it is an error, of the server or of this library.
    pub fn is_error(&self) -> bool {
        self.kind() == Kind::Error
    }

    /// Whether it is nil.
    pub fn is_nil(&self) -> bool {
        self.kind() == Kind::Nil
    }
}

/// How much of a reply its Debug form shows: items of an aggregate, levels, bytes of a text.
const SHOWN: usize = 32;

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, 8, formatter)
    }
}

fn show(node: &Node, levels: usize, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(attributes) = node.attributes()
        && levels > 0
    {
        show(attributes, levels - 1, formatter)?;
        formatter.write_str(" ")?;
    }
    let kind = node.kind();
    match kind {
        Kind::Nil => formatter.write_str("Nil"),
        Kind::Integer | Kind::Bool => write!(formatter, "{kind:?}({})", node.integer),
        Kind::Double => write!(formatter, "{kind:?}({})", node.number),
        _ if kind.is_aggregate() => {
            write!(formatter, "{kind:?}[")?;
            for (index, item) in node.items().iter().enumerate() {
                if levels == 0 || index == SHOWN {
                    write!(formatter, " ... {} items", node.items().len())?;
                    break;
                }
                formatter.write_str(if index == 0 { "" } else { ", " })?;
                show(item, levels - 1, formatter)?;
            }
            formatter.write_str("]")
        }
        _ => {
            let text = node.as_bytes();
            let shown = text.get(..SHOWN).unwrap_or(text);
            write!(formatter, "{kind:?}(\"{}\"", shown.escape_ascii())?;
            if shown.len() < text.len() {
                write!(formatter, " ... {} bytes", text.len())?;
            }
            formatter.write_str(")")
        }
    }
}
