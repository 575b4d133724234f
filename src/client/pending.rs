//! The requests that wait at the client, because a link cannot complete them by itself: of several units, with
//! messages, on a dedicated connection, or to be sent again. Whoever takes one out of here completes it; so reply,
//! deadline, cancellation, loss and close cannot complete it twice, and the reply of a request that is gone finds
//! nobody.

use std::sync::Arc;

use bytes::Bytes;

use super::attempt::{Attempts, Event, Next, Terms};
use super::cache::fill::CacheFill;
use super::destination::{Destination, Responder};
use super::fan_out::{Held, slot_of_unit};
use super::gather::{Bound, Gather};
use super::hub::Hub;
use super::plan::Plan;
use super::script::Script;
use super::session::DedicatedRequest;
use super::unblock::Unblock;
use crate::connection::link::Link;
use crate::connection::sink::Sink;
use crate::connection::unit::{Ticket, Unit};
use crate::shrink::KEPT;

pub use super::gather::NOT_QUEUED;

/// What kind of request it is, and what has come of it so far.
#[derive(Debug)]
pub enum Work<D: Destination> {
    /// One command.
    Single,
    /// EVAL that may have gone out as EVALSHA.
    Script(Arc<Script>),
    /// One command behind CLIENT CACHING, whose answer is to be kept.
    Cached(Box<CacheFill>),
    /// Several replies become one.
    Gather(Box<Gather>),
    /// It goes to several nodes, or to one of which only the map tells, and there is no map yet.
    Held(Box<Held>),
    /// MULTI .. EXEC.
    Transaction,
    /// CLIENT UNBLOCK, by the client itself.
    Unblock(Box<Unblock>),
    /// CLUSTER SLOTS, by the client itself, in the round of this number.
    Slots(u64),
    /// INFO replication, by the client itself.
    Replication,
    /// Not a command: it hears of the life of the client until it is cancelled.
    Events,
    /// It gets messages until it is cancelled.
    Subscription(Arc<Hub<D>>),
    /// It changes a subscription.
    Change(Arc<Hub<D>>),
    /// A PING on the connection of this subscription.
    Ping(Arc<Hub<D>>, Ticket),
}

impl<D: Destination> Work<D> {
    /// What the replies to a plan become. `first` is the position of its first unit and the others follow it; with
    /// [`NOT_QUEUED`] none of them has a position yet.
    pub fn of<A>(plan: &Plan<'_, A>, first: u64) -> Work<D> {
        match plan {
            Plan::One(_) | Plan::Tracked(_) | Plan::Encoded(_) => Work::Single,
            Plan::Atomic(_) => Work::Transaction,
            Plan::Several(commands) => {
                let place = |part| if first == NOT_QUEUED { NOT_QUEUED } else { first + part as u64 };
                Work::Gather(Box::new(Gather::new((0..commands.len()).map(place))))
            }
        }
    }
}

/// An accepted request.
#[derive(Debug)]
pub struct Pending<D: Destination> {
    /// Completes it.
    pub responder: Responder,
    /// Where it stands.
    pub link: Arc<Link>,
    /// Its unit at the link, or [`NOT_QUEUED`]; of a gathered request each part has its own.
    pub sequence: u64,
    /// What it is.
    pub work: Work<D>,
    /// For the text of the error; 0: none.
    pub timeout: u32,
    /// Its attempts, if it had more than one; of a gathered request each part has its own.
    pub attempts: Option<Box<Attempts>>,
    /// Its user says that it may run twice.
    pub idempotent: bool,
    /// What it needs on a dedicated connection.
    pub dedicated: Option<Box<DedicatedRequest>>,
    /// It goes to whoever may answer reads, when it is sent again.
    pub reads: bool,
}

impl<D: Destination> Pending<D> {
    /// A request of which nothing is sent and that has no deadline; more is set by whoever makes it.
    pub fn new(responder: Responder, link: &Arc<Link>, work: Work<D>) -> Pending<D> {
        let link = Arc::clone(link);
        Pending {
            responder,
            link,
            sequence: NOT_QUEUED,
            work,
            timeout: 0,
            attempts: None,
            idempotent: false,
            dedicated: None,
            reads: false,
        }
    }

    /// What happens next to a unit after an event.
    pub fn after(&mut self, part: u32, event: Event<'_>, terms: &Terms) -> Next {
        self.attempts(part).get_or_insert_default().after(event, terms)
    }

