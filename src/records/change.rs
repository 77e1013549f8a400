//! What is to be written together or not at all.

use std::collections::BTreeMap;

use super::{Key, Record, Stored, Version};
use crate::error::Error;

/// The largest record: a restore with all that a caller may say about it, its
/// intervals, and what 16 sources with the longest locations and names had read.
pub const MAX_RECORD_BYTES: usize = 160 << 10;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A record is no longer what the change had read.
    #[error("a record changed meanwhile")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl CommitError {
    /// A conflict where a lock rules one out is a mistake of ours.
    #[must_use]
    pub fn unexpected(self) -> Error {
        match self {
            Self::Conflict => Error::internal("a record changed under its lock"),
            Self::Failed(error) => error,
        }
    }
}

/// A set of writes that happen together or not at all.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Change {
    /// What must still be so: the version of a record, or that there is none.
    pub(super) expected: BTreeMap<Vec<u8>, Option<Version>>,
    /// The records as they will be; `None` for those that are removed.
    pub(super) writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Change {
    /// Inserts a record whose key must be free.
    pub fn insert<R: Record>(mut self, record: &R) -> Self {
        self.expected.insert(record.key().into_bytes(), None);
        self.put(record)
    }

    /// Replaces the record that `seen` was read from.
    pub fn replace<R: Record>(self, seen: &Stored<R>, next: &R) -> Self {
        debug_assert_eq!(next.key().as_bytes(), seen.record.key().as_bytes(), "a record never moves");
        self.require(seen).put(next)
    }

    /// Removes the record that `seen` was read from.
    pub fn remove<R: Record>(self, seen: &Stored<R>) -> Self {
        self.require(seen).forget(seen.record.key())
    }

    /// Requires that the record `seen` was read from is still the same.
    pub fn require<R: Record>(mut self, seen: &Stored<R>) -> Self {
        self.expected.insert(seen.record.key().into_bytes(), Some(seen.version));
        self
    }

    /// Writes a record whatever was there.
    pub fn put<R: Record>(mut self, record: &R) -> Self {
        self.writes.insert(record.key().into_bytes(), Some(record.encode_to_vec()));
        self
    }

    /// Removes whatever is under the key.
    pub fn forget<R: Record>(mut self, key: Key<R>) -> Self {
        self.writes.insert(key.into_bytes(), None);
        self
    }

    /// The bytes that it takes in the log.
    pub(super) fn size(&self) -> usize {
        self.writes.iter().map(|(key, value)| size_of_write(key, value.as_deref())).sum()
    }

    /// Refuses a record that is too large for the log.
    pub(super) fn check_size(&self) -> Result<(), Error> {
        let largest = self.writes.iter().max_by_key(|(_, value)| value.as_ref().map_or(0, Vec::len));
        match largest {
            Some((key, Some(value))) if value.len() > MAX_RECORD_BYTES => {
                let (key, size) = (String::from_utf8_lossy(key), value.len());
                Err(Error::internal(format!(
                    "the record {key} has {size} bytes; at most {MAX_RECORD_BYTES} are allowed"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// A write with its lengths and tags, rounded up.
fn size_of_write(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + 16
}
