//! Keeps what a client trusts and shows, and makes it anew when its files have changed: certificates are renewed while
//! programs run.
//!
//! Invariant: files that cannot be used change nothing once others could be: the last good ones stay in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::identity::{Identity, Inputs, has_files};
use crate::config::Config;
use crate::error::{Error, Status};
use crate::runtime::blocking::on_thread;

/// One per client.
#[derive(Debug, Default)]
pub struct IdentityKeeper {
    /// Held while files are read, so that of many dials one reads.
    current: Mutex<Option<Current>>,
    /// The authorities of the system are to be asked for anew.
    is_stale: AtomicBool,
}

#[derive(Clone, Debug)]
struct Current {
    identity: Arc<Identity>,
    digest: [u8; 20],
}

/// What a dial gets.
#[derive(Debug)]
pub struct Kept {
    /// For the handshake.
    pub identity: Arc<Identity>,
    /// The files that are there now cannot be used, or something else that hinders nothing.
    pub warning: Option<Error>,
}

impl IdentityKeeper {
    /// What is in force now. Files are read on a thread of their own.
    pub async fn identity(&self, config: &Arc<Config>) -> Result<Kept, Error> {
        let mut current = self.current.lock().await;
        let is_stale = self.is_stale.swap(false, Ordering::Relaxed);
        let before = current.clone();
        if let Some(Current { identity, .. }) = before.as_ref().filter(|_| !is_stale && !has_files(config)) {
            return Ok(Kept { identity: Arc::clone(identity), warning: None });
        }
        let (options, known) = (Arc::clone(config), before.as_ref().map(|before| before.digest));
        let read = on_thread("justredis-tls", move || renewed(&options, known.filter(|_| !is_stale))).await;
        match (read.unwrap_or_else(Err), before) {
            (Ok(Some(new)), before) => {
                let identity = Arc::clone(&new.identity);
                *current = Some(new);
                let warning = (config.tls_insecure && before.is_none()).then(insecure);
                Ok(Kept { identity, warning })
            }
            (Ok(None), Some(before)) => Ok(Kept { identity: before.identity, warning: None }),
            (Err(error), Some(before)) => {
                let sentence = format!("{}; what was read before stays in force", error.message);
                Ok(Kept { identity: before.identity, warning: Some(Error::new(error.status, sentence)) })
            }
            (Err(error), None) => Err(error),
            (Ok(None), None) => Err(Error::new(Status::Internal, "what a client trusts was lost")),
        }
    }

    /// A server was refused: perhaps the authorities have changed.
    pub fn on_refusal(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }
}

fn insecure() -> Error {
    let sentence = "the option tls_insecure is on: whoever is in between can read and change everything";
    Error::new(Status::Tls, sentence)
}

/// What the options say now; `None`: the same as what has this digest.
fn renewed(config: &Config, known: Option<[u8; 20]>) -> Result<Option<Current>, Error> {
    let inputs = Inputs::read(config)?;
    let digest = inputs.digest();
    if known == Some(digest) {
        return Ok(None);
    }
    Ok(Some(Current { identity: Arc::new(Identity::new(config, &inputs)?), digest }))
}
