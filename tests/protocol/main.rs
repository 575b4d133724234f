//! The protocol layer from outside: bytes in, trees out. Whole == chunked, hostile bytes, memory, constructors.
// Helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod constructors;
mod counting;
mod hostile;
mod memory;
mod random;
mod support;
mod vectors;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
