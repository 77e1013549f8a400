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
    records::{Change, Expected, Intent, Key, Record, Restore, Retired, Snapshot, uid},
    restore,
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
        self.inner.records.scan(&Retired::all()).map(|found| Ok(uid(&found?.uid))).collect()
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
            if restore::is_terminal(restore.state()) {
                pins.awaited = true;
            } else if !restore.has_copy() {
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
    async fn needed<'a>(
        &self,
        snapshots: &'a [Snapshot],
        restores: &'a [Restore],
    ) -> Result<Vec<(RecordedList<'a>, Files)>, Error> {
        let (store, mut needed) = (&self.inner.store, Vec::new());
        for snapshot in snapshots {
            let is_kept = || snapshot.is_kept(&self.inner.records);
            let files = store.load_files_while(snapshot.file_list(), is_kept).await?;
            needed.extend(files.map(|files| (snapshot.file_list(), files)));
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
        let inner = &self.inner;
        for found in inner.records.scan(&Intent::all()) {
            let id = uid(&found?.uid);
            let is_under_way = inner.creating.lock().contains(&id);
            // In this order: one that is made is not under way any more.
            let is_left = !is_under_way && inner.records.get(&Intent::at(id))?.is_some();
            if is_left && !self.is_known(id)? {
                tracing::info!(uid = %id, "removing what an unfinished creation left");
                self.forget_unfinished(id).await?;
            }
        }
        Ok(())
    }
}
