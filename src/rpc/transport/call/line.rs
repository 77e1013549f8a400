//! The line in the log behind a call that has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tonic::Code;
use tracing::{Level, Span};

use super::outcome::Outcome;

/// Whether a call was let in; among the extensions of its request.
#[derive(Clone, Debug, Default)]
pub struct LetIn(Arc<AtomicBool>);

impl LetIn {
    /// It was.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One line a call, in its span, which has method, id, caller and peer.
pub struct Line {
    span: Span,
    began: Instant,
    received: Arc<AtomicU64>,
    sent: u64,
    let_in: LetIn,
    is_written: bool,
}

impl Line {
    /// A call begins.
    pub fn begin(span: Span) -> Self {
        let (received, let_in) = (Arc::default(), LetIn::default());
        Self { span, began: Instant::now(), received, sent: 0, let_in, is_written: false }
    }

    /// To be told when the call is let in.
    pub fn let_in(&self) -> LetIn {
        self.let_in.clone()
    }

    /// The span of the call.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The bytes of messages that have come.
    pub fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// So many more bytes of messages are answered.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The call has ended so.
    pub fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_written, true) {
            return;
        }
        let (received_bytes, sent_bytes) = (self.received.load(Ordering::Relaxed), self.sent);
        let was_given_up = outcome.code == Code::Cancelled && received_bytes == 0;
        let level = level(&outcome, self.let_in.is_noted() && !was_given_up);
        let Outcome { code, reason } = outcome;
        let (code, duration_ms) = (name(code), millis(self.began.elapsed()));
        // The level of an event is part of what it is compiled to.
        macro_rules! write {
            ($level:expr) => {
                tracing::event!(
                    target: "stillframe::call", parent: &self.span, $level,
                    code, reason, duration_ms, received_bytes, sent_bytes, "call ended"
                )
            };
        }
        match level {
            Level::ERROR => write!(Level::ERROR),
            Level::WARN => write!(Level::WARN),
            Level::INFO => write!(Level::INFO),
            _ => write!(Level::DEBUG),
        }
    }
}

impl Drop for Line {
    /// Nobody is left who could be told: the client has gone, or the connection.
    fn drop(&mut self) {
        self.end(Outcome::of(Code::Cancelled));
    }
}

/// By what an operator is to do: nothing, look at it, or act. What is no gRPC is the
/// client's fault, although it is INTERNAL. Whoever is not let in must not be able to fill the
/// log, nor who opens calls only to give them up: those are no `INFO`. Refused keys are told
/// at another place, at a pace (`refusals.rs`).
fn level(outcome: &Outcome, is_of_a_caller: bool) -> Level {
    match outcome.code {
        Code::Internal | Code::DataLoss | Code::Unknown if outcome.reason != "PROTOCOL_ERROR" => Level::ERROR,
        Code::Unavailable if outcome.reason != "SHUTTING_DOWN" => Level::WARN,
        _ if is_of_a_caller => Level::INFO,
        _ => Level::DEBUG,
    }
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// As gRPC's documents write it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_microseconds() {
        assert_eq!(millis(Duration::from_nanos(1_011_693_533)).to_string(), "1011.694");
        assert_eq!(millis(Duration::from_micros(7)).to_string(), "0.007");
    }

    #[test]
    fn the_level_says_whether_somebody_is_to_look() {
        let of = |code, reason: &str| level(&Outcome { code, reason: reason.to_owned() }, true);
        for code in (1..=16).map(Code::from_i32) {
            let expected = match code {
                Code::Internal | Code::DataLoss | Code::Unknown => Level::ERROR,
                Code::Unavailable => Level::WARN,
                _ => Level::INFO,
            };
            assert_eq!(of(code, "ANY"), expected, "{code:?}");
        }
        assert_eq!(of(Code::Unavailable, "SHUTTING_DOWN"), Level::INFO);
        assert_eq!(of(Code::Internal, "PROTOCOL_ERROR"), Level::INFO);
        assert_eq!(of(Code::Ok, ""), Level::INFO);
        for code in [Code::Ok, Code::Cancelled, Code::Unauthenticated, Code::Unimplemented] {
            assert_eq!(level(&Outcome::of(code), false), Level::DEBUG);
        }
        assert_eq!(level(&Outcome::of(Code::Internal), false), Level::ERROR);
    }
}
