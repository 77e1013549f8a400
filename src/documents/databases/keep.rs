//! The lock on files: garbage collection may not take what a snapshot names, nor what a
//! running scan may still read (compaction's own checkpoints last only a minute).
//!
//! It takes no file before it is known what all snapshots name, nor when another server
//! may have taken some that we do not know of. While the file list of a snapshot cannot be
//! read, or the database has not been compared with what is known of it, nothing goes at
//! all.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use slatedb::{GcFilter, ObjectMetadata};
use slatedb_common::clock::SystemClock;
use ulid::Ulid;
use uuid::Uuid;

use super::ticks::{Ticks, time_of};
use crate::documents::paths::file_id;

/// File names carry their time by the database's clock in milliseconds; a scan
/// keeps what is a little younger than itself, too.
const MARGIN: Duration = Duration::from_secs(5);

/// Whether nobody else can have taken a snapshot.
pub type IsAlone = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// What must stay, for one collection.
pub struct Keep {
    state: Mutex<State>,
    is_alone: IsAlone,
}

#[derive(Debug, Default)]
struct State {
    trusted: bool,
    snapshots: HashMap<Uuid, Vec<Ulid>>,
    /// All snapshots have been told of.
    is_complete: bool,
    /// Snapshots whose files nobody knows.
    unknown: HashSet<Uuid>,
    scans: BTreeMap<u64, DateTime<Utc>>,
    next_scan: u64,
    /// What the names of new files are made by.
    ticks: Option<Arc<Ticks>>,
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Default for Keep {
    /// Keeps all files, for good.
    fn default() -> Self {
        Self::new(Arc::new(|| Box::pin(std::future::ready(false))))
    }
}

/// Nobody else can have taken a snapshot.
#[cfg(test)]
pub(in crate::documents) fn always_alone() -> IsAlone {
    Arc::new(|| Box::pin(std::future::ready(true)))
}

impl Keep {
    /// Keeps everything, until the database has been compared and it is known what there
    /// is to keep.
    #[must_use]
    pub fn new(is_alone: IsAlone) -> Self {
        Self { state: Mutex::default(), is_alone }
    }

    /// The database is what was left: what neither it nor a snapshot names may go.
    pub fn trust(&self) {
        self.state.lock().trusted = true;
    }

    /// The database is damaged: nothing of it goes, whatever it says.
    pub fn distrust(&self) {
        self.state.lock().trusted = false;
    }

    /// Whether anything may go.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.state.lock().trusted
    }

    /// All snapshots have been told of.
    pub fn complete(&self) {
        self.state.lock().is_complete = true;
    }

    /// Whether the files of all snapshots are known.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let state = self.state.lock();
        state.is_complete && state.unknown.is_empty()
    }

    /// Whether the files of a snapshot are known.
    #[must_use]
    pub fn knows(&self, uid: Uuid) -> bool {
        self.state.lock().snapshots.contains_key(&uid)
    }

    /// The files of a snapshot.
    pub fn snapshot(&self, uid: Uuid, files: Vec<Ulid>) {
        let mut state = self.state.lock();
        state.unknown.remove(&uid);
        state.snapshots.insert(uid, files);
    }

    /// A snapshot whose file list cannot be read: any file may be one of its own,
    /// so none goes while it is there.
    pub fn snapshot_of_unknown_files(&self, uid: Uuid) {
        self.state.lock().unknown.insert(uid);
    }

    /// A snapshot is gone.
    pub fn release(&self, uid: Uuid) {
        let mut state = self.state.lock();
        state.unknown.remove(&uid);
        state.snapshots.remove(&uid);
    }

    /// From now on the names of new files are made by this clock.
    pub fn go_by(&self, ticks: &Arc<Ticks>) {
        self.state.lock().ticks = Some(Arc::clone(ticks));
    }

    /// Keeps every file that exists now until the guard is dropped.
    pub fn scan(self: &Arc<Self>) -> ScanGuard {
        let mut state = self.state.lock();
        let id = state.next_scan;
        state.next_scan += 1;
        // Of a database that was never open: everything.
        let now = state.ticks.as_ref().map_or(DateTime::<Utc>::MAX_UTC - MARGIN, |ticks| ticks.now());
        state.scans.insert(id, now);
        ScanGuard { keep: Arc::clone(self), id }
    }

    /// Whether scans are running.
    pub fn is_scanned(&self) -> bool {
        !self.state.lock().scans.is_empty()
    }
}

