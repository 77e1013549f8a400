//! Why the reading of an object ends before the object does.

use std::{borrow::Cow, io, sync::Arc};

use super::format::{Compression, MAX_ZSTD_WINDOW};

/// The object cannot be read on. Whatever was read before it stands; the same object fails again at the same record,
/// unless the error [is transient](Self::is_transient).
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum ReadError {
    #[error("the object cannot be read")]
    Unavailable(#[source] Arc<io::Error>),
    #[error("the object ends in the middle of its {0} data")]
    Truncated(Compression),
    #[error("the object is not sound {compression} data: {why}")]
    Corrupt { compression: Compression, why: String },
    #[error(
        "a zstd frame of the object needs a window of {window} bytes; at most {MAX_ZSTD_WINDOW} are allowed: pack it again without --long and --ultra"
    )]
    WindowTooLarge { window: u64 },
    #[error("a zstd frame of the object needs a dictionary")]
    DictionaryNeeded,
    #[error("a zstd frame of the object has a format older than zstd 0.8")]
    OldZstd,
    #[error("at byte {at} (unpacked): {why}")]
    Structure { at: u64, why: String },
    #[error("{0}")]
    Refused(Cow<'static, str>),
}

impl ReadError {
    /// Whether the same read may succeed later: the fault is the store's or the network's, not the object's.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
