//! What a restore would copy and drop, told before it starts.

use std::collections::HashSet;

use slatedb::{DbReader, DbReaderMode, config::DbReaderOptions, manifest::SortedRun};
use ulid::Ulid;
use uuid::Uuid;

use super::{
    checkpoint::{Checkpoint, Files, log_ids, log_name},
    drain::is_below,
    engine::scan_options,
    keys::{self, Bucket, Segments},
    root::collection,
    settings,
    store::Store,
    totals::Dropped,
    value::StoredDocument,
};
use crate::{clock::Micros, error::Error};

impl Store {
    /// The files of a checkpoint without those of the buckets below a floor.
    pub async fn files_from(
        &self,
        uid: Uuid,
        checkpoint: Checkpoint,
        floor: Bucket,
        files: &Files,
    ) -> Result<Files, Error> {
        let manifest = self.manifest(uid, checkpoint.manifest_id).await?;
        let dropped = manifest.segments().iter().filter(|segment| is_below(segment.prefix(), floor));
        let dropped: HashSet<Ulid> = dropped
            .flat_map(|segment| segment.l0().iter().chain(segment.compacted().iter().flat_map(SortedRun::sst_views)))
            .map(|view| view.sst.id.value())
            .collect();
        Ok(files.without(&dropped))
    }

    /// Counts what has expired in one bucket of a checkpoint, by reading it.
    pub async fn count_expired(
        &self,
        uid: Uuid,
        checkpoint: Checkpoint,
        bucket: Bucket,
        cutoff: Micros,
    ) -> Result<Dropped, Error> {
        let options = DbReaderOptions {
            skip_wal_replay: !self.has_data_logs(uid, checkpoint).await?,
            object_store_max_retries: Some(settings::STORAGE_RETRIES),
            ..DbReaderOptions::default()
        };
        let (_, cache_id) = uid.as_u64_pair();
        let reader = DbReader::builder(collection(uid), self.root.store())
            .with_system_clock(self.ticks(&collection(uid)).await?)
            .with_reader_mode(DbReaderMode::Checkpoint(checkpoint.id))
            .with_segment_extractor(std::sync::Arc::new(Segments))
            .with_db_cache(self.cache(), cache_id)
            .with_options(options)
            .build()
            .await?;
        let counted = count_in(&reader, bucket, cutoff).await;
        // Whatever became of that: one that is left open goes on looking.
        reader.close().await?;
        counted
    }

    /// Whether there is more behind a checkpoint than fences, which are empty.
    async fn has_data_logs(&self, uid: Uuid, checkpoint: Checkpoint) -> Result<bool, Error> {
        let manifest = self.manifest(uid, checkpoint.manifest_id).await?;
        for id in log_ids(&manifest) {
            let log = collection(uid).join("wal").join(log_name(id));
            if self.root.size(&log).await?.is_some_and(|size| size > 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
async fn count_in(reader: &DbReader, bucket: Bucket, cutoff: Micros) -> Result<Dropped, Error> {
    let mut dropped = Dropped::default();
    let mut entries = reader.scan_with_options(keys::documents(bucket..=bucket), &scan_options()).await?;
    while let Some(entry) = entries.next().await? {
        let document = StoredDocument::new(entry.key, entry.value)?;
        if document.event_time() < cutoff {
            dropped.documents += 1;
            dropped.bytes += document.size();
        }
    }
    Ok(dropped)
}
