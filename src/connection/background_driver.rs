//! The background driver: one task per link on the I/O thread. It dials, shakes hands, writes what gathered, reads,
//! checks the health of the server, and dials again, until the link is closed or its owner is gone. A dedicated link
//! has one connection only and ends with it.

mod round;

use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until};

use super::credentials::CredentialsProvider;
use super::credentials::source::CredentialsSource;
use super::endpoints::{Announcements, Endpoints};
use super::health_check::HealthAction;
use super::idle_buffers::IdleBuffers;
use super::learnt::Learnt;
use super::link::Link;
use super::monitor::{HealthMonitor, RoleMonitor};
use super::purpose::Purpose;
use super::recipient::{LinkEvent, Recipient};
use super::reconnect::Schedule;
use super::socket::Connection;
use super::stream::Dialer;
use super::tls::keeper::IdentityKeeper;
use super::traffic::{CLOSED, Read, lost};
use crate::config::Config;
use crate::error::{Error, Status};
use crate::runtime::{Runtime, catch_panic};

#[cfg(test)]
mod tests;

/// Reads in a row before the driver lets other links have their turn.
const READS: usize = 16;

/// Bytes in a row before it does: some milliseconds of the smallest messages.
const TURN: u64 = 256 << 10;

/// Between two renewals of one link.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// So many bytes fit into the receive window of any peer, whatever it is busy with.
const WINDOW: u64 = 32 << 10;

/// So much is read at most after a connection has ended, from a server that sends without end: more than a socket
/// buffers.
const LAST_BYTES: u64 = 16 << 20;

/// The time in which a thread delivers what it has read.
const DELIVERY_PAUSE: Duration = Duration::from_millis(1);

/// What the program does in the place of the library.
#[derive(Clone, Default)]
pub struct Hooks {
    /// It dials.
    pub dialer: Option<Arc<dyn Dialer>>,
    /// It is asked for user and password.
    pub credentials: Option<Arc<dyn CredentialsProvider>>,
}

/// What a link needs to be opened.
#[derive(Clone)]
pub struct Opening {
    /// Handshake, times and limits.
    pub config: Arc<Config>,
    /// Where the server is dialled.
    pub endpoints: Arc<Endpoints>,
    /// What its links have learnt of it.
    pub learnt: Arc<Learnt>,
    /// User and password of the client.
    pub credentials: Arc<CredentialsSource>,
    /// What the client trusts and shows in TLS.
    pub identity: Arc<IdentityKeeper>,
    /// Dials in the place of the library.
    pub dialer: Option<Arc<dyn Dialer>>,
    /// Who is told of replies and losses.
    pub recipient: Weak<dyn Recipient<Link>>,
    /// Dropped by the driver when it has ended.
    pub alive: Sender<()>,
}

/// Opens a link to a server: it starts dialling, and ends when closed, when its recipient is gone, or
/// with its first connection if that is what it is for. See [`start`].
pub fn open(opening: &Opening, database: u32, purpose: Purpose, runtime: &Runtime) -> Arc<Link> {
    let link = prepare(opening, database, purpose);
    start(&link, opening, runtime);
    link
}

/// A link that does not dial yet, for a recipient that is still being made; to be started.
pub fn prepare(opening: &Opening, database: u32, purpose: Purpose) -> Arc<Link> {
    let Opening { config, endpoints, credentials, recipient, .. } = opening;
    let (config, endpoints, credentials) = (Arc::clone(config), Arc::clone(endpoints), Arc::clone(credentials));
    Arc::new(Link::new(config, endpoints, credentials, database, purpose, Weak::clone(recipient)))
}

/// Starts a link that was prepared for this opening, perhaps with a recipient of its own.
pub fn start(link: &Arc<Link>, opening: &Opening, runtime: &Runtime) {
    let driver = BackgroundDriver {
        schedule: Schedule::new(link.config.reconnect_delay, link.config.reconnect_delay_max),
        link: Arc::clone(link),
        dialer: opening.dialer.clone(),
        learnt: Arc::clone(&opening.learnt),
        identity: Arc::clone(&opening.identity),
        recipient: Weak::clone(&link.recipient),
        known: link.endpoints.subscribe(),
        failed_rounds: 0,
        _alive: opening.alive.clone(),
    };
    runtime.spawn(driver.run_supervised());
}

