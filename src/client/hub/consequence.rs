//! What follows for requests from what a hub heard or was asked: done with no lock held, because it takes the state.

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Hub;
use crate::client::completion::{Destination, Verdict};
use crate::client::core::Core;
use crate::client::subscription::Subscriptions;
use crate::connection::pipeline::Ticket;
use crate::error::{Error, Outcome, Status};
use crate::protocol::reply::Reply;

/// What is to be done about requests, with no lock held.
#[derive(Debug)]
pub(super) enum Consequence {
    /// Its deadline is over.
    Started(Ticket),
    /// It is carried out.
    Changed(Ticket, usize),
    /// It ends with the error of the server.
    Refused(Ticket),
    /// What it was for has ended.
    Orphaned(Ticket),
    /// Its reader is too slow.
    Overflowed(Ticket),
    /// The server is to be asked again after a while.
    AskAfter(Duration),
}

/// What is still to be done when the locks are free. To be given to [`Hub::follow`].
#[derive(Debug, Default)]
#[must_use]
pub(in super::super) struct Consequences(pub(super) Vec<Consequence>);

impl<D: Destination> Hub<D> {
    /// Does what must be done with no lock held. `error`: what the server said, of whatever it refused.
    pub(in super::super) fn follow(&self, consequences: Consequences, error: Option<&Reply>) {
        let Some(core) = self.core.upgrade() else { return };
        for consequence in consequences.0 {
            match consequence {
                Consequence::Started(ticket) => core.no_deadline(ticket),
                Consequence::Changed(ticket, count) => {
                    let count = Reply::integer(i64::try_from(count).unwrap_or(i64::MAX));
                    core.finish(ticket, 0, Verdict::answered(Status::Ok, count));
                }
                Consequence::Refused(ticket) => {
                    let flags = self.hearers.lock().dismiss(ticket);
                    let reply = error.map_or_else(|| Ok(Reply::nil()), |error| Reply::copy(error));
                    let verdict = match reply {
                        Ok(reply) => Verdict::answered(Status::Server, reply),
                        Err(error) => Verdict::failed(&error, Outcome::Answered),
                    };
                    core.finish(ticket, flags, verdict);
                }
                Consequence::Orphaned(ticket) => {
                    core.end_one(ticket, &Error::new(Status::Canceled, "the subscription that this was for has ended"));
                }
                Consequence::Overflowed(ticket) => {
                    let sentence = "the subscription has ended because its messages are not taken fast enough \
                        (max_unread, max_unread_bytes, subscription_overflow)";
                    core.end_one(ticket, &Error::new(Status::Full, sentence));
                }
                Consequence::AskAfter(pause) => self.ask_after(&core, pause),
            }
        }
    }

    /// Asks the server again after a while for what it took away or was not ready for.
    fn ask_after(&self, core: &Core<D>, pause: Duration) {
        let hub = Weak::clone(&self.me);
        let ask = async move {
            sleep(pause).await;
            if let Some(hub) = hub.upgrade() {
                hub.tell(|all| all.ask_again(Instant::now()), None);
            }
        };
        // Without a runtime there is nobody left to ask for.
        _ = core.with_runtime(|runtime| {
            runtime.spawn(ask);
            Ok(())
        });
    }

    /// Tells the subscriptions something and does what follows.
    pub(super) fn tell(&self, what: impl FnOnce(&mut Subscriptions), said: Option<&Reply>) {
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
