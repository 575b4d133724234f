//! MULTI .. EXEC as one request: what its replies mean together. Pure.
//!
//! Invariant: what no server answers to a transaction is never told as an answer. Follows
//! <https://redis.io/docs/latest/develop/using-commands/transactions/>.

use crate::error::{Outcome, Status};
use crate::protocol::command;
use crate::protocol::reply::{Kind, Reply};

use super::attempt::Block;
use super::completion::Verdict;
use super::retry::Refusal;

#[cfg(test)]
mod tests;

/// Replies beside those of the commands themselves: to MULTI and to EXEC.
pub const FRAME: u32 = 2;

/// What the replies tell that come before that to EXEC.
#[derive(Debug, Default)]
pub struct Transaction {
    commands: usize,
    /// What came of MULTI; `None`: it is not answered.
    begun: Option<Result<(), String>>,
    /// The first command that was refused.
    refused: Option<Refused>,
    /// MULTI was refused: whether a command behind it ran alone.
    alone: Alone,
    /// What no server answers.
    impossible: Option<&'static str>,
}

/// Whether something ran that was to run between MULTI and EXEC only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Alone {
    #[default]
    No,
    /// It was answered with an error that does not prove the contrary.
    Perhaps,
    Yes,
}

#[derive(Debug)]
struct Refused {
    index: usize,
    name: String,
    text: String,
}

/// What became of a transaction that is answered.
#[derive(Debug)]
pub enum End {
    /// This is its answer.
    Answered(Verdict),
    /// Nothing of it ran, for a reason that passes: the server's text, and the answer if it is not sent again.
    NotRun(Refusal, String, Verdict),
    /// No server answers so: it is out of step, or no server. What is wrong.
    Impossible(String),
}

impl Transaction {
    /// What these replies tell, to MULTI and to the commands behind it as far as they came; `request` holds the bytes
    /// that were sent.
    pub fn of(replies: &[Reply], request: &[u8]) -> Transaction {
        let mut transaction = Transaction { commands: replies.len().saturating_sub(1), ..Transaction::default() };
        let mut replies = replies.iter();
        if let Some(reply) = replies.next() {
            transaction.multi(reply);
        }
        let is_begun = matches!(transaction.begun, Some(Ok(())));
        let mut commands = command::commands(request).skip(1);
        for (index, reply) in replies.enumerate() {
            transaction.command(index, reply, request);
            if !is_begun {
                let command = commands.next().and_then(|range| request.get(range)).unwrap_or_default();
                transaction.alone = transaction.alone.max(ran_alone(reply, command));
            }
        }
        transaction
    }

    fn multi(&mut self, reply: &Reply) {
        match reply.kind() {
            Kind::Error => self.begun = Some(Err(text_of(reply))),
            Kind::Status if reply.as_bytes() == b"OK" => self.begun = Some(Ok(())),
            _ => self.impossible = Some("the answer to MULTI is neither OK nor an error"),
        }
    }

    fn command(&mut self, index: usize, reply: &Reply, request: &[u8]) {
        let is_begun = matches!(self.begun, Some(Ok(())));
        match reply.kind() {
            Kind::Error => {
                let text = text_of(reply);
                if self.refused.is_none() {
                    self.refused = Some(Refused { index, name: name_of(request, index), text });
                }
            }
            _ if !is_begun => {}
            Kind::Status if reply.as_bytes() == b"QUEUED" => {}
            _ => _ = self.impossible.get_or_insert("the answer to a command behind MULTI is not QUEUED"),
        }
    }

    /// What the whole means, with the reply to EXEC.
    pub fn end(self, exec: Reply) -> End {
        if let Some(sentence) = self.impossible {
            return End::Impossible(sentence.to_string());
        }
        if exec.kind() == Kind::Error {
            return self.exec_refused(&exec);
        }
        let impossible = |sentence: &str| End::Impossible(sentence.to_string());
        match (&self.begun, &self.refused, exec.kind()) {
            (Some(Err(_)), _, _) => impossible("EXEC was not refused, though MULTI was"),
            (_, Some(_), _) => impossible("EXEC was not refused, though a command was"),
            (_, _, Kind::Nil) => End::Answered(Verdict::answered(Status::Ok, exec)),
            (_, _, Kind::Array) if exec.items().len() == self.commands => {
                End::Answered(Verdict::answered(Status::Ok, exec))
            }
            (_, _, Kind::Array) => {
                let (found, wanted) = (exec.items().len(), self.commands);
                End::Impossible(format!("the answer to EXEC has {found} items, for {wanted} commands"))
            }
            _ => impossible("the answer to EXEC is neither an array, nil nor an error"),
        }
    }

    fn exec_refused(self, exec: &Reply) -> End {
        let text = text_of(exec);
        let (sentence, proof) = match (self.begun, self.refused) {
            (Some(Err(multi)), _) => {
                let alone = match self.alone {
                    Alone::No => "",
                    Alone::Perhaps => "; the commands behind it may have run one by one",
                    Alone::Yes => "; the commands behind it ran one by one",
                };
                let sentence = format!("{}: MULTI was refused: {multi}{alone}", without_period(&text));
                (sentence, Some(multi).filter(|_| self.alone == Alone::No))
            }
            (_, Some(Refused { index, name, text: refusal })) => {
                (format!("{}: command {index} ({name}): {refusal}", without_period(&text)), Some(refusal))
            }
            (_, None) => (text.clone(), Some(text)),
        };
        let verdict = refused_with(&sentence);
        match proof.and_then(|proof| Some((Refusal::of_text(proof.as_bytes())?, proof))) {
            Some((refusal, proof)) => End::NotRun(refusal, proof, verdict),
            None => End::Answered(verdict),
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

    /// The server's text, if it refused a command for a reason that passes: nothing of it ran.
    pub fn passing_refusal(&self) -> Option<&str> {
        let is_begun = matches!(self.begun, Some(Ok(())));
        let text = &self.refused.as_ref().filter(|_| is_begun)?.text;
        Refusal::of_text(text.as_bytes()).map(|_| text.as_str())
    }

    /// Its end, when the connection ended behind the refusal of a command.
    pub fn refusal(&self) -> Option<Verdict> {
        let Refused { index, name, text } = self.refused.as_ref()?;
        Some(refused_with(&format!("command {index} ({name}): {text}")))
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

/// Whether a command ran, to judge by the reply to it, which did not come out of the queue that MULTI makes.
fn ran_alone(reply: &Reply, command: &[u8]) -> Alone {
    match reply.kind() {
        Kind::Error if Refusal::of(reply.as_bytes(), command).is_some() => Alone::No,
        Kind::Error => Alone::Perhaps,
        _ => Alone::Yes,
    }
}

/// The name of a command between MULTI and EXEC.
fn name_of(request: &[u8], index: usize) -> String {
    let command = command::commands(request).nth(index + 1).and_then(|range| request.get(range)).unwrap_or_default();
    let name = command::decode(command).next().unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_uppercase()
}
