//! The records as they can be read on a node: those of the newest revision that its
//! index has taken in.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
};

use super::{
    At, Key, Record, Stored,
    index::Index,
    keys,
    raw::decode,
    secondary::{Order, Term},
};
use crate::{clock::Micros, error::Error};

/// Records that a list looks at in one step, at first and at most.
const LISTED_AT_ONCE: usize = 64;
const MOST_LISTED_AT_ONCE: usize = 1024;

/// The records, for reading. Clones are the same.
///
/// Reads are of a tree in memory, a few microseconds each, and so not asynchronous:
/// only what sled has put aside is read from the disk again.
#[derive(Clone)]
pub struct View {
    index: Index,
}

impl View {
    pub(super) fn new(index: Index) -> Self {
        Self { index }
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Reads one record.
    pub fn get<R: Record>(&self, key: &Key<R>) -> Result<Option<Stored<R>>, Error> {
        self.index.get(key.as_bytes())?.map(|raw| decode(key.as_bytes(), &raw)).transpose()
    }

    /// The records as they are at one revision, for reads that see the same.
    pub fn at(&self) -> At<'_> {
        At::new(self.index.at())
    }

    /// Reads the records whose keys begin with `prefix`, in the order of keys, as
    /// they are at one revision.
    pub fn scan<R: Record>(&self, prefix: &Key<R>) -> impl Iterator<Item = Result<Stored<R>, Error>> + use<R> {
        self.at().scan(prefix)
    }

    /// The records under a term, in its order, as they are at one revision.
    pub fn find<R: Record>(&self, term: &Term<R>) -> Result<Vec<Stored<R>>, Error> {
        self.at().find(term)
    }

    /// Those up to a time, at most so many.
    pub fn find_until<R: Record>(
        &self,
        term: &Term<R>,
        until: Micros,
        at_most: usize,
    ) -> Result<Vec<Stored<R>>, Error> {
        self.find_between(term, (Bound::Unbounded, Bound::Included(until.into())), at_most)
    }

    /// Those between two places of the term's order, at most so many.
    pub fn find_between<R: Record>(
        &self,
        term: &Term<R>,
        between: (Bound<Order>, Bound<Order>),
        at_most: usize,
    ) -> Result<Vec<Stored<R>>, Error> {
        self.at().find_between(term, between, at_most)
    }

    /// The last one under a term that is as asked.
    pub fn find_last<R: Record>(
        &self,
        term: &Term<R>,
        is_asked: impl Fn(&R) -> bool,
    ) -> Result<Option<Stored<R>>, Error> {
        self.find_last_between(term, (Bound::Unbounded, Bound::Unbounded), is_asked)
    }

    /// The last one between two places of the term's order that is as asked.
    pub fn find_last_between<R: Record>(
        &self,
        term: &Term<R>,
        between: (Bound<Order>, Bound<Order>),
        is_asked: impl Fn(&R) -> bool,
    ) -> Result<Option<Stored<R>>, Error> {
        self.at().find_last_between(term, between, is_asked)
    }

    /// Shows the records under a term that is ordered by names, those whose names begin
    /// with a prefix, from a name on. `each` says how long it goes on. No more are held
    /// than were looked at, and not all are of one revision.
    pub fn list<R: Record>(
        &self,
        term: &Term<R>,
        prefix: &str,
        from: Option<&str>,
        each: &mut dyn FnMut(R) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let to = Bound::Excluded(behind_all_of(prefix));
        let mut at_most = LISTED_AT_ONCE;
        // Where the last was, to go on behind it.
        let mut last: Option<(Order, Vec<u8>)> = None;
        loop {
            let start = last.as_ref().map_or_else(|| from.unwrap_or(prefix).max(prefix).into(), |last| last.0.clone());
            let mut found = Vec::new();
            self.index.at().find(term.raw(), (Bound::Included(start), to.clone()), false, |place, raw| {
                let is_behind = last.as_ref().is_none_or(|(order, key)| (order, &**key) < (place.order, place.key));
                if is_behind {
                    found.push((place.order.clone(), place.key.to_vec(), raw));
                }
                Ok(if found.len() < at_most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            let is_last = found.len() < at_most;
            for (_, key, raw) in &found {
                if each(decode(key, raw)?.record).is_break() {
                    return Ok(());
                }
            }
            let Some((order, key, _)) = found.pop().filter(|_| !is_last) else { return Ok(()) };
            last = Some((order, key));
            at_most = (at_most * 2).min(MOST_LISTED_AT_ONCE);
        }
    }

    /// The keys of the records under a term, in its order. None of the records is read.
    #[must_use]
    pub fn keys<R: Record>(&self, term: &Term<R>) -> Vec<Key<R>> {
        self.at().keys(term)
    }

    /// How many records there are under a term.
    #[must_use]
    pub fn count<R: Record>(&self, term: &Term<R>) -> usize {
        self.at().count(term)
    }

    /// How many of them are behind a time.
    #[must_use]
    pub fn count_after<R: Record>(&self, term: &Term<R>, after: Micros) -> usize {
        self.at().count_after(term, after)
    }

    /// How many of them are behind a time, up to another.
    #[must_use]
    pub fn count_between<R: Record>(&self, term: &Term<R>, after: Micros, until: Micros) -> usize {
        let at = self.at();
        at.count_after(term, after).saturating_sub(at.count_after(term, until))
    }

    /// How many records of each kind there are.
    pub fn count_kinds(&self) -> Result<BTreeMap<&'static str, usize>, Error> {
        let mut counted = BTreeMap::new();
        self.index.at().scan(b"", |key, _| {
            *counted.entry(keys::kind_of(key)).or_default() += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(counted)
    }
}

/// What lies behind all texts that begin with a prefix, which ends with a `/`.
fn behind_all_of(prefix: &str) -> Order {
    let parent = prefix.strip_suffix('/').unwrap_or(prefix);
    format!("{parent}0").as_str().into()
}
