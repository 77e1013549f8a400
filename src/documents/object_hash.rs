//! The hash by which a record proves an object.

use xxhash_rust::xxh3::xxh3_128;

use crate::damage::{self, Damage};

/// XXH3-128 of an object. It finds damage, not a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectHash(pub [u8; 16]);

impl ObjectHash {
    /// That of an object.
    #[must_use]
    pub fn of(object: &[u8]) -> Self {
        Self(xxh3_128(object).to_le_bytes())
    }

    /// Reads what a record says; absent in one that is older than the hash.
    pub fn read(field: &'static str, stored: &[u8]) -> Result<Option<Self>, Damage> {
        Ok(damage::array_if_any(field, stored)?.map(Self))
    }

    /// What a record says.
    #[must_use]
    pub fn stored(hash: Option<Self>) -> Vec<u8> {
        hash.map(|hash| hash.0.to_vec()).unwrap_or_default()
    }
}
