//! The clients of this process, so that the end of a queue finds the requests that are addressed to it, whoever has
//! them.

use std::sync::{Arc, Weak};

use super::client::Shared;
use crate::lock::Lock;
use crate::runtime::OfProcess;

static CLIENTS: OfProcess<Vec<Weak<Shared>>> = OfProcess([const { Lock::new(Vec::new()) }; 256]);

/// One more; those that are gone are forgotten.
pub(super) fn add(client: &Arc<Shared>) {
    let mut clients = CLIENTS.lock();
    clients.retain(|client| client.strong_count() > 0);
    clients.push(Arc::downgrade(client));
}

/// All that are there.
pub(super) fn all() -> Vec<Arc<Shared>> {
    CLIENTS.lock().iter().filter_map(Weak::upgrade).collect()
}
