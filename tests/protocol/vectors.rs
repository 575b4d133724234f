//! Every kind of reply, whole and in pieces, small and within a large one.
use justredis::protocol::{Frame, Kind, Limits, Parser};

use crate::support::{drain, parse, parse_all_ways, print};

/// One value each: its bytes, and its canonical print.
pub const VALUES: &[(&str, &str)] = &[
    ("+OK\r\n", "+OK"),
    ("+\r\n", "+"),
    ("-ERR no\r\n", "-ERR no(-11, 4)"),
    ("-\r\n", "-(-11, 4)"),
    ("-a\rb\nc\r\r\n", r"-a\rb\nc\r(-11, 4)"),
    (":0\r\n", ":0"),
    (":-1\r\n", ":-1"),
    (":+7\r\n", ":7"),
    (":1023\r\n", ":1023"),
    (":1024\r\n", ":1024"),
    (":-2\r\n", ":-2"),
    (":0012\r\n", ":12"),
    (":9223372036854775807\r\n", ":9223372036854775807"),
    (":-9223372036854775808\r\n", ":-9223372036854775808"),
    ("$0\r\n\r\n", "\"\""),
    ("$5\r\nhello\r\n", "\"hello\""),
    ("$4\r\n\r\n\r\n\r\n", r#""\r\n\r\n""#),
    ("$3\r\na\0b\r\n", r#""a\x00b""#),
    ("$-1\r\n", "_"),
    ("*-1\r\n", "_"),
    ("_\r\n", "_"),
    ("*0\r\n", "[]"),
    ("*1\r\n*0\r\n", "[[]]"),
    ("*3\r\n:1\r\n$-1\r\n+OK\r\n", "[:1 _ +OK]"),
    ("*2\r\n*2\r\n:1\r\n*1\r\n:2\r\n$1\r\na\r\n", "[[:1 [:2]] \"a\"]"),
    ("#t\r\n", "#1"),
    ("#f\r\n", "#0"),
    (",1.5\r\n", ",1.5=1.5"),
    (",10\r\n", ",10=10"),
    (",-1e3\r\n", ",-1000=-1e3"),
    (",inf\r\n", ",inf=inf"),
    (",-inf\r\n", ",-inf=-inf"),
    (",nan\r\n", ",NaN=nan"),
    (",-nan\r\n", ",NaN=-nan"),
    ("(3492890328409238509324850943850943825024385\r\n", "(3492890328409238509324850943850943825024385"),
    ("(-1\r\n", "(-1"),
    ("!21\r\nSYNTAX invalid syntax\r\n", "-SYNTAX invalid syntax(-11, 4)"),
    ("!0\r\n\r\n", "-(-11, 4)"),
    ("=15\r\ntxt:Some string\r\n", "=txt:Some string"),
    ("=4\r\nmkd:\r\n", "=mkd:"),
    ("%0\r\n", "{}"),
    ("%2\r\n+first\r\n:1\r\n+second\r\n%1\r\n#t\r\n_\r\n", "{+first :1 +second {#1 _}}"),
    ("~3\r\n+a\r\n:1\r\n~0\r\n", "~[+a :1 ~[]]"),
    ("*1\r\n>2\r\n+subscribe\r\n:1\r\n", "[>[+subscribe :1]]"),
    // Streamed.
    ("*?\r\n.\r\n", "[]"),
    ("*?\r\n:1\r\n*?\r\n:2\r\n.\r\n:3\r\n.\r\n", "[:1 [:2] :3]"),
    ("%?\r\n+a\r\n:1\r\n+b\r\n:2\r\n.\r\n", "{+a :1 +b :2}"),
    ("~?\r\n+a\r\n.\r\n", "~[+a]"),
    ("*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n.\r\n", "[:1 :2 :3 :4 :5 :6 :7 :8 :9]"),
    ("$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n", "\"Hello\""),
    ("$?\r\n;0\r\n", "\"\""),
    ("*2\r\n$?\r\n;2\r\n\r\n\r\n;0\r\n:1\r\n", r#"["\r\n" :1]"#),
    // Attributes: beside a value, no item, of every sort of value, nested, streamed, several.
    ("|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n", "|{+ttl :3600}\"a\""),
    ("|1\r\n+a\r\n+b\r\n+OK\r\n", "|{+a +b}+OK"),
    ("|1\r\n+a\r\n+b\r\n$-1\r\n", "|{+a +b}_"),
    ("|1\r\n+a\r\n+b\r\n:1\r\n", "|{+a +b}:1"),
    ("|1\r\n+a\r\n+b\r\n-ERR\r\n", "|{+a +b}-ERR(-11, 4)"),
    ("|1\r\n+a\r\n+b\r\n*0\r\n", "|{+a +b}[]"),
    ("|0\r\n:1\r\n", "|{}:1"),
    ("*2\r\n|1\r\n+a\r\n:1\r\n:2\r\n|1\r\n+b\r\n:3\r\n*1\r\n:4\r\n", "[|{+a :1}:2 |{+b :3}[:4]]"),
    ("%1\r\n|1\r\n+a\r\n:1\r\n+key\r\n|1\r\n+b\r\n:2\r\n+value\r\n", "{|{+a :1}+key |{+b :2}+value}"),
    ("|1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n:1\r\n", "|{+a |{+b +c}+d}:1"),
    ("|1\r\n+a\r\n+b\r\n|1\r\n+c\r\n+d\r\n:1\r\n", "|{+a +b}|{+c +d}:1"),
    ("|?\r\n+a\r\n+b\r\n.\r\n:1\r\n", "|{+a +b}:1"),
    ("|1\r\n+a\r\n+b\r\n*?\r\n:1\r\n.\r\n", "|{+a +b}[:1]"),
    ("|1\r\n+a\r\n+b\r\n$?\r\n;1\r\nx\r\n;0\r\n", "|{+a +b}\"x\""),
];

#[test]
fn every_value_in_all_ways() {
    for (wire, expected) in VALUES {
        assert_eq!(parse_all_ways(wire.as_bytes()), [*expected], "{wire:?}");
    }
}

#[test]
fn every_value_in_a_large_reply() {
    let filling = format!("$20000\r\n{}\r\n", "x".repeat(20000));
    for (wire, expected) in VALUES {
        // A long text first, an end that is marked, attributes of the whole, many items.
        let whole = format!("*3\r\n{filling}{wire}{wire}");
        let front = filling.len();
        let printed = parse([whole.as_bytes()]).unwrap();
        assert!(printed[0].ends_with(&format!(" {expected} {expected}]")), "{wire:?}: {printed:?}");
        for cut in front..=front + wire.len() + 4 {
            let (head, tail) = whole.as_bytes().split_at(cut);
            assert_eq!(parse([head, tail]).unwrap(), printed, "{wire:?} cut at {cut}");
        }
        assert_eq!(parse_all_ways(format!("*?\r\n{wire}:5\r\n.\r\n").as_bytes()), [format!("[{expected} :5]")]);
        let many = format!("|1\r\n+a\r\n+b\r\n*1000\r\n{filling}{}", wire.repeat(999));
        let printed = parse(many.as_bytes().chunks(977)).unwrap();
        assert_eq!(printed[0].matches(expected).count(), expected_count(expected) * 999 + extra(expected), "{wire:?}");
    }
}

/// How often a print occurs in itself.
fn expected_count(print: &str) -> usize {
    print.matches(print).count()
}

/// How often a print occurs in what surrounds the values of the test above.
fn extra(print: &str) -> usize {
    format!("|{{+a +b}}[\"{}", "#20000:").matches(print).count()
}

#[test]
fn all_values_in_one_stream() {
    let wire: String = VALUES.iter().map(|(wire, _)| *wire).collect();
    let expected: Vec<_> = VALUES.iter().map(|(_, expected)| *expected).collect();
    for size in [1, 2, 3, 7, 64, 1000, wire.len()] {
        assert_eq!(parse(wire.as_bytes().chunks(size)).unwrap(), expected, "pieces of {size}");
    }
}

#[test]
fn pushes_stand_between_replies() {
    let wire = b"+a\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n:1\r\n>0\r\n\
        >?\r\n+x\r\n.\r\n|1\r\n+a\r\n+b\r\n>1\r\n+y\r\n*1\r\n>1\r\n:9\r\n";
    let expected =
        ["+a", "push >[+invalidate [\"k\"]]", ":1", "push >[]", "push >[+x]", "push |{+a +b}>[+y]", "[>[:9]]"];
    assert_eq!(parse_all_ways(wire), expected);
}

#[test]
fn long_texts_of_every_kind_and_length() {
    let near = [16383, 16384, 16385, 32766, 32768, 65535, 65536, 65537, 100_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1];
    for length in near {
        let text: Vec<u8> = (0..length).map(|index| (index * 7 + index / 251) as u8).collect();
        for (mark, prefix) in [("$", ""), ("!", ""), ("=", "txt:")] {
            let header = format!("{mark}{}\r\n{prefix}", length + prefix.len());
            let mut wire = header.into_bytes();
            wire.extend_from_slice(&text);
            wire.extend_from_slice(b"\r\n");
            let nested = [b"*2\r\n:1\r\n".as_slice(), &wire].concat();
            for size in [1000, 4095, 16384, 65536, 70001, wire.len()] {
                for wire in [&wire, &nested] {
                    let mut parser = Parser::new(Limits::default(), 0);
                    let mut found = 0;
                    for piece in wire.chunks(size) {
                        parser.feed(piece);
                        while let Some(Frame::Reply(reply)) = parser.next().unwrap() {
                            print(&reply);
                            let node = reply.items().last().unwrap_or(&reply);
                            assert!(node.as_bytes() == text, "{mark} of {length} in pieces of {size}");
                            found += 1;
                        }
                    }
                    assert!(found == 1 && parser.is_idle(), "{mark} of {length} in pieces of {size}");
                }
            }
        }
        let mut wire = b"$?\r\n".to_vec();
        for piece in text.chunks(length / 3) {
            wire.extend_from_slice(format!(";{}\r\n", piece.len()).as_bytes());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b";0\r\n");
        let whole = [b"$".as_slice(), length.to_string().as_bytes(), b"\r\n", &text, b"\r\n"].concat();
        assert_eq!(parse(wire.chunks(9999)).unwrap(), parse([&whole[..]]).unwrap(), "pieces of {length}");
    }
}

#[test]
fn a_line_of_64_kib_and_no_longer() {
    let longest = format!("+{}\r\n", "x".repeat((64 << 10) - 1));
    assert_eq!(parse([longest.as_bytes()]).unwrap(), parse(longest.as_bytes().chunks(999)).unwrap());
    let longer = format!("+{}\r\n", "x".repeat(64 << 10));
    for size in [1, 999, longer.len()] {
        assert!(parse(longer.as_bytes().chunks(size)).is_err(), "pieces of {size}");
    }
    let mut parser = Parser::new(Limits::default(), 0);
    parser.feed(&[b'-'; 64 << 10]);
    assert!(parser.next().unwrap().is_none());
    parser.feed(b"--");
    assert!(parser.next().is_err(), "a line without an end");
}

/// Has the parser receive the front of `left`, at most `most` bytes of it.
fn receive(parser: &mut Parser, left: &mut &[u8], most: usize) -> usize {
    let received = parser.receive(|place| {
        let count = left.len().min(place.len()).min(most);
        let (now, later) = left.split_at(count);
        *left = later;
        for (place, &byte) in place.iter_mut().zip(now) {
            place.write(byte);
        }
        // SAFETY: so many bytes were just written.
        Ok::<_, ()>(unsafe { std::slice::from_raw_parts_mut(place.as_mut_ptr().cast(), count) })
    });
    received.unwrap()
}

#[test]
fn received_as_from_a_socket() {
    let values: String = VALUES.iter().map(|(wire, _)| *wire).collect();
    let text = "y".repeat(500_000);
    let wire = format!("{values}$500000\r\n{text}\r\n{values}$20000\r\n{}\r\n{values}", &text[..20000]);
    for most in [1000, 3001, 65536, usize::MAX] {
        let mut parser = Parser::new(Limits::default(), 65536);
        let (mut out, mut left) = (Vec::new(), wire.as_bytes());
        assert!(parser.is_idle());
        while receive(&mut parser, &mut left, most) > 0 {
            drain(&mut parser, &mut out).unwrap();
        }
        assert!(parser.is_idle() && left.is_empty());
        assert_eq!(out, parse([wire.as_bytes()]).unwrap());
    }
}

#[test]
fn a_long_text_is_received_where_it_stays() {
    let wire = format!("$500000\r\n{}\r\n+OK\r\n", "y".repeat(500_000));
    let (mut parser, mut left) = (Parser::new(Limits::default(), 65536), wire.as_bytes());
    assert_eq!(receive(&mut parser, &mut left, usize::MAX), 65536);
    assert!(parser.next().unwrap().is_none());
    assert_eq!(parser.buffered(), 0);
    // The rest of the text and its line ending, and nothing of what follows.
    assert_eq!(receive(&mut parser, &mut left, usize::MAX), 9 + 500_000 + 2 - 65536);
    assert_eq!((parser.buffered(), left), (0, &b"+OK\r\n"[..]));
    assert!(matches!(parser.next(), Ok(Some(Frame::Reply(reply))) if reply.as_bytes().len() == 500_000));
    // Little is read at once behind it, until short replies come again.
    for expected in [16384, 65536] {
        let mut room = 0;
        let _ = parser.receive(|place| {
            room = place.len();
            place[0].write(b'_');
            // SAFETY: one byte was just written.
            Ok::<_, ()>(unsafe { std::slice::from_raw_parts_mut(place.as_mut_ptr().cast(), 1) })
        });
        parser.feed(b"\r\n");
        assert!(matches!(parser.next(), Ok(Some(Frame::Reply(_)))));
        assert_eq!(room, expected);
    }
}

#[test]
fn a_reader_that_fails_or_ends_changes_nothing() {
    let mut parser = Parser::new(Limits::default(), 0);
    assert_eq!(parser.receive(|_| Err("broken")), Err("broken"));
    assert_eq!(parser.receive(|_| Ok::<_, ()>(&mut [])), Ok(0));
    assert!(parser.is_idle() && parser.buffered() == 0);
    parser.feed(b"+O");
    assert_eq!(parser.receive(|_| Err("broken")), Err("broken"));
    assert!(!parser.is_idle() && parser.buffered() == 2);
    parser.feed(b"K\r\n");
    assert!(matches!(parser.next(), Ok(Some(Frame::Reply(_)))));
}

#[test]
#[should_panic(expected = "not the front of the place")]
fn a_reader_must_give_back_the_front() {
    let mut parser = Parser::new(Limits::default(), 0);
    let _ = parser.receive(|place| {
        place[1].write(b'+');
        // SAFETY: this byte was just written.
        Ok::<_, ()>(unsafe { std::slice::from_raw_parts_mut(place[1..].as_mut_ptr().cast(), 1) })
    });
}

#[test]
fn kinds_have_the_numbers_of_hiredis() {
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind.number() as usize, index + 1);
    }
}
