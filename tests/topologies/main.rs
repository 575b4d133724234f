//! Every capability on every topology: the same small program runs on one server, over a Unix socket, behind sentinels,
//! on a cluster, on a cluster with TLS, and on clusters of the newest servers. Each pair is a test of its own; a table
//! at the end shows what ran.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod capabilities;
mod places;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};

use self::capabilities::CAPABILITIES;
use self::places::{NAMES, Places};

/// What became of a capability in a place.
type Results = Arc<Mutex<BTreeMap<(usize, usize), &'static str>>>;

fn main() {
    let arguments = Arguments::from_args();
    let (places, results) = (Arc::new(Places::default()), Results::default());
    let mut trials = Vec::new();
    for (row, (name, capability)) in CAPABILITIES.iter().enumerate() {
        for (column, place) in NAMES.iter().enumerate() {
            let (places, results) = (Arc::clone(&places), Arc::clone(&results));
            let test = move || {
                results.lock().unwrap().insert((row, column), "FAILED");
                let outcome = places.get(column).map_or("not here", capability);
                results.lock().unwrap().insert((row, column), outcome);
                Ok(())
            };
            trials.push(Trial::test(
                format!("{}::{}", place.replace([' ', ','], "_"), name.replace([' ', ','], "_")),
                test,
            ));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    print_table(&results.lock().unwrap());
    // The servers end with it, which exit() would forget.
    drop(places);
    conclusion.exit();
}

/// A line for each capability of which anything ran.
fn print_table(results: &BTreeMap<(usize, usize), &'static str>) {
    if results.is_empty() {
        return;
    }
    let width = CAPABILITIES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |first: &str, cells: Vec<&str>| {
        let cells: Vec<String> =
            cells.iter().zip(NAMES).map(|(cell, name)| format!("{cell:<width$}", width = name.len())).collect();
        println!("| {first:<width$} | {} |", cells.join(" | "));
    };
    line("capability", NAMES.to_vec());
    for (row, (name, _)) in CAPABILITIES.iter().enumerate() {
        let cells: Vec<&str> =
            (0..NAMES.len()).map(|column| results.get(&(row, column)).copied().unwrap_or("-")).collect();
        line(name, cells);
    }
}
