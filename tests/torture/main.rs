//! What the library must survive. Each part runs small among the other tests, and in full by `make torture`, which says how
//! it goes and gives a verdict.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod subscriptions;
#[path = "../support/mod.rs"]
mod support;
