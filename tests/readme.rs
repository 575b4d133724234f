//! The README says what is true: its table of options is the one of the code, its programs are those of examples/, what
//! it names of the C API is in the header, and where it points there is something.
//!
//! `make readme` (the variable UPDATE) writes the table and the whole programs anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

use std::path::PathBuf;
use std::{env, fs};

use justredis::config::Config;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text between two marks, each of which stands there once or more; the first pair counts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// The languages of the programs in it.
const LANGUAGES: [&str; 6] = ["c", "cpp", "python", "js", "go", "ruby"];

/// What a comment before a program asks for: `<!-- file -->` or `<!-- file: function, function -->`.
fn quoted(comment: &str) -> String {
    let what = between(comment, "<!-- ", " -->");
    let what = what.unwrap_or_else(|| panic!("the line before a program names no example: {comment:?}"));
    match what.split_once(": ") {
        None => read(what),
        Some((file, functions)) => {
            let source = read(file);
            let functions: Vec<String> = functions.split(", ").map(|name| function(&source, name)).collect();
            functions.join("\n")
        }
    }
}

/// A function at the top level of a C file, without the comment before it.
fn function(source: &str, name: &str) -> String {
    let is_start =
        |line: &&str| line.starts_with("static ") && line.contains(&format!(" {name}(")) && !line.ends_with(';');
    let start = source.lines().find(is_start).unwrap_or_else(|| panic!("there is no function {name}"));
    let body = between(source, start, "\n}\n").unwrap();
    format!("{start}{body}\n}}\n")
}

/// The README as it should be.
fn refreshed(readme: &str) -> String {
    let (start, end) = ("<!-- options -->\n", "<!-- end of options -->\n");
    let old = between(readme, start, end).unwrap();
    let readme = readme.replace(&format!("{start}{old}{end}"), &format!("{start}{}{end}", Config::table_markdown()));
    let (mut new, mut before, mut lines) = (String::new(), "", readme.lines());
    while let Some(line) = lines.next() {
        new.push_str(&format!("{line}\n"));
        if line.strip_prefix("```").is_some_and(|language| LANGUAGES.contains(&language)) {
            lines.find(|line| *line == "```").unwrap();
            new.push_str(&format!("{}```\n", quoted(before)));
        }
        before = line;
    }
    new
}

#[test]
fn its_table_and_its_programs_are_those_of_the_code() {
    let readme = read("README.md");
    let right = refreshed(&readme);
    if readme != right && env::var_os("UPDATE").is_some() {
        fs::write(path("README.md"), right).unwrap();
    } else {
        let stale = readme.lines().zip(right.lines()).find(|(is, ought)| is != ought);
        assert!(readme == right, "README.md is not what the code says; run: make readme\n{stale:#?}");
    }
}

#[test]
fn what_it_names_of_the_c_api_is_in_the_header() {
    let header = read("include/justredis.h");
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let known: Vec<&str> = header.split(|letter| !is_part(letter)).collect();
    for file in ["README.md", "CHANGELOG.md"] {
        let text = read(file);
        for word in text.split(|letter| !is_part(letter)) {
            let is_name = (word.starts_with("jr_") || word.starts_with("JR_")) && word != "JR_URL";
            // `JR_ERR_*` stands for all that begin so.
            let stands = known.iter().any(|name| *name == word || (word.ends_with('_') && name.starts_with(word)));
            assert!(!is_name || stands, "{file} names {word}, which is not in the header");
        }
    }
}

#[test]
fn what_it_points_to_exists() {
    let readme = read("README.md");
    let headings: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let text: String = readme.split("```").step_by(2).collect();
    for link in text.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        match target.strip_prefix('#') {
            Some(heading) => assert!(headings.iter().any(|it| it == heading), "there is no heading #{heading}"),
            None if target.starts_with("https://") => {}
            None => {
                let file = target.split('#').next().unwrap();
                assert!(path(file).exists(), "there is no {target}");
            }
        }
    }
}

#[test]
fn it_lists_every_example() {
    let readme = read("README.md");
    for entry in fs::read_dir(path("examples/c")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let listed = readme.contains(&format!("(examples/c/{name})"));
        assert!(listed || !name.ends_with(".c"), "README.md does not list examples/c/{name}");
    }
}
