//! The crate `redis`: a MultiplexedConnection or a ClusterConnection, cloned for each task, and commands that are made
//! once.

use std::fs;
use std::sync::Arc;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, RedisResult, TlsCertificates, Value};

use crate::arguments::{Arguments, Command};
use crate::measure::Peer;

#[derive(Clone)]
pub struct Redis {
    connection: Connection,
    /// One for each key.
    commands: Arc<[Cmd]>,
    /// The length of the value that is the reply; none: it is OK.
    length: Option<usize>,
}

#[derive(Clone)]
enum Connection {
    OneServer(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Connection::OneServer(connection) => connection.send_packed_command(command).await,
            Connection::Cluster(connection) => connection.req_packed_command(command).await,
        }
    }
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

async fn connection(arguments: &Arguments) -> Result<Connection, String> {
    let Arguments { host, port, cluster, .. } = arguments;
    if *cluster {
        let client = ClusterClient::new([format!("redis://{host}:{port}")]).map_err(|error| error.to_string())?;
        return client.get_async_connection().await.map(Connection::Cluster).map_err(|error| error.to_string());
    }
    let connected = client(arguments)?.get_multiplexed_async_connection().await;
    connected.map(Connection::OneServer).map_err(|error| error.to_string())
}

pub async fn connect(arguments: &Arguments) -> Result<Redis, String> {
    let connection = connection(arguments).await?;
    let keys = arguments.keys();
    let set = |key| redis::cmd("SET").arg(key).arg(arguments.bytes()).take();
    let mut peer = Redis { connection, commands: keys.iter().map(set).collect(), length: None };
    for key in 0..keys.len() {
        peer.run(key).await?;
    }
    if arguments.command == Command::Get {
        peer.commands = keys.iter().map(|key| redis::cmd("GET").arg(key).take()).collect();
        peer.length = Some(arguments.value as usize);
    }
    Ok(peer)
}

impl Peer for Redis {
    async fn run(&mut self, key: usize) -> Result<(), String> {
        let command = self.commands.get(key).ok_or("there is no such key")?;
        match self.connection.send(command).await {
            Ok(Value::Okay) if self.length.is_none() => Ok(()),
            Ok(Value::BulkString(value)) if self.length == Some(value.len()) => Ok(()),
            Ok(_) => Err("an unexpected reply".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
