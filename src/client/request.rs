//! What a user asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::link::Link;
use crate::connection::segments::LARGE;
use crate::protocol::catalog::{self, Handling};
use crate::protocol::command;
use crate::topology::Route;
use crate::topology::node::SessionId;

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// As the option `command_timeout` says.
    Default,
    /// For ever.
    None,
    /// This long.
    After(Duration),
}

/// One or more commands and how to run them.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, A> {
    /// The arguments of each command, its name first.
    pub commands: &'a [&'a [A]],
    /// As one transaction.
    pub atomic: bool,
    /// It may run twice.
    pub idempotent: bool,
    /// On a connection of its own.
    pub dedicated: bool,
    /// It may be answered from the cache.
    pub cached: bool,
    /// A replica may answer it, if it reads.
    pub replica: bool,
    /// How long it may take.
    pub timeout: Timeout,
    /// Where it goes.
    pub route: Route<'a>,
    /// The subscription that it changes, by the id of the request that made it; 0: none.
    pub subscription: u64,
    /// Handed back in its completions.
    pub user_data: u64,
}

/// Where a request is submitted: to the connection that all share, or to a lease.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The shared connection.
    pub(super) link: &'a Arc<Link>,
    /// The lease.
    pub(super) lease: Option<SessionId>,
}

/// In milliseconds, as deadlines are.
pub(super) fn in_millis(time: Duration) -> u32 {
    let millis = time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis().into());
    u32::try_from(millis).unwrap_or(u32::MAX)
}

/// The one ordinary and small command of a request, as nearly all have, and how long it is at most; `None`: it needs
/// more thought.
#[inline]
pub(super) fn small<'a, A: AsRef<[u8]>>(
    place: Place<'_>,
    request: &Request<'a, A>,
    most: usize,
) -> Option<(&'a [A], usize)> {
    let [args] = request.commands else { return None };
    if place.lease.is_some() || request.dedicated || request.cached || request.atomic || request.subscription != 0 {
        return None;
    }
    if request.route != Route::ByKey || catalog::handling(args) != Handling::Ordinary {
        return None;
    }
    let length = command::length_bound(args);
    let is_named = args.first().is_some_and(|name| !name.as_ref().is_empty());
    (length < LARGE.min(most) && is_named).then_some((args, length))
}
