//! Subscriptions as a test wants them: messages as short texts, gaps and ends told apart.

use justredis::client::request::{Request, Timeout};
use justredis::protocol::reply::{Kind, Node};

use super::client::{Done, Inbox, Tester, request};

/// A subscription and what it gets.
pub struct Subscription {
    pub client: Tester,
    pub inbox: Inbox,
    pub id: u64,
}

impl Subscription {
    /// Made by this command.
    pub fn to(client: &Tester, words: &[&str]) -> Subscription {
        Subscription::with(client, words, Timeout::Default)
    }

    /// The same with a deadline of its own.
    pub fn with(client: &Tester, words: &[&str], timeout: Timeout) -> Subscription {
        let inbox = Inbox::default();
        let id = client.send_to(&inbox, &Request { timeout, ..request(&[words]) }).unwrap();
        Subscription { client: client.clone(), inbox, id }
    }

    /// Changes it and waits until that is done.
    pub fn change(&self, words: &[&str]) -> Done {
        self.change_with(words, Timeout::Default)
    }

    /// The same with a deadline of its own.
    pub fn change_with(&self, words: &[&str], timeout: Timeout) -> Done {
        self.client.wait_for(&Request { subscription: self.id, timeout, ..request(&[words]) }).unwrap()
    }

    /// Changes it and does not wait: the inbox of the client hears of the end.
    pub fn begin_change(&self, words: &[&str], timeout: Timeout) -> u64 {
        self.client.send(&Request { subscription: self.id, timeout, ..request(&[words]) }).unwrap()
    }

    pub fn cancel(&self) {
        assert!(self.client.client.cancel(self.id));
    }

    /// The next messages, which nothing is missing before.
    pub fn take(&self, count: usize) -> Vec<String> {
        self.checked(count, false)
    }

    /// The next messages, each of which says that there is a gap.
    pub fn take_gap(&self, count: usize) -> Vec<String> {
        self.checked(count, true)
    }

    fn checked(&self, count: usize, gap: bool) -> Vec<String> {
        let mut all = Vec::new();
        while all.len() < count {
            let done = self.inbox.take_exactly(1).remove(0);
            assert!(done.is_ok() && done.more, "{done:?} {}", done.text());
            assert_eq!(done.request, self.id, "{done:?}");
            if !is_made(&done) {
                assert_eq!(done.gap, gap, "{done:?}");
                all.push(show(&done.reply));
            }
        }
        all
    }

    /// Waits until all of it is confirmed, whatever comes before that; gives how many channels it has.
    pub fn until_made(&self) -> i64 {
        loop {
            let done = self.inbox.take_exactly(1).remove(0);
            assert!(done.more, "{done:?} {}", done.text());
            if is_made(&done) {
                return done.integer();
            }
        }
    }

    /// All that there is, but for [`is_made`].
    pub fn drain(&self) -> Vec<Done> {
        let mut all = self.inbox.drain();
        all.retain(|done| !is_made(done));
        all
    }

    /// Waits for the final completion; what came before it is not looked at.
    pub fn end(&self) -> Done {
        loop {
            let done = self.inbox.take_exactly(1).remove(0);
            if !done.more {
                return done;
            }
        }
    }
}

/// Whether it is no message and no confirmation, but says that the subscription has all that it was made with.
pub fn is_made(done: &Done) -> bool {
    done.more && done.reply.kind() == Kind::Integer
}

/// The words of a message, with spaces between them.
pub fn show(node: &Node) -> String {
    match node.kind() {
        Kind::Nil => "nil".to_owned(),
        Kind::Integer => node.to_i64().unwrap_or_default().to_string(),
        kind if kind.is_aggregate() => node.items().iter().map(show).collect::<Vec<_>>().join(" "),
        _ => String::from_utf8_lossy(node.as_bytes()).into_owned(),
    }
}
