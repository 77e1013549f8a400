//! What is to be written together or not at all.

use std::collections::BTreeMap;

use prost::Message;

use super::{Key, Record, Stored, Version, secondary::RawTerm, secondary::Term};
use crate::{clock::Micros, error::Error};

/// The largest record. None can be larger: what there may be many of has records of its
/// own (`sizes.rs` adds up the largest of each kind).
pub const MAX_RECORD_BYTES: usize = 64 << 10;

/// The largest change, and the most that those of one entry of the log take, by our
/// estimate.
pub const MAX_CHANGE_BYTES: usize = 4 << 20;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something is no longer what the change counts on.
    #[error("a record changed meanwhile")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// What the record under a key must be when a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// There is none.
    Nothing,
    /// It is that of this version.
    Version(Version),
    /// There is one.
    Anything,
}

/// At most so many records may be under a term when a change is made.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub term: RawTerm,
    /// Only those behind this time count.
    pub after: Option<Micros>,
    /// Only those up to this time count.
    pub until: Option<Micros>,
    pub at_most: usize,
}

/// A set of writes that happen together or not at all.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Change {
    /// What must still be so.
    pub(super) expected: BTreeMap<Vec<u8>, Expected>,
    /// What must be so with the writes.
    pub(super) limits: Vec<Limit>,
    /// The records as they will be; `None` for those that are removed.
    pub(super) writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Change {
    /// Inserts a record whose key must be free.
    pub fn insert<R: Record>(mut self, record: &R) -> Self {
        self.expected.insert(record.key().into_bytes(), Expected::Nothing);
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
        self.expected.insert(seen.record.key().into_bytes(), Expected::Version(seen.version));
        self
    }

    /// Requires that there is a record under the key, whatever it says.
    pub fn require_any<R: Record>(mut self, key: Key<R>) -> Self {
        self.expected.insert(key.into_bytes(), Expected::Anything);
        self
    }

    /// Requires that with this change there are at most so many records under a term,
    /// behind a time if that is given.
    pub fn at_most<R: Record>(mut self, at_most: usize, term: &Term<R>, after: Option<Micros>) -> Self {
        self.limits.push(Limit { term: term.raw().clone(), after, until: None, at_most });
        self
    }

    /// The same, behind a time and up to another.
    pub fn at_most_between<R: Record>(mut self, at_most: usize, term: &Term<R>, after: Micros, until: Micros) -> Self {
        self.limits.push(Limit { term: term.raw().clone(), after: Some(after), until: Some(until), at_most });
        self
    }

    /// Writes a record whatever was there.
    pub fn put<R: Record>(mut self, record: &R) -> Self {
        self.writes.insert(record.key().into_bytes(), Some(record.message().encode_to_vec()));
        self
    }

    /// Removes whatever is under the key.
    pub fn forget<R: Record>(mut self, key: Key<R>) -> Self {
        self.writes.insert(key.into_bytes(), None);
        self
    }

    /// Whether there is nothing to make durable. What was read to find that out need
    /// not be compared: it was so when it was read.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
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
