//! Several servers that are no cluster: the one that is a primary is used.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use justredis::error::Outcome::NotRun;
use justredis::error::Status;
use support::client::Tester;
use support::server::Server;

const PATIENT: [(&str, &str); 2] = [("command_timeout", "60s"), ("dead_after", "500ms")];

#[test]
fn of_several_servers_the_primary_is_taken() {
    let primary = Server::start();
    let port = primary.port().to_string();
    let replica = Server::builder().arguments(&["--replicaof", "127.0.0.1", &port]).start();
    let several = |first: &Server, second: &Server| format!("redis://{},{}", first.address(), second.address());
    for protocol in ["2", "3"] {
        for topology in ["standalone", "auto"] {
            let options = [("protocol", protocol), ("topology", topology)];
            let client = Tester::with(several(&replica, &primary), &options);
            assert_eq!(client.text(&["SET", "key", "1"]), "OK");
            assert_eq!(client.address(), primary.address().to_string());
        }
    }
    // A server that does not tell its role is taken as it is, and one alone is not asked.
    assert!(replica.command(&["ACL", "SETUSER", "default", "-role", "-hello"]).is_ok());
    let client = Tester::with(several(&replica, &primary), &[("protocol", "2")]);
    client.until_connected();
    assert_eq!(client.address(), replica.address().to_string());
    let client = Tester::connect(format!("redis://{}", replica.address()));
    assert!(client.run(&["GET", "key"]).is_ok());
    assert!(replica.command(&["ACL", "SETUSER", "default", "+@all"]).is_ok());
    // They change their roles.
    let client = Tester::with(several(&replica, &primary), &PATIENT);
    assert_eq!(client.text(&["SET", "key", "2"]), "OK");
    assert!(replica.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    let new = replica.port().to_string();
    assert!(primary.command(&["REPLICAOF", "127.0.0.1", &new]).is_ok());
    assert_eq!(client.text(&["SET", "key", "3"]), "OK");
    assert_eq!(client.address(), replica.address().to_string());
}

/// (Servers before Valkey 8 go on to answer reads, and only writes show what they are.)
#[test]
fn a_primary_that_becomes_a_replica_is_not_read_from() {
    let Some(builder) = Server::version("valkey-9.1") else { return };
    let primary = builder.clone().start();
    let port = primary.port().to_string();
    let replica = builder.arguments(&["--replicaof", "127.0.0.1", &port]).start();
    let client = Tester::with(format!("redis://{},{}", primary.address(), replica.address()), &PATIENT);
    assert_eq!(client.text(&["SET", "key", "old"]), "OK");
    let pop = client.submit(&["BLPOP", "list", "0"]);
    client.until_dedicated("in_use", 1);
    assert!(replica.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    assert!(replica.command(&["SET", "key", "new"]).is_ok());
    // It follows nobody who is there, and keeps what it has.
    assert!(primary.command(&["REPLICAOF", "127.0.0.1", "1"]).is_ok());
    assert_eq!(client.run(&["GET", "key"]).text(), "new");
    assert_eq!(client.address(), replica.address().to_string());
    assert_eq!(client.run(&["RPUSH", "list", "element"]).integer(), 1);
    assert_eq!(client.inbox.each_once(&[pop])[&pop].reply.items()[1].as_bytes(), b"element");
    // One alone may be a replica that is meant.
    let client = Tester::connect(format!("redis://{}", primary.address()));
    assert_eq!(client.run(&["GET", "key"]).text(), "old");
}

#[test]
fn among_replicas_alone_there_is_no_primary() {
    let primary = Server::start();
    let port = primary.port().to_string();
    let replicas = [0, 1].map(|_| Server::builder().arguments(&["--replicaof", "127.0.0.1", &port]).start());
    let client = Tester::connect(format!("redis://{},{}", replicas[0].address(), replicas[1].address()));
    let words = ["is a replica, and of several endpoints the primary is looked for", "names it alone"];
    client.run(&["GET", "key"]).says(Status::Connect, NotRun, &words);
    let client = Tester::connect(format!("redis://{}", replicas[0].address()));
    assert!(client.run(&["GET", "key"]).is_ok());
}
