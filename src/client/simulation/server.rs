//! A server without sockets: commands in, the bytes of replies out, and a log of all that it did.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use fastrand::Rng;

use super::command::{Command, SCRIPTS, Verb};
use super::member::Member;

/// What a server says that refuses a command before it has read all of it.
pub const NOT_READ: &str = "ERR I will not read that";

/// What the servers did with a call.
#[derive(Debug, Default)]
pub struct History {
    /// How often a socket took all of it.
    pub taken: u32,
    /// How often its connection ended when a socket had taken a part of it.
    pub cuts: u32,
    /// How often it was run.
    pub runs: u32,
    /// The place of its last run among all runs.
    pub run_at: u64,
    /// Which server of a cluster that was.
    pub server: usize,
    /// The replies it got, each with whether it had run.
    pub replies: Vec<(u64, bool)>,
    /// A server did not hold its script.
    pub was_missing: bool,
    /// The replies to the transaction that begins with it.
    pub transactions: Vec<u64>,
    /// The client has read what its last run took out of a list.
    pub is_delivered: bool,
    /// How often it was sent to another server.
    pub redirects: u32,
    /// The same without another refusal in between.
    pub in_a_row: u32,
    pub most_in_a_row: u32,
    /// When, in milliseconds, a socket took it last, how often it did in that one, and the most of that.
    within: (u64, u32),
    pub most_within: u32,
}

/// What all servers did.
pub struct Log {
    pub calls: Vec<History>,
    /// How often the client asked for the map.
    pub questions: u64,
    /// The time of the simulation, in microseconds.
    pub now: u64,
    runs: u64,
    replies: u64,
}

/// What is said of a reply: it is the same for the same bytes only.
pub fn hash_of(reply: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    reply.hash(&mut hasher);
    hasher.finish()
}

impl Log {
    /// With one call in the place of those that have no number.
    pub fn new() -> Log {
        Log { calls: vec![History::default()], questions: 0, now: 0, runs: 0, replies: 0 }
    }

    /// So many calls more; gives their numbers.
    pub fn add(&mut self, calls: usize) -> Range<u32> {
        let first = self.calls.len() as u32;
        self.calls.extend((0..calls).map(|_| History::default()));
        first..self.calls.len() as u32
    }

    pub fn call(&mut self, number: u32) -> &mut History {
        &mut self.calls[number as usize]
    }

    /// A socket has taken all of a call.
    pub fn take(&mut self, number: u32, verb: Verb) {
        let now = self.now / 1000;
        self.questions += u64::from(verb == Verb::Slots);
        let call = self.call(number);
        call.taken += 1;
        call.within = (now, if call.within.0 == now { call.within.1 + 1 } else { 1 });
        call.most_within = call.most_within.max(call.within.1);
    }

    /// A call was sent to another server, with these words. Where they name no host, the client waits for a repair.
    fn redirect(&mut self, number: u32, text: &str) {
        let call = self.call(number);
        call.redirects += 1;
        call.in_a_row = if text.contains(" ?:") { 0 } else { call.in_a_row + 1 };
        call.most_in_a_row = call.most_in_a_row.max(call.in_a_row);
    }

    /// Something that no other reply has.
    fn tag(&mut self) -> u64 {
        self.replies += 1;
        self.replies
    }

    /// A call is not run, for this reason; gives the reply.
    pub fn refuse(&mut self, number: u32, why: &str) -> Vec<u8> {
        let reply = format!("-{why} ({})\r\n", self.tag()).into_bytes();
        let call = self.call(number);
        call.replies.push((hash_of(&reply), false));
        call.in_a_row = 0;
        reply
    }

    /// A call got no element.
    fn answer_nothing(&mut self, number: u32) -> Vec<u8> {
        self.call(number).in_a_row = 0;
        b"$-1\r\n".to_vec()
    }

    fn run(&mut self, number: u32, server: usize) {
        self.runs += 1;
        let run_at = self.runs;
        let call = self.call(number);
        call.runs += 1;
        (call.run_at, call.server) = (run_at, server);
    }
}

/// What a server knows of one connection.
#[derive(Default)]
pub struct Session {
    /// Between MULTI and EXEC: the commands, and whether one was refused.
    queue: Option<(Vec<Command>, bool)>,
    /// The next command, or transaction, may use slots that the server is being given.
    is_asking: bool,
    /// What the server calls the connection.
    connection: i64,
    waits: Option<Waits>,
}

