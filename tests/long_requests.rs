//! Requests that do not go out in one write: replies come while they are still being written, the server refuses them
//! before it has read them, or hangs up. Whoever reads, and whatever connection they are on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use justredis::error::Outcome::{Answered, NotRun};
use justredis::error::Status;
use support::client::Tester;
use support::proxy::Proxy;
use support::readers::{CClient, Job, Reader, SOON};
use support::server::Server;

/// Long requests take a while on a busy machine.
const OPTIONS: [(&str, &str); 3] = [SOON[0], SOON[1], ("command_timeout", "60s")];

/// On which connection a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Shared,
    Dedicated,
    Lease,
}

impl Place {
    const ALL: [Place; 3] = [Place::Shared, Place::Dedicated, Place::Lease];

    /// Gives a client and a job as they are to be in this place.
    fn run<T>(self, client: &CClient, job: Job, then: impl FnOnce(&CClient, &Job) -> T) -> T {
        match self {
            Place::Shared => then(client, &job),
            Place::Dedicated => then(client, &Job { dedicated: true, ..job }),
            Place::Lease => then(&client.lease(), &job),
        }
    }
}

/// So many SETs of values of this size.
fn sets(count: usize, size: usize) -> Job {
    let value = "x".repeat(size);
    let commands: Vec<[String; 3]> =
        (0..count).map(|number| ["SET".into(), format!("key {number}"), value.clone()]).collect();
    Job::all(&commands.iter().map(|words| &words[..]).collect::<Vec<_>>())
}

/// A block whose replies begin to come before its last byte is written. Requests of other threads are not disturbed.
#[test]
fn a_long_transaction_is_answered_while_others_go_on() {
    let server = Server::start();
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &OPTIONS, reader);
        let others = Tester::with(server.url(), &OPTIONS);
        for (count, size) in [(3, 8 << 20), (60, 200 << 10), (250_000, 1)] {
            for place in Place::ALL {
                client.settle();
                let over = AtomicBool::new(false);
                let job = Job { atomic: true, ..sets(count, size) };
                let answer = thread::scope(|scope| {
                    scope.spawn(|| {
                        while !over.load(SeqCst) {
                            assert!(others.run(&["INCR", "n"]).is_ok());
                        }
                    });
                    let answer = place.run(&client, job, |client, job| client.run(job));
                    over.store(true, SeqCst);
                    answer
                });
                assert!(answer.is_ok(), "{reader:?} {place:?} {count} x {size}: {}", answer.text());
                assert_eq!(answer.reply.items().len(), count);
                assert!(answer.reply.items().iter().all(|item| item.as_bytes() == b"OK"));
            }
        }
        assert_eq!(client.stat("connections"), 1, "{reader:?}");
    }
}

/// Blocks of all shapes, longer than what socket buffers hold, through a proxy that cuts them and their replies at
/// random.
#[test]
fn a_transaction_is_answered_however_it_is_cut() {
    let server = Server::start();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for reader in Reader::ALL {
        let proxy = Proxy::to(server.port());
        let client = CClient::new(proxy.url(), &[&OPTIONS[..], &[("dead_after", "1h")]].concat(), reader);
        for round in 0..10 {
            client.settle();
            proxy.to_server().chunks(4_000..=random.usize(5_000..60_000));
            proxy.to_client().chunks(1..=random.usize(100..5_000));
            let count = random.usize(2..2_000);
            let size = random.usize(6 << 20..14 << 20) / count;
            let place = *random.choice(Place::ALL.iter()).unwrap();
            let job = Job { atomic: true, ..sets(count, size) };
            let answer = place.run(&client, job, |client, job| client.run(job));
            assert!(answer.is_ok(), "{reader:?} {place:?}, round {round}, {count} x {size}: {}", answer.text());
            assert_eq!(answer.reply.items().len(), count);
        }
        assert_eq!(client.stat("connections"), 1, "{reader:?}");
    }
}

