//! Connecting: every way to a server, everything the handshake settles, and every kind of "no" in a sentence.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "also in the helpers of these tests a surprise must stop the test"
)]

mod support;

use std::collections::HashSet;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use justredis::address::Address;
use justredis::connection::stream::Dialer;
use justredis::error::Outcome::{Answered, NotRun, Unknown};
use justredis::error::Status;
use justredis::protocol::reply::Kind;
use support::client::Tester;
use support::port;
use support::resp::Plain;
use support::scripted::{HELLO_3, Scripted, Step};
use support::server::Server;
use support::transport::url;
use support::wait;

/// An address where nobody listens.
fn refused() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port::free(Ipv4Addr::LOCALHOST.into())).into()
}

/// Proves that this client is connected to this server and to no other.
fn reaches(client: &Tester, server: &Server) {
    assert_eq!(client.text(&["SET", "who", "me"]), "OK");
    assert_eq!(server.command(&["GETDEL", "who"]).text(), "me");
}

#[test]
fn tcp_over_both_versions_and_a_unix_socket() {
    let server = Server::builder().unix_socket().start();
    reaches(&Tester::connect(server.url()), &server);
    reaches(&Tester::connect(format!("unix://{}", server.socket_path().display())), &server);
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let server = Server::builder().bind(Ipv6Addr::LOCALHOST).start();
        reaches(&Tester::connect(server.url()), &server);
    }
}

/// `localhost` may mean ::1 first, where nobody listens.
#[test]
fn all_addresses_of_a_name_are_tried() {
    let server = Server::start();
    reaches(&Tester::connect(url(format!("localhost:{}", server.port()))), &server);
}

#[test]
fn endpoints_are_tried_in_order() {
    let (first, second) = (Server::start(), Server::start());
    let endpoints = format!("{},{},{}", refused(), first.address(), second.address());
    let client = Tester::with(url(""), &[("endpoints", &endpoints)]);
    reaches(&client, &first);
    first.kill();
    client.until_stat("connections", |connections| connections == 2);
    reaches(&client, &second);
}

#[test]
fn passwords_of_the_server_and_of_users() {
    let server = Server::builder().password("open sesame").start();
    let bare = url(server.address());
    for protocol in ["auto", "2", "3"] {
        let client = Tester::with(&bare, &[("password", "open sesame"), ("protocol", protocol)]);
        assert_eq!(client.text(&["ACL", "WHOAMI"]), "default");
    }
    assert!(server.command(&["ACL", "SETUSER", "ann", "on", ">pw of ann", "+@all", "~*"]).is_ok());
    for protocol in ["auto", "2"] {
        let options = [("username", "ann"), ("password", "pw of ann"), ("protocol", protocol)];
        assert_eq!(Tester::with(&bare, &options).text(&["ACL", "WHOAMI"]), "ann");
    }
    let encoded = url(format!("ann:pw%20of%20ann@{}/2", server.address()));
    let client = Tester::connect(encoded);
    assert_eq!(client.text(&["ACL", "WHOAMI"]), "ann");
}

#[test]
fn a_wrong_password_fails_every_request_at_once_until_it_is_right() {
    let server = Server::builder().password("right").start();
    // Nothing but the refusal itself may end the requests: the next dials are far away, deadlines further.
    let options = [("password", "later"), ("reconnect_delay", "1d"), ("reconnect_delay_max", "1d")];
    let client = Tester::with(url(server.address()), &options);
    for _ in 0..20 {
        client.run_within(100_000, &["INCR", "n"]).says(
            Status::Auth,
            NotRun,
            &["WRONGPASS", &server.address().to_string()],
        );
    }
    let client = Tester::with(url(server.address()), &[("password", "later"), ("reconnect_delay_max", "50")]);
    assert_eq!(client.run(&["INCR", "n"]).status, Status::Auth);
    assert!(server.command(&["CONFIG", "SET", "requirepass", "later"]).is_ok());
    wait::until("the password to be accepted", || client.run(&["INCR", "n"]).is_ok());
    assert_eq!(client.run(&["INCR", "n"]).integer(), 2, "none of the refused ones was run");
}

/// A server that has worked before and now wants another password does not make anybody wait.
#[test]
fn a_password_that_became_wrong_fails_at_once_and_among_several_endpoints_too() {
    let server = Server::builder().password("before").start();
    let endpoints = format!("{},{}", server.address(), refused());
    let client = Tester::with(url(""), &[("endpoints", &endpoints), ("password", "before")]);
    assert_eq!(client.text(&["PING"]), "PONG");
    let mut plain = server.connect().unwrap();
    assert!(plain.command(&["CONFIG", "SET", "requirepass", "after"]).unwrap().is_ok());
    plain.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
    client.until_disconnected();
    client.run_within(100_000, &["PING"]).says(Status::Auth, NotRun, &["WRONGPASS"]);
}