/// A server waits with a command.
#[derive(Clone, Copy)]
struct Waits {
    command: Command,
    /// No longer than to this time, in microseconds.
    until: Option<u64>,
}

impl Session {
    /// Of a connection that the server calls so.
    pub fn new(connection: i64) -> Session {
        Session { connection, ..Session::default() }
    }

    /// Whether the server waits with a command of it, and reads no other.
    pub fn waits(&self) -> bool {
        self.waits.is_some()
    }

    /// Whether commands wait for EXEC.
    pub fn is_queueing(&self) -> bool {
        self.queue.is_some()
    }
}

/// One server.
pub struct Server {
    pub is_primary: bool,
    pub is_loading: bool,
    /// It refuses one of so many commands for a reason that passes; 0: none.
    pub refuses: u32,
    scripts: [bool; SCRIPTS],
    /// The connections with whose commands it waits.
    waiting: BTreeSet<i64>,
    /// What it knows of its cluster, if it is in one.
    pub member: Option<Member>,
}

impl Server {
    pub fn new(is_primary: bool, member: Option<Member>) -> Server {
        Server {
            is_primary,
            is_loading: false,
            refuses: 0,
            scripts: [false; SCRIPTS],
            waiting: BTreeSet::new(),
            member,
        }
    }

    /// It forgets its scripts, as in a restart.
    pub fn forget_scripts(&mut self) {
        self.scripts = [false; SCRIPTS];
    }

