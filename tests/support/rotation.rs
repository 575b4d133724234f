//! A client under load while its user changes: threads that read, block and use a lease, and a subscriber. The old user
//! is deleted after each change, which cuts its connections: whoever was left behind shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use justredis::client::Client;
use justredis::config::Secret;
use justredis::connection::background_driver::Hooks;
use justredis::connection::credentials::{Answer, Credentials, CredentialsProvider, Query};
use justredis::error::Error;

use super::client::{Done, Inbox, Tester, config};
use super::messages::Subscription;
use super::resp::Plain;
use super::server::Server;
use super::transport;
use super::wait;

/// The password of a user of this name.
pub fn password_of(user: &str) -> String {
    format!("canary-{user}")
}

/// User and password of this name.
pub fn pair(user: &str) -> Credentials {
    Credentials { username: Some(Secret::new(user)), password: Secret::new(password_of(user)) }
}

/// Makes a user who may do everything.
pub fn add_user(server: &Server, user: &str) {
    let password = format!(">{}", password_of(user));
    let made = server.command(&["ACL", "SETUSER", user, "on", &password, "~*", "&*", "+@all"]);
    assert!(made.is_ok(), "{made:?}");
}

/// A program that is asked for credentials.
pub struct Asked<F>(pub F);

impl<F: Fn(&Query) -> Result<Answer, Error> + Send + Sync> CredentialsProvider for Asked<F> {
    fn credentials(&self, query: &Query) -> Result<Answer, Error> {
        (self.0)(query)
    }
}

/// A client whose program is asked for credentials.
pub fn asking(
    server: &Server,
    options: &[(&str, &str)],
    answer: impl Fn(&Query) -> Result<Answer, Error> + Send + Sync + 'static,
) -> Tester {
    asking_at(transport::url(server.address()), options, answer)
}

/// The same with this URL.
pub fn asking_at(
    url: impl AsRef<str>,
    options: &[(&str, &str)],
    answer: impl Fn(&Query) -> Result<Answer, Error> + Send + Sync + 'static,
) -> Tester {
    let hooks = Hooks { dialer: None, credentials: Some(Arc::new(Asked(answer))) };
    Tester { client: Client::with_hooks(config(url, options), hooks, None).unwrap(), inbox: Inbox::default() }
}

/// The users and purposes of the connections of a client of this name, as the server tells.
pub fn users_of(admin: &mut Plain, name: &str) -> Vec<String> {
    let list = admin.command(&["CLIENT", "LIST"]).unwrap().text();
    let of_client = list.lines().filter(|line| line.contains(&format!(" name={name} ")));
    of_client.map(|line| line.split(' ').find_map(|part| part.strip_prefix("user=")).unwrap().to_owned()).collect()
}

/// What a loop does with a completion that must have gone well.
fn expect_ok(what: &str, done: &Done) {
    assert!(done.is_ok(), "{what}: {done:?} {}", done.text());
}

/// A client under load.
pub struct Busy {
    pub name: String,
    pub client: Tester,
    subscription: Subscription,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Elements that came out of the list of this client.
    popped: Arc<AtomicU64>,
    pub reads: Arc<AtomicU64>,
    pushed: u64,
    /// Messages that came, and the number of the last.
    pub messages: u64,
    last: u64,
    pub gaps: u64,
}

impl Busy {
    /// Starts the load.
    pub fn start(name: &str, client: Tester) -> Busy {
        let over = Arc::new(AtomicBool::new(false));
        let (popped, reads) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let subscription = Subscription::to(&client, &["SUBSCRIBE", "rotation:news"]);
        assert_eq!(subscription.take(1), ["subscribe rotation:news 1"]);
        let mut busy = Busy {
            name: name.to_owned(),
            client,
            subscription,
            over,
            threads: Vec::new(),
            popped,
            reads,
            pushed: 0,
            messages: 0,
            last: 0,
            gaps: 0,
        };
        busy.read();
        busy.pop();
        busy.lease();
        busy
    }

