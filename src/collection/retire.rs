//! Gives back the bytes of deleted collections, and of creations that a crash
//! cut short.

use std::{collections::HashMap, time::Duration};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    error::Error,
    metadata::{Change, Collection, CommitError, Intent, Restore, Retired, Snapshot, SnapshotState, Stored, uid},
    restore,
};

/// What still needs files of a retired collection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pins {
    /// A snapshot is still to be taken of it, or something ended has still to
    /// take its checkpoint back: a manifest written while the directory goes
    /// would bring it back.
    awaited: bool,
    /// Snapshots whose file lists say what stays, in order.
    snapshots: Vec<Uuid>,
    /// Restores under way, with the snapshots whose lists they use.
    restores: Vec<Uuid>,
}

impl Pins {
    fn is_empty(&self) -> bool {
        !self.awaited && self.snapshots.is_empty() && self.restores.is_empty()
    }
}

impl Collections {
    /// Rings the bell of the retire worker: something let go of its files.
    pub fn ring_retire(&self) {
        self.inner.retire_bell.notify_one();
    }

    /// Runs until the service stops. What it met at its last visit is kept, so
    /// that nothing is listed again while nothing changes.
    pub async fn retire(self, sweep_every: Duration, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(sweep_every);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut trimmed = HashMap::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.inner.retire_bell.notified() => {}
                _ = sweep.tick() => {}
            }
            if let Err(error) = self.retire_once(&mut trimmed).await {
                tracing::warn!(?error, "deleted collections wait for the next sweep");
            }
        }
    }

    async fn retire_once(&self, trimmed: &mut HashMap<Uuid, Pins>) -> Result<(), Error> {
        for found in self.inner.metadata.scan(&Retired::all()) {
            self.retire_one(&found?, trimmed).await?;
        }
        Ok(())
    }

    async fn retire_one(&self, retired: &Stored<Retired>, trimmed: &mut HashMap<Uuid, Pins>) -> Result<(), Error> {
        let inner = &self.inner;
        let id = uid(&retired.uid);
        let pins = self.pins(id)?;
        if pins.awaited || trimmed.get(&id) == Some(&pins) || !self.close_retired(id).await {
            return Ok(());
        }
        if !pins.is_empty() {
            let mut keep = std::collections::HashSet::new();
            for snapshot in pins.snapshots.iter().chain(&pins.restores) {
                keep.extend(inner.store.load_files(*snapshot).await?.ids());
            }
            inner.store.trim(id, &keep).await?;
            trimmed.insert(id, pins);
            return Ok(());
        }
        inner.store.remove(id).await?;
        crate::crash_point!("retire.before_record");
        let gone = Change::default().remove(retired);
        inner.metadata.commit(gone).await.map_err(CommitError::unexpected)?;
        trimmed.remove(&id);
        self.drop_handle(id);
        tracing::info!(name = %retired.name, uid = %id, "the bytes of a deleted collection are given back");
        Ok(())
    }

    fn pins(&self, id: Uuid) -> Result<Pins, Error> {
        let mut pins = Pins::default();
        for found in self.inner.metadata.scan(&Snapshot::all()) {
            let snapshot = found?;
            if snapshot.collection_uid() != id {
                continue;
            }
            match snapshot.state() {
                SnapshotState::Requested => pins.awaited = true,
                SnapshotState::Created => pins.snapshots.push(snapshot.uid()),
                _ => pins.awaited |= !snapshot.released,
            }
        }
        for found in self.inner.metadata.scan(&Restore::all()) {
            let restore = found?;
            if restore.source_collection_uid() != id {
                continue;
            }
            if restore::is_terminal(restore.state()) {
                pins.awaited |= !restore.released;
            } else {
                // Once pinned it has a list of its own.
                pins.restores.push(if restore.pinned { restore.uid() } else { uid(&restore.snapshot_uid) });
            }
        }
        Ok(pins)
    }

    /// Removes what creations left that a crash cut short.
    pub async fn sweep_intents(&self) -> Result<(), Error> {
        let mut bound = std::collections::HashSet::new();
        for found in self.inner.metadata.scan(&Collection::all()) {
            bound.insert(found?.uid());
        }
        for found in self.inner.metadata.scan(&Intent::all()) {
            let id = uid(&found?.uid);
            if !bound.contains(&id) {
                tracing::info!(uid = %id, "removing what an unfinished creation left");
                self.forget_unfinished(id).await?;
            }
        }
        Ok(())
    }
}
