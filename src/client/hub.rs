//! One connection on which messages come, and the multishot requests that get them: all subscriptions of a client
//! together, MONITOR and CLIENT TRACKING each on one of its own. It is opened for the first and closed after the last.
//!
//! Locks are taken in this order: state, hub, what lies below. What ends or changes a request is done by
//! [`Hub::follow`], with none of them held.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::time::sleep;

use super::completion::{Destination, GAP, Verdict};
use super::core::Core;
use super::mailbox::{Counts, Outlet};
use super::retry;
use super::subscription::{Effect, Subscriptions, Topic};
use crate::connection::driver::{self, Opening};
use crate::connection::link::Link;
use crate::connection::pipeline::{Addressee, Lost, Ticket};
use crate::connection::purpose::Purpose;
use crate::connection::recipient::{Answer, News, Recipient};
use crate::error::{Error, Outcome, Status};
use crate::lock::Lock;
use crate::protocol::command;
use crate::protocol::message::{Channel, Message};
use crate::protocol::reply::{Kind, Reply};

/// Whose the commands of the hub itself are; no request has this name.
const OWN: Ticket = Ticket(u64::MAX);

/// The connection and those who hear it.
pub struct Hub<D: Destination> {
    core: Weak<Core<D>>,
    me: Weak<Hub<D>>,
    link: Arc<Link>,
    hearers: Lock<Hearers<D>>,
    /// How often in a row the server was not ready.
    refusals: AtomicU16,
}

impl<D: Destination> std::fmt::Debug for Hub<D> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").field("link", &self.link).finish_non_exhaustive()
    }
}

struct Hearers<D> {
    subscriptions: Subscriptions,
    outlets: HashMap<Ticket, Hearer<D>>,
    /// The last one has gone: nobody can come any more.
    closed: bool,
}

struct Hearer<D> {
    outlet: Outlet<D>,
    /// Announcements of missing messages.
    gaps: u64,
}

/// What is to be done about requests, with no lock held.
#[derive(Debug)]
enum Consequence {
    /// Its deadline is over.
    Started(Ticket),
    /// It is carried out.
    Changed(Ticket, usize),
    /// It ends with the error of the server.
    Refused(Ticket),
    /// What it would have changed has ended.
    Orphaned(Ticket),
    /// Its reader is too slow.
    Overflowed(Ticket),
    /// The server is to be asked again.
    AskLater,
}

/// What is still to be done when the locks are free. To be given to [`Hub::follow`].
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Consequences(Vec<Consequence>);

/// How a multishot request ended.
pub(super) struct Farewell {
    /// Whether the server may have heard of it.
    pub(super) outcome: Outcome,
    /// Flags of its final completion.
    pub(super) flags: u32,
    pub(super) rest: Consequences,
}

/// What statistics tell of a subscription.
pub(super) struct Report {
    pub(super) topics: usize,
    pub(super) gaps: u64,
    pub(super) counts: Counts,
}

impl<D: Destination> Hub<D> {
    /// Opens a connection for this purpose.
    pub(super) fn open(core: &Arc<Core<D>>, purpose: Purpose) -> Result<Arc<Hub<D>>, Error> {
        let opening = core.topology.opening()?;
        let hub = Arc::new_cyclic(|me: &Weak<Hub<D>>| {
            let recipient: Weak<dyn Recipient> = me.clone();
            // Messages come from all databases.
            let link = driver::prepare(&Opening { recipient, ..opening.clone() }, 0, purpose);
            let hearers = Hearers { subscriptions: Subscriptions::default(), outlets: HashMap::new(), closed: false };
            let (core, me) = (Arc::downgrade(core), Weak::clone(me));
            Hub { core, me, link, hearers: Lock::new(hearers), refusals: AtomicU16::new(0) }
        });
        let recipient: Weak<dyn Recipient> = Arc::downgrade(&hub) as Weak<dyn Recipient>;
        core.start_link(&hub.link, Opening { recipient, ..opening })?;
        Ok(hub)
    }

    /// The connection.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// A new subscription gets its messages through this outlet. Gives the outlet back if the hub was closed meanwhile.
    pub(super) fn begin(&self, ticket: Ticket, topics: &[Topic], outlet: Outlet<D>) -> Result<Consequences, Outlet<D>> {
        let mut hearers = self.hearers.lock();
        if hearers.closed {
            return Err(outlet);
        }
        hearers.outlets.insert(ticket, Hearer { outlet, gaps: 0 });
        hearers.subscriptions.begin(ticket, topics.iter().cloned());
        Ok(self.carry_out(&mut hearers, None))
    }

