//! The version stands in Cargo.toml. Whatever else has to have it written out says the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERIES: &str = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// What stands right before a version: the end of a file's name, and the words. Quotes, spaces, colons and equals signs
/// in between do not count.
const WRITTEN: [(&str, &str); 9] = [
    ("README.md", "This is version "),
    ("package.json", "\"version\""),
    (".gemspec", ".version ="),
    ("version.rb", "VERSION ="),
    (".go", "Version ="),
    (".py", "__version__ ="),
    ("pyproject.toml", "\nversion ="),
    ("package-lock.json", "\"name\": \"justredis\",\n  \"version\""),
    (".c", "_VERSION \""),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files of a folder and of those in it, but for what is installed or built there.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !["node_modules", "build", "target", "library"].contains(&&*name) {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// The versions that stand behind the words: digits with dots between them.
fn versions<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(words).filter_map(move |(at, _)| {
        let rest = text.get(at + words.len()..)?.trim_start_matches(['"', '\'', ' ', ':', '=']);
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let version = rest.get(..end)?.trim_end_matches('.');
        version.contains('.').then_some(version)
    })
}

#[test]
fn what_has_the_version_written_out_says_that_of_the_manifest() {
    let mut found = vec![root().join("README.md")];
    files(&root().join("bindings"), &mut found);
    let mut seen = 0;
    for path in found {
        let name = path.to_string_lossy();
        for (_, words) in WRITTEN.iter().filter(|(end, _)| name.ends_with(end)) {
            let text = fs::read_to_string(&path).unwrap();
            for version in versions(&text, words) {
                assert_eq!(version, VERSION, "{name} has another version behind {words:?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "README.md names the version");
}

#[test]
fn the_readme_asks_cmake_for_this_series() {
    assert!(read("README.md").contains(&format!("find_package(justredis {SERIES} CONFIG REQUIRED)")));
}

#[test]
fn the_packages_of_debian_are_named_for_the_soname() {
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    for name in ["control", "build", "copyright"] {
        assert!(read(&format!("packaging/debian/{name}")).contains(&format!("libjustredis{major}")), "{name}");
    }
    let symbols = read(&format!("packaging/debian/libjustredis{major}.symbols"));
    assert!(symbols.starts_with(&format!("libjustredis.so.{major} libjustredis{major} ")));
    for line in symbols.lines().filter(|line| line.starts_with(' ')) {
        assert!(line.contains(&format!("@JUSTREDIS_{major} ")), "{line}");
    }
}

#[test]
fn no_description_of_the_abi_is_of_a_later_version() {
    let numbers = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    let mut files_of_abi = Vec::new();
    files(&root().join("packaging/abi"), &mut files_of_abi);
    let described = files_of_abi.iter().filter(|path| path.extension().is_some_and(|ending| ending == "txt"));
    let described: Vec<_> = described.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(!described.is_empty());
    for version in described {
        assert!(numbers(&version) <= numbers(VERSION), "{version} is later than {VERSION}");
    }
}

#[test]
fn every_function_has_its_line_in_the_symbols_of_debian() {
    let symbols = read(&format!("packaging/debian/libjustredis{}.symbols", env!("CARGO_PKG_VERSION_MAJOR")));
    let listed = |name: &str| symbols.contains(&format!("\n {name}@JUSTREDIS_"));
    let missing: Vec<_> = read("tests/c/symbols.txt").lines().filter(|name| !listed(name)).map(str::to_owned).collect();
    assert!(missing.is_empty(), "not in packaging/debian: {missing:?}");
}
