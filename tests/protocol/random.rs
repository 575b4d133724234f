//! Random trees: encoded, parsed in random pieces, compared with what they were made from.
use std::fmt::Write;

use fastrand::Rng;
use justredis::protocol::command;
use justredis::protocol::{Frame, Limits, Parser, Reply};

use crate::support::{hash, parse, print};

/// Appends one random value to the wire and its canonical print to the text.
fn value(random: &mut Rng, depth: usize, wire: &mut Vec<u8>, text: &mut String) {
    if random.usize(..12) == 0 && depth > 0 {
        let pairs = random.usize(..3);
        aggregate(random, b'|', "|{", "}", pairs * 2, depth - 1, wire, text);
    }
    let count = if random.usize(..40) == 0 { random.usize(60..200) } else { random.usize(..6) };
    match random.usize(..if depth > 0 { 16 } else { 11 }) {
        0 => {
            let number = random.i64(..) >> random.usize(..64);
            wire.extend_from_slice(format!(":{number}\r\n").as_bytes());
            let _ = write!(text, ":{number}");
        }
        1 => {
            wire.extend_from_slice([b"_\r\n".as_slice(), b"$-1\r\n", b"*-1\r\n"][random.usize(..3)]);
            text.push('_');
        }
        2 => line(random, b'+', wire, text, "+", ""),
        3 => line(random, b'-', wire, text, "-", "(-11, 4)"),
        4 => {
            let number = random.f64() * 1e6;
            wire.extend_from_slice(format!(",{number}\r\n").as_bytes());
            let _ = write!(text, ",{number}={number}");
        }
        5 => {
            let truth = random.bool();
            wire.extend_from_slice(if truth { b"#t\r\n" } else { b"#f\r\n" });
            text.push_str(if truth { "#1" } else { "#0" });
        }
        6 => {
            let number = u128::from(random.u64(..)) << 40;
            wire.extend_from_slice(format!("(-{number}\r\n").as_bytes());
            let _ = write!(text, "(-{number}");
        }
        7 => bulk(random, b'!', b"", wire, text, "-", "(-11, 4)"),
        8 => bulk(random, b'=', b"mkd:", wire, text, "=mkd:", ""),
        9 | 10 => bulk(random, b'$', b"", wire, text, "\"", "\""),
        11 | 12 => aggregate(random, b'*', "[", "]", count, depth - 1, wire, text),
        13 => aggregate(random, b'%', "{", "}", count * 2, depth - 1, wire, text),
        14 => aggregate(random, b'~', "~[", "]", count, depth - 1, wire, text),
        _ => aggregate(random, b'>', ">[", "]", count, depth - 1, wire, text),
    }
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() > 64 { format!("#{}:{:x}", bytes.len(), hash(bytes)) } else { bytes.escape_ascii().to_string() }
}

fn line(random: &mut Rng, mark: u8, wire: &mut Vec<u8>, text: &mut String, open: &str, close: &str) {
    let bytes: Vec<u8> = (0..random.usize(..100)).map(|_| random.u8(b' '..)).collect();
    wire.push(mark);
    wire.extend_from_slice(&bytes);
    wire.extend_from_slice(b"\r\n");
    let _ = write!(text, "{open}{}{close}", shown(&bytes));
}

fn bulk(random: &mut Rng, mark: u8, prefix: &[u8], wire: &mut Vec<u8>, text: &mut String, open: &str, close: &str) {
    let length = match random.usize(..60) {
        0 => random.usize(16000..17000),
        1 => random.usize(30_000..100_000),
        2..10 => random.usize(100..4000),
        _ => random.usize(..40),
    };
    let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
    let _ = write!(text, "{open}{}{close}", shown(&bytes));
    if mark == b'$' && random.usize(..5) == 0 {
        wire.extend_from_slice(b"$?\r\n");
        for piece in bytes.chunks(random.usize(1..).min(length / 2 + 1)) {
            wire.extend_from_slice(format!(";{}\r\n", piece.len()).as_bytes());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b";0\r\n");
        return;
    }
    wire.push(mark);
    wire.extend_from_slice(format!("{}\r\n", length + prefix.len()).as_bytes());
    wire.extend_from_slice(prefix);
    wire.extend_from_slice(&bytes);
    wire.extend_from_slice(b"\r\n");
}

