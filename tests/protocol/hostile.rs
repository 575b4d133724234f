//! What a broken or hostile server may send: an error, or flat memory, and never a panic.
use justredis::error::Status;
use justredis::protocol::{Frame, Limits, Parser};

use crate::counting::usage;
use crate::support::{drain, parse, print};

/// Each of these ends the connection, whichever way it is cut.
const REFUSED: &[&str] = &[
    "\r\n",
    "x",
    "\0",
    "GET / HTTP/1.1\r\n",
    ".\r\n",
    ";1\r\na\r\n",
    ";0\r\n",
    ":\r\n",
    ":a\r\n",
    ":1a\r\n",
    ":-\r\n",
    ":+-1\r\n",
    ": 1\r\n",
    ":1\rx",
    ":9223372036854775808\r\n",
    ":-9223372036854775809\r\n",
    ":18446744073709551616\r\n",
    ":000000000000000000000000000000000000001\r\n",
    "$\r\n",
    "$a\r\n",
    "$-2\r\n",
    "$-11\r\n",
    "$-1x",
    "$+1\r\n",
    "$1-",
    "$1\rx",
    "$18446744073709551616\r\n",
    "$9223372036854775807\r\n",
    "$18446744073709551615\r\n",
    "$2000000000\r\n",
    "$00000000000000000000000000000000000000001\r\n",
    "$01\r\na\r\n",
    "*02\r\n",
    "*1\r\n+a\nb\r\n",
    "+a\rb",
    "$3\r\nabcde",
    "$3\r\nabc\rx",
    "$?x",
    "$??",
    "*-2\r\n",
    "*a\r\n",
    "*\r\n",
    "*4294967295\r\n",
    "*9223372036854775807\r\n",
    "*18446744073709551615\r\n",
    "%9223372036854775807\r\n",
    "%-1\r\n",
    "~-1\r\n",
    ">-1\r\n",
    "|-1\r\n",
    "|9223372036854775808\r\n",
    "~18446744073709551616\r\n",
    "!-1\r\n",
    "=-1\r\n",
    "=?\r\n",
    "!?\r\n",
    "=3\r\nabc\r\n",
    "=5\r\ntxtab\r\n",
    "#\r\n",
    "#x\r\n",
    "#true\r\n",
    "_x\r\n",
    ",\r\n",
    ",1.5x\r\n",
    ",abc\r\n",
    ", 1\r\n",
    "(\r\n",
    "(-\r\n",
    "(12a\r\n",
    "(1.5\r\n",
    "*1\r\n.\r\n",
    "%?\r\n+a\r\n.\r\n",
    "|?\r\n+a\r\n.\r\n",
    "*?\r\n|1\r\n+a\r\n+b\r\n.\r\n",
    "*?\r\n..\r\n",
    "*?\r\n.x\r\n",
    "$?\r\n+a\r\n",
    "$?\r\n$1\r\na\r\n",
    "$?\r\n;-1\r\n",
    "$?\r\n;?\r\n",
    "$?\r\n;3\r\nabcd\r\n",
    "$?\r\n.\r\n",
    "$?\r\n;2000000000\r\n",
    "*1\r\n;1\r\na\r\n",
    "*2\r\n:1\r\nx",
    "|1\r\n+a\r\n+b\r\nx",
];

#[test]
fn what_is_not_resp_is_refused() {
    for wire in REFUSED {
        let wire = wire.as_bytes();
        for size in [wire.len(), 1, 2, 3] {
            let mut parser = Parser::new(Limits::default(), 0);
            let mut result = Ok(());
            for piece in wire.chunks(size) {
                parser.feed(piece);
                result = drain(&mut parser, &mut Vec::new());
            }
            let error = result.expect_err(&format!("{} in pieces of {size}", wire.escape_ascii()));
            assert_eq!(error.status, Status::Protocol, "{error}");
            // It stays refused, and holds nothing.
            parser.feed(b"+OK\r\n");
            assert_eq!(parser.next().err(), Some(error));
            assert!(!parser.is_idle() && parser.buffered() == 0);
        }
    }
}

