//! The requests that wait at a link, as far as the link completes them by itself: of one command, sent once, whose
//! answer is no error. With their deadlines, and the sinks that their completions go to. Pure.
//!
//! Invariant: whoever takes a request out completes it. A request that the client goes on with keeps its place here,
//! and so its id, until the client gives it back.

use std::sync::Arc;

use super::answers::Answers;
use super::deadline::Deadlines;
use super::link_number::LinkNumber;
use super::sink::{Completion, Sink, SinkKey};
use super::sinks::Sinks;
use super::unit::{Answer, Ticket};
use crate::shrink::KEPT;

#[cfg(test)]
mod tests;

/// What is known of a request while it waits.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Its unit in the pipeline.
    pub sequence: u64,
    /// The user's.
    pub user_data: u64,
    /// How long it may take, in milliseconds, for the text of the error; 0: for ever.
    pub timeout: u32,
    /// Its user says that it may run twice.
    pub idempotent: bool,
}

/// A request that was taken out, to be completed.
#[derive(Debug)]
pub struct Taken {
    /// The id that its user knows.
    pub ticket: Ticket,
    /// What was known of it.
    pub waiting: Waiting,
    /// The tick of its deadline.
    pub due: Option<u64>,
    /// Where its completion goes.
    pub sink: Arc<dyn Sink>,
}

/// Where a request is that has this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// It is over.
    Gone,
    /// It waits here.
    Here,
    /// The client goes on with it under this name.
    Moved(Ticket),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Free,
    /// For the sink of this number.
    Waiting(u32),
    Moved(Ticket),
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    waiting: Waiting,
    state: State,
}

/// The requests of one link.
#[derive(Debug)]
pub struct Requests {
    /// The number of the link, which is part of each id.
    link: u16,
    /// Keeps others from having the same number.
    number: Option<LinkNumber>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    serial: u32,
    sinks: Sinks,
    deadlines: Deadlines,
    /// The tick at which somebody will look for deadlines that have passed.
    armed: u64,
    /// With how many the client goes on.
    moved: usize,
    /// How many were taken out to be completed.
    taken: u64,
}

impl Requests {
    /// None, at the link of this number.
    pub fn new(link: u16) -> Requests {
        Requests {
            link,
            number: None,
            entries: Vec::new(),
            free: Vec::new(),
            serial: 0,
            sinks: Sinks::default(),
            deadlines: Deadlines::default(),
            armed: u64::MAX,
            moved: 0,
            taken: 0,
        }
    }

    /// The link keeps this number, which others may have had before: its serial numbers go on.
    pub fn keep(&mut self, number: LinkNumber) {
        self.serial = number.serial;
        self.number = Some(number);
    }

