//! Connections on which messages come, and the multishot requests that get them: all subscriptions of a client together
//! have one, and in a cluster one more to each node whose sharded channels they have; MONITOR and CLIENT TRACKING have
//! each one of its own. They are opened for the first and closed after the last.
//!
//! Locks are taken in this order: state, hub, what lies below. What ends or changes a request is done by
//! [`Hub::apply`], with none of them held. [`recipient`] is told what comes.

pub(super) mod action;
mod apply;
mod connections;
mod recipient;
mod succession;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;

use self::action::{Action, Actions};

use super::completion::{GAP, Verdict};
use super::destination::Destination;
use super::destination::Outlet;
use super::mailbox::{Counts, Put};
use super::subscription::{Effect, Subscriptions};
use super::topic::{Server, Topic};
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::connection::pipeline::Pipeline;
use crate::connection::purpose::Purpose;
use crate::connection::quota::Load;
use crate::connection::recipient::Recipient;
use crate::connection::unit::{Addressee, Ticket, Unit};
use crate::error::{Error, Outcome, Status};
use crate::lock::Lock;
use crate::protocol::command;
use crate::protocol::message::Channel;
use crate::protocol::reply::Reply;
use crate::topology::deferred::Deferred;

/// Whose the commands of the hub itself are; no request has this name.
const OWN: Ticket = Ticket(u64::MAX);

/// What a hub needs of the client that it belongs to. Called with no lock held.
pub trait Owner: Recipient<Link> {
    /// The subscription that this request, a PING, is for.
    fn pinged_subscription(&self, ticket: Ticket) -> Option<Ticket>;
    /// The first confirmation of a subscription came: what follows has no deadline.
    fn no_deadline(&self, ticket: Ticket);
    /// Completes a request, if it is not over, with these flags beside the outcome.
    fn finish(&self, ticket: Ticket, flags: u32, verdict: Verdict);
    /// Ends a request before its answer, if it is not over, for this reason.
    fn end_one(&self, ticket: Ticket, why: &Error);
    /// Runs a task on the I/O thread, unless the client is closed.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);
}

/// What a hub needs of whoever knows the servers.
pub trait Directory: Owner {
    /// Where a topic is asked for. Called under the lock of the hub.
    fn server_of(&self, topic: &Topic) -> Server;
    /// The server behind a link answered a topic with this error.
    fn redirected(&self, link: &Arc<Link>, error: &Reply) -> Redirect;
    /// A server took a topic away unasked, because it belongs elsewhere from now on.
    fn taken_away(&self);
    /// The connection to any of several servers is lost: it may be another one next time.
    fn choose_again(&self, link: &Arc<Link>);
    /// Prepares a connection to a server, which [`Directory::run`] starts. Called under the lock of the hub.
    fn open(
        &self,
        server: &Server,
        purpose: Purpose,
        recipient: Weak<dyn Recipient<Link>>,
        deferred: &mut Deferred,
    ) -> Result<Arc<Link>, Error>;
    /// Does something with links, with no lock held.
    fn run(&self, deferred: Deferred);
}

/// What an error says of where a topic is.
pub enum Redirect {
    /// Nothing.
    None,
    /// At this server.
    To(Server),
    /// At another server, and that is all that can be understood.
    ToSomebody,
}

/// The connections and those who hear them.
pub struct Hub<D: Destination> {
    owner: Weak<dyn Directory>,
    me: Weak<Hub<D>>,
    purpose: Purpose,
    /// The server of all that belongs to no other one.
    base: Server,
    subscribers: Lock<Subscribers<D>>,
}

impl<D: Destination> std::fmt::Debug for Hub<D> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

struct Subscribers<D> {
    connections: BTreeMap<Server, Connection>,
    subscriptions: Subscriptions,
    outlets: HashMap<Ticket, Subscriber<D>>,
    /// The last one has gone: nobody can come any more.
    closed: bool,
}

/// The connection to one server.
struct Connection {
    /// Of which messages are delivered.
    link: Arc<Link>,
    /// The one that is to take its place.
    successor: Option<Successor>,
}