/// How many connections a server has accepted, but for the one that asks.
fn accepted(server: &Server) -> i64 {
    let info = server.command(&["INFO", "stats"]).text();
    let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    line.trim().parse().unwrap()
}

/// The server refuses a value by its length, long before it has read it, and hangs up. It is told so once; what stands
/// behind it in a pipeline was not run, and is sent again.
#[test]
fn what_is_refused_while_it_is_written_is_told_once() {
    let server = Server::builder().arguments(&["--proto-max-bulk-len", "1mb"]).start();
    let words = "invalid bulk length";
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &OPTIONS, reader);
        for place in Place::ALL {
            client.settle();
            let before = accepted(&server);
            let answer = place.run(&client, sets(1, 8 << 20), |client, job| client.run(job));
            answer.says(Status::Server, Answered, &["ERR Protocol error", words]);
            client.settle();
            let block = Job { atomic: true, ..sets(2, 8 << 20) };
            let answer = place.run(&client, block, |client, job| client.run(job));
            answer.says(Status::Server, Answered, &["command 0 (SET)", words]);
            client.settle();
            let mut pipeline = sets(1, 8 << 20);
            let ping = vec![b"PING".to_vec()];
            pipeline.commands = [vec![ping.clone()], pipeline.commands, vec![ping]].concat();
            let answer = place.run(&client, pipeline, |client, job| client.run(job));
            let items = answer.reply.items();
            assert_eq!(items[0].as_bytes(), b"PONG");
            assert_eq!((items[1].status_code(), items[1].outcome()), (Some(Status::Server), Some(Answered)));
            if place == Place::Lease {
                assert_eq!((items[2].status_code(), items[2].outcome()), (Some(Status::LeaseLost), Some(NotRun)));
            } else {
                assert_eq!(items[2].as_bytes(), b"PONG");
            }
            // Three refusals, each of which ended a connection, and the one that asks how many there were.
            assert!(accepted(&server) <= before + 8, "{reader:?} {place:?}: {}", accepted(&server) - before);
        }
    }
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0, "nothing of it was run");
}

/// The server hangs up, without a word, on whoever sends too much at once. An attempt that was cut off counts.
#[test]
fn what_is_cut_off_again_and_again_ends_as_not_run() {
    let server = Server::builder().arguments(&["--client-query-buffer-limit", "1mb"]).start();
    let options = [&OPTIONS[..], &[("max_attempts", "3")]].concat();
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &options, reader);
        for place in Place::ALL {
            for atomic in [false, true] {
                client.settle();
                let before = accepted(&server);
                let job = Job { atomic, ..sets(1, 64 << 20) };
                let answer = place.run(&client, job, |client, job| client.run(job));
                let status = if place == Place::Lease { Status::LeaseLost } else { Status::Lost };
                // Of a block that was cut off before MULTI was answered nobody knows whether it was queued.
                if !atomic || answer.outcome == NotRun {
                    answer.says(status, NotRun, &["was being written", "not run"]);
                }
                assert_eq!(answer.status, status, "{}", answer.text());
                assert!(accepted(&server) <= before + 6, "{reader:?} {place:?}: {}", accepted(&server) - before);
            }
        }
        assert_eq!(String::from_utf8_lossy(client.run(&Job::of(&["PING"])).reply.as_bytes()), "PONG");
    }
    assert_eq!(server.command(&["DBSIZE"]).integer(), 0);
}

/// Where no server is known to refuse a value, one that has room for it takes it: nothing of a long request is lost.
#[test]
fn a_long_pipeline_is_answered() {
    let server = Server::start();
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &OPTIONS, reader);
        client.settle();
        let answer = client.run(&sets(3, 8 << 20));
        assert!(answer.is_ok() && answer.reply.items().len() == 3);
        let answer = client.run(&Job::of(&["STRLEN", "key 2"]));
        assert_eq!(answer.reply.to_i64(), Some(8 << 20));
    }
}
