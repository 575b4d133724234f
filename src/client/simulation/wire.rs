//! One connection between the client and a server: what each side sent and the other has not read yet. It can be cut at
//! any byte of either direction, and a server may still read what was on the way when the client has given it up.

use std::collections::VecDeque;
use std::mem;

use fastrand::Rng;

use super::command::{Command, Digests};
use super::server::{Log, NOT_READ, Server, Session};
use crate::protocol::command;

/// A connection.
pub struct Wire {
    /// To which server it leads.
    pub server: usize,
    session: Session,
    /// The call with which the server may wait.
    waiting: u32,
    /// What the socket took of a command that is not whole.
    tail: Vec<u8>,
    /// The number of that command.
    begun: Option<u32>,
    /// The server has refused it already.
    is_refused: bool,
    /// The commands that the socket took whole, each with the position of its end.
    commands: VecDeque<(u64, Command)>,
    /// How much the socket took.
    taken: u64,
    /// How much of it the server has read.
    read: u64,
    /// What the server answered and the client has not read.
    answers: VecDeque<u8>,
    /// How much the server answered.
    answered: u64,
    /// The calls that got an element of a list, each with the position of its end in the answers.
    elements: VecDeque<(u64, u32)>,
    /// The client does not understand what comes next.
    is_garbled: bool,
}

impl Wire {
    /// To a server that calls the connection so.
    pub fn new(server: usize, connection: i64) -> Wire {
        let (tail, commands, answers) = (Vec::new(), VecDeque::new(), VecDeque::new());
        Wire {
            server,
            session: Session::new(connection),
            waiting: 0,
            tail,
            begun: None,
            is_refused: false,
            commands,
            taken: 0,
            read: 0,
            answers,
            answered: 0,
            elements: VecDeque::new(),
            is_garbled: false,
        }
    }

    /// The socket takes so many of these bytes of the client.
    pub fn take(&mut self, given: &[u8], taken: usize, digests: &Digests, log: &mut Log) {
        let (bytes, rest) = given.split_at(taken);
        self.tail.extend_from_slice(bytes);
        let mut used = 0;
        for range in command::commands(&self.tail) {
            used = range.end;
            let command = digests.read(&self.tail[range]);
            log.take(command.number, command.verb);
            if mem::take(&mut self.is_refused) {
                continue;
            }
            self.commands.push_back((self.taken - (self.tail.len() - bytes.len()) as u64 + used as u64, command));
        }
        self.taken += bytes.len() as u64;
        self.tail.drain(..used);
        self.begun = (!self.tail.is_empty()).then(|| {
            let both = [&self.tail, rest].concat();
            let whole = command::commands(&both).next();
            digests.read(&both[whole.expect("what is begun is given as a whole")]).number
        });
    }

    /// The client has given it up: what the socket took in part only was cut.
    pub fn cut(&mut self, log: &mut Log) {
        if let Some(number) = self.begun.take() {
            log.call(number).cuts += 1;
        }
    }

    /// The server reads so many bytes, and answers what is whole.
    pub fn serve(&mut self, most: u64, server: &mut Server, log: &mut Log, random: &mut Rng) {
        self.read = self.taken.min(self.read.saturating_add(most));
        loop {
            if self.session.waits() {
                let number = self.waiting;
                let Some(answer) = server.stop_waiting(&mut self.session, log, random) else { return };
                self.answer(&answer, number, log);
            }
            let Some((_, command)) = self.commands.front().copied().filter(|(end, _)| *end <= self.read) else {
                return;
            };
            self.commands.pop_front();
            self.waiting = if command.verb.blocks() { command.number } else { 0 };
            let answer = server.serve(command, &mut self.session, log, random);
            self.answer(&answer, self.waiting, log);
        }
    }

    /// The server says this; `number`: of the call, if it may take an element out of a list.
    fn answer(&mut self, answer: &[u8], number: u32, log: &mut Log) {
        self.answered += answer.len() as u64;
        self.answers.extend(answer);
        if number > 0 && answer.starts_with(b"*2") && !self.is_garbled {
            self.elements.push_back((self.answered, number));
            log.call(number).is_delivered = false;
        }
    }

    /// Whether the server waits with a command.
    pub fn waits(&self) -> bool {
        self.session.waits()
    }

    /// The server refuses what it has read a part of; the rest it will read in vain.
    pub fn refuse_begun(&mut self, log: &mut Log) {
        let has_read_all = self.commands.is_empty() && self.read == self.taken;
        let begun = self.begun.filter(|number| *number > 0 && has_read_all && !self.is_refused);
        if let Some(number) = begun.filter(|_| !self.session.is_queueing()) {
            self.is_refused = true;
            let refusal = log.refuse(number, NOT_READ);
            self.answer(&refusal, 0, log);
        }
    }

    /// The server says something that answers no command.
    pub fn push(&mut self) {
        let message = b">2\r\n$4\r\nnews\r\n*1\r\n:1\r\n";
        self.answered += message.len() as u64;
        self.answers.extend(message);
    }

    /// The server says what is no reply.
    pub fn garble(&mut self) {
        let nonsense = b"\x01no reply\r\n";
        self.answered += nonsense.len() as u64;
        self.answers.extend(nonsense);
        self.is_garbled = true;
    }

    /// How many bytes of the server the client can read.
    pub fn readable(&self) -> usize {
        self.answers.len()
    }

    /// How many bytes of the client the server can read.
    pub fn unread(&self) -> u64 {
        self.taken - self.read
    }

    /// The client reads so many bytes; `counts`: it still wants them.
    pub fn deliver(&mut self, most: usize, counts: bool, log: &mut Log) -> Vec<u8> {
        let most = most.min(self.answers.len());
        let bytes = self.answers.drain(..most).collect();
        let read = self.answered - self.answers.len() as u64;
        while let Some((_, number)) = self.elements.front().copied().filter(|(end, _)| *end <= read) {
            self.elements.pop_front();
            log.call(number).is_delivered = counts;
        }
        bytes
    }
}
