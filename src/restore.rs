//! Restores: new collections from snapshots, at the speed of copying files.
//!
//! **R1** READY means complete and, with FULL, proven. **R2** No operation on
//! source or snapshot affects the result. **R3** It has no sources. **R4** The
//! snapshot's retention, nothing older. **R5** A crash leaves a resumed restore
//! or nothing; after FAILED or CANCELLED the name is free and the bytes are
//! gone. **R6** Two restores to one name: one wins.
//!
//! Creating commits the restore as PENDING together with its collection as
//! RESTORING: whoever commits first has the name. The worker (`worker.rs`)
//! drives it from the record, after a restart just the same.

mod blame;
mod plan;
mod progress;
mod room;
mod state;
mod subscriptions;
mod work;
mod worker;

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use uuid::Uuid;

pub use self::{
    plan::Plan,
    progress::{Phase, Progress},
    state::{advance, is_cancellable, state_name},
};
use crate::{
    clock::{Clock, Micros},
    collection::Collections,
    context::Context,
    documents::{CopyMode, Store, Totals},
    ended,
    error::{Error, Kind},
    hub::Hub,
    idempotency::{self, Request},
    names::{CollectionName, Id, ListParent, RestoreName, SnapshotName},
    records::{
        Change, Collection, CollectionState, Contents, Records, Restore, RestoreInfo, RestoreState, Snapshot,
        SnapshotState, Stored, Verification, Workspace,
    },
    restore::work::Work,
    share::{Budget, Division},
    snapshot::{self, Snapshots},
    tasks::Tasks,
    unnamed,
    workspace::{Limits, Room, Workspaces},
};

/// Restores that run at once, in all and of a workspace; others wait as PENDING, in turns by
/// workspace.
const RUNNING_AT_ONCE: Division = Division { total: 8, workspace: 2, least: 1 };

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct CreateRestore {
    /// Where the restore and its collection are.
    pub workspace: Id,
    /// The id of the restore; absent: the server makes one.
    pub id: Option<Id>,
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// The new collection.
    pub collection: CollectionName,
    /// The new collection's description.
    pub description: String,
    /// The new collection's labels.
    pub labels: BTreeMap<String, String>,
    /// A retention, which must be the snapshot's.
    pub retention: Option<Micros>,
    /// How the result is checked.
    pub verification: Verification,
    /// Who asks.
    pub caller: String,
    /// To make a retry safe.
    pub request: Option<Request>,
}

/// The restores. Clones share them.
#[derive(Clone)]
pub struct Restores {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    store: Store,
    clock: Clock,
    tasks: Tasks,
    workspaces: Workspaces,
    collections: Collections,
    snapshots: Snapshots,
    copy_mode: CopyMode,
    hub: Hub<Uuid, Progress>,
    bell: Notify,
    turns: Arc<Budget>,
    /// Those being worked on.
    busy: Mutex<HashMap<Uuid, Arc<Work>>>,
    /// Since when each has met nothing but faults that may pass by themselves.
    faulty_since: Mutex<HashMap<Uuid, Instant>>,
}

impl Restores {
    /// The restores in the records.
    #[must_use]
    pub fn new(context: Context, collections: Collections, snapshots: Snapshots, copy_mode: CopyMode) -> Self {
        let Context { records, store, clock, tasks, workspaces } = context;
        let inner = Inner {
            records,
            store,
            clock,
            tasks,
            workspaces,
            collections,
            snapshots,
            copy_mode,
            hub: Hub::default(),
            bell: Notify::new(),
            turns: Budget::new("restores", RUNNING_AT_ONCE),
            busy: Mutex::default(),
            faulty_since: Mutex::default(),
        };
        let inner = Arc::new(inner);
        subscriptions::subscribe(&inner);
        Self { inner }
    }

