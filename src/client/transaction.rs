//! MULTI .. EXEC as one request: its replies are taken in order and become one.
//!
//! Invariant: replies are numbered 0 for MULTI, 1 to n for what was queued, n + 1 for EXEC; nothing is judged before
//! EXEC was answered. Follows <https://redis.io/docs/latest/develop/using-commands/transactions/>.

use crate::error::{Outcome, Status};
use crate::protocol::command;
use crate::protocol::reply::{Kind, Reply};

use super::completion::Verdict;

/// Replies beside those of the commands themselves: to MULTI and to EXEC.
pub const FRAME: u32 = 2;

/// An atomic request under way.
#[derive(Debug)]
pub struct Transaction {
    commands: u32,
    /// Why MULTI or the first refused command was refused.
    refused: Option<String>,
}

impl Transaction {
    /// Of so many commands between MULTI and EXEC.
    pub fn new(commands: u32) -> Transaction {
        Transaction { commands, refused: None }
    }

    /// Takes reply number `part`; the verdict comes with the last. `request` holds the bytes that were sent, if the
    /// reply is an error.
    pub fn answer(&mut self, part: u32, reply: Reply, request: &[u8]) -> Option<Verdict> {
        if part <= self.commands {
            if reply.kind() == Kind::Error && self.refused.is_none() {
                let text = String::from_utf8_lossy(reply.as_bytes());
                self.refused = Some(match part.checked_sub(1) {
                    None => format!("MULTI was refused, so the commands ran one by one: {text}"),
                    Some(index) => format!("command {index} ({}): {text}", name_of(request, part)),
                });
            }
            return None;
        }
        if reply.kind() != Kind::Error {
            return Some(Verdict::answered(Status::Ok, reply));
        }
        let text = String::from_utf8_lossy(reply.as_bytes());
        let reply = match &self.refused {
            Some(refused) => Reply::error(Status::Server, Outcome::Answered, &format!("{text} {refused}")),
            None => reply,
        };
        Some(Verdict::answered(Status::Server, reply))
    }
}

/// The name of the command at this place of the encoded request.
fn name_of(request: &[u8], place: u32) -> String {
    let command =
        command::commands(request).nth(place as usize).and_then(|range| request.get(range)).unwrap_or_default();
    let name = command::decode(command).next().unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_uppercase()
}
