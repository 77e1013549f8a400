//! Opens the databases, all with the same settings and one shared cache.

use std::{sync::Arc, time::Duration};

use slatedb::{
    Db, GarbageCollectorBuilder,
    admin::Admin,
    compactor::CompactionSchedulerSupplier,
    db_cache::{
        DbCache, SplitCache,
        moka::{MokaCache, MokaCacheOptions},
    },
};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    buffers::{Buffers, Database},
    keep::Keep,
    ticks::Ticks,
    young::{Age, Young},
};
use crate::{
    clock::Clock,
    documents::{
        filter,
        keys::Segments,
        paths,
        patience::within,
        root::Root,
        settings::{self, Tuning},
    },
    error::Error,
    share::{self, Division, Turns},
    space::Space,
    tasks::Tasks,
};

/// What blocks of documents may take up in memory, over all databases.
const BLOCK_BYTES: u64 = 96 << 20;
/// What indexes and filters of files may take up.
const INDEX_BYTES: u64 = 96 << 20;
/// Storage may say that an object is a little younger than it is.
const MORE_THAN_TAKEN: Duration = Duration::from_secs(2);
/// More files than there will ever be.
const UNLIMITED: usize = 1 << 20;
const FILTER_BYTES: usize = 128 << 20;
/// What documents may take up that patches have read. What finds no room is read when its patch
/// has a turn.
pub(in crate::documents) const PATCHED_BYTES: usize = 192 << 20;
const BUFFER_BYTES: usize = 256 << 20;
/// What clients may have in flight, over all collections.
const IN_FLIGHT_BYTES: usize = 64 << 20;
/// What a batch counts as at most: a tenant may have one if there is room.
pub(in crate::documents) const LARGEST_BATCH_BYTES: usize = 16 << 20;

/// What all collections share. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(in crate::documents) root: Root,
    pub(in crate::documents) tasks: Tasks,
    pub(in crate::documents) clock: Clock,
    pub(in crate::documents) tuning: Tuning,
    pub(in crate::documents) filters: Arc<share::Budget>,
    pub(in crate::documents) buffers: Arc<Buffers<Database>>,
    pub(in crate::documents) in_flight: Arc<share::Budget>,
    pub(in crate::documents) space: Space,
    pub(in crate::documents) scans: Arc<share::Budget>,
    /// Bytes of documents that patches have read while they wait for a turn.
    pub(in crate::documents) patched: Arc<share::Budget>,
    /// Turns of patches that compute for long.
    pub(in crate::documents) turns: Turns,
    /// Another process may have the root as well.
    may_have_rivals: bool,
    /// Where work runs that must not slow down writers.
    pub(in crate::documents) background: Handle,
    cache: Arc<dyn DbCache>,
}

impl Store {
    /// A store over a root.
    #[must_use]
    pub fn new(root: Root, tasks: Tasks, clock: Clock, tuning: Tuning, background: Handle) -> Self {
        let cache = |max_capacity| -> Option<Arc<dyn DbCache>> {
            let options = MokaCacheOptions { max_capacity, ..MokaCacheOptions::default() };
            Some(Arc::new(MokaCache::new_with_opts(options)))
        };
        // Apart from each other: an index has megabytes, and a cache full of blocks
        // would rather not admit it. Every read would then load it anew.
        let cache = SplitCache::new().with_block_cache(cache(BLOCK_BYTES)).with_meta_cache(cache(INDEX_BYTES));
        let in_flight = Division { least: LARGEST_BATCH_BYTES, ..Division::of(IN_FLIGHT_BYTES) };
        Self {
            root,
            tasks,
            clock,
            tuning,
            filters: filter::budget(FILTER_BYTES),
            buffers: Arc::new(Buffers::new(BUFFER_BYTES, tuning.flush_bytes)),
            in_flight: share::Budget::new("bytes of writes in flight", in_flight),
            space: Space::default(),
            scans: share::Budget::new("document scans", Division::of(tuning.scans_at_once)),
            patched: share::Budget::new("bytes of documents being patched", Division::of(PATCHED_BYTES)),
            turns: Turns::default(),
            may_have_rivals: true,
            background,
            cache: Arc::new(cache),
        }
    }

    /// The same on disks that may fill up.
    #[must_use]
    pub fn with_space(self, space: Space) -> Self {
        Self { space, ..self }
    }

    /// The same over a root that is locked: whatever is in the place of an entry of
    /// ours, no other server has put it there.
    #[must_use]
    pub fn without_rivals(self) -> Self {
        Self { may_have_rivals: false, ..self }
    }

    /// Whether another process has opened a database since it was opened here, for the
    /// last time, as this epoch. That is shown by what is there, never guessed from a
    /// failure.
    pub(in crate::documents) async fn is_overtaken(&self, uid: Uuid, epoch: u64) -> Result<bool, Error> {
        if !self.may_have_rivals {
            return Ok(false);
        }
        let newest = self.on_manifest(self.admin(paths::collection(uid)).read_manifest(None)).await?;
        Ok(newest.is_some_and(|newest| newest.writer_epoch() > epoch))
    }

    /// Whether another process may have the root as well.
    #[must_use]
    pub fn may_have_rivals(&self) -> bool {
        self.may_have_rivals
    }

    /// Room on the disks.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Whether clients are writing at this moment.
    pub(in crate::documents) fn is_writing(&self) -> bool {
        self.in_flight.is_used()
    }

