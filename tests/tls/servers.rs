//! Servers that speak TLS otherwise, or not at all, and what a client does about it: what it says, what it resumes, by
//! which name it asks.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use justredis::error::Outcome::NotRun;
use justredis::error::Status;
use rustls::{ServerConfig, ServerConnection};

use super::support::certificates;
use super::support::client::Tester;
use super::support::port;
use super::support::scripted::{Scripted, Step};
use super::support::server::Server;
use super::support::transport::{Tls, Versions, url_over};
use super::support::wait;
use super::{EACH, speaking, trusting};

#[test]
fn a_version_that_is_ruled_out_is_told() {
    let server = Server::builder().tls(speaking(Versions::Only12)).start();
    let client = trusting(server.url(), &[("tls_minimum_version", "1.3")]);
    let address = server.address().to_string();
    client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &["not TLS 1.3", "tls_minimum_version", &address]);
    assert_eq!(trusting(server.url(), &[("tls_minimum_version", "1.2")]).text(&["PING"]), "PONG");
    let server = Server::builder().tls(speaking(Versions::Only13)).start();
    for minimum in ["1.2", "1.3"] {
        assert_eq!(trusting(server.url(), &[("tls_minimum_version", minimum)]).text(&["PING"]), "PONG");
    }
}

#[test]
fn a_server_without_tls_is_told_if_it_answers() {
    for answer in [
        &b"-ERR unknown command\r\n"[..],
        b"+OK\r\n",
        b"-ERR max number of clients reached\r\n",
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        for end in [Step::Close, Step::Silence] {
            let server = Scripted::playing_over(None, vec![Step::Bytes, Step::send(answer), end]);
            let client = trusting(url_over(true, server.address()), &[]);
            let words = ["does not speak TLS", "redis://", &server.address().to_string()];
            client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
        }
    }
}

/// A plain Redis takes the first message for the beginning of a line, and waits for its end: or hangs up.
#[test]
fn a_redis_without_tls_is_told_too() {
    let server = Server::start();
    let plain = format!("127.0.0.1:{}", server.plain_port());
    for _ in 0..5 {
        let client = trusting(url_over(true, &plain), &[("connect_timeout", "300ms")]);
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &[&plain, "TLS"]);
    }
}

#[test]
fn a_server_with_tls_is_told_from_one_that_merely_fails() {
    for versions in EACH {
        let server = Server::builder().tls(speaking(versions)).start();
        for protocol in ["2", "3", "auto"] {
            let client = Tester::with(url_over(false, server.address()), &[("protocol", protocol)]);
            let done = client.run_within(100_000, &["PING"]);
            assert!(done.status != Status::Ok && done.outcome == NotRun, "{done:?}");
            assert!(done.text().contains("TLS") && done.text().contains("rediss://"), "{}", done.text());
        }
    }
}

#[test]
fn a_handshake_that_stalls_costs_the_budget_and_no_more() {
    for steps in [
        vec![Step::Silence],
        vec![Step::Bytes, Step::Silence],
        // The head of a record of the handshake, and a part of it.
        vec![Step::Bytes, Step::send(b"\x16\x03\x03\x00\x7a\x02\x00"), Step::Silence],
    ] {
        let server = Scripted::playing_over(None, steps);
        let client = trusting(url_over(true, server.address()), &[("connect_timeout", "100ms")]);
        let words = ["TLS handshake", "100 ms", &server.address().to_string()];
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
        // The deadline of a request is another one.
        let client = trusting(url_over(true, server.address()), &[("connect_timeout", "1h")]);
        client.run_within(100, &["PING"]).says(Status::Timeout, NotRun, &[]);
    }
}

/// A server that never ends its handshake does not make the client hold more and more.
#[test]
fn a_handshake_without_end_is_ended() {
    for record in [&b"\x14\x03\x03\x00\x01\x01"[..], b"\x16\x03\x03\x40\x00", b"\x15\x03\x03\x00\x02\x01\x5a"] {
        let mut flood = record.to_vec();
        flood.resize(if record[3] == 0x40 { 5 + 0x4000 } else { record.len() }, b'x');
        let server = Scripted::playing_over(None, vec![Step::Bytes, Step::flood(flood)]);
        let client = trusting(url_over(true, server.address()), &[("connect_timeout", "15s")]);
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &[&server.address().to_string()]);
    }
}

/// With a resumed session a connection costs the server no signature, and the client no check of certificates.
#[test]
fn sessions_are_resumed() {
    for versions in EACH {
        let server = Scripted::after_handshake_over(Some(speaking(versions).acceptor()), |command| {
            match command.name().as_str() {
                "QUIT?" => vec![Step::Close],
                _ => vec![Step::send("+OK\r\n")],
            }
        });
        let client = trusting(server.url(), &[("reconnect_delay", "1ms"), ("reconnect_delay_max", "1ms")]);
        assert_eq!(client.text(&["SET", "key", "value"]), "OK");
        for round in 1..10 {
            client.run(&["QUIT?"]);
            assert_eq!(client.text(&["SET", "key", "value"]), "OK");
            assert!(server.resumed() >= round, "{versions:?}: {} of {}", server.resumed(), server.accepted());
        }
        assert_eq!(server.resumed() + 1, server.accepted(), "{versions:?}");
        // Another client begins anew: what it trusts may be something else.
        let resumed = server.resumed();
        assert_eq!(trusting(server.url(), &[]).text(&["SET", "key", "value"]), "OK");
        assert_eq!(server.resumed(), resumed);
    }
}

