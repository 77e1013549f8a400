//! Gives back the bytes of deleted collections, and of creations that a crash
//! cut short.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    error::Error,
    records::{Change, Collection, CommitError, Intent, Restore, Retired, Snapshot, SnapshotState, Stored, uid},
    restore,
    tasks::Looks,
};

/// What still needs files of a retired collection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pins {
    /// A snapshot is still to be taken of it, or something ended has still to
    /// take its checkpoint back: a manifest written while the directory goes
    /// would bring it back.
    awaited: bool,
    /// The manifests that CREATED snapshots and restores under way stand on.
    manifests: BTreeSet<u64>,
}

impl Pins {
    fn is_empty(&self) -> bool {
        !self.awaited && self.manifests.is_empty()
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
        let mut looks = Looks::new(sweep_every, stop);
        let mut trimmed = HashMap::new();
        while looks.next(&self.inner.retire_bell).await {
            if let Err(error) = self.retire_once(&mut trimmed).await {
                tracing::warn!(?error, "deleted collections wait for the next sweep");
            }
        }
    }

    async fn retire_once(&self, trimmed: &mut HashMap<Uuid, Pins>) -> Result<(), Error> {
        for found in self.inner.records.scan(&Retired::all()) {
            let found = found?;
            if let Err(error) = self.retire_one(&found, trimmed).await {
                tracing::warn!(?error, name = %found.name, "a deleted collection waits for the next sweep");
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
        if !pins.is_empty() {
            inner.store.trim(id, pins.manifests.iter().copied()).await?;
            trimmed.insert(id, pins);
            return Ok(());
        }
        inner.store.remove(id).await?;
        crate::crash_point!("retire.before_record");
        let gone = Change::default().remove(retired);
        inner.records.commit(gone).await.map_err(CommitError::unexpected)?;
        trimmed.remove(&id);
        self.drop_handle(id);
        tracing::info!(name = %retired.name, uid = %id, "the bytes of a deleted collection are given back");
        Ok(())
    }

    fn pins(&self, id: Uuid) -> Result<Pins, Error> {
        let mut pins = Pins::default();
        for found in self.inner.records.scan(&Snapshot::all()) {
            let snapshot = found?;
            if snapshot.collection_uid() != id {
                continue;
            }
            match snapshot.state() {
                SnapshotState::Requested => pins.awaited = true,
                SnapshotState::Created => {
                    pins.manifests.insert(snapshot.manifest_id);
                }
                _ => pins.awaited |= !snapshot.released,
            }
        }
        for found in self.inner.records.scan(&Restore::all()) {
            let restore = found?;
            if restore.source_collection_uid() != id {
                continue;
            }
            if restore::is_terminal(restore.state()) {
                pins.awaited |= !restore.released;
            } else {
                // Its own checkpoint, or that of its snapshot: the same manifest.
                pins.manifests.insert(restore.manifest_id);
            }
        }
        Ok(pins)
    }

    /// Removes records that nothing would remove any more.
    pub async fn tidy(&self) -> Result<(), Error> {
        self.sweep_intents().await?;
        self.sweep_statistics()
    }

    /// Removes what creations left that a crash, or storage that failed, cut short.
    pub async fn sweep_intents(&self) -> Result<(), Error> {
        // While none is under way.
        let _one_at_a_time = self.inner.creating.lock().await;
        let mut bound = std::collections::HashSet::new();
        for found in self.inner.records.scan(&Collection::all()) {
            bound.insert(found?.uid());
        }
        for found in self.inner.records.scan(&Intent::all()) {
            let id = uid(&found?.uid);
            if !bound.contains(&id) {
                tracing::info!(uid = %id, "removing what an unfinished creation left");
                self.forget_unfinished(id).await?;
            }
        }
        Ok(())
    }
}
