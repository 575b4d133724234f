//! The crate `fred`: a Client, cloned for each task, and values that are not copied.

use std::path::Path;
use std::sync::Arc;

use fred::bytes::Bytes;
use fred::prelude::{Builder, Client, ClientLike, Config, KeysInterface, ServerConfig, TlsConfig, TlsConnector};
use fred::rustls::pki_types::{CertificateDer, pem::PemObject};
use fred::rustls::{ClientConfig, RootCertStore};
use fred::types::Key;

use crate::arguments::{Arguments, Command};
use crate::measure::Peer;

#[derive(Clone)]
pub struct Fred {
    client: Client,
    command: Command,
    keys: Arc<[Key]>,
    value: Bytes,
}

fn tls(authorities: &Path) -> Result<TlsConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authorities).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(config).into())
}

pub async fn connect(arguments: &Arguments) -> Result<Fred, String> {
    let config = Config {
        server: match arguments.cluster {
            false => ServerConfig::new_centralized(arguments.host.as_str(), arguments.port),
            true => ServerConfig::new_clustered(vec![(arguments.host.as_str(), arguments.port)]),
        },
        tls: arguments.tls_ca.as_deref().map(tls).transpose()?,
        ..Config::default()
    };
    let client = Builder::from_config(config)
        .with_connection_config(|connection| connection.tcp.nodelay = Some(true))
        .build()
        .map_err(|error| error.to_string())?;
    client.init().await.map_err(|error| error.to_string())?;
    let keys = arguments.keys().into_iter().map(Key::from).collect();
    let mut peer = Fred { client, command: Command::Set, keys, value: Bytes::from(arguments.bytes()) };
    for key in 0..peer.keys.len() {
        peer.run(key).await?;
    }
    peer.command = arguments.command;
    Ok(peer)
}

impl Peer for Fred {
    async fn run(&mut self, key: usize) -> Result<(), String> {
        // (A copy of its bytes is none: they are shared.)
        let key = self.keys.get(key).cloned().ok_or("there is no such key")?;
        match self.command {
            Command::Set => self.client.set::<(), _, _>(key, self.value.clone(), None, None, false).await,
            Command::Get => {
                let value = self.client.get::<Bytes, _>(key).await.map_err(|error| error.to_string())?;
                if value.len() != self.value.len() {
                    return Err("a value of another length".to_owned());
                }
                Ok(())
            }
        }
        .map_err(|error| error.to_string())
    }
}
