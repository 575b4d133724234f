//! Requests for one destination that are submitted together: the lock of a link is taken once for many of them.
//!
//! Invariant: in a cluster the locks of several links are held at once. Whoever holds one of them waits for no other:
//! it tries, and lets go of all that it holds when that fails.

use std::sync::Arc;

use smallvec::SmallVec;

use super::core::Core;
use super::destination::Destination;
use super::fan_out::slot_of_command;
use super::intake::Intake;
use super::request::{Place, Request, small};
use crate::connection::io_role::Submitter;
use crate::connection::link::Link;
use crate::error::{Error, Status};
use crate::topology::cluster::routes::Routes;

#[cfg(test)]
mod tests;

/// So many requests get in under one lock; then others may have their turn.
const RUN: usize = 64;

/// So many links are locked at once.
const LINKS: usize = 8;

/// Requests for one destination that are submitted together: the lock of a link is taken once for many.
pub struct Batch<'a, D: Destination> {
    core: &'a Arc<Core<D>>,
    place: Place<'a>,
    destination: &'a D,
    by: Submitter,
    /// Of a cluster, for the database of the place.
    routes: Option<&'a Routes>,
    intakes: SmallVec<[Intake<'a, D>; 1]>,
    /// How many more may get in before the locks are let go.
    left: usize,
}

impl<'a, D: Destination> Batch<'a, D> {
    /// `routes`: where requests of a cluster go, as [`Core::routes`] gave it; with `None` it is one server.
    pub(super) fn new(
        core: &'a Arc<Core<D>>,
        place: Place<'a>,
        routes: Option<&'a Routes>,
        destination: &'a D,
        by: Submitter,
    ) -> Batch<'a, D> {
        Batch { core, place, destination, by, routes, intakes: SmallVec::new(), left: RUN }
    }

    /// As `Client::submit`.
    #[inline]
    pub fn submit<A: AsRef<[u8]>>(&mut self, request: &Request<'_, A>) -> Result<u64, Error> {
        let may_gather = !self.core.may_be_read(request);
        let small = may_gather.then(|| small(self.place, request, self.core.config.max_request_bytes)).flatten();
        let small = small.and_then(|(args, most)| Some((args, most, self.link_of(args)?)));
        let Some((args, most, link)) = small else {
            self.close();
            return self.core.submit(self.place, request, self.destination, self.by).map(|(id, _)| id);
        };
        let destination = self.destination;
        let id = self.intake(link).and_then(|intake| intake.put(request, args, most, destination));
        self.left -= 1;
        // (Whoever is told of an error may want to take other locks.)
        if self.left == 0 || id.is_err() {
            self.close();
        }
        id
    }

    /// The link of a command, if it is known without more thought.
    #[inline]
    fn link_of<A: AsRef<[u8]>>(&self, args: &[A]) -> Option<&'a Arc<Link>> {
        match self.routes {
            None => (!self.core.topology.may_be_cluster()).then_some(self.place.link),
            Some(routes) => routes.link_of_slot(slot_of_command(args).ok()??),
        }
    }

    /// The intake of a link.
    #[inline]
    fn intake(&mut self, link: &'a Arc<Link>) -> Result<&mut Intake<'a, D>, Error> {
        let place = match self.intakes.iter().position(|intake| intake.is_of(link)) {
            Some(place) => place,
            None => self.open(link)?,
        };
        // (It is there. To say so in another way than by its place takes a second search.)
        self.intakes.get_mut(place).ok_or_else(|| Error::new(Status::Internal, "a batch has lost its place"))
    }

    /// Takes the lock of one more link; gives the place of its intake.
    fn open(&mut self, link: &'a Arc<Link>) -> Result<usize, Error> {
        if self.intakes.len() >= LINKS {
            self.close();
        }
        let intake = match self.intakes.is_empty() {
            true => None,
            false => Intake::try_open(self.core, link, self.by, self.destination)?,
        };
        let intake = match intake {
            Some(intake) => intake,
            None => {
                self.close();
                Intake::open(self.core, link, self.by, self.destination)?
            }
        };
        self.intakes.push(intake);
        Ok(self.intakes.len() - 1)
    }

    fn close(&mut self) {
        self.left = RUN;
        // All locks are let go before anybody is woken. (No batch is a lone caller's.)
        let ended: SmallVec<[_; 1]> = self.intakes.drain(..).map(|intake| intake.end(self.destination)).collect();
        ended.into_iter().for_each(|wakeups| drop(wakeups.send()));
    }
}

impl<D: Destination> Drop for Batch<'_, D> {
    fn drop(&mut self) {
        self.close();
    }
}
