//! MULTI .. EXEC as one request: its replies are taken in order and become one.
//!
//! Invariant: replies are numbered 0 for MULTI, 1 to n for what was queued, n + 1 for EXEC; nothing is judged before
//! EXEC was answered, and what no server answers to it is never told as an answer. Follows
//! <https://redis.io/docs/latest/develop/using-commands/transactions/>.

use std::mem;

use crate::error::{Outcome, Status};
use crate::protocol::command;
use crate::protocol::reply::{Kind, Reply};

use super::completion::Verdict;
use super::loss::Block;
use super::retry::Refusal;

#[cfg(test)]
mod tests;

/// Replies beside those of the commands themselves: to MULTI and to EXEC.
pub const FRAME: u32 = 2;

/// An atomic request under way.
#[derive(Debug)]
pub struct Transaction {
    commands: u32,
    /// What came of MULTI; `None`: it is not answered.
    begun: Option<Result<(), String>>,
    /// The first command that was refused.
    refused: Option<Refused>,
    /// MULTI was refused and a command behind it was not.
    ran_alone: bool,
}

#[derive(Debug)]
struct Refused {
    place: u32,
    name: String,
    text: String,
}

/// What a reply means.
#[derive(Debug)]
pub enum Progress {
    /// More replies follow.
    Waiting,
    /// It is over.
    Ended(Verdict),
    /// It is over and nothing of it ran, for a reason that passes: the server's text.
    NotRun(Refusal, String, Verdict),
    /// No server answers so: it is out of step, or no server. What is wrong.
    Impossible(String),
}

impl Transaction {
    /// Of so many commands between MULTI and EXEC.
    pub fn new(commands: u32) -> Transaction {
        Transaction { commands, begun: None, refused: None, ran_alone: false }
    }

    /// It is sent once more.
    pub fn restart(&mut self) {
        *self = Transaction::new(self.commands);
    }

    /// How many replies it gets.
    pub fn replies(&self) -> u32 {
        self.commands + FRAME
    }

    /// Takes reply number `part`. `request` holds the bytes that were sent, if the reply is an error.
    pub fn answer(&mut self, part: u32, reply: Reply, request: &[u8]) -> Progress {
        match part {
            0 => self.multi(&reply),
            part if part <= self.commands => self.command(part, &reply, request),
            _ => self.exec(reply),
        }
    }

    fn multi(&mut self, reply: &Reply) -> Progress {
        match reply.kind() {
            Kind::Error => self.begun = Some(Err(text_of(reply))),
            Kind::Status if reply.as_bytes() == b"OK" => self.begun = Some(Ok(())),
            _ => return Progress::Impossible("the answer to MULTI is neither OK nor an error".to_string()),
        }
        Progress::Waiting
    }

    fn command(&mut self, part: u32, reply: &Reply, request: &[u8]) -> Progress {
        let is_begun = matches!(self.begun, Some(Ok(())));
        match reply.kind() {
            Kind::Error => {
                let text = text_of(reply);
                self.ran_alone |= !is_begun && Refusal::of_text(text.as_bytes()).is_none();
                if self.refused.is_none() {
                    self.refused = Some(Refused { place: part - 1, name: name_of(request, part), text });
                }
            }
            _ if !is_begun => self.ran_alone = true,
            Kind::Status if reply.as_bytes() == b"QUEUED" => {}
            _ => return Progress::Impossible("the answer to a command behind MULTI is not QUEUED".to_string()),
        }
        Progress::Waiting
    }

    fn exec(&mut self, reply: Reply) -> Progress {
        if reply.kind() == Kind::Error {
            return self.exec_refused(&reply);
        }
        let impossible = |sentence: String| Progress::Impossible(sentence);
        match (&self.begun, &self.refused, reply.kind()) {
            (Some(Err(_)), _, _) => impossible("EXEC was not refused, though MULTI was".to_string()),
            (_, Some(_), _) => impossible("EXEC was not refused, though a command was".to_string()),
            (_, _, Kind::Nil) => Progress::Ended(Verdict::answered(Status::Ok, reply)),
            (_, _, Kind::Array) if reply.items().len() == self.commands as usize => {
                Progress::Ended(Verdict::answered(Status::Ok, reply))
            }
            (_, _, Kind::Array) => {
                let (found, wanted) = (reply.items().len(), self.commands);
                impossible(format!("the answer to EXEC has {found} items, for {wanted} commands"))
            }
            _ => impossible("the answer to EXEC is neither an array, nil nor an error".to_string()),
        }
    }

    fn exec_refused(&mut self, reply: &Reply) -> Progress {
        let text = text_of(reply);
        let (sentence, proof) = match (mem::take(&mut self.begun), &self.refused) {
            (Some(Err(multi)), _) => {
                let alone = if self.ran_alone { "; the commands behind it ran one by one" } else { "" };
                let sentence = format!("{}: MULTI was refused: {multi}{alone}", without_period(&text));
                (sentence, Some(multi).filter(|_| !self.ran_alone))
            }
            (_, Some(Refused { place, name, text: refusal })) => {
                (format!("{}: command {place} ({name}): {refusal}", without_period(&text)), Some(refusal.clone()))
            }
            (_, None) => (text.clone(), Some(text)),
        };
        let verdict = refused_with(&sentence);
        match proof.and_then(|proof| Some((Refusal::of_text(proof.as_bytes())?, proof))) {
            Some((refusal, proof)) => Progress::NotRun(refusal, proof, verdict),
            None => Progress::Ended(verdict),
        }
    }

    /// How far it has come, when its connection ends.
    pub fn block(&self) -> Block {
        match (&self.begun, &self.refused) {
            (None, _) => Block::Unanswered,
            (Some(Err(_)), _) => Block::NotBegun,
            (Some(Ok(())), Some(_)) => Block::Refused,
            (Some(Ok(())), None) => Block::Queued,
        }
    }

    /// Its end, when the connection ended behind the refusal of a command.
    pub fn refusal(&self) -> Option<Verdict> {
        let Refused { place, name, text } = self.refused.as_ref()?;
        Some(refused_with(&format!("command {place} ({name}): {text}")))
    }
}

fn refused_with(sentence: &str) -> Verdict {
    Verdict::answered(Status::Server, Reply::error(Status::Server, Outcome::Answered, sentence))
}

fn without_period(text: &str) -> &str {
    text.trim_end_matches('.')
}

fn text_of(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.as_bytes()).into_owned()
}

/// The name of the command at this place of the encoded request.
fn name_of(request: &[u8], place: u32) -> String {
    let command =
        command::commands(request).nth(place as usize).and_then(|range| request.get(range)).unwrap_or_default();
    let name = command::decode(command).next().unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_uppercase()
}
