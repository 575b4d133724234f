//! The server's end of a connection of a scripted server, plain or over TLS by rustls. What TLS alone can do, such as
//! several records in one write or new keys in the midst, is a method of its own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

/// A blocking stream of plaintext.
pub enum Wire<'a> {
    Plain(&'a TcpStream),
    Tls(Box<StreamOwned<ServerConnection, &'a TcpStream>>),
}

impl<'a> Wire<'a> {
    /// Ends with the handshake done, if there is one.
    pub fn accept(stream: &'a TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Wire<'a>> {
        let Some(tls) = tls else { return Ok(Wire::Plain(stream)) };
        let connection = ServerConnection::new(tls.clone()).map_err(io::Error::other)?;
        let mut tls = Box::new(StreamOwned::new(connection, stream));
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        // The tickets for later sessions, too.
        while tls.conn.wants_write() {
            tls.conn.write_tls(&mut tls.sock)?;
        }
        Ok(Wire::Tls(tls))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(tls) => tls.sock,
        }
    }

    /// Whether the client came back with a session that it had before.
    pub fn is_resumed(&self) -> bool {
        matches!(self, Wire::Tls(tls) if tls.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// The name by which the client asked for this server (SNI).
    pub fn asked_for(&self) -> Option<String> {
        match self {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => tls.conn.server_name().map(str::to_owned),
        }
    }

    /// Sends a record for each of `parts`, all of them in one write to the socket.
    pub fn send_records(&mut self, parts: &[Vec<u8>]) -> io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.write_all(&parts.concat()),
            Wire::Tls(tls) => {
                let mut records = Vec::new();
                for part in parts {
                    tls.conn.writer().write_all(part)?;
                    while tls.conn.wants_write() {
                        tls.conn.write_tls(&mut records)?;
                    }
                }
                tls.sock.write_all(&records)
            }
        }
    }

    /// Says that new keys are in use from here on, and that the client shall take new ones, too (TLS 1.3).
    pub fn update_keys(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(_) => Ok(()),
            Wire::Tls(tls) => {
                tls.conn.refresh_traffic_keys().map_err(io::Error::other)?;
                tls.flush()
            }
        }
    }

    /// Tells the client that this is the end, as TLS wants it. The socket is left as it is.
    pub fn say_goodbye(&mut self) {
        if let Wire::Tls(tls) = self {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(buffer),
            Wire::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            Wire::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.flush(),
            Wire::Tls(tls) => tls.flush(),
        }
    }
}
