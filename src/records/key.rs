//! The key of a record or of a cached value.

use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
};

use super::Record;

/// The key of a record of kind `R`, or a prefix of such keys.
pub struct Key<R> {
    bytes: Vec<u8>,
    kind: PhantomData<fn() -> R>,
}

impl<R: Record> Key<R> {
    /// That of what comes behind the letter of the kind.
    pub(super) fn of(rest: impl fmt::Display) -> Self {
        Self::from_bytes(format!("{}{rest}", R::PREFIX).into_bytes())
    }
}

impl<R> Key<R> {
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, kind: PhantomData }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

// A derived one would ask the same of `R`.
impl<R> Clone for Key<R> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), kind: PhantomData }
    }
}

impl<R> PartialEq for Key<R> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<R> Eq for Key<R> {}

impl<R> Hash for Key<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<R> fmt::Debug for Key<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}
