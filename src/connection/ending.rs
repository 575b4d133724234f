//! How the requests that wait at a link end without an answer, and how the client goes on with one itself.

use std::sync::Arc;

use super::link::Link;
use super::link_number::LinkNumber;
use super::outgoing::Outgoing;
use super::requests::{Location, Taken};
use super::sink::Sink;
use super::unit::Ticket;

/// A request that was given up, to be completed.
#[derive(Debug)]
pub struct GivenUp {
    /// The request.
    pub taken: Taken,
    /// Something of it was sent, and may still be answered.
    pub is_sent: bool,
}

impl Outgoing {
    fn give_up(&mut self, ticket: Ticket) -> Option<GivenUp> {
        let taken = self.requests.take(ticket)?;
        let is_sent = !self.pipeline.withdraw(taken.waiting.sequence);
        Some(GivenUp { taken, is_sent })
    }
}

impl Link {
    /// Gives a request up that waits here; `None`: it does not.
    pub fn give_up(&self, ticket: Ticket) -> Option<GivenUp> {
        self.outgoing.lock().give_up(ticket)
    }

    /// Gives everything up that waits here.
    pub fn give_up_all(&self) -> Vec<GivenUp> {
        let mut outgoing = self.outgoing.lock();
        let waiting = outgoing.requests.waiting();
        waiting.into_iter().filter_map(|ticket| outgoing.give_up(ticket)).collect()
    }

    /// The requests that wait here for this sink, in pieces between which others get the lock.
    pub fn waiting_for(&self, sink: &Arc<dyn Sink>) -> Vec<Ticket> {
        const PIECE: usize = 1024;
        let pieces = (0..).step_by(PIECE);
        let waiting = pieces.map_while(|first| self.outgoing.lock().requests.waiting_for(sink, first, PIECE));
        waiting.flatten().collect()
    }

    /// Gives up what is due at this tick: at most `most`, and then it is to be called again.
    pub fn expire(&self, now: u64, most: usize) -> Vec<GivenUp> {
        let mut outgoing = self.outgoing.lock();
        let due = outgoing.requests.expire(now, most);
        due.into_iter().filter_map(|ticket| outgoing.give_up(ticket)).collect()
    }

    /// Says that [`Link::expire`] will be called at the tick that this gives, or when an earlier deadline is set.
    pub fn arm(&self) -> Option<u64> {
        self.outgoing.lock().requests.arm()
    }

    /// Says that [`Link::expire`] will be called at this tick, if not earlier.
    pub fn arm_by(&self, tick: u64) {
        self.outgoing.lock().requests.arm_by(tick);
    }

    /// The client goes on with a request under this name, until [`Link::give_back`]; `None`: it does not wait here.
    pub fn move_to(&self, ticket: Ticket, name: Ticket) -> Option<Taken> {
        self.outgoing.lock().requests.move_to(ticket, name)
    }

    /// The client has completed a request that it went on with.
    pub fn give_back(&self, ticket: Ticket) {
        self.outgoing.lock().requests.give_back(ticket);
    }

    /// Where the request of an id is.
    pub fn location_of(&self, ticket: Ticket) -> Location {
        self.outgoing.lock().requests.location(ticket)
    }

    /// How many requests wait here.
    pub fn requests(&self) -> usize {
        self.outgoing.lock().requests.len()
    }

    /// Whether anything waits here, or an id of here is still known.
    pub fn is_used(&self) -> bool {
        let outgoing = self.outgoing.lock();
        !outgoing.pipeline.is_idle() || outgoing.requests.has_ids()
    }

    /// Nobody else has the number of this link, which is new, as long as it exists.
    pub fn keep_number(&self, number: LinkNumber) {
        self.outgoing.lock().requests.keep(number);
    }

    /// How many requests were taken out to be completed.
    pub fn taken(&self) -> u64 {
        self.outgoing.lock().requests.taken()
    }
}
