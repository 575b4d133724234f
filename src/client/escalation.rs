//! Requests that wait at a link until the link cannot complete them by itself: the client goes on with those that may
//! be sent again, and completes those that are given up.
//!
//! Invariant: a request with which the client goes on keeps its id, because its place at the link names the one it has
//! here.

use std::sync::Arc;

use super::completion::Verdict;
use super::core::Core;
use super::destination::{Delivery, Destination, Responder};
use super::end::Unanswered;
use super::pending::{Pending, Work};
use super::state::State;
use crate::connection::ending::GivenUp;
use crate::connection::link::Link;
use crate::connection::recipient::{LinkEvent, Recipient};
use crate::connection::requests::{Location, Taken};
use crate::connection::unit::Ticket;
use crate::error::{Error, Status};

#[cfg(test)]
mod tests;

impl<D: Destination> Core<D> {
    /// The name here of the request that a link tells of, with which the client goes on; `None`: it is over.
    pub(super) fn go_on_with(&self, state: &mut State<D>, link: &Arc<Link>, ticket: Ticket) -> Option<Ticket> {
        if ticket.link() == Ticket::NO_LINK {
            return Some(ticket);
        }
        let name = state.requests.reserve()?;
        let Some(taken) = link.move_to(ticket, name) else {
            state.requests.give_back(name);
            return None;
        };
        let Taken { waiting, due, .. } = taken;
        let pending = Pending {
            sequence: waiting.sequence,
            timeout: waiting.timeout,
            idempotent: waiting.idempotent,
            ..Pending::new(Responder::of(taken), link, Work::Single)
        };
        if state.hold(name, pending, due) {
            self.clock.wake();
        }
        Some(name)
    }

    /// A request with which the client went on is over: its id may be used again.
    pub(super) fn give_back(&self, ticket: Ticket, pending: &Pending<D>) {
        let id = Ticket(pending.responder.request());
        if id != ticket
            && let Some(link) = self.topology.link_of(id.link())
        {
            link.give_back(id);
        }
    }

    /// Ends one request for this reason; false if it is over already. `sentence` gets its link and what is known of it.
    pub(super) fn give_up(
        &self,
        id: Ticket,
        status: Status,
        sentence: &dyn Fn(&Link, Unanswered<'_>) -> String,
    ) -> bool {
        if id.link() == Ticket::NO_LINK {
            return self.give_up_here(id, status, sentence);
        }
        let Some(link) = self.topology.link_of(id.link()) else { return false };
        loop {
            match link.location_of(id) {
                Location::Gone => return false,
                Location::Moved(name) => return self.give_up_here(name, status, sentence),
                Location::Here => {
                    if let Some(given_up) = link.give_up(id) {
                        self.complete(self.end_given_up(&link, given_up, status, sentence));
                        return true;
                    }
                }
            }
        }
    }

    /// Ends the requests of a link whose deadline has passed; gives how many.
    pub(super) fn expire_at(&self, link: &Arc<Link>, most: usize) -> usize {
        let due = link.expire(self.clock.now(), most);
        let count = due.len();
        let deliveries = due.into_iter().filter_map(|given_up| {
            let timeout = given_up.taken.waiting.timeout;
            self.end_given_up(link, given_up, Status::Timeout, &self.timed_out(timeout, false))
        });
        self.complete(deliveries);
        count
    }

    /// Ends all requests that wait at a link: the client was closed.
    pub(super) fn shut_down_at(&self, link: &Arc<Link>) {
        let sentence = |_: &Link, _: Unanswered<'_>| "the client was closed".to_string();
        let all = link.give_up_all().into_iter();
        self.complete(all.filter_map(|one| self.end_given_up(link, one, Status::Closed, &sentence)));
    }

    fn end_given_up(
        &self,
        link: &Arc<Link>,
        given_up: GivenUp,
        status: Status,
        sentence: &dyn Fn(&Link, Unanswered<'_>) -> String,
    ) -> Option<Delivery> {
        let GivenUp { taken, is_sent } = given_up;
        let unit = Unanswered::new(is_sent, None);
        let outcome = unit.outcome;
        let error = Error::new(status, sentence(link, unit));
        if link.has_room_again() {
            self.on_event(link, LinkEvent::Writable);
        }
        Responder::of(taken).finish(Verdict::failed(&error, outcome))
    }
}
