//! The binary, in an environment without settings of anybody's.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use tonic::transport::{Channel, Endpoint};

use crate::support::{DEADLINE, eventually};

pub fn stillframe(arguments: &[&str]) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_stillframe"));
    for (name, _) in std::env::vars_os() {
        let is_setting = |prefix| name.to_string_lossy().starts_with(prefix);
        if is_setting("STILLFRAME_") || is_setting("AWS_") {
            process.env_remove(name);
        }
    }
    process.args(arguments).stdin(Stdio::null());
    process
}

/// A server that keeps nothing free, on whatever port there is.
pub fn server(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut process = stillframe(&["serve", "--min-free-bytes", "0", "--data-dir"]);
    process.arg(data_dir).args(arguments);
    if !arguments.contains(&"--listen") {
        process.args(["--listen", "127.0.0.1:0"]);
    }
    process
}

/// A client's channel to where a server says that it listens.
pub async fn channel(address: &str) -> Channel {
    let address = if address.starts_with("unix:") { address.to_owned() } else { format!("http://{address}") };
    Endpoint::from_shared(address).unwrap().connect().await.unwrap()
}

/// A process that ends with whoever holds it, and what it says.
pub struct Process {
    child: Child,
    stdout: Option<BufReader<std::process::ChildStdout>>,
    stderr: Option<std::process::ChildStderr>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process said until it ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().map(BufReader::new), child.stderr.take());
        Self { child, stdout, stderr }
    }

    /// With all that it says at hand.
    pub fn told(command: &mut Command) -> Self {
        Self::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The first line on standard output, and the address at its end.
    pub async fn serves(&mut self) -> (String, String) {
        let mut stdout = self.stdout.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            (line, stdout)
        });
        let (line, stdout) = tokio::time::timeout(DEADLINE, reading).await.expect("it says something").unwrap();
        self.stdout = Some(stdout);
        let said = line.trim_end().to_owned();
        if !said.contains(" serves ") {
            let mut log = String::new();
            let _ = self.child.kill();
            self.stderr.as_mut().map(|stderr| stderr.read_to_string(&mut log));
            panic!("it does not serve: {said:?}\n{log}");
        }
        let address = said.rsplit(' ').next().unwrap().to_owned();
        (said, address)
    }

    pub async fn has_ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end, and reads the rest.
    pub async fn ended(mut self) -> Ended {
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let reading = tokio::task::spawn_blocking(move || {
            let (mut said, mut log) = (String::new(), String::new());
            stdout.as_mut().map(|stdout| stdout.read_to_string(&mut said));
            stderr.as_mut().map(|stderr| stderr.read_to_string(&mut log));
            (said, log)
        });
        let status = self.has_ended().await;
        let (stdout, stderr) = reading.await.unwrap();
        Ended { status, stdout, stderr }
    }

    /// SIGTERM, and the end.
    pub async fn stopped(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended().await
    }
}
