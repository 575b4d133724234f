//! Proxies and old servers, which know few commands and have their own words for that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use justredis::client::request::Request;
use justredis::error::Outcome::NotRun;
use justredis::error::Status;
use support::client::{Tester, request};
use support::scripted::{Received, Scripted, Step};
use support::server::Server;

/// The answer to what every proxy knows.
fn known(command: &Received) -> Option<Vec<Step>> {
    match command.name().as_str() {
        "PING" => Some(vec![Step::send("+PONG\r\n")]),
        "AUTH" | "SELECT" | "SET" => Some(vec![Step::send("+OK\r\n")]),
        "GET" => Some(vec![Step::send("$5\r\nvalue\r\n")]),
        _ => None,
    }
}

/// A proxy that hangs up when it does not know a command, as twemproxy does.
fn hanging_up() -> Scripted {
    Scripted::answering(|command| known(command).unwrap_or_else(|| vec![Step::Close]))
}

/// A proxy that answers HELLO in its own words.
fn answering_hello(answer: &'static str) -> Scripted {
    Scripted::answering(move |command| match command.name().as_str() {
        "HELLO" => vec![Step::send(answer)],
        _ => known(command).unwrap_or_else(|| vec![Step::send("-ERR unknown command\r\n")]),
    })
}

fn names(server: &Scripted) -> Vec<String> {
    server.received().iter().map(|command| command.args().join(" ")).collect()
}

#[test]
fn a_proxy_that_hangs_up_on_unknown_commands_hears_none() {
    let plain = [("protocol", "2"), ("library_info", "off")];
    for (more, handshake) in [
        (vec![], vec!["PING"]),
        (vec![("password", "pw")], vec!["AUTH pw", "PING"]),
        (vec![("username", "ann"), ("password", "pw")], vec!["AUTH ann pw", "PING"]),
        (vec![("password", "pw"), ("database", "3")], vec!["AUTH pw", "SELECT 3", "PING"]),
    ] {
        let server = hanging_up();
        let client = Tester::with(server.url(), &[&plain[..], &more].concat());
        assert_eq!(client.text(&["SET", "key", "value"]), "OK");
        assert_eq!(client.text(&["GET", "key"]), "value");
        let said = [handshake, vec!["SET key value", "GET key"]].concat();
        assert_eq!(names(&server), said, "and no other connection was needed");
        assert_eq!(client.stat("connection_id"), 0);
    }
}

/// A name is said when there is one, and the number of a connection is asked for where it may have to be unblocked.
#[test]
fn what_is_needed_is_said_all_the_same() {
    let server = Server::start();
    let options = [("protocol", "2"), ("library_info", "off"), ("client_name", "me")];
    let client = Tester::with(server.url(), &options);
    let named = |done: String| assert!(done.contains(" name=me "), "{done}");
    named(client.text(&["CLIENT", "INFO"]));
    let dedicated = Request { dedicated: true, ..request(&[&["CLIENT", "INFO"]]) };
    named(client.wait_for(&dedicated).unwrap().text());
    let done = client.run_within(50, &["BLPOP", "list", "0"]);
    done.says(Status::Timeout, NotRun, &["the server stopped waiting"]);
}

#[test]
fn whoever_hangs_up_on_hello_is_told_which_options_help() {
    for (options, parts) in [
        (vec![], ["protocol=2", "library_info=off"]),
        (vec![("protocol", "2")], ["CLIENT SETINFO", "library_info=off"]),
    ] {
        let server = hanging_up();
        let client = Tester::with(server.url(), &options);
        client.run(&["GET", "key"]).says(Status::Connect, NotRun, &parts);
    }
}

#[test]
fn hello_refused_in_whatever_words_means_resp2() {
    for answer in [
        "-ERR unknown command 'HELLO'\r\n",
        "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, \r\n",
        "-unsupported command 'HELLO'\r\n",
        "-ERR unsupported command 'HELLO'\r\n",
        "-ERR handle request, command 'HELLO' is not allowed\r\n",
        "-ERR illegal command 'HELLO'\r\n",
        "-ERR invalid request\r\n",
        "-ERR syntax error\r\n",
        "-NOPERM this user has no permissions to run the 'hello' command or its subcommand\r\n",
        "-NOPROTO unsupported protocol version\r\n",
        "-NOAUTH Authentication required.\r\n",
        // Answered, but not in RESP3.
        "%1\r\n$5\r\nproto\r\n:2\r\n",
        "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n",
    ] {
        let options = [("password", "secret")];
        let server = answering_hello(answer);
        let client = Tester::with(server.url(), &options);
        assert_eq!(client.text(&["GET", "key"]), "value", "{answer}");
        assert_eq!(client.stat("protocol"), 2, "{answer}");
        assert!(names(&server).contains(&"AUTH secret".into()), "{answer}");
        let client = Tester::with(server.url(), &[("password", "secret"), ("protocol", "3")]);
        client.run(&["GET", "key"]).says(Status::Connect, NotRun, &["does not speak RESP3", "protocol to 2"]);
    }
}

