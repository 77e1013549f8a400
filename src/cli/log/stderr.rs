//! Standard error, of which a log must expect anything: its reader may be gone, or stuck,
//! and a disk behind it full. A line that cannot be written is dropped and counted; whoever
//! logs it neither fails nor waits.

use std::{
    fmt,
    io::{self, Write},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};
use tracing_subscriber::fmt::{
    MakeWriter,
    format::Writer,
    time::{FormatTime, SystemTime},
};

use super::LogFormat;

/// So much a pipe takes at once, if it takes any (`PIPE_BUF`): the rest would have to wait
/// for the reader.
const PIECE: usize = 4096;
/// How long is waited for a reader that is behind.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const NO_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// And how seldom: one that reads a little now and then must not have all calls at its pace.
const BETWEEN: Duration = Duration::from_secs(10);

static STATE: Mutex<State> = Mutex::new(State { dropped: 0, is_torn: false, waited: None });

/// How writing has gone so far.
struct State {
    /// Lines since the last that was written.
    dropped: u64,
    /// The last has no end.
    is_torn: bool,
    /// When its reader was waited for.
    waited: Option<Instant>,
}

/// Writes lines. It never fails.
#[derive(Clone, Copy, Debug)]
pub struct Stderr(pub LogFormat);

impl Stderr {
    /// Writes a whole line, or as much of it as can be.
    pub fn line(self, line: &[u8]) {
        let mut state = STATE.lock();
        if state.dropped > 0 {
            let note = note(self.0, state.dropped);
            if put(&mut state, note.as_bytes()) {
                state.dropped = 0;
            }
        }
        if state.dropped > 0 || !put(&mut state, line) {
            state.dropped += 1;
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Says whether all of it was written.
fn put(state: &mut State, line: &[u8]) -> bool {
    if state.is_torn && piece(state, b"\n") == 0 {
        return false;
    }
    let mut rest = line;
    while !rest.is_empty() {
        match piece(state, &rest[..rest.len().min(PIECE)]) {
            0 => break,
            written => rest = &rest[written..],
        }
    }
    state.is_torn = !rest.is_empty() && rest.len() < line.len();
    rest.is_empty()
}

/// How many bytes were written.
fn piece(state: &mut State, bytes: &[u8]) -> usize {
    let stderr = io::stderr();
    // A reader that is gone makes it ready as well, and the write fail.
    let is_ready = |patience| {
        let ready = retry_on_intr(|| poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(patience)));
        matches!(ready, Ok(1..))
    };
    let mut may_write = is_ready(&NO_PATIENCE);
    if !may_write && state.waited.is_none_or(|waited| waited.elapsed() >= BETWEEN) {
        may_write = is_ready(&PATIENCE);
        state.waited = Some(Instant::now());
    }
    if may_write { retry_on_intr(|| rustix::io::write(&stderr, bytes)).unwrap_or(0) } else { 0 }
}

fn note(format: LogFormat, dropped: u64) -> String {
    let mut time = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let text = "lines of the log could not be written";
    match format {
        LogFormat::Text => format!("{time}  WARN stillframe: {text} lines={dropped}\n"),
        LogFormat::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"fields\":{{\"message\":\"{text}\",\"lines\":{dropped}}},\
             \"target\":\"stillframe\"}}\n"
        ),
    }
}

/// A last word, in the form of the log, whatever the log lets through.
pub fn fatal(format: LogFormat, error: impl fmt::Display) {
    let text = error.to_string();
    match format {
        LogFormat::Text => Stderr(format).line(format!("stillframe: {}\n", super::text::escaped(&text)).as_bytes()),
        LogFormat::Json => {
            let log = tracing_subscriber::fmt().with_writer(Stderr(format)).log_internal_errors(false).json();
            tracing::subscriber::with_default(log.finish(), || tracing::error!(target: "stillframe", "{text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_is_told_in_the_form_of_the_log() {
        let json: serde_json::Value = serde_json::from_str(&note(LogFormat::Json, 7)).unwrap();
        assert_eq!(json["fields"]["lines"], 7);
        assert!(note(LogFormat::Text, 7).ends_with("lines of the log could not be written lines=7\n"));
    }
}
