//! `stillframe serve`: the server as a process.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use clap::{ArgAction, Args};
use tokio_util::sync::CancellationToken;

use super::{
    Result,
    connections::{self, ConnectionArgs},
    duration,
    log::{self, LogFormat},
    open_files,
    place::PlaceArgs,
    signals::Signals,
    size,
    switch::{self, Gate},
};
use crate::{
    app::{App, Config},
    clock::Clock,
    documents::{CopyMode, Storage},
    instance::{self, StartError},
    lines::say,
    listen::{Address, Reserved},
    source::location::Location,
    version,
    workspace::{Gates, Limits},
};

/// The longest contact.
const MAX_CONTACT_BYTES: usize = 512;

/// How the server is run.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Where to listen: an address or a name with a port (`localhost:50051`: all addresses of the name, `[::1]:50051`),
    /// or a socket for the server's own user (`unix:/run/stillframe.sock`). May be given several times.
    #[arg(long, env = "STILLFRAME_LISTEN", default_value = "127.0.0.1:50051", value_delimiter = ',')]
    listen: Vec<Address>,
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
    #[arg(long, env = "STILLFRAME_SNAPSHOT_PREVIEW", default_value = "enabled", ignore_case = true)]
    snapshot_preview: Gate,
    /// The largest snapshot that new workspaces may restore: a number of bytes, or with a unit (10TB, 512MiB).
    #[arg(long, env = "STILLFRAME_MAX_RESTORE_BYTES", default_value = "10TB", value_name = "SIZE",
          value_parser = max_restore_bytes, allow_hyphen_values = true)]
    max_restore_bytes: i64,
    /// How many snapshots a minute new workspaces may create.
    #[arg(long, env = "STILLFRAME_SNAPSHOT_CREATES_PER_MINUTE",
          default_value_t = Gates::default().snapshot_creates_per_minute,
          value_parser = clap::value_parser!(i32).range(1..), allow_hyphen_values = true)]
    snapshot_creates_per_minute: i32,
    /// How much each new workspace may store: a number of bytes, or with a unit (10TB, 512MiB). 0: no limit.
    #[arg(long, env = "STILLFRAME_MAX_STORED_BYTES", default_value = "0", value_name = "SIZE",
          value_parser = max_stored_bytes, allow_hyphen_values = true)]
    max_stored_bytes: i64,
    /// The file with the key of a first operator: read if it is there, written if it is not. With it every call
    /// needs a key.
    #[arg(long, env = "STILLFRAME_BOOTSTRAP_KEY_FILE")]
    bootstrap_key_file: Option<PathBuf>,
    /// Insecure: listen beyond loopback without API keys. Whoever reaches the port may do everything.
    #[arg(long, env = "STILLFRAME_INSECURE_ALLOW_EVERYONE", action = ArgAction::Set, value_name = "BOOL",
          num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = switch::parse)]
    insecure_allow_everyone: bool,
    /// Whom callers may ask about gates and keys, as a URL: `mailto:data-platform@example.com`, say.
    #[arg(long, env = "STILLFRAME_OPERATOR_CONTACT", value_parser = contact)]
    operator_contact: Option<Arc<str>>,
    /// How many collections a workspace may have.
    #[arg(long, env = "STILLFRAME_MAX_COLLECTIONS_PER_WORKSPACE", default_value_t = Limits::default().collections,
          allow_hyphen_values = true)]
    max_collections_per_workspace: usize,
    /// What must be free on each disk for anything to be taken in: a number of bytes, or with a unit (1GB, 512MiB); 0
    /// for no reserve. Default: 512MiB, or 2 % of the disk if that is more.
    #[arg(long, env = "STILLFRAME_MIN_FREE_BYTES", value_name = "SIZE",
          value_parser = |text: &str| size::parse(text, 0, u64::MAX), allow_hyphen_values = true)]
    min_free_bytes: Option<u64>,
    #[command(flatten)]
    connections: ConnectionArgs,
    /// At this start the clock of the machine is right, whatever was known of time before: for a server that was off
    /// for long, or whose clock was wrong.
    #[arg(long)]
    accept_clock: bool,
    /// How long each step of a stop may take.
    #[arg(long, env = "STILLFRAME_GRACE", default_value = "20s", value_name = "TIME",
          value_parser = |text: &str| duration::parse(text, Duration::ZERO), allow_hyphen_values = true)]
    grace: Duration,
    /// What is logged, to standard error, as `tracing` filters say it.
    #[arg(long, env = "STILLFRAME_LOG", default_value = "warn,stillframe=info", value_name = "FILTER",
          value_parser = |text: &str| log::filter(text).map(|_| text.to_owned()))]
    log: String,
    /// How it is logged; as JSON, so is the last word of a server that cannot go on, and nothing is said on standard
    /// output.
    #[arg(long, env = "STILLFRAME_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Serves until it is told to stop.
