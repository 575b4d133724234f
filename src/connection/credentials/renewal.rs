//! How one connection stands to the credentials that are in force: authenticated with them, about to be, or refused.
//! Pure: it is told the time.
//!
//! Invariant: at most one AUTH is under way on a connection. A refusal leaves the old user in force.

use std::mem;
use std::time::{Duration, Instant};

use super::Login;
use crate::connection::reconnect::Schedule;

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Look again then.
    At(Instant),
    /// AUTH.
    Authenticate,
    /// What it is authenticated with has expired, and the new ones were refused: it is to be made anew.
    Replace,
}

/// What its user may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The connection has the new user.
    Renewed,
    /// The server refused, in these words.
    Refused(String),
}

/// The user of one connection.
#[derive(Debug)]
pub struct Renewal {
    login: Login,
    /// The AUTH that is under way, and its number in the pipeline.
    under_way: Option<(Login, u64)>,
    /// After a refusal: when to try again.
    again_at: Option<Instant>,
    pauses: Schedule,
    delays: (Duration, Duration),
    news: Vec<News>,
}

impl Renewal {
    /// Of a link that is not connected yet. `delays`: those between refusals, the first and the longest.
    pub fn new(delays: (Duration, Duration)) -> Renewal {
        let pauses = Schedule::new(delays.0, delays.1);
        Renewal { login: Login::default(), under_way: None, again_at: None, pauses, delays, news: Vec::new() }
    }

    /// What it is authenticated with.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// A new connection was authenticated with this. Gives the number of an AUTH that was for the one before.
    pub fn connected(&mut self, login: Login) -> Option<u64> {
        self.login = login;
        self.forget_refusals();
        self.under_way.take().map(|(_, sequence)| sequence)
    }

    /// AUTH with this is under way.
    pub fn sent(&mut self, login: Login, sequence: u64) {
        self.under_way = Some((login, sequence));
    }

    /// The server took what was sent; gives its number.
    pub fn accepted(&mut self) -> Option<u64> {
        let (login, _) = self.under_way.take()?;
        self.login = login;
        self.forget_refusals();
        self.news.push(News::Renewed);
        Some(self.login.generation)
    }

    /// The server refused, in these words, what was sent; gives its number.
    pub fn refused(&mut self, words: &str, now: Instant) -> Option<u64> {
        let (login, _) = self.under_way.take()?;
        self.again_at = Some(now + self.pauses.after_failure());
        self.news.push(News::Refused(words.to_owned()));
        Some(login.generation)
    }

    /// What was sent; its server may repeat it.
    pub fn under_way(&self) -> Option<&Login> {
        self.under_way.as_ref().map(|(login, _)| login)
    }

    fn forget_refusals(&mut self) {
        self.again_at = None;
        self.pauses = Schedule::new(self.delays.0, self.delays.1);
    }

    /// What happened since this was asked last.
    pub fn take_news(&mut self) -> Vec<News> {
        mem::take(&mut self.news)
    }

    /// Whether it is authenticated with something older, and nothing is under way.
    pub fn is_behind(&self, current: &Login) -> bool {
        self.under_way.is_none() && self.login.generation < current.generation
    }

    /// What to do while these are in force.
    pub fn step(&self, current: &Login, now: Instant) -> Step {
        match self.again_at {
            _ if !self.is_behind(current) => Step::Nothing,
            None => Step::Authenticate,
            Some(at) if at <= now => Step::Authenticate,
            Some(at) => match self.login.expires {
                Some(expires) if expires <= now => Step::Replace,
                Some(expires) => Step::At(at.min(expires)),
                None => Step::At(at),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

    fn login(generation: u64, expires: Option<Instant>) -> Login {
        Login { generation, expires, ..Login::default() }
    }

    #[test]
    fn a_connection_is_authenticated_once_for_each_pair() {
        let now = Instant::now();
        let mut renewal = Renewal::new(DELAYS);
        assert_eq!(renewal.connected(login(1, None)), None);
        assert_eq!(renewal.step(&login(1, None), now), Step::Nothing);
        assert_eq!(renewal.step(&login(2, None), now), Step::Authenticate);
        renewal.sent(login(2, None), 7);
        assert_eq!(renewal.step(&login(2, None), now), Step::Nothing, "it is under way");
        assert_eq!(renewal.step(&login(3, None), now), Step::Nothing, "one at a time");
        assert_eq!(renewal.accepted(), Some(2));
        assert_eq!(renewal.accepted(), None, "there is only one answer");
        assert_eq!(renewal.step(&login(2, None), now), Step::Nothing);
        assert_eq!(renewal.step(&login(3, None), now), Step::Authenticate);
        assert_eq!(renewal.take_news(), [News::Renewed]);
        assert_eq!(renewal.take_news(), []);
    }

    #[test]
    fn what_was_under_way_on_a_connection_that_is_gone_is_not_for_the_next() {
        let mut renewal = Renewal::new(DELAYS);
        renewal.connected(login(1, None));
        renewal.sent(login(2, None), 7);
        assert_eq!(renewal.connected(login(3, None)), Some(7));
        assert_eq!(renewal.accepted(), None);
        assert_eq!(renewal.login().generation, 3);
    }

    #[test]
    fn a_refusal_is_tried_again_until_the_old_user_expires() {
        let now = Instant::now();
        let after = |milliseconds| now + Duration::from_millis(milliseconds);
        let mut renewal = Renewal::new(DELAYS);
        renewal.connected(login(1, Some(after(1000))));
        let new = login(2, None);
        for number in 0..20 {
            renewal.sent(new.clone(), number);
            assert_eq!(renewal.refused("WRONGPASS", now), Some(2));
            assert_eq!(renewal.login().generation, 1, "the old user is in force");
            match renewal.step(&new, now) {
                Step::At(at) => assert!(at <= after(1000), "not later than its end"),
                other => assert_eq!(other, Step::Authenticate, "the pause may be nothing"),
            }
        }
        renewal.again_at = Some(after(2000));
        assert_eq!(renewal.step(&new, after(999)), Step::At(after(1000)));
        assert_eq!(renewal.step(&new, after(1000)), Step::Replace);
        assert_eq!(renewal.step(&new, after(2000)), Step::Authenticate);
        assert_eq!(renewal.take_news().len(), 20);

        let mut endless = Renewal::new(DELAYS);
        endless.connected(login(1, None));
        endless.sent(new.clone(), 1);
        endless.refused("WRONGPASS", now);
        endless.again_at = Some(after(1_000_000));
        assert_eq!(endless.step(&new, after(999_999)), Step::At(after(1_000_000)));
        endless.connected(login(2, None));
        assert_eq!(endless.step(&new, now), Step::Nothing);
    }

    #[test]
    fn what_has_expired_and_was_not_refused_is_authenticated_and_not_replaced() {
        let now = Instant::now();
        let mut renewal = Renewal::new(DELAYS);
        renewal.connected(login(1, Some(now)));
        assert_eq!(renewal.step(&login(2, None), now + Duration::from_secs(1)), Step::Authenticate);
    }
}
