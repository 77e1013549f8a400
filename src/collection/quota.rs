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
    names::WorkspaceName,
    records::{Collection, Restore, Snapshot, Workspace},
};

/// What limited workspaces store, as it was last added up.
#[derive(Debug, Default)]
pub(super) struct Stored(RwLock<HashMap<String, Usage>>);

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
        let limit = workspace.max_stored_bytes;
        if limit == 0 {
            return Ok(());
        }
        let known = self.inner.stored.0.read().get(&workspace.id).map_or(0, |usage| usage.bytes);
        // Those that came since it was added up are in it twice at worst, for a second.
        let coming = self.coming(&workspace.id)?;
        let usage = Usage { bytes: known.max(coming), limit };
        if usage.bytes.saturating_add(bytes) > limit { Err(self.exceeded(&workspace.id, usage)) } else { Ok(()) }
    }

    fn exceeded(&self, workspace: &str, Usage { bytes, limit }: Usage) -> Error {
        let name = workspace.parse().map_or_else(|_| workspace.to_owned(), |id| WorkspaceName(id).to_string());
        Error::QuotaExceeded { workspace: name, stored: bytes, limit, contact: self.inner.workspaces.contact() }
    }

    /// What the restores into a workspace that are under way will hold.
    fn coming(&self, workspace: &str) -> Result<i64, Error> {
        let restores = self.inner.records.find(&Restore::live_in(workspace))?;
        let sizes = restores.iter().filter_map(|restore| restore.totals.as_ref());
        Ok(sizes.map(|totals| totals.size_bytes).sum())
    }

    async fn add_up(&self) -> Result<HashMap<String, Usage>, Error> {
        let records = &self.inner.records;
        let mut usages = HashMap::new();
        for workspace in records.find(&Workspace::every())? {
            let (id, limit) = (workspace.id.as_str(), workspace.max_stored_bytes);
            if limit == 0 {
                continue;
            }
            let mut bytes = self.coming(id)?;
            for snapshot in records.find(&Snapshot::live_in(id))? {
                bytes += snapshot.incremental_bytes;
            }
            for collection in records.find(&Collection::in_workspace(id))? {
                bytes += self.stats(&collection).await.map_or(0, |stats| stats.totals.size_bytes);
            }
            usages.insert(id.to_owned(), Usage { bytes, limit });
        }
        Ok(usages)
    }
}
