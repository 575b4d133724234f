//! Where the completions of a simulation go.

use std::collections::vec_deque::Drain;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::destination::Destination;
use crate::client::mailbox::Mailbox;
use crate::connection::sink::{Completion, Sink, SinkKey};
use crate::lock::Lock;

/// All completions, in order, with the numbers of the places that they came to.
pub type Inbox = Arc<Lock<Vec<(usize, Completion)>>>;

/// One of several places; a link tells them apart by their keys.
#[derive(Clone, Debug)]
pub struct Place {
    number: usize,
    has_key: bool,
    sink: Arc<Numbered>,
}

#[derive(Debug)]
struct Numbered {
    number: usize,
    inbox: Inbox,
    takes_many: AtomicBool,
}

impl Sink for Numbered {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        self.inbox.lock().extend(completions.map(|completion| (self.number, completion)));
    }
}

impl Place {
    /// The place of this number; without a key each request for it is held by itself.
    pub fn new(number: usize, has_key: bool, inbox: &Inbox) -> Place {
        Place {
            number,
            has_key,
            sink: Arc::new(Numbered { number, inbox: Arc::clone(inbox), takes_many: AtomicBool::default() }),
        }
    }

    /// From now on it takes messages as well.
    pub fn take_many(&self) {
        self.sink.takes_many.store(true, Ordering::SeqCst);
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Destination for Place {
    fn key(&self) -> Option<SinkKey> {
        self.has_key.then_some(SinkKey(1, self.number))
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink) as Arc<dyn Sink>
    }

    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        let messages = (0..count).filter(|_| self.takes_many()).filter_map(|_| mailbox.take());
        self.sink.inbox.lock().extend(messages.map(|message| (self.number, message)));
        self.takes_many()
    }

    fn takes_many(&self) -> bool {
        self.sink.takes_many.load(Ordering::SeqCst)
    }
}
