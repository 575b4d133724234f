//! A server that says what a test tells it to say, for faults that no real server shows: wrong replies, half
//! replies, garbage, silence. It records every command it was sent. Over TLS the steps mean the plaintext.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;

use super::port;
use super::resp::read_command;
use super::transport;
use super::wait;
use super::wire::Wire;

/// What the scripted server does next on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads one command, whatever it is.
    Command,
    /// Reads one command, which must be this one; a difference ends the connection and is told by
    /// [`Scripted::differences`].
    Expect(Vec<String>),
    /// Waits until something has arrived, command or not, and takes it.
    Bytes,
    /// Sends these bytes as they are.
    Send(Vec<u8>),
    /// Sends these bytes again and again, until the client ends the connection.
    Flood(Vec<u8>),
    /// Sends these bytes in one write, those of each part in a TLS record of their own.
    Records(Vec<Vec<u8>>),
    /// What is sent from here on is under new keys, and the client is asked for new ones, too (TLS 1.3).
    UpdateKeys,
    /// Closes the connection (FIN); over TLS it says so first.
    Close,
    /// Closes the connection (FIN) without a word, as somebody could who is on the way.
    Cut,
    /// Resets the connection (RST).
    Reset,
    /// Reads everything from here on and says nothing.
    Silence,
}

impl Step {
    /// Expects a command of these words.
    pub fn expect(words: &[&str]) -> Step {
        Step::Expect(words.iter().map(|&word| word.to_owned()).collect())
    }

    /// Sends these bytes again and again, in writes of some size.
    pub fn flood(bytes: impl AsRef<[u8]>) -> Step {
        let bytes = bytes.as_ref();
        Step::Flood(bytes.repeat(32_768 / bytes.len().max(1) + 1))
    }

    /// Sends these bytes as they are.
    pub fn send(bytes: impl AsRef<[u8]>) -> Step {
        Step::Send(bytes.as_ref().to_vec())
    }
}

/// A command as the scripted server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The number of the connection, from 0.
    pub connection: usize,
    /// The arguments, the name included.
    pub arguments: Vec<Vec<u8>>,
}

impl Received {
    /// The arguments as text.
    pub fn args(&self) -> Vec<String> {
        self.arguments.iter().map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
    }

    /// The name in capitals.
    pub fn name(&self) -> String {
        self.args().first().map(|name| name.to_ascii_uppercase()).unwrap_or_default()
    }
}

/// The reply to HELLO 3 that a server of Redis 7 gives, without modules.
pub const HELLO_3: &str = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n\
    $2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";

