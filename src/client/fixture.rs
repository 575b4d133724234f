//! A client whose links are never started, for tests of the flows: what would be written is read here, and what a server
//! would say is told here. No socket, no thread, no time.

use std::collections::vec_deque::Drain;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use super::core::Core;
use super::destination::Destination;
use super::mailbox::Mailbox;
use super::request::{Place, Request, Timeout};
use crate::config::Config;
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::simulated_driver::SimulatedDriver;
use crate::connection::sink::{Completion, Sink, SinkKey};
use crate::error::{Error, Outcome, Status};
use crate::topology::Route;
use crate::topology::deferred::Deferred;

/// A client, its shared link, and the completions that came.
pub struct Fixture {
    pub core: Arc<Core<Inbox>>,
    pub link: Arc<Link>,
    pub driver: SimulatedDriver,
    inbox: Inbox,
    /// Keeps the client from believing that its tasks have ended.
    _alive: Sender<()>,
}

impl Fixture {
    /// A client that is not connected yet.
    pub fn new(config: Config) -> Fixture {
        let (core, alive) = Core::new(config, None).unwrap();
        // Links are prepared; without the I/O thread nobody starts them.
        *core.state.runtime.lock() = None;
        let link = core.node().link(0, &mut Deferred::default()).unwrap();
        Fixture { driver: SimulatedDriver::new(&link), core, link, inbox: Inbox::default(), _alive: alive }
    }

    /// One that is.
    pub fn connected() -> Fixture {
        let mut fixture = Fixture::new(Config::default());
        fixture.driver.connect(&*fixture.core);
        fixture
    }

    /// Submits commands, each a line of words, with what `change` makes special about them.
    pub fn submit(&self, lines: &[&str], change: impl FnOnce(&mut Request<'_, &str>)) -> Result<u64, Error> {
        let args: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
        let commands: Vec<&[&str]> = args.iter().map(Vec::as_slice).collect();
        let mut request = Request {
            commands: &commands,
            atomic: false,
            idempotent: false,
            dedicated: false,
            cached: false,
            timeout: Timeout::Default,
            route: Route::ByKey,
            subscription: 0,
            user_data: 0,
        };
        change(&mut request);
        let place = Place { link: &self.link, lease: None };
        self.core.submit(place, &request, &self.inbox, Submitter::Other).map(|(id, _)| id)
    }

    /// Writes all that waits at the shared link; gives how many bytes.
    pub fn write(&mut self) -> usize {
        let length = self.driver.begin_write().iter().map(|part| part.len()).sum();
        assert!(self.driver.end_write(length));
        length
    }

    /// The server says this on the shared link.
    pub fn hear(&mut self, bytes: &str) {
        self.driver.receive(bytes.as_bytes(), &*self.core).unwrap();
    }

    /// The shared connection ends.
    pub fn lose(&mut self) {
        self.driver.lose(&Error::new(Status::Lost, "gone"), &*self.core);
    }

    /// What has come, each as its id, and status, outcome and text.
    pub fn done(&self) -> Vec<(u64, String)> {
        let shown = |completion: Completion| {
            let outcomes = [Outcome::NotRun, Outcome::Unknown, Outcome::Answered];
            let outcome = outcomes.into_iter().find(|outcome| completion.flags & outcome.bit() != 0).unwrap();
            let text = String::from_utf8_lossy(completion.reply.as_bytes()).into_owned();
            (completion.request, format!("{:?} {outcome:?}: {text}", completion.status))
        };
        std::mem::take(&mut *self.inbox.0.lock().unwrap()).into_iter().map(shown).collect()
    }

    /// The texts of [`Fixture::done`].
    pub fn texts(&self) -> Vec<String> {
        self.done().into_iter().map(|(_, text)| text).collect()
    }
}

/// Where completions stay until the test takes them.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<Mutex<Vec<Completion>>>);

impl Sink for Inbox {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        self.0.lock().unwrap().extend(completions);
    }
}

impl Destination for Inbox {
    fn key(&self) -> Option<SinkKey> {
        None
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(self.clone())
    }

    fn offer(&self, _: &Arc<Mailbox>, _: usize) -> bool {
        false
    }

    fn takes_many(&self) -> bool {
        true
    }
}