    /// The attempts of a unit; none: it had only one.
    pub fn attempts(&mut self, part: u32) -> &mut Option<Box<Attempts>> {
        match &mut self.work {
            Work::Gather(gather) => gather.attempts(part).unwrap_or(&mut self.attempts),
            _ => &mut self.attempts,
        }
    }

    /// A unit of this request stands in another place now.
    pub fn set_place(&mut self, part: u32, sequence: u64) {
        match &mut self.work {
            Work::Gather(gather) => gather.set_place(part, sequence),
            _ => self.sequence = sequence,
        }
    }

    /// The link of a unit.
    pub fn link_of(&self, part: u32) -> &Arc<Link> {
        match &self.work {
            Work::Gather(gather) => gather.link(part).unwrap_or(&self.link),
            _ => &self.link,
        }
    }

    /// Where a unit of this request goes when it is sent again.
    pub fn bound(&self, part: u32) -> Bound {
        match &self.work {
            Work::Gather(gather) => gather.bound(part),
            _ => Bound::Keys,
        }
    }

    /// The server refused a unit, which is to be sent again, perhaps at once: gives it back if it may go now, else it
    /// waits for earlier ones of its slot.
    pub fn refused(&mut self, unit: Unit, at_once: bool) -> Option<Unit> {
        let Work::Gather(gather) = &mut self.work else { return Some(unit) };
        let slot = slot_of_unit(&unit.bytes);
        // A copy of its own, because the segment it lies in may be large.
        gather.refused(Unit { bytes: Bytes::copy_from_slice(&unit.bytes), ..unit }, slot, at_once)
    }

    /// A unit of this request stands at this link now.
    pub fn set_link(&mut self, part: u32, link: &Arc<Link>) {
        match &mut self.work {
            Work::Gather(gather) => gather.set_link(part, Some(link).filter(|link| !Arc::ptr_eq(link, &self.link))),
            _ => self.link = Arc::clone(link),
        }
    }

    /// Whether units of it wait for a dedicated connection.
    pub fn holds_units(&self) -> bool {
        self.dedicated.as_ref().is_some_and(|dedicated| !dedicated.waiting.is_empty())
    }

    /// Whether an unanswered unit of it stands at a link.
    pub fn is_under_way(&self) -> bool {
        match &self.work {
            Work::Gather(gather) => gather.places().any(|(.., sequence)| sequence != NOT_QUEUED),
            _ => self.sequence != NOT_QUEUED,
        }
    }

    /// Whether the answer of a unit is to be kept in the cache.
    pub fn is_to_be_kept(&self, part: u32) -> bool {
        match &self.work {
            Work::Cached(_) => true,
            Work::Gather(gather) => gather.has_fill(part),
            _ => false,
        }
    }

    /// The answer of a unit is not to be kept.
    pub fn keep_nothing(&mut self, part: u32) {
        match &mut self.work {
            Work::Cached(_) => self.work = Work::Single,
            Work::Gather(gather) => _ = gather.take_fill(part),
            _ => {}
        }
    }

    /// Whether a unit of it was answered.
    pub fn has_answers(&self) -> bool {
        matches!(&self.work, Work::Gather(gather) if gather.has_answers())
    }

    /// Withdraws unsent units from the last backwards, and stops at the first one that was sent. True if no unanswered
    /// unit was sent; then none will be.
    pub fn cancel_unsent(&mut self) -> bool {
        let link = &self.link;
        let is_unsent = |link: &Link, sequence: u64| sequence == NOT_QUEUED || link.withdraw_unsent(sequence);
        match &mut self.work {
            Work::Gather(gather) => {
                let places = gather.places().rev();
                let unsent = places.take_while(|(_, other, sequence)| is_unsent(other.unwrap_or(link), *sequence));
                let unsent: Vec<u32> = unsent.map(|(part, ..)| part).collect();
                unsent.iter().for_each(|part| gather.set_place(*part, NOT_QUEUED));
                gather.places().all(|(.., sequence)| sequence == NOT_QUEUED)
            }
            _ => {
                let unsent = is_unsent(link, self.sequence);
                if unsent {
                    self.sequence = NOT_QUEUED;
                }
                unsent
            }
        }
    }