#[test]
fn a_missing_password_is_asked_for() {
    let server = Server::builder().password("secret").start();
    for options in ["?protocol=auto", "?protocol=2", "?protocol=3", "/3?protocol=2", "/3?protocol=3"] {
        let client = Tester::connect(url(format!("{}{options}", server.address())));
        client.run(&["PING"]).says(Status::Auth, NotRun, &["password", "NOAUTH"]);
    }
}

#[test]
fn the_protocol_is_chosen_and_shapes_are_the_servers() {
    let server = Server::start();
    server.command(&["HSET", "hash", "field", "value"]);
    for (protocol, spoken, kind) in [("auto", 3, Kind::Map), ("3", 3, Kind::Map), ("2", 2, Kind::Array)] {
        let client = Tester::with(server.url(), &[("protocol", protocol)]);
        assert_eq!(client.run(&["HGETALL", "hash"]).reply.kind(), kind);
        assert_eq!(client.stat("protocol"), spoken);
    }
}

const UNKNOWN: &str = "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n";

/// A server from before RESP3.
fn without_hello() -> Scripted {
    Scripted::answering(|command| match command.name().as_str() {
        "HELLO" => vec![Step::send(UNKNOWN)],
        "PING" => vec![Step::send("+PONG\r\n")],
        "GET" => vec![Step::send("$5\r\nvalue\r\n")],
        _ => vec![Step::send("+OK\r\n")],
    })
}

#[test]
fn a_server_without_hello_is_spoken_to_in_resp2() {
    let server = without_hello();
    let options = [("username", "ann"), ("password", "pw"), ("client_name", "me"), ("database", "4")];
    let client = Tester::with(server.url(), &options);
    assert_eq!(client.text(&["GET", "key"]), "value");
    assert_eq!(client.stat("protocol"), 2);
    let names: Vec<String> = server.received().iter().map(|command| command.args().join(" ")).collect();
    let position =
        |text: &str| names.iter().position(|name| name == text).unwrap_or_else(|| panic!("{text}: {names:?}"));
    assert!(position("AUTH ann pw") < position("SELECT 4") && position("SELECT 4") < position("GET key"));
    assert!(position("CLIENT SETNAME me") < position("GET key"));
    let client = Tester::with(server.url(), &[("protocol", "3")]);
    client.run(&["GET", "key"]).says(Status::Connect, NotRun, &["RESP3", "protocol"]);
}

#[test]
fn what_spoke_resp3_once_never_speaks_resp2_silently() {
    let connections = AtomicUsize::new(0);
    let server = Scripted::answering(move |command| match command.name().as_str() {
        "HELLO" if connections.fetch_add(1, SeqCst) == 0 => vec![Step::send(HELLO_3)],
        "HELLO" => vec![Step::send(UNKNOWN)],
        "PING" => vec![Step::send("+PONG\r\n")],
        "GET" => vec![Step::Close],
        _ => vec![Step::send("+OK\r\n")],
    });
    let client = Tester::connect(server.url());
    assert_eq!(client.text(&["SET", "k", "v"]), "OK");
    client.run_within(300, &["GET", "k"]).says(Status::Timeout, Unknown, &["does not speak RESP3", "may have run"]);
}

#[test]
fn the_database_is_chosen_by_the_handshake_or_nothing_runs() {
    let server = Server::start();
    for protocol in ["2", "3"] {
        let client = Tester::connect(format!("{}/3?protocol={protocol}", server.url()));
        assert_eq!(client.text(&["SET", "key", protocol]), "OK");
        let mut plain = server.connect().unwrap();
        plain.command(&["SELECT", "3"]).unwrap();
        assert_eq!(plain.command(&["GET", "key"]).unwrap().text(), protocol);
        let client = Tester::connect(format!("{}/99?protocol={protocol}", server.url()));
        client.run(&["SET", "lost", "x"]).says(Status::Connect, NotRun, &["database 99", "out of range"]);
    }
    assert_eq!(server.command(&["EXISTS", "key", "lost"]).integer(), 0, "database 0 was not touched");
}

