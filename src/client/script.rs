//! EVAL goes out as EVALSHA where the server is known to hold the script.
//!
//! Invariant: a script is known at a link only by a success there, in the life of the present connection; what a new
//! connection leads to may be another server.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha1::{Digest, Sha1};

use crate::connection::link::Link;
use crate::error::Error;
use crate::protocol::command;

/// Distinct scripts that are remembered; beyond, all are forgotten and learnt again.
const REMEMBERED: usize = 1000;

/// The SHA-1 of a script.
type Digest20 = [u8; 20];

/// A script and its name at the server.
#[derive(Debug)]
pub struct Script {
    /// The text that EVAL takes.
    body: Box<[u8]>,
    digest: Digest20,
    /// The 40 digits that EVALSHA takes.
    name: String,
    read_only: bool,
}

impl Script {
    /// The command to send when the server does not hold the script of an encoded EVALSHA. `None`: `request` is none, so
    /// that whatever was said of a missing script, the script itself said it, and it did run.
    pub fn eval_of(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut words: Vec<&[u8]> = command::decode(request).collect();
        let name: &[u8] = match *words.first()? {
            b"EVALSHA" => b"EVAL",
            b"EVALSHA_RO" => b"EVAL_RO",
            _ => return None,
        };
        replace_head(&mut words, name, &self.body);
        command::encode_to_vec(&words).ok()
    }

    /// The command to send when the server holds the script: `words` are those of EVAL.
    pub fn evalsha_of<'a>(&'a self, mut words: Vec<&'a [u8]>) -> Result<Vec<u8>, Error> {
        let name: &[u8] = if self.read_only { b"EVALSHA_RO" } else { b"EVALSHA" };
        replace_head(&mut words, name, self.name.as_bytes());
        command::encode_to_vec(&words)
    }
}

fn replace_head<'a>(words: &mut [&'a [u8]], command: &'a [u8], script: &'a [u8]) {
    for (word, new) in words.iter_mut().zip([command, script]) {
        *word = new;
    }
}

/// One life of one link.
type Home = (usize, u64);

fn home_of(link: &Arc<Link>) -> Home {
    (Arc::as_ptr(link) as usize, link.counters.connections.load(Ordering::Relaxed))
}

/// The scripts of a client.
#[derive(Debug, Default)]
pub struct Scripts {
    known: HashMap<(Digest20, bool), (Arc<Script>, Vec<Home>)>,
}

impl Scripts {
    /// The script of an EVAL (or EVAL_RO), and whether the server behind `link` holds it.
    pub fn find(&mut self, body: &[u8], read_only: bool, link: &Arc<Link>) -> (Arc<Script>, bool) {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let digest: Digest20 = Sha1::digest(body).into();
        let (script, homes) = self.known.entry((digest, read_only)).or_insert_with(|| {
            let name = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            (Arc::new(Script { body: Box::from(body), digest, name, read_only }), Vec::new())
        });
        (Arc::clone(script), homes.contains(&home_of(link)))
    }

    /// The server behind `link` ran the script.
    pub fn learn(&mut self, script: &Script, link: &Arc<Link>) {
        if let Some((_, homes)) = self.known.get_mut(&(script.digest, script.read_only)) {
            let home = home_of(link);
            if !homes.contains(&home) {
                homes.retain(|(link, _)| *link != home.0);
                homes.push(home);
            }
        }
    }
}
