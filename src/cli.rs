//! The command line.

mod collections;
mod connections;
mod open_files;
mod place;
mod records;

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::{net::TcpListener, signal::unix::SignalKind};
use tracing_subscriber::EnvFilter;

use self::{collections::CollectionsCommand, connections::ConnectionArgs, place::PlaceArgs, records::RecordsCommand};
use crate::{
    app::{App, Config},
    clock::Clock,
    demo,
    documents::{CopyMode, Storage},
    source::location::Location,
    workspace::{Gates, Limits},
};

/// Worker threads of the demo, for its server and its client together.
const DEMO_THREADS: usize = 2;

/// How long calls to the system may still take when all else has ended.
const LAST_CALLS: Duration = Duration::from_secs(5);
/// The longest contact.
const MAX_CONTACT_BYTES: usize = 512;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Freezes collections of JSON documents into cheap incremental snapshots and
/// restores them, at storage speed, into new collections.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
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

/// Whether something is allowed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Gate {
    Enabled,
    Disabled,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// How the server is run.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The address to listen on.
    #[arg(long, env = "STILLFRAME_LISTEN", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    #[command(flatten)]
    place: PlaceArgs,
    /// How a restore copies files: hard links where the disk can, or bytes.
    #[arg(long, env = "STILLFRAME_RESTORE_COPY", default_value = "auto")]
    restore_copy: CopyMode,
    /// A place that sources may read, with all that lies in it: `file:///directory` or `s3://bucket/prefix`.
    /// May be given several times. Default: `import` in the data directory.
    #[arg(long, env = "STILLFRAME_SOURCE_ALLOW", value_delimiter = ',')]
    source_allow: Vec<Location>,
    /// Whether new workspaces may use snapshots.
    #[arg(long, env = "STILLFRAME_SNAPSHOT_PREVIEW", default_value = "enabled")]
    snapshot_preview: Gate,
    /// The largest snapshot that new workspaces may restore, in bytes.
    #[arg(long, env = "STILLFRAME_MAX_RESTORE_BYTES", default_value_t = Gates::default().max_restore_bytes,
          value_parser = clap::value_parser!(i64).range(1..))]
    max_restore_bytes: i64,
    /// How many snapshots a minute new workspaces may create.
    #[arg(long, env = "STILLFRAME_SNAPSHOT_CREATES_PER_MINUTE",
          default_value_t = Gates::default().snapshot_creates_per_minute,
          value_parser = clap::value_parser!(i32).range(1..))]
    snapshot_creates_per_minute: i32,
    /// The file with the key of a first operator: read if it is there, written if it is not. With it every call
    /// needs a key.
    #[arg(long, env = "STILLFRAME_BOOTSTRAP_KEY_FILE")]
    bootstrap_key_file: Option<PathBuf>,
    /// Insecure: listen beyond loopback without API keys. Whoever reaches the port may do everything.
    #[arg(long, env = "STILLFRAME_INSECURE_ALLOW_EVERYONE")]
    insecure_allow_everyone: bool,
    /// Whom callers may ask about gates and keys, as a URL: `mailto:data-platform@example.com`, say.
    #[arg(long, env = "STILLFRAME_OPERATOR_CONTACT", value_parser = contact)]
    operator_contact: Option<Arc<str>>,
    /// How many collections a workspace may have.
    #[arg(long, env = "STILLFRAME_MAX_COLLECTIONS_PER_WORKSPACE", default_value_t = Limits::default().collections)]
    max_collections_per_workspace: usize,
    /// What must be free on each disk for anything to be taken in, in bytes; 0 for no reserve. Default: 512 MiB, or
    /// 2 % of the disk if that is more.
    #[arg(long, env = "STILLFRAME_MIN_FREE_BYTES")]
    min_free_bytes: Option<u64>,
    #[command(flatten)]
    connections: ConnectionArgs,
    /// At this start the clock of the machine is right, whatever was known of time before: for a server that was off
    /// for long, or whose clock was wrong.
    #[arg(long)]
    accept_clock: bool,
    /// How long each step of a stop may take.
    #[arg(long, env = "STILLFRAME_GRACE", default_value = "20s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// What is logged, to standard error, as `tracing` filters say it.
    #[arg(long, env = "STILLFRAME_LOG", default_value = "warn,stillframe=info")]
    log: String,
    /// How it is logged.
    #[arg(long, env = "STILLFRAME_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// Runs the command line on a runtime of its own. Says how the process ends.
