//! Replies that the library makes itself: constants, texts, errors, lists of other replies, copies.
//! Invariant: the constructors of single values always give a reply; without memory it is an error that says so.
use std::{ptr, slice};

use crate::error::{Error, Outcome, Status};

use super::block::{Builder, constant, out_of_memory, single};
use super::leaf::{Leaf, NODE};
use super::machine::Sink;
use super::reply::{Kind, Node, Reply};

impl Reply {
    /// The reply of one leaf.
    #[inline]
    pub(super) fn of_leaf(leaf: &Leaf<'_>) -> Result<Reply, Error> {
        match constant(leaf) {
            Some(root) => Ok(Reply::from_root(root)),
            None => single(leaf).map(Reply::from_root),
        }
    }

    fn of_leaf_or_error(leaf: &Leaf<'_>) -> Reply {
        Reply::of_leaf(leaf).unwrap_or_else(|_| Reply::from_root(out_of_memory(Outcome::Unknown)))
    }

    /// `+OK`.
    pub fn ok() -> Reply {
        Reply::status("OK")
    }

    /// Nothing.
    pub fn nil() -> Reply {
        Reply::of_leaf_or_error(&Leaf::new(Kind::Nil))
    }

    /// An integer.
    pub fn integer(value: i64) -> Reply {
        Reply::of_leaf_or_error(&Leaf::integer(Kind::Integer, value))
    }

    /// A short text. When there is no memory for it: an ERROR that says so, of unknown outcome.
    pub fn status(text: &str) -> Reply {
        Reply::of_leaf_or_error(&Leaf::text(Kind::Status, text.as_bytes()))
    }

    /// A byte string. When there is no memory for it: an ERROR that says so, of unknown outcome.
    pub fn string(bytes: &[u8]) -> Reply {
        Reply::of_leaf_or_error(&Leaf::text(Kind::String, bytes))
    }

    /// An error. When there is no memory for it: one that says so, with the same outcome.
    pub fn error(status: Status, outcome: Outcome, text: &str) -> Reply {
        let leaf = Leaf::error(status, outcome, text.as_bytes());
        Reply::of_leaf(&leaf).unwrap_or_else(|_| Reply::from_root(out_of_memory(outcome)))
    }

    /// A list of these replies, whose memory it takes over.
    pub fn array(items: Vec<Reply>) -> Result<Reply, Error> {
        join(Kind::Array, items.len(), items)
    }

    /// A message of these replies, whose memory it takes over.
    pub fn push(items: Vec<Reply>) -> Result<Reply, Error> {
        join(Kind::Push, items.len(), items)
    }

    /// A map of these replies, whose memory it takes over.
    pub fn map(pairs: Vec<(Reply, Reply)>) -> Result<Reply, Error> {
        let count = pairs.len().saturating_mul(2);
        join(Kind::Map, count, pairs.into_iter().flat_map(|(key, value)| [key, value]))
    }

    /// A deep copy of a node with these attributes beside it, in the place of those that it may have.
    pub fn copy_with(node: &Node, attributes: &[(&[u8], i64)]) -> Result<Reply, Error> {
        let mut memory = Memory(0);
        tell_with(node, attributes, &mut memory)?;
        let mut builder = Builder::new();
        builder.start(memory.0)?;
        tell_with(node, attributes, &mut builder)?;
        builder.finish().map(Reply::from_root)
    }

    /// The same with one attribute, which is a map of texts to copies of nodes.
    pub fn copy_with_map(node: &Node, name: &str, pairs: &[(String, &Node)]) -> Result<Reply, Error> {
        let mut memory = Memory(0);
        tell_with_map(node, name, pairs, &mut memory)?;
        let mut builder = Builder::new();
        builder.start(memory.0)?;
        tell_with_map(node, name, pairs, &mut builder)?;
        builder.finish().map(Reply::from_root)
    }

    /// A deep copy of a node, its attributes included, in one block. A copy of attributes is a map.
    pub fn copy(node: &Node) -> Result<Reply, Error> {
        let mut memory = Memory(0);
        walk(Step::Value(node), &mut memory)?;
        let mut builder = Builder::new();
        builder.start(memory.0)?;
        walk(Step::Value(node), &mut builder)?;
        builder.finish().map(Reply::from_root)
    }
}

