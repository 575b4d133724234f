//! The clients of this process, so that the end of a queue finds the requests that are addressed to it, whoever has
//! them.

use std::sync::{Arc, Weak};

use super::target::Target;
use crate::lock::Lock;
use crate::runtime::OfProcess;

/// What is asked of a client.
pub(super) trait Cancels: Send + Sync {
    /// Ends all requests whose completion goes there.
    fn cancel_all_to(&self, target: &Target);
}

static CLIENTS: OfProcess<Vec<Weak<dyn Cancels>>> = OfProcess([const { Lock::new(Vec::new()) }; 256]);

/// One more; those that are gone are forgotten.
pub(super) fn add(client: Weak<dyn Cancels>) {
    let mut clients = CLIENTS.lock();
    clients.retain(|client| client.strong_count() > 0);
    clients.push(client);
}

/// Ends the requests of all of them whose completion goes there.
pub(super) fn cancel_all_to(target: &Target) {
    let clients: Vec<Arc<dyn Cancels>> = CLIENTS.lock().iter().filter_map(Weak::upgrade).collect();
    clients.iter().for_each(|client| client.cancel_all_to(target));
}
