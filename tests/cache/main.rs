//! Reads that are answered from the cache of the client: without the server as long as nothing changes, and never with
//! what the client knows to be old, whoever writes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod changes;

use support::client::Tester;
use support::server::Server;
use support::wait;

const CACHE: [(&str, &str); 2] = [("cache_bytes", "1MiB"), ("reconnect_delay_max", "50ms")];

fn caching(server: &Server) -> Tester {
    let client = Tester::with(server.url(), &CACHE);
    client.until_connected();
    client
}

/// The text of a read that the cache may answer.
fn read(client: &Tester, words: &[&str]) -> String {
    let done = client.cached(words);
    assert!(done.is_ok(), "{done:?} {}", done.text());
    done.text()
}

/// How often a command was called, as the server counts.
fn calls(server: &Server, command: &str) -> usize {
    let info = server.command(&["INFO", "commandstats"]).text();
    let prefix = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// Waits until a cached read says this; how often it had to be tried depends on when the server's word arrives.
fn until_read(client: &Tester, words: &[&str], text: &str) {
    wait::until(&format!("{words:?} is {text:?}"), || read(client, words) == text);
}