#[allow(clippy::too_many_arguments)]
fn aggregate(
    random: &mut Rng,
    mark: u8,
    open: &str,
    close: &str,
    count: usize,
    depth: usize,
    wire: &mut Vec<u8>,
    text: &mut String,
) {
    let streamed = random.usize(..8) == 0;
    let declared = if matches!(mark, b'%' | b'|') { count / 2 } else { count };
    wire.push(mark);
    wire.extend_from_slice(if streamed { "?\r\n".into() } else { format!("{declared}\r\n") }.as_bytes());
    text.push_str(open);
    for index in 0..count {
        text.push_str(if index == 0 { "" } else { " " });
        value(random, depth, wire, text);
    }
    text.push_str(close);
    if streamed {
        wire.extend_from_slice(b".\r\n");
    }
}

#[test]
fn random_trees_come_back() {
    let mut random = Rng::with_seed(7);
    for round in 0..800 {
        let mut parser = Parser::new(Limits::default(), random.usize(..100_000));
        let (mut wire, mut expected, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..random.usize(1..6) {
            let mut text = String::new();
            let depth = random.usize(..5);
            value(&mut random, depth, &mut wire, &mut text);
            expected.push(text);
        }
        let most = if random.bool() { 50 } else { 70_000 };
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(random.usize(1..=most).min(rest.len()));
            rest = later;
            // Now and then several pieces come before anybody looks.
            if random.usize(..3) == 0 {
                parser.feed_piece(piece);
                if !later.is_empty() {
                    continue;
                }
            } else {
                parser.feed(piece);
            }
            while let Some(frame) = parser.next().unwrap() {
                let (Frame::Reply(reply) | Frame::Push(reply)) = frame;
                let text = print(&reply);
                assert_eq!(print(&Reply::copy(&reply).unwrap()), text, "a copy in round {round}");
                found.push(text);
            }
        }
        assert!(parser.is_idle(), "round {round}");
        assert_eq!(found, expected, "round {round}");
    }
}

#[test]
fn encoded_commands_parse_as_arrays_of_strings() {
    let mut random = Rng::with_seed(8);
    for _ in 0..500 {
        let args: Vec<Vec<u8>> = (0..random.usize(1..20))
            .map(|_| (0..[0, 3, 12, 300, 20_000][random.usize(..5)]).map(|_| random.u8(..)).collect())
            .collect();
        let encoded = command::encode_to_vec(&args).unwrap();
        assert_eq!(command::encoded_length(&args), Some(encoded.len()));
        assert_eq!(command::decode(&encoded).collect::<Vec<_>>(), args);
        let texts: Vec<_> = args.iter().map(|arg| format!("\"{}\"", shown(arg))).collect();
        assert_eq!(parse(encoded.chunks(5000)).unwrap(), [format!("[{}]", texts.join(" "))]);
    }
}

#[test]
fn garbled_trees_fail_or_parse_the_same_in_pieces() {
    let mut random = Rng::with_seed(9);
    for _ in 0..1500 {
        let (mut wire, mut text) = (Vec::new(), String::new());
        value(&mut random, 3, &mut wire, &mut text);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..wire.len());
            wire[at] = b"+-:$*%~>|=!;,(#_.?0123456789\r\n"[random.usize(..30)];
        }
        let ways = [wire.len(), 1 + wire.len() / 3, 997].map(|size| {
            let mut parser = Parser::new(Limits { reply_bytes: 1 << 20, ..Limits::default() }, 0);
            let mut out = Vec::new();
            let failed = wire.chunks(size).any(|piece| {
                parser.feed(piece);
                crate::support::drain(&mut parser, &mut out).is_err()
            });
            (out, failed)
        });
        let mut parser = Parser::new(Limits { reply_bytes: 1 << 20, ..Limits::default() }, 0);
        let mut out = Vec::new();
        wire.chunks(1 + wire.len() / 3).for_each(|piece| parser.feed_piece(piece));
        let in_pieces = (crate::support::drain(&mut parser, &mut out).is_err(), out);
        assert!(ways[0] == ways[1] && ways[0] == ways[2] && (in_pieces.1, in_pieces.0) == ways[0]);
    }
}