pub fn start(cli: Cli) -> Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if matches!(cli.command, Some(Command::Demo)) {
        // It is not to look fast because of a large machine.
        runtime.worker_threads(DEMO_THREADS);
    }
    let runtime = runtime.enable_all().build()?;
    let ended = runtime.block_on(run(cli));
    // A disk that does not answer must not hold up the end.
    runtime.shutdown_timeout(LAST_CALLS);
    ended
}

async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        None => serve(cli.serve).await?,
        Some(Command::Serve(args)) => serve(*args).await?,
        Some(Command::Demo) => {
            start_log("error", LogFormat::Text)?;
            demo::run(stop_signal()?).await?;
        }
        Some(Command::Records(command)) => {
            start_log("error", LogFormat::Text)?;
            records::run(command).await?;
        }
        Some(Command::Collections(command)) => {
            start_log("error", LogFormat::Text)?;
            return collections::run(command).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: ServeArgs) -> Result<()> {
    let ServeArgs {
        listen,
        place: PlaceArgs { data_dir, storage },
        restore_copy,
        source_allow,
        snapshot_preview,
        max_restore_bytes,
        snapshot_creates_per_minute,
        bootstrap_key_file,
        insecure_allow_everyone,
        operator_contact,
        max_collections_per_workspace,
        min_free_bytes,
        connections,
        accept_clock,
        grace,
        log,
        log_format,
    } = args;
    start_log(&log, log_format)?;
    open_files::allow_all();
    let snapshot_preview = matches!(snapshot_preview, Gate::Enabled);
    let config = Config {
        tuning: storage.as_ref().map(Storage::tuning).unwrap_or_default(),
        storage,
        gates: Gates { snapshot_preview, max_restore_bytes, snapshot_creates_per_minute },
        limits: Limits { collections: max_collections_per_workspace, ..Limits::default() },
        operator_contact,
        bootstrap_key_file,
        copy_mode: restore_copy,
        source_allow: (!source_allow.is_empty()).then_some(source_allow),
        min_free_bytes,
        transport: connections.transport(),
        accept_clock,
        grace,
        ..Config::new(data_dir.clone())
    };
    let try_with = config.transport.tls.as_ref().map_or_else(|| "-plaintext".to_owned(), connections::grpcurl);
    // First: a signal during the start must not be lost.
    let stop = stop_signal()?;
    let app = App::open(config, Clock::default()).await?;
    match app.check_listen(listen) {
        Err(error) if insecure_allow_everyone => tracing::warn!("allowed as asked: {error}"),
        checked => checked?,
    }
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    println!("stillframe {} serves {} on {address}", env!("CARGO_PKG_VERSION"), data_dir.display());
    println!("try: grpcurl {try_with} {address} list      or, for all of it at once: stillframe demo");
    app.serve(listener, stop).await?;
    Ok(())
}

/// A URL, as `Help` carries it to callers.
fn contact(text: &str) -> std::result::Result<Arc<str>, String> {
    let is_url = text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && !scheme.is_empty()
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    });
    if is_url && text.len() <= MAX_CONTACT_BYTES && !text.chars().any(char::is_control) {
        Ok(text.into())
    } else {
        Err(format!("must be a URL of at most {MAX_CONTACT_BYTES} bytes, such as mailto:data-platform@example.com"))
    }
}

fn start_log(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// SIGINT or SIGTERM.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_for_sources_come_one_by_one_or_in_a_list() {
        let arguments =
            ["stillframe", "serve", "--source-allow", "file:///a,s3://bucket/in/", "--source-allow", "file:///b%2Cc"];
        let Ok(Cli { command: Some(Command::Serve(args)), .. }) = Cli::try_parse_from(arguments) else {
            panic!("these are good arguments")
        };
        let places: Vec<_> = args.source_allow.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["file:///a", "s3://bucket/in", "file:///b%2Cc"]);
        assert!(Cli::try_parse_from(["stillframe", "--source-allow", "/a"]).is_err());
    }

    #[test]
    fn the_reserve_is_a_number_of_bytes() {
        let reserve = |arguments: &[&str]| {
            let parsed = Cli::try_parse_from([&["stillframe"], arguments].concat());
            parsed.map(|cli| cli.serve.min_free_bytes).map_err(|error| error.kind())
        };
        assert_eq!(reserve(&[]), Ok(None));
        assert_eq!(reserve(&["--min-free-bytes", "0"]), Ok(Some(0)));
        assert_eq!(reserve(&["--min-free-bytes", "10%"]), Err(clap::error::ErrorKind::ValueValidation));
    }
}
