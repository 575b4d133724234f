//! Who has a dedicated connection, or waits for one: a request that needs one to itself, or a lease. Pure bookkeeping;
//! `dedicated.rs` acts on it.
//!
//! Invariant: while the server may be waiting with a command of a tenant, nothing else of that tenant is sent, so that
//! whoever is unblocked is the one who was meant.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::cache::fill::Changes;
use crate::connection::link::Link;
use crate::connection::pipeline::{Ticket, Unit};
use crate::connection::pool::Seat;
use crate::error::{Error, Status};
use crate::protocol::catalog::Trace;
use crate::topology::standalone::TenantId;

/// What a request on a dedicated connection needs besides.
#[derive(Debug)]
pub struct Stay {
    /// Whose it is.
    pub tenant: TenantId,
    /// What of it waits for the connection.
    pub held: Vec<Unit>,
    /// The server may wait with it.
    pub blocks: bool,
    /// It is never sent on two connections.
    pub whole: bool,
    /// Which of the requests of its tenant it is.
    pub number: u64,
    /// What it leaves behind.
    pub trace: Option<Trace>,
    /// What it may change of what is cached.
    pub changes: Changes,
    /// Its user does not want it any more, but the server waits with it and has to be asked to stop.
    pub given_up: Option<GivenUp>,
}

/// Why a request is over although its answer is still awaited.
#[derive(Debug)]
pub struct GivenUp {
    /// The reason.
    pub status: Status,
    /// Why the server does not stop.
    pub refused: Option<String>,
}

/// What requests may have left behind on a connection. What cannot be proven to be nothing is something.
#[derive(Debug, Default)]
pub struct Residue {
    lasting: bool,
    /// The last request that watched keys.
    watching: Option<u64>,
}

impl Residue {
    /// A request with this number is about to be sent.
    pub fn sent(&mut self, number: u64, trace: Option<Trace>) {
        match trace {
            Some(Trace::Lasting) => self.lasting = true,
            Some(Trace::Watch) => self.watching = Some(number),
            Some(Trace::Unwatch) | None => {}
        }
    }

    /// The server confirmed that what was watched before this request is not watched any more.
    pub fn unwatched(&mut self, number: u64) {
        self.watching = self.watching.filter(|watching| *watching > number);
    }

    /// Nobody knows.
    pub fn stain(&mut self) {
        self.lasting = true;
    }

    /// Whether there certainly is none.
    pub fn is_none(&self) -> bool {
        !self.lasting && self.watching.is_none()
    }
}

/// What kind of tenant.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request; it goes when that is over.
    Request,
    /// A lease; it goes when it was freed and all its requests are over.
    Lease {
        /// It was not freed yet.
        open: bool,
    },
}

/// One tenant.
#[derive(Debug)]
pub struct Tenant {
    /// Which connection is wanted.
    pub database: u32,
    kind: Kind,
    /// The connection or a place in line; `None`: none was needed yet.
    pub seat: Option<Seat<Arc<Link>>>,
    /// Requests that wait for the connection, or for the one that blocks it. Some may be over.
    pub held: VecDeque<Ticket>,
    /// The request that the server may be waiting with.
    pub blocking: Option<Ticket>,
    /// The request that asks it to stop.
    pub unblocking: Option<Ticket>,
    /// Requests that are not over.
    pub requests: usize,
    /// Requests so far.
    submitted: u64,
    /// What may be left behind.
    pub residue: Residue,
    /// The server may have run some of its commands.
    pub used: bool,
    /// Why the lease is lost.
    pub lost: Option<Error>,
}

impl Tenant {
    /// Who wants a connection to a database.
    pub fn new(kind: Kind, database: u32) -> Tenant {
        Tenant {
            database,
            kind,
            seat: None,
            held: VecDeque::new(),
            blocking: None,
            unblocking: None,
            requests: 0,
            submitted: 0,
            residue: Residue::default(),
            used: false,
            lost: None,
        }
    }

