//! How every database is set up. The figures were measured on two cores and a
//! local disk; `docs/design.md` has the reasons.

use std::time::Duration;

use slatedb::{
    BlockCachePolicy, CacheTarget, Settings,
    config::{
        CompactionWorkerOptions, CompactorOptions, CompressionCodec, GarbageCollectorDirectoryOptions,
        GarbageCollectorOptions,
    },
};

use super::patience::StoragePatience;

const CODEC: Option<CompressionCodec> = Some(CompressionCodec::Lz4);
const UNFLUSHED_BYTES: usize = 128 << 20;
/// Each flush writes one file per touched segment; 8 and 16 stalled for seconds.
pub(super) const L0_FILES: usize = 64;
/// About six seconds: each waits twice as long as the one before, at most a
/// second. Without a bound an open, a read or a write would wait as long as
/// storage fails.
pub(super) const STORAGE_RETRIES: u32 = 8;
/// The manifest is rewritten whole, so few large files.
const RUN_FILE_BYTES: usize = 256 << 20;
/// Merges that run at once in a database.
pub(super) const MERGES_AT_ONCE: usize = 2;
/// Changes of the manifest that the coordinator takes on at once: merges, and the
/// drains of all intervals that there can be. Those cost one write together.
const COMPACTIONS_AT_ONCE: usize = MERGES_AT_ONCE + 62;

/// What depends on where the storage root is, and what tests turn: one column
/// for each kind of storage.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The least time between two commits of one collection: on S3 each is a
    /// billed request of tens of milliseconds.
    pub commit_gap: Duration,
    /// Unflushed bytes at which a database writes files.
    pub flush_bytes: usize,
    /// How often an open database looks for files to merge.
    pub compaction_poll: Duration,
    /// How often files that nothing needs are looked for.
    pub gc_interval: Duration,
    /// How old such a file must be.
    pub gc_min_age: Duration,
    /// The least time that manifests and lists of compactions stay. SlateDB commits a change by
    /// creating `last + 1`, which fails if it is there. Were `last + 1` written and collected
    /// meanwhile, a writer that had read `last` would create it once more, and hide what the
    /// first had changed, such as a checkpoint. Nobody writes by what it read so long ago.
    pub number_taken: Duration,
    /// How long what a compaction replaced, or a drop gave back, stays for reads
    /// that were under way. Longer ones keep their files themselves.
    pub reader_grace: Duration,
    /// Whether garbage collection guards itself against a server that was
    /// replaced: by conditional puts, which a local directory has not.
    pub gc_boundary: bool,
    /// How long a database stays open without use.
    pub idle_close: Duration,
    /// Files that a restore copies at once.
    pub copies_at_once: usize,
    /// Scans for clients at once, in all collections.
    pub scans_at_once: usize,
    /// How long a stream waits for a client that does not read.
    pub stream_patience: Duration,
    /// How long storage may take.
    pub storage_patience: StoragePatience,
}

impl Tuning {
    /// A local directory: requests are free, so everything is prompt.
    pub const DIRECTORY: Self = Self {
        commit_gap: Duration::ZERO,
        flush_bytes: 32 << 20,
        compaction_poll: Duration::from_secs(1),
        gc_interval: Duration::from_secs(60),
        gc_min_age: Duration::from_secs(60),
        number_taken: Duration::from_secs(60),
        gc_boundary: false,
        reader_grace: Duration::from_secs(60),
        idle_close: Duration::from_secs(45),
        copies_at_once: 8,
        scans_at_once: 256,
        stream_patience: Duration::from_secs(15 * 60),
        storage_patience: StoragePatience::DEFAULT,
    };

    /// S3: requests cost money and time, so fewer and larger ones.
    pub const S3: Self = Self {
        commit_gap: Duration::from_millis(20),
        flush_bytes: 64 << 20,
        compaction_poll: Duration::from_secs(5),
        gc_interval: Duration::from_secs(10 * 60),
        gc_min_age: Duration::from_secs(5 * 60),
        gc_boundary: true,
        idle_close: Duration::from_secs(30),
        copies_at_once: 32,
        ..Self::DIRECTORY
    };
}

impl Default for Tuning {
    fn default() -> Self {
        Self::DIRECTORY
    }
}

/// The settings of a database that is written to.
pub(super) fn database(tuning: &Tuning) -> Settings {
    Settings {
        // Our writer flushes when someone waits: no ticker, no idle CPU.
        flush_interval: None,
        manifest_poll_interval: Duration::from_secs(60),
        l0_sst_size_bytes: tuning.flush_bytes,
        max_unflushed_bytes: UNFLUSHED_BYTES,
        l0_max_ssts: L0_FILES,
        l0_max_ssts_per_key: L0_FILES,
        compression_codec: CODEC,
        object_store_max_retries: Some(STORAGE_RETRIES),
        // Both have builders of their own.
        compactor_options: None,
        garbage_collector_options: None,
        ..Settings::default()
    }
}

/// How runs are merged.
pub(super) fn compactor(tuning: &Tuning) -> CompactorOptions {
    CompactorOptions {
        poll_interval: tuning.compaction_poll,
        max_concurrent_compactions: COMPACTIONS_AT_ONCE,
        // Each commit leaves a checkpoint this long: 15 minutes double the
        // directory. Running scans are kept safe by `Keep`.
        checkpoint_lifetime: tuning.reader_grace,
        worker: Some(CompactionWorkerOptions {
            max_concurrent_compactions: MERGES_AT_ONCE,
            max_subcompactions: 1,
            compactions_poll_interval: tuning.compaction_poll,
            max_sst_size: RUN_FILE_BYTES,
            compression_codec: CODEC,
            ..CompactionWorkerOptions::default()
        }),
        ..CompactorOptions::default()
    }
}

/// How files that nothing needs are collected.
pub(super) fn collector(tuning: &Tuning, min_age: Duration) -> GarbageCollectorOptions {
    let interval = Some(tuning.gc_interval);
    let aged = |min_age| Some(GarbageCollectorDirectoryOptions { interval, min_age, dry_run: false });
    GarbageCollectorOptions {
        manifest_options: aged(min_age.max(tuning.number_taken)),
        // Their age is counted in `young.rs`.
        wal_options: aged(Duration::ZERO),
        wal_fence_options: None,
        compacted_options: aged(min_age),
        compactions_options: aged(min_age.max(tuning.number_taken)),
        detach_options: None,
        // In a local directory collection would stop after one pass; there the
        // lock on the data directory stands in for them.
        boundary_files_enabled: tuning.gc_boundary,
        ..GarbageCollectorOptions::default()
    }
}

/// Freshly written data blocks are not cached: ingest would fill the cache with
/// what nobody reads.
pub(super) fn cache_policy() -> BlockCachePolicy {
    BlockCachePolicy::default().with_flush_targets(&[CacheTarget::Index, CacheTarget::Filters])
}
