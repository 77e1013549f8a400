//! What a restore would copy and drop, told before it starts.

use std::{collections::HashSet, sync::Arc};

use slatedb::{
    DbReader, DbReaderMode, config::DbReaderOptions, db_cache::DbCache, manifest::SortedRun, object_store::ObjectStore,
};
use ulid::Ulid;
use uuid::Uuid;

use crate::{
    clock::Micros,
    documents::{
        checkpoints::{
            files::Files,
            frozen::{Frozen, FrozenManifest, Held},
        },
        databases::{newest_time::newest_in, store::Store, ticks::Ticks},
        engine::scan_options,
        keys::{self, Bucket, Segments},
        overlay::Overlay,
        paths::{collection, log_ids, log_name},
        settings,
        totals::Dropped,
        truncation::drain::is_below,
        value::StoredDocument,
    },
    error::Error,
};

impl Frozen {
    /// Its files without those of the buckets below a floor.
    #[must_use]
    pub fn files_from(&self, floor: Bucket, files: &Files) -> Files {
        let dropped = self.manifest.segments().iter().filter(|segment| is_below(segment.prefix(), floor));
        let dropped: HashSet<Ulid> = dropped
            .flat_map(|segment| segment.l0().iter().chain(segment.compacted().iter().flat_map(SortedRun::sst_views)))
            .map(|view| view.sst.id.value())
            .collect();
        files.without(&dropped)
    }
}

impl Store {
    /// Counts what has expired in one bucket of a snapshot, by reading it.
    pub async fn count_expired(
        &self,
        manifest: FrozenManifest,
        bucket: Bucket,
        cutoff: Micros,
    ) -> Result<Dropped, Error> {
        let reader = self.open_frozen(manifest, self.cache()).await?;
        let counted = count_in(&reader, bucket, cutoff).await;
        // Whatever became of that: one that is left open goes on looking.
        reader.close().await?;
        counted
    }

    /// Opens a snapshot to read it where it is.
    pub(in crate::documents) async fn open_frozen(
        &self,
        manifest: FrozenManifest,
        cache: Arc<dyn DbCache>,
    ) -> Result<DbReader, Error> {
        let uid = manifest.collection;
        let (store, ticks, mode, skip_wal_replay): (Arc<dyn ObjectStore>, _, _, _) = match manifest.held {
            Held::Checkpoint(id) => {
                let skip = !self.has_data_logs(uid, manifest.id).await?;
                let ticks = self.ticks(&collection(uid)).await?;
                (self.root.store(), ticks, DbReaderMode::Checkpoint(id), skip)
            }
            Held::Copy { .. } => {
                let frozen = self.frozen(manifest).await?;
                let overlay = Overlay::new(self.root.store(), uid, &frozen).await?;
                // Whatever has become of the collection since.
                let ticks = Arc::new(Ticks::from(self.clock.now(), newest_in(&frozen.manifest)));
                // A cut is in files as a whole.
                (Arc::new(overlay), ticks, DbReaderMode::FollowLatest, true)
            }
        };
        let options = DbReaderOptions {
            skip_wal_replay,
            object_store_max_retries: Some(settings::STORAGE_RETRIES),
            ..DbReaderOptions::default()
        };
        let (_, cache_id) = uid.as_u64_pair();
        let reader = DbReader::builder(collection(uid), store)
            .with_system_clock(ticks)
            .with_reader_mode(mode)
            .with_segment_extractor(Arc::new(Segments))
            .with_db_cache(cache, cache_id)
            .with_options(options)
            .build()
            .await?;
        Ok(reader)
    }

    /// Whether there is more behind a checkpoint than fences, which are empty.
    async fn has_data_logs(&self, uid: Uuid, manifest_id: u64) -> Result<bool, Error> {
        let manifest = self.manifest(uid, manifest_id).await?;
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
