//! The protocol layer from outside: bytes in, trees out. Whole == chunked, hostile bytes, memory, constructors.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod constructors;
mod counting;
mod hostile;
// Without debug assertions a thread keeps small blocks at hand, which this counts as lost.
#[cfg(debug_assertions)]
mod memory;
mod random;
mod support;
mod table;
mod vectors;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