    /// How many wait here.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len() - self.moved
    }

    /// Whether none waits here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the id of a request is still known here, be it that the client goes on with it.
    pub fn has_ids(&self) -> bool {
        self.entries.len() > self.free.len()
    }

    /// How many were taken out to be completed, since the link was opened.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The id of the request that will be put next; `None`: there are as many as ids can tell apart.
    #[inline]
    pub fn next_ticket(&mut self) -> Option<Ticket> {
        let index = match self.free.last() {
            Some(index) => *index,
            None => u32::try_from(self.entries.len()).ok().filter(|index| *index < Ticket::INDICES)?,
        };
        self.serial = Ticket::serial_after(self.serial);
        Some(Ticket::new(self.link, self.serial, index))
    }

    /// Puts the request of the id that was given last. `key` tells whether its sink is one that is known here; if it is
    /// not, `sink` gives it.
    #[inline]
    pub fn put(
        &mut self,
        ticket: Ticket,
        waiting: Waiting,
        key: Option<SinkKey>,
        sink: impl FnOnce() -> Arc<dyn Sink>,
    ) {
        let entry = Entry { ticket, waiting, state: State::Waiting(self.sinks.add(key, sink)) };
        match self.free.pop().and_then(|index| self.entries.get_mut(index as usize)) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
    }

    /// Sets the deadline of a request that has none, in ticks; true if nobody will look before that.
    #[inline]
    pub fn set_deadline(&mut self, ticket: Ticket, due: u64) -> bool {
        self.deadlines.set(ticket.index(), due);
        let is_earlier = due < self.armed;
        self.armed = self.armed.min(due);
        is_earlier
    }

    /// An answer has come: completes the request if that is all there is to do, else the answer is to be judged.
    #[inline]
    pub fn answered(&mut self, answer: Answer, answers: &mut Answers) {
        let ticket = answer.to.ticket;
        if answer.exchange.is_some() || !self.is_own(ticket) {
            return answers.push(answer);
        }
        let Some(Entry { waiting, state: State::Waiting(sink), .. }) = self.get(ticket) else { return };
        let (sink, completion) = (*sink, Completion::answered(waiting.user_data, ticket.0, answer.reply));
        self.release(ticket);
        self.taken += 1;
        let reference = self.sinks.remove(sink, !answers.ends_with(sink));
        answers.push_completion(completion, sink, reference);
    }

    /// Takes a request out that waits here.
    pub fn take(&mut self, ticket: Ticket) -> Option<Taken> {
        let taken = self.let_go(ticket)?;
        self.release(ticket);
        self.taken += 1;
        Some(taken)
    }

    /// The client goes on with a request that waits here, under this name.
    pub fn move_to(&mut self, ticket: Ticket, name: Ticket) -> Option<Taken> {
        let taken = self.let_go(ticket)?;
        if let Some(entry) = self.get(ticket) {
            entry.state = State::Moved(name);
            self.moved += 1;
        }
        Some(taken)
    }

    /// The client has completed a request that it went on with.
    pub fn give_back(&mut self, ticket: Ticket) {
        if let Some(Entry { state: State::Moved(_), .. }) = self.get(ticket) {
            self.moved -= 1;
            self.release(ticket);
        }
    }

    /// Where the request of an id is.
    pub fn location(&mut self, ticket: Ticket) -> Location {
        match self.get(ticket) {
            Some(Entry { state: State::Waiting(_), .. }) => Location::Here,
            Some(Entry { state: State::Moved(name), .. }) => Location::Moved(*name),
            Some(Entry { state: State::Free, .. }) | None => Location::Gone,
        }
    }

    /// The requests whose deadline has passed at this tick, `most` at a time: call again while it gives that many.
    pub fn expire(&mut self, now: u64, most: usize) -> Vec<Ticket> {
        let due = self.deadlines.expire(now, most);
        due.into_iter().filter_map(|index| self.entries.get(index as usize).map(|entry| entry.ticket)).collect()
    }

    /// Gives back the memory that only requests with deadlines need, if there are none.
    pub(super) fn release_buffers(&mut self) {
        self.deadlines.release();
    }

    /// Somebody will look for passed deadlines at the tick that this gives, at the latest.
    pub fn arm(&mut self) -> Option<u64> {
        let next = self.deadlines.next();
        self.armed = next.unwrap_or(u64::MAX);
        next
    }

    /// Somebody will look for passed deadlines at this tick, at the latest.
    pub fn arm_by(&mut self, tick: u64) {
        self.armed = self.armed.min(tick);
    }

    /// All that wait here.
    pub fn waiting(&self) -> Vec<Ticket> {
        let waiting = self.entries.iter().filter(|entry| matches!(entry.state, State::Waiting(_)));
        waiting.map(|entry| entry.ticket).collect()
    }

    /// Those that wait here for this sink, among the places from `first` on, at most `most` places; `None`: there are
    /// no such places.
    pub fn waiting_for(&self, sink: &Arc<dyn Sink>, first: usize, most: usize) -> Option<Vec<Ticket>> {
        let places = self.entries.get(first..).filter(|places| !places.is_empty())?;
        let number = self.sinks.number_of(sink)?;
        let is_for_it = |entry: &&Entry| matches!(entry.state, State::Waiting(other) if other == number);
        Some(places.iter().take(most).filter(is_for_it).map(|entry| entry.ticket).collect())
    }

    /// Whether no request has a place here, nor a deadline, nor a sink.
    #[cfg(test)]
    pub fn is_at_rest(&self) -> bool {
        let is_empty = self.free.len() == self.entries.len() && self.moved == 0;
        is_empty && self.deadlines.next().is_none() && self.sinks.is_empty()
    }

    fn is_own(&self, ticket: Ticket) -> bool {
        self.link != Ticket::NO_LINK && ticket.link() == self.link
    }

    #[inline]
    fn get(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        self.entries.get_mut(ticket.index() as usize).filter(|entry| entry.ticket == ticket)
    }

    /// Takes out what belongs to a request that waits, but not its place.
    fn let_go(&mut self, ticket: Ticket) -> Option<Taken> {
        let Some(Entry { waiting, state: State::Waiting(sink), .. }) = self.get(ticket) else { return None };
        let (waiting, sink) = (*waiting, *sink);
        let due = self.deadlines.remove(ticket.index());
        Some(Taken { ticket, waiting, due, sink: self.sinks.remove(sink, true)? })
    }

    #[inline]
    fn release(&mut self, ticket: Ticket) {
        let index = ticket.index();
        if let Some(entry) = self.entries.get_mut(index as usize) {
            (entry.ticket, entry.state) = (Ticket::NOBODY, State::Free);
        }
        _ = self.deadlines.remove(index);
        self.free.push(index);
        if self.free.len() == self.entries.len() {
            self.deadlines.shrink();
            if self.entries.len() > KEPT {
                self.entries = Vec::new();
                self.free = Vec::new();
            }
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        if let Some(number) = &mut self.number {
            number.serial = self.serial;
        }
    }
}