#[test]
fn every_other_first_byte_is_refused() {
    for byte in 0..=255_u8 {
        let known = b"+-:$*%~>|=!;,(#_.H".contains(&byte);
        let mut parser = Parser::new(Limits::default(), 0);
        parser.feed(&[byte]);
        assert_eq!(parser.next().is_err(), !known, "{byte:#x}");
    }
}

#[test]
fn other_protocols_are_recognised() {
    for size in [1, 5, 1000] {
        let http = parse(b"HTTP/1.1 400 Bad Request\r\n\r\n".chunks(size)).unwrap_err();
        assert!(http.message.contains("the server speaks HTTP") && http.message.contains("check the port"), "{http}");
        let tls = parse(b"\x15\x03\x01\x00\x02\x02\x50".chunks(size)).unwrap_err();
        assert!(tls.message.contains("the server speaks TLS"), "{tls}");
        assert!(parse(b"\x16\x03\x01".chunks(size)).unwrap_err().message.contains("TLS"));
    }
    let quoted = parse([&b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"[..]]).unwrap_err();
    let sentence =
        "expected a reply, found \"SSH-2.0-OpenSSH_9.2p1 Debian-2+d\"...; is this the port of a Redis server?";
    assert_eq!(quoted.message, sentence);
}

#[test]
fn errors_quote_little() {
    let line = format!("#{}\r\n", "\x01".repeat(5000));
    let error = parse([line.as_bytes()]).unwrap_err();
    assert!(error.message.is_ascii() && error.message.len() < 256, "{error}");
}

/// What this costs beyond the read buffer, in bytes; the parser must want more.
fn waits(wire: &[u8], limits: Limits) -> usize {
    let (parser, usage) = usage(|| {
        let mut parser = Parser::new(limits, 0);
        for piece in wire.chunks(4096) {
            parser.feed(piece);
            assert!(parser.next().unwrap().is_none());
        }
        parser
    });
    drop(parser);
    usage.peak
}

#[test]
fn memory_follows_what_has_come() {
    let flat = 64 << 10;
    assert!(waits(b"*20000000\r\n", Limits::default()) < flat);
    assert!(waits(b"%10000000\r\n", Limits::default()) < flat);
    assert!(waits(b"*20000000\r\n:1\r\n:2\r\n", Limits::default()) < flat);
    assert!(waits(b"$1000000000\r\n", Limits::default()) < flat);
    assert!(waits(b"*2\r\n*?\r\n$?\r\n;1000000000\r\n", Limits::default()) < flat);
    assert!(waits(&b"*20000000\r\n".repeat(128), Limits::default()) < flat + 128 * 64 * 48);
    assert!(waits(&b"*64\r\n".repeat(128), Limits::default()) < flat + 128 * 64 * 48 * 2);
    // With the first byte of a long text comes room for a MiB at most.
    assert!(waits(b"$1000000000\r\nx", Limits::default()) < flat + (1 << 20) + 4096);
    assert!(waits(&[b"$1000000000\r\n".as_slice(), &[b'x'; 3 << 20]].concat(), Limits::default()) < flat + (5 << 20));
    // Many items of a list that claims to be long.
    let wire = [b"*20000000\r\n".as_slice(), &b":1\r\n".repeat(100_000)].concat();
    assert!(waits(&wire, Limits::default()) < flat + 2 * 48 * 100_000 + 65536);
}

#[test]
fn depth_is_limited() {
    for depth in [1, 5, 128] {
        let limits = Limits { depth, ..Limits::default() };
        let mut parser = Parser::new(limits, 0);
        parser.feed(&b"*1\r\n".repeat(depth));
        parser.feed(b":1\r\n");
        assert!(matches!(parser.next(), Ok(Some(Frame::Reply(_)))));
        let mut parser = Parser::new(limits, 0);
        parser.feed(&b"*1\r\n".repeat(depth + 1));
        assert!(parser.next().is_err(), "{depth} and one more");
        for bomb in [&b"*1\r\n"[..], b"*?\r\n", b"|1\r\n", b"%1\r\n", b">1\r\n"] {
            let (result, usage) = usage(|| {
                let mut parser = Parser::new(limits, 0);
                let wire = bomb.repeat(1_000_000);
                let result = wire.chunks(8192).try_for_each(|piece| {
                    parser.feed(piece);
                    parser.next().map(|frame| assert!(frame.is_none()))
                });
                (result, wire.len())
            });
            let (result, wire) = result;
            let error = result.unwrap_err();
            assert!(error.status == Status::Protocol && error.message.contains("nested"), "{error}");
            assert!(usage.peak - wire < 512 << 10, "{usage:?}");
        }
    }
}

#[test]
fn a_million_levels_overflow_no_stack() {
    const DEPTH: usize = 1_000_000;
    let work = || {
        let mut parser = Parser::new(Limits { depth: DEPTH, ..Limits::default() }, 0);
        let wire = [b"*1\r\n".repeat(DEPTH).as_slice(), b":1\r\n"].concat();
        let mut reply = None;
        for piece in wire.chunks(65536) {
            parser.feed(piece);
            reply = reply.or(parser.next().unwrap());
        }
        let Some(Frame::Reply(reply)) = reply else { panic!("no reply") };
        let copy = justredis::protocol::Reply::copy(&reply).unwrap();
        for tree in [&*reply, &*copy] {
            let (mut node, mut depth) = (tree, 0);
            while let [inner] = node.items() {
                (node, depth) = (inner, depth + 1);
            }
            assert_eq!((depth, node.to_i64()), (DEPTH, Some(1)));
            assert!(format!("{tree:?}").len() < 200);
        }
    };
    std::thread::Builder::new().stack_size(128 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn the_memory_of_a_reply_is_limited() {
    let limits = Limits { reply_bytes: 48 * 11, ..Limits::default() };
    let outcome = |wire: &str| {
        let mut parser = Parser::new(limits, 0);
        parser.feed(wire.as_bytes());
        parser.next().map(|frame| frame.map(|frame| matches!(frame, Frame::Reply(reply) if !print(&reply).is_empty())))
    };
    // A root and ten items fit; so does a text with its NUL beside its node.
    assert_eq!(outcome(&format!("*10\r\n{}", ":1\r\n".repeat(10))), Ok(Some(true)));
    assert_eq!(outcome(&format!("$479\r\n{}\r\n", "x".repeat(479))), Ok(Some(true)));
    for wire in [
        "*11\r\n".to_string(),
        "%6\r\n".to_string(),
        format!("*?\r\n{}", ":1\r\n".repeat(11)),
        format!("$480\r\n{}\r\n", "x".repeat(480)),
        format!("+{}\r\n", "x".repeat(480)),
        format!("*2\r\n$200\r\n{}\r\n$200\r\n{}\r\n", "x".repeat(200), "x".repeat(200)),
        format!("$?\r\n{}", format!(";100\r\n{}\r\n", "x".repeat(100)).repeat(5)),
        "$20000\r\n".to_string(),
    ] {
        let error = outcome(&wire).unwrap_err();
        assert!(error.status == Status::Protocol && error.message.contains("528 bytes"), "{error}: {wire}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = fastrand::Rng::with_seed(20);
    let alphabet = b"+-:$*%~>|=!;,(#_.?0123456789-\r\n\r\n\r\n\r\ntfx";
    for _ in 0..60_000 {
        let wire: Vec<u8> = (0..random.usize(1..60)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
        let ways = [wire.len(), 1, 3].map(|size| {
            let mut parser = Parser::new(Limits::default(), 0);
            let mut out = Vec::new();
            let failed = wire.chunks(size).any(|piece| {
                parser.feed(piece);
                drain(&mut parser, &mut out).is_err()
            });
            (out, failed)
        });
        assert!(ways[0] == ways[1] && ways[0] == ways[2], "{}", wire.escape_ascii());
    }
}
