//! Another connection takes the place of the one on which messages come, because that one cannot be authenticated
//! again: make before break.
//!
//! Invariant: messages are delivered of one connection at a time. The new one is that from its confirmations on, which
//! say that messages may be missing before them.

use std::mem;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Instant;

use super::apply::subscription_ended;
use super::{Connection, Directory, Hub, OWN, Subscribers, Successor, asked, send};
use crate::client::destination::Destination;
use crate::client::topic::Server;
use crate::connection::credentials::Login;
use crate::connection::link::Link;
use crate::connection::recipient::Recipient;
use crate::connection::unit::{Answer, Lost};
use crate::error::{Error, Status};
use crate::protocol::message::Message;
use crate::protocol::reply::{Kind, Reply};

impl<D: Destination> Hub<D> {
    /// Prepares a connection that is to take the place of this one, by `open`, which gets where it leads and who is its
    /// recipient; `None`: it is not needed, or cannot be opened.
    pub(in crate::client) fn begin_succession(
        &self,
        link: &Arc<Link>,
        current: &Login,
        open: impl FnOnce(&Server, Weak<dyn Recipient<Link>>) -> Option<Arc<Link>>,
    ) {
        let mut subscribers = self.subscribers.lock();
        let Some(server) = subscribers.server_of(link).filter(|_| !subscribers.closed) else { return };
        let Some(connection) = subscribers.connections.get_mut(&server) else { return };
        if !link.begin_succession(current) {
            return;
        }
        let recipient: Weak<dyn Recipient<Link>> = self.me.clone();
        let successor = open(&server, recipient).map(|link| Successor { link, joined: Vec::new(), left: 0 });
        let before = mem::replace(&mut connection.successor, successor);
        drop(subscribers);
        // One that was refused.
        if let Some(before) = before {
            before.link.close();
        }
    }

    /// Where the connection leads, if its messages are delivered.
    pub(super) fn server_of(&self, link: &Arc<Link>) -> Option<Server> {
        self.subscribers.lock().server_of(link)
    }

    /// The connection was made anew by itself, and so with what is in force.
    pub(super) fn give_up_succession(&self, server: &Server) {
        let mut subscribers = self.subscribers.lock();
        let successor = subscribers.connections.get_mut(server).and_then(|connection| connection.successor.take());
        drop(subscribers);
        successor.into_iter().for_each(|successor| successor.link.close());
    }

    /// The last subscription has ended.
    pub(super) fn close(&self) {
        let connections = mem::take(&mut self.subscribers.lock().connections);
        for Connection { link, successor } in connections.into_values() {
            successor.into_iter().for_each(|successor| successor.link.close());
            link.close();
        }
    }

    /// Subscribes to everything there.
    pub(super) fn on_successor_connected(&self, owner: &dyn Directory, link: &Arc<Link>) {
        let mut subscribers = self.subscribers.lock();
        let Some(server) = subscribers.server_of_successor(link) else { return };
        let topics = subscribers.subscriptions.topics_to_move(&server);
        if let Some(successor) = subscribers.successor_of(&server) {
            (successor.joined, successor.left) = (Vec::new(), topics.len());
        }
        topics.iter().for_each(|topic| send(link, topic, true));
        self.move_if_ready(owner, subscribers, &server);
    }

    /// The server answered there, to a command of the hub itself.
    pub(super) fn on_successor_answer(&self, owner: &dyn Directory, link: &Arc<Link>, answer: &Answer) {
        let mut subscribers = self.subscribers.lock();
        let found = subscribers.server_of_successor(link);
        let Some((server, connection)) =
            found.and_then(|server| Some((server.clone(), subscribers.connections.get_mut(&server)?)))
        else {
            drop(subscribers);
            return self.close_if_retired(link);
        };
        if answer.reply.kind() == Kind::Error {
            // The old one goes on, and this is tried again later.
            connection.link.succession_refused(&answer.reply);
            let refused = connection.successor.take();
            drop(subscribers);
            return refused.into_iter().for_each(|successor| successor.link.close());
        }
        let request = answer.exchange.as_ref().map(|exchange| exchange.request.clone()).unwrap_or_default();
        if let Some(successor) = &mut connection.successor {
            successor.joined.push(asked(&request).0);
            successor.left = successor.left.saturating_sub(1);
        }
        self.move_if_ready(owner, subscribers, &server);
    }

    /// If it has everything it takes the place of the old one.
    fn move_if_ready(&self, owner: &dyn Directory, mut subscribers: MutexGuard<'_, Subscribers<D>>, server: &Server) {
        let Some(connection) = subscribers.connections.get_mut(server) else { return };
        let Some(Successor { link, joined, .. }) = connection.successor.take_if(|successor| successor.left == 0) else {
            return;
        };
        let old = mem::replace(&mut connection.link, Arc::clone(&link));
        subscribers.subscriptions.moved(server, &joined, Instant::now());
        let rest = self.carry_out(owner, &mut subscribers, None);
        link.succession_ended();
        drop(subscribers);
        self.apply(rest, None);
        // What waits there of requests gets its answer first.
        self.close_if_retired(&old);
    }

    /// Closes a connection whose place was taken, once nobody waits for an answer on it.
    pub(super) fn close_if_retired(&self, link: &Arc<Link>) {
        let subscribers = self.subscribers.lock();
        let is_of_use = subscribers.server_of(link).or_else(|| subscribers.server_of_successor(link)).is_some();
        drop(subscribers);
        if !is_of_use && link.waiting().0 == 0 {
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
            // It may have been closed because the last subscription has ended, and then that is the reason.
            let error = match self.subscribers.lock().closed {
                true => subscription_ended(),
                false => Error::new(Status::Lost, why.message.clone()),
            };
            let requests = lost.iter().map(|lost| lost.unit.to.ticket).filter(|ticket| *ticket != OWN);
            requests.for_each(|ticket| owner.end_one(ticket, &error));
        }
        self.close_if_retired(link);
    }
}