    fn spawn(&mut self, body: impl FnOnce(&Tester, &AtomicBool) + Send + 'static) {
        let (client, over) = (self.client.clone(), Arc::clone(&self.over));
        self.threads.push(thread::spawn(move || body(&client, &over)));
    }

    fn read(&mut self) {
        let reads = Arc::clone(&self.reads);
        self.spawn(move |client, over| {
            while !over.load(SeqCst) {
                expect_ok("GET", &client.run(&["GET", "rotation:key"]));
                reads.fetch_add(1, SeqCst);
            }
        });
    }

    /// Each element comes once, in order.
    fn pop(&mut self) {
        let (popped, list) = (Arc::clone(&self.popped), format!("rotation:list:{}", self.name));
        self.spawn(move |client, _| {
            for next in 1.. {
                let done = client.run(&["BLPOP", &list, "0"]);
                expect_ok("BLPOP", &done);
                let element = done.reply.items()[1].to_i64().unwrap();
                if element == 0 {
                    return;
                }
                assert_eq!(element, next, "each element once, in order");
                popped.store(next as u64, SeqCst);
            }
        });
    }

    fn lease(&mut self) {
        let key = format!("rotation:counter:{}", self.name);
        self.spawn(move |client, over| {
            let lease = client.lease();
            while !over.load(SeqCst) {
                expect_ok("WATCH", &lease.run(&["WATCH", &key]));
                expect_ok("BLPOP of a lease", &lease.run(&["BLPOP", "rotation:nothing", "0.001"]));
                let done = lease.atomic(&[&["INCR", &key]]);
                expect_ok("INCR", &done);
            }
        });
    }

    /// Puts an element into its list.
    pub fn push(&mut self, admin: &mut Plain) {
        self.pushed += 1;
        admin.command(&["RPUSH", &format!("rotation:list:{}", self.name), &self.pushed.to_string()]).unwrap();
    }

    /// Waits until every connection has this user.
    pub fn until_all_are(&self, admin: &mut Plain, user: &str) {
        wait::until(&format!("all connections of {} to have the user {user}", self.name), || {
            assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a thread of {} has failed", self.name);
            let users = users_of(admin, &self.name);
            users.len() >= 4 && users.iter().all(|other| other == user)
        });
    }

    /// Looks at the messages that came: in order, and nothing is missing but behind a gap.
    pub fn check_messages(&mut self) {
        for done in self.subscription.drain() {
            expect_ok("a message", &done);
            assert!(done.more);
            let words: Vec<String> =
                done.reply.items().iter().map(|word| String::from_utf8_lossy(word.as_bytes()).into_owned()).collect();
            if done.gap {
                assert_eq!(words[0], "subscribe");
                self.gaps += 1;
                self.last = 0;
                continue;
            }
            assert_eq!(words[0], "message", "{words:?}");
            let number = words[2].parse().unwrap();
            assert!(number > self.last, "{number} after {}", self.last);
            assert!(self.last == 0 || self.messages == 0 || number == self.last + 1, "{number} after {}", self.last);
            self.last = number;
            self.messages += 1;
        }
    }

    /// Waits for the message of this number.
    pub fn until_message(&mut self, number: u64) {
        wait::until(&format!("message {number}"), || {
            self.check_messages();
            self.last >= number
        });
    }

    /// Publishes the next messages until one comes: those of a moment in which the connection is replaced may be
    /// missing, behind a gap.
    pub fn publish_until_one_comes(&mut self, admin: &mut Plain) {
        let (before, mut number) = (self.messages, self.last);
        wait::until("a message", || {
            number += 1;
            admin.command(&["PUBLISH", "rotation:news", &number.to_string()]).unwrap();
            self.check_messages();
            self.messages > before
        });
    }

    /// Waits until every element was popped, and ends the load.
    pub fn end(mut self, admin: &mut Plain) {
        wait::until("every element", || self.popped.load(SeqCst) == self.pushed);
        self.over.store(true, SeqCst);
        admin.command(&["RPUSH", &format!("rotation:list:{}", self.name), "0"]).unwrap();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.check_messages();
    }
}
