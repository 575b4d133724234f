//! The peers in Rust: GET or SET through the crates `redis` and `fred`, as justredis_bench does it, with the same
//! options and the same line of JSON.

mod arguments;
mod figures;
mod fred;
mod measure;
mod redis;

use std::process::ExitCode;

use arguments::{Arguments, Mode};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("peers_bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all commands worked.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let figures = arguments.runtime()?.block_on(async {
        match arguments.mode {
            Mode::Redis => measure::run(arguments, redis::connect(arguments).await?).await,
            Mode::Fred => measure::run(arguments, fred::connect(arguments).await?).await,
        }
    })?;
    let json = || serde_json::to_string(&figures).map_err(|error| error.to_string());
    println!("{}", if arguments.json { json()? } else { figures.text() });
    Ok(figures.are_good())
}
