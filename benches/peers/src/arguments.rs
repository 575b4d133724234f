//! The command line: the options of the programs in C, and whose threads and tasks they are.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum, value_parser};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

/// A key that is read and written: 16 bytes.
fn key(number: u32) -> String {
    format!("benchmark:{number:06}")
}

/// Runs GET or SET through other clients in Rust, as justredis_bench does
#[derive(Parser)]
pub struct Arguments {
    /// Which client
    pub mode: Mode,
    /// The server
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Its port
    #[arg(long, default_value_t = 6379)]
    pub port: u16,
    /// The server is a node of a cluster
    #[arg(long)]
    pub cluster: bool,
    /// Speak TLS, and trust the authorities of this file (PEM)
    #[arg(long)]
    pub tls_ca: Option<PathBuf>,
    /// What to run
    #[arg(long, default_value = "get")]
    pub command: Command,
    /// The length of the value, in bytes
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(..=512 << 20))]
    pub value: u32,
    /// Keys, in an order by chance that is always the same
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=999_999))]
    pub keys: u32,
    /// Callers, all on one connection
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=4096))]
    pub threads: u32,
    /// So many callers in the place of each; then the latency of every 32nd command is taken
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=4096))]
    pub window: u32,
    /// How long to measure
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub seconds: Duration,
    /// How long to run before that
    #[arg(long, default_value = "0.2", value_parser = seconds)]
    pub warmup: Duration,
    /// What a caller is
    #[arg(long, default_value = "tasks")]
    pub callers: Callers,
    /// Which runtime of tokio
    #[arg(long, default_value = "current")]
    pub runtime: Flavor,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The crate redis: a MultiplexedConnection that all callers clone
    Redis,
    /// The crate fred: a Client that all callers clone
    Fred,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    Get,
    Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Callers {
    /// Tasks of the runtime, which await one command at a time
    Tasks,
    /// Threads beside the runtime, which block until their command is done
    Threads,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Flavor {
    /// Everything on one thread
    Current,
    /// A thread for each core
    Multi,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds is expected".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

impl Arguments {
    pub fn count(&self) -> usize {
        self.threads as usize * self.window as usize
    }

    pub fn runtime(&self) -> Result<Runtime, String> {
        let mut builder = match self.runtime {
            Flavor::Current => Builder::new_current_thread(),
            Flavor::Multi => Builder::new_multi_thread(),
        };
        // Blocking callers take a thread each; what the clients need stays.
        builder.max_blocking_threads(self.count() + 16);
        builder.enable_all().build().map_err(|error| error.to_string())
    }

    /// The keys, in the order that measure.c has.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut chance = 1_u32;
        for index in 0..self.keys {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = (u64::from(chance) * u64::from(index + 1)) >> 32;
            keys.push(key(index + 1));
            keys.swap(place as usize, index as usize);
        }
        keys
    }

    /// The value that is written.
    pub fn bytes(&self) -> Vec<u8> {
        (b'a'..=b'z').cycle().take(self.value as usize).collect()
    }
}
