//! What the link of a hub tells: messages, answers to the commands of the hub itself and to the PINGs of subscriptions,
//! and what becomes of the connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::action::Actions;
use super::{Directory, Hub, OWN, Owner, Redirect, Subscribers, asked};
use crate::client::destination::Destination;
use crate::client::subscription::Subscriptions;
use crate::client::topic::{Server, Topic};
use crate::connection::answers::Answers;
use crate::connection::link::Link;
use crate::connection::purpose::Purpose;
use crate::connection::recipient::{LinkEvent, Recipient};
use crate::connection::unit::{Addressee, Answer, Lost, Ticket};
use crate::error::{Error, Status};
use crate::protocol::command;
use crate::protocol::message::{Channel, Message};
use crate::protocol::reply::{Kind, Reply};

impl<D: Destination> Recipient<Link> for Hub<D> {
    fn tracking_ended(&self, _link: &Arc<Link>) {
        // Only links for commands track; this one hears of all changes or of none.
    }

    fn answered(&self, link: &Arc<Link>, answers: &mut Answers) {
        let Some(owner) = self.owner.upgrade() else { return };
        // No request waits at this link alone.
        answers.drain(|sink, completions| sink.deliver(completions), |answers| self.judge(&*owner, link, answers));
    }

    fn on_pushes(&self, link: &Arc<Link>, messages: &mut Vec<Reply>) {
        // Whoever has a message may free the client: it is not to be kept alive here for those that are delivered.
        let takes_away = |message: &Reply| matches!(Message::of(message), Some(Message::Confirmed(_, false, _)));
        let owner = if messages.iter().any(takes_away) { self.owner.upgrade() } else { None };
        let (mut told, mut rest) = (Vec::new(), Actions::default());
        let mut subscribers = self.subscribers.lock();
        let Some(server) = subscribers.server_of(link) else {
            drop(subscribers);
            return self.on_other_pushes(link, messages);
        };
        for message in messages.drain(..) {
            if let Some(Message::Confirmed(channel, false, name)) = Message::of(&message) {
                let topic = Topic::Channel(channel, Bytes::copy_from_slice(name));
                subscribers.subscriptions.ended(&server, &topic, Instant::now());
                if let Some(owner) = &owner {
                    rest.append(self.carry_out(&**owner, &mut subscribers, None));
                }
                continue;
            }
            Self::deliver(&mut subscribers, &server, message, &mut told, &mut rest);
        }
        subscribers.announce(&told);
        drop(subscribers);
        if let Some(owner) = owner {
            owner.taken_away();
        }
        if !rest.is_empty() {
            self.apply(rest, None);
        }
    }

    fn lost(&self, link: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        let mut subscribers = self.subscribers.lock();
        let Some(server) = subscribers.server_of(link) else {
            drop(subscribers);
            return self.on_other_lost(link, &lost, why);
        };
        subscribers.subscriptions.lost(&server, Instant::now());
        // What was wanted of the old connection is told to the next one anew.
        let unsent = link.clear_unsent();
        drop(subscribers);
        let Some(owner) = self.owner.upgrade() else { return };
        if server == Server::Any {
            owner.choose_again(link);
        }
        // Also what is to be done about topics that nobody wants any more.
        self.follow_map(&*owner);
        owner.unreachable(link, unsent.into_iter().filter(|to| to.ticket != OWN).collect(), why);
        owner.lost(link, lost.into_iter().filter(|lost| lost.unit.to.ticket != OWN).collect(), why);
    }

    fn unreachable(&self, link: &Arc<Link>, waiting: Vec<Addressee>, why: &Error) {
        let Some(owner) = self.owner.upgrade() else { return };
        owner.unreachable(link, waiting.into_iter().filter(|to| to.ticket != OWN).collect(), why);
        if let Some(server) = self.server_of(link) {
            self.end_waiting(&*owner, &server, why);
        }
    }

    fn ready_to_wait(&self, _link: &Arc<Link>, _tickets: &[Ticket]) -> bool {
        false
    }

    fn on_event(&self, link: &Arc<Link>, news: LinkEvent) {
        let Some(owner) = self.owner.upgrade() else { return };
        let is_connected = matches!(news, LinkEvent::Connected);
        owner.on_event(link, news);
        if !is_connected {
            return;
        }
        match self.server_of(link) {
            Some(server) => {
                self.give_up_succession(&server);
                self.update(&*owner, |all| all.connected(&server, Instant::now()), None);
            }
            None => self.on_successor_connected(&*owner, link),
        }
    }
}

