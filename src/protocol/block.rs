//! Raw memory of replies. With `node` and `reply` the only unsafe code of the protocol.
mod buffer;
mod builder;
mod constant;
mod header;
mod raw;
mod spare;

pub(super) use buffer::Buffer;
pub(super) use builder::{Builder, single};
pub(super) use constant::{constant, out_of_memory};
pub(super) use raw::{Root, memory, release};
