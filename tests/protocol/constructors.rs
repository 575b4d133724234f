//! Replies that the library makes, what can be read of them, and who owns their memory.
use std::ptr::NonNull;

use justredis::error::{Outcome, Status};
use justredis::protocol::{Frame, Kind, Limits, Parser, Reply};

use crate::counting::usage;
use crate::support::{print, seen};

/// A thread keeps small blocks at hand, in builds without debug assertions.
const KEEPS_BLOCKS: bool = !cfg!(debug_assertions);

fn parsed(wire: &str) -> Reply {
    let mut parser = Parser::new(Limits::default(), 0);
    parser.feed(wire.as_bytes());
    match parser.next().unwrap().unwrap() {
        Frame::Reply(reply) | Frame::Push(reply) => reply,
    }
}

#[test]
fn single_values() {
    assert_eq!(print(&Reply::ok()), "+OK");
    assert_eq!(print(&Reply::nil()), "_");
    assert_eq!(print(&Reply::integer(-5)), ":-5");
    assert_eq!(print(&Reply::integer(1023)), ":1023");
    assert_eq!(print(&Reply::status("fine")), "+fine");
    assert_eq!(print(&Reply::string(b"a\0b")), r#""a\x00b""#);
    let error = Reply::error(Status::Timeout, Outcome::Unknown, "10.0.0.3:6379: deadline passed");
    assert_eq!(print(&error), "-10.0.0.3:6379: deadline passed(-12, 2)");
    assert_eq!((error.status_code(), error.outcome()), (Some(Status::Timeout), Some(Outcome::Unknown)));
    let server = parsed("-ERR\r\n");
    assert_eq!((server.status_code(), server.outcome()), (Some(Status::Server), Some(Outcome::Answered)));
    let attributed = parsed("|1\r\n+a\r\n+b\r\n-ERR\r\n");
    assert_eq!((attributed.outcome(), seen(&attributed).flags & 0xff), (Some(Outcome::Answered), 4));
    let ok = Reply::ok();
    assert_eq!((ok.status_code(), ok.outcome()), (None, None));
    assert!(ok.bytes_are_static() && !Reply::status("fine").bytes_are_static());
}

/// Whether making it again gives the same place.
trait Static {
    fn bytes_are_static(&self) -> bool;
}

impl Static for Reply {
    fn bytes_are_static(&self) -> bool {
        std::ptr::eq(self.as_bytes(), Reply::ok().as_bytes())
    }
}

#[test]
fn all_static_integers_are_right() {
    for value in -3..1030 {
        let reply = parsed(&format!(":{value}\r\n"));
        assert_eq!((reply.kind(), reply.to_i64()), (Kind::Integer, Some(value)));
        assert_eq!(Reply::integer(value).to_i64(), Some(value));
    }
    assert_eq!(Reply::integer(i64::MIN).to_i64(), Some(i64::MIN));
    assert_eq!(Reply::integer(i64::MAX).to_i64(), Some(i64::MAX));
}

#[test]
fn lists_take_their_items_over() {
    let ((), usage) = usage(|| {
        let items = vec![
            Reply::ok(),
            Reply::string(&[b'x'; 50]),
            parsed("*2\r\n|1\r\n+a\r\n:1\r\n$3\r\nabc\r\n*?\r\n:7\r\n.\r\n"),
            parsed("|1\r\n+ttl\r\n:5\r\n+OK\r\n"),
            Reply::array(vec![]).unwrap(),
        ];
        let texts: Vec<_> = items.iter().map(|item| item.as_bytes().as_ptr()).collect();
        let array = Reply::array(items).unwrap();
        assert_eq!(array.items()[1].as_bytes().as_ptr(), texts[1], "a copy was made");
        assert_eq!(print(&array.items()[2]), "[|{+a :1}\"abc\" [:7]]");
        assert_eq!(print(&array.items()[3]), "|{+ttl :5}+OK");
        let push = Reply::push(vec![Reply::status("message"), array]).unwrap();
        let map = Reply::map(vec![(Reply::string(b"k"), push), (Reply::string(b"n"), Reply::nil())]).unwrap();
        assert!(print(&map).starts_with("{\"k\" >[+message [+OK \"xxx") && print(&map).ends_with("[]]] \"n\" _}"));
        assert_eq!(map.find(b"n").map(|node| node.kind()), Some(Kind::Nil));
        drop(map);
    });
    assert!(usage.held == 0 || KEEPS_BLOCKS);
    assert_eq!(print(&Reply::array(vec![]).unwrap()), "[]");
    assert_eq!(print(&Reply::map(vec![]).unwrap()), "{}");
}

#[test]
fn wide_and_deep_lists() {
    let wide = Reply::array((0..200_000).map(|index| Reply::string(format!("{index}").as_bytes())).collect()).unwrap();
    assert_eq!(wide.items()[123_456].as_bytes(), b"123456");
    let copy = Reply::copy(&wide).unwrap();
    drop(wide);
    assert_eq!(copy.items()[199_999].to_i64(), Some(199_999));
    let mut deep = Reply::nil();
    for _ in 0..1000 {
        deep = Reply::array(vec![deep]).unwrap();
    }
    drop(Reply::copy(&deep).unwrap());
}

#[test]
fn copies_are_equal_and_one_block() {
    for (wire, expected) in crate::vectors::VALUES {
        let source = parsed(wire);
        let (copy, usage) = usage(|| Reply::copy(&source).unwrap());
        drop(source);
        assert_eq!(print(&copy), *expected);
        let size = usage.held;
        let ((), dropped) = crate::counting::usage(|| drop(copy));
        assert!(dropped.held == -size || KEEPS_BLOCKS);
    }
    let source = parsed("|1\r\n+a\r\n+b\r\n:1\r\n");
    assert_eq!(print(&Reply::copy(source.attributes().unwrap()).unwrap()), "{+a +b}");
    let list = parsed("*2\r\n:1\r\n$3\r\nabc\r\n");
    assert_eq!(print(&Reply::copy(&list.items()[1]).unwrap()), "\"abc\"");
}

#[test]
fn raw_and_back() {
    for reply in [Reply::ok(), Reply::string(b"abc"), parsed("*1\r\n:5\r\n")] {
        let text = print(&reply);
        let raw = NonNull::new(reply.into_raw()).unwrap();
        // SAFETY: given away one line above.
        let again = unsafe { Reply::from_raw(raw) };
        assert_eq!(print(&again), text);
    }
}

#[test]
fn values_are_found_by_key() {
    for wire in [
        "%2\r\n$1\r\na\r\n:1\r\n+b\r\n:2\r\n",
        "*4\r\n$1\r\na\r\n:1\r\n+b\r\n:2\r\n",
        "*5\r\n$1\r\na\r\n:1\r\n+b\r\n:2\r\n+c\r\n",
    ] {
        let reply = parsed(wire);
        assert_eq!(reply.find(b"a").and_then(|node| node.to_i64()), Some(1));
        assert_eq!(reply.find(b"b").and_then(|node| node.to_i64()), Some(2));
        assert!(reply.find(b"c").is_none() && reply.find(b"").is_none());
    }
    assert!(parsed("*4\r\n+x\r\n+a\r\n+a\r\n:7\r\n").find(b"a").unwrap().to_i64() == Some(7), "a value is no key");
    assert!(Reply::ok().find(b"a").is_none());
    let attributed = parsed("|1\r\n+ttl\r\n:5\r\n%1\r\n+a\r\n:1\r\n");
    assert_eq!(attributed.attributes().unwrap().find(b"ttl").unwrap().to_i64(), Some(5));
}

#[test]
fn numbers_of_any_reply() {
    let integer = |wire: &str| parsed(wire).to_i64();
    assert_eq!(integer(":12\r\n"), Some(12));
    assert_eq!(integer("#t\r\n"), Some(1));
    assert_eq!(integer("$3\r\n-12\r\n"), Some(-12));
    assert_eq!(integer("+12\r\n"), Some(12));
    assert_eq!(integer("(12\r\n"), Some(12));
    assert_eq!(integer("=6\r\ntxt:12\r\n"), Some(12));
    assert_eq!(integer(",3\r\n"), Some(3));
    assert_eq!(integer(",-9223372036854775808\r\n"), Some(i64::MIN));
    for wire in [
        ",3.5\r\n",
        ",9223372036854775808\r\n",
        ",inf\r\n",
        ",nan\r\n",
        "(9223372036854775808\r\n",
        "$2\r\n1x\r\n",
        "$0\r\n\r\n",
        "$2\r\n 1\r\n",
        "-12\r\n",
        "_\r\n",
        "*1\r\n:1\r\n",
    ] {
        assert_eq!(integer(wire), None, "{wire:?}");
    }
    let double = |wire: &str| parsed(wire).to_f64();
    assert_eq!(double(",3.5\r\n"), Some(3.5));
    assert_eq!(double(":-2\r\n"), Some(-2.0));
    assert_eq!(double("$4\r\n1e-2\r\n"), Some(0.01));
    assert_eq!(double("$3\r\ninf\r\n"), Some(f64::INFINITY));
    assert_eq!(double("(100000000000000000000\r\n"), Some(1e20));
    assert!(double("$3\r\nnan\r\n").unwrap().is_nan());
    assert!(double(",nan(0x8000000000000)\r\n").unwrap().is_nan() && double("+NAN(1_a)\r\n").unwrap().is_nan());
    assert_eq!(double(",-inf\r\n"), Some(f64::NEG_INFINITY));
    for wire in [",1e400\r\n", ",-1e400\r\n", "+nan(\r\n", "+nan(0x8)1\r\n", "+nano\r\n", "+infinity\r\n"] {
        assert_eq!(double(wire), None, "{wire:?}");
    }
    for wire in ["$5\r\n1e999\r\n", "$0\r\n\r\n", "$3\r\n1 2\r\n", "_\r\n", "-1\r\n", "+OK\r\n"] {
        assert_eq!(double(wire), None, "{wire:?}");
    }
    let truth = |wire: &str| parsed(wire).to_bool();
    for (wire, expected) in [
        ("#t\r\n", true),
        ("#f\r\n", false),
        (":1\r\n", true),
        (":0\r\n", false),
        (",1\r\n", true),
        ("+true\r\n", true),
        ("$5\r\nfalse\r\n", false),
        ("$1\r\n0\r\n", false),
    ] {
        assert_eq!(truth(wire), Some(expected), "{wire:?}");
    }
    for text in ["TRUE", "t", "f", "yes", "no", "on", "off", "y", "+1", "01", "OK", ""] {
        assert_eq!(truth(&format!("${}\r\n{text}\r\n", text.len())), None, "{text}");
    }
    for wire in [":2\r\n", ":-1\r\n", "+OK\r\n", "$0\r\n\r\n", ",0.5\r\n", "_\r\n", "-1\r\n"] {
        assert_eq!(truth(wire), None, "{wire:?}");
    }
}

#[test]
fn debug_shows_a_bounded_part() {
    assert_eq!(
        format!("{:?}", parsed("*2\r\n:1\r\n|1\r\n+a\r\n_\r\n$2\r\n\"\n\r\n")),
        r#"Array[Integer(1), Attr[Status("a"), Nil] String("\"\n")]"#
    );
    let wide = Reply::array((0..1000).map(Reply::integer).collect()).unwrap();
    assert!(format!("{wide:?}").ends_with("Integer(31) ... 1000 items]"));
    assert!(format!("{:?}", Reply::string(&[b'x'; 1000])).ends_with("x\" ... 1000 bytes)"));
}

#[test]
fn replies_and_parsers_cross_threads() {
    fn sendable<T: Send + Sync>() {}
    sendable::<Reply>();
    sendable::<Parser>();
}