    /// The storage root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Background work.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Whether a copy has become a database.
    pub(in crate::documents) async fn exists(&self, uid: Uuid) -> Result<bool, Error> {
        self.on_manifest(self.admin(paths::collection(uid)).read_manifest(None)).await.map(|found| found.is_some())
    }

    /// Looks into a manifest, or changes one, in the time that storage has for it.
    pub(in crate::documents) async fn on_manifest<T, E: Into<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Error> {
        within(self.tuning.storage_patience.admin, work).await
    }

    /// How long a stream waits for a client that does not read.
    #[must_use]
    pub fn stream_patience(&self) -> Duration {
        self.tuning.stream_patience
    }

    /// How long a database stays open without use.
    #[must_use]
    pub fn idle_close(&self) -> Duration {
        self.tuning.idle_close
    }

    /// Opens a database to write to, with compaction and garbage collection.
    pub(in crate::documents) async fn open_database(
        &self,
        uid: Uuid,
        keep: Arc<Keep>,
        scheduler: Arc<dyn CompactionSchedulerSupplier>,
    ) -> Result<Db, Error> {
        let path = paths::collection(uid);
        let ticks = self.ticks(&path).await?;
        keep.go_by(&ticks);
        let compactor = slatedb::CompactorBuilder::new(path.clone(), self.root.store())
            .with_options(settings::compactor(&self.tuning))
            .with_scheduler_supplier(scheduler)
            .with_runtime(self.background.clone());
        let collector = GarbageCollectorBuilder::new(path, self.root.store())
            .with_options(settings::collector(&self.tuning, self.tuning.gc_min_age))
            .with_gc_filter(self.young(keep, Age::Seen(self.tuning.gc_min_age)));
        let builder = self.builder(uid, ticks).with_compactor_builder(compactor).with_gc_builder(collector);
        within(self.tuning.storage_patience.open, builder.with_gc_runtime(self.background.clone()).build()).await
    }

    /// Opens a database that nobody else uses, without anything running in it.
    pub(in crate::documents) async fn open_quiet_database(&self, uid: Uuid) -> Result<Db, Error> {
        // Without compaction nothing would ever make room in its first level.
        let settings = slatedb::Settings {
            l0_max_ssts: UNLIMITED,
            l0_max_ssts_per_key: UNLIMITED,
            ..settings::database(&self.tuning)
        };
        let ticks = self.ticks(&paths::collection(uid)).await?;
        within(self.tuning.storage_patience.open, self.builder(uid, ticks).with_settings(settings).build()).await
    }

    /// The compactor and the collector of a database go by its clock.
    fn builder(&self, uid: Uuid, ticks: Arc<Ticks>) -> slatedb::DbBuilder<slatedb::object_store::path::Path> {
        // Blocks of a file stay valid when the database is opened again.
        let (_, cache_id) = uid.as_u64_pair();
        Db::builder(paths::collection(uid), self.root.store())
            .with_settings(settings::database(&self.tuning))
            .with_system_clock(ticks)
            .with_segment_extractor(Arc::new(Segments))
            .with_db_cache(self.cache(), cache_id)
            .with_block_cache_policy(settings::cache_policy())
    }

    /// The cache that all databases share.
    pub(in crate::documents) fn cache(&self) -> Arc<dyn DbCache> {
        Arc::clone(&self.cache)
    }

    /// Administers a database that may be open, or not.
    pub(in crate::documents) fn admin(&self, path: slatedb::object_store::path::Path) -> Admin {
        Admin::builder(path, self.root.store()).build()
    }

    /// Collects what nothing needs in a database that is not open.
    pub async fn collect_closed(&self, uid: Uuid, keep: Arc<Keep>) {
        if let Err(error) = self.forget_readers(uid).await {
            tracing::debug!(%error, %uid, "what compactions keep for readers stays until it is collected again");
        }
        let ticks = match self.ticks(&paths::collection(uid)).await {
            Ok(ticks) => ticks,
            Err(error) => {
                tracing::debug!(%error, %uid, "a database that is not open is collected another time");
                return;
            }
        };
        let collector = GarbageCollectorBuilder::new(paths::collection(uid), self.root.store())
            .with_options(settings::collector(&self.tuning, Duration::ZERO))
            .with_system_clock(ticks)
            .with_gc_filter(self.young(keep, Age::By(self.clock.clone())))
            .build();
        collector.run_gc_once().await;
    }

    fn young(&self, keep: Arc<Keep>, age: Age) -> Arc<Young> {
        Young::new(keep, age, self.tuning.number_taken)
    }

    /// After how long every manifest may be collected that is not needed now.
    #[must_use]
    pub fn manifests_stay(&self) -> Duration {
        self.tuning.number_taken + MORE_THAN_TAKEN
    }

    /// Lets go of what compactions keep for a minute: nobody reads a database
    /// that is not open, and nobody would come back to it when the minute is over.
    async fn forget_readers(&self, uid: Uuid) -> Result<(), Error> {
        let admin = self.admin(paths::collection(uid));
        for checkpoint in admin.list_checkpoints(None).await? {
            if checkpoint.expire_time.is_some() {
                admin.delete_checkpoint(checkpoint.id).await?;
            }
        }
        Ok(())
    }

    /// Removes what is left of a collection, a creation or a restore that a
    /// durable record names.
    pub async fn remove(&self, uid: Uuid) -> Result<(), Error> {
        self.root.remove_database(uid).await
    }

    /// The uids that have a directory under the root.
    pub async fn present(&self) -> Result<Vec<String>, Error> {
        self.root.children(&paths::collections()).await
    }
}