#[test]
fn the_connection_has_its_name_and_tells_the_library() {
    let server = Server::start();
    for protocol in ["2", "3"] {
        let name = format!("name-{protocol}");
        let client = Tester::with(server.url(), &[("client_name", &name), ("protocol", protocol)]);
        let info = client.text(&["CLIENT", "INFO"]);
        assert!(info.contains(&format!(" name={name} ")), "{info}");
        assert!(!info.contains("lib-name=") || info.contains("lib-name=justredis"), "{info}");
    }
    // A server that knows SETINFO is told, one that does not is not bothered by its absence.
    for answer in ["+OK\r\n", "-ERR unknown subcommand 'SETINFO'\r\n"] {
        let server = Scripted::answering(move |command| match command.name().as_str() {
            "HELLO" => vec![Step::send(HELLO_3)],
            "CLIENT" => vec![Step::send(answer)],
            _ => vec![Step::send("+PONG\r\n")],
        });
        assert_eq!(Tester::connect(server.url()).text(&["PING"]), "PONG");
        let told = server
            .received()
            .iter()
            .filter(|command| command.args().get(1).is_some_and(|word| word == "SETINFO"))
            .count();
        assert_eq!(told, 2);
        assert_eq!(Tester::with(server.url(), &[("library_info", "off")]).text(&["PING"]), "PONG");
        assert_eq!(server.received().iter().filter(|command| command.name() == "CLIENT").count(), 2, "off means off");
    }
}

/// Every request behind it would get the answer to something else.
#[test]
fn a_reply_too_many_in_the_handshake_ends_the_attempt() {
    const PONG: &str = "+PONG\r\n";
    for (accept, hello, ping) in [
        ("+OK\r\n".to_owned(), HELLO_3.to_owned(), PONG.to_owned()),
        (PONG.to_owned(), HELLO_3.to_owned(), PONG.to_owned()),
        (String::new(), format!("{HELLO_3}+OK\r\n"), PONG.to_owned()),
        (String::new(), HELLO_3.repeat(2), PONG.to_owned()),
        (String::new(), HELLO_3.to_owned(), PONG.repeat(2)),
        (String::new(), HELLO_3.to_owned(), format!("{PONG}$")),
        (String::new(), HELLO_3.to_owned(), "+OK\r\n".to_owned()),
    ] {
        for protocol in ["auto", "2"] {
            if protocol == "2" && (hello != HELLO_3 || accept == PONG) {
                continue;
            }
            let (accept, hello, ping) = (accept.clone(), hello.clone(), ping.clone());
            let name = format!("{accept:?} {hello:?} {ping:?} {protocol}");
            let greeted = Mutex::new(HashSet::new());
            let server = Scripted::answering(move |command| {
                let is_first = greeted.lock().unwrap().insert(command.connection);
                let answer = match command.name().as_str() {
                    "HELLO" => &hello,
                    "PING" => &ping,
                    "GET" => "$9\r\nsomebody'\r\n",
                    _ => "+OK\r\n",
                };
                let stray = if is_first { &accept } else { "" };
                vec![Step::send(format!("{stray}{answer}"))]
            });
            let client = Tester::with(server.url(), &[("protocol", protocol)]);
            let done = client.run(&["GET", "key"]);
            assert_eq!(done.ending(), (Status::Protocol, NotRun), "{name}: {}", done.text());
        }
    }
}

#[test]
fn a_server_that_never_answers_costs_the_connect_budget() {
    let server = Scripted::playing(vec![Step::Silence]);
    let client = Tester::with(server.url(), &[("connect_timeout", "100")]);
    client.run(&["PING"]).says(Status::Connect, NotRun, &["100 ms", &server.port().to_string()]);
}

#[test]
fn a_refused_port_and_an_unknown_host_are_told_at_once() {
    let address = refused();
    let client = Tester::connect(url(address));
    client.run_within(100_000, &["PING"]).says(Status::Connect, NotRun, &[&address.to_string(), "refused"]);
    let client = Tester::with(url("no-such-host.invalid"), &[("connect_timeout", "15s")]);
    client.run_within(100_000, &["PING"]).says(Status::Connect, NotRun, &["no-such-host.invalid"]);
}

#[test]
fn what_is_no_redis_is_told_with_its_address() {
    let replies: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x00\xff\x80garbage\r\n",
        b"*1\r\n*1\r\n$-7\r\n",
    ];
    for reply in replies {
        let server = Scripted::playing(vec![Step::Bytes, Step::send(reply), Step::Close]);
        let done = Tester::connect(server.url()).run_within(100_000, &["PING"]);
        done.says(Status::Protocol, NotRun, &[&format!("127.0.0.1:{}", server.port())]);
    }
    let server = Scripted::playing(vec![Step::Bytes, Step::Close]);
    Tester::connect(server.url()).run(&["PING"]).says(Status::Connect, NotRun, &["closed the connection"]);
}