    /// Where its last unit stands.
    pub fn last_place(&self) -> u64 {
        match &self.work {
            Work::Gather(gather) => gather.places().next_back().map_or(NOT_QUEUED, |(.., sequence)| sequence),
            _ => self.sequence,
        }
    }
}

#[derive(Debug)]
struct Entry<D: Destination> {
    ticket: Ticket,
    pending: Option<Pending<D>>,
}

/// All of them, by ticket; see [`Ticket::NO_LINK`].
#[derive(Debug)]
pub struct Requests<D: Destination> {
    entries: Vec<Entry<D>>,
    free: Vec<u32>,
    serial: u32,
}

impl<D: Destination> Requests<D> {
    /// None.
    pub fn new() -> Requests<D> {
        Requests { entries: Vec::new(), free: Vec::new(), serial: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// A place that is to be filled or given back; `None`: there are as many as ids can tell apart.
    pub fn reserve(&mut self) -> Option<Ticket> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.entries.len()).ok().filter(|index| *index < Ticket::INDICES)?;
                self.entries.push(Entry { ticket: Ticket::NOBODY, pending: None });
                index
            }
        };
        self.serial = Ticket::serial_after(self.serial);
        let ticket = Ticket::new(Ticket::NO_LINK, self.serial, index);
        self.entries[index as usize].ticket = ticket;
        Some(ticket)
    }

    /// Fills a reserved place.
    #[inline]
    pub fn fill(&mut self, ticket: Ticket, pending: Pending<D>) {
        let place = &mut self.entries[ticket.index() as usize].pending;
        // Known to be empty, so that nothing is dropped and the request is written where it stays.
        if place.is_none() {
            *place = Some(pending);
        }
    }

    /// Gives a reserved place back.
    #[inline]
    pub fn give_back(&mut self, ticket: Ticket) {
        let index = ticket.index();
        self.entries[index as usize].ticket = Ticket::NOBODY;
        self.free.push(index);
        if self.free.len() == self.entries.len() && self.entries.len() > KEPT {
            self.entries = Vec::new();
            self.free = Vec::new();
        }
    }

    /// The request, if it is not over.
    #[inline]
    pub fn get(&mut self, ticket: Ticket) -> Option<&mut Pending<D>> {
        let entry = self.entries.get_mut(ticket.index() as usize)?;
        entry.pending.as_mut().filter(|_| entry.ticket == ticket)
    }

    /// Takes the request out, if it is not over.
    #[inline]
    pub fn take(&mut self, ticket: Ticket) -> Option<Pending<D>> {
        let entry = self.entries.get_mut(ticket.index() as usize)?;
        let pending = if entry.ticket == ticket { entry.pending.take() } else { None }?;
        self.give_back(ticket);
        Some(pending)
    }

    /// The ticket of the request at an index.
    pub fn at(&self, index: u32) -> Option<Ticket> {
        self.entries.get(index as usize).filter(|entry| entry.pending.is_some()).map(|entry| entry.ticket)
    }

    /// Whether the request is over.
    pub fn is_over(&self, ticket: Ticket) -> bool {
        let entry = self.entries.get(ticket.index() as usize);
        entry.is_none_or(|entry| entry.ticket != ticket || entry.pending.is_none())
    }

    /// The tickets of those with which the server may be waiting, and of those that nobody waits for.
    pub fn blocking(&self) -> Vec<Ticket> {
        let is_blocking = |pending: &Pending<D>| {
            let blocks = pending.dedicated.as_ref().is_some_and(|dedicated| dedicated.blocks);
            blocks || matches!(pending.work, Work::Slots(_) | Work::Replication)
        };
        let blocking = |entry: &&Entry<D>| entry.pending.as_ref().is_some_and(is_blocking);
        self.entries.iter().filter(blocking).map(|entry| entry.ticket).collect()
    }

    /// The tickets of those whose completion goes to this sink.
    pub fn tickets_to(&self, sink: &Arc<dyn Sink>) -> Vec<Ticket> {
        let is_to_it = |pending: &Pending<D>| pending.responder.is_to(sink);
        let these = self.entries.iter().filter(|entry| entry.pending.as_ref().is_some_and(is_to_it));
        these.map(|entry| entry.ticket).collect()
    }

    /// The tickets of all.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.entries.iter().filter(|entry| entry.pending.is_some()).map(|entry| entry.ticket).collect()
    }
}
