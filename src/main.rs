//! The `stillframe` binary.

use std::process::ExitCode;

/// The system's keeps most of what a large request took for a moment, thread by thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stillframe::cli::main(std::env::args_os())
}
