//! Raw memory of replies. With `reply` the only unsafe code of the protocol.
mod buffer;
mod builder;
mod constant;
mod free_list;
mod header;
pub(super) mod node;
mod raw;

pub(super) use buffer::Buffer;
pub(super) use builder::{Builder, single};
pub(super) use constant::{constant, out_of_memory};
pub(super) use raw::{Root, memory, release};
