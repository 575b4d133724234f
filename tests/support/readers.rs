//! A client over the C functions, so that a test can say who moves the bytes: the thread that waits for its answer
//! (`jr_execute`), whoever takes from a queue, or the library's own threads (a callback).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};

use justredis::error::{Outcome, Status};
use justredis::ffi::request::{JR_REQUEST_ATOMIC, JR_REQUEST_DEDICATED, JR_REQUEST_IDEMPOTENT};
use justredis::protocol::reply::Reply;

use super::api::{self, Call, Client, Completion, Queue, Target};
use super::wait::{self, LIMIT};

/// Connections that live briefly, as in tests of faults, are otherwise dialled with growing pauses.
pub const SOON: [(&str, &str); 2] = [("reconnect_delay", "1"), ("reconnect_delay_max", "1")];

/// Who reads the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Caller,
    Queue,
    Callback,
}

impl Reader {
    pub const ALL: [Reader; 3] = [Reader::Caller, Reader::Queue, Reader::Callback];
}

/// Commands and how to run them.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub commands: Vec<Vec<Vec<u8>>>,
    pub atomic: bool,
    pub dedicated: bool,
    pub idempotent: bool,
    /// In milliseconds; 0: the client's default.
    pub timeout: u32,
}

impl Job {
    /// One command.
    pub fn of<W: AsRef<[u8]>>(words: &[W]) -> Job {
        Job::all(&[words])
    }

    /// Several commands.
    pub fn all<W: AsRef<[u8]>>(commands: &[&[W]]) -> Job {
        let owned = |words: &&[W]| words.iter().map(|word| word.as_ref().to_vec()).collect();
        Job { commands: commands.iter().map(owned).collect(), ..Job::default() }
    }
}

/// What came of a request.
#[derive(Debug)]
pub struct Answer {
    pub status: Status,
    /// That of the completion; of what `jr_execute` answered, that of the reply.
    pub outcome: Outcome,
    pub reply: Reply,
}

impl Answer {
    /// The text of the reply, of whatever kind that has one.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.reply.as_bytes()).into_owned()
    }

    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// That this is how it ended, and that the text says each of `words`.
    pub fn says(&self, status: Status, outcome: Outcome, words: &[&str]) {
        assert_eq!((self.status, self.outcome), (status, outcome), "{}", self.text());
        words.iter().for_each(|word| assert!(self.text().contains(word), "{word:?} is missing: {}", self.text()));
    }
}

/// Who waits for the completions that come by callback, by the number that stands above the one of the request in its
/// user data.
static CALLED: LazyLock<Mutex<HashMap<u64, Sender<Completion>>>> = LazyLock::new(Mutex::default);

static LAST: AtomicU64 = AtomicU64::new(0);

/// A client, or a lease of one, whose answers are read by one kind of reader.
pub struct CClient {
    pub reader: Reader,
    client: Client,
    queue: Queue,
    number: u64,
    called: Receiver<Completion>,
    submitted: Cell<u64>,
    /// Completions that came before they were waited for.
    early: RefCell<HashMap<u64, Answer>>,
}

impl CClient {
    pub fn new(url: impl AsRef<str>, options: &[(&str, &str)], reader: Reader) -> CClient {
        CClient::of(Client::new(url.as_ref(), options), reader)
    }

    fn of(client: Client, reader: Reader) -> CClient {
        api::receive_by(|completion| {
            if let Some(to) = CALLED.lock().unwrap().get(&(completion.user_data >> 32)) {
                let _ = to.send(completion);
            }
        });
        let (sender, called) = channel();
        let number = LAST.fetch_add(1, SeqCst);
        CALLED.lock().unwrap().insert(number, sender);
        let (submitted, early) = (Cell::new(0), RefCell::default());
        CClient { reader, client, queue: Queue::new(false), number, called, submitted, early }
    }

    /// A handle with a connection to itself, whose answers are read by the same kind of reader.
    pub fn lease(&self) -> CClient {
        CClient::of(self.client.lease(), self.reader)
    }

    /// Runs small commands until the reader moves the bytes of the shared connection itself.
    pub fn settle(&self) {
        match self.reader {
            Reader::Caller => {
                let before = self.stat("lone_calls");
                wait::until("the caller to read for itself", || {
                    assert!(self.run(&Job::of(&["PING"])).is_ok());
                    self.stat("lone_calls") > before
                });
            }
            // Takers get the turn once some requests in a row were for their queue, and keep it.
            Reader::Queue => wait::until("the takers to read for themselves", || {
                let ids: Vec<u64> = (0..16).map(|_| self.begin(&Job::of(&["PING"]))).collect();
                ids.iter().for_each(|id| assert!(self.end(*id).is_ok()));
                self.stat("queue_turns") > 0
            }),
            Reader::Callback => assert!(self.run(&Job::of(&["PING"])).is_ok()),
        }
    }

    /// A number of the statistics of the first link.
    pub fn stat(&self, key: &str) -> i64 {
        let stats = self.client.stats();
        stats.find(b"links").unwrap().items()[0].find(key.as_bytes()).and_then(|number| number.to_i64()).unwrap()
    }

    /// Runs a request to its end.
    pub fn run(&self, job: &Job) -> Answer {
        if self.reader == Reader::Caller { self.call(job) } else { self.end(self.begin(job)) }
    }

    /// Runs a request to its end on this thread, whoever reads else.
    pub fn call(&self, job: &Job) -> Answer {
        let (status, reply) = self.client.execute(&job.call(0));
        let outcome = reply.outcome().unwrap_or(Outcome::Answered);
        Answer { status: Status::from_code(status).unwrap(), outcome, reply }
    }

    /// Submits a request; gives a number for [`CClient::end`]. (A caller submits to the queue, too: only
    /// [`CClient::run`] is a call.)
    pub fn begin(&self, job: &Job) -> u64 {
        let number = self.number << 32 | self.submitted.get();
        self.submitted.set(self.submitted.get() + 1);
        let target = if self.reader == Reader::Callback { Target::Callback } else { Target::Queue(&self.queue) };
        self.client.submit(&job.call(number), target).unwrap();
        number
    }

    /// Waits for the completion of a request; it must be the only one.
    pub fn end(&self, number: u64) -> Answer {
        while !self.early.borrow().contains_key(&number) {
            for Completion { user_data, status, outcome, is_last, reply } in self.next() {
                assert!(is_last, "one completion for each request");
                let status = Status::from_code(status).unwrap();
                let answer = Answer { status, outcome: outcome.expect("exactly one outcome"), reply };
                assert!(self.early.borrow_mut().insert(user_data, answer).is_none(), "a second completion");
            }
        }
        self.early.borrow_mut().remove(&number).unwrap()
    }

    fn next(&self) -> Vec<Completion> {
        let completions = match self.reader {
            Reader::Callback => vec![self.called.recv_timeout(LIMIT).unwrap()],
            _ => self.queue.take(i32::try_from(LIMIT.as_millis()).unwrap()),
        };
        assert!(!completions.is_empty(), "no completion came");
        completions
    }
}

impl Job {
    fn call(&self, user_data: u64) -> Call<'_> {
        let flags = [
            (self.atomic, JR_REQUEST_ATOMIC),
            (self.dedicated, JR_REQUEST_DEDICATED),
            (self.idempotent, JR_REQUEST_IDEMPOTENT),
        ];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
        Call { commands: &self.commands, flags, timeout_ms: self.timeout, user_data }
    }
}

impl Drop for CClient {
    fn drop(&mut self) {
        CALLED.lock().unwrap().remove(&self.number);
    }
}
