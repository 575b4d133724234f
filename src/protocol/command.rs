//! Argv to RESP, the form in which a request waits, is sent, and is sent again, and back to its arguments.
//! Invariant: `encoded_length` is exactly what `encode` appends, and `decode` gives back what was encoded.
use std::ops::Range;

use crate::error::{Error, Status};

/// How many decimal digits a number has.
#[inline]
fn digits(value: usize) -> usize {
    match value {
        // Nearly all lengths are short, and a logarithm takes longer than the rest of the work.
        0..10 => 1,
        10..100 => 2,
        100..1000 => 3,
        _ => value.ilog10() as usize + 1,
    }
}

/// How many bytes [`encode`] appends for these arguments; `None` when the sum does not fit in a `usize`.
#[inline]
pub fn encoded_length<A: AsRef<[u8]>>(args: &[A]) -> Option<usize> {
    sum_of(args.len(), args.iter().map(|arg| arg.as_ref().len()))
}

/// At least what [`encoded_length`] says and hardly more, for less work.
#[inline]
pub fn length_bound<A: AsRef<[u8]>>(args: &[A]) -> usize {
    // A mark, a number of at most 20 digits and a line ending; behind an argument another line ending.
    args.iter().fold(32, |sum, arg| sum.saturating_add(32).saturating_add(arg.as_ref().len()))
}

/// "*" count "\r\n", and for each argument "$" length "\r\n" bytes "\r\n".
#[inline]
fn sum_of(count: usize, lengths: impl Iterator<Item = usize>) -> Option<usize> {
    let frame = |length: usize| length.saturating_add(5 + digits(length));
    let sum = lengths.fold(3 + digits(count), |sum, length| sum.saturating_add(frame(length)));
    (sum < usize::MAX).then_some(sum)
}

/// Where encoded bytes go.
pub trait Output {
    /// Appends.
    fn put(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Memory that is long enough, filled from its front: what is left is the rest.
#[derive(Debug)]
pub struct Room<'a>(pub &'a mut [u8]);

impl Output for Room<'_> {
    /// # Panics
    /// When there is no room left.
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let (front, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        front.copy_from_slice(bytes);
        self.0 = rest;
    }
}

/// Appends one command: [`encoded_length`] bytes.
#[inline]
pub fn encode<A: AsRef<[u8]>>(args: &[A], out: &mut impl Output) {
    put_header(out, b'*', args.len());
    for arg in args {
        let arg = arg.as_ref();
        put_header(out, b'$', arg.len());
        out.put(arg);
        out.put(b"\r\n");
    }
}

/// One command in memory of exactly its length. [`Status::Memory`] when there is not so much.
pub fn encode_to_vec<A: AsRef<[u8]>>(args: &[A]) -> Result<Vec<u8>, Error> {
    let length = encoded_length(args).ok_or_else(|| Error::new(Status::Argument, "the command is too long"))?;
    let mut out = Vec::new();
    out.try_reserve_exact(length).map_err(|_| Error::memory(length))?;
    encode(args, &mut out);
    Ok(out)
}

/// A mark, a number and a line ending. Nearly all numbers are short, and go out as one piece of known size.
#[inline(always)]
fn put_header(out: &mut impl Output, mark: u8, value: usize) {
    let digit = |value: usize| b'0' + (value % 10) as u8;
    match value {
        0..10 => out.put(&[mark, digit(value), b'\r', b'\n']),
        10..100 => out.put(&[mark, digit(value / 10), digit(value), b'\r', b'\n']),
        _ => put_long_header(out, mark, value),
    }
}

fn put_long_header(out: &mut impl Output, mark: u8, value: usize) {
    // Filled from its back: mark (1), digits (20), "\r\n" (2).
    let mut header = [b'\n'; 23];
    let mut at = 21;
    header[at] = b'\r';
    let mut rest = value;
    while rest > 0 {
        at -= 1;
        header[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at -= 1;
    header[at] = mark;
    out.put(&header[at..]);
}

/// A number between a mark and "\r\n" at `at`, and where the next byte stands.
fn header(encoded: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let (&first, digits) = encoded.get(at..)?.split_first()?;
    if first != mark {
        return None;
    }
    let mut value = 0_usize;
    for (index, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(usize::from(byte - b'0'))?,
            b'\r' if index > 0 && digits.get(index + 1) == Some(&b'\n') => return Some((value, at + index + 3)),
            _ => return None,
        }
    }
    None
}

/// The arguments of one encoded command, or what [`decode`] gives.
#[derive(Clone, Debug)]
pub struct Arguments<'a> {
    encoded: &'a [u8],
    at: usize,
    left: usize,
}

