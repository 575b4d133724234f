//! Reads a connection on which messages come that answer no command: publish and subscribe, MONITOR, invalidations.
//!
//! Invariant: a message never consumes a place in the FIFO. A confirmation is the answer to a command only if that is
//! what the next place in the FIFO waits for; the server also sends some that nobody asked for (`sunsubscribe`, when a
//! slot moves). Messages and answers reach the recipient in the order in which they came.

use std::sync::Arc;

use super::link::Link;
use super::recipient::{LinkEvent, Recipient};
use super::socket::Incoming;
use crate::error::Error;
use crate::protocol::command;
use crate::protocol::message::{Channel, Message};
use crate::protocol::parser::Frame;
use crate::protocol::reply::Reply;

impl Link {
    /// Delivers every complete reply and message that the parser holds; `assign` as of [`Link::match_replies`].
    pub(super) fn read_pushes(
        self: &Arc<Self>,
        incoming: &mut Incoming,
        recipient: &dyn Recipient<Link>,
        assign: impl Fn(&mut Incoming) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        loop {
            let frame = incoming.parser.next();
            let Ok(Some(Frame::Reply(reply) | Frame::Push(reply))) = frame else {
                self.deliver_pushes(incoming, recipient);
                return frame.map(|_| ());
            };
            if self.is_message(&reply) {
                incoming.pushes.push(reply.into_push());
                continue;
            }
            self.deliver_pushes(incoming, recipient);
            incoming.replies.push(reply);
            let has_room = assign(incoming)?;
            recipient.answered(self, &mut incoming.answers);
            if has_room {
                recipient.on_event(self, LinkEvent::Writable);
            }
        }
    }

    /// Delivers the messages that were taken out.
    pub(super) fn deliver_pushes(self: &Arc<Self>, incoming: &mut Incoming, recipient: &dyn Recipient<Link>) {
        if !incoming.pushes.is_empty() {
            recipient.on_pushes(self, &mut incoming.pushes);
            incoming.pushes.clear();
        }
    }

    fn is_message(&self, reply: &Reply) -> bool {
        match Message::of(reply) {
            None => false,
            Some(Message::Published(..) | Message::Other) => true,
            Some(Message::Confirmed(channel, joins, name)) => !self.awaits(channel, joins, name),
        }
    }

    /// Whether the next place in the FIFO waits for this confirmation.
    fn awaits(&self, channel: Channel, joins: bool, name: &[u8]) -> bool {
        let request = self.outgoing.lock().pipeline.front_bytes();
        let mut args = command::decode(&request);
        args.next().and_then(Channel::of_command) == Some((channel, joins)) && args.next() == Some(name)
    }
}