    /// Why a command is refused before it runs.
    fn refusal(&self, writes: bool, random: &mut Rng) -> Option<&'static str> {
        if self.is_loading {
            return Some("LOADING Redis is loading the dataset in memory");
        }
        if self.refuses > 0 && random.u32(0..self.refuses) == 0 {
            return random.choice([
                "TRYAGAIN Multiple keys request during rehashing of slot",
                "CLUSTERDOWN The cluster is down",
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
            ]);
        }
        (!self.is_primary && writes).then_some("READONLY You can't write against a read only replica.")
    }

    /// Reads a command; what it answers goes to `out`.
    pub fn serve(&mut self, command: Command, session: &mut Session, log: &mut Log, random: &mut Rng) -> Vec<u8> {
        let reply = self.answer(command, session, log, random);
        session.is_asking = command.verb == Verb::Asking || (session.is_asking && session.is_queueing());
        reply
    }

    fn answer(&mut self, command: Command, session: &mut Session, log: &mut Log, random: &mut Rng) -> Vec<u8> {
        let Command { verb, number, .. } = command;
        let member = self.member.as_ref();
        match verb {
            Verb::Exec => return self.execute(session, log, random),
            Verb::Slots => return member.map(|member| member.slots(random)).expect("a server of a cluster"),
            Verb::Asking => return b"+OK\r\n".to_vec(),
            Verb::Unblock(connection) => {
                return if self.waiting.remove(&connection) { b":1\r\n".to_vec() } else { b":0\r\n".to_vec() };
            }
            Verb::PopNothing => return b"-ERR timeout is negative\r\n".to_vec(),
            _ => {}
        }
        if let Some(text) = self.refusal(verb.writes(), random) {
            if let Some((_, is_refused)) = &mut session.queue {
                *is_refused = true;
            }
            return log.refuse(number, text);
        }
        let redirect = member.and_then(|member| member.redirect(command.tag, session.is_asking, random));
        if let Some(text) = redirect {
            if let Some((_, is_refused)) = &mut session.queue {
                *is_refused = true;
            }
            log.redirect(number, &text);
            return format!("-{text}\r\n").into_bytes();
        }
        match (&mut session.queue, verb) {
            (_, Verb::Multi) => {
                session.queue = Some((Vec::new(), false));
                b"+OK\r\n".to_vec()
            }
            (Some((queue, _)), _) => {
                queue.push(command);
                b"+QUEUED\r\n".to_vec()
            }
            (None, Verb::Pop(timeout)) if random.u8(0..3) > 0 => {
                let until = (timeout > 0).then(|| log.now + timeout * 1000);
                session.waits = Some(Waits { command, until });
                self.waiting.insert(session.connection);
                Vec::new()
            }
            (None, _) => self.run(command, log, random),
        }
    }

    /// What has come of a command with which it waits; `None`: nothing yet.
    pub fn stop_waiting(&mut self, session: &mut Session, log: &mut Log, random: &mut Rng) -> Option<Vec<u8>> {
        let Waits { command, until } = session.waits?;
        let (number, is_past) = (command.number, until.is_some_and(|until| until <= log.now));
        let lost = |member: &Member| command.tag.filter(|tag| !member.owns(*tag) && !member.importing[*tag]);
        let moved = self.member.as_ref().filter(|member| lost(member).is_some());
        let reply = if !self.waiting.contains(&session.connection) || is_past {
            Some(log.answer_nothing(number))
        } else if !self.is_primary {
            let why = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
            Some(log.refuse(number, why))
        } else if let Some(text) = moved.and_then(|member| member.redirect(command.tag, false, random)) {
            log.redirect(number, &text);
            Some(format!("-{text}\r\n").into_bytes())
        } else {
            (random.u8(0..6) == 0).then(|| self.run(command, log, random))
        };
        if reply.is_some() {
            self.waiting.remove(&session.connection);
            session.waits = None;
        }
        reply
    }

    fn execute(&mut self, session: &mut Session, log: &mut Log, random: &mut Rng) -> Vec<u8> {
        let Some((queue, is_refused)) = session.queue.take() else { return b"-ERR EXEC without MULTI\r\n".to_vec() };
        if is_refused {
            return b"-EXECABORT Transaction discarded because of previous errors.\r\n".to_vec();
        }
        if let Some(text) = self.refusal(queue.iter().any(|command| command.verb.writes()), random) {
            // Redis 6.0 and 7.
            let about = if random.bool() { "" } else { "EXECABORT Transaction discarded because of: " };
            return format!("-{about}{text} ({})\r\n", log.tag()).into_bytes();
        }
        let tag = queue.first().and_then(|command| command.tag);
        let member = self.member.as_ref();
        if let Some(text) = member.and_then(|member| member.redirect(tag, session.is_asking, random)) {
            return format!("-{text}\r\n").into_bytes();
        }
        let mut reply = format!("*{}\r\n", queue.len()).into_bytes();
        queue.iter().for_each(|command| reply.extend(self.run(*command, log, random)));
        if let Some(first) = queue.first() {
            log.call(first.number).transactions.push(hash_of(&reply));
        }
        reply
    }

    fn run(&mut self, Command { verb, number, .. }: Command, log: &mut Log, random: &mut Rng) -> Vec<u8> {
        let tag = log.tag();
        if let Verb::EvalSha(script) = verb
            && !self.scripts[script]
        {
            log.call(number).was_missing = true;
            return log.refuse(number, "NOSCRIPT No matching script. Please use EVAL.");
        }
        if let Verb::Eval(script) = verb {
            self.scripts[script] = true;
        }
        log.run(number, self.member.as_ref().map_or(0, |member| member.number));
        let reply = match verb {
            _ if random.u8(0..20) == 0 => format!("-WRONGTYPE Operation against a key ({tag})\r\n"),
            Verb::Get => {
                let length = if random.u8(0..50) == 0 { random.usize(0..100_000) } else { random.usize(0..40) };
                let text = format!("{tag}:{}", "x".repeat(length));
                format!("${}\r\n{text}\r\n", text.len())
            }
            Verb::Pop(_) => {
                let text = tag.to_string();
                format!("*2\r\n$1\r\nk\r\n${}\r\n{text}\r\n", text.len())
            }
            Verb::Set => format!("+OK {tag}\r\n"),
            Verb::Increment | Verb::Append => format!(":{tag}\r\n"),
            Verb::Eval(script) | Verb::EvalSha(script) if script + 1 == SCRIPTS && random.bool() => {
                let said = ["LOADING said", "READONLY said", "TRYAGAIN said", "MOVED 1 s1:1", "ASK 1 s2:1"];
                let text = random.choice(said).unwrap_or_default();
                format!("-{text} by a script ({tag})\r\n")
            }
            _ => format!("*3\r\n:{tag}\r\n$-1\r\n*1\r\n$2\r\nab\r\n"),
        };
        log.call(number).replies.push((hash_of(reply.as_bytes()), true));
        reply.into_bytes()
    }
}
