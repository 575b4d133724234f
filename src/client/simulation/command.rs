//! The commands of a simulation, as the workload writes them and the server reads them. Each call has a number of its
//! own in its key, by which the server's log knows it.

use sha1::{Digest, Sha1};

use crate::protocol::command;

/// How many scripts there are. The last one answers with errors that look like those of the server itself.
pub const SCRIPTS: usize = 4;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Set,
    Increment,
    Append,
    /// The script of this number.
    Eval(usize),
    /// The same, by its digest.
    EvalSha(usize),
    /// BLPOP with this timeout, in milliseconds; 0: for ever.
    Pop(u64),
    /// The same with a timeout that no server accepts.
    PopNothing,
    /// CLIENT UNBLOCK of this connection.
    Unblock(i64),
    Multi,
    Exec,
    /// ASKING, for what follows.
    Asking,
    /// CLUSTER SLOTS.
    Slots,
}

/// A command as a server has read it.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub verb: Verb,
    /// The number of the call; of MULTI, EXEC and what the client asks for itself 0.
    pub number: u32,
    /// The tag of its key, which decides the slot.
    pub tag: Option<usize>,
}

impl Verb {
    /// Whether a replica refuses it.
    pub fn writes(self) -> bool {
        !matches!(self, Verb::Get | Verb::Multi | Verb::Exec | Verb::Asking | Verb::Slots | Verb::Unblock(_))
    }

    /// Whether the server may wait with it.
    pub fn blocks(self) -> bool {
        matches!(self, Verb::Pop(_))
    }

    /// The script that it runs.
    pub fn script(self) -> Option<usize> {
        match self {
            Verb::Eval(script) | Verb::EvalSha(script) => Some(script),
            _ => None,
        }
    }

    /// The arguments of a call; `value` is as long as it is told, and the key has this tag.
    pub fn args(self, number: u32, value: usize, tag: Option<usize>) -> Vec<Vec<u8>> {
        let tag = tag.map(|tag| format!("{{{tag}}}")).unwrap_or_default();
        let (key, value) = (format!("k:{number}{tag}").into_bytes(), vec![b'v'; value]);
        match self {
            Verb::Get => vec![b"GET".to_vec(), key],
            Verb::Set => vec![b"SET".to_vec(), key, value],
            Verb::Increment => vec![b"INCR".to_vec(), key],
            Verb::Append => vec![b"APPEND".to_vec(), key, value],
            Verb::Eval(script) => vec![b"EVAL".to_vec(), body(script).into_bytes(), b"1".to_vec(), key, value],
            Verb::Pop(millis) => vec![b"BLPOP".to_vec(), key, (millis as f64 / 1000.0).to_string().into_bytes()],
            Verb::EvalSha(_) | Verb::PopNothing | Verb::Unblock(_) => Vec::new(),
            Verb::Multi | Verb::Exec | Verb::Asking | Verb::Slots => Vec::new(),
        }
    }
}

/// The text of a script.
fn body(script: usize) -> String {
    format!("return {script}")
}

/// The digests of the scripts.
pub struct Digests([String; SCRIPTS]);

impl Digests {
    pub fn new() -> Digests {
        let digest = |script| Sha1::digest(body(script)).iter().map(|byte| format!("{byte:02x}")).collect();
        Digests(std::array::from_fn(digest))
    }

    /// The command of which these are the bytes.
    pub fn read(&self, encoded: &[u8]) -> Command {
        let args: Vec<&[u8]> = command::decode(encoded).collect();
        let text = |index: usize| std::str::from_utf8(args[index]).unwrap();
        let (verb, key) = match args[0] {
            b"GET" => (Verb::Get, 1),
            b"SET" => (Verb::Set, 1),
            b"INCR" => (Verb::Increment, 1),
            b"APPEND" => (Verb::Append, 1),
            b"EVAL" => (Verb::Eval((0..SCRIPTS).find(|script| body(*script) == text(1)).unwrap()), 3),
            b"EVALSHA" => (Verb::EvalSha(self.0.iter().position(|digest| digest == text(1)).unwrap()), 3),
            b"BLPOP" if args[2] == b"-1" => (Verb::PopNothing, 1),
            b"BLPOP" => (Verb::Pop((text(2).parse::<f64>().unwrap() * 1000.0).round() as u64), 1),
            b"CLIENT" => (Verb::Unblock(text(2).parse().unwrap()), 0),
            b"MULTI" => (Verb::Multi, 0),
            b"EXEC" => (Verb::Exec, 0),
            b"ASKING" => (Verb::Asking, 0),
            b"CLUSTER" => (Verb::Slots, 0),
            other => panic!("the client sent {:?}", String::from_utf8_lossy(other)),
        };
        if key == 0 {
            return Command { verb, number: 0, tag: None };
        }
        let key = text(key).strip_prefix("k:").unwrap();
        let (number, tag) = key.split_once('{').unwrap_or((key, ""));
        let number = if verb == Verb::PopNothing { 0 } else { number.parse().unwrap() };
        Command { verb, number, tag: tag.strip_suffix('}').map(|tag| tag.parse().unwrap()) }
    }
}