#[test]
fn a_server_is_asked_for_by_name_but_not_by_address() {
    let server = Scripted::after_handshake_over(Some(Tls::default().acceptor()), |_| vec![Step::send("+OK\r\n")]);
    let by = |url: String, options: &[(&str, &str)]| {
        assert_eq!(trusting(url, options).text(&["SET", "key", "value"]), "OK");
        server.asked_for().pop().unwrap()
    };
    assert_eq!(by(server.url(), &[]), None);
    assert_eq!(by(format!("rediss://localhost:{}", server.port()), &[]).as_deref(), Some("localhost"));
    assert_eq!(by(server.url(), &[("tls_server_name", "localhost")]).as_deref(), Some("localhost"));
    assert_eq!(by(format!("rediss://localhost:{}", server.port()), &[("tls_server_name", "127.0.0.1")]), None);
}

#[test]
fn every_way_to_ask_for_tls_gets_it() {
    let server = Server::builder().tls(Tls::default()).start();
    let address = server.address().to_string();
    for (url, options) in [
        (format!("rediss://{address}"), &[][..]),
        (format!("valkeys://{address}"), &[]),
        (format!("REDISS://{address}"), &[]),
        (format!("redis://{address}"), &[("tls", "on")]),
        (format!("redis://{address}?tls=on"), &[]),
        ("rediss://".to_owned(), &[("endpoints", address.as_str())]),
    ] {
        assert_eq!(trusting(url, options).text(&["PING"]), "PONG");
    }
    let plain = format!("rediss://127.0.0.1:{}?tls=off", server.plain_port());
    assert_eq!(Tester::connect(plain).text(&["PING"]), "PONG");
}

/// As with a tunnel that ends in a socket of the file system.
#[test]
fn tls_goes_over_a_unix_socket_when_the_name_is_told() {
    let server = Server::builder().tls(Tls::default()).start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (listener, to) = (UnixListener::bind(&path).unwrap(), server.address());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(to).unwrap();
            let (from, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut &from, &mut &server));
            thread::spawn(move || io::copy(&mut &back, &mut &client));
        }
    });
    let url = format!("unix://{}", path.display());
    let client = trusting(&url, &[("tls", "on"), ("tls_server_name", "localhost")]);
    assert_eq!(client.text(&["SET", "key", "value"]), "OK");
    let client = trusting(&url, &[("tls", "on"), ("tls_server_name", "redis.example.com")]);
    client.run(&["PING"]).says(Status::Tls, NotRun, &["not for \"redis.example.com\""]);
}

/// A server that has no room hangs up before the handshake; it has no other way to say so.
#[test]
fn a_full_server_is_used_once_it_has_room() {
    for versions in EACH {
        let server = Server::builder().tls(speaking(versions)).start();
        let mut plain = server.connect().unwrap();
        assert!(plain.command(&["CONFIG", "SET", "maxclients", "1"]).unwrap().is_ok());
        let client = trusting(server.url(), &[("reconnect_delay_max", "50")]);
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &["during the TLS handshake"]);
        assert!(plain.command(&["CONFIG", "SET", "maxclients", "100"]).unwrap().is_ok());
        wait::until("room at the server", || client.run(&["PING"]).is_ok());
    }
}

/// A server that speaks together with the last message of its handshake, before it has heard the client's last.
fn speaking_early(words: &'static str) -> u16 {
    let listener = port::listener(Ipv4Addr::LOCALHOST.into());
    let port = listener.local_addr().unwrap().port();
    let mut config = Arc::unwrap_or_clone(speaking(Versions::Only13).acceptor());
    config.send_half_rtt_data = true;
    thread::spawn(move || serve_early(&listener, &Arc::new(config), words));
    port
}

fn serve_early(listener: &TcpListener, config: &Arc<ServerConfig>, words: &str) {
    for mut socket in listener.incoming().flatten() {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        while !connection.wants_write() {
            if connection.read_tls(&mut socket).unwrap() == 0 {
                return;
            }
            connection.process_new_packets().unwrap();
        }
        connection.writer().write_all(words.as_bytes()).unwrap();
        connection.send_close_notify();
        while connection.wants_write() {
            connection.write_tls(&mut socket).unwrap();
        }
        socket.shutdown(Shutdown::Write).unwrap();
        let _ = io::copy(&mut socket, &mut io::sink());
    }
}

#[test]
fn what_comes_with_the_end_of_the_handshake_is_not_lost() {
    for protocol in ["2", "3"] {
        let port = speaking_early("-ERR max number of clients reached\r\n");
        let options = [("protocol", protocol), ("library_info", "off")];
        let client = trusting(format!("rediss://127.0.0.1:{port}"), &options);
        client.run(&["PING"]).says(Status::Connect, NotRun, &["max number of clients reached"]);
    }
    let port = speaking_early("+PONG\r\n");
    let ca = certificates::path("ca.pem");
    let options = [("protocol", "2"), ("library_info", "off"), ("tls_ca", &ca)];
    let done = Tester::with(format!("rediss://127.0.0.1:{port}"), &options).run(&["PING"]);
    assert!(!done.is_ok(), "{done:?}");
}

/// Whoever hangs up right after the handshake has made one.
#[test]
fn a_server_that_hangs_up_after_the_handshake_is_no_failure_of_tls() {
    for versions in EACH {
        for end in [Step::Close, Step::Cut] {
            let server = Scripted::playing_over(Some(speaking(versions).acceptor()), vec![end]);
            for _ in 0..20 {
                let done = trusting(server.url(), &[]).run(&["PING"]);
                done.says(Status::Connect, NotRun, &["closed the connection", &server.address().to_string()]);
            }
        }
    }
}
