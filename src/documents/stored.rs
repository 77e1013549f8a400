//! What a collection takes up in storage: its files with documents, and its manifests.
//!
//! Every change of the files leaves a manifest that stays a minute, so a collection that
//! changes much, or has many snapshots taken, has many of them at a time.

use std::time::Duration;

use parking_lot::Mutex;
use slatedb::{VersionedManifest, manifest::SsTableView};
use tokio::time::Instant;
use uuid::Uuid;

use super::{databases::store::Store, paths::collection};
use crate::error::Error;

/// How long a count of manifests is good: on S3 each is a billed request.
const COUNTED: Duration = Duration::from_secs(10);

/// The manifests that a collection has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// How many.
    pub count: usize,
    /// Their size.
    pub bytes: u64,
}

/// The last count of an open collection's manifests.
#[derive(Debug, Default)]
pub struct LastCount(Mutex<Option<(Instant, Manifests)>>);

impl LastCount {
    /// Counts the manifests, unless that was done a moment ago. While storage does not
    /// answer the last count holds.
    pub async fn get(&self, store: &Store, uid: Uuid) -> Manifests {
        let last = *self.0.lock();
        if let Some((when, counted)) = last
            && when.elapsed() < COUNTED
        {
            return counted;
        }
        match store.manifests(uid).await {
            Ok(counted) => {
                *self.0.lock() = Some((Instant::now(), counted));
                counted
            }
            Err(error) => {
                tracing::debug!(%error, %uid, "the manifests of a collection were not counted");
                last.map_or_else(Manifests::default, |(_, counted)| counted)
            }
        }
    }
}

impl Store {
    /// Counts the manifests of a collection.
    pub async fn manifests(&self, uid: Uuid) -> Result<Manifests, Error> {
        let found = self.on_manifest(self.root.list(&collection(uid).join("manifest"))).await?;
        Ok(Manifests { count: found.len(), bytes: found.iter().map(|(_, size)| size).sum() })
    }
}

/// What the files that a manifest lists and the manifests take up together, in bytes.
pub fn stored_bytes(manifest: &VersionedManifest, manifests: Manifests) -> i64 {
    let files: u64 = manifest.all_sst_views().map(SsTableView::estimate_size).sum();
    i64::try_from(files.saturating_add(manifests.bytes)).unwrap_or(i64::MAX)
}