    /// A request adds topics to a subscription.
    pub(super) fn add(&self, subscription: Ticket, request: Ticket, topics: Vec<Topic>) -> Consequences {
        let mut hearers = self.hearers.lock();
        hearers.subscriptions.add(subscription, request, topics);
        self.carry_out(&mut hearers, None)
    }

    /// A request takes topics of a kind from a subscription: these, or all (`None`).
    pub(super) fn remove(
        &self,
        subscription: Ticket,
        request: Ticket,
        channel: Channel,
        names: Option<Vec<Bytes>>,
    ) -> Consequences {
        let mut hearers = self.hearers.lock();
        hearers.subscriptions.remove(subscription, request, channel, names);
        self.carry_out(&mut hearers, None)
    }

    /// A subscription ends; its last messages are on their way when this returns.
    pub(super) fn end(&self, subscription: Ticket) -> Farewell {
        let mut hearers = self.hearers.lock();
        let known = hearers.subscriptions.may_be_known(subscription);
        hearers.subscriptions.end(subscription);
        let rest = self.carry_out(&mut hearers, None);
        let mut flags = 0;
        if let Some(mut hearer) = hearers.outlets.remove(&subscription) {
            hearer.outlet.announce();
            flags = hearer.outlet.mailbox().last_flags();
        }
        let outcome = if known { Outcome::Unknown } else { Outcome::NotRun };
        Farewell { outcome, flags, rest }
    }

    /// A request that would change a subscription is given up.
    pub(super) fn withdraw(&self, request: Ticket) -> Farewell {
        let mut hearers = self.hearers.lock();
        let outcome = hearers.subscriptions.withdraw(request);
        Farewell { outcome, flags: 0, rest: self.carry_out(&mut hearers, None) }
    }

