//! A record as the index has it.

use prost::Message;

use super::{Record, Stored};
use crate::error::Error;

const VERSION_BYTES: usize = 8;

/// The revision that wrote a record.
pub type Version = u64;

/// A record as it is stored, with its version.
#[derive(Clone, Debug)]
pub struct Raw(sled::IVec);

impl Raw {
    pub(super) fn new(raw: sled::IVec) -> Result<Self, Error> {
        split(&raw)?;
        Ok(Self(raw))
    }

    /// The revision that wrote it.
    #[must_use]
    pub fn version(&self) -> Version {
        split(&self.0).map_or(0, |(version, _)| version)
    }

    /// The record's bytes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        split(&self.0).map_or(&[], |(_, value)| value)
    }
}

/// A record's bytes behind its version.
pub(super) fn joined(version: Version, value: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes(), value].concat()
}

/// The two of them.
pub(super) fn split(raw: &[u8]) -> Result<(Version, &[u8]), Error> {
    let (version, value) = raw
        .split_first_chunk::<VERSION_BYTES>()
        .ok_or_else(|| Error::DataLoss("the index of the records is damaged".to_owned()))?;
    Ok((u64::from_be_bytes(*version), value))
}

/// The record under a key, with the ticket to replace it.
pub(super) fn decode<R: Record>(key: &[u8], raw: &Raw) -> Result<Stored<R>, Error> {
    Ok(Stored { record: read(key, raw.value())?, version: raw.version() })
}

/// The record of a key's bytes. What cannot be read is told with the key, never passed over.
pub(super) fn read<R: Record>(key: &[u8], value: &[u8]) -> Result<R, Error> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::DataLoss(format!("the record {} cannot be read: {error}", String::from_utf8_lossy(key)))
    };
    let message = R::Message::decode(value).map_err(|error| unreadable(&error))?;
    R::read(message).map_err(|error| unreadable(&error))
}