fn join(kind: Kind, count: usize, items: impl IntoIterator<Item = Reply>) -> Result<Reply, Error> {
    let memory = count.checked_add(1).and_then(|nodes| nodes.checked_mul(NODE));
    let mut builder = Builder::new();
    builder.start(memory.ok_or_else(|| Error::memory(usize::MAX))?)?;
    builder.open(kind, Some(count))?;
    for item in items {
        builder.adopt(item.into_root())?;
    }
    builder.close()?;
    builder.finish().map(Reply::from_root)
}

/// What the nodes and texts of a tree take in one block.
struct Memory(usize);

impl Memory {
    fn add(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_add(bytes).ok_or_else(|| Error::memory(usize::MAX))?;
        Ok(())
    }
}

impl Sink for Memory {
    fn open(&mut self, _: Kind, _: Option<usize>) -> Result<(), Error> {
        self.add(NODE)
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Error> {
        self.add(leaf.memory())
    }

    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn tell_with<S: Sink>(node: &Node, attributes: &[(&[u8], i64)], sink: &mut S) -> Result<(), Error> {
    sink.open(Kind::Attr, Some(attributes.len().saturating_mul(2)))?;
    for (name, number) in attributes {
        sink.leaf(&Leaf::text(Kind::String, name))?;
        sink.leaf(&Leaf::integer(Kind::Integer, *number))?;
    }
    sink.close()?;
    walk(Step::Bare(node), sink)
}

fn tell_with_map<S: Sink>(node: &Node, name: &str, pairs: &[(String, &Node)], sink: &mut S) -> Result<(), Error> {
    sink.open(Kind::Attr, Some(2))?;
    sink.leaf(&Leaf::text(Kind::String, name.as_bytes()))?;
    sink.open(Kind::Map, Some(pairs.len().saturating_mul(2)))?;
    for (key, value) in pairs {
        sink.leaf(&Leaf::text(Kind::String, key.as_bytes()))?;
        walk(Step::Value(value), sink)?;
    }
    sink.close()?;
    sink.close()?;
    walk(Step::Bare(node), sink)
}

/// What is still to be told of a tree.
enum Step<'a> {
    /// A value with its attributes.
    Value(&'a Node),
    /// A value whose attributes were told.
    Bare(&'a Node),
    /// The items of an aggregate, then its end.
    Items(slice::Iter<'a, Node>),
}

/// Tells a sink the tree of a node, with its attributes or without: attributes before their value, without recursion.
fn walk<S: Sink>(first: Step<'_>, sink: &mut S) -> Result<(), Error> {
    let (Step::Value(root) | Step::Bare(root)) = first else { return Ok(()) };
    let mut steps = vec![first];
    while let Some(step) = steps.pop() {
        // Each step leaves at most two others.
        steps.try_reserve(2).map_err(|_| Error::memory(size_of::<Step<'_>>()))?;
        match step {
            Step::Value(node) => {
                steps.push(Step::Bare(node));
                steps.extend(node.attributes().map(Step::Value));
            }
            Step::Bare(node) if node.kind().is_aggregate() => {
                // Attributes stand beside a value; alone they are a map.
                let alone = node.kind() == Kind::Attr && ptr::eq(node, root);
                let kind = if alone { Kind::Map } else { node.kind() };
                sink.open(kind, Some(node.items().len()))?;
                steps.push(Step::Items(node.items().iter()));
            }
            Step::Bare(node) => sink.leaf(&leaf_of(node))?,
            Step::Items(mut items) => match items.next() {
                Some(item) => steps.extend([Step::Items(items), Step::Value(item)]),
                None => sink.close()?,
            },
        }
    }
    Ok(())
}

/// A node without items and attributes, as a sink wants it.
fn leaf_of(node: &Node) -> Leaf<'_> {
    let kind = node.kind();
    let bytes = match kind {
        Kind::Integer | Kind::Nil | Kind::Bool => None,
        _ => Some(node.as_bytes()),
    };
    let flags = node.outcome().map_or(0, Outcome::bit);
    Leaf { kind, flags, integer: node.integer, number: node.number, bytes }
}
