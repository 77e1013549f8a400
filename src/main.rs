//! The `stillframe` binary.

use std::process::ExitCode;

/// The system's keeps most of what a large request took for a moment, thread by thread, and
/// mimalloc twice as much (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    stillframe::cli::main(std::env::args_os())
}
