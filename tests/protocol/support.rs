//! A canonical print of replies, and parsing in pieces.
use std::fmt::Write;

use justredis::error::{Error, Outcome};
use justredis::protocol::{Frame, Kind, Limits, Node, Parser};

/// A node as a C program sees it.
#[repr(C)]
pub struct Seen {
    pub kind: u32,
    pub flags: u32,
    pub integer: i64,
    pub number: f64,
    pub bytes: *const u8,
    pub length: usize,
    pub items: *const Seen,
}

pub fn seen(node: &Node) -> &Seen {
    assert_eq!((size_of::<Node>(), align_of::<Node>()), (size_of::<Seen>(), align_of::<Seen>()));
    // SAFETY: both have the same layout, which is the contract with C.
    unsafe { &*std::ptr::from_ref(node).cast::<Seen>() }
}

pub fn print(node: &Node) -> String {
    let mut out = String::new();
    print_to(node, &mut out);
    out
}

fn print_to(node: &Node, out: &mut String) {
    let raw = seen(node);
    assert_eq!(raw.kind, node.kind() as u32);
    if let Some(attributes) = node.attributes() {
        assert_eq!(attributes.kind(), Kind::Attr);
        print_to(attributes, out);
    }
    let kind = node.kind();
    if kind.is_aggregate() {
        let (open, close) = match kind {
            Kind::Map => ("{", "}"),
            Kind::Set => ("~[", "]"),
            Kind::Attr => ("|{", "}"),
            Kind::Push => (">[", "]"),
            _ => ("[", "]"),
        };
        assert_eq!(raw.length, node.items().len());
        assert_eq!(node.as_bytes(), b"");
        out.push_str(open);
        for (index, item) in node.items().iter().enumerate() {
            out.push_str(if index == 0 { "" } else { " " });
            print_to(item, out);
        }
        out.push_str(close);
        return;
    }
    assert!(node.items().is_empty());
    let text = node.as_bytes();
    if !matches!(kind, Kind::Integer | Kind::Nil | Kind::Bool) {
        assert_eq!((raw.bytes, raw.length), (text.as_ptr(), text.len()));
        // SAFETY: a NUL follows every text: that is what is tested, under a sanitizer too.
        assert_eq!(unsafe { raw.bytes.add(raw.length).read() }, 0, "no NUL");
    }
    let shown =
        if text.len() > 64 { format!("#{}:{:x}", text.len(), hash(text)) } else { text.escape_ascii().to_string() };
    let _ = match kind {
        Kind::String => write!(out, "\"{shown}\""),
        Kind::Status => write!(out, "+{shown}"),
        Kind::Error => {
            let marks = (node.status_code().map_or(0, |status| status.code()), node.outcome().map_or(0, Outcome::bit));
            write!(out, "-{shown}{marks:?}")
        }
        Kind::Integer => write!(out, ":{}", raw.integer),
        Kind::Bool => write!(out, "#{}", raw.integer),
        Kind::Nil => write!(out, "_"),
        Kind::Double => write!(out, ",{}={shown}", raw.number),
        Kind::Bignum => write!(out, "({shown}"),
        _ => {
            let format = raw.integer.to_le_bytes();
            write!(out, "={}:{shown}", format[..3].escape_ascii())
        }
    };
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// All frames that are whole.
pub fn drain(parser: &mut Parser, out: &mut Vec<String>) -> Result<(), Error> {
    while let Some(frame) = parser.next()? {
        out.push(match frame {
            Frame::Reply(reply) => print(&reply),
            Frame::Push(reply) => format!("push {}", print(&reply)),
        });
    }
    Ok(())
}

/// What comes of pieces that are parsed one after the other; the parser must be idle in the end.
pub fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, Error> {
    let mut parser = Parser::new(Limits::default(), 0);
    let mut out = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        drain(&mut parser, &mut out)?;
    }
    assert!(parser.is_idle(), "not idle after {out:?}");
    Ok(out)
}

/// Whole, byte by byte, and cut in two at every position: always the same, which is returned.
pub fn parse_all_ways(wire: &[u8]) -> Vec<String> {
    let whole = parse([wire]).unwrap_or_else(|error| panic!("{error}: {}", wire.escape_ascii()));
    assert_eq!(parse(wire.chunks(1)).unwrap(), whole, "byte by byte: {}", wire.escape_ascii());
    for cut in 0..wire.len() {
        let (front, back) = wire.split_at(cut);
        assert_eq!(parse([front, back]).unwrap(), whole, "cut at {cut}: {}", wire.escape_ascii());
    }
    whole
}