pub async fn run(args: ServeArgs) -> Result<()> {
    log::start(log::filter(&args.log)?, args.log_format);
    open_files::allow_all();
    // First: a signal during the start must not be lost.
    let mut signals = Signals::catch()?;
    let (stop, tls) = (CancellationToken::new(), OnceLock::new());
    let serving = serve(args, stop.clone(), |app| drop(tls.set(app.tls())));
    tokio::select! {
        ended = serving => ended,
        () = signals.obey(&stop, &tls) => Err("a second signal has ended the server at once; nothing that was acknowledged is lost".into()),
    }
}

async fn serve(args: ServeArgs, stop: CancellationToken, opened: impl FnOnce(&App)) -> Result<()> {
    let ServeArgs {
        listen,
        place: PlaceArgs { data_dir, storage },
        restore_copy,
        source_allow,
        snapshot_preview,
        max_restore_bytes,
        max_stored_bytes,
        snapshot_creates_per_minute,
        bootstrap_key_file,
        insecure_allow_everyone,
        operator_contact,
        max_collections_per_workspace,
        min_free_bytes,
        connections,
        accept_clock,
        grace,
        log: _,
        log_format,
    } = args;
    let snapshot_preview = matches!(snapshot_preview, Gate::Enabled);
    let config = Config {
        tuning: storage.as_ref().map(Storage::tuning).unwrap_or_default(),
        storage,
        gates: Gates {
            snapshot_preview,
            max_restore_bytes,
            snapshot_creates_per_minute,
            max_stored_bytes: Some(max_stored_bytes).filter(|bytes| *bytes != 0),
        },
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
    let storage = match config.storage() {
        Storage::Directory(directory) => whole(&directory),
        bucket @ Storage::S3(_) => bucket.to_string(),
    };
    let reserved = Reserved::take(&listen).await?;
    let open: Vec<_> = reserved.open_to_others().collect();
    // Asked again when it is known: nothing is made for a server that may not start.
    if !insecure_allow_everyone && config.bootstrap_key_file.is_none() && instance::has_no_keys(&data_dir) {
        open.first().map_or(Ok(()), |address| Err(StartError::OpenToAll(*address)))?;
    }
    let app = App::open(config, Clock::default()).await?;
    for address in open {
        match app.check_listen(address) {
            Err(error) if insecure_allow_everyone => tracing::warn!("allowed as asked: {error}"),
            checked => checked?,
        }
    }
    opened(&app);
    let listeners = reserved.listen()?;
    let addresses = listeners.addresses();
    tracing::info!(
        addresses = addresses.join(", "),
        version = version::VERSION,
        commit = version::COMMIT,
        data_dir = whole(&data_dir),
        storage,
        encrypted = app.tls().is_some(),
        "serving"
    );
    if log_format == LogFormat::Text {
        say(format_args!("stillframe {} serves {} on {}", version::VERSION, data_dir.display(), addresses.join(", ")));
        let first = addresses.first().map_or("", String::as_str);
        say(format_args!("try: grpcurl {try_with} {first} list      or, for all of it at once: stillframe demo"));
    }
    app.serve(listeners, stop.cancelled_owned()).await?;
    Ok(())
}

/// A path that says where it is to who does not know where the server was started.
fn whole(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn max_restore_bytes(text: &str) -> std::result::Result<i64, String> {
    let bytes = size::parse(text, 1, i64::MAX.cast_unsigned())?;
    Ok(bytes.cast_signed())
}

fn max_stored_bytes(text: &str) -> std::result::Result<i64, String> {
    let bytes = size::parse(text, 0, i64::MAX.cast_unsigned())?;
    Ok(bytes.cast_signed())
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

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
    fn the_default_is_the_gate_of_new_workspaces() {
        let cli = Cli::try_parse_from(["stillframe"]).unwrap();
        assert_eq!(cli.serve.max_restore_bytes, Gates::default().max_restore_bytes);
        assert!(!cli.serve.insecure_allow_everyone);
    }

    #[test]
    fn what_is_insecure_may_be_said_and_unsaid() {
        for (argument, expected) in [
            ("--insecure-allow-everyone", true),
            ("--insecure-allow-everyone=no", false),
            ("--insecure-allow-everyone=1", true),
        ] {
            let cli = Cli::try_parse_from(["stillframe", argument]).unwrap();
            assert_eq!(cli.serve.insecure_allow_everyone, expected, "{argument}");
        }
    }

    #[test]
    fn the_reserve_is_a_size() {
        let reserve = |arguments: &[&str]| {
            let parsed = Cli::try_parse_from([&["stillframe"], arguments].concat());
            parsed.map(|cli| cli.serve.min_free_bytes).map_err(|error| error.kind())
        };
        assert_eq!(reserve(&[]), Ok(None));
        assert_eq!(reserve(&["--min-free-bytes", "0"]), Ok(Some(0)));
        assert_eq!(reserve(&["--min-free-bytes", "512MiB"]), Ok(Some(512 << 20)));
        assert_eq!(reserve(&["--min-free-bytes", "10%"]), Err(clap::error::ErrorKind::ValueValidation));
    }
}
