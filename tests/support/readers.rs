//! A client over the C functions, so that a test can say who moves the bytes: the thread that waits for its answer
//! (`jr_execute`), whoever takes from a queue, or the library's own threads (a callback).

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::mpsc::{Receiver, Sender, channel};

use justredis::error::{Outcome, Status};
use justredis::ffi::client::{jr_client, jr_client_free, jr_client_lease, jr_client_new, jr_client_stats};
use justredis::ffi::completion::jr_completion;
use justredis::ffi::config::{jr_config_new, jr_config_set};
use justredis::ffi::queue::{jr_queue, jr_queue_free, jr_queue_new, jr_queue_take};
use justredis::ffi::request::{JR_REQUEST_ATOMIC, JR_REQUEST_DEDICATED, JR_REQUEST_IDEMPOTENT};
use justredis::ffi::request::{jr_bytes, jr_command, jr_request};
use justredis::ffi::status::JR_OK;
use justredis::ffi::submit::{jr_execute, jr_submit};
use justredis::protocol::reply::{Node, Reply};

use super::wait::{self, LIMIT};

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

/// A client, a lease of it, or both, whose answers are read by one kind of reader.
pub struct CClient {
    pub reader: Reader,
    client: Option<Box<jr_client>>,
    queue: Option<Box<jr_queue>>,
    /// In a place that does not move, because callbacks are told where it is.
    called: Box<(Sender<jr_completion>, Receiver<jr_completion>)>,
    /// Completions that came before they were waited for.
    early: RefCell<HashMap<u64, Answer>>,
}

impl CClient {
    pub fn new(url: impl AsRef<str>, options: &[(&str, &str)], reader: Reader) -> CClient {
        let mut config = jr_config_new();
        for (key, value) in [("url", url.as_ref())].iter().chain(options) {
            let (key, value) = (CString::new(*key).unwrap(), CString::new(*value).unwrap());
            // SAFETY: both texts end with a NUL and live through the call.
            assert_eq!(unsafe { jr_config_set(config.as_deref_mut(), key.as_ptr(), value.as_ptr()) }, JR_OK);
        }
        let mut client = MaybeUninit::uninit();
        assert_eq!(jr_client_new(config.as_deref(), Some(&mut client)), JR_OK);
        // SAFETY: JR_OK means that it was made.
        CClient::of(unsafe { client.assume_init() }, reader)
    }

    fn of(client: Box<jr_client>, reader: Reader) -> CClient {
        CClient {
            reader,
            client: Some(client),
            queue: jr_queue_new(),
            called: Box::new(channel()),
            early: RefCell::default(),
        }
    }

    /// A handle with a connection to itself, whose answers are read by the same kind of reader.
    pub fn lease(&self) -> CClient {
        let mut lease = MaybeUninit::uninit();
        assert_eq!(jr_client_lease(self.client.as_deref(), None, Some(&mut lease)), JR_OK);
        // SAFETY: JR_OK means that it was made.
        CClient::of(unsafe { lease.assume_init() }, self.reader)
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
        let mut stats = ptr::null_mut::<Node>();
        assert_eq!(jr_client_stats(self.client.as_deref(), Some(&mut stats)), JR_OK);
        // SAFETY: JR_OK says that there is a reply, and it is owned here.
        let stats = unsafe { Reply::from_raw(NonNull::new(stats).unwrap()) };
        stats.find(b"links").unwrap().items()[0].find(key.as_bytes()).and_then(|number| number.to_i64()).unwrap()
    }

    /// Runs a request to its end.
    pub fn run(&self, job: &Job) -> Answer {
        match self.reader {
            Reader::Caller => self.with(job, |request| {
                let mut reply = ptr::null_mut();
                // SAFETY: the request and what it leads to live through the call.
                let status = unsafe { jr_execute(self.client.as_deref(), request, Some(&mut reply)) };
                // SAFETY: the reply is owned here.
                let reply = unsafe { Reply::from_raw(NonNull::new(reply).unwrap()) };
                let status = Status::from_code(status).unwrap();
                let outcome = reply.outcome().unwrap_or(Outcome::Answered);
                Answer { status, outcome, reply }
            }),
            Reader::Queue | Reader::Callback => self.end(self.begin(job)),
        }
    }

