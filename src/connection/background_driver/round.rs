//! One round of dials to the addresses of a server, and what a round that failed means.

use std::time::Duration;

use super::BackgroundDriver;
use crate::address::Address;
use crate::config::ConnectRetries;
use crate::connection::dial::Dial;
use crate::connection::handshake::Terms;
use crate::connection::recipient::LinkEvent;
use crate::connection::server_info::ServerInfo;
use crate::connection::socket::Connection;
use crate::error::{Error, Status};

impl BackgroundDriver {
    /// Tries every address once, anew when others are announced. `None`: the link was closed meanwhile.
    pub(super) async fn dial_round(&mut self) -> Option<Result<Connection, Error>> {
        'anew: loop {
            let mut known = self.known.clone();
            let round = tokio::select! {
                round = known.round() => round,
                () = self.closed() => return None,
            };
            self.known = known;
            let mut round = match round {
                Ok(round) => round,
                Err(error) => {
                    self.link.update_status(|status| status.error = Some(error.clone()));
                    return Some(Err(error));
                }
            };
            while let Some(address) = round.next() {
                self.link.update_status(|status| status.address = address.to_string());
                let dialled = tokio::select! {
                    dialled = self.dial(&address) => dialled,
                    () = self.known.outdated() => continue 'anew,
                    () = self.closed() => return None,
                };
                match dialled {
                    Ok((connection, server_info)) => {
                        self.failed_rounds = 0;
                        self.learnt.on_connected(self.link.database(), &server_info);
                        self.link.report_connected(self.recipient.upgrade().as_deref(), server_info);
                        return Some(Ok(connection));
                    }
                    Err(error) => {
                        let error = round.on_failure(&address, &error);
                        self.link.update_status(|status| status.error = Some(error));
                    }
                }
            }
            self.link.endpoints.note_failure();
            return Some(Err(round.into_error()));
        }
    }

    /// A whole round failed: fails those who wait if they shall not wait longer; gives the pause before the next.
    pub(super) fn report_failure(&mut self, error: Error) -> Duration {
        self.failed_rounds = self.failed_rounds.saturating_add(1);
        let give_up = match self.link.config.connect_retries {
            ConnectRetries::Auto => !self.learnt.has_reached(self.link.database()),
            ConnectRetries::Unlimited => false,
            ConnectRetries::Rounds(rounds) => self.failed_rounds >= rounds,
        };
        self.notify(LinkEvent::Unreachable(error.clone()));
        if give_up || error.status == Status::Auth {
            self.link.fail_waiting(self.recipient.upgrade().as_deref(), &error);
        }
        self.schedule.after_failure()
    }

    /// One address, until commands can be sent to it.
    async fn dial(&self, address: &Address) -> Result<(Connection, ServerInfo), Error> {
        let config = &self.link.config;
        let terms = Terms {
            database: self.link.database(),
            track: self.link.wants_tracking(),
            number: self.link.purpose().may_block(),
            resp3_seen: self.learnt.speaks_resp3(),
            primary: self.link.endpoints.wants_primary(),
            reads_only: self.link.endpoints.reads_only(),
        };
        let dial = Dial {
            config,
            dialer: self.dialer.as_ref(),
            failed: &self.link.endpoints.failed,
            terms,
            credentials: &self.link.credentials,
            identity: &self.identity,
            warn: &|warning| self.notify(LinkEvent::Warning(warning)),
        };
        let mut dialled = dial.dial(address).await?;
        if !dialled.has_data {
            let loading = Error::new(Status::Connect, format!("{address}: the server is loading its data"));
            self.link.update_status(|status| status.error = Some(loading));
            dial.until_loaded(&mut dialled).await?;
        }
        self.link.logged_in(dialled.login.clone());
        let (transport, parser, server_info) = dialled.into_parts(config);
        Ok((Connection::new(transport, parser), server_info))
    }
}
