//! Bytes only: what a command looks like on the wire and what comes back. No socket, no clock, no tokio.
//!
//! * [`command`]: argv to RESP and back. [`slot`]: which of the 16384 cluster slots a key belongs to.
//!
//! Invariant: nothing that a server sends panics, recurses, or sizes an allocation before its bytes are here.
pub mod command;
pub mod slot;
