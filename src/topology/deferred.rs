//! What is to be done with links when no lock is held: starting one and giving its connection up wake the I/O thread,
//! closing one shuts a socket down.

use std::sync::Arc;

use crate::connection::background_driver::{self, Opening};
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::error::Error;
use crate::runtime::Runtime;

/// Links to start, to close, and to take their connection from.
#[derive(Default)]
pub struct Deferred {
    abort: Vec<(Arc<Link>, Error)>,
    close: Vec<Arc<Link>>,
    start: Vec<(Arc<Link>, Opening)>,
}

impl Deferred {
    /// A link to start. What is given to it before then is sent when it is connected.
    pub(super) fn open(&mut self, opening: &Opening, database: u32, purpose: Purpose) -> Arc<Link> {
        let link = background_driver::prepare(opening, database, purpose);
        self.start(Arc::clone(&link), opening.clone());
        link
    }

    /// This link, which was prepared, is to be started.
    pub(super) fn start(&mut self, link: Arc<Link>, opening: Opening) {
        self.start.push((link, opening));
    }

    /// This link is to be closed.
    pub fn close(&mut self, link: Arc<Link>) {
        self.close.push(link);
    }

    /// The connection of this link is to be given up, for this reason.
    pub fn abort(&mut self, link: Arc<Link>, why: Error) {
        self.abort.push((link, why));
    }

    /// What others have left to do as well.
    pub fn append(&mut self, mut other: Deferred) {
        self.abort.append(&mut other.abort);
        self.close.append(&mut other.close);
        self.start.append(&mut other.start);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.abort.is_empty() && self.close.is_empty() && self.start.is_empty()
    }

    /// Does it all. Without a runtime, which a closed client has given back, nothing is started.
    pub fn run(self, runtime: Option<Arc<Runtime>>) {
        self.abort.into_iter().for_each(|(link, why)| link.abort(why));
        self.close.iter().for_each(|link| link.close());
        if let Some(runtime) = &runtime {
            self.start.iter().for_each(|(link, opening)| background_driver::start(link, opening, runtime));
        }
        // Before the openings: who closes the client waits for their end, and then for the I/O thread's.
        drop(runtime);
    }
}
