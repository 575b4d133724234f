//! Bytes only: what a command looks like on the wire and what comes back. No socket, no clock, no tokio.
//!
//! * [`catalog`]: what must be known of commands.
//! * [`command`]: argv to RESP and back. [`slot`]: which of the 16384 cluster slots a key belongs to.
//! * [`message`]: what servers say of publish and subscribe.
//! * [`reply`]: the immutable tree that a program gets.
//! * [`parser`]: bytes to replies, fed as they come. Inside, a tokenizer cuts the bytes, one structural machine
//!   gives the tokens their place, and a builder writes nodes into raw blocks.
//!
//! Invariant: nothing that a server sends panics, recurses, or sizes an allocation before its bytes are here.
mod block;
mod compose;
mod leaf;
mod limits;
mod machine;
mod number;
mod token;

pub mod catalog;
pub mod command;
pub mod message;
pub mod parser;
pub mod reply;
pub mod slot;

pub use parser::{Frame, Limits, Parser};
pub use reply::{Kind, Node, Reply};
