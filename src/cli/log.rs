//! The log of this process: to standard error, as text or as JSON.

mod panics;
mod stderr;
mod text;

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

pub use self::stderr::fatal;
use self::{stderr::Stderr, text::Quoted};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object for programs.
    Json,
}

/// Begins the log. What is logged before is lost.
pub fn start(filter: EnvFilter, format: LogFormat) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Stderr(format)).log_internal_errors(false);
    // Another one has begun before: then that is the log.
    let _ = match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).fmt_fields(Quoted).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    panics::log_panics();
}

/// What is logged, as `tracing` filters say it.
pub fn filter(text: &str) -> Result<EnvFilter, String> {
    let example = "say it like info, or warn,stillframe=debug";
    EnvFilter::try_new(text).map_err(|error| format!("{error}; {example}"))
}
