//! Gives back the bytes of deleted collections, and of creations that a crash
//! cut short.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    documents::{Files, RecordedList},
    error::Error,
    records::{Change, Expected, Intent, Key, Record, Restore, Retired, Snapshot},
    tasks::{Look, Looks},
};

/// How often all retired collections are looked at. Whatever changes of one has the worker
/// look at it, so there is nothing to find.
const ALL_EVERY: Duration = Duration::from_secs(60);

/// What still needs files of a retired collection: by keys, for there may be thousands, each
/// with labels of its own.
#[derive(Debug, Default, PartialEq)]
struct Pins {
    /// A snapshot is still to be taken of it, or something ended has still to
    /// take its checkpoint back: a manifest written while the directory goes
    /// would bring it back.
    awaited: bool,
    /// The CREATED snapshots that stand on its files.
    snapshots: Vec<Key<Snapshot>>,
    /// The restores under way that have a checkpoint of their own, or count on that of
    /// their snapshot. Any other holds its snapshot, which is one of those above or has
    /// still to let go.
    restores: Vec<Key<Restore>>,
}

impl Pins {
    fn is_empty(&self) -> bool {
        !self.awaited && self.snapshots.is_empty() && self.restores.is_empty()
    }
}

/// What the worker knows of retired collections.
#[derive(Default)]
struct Known {
    /// What each was trimmed to, so that nothing is listed again while nothing changes.
    trimmed: HashMap<Uuid, Pins>,
    /// Those that were in use, or met a fault: the next sweep looks at them.
    again: HashSet<Uuid>,
    /// When all were looked at.
    all: Option<Instant>,
}

impl Collections {
    /// Runs until the service stops.
    pub async fn retire(self, sweep_every: Duration, stop: CancellationToken) {
        let mut looks = Looks::new(sweep_every, stop);
        let mut known = Known::default();
        while let Some(look) = looks.next_of(&self.inner.retire_bell).await {
            self.retire_due(look, &mut known).await;
        }
    }

    async fn retire_due(&self, look: Look, known: &mut Known) {
        let mut due = std::mem::take(&mut *self.inner.retire_due.lock());
        if look == Look::AtAll {
            due.extend(known.again.drain());
            if known.all.is_none_or(|all| all.elapsed() >= ALL_EVERY) {
                match self.retired() {
                    Ok(all) => {
                        due.extend(all);
                        known.all = Some(Instant::now());
                    }
                    Err(error) => {
                        tracing::warn!(error = error.in_full(), "deleted collections wait for the next sweep");
                    }
                }
            }
        }
        for id in due {
            match self.retire_one(id, known).await {
                Ok(true) => {}
                Ok(false) => drop(known.again.insert(id)),
                Err(error) => {
                    known.again.insert(id);
                    tracing::warn!(error = error.in_full(), uid = %id, "a deleted collection waits for the next sweep");
                }
            }
        }
    }

    fn retired(&self) -> Result<Vec<Uuid>, Error> {
        self.inner.records.scan(&Retired::all()).map(|found| Ok(found?.uid)).collect()
    }

    /// False if what there is to do cannot be done now.
    async fn retire_one(&self, id: Uuid, known: &mut Known) -> Result<bool, Error> {
        let inner = &self.inner;
        // Most of what changes is of a collection that is there.
        let Some(retired) = inner.records.get(&Retired::at(id))? else { return Ok(true) };
        let pins = self.pins(id)?;
        if pins.awaited || known.trimmed.get(&id) == Some(&pins) {
            return Ok(true);
        }
        let handle = self.handle(id);
        let Some(_closed) = self.close_retired(&handle).await else { return Ok(false) };
        // What was taken of it until now stands on it.
        if self.pins(id)? != pins {
            return Ok(false);
        }
        if !pins.is_empty() {
            let (snapshots, restores) = self.holders(&pins)?;
            let needed = self.needed(&snapshots, &restores).await?;
            inner.store.trim(id, &needed).await?;
            crate::crash_point!(RetireTrimmed);
            known.trimmed.insert(id, pins);
            return Ok(true);
        }
        crate::crash_point!(RetireBeforeFiles);
        inner.store.remove(id).await?;
        crate::crash_point!(RetireBeforeRecord);
        inner.records.change(|| Ok((Change::default().forget(Retired::at(id)).forget(Expected::at(id)), ()))).await?;
        known.trimmed.remove(&id);
        self.drop_handle(id);
        tracing::info!(name = %retired.name, uid = %id, "the bytes of a deleted collection are given back");
        Ok(true)
    }

    fn pins(&self, id: Uuid) -> Result<Pins, Error> {
        // In one look: a snapshot that is taken or deleted meanwhile is one of these, and a
        // restore of one of them as well.
        let (mut pins, restores) = {
            let at = self.inner.records.at();
            let awaited = at.count(&Snapshot::pending_of(id)) > 0;
            let pins = Pins { awaited, snapshots: at.keys(&Snapshot::created_of(id)), restores: Vec::new() };
            (pins, at.find(&Restore::pending_of(id))?)
        };
        for restore in restores {
            if restore.state.is_terminal() {
                pins.awaited = true;
            } else if !restore.manifest.has_copy() {
                pins.restores.push(restore.key());
            }
        }
        Ok(pins)
    }

