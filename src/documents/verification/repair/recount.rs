//! Counts what is left anew.

use slatedb::DbReadOps;

use crate::{
    digest,
    documents::{
        engine::{Known, scan_options},
        intervals::Interval,
        keys::{self, Bucket},
        retention::Retention,
        totals::Totals,
        value::StoredDocument,
    },
    error::Error,
};

/// So many writes at most are in logs that nobody can read any more: clients have seen the
/// offsets of all of them.
const UNSEEN: i64 = 1 << 32;

/// Reads every document that is left, and counts it. `found` is what the database says;
/// what it has forgotten of what is known does not come back: not an offset, nor what was
/// dropped, nor the time that had passed.
pub(super) async fn recount(
    db: &(impl DbReadOps + Sync),
    found: &Totals,
    known: &Known,
    retention: Option<Retention>,
) -> Result<Totals, Error> {
    let mut totals = nothing(found, known, retention);
    let range = keys::documents(totals.floor..=Bucket::MAX);
    let mut entries = db.scan_with_options(range, &scan_options()).await?;
    while let Some(entry) = entries.next().await? {
        let document = StoredDocument::new(entry.key, entry.value)?;
        if digest::of_document(document.id(), document.event_time(), &document.body()) != document.digest() {
            return Err(Error::DataLoss(format!("the document {} is not what was written", document.id())));
        }
        totals.count(&document.entry());
    }
    Ok(totals)
}

/// The totals before the first document is counted.
fn nothing(found: &Totals, known: &Known, retention: Option<Retention>) -> Totals {
    let all = || known.least.iter().chain([found]);
    let most = |of: fn(&Totals) -> i64| all().map(of).fold(i64::MIN, i64::max);
    let floor = all().map(|totals| totals.floor).fold(found.floor, Bucket::max);
    Totals {
        offset: most(|totals| totals.offset) + UNSEEN,
        // What came before the last snapshot is no change, whatever was forgotten of it.
        snapshot_offset: found.snapshot_offset.max(known.last_created_offset.unwrap_or(0)),
        pending: found.pending.clone(),
        retention: found.retention.or(retention),
        floor,
        cutoff: most(|totals| totals.cutoff),
        // An empty one has files until it is dropped.
        intervals: found.intervals.range(floor..).map(|(bucket, _)| (*bucket, Interval::default())).collect(),
        restore: found.restore,
        marks: most(|totals| totals.marks),
        ..Totals::default()
    }
}

impl Totals {
    /// Whether both count the same documents.
    #[must_use]
    pub fn counts_as(&self, other: &Self) -> bool {
        let counted = |totals: &Self| (totals.document_count, totals.size_bytes, totals.digest);
        counted(self) == counted(other)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::share::Tenant;
    use crate::{
        clock::{Clock, Micros},
        documents::{Engine, Keep, Operation, Root, Store, Tuning, Write, engine::read_totals},
        tasks::Tasks,
    };

    const UID: Uuid = Uuid::from_u128(1);
    const MINUTE: Micros = 60_000_000;

    fn upsert(n: i64, event_time: Micros) -> Write {
        let operation = Operation::Upsert { event_time: Some(event_time), body: format!("{{\"n\":{n}}}").into() };
        Write { id: (n % 100).to_string(), operation, if_etag: None }
    }

    #[tokio::test]
    async fn what_is_counted_anew_is_what_the_writer_has_counted() {
        let now = Clock::default().now();
        for retention in [None, Some(Retention::new(32 * MINUTE))] {
            let dir = tempfile::tempdir().unwrap();
            let (root, background) = (Root::local(dir.path()).unwrap(), tokio::runtime::Handle::current());
            let store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
            Engine::create(&store, UID, retention).await.unwrap();
            let engine = Engine::open(&store, UID, Arc::<Keep>::default(), &Known::default()).await.unwrap();
            engine
                .write(&Tenant::of_workspace("commons"), (0..100).map(|n| upsert(n, now - n * MINUTE / 10)).collect())
                .await
                .unwrap();
            engine.cut(Uuid::from_u128(2), None).await.unwrap();
            engine
                .write(
                    &Tenant::of_workspace("commons"),
                    (0..30).map(|n| upsert(n + 100, now - n * MINUTE / 20)).collect(),
                )
                .await
                .unwrap();
            engine.close(false).await.unwrap();

            let db = store.open_quiet_database(UID).await.unwrap();
            let found = read_totals(&db).await.unwrap();
            assert_eq!((found.document_count, found.intervals.is_empty()), (100, retention.is_none()));
            let counted = recount(&db, &found, &Known::default(), None).await.unwrap();
            let intervals = counted.intervals.iter();
            let intervals = intervals.map(|(bucket, interval)| (bucket, interval.changed_since(found.snapshot_offset)));
            let kept = found.intervals.iter();
            let kept = kept.map(|(bucket, interval)| (bucket, interval.changed_since(found.snapshot_offset)));
            assert!(intervals.eq(kept));
            // Bounds of all that there ever was.
            let event_times = counted.event_times;
            assert_eq!(event_times.unwrap().0, found.event_times.unwrap().0);
            let intervals = found.intervals.clone();
            let found =
                Totals { offset: found.offset + UNSEEN, event_times, intervals: counted.intervals.clone(), ..found };
            assert_eq!(counted, found);
            for (bucket, interval) in intervals {
                let counted = &counted.intervals[&bucket];
                let held = |interval: &Interval| (interval.document_count, interval.size_bytes, interval.digest);
                assert_eq!(held(counted), held(&interval));
            }
            db.close().await.unwrap();
        }
    }

    #[test]
    fn nothing_that_is_known_comes_back() {
        let retention = Some(Retention::new(32));
        let found = Totals { offset: 5, snapshot_offset: 1, document_count: 3, marks: 2, ..Totals::default() };
        let closed = Totals { offset: 9, floor: 4, cutoff: 7, ..Totals::default() };
        let known = Known { least: vec![closed], last_created_offset: Some(8), ..Known::default() };
        let totals = nothing(&found, &known, retention);
        assert_eq!((totals.offset, totals.snapshot_offset, totals.marks), (9 + UNSEEN, 8, 2));
        assert_eq!((totals.floor, totals.cutoff, totals.document_count), (4, 7, 0));
        assert_eq!(totals.retention, retention);
    }
}
