//! docs/protocol.md says what is taken for a reply and what is refused: each row of its table is held against the
//! parser.
use justredis::error::Status;
use justredis::protocol::{Limits, Parser};

use crate::support::{drain, hash};

const TEXT: &str = include_str!("../../docs/protocol.md");

/// The rows of the table: what stands between the marks of code in its first column, and in the fourth.
fn rows() -> Vec<(&'static str, &'static str)> {
    let code = |cell: &'static str| cell.trim().strip_prefix('`')?.strip_suffix('`');
    let rows = TEXT.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert!(cells.len() == 5 && cells.iter().all(|cell| !cell.trim().is_empty()), "not a row of five: {row}");
        code(cells[0]).zip(code(cells[3])).unwrap_or_else(|| panic!("not code: {row}"))
    })
    .collect()
}

/// `<ab>{3}` written out, which is `ababab`.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (group, (count, after)))) = rest.split_once('<').and_then(|(before, behind)| {
        let (group, behind) = behind.split_once(">{")?;
        let (count, after) = behind.split_once('}')?;
        Some((before, (group, (count.parse::<usize>().ok()?, after))))
    }) {
        out.push_str(before);
        out.push_str(&group.repeat(count));
        rest = after;
    }
    out + rest
}

/// The print that a cell spells: that of a long text is its hash.
fn printed(cell: &str) -> String {
    let print = repeated(cell);
    match print.split_at_checked(1) {
        Some(("+", text)) if text.len() > 64 => format!("+#{}:{:x}", text.len(), hash(text.as_bytes())),
        _ => print,
    }
}

/// The bytes that a cell spells.
fn bytes(cell: &str) -> Vec<u8> {
    repeated(cell).replace(r"\r", "\r").replace(r"\n", "\n").into_bytes()
}

/// What comes of these bytes in pieces of this size: a print, `refused`, or `more is needed`.
fn outcome(wire: &[u8], size: usize) -> String {
    let mut parser = Parser::new(Limits::default(), 0);
    let mut found = Vec::new();
    for piece in wire.chunks(size) {
        parser.feed(piece);
        if let Err(error) = drain(&mut parser, &mut found) {
            assert_eq!((error.status, found.len()), (Status::Protocol, 0), "{error}, behind {found:?}");
            return "refused".to_string();
        }
    }
    if parser.is_idle() { found.join(" ") } else { "more is needed".to_string() }
}

#[test]
fn each_row_is_what_the_parser_does() {
    let rows = rows();
    assert!(rows.len() > 40, "the table was not found: {} rows", rows.len());
    let mut differences = Vec::new();
    for (input, expected) in rows {
        let wire = bytes(input);
        let found = outcome(&wire, wire.len());
        for size in [1, 2, 3, 5, 1000] {
            assert_eq!(outcome(&wire, size), found, "{input} in pieces of {size}");
        }
        if found != printed(expected) {
            differences.push(format!("{input}: docs/protocol.md says {expected}, the parser {found}"));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn the_inputs_are_written_out() {
    assert_eq!(repeated("+<x>{3}y<ab>{2}"), "+xxxyabab");
    assert_eq!(repeated("<*1>{2}>3"), "*1*1>3");
    assert_eq!(bytes(r":5\r\n"), b":5\r\n");
}
