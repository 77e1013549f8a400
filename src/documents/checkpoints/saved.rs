//! Objects that records have the hash of.

use bytes::Bytes;
use slatedb::object_store::path::Path;

use crate::{
    documents::{databases::store::Store, object_hash::ObjectHash},
    error::Error,
};

/// An object that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// For the record.
    pub hash: ObjectHash,
    /// Its size.
    pub bytes: i64,
}

impl Store {
    /// Stores an object whose hash goes into a record.
    pub(in crate::documents) async fn save(&self, path: &Path, object: Bytes) -> Result<Saved, Error> {
        let saved = Saved { hash: ObjectHash::of(&object), bytes: i64::try_from(object.len()).unwrap_or(i64::MAX) };
        self.root.put(path, object).await?;
        Ok(saved)
    }
}
