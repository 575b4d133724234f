//! No two files of src import each other, directly or in a circle: whoever reads one needs not read all. Held by
//! reading the source text. Methods may be spread over files (`impl` blocks); what counts is which file names which.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use support::source::{paths_of, sources, tokens_of};

/// Which file names which other ones; a file goes by the path of its module.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_two_files_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<(String, String)> = sources(&root, "")
        .into_iter()
        .filter(|file| !file.ends_with("tests.rs"))
        .map(|file| (module_of(&file), fs::read_to_string(root.join(&file)).unwrap()))
        .collect();
    assert!(files.len() > 100, "the sources are found");
    let circles = circles_of(&imports_of(&files));
    assert_eq!(circles, Vec::<Vec<String>>::new(), "files that import each other");
}

#[test]
fn circles_are_seen_however_they_are_written() {
    let circle = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        circles_of(&imports_of(&files))
    };
    let pair = vec![vec!["a".to_string(), "b".to_string()]];
    assert_eq!(circle(&[("a", "use crate::b::B;"), ("b", "use super::a::A;")]), pair);
    assert_eq!(circle(&[("a", "use crate::{c, b::{B, C}};"), ("b", "fn f(a: crate::a::A) {}"), ("c", "")]), pair);
    assert_eq!(circle(&[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")])[0].len(), 3);
    let parent = vec![vec!["a".to_string(), "a::b".to_string()]];
    assert_eq!(circle(&[("a", "mod b; use b::B;"), ("a::b", "use super::A;")]), parent);
    assert_eq!(circle(&[("a", "mod b; pub use self::b::B;"), ("a::b", "use crate::a::A;")]), parent);
    // A declaration is no import, nor is what tests within a file name, nor who may see something.
    assert!(circle(&[("a", "mod b;"), ("a::b", "use super::A; pub(in super::super) fn f() {}")]).is_empty());
    assert!(circle(&[("a", "mod tests { use crate::b::B; }"), ("b", "use crate::a::A; // crate::c")]).is_empty());
}

/// `client/mod.rs` is `client`, `client/hub/action.rs` is `client::hub::action`, `lib.rs` the root.
fn module_of(file: &str) -> String {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    if name == "lib" { String::new() } else { name }
}

fn imports_of(files: &[(String, String)]) -> Imports {
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let imports = files.iter().map(|(module, text)| {
        let mut named = BTreeSet::new();
        for (path, inner) in paths_of(&without_visibility(tokens_of(text))) {
            if let Some(other) = (inner == 0).then(|| file_of(&path, module, &names)).flatten()
                && other != module
            {
                named.insert(other.to_string());
            }
        }
        (module.clone(), named)
    });
    imports.collect()
}

/// Without `pub(in path)`, which names a module and imports nothing.
fn without_visibility(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_pub = token == "pub";
        kept.push(token);
        if is_pub && tokens.next_if(|next| next == "(").is_some() {
            while tokens.next().is_some_and(|token| token != ")") {}
        }
    }
    kept
}

/// The file in which a path, as it stands in `module`, ends; `None`: in none of ours.
fn file_of<'a>(path: &str, module: &str, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    let mut at: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let mut parts: Vec<&str> = path.split("::").collect();
    match parts[0] {
        "crate" => (at, parts) = (Vec::new(), parts.split_off(1)),
        "self" => parts = parts.split_off(1),
        "super" => {
            while parts.first() == Some(&"super") {
                at.pop();
                parts = parts.split_off(1);
            }
        }
        // A child module, or something from elsewhere.
        child if parts.len() > 1 && names.contains(join(&at, &[child]).as_str()) => {}
        _ => return None,
    }
    let longest = (0..=parts.len()).rev().map(|count| join(&at, &parts[..count]));
    longest.filter_map(|name| names.get(name.as_str()).copied()).find(|name| !name.is_empty())
}

fn join(at: &[&str], parts: &[&str]) -> String {
    at.iter().chain(parts).copied().collect::<Vec<_>>().join("::")
}

/// The groups of files each of which can be reached from each other one of its group.
fn circles_of(imports: &Imports) -> Vec<Vec<String>> {
    let reachable: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|from| (from.as_str(), reachable_from(from, imports))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, reached) in &reachable {
        let group: Vec<String> =
            reached.iter().filter(|other| reachable[*other].contains(file)).map(ToString::to_string).collect();
        if reached.contains(file) {
            circles.insert(group);
        }
    }
    circles.into_iter().collect()
}

fn reachable_from<'a>(file: &str, imports: &'a Imports) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        for other in imports.get(file).into_iter().flatten() {
            if reached.insert(other.as_str()) {
                next.push(other);
            }
        }
    }
    reached
}
