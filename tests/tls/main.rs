//! TLS: who is trusted and who is refused, with which sentence; what TLS does to the stream of bytes, and what can be
//! done to it on the way. That everything else works over TLS, too, is shown by the other tests: see
//! `tests/support/transport.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod files;
mod programs;
mod records;
mod refused;
mod servers;
mod sessions;
mod streams;

use justredis::client::Client;
use justredis::error::Error;
use support::certificates;
use support::client::{Inbox, Tester, config};
use support::transport::{Tls, Versions};

/// The versions that are spoken.
const EACH: [Versions; 2] = [Versions::Only12, Versions::Only13];

/// A server in this version with the good certificate.
fn speaking(versions: Versions) -> Tls {
    Tls { versions, ..Tls::default() }
}

/// A client that trusts the authority of these tests.
fn trusting(url: impl AsRef<str>, options: &[(&str, &str)]) -> Tester {
    Tester::with(url, &[&[("tls_ca", certificates::path("ca.pem").as_str())], options].concat())
}

/// Why there is no such client.
fn impossible(url: &str, options: &[(&str, &str)]) -> Error {
    Client::<Inbox>::new(config(url, options), None).map(|_| ()).unwrap_err()
}
