//! The `stillframe` binary.

use std::process::ExitCode;

use clap::Parser;
use stillframe::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stillframe: {error}");
            ExitCode::FAILURE
        }
    }
}
