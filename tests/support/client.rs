//! The library as a test wants it: a client over the Rust layer, completions that are collected and counted, and
//! waiting that ends. The only part of the harness that uses what it judges.

use std::collections::HashMap;
use std::collections::vec_deque::Drain;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use justredis::client::Client;
use justredis::client::completion::{GAP, MORE};
use justredis::client::destination::Destination;
use justredis::client::mailbox::Mailbox;
use justredis::client::request::{Request, Timeout};
use justredis::config::Config;
use justredis::connection::caller::Caller;
use justredis::connection::io_role::Submitter;
use justredis::connection::sink::{Completion, Sink, SinkKey};
use justredis::connection::stream::Dialer;
use justredis::error::{Error, Outcome, Status};
use justredis::protocol::reply::{Node, Reply};
use justredis::topology::Route;

use super::transport;
use super::wait::{self, LIMIT};

/// Where completions go and stay until they are taken; clones are the same inbox.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<(Mutex<Vec<Done>>, Condvar)>);

/// Where a thread waits for the completion of one request.
#[derive(Default)]
struct Seat {
    inbox: Inbox,
    /// Another caller has handed on the I/O role.
    leads: AtomicBool,
    /// It is waited for no longer.
    ended: AtomicBool,
}

impl Caller for Seat {
    fn is_done(&self) -> bool {
        self.inbox.len() > 0
    }

    fn request_number(&self) -> u64 {
        0
    }

    fn offer(&self, _: u64) -> bool {
        // Under this lock nobody begins to wait, and nobody ends.
        let done = self.inbox.lock();
        let takes_it = done.is_empty() && !self.ended.load(SeqCst);
        if takes_it {
            self.leads.store(true, SeqCst);
            self.inbox.0.1.notify_all();
        }
        takes_it
    }