impl<D: Destination> Hub<D> {
    /// What the answers to the commands of the hub itself mean; those to the PINGs of subscriptions are told to the
    /// owner as well.
    fn judge(&self, owner: &dyn Directory, link: &Arc<Link>, answers: &mut dyn Iterator<Item = Answer>) {
        for mut answer in answers {
            if answer.to.ticket != OWN {
                if let Some(subscription) = owner.pinged_subscription(answer.to.ticket) {
                    self.echo(subscription, &mut answer);
                }
                owner.answered(link, &mut Answers::from(answer));
                self.close_if_retired(link);
                continue;
            }
            let Some(server) = self.server_of(link) else {
                self.on_successor_answer(owner, link, &answer);
                continue;
            };
            if link.purpose() == Purpose::Invalidations && link.status().server_info.protocol == 2 {
                let why = "invalidations come with RESP3 only, which this server does not speak";
                self.end_waiting(owner, &server, &Error::new(Status::Connect, why));
                continue;
            }
            let request = answer.exchange.as_ref().map(|exchange| exchange.request.clone()).unwrap_or_default();
            let (topic, joins) = asked(&request);
            let (reply, now) = (&answer.reply, Instant::now());
            if reply.kind() != Kind::Error {
                self.update(owner, |all| all.confirmed(&server, &topic, joins, now), Some(reply));
                continue;
            }
            let is_sharded = topic.channel() == Some(Channel::Sharded);
            let redirect = match joins && is_sharded && self.base == Server::Any {
                true => owner.redirected(link, reply),
                false => Redirect::None,
            };
            let is_refused = |all: &mut Subscriptions, later| all.refused(&server, &topic, joins, later, now);
            match redirect {
                Redirect::To(to) => self.update(owner, |all| all.redirected(&server, &topic, &to, now), None),
                Redirect::ToSomebody => self.update(owner, |all| is_refused(all, true), Some(reply)),
                Redirect::None => self.update(owner, |all| is_refused(all, will_pass(reply)), Some(reply)),
            }
        }
    }

    /// Gives a message to all who want it.
    fn deliver(
        subscribers: &mut Subscribers<D>,
        server: &Server,
        message: Reply,
        told: &mut Vec<Ticket>,
        rest: &mut Actions,
    ) {
        let (channel, name) = match Message::of(&message) {
            Some(Message::Published(channel, name)) => (Some(channel), name),
            _ => (None, &[][..]),
        };
        let mut audience: SmallVec<[Ticket; 8]> = subscribers.subscriptions.audience(server, channel, name).collect();
        let Some(last) = audience.pop() else { return };
        for ticket in audience {
            if let Ok(copy) = Reply::copy(&message) {
                subscribers.put(ticket, copy, 0, told, rest);
            }
        }
        subscribers.put(last, message, 0, told, rest);
    }

    /// The answer to a PING of a subscription stands among its messages, too. RESP2 has other answers while the
    /// connection subscribes than RESP3 ever has: the same is made of all.
    fn echo(&self, subscription: Ticket, answer: &mut Answer) {
        let request = answer.exchange.as_ref().map(|exchange| exchange.request.clone()).unwrap_or_default();
        let pong = pong(&request, &answer.reply);
        let mut told = Vec::new();
        let mut subscribers = self.subscribers.lock();
        subscribers.subscriptions.ping_finished(subscription, answer.to.ticket);
        if let Some((message, reply)) = pong {
            answer.reply = reply;
            subscribers.answer(subscription, message, 0, &mut told);
        }
        subscribers.announce(&told);
    }

    /// Ends whoever waits for a first confirmation of this server, or for a change there.
    pub(super) fn end_waiting(&self, owner: &dyn Owner, server: &Server, why: &Error) {
        let tickets = self.subscribers.lock().subscriptions.waiting(server);
        tickets.into_iter().for_each(|ticket| owner.end_one(ticket, why));
    }
}

/// What stands among the messages, `["pong", text]`, and what the PING itself is answered; `None`: an error, which is
/// for the PING alone.
fn pong(request: &Bytes, reply: &Reply) -> Option<(Reply, Reply)> {
    if reply.is_error() {
        return None;
    }
    let has_text = command::decode(request).nth(1).is_some();
    let text = match reply.items() {
        [_, text] => text.as_bytes(),
        _ if has_text => reply.as_bytes(),
        _ => &[],
    };
    let message = Reply::push(vec![Reply::string(b"pong"), Reply::string(text)]);
    let message = message.and_then(|message| Reply::copy(&message)).ok()?;
    Some((message, if has_text { Reply::string(text) } else { Reply::status("PONG") }))
}

/// Whether an error will pass by itself.
fn will_pass(error: &Reply) -> bool {
    let code = error.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    [&b"LOADING"[..], b"BUSY", b"TRYAGAIN", b"CLUSTERDOWN", b"MASTERDOWN"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_has_one_shape_however_the_server_says_it() {
        let list = |text: &str| Reply::array(vec![Reply::string(b"pong"), Reply::string(text.as_bytes())]).unwrap();
        let cases = [
            (&["PING"][..], Reply::status("PONG"), "", Kind::Status, "PONG"),
            (&["ping"], list(""), "", Kind::Status, "PONG"),
            (&["PING", ""], Reply::string(b""), "", Kind::String, ""),
            (&["PING", ""], list(""), "", Kind::String, ""),
            (&["PING", "PONG"], Reply::string(b"PONG"), "PONG", Kind::String, "PONG"),
            (&["PING", "there?"], list("there?"), "there?", Kind::String, "there?"),
        ];
        for (args, said, text, kind, answered) in cases {
            let request = Bytes::from(command::encode_to_vec(args).unwrap());
            let (message, reply) = pong(&request, &said).unwrap();
            assert_eq!(message.kind(), Kind::Push);
            assert_eq!((message.items()[0].as_bytes(), message.items()[1].as_bytes()), (&b"pong"[..], text.as_bytes()));
            assert_eq!((reply.kind(), reply.as_bytes()), (kind, answered.as_bytes()), "{args:?}");
        }
        let error = Reply::error(Status::Server, crate::error::Outcome::Answered, "ERR no");
        assert!(pong(&Bytes::new(), &error).is_none());
    }
}
