//! The newest time that a database has stored, so that its clock goes on from there.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use slatedb::{VersionedManifest, WalReader, object_store::path::Path};

use super::{
    store::Store,
    ticks::{Ticks, time_of},
};
use crate::{documents::patience::within, error::Error};

impl Store {
    /// A clock for the database at a path, which is not open.
    pub(in crate::documents) async fn ticks(&self, path: &Path) -> Result<Arc<Ticks>, Error> {
        let newest = self.newest_time(path).await?;
        Ok(Arc::new(Ticks::from(self.clock.now(), newest)))
    }

    /// The newest time that a database has stored anywhere.
    async fn newest_time(&self, path: &Path) -> Result<Option<DateTime<Utc>>, Error> {
        let admin = self.admin(path.clone());
        let Some(manifest) = self.on_manifest(admin.read_manifest(None)).await? else { return Ok(None) };
        let (merges, logged) = futures::join!(
            self.on_manifest(admin.read_compactions(None)),
            within(self.tuning.storage_patience.open, self.newest_logged(path, manifest.replay_after_wal_id())),
        );
        let merges = readable(merges)?.flatten();
        let merges = merges.iter().flat_map(|merges| merges.recent_compactions().map(|merge| time_of(merge.id())));
        let mut times: Vec<_> = newest_in(&manifest).into_iter().chain(merges.max()).collect();
        times.extend(readable(logged)?.flatten());
        Ok(times.into_iter().max())
    }

    /// The time of the last row in the logs behind what is in files. Rows are in the order
    /// of their times.
    async fn newest_logged(&self, path: &Path, after: u64) -> Result<Option<DateTime<Utc>>, Error> {
        let logs = WalReader::new(path.clone(), self.root.store()).list(after + 1..).await?;
        for log in logs.iter().rev() {
            let (mut rows, mut newest) = (log.iterator().await?, None);
            while let Some(row) = rows.next().await? {
                newest = newest.max(row.create_ts);
            }
            if newest.is_some() {
                return Ok(newest.and_then(DateTime::from_timestamp_millis));
            }
            // A fence.
        }
        Ok(None)
    }
}

/// What is damaged says nothing of time; the open that follows says that it is.
fn readable<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::debug!(error = error.in_full(), "what cannot be read says nothing of time");
            Ok(None)
        }
    }
}

/// The newest time that a manifest and what it lists are of.
pub(in crate::documents) fn newest_in(manifest: &VersionedManifest) -> Option<DateTime<Utc>> {
    let files = manifest.all_sst_views().flat_map(|view| [time_of(view.id), time_of(view.sst.id.value())]);
    // Before the first file there is none.
    let tick = DateTime::from_timestamp_millis(manifest.last_l0_clock_tick());
    files.chain(tick).max()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use slatedb::{Db, WriteBatch, config::CloseOptions};
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::{Clock, Micros},
        documents::{Engine, Root, Tuning, keys, paths::collection},
        tasks::Tasks,
    };

    const HOUR: Micros = 3_600_000_000;

    async fn write(db: &Db) {
        let mut batch = WriteBatch::new();
        batch.put(keys::TOTALS, "");
        db.write(batch).await.unwrap();
        db.flush().await.unwrap();
    }

    /// In a file, or in a log alone: what an hour ahead has written takes the next write at
    /// once.
    #[tokio::test]
    async fn a_database_whose_clock_was_ahead_takes_writes_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let open = |clock: &Clock| {
            let root = Root::local(dir.path()).unwrap();
            let background = tokio::runtime::Handle::current();
            Store::new(root, Tasks::default(), clock.clone(), Tuning::default(), background)
        };
        for (n, flush) in [None, Some(slatedb::config::FlushType::MemTable)].into_iter().enumerate() {
            let uid = Uuid::from_u128(n as u128);
            let now = Clock::default().now();
            let ahead = open(&Clock::starting_at(now + HOUR));
            Engine::create(&ahead, uid, None).await.unwrap();
            let db = ahead.open_quiet_database(uid).await.unwrap();
            write(&db).await;
            db.close_with_options(CloseOptions::default().with_flush_type(flush.clone())).await.unwrap();

            let right = open(&Clock::default());
            let newest = right.newest_time(&collection(uid)).await.unwrap().unwrap();
            assert!(newest.timestamp_micros() >= now + HOUR - 1_000, "{flush:?}");
            let db = right.open_quiet_database(uid).await.unwrap();
            let began = Instant::now();
            write(&db).await;
            assert!(began.elapsed() < Duration::from_secs(10), "it waits for no clock");
            db.close().await.unwrap();
        }
    }
}
