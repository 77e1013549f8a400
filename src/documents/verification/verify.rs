//! Proves a restored collection before anyone can see it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use slatedb::Db;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    digest::{self, Digest},
    documents::{
        databases::store::Store,
        engine::{filter_path, scan_options},
        filter::IdFilter,
        keys,
        totals::Totals,
        value::{self, StoredDocument},
    },
    error::Error,
};

/// Documents between two looks at who else wants the machine: about half a
/// millisecond's worth.
pub(in crate::documents) const YIELD_EVERY: i64 = 256;
/// How long a proof steps back for writers, each time. Priorities alone do not
/// keep their pace: they wait for the disk and give up the core all the time.
const STEP_BACK: Duration = Duration::from_millis(5);

/// What a scan of all documents found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Documents.
    pub document_count: i64,
    /// Their bytes.
    pub size_bytes: i64,
    /// Their digest, recomputed from id, event time and body.
    pub digest: Digest,
}

impl Proof {
    pub(in crate::documents) fn count(&mut self, document: &StoredDocument) {
        let body = document.body();
        self.document_count += 1;
        self.size_bytes += value::size(document.id(), body.len());
        self.digest.add(digest::of_document(document.id(), document.event_time(), &body));
    }

    /// Whether this is what the totals say (**D2**).
    pub fn check(&self, totals: &Totals) -> Result<(), Error> {
        let expected =
            Self { document_count: totals.document_count, size_bytes: totals.size_bytes, digest: totals.digest };
        if *self == expected {
            return Ok(());
        }
        Err(Error::DataLoss(format!("the documents are {self:?}, not {expected:?}")))
    }
}

impl Store {
    /// Lets writers go first.
    pub(in crate::documents) async fn step_back(&self) {
        if self.is_writing() {
            tokio::time::sleep(STEP_BACK).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// The scan sees every id, so it saves the id filter as well.
    pub(in crate::documents) async fn prove(
        &self,
        db: &Db,
        uid: Uuid,
        totals: &Totals,
        done: &AtomicI64,
        stop: &CancellationToken,
    ) -> Result<Proof, Error> {
        let filter = IdFilter::empty(&self.filters);
        let mut proof = Proof::default();
        let mut entries = db.scan_with_options(keys::documents(keys::ALL_BUCKETS), &scan_options()).await?;
        while let Some(entry) = entries.next().await? {
            let document = StoredDocument::new(entry.key, entry.value)?;
            proof.count(&document);
            filter.insert(document.bucket(), document.id());
            if proof.document_count % YIELD_EVERY == 0 {
                done.store(proof.document_count, Ordering::Relaxed);
                if stop.is_cancelled() {
                    return Err(Error::ShuttingDown);
                }
                self.step_back().await;
            }
        }
        done.store(proof.document_count, Ordering::Relaxed);
        proof.check(totals)?;
        if let Some(bytes) = filter.encode(totals.offset) {
            self.root.put(&filter_path(uid), bytes).await?;
        }
        Ok(proof)
    }
}
