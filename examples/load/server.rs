//! The server under test: a child process on a temporary directory, both of
//! which go when this goes.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    Result, check,
    client::{Client, WORKSPACE},
    process::{self, Usage},
};

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
/// Below this share of a core over a second the server is at rest.
const QUIET: f64 = 0.05;

/// How to start servers.
#[derive(clap::Args, Clone)]
pub struct Launch {
    /// The server's binary [default: the release build beside this example].
    #[arg(long, global = true, value_name = "PATH")]
    server: Option<PathBuf>,
    /// A further argument for the server. May be repeated.
    #[arg(long, global = true, value_name = "ARG", allow_hyphen_values = true)]
    server_arg: Vec<String>,
    /// Where to make the temporary data directory.
    #[arg(long, global = true, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Leave the data directory behind, to look into it.
    #[arg(long, global = true)]
    keep: bool,
    /// Further environment variables.
    #[arg(skip)]
    pub environment: Vec<(String, String)>,
    /// Let in only who has a key.
    #[arg(skip)]
    keys: bool,
}

impl Launch {
    /// The same, with the storage root on an S3 server.
    pub fn on(&self, storage: &str, environment: Vec<(String, String)>) -> Self {
        let server_arg = self.server_arg.iter().cloned().chain(["--storage".to_owned(), storage.to_owned()]).collect();
        Self { server_arg, environment, ..self.clone() }
    }

    /// The same, with a first operator and his key.
    pub fn with_keys(&self) -> Self {
        Self { keys: true, ..self.clone() }
    }
}

impl Launch {
    fn binary(&self) -> Result<PathBuf> {
        let binary = match &self.server {
            Some(path) => path.clone(),
            // target/release/examples/load -> target/release/stillframe
            None => std::env::current_exe()?
                .parent()
                .and_then(Path::parent)
                .ok_or("the example lies in no target directory")?
                .join("stillframe"),
        };
        check(binary.is_file(), || {
            format!("{} is missing: run `cargo build --release`, or name it with --server", binary.display())
        })?;
        Ok(binary)
    }

    fn home(&self) -> Result<TempDir> {
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let home = tempfile::Builder::new().prefix("stillframe-load-").disable_cleanup(self.keep).tempdir_in(parent)?;
        if self.keep {
            eprintln!("data stays in {}", home.path().display());
        }
        Ok(home)
    }
}

pub struct Server {
    binary: PathBuf,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    url: String,
    keys: bool,
    child: Child,
    // Below `child`, so that it is removed only after the child has ended.
    home: TempDir,
}

impl Server {
    pub async fn start(launch: &Launch) -> Result<Self> {
        let (binary, mut args, home) = (launch.binary()?, launch.server_arg.clone(), launch.home()?);
        if launch.keys {
            args.extend(["--bootstrap-key-file".to_owned(), key_file(home.path()).display().to_string()]);
        }
        let environment = launch.environment.clone();
        let (child, url) = spawn(&binary, &args, &environment, home.path())?;
        let mut server = Self { binary, args, environment, url, keys: launch.keys, child, home };
        server.ready().await?;
        Ok(server)
    }

    /// Starts again on the same directory, after `kill` or `stop`; returns how
    /// long that took.
    pub async fn restart(&mut self, more_args: &[&str]) -> Result<Duration> {
        let begun = Instant::now();
        let args: Vec<String> = self.args.iter().cloned().chain(more_args.iter().map(ToString::to_string)).collect();
        (self.child, self.url) = spawn(&self.binary, &args, &self.environment, self.home.path())?;
        self.ready().await?;
        Ok(begun.elapsed())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> Result<()> {
        // The standard library sends no other signal than SIGKILL.
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill -TERM "$0""#, &pid]).status()?;
        check(sent.success(), || format!("cannot signal process {pid}"))?;
        let deadline = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return check(status.success(), || format!("the server stopped with {status}"));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(format!("the server did not stop within {STOPPED_WITHIN:?}").into())
    }

    /// A connection of its own; with keys, the first operator's.
    pub async fn client(&self) -> Result<Client> {
        let client = Client::connect(&self.url).await?;
        if self.keys {
            client.keyed(fs::read_to_string(key_file(self.home.path()))?.trim(), WORKSPACE)
        } else {
            Ok(client)
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn usage(&self) -> Result<Usage> {
        process::usage(self.child.id())
    }

    pub fn forget_peak(&self) -> Result<()> {
        process::forget_peak(self.child.id())
    }

    /// The default storage root.
    pub fn storage(&self) -> PathBuf {
        data_dir(self.home.path()).join("storage")
    }

    /// Where sources may read.
    pub fn import(&self) -> PathBuf {
        data_dir(self.home.path()).join("import")
    }

    /// A place on the same file system as the data.
    pub fn scratch(&self) -> PathBuf {
        self.home.path().join("scratch")
    }

    /// Waits until compaction and everything else has come to rest: three
    /// quiet seconds in a row.
    pub async fn settle(&self) -> Result<Duration> {
        let begun = Instant::now();
        let (mut quiet, mut before) = (0, self.usage()?);
        while quiet < 3 {
            sleep(Duration::from_secs(1)).await;
            let now = self.usage()?;
            quiet = if now.cpu_since(&before) < QUIET { quiet + 1 } else { 0 };
            before = now;
            if begun.elapsed() > SETTLED_WITHIN {
                eprintln!("note: the server did not come to rest within {SETTLED_WITHIN:?}; going on");
                break;
            }
        }
        Ok(begun.elapsed())
    }

    /// For the one who has to find out what went wrong.
    pub fn epitaph(&mut self) -> String {
        let state = match self.child.try_wait() {
            Ok(Some(status)) => format!("the server had ended with {status}"),
            Ok(None) => "the server was still running".to_owned(),
            Err(error) => format!("the server's state is unknown: {error}"),
        };
        let log = fs::read(log(self.home.path())).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n  ");
        format!("{state}; its last words:\n  {tail}")
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let failure = match self.client().await {
                Ok(client) => match client.ping().await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(format!("the server does not answer: {failure}\n{}", self.epitaph()).into());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to do about a failure here: it has ended already.
        let _ = self.kill();
    }
}

fn spawn(binary: &Path, args: &[String], environment: &[(String, String)], home: &Path) -> Result<(Child, String)> {
    let log = File::options().create(true).append(true).open(log(home))?;
    let port = free_port()?;
    let child = Command::new(binary)
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
        .arg(data_dir(home))
        // Scenarios take snapshots faster than a workspace may by default.
        .args(["--snapshot-creates-per-minute", "1000000"])
        .args(args)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok((child, format!("http://127.0.0.1:{port}")))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn data_dir(home: &Path) -> PathBuf {
    home.join("data")
}

fn key_file(home: &Path) -> PathBuf {
    home.join("operator.key")
}

fn log(home: &Path) -> PathBuf {
    home.join("server.log")
}
