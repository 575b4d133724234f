//! Imports point down only, in the whole of src: each layer knows those before it and none after, and every file but lib.rs
//! belongs to one. `unsafe` stays in ffi and in the two proven modules of the protocol. Held by reading the source text.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

use std::fs;
use std::path::Path;

/// The layers from the lowest to the highest; what stands together may know each other.
const LAYERS: [&[&str]; 10] = [
    &["error"],
    &["lock", "spare"],
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
const UNSAFE: [&str; 4] = ["ffi/", "protocol/reply.rs", "protocol/node.rs", "protocol/block"];

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

/// All source files under a directory, as paths relative to it.
fn sources(root: &Path, below: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            files.extend(sources(root, &format!("{name}/")));
        } else if name.ends_with(".rs") {
            files.push(name);
        }
    }
    files.sort();
    files
}

/// Every rule that a file breaks, one sentence each.
fn breaches_of(file: &str, source: &str) -> Vec<String> {
    let tokens = tokens_of(&without_comments_and_strings(source));
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

/// The paths that a list of tokens names, the groups of `use` written out, and in how many modules within the file.
fn paths_of(tokens: &[String]) -> Vec<(String, usize)> {
    let mut paths = Vec::new();
    let mut index = 0;
    // How many braces are open, and which of them are those of modules.
    let (mut braces, mut modules) = (0, Vec::new());
    while index < tokens.len() {
        let mut found = Vec::new();
        match tokens[index].as_str() {
            "mod" if tokens.get(index + 2).is_some_and(|token| token == "{") => {
                braces += 1;
                modules.push(braces);
                index += 3;
            }
            word if is_word(word) => index = read_path(tokens, index, "", &mut found),
            other => {
                if other == "}" && modules.last() == Some(&braces) {
                    modules.pop();
                }
                braces += usize::from(other == "{");
                braces -= usize::from(other == "}").min(braces);
                index += 1;
            }
        }
        paths.extend(found.into_iter().map(|path| (path, modules.len())));
    }
    paths
}

/// Reads the path that starts at `index`, with what stands before it; gives the index behind it.
fn read_path(tokens: &[String], mut index: usize, before: &str, paths: &mut Vec<String>) -> usize {
    let token = |index: usize| tokens.get(index).map_or("", String::as_str);
    let mut path = before.to_owned();
    loop {
        path.push_str(token(index));
        index += 1;
        if token(index) != "::" {
            break;
        }
        match token(index + 1) {
            "{" => {
                index += 2;
                while !matches!(token(index), "}" | "") {
                    index = match token(index) {
                        word if is_word(word) => read_path(tokens, index, &format!("{path}::"), paths),
                        _ => index + 1,
                    };
                }
                return index + 1;
            }
            next if is_word(next) || next == "*" => {
                path.push_str("::");
                index += 1;
            }
            _ => break,
        }
    }
    paths.push(path);
    index
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::`, and every other character by itself.
fn tokens_of(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut characters = code.chars().peekable();
    while let Some(first) = characters.next() {
        let mut token = String::from(first);
        if first.is_alphanumeric() || first == '_' {
            while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                token.push(next);
            }
        } else if first == ':' {
            token.extend(characters.next_if_eq(&':'));
        } else if first.is_whitespace() {
            continue;
        }
        tokens.push(token);
    }
    tokens
}

/// The source with comments and literals taken out.
fn without_comments_and_strings(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            'r' if !code.ends_with(|last: char| last.is_alphanumeric() || last == '_') => raw_string(rest),
            '"' => string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            code.push(first);
        } else {
            code.push(' ');
        }
        rest = &rest[length.max(first.len_utf8())..];
    }
    code
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(text: &str) -> usize {
    let body = text[1..].trim_start_matches('#');
    let hashes = "#".repeat(text.len() - 1 - body.len());
    let end = format!("\"{hashes}");
    match body.strip_prefix('"').and_then(|body| body.find(&end)) {
        Some(length) => 1 + hashes.len() + 1 + length + end.len(),
        None => 0,
    }
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// A literal such as `'"'` or `'\n'`; a lifetime is none.
fn character(text: &str) -> usize {
    let body = text[1..].chars().next().map_or(0, char::len_utf8);
    match &text[1..] {
        escaped if escaped.starts_with('\\') => escaped[2..].find('\'').map_or(0, |at| at + 4),
        plain if plain[body..].starts_with('\'') => body + 2,
        _ => 0,
    }
}
