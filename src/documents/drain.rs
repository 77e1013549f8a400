//! Gives back the files of dropped intervals, whole and unread.
//!
//! Each interval is a segment, and SlateDB's coordinator of compactions retires
//! a segment by a change of the manifest alone. Whatever lies below the floor is
//! proposed again and again until the manifest has nothing there, so a crash or
//! a late flush costs another turn, not the space.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use slatedb::{
    CompactorBuilder, VersionedCompactions, VersionedManifest,
    compactor::{CompactionScheduler, CompactionSchedulerSupplier, CompactionSpec, CompactorStateView, SourceId},
    config::CompactorOptions,
    object_store::path::Path,
};
use uuid::Uuid;

use super::{
    keys::{self, Bucket},
    merges::Merges,
    root::collection,
    store::Store,
};
use crate::error::Error;

/// How often the coordinator of a staging path looks.
const STAGING_POLL: Duration = Duration::from_millis(20);
/// A drain changes one manifest; storage that takes longer has failed.
const STAGING_DEADLINE: Duration = Duration::from_secs(30);

/// Below which bucket segments may be drained: below the durable floor, but not
/// while a cut is under way whose totals still hold them. Its checkpoint is
/// written later than its totals are copied, and would miss them: a snapshot is
/// either before a drop or after it, never between.
#[derive(Debug, Default)]
pub struct Floor {
    durable: AtomicU64,
    cuts: Mutex<Cuts>,
}

#[derive(Debug, Default)]
struct Cuts {
    next: u64,
    floors: HashMap<u64, Bucket>,
}

/// A cut whose checkpoint is not durable yet.
#[derive(Debug)]
pub struct CutGuard {
    floor: Arc<Floor>,
    cut: u64,
}

impl Floor {
    /// A floor became durable.
    pub fn raise(&self, floor: Bucket) {
        self.durable.fetch_max(floor, Ordering::AcqRel);
    }

    /// A cut begins whose totals hold everything from `floor` on.
    pub fn hold(self: &Arc<Self>, floor: Bucket) -> CutGuard {
        let mut cuts = self.cuts.lock();
        let cut = cuts.next;
        cuts.next += 1;
        cuts.floors.insert(cut, floor);
        CutGuard { floor: Arc::clone(self), cut }
    }

    /// Segments below this may go now.
    fn drainable(&self) -> Bucket {
        // In this order: a cut below a floor began before that floor was durable.
        let durable = self.durable.load(Ordering::Acquire);
        self.cuts.lock().floors.values().copied().fold(durable, Bucket::min)
    }
}

impl Drop for CutGuard {
    fn drop(&mut self) {
        self.floor.cuts.lock().floors.remove(&self.cut);
    }
}

/// Drains what is below the floor; beside that, compacts as ever if asked to.
pub(super) struct Drains {
    floor: Arc<Floor>,
    compact: bool,
}

impl Drains {
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

pub(super) fn is_below(prefix: &[u8], floor: Bucket) -> bool {
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

/// Whether a manifest still has files below a floor.
pub(super) fn has_files_below(manifest: &VersionedManifest, floor: Bucket) -> bool {
    !drains(manifest, floor).is_empty()
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
    pub(super) async fn drain(&self, path: &Path, floor: Bucket) -> Result<(), Error> {
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
            .with_scheduler_supplier(Arc::new(Drains { floor: below, compact: false }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_under_way_keeps_what_its_totals_hold() {
        let floor = Arc::new(Floor::default());
        floor.raise(5);
        let cut = floor.hold(5);
        floor.raise(8);
        assert_eq!(floor.drainable(), 5);
        let later = floor.hold(8);
        drop(cut);
        assert_eq!(floor.drainable(), 8);
        drop(later);
        floor.raise(7);
        assert_eq!(floor.drainable(), 8, "it never moves back");
    }
}
