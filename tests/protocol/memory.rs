//! How much memory replies take, at their peak too, and that a failing allocation harms nothing.
use justredis::error::Status;
use justredis::protocol::{Frame, Limits, Parser, Reply};

use crate::counting::{Usage, failing, usage};
use crate::support::{print, seen};
use crate::vectors::VALUES;

/// The bytes of all nodes and texts.
fn size_of_tree(reply: &Reply) -> usize {
    let (mut size, mut rest) = (0, vec![&**reply]);
    while let Some(node) = rest.pop() {
        size += size_of_val(node) + if node.kind().is_aggregate() { 0 } else { seen(node).length };
        rest.extend(node.items());
        rest.extend(node.attributes());
    }
    size
}

/// Feeds what the pieces say, in reads of 64 KiB at most; the one reply, and what parsing took.
fn parse_counted<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Reply, Usage) {
    usage(|| {
        let mut parser = Parser::new(Limits::default(), 65536);
        let mut found = None;
        for piece in pieces.into_iter().flat_map(|piece| piece.chunks(65536)) {
            parser.feed(piece);
            if let Some(Frame::Reply(reply)) = parser.next().unwrap() {
                assert!(found.replace(reply).is_none());
            }
        }
        found.unwrap()
    })
}

fn assert_peak(name: &str, (reply, usage): (Reply, Usage)) {
    let size = size_of_tree(&reply);
    assert!(usage.peak <= size + size / 5, "{name}: {usage:?} for a reply of {size}");
    assert!(usage.held as usize <= size + size / 5, "{name}: {usage:?} for a reply of {size}");
    let ((), after) = crate::counting::usage(|| drop(reply));
    assert_eq!(after.held, -usage.held, "{name} leaks");
}

#[test]
fn the_read_buffer_is_given_back_only_between_two_replies() {
    let mut parser = Parser::new(Limits::default(), 65536);
    parser.feed(b"+one\r\n$3\r\nt");
    assert!(parser.next().unwrap().is_some());
    let ((), kept) = usage(|| parser.release());
    assert_eq!(kept.held, 0, "bytes wait in it");
    parser.feed(b"wo\r\n");
    assert!(parser.next().unwrap().is_some());
    let ((), released) = usage(|| parser.release());
    assert!(released.held <= -65536, "{released:?}");
    parser.feed(b"+three\r\n");
    assert!(matches!(parser.next(), Ok(Some(Frame::Reply(reply))) if reply.as_bytes() == b"three"));
}

#[test]
fn a_long_text_in_pieces_does_not_go_through_the_read_buffer() {
    let (record, length) = (vec![b'x'; 16 << 10], 4 << 20);
    let counted = usage(|| {
        let mut parser = Parser::new(Limits::default(), 65536);
        parser.feed_piece(format!("${length}\r\n").as_bytes());
        (0..length / record.len()).for_each(|_| parser.feed_piece(&record));
        parser.feed_piece(b"\r\n");
        let Ok(Some(Frame::Reply(reply))) = parser.next() else { panic!("it is whole") };
        reply
    });
    assert_peak("a long text", counted);
}

#[test]
fn a_million_items_peak_at_the_reply_and_a_fifth() {
    for (name, item) in [("strings", "$10\r\n0123456789\r\n"), ("integers", ":1\r\n"), ("pairs", "*2\r\n:1\r\n+b\r\n")]
    {
        let header = b"*1000000\r\n".as_slice();
        let items = item.repeat(1000);
        let pieces = std::iter::once(header).chain(std::iter::repeat_n(items.as_bytes(), 1000));
        assert_peak(name, parse_counted(pieces));
    }
}

#[test]
fn other_large_replies_peak_at_the_reply_and_a_fifth() {
    for (count, length) in
        [(1_100_000, 3), (100_000, 100), (30_000, 1000), (10_000, 5000), (3000, 16000), (3000, 17000), (300, 70_000)]
    {
        let item = format!("${length}\r\n{}\r\n", "x".repeat(length));
        let header = format!("*{count}\r\n");
        let pieces = std::iter::once(header.as_bytes()).chain(std::iter::repeat_n(item.as_bytes(), count));
        assert_peak(&format!("{count} strings of {length}"), parse_counted(pieces));
    }
    let inner = format!("%100\r\n{}", "+key\r\n:123456\r\n".repeat(100));
    let pieces = std::iter::once(&b"~5000\r\n"[..]).chain(std::iter::repeat_n(inner.as_bytes(), 5000));
    assert_peak("a set of maps", parse_counted(pieces));
}

