//! The harness proves itself: servers come, freeze, die and return; every fault of the proxy does what it says.

#![allow(clippy::unwrap_used, reason = "also in the helpers of these tests a surprise must stop the test")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use support::flow::Fault;
use support::proxy::Proxy;
use support::resp::{Answer, Plain, encode};
use support::scripted::{HELLO_3, Scripted, Step};
use support::server::Server;
use support::wait;

/// Three bytes in, seven bytes out (`+PONG\r\n`): short enough to count by hand.
const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

fn through_proxy() -> (Server, Proxy, Plain) {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let plain = Plain::connect(proxy.address()).unwrap();
    (server, proxy, plain)
}

/// Everything until the end of the stream, and the error that ended it.
fn drain(plain: &Plain) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = plain.socket().read_to_end(&mut bytes);
    (bytes, end.err().map(|error| error.kind()))
}

fn pending(plain: &Plain) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    plain.socket().set_nonblocking(true).unwrap();
    let count = plain.socket().read(&mut bytes).unwrap_or(0);
    plain.socket().set_nonblocking(false).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn a_server_answers_dies_and_returns_on_its_port() {
    let server = Server::start();
    assert!(server.command(&["SET", "key", "value"]).is_ok());
    assert_eq!(server.command(&["GET", "key"]), Answer::Bulk(b"value".to_vec()));
    assert_eq!(server.command(&["LPUSH", "list", "a", "b"]).integer(), 2);
    assert_eq!(server.command(&["LRANGE", "list", "0", "-1"]).items().len(), 2);
    let first = server.process();
    server.kill();
    assert_eq!(TcpStream::connect(server.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    server.restart();
    assert_ne!(server.process(), first);
    assert_eq!(server.command(&["GET", "key"]), Answer::Nil);
}

#[test]
fn a_stopped_server_accepts_but_is_silent_until_it_goes_on() {
    let server = Server::start();
    server.stop();
    let mut plain = Plain::connect(server.address()).unwrap();
    plain.send(PING).unwrap();
    wait::until("the server to be stopped", || {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", server.process())).unwrap();
        status.rsplit(')').next().unwrap().trim().starts_with('T')
    });
    assert_eq!(pending(&plain), b"");
    server.cont();
    assert_eq!(plain.receive().unwrap().text(), "PONG");
}

#[test]
fn a_server_has_a_password_a_unix_socket_and_any_argument() {
    let server = Server::builder().password("secret").unix_socket().arguments(&["--maxclients", "77"]).start();
    assert_eq!(server.url(), format!("redis://:secret@127.0.0.1:{}", server.port()));
    assert!(Plain::connect(server.address()).unwrap().command(&["GET", "key"]).unwrap().text().starts_with("NOAUTH"));
    assert_eq!(server.command(&["CONFIG", "GET", "maxclients"]).items()[1].text(), "77");
    let mut socket = UnixStream::connect(server.socket_path()).unwrap();
    socket.write_all(b"AUTH secret\r\n").unwrap();
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[test]
fn a_server_listens_on_ipv6() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let server = Server::builder().bind(Ipv6Addr::LOCALHOST).start();
    assert_eq!(server.url(), format!("redis://[::1]:{}", server.port()));
    assert_eq!(server.command(&["PING"]).text(), "PONG");
}

#[test]
fn servers_are_had_by_their_version() {
    for name in ["redis-7.0", "redis-8.0", "redis-8.2", "valkey-8.1", "valkey-9", "valkey-9.1"] {
        let Some(builder) = Server::version(name) else { continue };
        let info = builder.start().command(&["INFO", "server"]).text();
        let (kind, version) = name.split_once('-').unwrap();
        assert!(info.contains(&format!("{kind}_version:{version}.")), "{name}: {info}");
    }
}

#[test]
fn the_directory_goes_with_the_server() {
    let server = Server::start();
    let directory = server.directory().to_owned();
    assert!(directory.is_dir() && server.log().contains("Ready to accept connections"));
    drop(server);
    assert!(!directory.exists());
}

/// Not a test of its own: the process that `a_server_does_not_outlive_the_tests` kills.
/// Set in the process that a_server_does_not_outlive_the_tests starts to be killed.
const DOOMED: &str = "JR_TEST_DOOMED";

#[test]
fn a_server_does_not_outlive_the_tests() {
    if std::env::var_os(DOOMED).is_some() {
        let server = Server::start();
        println!("\nserver {} {}", server.port(), server.directory().display());
        loop {
            std::thread::park();
        }
    }
    let mut tests = Command::new(std::env::current_exe().unwrap())
        .args(["a_server_does_not_outlive_the_tests", "--exact", "--nocapture"])
        .env(DOOMED, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufReader::new(tests.stdout.take().unwrap());
    let line = wait::until_some("the server of the other process", || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        line.starts_with("server ").then_some(line)
    });
    let words: Vec<&str> = line.split_whitespace().collect();
    let port: u16 = words[1].parse().unwrap();
    let alive = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(alive());
    tests.kill().unwrap();
    tests.wait().unwrap();
    wait::until("the server to be gone", || !alive());
    wait::until("its directory to be gone", || !std::path::Path::new(words[2]).exists());
}

#[test]
fn the_proxy_passes_counts_and_records() {
    let (_server, proxy, mut plain) = through_proxy();
    proxy.to_server().record();
    let command = ["SET", "key", "value"];
    assert!(plain.command(&command).unwrap().is_ok());
    assert_eq!(proxy.to_server().recorded(), encode(&command));
    assert_eq!(proxy.to_server().received(), encode(&command).len() as u64);
    wait::until("the answer to be counted", || proxy.to_client().forwarded() == 5);
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    drop(plain);
    wait::until("the connection to be gone", || proxy.open() == 0);
}

#[test]
fn chunks_cut_the_stream_into_single_bytes() {
    let (_server, proxy, mut plain) = through_proxy();
    proxy.to_server().chunks(1..=1);
    proxy.to_client().chunks(1..=3);
    let value = "x".repeat(1000);
    assert!(plain.command(&["SET", "key", &value]).unwrap().is_ok());
    assert_eq!(plain.command(&["GET", "key"]).unwrap().text(), value);
}

#[test]
fn delay_and_rate_hold_the_bytes_back_until_healed() {
    let hour = Duration::from_secs(3600);
    let (_server, proxy, mut plain) = through_proxy();
    proxy.to_server().delay(hour..=hour);
    plain.send(PING).unwrap();
    proxy.to_server().until_received(PING.len() as u64);
    assert_eq!(proxy.to_server().forwarded(), 0);
    proxy.to_client().rate(1);
    proxy.to_server().heal();
    proxy.to_client().until_received(1);
    assert!(proxy.to_client().forwarded() < PONG.len() as u64);
    proxy.to_client().heal();
    assert_eq!(plain.receive().unwrap().text(), "PONG");
}

#[test]
fn close_strikes_after_the_wanted_byte_and_only_once() {
    for bytes in 0..PONG.len() {
        let (_server, proxy, mut plain) = through_proxy();
        proxy.to_client().after(bytes as u64, Fault::Close);
        plain.send(PING).unwrap();
        assert_eq!(drain(&plain), (PONG[..bytes].to_vec(), None));
        assert_eq!(proxy.to_client().pending(), 0);
        let mut again = Plain::connect(proxy.address()).unwrap();
        assert_eq!(again.command(&["PING"]).unwrap().text(), "PONG");
    }
}

#[test]
fn a_cut_on_the_way_to_the_server_leaves_half_a_command() {
    let (server, proxy, mut plain) = through_proxy();
    let command = encode(&["SET", "key", "value"]);
    proxy.to_server().after(command.len() as u64 - 1, Fault::Close);
    plain.send(&command).unwrap();
    assert_eq!(drain(&plain), (Vec::new(), None));
    assert_eq!(proxy.to_server().forwarded(), command.len() as u64 - 1);
    assert_eq!(server.command(&["GET", "key"]), Answer::Nil);
}

#[test]
fn reset_strikes_after_the_wanted_byte() {
    let (_server, proxy, mut plain) = through_proxy();
    proxy.to_client().after(4, Fault::Reset);
    plain.send(PING).unwrap();
    wait::until("the connection to be gone", || proxy.open() == 0);
    assert_eq!(drain(&plain), (PONG[..4].to_vec(), Some(ErrorKind::ConnectionReset)));
}

#[test]
fn reset_all_and_close_all_end_idle_connections() {
    let (_server, proxy, mut plain) = through_proxy();
    plain.command(&["PING"]).unwrap();
    proxy.reset_all();
    assert_eq!(drain(&plain), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    let mut plain = Plain::connect(proxy.address()).unwrap();
    plain.command(&["PING"]).unwrap();
    proxy.close_all();
    assert_eq!(drain(&plain), (Vec::new(), None));
}

#[test]
fn half_close_to_the_client_leaves_the_way_to_the_server_open() {
    let (server, proxy, mut plain) = through_proxy();
    plain.command(&["PING"]).unwrap();
    proxy.half_close_to_client();
    assert_eq!(drain(&plain), (Vec::new(), None));
    plain.send(&encode(&["SET", "key", "value"])).unwrap();
    wait::until("the command to run", || server.command(&["GET", "key"]) != Answer::Nil);
}

#[test]
fn half_close_to_the_server_after_a_byte_still_lets_answers_out() {
    let (server, proxy, mut plain) = through_proxy();
    proxy.to_server().after(PING.len() as u64, Fault::HalfClose);
    plain.send(PING).unwrap();
    plain.send(&encode(&["SET", "key", "value"])).unwrap();
    assert_eq!(drain(&plain).0, PONG);
    assert_eq!(server.command(&["GET", "key"]), Answer::Nil);
}

#[test]
fn stall_blocks_the_sender_and_resume_loses_nothing() {
    let (_server, proxy, mut plain) = through_proxy();
    plain.command(&["PING"]).unwrap();
    let before = proxy.to_server().received();
    proxy.to_server().stall();
    let command = encode(&["ECHO", &"x".repeat(1 << 20)]);
    plain.socket().set_nonblocking(true).unwrap();
    let mut sent = 0;
    wait::until("the sender to be blocked", || {
        loop {
            match plain.socket().write(&command[sent..]) {
                Ok(count) => sent = (sent + count) % command.len(),
                Err(error) => break error.kind() == ErrorKind::WouldBlock,
            }
        }
    });
    assert_eq!(proxy.to_server().received(), before);
    plain.socket().set_nonblocking(false).unwrap();
    proxy.to_server().resume();
    let reader = plain.socket().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::copy(&mut &reader, &mut std::io::sink()));
        plain.send(&command[sent..]).unwrap();
        proxy.to_server().until_received(before + command.len() as u64);
        plain.socket().shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn stall_after_a_byte_keeps_the_rest_of_an_answer() {
    let (_server, proxy, mut plain) = through_proxy();
    proxy.to_client().after(3, Fault::Stall);
    plain.send(PING).unwrap();
    let mut head = [0; 3];
    plain.socket().read_exact(&mut head).unwrap();
    assert_eq!(&head, &PONG[..3]);
    assert_eq!(pending(&plain), b"");
    proxy.to_client().resume();
    let mut tail = [0; 4];
    plain.socket().read_exact(&mut tail).unwrap();
    assert_eq!(&tail, &PONG[3..]);
}

#[test]
fn a_swallowing_proxy_is_a_silent_black_hole() {
    let (server, proxy, mut plain) = through_proxy();
    proxy.to_server().swallow();
    let command = encode(&["SET", "key", "value"]);
    plain.send(&command).unwrap();
    proxy.to_server().until_received(command.len() as u64);
    assert_eq!(proxy.to_server().forwarded(), 0);
    assert_eq!(pending(&plain), b"");
    proxy.to_server().resume();
    assert_eq!(plain.command(&["GET", "key"]).unwrap(), Answer::Nil);
    assert_eq!(server.command(&["GET", "key"]), Answer::Nil);
}

#[test]
fn swallow_after_a_byte_lets_exactly_that_many_out() {
    let (_server, proxy, mut plain) = through_proxy();
    proxy.to_client().after(2, Fault::Swallow);
    plain.send(PING).unwrap();
    proxy.to_client().until_received(PONG.len() as u64);
    wait::until("the two bytes to go on", || proxy.to_client().forwarded() == 2);
    proxy.close_all();
    assert_eq!(drain(&plain).0, &PONG[..2]);
}

#[test]
fn garble_changes_one_byte_and_no_other() {
    let (_server, proxy, mut plain) = through_proxy();
    plain.command(&["PING"]).unwrap();
    proxy.to_client().garble(3);
    plain.send(PING).unwrap();
    let mut answer = [0; 7];
    plain.socket().read_exact(&mut answer).unwrap();
    assert_eq!(answer, [b'+', b'P', b'O', !b'N', b'G', b'\r', b'\n']);
    assert_eq!(plain.command(&["PING"]).unwrap().text(), "PONG");
}

#[test]
fn refuse_closes_the_port_and_admit_opens_it() {
    let (_server, proxy, mut plain) = through_proxy();
    plain.command(&["PING"]).unwrap();
    proxy.refuse();
    assert_eq!(TcpStream::connect(proxy.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(plain.command(&["PING"]).unwrap().text(), "PONG", "open connections stay");
    proxy.admit();
    assert_eq!(Plain::connect(proxy.address()).unwrap().command(&["PING"]).unwrap().text(), "PONG");
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_scripted_server_plays_its_steps() {
    let steps = vec![Step::expect(&["PING"]), Step::send("+PO"), Step::send("NG\r\n"), Step::Command, Step::Reset];
    let scripted = Scripted::playing(steps);
    let mut plain = Plain::connect(scripted.address()).unwrap();
    assert_eq!(plain.command(&["PING"]).unwrap().text(), "PONG");
    plain.send(&encode(&["GET", "key"])).unwrap();
    assert_eq!(drain(&plain), (Vec::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(scripted.received()[1].args(), ["GET", "key"]);
    assert!(scripted.differences().is_empty());

    let mut other = Plain::connect(scripted.address()).unwrap();
    other.send(&encode(&["ECHO", "x"])).unwrap();
    assert_eq!(drain(&other), (Vec::new(), None));
    assert_eq!(scripted.differences().len(), 1);
}

#[test]
fn a_scripted_server_answers_after_the_handshake() {
    let scripted = Scripted::after_handshake(|command| match command.name().as_str() {
        "GET" => vec![Step::send("$-1\r\n")],
        "ECHO" => vec![Step::Silence],
        _ => vec![Step::send("-ERR unknown\r\n"), Step::Close],
    });
    let mut plain = Plain::connect(scripted.address()).unwrap();
    plain.send(&encode(&["HELLO", "3"])).unwrap();
    let mut hello = vec![0; HELLO_3.len()];
    plain.socket().read_exact(&mut hello).unwrap();
    assert!(plain.command(&["CLIENT", "SETNAME", "x"]).unwrap().is_ok());
    assert_eq!(plain.command(&["GET", "key"]).unwrap(), Answer::Nil);
    assert_eq!(plain.command(&["FOO"]).unwrap().text(), "ERR unknown");
    assert_eq!(drain(&plain), (Vec::new(), None));
    let mut silent = Plain::connect(scripted.address()).unwrap();
    silent.send(&encode(&["ECHO", "x"])).unwrap();
    scripted.until_received("ECHO", 1);
    assert_eq!(pending(&silent), b"");
    assert_eq!(scripted.accepted(), 2);
}

#[test]
fn http_is_not_resp() {
    let scripted = Scripted::playing(vec![Step::Bytes, Step::send("HTTP/1.1 400 Bad Request\r\n\r\n")]);
    let mut plain = Plain::connect(scripted.address()).unwrap();
    assert_eq!(plain.command(&["PING"]).unwrap_err().kind(), ErrorKind::InvalidData);
}
