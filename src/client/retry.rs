//! Whether a command may be sent again.
//!
//! Invariant: again goes only what the server certainly did not run, or what may run twice. The text of an error is
//! proof only if the server itself, and not a script, wrote it; the one exception is [`Refusal::of_slot`].

use std::time::Duration;

use crate::protocol::catalog::{self, Handling};
use crate::protocol::command;
use crate::topology::cluster::redirect::{self, Kind};

/// What servers say, in these words, of the slot of keys before they run anything. A script whose own command is
/// refused for the same reasons is told so in other words, and a script that raises an error has its name added.
const OF_SLOTS: [&[u8]; 4] = [
    b"TRYAGAIN Multiple keys request during rehashing of slot",
    b"CLUSTERDOWN Hash slot not served",
    b"CLUSTERDOWN The cluster is down",
    b"CLUSTERDOWN The cluster is down and only accepts read commands",
];

/// A "no" that the server says before it runs a command, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server is not ready: later.
    NotReady,
    /// The server is not the primary (any more): somewhere else.
    NotPrimary,
    /// The slot is on another node of the cluster.
    Redirected(Kind),
}

impl Refusal {
    /// What an error reply to this encoded command proves; `None`: nothing, it is the user's.
    pub fn of(error: &[u8], request: &[u8]) -> Option<Refusal> {
        let refusal = Refusal::of_text(error)?;
        (!may_be_written_by_code(request)).then_some(refusal)
    }

    /// What an error proves that the server itself, and no script, has written.
    pub fn of_text(error: &[u8]) -> Option<Refusal> {
        let code = error.split(|byte| *byte == b' ').next().unwrap_or_default();
        match code {
            b"LOADING" | b"TRYAGAIN" | b"CLUSTERDOWN" | b"MASTERDOWN" => Some(Refusal::NotReady),
            // Where the primary is, it is looked for among those that were named by whom the program trusts.
            b"READONLY" | b"REDIRECT" => Some(Refusal::NotPrimary),
            // It became a replica while it waited with the command.
            b"UNBLOCKED" if error.starts_with(b"UNBLOCKED force unblock") => Some(Refusal::NotPrimary),
            _ => Kind::of(error).map(Refusal::Redirected),
        }
    }

    /// As [`Refusal::of`], of a cluster, where code of a user is believed if the text is a redirect that names this
    /// slot, that of its keys, or one of [`OF_SLOTS`]: else callers would see them whenever a slot moves. It is no
    /// proof: code that has written exactly that itself, with the address of another node, is run again.
    pub fn of_slot(error: &[u8], request: &[u8], slot: Option<u16>) -> Option<Refusal> {
        let named = redirect::slot_of(error).filter(|named| Some(*named) == slot);
        // A stream for which it waits is gone: deleted, as will be said when it is asked for again, or migrated.
        if error.starts_with(b"UNBLOCKED the stream key no longer exists") && !may_be_written_by_code(request) {
            return Some(Refusal::NotReady);
        }
        let is_believed = named.is_some() || slot.is_some() && OF_SLOTS.contains(&error);
        Refusal::of(error, request).or_else(|| is_believed.then(|| Refusal::of_text(error)).flatten())
    }
}

/// Whether what this encoded command answers may have been written by the code of a user.
pub fn may_be_written_by_code(request: &[u8]) -> bool {
    let args: Vec<&[u8]> = command::decode(request).collect();
    matches!(catalog::handling(&args), Handling::Script | Handling::StoredScript)
}

/// Whether a command that may have run can run again without harm.
pub fn may_run_twice(request: &[u8], idempotent: bool) -> bool {
    let args: Vec<&[u8]> = command::decode(request).collect();
    !may_be_written_by_code(request) && (idempotent || catalog::is_read_only(&args))
}

/// How long to wait before attempt number `attempt` (the first repetition is 1): full jitter under a doubling cap.
pub fn backoff(attempt: u16) -> Duration {
    let cap = Duration::from_millis(25).saturating_mul(1 << attempt.min(6));
    cap.mul_f64(fastrand::f64()).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(args: &[&str]) -> Vec<u8> {
        command::encode_to_vec(args).unwrap()
    }

    #[test]
    fn only_the_server_itself_can_refuse() {
        let set = encoded(&["SET", "k", "v"]);
        assert_eq!(Refusal::of(b"LOADING Redis is loading the dataset in memory", &set), Some(Refusal::NotReady));
        assert_eq!(
            Refusal::of(b"READONLY You can't write against a read only replica.", &set),
            Some(Refusal::NotPrimary)
        );
        assert_eq!(Refusal::of(b"REDIRECT 10.0.0.1:6379", &set), Some(Refusal::NotPrimary));
        assert_eq!(Refusal::of(b"REDIRECT 10.0.0.1:6379", &encoded(&["EVAL", "x", "0"])), None);
        let blpop = encoded(&["BLPOP", "k", "0"]);
        let demoted = b"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
        assert_eq!(Refusal::of(demoted, &blpop), Some(Refusal::NotPrimary));
        assert_eq!(Refusal::of(b"UNBLOCKED client unblocked via CLIENT UNBLOCK", &blpop), None, "somebody wanted that");
        let gone = b"UNBLOCKED the stream key no longer exists";
        assert_eq!(Refusal::of(gone, &blpop), None, "it was deleted");
        assert_eq!(Refusal::of_slot(gone, &blpop, Some(1)), Some(Refusal::NotReady), "it may have migrated");
        assert_eq!(Refusal::of(b"WRONGTYPE Operation against a key", &set), None);
        assert_eq!(Refusal::of(b"LOADINGS", &set), None);
        assert_eq!(Refusal::of(b"READONLY from redis.call", &encoded(&["eval", "return 1", "0"])), None);
        assert_eq!(Refusal::of(b"LOADING", &encoded(&["FCALL", "f", "0"])), None);
    }

    #[test]
    fn a_script_is_believed_what_servers_say_of_the_slot_of_its_keys() {
        let (script, slot) = (encoded(&["EVAL", "x", "2", "{a}1", "{a}2"]), Some(15495));
        let moved = Some(Refusal::Redirected(Kind::Moved));
        for (text, slot, told) in [
            (&b"MOVED 15495 b:1"[..], slot, moved),
            (b"MOVED 15494 b:1", slot, None),
            (OF_SLOTS[0], slot, Some(Refusal::NotReady)),
            (OF_SLOTS[1], slot, Some(Refusal::NotReady)),
            (OF_SLOTS[2], slot, Some(Refusal::NotReady)),
            (OF_SLOTS[3], slot, Some(Refusal::NotReady)),
            (OF_SLOTS[0], None, None),
            (b"TRYAGAIN", slot, None),
            (b"TRYAGAIN Multiple keys request during rehashing of slot script: f, on @user_script:1.", slot, None),
            (b"CLUSTERDOWN", slot, None),
            (b"LOADING Redis is loading the dataset in memory", slot, None),
        ] {
            assert_eq!(Refusal::of_slot(text, &script, slot), told, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_may_run_twice() {
        assert!(may_run_twice(&encoded(&["GET", "k"]), false));
        assert!(!may_run_twice(&encoded(&["INCR", "k"]), false));
        assert!(may_run_twice(&encoded(&["INCR", "k"]), true));
        assert!(!may_run_twice(&encoded(&["EVAL_RO", "return 1", "0"]), true));
        assert!(!may_run_twice(&encoded(&["NO.SUCH.COMMAND"]), false));
    }

    #[test]
    fn backoff_is_bounded() {
        assert!((0..200).all(|attempt| backoff(attempt) <= Duration::from_millis(1600)));
    }
}