/// The connection that is to take the place of another one.
struct Successor {
    link: Arc<Link>,
    /// What the server confirmed on its present connection.
    joined: Vec<Topic>,
    /// So many answers are missing.
    left: usize,
}

struct Subscriber<D> {
    outlet: Outlet<D>,
    /// Announcements of missing messages.
    gaps: u64,
}

/// How a multishot request ended.
pub(super) struct Ended {
    /// Whether the server may have heard of it.
    pub(super) outcome: Outcome,
    /// It had its first confirmation: it was there.
    pub(super) started: bool,
    /// Flags of its final completion.
    pub(super) flags: u32,
    pub(super) rest: Actions,
}

/// What statistics tell of a subscription.
pub(super) struct Report {
    pub(super) topics: usize,
    pub(super) gaps: u64,
    pub(super) counts: Counts,
}

impl<D: Destination> Hub<D> {
    /// There is no connection yet; what belongs to no other server will be asked for at this one.
    pub(super) fn new(owner: Weak<dyn Directory>, purpose: Purpose, base: Server) -> Arc<Hub<D>> {
        Arc::new_cyclic(|me: &Weak<Hub<D>>| {
            let subscribers = Subscribers {
                connections: BTreeMap::new(),
                subscriptions: Subscriptions::at(base.clone()),
                outlets: HashMap::new(),
                closed: false,
            };
            Hub { owner, me: Weak::clone(me), purpose, base, subscribers: Lock::new(subscribers) }
        })
    }

    /// What it is for.
    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// A new subscription gets its messages through this outlet. Gives the outlet back if the hub was closed meanwhile.
    pub(super) fn begin(
        &self,
        owner: &dyn Directory,
        ticket: Ticket,
        topics: &[Topic],
        outlet: Outlet<D>,
    ) -> Result<Actions, Outlet<D>> {
        let mut subscribers = self.subscribers.lock();
        if subscribers.closed {
            return Err(outlet);
        }
        subscribers.outlets.insert(ticket, Subscriber { outlet, gaps: 0 });
        subscribers.subscriptions.begin(ticket, topics.iter().map(|topic| self.placed(owner, topic)));
        Ok(self.carry_out(owner, &mut subscribers, None))
    }

    /// A request adds topics to a subscription.
    pub(super) fn add(
        &self,
        owner: &dyn Directory,
        subscription: Ticket,
        request: Ticket,
        topics: &[Topic],
    ) -> Actions {
        let mut subscribers = self.subscribers.lock();
        subscribers.subscriptions.add(subscription, request, topics.iter().map(|topic| self.placed(owner, topic)));
        self.carry_out(owner, &mut subscribers, None)
    }

    /// A request takes topics of a kind from a subscription: these, or all (`None`).
    pub(super) fn remove(
        &self,
        owner: &dyn Directory,
        subscription: Ticket,
        request: Ticket,
        channel: Channel,
        names: Option<Vec<Bytes>>,
    ) -> Actions {
        let mut subscribers = self.subscribers.lock();
        subscribers.subscriptions.remove(subscription, request, channel, names);
        self.carry_out(owner, &mut subscribers, None)
    }

    /// A subscription ends; its last messages are on their way when this returns.
    pub(super) fn end(&self, owner: &dyn Directory, subscription: Ticket) -> Ended {
        let mut subscribers = self.subscribers.lock();
        let known = subscribers.subscriptions.may_be_known(subscription);
        let started = subscribers.subscriptions.has_started(subscription);
        subscribers.subscriptions.end(subscription);
        let rest = self.carry_out(owner, &mut subscribers, None);
        let flags = subscribers.dismiss(subscription);
        let outcome = if known { Outcome::Unknown } else { Outcome::NotRun };
        Ended { outcome, started, flags, rest }
    }

    /// A request that would change a subscription is given up.
    pub(super) fn withdraw(&self, owner: &dyn Directory, request: Ticket) -> Ended {
        let mut subscribers = self.subscribers.lock();
        let outcome = subscribers.subscriptions.withdraw(request);
        Ended { outcome, started: false, flags: 0, rest: self.carry_out(owner, &mut subscribers, None) }
    }

