//! The way of a request that gets many answers, or that changes one that does, to the connection on which they come.
//!
//! Invariant: as for every request, an error is returned before anything is queued.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::completion::Verdict;
use super::core::Core;
use super::destination::Outlet;
use super::destination::{Destination, Responder};
use super::hub::action::Actions;
use super::hub::{Hub, Owner};
use super::mailbox::Limits;
use super::pending::{NOT_QUEUED, Pending, Work};
use super::request::Request;
use super::routing::no_such_node;
use super::state::State;
use super::topic::{Server, Topic};
use super::wakeups::Wakeups;
use crate::config::Protocol;
use crate::connection::caller_driver::CallerDriver;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::submission::Next;
use crate::connection::unit::Ticket;
use crate::error::{Error, Status};
use crate::protocol::catalog::{self, Handling};
use crate::protocol::command;
use crate::protocol::message::Channel;
use crate::topology::Route;

/// What a multishot request asks for.
enum Wish {
    /// A new subscription: these topics, perhaps none, on connections for this purpose.
    Begin(Purpose, Vec<Topic>),
    /// Something of this subscription.
    Of(Ticket, Change),
}

/// What is asked of a subscription.
enum Change {
    /// These topics as well.
    Add(Vec<Topic>),
    /// Some or all topics of a kind not any more.
    Remove(Channel, Option<Vec<Bytes>>),
    /// The answer to this PING.
    Ping(Bytes),
}

/// What was begun for a request.
struct Begun<D: Destination> {
    hub: Arc<Hub<D>>,
    link: Arc<Link>,
    sequence: u64,
    work: Work<D>,
    rest: Actions,
}

fn wrong<T>(sentence: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(Status::Argument, sentence))
}

impl Wish {
    fn of<A: AsRef<[u8]>>(args: &[A], subscription: u64) -> Result<Wish, Error> {
        let name = args.first().map(AsRef::as_ref).unwrap_or_default();
        let upper = || String::from_utf8_lossy(name).to_ascii_uppercase();
        let changed = Ticket(subscription);
        if let Some((channel, joins)) = Channel::of_command(name) {
            let names = args.iter().skip(1).map(|name| Bytes::copy_from_slice(name.as_ref()));
            if !joins {
                let names = (args.len() > 1).then(|| names.collect());
                return match subscription {
                    0 => wrong(format!("{} changes a subscription; name it in request.subscription", upper())),
                    _ => Ok(Wish::Of(changed, Change::Remove(channel, names))),
                };
            }
            let topics: Vec<Topic> = names.map(|name| Topic::Channel(channel, name)).collect();
            return match (topics.is_empty(), subscription) {
                (true, 0) if channel == Channel::Plain => Ok(Wish::Begin(Purpose::Subscriptions, topics)),
                (true, 0) => wrong(format!("{} names no channel; SUBSCRIBE may, for a subscription to none", upper())),
                (true, _) => wrong(format!("{} names no channel", upper())),
                (_, 0) => Ok(Wish::Begin(Purpose::Subscriptions, topics)),
                _ => Ok(Wish::Of(changed, Change::Add(topics))),
            };
        }
        if subscription != 0 {
            return match name.eq_ignore_ascii_case(b"PING") {
                true => Ok(Wish::Of(changed, Change::Ping(command::encode_to_vec(args)?.into()))),
                false => wrong(format!(
                    "{} does not change a subscription: SUBSCRIBE, UNSUBSCRIBE and their kin and PING may name one in \
                     request.subscription",
                    upper()
                )),
            };
        }
        let purpose = match catalog::handling(args) {
            Handling::Invalidations => Purpose::Invalidations,
            _ => Purpose::Monitor,
        };
        Ok(Wish::Begin(purpose, vec![Topic::Feed(command::encode_to_vec(args)?.into())]))
    }
}

