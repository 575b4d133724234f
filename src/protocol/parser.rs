//! Bytes of a connection in, replies and pushes out: incremental, iterative, RESP2 and RESP3 alike.
//! Invariant: memory follows the bytes that have come, never a length that the server declared; and no byte is
//! parsed more than twice (a small reply is counted once, then built in one allocation of exactly its size).
use std::mem::MaybeUninit;

use crate::error::{Error, Status};

use super::block::{Buffer, Builder};
use super::leaf::Leaf;
pub use super::limits::Limits;
use super::machine::{Counter, Machine};
use super::reply::{Kind, Reply};
use super::token::{LONG_TEXT, Token, Tokenizer, short_string, unexpected};

/// A reply of at most so many bytes on the wire is counted first and allocated once.
const SMALL: usize = LONG_TEXT;

/// The read buffer holds a small reply, and a text that is not long behind it.
const LEAST_BUFFER: usize = SMALL + LONG_TEXT + 64;

/// The first room of a long text, when it is not shorter.
const FIRST_ROOM: usize = 1 << 20;

/// When fewer bytes of a long text than these are missing, they come through the read buffer with what follows them.
const DIRECT: usize = 4 << 10;

/// What came.
#[derive(Debug)]
pub enum Frame {
    /// The answer to a command.
    Reply(Reply),
    /// A message that answers no command: RESP3 `>` at the top level.
    Push(Reply),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between two replies.
    Boundary,
    /// In a reply that is small so far: it stays in the read buffer, `ahead` bytes of it are counted.
    Counting { ahead: usize },
    /// In a reply that is built as it comes.
    Building,
    /// In a long text: so many bytes are missing, with the line ending. Is it a piece of one?
    Text { left: usize, piece: bool },
    /// Between two pieces of a text.
    Pieces,
}

/// The parser of one connection.
pub struct Parser {
    input: Buffer,
    /// Where the bytes that are not used up start.
    start: usize,
    /// The usual size of the read buffer.
    size: usize,
    /// How much the read buffer takes at once: little behind a long text, because another one may follow, whose
    /// bytes would be copied twice; then soon all that it has room for.
    window: usize,
    state: State,
    tokens: Tokenizer,
    machine: Machine,
    builder: Builder,
    failure: Option<Error>,
    /// A reply that was complete before [`Parser::next`] was called.
    ready: Option<Reply>,
    /// What is counted or built is a push.
    is_push: bool,
}

impl Parser {
    /// A parser with a read buffer of `buffer` bytes (at least 32 KiB and a little), allocated when the first bytes
    /// come.
    pub fn new(limits: Limits, buffer: usize) -> Parser {
        let size = buffer.max(LEAST_BUFFER);
        Parser {
            input: Buffer::default(),
            start: 0,
            size,
            window: size,
            state: State::Boundary,
            tokens: Tokenizer::default(),
            machine: Machine::new(limits),
            builder: Builder::new(),
            failure: None,
            ready: None,
            is_push: false,
        }
    }

    /// From the next reply on these limits hold.
    pub fn set_limits(&mut self, limits: Limits) {
        self.machine.set_limits(limits);
    }

