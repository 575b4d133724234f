//! A TCP proxy that injects faults between a client and a server, in plain threads: two for each connection, one
//! for each direction. What a direction does to its bytes is in [`Flow`]; what befalls connections is here. Where
//! client and server speak TLS, the bytes are those of TLS.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use super::flow::{Chunk, Fault, Flow};
use super::port;
use super::transport;

/// Listens on a port of 127.0.0.1 and passes everything on to a server. Ends with its value.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    target: SocketAddr,
    has_small_buffers: bool,
    to_server: Flow,
    to_client: Flow,
    refusing: AtomicBool,
    accepted: AtomicUsize,
    connections: Mutex<Vec<Arc<Connection>>>,
}

impl Proxy {
    /// A proxy to a port of 127.0.0.1.
    pub fn to(port: u16) -> Proxy {
        Proxy::to_address((Ipv4Addr::LOCALHOST, port).into())
    }

    /// A proxy to a port of 127.0.0.1 whose sockets hold some kilobytes, so that nothing large goes at once.
    pub fn with_small_buffers(port: u16) -> Proxy {
        Proxy::start((Ipv4Addr::LOCALHOST, port).into(), true)
    }

    /// A proxy to any address.
    pub fn to_address(target: SocketAddr) -> Proxy {
        Proxy::start(target, false)
    }

    fn start(target: SocketAddr, has_small_buffers: bool) -> Proxy {
        let listener = port::listener(Ipv4Addr::LOCALHOST.into());
        let shared = Arc::new(Shared {
            target,
            has_small_buffers,
            to_server: Flow::default(),
            to_client: Flow::default(),
            refusing: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            connections: Mutex::new(Vec::new()),
        });
        let port = listener.local_addr().unwrap().port();
        let acceptor = Mutex::new(Some(shared.clone().accept_from(listener)));
        Proxy { port, shared, acceptor }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address and port to connect to.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `redis://127.0.0.1:port`, or `rediss://127.0.0.1:port`, as the servers of this run speak
    pub fn url(&self) -> String {
        transport::url(self.address())
    }

    /// The direction from the clients to the server.
    pub fn to_server(&self) -> &Flow {
        &self.shared.to_server
    }

    /// The direction from the server to the clients.
    pub fn to_client(&self) -> &Flow {
        &self.shared.to_client
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// Refuses new connections (the port is closed when this returns); those that are open stay.
    pub fn refuse(&self) {
        let Some(acceptor) = self.acceptor.lock().unwrap().take() else { return };
        self.shared.refusing.store(true, SeqCst);
        let _ = TcpStream::connect(self.address());
        let _ = acceptor.join();
    }

    /// Accepts connections again.
    pub fn admit(&self) {
        let mut acceptor = self.acceptor.lock().unwrap();
        if acceptor.is_none() {
            let listener = TcpListener::bind(self.address()).expect("the port is still ours");
            self.shared.refusing.store(false, SeqCst);
            *acceptor = Some(self.shared.clone().accept_from(listener));
        }
    }

    /// Ends all connections: both sides see the end of the stream.
    pub fn close_all(&self) {
        self.each(|connection| connection.close(&self.shared));
    }

    /// Resets all connections.
    pub fn reset_all(&self) {
        self.each(|connection| connection.reset(&self.shared));
    }

    /// All clients receive these bytes, which no server has sent. They have arrived when this returns.
    pub fn inject(&self, bytes: &[u8]) {
        self.each(|connection| connection.to_client.to.as_ref().write_all(bytes).unwrap());
    }

    /// All clients see the end of the stream, yet what they send still reaches the server.
    pub fn half_close_to_client(&self) {
        self.each(|connection| connection.to_client.finish());
    }

    /// The server sees the end of all streams, yet what it still sends reaches the clients.
    pub fn half_close_to_server(&self) {
        self.each(|connection| connection.to_server.finish());
    }

    fn each(&self, act: impl Fn(&Connection)) {
        let connections = self.shared.connections.lock().unwrap().clone();
        connections.iter().for_each(|connection| act(connection));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.close_all();
    }
}

impl Shared {
    fn accept_from(self: Arc<Shared>, listener: TcpListener) -> JoinHandle<()> {
        thread::spawn(move || {
            for client in listener.incoming() {
                if self.refusing.load(SeqCst) {
                    // Closing is not enough: a child that another test has just forked may hold the listener, too.
                    SockRef::from(&listener).shutdown(Shutdown::Both).unwrap();
                    break;
                }
                if let Ok(client) = client {
                    self.accepted.fetch_add(1, SeqCst);
                    let shared = self.clone();
                    thread::spawn(move || shared.serve(client));
                }
            }
        })
    }

    /// Carries one connection, on this thread and one more, until both directions have ended.
    fn serve(self: Arc<Shared>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.target) else { return };
        if self.has_small_buffers {
            for socket in [SockRef::from(&client), SockRef::from(&server)] {
                let _ = socket.set_recv_buffer_size(4096);
                let _ = socket.set_send_buffer_size(4096);
            }
        }
        let Ok(connection) = Connection::new(client, server).map(Arc::new) else { return };
        self.connections.lock().unwrap().push(connection.clone());
        thread::scope(|scope| {
            scope.spawn(|| self.carry(&connection, &self.to_server, &connection.to_server));
            self.carry(&connection, &self.to_client, &connection.to_client);
        });
        self.connections.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &connection));
    }

    fn carry(&self, connection: &Connection, flow: &Flow, lane: &Lane) {
        if connection.carry(self, flow, lane).is_err() {
            connection.close(self);
        }
    }
}