impl Change {
    /// Begins what a request asks of a subscription.
    fn begin<D: Destination>(
        self,
        core: &Core<D>,
        hub: Arc<Hub<D>>,
        (changed, request): (Ticket, Ticket),
        link: &Arc<Link>,
    ) -> Result<Begun<D>, Error> {
        let (rest, topic) = match self {
            Change::Add(topics) => (hub.add(core, changed, request, &topics), topics.into_iter().next()),
            Change::Remove(channel, names) => (hub.remove(core, changed, request, channel, names), None),
            Change::Ping(bytes) => {
                let (link, sequence, rest) = hub.ping(core, changed, request, &bytes)?;
                return Ok(Begun { hub: Arc::clone(&hub), link, sequence, work: Work::Ping(hub, changed), rest });
            }
        };
        let link = hub.link_for(topic.as_ref()).unwrap_or_else(|| Arc::clone(link));
        Ok(Begun { hub: Arc::clone(&hub), link, sequence: NOT_QUEUED, work: Work::Change(hub), rest })
    }
}

impl<D: Destination> Core<D> {
    /// Accepts a request that gets many answers or changes one that does.
    pub(super) fn accept_multishot<A: AsRef<[u8]>>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        request: &Request<'_, A>,
        destination: &D,
    ) -> Result<(u64, Option<CallerDriver>), Error> {
        let args = request.commands.first().copied().unwrap_or_default();
        if request.route.is_several() || !self.topology.serves(request.route, link)? {
            return wrong("what gets many answers goes to one node");
        }
        let server = self.server_of_route(request.route)?;
        let most = self.config.max_request_bytes;
        if command::encoded_length(args).is_none_or(|length| length > most) {
            return wrong(format!("the request is longer than max_request_bytes ({most}) allows"));
        }
        let wish = Wish::of(args, request.subscription)?;
        if let Wish::Begin(purpose, _) = &wish {
            if !destination.takes_many() {
                let name = args.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
                return wrong(format!("{name} gets many answers; submit it with a queue or a callback"));
            }
            if *purpose == Purpose::Invalidations && self.config.protocol == Protocol::Resp2 {
                return wrong("invalidations come with RESP3 only, and the option protocol is 2");
            }
            if server == Server::Any && *purpose != Purpose::Subscriptions && self.topology.cluster().is_some() {
                let name = args.first().map_or_else(Default::default, |name| String::from_utf8_lossy(name.as_ref()));
                return wrong(format!("{name} tells of one node of the cluster; name its address as the route"));
            }
        } else if server != Server::Any {
            return wrong("a subscription stays where it is; change it without a route");
        }
        let timeout = self.timeout_of(request);
        let due = timeout.map(|timeout| self.clock.due(timeout));
        let mut state = self.state.lock();
        let ticket = self.reserve(&mut state, destination)?;
        let begun = match wish {
            Wish::Begin(purpose, topics) => {
                let limits = Limits::of(&self.config);
                let outlet = Outlet::new(ticket.0, request.user_data, destination, limits);
                Ok(self.begin(ticket, (purpose, server), &topics, outlet, link))
            }
            Wish::Of(changed, change) => {
                hub_of(&mut state, changed).and_then(|hub| change.begin(self, hub, (changed, ticket), link))
            }
        };
        let Begun { hub, link, sequence, work, rest } = begun.inspect_err(|_| state.requests.give_back(ticket))?;
        if matches!(work, Work::Subscription(_)) {
            state.subscriptions.insert(ticket);
        }
        let responder = Responder::new(ticket.0, request.user_data, destination);
        let pending = Pending {
            sequence,
            timeout: timeout.unwrap_or_default(),
            idempotent: request.idempotent,
            ..Pending::new(responder, &link, work)
        };
        let timer = state.hold(ticket, pending, due).then(|| Arc::clone(&self.clock));
        let wakeups = Wakeups::new(Next::Nothing, destination, timer);
        drop(state);
        wakeups.send();
        hub.apply(rest, None);
        Ok((ticket.0, None))
    }

    /// Begins a subscription.
    fn begin(
        self: &Arc<Self>,
        ticket: Ticket,
        (purpose, server): (Purpose, Server),
        topics: &[Topic],
        mut outlet: Outlet<D>,
        link: &Arc<Link>,
    ) -> Begun<D> {
        loop {
            let hub = self.hub_for(purpose, &server);
            match hub.begin(&**self, ticket, topics, outlet) {
                Ok(rest) => {
                    let link = hub.link_for(topics.first()).unwrap_or_else(|| Arc::clone(link));
                    let work = Work::Subscription(Arc::clone(&hub));
                    return Begun { hub, link, sequence: NOT_QUEUED, work, rest };
                }
                // The last subscription ended just now, and the connections with it.
                Err(given_back) => outlet = given_back,
            }
        }
    }

    /// The connections of all subscriptions; or new ones, for what others do not share.
    fn hub_for(self: &Arc<Self>, purpose: Purpose, server: &Server) -> Arc<Hub<D>> {
        let me: Weak<Core<D>> = Arc::downgrade(self);
        if purpose != Purpose::Subscriptions {
            return Hub::new(me, purpose, server.clone());
        }
        if *server != Server::Any {
            let hub = Hub::new(me, purpose, server.clone());
            let mut routed = self.routed_hubs.lock();
            routed.retain(|hub| hub.strong_count() > 0);
            routed.push(Arc::downgrade(&hub));
            return hub;
        }
        let mut shared = self.hub.lock();
        if let Some(hub) = shared.upgrade().filter(|hub| !hub.is_closed()) {
            return hub;
        }
        let hub = Hub::new(me, purpose, Server::Any);
        *shared = Arc::downgrade(&hub);
        hub
    }

    /// The node of a cluster that a route names; elsewhere there is one server.
    fn server_of_route(&self, route: Route<'_>) -> Result<Server, Error> {
        match (route, self.topology.cluster()) {
            (Route::Node(text), Some(cluster)) => {
                let address = Route::address(text)?;
                match cluster.may_have(&address) {
                    true => Ok(Server::At(address)),
                    false => Err(no_such_node(text)),
                }
            }
            _ => Ok(Server::Any),
        }
    }
}

