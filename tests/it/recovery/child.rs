//! The real binary as a process of its own, to be killed.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

use super::super::support::{DEADLINE, TestServer, eventually};

const SIGABRT: i32 = 6;

/// A server in another process, and a client for it.
pub struct Child {
    process: Killed,
    pub client: TestServer,
    // The server fails if nobody can read what it prints.
    _stdout: BufReader<ChildStdout>,
}

/// Ends with whoever holds it, also when a test fails.
struct Killed(Process);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Child {
    /// Starts a server on a directory and waits until it serves.
    pub async fn start(dir: TempDir) -> Self {
        Self::start_with(dir, "", &[]).await
    }

    /// The same, to abort at a crash point.
    pub async fn start_at(dir: TempDir, crash_at: &str) -> Self {
        Self::start_with(dir, crash_at, &[]).await
    }

    /// The same, with further arguments.
    pub async fn start_with(dir: TempDir, crash_at: &str, arguments: &[&str]) -> Self {
        Self::start_in(dir, crash_at, arguments, &[]).await
    }

    /// The same, in an environment of its own.
    pub async fn start_in(dir: TempDir, crash_at: &str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        let started = Self::try_start_in(dir, crash_at, arguments, environment).await;
        started.unwrap_or_else(|dir| panic!("it does not serve; the log:\n{}", log(dir.path())))
    }

    /// The same, of a server that may end instead: then there is its directory.
    pub async fn try_start_in(
        dir: TempDir,
        crash_at: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Result<Self, TempDir> {
        let before = log(dir.path()).len();
        let (mut process, stdout) = spawn(dir.path(), crash_at, arguments, environment);
        let (address, stdout) = if arguments.contains(&"json") {
            (logged_address(dir.path(), before, &mut process).await, stdout)
        } else {
            let (line, stdout) = first_line(stdout).await;
            let address = line.trim_end().rsplit(' ').next().unwrap().to_owned();
            (line.contains(" serves ").then_some(address), stdout)
        };
        let Some(address) = address else { return Err(dir) };
        Ok(Self { process, client: TestServer::attach(dir, &address).await, _stdout: stdout })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.0.try_wait().unwrap()
    }

    /// SIGKILL.
    pub async fn kill(mut self) -> TempDir {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
        self.client.stop().await
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminated(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.process.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        ended(&mut self.process.0, "the stop").await
    }

    /// Waits until it aborts at its crash point.
    pub async fn aborted(mut self, point: &str) -> TempDir {
        let status = ended(&mut self.process.0, point).await;
        let dir = self.client.stop().await;
        assert_eq!(status.signal(), Some(SIGABRT), "{point}; the log:\n{}", log(dir.path()));
        dir
    }
}

/// What a server says first, or nothing if it ends before. A server that hangs is
/// killed by the panic, which ends the reading, too.
#[allow(clippy::disallowed_methods, reason = "ends with the server")]
async fn first_line(mut stdout: BufReader<ChildStdout>) -> (String, BufReader<ChildStdout>) {
    let reading = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        (line, stdout)
    });
    tokio::time::timeout(DEADLINE, reading).await.expect("the server says that it serves").unwrap()
}

/// Where a server listens, as its log of JSON says behind a place; it says nothing else. Nothing
/// if it ends before.
async fn logged_address(dir: &Path, from: usize, process: &mut Killed) -> Option<String> {
    let mut found = None;
    eventually("the server serves or ends", async || {
        let ended = process.0.try_wait().unwrap().is_some();
        let lines = log(dir);
        let lines = lines[from..].lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut serving = lines.filter(|line| line["fields"]["message"] == "serving");
        found = serving.next().and_then(|line| line["fields"]["addresses"].as_str().map(str::to_owned));
        ended || found.is_some()
    })
    .await;
    found
}

/// Starts a server that must abort at a crash point though nobody asks it for
/// anything: it takes up what the crash before has left.
pub async fn aborts_by_itself(dir: &Path, point: &str) {
    let (mut process, _stdout) = spawn(dir, point, &[], &[]);
    let status = ended(&mut process.0, point).await;
    assert_eq!(status.signal(), Some(SIGABRT), "{point}; the log:\n{}", log(dir));
}

async fn ended(process: &mut Process, end: &str) -> ExitStatus {
    let mut status = None;
    eventually(&format!("the server ends: {end}"), async || {
        status = process.try_wait().unwrap();
        status.is_some()
    })
    .await;
    status.unwrap()
}

fn spawn(
    dir: &Path,
    crash_at: &str,
    arguments: &[&str],
    environment: &[(String, String)],
) -> (Killed, BufReader<ChildStdout>) {
    let log = File::options().create(true).append(true).open(dir.join("server.log")).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_stillframe"))
        .args(["serve", "--listen", "127.0.0.1:0", "--snapshot-creates-per-minute", "1000000", "--data-dir"])
        .arg(dir)
        .args(arguments)
        // Whatever the machine has left.
        .env("STILLFRAME_MIN_FREE_BYTES", "0")
        .env("STILLFRAME_CRASH_AT", crash_at)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let stdout = BufReader::new(process.stdout.take().unwrap());
    (Killed(process), stdout)
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("server.log")).unwrap_or_default()
}