    /// Whether its last subscription has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.hearers.lock().closed
    }

    /// What is known of a subscription.
    pub(super) fn report(&self, subscription: Ticket) -> Option<Report> {
        let hearers = self.hearers.lock();
        let hearer = hearers.outlets.get(&subscription)?;
        let topics = hearers.subscriptions.wanted_by(subscription);
        Some(Report { topics, gaps: hearer.gaps, counts: hearer.outlet.mailbox().counts() })
    }

    /// Does what the subscriptions want done; `said`: what the server said, if that is what a feed is told.
    fn carry_out(&self, hearers: &mut Hearers<D>, said: Option<&Reply>) -> Consequences {
        let mut rest = Consequences::default();
        let mut told: Vec<Ticket> = Vec::new();
        for effect in hearers.subscriptions.effects() {
            rest.0.push(match effect {
                Effect::Send(topic, joins) => {
                    self.send(&topic, joins);
                    continue;
                }
                Effect::Confirm { to, channel, name, joins, count, gap } => {
                    let Some(hearer) = hearers.outlets.get_mut(&to) else { continue };
                    let confirmation = match channel {
                        Some(channel) => confirmation(channel, name.as_deref(), joins, count),
                        None => said.map_or_else(|| Ok(Reply::ok()), |said| Reply::copy(said)),
                    };
                    hearer.gaps += u64::from(gap);
                    let flags = if gap { GAP } else { 0 };
                    told.push(to);
                    if confirmation.map_or(true, |reply| hearer.outlet.put(reply, flags)) {
                        continue;
                    }
                    Consequence::Overflowed(to)
                }
                Effect::Started(ticket) => Consequence::Started(ticket),
                Effect::Changed(ticket, count) => Consequence::Changed(ticket, count),
                Effect::Refused(ticket) => Consequence::Refused(ticket),
                Effect::Orphaned(ticket) => Consequence::Orphaned(ticket),
                Effect::AskLater => Consequence::AskLater,
            });
        }
        hearers.announce(told);
        if hearers.subscriptions.is_empty() && !mem::replace(&mut hearers.closed, true) {
            self.link.close();
        }
        self.link.wake();
        rest
    }

    fn send(&self, topic: &Topic, joins: bool) {
        let bytes = match topic {
            Topic::Channel(channel, name) => {
                let words: [&[u8]; 2] = [channel.command(joins).as_bytes(), name];
                match command::encode_to_vec(&words) {
                    Ok(bytes) => bytes.into(),
                    // Without memory for a name that has come this far: what is left of the connection is not trusted.
                    Err(_) => return self.link.renew(),
                }
            }
            Topic::Feed(command) if joins => command.clone(),
            // The connection ends with it.
            Topic::Feed(_) => return,
        };
        self.link.submit_again(Addressee { ticket: OWN, part: 0 }, 1, bytes);
    }

    /// Gives a message to all who want it.
    fn deliver(hearers: &mut Hearers<D>, message: Reply, told: &mut Vec<Ticket>, rest: &mut Consequences) {
        let (channel, name) = match Message::of(&message) {
            Some(Message::Published(channel, name)) => (Some(channel), name),
            _ => (None, &[][..]),
        };
        let mut audience = hearers.subscriptions.audience(channel, name);
        let Some(mut next) = audience.next() else { return };
        let others: Vec<Ticket> = audience.collect();
        for other in others {
            if let (Some(hearer), Ok(copy)) = (hearers.outlets.get_mut(&next), Reply::copy(&message)) {
                hearer.put(copy, next, told, rest);
            }
            next = other;
        }
        if let Some(hearer) = hearers.outlets.get_mut(&next) {
            hearer.put(message, next, told, rest);
        }
    }

    /// Does what must be done with no lock held. `error`: what the server said, of whatever it refused.
    pub(super) fn follow(&self, consequences: Consequences, error: Option<&Reply>) {
        let Some(core) = self.core.upgrade() else { return };
        for consequence in consequences.0 {
            match consequence {
                Consequence::Started(ticket) => core.no_deadline(ticket),
                Consequence::Changed(ticket, count) => {
                    let count = Reply::integer(i64::try_from(count).unwrap_or(i64::MAX));
                    core.finish(ticket, 0, Verdict::answered(Status::Ok, count));
                }
                Consequence::Refused(ticket) => {
                    let flags = self.forget(ticket);
                    let reply = error.map_or_else(|| Ok(Reply::nil()), |error| Reply::copy(error));
                    let verdict = match reply {
                        Ok(reply) => Verdict::answered(Status::Server, reply),
                        Err(error) => Verdict::failed(&error, Outcome::Answered),
                    };
                    core.finish(ticket, flags, verdict);
                }
                Consequence::Orphaned(ticket) => {
                    let error = Error::new(Status::Canceled, "the subscription that this would have changed has ended");
                    core.finish(ticket, 0, Verdict::failed(&error, Outcome::NotRun));
                }
                Consequence::Overflowed(ticket) => {
                    let sentence = "the subscription has ended because its messages are not taken fast enough \
                        (max_unread, max_unread_bytes, subscription_overflow)";
                    core.end_one(ticket, &Error::new(Status::Full, sentence));
                }
                Consequence::AskLater => self.ask_later(&core),
            }
        }
    }

    /// Ends whoever waits for a first confirmation or for a change.
    fn end_waiting(&self, core: &Core<D>, why: &Error) {
        let tickets = self.hearers.lock().subscriptions.waiting();
        tickets.into_iter().for_each(|ticket| core.end_one(ticket, why));
    }

    /// The answer to a PING of a subscription stands among its messages.
    fn echo(&self, subscription: Ticket, answer: &Reply) {
        let (mut told, mut rest) = (Vec::new(), Consequences::default());
        let mut hearers = self.hearers.lock();
        if let (Some(hearer), Ok(copy)) = (hearers.outlets.get_mut(&subscription), Reply::copy(answer)) {
            hearer.put(copy, subscription, &mut told, &mut rest);
        }
        hearers.announce(told);
        drop(hearers);
        self.follow(rest, None);
    }

    /// Takes the outlet of a subscription that has ended; gives the flags of its final completion.
    fn forget(&self, ticket: Ticket) -> u32 {
        let hearer = self.hearers.lock().outlets.remove(&ticket);
        hearer.map_or(0, |mut hearer| {
            hearer.outlet.announce();
            hearer.outlet.mailbox().last_flags()
        })
    }

    fn ask_later(&self, core: &Core<D>) {
        let pause = retry::backoff(self.refusals.fetch_add(1, Ordering::Relaxed).saturating_add(1));
        let hub = Weak::clone(&self.me);
        core.spawn(async move {
            sleep(pause).await;
            if let Some(hub) = hub.upgrade() {
                hub.tell(|subscriptions| subscriptions.ask_again(), None);
            }
        });
    }

    /// Tells the subscriptions something and does what follows.
    fn tell(&self, what: impl FnOnce(&mut Subscriptions), said: Option<&Reply>) {
        let mut hearers = self.hearers.lock();
        if hearers.closed {
            return;
        }
        what(&mut hearers.subscriptions);
        let rest = self.carry_out(&mut hearers, said);
        drop(hearers);
        self.follow(rest, said);
    }
}

impl<D: Destination> Hearer<D> {
    fn put(&mut self, message: Reply, ticket: Ticket, told: &mut Vec<Ticket>, rest: &mut Consequences) {
        if !self.outlet.put(message, 0) {
            rest.0.push(Consequence::Overflowed(ticket));
        }
        if told.last() != Some(&ticket) {
            told.push(ticket);
        }
    }
}

