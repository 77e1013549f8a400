//! The command line.

mod collections;
mod connections;
mod duration;
mod environment;
mod log;
mod open_files;
mod place;
mod records;
mod serve;
mod signals;
mod size;
mod switch;
mod usage;

use std::{ffi::OsString, io, process::ExitCode, time::Duration};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use rustix::{fs::Mode, process::umask};

use self::{
    collections::CollectionsCommand,
    log::{LogFormat, fatal},
    records::RecordsCommand,
    serve::ServeArgs,
    signals::stop_signal,
};
use crate::{demo, instance::StartError, lines, version};

/// Worker threads of the demo, for its server and its client together.
const DEMO_THREADS: usize = 2;

/// How long calls to the system may still take when all else has ended.
const LAST_CALLS: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Freezes collections of JSON documents into cheap incremental snapshots and
/// restores them, at storage speed, into new collections.
#[derive(Debug, Parser)]
#[command(version = version::FULL, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server. The default.
    Serve(Box<ServeArgs>),
    /// Does the whole job once, on real data in a temporary directory, checks
    /// the result document by document, and exits 0 only if all of it held.
    Demo,
    /// Checks, shows or rebuilds the records, beside the server.
    #[command(subcommand)]
    Records(RecordsCommand),
    /// Does what is to be decided about a damaged collection, beside the server.
    #[command(subcommand)]
    Collections(CollectionsCommand),
}

impl Cli {
    /// The server, if that is what is to be run.
    fn serve(&self) -> Option<&ServeArgs> {
        match &self.command {
            None => Some(&self.serve),
            Some(Command::Serve(args)) => Some(args),
            Some(Command::Demo | Command::Records(_) | Command::Collections(_)) => None,
        }
    }
}

/// Runs a command line to its end, and says how the process ends.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Whatever is made here is for its owner alone, by whichever library: names of
    // collections, documents, hashes of keys.
    umask(Mode::RWXG | Mode::RWXO);
    let arguments: Vec<_> = arguments.into_iter().collect();
    let mut command = environment::without_empty(Cli::command());
    let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = help.print();
            return ExitCode::FAILURE;
        }
        Err(error) if error.use_stderr() => {
            fatal(usage::log_format(&arguments), usage::sentence(&error, &command, &arguments));
            return ExitCode::FAILURE;
        }
        Err(help) => {
            return match help.print() {
                Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
                    fatal(LogFormat::Text, unsaid(cause));
                    ExitCode::FAILURE
                }
                _ => ExitCode::SUCCESS,
            };
        }
    };
    let format = cli.serve().map_or(LogFormat::Text, |args| args.log_format);
    start(cli).unwrap_or_else(|error| {
        fatal(format, error);
        ExitCode::FAILURE
    })
}

/// Runs it on a runtime of its own.
fn start(cli: Cli) -> Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if matches!(cli.command, Some(Command::Demo)) {
        // It is not to look fast because of a large machine.
        runtime.worker_threads(DEMO_THREADS);
    }
    let what = "the threads of the server cannot be started";
    let runtime = runtime.enable_all().build().map_err(|cause| StartError::System { what, cause })?;
    let ended = runtime.block_on(run(cli));
    // A disk that does not answer must not hold up the end.
    runtime.shutdown_timeout(LAST_CALLS);
    ended
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let quiet = || log::start(tracing_subscriber::EnvFilter::new("error"), LogFormat::Text);
    let ended = match cli.command {
        None => return serve::run(cli.serve).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Serve(args)) => return serve::run(*args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Demo) => {
            quiet();
            demo::run(stop_signal()?).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Records(command)) => {
            quiet();
            records::run(command).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Collections(command)) => {
            quiet();
            collections::run(command).await
        }
    };
    match lines::unsaid() {
        Some(cause) if ended.is_ok() => Err(unsaid(cause).into()),
        _ => ended,
    }
}

/// What a command was to say is lost.
fn unsaid(cause: io::Error) -> StartError {
    StartError::System { what: "standard output cannot be written", cause }
}
