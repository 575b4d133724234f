//! What a client does when sentinels say that another server is the primary: it tells of it, and calls back what waits
//! at the old one.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::core::Core;
use super::destination::Destination;
use crate::address::Address;
use crate::error::Error;
use crate::protocol::reply::Reply;
use crate::topology::sentinel::Listener;

impl<D: Destination> Core<D> {
    /// Begins to ask sentinels where the server is, if there are any.
    pub(super) fn follow_sentinels(self: &Arc<Self>) -> Result<(), Error> {
        let Some(sentinels) = self.topology.sentinels() else { return Ok(()) };
        let me: Weak<Core<D>> = Arc::downgrade(self);
        self.with_runtime(|runtime| {
            sentinels.start(me, runtime);
            Ok(())
        })
    }

    fn tell_of(&self, event: &str, address: &Address, more: (&str, &str)) {
        let text = |text: &str| Reply::string(text.as_bytes());
        let address = address.to_string();
        let pairs = [("event", event), ("address", &address), more];
        self.state.listeners.tell(|| {
            let pairs = pairs.iter().filter(|(key, _)| !key.is_empty());
            Reply::map(pairs.map(|(key, value)| (text(key), text(value))).collect())
        });
    }
}

impl<D: Destination> Listener for Core<D> {
    fn on_primary(&self, address: &Address, previous: Option<&Address>) {
        match previous {
            Some(previous) => self.tell_of("failover", address, ("previous", &previous.to_string())),
            None => self.tell_of("topology", address, ("", "")),
        }
    }

    fn on_dissent(&self, sentinel: &Address, sentence: &str) {
        self.tell_of("warning", sentinel, ("reason", &format!("sentinel {sentinel}: {sentence}")));
    }

    fn interrupt(&self, address: &Address) -> Vec<(Bytes, u32)> {
        let address = address.to_string();
        let mut state = self.state.lock();
        let tickets: Vec<_> = state.sessions.blocking().collect();
        let interrupted = tickets.into_iter().filter_map(|ticket| {
            let link = Arc::clone(&state.requests.get(ticket)?.link);
            (link.address() == address).then(|| self.interrupt_from_outside(&mut state, ticket)).flatten()
        });
        interrupted.collect()
    }
}
