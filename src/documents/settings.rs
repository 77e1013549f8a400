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

const CODEC: Option<CompressionCodec> = Some(CompressionCodec::Lz4);
/// A memtable is flushed at this size.
pub(super) const L0_BYTES: usize = 32 << 20;
const UNFLUSHED_BYTES: usize = 128 << 20;
/// Each flush writes one file per touched segment; 8 and 16 stalled for seconds.
const L0_FILES: usize = 64;
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

/// What tests and operators may turn.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// How often files that nothing needs are looked for.
    pub gc_interval: Duration,
    /// How old such a file must be.
    pub gc_min_age: Duration,
    /// How long what a compaction replaced, or a drop gave back, stays for reads
    /// that were under way. Longer ones keep their files themselves.
    pub reader_grace: Duration,
    /// How long a database stays open without use.
    pub idle_close: Duration,
    /// How long a stream waits for a client that does not read.
    pub stream_patience: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            gc_interval: Duration::from_secs(60),
            gc_min_age: Duration::from_secs(60),
            reader_grace: Duration::from_secs(60),
            idle_close: Duration::from_secs(45),
            stream_patience: Duration::from_secs(15 * 60),
        }
    }
}

/// The settings of a database that is written to.
pub(super) fn database() -> Settings {
    Settings {
        // Our writer flushes when someone waits: no ticker, no idle CPU.
        flush_interval: None,
        manifest_poll_interval: Duration::from_secs(60),
        l0_sst_size_bytes: L0_BYTES,
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
pub(super) fn compactor(reader_grace: Duration) -> CompactorOptions {
    CompactorOptions {
        poll_interval: Duration::from_secs(1),
        max_concurrent_compactions: COMPACTIONS_AT_ONCE,
        // Each commit leaves a checkpoint this long: 15 minutes double the
        // directory. Running scans are kept safe by `Keep`.
        checkpoint_lifetime: reader_grace,
        worker: Some(CompactionWorkerOptions {
            max_concurrent_compactions: MERGES_AT_ONCE,
            max_subcompactions: 1,
            compactions_poll_interval: Duration::from_secs(1),
            max_sst_size: RUN_FILE_BYTES,
            compression_codec: CODEC,
            ..CompactionWorkerOptions::default()
        }),
        ..CompactorOptions::default()
    }
}

/// How files that nothing needs are collected.
pub(super) fn collector(interval: Duration, min_age: Duration) -> GarbageCollectorOptions {
    let every = Some(GarbageCollectorDirectoryOptions { interval: Some(interval), min_age, dry_run: false });
    GarbageCollectorOptions {
        manifest_options: every,
        wal_options: every,
        wal_fence_options: None,
        compacted_options: every,
        compactions_options: every,
        detach_options: None,
        // Needs conditional puts, which a local directory has not; with them
        // collection stops after one pass. The data lock stands in for them.
        boundary_files_enabled: false,
        ..GarbageCollectorOptions::default()
    }
}

/// Freshly written data blocks are not cached: ingest would fill the cache with
/// what nobody reads.
pub(super) fn cache_policy() -> BlockCachePolicy {
    BlockCachePolicy::default().with_flush_targets(&[CacheTarget::Index, CacheTarget::Filters])
}