    /// What pins name, as far as it is there; of each what says which its files are.
    fn holders(&self, pins: &Pins) -> Result<(Vec<Snapshot>, Vec<Restore>), Error> {
        let records = &self.inner.records;
        let (mut snapshots, mut restores) = (Vec::new(), Vec::new());
        for key in &pins.snapshots {
            let found = records.get(key)?.map(|found| found.record);
            snapshots.extend(found.map(|found| Snapshot {
                description: String::new(),
                labels: BTreeMap::new(),
                ..found
            }));
        }
        for key in &pins.restores {
            restores.extend(records.get(key)?.map(|found| found.record));
        }
        Ok((snapshots, restores))
    }

    /// The files of those. A snapshot that was given back since needs none.
    async fn needed(&self, snapshots: &[Snapshot], restores: &[Restore]) -> Result<Vec<(RecordedList, Files)>, Error> {
        let (store, mut needed) = (&self.inner.store, Vec::new());
        for snapshot in snapshots {
            let is_kept = || snapshot.is_kept(&self.inner.records);
            let list = snapshot.file_list()?;
            let files = store.load_files_while(list, is_kept).await?;
            needed.extend(files.map(|files| (list, files)));
        }
        for restore in restores {
            needed.push((restore.file_list(), store.load_files(restore.file_list()).await?));
        }
        Ok(needed)
    }

    /// Removes records that nothing would remove any more.
    pub async fn tidy(&self) -> Result<(), Error> {
        self.sweep_intents().await
    }

    /// Removes what creations left that a crash, or storage that failed, cut short.
    pub async fn sweep_intents(&self) -> Result<(), Error> {
        let records = &self.inner.records;
        for found in records.scan(&Intent::all()) {
            let intent = found?;
            let id = intent.uid;
            if self.is_left(id)? && !records.are_ours() {
                // Another server may be about to make it, or have made it since we looked.
                // Before anything goes there is an entry of ours behind what was found: the
                // record of another can never come, and who tries to write it stops.
                records.commit_if_unchanged(Change::default().replace(&intent, &intent)).await?;
            }
            if self.is_left(id)? {
                tracing::info!(uid = %id, "removing what an unfinished creation left");
                self.forget_unfinished(id).await?;
            }
        }
        Ok(())
    }

    /// Whether what an intent names is nobody's.
    fn is_left(&self, id: Uuid) -> Result<bool, Error> {
        let inner = &self.inner;
        let is_under_way = inner.creating.lock().contains(&id);
        // In this order: one that is made is not under way any more.
        Ok(!is_under_way && inner.records.get(&Intent::at(id))?.is_some() && !self.is_known(id)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use tokio::runtime::Handle;

    use super::*;
    use crate::{
        clock::{Clock, new_uid},
        context::Context,
        documents::{Root, Store, Tuning},
        records::{self, IndexState, Log, Opening, Policy, Records},
        tasks::Tasks,
        workspace::{Gates, Limits, Workspaces},
    };

    /// Where one of the servers that share a root has its entry of a revision.
    fn entry(root: &Path, revision: u64) -> PathBuf {
        root.join(format!("records/{revision:020}"))
    }

    /// A server on a root that no lock keeps others from.
    async fn server(dir: &Path, root: &Root) -> (Collections, Records) {
        let (clock, tasks) = (Clock::default(), Tasks::default());
        let log = Log::new(root.clone(), Uuid::from_u128(1));
        let opening = Opening {
            data_dir: dir,
            index: IndexState::Missing,
            found: log.look().await.unwrap(),
            log,
            policy: Policy::default(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            may_have_rivals: true,
        };
        let records = records::open(opening).await.unwrap();
        let (gates, limits) = (Gates::default(), Limits::default());
        let workspaces = Workspaces::start(records.clone(), clock.clone(), gates, limits, None).await.unwrap();
        let store = Store::new(root.clone(), tasks.clone(), clock.clone(), Tuning::default(), Handle::current());
        (Collections::new(Context { records: records.clone(), store, clock, tasks, workspaces }), records)
    }

    #[tokio::test]
    async fn what_another_server_may_be_making_is_removed_only_behind_an_entry_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("root");
        let root = Root::local(&directory).unwrap();
        root.lay_out().await.unwrap();
        let (_, first) = server(&dir.path().join("first"), &root).await;
        let id = new_uid();
        let intent = Intent { uid: id, create_time: 1 };
        first.commit(Change::default().insert(&intent)).await.unwrap();
        let file = directory.join(format!("collections/{id}/manifest/1"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "theirs").unwrap();

        // The first goes on when the second has read the log.
        let (overtaken, records) = server(&dir.path().join("second"), &root).await;
        first.commit(Change::default().forget(Intent::at(new_uid()))).await.unwrap();
        assert!(matches!(overtaken.sweep_intents().await, Err(Error::ShuttingDown)));
        assert!(file.exists());
        assert!(records.get(&Intent::at(id)).unwrap().is_some());

        // The third is faster.
        let (faster, records) = server(&dir.path().join("third"), &root).await;
        let next = records.revision() + 1;
        faster.sweep_intents().await.unwrap();
        assert!(!file.exists());
        assert!(records.get(&Intent::at(id)).unwrap().is_none());
        let refused = first.commit(Change::default().forget(Intent::at(id))).await;
        assert!(matches!(refused, Err(records::CommitError::Failed(Error::ShuttingDown))), "{refused:?}");
        // One that shows whose the log is, and one without the intent.
        assert!(entry(&directory, next + 1).exists() && !entry(&directory, next + 2).exists());
    }
}
