//! EVAL goes out as EVALSHA where the server is known to hold the script and to accept EVALSHA.
//!
//! Invariant: a script is known at a link only by a success there, in the life of the present connection; what a new
//! connection leads to may be another server. An EVALSHA that was made here out of an EVAL is replaced by that EVAL
//! when the error proves that the script did not run.

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
    /// The EVAL of which an encoded EVALSHA was made. `None`: `request` is no EVALSHA.
    fn eval_of(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut args: Vec<&[u8]> = command::decode(request).collect();
        let name: &[u8] = match *args.first()? {
            b"EVALSHA" => b"EVAL",
            b"EVALSHA_RO" => b"EVAL_RO",
            _ => return None,
        };
        replace_head(&mut args, name, &self.body);
        command::encode_to_vec(&args).ok()
    }

    /// The command to send when the server holds the script: `args` are those of EVAL.
    pub fn evalsha_of<'a>(&'a self, mut args: Vec<&'a [u8]>) -> Result<Vec<u8>, Error> {
        let name: &[u8] = if self.read_only { b"EVALSHA_RO" } else { b"EVALSHA" };
        replace_head(&mut args, name, self.name.as_bytes());
        command::encode_to_vec(&args)
    }
}

fn replace_head<'a>(args: &mut [&'a [u8]], command: &'a [u8], script: &'a [u8]) {
    for (arg, new) in args.iter_mut().zip([command, script]) {
        *arg = new;
    }
}

/// Why an EVALSHA was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotRun {
    /// The server does not hold the script.
    Missing,
    /// The command itself is forbidden or unknown: by an ACL, `rename-command`, or a proxy.
    Forbidden,
}

impl NotRun {
    /// What the error that answers an EVALSHA proves; `None`: nothing, the script may have run.
    fn of(error: &[u8]) -> Option<NotRun> {
        let text = error.to_ascii_lowercase();
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        if text.starts_with(b"noscript no matching script") {
            return Some(NotRun::Missing);
        }
        // The server appends this to the errors of commands that a script called.
        if has(b"@user_script") {
            return None;
        }
        let text = text.strip_prefix(b"err ").unwrap_or(&text);
        let opens = |prefix: &[u8]| text.strip_prefix(prefix);
        let unknown = opens(b"unknown command").or_else(|| opens(b"unsupported command"));
        let is_forbidden = match unknown {
            // Some proxies do not say which; they answer the command that they were sent.
            Some(rest) => rest.trim_ascii().is_empty() || rest.starts_with(b",") || has(b"evalsha"),
            None => has(b"evalsha") && (text.starts_with(b"noperm") || has(b"not allowed") || has(b"not support")),
        };
        is_forbidden.then_some(NotRun::Forbidden)
    }
}

/// One life of one link.
type Home = (usize, u64);

fn home_of(link: &Arc<Link>) -> Home {
    (Arc::as_ptr(link) as usize, link.counters.connections.load(Ordering::Relaxed))
}

/// Adds a home; older lives of its link are forgotten.
fn enter(homes: &mut Vec<Home>, home: Home) {
    if !homes.contains(&home) {
        homes.retain(|(link, _)| *link != home.0);
        homes.push(home);
    }
}

/// What is known of a script.
#[derive(Debug)]
struct Entry {
    script: Arc<Script>,
    /// Where the server holds it.
    homes: Vec<Home>,
    /// It gives the error of a missing script itself, so that this error does not prove that it did not run.
    says_noscript: bool,
}

/// The scripts of a client.
#[derive(Debug, Default)]
pub struct Scripts {
    known: HashMap<(Digest20, bool), Entry>,
    /// Where EVALSHA is forbidden, and where EVALSHA_RO is.
    forbidden: [Vec<Home>; 2],
}

impl Scripts {
    /// The script of an EVAL (or EVAL_RO), and whether the server behind `link` can be sent its digest.
    pub fn find(&mut self, body: &[u8], read_only: bool, link: &Arc<Link>) -> (Arc<Script>, bool) {
        self.find_at(body, read_only, home_of(link))
    }

    fn find_at(&mut self, body: &[u8], read_only: bool, home: Home) -> (Arc<Script>, bool) {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let digest: Digest20 = Sha1::digest(body).into();
        let entry = self.known.entry((digest, read_only)).or_insert_with(|| {
            let name = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let script = Arc::new(Script { body: Box::from(body), digest, name, read_only });
            Entry { script, homes: Vec::new(), says_noscript: false }
        });
        let is_forbidden = self.forbidden[usize::from(read_only)].contains(&home);
        (Arc::clone(&entry.script), entry.homes.contains(&home) && !entry.says_noscript && !is_forbidden)
    }

    /// The server behind `link` ran the script.
    pub fn learn(&mut self, script: &Script, link: &Arc<Link>) {
        self.learn_at(script, home_of(link));
    }

    fn learn_at(&mut self, script: &Script, home: Home) {
        if let Some(entry) = self.known.get_mut(&(script.digest, script.read_only)) {
            enter(&mut entry.homes, home);
        }
    }

    /// The EVAL to send after this error, which answered the encoded `request`; `None`: the error is the answer.
    pub fn eval_after(&mut self, error: &[u8], script: &Script, request: &[u8], link: &Arc<Link>) -> Option<Vec<u8>> {
        self.eval_after_at(error, script, request, home_of(link))
    }

