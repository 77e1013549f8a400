//! Makes a copied database a collection of its own, before anyone can see it.
//!
//! The totals are replaced by those that the restore expects, and the documents
//! of the interval that the cutoff falls into are deleted if they have expired:
//! each batch takes out of the totals what it deletes, so a crash between two of
//! them is no more than a pause, and what was dropped is the difference.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use slatedb::{
    Db, WriteBatch,
    config::{CloseOptions, FlushOptions, FlushType},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    documents::{
        databases::store::Store,
        engine::{read_totals, scan_options},
        keys, positions,
        positions::Position,
        totals::{Dropped, Totals},
        value::StoredDocument,
    },
    error::Error,
};

/// Documents that one batch deletes.
const BATCH: usize = 10_000;
/// Documents between two looks at who else wants the machine.
const YIELD_EVERY: usize = 256;

/// A copied database that becomes a collection.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The new collection.
    pub uid: Uuid,
    /// The restore that makes it.
    pub restore: Uuid,
    /// What it holds: the snapshot's documents but for the intervals left out.
    pub totals: Totals,
    /// Whether every document is read and the digest recomputed.
    pub prove: bool,
    /// Documents deleted so far.
    pub trimmed: Arc<AtomicI64>,
    /// Documents proven so far.
    pub proven: Arc<AtomicI64>,
    /// Ends the work between two documents.
    pub stop: CancellationToken,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// What the collection holds now, proven if that was asked for.
    pub totals: Totals,
    /// The expired documents that were deleted.
    pub dropped: Dropped,
    /// How far the sources were whose documents it holds, the oldest first.
    pub positions: Vec<Position>,
}

impl Store {
    /// Runs where it cannot slow down writers; nothing else has the database open.
    pub async fn adopt(&self, adoption: Adoption) -> Result<Adopted, Error> {
        let store = self.clone();
        let work = async move {
            let db = store.open_quiet_database(adoption.uid).await?;
            let adopted = store.adopt_open(&db, &adoption).await;
            db.close_with_options(CloseOptions::default().with_flush_type(Some(FlushType::MemTable))).await?;
            adopted
        };
        let joined = self.tasks.work_on(&self.background, "verification", work).await;
        joined.map_err(|panicked| Error::Internal(Arc::new(panicked)))?
    }

    async fn adopt_open(&self, db: &Db, adoption: &Adoption) -> Result<Adopted, Error> {
        let totals = take_over(db, adoption).await?;
        let positions = positions::keep(db).await?;
        let totals = self.delete_expired(db, totals, adoption).await?;
        flush(db).await?;
        if adoption.prove {
            self.prove(db, adoption.uid, &totals, &adoption.proven, &adoption.stop).await?;
        }
        let dropped = dropped(&adoption.totals, &totals);
        Ok(Adopted { totals, dropped, positions })
    }

    /// Deletes what has expired in the interval that the cutoff falls into.
    async fn delete_expired(&self, db: &Db, mut totals: Totals, adoption: &Adoption) -> Result<Totals, Error> {
        if totals.retention.is_none() {
            return Ok(totals);
        }
        let bucket = totals.reached();
        let mut entries = db.scan_with_options(keys::documents(bucket..=bucket), &scan_options()).await?;
        let (mut batch, mut scanned) = (Vec::new(), 0_usize);
        while let Some(entry) = entries.next().await? {
            let document = StoredDocument::new(entry.key, entry.value)?;
            if totals.hides(document.event_time()) {
                totals.expire(&document.entry());
                batch.push(document.key().clone());
            }
            if batch.len() == BATCH {
                delete(db, std::mem::take(&mut batch), &totals).await?;
                let dropped = dropped(&adoption.totals, &totals);
                adoption.trimmed.store(dropped.documents, Ordering::Relaxed);
            }
            scanned += 1;
            if scanned.is_multiple_of(YIELD_EVERY) {
                if adoption.stop.is_cancelled() {
                    return Err(Error::ShuttingDown);
                }
                self.step_back().await;
            }
        }
        totals.event_times = totals.event_times.map(|(oldest, newest)| (oldest.max(totals.cutoff), newest));
        delete(db, batch, &totals).await?;
        crate::crash_point!(RestoreTrimmed);
        adoption.trimmed.store(dropped(&adoption.totals, &totals).documents, Ordering::Relaxed);
        Ok(totals)
    }
}

/// Writes the expected totals, unless an earlier attempt did: then it may have
/// deleted documents since, and its totals count on.
async fn take_over(db: &Db, adoption: &Adoption) -> Result<Totals, Error> {
    let found = read_totals(db).await?;
    if found.restore == Some(adoption.restore) {
        return Ok(found);
    }
    let totals = adoption.totals.as_restored(adoption.restore);
    replace(db, &found, &totals).await?;
    Ok(totals)
}

/// Writes totals over those that were found. Durable when this returns.
pub(in crate::documents) async fn replace(db: &Db, found: &Totals, totals: &Totals) -> Result<(), Error> {
    let mut batch = WriteBatch::new();
    for bucket in found.intervals.keys() {
        batch.delete(keys::interval(*bucket));
    }
    for bucket in totals.intervals.keys() {
        if let Some(interval) = totals.encode_interval(*bucket) {
            batch.put(keys::interval(*bucket), interval);
        }
    }
    batch.put(keys::TOTALS, totals.encode());
    db.write(batch).await?;
    flush(db).await
}

