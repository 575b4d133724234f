//! The crate `redis`: a MultiplexedConnection, cloned for each task, and a command that is made once.

use std::fs;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, TlsCertificates, Value};

use crate::arguments::{Arguments, Command, KEY};
use crate::measure::Peer;

#[derive(Clone)]
pub struct Redis {
    connection: MultiplexedConnection,
    command: Arc<Cmd>,
    /// The length of the value that is the reply; none: it is OK.
    length: Option<usize>,
}

fn client(arguments: &Arguments) -> Result<Client, String> {
    let Arguments { host, port, .. } = arguments;
    match &arguments.tls_ca {
        None => Client::open((host.as_str(), *port)),
        Some(path) => {
            let root_cert = Some(fs::read(path).map_err(|error| error.to_string())?);
            Client::build_with_tls(format!("rediss://{host}:{port}"), TlsCertificates { client_tls: None, root_cert })
        }
    }
    .map_err(|error| error.to_string())
}

pub async fn connect(arguments: &Arguments) -> Result<Redis, String> {
    let client = client(arguments)?;
    let connection = client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
    let set = redis::cmd("SET").arg(KEY).arg(arguments.bytes()).take();
    let mut peer = Redis { connection, command: Arc::new(set), length: None };
    peer.run().await?;
    if arguments.command == Command::Get {
        peer.command = Arc::new(redis::cmd("GET").arg(KEY).take());
        peer.length = Some(arguments.value as usize);
    }
    Ok(peer)
}

impl Peer for Redis {
    async fn run(&mut self) -> Result<(), String> {
        match self.connection.send_packed_command(&self.command).await {
            Ok(Value::Okay) if self.length.is_none() => Ok(()),
            Ok(Value::BulkString(value)) if self.length == Some(value.len()) => Ok(()),
            Ok(_) => Err("an unexpected reply".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
