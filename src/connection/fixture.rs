//! A link that is not started, and an owner of requests that notes what it is told; for tests.

use std::mem;
use std::sync::mpsc;
use std::sync::{Arc, Weak};

use super::answers::Answers;
use super::background_driver::{self, Opening};
use super::credentials::source::CredentialsSource;
use super::endpoints::Endpoints;
use super::link::Link;
use super::purpose::Purpose;
use super::recipient::{LinkEvent, Recipient};
use super::unit::{Addressee, Lost, Ticket};
use crate::config::Config;
use crate::error::Error;
use crate::lock::Lock;
use crate::protocol::reply::Reply;

/// Notes what it is told.
#[derive(Debug, Default)]
pub struct Noted(Lock<Vec<String>>);

impl Noted {
    /// It was told nothing yet.
    pub fn new() -> Arc<Noted> {
        Arc::default()
    }

    /// What it was told since this was asked last.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut *self.0.lock())
    }
}

impl Recipient<Link> for Noted {
    fn answered(&self, _: &Arc<Link>, answers: &mut Answers) {
        self.0.lock().push("answered".to_string());
        answers.drain(|_, _| {}, |answers| answers.for_each(drop));
    }
    fn on_pushes(&self, _: &Arc<Link>, messages: &mut Vec<Reply>) {
        self.0.lock().push(format!("{} messages", messages.drain(..).count()));
    }
    fn tracking_ended(&self, _: &Arc<Link>) {
        self.0.lock().push("tracking ended".to_string());
    }
    fn lost(&self, _: &Arc<Link>, lost: Vec<Lost>, why: &Error) {
        self.0.lock().push(format!("{} lost: {}", lost.len(), why.message));
    }
    fn unreachable(&self, _: &Arc<Link>, waiting: Vec<Addressee>, why: &Error) {
        self.0.lock().push(format!("{} shall not wait: {}", waiting.len(), why.message));
    }
    fn ready_to_wait(&self, _: &Arc<Link>, _: &[Ticket]) -> bool {
        true
    }
    fn on_event(&self, _: &Arc<Link>, news: LinkEvent) {
        self.0.lock().push(format!("{news:?}"));
    }
}

/// What a link of this owner is opened with.
pub fn opening(config: Config, recipient: &Arc<Noted>) -> Opening {
    let recipient: Weak<Noted> = Arc::downgrade(recipient);
    Opening {
        endpoints: Arc::new(Endpoints::new(config.endpoints.clone())),
        credentials: Arc::new(CredentialsSource::new(&config, None)),
        config: Arc::new(config),
        identity: Arc::default(),
        learnt: Arc::default(),
        dialer: None,
        recipient,
        alive: mpsc::channel().0,
    }
}

/// A link as configured by default.
pub fn link(purpose: Purpose, recipient: &Arc<Noted>) -> Arc<Link> {
    background_driver::prepare(&opening(Config::default(), recipient), 0, purpose)
}
