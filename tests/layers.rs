//! Imports point down only, in the whole of src: each layer knows those before it and none after, and every file but
//! lib.rs belongs to one. `unsafe` stays in ffi and in the two proven modules of the protocol. Held by reading the
//! source text.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::fs;
use std::path::Path;

use support::source::{paths_of, sources, tokens_of};

/// The layers from the lowest to the highest; what stands together may know each other.
const LAYERS: [&[&str]; 10] = [
    &["error"],
    &["lock", "shrink"],
    &["address"],
    &["runtime"],
    &["config", "url"],
    &["protocol"],
    &["connection"],
    &["topology"],
    &["client"],
    &["ffi"],
];

/// What a layer must not name, beyond the layers above it.
const FOREIGN: [(&str, &[&str]); 2] = [
    (
        "protocol",
        &[
            "tokio",
            "socket2",
            "rustix",
            "libc",
            "std::net",
            "std::os",
            "std::time::Instant",
            "std::time::SystemTime",
            "crate::address",
            "crate::config",
            "crate::runtime",
            "crate::url",
        ],
    ),
    ("client", &["libc", "std::ffi", "core::ffi", "std::os", "std::ptr", "core::ptr"]),
];

/// Where `unsafe` may stand.
const UNSAFE: [&str; 3] = ["ffi/", "protocol/reply.rs", "protocol/block"];

#[test]
fn imports_point_down_and_unsafe_stays_where_it_is_proven() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut breaches = Vec::new();
    for file in sources(&root, "") {
        let source = fs::read_to_string(root.join(&file)).unwrap();
        breaches.extend(breaches_of(&file, &source));
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// Whoever looks for a file finds it on the page on architecture, with what it is for.
#[test]
fn every_file_has_its_place_on_the_page_on_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|code| code.ends_with(".rs")).collect();
    let is_test = |file: &String| file.ends_with("tests.rs") || file.contains("/tests/");
    let files: Vec<String> = sources(&root.join("src"), "").into_iter().filter(|file| !is_test(file)).collect();
    let misplaced: Vec<&String> =
        files.iter().filter(|file| named.iter().filter(|name| *name == file).count() != 1).collect();
    assert!(misplaced.is_empty(), "not named exactly once: {misplaced:?}");
    let is_known = |name: &&str| name.starts_with("tests/") || files.iter().any(|file| file == name);
    let unknown: Vec<&str> = named.iter().copied().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "there are no such files: {unknown:?}");
}

#[test]
fn a_breach_is_seen_however_it_is_written() {
    let breaches = [
        ("protocol/parser.rs", "use crate::connection::link::Link;"),
        ("protocol/parser.rs", "use crate::{error::Error, client::{request, retry}};"),
        ("protocol/parser.rs", "fn f() { super::super::ffi::g() }"),
        ("protocol/mod.rs", "use super::topology;"),
        ("protocol/parser.rs", "use std::{fmt, time::Instant};"),
        ("protocol/parser.rs", "fn f(stream: std::net::TcpStream) {}"),
        ("protocol/parser.rs", "#[tokio::test] async fn f() {}"),
        ("connection/link.rs", "pub use crate::topology::cluster as c;"),
        ("topology/cluster.rs", "use crate::\n    client::request;"),
        ("client/request.rs", "use crate::ffi;"),
        ("client/request.rs", "struct Request { data: *const u8 }"),
        ("client/request.rs", "fn f(out: &mut *mut u8) {}"),
        ("connection/link.rs", "use crate::*;"),
        ("connection/link.rs", "fn f() { unsafe { g() } }"),
        ("protocol/parser.rs", "unsafe impl Send for P {}"),
        ("config.rs", "fn f() { unsafe { g() } }"),
        ("error.rs", "use crate::address::Address;"),
        ("lock.rs", "use crate::runtime;"),
        ("address.rs", "use super::config::Config;"),
        ("runtime.rs", "use crate::{error::Error, connection::link::Link};"),
        ("url.rs", "use crate::client::request;"),
        ("config.rs", "use crate::*;"),
        ("config/options.rs", "use super::super::protocol::reply::Reply;"),
        ("protocol/parser.rs", "use crate::config::Config;"),
        ("address.rs", "mod tests { fn f() {} } use super::*;"),
        ("address.rs", "mod tests { use super::super::client; }"),
        ("helpers.rs", "fn f() {}"),
        ("cluster/map.rs", "use crate::client;"),
    ];
    for (file, source) in breaches {
        assert!(!breaches_of(file, source).is_empty(), "{file} may not say: {source}");
    }
}

