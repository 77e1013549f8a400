//! What callers are answered, counted by reason.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tonic::Status;
use tonic_types::StatusExt;

#[derive(Default)]
pub struct Answers(Mutex<BTreeMap<String, u64>>);

impl Answers {
    pub fn count(&self, what: impl Into<String>) {
        *self.0.lock().entry(what.into()).or_default() += 1;
    }

    pub fn answer<T>(&self, answer: Result<T, Status>) -> Option<T> {
        match answer {
            Ok(value) => {
                self.count("OK");
                Some(value)
            }
            Err(status) => {
                self.count(reason(&status));
                None
            }
        }
    }

    /// The same of what several calls came to; of an error only what it is about.
    pub fn outcome<T>(&self, outcome: crate::Result<T>) {
        match outcome {
            Ok(_) => self.count("OK"),
            Err(error) => self.count(error.to_string().splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ")),
        }
    }

    pub fn told(&self) -> String {
        listed(&self.0.lock())
    }
}

/// `3 x OK, 2 x RESOURCE_BUSY`
pub fn listed(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(what, count)| format!("{count} x {what}")).collect::<Vec<_>>().join(", ")
}

/// The machine-readable one, if there is one.
pub fn reason(status: &Status) -> String {
    match status.get_details_error_info() {
        Some(info) => info.reason,
        None => format!("{:?}: {}", status.code(), status.message()),
    }
}