    fn wait(&self) -> bool {
        let mut done = self.inbox.lock();
        let begin = Instant::now();
        loop {
            if self.leads.swap(false, SeqCst) {
                return true;
            }
            if !done.is_empty() {
                self.ended.store(true, SeqCst);
                return false;
            }
            assert!(begin.elapsed() < LIMIT, "no completion came");
            let wait = self.inbox.0.1.wait_timeout(done, Duration::from_millis(100));
            done = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A completion with its flags taken apart.
#[derive(Debug)]
pub struct Done {
    pub request: u64,
    pub status: Status,
    pub outcome: Outcome,
    /// More completions of the same request follow.
    pub more: bool,
    /// Messages may be missing before it.
    pub gap: bool,
    pub reply: Reply,
}

impl Sink for Inbox {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        completions.for_each(|completion| self.put(completion));
    }
}

impl Destination for Inbox {
    fn key(&self) -> Option<SinkKey> {
        Some(SinkKey(Arc::as_ptr(&self.0).addr(), 0))
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(self.clone())
    }

    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        (0..count).filter_map(|_| mailbox.take()).for_each(|message| self.put(message));
        true
    }

    fn takes_many(&self) -> bool {
        true
    }
}

impl Inbox {
    fn put(&self, completion: Completion) {
        let Completion { request, status, flags, reply, .. } = completion;
        let outcomes = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered];
        let said: Vec<Outcome> = outcomes.into_iter().filter(|outcome| flags & outcome.bit() != 0).collect();
        assert_eq!(said.len(), 1, "exactly one outcome: {flags:b}");
        let (more, gap) = (flags & MORE != 0, flags & GAP != 0);
        self.lock().push(Done { request, status, outcome: said[0], more, gap, reply });
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Done>> {
        // A test that failed while it waited must not take the I/O thread of the others with it.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits until there are `count` in all. Every completion that comes starts the limit anew.
    pub fn until(&self, count: usize) {
        let mut done = self.lock();
        while done.len() < count {
            let before = (done.len(), Instant::now());
            while done.len() == before.0 {
                assert!(before.1.elapsed() < LIMIT, "{} of {count} completions came", done.len());
                done =
                    self.0.1.wait_timeout(done, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Waits until there are `count`, and takes everything out.
    pub fn take(&self, count: usize) -> Vec<Done> {
        self.until(count);
        std::mem::take(&mut *self.lock())
    }

    /// Takes everything out that is there.
    pub fn drain(&self) -> Vec<Done> {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until there are `count`, and takes so many out, the oldest first.
    pub fn take_exactly(&self, count: usize) -> Vec<Done> {
        self.until(count);
        self.lock().drain(..count).collect()
    }

    /// Waits for one completion for each of `ids`, proves that each has exactly one, and gives them by id.
    pub fn each_once(&self, ids: &[u64]) -> HashMap<u64, Done> {
        let done = self.take(ids.len());
        assert_eq!(done.len(), ids.len(), "as many completions as requests");
        let by_id: HashMap<u64, Done> = done.into_iter().map(|done| (done.request, done)).collect();
        assert_eq!(by_id.len(), ids.len(), "no request completed twice");
        assert!(ids.iter().all(|id| by_id.contains_key(id)), "no completion of somebody else");
        by_id
    }
}

impl Done {
    /// The text of the reply, of whatever kind that has one.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.reply.as_bytes()).into_owned()
    }

    /// The reply as a number.
    pub fn integer(&self) -> i64 {
        self.reply.to_i64().unwrap_or_else(|| panic!("no integer: {self:?}"))
    }

    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Status and outcome, to be compared at once.
    pub fn ending(&self) -> (Status, Outcome) {
        (self.status, self.outcome)
    }

    /// That this is how it ended, and that the text says each of `words`.
    pub fn says(&self, status: Status, outcome: Outcome, words: &[&str]) {
        assert_eq!(self.ending(), (status, outcome), "{}", self.text());
        words.iter().for_each(|word| assert!(self.text().contains(word), "{word:?} is missing: {}", self.text()));
    }
}

/// A request of these commands with nothing special about it.
pub fn request<'a, W>(commands: &'a [&'a [W]]) -> Request<'a, W> {
    let (timeout, route) = (Timeout::Default, Route::ByKey);
    let (atomic, idempotent, dedicated, cached, replica) = (false, false, false, false, false);
    let (subscription, user_data) = (0, 0);
    Request { commands, atomic, idempotent, dedicated, cached, replica, timeout, route, subscription, user_data }
}

/// A timeout of so many milliseconds.
pub fn within(milliseconds: u64) -> Timeout {
    Timeout::After(Duration::from_millis(milliseconds))
}

/// A configuration of a URL and some options, which trusts the servers of this run.
pub fn config(url: impl AsRef<str>, options: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    config.set("url", url.as_ref()).unwrap();
    transport::trust(url.as_ref()).iter().for_each(|(name, value)| config.set(name, value).unwrap());
    options.iter().for_each(|(name, value)| config.set(name, value).unwrap());
    config
}

/// A client, and an inbox for what is submitted without waiting.
#[derive(Clone)]
pub struct Tester {
    pub client: Client<Inbox>,
    pub inbox: Inbox,
}

impl Tester {
    pub fn connect(url: impl AsRef<str>) -> Tester {
        Tester::with(url, &[])
    }

    pub fn with(url: impl AsRef<str>, options: &[(&str, &str)]) -> Tester {
        Tester::dialling(url, options, None)
    }

    pub fn dialling(url: impl AsRef<str>, options: &[(&str, &str)], dialer: Option<Arc<dyn Dialer>>) -> Tester {
        let client = Client::new(config(url, options), dialer).unwrap();
        Tester { client, inbox: Inbox::default() }
    }

    /// A handle with a connection to itself, and an inbox of its own.
    pub fn lease(&self) -> Tester {
        Tester { client: self.client.lease(None).unwrap(), inbox: Inbox::default() }
    }

    /// Executes, as `jr_execute` does: when nothing else is under way, this thread writes and reads.
    pub fn wait_for<W: AsRef<[u8]>>(&self, request: &Request<'_, W>) -> Result<Done, Error> {
        let seat = Arc::new(Seat::default());
        let id = self.client.execute(request, &seat.inbox, &seat)?;
        let done = seat.inbox.each_once(&[id]).remove(&id).unwrap();
        assert!(!seat.leads.load(SeqCst), "the I/O role is stranded");
        Ok(done)
    }

    /// One command, waited for.
    pub fn run<W: AsRef<[u8]>>(&self, words: &[W]) -> Done {
        self.wait_for(&request(&[words])).unwrap()
    }

    /// One command that the cache may answer, waited for.
    pub fn cached<W: AsRef<[u8]>>(&self, words: &[W]) -> Done {
        self.wait_for(&Request { cached: true, ..request(&[words]) }).unwrap()
    }

    /// One command that must succeed: its text.
    pub fn text<W: AsRef<[u8]>>(&self, words: &[W]) -> String {
        let done = self.run(words);
        assert!(done.is_ok(), "{done:?} {}", done.text());
        done.text()
    }

    /// One command with a deadline of its own, waited for.
    pub fn run_within<W: AsRef<[u8]>>(&self, milliseconds: u64, words: &[W]) -> Done {
        self.wait_for(&Request { timeout: within(milliseconds), ..request(&[words]) }).unwrap()
    }

    /// Several commands as a transaction, waited for.
    pub fn atomic<W: AsRef<[u8]>>(&self, commands: &[&[W]]) -> Done {
        self.wait_for(&Request { atomic: true, ..request(commands) }).unwrap()
    }

    /// One command to the inbox, not waited for.
    pub fn submit<W: AsRef<[u8]>>(&self, words: &[W]) -> u64 {
        self.send(&request(&[words])).unwrap()
    }

    /// One command with a deadline of its own to the inbox.
    pub fn submit_within<W: AsRef<[u8]>>(&self, milliseconds: u64, words: &[W]) -> u64 {
        self.send(&Request { timeout: within(milliseconds), ..request(&[words]) }).unwrap()
    }

    /// A request to the inbox.
    pub fn send<W: AsRef<[u8]>>(&self, request: &Request<'_, W>) -> Result<u64, Error> {
        self.send_to(&self.inbox, request)
    }

    /// A request to another inbox.
    pub fn send_to<W: AsRef<[u8]>>(&self, inbox: &Inbox, request: &Request<'_, W>) -> Result<u64, Error> {
        self.client.submit(request, inbox, Submitter::Other)
    }

    /// A number of the statistics of the first link.
    pub fn stat(&self, key: &str) -> i64 {
        number(&self.stats("links").items()[0], key)
    }

    /// A number of the statistics of the whole client.
    pub fn number(&self, key: &str) -> i64 {
        self.stats(key).to_i64().unwrap()
    }

    /// Where the first link is connected, or was last tried to be.
    pub fn address(&self) -> String {
        String::from_utf8_lossy(self.stats("links").items()[0].find(b"address").unwrap().as_bytes()).into()
    }

    /// What the connections are for.
    pub fn links(&self) -> Vec<String> {
        let purpose = |link: &Node| String::from_utf8_lossy(link.find(b"purpose").unwrap().as_bytes()).into();
        self.stats("links").items().iter().map(purpose).collect()
    }

    /// A number of the statistics of the connection for this purpose.
    pub fn link_of(&self, purpose: &str, key: &str) -> i64 {
        let links = self.stats("links");
        let is_for = |link: &&Node| link.find(b"purpose").unwrap().as_bytes() == purpose.as_bytes();
        number(links.items().iter().find(is_for).unwrap(), key)
    }

    /// A number of the statistics of a subscription.
    pub fn subscription(&self, id: u64, key: &str) -> i64 {
        let all = self.stats("subscriptions");
        number(all.items().iter().find(|map| number(map, "request") == id as i64).unwrap(), key)
    }

    fn stats(&self, key: &str) -> Reply {
        Reply::copy(self.client.stats().unwrap().find(key.as_bytes()).unwrap()).unwrap()
    }

    /// Waits until a statistic satisfies a condition.
    pub fn until_stat(&self, key: &str, mut holds: impl FnMut(i64) -> bool) {
        wait::until(&format!("the statistic {key}"), || holds(self.stat(key)));
    }

    /// A number of the statistics of the dedicated connections.
    pub fn dedicated(&self, key: &str) -> i64 {
        number(&self.stats("dedicated"), key)
    }

    /// Waits until a number of the dedicated connections has a value.
    pub fn until_dedicated(&self, key: &str, value: i64) {
        wait::until(&format!("{value} dedicated connections {key}"), || self.dedicated(key) == value);
    }

    pub fn until_connected(&self) {
        self.until_stat("connected", |connected| connected == 1);
    }

    pub fn until_disconnected(&self) {
        self.until_stat("connected", |connected| connected == 0);
    }

    /// An inbox that hears of events from now on.
    pub fn events(&self) -> Inbox {
        let inbox = Inbox::default();
        self.client.listen(&inbox, 0).unwrap();
        inbox
    }
}

fn number(map: &Node, key: &str) -> i64 {
    map.find(key.as_bytes()).and_then(|number| number.to_i64()).unwrap()
}

/// Waits until an event of this name has come.
pub fn until_event(events: &Inbox, name: &str) {
    wait::until(&format!("the event {name}"), || {
        let seen = events.lock();
        seen.iter().any(|done| done.reply.find(b"event").is_some_and(|event| event.as_bytes() == name.as_bytes()))
    });
}
