//! What the integration tests stand on: real servers, a proxy that injects faults, a server that follows a script, and
//! waiting for conditions. But for `client`, nothing here uses the library under test, so that it can judge it.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken harness must stop the test")]

pub mod api;
pub mod certificates;
pub mod client;
pub mod cluster;
pub mod flow;
pub mod guard;
pub mod messages;
pub mod numbers;
pub mod port;
pub mod proxy;
pub mod readers;
pub mod resp;
pub mod rotation;
pub mod scripted;
pub mod sentinel;
pub mod server;
pub mod source;
pub mod transport;
pub mod wait;
pub mod wire;
