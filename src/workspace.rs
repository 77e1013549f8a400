//! Workspaces: groups of collections, and the gates that an operator sets.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::{
    clock::{Clock, Micros, duration, micros, new_uid},
    error::{Contact, Error, Kind},
    idempotency::{self, Request},
    names::{Id, ListParent, WorkspaceName},
    records::{Change, Collection, CommitError, Records, Restore, Snapshot, Stored, Workspace},
    restore, snapshot,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The gates of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// Whether snapshots may be created and restored.
    pub snapshot_preview: bool,
    /// The largest snapshot that may be restored.
    pub max_restore_bytes: i64,
    /// Snapshots per minute.
    pub snapshot_creates_per_minute: i32,
}

impl Default for Gates {
    fn default() -> Self {
        Self { snapshot_preview: true, max_restore_bytes: 10_000_000_000_000, snapshot_creates_per_minute: 50 }
    }
}

/// How much of something there may be, so that nothing grows without bound
/// (**W3**). What has ended does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Workspaces.
    pub workspaces: usize,
    /// Collections of a workspace.
    pub collections: usize,
    /// Snapshots of a workspace.
    pub snapshots: usize,
    /// Ended ones of a workspace that are still shown; the oldest are forgotten first.
    pub ended_snapshots: usize,
    /// Restores of a workspace that have not ended.
    pub restores: usize,
    /// Ended ones of a workspace that are still shown; the oldest are forgotten first.
    pub ended_restores: usize,
    /// API keys of the server; ended ones count until they are forgotten.
    pub api_keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workspaces: 1_000,
            collections: 10_000,
            snapshots: 10_000,
            ended_snapshots: 10_000,
            restores: 1_000,
            ended_restores: 10_000,
            api_keys: 10_000,
        }
    }
}

impl Limits {
    /// Refuses one more of a kind than its limit.
    pub fn check(kind: Kind, parent: impl ToString, count: usize, limit: usize) -> Result<(), Error> {
        if count < limit { Ok(()) } else { Err(Error::TooMany { kind, parent: parent.to_string(), limit }) }
    }
}

/// What a caller may set; absent is left alone (or the server's default).
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Free text.
    pub description: Option<String>,
    /// All labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// See [`Gates`].
    pub snapshot_preview: Option<bool>,
    /// See [`Gates`].
    pub max_restore_bytes: Option<i64>,
    /// See [`Gates`].
    pub snapshot_creates_per_minute: Option<i32>,
}

/// The workspaces. Clones share them.
#[derive(Clone)]
pub struct Workspaces {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    clock: Clock,
    defaults: Gates,
    limits: Limits,
    contact: Contact,
    /// Held shared while something is created in any workspace, alone while one
    /// is deleted, so that nothing appears in a workspace that goes.
    layout: Arc<RwLock<()>>,
    recent_snapshots: Mutex<HashMap<Id, VecDeque<Micros>>>,
}

impl Workspaces {
    /// The workspaces in the records; `commons` is made if it is missing.
    pub async fn start(
        records: Records,
        clock: Clock,
        defaults: Gates,
        limits: Limits,
        contact: Contact,
    ) -> Result<Self, Error> {
        let inner = Inner {
            records,
            clock,
            defaults,
            limits,
            contact,
            layout: Arc::default(),
            recent_snapshots: Mutex::default(),
        };
        let workspaces = Self { inner: Arc::new(inner) };
        let commons = Id::commons();
        if workspaces.inner.records.get(&Workspace::at(commons.as_str()))?.is_none() {
            workspaces.create(&commons, Settings::default(), None).await?;
        }
        Ok(workspaces)
    }

    /// Creates a workspace.
    pub async fn create(&self, id: &Id, settings: Settings, request: Option<&Request>) -> Result<Workspace, Error> {
        let inner = &self.inner;
        let _alone = inner.layout.write().await;
        if let Some(uid) = idempotency::answered(&inner.records, &inner.clock, request)? {
            let name = WorkspaceName(id.clone());
            let found = self.get(&name)?;
            let is_same = crate::records::uid(&found.uid) == uid;
            return if is_same { Ok(found) } else { Err(Error::NotFound(name.to_string())) };
        }
        if inner.records.get(&Workspace::at(id.as_str()))?.is_some() {
            return Err(Error::Exists { kind: Kind::Workspace, name: WorkspaceName(id.clone()).to_string() });
        }
        let count = inner.records.scan(&Workspace::all()).count();
        Limits::check(Kind::Workspace, "the server", count, inner.limits.workspaces)?;
        let (now, uid, gates) = (inner.clock.now(), new_uid(), inner.defaults);
        let mut record = Workspace {
            id: id.to_string(),
            uid: uid.as_bytes().to_vec(),
            create_time: now,
            update_time: now,
            revision: 1,
            snapshot_preview: gates.snapshot_preview,
            max_restore_bytes: gates.max_restore_bytes,
            snapshot_creates_per_minute: gates.snapshot_creates_per_minute,
            ..Workspace::default()
        };
        apply(&mut record, settings);
        let change = Change::default().insert(&record);
        let change = idempotency::remember(change, request, &record.name().to_string(), uid, now);
        inner.records.commit(change).await.map_err(CommitError::unexpected)?;
        Ok(record)
    }

    /// One workspace.
    pub fn get(&self, name: &WorkspaceName) -> Result<Workspace, Error> {
        Ok(self.stored(&name.0)?.record)
    }

    /// One workspace, to be changed or required.
    pub fn stored(&self, id: &Id) -> Result<Stored<Workspace>, Error> {
        let found = self.inner.records.get(&Workspace::at(id.as_str()))?;
        found.ok_or_else(|| Error::NotFound(WorkspaceName(id.clone()).to_string()))
    }

