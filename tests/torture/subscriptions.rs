//! The connection of all subscriptions is killed again and again while messages flow and a subscription changes.
//! Nothing is doubled or out of order, nothing is missing but where a gap was told, and in the end the server is
//! subscribed to exactly what is wanted.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use justredis::client::request::Timeout;

use crate::support::client::{Done, Tester};
use crate::support::messages::Subscription;
use crate::support::server::Server;
use crate::support::wait;
use crate::{every, is_full, report, scaled};

/// How often the connection is killed.
#[derive(Clone, Copy)]
enum Kills {
    /// So often, as soon as a message has come since the last time.
    Times(u64),
    /// At this pace, for so long.
    Every(Duration, Duration),
}

impl Kills {
    fn wanted() -> Kills {
        match is_full() {
            true => Kills::Every(Duration::from_millis(250), Duration::from_secs(150)),
            false => Kills::Times(40),
        }
    }
}

#[test]
fn killed_subscriptions_under_resp2() {
    run("2");
}

#[test]
fn killed_subscriptions_under_resp3() {
    run("3");
}

/// What one subscription has seen of one channel.
#[derive(Default)]
struct Seen {
    last: Option<u64>,
    /// Something may be missing before the next message.
    gap: bool,
    confirmed: bool,
}

/// What one subscription has seen.
#[derive(Default)]
struct Log {
    channels: HashMap<String, Seen>,
    messages: u64,
    gaps: u64,
    missing: u64,
}

impl Log {
    fn read(&mut self, done: &Done) {
        assert!(done.is_ok() && done.more, "{done:?} {}", done.text());
        let [kind, name, third, ..] = done.reply.items() else { panic!("{done:?}") };
        let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
        let seen = self.channels.entry(name.clone()).or_default();
        match kind.as_bytes() {
            b"subscribe" => {
                assert_eq!(done.gap, seen.confirmed, "a second confirmation tells of a gap: {name}");
                seen.gap = seen.confirmed;
                seen.confirmed = true;
                self.gaps += u64::from(done.gap);
            }
            b"message" => {
                assert!(!done.gap && seen.confirmed);
                let number: u64 = String::from_utf8_lossy(third.as_bytes()).parse().unwrap();
                if let Some(last) = seen.last {
                    assert!(number > last, "{name}: {number} after {last} is doubled or out of order");
                    assert!(number == last + 1 || seen.gap, "{name}: {number} after {last}, and no gap was told");
                    self.missing += number - last - 1;
                }
                seen.last = Some(number);
                seen.gap = false;
                self.messages += 1;
            }
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
}

fn name(number: usize) -> String {
    format!("channel:{number}")
}

fn run(protocol: &str) {
    let channels = scaled(1000);
    let server = Server::start();
    let options = [("protocol", protocol), ("reconnect_delay", "5ms"), ("reconnect_delay_max", "20ms")];
    let client = Tester::with(server.url(), &options);
    let names: Vec<String> = (0..channels).map(name).collect();
    let all = subscribe(&client, names.iter().map(String::as_str));
    let half = subscribe(&client, names.iter().step_by(2).map(String::as_str));
    let changing = subscribe(&client, ["fixed"].into_iter());
    all.inbox.until(channels);
    let (over, messages) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut logs, mut wanted, mut kills) = ([Log::default(), Log::default()], BTreeSet::new(), 0);
    thread::scope(|scope| {
        scope.spawn(|| publish(&server, &names, &over));
        let changer = scope.spawn(|| change(&changing, &over));
        let reader = scope.spawn(|| {
            let mut logs = [Log::default(), Log::default()];
            while !over.load(SeqCst) {
                read(&mut logs, [&all, &half]);
                messages.store(logs[0].messages, SeqCst);
            }
            logs
        });
        kills = kill(&server, &messages, || reader.is_finished() || changer.is_finished());
        over.store(true, SeqCst);
        wanted = changer.join().unwrap();
        logs = reader.join().unwrap();
    });
    wanted.extend(names.iter().cloned());
    wait::until("the server to be subscribed to what is wanted", || subscribed(&server) == wanted);
    // Everything that is under way has come when these have.
    for name in &names {
        assert_eq!(server.command(&["PUBLISH", name, &u64::MAX.to_string()]).integer(), 1, "once, by one connection");
    }
    for (log, (subscription, step)) in logs.iter_mut().zip([(&all, 1), (&half, 2)]) {
        wait::until("the last messages", || {
            subscription.drain().iter().for_each(|done| log.read_to_the_end(done));
            names.iter().step_by(step).all(|name| log.channels[name].last == Some(u64::MAX))
        });
    }
    assert!(kills > 0 && logs.iter().all(|log| log.messages > 0 && log.gaps > 0));
    report(&format!(
        "RESP{protocol}: {kills} kills, {} messages, {} gaps told, {} messages missed in them; nothing doubled, out of \
         order or missed in silence; the server has the {} channels that are wanted",
        logs[0].messages + logs[1].messages,
        logs[0].gaps + logs[1].gaps,
        logs[0].missing + logs[1].missing,
        wanted.len(),
    ));
}

impl Log {
    /// As [`Log::read`], where the last message has a number of its own.
    fn read_to_the_end(&mut self, done: &Done) {
        let is_last = done.reply.items()[2].as_bytes() == u64::MAX.to_string().as_bytes();
        if is_last {
            let name = String::from_utf8_lossy(done.reply.items()[1].as_bytes()).into_owned();
            self.channels.get_mut(&name).unwrap().last = Some(u64::MAX);
        } else {
            self.read(done);
        }
    }
}

fn subscribe<'a>(client: &Tester, names: impl Iterator<Item = &'a str>) -> Subscription {
    let words: Vec<&str> = ["SUBSCRIBE"].into_iter().chain(names).collect();
    Subscription::with(client, &words, Timeout::None)
}

