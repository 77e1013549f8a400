//! How many files are merged at once.
//!
//! Each flush leaves a file, and a writer waits for a merge when there are too many. Large
//! files are merged few at a time, for room to come back early. Small ones, as snapshots
//! of a collection that changes between them leave, cost the same however many they are:
//! all at once, or as few as one merge takes would come in a second.

use slatedb::{
    VersionedManifest,
    compactor::{
        CompactionScheduler, CompactionSchedulerSupplier, CompactionSpec, CompactorStateView,
        SizeTieredCompactionSchedulerSupplier, SourceId,
    },
    config::{CompactorOptions, SizeTieredCompactionSchedulerOptions},
    manifest::{Segment, SsTableView},
};

use crate::documents::settings::{L0_FILES, MERGES_AT_ONCE};

/// Up to here, in bytes, the files of all flushes that wait for a merge are small.
const SMALL: u64 = 64 << 20;

type Scheduler = Box<dyn CompactionScheduler + Send + Sync>;

/// What proposes merges.
pub(in crate::documents) struct Merges {
    few: Scheduler,
    many: Scheduler,
}

impl Merges {
    pub fn new(options: &CompactorOptions) -> Self {
        let few = SizeTieredCompactionSchedulerOptions::default();
        let many = SizeTieredCompactionSchedulerOptions { max_compaction_sources: L0_FILES, ..few };
        let scheduler = |sources: SizeTieredCompactionSchedulerOptions| {
            SizeTieredCompactionSchedulerSupplier.compaction_scheduler(&CompactorOptions {
                // Drains and merges must not wait for each other's turns.
                max_concurrent_compactions: MERGES_AT_ONCE,
                scheduler_options: sources.into(),
                ..options.clone()
            })
        };
        Self { few: scheduler(few), many: scheduler(many) }
    }

    /// What is to be merged. Runs, which are what merges have made, are merged few at a time.
    pub fn propose(&self, state: &CompactorStateView) -> Vec<CompactionSpec> {
        let mut specs = self.few.propose(state);
        if are_small(state.manifest()) {
            specs.retain(|spec| !is_of_flushes(spec));
            specs.extend(self.many.propose(state).into_iter().filter(is_of_flushes));
        }
        specs
    }

    /// Whether a merge may be.
    pub fn validate(&self, state: &CompactorStateView, spec: &CompactionSpec) -> Result<(), slatedb::Error> {
        self.few.validate(state, spec)
    }
}

fn is_of_flushes(spec: &CompactionSpec) -> bool {
    spec.sources().iter().any(|source| matches!(source, SourceId::SstView(_)))
}

fn are_small(manifest: &VersionedManifest) -> bool {
    let flushed = manifest.segments().iter().flat_map(Segment::l0);
    flushed.map(SsTableView::estimate_size).sum::<u64>() <= SMALL
}
