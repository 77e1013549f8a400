//! Why bytes are not a body.

use super::scan::{MAX_DEPTH, ScanError};

/// serde_json gives these keys a meaning of its own (an arbitrary number, embedded raw JSON), so a `Value`
/// would not read them back as keys; the raw one would even smuggle in JSON that nobody has checked.
const RESERVED_PREFIX: &str = "$serde_json::private::";

/// Why bytes are not a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum BodyError {
    #[error("is not UTF-8 from byte {at}")]
    InvalidUtf8 { at: usize },
    #[error("is not JSON: {what} at byte {at}")]
    Syntax { what: &'static str, at: usize },
    #[error("is {found}, not a JSON object")]
    NotAnObject { found: &'static str },
    #[error("key {path} occurs twice in its object")]
    DuplicateKey { path: String },
    #[error("key {path} is reserved: no key may begin with {RESERVED_PREFIX}")]
    ReservedKey { path: String },
    #[error("is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("_id is {found}, neither a string nor an integer")]
    BadId { found: &'static str },
    #[error("_event_time {why}")]
    BadEventTime { why: &'static str },
    #[error("{}{why}", if path.is_empty() { String::new() } else { format!("what is at {path} ") })]
    InvalidValue { path: String, why: &'static str },
}

impl From<ScanError> for BodyError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Syntax { what, at } => Self::Syntax { what, at },
            ScanError::TooDeep { .. } => Self::TooDeep,
        }
    }
}

impl BodyError {
    /// Paths are built on the way out, so that a good document pays nothing for them.
    pub(super) fn inside(mut self, step: impl std::fmt::Display) -> Self {
        if let Self::DuplicateKey { path } | Self::ReservedKey { path } | Self::InvalidValue { path, .. } = &mut self {
            *path = join(&step.to_string(), path);
        }
        self
    }
}

/// JSON Pointer, each step and the whole cut to a length that fits a message.
pub(super) fn join(step: &str, path: &str) -> String {
    const LONGEST_STEP: usize = 64;
    const LONGEST_PATH: usize = 512;
    let mut joined = String::from("/");
    for c in step.chars().take(LONGEST_STEP) {
        match c {
            '~' => joined.push_str("~0"),
            '/' => joined.push_str("~1"),
            c => joined.push(c),
        }
    }
    joined.push_str(if step.chars().nth(LONGEST_STEP).is_some() { "…" } else { "" });
    joined.push_str(if path.len() > LONGEST_PATH { "/…" } else { path });
    joined
}

/// serde_json's private keys are refused wherever a body can come from.
pub(super) fn is_reserved(key: &str) -> bool {
    key.starts_with(RESERVED_PREFIX)
}
