//! Drains databases, and tells how far that is.

use std::{sync::Arc, time::Duration};

use slatedb::{CompactorBuilder, config::CompactorOptions, object_store::path::Path};
use uuid::Uuid;

use super::{
    drain::{Drains, has_files_below},
    floor::Floor,
};
use crate::{
    documents::{databases::store::Store, keys::Bucket, paths::collection},
    error::Error,
};

/// How often the coordinator of a staging path looks.
const STAGING_POLL: Duration = Duration::from_millis(20);
/// A drain changes one manifest; storage that takes longer has failed.
const STAGING_DEADLINE: Duration = Duration::from_secs(30);

/// How far the files of dropped intervals are from being given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Only an open database can give them back.
    Not,
    /// Only what compactions keep a minute for readers holds them.
    Kept,
    /// Nothing holds them.
    Wholly,
}

impl Store {
    /// How far the intervals of a collection below a floor have been drained.
    pub async fn drained(&self, uid: Uuid, floor: Bucket) -> Result<Drained, Error> {
        let Some(manifest) = self.admin(collection(uid)).read_manifest(None).await? else { return Ok(Drained::Wholly) };
        if has_files_below(&manifest, floor) {
            return Ok(Drained::Not);
        }
        let is_kept = manifest.checkpoints().iter().any(|checkpoint| checkpoint.expire_time.is_some());
        Ok(if is_kept { Drained::Kept } else { Drained::Wholly })
    }

    /// Drains the database at a path that nobody uses, of which only the manifest
    /// need be there.
    pub(in crate::documents) async fn drain(&self, path: &Path, floor: Bucket) -> Result<(), Error> {
        let admin = self.admin(path.clone());
        let below = Arc::new(Floor::default());
        below.raise(floor);
        let options = CompactorOptions {
            poll_interval: STAGING_POLL,
            commit_compacted_interval: STAGING_POLL,
            checkpoint_lifetime: Duration::from_secs(1),
            max_concurrent_compactions: usize::from(u16::MAX),
            worker: None,
            ..CompactorOptions::default()
        };
        let coordinator = CompactorBuilder::new(path.clone(), self.root.store())
            .with_options(options)
            .with_system_clock(self.ticks(path).await?)
            .with_scheduler_supplier(Drains::alone(below))
            .build();
        let drained = async {
            loop {
                match admin.read_manifest(None).await? {
                    Some(manifest) if has_files_below(&manifest, floor) => tokio::time::sleep(STAGING_POLL).await,
                    _ => return Ok(()),
                }
            }
        };
        let drained = tokio::select! {
            drained = tokio::time::timeout(STAGING_DEADLINE, drained) => {
                drained.unwrap_or_else(|late| Err(Error::Unavailable(Arc::new(late))))
            }
            ended = coordinator.run() => ended.map_err(Error::from),
        };
        coordinator.stop().await?;
        drained
    }
}
