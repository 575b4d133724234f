//! A server that answers early, late, half, never, twice, or with what nobody asked for, and ends connections at any
//! point. Pure: bytes in, acts out, all decided by a seed; it logs what it has read whole and run. It understands the
//! commands of [`super::outcomes`], each of which is answered with its last word, and a handshake.

use std::time::Duration;

use fastrand::Rng;

use super::outcomes::{Log, find_tag, tag};
use crate::support::scripted::HELLO_3;

/// What the server does on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Send(Vec<u8>),
    Pause(Duration),
    /// Ends the stream; what still comes is read and dropped.
    End,
    Reset,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Talks,
    /// Never answers again; goes on to run what it reads (true), or not.
    Deaf(bool),
    Over,
}

/// One connection of the server.
pub struct Chaos {
    random: Rng,
    /// Whether commands may be answered twice: only for clients with one request at a time, who alone can tell.
    twice: bool,
    mood: Mood,
    input: Vec<u8>,
    /// The commands between MULTI and EXEC.
    block: Option<Vec<(u64, Vec<u8>)>>,
    /// One of them was refused.
    aborted: bool,
    /// For the command that is not here whole: whether it was considered for an early answer, and got one.
    early: (bool, bool),
    /// What was answered as it should be.
    answered: Vec<u64>,
    acts: Vec<Act>,
}

fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

/// The number in a line that begins with `mark`, and where the next line begins.
fn number(input: &[u8], start: usize, mark: u8) -> Option<(usize, usize)> {
    let line = input.get(start..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    assert_eq!(line[0], mark, "no command: {}", line[..end.min(40)].escape_ascii());
    Some((std::str::from_utf8(&line[1..end]).unwrap().parse().unwrap(), start + end + 2))
}

/// The command at the beginning of some bytes: its words and its length; `None`: it is not here whole.
fn parse(input: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (count, mut start) = number(input, 0, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, begin) = number(input, start, b'$')?;
        start = begin + length + 2;
        words.push(&input.get(begin..start)?[..length]);
    }
    Some((words, start))
}