type Play = dyn Fn(&mut Stage<'_>) + Send + Sync;

/// A scripted server on a port of 127.0.0.1. Ends with its value.
pub struct Scripted {
    address: SocketAddr,
    is_tls: bool,
    notes: Arc<Notes>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Notes {
    ended: AtomicBool,
    accepted: AtomicUsize,
    resumed: AtomicUsize,
    asked_for: Mutex<Vec<Option<String>>>,
    flooded: AtomicUsize,
    received: Mutex<Vec<Received>>,
    differences: Mutex<Vec<String>>,
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl Scripted {
    /// Plays `steps` on every connection; after the last one the connection closes.
    pub fn playing(steps: Vec<Step>) -> Scripted {
        Scripted::playing_over(current(), steps)
    }

    /// The same over this TLS, whatever the transport of the run is, or without any.
    pub fn playing_over(tls: Option<Arc<ServerConfig>>, steps: Vec<Step>) -> Scripted {
        Scripted::start(
            tls,
            Arc::new(move |stage| {
                let _ = steps.iter().all(|step| stage.play(step));
            }),
        )
    }

    /// Answers each command with the steps that `answer` makes of it; it may block to hold an answer back.
    pub fn answering(answer: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static) -> Scripted {
        Scripted::greeting("", answer)
    }

    /// As [`Scripted::answering`], but every connection begins with these bytes, before anything is read.
    pub fn greeting(
        greeting: &'static str,
        answer: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::talking(current(), greeting, answer)
    }

    fn talking(
        tls: Option<Arc<ServerConfig>>,
        greeting: &'static str,
        answer: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::start(
            tls,
            Arc::new(move |stage| {
                stage.play(&Step::send(greeting));
                while let Some(command) = stage.read() {
                    if !answer(&command).iter().all(|step| stage.play(step)) {
                        break;
                    }
                }
            }),
        )
    }

    /// As [`Scripted::answering`], but what belongs to a handshake (HELLO, AUTH, CLIENT, SELECT, PING) is answered
    /// here, as a server of Redis 7 would.
    pub fn after_handshake(answer: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static) -> Scripted {
        Scripted::after_handshake_over(current(), answer)
    }

    /// The same over this TLS, whatever the transport of the run is, or without any.
    pub fn after_handshake_over(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::talking(tls, "", move |command| match command.name().as_str() {
            "HELLO" => vec![Step::send(HELLO_3)],
            "AUTH" | "CLIENT" | "SELECT" => vec![Step::send("+OK\r\n")],
            "PING" => vec![Step::send("+PONG\r\n")],
            _ => answer(command),
        })
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Address and port to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:port`, or `rediss://127.0.0.1:port`
    pub fn url(&self) -> String {
        transport::url_over(self.is_tls, self.address)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.notes.accepted.load(SeqCst)
    }

    /// Connections with a TLS session that the client had before.
    pub fn resumed(&self) -> usize {
        self.notes.resumed.load(SeqCst)
    }

    /// The name that each TLS handshake asked for (SNI).
    pub fn asked_for(&self) -> Vec<Option<String>> {
        self.notes.asked_for.lock().unwrap().clone()
    }

    /// Bytes that a [`Step::Flood`] has sent so far.
    pub fn flooded(&self) -> usize {
        self.notes.flooded.load(SeqCst)
    }

    /// All commands read so far, in the order of their arrival.
    pub fn received(&self) -> Vec<Received> {
        self.notes.received.lock().unwrap().clone()
    }

    /// Waits until `count` commands of this name have arrived.
    pub fn until_received(&self, name: &str, count: usize) {
        let arrived = || self.received().iter().filter(|command| command.name() == name).count() >= count;
        wait::until(&format!("{count} x {name} to arrive"), arrived);
    }

    /// Where the commands differed from what [`Step::Expect`] said.
    pub fn differences(&self) -> Vec<String> {
        self.notes.differences.lock().unwrap().clone()
    }

    fn start(tls: Option<Arc<ServerConfig>>, play: Arc<Play>) -> Scripted {
        let listener = port::listener(Ipv4Addr::LOCALHOST.into());
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
        let is_tls = tls.is_some();
        let acceptor = Some(accept_from(listener, tls, play, notes.clone()));
        Scripted { address, is_tls, notes, acceptor }
    }
}

/// The TLS of this run.
fn current() -> Option<Arc<ServerConfig>> {
    transport::current().map(|tls| tls.acceptor())
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.notes.ended.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.acceptor.take().map(JoinHandle::join);
        for stream in self.notes.streams.lock().unwrap().iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept_from(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    play: Arc<Play>,
    notes: Arc<Notes>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if notes.ended.load(SeqCst) {
                break;
            }
            let number = notes.accepted.fetch_add(1, SeqCst);
            let (tls, play, notes) = (tls.clone(), play.clone(), notes.clone());
            thread::spawn(move || {
                let stream = Arc::new(stream);
                notes.streams.lock().unwrap().push(Arc::downgrade(&stream));
                let _ = stream.set_nodelay(true);
                if let Ok(wire) = Wire::accept(&stream, tls.as_ref()) {
                    notes.resumed.fetch_add(usize::from(wire.is_resumed()), SeqCst);
                    notes.asked_for.lock().unwrap().push(wire.asked_for());
                    let mut stage = Stage { number, stream: BufReader::new(wire), notes: &notes, ends_rudely: false };
                    play(&mut stage);
                    stage.end();
                }
                // Closing with unread bytes would reset: end the stream first, unless a reset is what is wanted.
                if matches!(SockRef::from(stream.as_ref()).linger(), Ok(None)) {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            });
        }
    })
}

/// One connection of a scripted server.
struct Stage<'a> {
    number: usize,
    stream: BufReader<Wire<'a>>,
    notes: &'a Notes,
    /// Over TLS, the client is not told that the connection ends.
    ends_rudely: bool,
}

impl Stage<'_> {
    fn end(&mut self) {
        if !self.ends_rudely {
            self.stream.get_mut().say_goodbye();
        }
    }

    fn read(&mut self) -> Option<Received> {
        let arguments = read_command(&mut self.stream).ok().flatten()?;
        let command = Received { connection: self.number, arguments };
        self.notes.received.lock().unwrap().push(command.clone());
        Some(command)
    }

    /// Plays one step; false when the connection is over.
    fn play(&mut self, step: &Step) -> bool {
        match step {
            Step::Command => self.read().is_some(),
            Step::Expect(words) => self.expect(words),
            Step::Bytes => self.take() > 0,
            Step::Send(bytes) => self.stream.get_mut().write_all(bytes).is_ok(),
            Step::Flood(bytes) => {
                while self.stream.get_mut().write_all(bytes).is_ok() {
                    self.notes.flooded.fetch_add(bytes.len(), SeqCst);
                }
                false
            }
            Step::Records(parts) => self.stream.get_mut().send_records(parts).is_ok(),
            Step::UpdateKeys => self.stream.get_mut().update_keys().is_ok(),
            Step::Close => false,
            Step::Cut => {
                self.ends_rudely = true;
                false
            }
            Step::Reset => {
                self.ends_rudely = true;
                let _ = SockRef::from(self.stream.get_ref().socket()).set_linger(Some(Duration::ZERO));
                false
            }
            Step::Silence => {
                while self.take() > 0 {}
                false
            }
        }
    }

    fn expect(&mut self, words: &[String]) -> bool {
        let Some(command) = self.read() else { return false };
        let equal = command.args() == words;
        if !equal {
            self.notes.differences.lock().unwrap().push(format!("expected {words:?}, got {:?}", command.args()));
        }
        equal
    }

    fn take(&mut self) -> usize {
        let count = self.stream.fill_buf().map_or(0, <[u8]>::len);
        self.stream.consume(count);
        count
    }
}
