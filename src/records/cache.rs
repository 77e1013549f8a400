//! What may be lost: derived values that cost something to find out again, beside
//! the index and never in the log.

use super::{Cached, Key, index::Index};
use crate::error::Error;

/// The cached values.
#[derive(Clone)]
pub struct Cache(Index);

impl Cache {
    pub(super) fn new(index: &Index) -> Self {
        Self(index.clone())
    }

    /// One value.
    pub fn get<C: Cached>(&self, key: &Key<C>) -> Result<Option<C>, Error> {
        Ok(self.0.cache().get(key.as_bytes())?.map(|bytes| C::decode(bytes.as_ref())).transpose()?)
    }

    /// Writes a value over what was there.
    pub fn put<C: Cached>(&self, value: &C) -> Result<(), Error> {
        self.0.cache().insert(value.key().as_bytes(), value.encode_to_vec())?;
        Ok(())
    }

    /// Removes a value.
    pub fn forget<C: Cached>(&self, key: &Key<C>) -> Result<(), Error> {
        self.0.cache().remove(key.as_bytes())?;
        Ok(())
    }
}
