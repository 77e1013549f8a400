//! The `stillframe` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    stillframe::cli::main(std::env::args_os())
}
