//! Who has a dedicated connection, or waits for one: a request that needs one to itself, or a lease. Pure bookkeeping;
//! `dedicated.rs` acts on it.
//!
//! Invariant: while the server may be waiting with a command of a session, nothing else of that session is sent, so
//! that whoever is unblocked is the one who was meant.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::cache::fill::Changes;
use crate::connection::link::Link;
use crate::connection::pool::Checkout;
use crate::connection::unit::{Ticket, Unit};
use crate::error::{Error, Status};
use crate::protocol::catalog::StateChange;
use crate::protocol::reply::Reply;
use crate::topology::node::{Node, SessionId};

/// What a request on a dedicated connection needs besides.
#[derive(Debug)]
pub struct DedicatedRequest {
    /// Whose it is.
    pub session: SessionId,
    /// What of it waits for the connection.
    pub waiting: Vec<Unit>,
    /// The server may wait with it.
    pub blocks: bool,
    /// It is never sent on two connections.
    pub whole: bool,
    /// Of a whole one in a cluster: its last command.
    pub last: Option<Bytes>,
    /// Of a whole one: its last command, which waits until one before it is sent again.
    pub held: Option<Unit>,
    /// Of a whole one: a command of it was run behind which its last one was not answered.
    pub has_run: bool,
    /// Of a whole one: what its last command was answered where others before it were run.
    pub acknowledged: Option<Reply>,
    /// Which of the requests of its session it is.
    pub number: u64,
    /// What it leaves behind.
    pub state_change: Option<StateChange>,
    /// What it may change of what is cached.
    pub cache_changes: Changes,
    /// Its user does not want it any more, but the server waits with it and has to be asked to stop.
    pub abandoned: Option<Abandoned>,
    /// When it was sent; of one with which the server may wait.
    pub sent: Option<Instant>,
    /// The server was asked to stop waiting with it, so that its connection can be authenticated.
    pub interruption: Option<Interruption>,
}

/// How it stands with a request whose wait is interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The server was asked; it is this unit that is sent again.
    Asked(Unit),
    /// The server refused to stop.
    Refused,
}

/// Why a request is over although its answer is still awaited.
#[derive(Debug)]
pub struct Abandoned {
    /// The reason.
    pub status: Status,
    /// Why the server does not stop.
    pub refused: Option<String>,
}

/// What requests may have left behind on a connection. What cannot be proven to be nothing is something.
#[derive(Debug, Default)]
pub struct DirtyState {
    lasting: bool,
    /// The last request that watched keys.
    watching: Option<u64>,
}

impl DirtyState {
    /// A request with this number is about to be sent.
    pub fn sent(&mut self, number: u64, change: Option<StateChange>) {
        match change {
            Some(StateChange::Lasting) => self.lasting = true,
            Some(StateChange::Watch) => self.watching = Some(number),
            Some(StateChange::Unwatch) | None => {}
        }
    }

    /// The server confirmed that what was watched before this request is not watched any more.
    pub fn unwatched(&mut self, number: u64) {
        self.watching = self.watching.filter(|watching| *watching > number);
    }

    /// Nobody knows.
    pub fn mark_dirty(&mut self) {
        self.lasting = true;
    }

    /// Whether there certainly is none.
    pub fn is_clean(&self) -> bool {
        !self.lasting && self.watching.is_none()
    }
}

/// What kind of session.
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

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Which connection is wanted.
    pub database: u32,
    kind: Kind,
    /// The slot of the key that its lease was made for.
    pub slot: Option<u16>,
    /// It waits until it is known which node of a cluster has that slot.
    pub awaits_map: bool,
    /// The server; `None`: none was needed yet.
    pub node: Option<Arc<Node>>,
    /// In a cluster the server to go on at, once nothing is under way at the present one.
    pub target: Option<Arc<Node>>,
    /// In a cluster the request that may still show that another server is the right one: until it is over no other is
    /// sent.
    pub trial: Option<Ticket>,
    /// The connection or a place in line; `None`: none was needed yet.
    pub checkout: Option<Checkout<Arc<Link>>>,
    /// Requests that wait for the connection, or for the one that blocks it. Some may be over.
    pub waiting: VecDeque<Ticket>,
    /// The request that the server may be waiting with.
    pub blocking: Option<Ticket>,
    /// The request that asks it to stop.
    pub unblocking: Option<Ticket>,
    /// Requests that are not over.
    pub requests: usize,
    /// Requests so far.
    submitted: u64,
    /// What may be left behind.
    pub dirty_state: DirtyState,
    /// The server may have run some of its commands.
    pub used: bool,
    /// Why the lease is lost.
    pub lost: Option<Error>,
}

