//! Carries out what follows for requests from what a hub was told, with no lock held, because it takes that of the
//! client.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::action::{Action, Actions};
use super::{Directory, Hub, count_of};
use crate::client::completion::Verdict;
use crate::client::destination::Destination;
use crate::client::subscription::Subscriptions;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

/// The error of what was for a subscription that is over.
pub(super) fn subscription_ended() -> Error {
    Error::new(Status::Canceled, "the subscription that this was for has ended")
}

impl<D: Destination> Hub<D> {
    /// Does what must be done with no lock held. `error`: what the server said, of whatever it refused.
    pub(in super::super) fn apply(&self, actions: Actions, error: Option<&Reply>) {
        let Some(owner) = self.owner.upgrade() else { return };
        owner.run(actions.deferred);
        for action in actions.list {
            match action {
                Action::Started(ticket) => owner.no_deadline(ticket),
                Action::Changed(ticket, count) => {
                    owner.finish(ticket, 0, Verdict::answered(Status::Ok, count_of(count)));
                }
                Action::Refused(ticket) => {
                    let flags = self.subscribers.lock().dismiss(ticket);
                    let reply = error.map_or_else(|| Ok(Reply::nil()), |error| Reply::copy(error));
                    let verdict = match reply {
                        Ok(reply) => Verdict::answered(Status::Server, reply),
                        Err(error) => Verdict::failed(&error, Outcome::Answered),
                    };
                    owner.finish(ticket, flags, verdict);
                }
                Action::Orphaned(ticket) => owner.end_one(ticket, &subscription_ended()),
                Action::Overflowed(ticket) => {
                    let sentence = "the subscription has ended because its messages are not taken fast enough \
                        (max_unread, max_unread_bytes, subscription_overflow)";
                    owner.end_one(ticket, &Error::new(Status::Full, sentence));
                }
                Action::AskAfter(pause) => self.ask_after(&*owner, pause),
                Action::NotOpened(server, error) => {
                    self.end_waiting(&*owner, &server, &error);
                    self.update(&*owner, |all| all.not_opened(&server, Instant::now()), None);
                }
                Action::Retired(link) => self.close_if_retired(&link),
                Action::Close => self.close(),
            }
        }
    }

    /// Asks the server again after a while for what it took away or was not ready for.
    fn ask_after(&self, owner: &dyn Directory, pause: Duration) {
        let hub = Weak::clone(&self.me);
        let ask = async move {
            sleep(pause).await;
            if let Some((hub, owner)) = hub.upgrade().and_then(|hub| Some((Arc::clone(&hub), hub.owner.upgrade()?))) {
                hub.update(&*owner, |all| all.ask_again(Instant::now()), None);
            }
        };
        owner.spawn(Box::pin(ask));
    }

    /// Tells the subscriptions something and does what follows.
    pub(super) fn update(&self, owner: &dyn Directory, what: impl FnOnce(&mut Subscriptions), said: Option<&Reply>) {
        let mut subscribers = self.subscribers.lock();
        if subscribers.closed {
            return;
        }
        what(&mut subscribers.subscriptions);
        let rest = self.carry_out(owner, &mut subscribers, said);
        drop(subscribers);
        self.apply(rest, said);
    }
}