/// A running scan.
#[derive(Debug)]
pub struct ScanGuard {
    keep: Arc<Keep>,
    id: u64,
}

impl Drop for ScanGuard {
    fn drop(&mut self) {
        self.keep.state.lock().scans.remove(&self.id);
    }
}

#[async_trait]
impl GcFilter for Keep {
    async fn filter(&self, mut candidates: HashSet<ObjectMetadata>) -> HashSet<ObjectMetadata> {
        let id = |candidate: &ObjectMetadata| candidate.location.filename().and_then(file_id);
        let files: HashSet<Ulid> = candidates.iter().filter_map(id).collect();
        // First: what becomes known meanwhile is in what we look at next.
        let is_alone = !files.is_empty() && self.is_trusted() && (self.is_alone)().await;
        let state = self.state.lock();
        if !state.trusted || !state.unknown.is_empty() {
            return HashSet::new();
        }
        if !is_alone || !state.is_complete {
            candidates.retain(|candidate| id(candidate).is_none());
            return candidates;
        }
        let named: HashSet<Ulid> =
            state.snapshots.values().flatten().filter(|named| files.contains(named)).copied().collect();
        let scanned_until = state.scans.values().max().map(|started| *started + MARGIN);
        candidates.retain(|candidate| {
            let Some(id) = id(candidate) else { return true };
            !named.contains(&id) && scanned_until.is_none_or(|until| time_of(id) > until)
        });
        candidates
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use slatedb::object_store::path::Path;

    use super::*;

    fn file(id: Ulid) -> ObjectMetadata {
        ObjectMetadata {
            location: Path::from(format!("collections/x/compacted/{id}.sst")),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: 1,
            e_tag: None,
            version: None,
        }
    }

    #[tokio::test]
    async fn files_of_snapshots_and_of_running_scans_stay() {
        let keep = Arc::new(Keep::new(always_alone()));
        keep.go_by(&Arc::new(Ticks::from(1_700_000_000_000_000, None)));
        let (named, old) = (Ulid::from_parts(1, 1), Ulid::from_parts(1, 2));
        // The clock of the database, not that of the machine.
        let young = Ulid::from_parts(1_700_000_060_000, 3);
        let all: HashSet<_> = [file(named), file(old), file(young)].into();

        assert_eq!(keep.filter(all.clone()).await, HashSet::new(), "nothing is known of it yet");
        keep.trust();
        keep.snapshot(Uuid::max(), vec![named]);
        assert_eq!(keep.filter(all.clone()).await, HashSet::new(), "there may be more snapshots");
        keep.complete();
        assert_eq!(keep.filter(all.clone()).await, [file(old), file(young)].into());
        let guard = keep.scan();
        assert_eq!(keep.filter(all.clone()).await, [file(young)].into());
        drop(guard);
        keep.release(Uuid::max());
        assert_eq!(keep.filter(all.clone()).await, all);

        let [one, other] = [1, 2].map(Uuid::from_u128);
        keep.snapshot_of_unknown_files(one);
        keep.snapshot_of_unknown_files(other);
        assert!(keep.filter(all.clone()).await.is_empty());
        keep.release(one);
        assert!(keep.filter(all.clone()).await.is_empty());
        keep.snapshot(other, vec![named]);
        assert_eq!(keep.filter(all).await, [file(old), file(young)].into());
    }

    #[tokio::test]
    async fn files_stay_when_another_server_may_have_named_them() {
        let is_alone = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_alone);
        let keep = Keep::new(Arc::new(move || Box::pin(std::future::ready(asked.load(Ordering::Relaxed)))));
        keep.trust();
        keep.complete();
        let manifest =
            ObjectMetadata { location: Path::from("collections/x/manifest/1.manifest"), ..file(Ulid::nil()) };
        let all: HashSet<_> = [file(Ulid::from_parts(1, 1)), manifest.clone()].into();
        assert_eq!(keep.filter(all.clone()).await, [manifest].into());
        is_alone.store(true, Ordering::Relaxed);
        assert_eq!(keep.filter(all.clone()).await, all);
    }
}
