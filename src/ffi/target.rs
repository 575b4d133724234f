//! The places that completions go to: a queue, a callback, a thread that waits, the logger.

use std::collections::vec_deque::Drain;
use std::sync::{Arc, LazyLock};

use super::callback::{CallbackSink, Callbacks};
use super::completion::{Function, jr_completion};
use super::queue::completions::Queue;
use super::waiter::Waiter;
use crate::client::destination::Destination;
use crate::client::mailbox::Mailbox;
use crate::connection::queue_driver::QueueDriver;
use crate::connection::sink::{Completion, Sink, SinkKey};
use crate::error::Error;

/// Where the completions of a request go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Nobody wants to know.
    Dropped,
    Queue(Arc<Queue<jr_completion>>),
    /// The same queue; whoever submits writes what its takers would have to write.
    QueueNow(Arc<Queue<jr_completion>>),
    Callback(Arc<Callbacks>, Function),
    Waiter(Arc<Waiter>),
    Log(Arc<Callbacks>),
}

/// The sink of completions that nobody wants.
#[derive(Debug)]
struct Dropped;

impl Sink for Dropped {
    fn deliver(self: Arc<Self>, completions: Drain<'_, Completion>) {
        drop(completions);
    }
}

fn address_of<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

impl Destination for Target {
    fn key(&self) -> Option<SinkKey> {
        match self {
            Target::Dropped | Target::Log(_) => Some(SinkKey(0, 0)),
            Target::Queue(queue) | Target::QueueNow(queue) => Some(SinkKey(address_of(queue), 0)),
            Target::Callback(callbacks, function) => Some(SinkKey(address_of(callbacks), *function as usize)),
            Target::Waiter(_) => None,
        }
    }

    fn sink(&self) -> Arc<dyn Sink> {
        static DROPPED: LazyLock<Arc<Dropped>> = LazyLock::new(|| Arc::new(Dropped));
        match self {
            Target::Dropped | Target::Log(_) => DROPPED.clone(),
            Target::Queue(queue) | Target::QueueNow(queue) => queue.clone(),
            Target::Callback(callbacks, function) => Arc::new(CallbackSink::new(callbacks, *function)),
            Target::Waiter(waiter) => waiter.clone(),
        }
    }

    fn offer(&self, mailbox: &Arc<Mailbox>, count: usize) -> bool {
        match self {
            Target::Dropped | Target::Waiter(_) => false,
            Target::Queue(queue) | Target::QueueNow(queue) => queue.put_messages((), mailbox, count),
            Target::Callback(callbacks, function) => callbacks.queue().put_messages(Some(*function), mailbox, count),
            Target::Log(callbacks) => callbacks.queue().put_messages(None, mailbox, count),
        }
    }

    fn call_takers(&self, driver: Option<QueueDriver>) {
        match self {
            Target::Queue(queue) => queue.call_takers(driver),
            Target::QueueNow(queue) => queue.write_now(driver),
            Target::Callback(callbacks, _) => callbacks.queue().call_takers(driver),
            // An I/O role that is dropped goes back to the background.
            Target::Dropped | Target::Waiter(_) | Target::Log(_) => drop(driver),
        }
    }

    #[inline]
    fn check_open(&self) -> Result<(), Error> {
        match self {
            Target::Queue(queue) | Target::QueueNow(queue) => queue.check_open(),
            _ => Ok(()),
        }
    }

    fn takes_many(&self) -> bool {
        !matches!(self, Target::Dropped | Target::Waiter(_))
    }
}