impl<D: Destination> Hearers<D> {
    fn announce(&mut self, mut told: Vec<Ticket>) {
        told.sort_unstable();
        told.dedup();
        for ticket in told {
            if let Some(hearer) = self.outlets.get_mut(&ticket) {
                hearer.outlet.announce();
            }
        }
    }
}

/// `[kind, channel, channels of this subscription]`
fn confirmation(channel: Channel, name: Option<&[u8]>, joins: bool, count: usize) -> Result<Reply, Error> {
    Reply::push(vec![
        Reply::string(channel.confirmation(joins).as_bytes()),
        name.map_or_else(Reply::nil, Reply::string),
        Reply::integer(i64::try_from(count).unwrap_or(i64::MAX)),
    ])
}

/// What a command of the hub itself asked for, and whether to begin.
fn asked(request: &Bytes) -> (Topic, bool) {
    let mut words = command::decode(request);
    match words.next().and_then(Channel::of_command) {
        Some((channel, joins)) => {
            let name = words.next().map(|name| request.slice_ref(name)).unwrap_or_default();
            (Topic::Channel(channel, name), joins)
        }
        None => (Topic::Feed(request.clone()), true),
    }
}

/// Whether an error will pass by itself.
fn will_pass(error: &Reply) -> bool {
    let code = error.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    [&b"LOADING"[..], b"BUSY", b"TRYAGAIN", b"CLUSTERDOWN", b"MASTERDOWN"].contains(&code)
}

impl<D: Destination> Recipient for Hub<D> {
    fn answered(&self, link: &Arc<Link>, answers: &mut Vec<Answer>) {
        let Some(core) = self.core.upgrade() else { return };
        for answer in answers.drain(..) {
            if answer.to.ticket != OWN {
                if let Some(subscription) = core.pinged_subscription(answer.to.ticket) {
                    self.echo(subscription, &answer.reply);
                }
                core.answered(link, &mut vec![answer]);
                continue;
            }
            if link.purpose() == Purpose::Invalidations && link.standing().greeting.protocol == 2 {
                let why = "invalidations come with RESP3 only, which this server does not speak";
                self.end_waiting(&core, &Error::new(Status::Connect, why));
                continue;
            }
            let (topic, joins) = asked(&answer.request.clone().unwrap_or_default());
            let reply = &answer.reply;
            match reply.kind() == Kind::Error {
                true => self.tell(|all| all.refused(&topic, joins, will_pass(reply)), Some(reply)),
                false => {
                    self.refusals.store(0, Ordering::Relaxed);
                    self.tell(|all| all.confirmed(&topic, joins), Some(reply));
                }
            }
        }
    }

    fn heard(&self, _link: &Arc<Link>, messages: &mut Vec<Reply>) {
        let (mut told, mut rest) = (Vec::new(), Consequences::default());
        let mut hearers = self.hearers.lock();
        for message in messages.drain(..) {
            if let Some(Message::Confirmed(channel, false, name)) = Message::of(&message) {
                let topic = Topic::Channel(channel, Bytes::copy_from_slice(name));
                hearers.subscriptions.ended(&topic);
                rest.0.append(&mut self.carry_out(&mut hearers, None).0);
                continue;
            }
            Self::deliver(&mut hearers, message, &mut told, &mut rest);
        }
        hearers.announce(told);
        drop(hearers);
        self.follow(rest, None);
    }

    fn lost(&self, link: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        let mut hearers = self.hearers.lock();
        hearers.subscriptions.lost();
        // What was wanted of the old connection is told to the next one anew.
        let unsent = self.link.clear_unsent();
        drop(hearers);
        let Some(core) = self.core.upgrade() else { return };
        core.unreachable(link, unsent.into_iter().filter(|to| to.ticket != OWN).collect(), why);
        core.lost(link, lost.into_iter().filter(|unit| unit.ticket != OWN).collect(), why);
    }

    fn unreachable(&self, link: &Arc<Link>, waiting: Vec<Addressee>, why: &Error) {
        let Some(core) = self.core.upgrade() else { return };
        core.unreachable(link, waiting.into_iter().filter(|to| to.ticket != OWN).collect(), why);
        self.end_waiting(&core, why);
    }

    fn ready_to_wait(&self, _tickets: &[Ticket]) -> bool {
        false
    }

    fn happened(&self, link: &Arc<Link>, news: News) {
        let Some(core) = self.core.upgrade() else { return };
        let is_connected = matches!(news, News::Connected);
        core.happened(link, news);
        if is_connected {
            self.tell(Subscriptions::connected, None);
        }
    }
}