    /// Gives `read` the place where the next bytes belong. It returns the front part that it initialised, and
    /// `receive` the number of its bytes; 0 is the end of the stream. Call [`Parser::next`] until it gives
    /// `None` before the next `receive`, else the read buffer grows.
    ///
    /// Without memory the bytes are lost, and [`Parser::next`] says so.
    ///
    /// # Panics
    /// When `read` returns anything else than the front of the place.
    pub fn receive<E>(
        &mut self,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], E>,
    ) -> Result<usize, E> {
        match self.place() {
            Some((buffer, limit)) => {
                let count = buffer.receive(limit, read)?;
                self.received(count);
                Ok(count)
            }
            None => Ok(read(&mut [MaybeUninit::uninit(); 512])?.len()),
        }
    }

    /// Copies bytes in, as if they had been received.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let (false, Some((buffer, limit))) = (bytes.is_empty(), self.place()) {
            let count = buffer.append(bytes.get(..limit).unwrap_or(bytes));
            self.received(count);
            bytes = bytes.get(count..).unwrap_or_default();
        }
    }

    /// As [`Parser::feed`], of bytes that come in pieces of which none is all that is there: what is behind the head of
    /// a long text goes where it belongs, and not through the read buffer.
    pub fn feed_piece(&mut self, bytes: &[u8]) {
        self.feed(bytes);
        if self.ready.is_none() && self.failure.is_none() {
            match self.advance() {
                Ok(reply) => self.ready = reply,
                Err(error) => self.fail(error),
            }
        }
    }

    /// The next reply or push; `None`: more bytes are needed.
    ///
    /// An error ([`Status::Protocol`], [`Status::Memory`]) is final: the connection is out of step, and every
    /// further call gives the same error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        let next = match (self.ready.take(), &self.failure) {
            (Some(reply), _) => Ok(Some(reply)),
            (None, Some(failure)) => return Err(failure.clone()),
            (None, None) => self.advance(),
        };
        match next {
            Ok(None) => Ok(None),
            Ok(Some(reply)) if reply.kind() == Kind::Push => Ok(Some(Frame::Push(reply))),
            Ok(Some(reply)) => Ok(Some(Frame::Reply(reply))),
            Err(error) => {
                self.fail(error.clone());
                Err(error)
            }
        }
    }

    /// Whether it stands between two replies and no byte waits.
    pub fn is_idle(&self) -> bool {
        self.state == State::Boundary && self.buffered() == 0 && self.failure.is_none() && self.ready.is_none()
    }

    /// Whether a part of a reply has come, and not all of it. A part of a push does not count.
    pub fn is_within_reply(&self) -> bool {
        match self.state {
            State::Boundary => Parser::rest(&self.input, self.start).first().is_some_and(|first| *first != b'>'),
            _ => !self.is_push,
        }
    }

    /// Lets go of the read buffer, if no byte waits in it.
    pub fn release(&mut self) {
        if self.is_idle() {
            self.input = Buffer::default();
            self.start = 0;
        }
    }

    /// How many bytes wait in the read buffer.
    pub fn buffered(&self) -> usize {
        self.input.len() - self.start
    }

    /// Nothing will be parsed any more: the memory goes.
    #[cold]
    fn fail(&mut self, error: Error) {
        self.failure = Some(error);
        self.builder.clear();
        self.machine.reset();
        self.input = Buffer::default();
        self.start = 0;
        self.state = State::Boundary;
    }

    /// The buffer for the next bytes, with room, and how many of them belong there.
    fn place(&mut self) -> Option<(&mut Buffer, usize)> {
        if self.failure.is_some() {
            return None;
        }
        if let Err(error) = self.make_room() {
            self.fail(error);
            return None;
        }
        match self.direct() {
            Some(left) => self.builder.text().map(|text| (text, left)),
            None => Some((&mut self.input, self.window)),
        }
    }

    /// Whether the next bytes go into a long text directly, and how many.
    fn direct(&self) -> Option<usize> {
        match self.state {
            State::Text { left, .. } if left >= DIRECT && self.start == self.input.len() => Some(left),
            _ => None,
        }
    }

    fn make_room(&mut self) -> Result<(), Error> {
        if let State::Text { left, piece } = self.state
            && self.direct().is_some()
            && let Some(text) = self.builder.text()
        {
            return make_text_room(text, 1, left, piece);
        }
        if self.start == self.input.len() {
            self.input.truncate(0);
            self.start = 0;
            if self.input.capacity() > self.size {
                self.input = Buffer::default();
            }
        } else if self.input.spare() < self.size / 4 {
            self.input.discard(self.start);
            self.start = 0;
        }
        match (self.input.capacity(), self.input.spare()) {
            (0, _) => self.input.resize(self.size),
            // One long line, or a caller that does not ask for the replies.
            (capacity, 0) => self.input.resize(capacity.saturating_mul(2)),
            _ => Ok(()),
        }
    }

    /// So many bytes have come to where `place` said.
    fn received(&mut self, count: usize) {
        if self.direct().is_some()
            && let State::Text { left, .. } = &mut self.state
        {
            *left -= count;
        } else {
            self.window = self.window.saturating_mul(2).min(self.size);
        }
    }

    /// The bytes that are not used up, but for `ahead` of them.
    fn rest(input: &Buffer, start: usize) -> &[u8] {
        input.as_bytes().get(start..).unwrap_or_default()
    }

    fn advance(&mut self) -> Result<Option<Reply>, Error> {
        loop {
            let done = match self.state {
                State::Boundary => {
                    if let Some((text, used)) = short_string(Parser::rest(&self.input, self.start)) {
                        let leaf = Leaf::text(Kind::String, text);
                        self.machine.reset();
                        self.machine.charge(leaf.memory())?;
                        let reply = Reply::of_leaf(&leaf)?;
                        self.start += used;
                        return Ok(Some(reply));
                    }
                    let Some((token, used)) = self.tokens.next(Parser::rest(&self.input, self.start))? else {
                        return Ok(None);
                    };
                    self.machine.reset();
                    match token {
                        Token::Leaf(leaf) => {
                            self.machine.charge(leaf.memory())?;
                            let reply = Reply::of_leaf(&leaf)?;
                            self.start += used;
                            return Ok(Some(reply));
                        }
                        Token::Open(Kind::Array, Some(0)) => {
                            let reply = Reply::of_leaf(&Leaf::new(Kind::Array))?;
                            self.start += used;
                            return Ok(Some(reply));
                        }
                        Token::Open(kind, Some(_)) => {
                            self.is_push = kind == Kind::Push;
                            self.state = State::Counting { ahead: 0 };
                        }
                        token => {
                            self.is_push = matches!(token, Token::Open(Kind::Push, _));
                            self.build(0)?;
                        }
                    }
                    continue;
                }
                State::Counting { ahead } => match self.count(ahead)? {
                    true => continue,
                    false => return Ok(None),
                },
                State::Building => match self.tokens.next(Parser::rest(&self.input, self.start))? {
                    None => return Ok(None),
                    Some((token, used)) => {
                        self.start += used;
                        match token {
                            Token::Leaf(leaf) => self.machine.leaf(&leaf, &mut self.builder)?,
                            Token::Open(kind, count) => self.machine.open(kind, count, &mut self.builder)?,
                            Token::End => self.machine.end(&mut self.builder)?,
                            Token::Text(leaf, length) => {
                                self.machine.text(length)?;
                                self.builder.open_text(&leaf);
                                self.window = SMALL;
                                self.state = State::Text { left: length + 2, piece: false };
                                false
                            }
                            Token::Stream => {
                                self.machine.text(0)?;
                                self.builder.open_text(&Leaf::new(Kind::String));
                                self.state = State::Pieces;
                                false
                            }
                            Token::Piece(_) => return Err(unexpected("a value", b";")),
                        }
                    }
                },
                State::Text { left, piece } => match self.text(left, piece)? {
                    None => return Ok(None),
                    Some(done) => done,
                },
                State::Pieces => match self.tokens.next(Parser::rest(&self.input, self.start))? {
                    None => return Ok(None),
                    Some((Token::Piece(0), used)) => {
                        self.start += used;
                        self.end_text()?
                    }
                    Some((Token::Piece(length), used)) => {
                        self.start += used;
                        self.machine.charge(length)?;
                        self.state = State::Text { left: length + 2, piece: true };
                        false
                    }
                    Some(_) => {
                        return Err(unexpected("a piece of a string", Parser::rest(&self.input, self.start)));
                    }
                },
            };
            if done {
                self.state = State::Boundary;
                return self.builder.finish().map(|root| Some(Reply::from_root(root)));
            }
        }
    }

    /// Goes back to the start of the reply, to build it: with its exact memory when that is known.
    fn build(&mut self, memory: usize) -> Result<(), Error> {
        self.machine.reset();
        self.builder.start(memory)?;
        self.state = State::Building;
        Ok(())
    }

    /// Counts what has come of a small reply. False: more bytes are needed.
    fn count(&mut self, mut ahead: usize) -> Result<bool, Error> {
        let input = Parser::rest(&self.input, self.start);
        while ahead <= SMALL {
            let Some((token, used)) = self.tokens.next(input.get(ahead..).unwrap_or_default())? else {
                self.state = State::Counting { ahead };
                return Ok(false);
            };
            let done = match token {
                Token::Leaf(leaf) => self.machine.leaf(&leaf, &mut Counter)?,
                Token::Open(kind, Some(count)) => self.machine.open(kind, Some(count), &mut Counter)?,
                // The end of such an aggregate is not known, nor are these texts small.
                _ => break,
            };
            ahead += used;
            if done {
                self.build(self.machine.memory())?;
                return Ok(true);
            }
        }
        self.build(0)?;
        Ok(true)
    }

    /// Takes what has come of a long text. `None`: more bytes are needed; else whether the reply is complete.
    fn text(&mut self, left: usize, piece: bool) -> Result<Option<bool>, Error> {
        let input = Parser::rest(&self.input, self.start);
        let input = input.get(..left).unwrap_or(input);
        let text = self.builder.text().ok_or_else(|| Error::new(Status::Internal, "no text is open"))?;
        make_text_room(text, input.len(), left, piece)?;
        let count = text.append(input);
        self.start += count;
        if count < left {
            self.state = State::Text { left: left - count, piece };
            return Ok(None);
        }
        let Some(length) = text.as_bytes().strip_suffix(b"\r\n").map(<[u8]>::len) else {
            let tail = text.as_bytes().last_chunk::<2>().map_or(&b""[..], |tail| &tail[..]);
            return Err(unexpected("the end of a line behind a text", tail));
        };
        text.truncate(length);
        if piece {
            self.state = State::Pieces;
            return Ok(Some(false));
        }
        self.end_text().map(Some)
    }

    /// A long text is complete.
    fn end_text(&mut self) -> Result<bool, Error> {
        self.state = State::Building;
        self.builder.close_text()?;
        self.machine.value(&mut self.builder)
    }
}

/// Room for `needed` more bytes of a text of which `left` are missing: all of it when it is not too long, else twice
/// the room as before.
fn make_text_room(text: &mut Buffer, needed: usize, left: usize, piece: bool) -> Result<(), Error> {
    if text.spare() >= needed {
        return Ok(());
    }
    let doubled = text.capacity().saturating_mul(2);
    let mut capacity = text.len().saturating_add(left).min(doubled.max(FIRST_ROOM));
    if piece {
        // Others will follow.
        capacity = capacity.max(doubled);
    }
    text.resize(capacity.max(text.len().saturating_add(needed)))
}