async fn delete(db: &Db, documents: Vec<bytes::Bytes>, totals: &Totals) -> Result<(), Error> {
    let mut batch = WriteBatch::new();
    for key in documents {
        batch.delete(key);
    }
    let bucket = totals.reached();
    if let Some(interval) = totals.encode_interval(bucket) {
        batch.put(keys::interval(bucket), interval);
    }
    batch.put(keys::TOTALS, totals.encode());
    db.write(batch).await?;
    // Flushed each time: nothing else empties the log's buffer.
    flush(db).await
}

async fn flush(db: &Db) -> Result<(), Error> {
    Ok(db.flush_with_options(FlushOptions { flush_type: FlushType::Wal }).await?)
}

fn dropped(expected: &Totals, left: &Totals) -> Dropped {
    Dropped { documents: expected.document_count - left.document_count, bytes: expected.size_bytes - left.size_bytes }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::share::Tenant;
    use crate::{
        clock::Clock,
        documents::{Engine, Keep, Known, Operation, Retention, Root, Tuning, Write},
        tasks::Tasks,
    };

    const MINUTE: i64 = 60_000_000;

    fn store(dir: &std::path::Path, clock: &Clock) -> Store {
        let root = Root::local(dir).unwrap();
        let background = tokio::runtime::Handle::current();
        Store::new(root, Tasks::default(), clock.clone(), Tuning::default(), background)
    }

    async fn written(store: &Store, uid: Uuid, times: impl Iterator<Item = i64>) -> Totals {
        Engine::create(store, uid, Some(Retention::new(32 * MINUTE))).await.unwrap();
        let engine = Engine::open(store, uid, Arc::<Keep>::default(), &Known::default()).await.unwrap();
        let writes = times.enumerate().map(|(n, time)| Write {
            id: n.to_string(),
            operation: Operation::Upsert { event_time: Some(time), body: "{}".into() },
            if_etag: None,
        });
        engine.write(&Tenant::of_workspace("commons"), writes.collect()).await.unwrap();
        engine.close(true).await.unwrap();
        engine.totals()
    }

    fn adoption(uid: Uuid, totals: Totals, stop: CancellationToken) -> Adoption {
        let (trimmed, proven) = Default::default();
        Adoption { uid, restore: Uuid::from_u128(7), totals, prove: true, trimmed, proven, stop }
    }

    /// More than one batch of documents has expired; the work is stopped between
    /// two batches and done again, as after a crash.
    #[tokio::test]
    async fn what_was_deleted_before_a_pause_counts_as_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let (store, uid) = (store(dir.path(), &clock), Uuid::from_u128(1));
        // All in one interval, a microsecond apart.
        let first = clock.now().div_euclid(MINUTE) * MINUTE - MINUTE;
        let (count, expired) = (BATCH + 3_000, BATCH + 1_000);
        let count_of = |n: usize| i64::try_from(n).unwrap();
        let mut totals = written(&store, uid, (0..count).map(|n| first + count_of(n))).await;
        totals.cutoff = first + count_of(expired);

        let stopped = CancellationToken::new();
        let first_try = adoption(uid, totals.clone(), stopped.clone());
        let trimmed = Arc::clone(&first_try.trimmed);
        let stop_it = async {
            while trimmed.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            stopped.cancel();
            // Never the winner: the work ends by itself.
            std::future::pending::<()>().await;
        };
        let first_end = tokio::select! {
            ended = store.adopt(first_try) => ended,
            () = stop_it => unreachable!(),
        };
        assert!(matches!(first_end, Err(Error::ShuttingDown)), "{first_end:?}");
        assert_eq!(trimmed.load(Ordering::Relaxed), count_of(BATCH));

        let adopted = store.adopt(adoption(uid, totals.clone(), CancellationToken::new())).await.unwrap();
        assert_eq!(adopted.dropped.documents, count_of(expired));
        assert_eq!(adopted.totals.document_count, count_of(count - expired));
        assert_eq!(adopted.dropped.bytes + adopted.totals.size_bytes, totals.size_bytes);
        store.tasks().drain_work(Duration::from_mins(5)).await.unwrap();
    }

    #[tokio::test]
    async fn a_document_that_vanished_unseen_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::default();
        let (store, uid) = (store(dir.path(), &clock), Uuid::from_u128(1));
        let first = clock.now().div_euclid(MINUTE) * MINUTE - MINUTE;
        let mut totals = written(&store, uid, (0..20).map(|n| first + n)).await;
        totals.cutoff = first + 10;
        // One that would have been dropped, and is not: not to be told from it by
        // what is left alone.
        let db = store.open_quiet_database(uid).await.unwrap();
        db.delete(keys::document(totals.reached(), "5")).await.unwrap();
        db.close().await.unwrap();
        let adopted = store.adopt(adoption(uid, totals, CancellationToken::new())).await;
        assert!(matches!(adopted, Err(Error::DataLoss(_))), "{adopted:?}");
        store.tasks().drain_work(Duration::from_mins(5)).await.unwrap();
    }
}