    /// A request for a subscription, an encoded PING, is sent on a connection; gives that, and its place there.
    pub(super) fn ping(
        &self,
        owner: &dyn Directory,
        subscription: Ticket,
        request: Ticket,
        bytes: &Bytes,
    ) -> Result<(Arc<Link>, u64, Actions), Error> {
        // The connection is not replaced meanwhile.
        let mut subscribers = self.subscribers.lock();
        if subscribers.closed {
            return Err(Error::new(Status::NotFound, format!("the subscription {} has ended", subscription.0)));
        }
        let server = subscribers.subscriptions.server_for_ping(subscription);
        let mut rest = self.carry_out(owner, &mut subscribers, None);
        let Some(link) = subscribers.connections.get(&server).map(|connection| Arc::clone(&connection.link)) else {
            subscribers.subscriptions.not_opened(&server, Instant::now());
            return Err(match rest.list.pop() {
                Some(Action::NotOpened(_, error)) => error,
                _ => Error::new(Status::Closed, "the client is closed"),
            });
        };
        let to = Addressee { ticket: request, part: 0 };
        let append = |pipeline: &mut Pipeline| pipeline.append_encoded(to, 1, bytes.clone());
        let load = Load { requests: 1, bytes: bytes.len() };
        let sequence = link.submission(Submitter::Other).append(load, append)?;
        subscribers.subscriptions.ping_started(subscription, request);
        link.wake();
        rest.append(self.carry_out(owner, &mut subscribers, None));
        Ok((link, sequence, rest))
    }

    /// Such a request is over.
    pub(super) fn ping_finished(&self, subscription: Ticket, request: Ticket) {
        self.subscribers.lock().subscriptions.ping_finished(subscription, request);
    }

    /// Whether its last subscription has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.subscribers.lock().closed
    }

    /// What is known of a subscription.
    pub(super) fn report(&self, subscription: Ticket) -> Option<Report> {
        let subscribers = self.subscribers.lock();
        let subscriber = subscribers.outlets.get(&subscription)?;
        let topics = subscribers.subscriptions.wanted_by(subscription);
        Some(Report { topics, gaps: subscriber.gaps, counts: subscriber.outlet.mailbox().counts() })
    }

    /// Does what the subscriptions want done; `said`: what the server said, if that is what a feed is told.
    fn carry_out(&self, owner: &dyn Directory, subscribers: &mut Subscribers<D>, said: Option<&Reply>) -> Actions {
        let mut rest = Actions::default();
        let mut told: Vec<Ticket> = Vec::new();
        for effect in subscribers.subscriptions.effects() {
            rest.list.push(match effect {
                Effect::Open(server) => {
                    let recipient: Weak<dyn Recipient<Link>> = self.me.clone();
                    match owner.open(&server, self.purpose, recipient, &mut rest.deferred) {
                        Ok(link) => {
                            subscribers.connections.insert(server, Connection { link, successor: None });
                            continue;
                        }
                        Err(error) => Action::NotOpened(server, error),
                    }
                }
                Effect::Close(server) => match subscribers.connections.remove(&server) {
                    Some(Connection { link, successor }) => {
                        successor.into_iter().for_each(|successor| rest.deferred.close(successor.link));
                        Action::Retired(link)
                    }
                    None => continue,
                },
                Effect::Send(server, topic, joins) => {
                    if let Some(connection) = subscribers.connections.get(&server) {
                        send(&connection.link, &topic, joins);
                    }
                    continue;
                }
                Effect::Confirm { to, channel, name, joins, count, gap, asked } => {
                    let confirmation = match channel {
                        Some(channel) => confirmation(channel, name.as_deref(), joins, count),
                        None => said.map_or_else(|| Ok(Reply::ok()), |said| Reply::copy(said)),
                    };
                    let flags = if gap { GAP } else { 0 };
                    match confirmation {
                        Ok(confirmation) if asked => subscribers.answer(to, confirmation, flags, &mut told),
                        // The server may cause many of these.
                        Ok(confirmation) => subscribers.put(to, confirmation, flags, &mut told, &mut rest),
                        Err(_) => {}
                    }
                    continue;
                }
                Effect::Made(to, count) => {
                    subscribers.answer(to, count_of(count), 0, &mut told);
                    continue;
                }
                Effect::Started(ticket) => Action::Started(ticket),
                Effect::Changed(ticket, count) => Action::Changed(ticket, count),
                Effect::Refused(ticket) => Action::Refused(ticket),
                Effect::Orphaned(ticket) => Action::Orphaned(ticket),
                Effect::AskAfter(pause) => Action::AskAfter(pause),
            });
        }
        subscribers.announce(&told);
        if subscribers.subscriptions.is_empty() && !mem::replace(&mut subscribers.closed, true) {
            // Before anybody hears of the end.
            rest.list.insert(0, Action::Close);
        }
        rest
    }
}

