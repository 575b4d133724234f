//! One sentinel: its connection, on which it is asked and tells of failovers, dialled again whenever it is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch::Receiver;
use tokio::time::{sleep, sleep_until};

use super::answer::{self, CHANNELS, Told, Word};
use crate::address::Address;
use crate::connection::background_driver::Opening;
use crate::connection::inquiry::Inquiry;
use crate::connection::reconnect::Schedule;
use crate::error::Error;
use crate::runtime::catch_panic;

/// How often a sentinel is asked that cannot be listened to all the time.
const POLL: Duration = Duration::from_secs(1);

/// What a sentinel is heard of.
pub enum Heard {
    /// Its answers.
    Word(Word),
    /// Something that was not asked for.
    Told(Told),
    /// It does not answer.
    Failure(Error),
    /// What hinders nothing yet.
    Warning(Error),
}

/// Who listens.
pub trait Audience: Send + Sync + 'static {
    /// What sentinels know the server by.
    fn name(&self) -> &str;
    /// Whether this sentinel is still to be listened to.
    fn listens_to(&self, sentinel: &Address) -> bool;
    /// Changes whenever it is to be asked.
    fn rounds(&self) -> Receiver<u64>;
    /// Becomes true when nothing is to be heard any more.
    fn ended(&self) -> Receiver<bool>;
    /// This was heard of a sentinel.
    fn hear(self: &Arc<Self>, sentinel: &Address, heard: Heard);
}

/// Listens to the sentinel at this address until the client is closed, or the sentinel is known under another address.
pub async fn run<A: Audience>(audience: Arc<A>, opening: Opening, address: Address) {
    let mut schedule = Schedule::new(opening.config.reconnect_delay, opening.config.reconnect_delay_max);
    let mut rounds = audience.rounds();
    let mut ended = audience.ended();
    while audience.listens_to(&address) {
        let born = Instant::now();
        let listened = tokio::select! {
            listened = catch_panic(listen(&audience, &opening, &address, &mut rounds)) => listened,
            _ = ended.wait_for(|ended| *ended) => return,
        };
        let pause = match listened {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                audience.hear(&address, Heard::Failure(error));
                schedule.after_failure()
            }
            Err(_) => schedule.after_failure(),
        };
        if born.elapsed() > opening.config.reconnect_delay_max {
            schedule = Schedule::new(opening.config.reconnect_delay, opening.config.reconnect_delay_max);
        }
        // Who needs to know where the server is cannot wait for long.
        tokio::select! {
            () = sleep(pause) => {}
            _ = rounds.changed() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}

/// One connection to the sentinel. `Ok`: nobody wants to listen any more.
async fn listen<A: Audience>(
    audience: &Arc<A>,
    opening: &Opening,
    address: &Address,
    rounds: &mut Receiver<u64>,
) -> Result<(), Error> {
    rounds.mark_unchanged();
    let warn = |error: Error| audience.hear(address, Heard::Warning(error));
    let mut inquiry = Inquiry::dial(opening, address, false, &warn).await?;
    // Before anything is asked: what changes behind the answers is told.
    let mut subscribed = inquiry.subscribe(&CHANNELS).await?;
    loop {
        rounds.mark_unchanged();
        if subscribed && inquiry.is_resp2 {
            // Who subscribes may ask nothing there.
            inquiry.unsubscribe(&CHANNELS).await?;
        }
        let replies = inquiry.ask(&answer::questions(audience.name())).await?;
        if subscribed && inquiry.is_resp2 {
            subscribed = inquiry.subscribe(&CHANNELS).await?;
        }
        audience.hear(address, Heard::Word(answer::read(&replies)));
        if !audience.listens_to(address) {
            return Ok(());
        }
        // In RESP2 what is told between the answers and the subscription is missed.
        let hears_all = subscribed && !inquiry.is_resp2;
        let pause = if hears_all { opening.config.refresh_interval } else { POLL };
        // Clients that were started together do not ask together.
        let next = Instant::now() + pause.mul_f64(0.75 + fastrand::f64() / 4.0);
        loop {
            tokio::select! {
                biased;
                message = inquiry.message() => {
                    if let Some(told) = answer::told(&message?, audience.name()) {
                        audience.hear(address, Heard::Told(told));
                    }
                }
                changed = rounds.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(()),
                },
                () = sleep_until(next.into()) => break,
            }
        }
    }
}
