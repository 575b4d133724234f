//! Cuts the bytes of a connection into tokens: values, and the starts and ends of what holds values. docs/protocol.md
//! says where it is stricter, or less strict, than others. Invariant: `next` looks at a byte of a waiting line once,
//! and takes nothing before a token is whole.
use crate::error::{Error, Outcome, Status};

use super::block::node::Kind;
use super::leaf::{Leaf, verbatim_format};
use super::number::parse_double;

/// A bulk of so many bytes is not waited for: its bytes are taken as they come.
pub(super) const LONG_TEXT: usize = 16 << 10;

/// The longest line: a status, an error, a number.
pub(super) const LONGEST_LINE: usize = 64 << 10;

/// More characters than any integer needs.
const LONGEST_INTEGER: usize = 32;

/// How much of what was unexpected an error quotes.
const QUOTED: usize = 32;

const ENDING: &[u8] = b"\r\n";

pub(super) enum Token<'a> {
    /// A whole value without items.
    Leaf(Leaf<'a>),
    /// The start of an aggregate with so many items, or with a marked end.
    Open(Kind, Option<usize>),
    /// The marked end of an aggregate.
    End,
    /// The start of a long text: so many bytes follow, then a line ending.
    Text(Leaf<'a>, usize),
    /// The start of a text that comes in pieces.
    Stream,
    /// The start of a piece: so many bytes follow, then a line ending. 0 marks the end, without either.
    Piece(usize),
}

/// What stands where a length is expected.
enum Length {
    Of(usize),
    /// -1
    Null,
    /// ?
    Streamed,
}

/// Remembers how far a waiting line was looked at.
#[derive(Default)]
pub(super) struct Tokenizer {
    searched: usize,
}

/// A token and how many bytes it took; `None`: more bytes are needed.
pub(super) type Found<T> = Result<Option<(T, usize)>, Error>;

impl Tokenizer {
    /// The token at the front of `input`, which starts with the same bytes as last time when that gave `None`.
    #[inline]
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Found<Token<'a>> {
        let Some(&mark) = input.first() else { return Ok(None) };
        match mark {
            b'$' => bulk(Kind::String, input),
            b':' => {
                let Some((integer, used)) = integer(input)? else { return Ok(None) };
                Ok(Some((Token::Leaf(Leaf::integer(Kind::Integer, integer)), used)))
            }
            b'*' => aggregate(Kind::Array, input),
            b'%' => aggregate(Kind::Map, input),
            b'~' => aggregate(Kind::Set, input),
            b'>' => aggregate(Kind::Push, input),
            b'|' => aggregate(Kind::Attr, input),
            b'=' => bulk(Kind::Verb, input),
            b'!' => bulk(Kind::Error, input),
            b';' => match length(input)? {
                Some((Length::Of(count), used)) => Ok(Some((Token::Piece(count), used))),
                Some(_) => Err(unexpected("the length of a piece of a string", input)),
                None => Ok(None),
            },
            b'+' | b'-' | b',' | b'(' | b'#' | b'_' | b'.' => {
                let Some((text, used)) = self.line(mark, input)? else { return Ok(None) };
                self.searched = 0;
                Ok(Some((value(mark, text, input)?, used)))
            }
            _ => stranger(mark, input),
        }
    }

    /// The text between the first byte and the line ending. CR and LF by themselves stand in errors only: Redis 8.2
    /// sends what a script raises as it is.
    #[inline]
    fn line<'a>(&mut self, mark: u8, input: &'a [u8]) -> Found<&'a [u8]> {
        let mut from = self.searched.max(1);
        loop {
            let tail = input.get(from..).unwrap_or_default();
            let found = tail.iter().position(|&byte| byte == b'\r' || byte == b'\n').map(|at| from + at);
            let end = found.unwrap_or(input.len());
            if end > LONGEST_LINE {
                return Err(unexpected("a line of at most 64 KiB", input));
            }
            match input.get(end..).unwrap_or_default() {
                [b'\r', b'\n', ..] => return Ok(input.get(1..end).map(|text| (text, end + ENDING.len()))),
                [] | [b'\r'] => {
                    self.searched = end;
                    return Ok(None);
                }
                _ if mark == b'-' => from = end + 1,
                _ => return Err(unexpected("a line that ends with CR and LF and holds neither", input)),
            }
        }
    }
}