#[test]
fn what_is_allowed_is_no_breach() {
    let allowed = [
        ("protocol/parser.rs", "use super::reply::Reply; use crate::error::Error; use std::fmt;"),
        (
            "protocol/parser.rs",
            "// crate::client, unsafe\n/* tokio::spawn /* std::time */ */ const S: &str = \"unsafe\";",
        ),
        ("protocol/parser.rs", "const S: &str = r#\"crate::ffi \" unsafe\"#; const Q: char = '\"'; fn f<'a>() {}"),
        ("protocol/reply.rs", "fn f() { unsafe { g() } }"),
        ("connection/link.rs", "use crate::protocol::parser; use std::time::Instant; use tokio::sync::Notify;"),
        ("client/request.rs", "use crate::topology::standalone; fn f(a: u8, b: u8) -> u8 { a * b }"),
        ("ffi/client.rs", "use crate::client; use super::client::Client; fn f(p: *const u8) { unsafe { g(p) } }"),
        ("address.rs", "fn f() { g(|| {}) } mod tests { use super::*; use super::Address; }"),
        ("protocol/parser.rs", "mod tests { use super::super::ffi; }"),
        ("config/options.rs", "use super::Config; use crate::url; use crate::error::Error;"),
        ("url.rs", "use crate::config::Config;"),
        ("runtime.rs", "use crate::lock::Lock; use tokio::runtime::Handle;"),
        ("lib.rs", "#![deny(unsafe_code)] pub mod ffi;"),
    ];
    for (file, source) in allowed {
        assert_eq!(breaches_of(file, source), Vec::<String>::new());
    }
}

/// Every rule that a file breaks, one sentence each.
fn breaches_of(file: &str, source: &str) -> Vec<String> {
    let tokens = tokens_of(source);
    let mut breaches = Vec::new();
    if !UNSAFE.iter().any(|place| file.starts_with(place)) && tokens.iter().any(|token| token == "unsafe") {
        breaches.push(format!("src/{file}: unsafe is allowed in {} only", UNSAFE.join(", ")));
    }
    if file == "lib.rs" {
        return breaches;
    }
    let layer = file.split('/').next().unwrap().trim_end_matches(".rs");
    let Some(height) = LAYERS.iter().position(|names| names.contains(&layer)) else {
        breaches
            .push(format!("src/{file} belongs to no layer; give {layer} its place in tests/layers.rs and src/lib.rs"));
        return breaches;
    };
    for (path, inner) in paths_of(&tokens) {
        let path = absolute(&path, file, inner);
        let mut higher = LAYERS[height + 1..].iter().copied().flatten();
        let above = higher.any(|name| starts_with(&path, &format!("crate::{name}")));
        let foreign = FOREIGN.iter().filter(|(name, _)| *name == layer).flat_map(|(_, names)| *names);
        if above || path == "crate::*" || foreign.into_iter().any(|name| starts_with(&path, name)) {
            breaches.push(format!("src/{file}: {layer} must not know {path}"));
        }
    }
    let pointer = |pair: &[String]| pair[0] == "*" && (pair[1] == "const" || pair[1] == "mut");
    if layer == "client" && tokens.windows(2).any(pointer) {
        breaches.push(format!("src/{file}: no pointers in {layer}"));
    }
    breaches
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A path of as many `super` as its place is deep, in a file and in `inner` modules within it, starts at the root.
fn absolute(path: &str, file: &str, inner: usize) -> String {
    let depth = file.trim_end_matches("/mod.rs").split('/').count() + inner;
    let rest = path.trim_start_matches("super::");
    let supers = (path.len() - rest.len()) / "super::".len();
    if supers >= depth { format!("crate::{rest}") } else { path.to_owned() }
}
