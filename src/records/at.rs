//! The records as they are at one revision, for whoever reads more than one thing, or has
//! to know what comes after it.

use std::ops::{Bound, ControlFlow};

use super::{
    Key, Record, Stored,
    index::Reading,
    raw::decode,
    secondary::{Order, Term},
};
use crate::{clock::Micros, error::Error};

/// All that is read of it is of one revision: no change is applied while it is held. So it
/// is for reads that follow each other at once; it cannot be held across an `await` of a
/// task, and who holds one asks for no other, nor reads beside it.
#[must_use]
pub struct At<'a>(Reading<'a>);

impl<'a> At<'a> {
    pub(super) fn new(reading: Reading<'a>) -> Self {
        Self(reading)
    }

    /// Which revision: [`Records::subscribe_from`](super::Records::subscribe_from) goes on
    /// behind it.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.0.revision()
    }

    /// Reads one record.
    pub fn get<R: Record>(&self, key: &Key<R>) -> Result<Option<Stored<R>>, Error> {
        self.0.get(key.as_bytes())?.map(|raw| decode(key.as_bytes(), &raw)).transpose()
    }

    /// Reads the records whose keys begin with `prefix`, in the order of keys.
    pub fn scan<R: Record>(&self, prefix: &Key<R>) -> impl Iterator<Item = Result<Stored<R>, Error>> + use<R> {
        let mut found = Vec::new();
        let scanned = self.0.scan(prefix.as_bytes(), |key, raw| {
            found.push((key.to_vec(), raw));
            Ok(ControlFlow::Continue(()))
        });
        let failed = scanned.err().map(Err);
        // Later: commits wait as long as this is held.
        found.into_iter().map(|(key, raw)| decode(&key, &raw)).chain(failed)
    }

    /// The records under a term, in its order.
    pub fn find<R: Record>(&self, term: &Term<R>) -> Result<Vec<Stored<R>>, Error> {
        self.find_between(term, (Bound::Unbounded, Bound::Unbounded), usize::MAX)
    }

    /// Those between two places of the term's order, at most so many.
    pub fn find_between<R: Record>(
        &self,
        term: &Term<R>,
        between: (Bound<Order>, Bound<Order>),
        at_most: usize,
    ) -> Result<Vec<Stored<R>>, Error> {
        let mut found = Vec::new();
        self.0.find(term.raw(), between, false, |place, raw| {
            if found.len() < at_most {
                found.push(decode(place.key, &raw)?);
            }
            Ok(if found.len() < at_most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// The last one between two places of the term's order that is as asked.
    pub fn find_last_between<R: Record>(
        &self,
        term: &Term<R>,
        between: (Bound<Order>, Bound<Order>),
        is_asked: impl Fn(&R) -> bool,
    ) -> Result<Option<Stored<R>>, Error> {
        let mut last = None;
        self.0.find(term.raw(), between, true, |place, raw| {
            last = Some(decode(place.key, &raw)?).filter(|found: &Stored<R>| is_asked(found));
            Ok(if last.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(last)
    }

    /// The keys of the records under a term, in its order. None of the records is read.
    #[must_use]
    pub fn keys<R: Record>(&self, term: &Term<R>) -> Vec<Key<R>> {
        self.0.keys(term.raw()).map(|key| Key::from_bytes(key.to_vec())).collect()
    }

    /// How many records there are under a term.
    #[must_use]
    pub fn count<R: Record>(&self, term: &Term<R>) -> usize {
        self.0.count(term.raw(), None)
    }

    /// How many of them are behind a time.
    #[must_use]
    pub fn count_after<R: Record>(&self, term: &Term<R>, after: Micros) -> usize {
        self.0.count(term.raw(), Some(after))
    }
}