impl Arguments<'_> {
    /// Where the byte behind the arguments read so far stands.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let found = header(self.encoded, self.at, b'$').and_then(|(length, start)| {
            let end = start.checked_add(length)?;
            (self.encoded.get(end..end.checked_add(2)?)? == b"\r\n").then_some((start, end))
        });
        let Some((start, end)) = found else {
            self.left = 0;
            return None;
        };
        self.at = end + 2;
        self.encoded.get(start..end)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// The arguments of one command that [`encode`] wrote. Ends early where the bytes are not such a command.
pub fn decode(encoded: &[u8]) -> Arguments<'_> {
    let (left, at) = header(encoded, 0, b'*').unwrap_or((0, 0));
    Arguments { encoded, at, left }
}

/// The byte ranges of the commands that stand back to back in a buffer. Ends where no whole command follows.
pub fn commands(encoded: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = encoded.get(start..)?;
        let (count, _) = header(rest, 0, b'*')?;
        let mut arguments = decode(rest);
        if arguments.by_ref().count() != count {
            return None;
        }
        let range = start..start + arguments.position();
        start = range.end;
        Some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_as_the_specification_says() {
        assert_eq!(encode_to_vec(&["GET", "key"]).unwrap(), b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
        assert_eq!(encode_to_vec(&["PING"]).unwrap(), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(encode_to_vec(&["SET", "", "\r\n"]).unwrap(), b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n");
        assert_eq!(encode_to_vec::<&str>(&[]).unwrap(), b"*0\r\n");
    }

    #[test]
    fn length_and_arguments_come_back() {
        for length in [0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 99_999, 100_000] {
            let args = [b"SET".to_vec(), vec![b'\r'; length], vec![b'\n'; 10 * length]];
            let encoded = encode_to_vec(&args).unwrap();
            assert_eq!(encoded_length(&args), Some(encoded.len()));
            assert_eq!(encoded.capacity(), encoded.len());
            let mut filled = vec![0; encoded.len()];
            encode(&args, &mut Room(&mut filled));
            assert_eq!(filled, encoded);
            assert!(length_bound(&args) >= encoded.len());
            assert_eq!(decode(&encoded).collect::<Vec<_>>(), args);
        }
        let many = vec!["x"; 12345];
        assert_eq!(decode(&encode_to_vec(&many).unwrap()).count(), 12345);
    }

    #[test]
    fn a_length_that_does_not_fit_is_refused() {
        assert_eq!(sum_of(2, [3, usize::MAX - 100].into_iter()), Some(usize::MAX - 100 + 3 + 4 + 6 + 25));
        assert_eq!(sum_of(1, [usize::MAX - 5].into_iter()), None);
        assert_eq!(sum_of(2, [usize::MAX / 2, usize::MAX / 2].into_iter()), None);
    }

    #[test]
    fn commands_of_a_buffer() {
        let mut buffer = Vec::new();
        encode(&["GET", "a"], &mut buffer);
        let first = buffer.len();
        encode(&["SET", "b", "*1\r\n$4\r\nPING\r\n"], &mut buffer);
        let second = buffer.len();
        assert_eq!(commands(&buffer).collect::<Vec<_>>(), [0..first, first..second]);
        for cut in first..second {
            assert_eq!(commands(&buffer[..cut]).map(|range| range.end).collect::<Vec<_>>(), [first], "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_command_has_no_arguments() {
        for bytes in ["", "*", "*x\r\n", "*-1\r\n", "+OK\r\n", "*\r\n", "*1\r\n$9999999999999999999999\r\nx", "*1\r\n"]
        {
            assert_eq!(decode(bytes.as_bytes()).count(), 0, "{bytes:?}");
        }
        assert_eq!(decode(b"*2\r\n$1\r\na\r\n$1\r\nbxx").count(), 1);
        assert_eq!(decode(b"*1\r\n$18446744073709551615\r\na\r\n").count(), 0);
    }
}
