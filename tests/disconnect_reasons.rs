//! What a server says before it hangs up is an answer like any other, and a reason like any other, whoever reads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::error::Outcome::Unknown;
use justredis::error::Status;
use support::readers::{CClient, Job, Reader, SOON};
use support::scripted::{Scripted, Step};
use support::server::Server;

/// Answers of all sizes with the end of the stream right behind them. (SET may have run, so it is not sent again.)
#[test]
fn an_answer_is_delivered_when_the_end_of_the_stream_follows_it() {
    let server = Scripted::after_handshake(|command| match command.args().get(2) {
        Some(size) => {
            let size: usize = size.parse().unwrap();
            let bulk = format!("${size}\r\n{}\r\n", "y".repeat(size));
            vec![Step::send(bulk), Step::Close]
        }
        None => vec![Step::send("+OK\r\n")],
    });
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &SOON, reader);
        for round in 0..100 {
            // What is sent in the moment in which a server hangs up may be lost with the connection.
            client.settle();
            let size = if round % 3 == 0 { random.usize(0..100) } else { random.usize(0..200_000) };
            let answer = client.run(&Job::of(&["SET", "k", &size.to_string()]));
            assert!(answer.is_ok(), "{reader:?}, round {round}, {size} bytes: {}", answer.text());
            assert_eq!(answer.reply.as_bytes().len(), size);
        }
    }
}

/// A real server hangs up behind its answers.
#[test]
fn a_long_answer_is_delivered_when_the_server_ends_the_connection_behind_it() {
    let server = Server::start();
    let items: Vec<String> = (0..5000).map(|number| format!("item {number}")).collect();
    let mut push = vec!["RPUSH".to_string(), "list".to_string()];
    push.extend(items);
    server.command(&push.iter().map(String::as_str).collect::<Vec<_>>());
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &SOON, reader);
        for round in 0..100 {
            client.settle();
            let id = client.run(&Job::of(&["CLIENT", "ID"])).reply.to_i64().unwrap().to_string();
            let kill = ["CLIENT", "KILL", "ID", &id, "SKIPME", "no"];
            let answer = client.run(&Job::all(&[&["LPUSHX", "none", "x"][..], &["LRANGE", "list", "0", "-1"], &kill]));
            assert!(answer.is_ok(), "{reader:?}, round {round}: {:?}", answer.status);
            assert_eq!(answer.reply.items()[1].items().len(), 5000);
            assert_eq!(answer.reply.items()[2].to_i64(), Some(1));
        }
    }
}

/// That the server broke the rules is the reason, not that it hung up afterwards.
#[test]
fn a_violation_of_the_protocol_is_told_though_the_server_hangs_up() {
    let server = Scripted::after_handshake(|command| match command.name().as_str() {
        "SET" => vec![Step::send("?what is this\r\n"), Step::Close],
        _ => vec![Step::send("+OK\r\n")],
    });
    for reader in Reader::ALL {
        let client = CClient::new(server.url(), &SOON, reader);
        for _ in 0..30 {
            client.settle();
            let answer = client.run(&Job::of(&["SET", "k", "v"]));
            answer.says(Status::Protocol, Unknown, &[]);
        }
    }
}