fn subscribed(server: &Server) -> BTreeSet<String> {
    server.command(&["PUBSUB", "CHANNELS"]).items().iter().map(|name| name.text()).collect()
}

fn read(logs: &mut [Log; 2], subscriptions: [&Subscription; 2]) {
    let mut idle = true;
    for (log, subscription) in logs.iter_mut().zip(subscriptions) {
        let done = subscription.drain();
        idle &= done.is_empty();
        done.iter().for_each(|done| log.read(done));
    }
    if idle {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Numbers from 0 on every channel in turn.
fn publish(server: &Server, names: &[String], over: &AtomicBool) {
    let mut plain = server.connect().unwrap();
    for number in 0_u64.. {
        let number = number.to_string();
        for names in names.chunks(100) {
            if over.load(SeqCst) {
                return;
            }
            let commands: Vec<[&str; 3]> = names.iter().map(|name| ["PUBLISH", name, &number]).collect();
            plain.pipeline(&commands).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Subscribes to this and that and gives it up again; gives what is wanted in the end.
fn change(subscription: &Subscription, over: &AtomicBool) -> BTreeSet<String> {
    let mut random = fastrand::Rng::with_seed(6);
    let mut wanted = BTreeSet::from(["fixed".to_owned()]);
    while !over.load(SeqCst) {
        let name = format!("changing:{}", random.u8(..20));
        let joins = random.bool();
        let done = subscription.change_with(&[if joins { "SUBSCRIBE" } else { "UNSUBSCRIBE" }, &name], Timeout::None);
        assert!(done.is_ok(), "{}", done.text());
        if joins {
            wanted.insert(name)
        } else {
            wanted.remove(&name)
        };
        assert_eq!(done.integer(), wanted.len() as i64);
    }
    wanted
}

fn kill(server: &Server, messages: &AtomicU64, failed: impl Fn() -> bool) -> u64 {
    let (begun, mut due, mut count) = (Instant::now(), every(Duration::from_secs(10)), 0);
    loop {
        match Kills::wanted() {
            Kills::Times(times) if count == times => return count,
            Kills::Every(_, duration) if begun.elapsed() > duration => return count,
            Kills::Times(_) => {
                let before = messages.load(SeqCst);
                wait::until("messages", || messages.load(SeqCst) > before || failed());
            }
            Kills::Every(pause, _) => thread::sleep(pause),
        }
        if failed() {
            return count;
        }
        count += u64::from(server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).integer() > 0);
        if due() {
            report(&format!("{:>4} s: {count} kills, {} messages", begun.elapsed().as_secs(), messages.load(SeqCst)));
        }
    }
}
