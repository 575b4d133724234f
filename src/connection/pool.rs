//! The dedicated links to one server: who has one, which are idle, and who waits in line. Pure: it is told the time,
//! and its owner opens and closes what it says.
//!
//! Invariant: there are never more links than allowed; while somebody stands in line, each of them is taken.

use std::collections::{BTreeMap, HashMap, VecDeque};

#[cfg(test)]
mod tests;

/// What a session has of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkout<L> {
    /// A link, alone.
    Link(L),
    /// A place in the line, for [`Pool::leave`].
    Waiting(u64),
}

/// What [`Pool::check_out`] gives.
#[derive(Debug, PartialEq, Eq)]
pub struct Given<L> {
    /// The link, or the place in the line.
    pub checkout: Checkout<L>,
    /// An idle link to another database that made room, and is to be closed.
    pub evicted: Option<L>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Links that somebody has.
    pub in_use: usize,
    /// Links that nobody has.
    pub idle: usize,
    /// Sessions in line.
    pub waiting: usize,
    /// Links that were opened since the pool was made.
    pub opened: u64,
}

/// The links `L` to one server, and the sessions `T` who use them.
#[derive(Debug)]
pub struct Pool<L, T> {
    most: usize,
    links: HashMap<u64, Entry<L, T>>,
    /// The numbers of idle links and since when they are, the longest idle first.
    idle: VecDeque<(u64, u64)>,
    /// Who waits for a link to which database, by place.
    line: BTreeMap<u64, (u32, T)>,
    last_number: u64,
    last_place: u64,
}

#[derive(Debug)]
struct Entry<L, T> {
    link: L,
    database: u32,
    /// `None`: it is idle.
    session: Option<T>,
}

impl<L: Clone, T: Clone> Pool<L, T> {
    /// With room for so many links.
    pub fn new(most: usize) -> Pool<L, T> {
        Pool {
            most,
            links: HashMap::new(),
            idle: VecDeque::new(),
            line: BTreeMap::new(),
            last_number: 0,
            last_place: 0,
        }
    }

    /// A link to a database: one that is idle, or a new one that `open` makes and that has the number it is told, or
    /// else a place in the line.
    pub fn check_out(&mut self, database: u32, session: T, open: impl FnOnce(u64) -> L) -> Given<L> {
        if let Some((link, evicted)) = self.take(database, &session, open) {
            return Given { checkout: Checkout::Link(link), evicted };
        }
        self.last_place += 1;
        self.line.insert(self.last_place, (database, session));
        Given { checkout: Checkout::Waiting(self.last_place), evicted: None }
    }

    /// Gives the first in line a link, if there is one; to be called until it gives nothing after links came back or
    /// ended. `open` gets the database and the number.
    pub fn serve(&mut self, open: impl FnOnce(u32, u64) -> L) -> Option<(T, L, Option<L>)> {
        let (place, (database, session)) = self.line.first_key_value().map(|(place, waits)| (*place, waits.clone()))?;
        let (link, evicted) = self.take(database, &session, |number| open(database, number))?;
        self.line.remove(&place);
        Some((session, link, evicted))
    }

    /// Whose a link is, if it is not idle.
    pub fn session(&self, number: u64) -> Option<&T> {
        self.links.get(&number)?.session.as_ref()
    }

    /// A session does not wait any more.
    pub fn leave(&mut self, place: u64) {
        self.line.remove(&place);
    }

    /// A link comes back, and can be given to anybody.
    pub fn check_in(&mut self, number: u64, now: u64) {
        if let Some(entry) = self.links.get_mut(&number)
            && entry.session.take().is_some()
        {
            self.idle.push_back((number, now));
        }
    }

    /// A link has ended or is to be closed; gives whose it was, `None` if it was idle or is not of this pool.
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let entry = self.links.remove(&number)?;
        self.idle.retain(|(idle, _)| *idle != number);
        entry.session
    }

    /// Takes out every link that is idle since `since` or longer; they are to be closed.
    pub fn expire(&mut self, since: u64) -> Vec<L> {
        let expired = self.idle.partition_point(|(_, idle)| *idle <= since);
        let numbers: Vec<u64> = self.idle.drain(..expired).map(|(number, _)| number).collect();
        numbers.into_iter().filter_map(|number| self.links.remove(&number)).map(|entry| entry.link).collect()
    }

    /// Since when the longest idle link is.
    pub fn idle_since(&self) -> Option<u64> {
        self.idle.front().map(|(_, since)| *since)
    }

    /// Who waits for a link to this database, in order.
    pub fn line(&self, database: u32) -> impl Iterator<Item = &T> {
        self.line.values().filter(move |(wanted, _)| *wanted == database).map(|(_, session)| session)
    }

    /// All of them.
    pub fn links(&self) -> impl Iterator<Item = &L> {
        self.links.values().map(|entry| &entry.link)
    }

    /// How many there are.
    pub fn count(&self) -> Count {
        let idle = self.idle.len();
        Count { in_use: self.links.len() - idle, idle, waiting: self.line.len(), opened: self.last_number }
    }

    /// Forgets everything; the links are to be closed.
    pub fn clear(&mut self) {
        self.links.clear();
        self.idle.clear();
        self.line.clear();
    }

    /// The link that was used last, so that those that are not needed grow old; or a new one.
    fn take(&mut self, database: u32, session: &T, open: impl FnOnce(u64) -> L) -> Option<(L, Option<L>)> {
        let fits = |(number, _): &(u64, u64)| self.links.get(number).is_some_and(|entry| entry.database == database);
        if let Some(place) = self.idle.iter().rposition(fits)
            && let Some((number, _)) = self.idle.remove(place)
            && let Some(entry) = self.links.get_mut(&number)
        {
            entry.session = Some(session.clone());
            return Some((entry.link.clone(), None));
        }
        let mut evicted = None;
        if self.links.len() >= self.most {
            let (number, _) = self.idle.pop_front()?;
            evicted = self.links.remove(&number).map(|entry| entry.link);
        }
        self.last_number += 1;
        let link = open(self.last_number);
        let entry = Entry { link: link.clone(), database, session: Some(session.clone()) };
        self.links.insert(self.last_number, entry);
        Some((link, evicted))
    }
}
