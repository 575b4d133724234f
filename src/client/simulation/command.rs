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
    Multi,
    Exec,
}

/// A command as a server has read it.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub verb: Verb,
    /// The number of the call; of MULTI and EXEC 0.
    pub number: u32,
}

impl Verb {
    /// Whether a replica refuses it.
    pub fn writes(self) -> bool {
        !matches!(self, Verb::Get | Verb::Multi | Verb::Exec)
    }

    /// The script that it runs.
    pub fn script(self) -> Option<usize> {
        match self {
            Verb::Eval(script) | Verb::EvalSha(script) => Some(script),
            _ => None,
        }
    }

    /// The arguments of a call; `value` is as long as it is told.
    pub fn args(self, number: u32, value: usize) -> Vec<Vec<u8>> {
        let (key, value) = (format!("k:{number}").into_bytes(), vec![b'v'; value]);
        match self {
            Verb::Get => vec![b"GET".to_vec(), key],
            Verb::Set => vec![b"SET".to_vec(), key, value],
            Verb::Increment => vec![b"INCR".to_vec(), key],
            Verb::Append => vec![b"APPEND".to_vec(), key, value],
            Verb::Eval(script) => vec![b"EVAL".to_vec(), body(script).into_bytes(), b"1".to_vec(), key, value],
            Verb::EvalSha(_) | Verb::Multi | Verb::Exec => Vec::new(),
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
        let number = |index: usize| text(index).strip_prefix("k:").unwrap().parse().unwrap();
        let (verb, number) = match args[0] {
            b"GET" => (Verb::Get, number(1)),
            b"SET" => (Verb::Set, number(1)),
            b"INCR" => (Verb::Increment, number(1)),
            b"APPEND" => (Verb::Append, number(1)),
            b"EVAL" => (Verb::Eval((0..SCRIPTS).find(|script| body(*script) == text(1)).unwrap()), number(3)),
            b"EVALSHA" => (Verb::EvalSha(self.0.iter().position(|digest| digest == text(1)).unwrap()), number(3)),
            b"MULTI" => (Verb::Multi, 0),
            b"EXEC" => (Verb::Exec, 0),
            other => panic!("the client sent {:?}", String::from_utf8_lossy(other)),
        };
        Command { verb, number }
    }
}