/// The value, or the end, that a line spells.
fn value<'a>(mark: u8, text: &'a [u8], input: &[u8]) -> Result<Token<'a>, Error> {
    let leaf = match (mark, text) {
        (b'+', _) => Leaf::text(Kind::Status, text),
        (b'-', _) => error_leaf(text),
        (b',', _) => {
            let number = std::str::from_utf8(text).ok().and_then(parse_double);
            Leaf { number: number.ok_or_else(|| unexpected("a number", input))?, ..Leaf::text(Kind::Double, text) }
        }
        (b'(', _) => {
            let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(unexpected("a big number", input));
            }
            Leaf::text(Kind::Bignum, text)
        }
        (b'#', b"t") => Leaf::integer(Kind::Bool, 1),
        (b'#', b"f") => Leaf::integer(Kind::Bool, 0),
        (b'_', b"") => Leaf::new(Kind::Nil),
        (b'.', b"") => return Ok(Token::End),
        _ => return Err(unexpected("true, false, nothing, or the end of an aggregate", input)),
    };
    Ok(Token::Leaf(leaf))
}

/// An error of the server.
fn error_leaf(text: &[u8]) -> Leaf<'_> {
    Leaf::error(Status::Server, Outcome::Answered, text)
}

/// A value whose length is declared.
#[inline]
fn bulk(kind: Kind, input: &[u8]) -> Found<Token<'_>> {
    let (count, used) = match length(input)? {
        None => return Ok(None),
        Some((Length::Of(count), used)) => (count, used),
        Some((Length::Null, used)) if kind == Kind::String => {
            return Ok(Some((Token::Leaf(Leaf::new(Kind::Nil)), used)));
        }
        Some((Length::Streamed, used)) if kind == Kind::String => return Ok(Some((Token::Stream, used))),
        Some(_) => return Err(unexpected("the length of a text", input)),
    };
    if kind == Kind::Verb && count < 4 {
        return Err(unexpected("verbatim text with a format", input));
    }
    let mut leaf = if kind == Kind::Error { error_leaf(&[]) } else { Leaf::text(kind, &[]) };
    if count >= LONG_TEXT {
        return Ok(Some((Token::Text(leaf, count), used)));
    }
    let end = used + count;
    let Some(ending) = input.get(end..end + ENDING.len()) else { return Ok(None) };
    if ending != ENDING {
        return Err(unexpected("the end of a line behind a text", ending));
    }
    leaf.bytes = input.get(used..end);
    if kind == Kind::Verb
        && let Some((format, text)) = leaf.bytes.unwrap_or_default().split_first_chunk::<4>()
    {
        leaf = Leaf { integer: verbatim_format(format)?, ..Leaf::text(kind, text) };
    }
    Ok(Some((Token::Leaf(leaf), end + ENDING.len())))
}

/// The text of a bulk string of less than 100 bytes that is there as a whole, and how many bytes it took: most replies
/// are one. `None` says nothing.
#[inline]
pub(super) fn short_string(input: &[u8]) -> Option<(&[u8], usize)> {
    let digit = |byte: u8| Some(usize::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
    let (length, start) = match input {
        [b'$', one, b'\r', b'\n', ..] => (digit(*one)?, 4),
        [b'$', ten @ b'1'..=b'9', one, b'\r', b'\n', ..] => (usize::from(ten - b'0') * 10 + digit(*one)?, 5),
        _ => return None,
    };
    let (text, rest) = input.get(start..)?.split_at_checked(length)?;
    rest.starts_with(ENDING).then_some((text, start + length + ENDING.len()))
}

fn aggregate(kind: Kind, input: &[u8]) -> Found<Token<'_>> {
    let Some((length, used)) = length(input)? else { return Ok(None) };
    let each = if kind.is_paired() { 2 } else { 1 };
    let token = match length {
        Length::Of(count) => {
            let items = count.checked_mul(each).ok_or_else(|| unexpected("a possible number of items", input))?;
            Token::Open(kind, Some(items))
        }
        Length::Streamed => Token::Open(kind, None),
        Length::Null if kind == Kind::Array => Token::Leaf(Leaf::new(Kind::Nil)),
        Length::Null => return Err(unexpected("a number of items", input)),
    };
    Ok(Some((token, used)))
}