/// Why a connection ended.
enum Ending {
    Closed,
    Reconnect,
    Broken(Error),
}

/// How much a reason for the end of a connection tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Why it ended.
    Known,
    /// Only that writing failed.
    Guessed,
}

impl Reason {
    /// The one of two errors that says more of why the connection ended: the first, of this kind, or the one that was
    /// found in what came before its end.
    fn better_of(self, error: Error, found: Error) -> Error {
        let says_little = self == Reason::Guessed || error.message == CLOSED;
        if says_little || found.status == Status::Protocol { found } else { error }
    }
}

struct BackgroundDriver {
    link: Arc<Link>,
    dialer: Option<Arc<dyn Dialer>>,
    learnt: Arc<Learnt>,
    identity: Arc<IdentityKeeper>,
    recipient: Weak<dyn Recipient<Link>>,
    /// Where the server is.
    known: Announcements,
    schedule: Schedule,
    failed_rounds: u32,
    _alive: Sender<()>,
}

impl BackgroundDriver {
    /// Runs to the end of the link. A panic, which is a defect, ends the connection and no more: it is told as a loss,
    /// and the link is dialled again.
    async fn run_supervised(mut self) {
        while let Err(panic) = catch_panic(self.run()).await {
            let connection = self.link.connection();
            let ends = connection.is_some() && !self.link.purpose().is_dialled_again();
            let error = Error::new(Status::Lost, format!("a defect of the library ended the connection: {panic}"));
            // Whoever is told may be what panics. There is nobody left to tell of that.
            _ = catch_panic(self.report_panic(error, connection.as_ref())).await;
            if ends {
                return;
            }
            let pause = self.schedule.after_failure();
            self.pause(pause, None).await;
        }
    }

    async fn report_panic(&mut self, error: Error, connection: Option<&Arc<Connection>>) {
        match connection {
            Some(connection) => self.report_loss(error, connection).await,
            None => {
                self.link.update_status(|status| status.error = Some(error.clone()));
                self.notify(LinkEvent::Unreachable(error));
            }
        }
    }

    async fn run(&mut self) {
        while !self.is_over() {
            let mut refused = None;
            // In memory of its own, which is given back: most links are connected and idle for most of their life, and
            // what it takes to dial would make the task of each three times as large.
            let pause = match Box::pin(self.dial_round()).await {
                None => return,
                Some(Err(error)) => {
                    refused = Some(error.clone()).filter(|error| error.status == Status::Auth);
                    self.report_failure(error)
                }
                Some(Ok(connection)) => {
                    let (born, connection) = (Instant::now(), Arc::new(connection));
                    self.link.connect(&connection);
                    match (self.serve(&connection).await, self.link.purpose().is_dialled_again()) {
                        (Ending::Closed, _) => return,
                        (Ending::Reconnect, false) => {
                            let error = Error::new(Status::Lost, "given up, because the server is no primary");
                            return self.report_loss(error, &connection).await;
                        }
                        (Ending::Broken(error), false) => return self.report_loss(error, &connection).await,
                        (Ending::Reconnect, true) => {
                            self.link.update_status(|status| status.connected = false);
                            self.link.report_tracking_ended(self.recipient.upgrade().as_deref());
                            RECONNECT_PAUSE.saturating_sub(born.elapsed())
                        }
                        (Ending::Broken(error), true) => {
                            self.report_loss(error, &connection).await;
                            self.schedule.after_loss(born.elapsed())
                        }
                    }
                }
            };
            if !pause.is_zero() {
                self.pause(pause, refused.as_ref()).await;
            }
        }
    }