#[test]
fn replies_of_middle_size_waste_little() {
    for length in [1, 10, 100, 300, 700, 1500, 2500, 3500, 12_000] {
        for count in [20, 25, 30, 100, 1000, 1500, 2000, 3000, 5000, 7000, 10_000, 20_000, 50_000] {
            if length * count > 10_000_000 {
                continue;
            }
            let wire = format!("*{count}\r\n{}", format!("${length}\r\n{}\r\n", "x".repeat(length)).repeat(count));
            let (reply, usage) = parse_counted([wire.as_bytes()]);
            let size = size_of_tree(&reply);
            assert!(usage.held as usize <= size + size / 8, "{count} strings of {length}: {usage:?} for {size}");
        }
    }
}

#[test]
fn a_reply_that_is_not_small_leaves_the_read_buffer() {
    let mut parser = Parser::new(Limits::default(), 1 << 20);
    parser.feed(b"*10000\r\n");
    let item = b"$10\r\n0123456789\r\n";
    let mut most = 0;
    for _ in 0..9999 {
        parser.feed(item);
        assert!(parser.next().unwrap().is_none());
        most = most.max(parser.buffered());
    }
    assert!((16384..16384 + 2 * item.len()).contains(&(most + item.len())), "{most}");
    assert_eq!(parser.buffered(), 0);
}

#[test]
fn what_comes_in_pieces_is_shrunk_in_the_end() {
    let list = format!("*?\r\n{}.\r\n", ":1\r\n".repeat(17_000));
    let text = format!("$?\r\n{};0\r\n", format!(";100\r\n{}\r\n", "x".repeat(100)).repeat(700));
    for wire in [list, text] {
        let (reply, usage) = parse_counted([wire.as_bytes()]);
        let size = size_of_tree(&reply);
        assert!(usage.held as usize <= size + size / 16 + 100, "{usage:?} for a reply of {size}");
    }
}

#[test]
fn a_string_of_100_mb_peaks_at_the_reply_and_a_fifth() {
    let piece = [b'x'; 65536];
    let (count, length) = (1526, 1526 * 65536);
    let header = format!("${length}\r\n");
    let pieces =
        || std::iter::once(header.as_bytes()).chain(std::iter::repeat_n(&piece[..], count)).chain([&b"\r\n"[..]]);
    let (reply, usage) = parse_counted(pieces());
    assert!(usage.peak < length + 200_000, "{usage:?}");
    assert!(reply.as_bytes().len() == length && reply.as_bytes().iter().all(|&byte| byte == b'x'));
    assert_peak("a string", (reply, usage));
    assert_peak("a string in a list", parse_counted(std::iter::once(&b"*1\r\n"[..]).chain(pieces())));
}

/// The allocations that the second of two equal replies takes.
fn allocations(wire: &str) -> usize {
    let mut parser = Parser::new(Limits::default(), 0);
    parser.feed(wire.as_bytes());
    drop(parser.next().unwrap().unwrap());
    parser.feed(wire.as_bytes());
    usage(|| parser.next().unwrap().unwrap()).1.calls
}

#[test]
fn small_replies_take_one_allocation_and_the_commonest_none() {
    for wire in [
        "+OK\r\n",
        "+QUEUED\r\n",
        "+PONG\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "_\r\n",
        "*0\r\n",
        "$0\r\n\r\n",
        "#t\r\n",
        ":-1\r\n",
        ":0\r\n",
        ":1023\r\n",
    ] {
        assert_eq!(allocations(wire), 0, "{wire:?}");
    }
    let list = format!("*100\r\n{}", "*2\r\n$32\r\n0123456789abcdef0123456789abcdef\r\n:5\r\n".repeat(100));
    for wire in [
        "$32\r\n0123456789abcdef0123456789abcdef\r\n",
        "-ERR no\r\n",
        ":1024\r\n",
        ",1.5\r\n",
        "%1\r\n+a\r\n*0\r\n",
        &list,
    ] {
        assert_eq!(allocations(wire), 1, "{wire:?}");
    }
    for (wire, _) in VALUES.iter().filter(|(wire, _)| !wire.contains('?')) {
        assert!(allocations(wire) <= 1, "{wire:?}");
    }
}

