//! The records as the log has them at a revision: a base and the entries behind it
//! become one list, in the order of keys.
//!
//! The base is read as it is needed, and what the entries change is in memory.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};

use super::{
    base::BaseReader,
    entry::Tip,
    log::{Found, Log},
};
use crate::{
    error::Error,
    stored::{BaseRecord, RecordWrite},
};

/// What entries have made of records; `None` for those that they removed.
type Changes = BTreeMap<Vec<u8>, Option<(u64, Vec<u8>)>>;

/// The records at a revision, one after the other.
pub struct Merged {
    base: Option<BaseReader>,
    /// The next record of the base.
    old: Option<BaseRecord>,
    changed: Changes,
    tip: Tip,
}

impl Merged {
    /// Begins with the base of a revision, or without one, and reads the entries
    /// behind it up to another.
    pub async fn open(log: &Log, base: Option<u64>, to: u64) -> Result<Self, Error> {
        let base = match base {
            Some(revision) => Some(BaseReader::open(log, revision).await?),
            None => None,
        };
        let start = base.as_ref().map_or_else(Tip::start, BaseReader::tip);
        let (changed, tip) = changes(log, start, to).await?;
        Ok(Self { base, old: None, changed, tip })
    }

    /// The newest records that were found.
    pub async fn newest(log: &Log, found: &Found) -> Result<Self, Error> {
        Self::open(log, found.base(), found.end()?).await
    }

    /// How far the log is there.
    #[must_use]
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// The next record, in the order of keys.
    pub async fn next(&mut self) -> Result<Option<BaseRecord>, Error> {
        loop {
            if self.old.is_none()
                && let Some(base) = &mut self.base
            {
                self.old = base.next().await?;
                if self.old.is_none() {
                    self.base = None;
                }
            }
            let is_changed_first = match (self.changed.first_key_value(), &self.old) {
                (Some((key, _)), Some(old)) => *key <= old.key,
                (changed, _) => changed.is_some(),
            };
            if !is_changed_first {
                return Ok(self.old.take());
            }
            let Some((key, change)) = self.changed.pop_first() else { return Ok(None) };
            // What was changed stands for what was there.
            self.old = self.old.take().filter(|old| old.key != key);
            if let Some((version, value)) = change {
                return Ok(Some(BaseRecord { key, version, value }));
            }
        }
    }
}

/// What the entries behind `start` have made of the records.
async fn changes(log: &Log, start: Tip, to: u64) -> Result<(Changes, Tip), Error> {
    let (mut changed, mut reached) = (Changes::new(), start);
    let entries = log.entries(start, to);
    pin_mut!(entries);
    while let Some(read) = entries.next().await {
        let (entry, tip, _) = read?;
        for RecordWrite { key, value } in entry.writes {
            changed.insert(key, value.map(|value| (tip.revision, value)));
        }
        reached = tip;
    }
    Ok((changed, reached))
}
