//! TLS by other programs than the Redis of all tests: newer servers, `openssl s_server` and stunnel.

use std::io::{BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use justredis::error::Outcome::{NotRun, Unknown};
use justredis::error::Status;
use tempfile::TempDir;

use super::support::certificates;
use super::support::client::Tester;
use super::support::guard::Guard;
use super::support::messages::Subscription;
use super::support::port;
use super::support::readers::{CClient, Job, Reader, SOON};
use super::support::server::Server;
use super::support::transport::Tls;
use super::support::wait;
use super::{EACH, speaking, trusting};

/// A program that listens, killed with its value.
struct Program {
    child: Child,
    guard: Option<Guard>,
    port: u16,
    directory: TempDir,
}

impl Program {
    /// Started with these arguments, which hold its port; waits until it listens.
    fn start(name: &str, arguments: impl Fn(u16, &TempDir) -> Vec<String>) -> Program {
        let directory = tempfile::Builder::new().prefix("justredis-").tempdir().unwrap();
        let port = port::free(Ipv4Addr::LOCALHOST.into());
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(name)
            .args(arguments(port, &directory))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; scripts/prepare test installs it"));
        let guard = Some(Guard::watch(child.id(), directory.path()));
        let mut program = Program { child, guard, port, directory };
        wait::until(&format!("{name} to listen"), || {
            let ended = program.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(program.directory.path().join("log")).unwrap_or_default();
            assert!(ended.is_none(), "{name}: {ended:?}\n{}", log());
            is_listening(port)
        });
        program
    }

    fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

/// Looks without connecting: `openssl s_server` would take it for the client.
fn is_listening(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| line.contains(&format!("0100007F:{port:04X} 00000000:0000 0A")))
}

fn s_server(more: &[&str]) -> Program {
    Program::start("openssl", |port, _| {
        let (certificate, key) = (certificates::path("server.pem"), certificates::path("server.key"));
        let accept = format!("127.0.0.1:{port}");
        let arguments = ["s_server", "-accept", &accept, "-cert", &certificate, "-key", &key];
        arguments.iter().chain(more).map(|&argument| argument.to_owned()).collect()
    })
}

#[test]
fn a_server_of_an_old_version_is_refused_by_name() {
    for version in ["-tls1_1", "-tls1"] {
        let server = s_server(&[version, "-cipher", "ALL:@SECLEVEL=0"]);
        let client = trusting(server.url(), &[]);
        let words = ["neither TLS 1.2 nor 1.3", "127.0.0.1"];
        client.run_within(100_000, &["PING"]).says(Status::Tls, NotRun, &words);
    }
}

#[test]
fn a_server_without_a_common_cipher_is_told() {
    let server = s_server(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]);
    let done = trusting(server.url(), &[]).run_within(100_000, &["PING"]);
    done.says(Status::Tls, NotRun, &["cipher", "127.0.0.1"]);
}

/// Nothing but one PING is said of oneself, and nothing by oneself.
const ALONE: [(&str, &str); 3] = [("protocol", "2"), ("library_info", "off"), ("dead_after", "1h")];

/// A program at whose keyboard we sit: what it hears, and what we make it say.
struct Typist {
    program: Program,
    keyboard: ChildStdin,
    heard: Arc<Mutex<Vec<u8>>>,
    seen: usize,
}

impl Typist {
    fn at(mut program: Program) -> Typist {
        let keyboard = program.child.stdin.take().unwrap();
        let mut screen = BufReader::new(program.child.stdout.take().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shared = heard.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Typist { program, keyboard, heard, seen: 0 }
    }

    /// Waits until this has come after what was waited for before.
    fn hears(&mut self, words: &str) {
        let seen = self.seen;
        self.seen = wait::until_some(&format!("{words:?} on the screen"), || {
            let heard = self.heard.lock().unwrap();
            let rest = &heard[seen..];
            let at = rest.windows(words.len()).position(|window| window == words.as_bytes())?;
            Some(seen + at + words.len())
        });
    }

    /// Ends when the program has read it: it looks for a key of its own only at the beginning of what it reads.
    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        wait::until("the keys to be read", || rustix::io::ioctl_fionread(&self.keyboard).unwrap() == 0);
    }
}

