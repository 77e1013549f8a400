//! Workspaces: groups of collections, and the gates that an operator sets.

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    clock::{Clock, Micros, duration, micros},
    error::{Contact, Error, Kind},
    etag::Etag,
    idempotency::{self, Request},
    names::{Id, ListParent, WorkspaceName},
    records::{Change, Collection, Record, Records, Restore, Snapshot, Stored, Term, Workspace},
    unnamed,
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
    /// What a workspace may store; absent: as much as there is room for.
    pub max_stored_bytes: Option<i64>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            snapshot_preview: true,
            max_restore_bytes: 10_000_000_000_000,
            snapshot_creates_per_minute: 50,
            max_stored_bytes: None,
        }
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
    /// API keys with a role in a workspace, as those of the server.
    pub api_keys_of_workspace: usize,
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
            api_keys_of_workspace: 1_000,
        }
    }
}

/// Room for one more of a kind.
pub struct Room<'a, R> {
    /// The kind.
    pub kind: Kind,
    /// Whose limit it is.
    pub parent: String,
    /// How many there may be.
    pub limit: usize,
    /// Those that count.
    pub term: &'a Term<R>,
    /// The time behind which they count, if it is a matter of time.
    pub after: Option<Micros>,
}

impl<R: Record> Room<'_, R> {
    /// Refuses one more than there may be, now and when the change is made that adds it.
    pub fn check(self, change: Change, records: &Records) -> Result<Change, Error> {
        let Self { kind, parent, limit, term, after } = self;
        let count = after.map_or_else(|| records.count(term), |after| records.count_after(term, after));
        if count >= limit {
            return Err(Error::TooMany { kind, parent, limit });
        }
        Ok(change.at_most(limit, term, after))
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
    /// See [`Gates`]; 0: as much as there is room for.
    pub max_stored_bytes: Option<i64>,
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
        let inner = Inner { records, clock, defaults, limits, contact };
        let workspaces = Self { inner: Arc::new(inner) };
        let commons = Id::commons();
        if workspaces.inner.records.get(&Workspace::at(&commons))?.is_none() {
            workspaces.create(Some(&commons), Settings::default(), None).await?;
        }
        Ok(workspaces)
    }

    /// Creates a workspace; without an id, the server makes one.
    pub async fn create(
        &self,
        id: Option<&Id>,
        settings: Settings,
        request: Option<&Request>,
    ) -> Result<Workspace, Error> {
        let settings = &settings;
        unnamed::create(&self.inner.clock, Kind::Workspace, id, |id, uid| async move {
            self.inner.records.change(|| self.creation(&id, uid, settings.clone(), request)).await
        })
        .await
    }

    fn creation(
        &self,
        id: &Id,
        uid: Uuid,
        settings: Settings,
        request: Option<&Request>,
    ) -> Result<(Change, Workspace), Error> {
        let (inner, name) = (&self.inner, WorkspaceName(id.clone()));
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request)? {
            let found = self.get(&answer.name()?)?;
            let uid = found.uid;
            return Ok((Change::default(), answer.if_same(found, uid)?));
        }
        if inner.records.get(&Workspace::at(id))?.is_some() {
            return Err(Error::Exists { kind: Kind::Workspace, name: name.to_string() });
        }
        let (now, gates) = (inner.clock.now(), inner.defaults);
        let mut record = Workspace {
            name: name.clone(),
            uid,
            description: String::new(),
            labels: BTreeMap::new(),
            create_time: now,
            update_time: now,
            revision: 1,
            snapshot_preview: gates.snapshot_preview,
            max_restore_bytes: gates.max_restore_bytes,
            snapshot_creates_per_minute: gates.snapshot_creates_per_minute,
            max_stored_bytes: gates.max_stored_bytes,
        };
        apply(&mut record, settings);
        let room = Room {
            kind: Kind::Workspace,
            parent: "the server".to_owned(),
            limit: inner.limits.workspaces,
            term: &Workspace::every(),
            after: None,
        };
        let change = room.check(Change::default().insert(&record), &inner.records)?;
        let change = idempotency::remember(change, &inner.records, request, (&name.to_string(), uid), now)?;
        Ok((change, record))
    }

    /// One workspace.
    pub fn get(&self, name: &WorkspaceName) -> Result<Workspace, Error> {
        Ok(self.stored(&name.0)?.record)
    }

    /// One workspace, to be changed or required.
    pub fn stored(&self, id: &Id) -> Result<Stored<Workspace>, Error> {
        let found = self.inner.records.get(&Workspace::at(id))?;
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
        etag: Option<Etag>,
        settings: &Settings,
    ) -> Result<Workspace, Error> {
        let change = || {
            let seen = self.stored(&name.0)?;
            Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
            let mut next = seen.record.clone();
            apply(&mut next, settings.clone());
            next.update_time = self.inner.clock.now();
            next.revision += 1;
            Ok((Change::default().replace(&seen, &next), next))
        };
        self.inner.records.change(change).await
    }

    /// Deletes an empty workspace. Whatever is created in one requires that it is there.
    pub async fn delete(&self, name: &WorkspaceName, etag: Option<Etag>) -> Result<(), Error> {
        let inner = &self.inner;
        let change = || {
            let seen = self.stored(&name.0)?;
            if name.0 == Id::commons() {
                return Err(Error::WorkspaceProtected(name.to_string()));
            }
            Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
            let id = &name.0;
            // One that its time has ended counts until that is in its record.
            let (collections, snapshots, restores) =
                (Collection::in_workspace(id), Snapshot::live_in(id), Restore::live_in(id));
            let records = &inner.records;
            if records.count(&collections) + records.count(&snapshots) + records.count(&restores) > 0 {
                return Err(Error::WorkspaceNotEmpty(name.to_string()));
            }
            let change = Change::default().remove(&seen);
            let change = change.at_most(0, &collections, None).at_most(0, &snapshots, None);
            Ok((change.at_most(0, &restores, None), ()))
        };
        inner.records.change(change).await
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
            let (workspace, contact) = (workspace.name.to_string(), self.contact());
            Err(Error::SnapshotsNotEnabled { workspace, contact })
        }
    }

    /// Refuses one more snapshot than a minute may have, now and when the change is made
    /// that adds it.
    pub fn check_snapshot_rate(&self, change: Change, workspace: &Workspace, now: Micros) -> Result<Change, Error> {
        let records = &self.inner.records;
        // What a clock has made that was ahead would count until its time has come.
        let (after, until) = (now - micros(MINUTE), now + micros(MINUTE));
        let term = Snapshot::requested_in(&workspace.name.0);
        let limit = workspace.snapshot_creates_per_minute;
        let at_most = usize::try_from(limit).unwrap_or(0);
        if records.count_between(&term, after, until) >= at_most {
            let between = (Bound::Excluded(after.into()), Bound::Included(until.into()));
            let oldest = records.find_between(&term, between, 1)?;
            let oldest = oldest.first().map_or(now, |oldest| oldest.create_time);
            let retry_after = duration(oldest + micros(MINUTE) - now);
            return Err(Error::RateLimited { workspace: workspace.name.to_string(), limit, retry_after });
        }
        Ok(change.at_most_between(at_most, &term, after, until))
    }
}

fn apply(record: &mut Workspace, settings: Settings) {
    let Settings {
        description,
        labels,
        snapshot_preview,
        max_restore_bytes,
        snapshot_creates_per_minute,
        max_stored_bytes,
    } = settings;
    record.description = description.unwrap_or_else(|| std::mem::take(&mut record.description));
    record.labels = labels.unwrap_or_else(|| std::mem::take(&mut record.labels));
    record.snapshot_preview = snapshot_preview.unwrap_or(record.snapshot_preview);
    record.max_restore_bytes = max_restore_bytes.unwrap_or(record.max_restore_bytes);
    record.snapshot_creates_per_minute = snapshot_creates_per_minute.unwrap_or(record.snapshot_creates_per_minute);
    if let Some(bytes) = max_stored_bytes {
        record.max_stored_bytes = Some(bytes).filter(|bytes| *bytes != 0);
    }
}
