//! EVAL goes out as EVALSHA where the server is known to hold the script and to accept EVALSHA, which its node
//! remembers. Pure.
//!
//! Invariant: an EVALSHA that was made here out of an EVAL is replaced by that EVAL when the error proves that the
//! script did not run.

use std::collections::HashMap;
use std::sync::Arc;

use sha1::{Digest, Sha1};

use crate::error::Error;
use crate::protocol::command;
use crate::topology::held_scripts::ScriptId;

/// Distinct scripts that are remembered; beyond, all are forgotten and learnt again.
const REMEMBERED: usize = 1000;

/// A script and its name at the server.
#[derive(Debug)]
pub struct Script {
    /// The text that EVAL takes.
    body: Box<[u8]>,
    id: ScriptId,
    /// The 40 digits that EVALSHA takes.
    name: String,
}

impl Script {
    /// As its node knows it.
    pub fn id(&self) -> ScriptId {
        self.id
    }

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
        let name: &[u8] = if self.id.read_only { b"EVALSHA_RO" } else { b"EVALSHA" };
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

/// What is known of a script.
#[derive(Debug)]
struct Entry {
    script: Arc<Script>,
    /// It gives the error of a missing script itself, so that this error does not prove that it did not run.
    says_noscript: bool,
}

/// What to do after an EVALSHA was not run.
#[derive(Debug, PartialEq, Eq)]
pub struct Again {
    /// The EVAL to send.
    pub eval: Vec<u8>,
    /// The server forbids EVALSHA.
    pub is_forbidden: bool,
}

/// The scripts of a client.
#[derive(Debug, Default)]
pub struct Scripts(HashMap<ScriptId, Entry>);

impl Scripts {
    /// The script of an EVAL (or EVAL_RO), and whether it may be sent by its digest to a server that holds it.
    pub fn find(&mut self, body: &[u8], read_only: bool) -> (Arc<Script>, bool) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let id = ScriptId { digest: Sha1::digest(body).into(), read_only };
        let entry = self.0.entry(id).or_insert_with(|| {
            let name = id.digest.iter().map(|byte| format!("{byte:02x}")).collect();
            Entry { script: Arc::new(Script { body: Box::from(body), id, name }), says_noscript: false }
        });
        (Arc::clone(&entry.script), !entry.says_noscript)
    }

    /// What to do after this error, which answered the encoded `request`; `None`: the error is the answer.
    pub fn after_error(&mut self, error: &[u8], script: &Script, request: &[u8]) -> Option<Again> {
        let why = NotRun::of(error)?;
        let eval = script.eval_of(request);
        // No server says that of an EVAL: it was the script.
        if (why, &eval) == (NotRun::Missing, &None)
            && let Some(entry) = self.0.get_mut(&script.id)
        {
            entry.says_noscript = true;
        }
        Some(Again { eval: eval?, is_forbidden: why == NotRun::Forbidden })
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

    const NOSCRIPT: &[u8] = b"NOSCRIPT No matching script. Please use EVAL.";

    #[test]
    fn an_evalsha_that_was_not_run_goes_out_as_eval() {
        const DENIED: &[u8] = b"ERR unknown command 'EVALSHA'";
        let mut scripts = Scripts::default();
        for (read_only, command) in [(false, "EVAL"), (true, "EVAL_RO")] {
            let (script, by_digest) = scripts.find(b"return 1", read_only);
            assert!(by_digest);
            assert_eq!(script.id(), scripts.find(b"return 1", read_only).0.id());
            let evalsha = script.evalsha_of(vec![command.as_bytes(), b"return 1", b"0"]).unwrap();
            for (error, is_forbidden) in [(NOSCRIPT, false), (DENIED, true)] {
                let eval = encoded(&[command, "return 1", "0"]);
                assert_eq!(scripts.after_error(error, &script, &evalsha), Some(Again { eval, is_forbidden }));
            }
            assert_eq!(scripts.after_error(b"WRONGTYPE", &script, &evalsha), None);
            // An EVAL that is forbidden itself is the user's to know.
            let eval = encoded(&[command, "return 1", "0"]);
            assert_eq!(scripts.after_error(b"ERR unknown command 'EVAL'", &script, &eval), None);
        }
        assert_ne!(scripts.find(b"return 1", false).0.id(), scripts.find(b"return 1", true).0.id());
    }

    #[test]
    fn a_script_that_says_noscript_itself_is_not_sent_by_its_digest_again() {
        const BODY: &[u8] = b"return redis.error_reply('NOSCRIPT No matching script.')";
        let mut scripts = Scripts::default();
        let script = scripts.find(BODY, false).0;
        let evalsha = script.evalsha_of(vec![b"EVAL", BODY, b"0"]).unwrap();
        assert!(scripts.after_error(NOSCRIPT, &script, &evalsha).is_some());
        assert!(scripts.find(BODY, false).1, "so far it may have been the server");
        let eval = command::encode_to_vec(&[&b"EVAL"[..], BODY, b"0"]).unwrap();
        assert_eq!(scripts.after_error(NOSCRIPT, &script, &eval), None);
        assert!(!scripts.find(BODY, false).1);
    }
}