    /// Waits for the time of the next dial, another address or the end of the link. Whoever comes meanwhile to a server
    /// that `refused` the password is told so at once: waiting for the next dial would not help.
    async fn pause(&self, pause: Duration, refused: Option<&Error>) {
        let until = Instant::now() + pause;
        while !self.is_over() {
            self.link.asleep.store(true, Ordering::SeqCst);
            if let Some(error) = refused {
                self.link.fail_waiting(self.recipient.upgrade().as_deref(), error);
            }
            tokio::select! {
                () = sleep_until(until.into()) => break,
                () = self.known.outdated() => break,
                () = self.link.dial.notified() => break,
                () = self.link.notify.notified() => {}
            }
        }
        self.link.asleep.store(false, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.link.is_closed() || self.recipient.strong_count() == 0
    }

    /// Waits until the link is closed.
    async fn closed(&self) {
        while !self.is_over() {
            self.link.notify.notified().await;
        }
    }

    fn notify(&self, news: LinkEvent) {
        if let Some(recipient) = self.recipient.upgrade() {
            recipient.on_event(&self.link, news);
        }
    }

    async fn report_loss(&mut self, error: Error, connection: &Arc<Connection>) {
        let mut error = self.disconnect_reason(connection, error, Reason::Known).await;
        // Whoever read for himself may know better.
        if let Some(found) = connection.failure.lock().take() {
            error = Reason::Known.better_of(error, found);
        }
        let recipient = self.recipient.upgrade();
        self.link.report_loss(recipient.as_deref(), &error, || self.link.disconnect(connection));
    }

    /// Moves bytes until the connection ends.
    async fn serve(&self, connection: &Arc<Connection>) -> Ending {
        let link = &*self.link;
        // Whoever announced it meanwhile told a link that was about to be connected.
        if self.known.is_outdated() {
            link.reconnect();
        }
        let mut health = HealthMonitor::new(self.dialer.is_none());
        let mut role_monitor = RoleMonitor::default();
        let mut buffers = IdleBuffers::default();
        // Reads since the last one that found nothing.
        let mut row = 0;
        loop {
            if self.is_over() {
                return Ending::Closed;
            }
            // Not only when nothing else happens: a server that never stops sending is watched, too.
            if health.is_due() {
                self.let_kernel_watch(connection, &mut health);
                if let Err(error) = self.look(&mut health) {
                    return Ending::Broken(error);
                }
            }
            if let Some(error) = connection.failure.lock().take() {
                return Ending::Broken(error);
            }
            if role_monitor.observe(link)
                && let Err(error) = self.read(connection)
            {
                return Ending::Broken(error);
            }
            let reconnecting = link.reconnecting.load(Ordering::SeqCst);
            if reconnecting && link.disconnect_if_idle() {
                return Ending::Reconnect;
            }
            // A caller who is about to write looks first whether the connection is still there; takers write for
            // themselves.
            let may_write = link.background_writes();
            if may_write
                && !reconnecting
                && link.is_about_to_begin()
                && connection.is_time_to_look()
                && let Err(error) = self.read(connection)
            {
                return Ending::Broken(error);
            }
            let writable = match if may_write { link.flush(connection) } else { Ok(true) } {
                Ok(writable) => writable,
                // What the server said before it went is worth reading: it may say why.
                Err(error) => {
                    return Ending::Broken(self.disconnect_reason(connection, lost(&error), Reason::Guessed).await);
                }
            };
            if link.set_blocked(!writable) {
                // There may have been room before the background was to be told of it.
                continue;
            }
            health.begin_or_end(link);
            let release_at = buffers.observe(link.carried(), Instant::now());
            let look_at = role_monitor.read.then_some(role_monitor.look_at);
            let health_at = health.check.is_some().then_some(health.look_at);
            let wake_at = [release_at, look_at, health_at].into_iter().flatten().min();
            link.asleep.store(true, Ordering::SeqCst);
            if writable && !reconnecting && link.background_writes() && link.is_unsent() {
                link.asleep.store(false, Ordering::SeqCst);
                continue;
            }
            tokio::select! {
                biased;
                ready = connection.stream.ready() => {
                    link.asleep.store(false, Ordering::SeqCst);
                    let Ok(mut ready) = ready else { return Ending::Closed };
                    if role_monitor.read && connection.stream.is_at_end() {
                        return Ending::Broken(Error::new(Status::Lost, CLOSED));
                    }
                    row += 1;
                    match self.read(connection) {
                        Ok(Read::Nothing) => {
                            ready.clear_ready();
                            row = 0;
                        }
                        // The end may stand behind what was read. But first what gathered meanwhile goes out.
                        Ok(Read::Rest) if row % READS != 0 => {}
                        Ok(_) => yield_now().await,
                        Err(error) => return Ending::Broken(error),
                    }
                }
                () = link.notify.notified() => {}
                () = sleep_until(wake_at.unwrap_or_else(Instant::now).into()), if wake_at.is_some() => {
                    let now = Instant::now();
                    let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
                    if is_due(look_at) {
                        role_monitor.look(link, connection);
                    }
                    if is_due(release_at) && buffers.look(link.carried(), now) {
                        link.release_buffers(connection);
                    }
                }
            }
            link.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// Reads while there is much, at most [`READS`] times or [`TURN`] bytes; gives what the last read brought.
    fn read(&self, connection: &Arc<Connection>) -> Result<Read, Error> {
        let Some(recipient) = self.recipient.upgrade() else { return Ok(Read::Nothing) };
        let received = || self.link.counters.received.load(Ordering::Relaxed);
        let before = received();
        for _ in 1..READS {
            let read = self.link.drive(connection, &*recipient)?;
            if read != Read::Full || received().wrapping_sub(before) >= TURN {
                return Ok(read);
            }
        }
        self.link.drive(connection, &*recipient)
    }

    /// Ends the connection and delivers what came before its end; gives the better of this reason and the one found
    /// there.
    async fn disconnect_reason(&self, connection: &Arc<Connection>, error: Error, reason: Reason) -> Error {
        if error.status == Status::Protocol {
            // What stands behind a violation of the protocol cannot be believed.
            return error;
        }
        // Whoever waits for bytes on another thread wakes up; what came already can still be read.
        connection.stream.shut_down();
        let before = self.link.counters.received.load(Ordering::Relaxed);
        while let Some(recipient) = self.recipient.upgrade().filter(|_| !self.link.is_closed())
            && self.link.counters.received.load(Ordering::Relaxed) - before < LAST_BYTES
        {
            match self.link.read_rest(connection, &*recipient) {
                // Another thread has bytes that it has not delivered yet.
                None => sleep(DELIVERY_PAUSE).await,
                Some(Ok(Read::Nothing)) => break,
                Some(Ok(_)) => yield_now().await,
                Some(Err(found)) => return reason.better_of(error, found),
            }
        }
        error
    }

    /// The kernel ends a connection on which nothing is acknowledged, and also one whose peer acknowledges everything
    /// but takes no more bytes. The second one is busy, not dead: when that much is under way, the kernel must not
    /// judge.
    fn let_kernel_watch(&self, connection: &Connection, health: &mut HealthMonitor) {
        let can_judge = self.link.outstanding() <= WINDOW;
        if self.dialer.is_none() && can_judge != health.by_kernel {
            connection.stream.set_user_timeout(can_judge.then_some(self.link.config.dead_after));
            health.by_kernel = can_judge;
        }
    }

    /// Looks whether a silent server is dead.
    fn look(&self, health: &mut HealthMonitor) -> Result<(), Error> {
        let now = Instant::now();
        let messages = health.listen(&self.link, now);
        let HealthMonitor { check: Some(check), ping, look_at, .. } = health else { return Ok(()) };
        // Only what stands before the PING can be why it is not answered; what came later says nothing, and under
        // steady traffic there would always be something.
        let ready_to_wait = || {
            let tickets = self.link.tickets_ahead_of(*ping);
            self.recipient.upgrade().is_some_and(|recipient| recipient.ready_to_wait(&self.link, &tickets))
        };
        match check.look(now, messages, ready_to_wait) {
            HealthAction::Wait(at) => *look_at = at,
            HealthAction::Ping(at) => {
                *ping = self.link.ping();
                *look_at = at;
            }
            HealthAction::Dead => {
                let waited = self.link.config.dead_after.as_millis();
                let sentence = format!("the server is silent: no answer to a PING within {waited} ms");
                return Err(Error::new(Status::Lost, sentence));
            }
        }
        Ok(())
    }
}