/// Tells the server that a topic is wanted, or not any more.
fn send(link: &Link, topic: &Topic, joins: bool) {
    let bytes = match topic {
        Topic::Channel(channel, name) => {
            let args: [&[u8]; 2] = [channel.command(joins).as_bytes(), name];
            match command::encode_to_vec(&args) {
                Ok(bytes) => bytes.into(),
                // Without memory for a name that has come this far: what is left of the connection is not trusted.
                Err(_) => return link.reconnect(),
            }
        }
        Topic::Feed(command) if joins => command.clone(),
        // The connection ends with it.
        Topic::Feed(_) => return,
    };
    link.send(Unit { to: Addressee { ticket: OWN, part: 0 }, replies: 1, bytes });
}

/// What a command of the hub itself asked for, and whether to begin.
fn asked(request: &Bytes) -> (Topic, bool) {
    let mut args = command::decode(request);
    match args.next().and_then(Channel::of_command) {
        Some((channel, joins)) => {
            let name = args.next().map(|name| request.slice_ref(name)).unwrap_or_default();
            (Topic::Channel(channel, name), joins)
        }
        None => (Topic::Feed(request.clone()), true),
    }
}

impl<D: Destination> Subscribers<D> {
    /// Puts a message where its reader finds it; `told` are those to be announced.
    fn put(&mut self, to: Ticket, message: Reply, flags: u32, told: &mut Vec<Ticket>, rest: &mut Actions) {
        let Some(subscriber) = self.outlets.get_mut(&to) else { return };
        subscriber.gaps += u64::from(flags & GAP != 0);
        let is_new = subscriber.outlet.is_announced();
        match subscriber.outlet.put(message, flags) {
            Put::Added if is_new => told.push(to),
            Put::Added | Put::Quiet => {}
            Put::Overflowed => rest.list.push(Action::Overflowed(to)),
        }
    }

    /// The same with an answer to what the reader itself asked for, which is never dropped.
    fn answer(&mut self, to: Ticket, answer: Reply, flags: u32, told: &mut Vec<Ticket>) {
        let Some(subscriber) = self.outlets.get_mut(&to) else { return };
        subscriber.gaps += u64::from(flags & GAP != 0);
        let is_new = subscriber.outlet.is_announced();
        if subscriber.outlet.answer(answer, flags) == Put::Added && is_new {
            told.push(to);
        }
    }

    fn announce(&mut self, told: &[Ticket]) {
        for ticket in told {
            if let Some(subscriber) = self.outlets.get_mut(ticket) {
                subscriber.outlet.announce();
            }
        }
    }

    /// A subscription has ended: gives the flags of its final completion, behind its last messages.
    fn dismiss(&mut self, subscription: Ticket) -> u32 {
        self.outlets.remove(&subscription).map_or(0, |mut subscriber| {
            subscriber.outlet.announce();
            subscriber.outlet.mailbox().last_flags()
        })
    }
}

/// How many channels and patterns a subscription has, as a program is told it.
fn count_of(topics: usize) -> Reply {
    Reply::integer(i64::try_from(topics).unwrap_or(i64::MAX))
}

/// `[kind, channel, channels of this subscription]`, in one block: there may be very many.
fn confirmation(channel: Channel, name: Option<&[u8]>, joins: bool, count: usize) -> Result<Reply, Error> {
    let message = Reply::push(vec![
        Reply::string(channel.confirmation(joins).as_bytes()),
        name.map_or_else(Reply::nil, Reply::string),
        count_of(count),
    ])?;
    Reply::copy(&message)
}