impl Session {
    /// Who wants a connection to a database.
    pub fn new(kind: Kind, database: u32) -> Session {
        Session {
            database,
            kind,
            slot: None,
            awaits_map: false,
            node: None,
            target: None,
            trial: None,
            checkout: None,
            waiting: VecDeque::new(),
            blocking: None,
            unblocking: None,
            requests: 0,
            submitted: 0,
            dirty_state: DirtyState::default(),
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

    /// Its connection, if this request can be sent now.
    pub fn free_link(&self, ticket: Ticket) -> Option<&Arc<Link>> {
        let is_held = self.blocking.is_some() || self.unblocking.is_some() || self.target.is_some();
        match &self.checkout {
            Some(Checkout::Link(link)) if !is_held && self.trial.is_none_or(|trial| trial == ticket) => Some(link),
            _ => None,
        }
    }

    /// A request is about to be sent or to wait for it, in what may be a cluster or is none: until it is over it may
    /// show that another server is the right one.
    pub fn begin_trial(&mut self, ticket: Ticket, may_be_cluster: bool) {
        if !self.is_lease() || (may_be_cluster && !self.used) {
            self.trial.get_or_insert(ticket);
        }
    }

    /// Whether another server may take the place of the present one for this request.
    pub fn may_move(&self, ticket: Ticket) -> bool {
        self.trial == Some(ticket) && !(self.is_lease() && self.used)
    }

    /// Lets a request wait for its turn. Those that are over are forgotten when they are many.
    pub fn enqueue(&mut self, ticket: Ticket, is_over: impl Fn(Ticket) -> bool) {
        if self.waiting.len() > 2 * self.requests {
            self.waiting.retain(|ticket| !is_over(*ticket));
        }
        self.waiting.push_back(ticket);
    }
}

/// All sessions of a client.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: HashMap<SessionId, Session>,
    last: SessionId,
}

impl Sessions {
    /// A new one.
    pub fn add(&mut self, session: Session) -> SessionId {
        self.last += 1;
        self.sessions.insert(self.last, session);
        self.last
    }

    /// The session, if it is not gone.
    pub fn get(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// How many have asked the server to stop waiting.
    pub fn unblocking(&self) -> usize {
        self.sessions.values().filter(|session| session.unblocking.is_some()).count()
    }

    /// All.
    pub fn ids(&self) -> Vec<SessionId> {
        self.sessions.keys().copied().collect()
    }

    /// Those that wait until a cluster is known.
    pub fn awaiting_map(&self) -> Vec<SessionId> {
        self.sessions.iter().filter(|(_, session)| session.awaits_map).map(|(id, _)| *id).collect()
    }

    /// The requests that servers may be waiting with.
    pub fn blocking(&self) -> impl Iterator<Item = Ticket> {
        self.sessions.values().filter_map(|session| session.blocking)
    }

    /// It goes.
    pub fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.sessions.remove(&id)
    }

    /// All go.
    pub fn clear(&mut self) {
        self.sessions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_confirmed_is_proof() {
        let mut dirty_state = DirtyState::default();
        assert!(dirty_state.is_clean());
        dirty_state.sent(1, Some(StateChange::Watch));
        dirty_state.sent(2, None);
        assert!(!dirty_state.is_clean(), "whatever was sent");
        dirty_state.sent(3, Some(StateChange::Watch));
        dirty_state.unwatched(2);
        assert!(!dirty_state.is_clean(), "an EXEC answers only for what was watched before it");
        dirty_state.unwatched(4);
        assert!(dirty_state.is_clean());
        dirty_state.sent(5, Some(StateChange::Unwatch));
        assert!(dirty_state.is_clean());
        dirty_state.sent(6, Some(StateChange::Lasting));
        dirty_state.unwatched(7);
        assert!(!dirty_state.is_clean(), "nothing takes that back");
    }

    #[test]
    fn a_session_ends_with_its_last_request() {
        let mut request = Session::new(Kind::Request, 0);
        assert_eq!((request.next_number(), request.next_number()), (1, 2));
        request.requests += 1;
        assert!(!request.is_over());
        request.requests -= 1;
        assert!(request.is_over());
        request.unblocking = Some(Ticket(1));
        assert!(!request.is_over(), "its connection must not be another's when the server is asked to stop");
        let mut lease = Session::new(Kind::Lease { open: true }, 0);
        assert!(!lease.is_over());
        lease.end();
        assert!(lease.is_over());
    }

    #[test]
    fn what_is_over_does_not_pile_up() {
        let mut lease = Session::new(Kind::Lease { open: true }, 0);
        for number in 1..10_000 {
            lease.requests += 1;
            lease.enqueue(Ticket(number), |ticket| ticket.0 < number);
            lease.requests -= 1;
        }
        assert!(lease.waiting.len() < 10);
    }
}
