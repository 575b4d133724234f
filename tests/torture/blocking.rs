//! R5: many who wait at the server beside many who do not, and many who give up waiting. Nobody is disturbed, and each
//! element is either delivered or still there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use justredis::client::request::Request;
use justredis::error::{Outcome, Status};

use crate::support::client::{Inbox, Tester, request, within};
use crate::support::server::Server;
use crate::support::wait;
use crate::{every, report, scaled, spread, timed};

fn blocked(server: &Server, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    wait::until(&format!("{count} blocked clients"), || server.command(&["INFO", "clients"]).text().contains(&line));
}

#[test]
fn who_waits_for_ever_disturbs_nobody() {
    let (waiters, gets) = (scaled(100), scaled(20_000));
    let server = Server::start();
    let client = Tester::with(server.url(), &[("max_connections", "100"), ("dead_after", "400ms")]);
    client.text(&["SET", "k", "value"]);
    let get = |_| assert_eq!(client.text(&["GET", "k"]), "value");
    let alone = timed(gets, get);
    let ids: Vec<u64> = (0..waiters).map(|number| client.submit(&["BLPOP", &format!("list {number}"), "0"])).collect();
    blocked(&server, waiters);
    let beside = timed(gets, get);
    report(&format!("{gets} GETs alone: {}", spread(&alone)));
    report(&format!("{gets} GETs beside {waiters} BLPOP 0: {}", spread(&beside)));
    assert_eq!((client.inbox.len(), client.stat("reconnects")), (0, 0));
    assert_eq!(client.dedicated("connections"), waiters as i64, "none was taken for dead");
    for number in 0..waiters {
        client.run(&["RPUSH", &format!("list {number}"), &format!("element {number}")]);
    }
    let done = client.inbox.each_once(&ids);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(done[id].reply.items()[1].as_bytes(), format!("element {number}").as_bytes());
    }
}

#[test]
fn who_gives_up_waiting_takes_nothing() {
    const WORKERS: usize = 20;
    let rounds = scaled(10_000) / WORKERS;
    let server = Server::start();
    let client = Tester::connect(server.url());
    client.text(&["SET", "k", "value"]);
    let (pushed, popped, given_up) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let bystander = scope.spawn(|| {
            let mut gets = 0;
            let mut due = every(Duration::from_secs(1));
            while !ended.load(SeqCst) {
                assert_eq!(client.text(&["GET", "k"]), "value");
                gets += 1;
                if due() {
                    let (over, all) = (popped.load(SeqCst) + given_up.load(SeqCst), WORKERS * rounds);
                    report(&format!("{over} of {all} BLPOPs are over, {gets} GETs beside them"));
                }
            }
            gets
        });
        let pusher = scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(1);
            while !ended.load(SeqCst) {
                let number = pushed.fetch_add(1, SeqCst).to_string();
                assert!(client.run(&["RPUSH", "list", &number]).is_ok());
                thread::sleep(Duration::from_micros(random.u64(0..3000)));
            }
        });
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (client, popped, given_up) = (&client, &popped, &given_up);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(worker as u64);
                    for _ in 0..rounds {
                        let mine = Tester { client: client.client.clone(), inbox: Inbox::default() };
                        let is_cancelled = random.bool();
                        let timeout = within(if is_cancelled { 600_000 } else { random.u64(1..20) });
                        let command: [&[&str]; 1] = [&["BLPOP", "list", "0"]];
                        let id = mine.send(&Request { timeout, ..request(&command) }).unwrap();
                        if is_cancelled {
                            thread::sleep(Duration::from_micros(random.u64(0..8000)));
                            mine.client.cancel(id);
                        }
                        let done = &mine.inbox.each_once(&[id])[&id];
                        match done.ending() {
                            (Status::Ok, Outcome::Answered) => popped.fetch_add(1, SeqCst),
                            (Status::Timeout, Outcome::NotRun) if !is_cancelled => given_up.fetch_add(1, SeqCst),
                            (Status::Canceled, Outcome::NotRun) if is_cancelled => given_up.fetch_add(1, SeqCst),
                            ending => panic!("{ending:?} {}", done.text()),
                        };
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        ended.store(true, SeqCst);
        pusher.join().unwrap();
        let gets = bystander.join().unwrap();
        report(&format!("beside them {gets} GETs were answered"));
    });
    let remaining = server.command(&["LLEN", "list"]).integer() as usize;
    let (pushed, popped, given_up) = (pushed.into_inner(), popped.into_inner(), given_up.into_inner());
    report(&format!("pushed {pushed}, popped {popped}, remaining {remaining}; {given_up} gave up"));
    assert_eq!(pushed, popped + remaining, "no element is lost or doubled");
    assert_eq!(popped + given_up, WORKERS * rounds);
    assert!(popped > 0 && given_up > 0);
    assert_eq!(client.stat("reconnects"), 0);
    client.until_dedicated("in_use", 0);
}