/// The length behind the first byte, up to and with the line ending, without leading zeros.
#[inline]
fn length(input: &[u8]) -> Found<Length> {
    // Nearly all lengths are short.
    match input {
        [_, one @ b'0'..=b'9', b'\r', b'\n', ..] => Ok(Some((Length::Of(usize::from(one - b'0')), 4))),
        [_, ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', ..] => {
            Ok(Some((Length::Of(usize::from(ten - b'0') * 10 + usize::from(one - b'0')), 5)))
        }
        _ => long_length(input),
    }
}

fn long_length(input: &[u8]) -> Found<Length> {
    let rest = input.get(1..).unwrap_or_default();
    let mut value = 0_usize;
    for (index, &byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' if index == 0 || rest.first() != Some(&b'0') => {
                let longer = value.checked_mul(10).and_then(|value| value.checked_add(usize::from(byte - b'0')));
                value = longer.ok_or_else(|| unexpected("a possible length", input))?;
            }
            b'\r' if index > 0 => {
                return match rest.get(index + 1) {
                    Some(b'\n') => Ok(Some((Length::Of(value), index + 3))),
                    Some(_) => Err(unexpected("a length", input)),
                    None => Ok(None),
                };
            }
            _ if rest.starts_with(b"-1\r\n") => return Ok(Some((Length::Null, 5))),
            _ if rest.starts_with(b"?\r\n") => return Ok(Some((Length::Streamed, 4))),
            _ if b"-1\r\n".starts_with(rest) || b"?\r\n".starts_with(rest) => return Ok(None),
            _ => return Err(unexpected("a length", input)),
        }
    }
    Ok(None)
}

/// The integer of 64 bits behind the first byte, up to and with the line ending.
#[inline]
fn integer(input: &[u8]) -> Found<i64> {
    let rest = input.get(1..).unwrap_or_default();
    let negative = rest.first() == Some(&b'-');
    let sign = usize::from(negative || rest.first() == Some(&b'+'));
    let mut value = 0_u64;
    for (index, &byte) in rest.iter().enumerate().skip(sign) {
        match byte {
            b'0'..=b'9' if index < LONGEST_INTEGER => {
                let longer = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(byte - b'0')));
                value = longer.ok_or_else(|| unexpected("an integer of 64 bits", input))?;
            }
            b'\r' if index > sign => {
                return match rest.get(index + 1) {
                    Some(b'\n') => {
                        let signed =
                            if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() };
                        let integer = signed.ok_or_else(|| unexpected("an integer of 64 bits", input))?;
                        Ok(Some((integer, index + 3)))
                    }
                    Some(_) => Err(unexpected("an integer", input)),
                    None => Ok(None),
                };
            }
            _ => return Err(unexpected("an integer", input)),
        }
    }
    Ok(None)
}

/// A byte that starts no value: often another protocol.
#[cold]
fn stranger<'a>(mark: u8, input: &[u8]) -> Found<Token<'a>> {
    const HTTP: &[u8] = b"HTTP/";
    if input.starts_with(HTTP) {
        return Err(violation("the server speaks HTTP, not RESP; check the port".into()));
    }
    if HTTP.starts_with(input) {
        return Ok(None);
    }
    if mark == 0x15 || mark == 0x16 {
        let hint = "write rediss:// instead of redis:// (option tls=on), or use its port without TLS";
        return Err(violation(format!("the server speaks TLS on this port; {hint}")));
    }
    let Error { status, message } = unexpected("a reply", input);
    Err(Error::new(status, format!("{message}; is this the port of a Redis server?")))
}

/// Says what was expected, and quotes what came instead.
#[cold]
pub(super) fn unexpected(wanted: &str, found: &[u8]) -> Error {
    let quoted = found.get(..QUOTED).unwrap_or(found);
    let more = if quoted.len() < found.len() { "..." } else { "" };
    violation(format!("expected {wanted}, found \"{}\"{more}", quoted.escape_ascii()))
}

#[cold]
fn violation(message: String) -> Error {
    Error::new(Status::Protocol, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_on_tls_names_nothing_that_is_refused() {
        let error = stranger(0x15, &[0x15, 3, 1, 0, 2]).err().unwrap();
        assert!(error.message.contains("rediss://"), "{error}");
    }
}