/// A client, the server, and the two ways between them.
struct Connection {
    to_server: Lane,
    to_client: Lane,
    closed: AtomicBool,
}

/// One way of one connection.
struct Lane {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    finished: AtomicBool,
}

impl Lane {
    /// The receiver sees the end of the stream; what comes now is dropped.
    fn finish(&self) {
        self.finished.store(true, SeqCst);
        let _ = self.to.shutdown(Shutdown::Write);
    }
}

impl Connection {
    fn new(client: TcpStream, server: TcpStream) -> io::Result<Connection> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            // A blocked write looks around now and then whether the connection was closed meanwhile.
            stream.set_write_timeout(Some(Duration::from_millis(20)))?;
        }
        let (client, server) = (Arc::new(client), Arc::new(server));
        Ok(Connection {
            to_server: Lane { from: client.clone(), to: server.clone(), finished: AtomicBool::new(false) },
            to_client: Lane { from: server, to: client, finished: AtomicBool::new(false) },
            closed: AtomicBool::new(false),
        })
    }

    fn closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Both sides see the end of the stream.
    fn close(&self, shared: &Shared) {
        self.end(shared, Shutdown::Both);
    }

    /// Both sides see a reset: the sockets are told not to linger, and the last thread to let go of them resets.
    fn reset(&self, shared: &Shared) {
        for stream in [&self.to_server.from, &self.to_server.to] {
            let _ = SockRef::from(stream.as_ref()).set_linger(Some(Duration::ZERO));
        }
        self.end(shared, Shutdown::Read);
    }

    fn end(&self, shared: &Shared, how: Shutdown) {
        if self.closed.swap(true, SeqCst) {
            return;
        }
        let _ = self.to_server.from.shutdown(how);
        let _ = self.to_server.to.shutdown(how);
        shared.to_server.wake();
        shared.to_client.wake();
    }

    /// Moves the bytes of one direction until it ends; an error ends the connection.
    fn carry(&self, shared: &Shared, flow: &Flow, lane: &Lane) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while !self.closed() {
            // Looking leaves the bytes in the kernel: a direction that stalls meanwhile has taken nothing.
            match lane.from.peek(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) => {
                    if flow.may_end(|| self.closed()) {
                        lane.finish();
                    }
                    break;
                }
                seen => seen?,
            };
            let Some(chunk) = flow.take(&lane.from, &mut buffer, || self.closed())? else { break };
            let Chunk { count, pause, forward, fault } = chunk;
            flow.pause(pause, || self.closed());
            if forward && !lane.finished.load(SeqCst) {
                self.write(flow, lane, &buffer[..count])?;
            }
            match fault {
                Some(Fault::Close) => self.close(shared),
                Some(Fault::Reset) => self.reset(shared),
                Some(Fault::HalfClose) => lane.finish(),
                Some(Fault::Stall | Fault::Swallow) | None => {}
            }
        }
        Ok(())
    }

    fn write(&self, flow: &Flow, lane: &Lane, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && !self.closed() && !lane.finished.load(SeqCst) {
            match lane.to.as_ref().write(bytes) {
                Ok(count) => {
                    flow.add_forwarded(count);
                    bytes = &bytes[count..];
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) if lane.finished.load(SeqCst) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
