//! The protocol layer from outside: bytes in, trees out. Whole == chunked, hostile bytes, memory, constructors.
mod constructors;
mod counting;
mod hostile;
mod memory;
mod random;
mod support;
mod vectors;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
