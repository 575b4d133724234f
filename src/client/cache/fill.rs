//! What a read may leave in the cache, and what a write takes out of it.

use std::sync::{Arc, MutexGuard};

use super::{Cache, Reservation};
use crate::connection::sink::Completion;
use crate::error::Status;
use crate::lock::Lock;
use crate::protocol::catalog::{self, Flags};
use crate::protocol::reply::{Kind, Node, Reply};

/// The right to keep an answer; given back when it is dropped.
#[derive(Debug)]
pub struct CacheFill {
    cache: Arc<Lock<Cache>>,
    /// `None`: nothing is to be kept.
    place: Option<Reservation>,
    /// Only what certainly speaks of keys that are there is kept.
    of_present: bool,
}

/// Whether an answer may speak of a key, or a part of one, that is not there.
fn may_speak_of_absent(reply: &Node) -> bool {
    match reply.kind() {
        Kind::Nil | Kind::Error => true,
        Kind::Integer => reply.to_i64().is_none_or(|number| number <= 0),
        Kind::Status => reply.as_bytes() == b"none",
        Kind::Array | Kind::Map | Kind::Set => {
            reply.items().is_empty() || reply.items().iter().any(may_speak_of_absent)
        }
        _ => reply.as_bytes().is_empty() && reply.items().is_empty() && reply.kind() == Kind::String,
    }
}

impl CacheFill {
    /// The answer may be kept in this place.
    pub fn new(cache: Arc<Lock<Cache>>, place: Reservation) -> CacheFill {
        CacheFill { cache, place: Some(place), of_present: false }
    }

    /// The same in a cluster: while a slot is on its way a key that is not there is made at another node, which tells
    /// nobody who has asked here.
    pub fn in_cluster(cache: Arc<Lock<Cache>>, place: Reservation) -> CacheFill {
        CacheFill { cache, place: Some(place), of_present: true }
    }

    /// The replies before that of the command: if the server refused CLIENT CACHING, nobody will be told when the
    /// answer is wrong, and nothing is kept.
    pub fn check(&mut self, earlier: &[Reply]) {
        if earlier.iter().any(|reply| reply.kind() == Kind::Error) {
            self.give_back();
        }
    }

    /// Keeps a copy of the answer, if it is one and still right.
    pub fn keep(self, completion: &Completion) {
        if completion.status == Status::Ok {
            self.keep_reply(&completion.reply);
        }
    }

    /// Keeps a copy of a reply, if that is still right.
    pub fn keep_reply(mut self, reply: &Node) {
        if !(self.of_present && may_speak_of_absent(reply))
            && let Some(place) = self.place
            && let Ok(copy) = Reply::copy(reply)
        {
            self.cache.lock().fill(place, copy);
            self.place = None;
        }
    }

    fn give_back(&mut self) {
        if let Some(place) = self.place.take() {
            self.cache.lock().give_back(place);
        }
    }
}

impl Drop for CacheFill {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What a command may change.
enum Change<'a> {
    Key(&'a [u8]),
    Everything,
}

/// Names what these commands may change, whether they will run or not. What a command changes without naming it, and
/// what an unknown one changes, the server tells.
fn each_change<A: AsRef<[u8]>>(commands: impl Iterator<Item = impl AsRef<[A]>>, mut tell: impl FnMut(Change<'_>)) {
    for args in commands {
        let args = args.as_ref();
        let Some(command) = catalog::find(args).filter(|command| !command.is_read_only()) else { continue };
        let mut keys = command.keys(args).peekable();
        // FLUSHALL, SWAPDB and their like.
        if keys.peek().is_none() && command.flags.contains(Flags::WRITE) {
            tell(Change::Everything);
        }
        keys.for_each(|key| tell(Change::Key(key)));
    }
}

/// Forgets what these commands may change.
pub fn forget<A: AsRef<[u8]>>(cache: &Lock<Cache>, commands: impl Iterator<Item = impl AsRef<[A]>>) {
    let mut locked: Option<MutexGuard<'_, Cache>> = None;
    each_change(commands, |change| {
        let cache = locked.get_or_insert_with(|| cache.lock());
        match change {
            Change::Key(key) => cache.invalidate(key),
            Change::Everything => cache.clear(),
        }
    });
}

/// What a request on a connection of its own may change. It stands in no order with what the shared connection reads,
/// so it is forgotten when the server has answered, before anybody hears of that.
#[derive(Debug, Default)]
pub struct Changes {
    keys: Vec<Box<[u8]>>,
    everything: bool,
}

impl Changes {
    /// Of these commands.
    pub fn of<A: AsRef<[u8]>>(commands: impl Iterator<Item = impl AsRef<[A]>>) -> Changes {
        let mut changes = Changes::default();
        each_change(commands, |change| match change {
            Change::Key(key) => changes.keys.push(key.into()),
            Change::Everything => changes.everything = true,
        });
        changes
    }

    /// They are made, or may have been.
    pub fn forget(&self, cache: &Lock<Cache>) {
        if self.everything || !self.keys.is_empty() {
            let mut cache = cache.lock();
            self.keys.iter().for_each(|key| cache.invalidate(key));
            if self.everything {
                cache.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_keys_that_are_there() {
        let string = |text: &str| Reply::string(text.as_bytes());
        let list = |replies: Vec<Reply>| Reply::array(replies).unwrap();
        for (reply, may_speak_of_absent_ones) in [
            (Reply::nil(), true),
            (string(""), true),
            (string("x"), false),
            (Reply::integer(0), true),
            (Reply::integer(-2), true),
            (Reply::integer(3), false),
            (list(vec![]), true),
            (list(vec![string("x"), string("y")]), false),
            (list(vec![string("x"), Reply::nil()]), true),
            (list(vec![list(vec![string("x")]), list(vec![])]), true),
            (Reply::map(vec![]).unwrap(), true),
            (Reply::map(vec![(string("x"), string("y"))]).unwrap(), false),
            (Reply::ok(), false),
        ] {
            assert_eq!(may_speak_of_absent(&reply), may_speak_of_absent_ones, "{reply:?}");
        }
    }
}