#[test]
fn the_one_allocation_is_exact() {
    for (wire, size) in [
        ("$5\r\nhello\r\n", 16 + 48 + 6),
        ("*2\r\n$5\r\nhello\r\n:1\r\n", 16 + 3 * 48 + 6),
        ("|1\r\n+a\r\n+b\r\n:1\r\n", 16 + 4 * 48 + 4),
        ("=7\r\ntxt:abc\r\n", 16 + 48 + 4),
    ] {
        let mut parser = Parser::new(Limits::default(), 0);
        parser.feed(wire.repeat(2).as_bytes());
        drop(parser.next());
        let (reply, usage) = usage(|| parser.next().unwrap().unwrap());
        assert_eq!(usage.held, size, "{wire:?}");
        drop(reply);
    }
}

#[test]
fn an_idle_parser_keeps_its_buffer_and_no_more() {
    let (parser, usage) = usage(|| {
        let mut parser = Parser::new(Limits { depth: 1 << 20, ..Limits::default() }, 0);
        let deep = [b"*1\r\n".repeat(100_000).as_slice(), b":1\r\n"].concat();
        let long = format!("+{}\r\n", "x".repeat(65000)).into_bytes();
        let large = [b"*1\r\n$100000\r\n".as_slice(), &[b'x'; 100_000], b"\r\n"].concat();
        for wire in [deep, long, large] {
            parser.feed(&wire);
            while parser.next().unwrap().is_some() {}
        }
        parser.feed(b"+OK\r\n");
        drop(parser.next());
        parser
    });
    assert!(parser.is_idle());
    assert!(usage.held < (32 << 10) + 16384, "{usage:?}");
}

#[test]
fn every_failing_allocation_is_an_error_and_leaks_nothing() {
    let filling = format!("$70000\r\n{}\r\n", "x".repeat(70000));
    let streamed = "*?\r\n*200\r\n".to_string() + &"+abc\r\n".repeat(200) + &filling + "$?\r\n;3\r\nabc\r\n;0\r\n.\r\n";
    let many = format!("|1\r\n+a\r\n+b\r\n*6000\r\n{}", "$10\r\n0123456789\r\n".repeat(6000));
    let long_line = format!("+{}\r\n", "x".repeat(60000));
    for wire in ["$80\r\n".to_string() + &"x".repeat(80) + "\r\n", filling.clone(), streamed, many, long_line] {
        let mut failures = 0;
        loop {
            let ((result, failed), usage) = usage(|| {
                failing(failures, || {
                    let mut parser = Parser::new(Limits::default(), 0);
                    let mut result = Ok(());
                    for piece in wire.as_bytes().chunks(5000) {
                        parser.feed(piece);
                        match parser.next() {
                            Ok(_) => {}
                            Err(error) => result = Err(error.status),
                        }
                    }
                    result
                })
            });
            assert_eq!(usage.held, 0, "allocation {failures} leaks");
            assert_eq!(result, if failed { Err(Status::Memory) } else { Ok(()) }, "allocation {failures}");
            if !failed {
                break;
            }
            failures += 1;
        }
        assert!(failures >= 2, "{failures}");
    }
}

#[test]
fn without_memory_received_bytes_are_lost_and_it_is_said() {
    let mut parser = Parser::new(Limits::default(), 0);
    let (count, failed) = failing(0, || {
        parser.receive(|place| {
            place[0].write(b'+');
            // SAFETY: one byte was just written.
            Ok::<_, ()>(unsafe { std::slice::from_raw_parts_mut(place.as_mut_ptr().cast(), 1) })
        })
    });
    assert_eq!((count, failed), (Ok(1), true));
    assert_eq!(parser.next().unwrap_err().status, Status::Memory);
}

#[test]
fn constructors_without_memory() {
    let (reply, failed) = failing(0, || Reply::string(&[b'x'; 100]));
    assert!(failed);
    assert_eq!(print(&reply), "-out of memory(-9, 2)");
    let error = |outcome| failing(0, || Reply::error(Status::Timeout, outcome, &"x".repeat(40))).0;
    assert_eq!(print(&error(justredis::error::Outcome::NotRun)), "-out of memory(-9, 1)");
    assert_eq!(print(&error(justredis::error::Outcome::Answered)), "-out of memory(-9, 4)");
    let (status, usage) = usage(|| {
        let items = vec![Reply::string(b"abc"), Reply::integer(5000)];
        failing(0, || Reply::array(items)).0.map_err(|error| error.status).err()
    });
    assert_eq!((status, usage.held), (Some(Status::Memory), 0));
    let source = Reply::string(&[b'x'; 100]);
    assert_eq!(failing(0, || Reply::copy(&source)).0.unwrap_err().status, Status::Memory);
}
