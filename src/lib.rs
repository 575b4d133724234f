//! **justredis**: a multiplexing Redis and Valkey client as a C shared library.
//!
//! The contract is `include/justredis.h`; this crate is what stands behind it. Layers, each of which knows
//! only those above it in this list:
//!
//! * [`error`], [`address`], [`config`], [`url`]: statuses, where a server listens, the table of options, how a URL
//!   spells them.
//! * [`protocol`]: bytes only. Commands out, replies in, key positions, slots. No socket, no clock.
pub mod address;
pub mod config;
pub mod connection;
pub mod error;
pub mod protocol;
pub mod url;
