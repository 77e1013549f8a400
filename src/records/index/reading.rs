//! Reads of the index that see one revision.

use std::ops::{Bound, ControlFlow};

use parking_lot::RwLockReadGuard;

use super::{Newest, TIP};
use crate::{
    clock::Micros,
    error::Error,
    records::{
        raw::Raw,
        secondary::{Order, RawTerm},
    },
};

/// The index at one revision: no change is applied while it is held.
pub struct Reading<'a> {
    pub(super) newest: RwLockReadGuard<'a, Newest>,
    pub(super) records: sled::Tree,
}

/// Where a record was found.
pub struct Place<'a> {
    /// In the order of the term.
    pub order: &'a Order,
    /// Its key.
    pub key: &'a [u8],
}

impl Reading<'_> {
    /// Which revision.
    pub fn revision(&self) -> u64 {
        self.newest.revision
    }

    /// One record.
    pub fn get(&self, key: &[u8]) -> Result<Option<Raw>, Error> {
        self.records.get(key)?.map(Raw::new).transpose()
    }

    /// The records whose keys begin with a prefix, in their order. `each` says how long it
    /// goes on.
    pub fn scan(
        &self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], Raw) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        for entry in self.records.scan_prefix(prefix) {
            let (key, raw) = entry?;
            if key.starts_with(TIP) {
                continue;
            }
            if each(&key, Raw::new(raw)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The records under a term between two places of its order; from the end if that is
    /// asked for. `each` says how long it goes on.
    pub fn find(
        &self,
        term: &RawTerm,
        (from, to): (Bound<Order>, Bound<Order>),
        from_the_end: bool,
        mut each: impl FnMut(Place<'_>, Raw) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let mut places = self.newest.secondary.places(term, from, to);
        while let Some((order, key)) = if from_the_end { places.next_back() } else { places.next() } {
            let raw = self.get(key)?.ok_or_else(|| Error::internal("a secondary index names a record that is gone"))?;
            if each(Place { order, key }, raw)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The keys of the records under a term, in its order. None of the records is read.
    pub fn keys(&self, term: &RawTerm) -> impl Iterator<Item = &[u8]> {
        self.newest.secondary.places(term, Bound::Unbounded, Bound::Unbounded).map(|(_, key)| key)
    }

    /// How many records there are under a term, behind a time if that is given.
    pub fn count(&self, term: &RawTerm, after: Option<Micros>) -> usize {
        let secondary = &self.newest.secondary;
        after.map_or_else(|| secondary.count(term), |after| secondary.count_after(term, after))
    }
}
