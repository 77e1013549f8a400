//! Gives back the files of dropped intervals, whole and unread.
//!
//! Each interval is a segment, and SlateDB's coordinator of compactions retires
//! a segment by a change of the manifest alone. Whatever lies below the floor is
//! proposed again and again until the manifest has nothing there, so a crash or
//! a late flush costs another turn, not the space.

use std::sync::Arc;

use slatedb::{
    VersionedCompactions, VersionedManifest,
    compactor::{CompactionScheduler, CompactionSchedulerSupplier, CompactionSpec, CompactorStateView, SourceId},
    config::CompactorOptions,
};

use super::{floor::Floor, merges::Merges};
use crate::documents::keys::{self, Bucket};

/// Drains what is below the floor; beside that, compacts as ever if asked to.
pub(in crate::documents) struct Drains {
    floor: Arc<Floor>,
    compact: bool,
}

impl Drains {
    /// For a database that nobody uses.
    pub fn alone(floor: Arc<Floor>) -> Arc<Self> {
        Arc::new(Self { floor, compact: false })
    }

    /// For a database in use.
    pub fn and_compactions(floor: Arc<Floor>) -> Arc<Self> {
        Arc::new(Self { floor, compact: true })
    }
}

impl CompactionSchedulerSupplier for Drains {
    fn compaction_scheduler(&self, options: &CompactorOptions) -> Box<dyn CompactionScheduler + Send + Sync> {
        Box::new(Scheduler { floor: Arc::clone(&self.floor), merges: self.compact.then(|| Merges::new(options)) })
    }
}

struct Scheduler {
    floor: Arc<Floor>,
    merges: Option<Merges>,
}

impl CompactionScheduler for Scheduler {
    fn propose(&self, state: &CompactorStateView) -> Vec<CompactionSpec> {
        let floor = self.floor.drainable();
        let is_busy = |prefix: &[u8]| {
            let running = state.compactions().into_iter().flat_map(VersionedCompactions::recent_compactions);
            running.into_iter().any(|compaction| compaction.active() && compaction.spec().segment() == prefix)
        };
        let mut specs = drains(state.manifest(), floor);
        specs.retain(|spec| !is_busy(spec.segment()));
        let merges = self.merges.iter().flat_map(|merges| merges.propose(state));
        // Merging what is about to go would be a waste, and in the way.
        specs.extend(merges.filter(|spec| !is_below(spec.segment(), floor)));
        specs
    }

    fn validate(&self, state: &CompactorStateView, spec: &CompactionSpec) -> Result<(), slatedb::Error> {
        match &self.merges {
            Some(merges) => merges.validate(state, spec),
            None => Ok(()),
        }
    }
}

pub(in crate::documents) fn is_below(prefix: &[u8], floor: Bucket) -> bool {
    keys::bucket_of_segment(prefix).is_some_and(|bucket| bucket < floor)
}

/// What retires each segment below the floor that still has files.
fn drains(manifest: &VersionedManifest, floor: Bucket) -> Vec<CompactionSpec> {
    let below = manifest.segments().iter().filter(|segment| is_below(segment.prefix(), floor));
    let specs = below.filter_map(|segment| {
        let files = segment.l0().iter().map(|view| SourceId::SstView(view.id));
        let runs = segment.compacted().iter().map(|run| SourceId::SortedRun(run.id));
        let sources: Vec<_> = files.chain(runs).collect();
        (!sources.is_empty()).then(|| CompactionSpec::drain_segment(segment.prefix().clone(), sources))
    });
    specs.collect()
}

/// Whether a manifest still has files below a floor.
pub(in crate::documents) fn has_files_below(manifest: &VersionedManifest, floor: Bucket) -> bool {
    !drains(manifest, floor).is_empty()
}
