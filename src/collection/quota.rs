//! What a workspace may store, so that one cannot fill the disk for all.
//!
//! It counts what callers are shown and billed: the documents of its collections, what
//! restores into it will hold, and the incremental bytes of its snapshots. That is added up
//! once a second, of workspaces that have a limit, so a workspace may come out above it by what
//! one second lets in. Whoever is above it can still read and delete.

use std::{collections::HashMap, time::Duration};

use parking_lot::RwLock;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Collections;
use crate::{
    error::Error,
    names::{Id, WorkspaceName},
    records::{Collection, Restore, Snapshot, Workspace},
};

/// What limited workspaces store, as it was last added up.
#[derive(Debug, Default)]
pub(super) struct Stored(RwLock<HashMap<Id, Usage>>);

#[derive(Clone, Copy, Debug)]
struct Usage {
    bytes: i64,
    limit: i64,
}

impl Collections {
    /// Adds up what limited workspaces store, until the service stops.
    pub async fn watch_quotas(self, every: Duration, stop: CancellationToken) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            match stop.run_until_cancelled(self.add_up()).await {
                None => return,
                Some(Ok(usages)) => *self.inner.stored.0.write() = usages,
                Some(Err(error)) => {
                    tracing::warn!(error = error.in_full(), "what workspaces store could not be added up");
                }
            }
        }
    }

    /// Refuses to let more into a workspace that stores as much as it may.
    pub fn admit_into(&self, workspace: &str) -> Result<(), Error> {
        match self.inner.stored.0.read().get(workspace) {
            Some(usage) if usage.bytes >= usage.limit => Err(self.exceeded(workspace, *usage)),
            _ => Ok(()),
        }
    }

    /// Refuses a restore that a workspace may not hold beside what it has and what other
    /// restores bring.
    pub fn admit_restore(&self, workspace: &Workspace, bytes: i64) -> Result<(), Error> {
        let Some(limit) = workspace.max_stored_bytes else { return Ok(()) };
        let known = self.inner.stored.0.read().get(&workspace.name.0).map_or(0, |usage| usage.bytes);
        // Those that came since it was added up are in it twice at worst, for a second.
        let coming = self.coming(&workspace.name.0)?;
        let usage = Usage { bytes: known.max(coming), limit };
        if usage.bytes.saturating_add(bytes) > limit {
            Err(self.exceeded(workspace.name.0.as_str(), usage))
        } else {
            Ok(())
        }
    }

    fn exceeded(&self, workspace: &str, Usage { bytes, limit }: Usage) -> Error {
        let workspace = format!("workspaces/{workspace}");
        Error::QuotaExceeded { workspace, stored: bytes, limit, contact: self.inner.workspaces.contact() }
    }

    /// What the restores into a workspace that are under way will hold.
    fn coming(&self, workspace: &Id) -> Result<i64, Error> {
        let restores = self.inner.records.find(&Restore::live_in(workspace))?;
        Ok(restores.iter().map(|restore| restore.totals.size_bytes).sum())
    }

    async fn add_up(&self) -> Result<HashMap<Id, Usage>, Error> {
        let records = &self.inner.records;
        let mut usages = HashMap::new();
        for workspace in records.find(&Workspace::every())? {
            let Workspace { name: WorkspaceName(id), max_stored_bytes, .. } = &workspace.record;
            let Some(limit) = *max_stored_bytes else { continue };
            let mut bytes = self.coming(id)?;
            for snapshot in records.find(&Snapshot::live_in(id))? {
                bytes += snapshot.contents.as_ref().map_or(0, |contents| contents.incremental_bytes);
            }
            for collection in records.find(&Collection::in_workspace(id))? {
                bytes += self.stats(&collection).await.map_or(0, |stats| stats.totals.size_bytes);
            }
            usages.insert(id.clone(), Usage { bytes, limit });
        }
        Ok(usages)
    }
}
