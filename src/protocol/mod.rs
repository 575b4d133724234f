//! Bytes only: what a command looks like on the wire and what comes back. No socket, no clock, no tokio.
pub mod catalog;
