//! **justredis**: a multiplexing Redis and Valkey client as a C shared library.
//!
//! The contract is `include/justredis.h`; this crate is what stands behind it. Layers, each of which knows
//! only those above it in this list:
//!
//! * [`error`], [`address`], [`config`], [`url`]: statuses, where a server listens, the table of options, how a URL
//!   spells them.
//! * [`protocol`]: bytes only. Commands out, replies in, key positions, slots. No socket, no clock.
//! * [`connection`]: one server. Sockets, and the order of replies.
//! * [`topology`]: which server.
//! * [`client`]: what was asked. Requests, retries, transactions, scripts, the one completion of each.
//! * [`ffi`]: C pointers, descriptors, callbacks, panics; all of the C API.
//!
//! Beside them stand [`runtime`], the one I/O thread of a process, [`lock`] and [`shrink`].
//!
//! A request comes in through [`ffi::submit`]; `client::submit` checks it and `client::intake` appends it to its
//! link, where it waits in [`connection::requests`]. It is written and matched with its reply by
//! [`connection::traffic`], in the background ([`connection::background_driver`]), on the thread of a caller
//! ([`connection::caller_driver`]) or of whoever takes from a queue ([`connection::queue_driver`]). A reply that is no
//! error completes it there; everything else is judged by `client::recipient` and `client::attempt`. One that needs a
//! connection of its own gets one out of the [`connection::pool`] of its [`topology::node`], or waits in its line.
//! `docs/architecture.md` follows the path file by file.
//!
//! A request with many answers (SUBSCRIBE, MONITOR) takes [`client`]'s way to a hub: one connection that hears messages
//! ([`connection::push`]) and a state machine that reconciles it with what is wanted. Each message waits in the bounded
//! [`client::mailbox`] of its request until the reader takes it.
//!
//! A read that may be cached asks `client::cache` first; `client::cached` keeps that right: what is written on the way
//! out and what the server tells on the way in makes it forget.
pub mod address;
pub mod client;
pub mod config;
pub mod connection;
pub mod error;
pub mod ffi;
pub mod lock;
pub mod protocol;
pub mod runtime;
pub mod shrink;
pub mod topology;
pub mod url;