    fn eval_after_at(&mut self, error: &[u8], script: &Script, request: &[u8], home: Home) -> Option<Vec<u8>> {
        let why = NotRun::of(error)?;
        let eval = script.eval_of(request);
        match (why, &eval) {
            // No server says that of an EVAL: it was the script.
            (NotRun::Missing, None) => {
                if let Some(entry) = self.known.get_mut(&(script.digest, script.read_only)) {
                    entry.says_noscript = true;
                }
            }
            (NotRun::Forbidden, Some(_)) => enter(&mut self.forbidden[usize::from(script.read_only)], home),
            _ => {}
        }
        eval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_errors_prove_that_the_script_did_not_run() {
        for (error, proof) in [
            ("NOSCRIPT No matching script. Please use EVAL.", Some(NotRun::Missing)),
            ("NOSCRIPT No matching script. Please use [E]VAL.", Some(NotRun::Missing)),
            ("NOSCRIPT is what my script says", None),
            // Redis 6.0, 6.2 and 7.0, then 7.2 and Valkey.
            (
                "NOPERM this user has no permissions to run the 'evalsha' command or its subcommand",
                Some(NotRun::Forbidden),
            ),
            ("NOPERM this user has no permissions to run the 'evalsha' command", Some(NotRun::Forbidden)),
            ("NOPERM User u has no permissions to run the 'evalsha_ro' command", Some(NotRun::Forbidden)),
            ("NOPERM this user has no permissions to access one of the keys used as arguments", None),
            ("NOPERM this user has no permissions to run the 'set' command", None),
            // Redis 4, 5 and 7; without a name; proxies and services.
            ("ERR unknown command 'EVALSHA'", Some(NotRun::Forbidden)),
            ("ERR unknown command `EVALSHA`, with args beginning with: `a`, `0`, ", Some(NotRun::Forbidden)),
            ("ERR unknown command 'EVALSHA', with args beginning with: 'a' '0' ", Some(NotRun::Forbidden)),
            ("ERR unknown command", Some(NotRun::Forbidden)),
            ("ERR unknown command, with args beginning with: ", Some(NotRun::Forbidden)),
            ("unsupported command", Some(NotRun::Forbidden)),
            ("unsupported command 'evalsha'", Some(NotRun::Forbidden)),
            ("ERR unsupported command `EVALSHA`", Some(NotRun::Forbidden)),
            ("ERR command 'EVALSHA' is not allowed", Some(NotRun::Forbidden)),
            ("ERR 'EVALSHA' command not support for normal user", Some(NotRun::Forbidden)),
            // What a script met.
            ("ERR unknown command 'FOO'", None),
            ("ERR unknown command 'EVALSHA' script: 3fe, on @user_script:1.", None),
            ("ERR This Redis command is not allowed from script script: 3fe, on @user_script:1.", None),
            ("ERR This Redis command is not allowed from script", None),
            ("ERR value is not an integer or out of range", None),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", None),
            ("", None),
        ] {
            assert_eq!(NotRun::of(error.as_bytes()), proof, "{error}");
        }
    }

    fn encoded(args: &[&str]) -> Vec<u8> {
        command::encode_to_vec(args).unwrap()
    }

    #[test]
    fn a_connection_that_forbids_evalsha_is_sent_eval_for_its_life() {
        const BODY: &[u8] = b"return 1";
        let (here, again, elsewhere) = ((1, 1), (1, 2), (2, 1));
        let mut scripts = Scripts::default();
        let script = scripts.find_at(BODY, false, here).0;
        let is_known = |scripts: &mut Scripts, home| {
            scripts.learn_at(&script, home);
            scripts.find_at(BODY, false, home).1
        };
        assert!(is_known(&mut scripts, here));
        let evalsha = script.evalsha_of(vec![b"EVAL", BODY, b"0"]).unwrap();
        let denied = b"ERR unknown command 'EVALSHA'";
        let eval = scripts.eval_after_at(denied, &script, &evalsha, here);
        assert_eq!(eval, Some(encoded(&["EVAL", "return 1", "0"])));
        assert!(!is_known(&mut scripts, here));
        assert!(is_known(&mut scripts, elsewhere));
        assert!(is_known(&mut scripts, again), "the next connection may lead to another server");
        // EVALSHA_RO is a command of its own.
        let read_only = scripts.find_at(BODY, true, here).0;
        scripts.learn_at(&read_only, here);
        assert!(scripts.find_at(BODY, true, here).1);
        // An EVAL that is forbidden itself is the user's to know.
        let eval = encoded(&["EVAL", "return 1", "0"]);
        assert_eq!(scripts.eval_after_at(b"ERR unknown command 'EVAL'", &script, &eval, here), None);
    }

    #[test]
    fn a_script_that_says_noscript_itself_is_not_sent_by_its_digest_again() {
        const BODY: &[u8] = b"return redis.error_reply('NOSCRIPT No matching script.')";
        let home = (1, 1);
        let mut scripts = Scripts::default();
        let script = scripts.find_at(BODY, false, home).0;
        scripts.learn_at(&script, home);
        let noscript = b"NOSCRIPT No matching script. Please use EVAL.";
        let evalsha = script.evalsha_of(vec![b"EVAL", BODY, b"0"]).unwrap();
        assert!(scripts.eval_after_at(noscript, &script, &evalsha, home).is_some());
        assert!(scripts.find_at(BODY, false, home).1, "so far it may have been the server");
        let eval = command::encode_to_vec(&[&b"EVAL"[..], BODY, b"0"]).unwrap();
        assert_eq!(scripts.eval_after_at(noscript, &script, &eval, home), None);
        assert!(!scripts.find_at(BODY, false, home).1);
    }
}