    /// Starts a restore.
    pub async fn create(&self, command: CreateRestore) -> Result<Restore, Error> {
        let (inner, command) = (&self.inner, &command);
        unnamed::create(&inner.clock, Kind::Restore, command.id.as_ref(), |id, uid| async move {
            let record = inner.records.change(|| self.request(command, &id, uid)).await?;
            if record.uid == uid {
                tracing::info!(name = %record.name, snapshot = %record.snapshot, "restore requested");
            }
            Ok(record)
        })
        .await
    }

    /// A PENDING restore with its RESTORING collection, or the one that the same request
    /// has made already.
    fn request(&self, command: &CreateRestore, id: &Id, uid: Uuid) -> Result<(Change, Restore), Error> {
        let inner = &self.inner;
        let workspace = inner.workspaces.stored(&command.workspace)?;
        let request = command.request.as_ref();
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request)? {
            let found = self.get(&answer.name()?)?;
            let uid = found.uid;
            return Ok((Change::default(), answer.if_same(found, uid)?));
        }
        let snapshot = inner.snapshots.stored(&command.snapshot)?;
        let change = self.check(command, Some(id), &workspace, &snapshot)?;
        let record = self.record(command, id, uid, &snapshot)?;
        let collection = restoring(&record, &snapshot, command.description.clone(), command.labels.clone())?;
        let change = change.insert(&record).insert(&collection).require(&snapshot).require(&workspace);
        let answer = (&*record.name.to_string(), uid);
        let change = idempotency::remember(change, &inner.records, request, answer, record.create_time)?;
        Ok((change, record))
    }

    /// Refuses what must not begin; returns what must be so when it does.
    fn check(
        &self,
        command: &CreateRestore,
        id: Option<&Id>,
        workspace: &Workspace,
        snapshot: &Snapshot,
    ) -> Result<Change, Error> {
        let inner = &self.inner;
        inner.workspaces.check_preview(workspace)?;
        let name = command.snapshot.to_string();
        match inner.snapshots.effective(snapshot).state {
            SnapshotState::Created => {}
            SnapshotState::Expired => return Err(Error::SnapshotExpired { name }),
            other => return Err(Error::SnapshotNotReady { name, state: snapshot::state_name(other) }),
        }
        let Totals { retention, size_bytes, .. } = snapshot.contents()?.totals;
        if command.retention.is_some() && command.retention != Some(retention.map_or(0, |retention| retention.keep())) {
            return Err(Error::RetentionImmutable);
        }
        if size_bytes > workspace.max_restore_bytes {
            return Err(Error::RestoreTooLarge {
                snapshot: name,
                workspace: workspace.name.to_string(),
                size_bytes,
                limit: workspace.max_restore_bytes,
                contact: inner.workspaces.contact(),
            });
        }
        inner.collections.admit_restore(workspace, size_bytes)?;
        inner.collections.check_free(&command.collection)?;
        let change = inner.collections.check_room(Change::default(), workspace)?;
        let change = self.check_room(change, workspace)?;
        if let Some(id) = id {
            let name = RestoreName { workspace: command.workspace.clone(), id: id.clone() };
            if inner.records.get(&Restore::at(&name))?.is_some() {
                return Err(Error::Exists { kind: Kind::Restore, name: name.to_string() });
            }
        }
        self.check_space(snapshot)?;
        Ok(change)
    }

    /// Refuses one more restore under way than a workspace may have; of those that have
    /// ended, the oldest give way.
    fn check_room(&self, change: Change, workspace: &Workspace) -> Result<Change, Error> {
        let records = &self.inner.records;
        let Limits { restores, ended_restores, .. } = self.inner.workspaces.limits();
        let room = Room {
            kind: Kind::Restore,
            parent: workspace.name.to_string(),
            limit: *restores,
            term: &Restore::live_in(&workspace.name.0),
            after: None,
        };
        let change = room.check(change, records)?;
        ended::give_way(change, records, &Restore::released_in(&workspace.name.0), *ended_restores)
    }

    /// The record as it is requested; what the retention drops is settled when
    /// the work begins.
    fn record(&self, command: &CreateRestore, id: &Id, uid: Uuid, snapshot: &Snapshot) -> Result<Restore, Error> {
        let Contents { totals, referenced_bytes, file_count, manifest, .. } = snapshot.contents()?;
        Ok(Restore {
            name: RestoreName { workspace: command.workspace.clone(), id: id.clone() },
            uid,
            snapshot: command.snapshot.clone(),
            snapshot_uid: snapshot.uid,
            collection: command.collection.id.clone(),
            collection_uid: self.inner.clock.new_uid(),
            verification: command.verification,
            created_by: command.caller.clone(),
            create_time: self.inner.clock.now(),
            start_time: None,
            end_time: None,
            revision: 1,
            state: RestoreState::Pending,
            error: None,
            source_collection_uid: snapshot.collection_uid,
            manifest: *manifest,
            totals: totals.clone(),
            bytes: *referenced_bytes,
            files: *file_count,
            pinned: false,
            copy_micros: 0,
            verify_micros: 0,
            released: false,
            description: command.description.clone(),
            labels: command.labels.clone(),
            documents_dropped: 0,
            bytes_dropped: 0,
        })
    }

    /// One restore.
    pub fn get(&self, name: &RestoreName) -> Result<Restore, Error> {
        Ok(self.stored(name)?.record)
    }

    fn stored(&self, name: &RestoreName) -> Result<Stored<Restore>, Error> {
        let found = self.inner.records.get(&Restore::at(name))?;
        found.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// Shows the restores of a workspace, or all, in the order of their names, from a name
    /// on. `each` says how long it goes on.
    pub fn list(
        &self,
        parent: &ListParent,
        from: Option<&str>,
        each: &mut dyn FnMut(Restore) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.inner.workspaces.check_parent(parent)?;
        self.inner.records.list(&Restore::by_name(), &parent.prefix_of("restores"), from, each)
    }

    /// How far a restore is.
    #[must_use]
    pub fn progress(&self, record: &Restore) -> Progress {
        match self.inner.busy.lock().get(&record.uid) {
            Some(work) => work.progress(record),
            None => Progress::at_rest(record),
        }
    }

    /// Watches a restore until it ends.
    pub fn watch(&self, name: &RestoreName) -> Result<(Progress, Option<watch::Receiver<Progress>>), Error> {
        let uid = self.stored(name)?.uid;
        self.inner.hub.watch(uid, || {
            let record = self.get(name)?;
            let last = record.state.is_terminal();
            Ok((self.progress(&record), last))
        })
    }

    /// Asks a restore to stop.
    pub async fn cancel(&self, name: &RestoreName) -> Result<Restore, Error> {
        let change = || {
            let seen = self.stored(name)?;
            if seen.state == RestoreState::Cancelling {
                return Ok((Change::default(), seen.record));
            }
            let Some(next) = advance(&seen.record, RestoreState::Cancelling) else {
                return Err(Error::RestoreNotCancellable { name: name.to_string(), state: state_name(seen.state) });
            };
            Ok((Change::default().replace(&seen, &next), next))
        };
        self.inner.records.change(change).await
    }
}

/// The collection that a restore fills.
fn restoring(
    restore: &Restore,
    snapshot: &Snapshot,
    description: String,
    labels: BTreeMap<String, String>,
) -> Result<Collection, Error> {
    let Contents { snapshot_time, totals, .. } = snapshot.contents()?;
    Ok(Collection {
        name: restore.collection_name(),
        uid: restore.collection_uid,
        description,
        labels,
        create_time: restore.create_time,
        update_time: restore.create_time,
        revision: 1,
        state: CollectionState::Restoring,
        restore_info: Some(RestoreInfo {
            snapshot: restore.snapshot.clone(),
            snapshot_uid: restore.snapshot_uid,
            restore: restore.name.clone(),
            source_collection: snapshot.collection_name(),
            source_collection_uid: snapshot.collection_uid,
            snapshot_time: *snapshot_time,
        }),
        retention: totals.retention,
    })
}
