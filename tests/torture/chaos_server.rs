//! The sockets of [`super::chaos`]: a thread for each connection, which reads, and does what is decided.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use rustls::ServerConfig;
use socket2::SockRef;

use super::chaos::{Act, Chaos};
use super::outcomes::Log;
use crate::support::port;
use crate::support::transport;
use crate::support::wire::Wire;

/// A chaotic server on a port of 127.0.0.1.
pub struct ChaosServer {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    seed: u64,
    twice: bool,
    tls: Option<Arc<ServerConfig>>,
    ended: AtomicBool,
    log: Mutex<Log>,
    /// Weak, because a reset is sent when the last owner closes.
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl ChaosServer {
    pub fn start(seed: u64, twice: bool) -> ChaosServer {
        let listener = port::listener(Ipv4Addr::LOCALHOST.into());
        let port = listener.local_addr().unwrap().port();
        let (log, streams) = (Mutex::default(), Mutex::default());
        let tls = transport::current().map(|tls| tls.acceptor());
        let shared = Arc::new(Shared { seed, twice, tls, ended: AtomicBool::new(false), log, streams });
        let accepting = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accepting.accept_from(&listener)));
        ChaosServer { port, shared, acceptor }
    }

    pub fn url(&self) -> String {
        transport::url(format!("127.0.0.1:{}", self.port))
    }

    /// Ends everything: what was run, and how many connections there were.
    pub fn end(mut self) -> (Log, usize) {
        self.shared.ended.store(true, SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let streams = std::mem::take(&mut *self.shared.streams.lock().unwrap());
        streams.iter().filter_map(Weak::upgrade).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        self.acceptor.take().map(JoinHandle::join);
        (std::mem::take(&mut *self.shared.log.lock().unwrap()), streams.len())
    }
}

impl Shared {
    fn accept_from(self: &Arc<Shared>, listener: &TcpListener) {
        let mut threads = Vec::new();
        for (number, stream) in listener.incoming().flatten().enumerate() {
            if self.ended.load(SeqCst) {
                break;
            }
            let (shared, stream) = (Arc::clone(self), Arc::new(stream));
            self.streams.lock().unwrap().push(Arc::downgrade(&stream));
            threads.push(thread::spawn(move || shared.serve(&stream, number as u64)));
        }
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Plays one connection until it is over.
    fn serve(&self, stream: &TcpStream, number: u64) {
        let seed = self.seed.wrapping_mul(31).wrapping_add(number);
        let (mut chaos, mut random) = (Chaos::new(seed, self.twice), Rng::with_seed(seed));
        let _ = stream.set_nodelay(true);
        if random.bool() {
            // Long commands come in many parts, and long answers go so.
            let _ = SockRef::from(stream).set_recv_buffer_size(4096);
            let _ = SockRef::from(stream).set_send_buffer_size(4096);
        }
        let Ok(mut wire) = Wire::accept(stream, self.tls.as_ref()) else { return };
        let mut acts = chaos.greet();
        let mut buffer = vec![0; 1 << random.u32(2..15)];
        while self.carry_out(&mut wire, &acts, &chaos).is_some() {
            let Ok(count @ 1..) = wire.read(&mut buffer) else { break };
            acts = chaos.feed(&buffer[..count], &mut self.log.lock().unwrap());
        }
        if matches!(SockRef::from(stream).linger(), Ok(None)) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// `None`: the connection is over.
    fn carry_out(&self, wire: &mut Wire<'_>, acts: &[Act], chaos: &Chaos) -> Option<()> {
        for act in acts {
            match act {
                Act::Send(bytes) => wire.write_all(bytes).ok()?,
                Act::Pause(pause) => thread::sleep(*pause),
                Act::Reset => {
                    let _ = SockRef::from(wire.socket()).set_linger(Some(Duration::ZERO));
                    return None;
                }
                Act::End => {
                    wire.say_goodbye();
                    wire.socket().shutdown(Shutdown::Write).ok()?;
                    chaos.ended(&mut self.log.lock().unwrap());
                    // Unread bytes at the end would make a reset of it, which overtakes the answers.
                    let _ = wire.socket().set_read_timeout(Some(Duration::from_secs(2)));
                    while matches!(wire.read(&mut [0; 4096]), Ok(1..)) {}
                    return None;
                }
            }
        }
        Some(())
    }
}