    /// Submits a request; gives its id. (A caller submits to the queue, too: only [`CClient::run`] is a call.)
    pub fn begin(&self, job: &Job) -> u64 {
        self.with(job, |request| {
            let mut request = *request;
            match self.reader {
                Reader::Callback => {
                    request.callback = Some(called);
                    request.user_data = &raw const self.called.0 as u64;
                }
                _ => {
                    request.queue =
                        self.queue.as_deref().map_or(ptr::null_mut(), |queue| ptr::from_ref(queue).cast_mut())
                }
            }
            let mut id = 0;
            // SAFETY: the request and what it leads to live through the call.
            assert_eq!(unsafe { jr_submit(self.client.as_deref(), &raw const request, Some(&mut id)) }, JR_OK);
            id
        })
    }

    /// Waits for the completion of a request; it must be the only one.
    pub fn end(&self, id: u64) -> Answer {
        while !self.early.borrow().contains_key(&id) {
            let (request, answer) = self.next();
            assert!(self.early.borrow_mut().insert(request, answer).is_none(), "a second completion");
        }
        self.early.borrow_mut().remove(&id).unwrap()
    }

    fn next(&self) -> (u64, Answer) {
        let completion = match self.reader {
            Reader::Callback => self.called.1.recv_timeout(LIMIT).unwrap(),
            _ => self.take(),
        };
        let outcomes = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered];
        let said: Vec<Outcome> = outcomes.into_iter().filter(|outcome| completion.flags & outcome.bit() != 0).collect();
        assert_eq!(said.len(), 1, "exactly one outcome: {:b}", completion.flags);
        // SAFETY: the reply of a completion is owned by whoever took it.
        let reply = unsafe { Reply::from_raw(NonNull::new(completion.reply).unwrap()) };
        let status = Status::from_code(completion.status).unwrap();
        (completion.request, Answer { status, outcome: said[0], reply })
    }

    fn take(&self) -> jr_completion {
        let mut one = MaybeUninit::<jr_completion>::uninit();
        let limit = i32::try_from(LIMIT.as_millis()).unwrap();
        // SAFETY: there is room for one completion, and it is read only when one was given.
        unsafe {
            assert_eq!(jr_queue_take(self.queue.as_deref(), one.as_mut_ptr(), 1, limit), 1, "no completion came");
            one.assume_init()
        }
    }

    /// Gives a request that says what a job wants, and names neither queue nor callback.
    fn with<T>(&self, job: &Job, then: impl FnOnce(&jr_request) -> T) -> T {
        let words: Vec<Vec<jr_bytes>> = job
            .commands
            .iter()
            .map(|words| words.iter().map(|word| jr_bytes { data: word.as_ptr().cast(), len: word.len() }).collect())
            .collect();
        let commands: Vec<jr_command> =
            words.iter().map(|words| jr_command { args: words.as_ptr(), count: words.len() }).collect();
        // SAFETY: all zero is a request of nothing, to be filled in.
        let mut request: jr_request = unsafe { MaybeUninit::zeroed().assume_init() };
        (request.size, request.commands, request.count) = (size_of::<jr_request>(), commands.as_ptr(), commands.len());
        let flags = [
            (job.atomic, JR_REQUEST_ATOMIC),
            (job.dedicated, JR_REQUEST_DEDICATED),
            (job.idempotent, JR_REQUEST_IDEMPOTENT),
        ];
        request.flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
        request.timeout_ms = job.timeout;
        then(&request)
    }
}

unsafe extern "C" fn called(completion: *const jr_completion) {
    // SAFETY: the library lends a valid completion; its user data is a sender that outlives its client.
    unsafe {
        let to = &*((*completion).user_data as *const Sender<jr_completion>);
        let _ = to.send(*completion);
    }
}

impl Drop for CClient {
    fn drop(&mut self) {
        // No callback comes after this, so that the channel may go.
        if self.reader == Reader::Callback {
            justredis::ffi::client::jr_client_close(self.client.as_deref(), 0);
        }
        jr_client_free(self.client.take());
        jr_queue_free(self.queue.take());
    }
}
