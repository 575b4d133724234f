//! Which scripts a server is known to hold, so that EVALSHA can be sent to it. Pure.
//!
//! Invariant: what is known was learnt on a shared link to this database, in the life of its present connection; what
//! a new connection leads to may be another server.

use std::collections::{BTreeMap, HashSet};

/// Scripts that are remembered for a connection; beyond, all are forgotten and learnt again.
const MOST: usize = 1000;

/// A script as EVALSHA, or EVALSHA_RO, knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScriptId {
    /// The SHA-1 of its text.
    pub digest: [u8; 20],
    /// It is run by EVAL_RO.
    pub read_only: bool,
}

/// A connection of a shared link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The database of the link.
    pub(super) database: u32,
    /// How many connections the link has had.
    pub(super) connections: u64,
}

/// What was learnt on one connection.
#[derive(Debug, Default)]
struct Held {
    connections: u64,
    scripts: HashSet<ScriptId>,
    /// Whether EVALSHA is forbidden, and whether EVALSHA_RO is.
    forbidden: [bool; 2],
}

/// The scripts that a server holds, by database.
#[derive(Debug, Default)]
pub(super) struct HeldScripts(BTreeMap<u32, Held>);

impl HeldScripts {
    /// Whether a script can be sent by its digest.
    pub(super) fn holds(&self, script: ScriptId, life: Life) -> bool {
        let held = self.0.get(&life.database).filter(|held| held.connections == life.connections);
        held.is_some_and(|held| held.scripts.contains(&script) && !held.forbidden[usize::from(script.read_only)])
    }

    /// The server ran a script.
    pub(super) fn learn(&mut self, script: ScriptId, life: Life) {
        let scripts = &mut self.present(life).scripts;
        if scripts.len() >= MOST {
            scripts.clear();
        }
        scripts.insert(script);
    }

    /// The server forbids the command that would run this script by its digest.
    pub(super) fn forbid(&mut self, script: ScriptId, life: Life) {
        self.present(life).forbidden[usize::from(script.read_only)] = true;
    }

    /// What is known of a connection; earlier ones of its link are forgotten.
    fn present(&mut self, life: Life) -> &mut Held {
        let held = self.0.entry(life.database).or_default();
        if held.connections != life.connections {
            *held = Held { connections: life.connections, ..Held::default() };
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(number: usize) -> ScriptId {
        let mut digest = [0; 20];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        ScriptId { digest, read_only: false }
    }

    fn life(database: u32, connections: u64) -> Life {
        Life { database, connections }
    }

    #[test]
    fn a_script_is_held_in_the_life_of_the_connection_that_ran_it() {
        let (one, mut held) = (script(1), HeldScripts::default());
        assert!(!held.holds(one, life(0, 1)));
        held.learn(one, life(0, 1));
        assert!(held.holds(one, life(0, 1)));
        assert!(!held.holds(script(2), life(0, 1)));
        assert!(!held.holds(ScriptId { read_only: true, ..one }, life(0, 1)));
        assert!(!held.holds(one, life(1, 1)), "the link of another database may lead to another server");
        assert!(!held.holds(one, life(0, 2)), "and so may the next connection");
        held.learn(script(2), life(0, 2));
        assert!(!held.holds(one, life(0, 1)) && !held.holds(one, life(0, 2)));
    }

    #[test]
    fn a_connection_that_forbids_evalsha_is_not_sent_it_for_its_life() {
        let (one, mut held) = (script(1), HeldScripts::default());
        let read_only = ScriptId { read_only: true, ..one };
        for id in [one, read_only] {
            held.learn(id, life(0, 1));
        }
        held.forbid(one, life(0, 1));
        assert!(!held.holds(one, life(0, 1)));
        held.learn(one, life(0, 1));
        assert!(!held.holds(one, life(0, 1)));
        assert!(held.holds(read_only, life(0, 1)), "EVALSHA_RO is a command of its own");
        held.learn(one, life(0, 2));
        assert!(held.holds(one, life(0, 2)), "the next connection may lead to another server");
    }

    #[test]
    fn scripts_without_end_are_not_all_remembered() {
        let mut held = HeldScripts::default();
        (0..10 * MOST + 1).for_each(|number| held.learn(script(number), life(0, 1)));
        assert!(held.0[&0].scripts.len() <= MOST);
        assert!(held.holds(script(10 * MOST), life(0, 1)));
    }
}
