//! Reads Rust source text as far as tests about the structure of the library need: its files, and the paths that they
//! name.

use std::fs;
use std::path::Path;

/// All source files under a directory, as paths relative to it.
pub fn sources(root: &Path, below: &str) -> Vec<String> {
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

/// The paths that a list of tokens names, the groups of `use` written out, and in how many modules within the file.
pub fn paths_of(tokens: &[String]) -> Vec<(String, usize)> {
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

/// Words, `::`, and every other character by itself, without comments and literals.
pub fn tokens_of(source: &str) -> Vec<String> {
    let code = without_comments_and_strings(source);
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