impl<D: Destination> Owner for Core<D> {
    fn pinged_subscription(&self, ticket: Ticket) -> Option<Ticket> {
        match self.state.lock().requests.get(ticket)?.work {
            Work::Ping(_, subscription) => Some(subscription),
            _ => None,
        }
    }

    fn no_deadline(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        if state.requests.get(ticket).is_some() {
            state.deadlines.remove(ticket.index());
        }
    }

    fn finish(&self, ticket: Ticket, flags: u32, verdict: Verdict) {
        let taken = self.take(&mut self.state.lock(), ticket);
        let Some(mut pending) = taken else { return };
        pending.responder.mark(flags);
        self.complete(pending.responder.finish(verdict));
    }

    fn end_one(&self, ticket: Ticket, why: &Error) {
        let taken = self.remove_unanswered(&mut self.state.lock(), ticket);
        let Some(pending) = taken else { return };
        self.complete(self.abort(pending, why.status, &|_, _| why.message.clone()));
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        // Without a runtime there is nobody left to do it for.
        _ = self.with_runtime(|runtime| {
            runtime.spawn(task);
            Ok(())
        });
    }
}

/// The connection of a subscription to channels.
fn hub_of<D: Destination>(state: &mut State<D>, subscription: Ticket) -> Result<Arc<Hub<D>>, Error> {
    match state.requests.get(subscription).map(|pending| &pending.work) {
        Some(Work::Subscription(hub)) if hub.purpose() == Purpose::Subscriptions => Ok(Arc::clone(hub)),
        Some(_) => wrong(format!("request {} is no subscription to channels", subscription.0)),
        None => {
            let sentence = format!("there is no subscription {}, or it has ended", subscription.0);
            Err(Error::new(Status::NotFound, sentence))
        }
    }
}
