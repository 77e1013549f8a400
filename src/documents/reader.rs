//! Reads of durable documents (**D3**).

use std::sync::Arc;

use slatedb::{
    DbIterator,
    config::{DurabilityLevel, ReadOptions, ScanOptions},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    engine::{Engine, scan_options},
    keep::ScanGuard,
    keys::{self, ONLY_BUCKET},
    store::MAX_SCANS,
    totals::Totals,
    value::StoredDocument,
};
use crate::error::Error;

/// Where a scan goes on: behind the document of this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

impl Engine {
    /// One document.
    pub async fn get(&self, id: &str) -> Result<Option<StoredDocument>, Error> {
        let key = keys::document(ONLY_BUCKET, id);
        let options = ReadOptions { durability_filter: DurabilityLevel::Remote, ..ReadOptions::default() };
        let value = self.db.get_with_options(&key, &options).await?;
        value.map(|value| StoredDocument::new(key, value)).transpose()
    }

    /// The documents behind a cursor as they are now; not a consistent cut when
    /// repeated.
    pub async fn list(&self, after: Option<&Cursor>) -> Result<Scan, Error> {
        let (guard, permit) = self.begin_scan()?;
        let range = keys::documents_after(after.map(|cursor| cursor.0.as_slice()));
        let options = ScanOptions {
            durability_filter: DurabilityLevel::Remote,
            read_ahead_bytes: 256 << 10,
            max_fetch_tasks: 1,
            ..ScanOptions::default()
        };
        let entries = self.db.scan_with_options(range, &options).await?;
        Ok(Scan { entries, _guard: guard, _permit: permit })
    }

    /// One consistent cut of the documents behind a cursor, and the totals of
    /// the whole cut.
    pub async fn cut_scan(&self, after: Option<&Cursor>) -> Result<(Totals, Scan), Error> {
        let (guard, permit) = self.begin_scan()?;
        let snapshot = self.db.snapshot()?;
        let totals = match snapshot.get(keys::TOTALS).await? {
            Some(bytes) => Totals::decode(&bytes)?,
            None => Totals::default(),
        };
        // The snapshot may hold what is not durable yet: wait for it (D3).
        let mut durable = self.durable.clone();
        let reached = durable.wait_for(|durable| durable.offset >= totals.offset).await;
        reached.map_err(|closed| Error::Unavailable(Arc::new(closed)))?;
        let range = keys::documents_after(after.map(|cursor| cursor.0.as_slice()));
        let entries = snapshot.scan_with_options(range, &scan_options()).await?;
        Ok((totals, Scan { entries, _guard: guard, _permit: permit }))
    }

    fn begin_scan(&self) -> Result<(ScanGuard, OwnedSemaphorePermit), Error> {
        let busy =
            || Error::Busy { what: "document scans", limit: MAX_SCANS, retry_after: std::time::Duration::from_secs(1) };
        let permit = Arc::clone(&self.store.scans).try_acquire_owned().map_err(|_| busy())?;
        Ok((self.keep.scan(), permit))
    }
}

/// A running scan. While it lives, no file that it may need is collected.
pub struct Scan {
    entries: DbIterator,
    _guard: ScanGuard,
    _permit: OwnedSemaphorePermit,
}

impl Scan {
    /// The next document.
    pub async fn next(&mut self) -> Result<Option<StoredDocument>, Error> {
        let Some(entry) = self.entries.next().await? else { return Ok(None) };
        StoredDocument::new(entry.key, entry.value).map(Some)
    }
}
