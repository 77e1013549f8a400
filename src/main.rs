//! The `stillframe` binary.

use std::process::ExitCode;

use clap::Parser;
use stillframe::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::start(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stillframe: {error}");
            ExitCode::FAILURE
        }
    }
}
