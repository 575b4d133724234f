//! What a link tells its recipient of its connections: one is there, one is lost, none can be made; and that there is
//! room again. A recipient that is gone is told nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::link::Link;
use super::recipient::{LinkEvent, Recipient};
use super::server_info::ServerInfo;
use super::unit::Lost;
use crate::error::Error;

impl Link {
    /// There is a connection, to a server that says this of itself.
    pub(super) fn report_connected(self: &Arc<Self>, recipient: Option<&dyn Recipient<Link>>, server_info: ServerInfo) {
        self.reconnecting.store(false, Ordering::SeqCst);
        self.counters.connections.fetch_add(1, Ordering::Relaxed);
        self.set_tracking(server_info.tracking);
        self.update_status(|status| {
            status.connected = true;
            status.server_info = server_info;
            status.error = None;
        });
        if let Some(recipient) = recipient {
            recipient.on_event(self, LinkEvent::Connected);
        }
    }

    /// The connection ended for this reason; `disconnect` lets go of it and gives what was under way.
    pub(super) fn report_loss(
        self: &Arc<Self>,
        recipient: Option<&dyn Recipient<Link>>,
        error: &Error,
        disconnect: impl FnOnce() -> Vec<Lost>,
    ) {
        let error = Error::new(error.status, format!("{}: {}", self.address(), error.message));
        self.update_status(|status| {
            status.connected = false;
            status.error = Some(error.clone());
        });
        let lost = disconnect();
        self.report_tracking_ended(recipient);
        if let Some(recipient) = recipient {
            recipient.lost(self, lost, &error);
            recipient.on_event(self, LinkEvent::Lost(error));
        }
        self.report_room(recipient);
    }

    /// The connection is gone that told of changes, if it did.
    pub(super) fn report_tracking_ended(self: &Arc<Self>, recipient: Option<&dyn Recipient<Link>>) {
        if let Some(recipient) = recipient.filter(|_| self.is_tracking()) {
            recipient.tracking_ended(self);
        }
    }

    /// Fails everything that waits for a connection, for this reason.
    pub(super) fn fail_waiting(self: &Arc<Self>, recipient: Option<&dyn Recipient<Link>>, error: &Error) {
        if let Some(recipient) = recipient {
            let waiting = self.clear_unsent();
            recipient.unreachable(self, waiting, error);
        }
        self.report_room(recipient);
    }

    fn report_room(self: &Arc<Self>, recipient: Option<&dyn Recipient<Link>>) {
        if self.has_room_again()
            && let Some(recipient) = recipient
        {
            recipient.on_event(self, LinkEvent::Writable);
        }
    }
}
