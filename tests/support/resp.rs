//! A tiny RESP2 client and parser over std sockets: looks at a server's state from outside. It shares no code with
//! the library on purpose, blocks, and panics on what it does not understand.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::wait;

/// One reply in RESP2.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// `+OK`
    Status(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3` and its bytes
    Bulk(Vec<u8>),
    /// `$-1` or `*-1`
    Nil,
    /// `*2` and its items
    Array(Vec<Answer>),
}

impl Answer {
    /// The text of a status, an error or a bulk string, or of an integer.
    pub fn text(&self) -> String {
        match self {
            Answer::Status(text) | Answer::Error(text) => text.clone(),
            Answer::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Answer::Integer(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The integer, also when it is stored as a string; 0 for nil, as INCR sees it.
    pub fn integer(&self) -> i64 {
        match self {
            Answer::Integer(number) => *number,
            Answer::Nil => 0,
            other => other.text().parse().unwrap_or_else(|_| panic!("no integer: {other:?}")),
        }
    }

    /// The bytes of a bulk string.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Answer::Bulk(bytes) => bytes,
            other => panic!("no bulk string: {other:?}"),
        }
    }

    /// The items of an array.
    pub fn items(&self) -> &[Answer] {
        match self {
            Answer::Array(items) => items,
            other => panic!("no array: {other:?}"),
        }
    }

    /// True for `+OK`.
    pub fn is_ok(&self) -> bool {
        matches!(self, Answer::Status(text) if text == "OK")
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Status(text) => write!(formatter, "+{text}"),
            Answer::Error(text) => write!(formatter, "-{text}"),
            Answer::Integer(number) => write!(formatter, ":{number}"),
            Answer::Bulk(bytes) => write!(formatter, "\"{}\"", bytes.escape_ascii()),
            Answer::Nil => write!(formatter, "nil"),
            Answer::Array(items) => formatter.debug_list().entries(items).finish(),
        }
    }
}

/// A connection that sends a command and reads its answer.
pub struct Plain {
    stream: BufReader<TcpStream>,
}

impl Plain {
    /// Connects; a read that takes longer than [`wait::LIMIT`] fails.
    pub fn connect(address: SocketAddr) -> io::Result<Plain> {
        let stream = TcpStream::connect_timeout(&address, wait::LIMIT)?;
        stream.set_read_timeout(Some(wait::LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Plain { stream: BufReader::new(stream) })
    }

    /// Sends one command and reads one answer.
    pub fn command<T: AsRef<[u8]>>(&mut self, arguments: &[T]) -> io::Result<Answer> {
        self.send(&encode(arguments))?;
        self.receive()
    }

    /// Sends commands together and then reads their answers; so many that neither side has to wait for the other.
    pub fn pipeline<T: AsRef<[u8]>, C: AsRef<[T]>>(&mut self, commands: &[C]) -> io::Result<Vec<Answer>> {
        let wire: Vec<u8> = commands.iter().flat_map(|command| encode(command.as_ref())).collect();
        self.send(&wire)?;
        commands.iter().map(|_| self.receive()).collect()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one answer.
    pub fn receive(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.stream)
    }

    /// The socket itself, for what this client does not offer.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

/// One command as the array of bulk strings that goes over the wire.
pub fn encode<T: AsRef<[u8]>>(arguments: &[T]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        wire.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        wire.extend_from_slice(argument);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// Reads one RESP2 reply.
pub fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let line = read_line(stream)?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| malformed(&line))?;
    let number = || rest.parse::<i64>().map_err(|_| malformed(&line));
    Ok(match kind {
        "+" => Answer::Status(rest.to_owned()),
        "-" => Answer::Error(rest.to_owned()),
        ":" => Answer::Integer(number()?),
        "$" | "*" if number()? < 0 => Answer::Nil,
        "$" => {
            let mut bytes = Vec::new();
            let length = number()?.unsigned_abs();
            stream.by_ref().take(length + 2).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != length + 2 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.truncate(bytes.len() - 2);
            Answer::Bulk(bytes)
        }
        "*" => Answer::Array((0..number()?).map(|_| read_answer(stream)).collect::<io::Result<_>>()?),
        _ => return Err(malformed(&line)),
    })
}

/// Reads one command as a client sends it; `None` at the end of the stream.
pub fn read_command(stream: &mut impl BufRead) -> io::Result<Option<Vec<Vec<u8>>>> {
    if stream.fill_buf()?.is_empty() {
        return Ok(None);
    }
    match read_answer(stream)? {
        Answer::Array(items) => Ok(Some(items.iter().map(|item| item.bytes().to_vec()).collect())),
        other => Err(malformed(&format!("{other:?}"))),
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\r\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not RESP2: {line:?}"))
}
