//! Another connection takes the place of the one on which messages come, because that one cannot be authenticated
//! again: make before break.
//!
//! Invariant: messages are delivered of one connection at a time. The new one is that from its confirmations on, which
//! say that messages may be missing before them.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::{Hub, OWN, Subscribers, Successor, asked, send};
use crate::client::destination::Destination;
use crate::connection::background_driver::{self, Opening};
use crate::connection::credentials::Login;
use crate::connection::link::Link;
use crate::connection::unit::{Answer, Lost};
use crate::error::{Error, Status};
use crate::protocol::message::Message;
use crate::protocol::reply::{Kind, Reply};

impl<D: Destination> Hub<D> {
    /// Prepares a connection that is to take the place of this one, to be started; `None`: it is not needed.
    pub(in crate::client) fn begin_succession(
        &self,
        link: &Arc<Link>,
        current: &Login,
        opening: Opening,
    ) -> Option<Arc<Link>> {
        let mut subscribers = self.subscribers.lock();
        if subscribers.closed || !Arc::ptr_eq(link, &subscribers.link) || !link.begin_succession(current) {
            return None;
        }
        let recipient = self.me.clone();
        let successor = background_driver::prepare(&Opening { recipient, ..opening }, link.database(), self.purpose);
        let before =
            subscribers.successor.replace(Successor { link: Arc::clone(&successor), joined: Vec::new(), left: 0 });
        drop(subscribers);
        // One that was refused.
        if let Some(before) = before {
            before.link.close();
        }
        Some(successor)
    }

    /// Whether the messages of this connection are delivered.
    pub(super) fn is_current(&self, link: &Arc<Link>) -> bool {
        Arc::ptr_eq(link, &self.subscribers.lock().link)
    }

    /// The connection was made anew by itself, and so with what is in force.
    pub(super) fn give_up_succession(&self) {
        if let Some(successor) = self.subscribers.lock().successor.take() {
            successor.link.close();
        }
    }

    /// The last subscription has ended.
    pub(super) fn close(&self) {
        self.give_up_succession();
        self.link().close();
    }

    /// Subscribes to everything there.
    pub(super) fn on_successor_connected(&self, link: &Arc<Link>) {
        let mut subscribers = self.subscribers.lock();
        let topics = subscribers.subscriptions.topics_to_move();
        let Some(successor) = subscribers.successor.as_mut().filter(|successor| Arc::ptr_eq(link, &successor.link))
        else {
            return;
        };
        (successor.joined, successor.left) = (Vec::new(), topics.len());
        topics.iter().for_each(|topic| send(link, topic, true));
        self.move_if_ready(subscribers);
    }

    /// The server answered there, to a command of the hub itself.
    pub(super) fn on_successor_answer(&self, link: &Arc<Link>, answer: &Answer) {
        let mut subscribers = self.subscribers.lock();
        let Subscribers { successor: slot, link: current, .. } = &mut *subscribers;
        let Some(successor) = slot.as_mut().filter(|successor| Arc::ptr_eq(link, &successor.link)) else {
            drop(subscribers);
            return self.close_if_retired(link);
        };
        if answer.reply.kind() == Kind::Error {
            // The old one goes on, and this is tried again later.
            current.succession_refused(&answer.reply);
            let refused = slot.take();
            drop(subscribers);
            return refused.into_iter().for_each(|successor| successor.link.close());
        }
        let request = answer.exchange.as_ref().map(|exchange| exchange.request.clone()).unwrap_or_default();
        successor.joined.push(asked(&request).0);
        successor.left = successor.left.saturating_sub(1);
        self.move_if_ready(subscribers);
    }

    /// If it has everything it takes the place of the old one.
    fn move_if_ready(&self, mut subscribers: std::sync::MutexGuard<'_, Subscribers<D>>) {
        let Some(Successor { link, joined, .. }) = subscribers.successor.take_if(|successor| successor.left == 0)
        else {
            return;
        };
        let old = mem::replace(&mut subscribers.link, link);
        subscribers.subscriptions.moved(&joined, Instant::now());
        let rest = self.carry_out(&mut subscribers, None);
        subscribers.link.succession_ended();
        drop(subscribers);
        self.apply(rest, None);
        // What waits there of requests gets its answer first.
        self.close_if_retired(&old);
    }

    /// Closes a connection whose place was taken, once nobody waits for an answer on it.
    pub(super) fn close_if_retired(&self, link: &Arc<Link>) {
        let subscribers = self.subscribers.lock();
        let is_of_use = |other: &Arc<Link>| Arc::ptr_eq(link, other);
        let successor = subscribers.successor.as_ref().map(|successor| &successor.link);
        if !is_of_use(&subscribers.link) && !successor.is_some_and(is_of_use) && link.waiting().0 == 0 {
            drop(subscribers);
            link.close();
        }
    }

    /// Messages came of which others are delivered, on the old connection or on the new one.
    pub(super) fn on_other_pushes(&self, link: &Arc<Link>, messages: &mut Vec<Reply>) {
        let takes_away = |message: &Reply| matches!(Message::of(message), Some(Message::Confirmed(_, false, _)));
        if messages.iter().any(takes_away) {
            // What was confirmed there is so no more: from the beginning.
            link.reconnect();
        }
        messages.clear();
    }

    /// A connection is lost of which no messages are delivered: the new one is dialled again by itself.
    pub(super) fn on_other_lost(&self, link: &Arc<Link>, lost: &[Lost], why: &Error) {
        link.clear_unsent();
        if let Some(owner) = self.owner.upgrade() {
            let requests = lost.iter().map(|lost| lost.unit.to.ticket).filter(|ticket| *ticket != OWN);
            requests.for_each(|ticket| owner.end_one(ticket, &Error::new(Status::Lost, why.message.clone())));
        }
        self.close_if_retired(link);
    }
}
