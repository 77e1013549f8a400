//! Gives back the bytes of deleted collections, and of creations that a crash
//! cut short.

use std::{collections::HashMap, time::Duration};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    documents::{Files, RecordedList},
    error::Error,
    records::{Change, Expected, Intent, Restore, Retired, Snapshot, SnapshotState, Stored, uid},
    restore,
    tasks::Looks,
};

/// What still needs files of a retired collection.
#[derive(Debug, Default, PartialEq)]
struct Pins {
    /// A snapshot is still to be taken of it, or something ended has still to
    /// take its checkpoint back: a manifest written while the directory goes
    /// would bring it back.
    awaited: bool,
    /// The CREATED snapshots that stand on its files.
    snapshots: Vec<Snapshot>,
    /// The restores under way that have a checkpoint of their own, or count on that of
    /// their snapshot. Any other holds its snapshot, which is one of those above or has
    /// still to let go.
    restores: Vec<Restore>,
}

impl Pins {
    fn is_empty(&self) -> bool {
        !self.awaited && self.snapshots.is_empty() && self.restores.is_empty()
    }
}

impl Collections {
    /// Runs until the service stops. What it met at its last visit is kept, so
    /// that nothing is listed again while nothing changes.
    pub async fn retire(self, sweep_every: Duration, stop: CancellationToken) {
        let mut looks = Looks::new(sweep_every, stop);
        let mut trimmed = HashMap::new();
        while looks.next(&self.inner.retire_bell).await {
            if let Err(error) = self.retire_once(&mut trimmed).await {
                tracing::warn!(error = error.in_full(), "deleted collections wait for the next sweep");
            }
        }
    }

    async fn retire_once(&self, trimmed: &mut HashMap<Uuid, Pins>) -> Result<(), Error> {
        for found in self.inner.records.scan(&Retired::all()) {
            let found = found?;
            if let Err(error) = self.retire_one(&found, trimmed).await {
                tracing::warn!(error = error.in_full(), name = %found.name, "a deleted collection waits for the next sweep");
            }
        }
        Ok(())
    }

    async fn retire_one(&self, retired: &Stored<Retired>, trimmed: &mut HashMap<Uuid, Pins>) -> Result<(), Error> {
        let inner = &self.inner;
        let id = uid(&retired.uid);
        let pins = self.pins(id)?;
        if pins.awaited || trimmed.get(&id) == Some(&pins) {
            return Ok(());
        }
        let handle = self.handle(id);
        let Some(_closed) = self.close_retired(&handle).await else { return Ok(()) };
        // What was taken of it until now stands on it.
        if self.pins(id)? != pins {
            return Ok(());
        }
        if !pins.is_empty() {
            let needed = self.needed(&pins).await?;
            inner.store.trim(id, &needed).await?;
            crate::crash_point!(RetireTrimmed);
            trimmed.insert(id, pins);
            return Ok(());
        }
        crate::crash_point!(RetireBeforeFiles);
        inner.store.remove(id).await?;
        crate::crash_point!(RetireBeforeRecord);
        inner.records.change(|| Ok((Change::default().forget(Retired::at(id)).forget(Expected::at(id)), ()))).await?;
        trimmed.remove(&id);
        self.drop_handle(id);
        tracing::info!(name = %retired.name, uid = %id, "the bytes of a deleted collection are given back");
        Ok(())
    }

    fn pins(&self, id: Uuid) -> Result<Pins, Error> {
        let mut pins = Pins::default();
        // In one look: a snapshot that is taken or deleted meanwhile is one of these, and a
        // restore of one of them as well.
        let (snapshots, restores) = {
            let at = self.inner.records.at();
            (at.find(&Snapshot::of_collection(id))?, at.find(&Restore::pending_of(id))?)
        };
        for snapshot in snapshots {
            match snapshot.state() {
                SnapshotState::Created => pins.snapshots.push(snapshot.record),
                _ => pins.awaited |= !snapshot.released,
            }
        }
        for restore in restores {
            if restore::is_terminal(restore.state()) {
                pins.awaited = true;
            } else if !restore.has_copy() {
                pins.restores.push(restore.record);
            }
        }
        Ok(pins)
    }

    /// The files that pins name. A snapshot that was given back since needs none.
    async fn needed<'a>(&self, pins: &'a Pins) -> Result<Vec<(RecordedList<'a>, Files)>, Error> {
        let (store, mut needed) = (&self.inner.store, Vec::new());
        for snapshot in &pins.snapshots {
            let is_kept = || snapshot.is_kept(&self.inner.records);
            let files = store.load_files_while(snapshot.file_list(), is_kept).await?;
            needed.extend(files.map(|files| (snapshot.file_list(), files)));
        }
        for restore in &pins.restores {
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
