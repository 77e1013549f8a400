//! Reads of durable documents (**D3**) that have not expired.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use slatedb::{
    DbIterator,
    config::{DurabilityLevel, ReadOptions, ScanOptions},
};

use super::{
    databases::keep::ScanGuard,
    engine::{Engine, scan_options},
    filter::Candidates,
    keys::{self, Bucket, ONLY_BUCKET},
    patience::{StoragePatience, within},
    retention::Retention,
    totals::Totals,
    value::StoredDocument,
    writing::cutoff::Cutoff,
};
use crate::{
    clock::Micros,
    error::Error,
    share::{Share, Tenant},
};

/// Where a scan goes on: behind the document of this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// The event times that a scan is about; those of other intervals are not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From this one on.
    pub from: Option<Micros>,
    /// Before this one.
    pub until: Option<Micros>,
}

impl Span {
    /// Whether a time is in it.
    #[must_use]
    pub fn contains(&self, time: Micros) -> bool {
        self.from.is_none_or(|from| time >= from) && self.until.is_none_or(|until| time < until)
    }

    /// The intervals that it touches, none of them expired.
    fn buckets(&self, retention: Retention, cutoff: Micros) -> RangeInclusive<Bucket> {
        let first = retention.bucket_of(self.from.map_or(cutoff, |from| from.max(cutoff)));
        let last = self.until.map_or(Bucket::MAX, |until| retention.bucket_of(until.saturating_sub(1)));
        first..=last.max(first)
    }
}

impl Engine {
    /// One document.
    pub async fn get(&self, id: &str) -> Result<Option<StoredDocument>, Error> {
        let Some((retention, cutoff)) = self.cutoff.now() else {
            return self.get_in(ONLY_BUCKET, id).await;
        };
        let buckets = self.buckets_of(id, retention, cutoff);
        for bucket in &buckets {
            if let Some(found) = self.get_in(*bucket, id).await? {
                return Ok(self.cutoff.unless_expired(found));
            }
        }
        // Moved in time while we looked, it may have been where we had been.
        if buckets.is_empty() { Ok(None) } else { self.get_in_one_cut(id, retention, cutoff).await }
    }

    async fn get_in(&self, bucket: Bucket, id: &str) -> Result<Option<StoredDocument>, Error> {
        let key = keys::document(bucket, id);
        let options = ReadOptions { durability_filter: DurabilityLevel::Remote, ..ReadOptions::default() };
        let value = within(self.patience().read, self.base.get(&key, &options)).await?;
        value.map(|value| StoredDocument::new(key, value)).transpose()
    }

    /// Looks through all buckets as they were at one moment.
    async fn get_in_one_cut(
        &self,
        id: &str,
        retention: Retention,
        cutoff: Micros,
    ) -> Result<Option<StoredDocument>, Error> {
        let cut = self.base.cut()?;
        // Behind the cut: what it holds is in the filter by now.
        let buckets = self.buckets_of(id, retention, cutoff);
        let mut found = None;
        for bucket in buckets {
            let key = keys::document(bucket, id);
            if let Some(value) = within(self.patience().read, cut.get(&key)).await? {
                found = Some(StoredDocument::new(key, value)?);
                break;
            }
        }
        if let Some(totals) = within(self.patience().read, cut.get(keys::TOTALS)).await? {
            self.reach(Totals::offset_of(&totals)?).await?;
        }
        Ok(found.and_then(|found| self.cutoff.unless_expired(found)))
    }

    /// The buckets that may hold an id that has not expired, the newest first.
    fn buckets_of(&self, id: &str, retention: Retention, cutoff: Micros) -> Vec<Bucket> {
        let first = retention.bucket_of(cutoff);
        match self.filter.candidates(id) {
            Candidates::Only(buckets) => buckets.into_iter().filter(|bucket| *bucket >= first).collect(),
            Candidates::Any => {
                let newest = self.durable.borrow().intervals.keys().next_back().copied();
                // A write that is becoming durable may open the interval after it.
                let latest = retention.bucket_of(cutoff.saturating_add(retention.keep() + retention.interval()));
                (first..=newest.map_or(latest, |newest| newest.max(latest))).rev().collect()
            }
        }
    }

