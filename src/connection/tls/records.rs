//! Encrypted bytes on their way to the socket.
//!
//! Invariant: what was appended first is sent first, and nothing is sent twice.

use super::scratch;

/// A queue of bytes; empty, it holds no memory.
#[derive(Debug, Default)]
pub struct Records {
    /// All of it initialised, whatever is filled.
    bytes: Vec<u8>,
    sent: usize,
    filled: usize,
}

impl Records {
    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.filled
    }

    /// Whether some of what was appended last was sent already.
    pub fn is_begun(&self) -> bool {
        self.sent > 0
    }

    /// What is still to be sent.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..self.filled).unwrap_or_default()
    }

    /// So many bytes of it were sent.
    pub fn advance(&mut self, count: usize) {
        self.sent = self.filled.min(self.sent + count);
        if self.is_empty() {
            scratch::give_back(std::mem::take(self).bytes);
        }
    }

    /// Appends at most `room` bytes: `write` gets so much room and says how much of it it used.
    pub fn append<E>(&mut self, room: usize, write: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        if self.bytes.is_empty() {
            self.bytes = scratch::take();
        }
        let needed = self.filled + room;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        let used = write(self.bytes.get_mut(self.filled..needed).unwrap_or_default())?;
        self.filled += used.min(room);
        Ok(())
    }

    /// Appends what another queue holds, and leaves that one empty.
    pub fn take_from(&mut self, other: &mut Records) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        let taken = std::mem::take(other);
        let rest = taken.rest();
        _ = self.append(rest.len(), |space| {
            space.copy_from_slice(rest);
            Ok::<usize, ()>(rest.len())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(records: &mut Records, bytes: &[u8], room: usize) {
        let write = |space: &mut [u8]| {
            space[..bytes.len()].copy_from_slice(bytes);
            Ok::<usize, ()>(bytes.len())
        };
        records.append(room, write).unwrap();
    }

    #[test]
    fn what_was_appended_first_is_sent_first_and_once() {
        let (mut records, mut later) = (Records::default(), Records::default());
        assert!(records.is_empty() && records.rest().is_empty());
        append(&mut records, b"abc", 10);
        append(&mut records, b"def", 3);
        append(&mut later, b"gh", 2);
        assert_eq!(records.rest(), b"abcdef");
        records.advance(2);
        assert!(records.is_begun());
        records.take_from(&mut later);
        assert_eq!((records.rest(), later.rest()), (&b"cdefgh"[..], &b""[..]));
        records.advance(100);
        assert!(records.is_empty() && !records.is_begun());
        append(&mut later, b"i", scratch::SIZE);
        records.take_from(&mut later);
        assert_eq!(records.rest(), b"i");
    }

    #[test]
    fn what_fails_appends_nothing() {
        let mut records = Records::default();
        assert_eq!(records.append(10, |_| Err("no room")), Err("no room"));
        assert!(records.is_empty());
    }
}