    /// Checks that the parent of a list exists.
    pub fn check_parent(&self, parent: &ListParent) -> Result<(), Error> {
        match parent {
            ListParent::All => Ok(()),
            ListParent::One(name) => self.stored(&name.0).map(|_| ()),
        }
    }

    /// All workspaces.
    pub fn list(&self) -> Result<Vec<Workspace>, Error> {
        self.inner.records.scan(&Workspace::all()).map(|found| Ok(found?.record)).collect()
    }

    /// Changes a workspace.
    pub async fn update(
        &self,
        name: &WorkspaceName,
        etag: Option<&str>,
        settings: &Settings,
    ) -> Result<Workspace, Error> {
        loop {
            let seen = self.stored(&name.0)?;
            check_etag(etag, &name.to_string(), &seen.uid, seen.revision)?;
            let mut next = seen.record.clone();
            apply(&mut next, settings.clone());
            next.update_time = self.inner.clock.now();
            next.revision += 1;
            match self.inner.records.commit(Change::default().replace(&seen, &next)).await {
                Ok(()) => return Ok(next),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Deletes an empty workspace.
    pub async fn delete(&self, name: &WorkspaceName, etag: Option<&str>) -> Result<(), Error> {
        let inner = &self.inner;
        let _alone = inner.layout.write().await;
        let seen = self.stored(&name.0)?;
        if name.0 == Id::commons() {
            return Err(Error::WorkspaceProtected(name.to_string()));
        }
        check_etag(etag, &name.to_string(), &seen.uid, seen.revision)?;
        if self.is_used(&name.0)? {
            return Err(Error::WorkspaceNotEmpty(name.to_string()));
        }
        match inner.records.commit(Change::default().remove(&seen)).await {
            Ok(()) => {
                // The records know about the last minute, should the name come again.
                inner.recent_snapshots.lock().remove(&name.0);
                Ok(())
            }
            Err(CommitError::Conflict) => Err(Error::EtagMismatch { name: name.to_string(), current: String::new() }),
            Err(CommitError::Failed(error)) => Err(error),
        }
    }

    fn is_used(&self, id: &Id) -> Result<bool, Error> {
        let records = &self.inner.records;
        if records.scan(&Collection::within(id.as_str())).next().transpose()?.is_some() {
            return Ok(true);
        }
        for found in records.scan(&Snapshot::within(id.as_str())) {
            if !snapshot::is_over(found?.state()) {
                return Ok(true);
            }
        }
        for found in records.scan(&Restore::within(id.as_str())) {
            if !restore::is_terminal(found?.state()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps workspaces from being deleted while something is created in one.
    pub async fn hold(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.inner.layout).read_owned().await
    }

    /// Whom callers may ask about gates.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.inner.contact.clone()
    }

    /// How much there may be.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Refuses unless the preview is enabled.
    pub fn check_preview(&self, workspace: &Workspace) -> Result<(), Error> {
        if workspace.snapshot_preview {
            Ok(())
        } else {
            let (workspace, contact) = (workspace.name().to_string(), self.contact());
            Err(Error::SnapshotsNotEnabled { workspace, contact })
        }
    }

    /// Counts one more snapshot of this minute, or refuses it.
    pub fn take_snapshot_slot(&self, workspace: &Workspace) -> Result<(), Error> {
        let name = workspace.name();
        let now = self.inner.clock.now();
        let mut recent = self.inner.recent_snapshots.lock();
        let times = match recent.entry(name.0.clone()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            // The first since the start: the records know about the minute before.
            std::collections::hash_map::Entry::Vacant(new) => {
                let mut times: Vec<Micros> = Vec::new();
                for found in self.inner.records.scan(&Snapshot::within(name.0.as_str())) {
                    times.push(found?.create_time);
                }
                times.sort_unstable();
                new.insert(times.into())
            }
        };
        while times.front().is_some_and(|time| *time + micros(MINUTE) <= now) {
            times.pop_front();
        }
        let limit = workspace.snapshot_creates_per_minute;
        let used = i32::try_from(times.len()).unwrap_or(i32::MAX);
        if used >= limit {
            let oldest = times.front().copied().unwrap_or(now);
            let retry_after = duration(oldest + micros(MINUTE) - now);
            return Err(Error::RateLimited { workspace: name.to_string(), limit, retry_after });
        }
        times.push_back(now);
        Ok(())
    }
}

fn apply(record: &mut Workspace, settings: Settings) {
    let Settings { description, labels, snapshot_preview, max_restore_bytes, snapshot_creates_per_minute } = settings;
    record.description = description.unwrap_or_else(|| std::mem::take(&mut record.description));
    record.labels = labels.unwrap_or_else(|| std::mem::take(&mut record.labels));
    record.snapshot_preview = snapshot_preview.unwrap_or(record.snapshot_preview);
    record.max_restore_bytes = max_restore_bytes.unwrap_or(record.max_restore_bytes);
    record.snapshot_creates_per_minute = snapshot_creates_per_minute.unwrap_or(record.snapshot_creates_per_minute);
}

/// The etag of a record: of its uid, so that a namesake has another, and its
/// revision.
#[must_use]
pub fn etag(uid: &[u8], revision: u64) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64_with_seed(uid, revision))
}

/// Refuses unless the caller's etag, if any, is current.
pub fn check_etag(given: Option<&str>, name: &str, uid: &[u8], revision: u64) -> Result<(), Error> {
    let current = etag(uid, revision);
    match given {
        Some(given) if given != current => Err(Error::EtagMismatch { name: name.to_owned(), current }),
        _ => Ok(()),
    }
}