#[test]
fn what_is_no_answer_to_hello_is_never_taken_for_resp3() {
    let answers =
        ["+OK\r\n", ":3\r\n", "_\r\n", "$-1\r\n", "$5\r\nhello\r\n", "*0\r\n", "%1\r\n$5\r\nproto\r\n:4\r\n", "#t\r\n"];
    for answer in answers {
        for protocol in ["auto", "3"] {
            let server = answering_hello(answer);
            let client = Tester::with(server.url(), &[("protocol", protocol)]);
            let parts = ["answered HELLO 3 with", "protocol to 2"];
            client.run(&["GET", "key"]).says(Status::Protocol, NotRun, &parts);
        }
        let server = answering_hello(answer);
        let client = Tester::with(server.url(), &[("protocol", "2"), ("library_info", "off")]);
        assert_eq!(client.text(&["GET", "key"]), "value");
    }
}

/// Falling back never hides that a password is wrong, or that the server takes nobody.
#[test]
fn a_refusal_of_the_user_is_told_and_not_gone_around() {
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    for (hello, auth, status, part) in [
        (wrong, "OK", Status::Auth, "WRONGPASS"),
        ("ERR invalid password", "OK", Status::Auth, "invalid password"),
        ("NOPERM this user has no permissions to run the 'client' command", "OK", Status::Auth, "NOPERM"),
        ("DENIED Redis is running in protected mode", "OK", Status::Connect, "protected mode"),
        ("ERR max number of clients reached", "OK", Status::Connect, "max number"),
        ("ERR something new", "OK", Status::Connect, "protocol to 2"),
        ("ERR unknown command 'HELLO'", "ERR invalid password", Status::Auth, "invalid password"),
        ("ERR unknown command 'HELLO'", wrong, Status::Auth, "WRONGPASS"),
    ] {
        let server = Scripted::answering(move |command| match command.name().as_str() {
            "HELLO" => vec![Step::send(format!("-{hello}\r\n"))],
            "AUTH" if auth != "OK" => vec![Step::send(format!("-{auth}\r\n"))],
            _ => known(command).unwrap_or_else(|| vec![Step::send("+OK\r\n")]),
        });
        let client = Tester::with(server.url(), &[("password", "secret")]);
        let done = client.run(&["GET", "key"]);
        done.says(status, NotRun, &[part]);
        assert!(!done.text().contains("secret"));
    }
}

/// Whether a password that nobody needs is an error is the server's to decide, the same for each option `protocol`.
#[test]
fn a_password_for_a_server_without_one_means_the_same_in_both_protocols() {
    let server = Server::start();
    for protocol in ["auto", "2", "3"] {
        let client = Tester::with(server.url(), &[("password", "needless"), ("protocol", protocol)]);
        assert_eq!(client.text(&["ACL", "WHOAMI"]), "default", "protocol {protocol}");
    }
    // A server before ACLs.
    for protocol in ["auto", "2"] {
        let server = Scripted::answering(|command| match (command.name().as_str(), command.arguments.len()) {
            ("HELLO", _) => vec![Step::send("-ERR unknown command 'HELLO'\r\n")],
            ("AUTH", 2) => vec![Step::send("-ERR Client sent AUTH, but no password is set\r\n")],
            ("AUTH", _) => vec![Step::send("-ERR wrong number of arguments for 'auth' command\r\n")],
            _ => known(command).unwrap_or_else(|| vec![Step::send("+OK\r\n")]),
        });
        let client = Tester::with(server.url(), &[("password", "needless"), ("protocol", protocol)]);
        let parts = ["leave the option password unset", "no password is set"];
        client.run(&["GET", "key"]).says(Status::Auth, NotRun, &parts);
    }
}