impl Chaos {
    pub fn new(seed: u64, twice: bool) -> Chaos {
        Chaos {
            random: Rng::with_seed(seed),
            twice,
            mood: Mood::Talks,
            input: Vec::new(),
            block: None,
            aborted: false,
            early: (false, false),
            answered: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Before anything was read.
    pub fn greet(&mut self) -> Vec<Act> {
        match self.random.u8(..30) {
            0 => self.over(Act::End),
            1 => self.over(Act::Reset),
            // Nobody asked for it, so that this connection is of no use.
            2 => self.send("+OK\r\n"),
            _ => {}
        }
        std::mem::take(&mut self.acts)
    }

    /// Some bytes have come.
    pub fn feed(&mut self, bytes: &[u8], log: &mut Log) -> Vec<Act> {
        if self.mood == Mood::Over {
            return Vec::new();
        }
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut start = 0;
        while let Some((words, length)) = parse(&input[start..]).filter(|_| self.mood != Mood::Over) {
            start += length;
            self.command(&words, log);
            self.early = (false, false);
        }
        self.input = input[start..].to_vec();
        self.consider_early_answer();
        std::mem::take(&mut self.acts)
    }

    /// All acts were carried out, and the last one was the end of the stream.
    pub fn ended(&self, log: &mut Log) {
        log.answered.extend(&self.answered);
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.acts.push(Act::Send(bytes.as_ref().to_vec()));
    }

    fn over(&mut self, last: Act) {
        self.acts.push(last);
        self.mood = Mood::Over;
    }

    /// Refuses a command that is not here whole.
    fn consider_early_answer(&mut self) {
        let Some(id) = find_tag(&self.input).filter(|_| self.mood == Mood::Talks && !self.early.0) else { return };
        self.early = (true, self.random.u8(..4) == 0);
        if self.early.1 {
            self.send(format!("-ERR refused early {}\r\n", tag(id)));
            if self.random.u8(..4) == 0 {
                self.over(Act::End);
            }
        }
    }

    fn command(&mut self, words: &[&[u8]], log: &mut Log) {
        let (was_early, is_deaf) = (self.early.1, self.mood != Mood::Talks);
        let text = words.last().copied().unwrap_or_default();
        match words[0].to_ascii_uppercase().as_slice() {
            b"ECHO" | b"GET" | b"RPUSH" => {
                let id = find_tag(text).unwrap();
                match &mut self.block {
                    Some(_) if was_early => self.aborted = true,
                    Some(block) => {
                        block.push((id, text.to_vec()));
                        if !is_deaf {
                            self.queued(id);
                        }
                    }
                    None if was_early => {}
                    None => self.answer(&[id], &bulk(text), log),
                }
            }
            b"MULTI" => {
                (self.block, self.aborted) = (Some(Vec::new()), false);
                if !is_deaf {
                    self.send("+OK\r\n");
                }
            }
            b"EXEC" => {
                let block = self.block.take().unwrap_or_default();
                if std::mem::take(&mut self.aborted) {
                    return if is_deaf {
                    } else {
                        self.send("-EXECABORT refused because of previous errors.\r\n")
                    };
                }
                let (ids, texts): (Vec<u64>, Vec<Vec<u8>>) = block.into_iter().unzip();
                let bulks: Vec<u8> = texts.iter().flat_map(|text| bulk(text)).collect();
                self.answer(&ids, &[format!("*{}\r\n", ids.len()).as_bytes(), &bulks].concat(), log);
            }
            _ if is_deaf => {}
            b"HELLO" => match self.random.u8(..30) {
                0 => self.over(Act::End),
                1 => {
                    self.send(&HELLO_3[..HELLO_3.len() / 2]);
                    self.over(Act::Reset);
                }
                // Nobody asked for the second one: the connection is of no use.
                2 => self.send(format!("{HELLO_3}+OK\r\n")),
                _ => self.send(HELLO_3),
            },
            b"PING" => self.send("+PONG\r\n"),
            _ => self.send("+OK\r\n"),
        }
    }

    /// A command of a block is here.
    fn queued(&mut self, id: u64) {
        match self.random.u8(..60) {
            0 => self.over(Act::End),
            1 => self.over(Act::Reset),
            2 => self.mood = Mood::Deaf(false),
            3 => {
                self.aborted = true;
                self.send(format!("-ERR refused {}\r\n", tag(id)));
            }
            _ => self.send("+QUEUED\r\n"),
        }
    }

    /// Runs a command or a block, and answers; or not.
    fn answer(&mut self, ids: &[u64], answer: &[u8], log: &mut Log) {
        let run = |log: &mut Log| ids.iter().for_each(|id| *log.ran.entry(*id).or_default() += 1);
        if let Mood::Deaf(runs) = self.mood {
            return if runs {
                run(log)
            };
        }
        let is_block = answer.starts_with(b"*");
        let first = tag(ids.first().copied().unwrap_or_default());
        let (half, pause) = (self.random.usize(1..answer.len()), Duration::from_micros(self.random.u64(..20_000)));
        let last = if self.random.bool() { Act::End } else { Act::Reset };
        match self.random.u8(..100) {
            // Before it ran, after it ran, after it was answered.
            0 => return self.over(last),
            1 => {
                run(log);
                return self.over(last);
            }
            2..4 => {
                run(log);
                self.send(answer);
                self.answered.extend(ids);
                return self.over(last);
            }
            4 => {
                run(log);
                self.send(&answer[..half]);
                return self.over(last);
            }
            5 => {
                run(log);
                self.send(&answer[..half]);
                self.acts.push(Act::Pause(pause));
                self.send(&answer[half..]);
            }
            6 => {
                self.acts.push(Act::Pause(pause));
                run(log);
                self.send(answer);
            }
            7 => {
                let runs = self.random.bool();
                self.mood = Mood::Deaf(runs);
                return if runs {
                    run(log)
                };
            }
            8 => {
                let garbage: &[u8] =
                    self.random.choice([&b"?what\r\n"[..], b"$x\r\n", b":\r\n", b"*2\r\n:1\r\n?"]).unwrap();
                self.send(garbage);
                return self.over(last);
            }
            9 => {
                run(log);
                self.send(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n");
                self.send(answer);
            }
            10 if !is_block => return self.send(format!("-LOADING refused {first}\r\n")),
            11 if !is_block => return self.send(format!("-ERR refused {first}\r\n")),
            12 if !is_block => {
                run(log);
                return self.send(format!("-ERR failed {first}\r\n"));
            }
            13..18 if self.twice => {
                run(log);
                self.send([answer, answer].concat());
            }
            _ => {
                run(log);
                self.send(answer);
            }
        }
        self.answered.extend(ids);
    }
}

#[test]
fn chaos_is_repeated_by_its_seed_and_logs_what_it_runs() {
    let input = [
        &b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"[..],
        b"*2\r\n$4\r\nECHO\r\n$3\r\n<1>\r\n*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nECHO\r\n$3\r\n<2>\r\n*1\r\n$4\r\nEXEC\r\n",
    ]
    .concat();
    let play = |seed: u64| {
        let (mut chaos, mut log) = (Chaos::new(seed, true), Log::default());
        let mut acts = chaos.greet();
        for byte in &input {
            acts.extend(chaos.feed(&[*byte], &mut log));
        }
        let mut ran: Vec<(u64, u32)> = log.ran.into_iter().collect();
        ran.sort_unstable();
        (acts, ran)
    };
    let all: Vec<_> = (0..2000).map(play).collect();
    assert!((0..2000).map(play).eq(all.iter().cloned()));
    type Wanted<'a> = &'a dyn Fn(&[Act], &[(u64, u32)]) -> bool;
    let has = |wanted: Wanted<'_>| all.iter().any(|(acts, ran)| wanted(acts, ran));
    let said =
        |acts: &[Act], text: &str| acts.iter().any(|act| matches!(act, Act::Send(bytes) if bytes == text.as_bytes()));
    assert!(has(&|acts, ran| said(acts, "*1\r\n$3\r\n<2>\r\n") && ran == [(1, 1), (2, 1)]), "it can be as it should");
    assert!(has(&|acts, ran| said(acts, "-ERR refused early <1>\r\n") && !ran.iter().any(|(id, _)| *id == 1)), "early");
    assert!(has(&|acts, _| said(acts, "$3\r\n<1>\r\n$3\r\n<1>\r\n")), "twice");
    assert!(has(&|acts, _| acts.iter().any(|act| matches!(act, Act::Pause(_)))), "late");
    assert!(has(&|acts, ran| acts.len() == 1 && ran == [(1, 1), (2, 1)]), "never, though it ran");
    assert!(has(&|acts, ran| acts.last() == Some(&Act::Reset) && ran == [(1, 1)]), "a reset between the two");
    assert!(all.iter().all(|(_, ran)| ran.iter().all(|(_, times)| *times == 1)), "nothing runs twice");
}