    /// The documents behind a cursor as they are now; not a consistent cut when
    /// repeated.
    pub async fn list(&self, tenant: &Tenant, after: Option<&Cursor>, span: Span) -> Result<Scan, Error> {
        let (guard, permit) = self.begin_scan(tenant)?;
        let options = ScanOptions {
            durability_filter: DurabilityLevel::Remote,
            read_ahead_bytes: 256 << 10,
            max_fetch_tasks: 1,
            ..ScanOptions::default()
        };
        let entries = within(self.patience().read, self.base.scan(self.range(after, span), &options)).await?;
        Ok(self.scan(entries, guard, permit))
    }

    /// One consistent cut of the documents behind a cursor, and the offset of
    /// the whole cut.
    pub async fn cut_scan(&self, tenant: &Tenant, after: Option<&Cursor>, span: Span) -> Result<(i64, Scan), Error> {
        let (guard, permit) = self.begin_scan(tenant)?;
        let cut = self.base.cut()?;
        let offset = match within(self.patience().read, cut.get(keys::TOTALS)).await? {
            Some(bytes) => Totals::offset_of(&bytes)?,
            None => 0,
        };
        self.reach(offset).await?;
        let entries = within(self.patience().read, cut.scan(self.range(after, span), &scan_options())).await?;
        Ok((offset, self.scan(entries, guard, permit)))
    }

    /// A cut may hold what is not durable yet: waits for it (**D3**).
    async fn reach(&self, offset: i64) -> Result<(), Error> {
        let mut durable = self.durable.clone();
        let reached = durable.wait_for(|durable| durable.offset >= offset).await;
        reached.map(|_| ()).map_err(|closed| Error::Unavailable(Arc::new(closed)))
    }

    fn range(&self, after: Option<&Cursor>, span: Span) -> keys::Range {
        let range = match self.cutoff.now() {
            Some((retention, cutoff)) => keys::documents(span.buckets(retention, cutoff)),
            None => keys::documents(keys::ALL_BUCKETS),
        };
        match after {
            Some(cursor) => keys::behind(range, &cursor.0),
            None => range,
        }
    }

    fn patience(&self) -> StoragePatience {
        self.store.tuning.storage_patience
    }

    fn scan(&self, entries: DbIterator, guard: ScanGuard, permit: Share) -> Scan {
        let (cutoff, patience) = (Arc::clone(&self.cutoff), self.patience().read);
        Scan { cutoff, patience, entries, _guard: guard, _permit: permit }
    }

    fn begin_scan(&self, tenant: &Tenant) -> Result<(ScanGuard, Share), Error> {
        let permit = self.store.scans.take(tenant, 1)?;
        Ok((self.keep.scan(), permit))
    }
}

/// A running scan. While it lives, no file that it may need is collected.
pub struct Scan {
    cutoff: Arc<Cutoff>,
    /// How long storage may take for the next one.
    patience: Duration,
    entries: DbIterator,
    _guard: ScanGuard,
    _permit: Share,
}

/// What a scan came by.
pub enum Scanned {
    /// A document.
    Document(StoredDocument),
    /// One that has expired: its key.
    Expired(Bytes),
}

impl Scanned {
    /// Its key, to go on from.
    #[must_use]
    pub fn into_key(self) -> Bytes {
        match self {
            Self::Document(document) => document.key().clone(),
            Self::Expired(key) => key,
        }
    }
}

impl Scan {
    /// The next document, or the place of an expired one. Those that expire while
    /// the scan is under way are expired from that moment on.
    pub async fn next(&mut self) -> Result<Option<Scanned>, Error> {
        let Some(entry) = within(self.patience, self.entries.next()).await? else { return Ok(None) };
        let document = StoredDocument::new(entry.key, entry.value)?;
        let key = document.key().clone();
        Ok(Some(self.cutoff.unless_expired(document).map_or(Scanned::Expired(key), Scanned::Document)))
    }
}