    /// Whether it is a lease.
    pub fn is_lease(&self) -> bool {
        self.kind != Kind::Request
    }

    /// The lease was freed.
    pub fn end(&mut self) {
        if self.is_lease() {
            self.kind = Kind::Lease { open: false };
        }
    }

    /// Whether nothing will be asked of it any more, and nothing is under way.
    pub fn is_over(&self) -> bool {
        self.requests == 0 && self.unblocking.is_none() && self.kind != Kind::Lease { open: true }
    }

    /// The number of its next request.
    pub fn next_number(&mut self) -> u64 {
        self.submitted += 1;
        self.submitted
    }

    /// Its connection, if something can be sent now.
    pub fn free_link(&self) -> Option<&Arc<Link>> {
        match &self.seat {
            Some(Seat::Link(link)) if self.blocking.is_none() && self.unblocking.is_none() => Some(link),
            _ => None,
        }
    }

    /// Lets a request wait for its turn. Those that are over are forgotten when they are many.
    pub fn hold(&mut self, ticket: Ticket, is_over: impl Fn(Ticket) -> bool) {
        if self.held.len() > 2 * self.requests {
            self.held.retain(|ticket| !is_over(*ticket));
        }
        self.held.push_back(ticket);
    }
}

/// All tenants of a client.
#[derive(Debug, Default)]
pub struct Tenants {
    tenants: HashMap<TenantId, Tenant>,
    last: TenantId,
}

impl Tenants {
    /// A new one.
    pub fn add(&mut self, tenant: Tenant) -> TenantId {
        self.last += 1;
        self.tenants.insert(self.last, tenant);
        self.last
    }

    /// The tenant, if it is not gone.
    pub fn get(&mut self, id: TenantId) -> Option<&mut Tenant> {
        self.tenants.get_mut(&id)
    }

    /// How many have asked the server to stop waiting.
    pub fn unblocking(&self) -> usize {
        self.tenants.values().filter(|tenant| tenant.unblocking.is_some()).count()
    }

    /// It goes.
    pub fn remove(&mut self, id: TenantId) -> Option<Tenant> {
        self.tenants.remove(&id)
    }

    /// All go.
    pub fn clear(&mut self) {
        self.tenants.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_confirmed_is_proof() {
        let mut residue = Residue::default();
        assert!(residue.is_none());
        residue.sent(1, Some(Trace::Watch));
        residue.sent(2, None);
        assert!(!residue.is_none(), "whatever was sent");
        residue.sent(3, Some(Trace::Watch));
        residue.unwatched(2);
        assert!(!residue.is_none(), "an EXEC answers only for what was watched before it");
        residue.unwatched(4);
        assert!(residue.is_none());
        residue.sent(5, Some(Trace::Unwatch));
        assert!(residue.is_none());
        residue.sent(6, Some(Trace::Lasting));
        residue.unwatched(7);
        assert!(!residue.is_none(), "nothing takes that back");
    }

    #[test]
    fn a_tenant_goes_when_all_is_over() {
        let mut request = Tenant::new(Kind::Request, 0);
        assert_eq!((request.next_number(), request.next_number()), (1, 2));
        request.requests += 1;
        assert!(!request.is_over());
        request.requests -= 1;
        assert!(request.is_over());
        request.unblocking = Some(Ticket(1));
        assert!(!request.is_over(), "its connection must not be another's when the server is asked to stop");
        let mut lease = Tenant::new(Kind::Lease { open: true }, 0);
        assert!(!lease.is_over());
        lease.end();
        assert!(lease.is_over());
    }

    #[test]
    fn what_is_over_does_not_pile_up() {
        let mut lease = Tenant::new(Kind::Lease { open: true }, 0);
        for number in 1..10_000 {
            lease.requests += 1;
            lease.hold(Ticket(number), |ticket| ticket.0 < number);
            lease.requests -= 1;
        }
        assert!(lease.held.len() < 10);
    }
}