/// OpenSSL asks for new keys while an answer is owed, and while it is half sent; what is said under them is understood
/// on both sides.
#[test]
fn openssl_changes_the_keys_in_the_midst() {
    for reader in Reader::ALL {
        let mut server = Typist::at(s_server(&["-tls1_3"]));
        let ca = certificates::path("ca.pem");
        let url = server.program.url();
        let client = CClient::new(url, &[&SOON[..], &ALONE, &[("tls_ca", ca.as_str())]].concat(), reader);
        thread::scope(|scope| {
            let server = &mut server;
            let typing = scope.spawn(move || {
                server.hears("PING\r\n");
                server.types("+PONG\r\n");
                for key in ["K\n", "k\n", "K\n"] {
                    server.hears("GET\r\n");
                    server.types(key);
                    server.types("$10\r\n01234");
                    server.types(key);
                    server.types("56789\r\n");
                }
                server.hears("ECHO\r\n");
                server.types("+end\r\n");
            });
            for _ in 0..3 {
                assert_eq!(client.run(&Job::of(&["GET", "key"])).text(), "0123456789", "{reader:?}");
            }
            assert_eq!(client.run(&Job::of(&["ECHO", "end"])).text(), "end", "{reader:?}");
            typing.join().unwrap();
        });
    }
}

#[test]
fn newer_servers_speak_it_as_well() {
    for name in ["redis-8.0", "valkey-9"] {
        for versions in EACH {
            let Some(builder) = Server::version(name) else { continue };
            let tls = Tls { clients_of: Some("ca"), ..speaking(versions) };
            let server = builder.tls(tls).start();
            let (certificate, key) = (certificates::path("client.pem"), certificates::path("client.key"));
            let client = trusting(server.url(), &[("tls_certificate", &certificate), ("tls_key", &key)]);
            everything_works(&client);
            let done = trusting(server.url(), &[]).run_within(100_000, &["PING"]);
            done.says(Status::Tls, NotRun, &["wants a certificate", "tls_certificate"]);
        }
    }
}

/// It says so itself, on its screen.
#[test]
fn openssl_sees_that_sessions_are_resumed() {
    for version in ["-tls1_2", "-tls1_3"] {
        let mut server = Typist::at(s_server(&[version]));
        let client = trusting(server.program.url(), &[&SOON[..], &ALONE].concat());
        let begin = |server: &mut Typist| {
            server.hears("PING\r\n");
            server.types("+PONG\r\n");
        };
        begin(&mut server);
        client.until_connected();
        for round in 1..4 {
            server.types("q\n");
            server.hears("Reused session-id");
            begin(&mut server);
            client.until_stat("connections", |connections| connections == round + 1);
        }
    }
}

/// Large and many, pushed and blocking.
fn everything_works(client: &Tester) {
    let large = "x".repeat(5 << 20);
    assert_eq!(client.text(&["SET", "key", &large]), "OK");
    assert_eq!(client.text(&["GET", "key"]), large);
    let ids: Vec<u64> = (0..5000).map(|_| client.submit(&["INCR", "counter"])).collect();
    assert!(client.inbox.each_once(&ids).values().all(|done| done.is_ok()));
    assert_eq!(client.text(&["GET", "counter"]), "5000");
    let subscription = Subscription::to(client, &["SUBSCRIBE", "channel"]);
    assert!(subscription.take(1)[0].starts_with("subscribe"));
    assert_eq!(client.run(&["PUBLISH", "channel", "hello"]).integer(), 1);
    assert_eq!(subscription.take(1), ["message channel hello"]);
    let popping = client.submit(&["BLPOP", "list", "0"]);
    assert_eq!(client.run(&["RPUSH", "list", "element"]).integer(), 1);
    assert!(client.inbox.each_once(&[popping])[&popping].is_ok());
}

fn stunnel(to: &Server) -> Program {
    Program::start("stunnel4", |port, directory| {
        let (certificate, key) = (certificates::path("server.pem"), certificates::path("server.key"));
        let configuration = format!(
            "foreground = yes\nsyslog = no\npid =\n[redis]\naccept = 127.0.0.1:{port}\nconnect = {}\n\
             cert = {certificate}\nkey = {key}\n",
            to.address()
        );
        let path = directory.path().join("stunnel.conf");
        std::fs::write(&path, configuration).unwrap();
        vec![path.to_str().unwrap().to_owned()]
    })
}

#[test]
fn a_plain_server_behind_stunnel_is_used_like_any() {
    let server = Server::start();
    let stunnel = stunnel(&server);
    let client = trusting(stunnel.url(), &[("reconnect_delay_max", "50ms")]);
    everything_works(&client);

    // The tunnel stays, and the server behind it goes and comes.
    let waiting = client.submit(&["BLPOP", "list", "0"]);
    wait::until("it to be blocked", || server.command(&["INFO", "clients"]).text().contains("blocked_clients:1"));
    server.kill();
    client.inbox.each_once(&[waiting])[&waiting].says(Status::Lost, Unknown, &[]);
    server.restart();
    assert_eq!(client.text(&["SET", "key", "value"]), "OK");
}