#[test]
fn a_full_server_says_so_and_is_used_once_it_has_room() {
    let server = Server::start();
    let mut plain = server.connect().unwrap();
    assert!(plain.command(&["CONFIG", "SET", "maxclients", "1"]).unwrap().is_ok());
    let client = Tester::with(server.url(), &[("reconnect_delay_max", "50")]);
    client.run(&["PING"]).says(Status::Connect, NotRun, &["max number of clients reached"]);
    let resp2 = Tester::with(server.url(), &[("protocol", "2"), ("library_info", "off")]);
    resp2.run(&["PING"]).says(Status::Connect, NotRun, &["max number of clients reached"]);
    assert!(plain.command(&["CONFIG", "SET", "maxclients", "100"]).unwrap().is_ok());
    wait::until("room at the server", || client.run(&["PING"]).is_ok());
}

/// Refused one by one, the commands would be sent again one by one, and lose their order.
#[test]
fn nothing_is_sent_to_a_server_that_still_loads_its_data() {
    let pings = AtomicUsize::new(0);
    let server = Scripted::answering(move |command| match command.name().as_str() {
        "HELLO" => vec![Step::send(HELLO_3)],
        "CLIENT" => vec![Step::send("+OK\r\n")],
        "PING" if pings.fetch_add(1, SeqCst) >= 3 => vec![Step::send("+PONG\r\n")],
        "RPUSH" if pings.load(SeqCst) > 3 => vec![Step::send(":1\r\n")],
        _ => vec![Step::send("-LOADING Redis is loading the dataset in memory\r\n")],
    });
    let client = Tester::with(server.url(), &[("max_attempts", "1"), ("reconnect_delay", "1")]);
    let numbers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let ids: Vec<u64> = numbers.iter().map(|number| client.submit(&["RPUSH", "list", number])).collect();
    for done in client.inbox.each_once(&ids).values() {
        assert_eq!(done.ending(), (Status::Ok, Answered));
    }
    let sent = server.received();
    let pushed: Vec<String> =
        sent.iter().filter(|command| command.name() == "RPUSH").map(|command| command.args()[2].clone()).collect();
    assert_eq!(pushed, numbers);
}

/// Dials where it was told to, after whatever `wait_for` waits for.
struct Detour {
    to: Option<SocketAddr>,
    wait_for_the_end: bool,
    dials: AtomicUsize,
}

impl Dialer for Detour {
    fn dial(&self, _: &Address, budget: Duration) -> Result<OwnedFd, String> {
        self.dials.fetch_add(1, SeqCst);
        assert!(!budget.is_zero());
        let stream = TcpStream::connect(self.to.ok_or("the tunnel is closed")?).map_err(|error| error.to_string())?;
        if self.wait_for_the_end {
            // Until the server has said its word and gone, and refuses to hear any.
            wait::until("the server to be gone", || std::io::Write::write(&mut &stream, b"\r\n").is_err());
            let mut first = [0];
            assert_eq!(stream.peek(&mut first).map_err(|error| error.to_string())?, 1);
        }
        Ok(stream.into())
    }
}

fn by_detour(to: Option<SocketAddr>, wait_for_the_end: bool) -> (Tester, Arc<Detour>) {
    let dialer = Arc::new(Detour { to, wait_for_the_end, dials: AtomicUsize::new(0) });
    let client = Tester::dialling(url(refused()), &[], Some(dialer.clone()));
    (client, dialer)
}

#[test]
fn a_dialer_brings_the_connection() {
    let server = Server::start();
    let (client, dialer) = by_detour(Some(server.address()), false);
    reaches(&client, &server);
    assert_eq!(dialer.dials.load(SeqCst), 1);
    let (client, _) = by_detour(None, false);
    client.run(&["PING"]).says(Status::Connect, NotRun, &["the tunnel is closed"]);
}

/// The server's reason arrives before the first byte of the handshake can be written, and is told all the same.
#[test]
fn the_error_of_a_server_that_hung_up_early_is_the_reason() {
    let server = Scripted::playing(vec![Step::send("-ERR max number of clients reached\r\n"), Step::Close]);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let (client, _) = by_detour(Some(address), true);
    client.run(&["PING"]).says(Status::Connect, NotRun, &["max number of clients reached"]);
    let mut plain = Plain::connect(address).unwrap();
    let mut said = String::new();
    let _ = plain.socket().read_to_string(&mut said);
    assert!(said.starts_with("-ERR max"), "the scripted server does what this test is about");
    let _ = plain.send(b"");
}
