//! The credentials of a client, shared by all its links: whoever needs some gets those that are held or waits for the
//! answer of the program, which is asked on a thread of its own.
//!
//! Invariant: the program is asked one question at a time; who waits for the answer gives up at its own deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep_until, timeout_at};

use super::rotation::{Need, Next, Rotation};
use super::{Answer, Credentials, CredentialsProvider, Login, Purpose, Query, Reason};
use crate::address::Address;
use crate::config::Config;
use crate::error::{Error, Status};
use crate::lock::Lock;
use crate::runtime::blocking::on_thread;

/// Where the links of a client have their credentials from.
pub struct CredentialsSource {
    purpose: Purpose,
    provider: Option<Arc<dyn CredentialsProvider>>,
    rotation: Lock<Rotation>,
    /// Sent whenever something about the credentials, or about a connection that is to have them, has changed.
    changed: watch::Sender<()>,
    /// They may change, so that connections are to be authenticated again.
    rotates: AtomicBool,
    ended: AtomicBool,
    /// The server for which credentials were needed last.
    address: Lock<String>,
    /// Why the program could not be asked for a renewal; its user was not told yet.
    failure: Lock<Option<Error>>,
    budget: Duration,
}

impl CredentialsSource {
    /// Of a client that was told this, and whose program has this to be asked.
    pub fn new(config: &Config, provider: Option<Arc<dyn CredentialsProvider>>) -> CredentialsSource {
        CredentialsSource::of(Purpose::Data, config, provider)
    }

    /// The same for sentinels, which have this configuration; `asks`: the program is asked for theirs, too.
    pub fn of_sentinels(&self, config: &Config, asks: bool) -> CredentialsSource {
        CredentialsSource::of(Purpose::Sentinel, config, self.provider.clone().filter(|_| asks))
    }

    fn of(purpose: Purpose, config: &Config, provider: Option<Arc<dyn CredentialsProvider>>) -> CredentialsSource {
        let fixed = config.password.clone().map(|password| Credentials { username: config.username.clone(), password });
        let delays = (config.reconnect_delay, config.reconnect_delay_max);
        CredentialsSource {
            purpose,
            rotation: Lock::new(Rotation::new(fixed, provider.is_some(), delays)),
            rotates: AtomicBool::new(provider.is_some()),
            provider,
            changed: watch::Sender::new(()),
            ended: AtomicBool::new(false),
            address: Lock::default(),
            failure: Lock::default(),
            budget: config.connect_timeout,
        }
    }

    /// What to authenticate a new connection to this address with.
    pub(in crate::connection) async fn login(
        self: &Arc<Self>,
        address: &Address,
        until: Instant,
    ) -> Result<Login, Error> {
        let mut changed = self.changed.subscribe();
        let need = self.rotation.lock().need(Instant::now());
        let question = match need {
            Need::Use(login) => return Ok(login),
            Need::Wait(question) => question,
            Need::Ask(question, reason) => {
                *self.address.lock() = address.to_string();
                self.ask(reason, until.saturating_duration_since(Instant::now()));
                question
            }
        };
        loop {
            let outcome = self.rotation.lock().outcome(question, Instant::now());
            if let Some(outcome) = outcome {
                return outcome;
            }
            // The sender lives as long as this.
            if timeout_at(until.into(), changed.changed()).await.is_err() {
                let waited = self.budget.as_millis();
                let sentence = format!("the credentials callback gave no answer within {waited} ms");
                return Err(Error::new(Status::Connect, sentence));
            }
        }
    }

    /// A server refused these. Whether it is worth asking for others at once.
    pub(in crate::connection) fn refused(&self, login: &Login) -> bool {
        self.reject(login.generation);
        self.provider.is_some() && login.reason != Some(Reason::Rejected)
    }

    /// A server refused the pair of this number.
    pub(super) fn reject(&self, generation: u64) {
        self.rotation.lock().reject(generation, Instant::now());
        self.wake();
    }

    /// A server took the pair of this number.
    pub(in crate::connection) fn accept(&self, generation: u64) {
        self.rotation.lock().accept(generation);
    }

    /// Asks the program, on a thread of its own; to be called on the I/O thread.
    fn ask(self: &Arc<Self>, reason: Reason, budget: Duration) {
        let source = Arc::clone(self);
        // Whoever asked may give up; the answer is for others, too.
        tokio::spawn(async move {
            let answer = source.answer(reason, budget).await;
            let now = Instant::now();
            match answer {
                Ok(answer) => source.rotation.lock().on_answer(answer, reason, now),
                Err(error) => {
                    if reason != Reason::Connect {
                        *source.failure.lock() = Some(error.clone());
                    }
                    source.rotation.lock().on_failure(error, now);
                }
            }
            source.wake();
        });
    }

    async fn answer(&self, reason: Reason, budget: Duration) -> Result<Answer, Error> {
        let Some(provider) = self.provider.clone() else {
            return Err(Error::new(Status::Internal, "nobody can be asked for credentials"));
        };
        let query = Query { purpose: self.purpose, address: self.address.lock().clone(), reason, budget };
        match on_thread("justredis-auth", move || provider.credentials(&query)).await {
            Ok(answer) => answer,
            Err(error) => {
                let sentence = format!("the credentials callback could not be asked: {}", error.message);
                Err(Error::new(Status::Connect, sentence))
            }
        }
    }

    /// The program brings others unasked.
    pub fn push(&self, credentials: Credentials) {
        self.rotation.lock().push(credentials);
        self.rotates.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// What connections are to be authenticated with, if that may change.
    pub fn current(&self) -> Option<Login> {
        if !self.rotates() {
            return None;
        }
        self.rotation.lock().current().cloned()
    }

    /// Whether they may change.
    pub fn rotates(&self) -> bool {
        self.rotates.load(Ordering::Relaxed)
    }

    /// Why the program was asked for others in vain, once.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    /// Hears of all changes from now on.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Something has changed about a connection that is to have the credentials.
    pub fn wake(&self) {
        self.changed.send_replace(());
    }

    /// Renews the credentials until the client ends. To be run on the I/O thread.
    pub async fn keep_fresh(self: &Arc<Self>) {
        let mut changed = self.changed.subscribe();
        while !self.has_ended() {
            let next = self.rotation.lock().renew(Instant::now());
            match next {
                Next::Ask(_, reason) => self.ask(reason, self.budget),
                Next::Later => _ = changed.changed().await,
                Next::At(at) => tokio::select! {
                    () = sleep_until(at.into()) => {}
                    _ = changed.changed() => {}
                },
            }
        }
    }

    /// The client ends: its tasks do, too.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}
