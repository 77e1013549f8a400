//! Snapshots: frozen copies of collections.
//!
//! **S1** A CREATED snapshot holds every write acknowledged before its request,
//! none after its `snapshot_time`, and never changes. **S2** Files it references
//! are not deleted before it is. **S3** Creating one costs two manifest writes,
//! nothing per document nor for any other snapshot. **S4** Deleting or recreating
//! the collection does not harm it. **S5** It is unusable from its expiry on, and
//! its files go then.
//!
//! The record is the queue: creating writes it as REQUESTED, the worker does
//! the rest (`worker.rs`), now or after a restart; an ended one is released
//! (`release.rs`).

mod release;
mod state;
mod subscriptions;
mod worker;

use std::{
    collections::{BTreeMap, HashSet},
    ops::{Bound, ControlFlow},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub use self::state::{advance, state_name};
use crate::{
    clock::{Clock, Expiration, Micros, micros},
    collection::Collections,
    context::Context,
    documents::{Files, Store},
    ended,
    error::{Error, Kind},
    etag::Etag,
    hub::Hub,
    idempotency::{self, Request},
    names::{CollectionName, Id, ListParent, SnapshotName},
    records::{Change, Key, Order, Records, Retired, Snapshot, SnapshotState, Stored, Workspace},
    share::{Budget, Division},
    tasks::Tasks,
    unnamed,
    workspace::{Limits, Room, Workspaces},
};

/// The longest life of a snapshot, and its default.
pub const MAX_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Snapshots that are made or released at once, each a hundred KiB of work, in all and of a
/// workspace: of one collection, one.
const AT_WORK: Division = Division { total: 64, workspace: 32, least: 1 };
/// A client's clock may be this far ahead of ours.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// How long the tombstone of one that has ended stays readable.
pub const TOMBSTONE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct CreateSnapshot {
    /// The workspace of the new snapshot.
    pub workspace: Id,
    /// The id of the new snapshot; absent: the server makes one.
    pub id: Option<Id>,
    /// The collection to freeze.
    pub collection: CollectionName,
    /// Free text.
    pub description: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When its data goes; absent: after 7 days.
    pub expiration: Option<Expiration>,
    /// An offset it must contain.
    pub min_offset: Option<i64>,
    /// Who asks.
    pub caller: String,
    /// To make a retry safe.
    pub request: Option<Request>,
}

/// What a caller may change; absent is left alone.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Free text.
    pub description: Option<String>,
    /// All labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// When its data goes.
    pub expiration: Option<Expiration>,
}

/// The snapshots. Clones share them.
#[derive(Clone)]
pub struct Snapshots {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    store: Store,
    clock: Clock,
    tasks: Tasks,
    workspaces: Workspaces,
    collections: Collections,
    hub: Hub<Uuid, Snapshot>,
    /// Rung when there is something to do, with what.
    bell: Notify,
    due: Mutex<HashSet<Key<Snapshot>>>,
    /// Those being worked on.
    busy: Mutex<HashSet<Key<Snapshot>>>,
    /// How many of them get on at once.
    turns: Arc<Budget>,
}

impl Inner {
    /// Has the worker look at one snapshot, and at no other: there may be thousands that
    /// wait for something else.
    fn ring_for(&self, key: Key<Snapshot>) {
        self.due.lock().insert(key);
        self.bell.notify_one();
    }
}

impl Snapshots {
    /// The snapshots in the records.
    #[must_use]
    pub fn new(context: Context, collections: Collections) -> Self {
        let Context { records, store, clock, tasks, workspaces } = context;
        let inner = Inner {
            records,
            store,
            clock,
            tasks,
            workspaces,
            collections,
            hub: Hub::default(),
            bell: Notify::new(),
            due: Mutex::default(),
            busy: Mutex::default(),
            turns: Budget::new("snapshots at work", AT_WORK),
        };
        let inner = Arc::new(inner);
        subscriptions::subscribe(&inner);
        Self { inner }
    }

    /// Requests a snapshot.
    pub async fn create(&self, command: CreateSnapshot) -> Result<Snapshot, Error> {
        let inner = &self.inner;
        let CreateSnapshot { workspace, id, collection, min_offset, request, .. } = &command;
        let workspace = inner.workspaces.stored(workspace)?;
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request.as_ref())? {
            return self.by_uid(&answer.name()?, answer.uid);
        }
        inner.workspaces.check_preview(&workspace)?;
        let source = inner.collections.ready(collection)?.uid;
        if let Some(min_offset) = *min_offset {
            let offset = inner.collections.lease(collection).await?.engine().totals().offset;
            if offset < min_offset {
                return Err(Error::OffsetNotReached { collection: collection.to_string(), offset, min_offset });
            }
        }
        let command = &command;
        unnamed::create(&inner.clock, Kind::Snapshot, id.as_ref(), |id, uid| async move {
            let name = SnapshotName { workspace: command.workspace.clone(), id };
            let record = inner.records.change(|| self.request(command, &name, uid, source)).await?;
            if record.uid == uid {
                tracing::info!(%name, %uid, %collection, "snapshot requested");
            }
            Ok(record)
        })
        .await
    }

    /// A REQUESTED snapshot of a collection that is still there, or the one that the same
    /// request has made already.
    fn request(
        &self,
        command: &CreateSnapshot,
        name: &SnapshotName,
        uid: Uuid,
        source: Uuid,
    ) -> Result<(Change, Snapshot), Error> {
        let inner = &self.inner;
        let CreateSnapshot { collection, description, labels, expiration, caller, request, .. } = command;
        let workspace = inner.workspaces.stored(&name.workspace)?;
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request.as_ref())? {
            return Ok((Change::default(), self.by_uid(&answer.name()?, answer.uid)?));
        }
        let now = inner.clock.now();
        let stamp = inner.clock.stamp(now);
        let expire_time = expire_time(*expiration, stamp, stamp + micros(MAX_LIFE))?;
        let bearers = Snapshot::live_named(name);
        if inner.records.count_after(&bearers, now) > 0 {
            return Err(Error::Exists { kind: Kind::Snapshot, name: name.to_string() });
        }
        let found = inner.collections.ready(collection)?;
        if found.uid != source {
            return Err(Error::NotFound(collection.to_string()));
        }
        inner.store.space().admit()?;
        inner.collections.admit_into(name.workspace.as_str())?;
        let record = Snapshot {
            name: name.clone(),
            uid,
            collection: collection.id.clone(),
            collection_uid: source,
            description: description.clone(),
            labels: labels.clone(),
            created_by: caller.clone(),
            create_time: now,
            update_time: now,
            revision: 1,
            state: SnapshotState::Requested,
            error: None,
            expire_time,
            contents: None,
            end_time: None,
            released: false,
        };
        let change = Change::default().insert(&record).require(&found).require(&workspace);
        let change = change.at_most(1, &bearers, Some(now));
        let change = inner.workspaces.check_snapshot_rate(change, &workspace, now)?;
        let change = self.check_room(change, &workspace, now)?;
        let answer = (&*name.to_string(), uid);
        Ok((idempotency::remember(change, &inner.records, request.as_ref(), answer, now)?, record))
    }

    /// Refuses one more snapshot than a workspace may have; of those that have ended, the
    /// oldest give way.
    fn check_room(&self, change: Change, workspace: &Workspace, now: Micros) -> Result<Change, Error> {
        let records = &self.inner.records;
        let Limits { snapshots, ended_snapshots, .. } = self.inner.workspaces.limits();
        let room = Room {
            kind: Kind::Snapshot,
            parent: workspace.name.to_string(),
            limit: *snapshots,
            term: &Snapshot::live_in(&workspace.name.0),
            after: Some(now),
        };
        let change = room.check(change, records)?;
        ended::give_way(change, records, &Snapshot::released_in(&workspace.name.0), *ended_snapshots)
    }

    fn by_uid(&self, name: &SnapshotName, uid: Uuid) -> Result<Snapshot, Error> {
        let all = self.inner.records.scan(&Snapshot::named(name));
        for found in all {
            let found = found?;
            if found.uid == uid {
                return Ok(self.effective(&found));
            }
        }
        Err(Error::NotFound(name.to_string()))
    }

    /// The newest bearer of a name: the live one, if there is one. Uids order those that
    /// have ended; what a version made that went by the wall clock may be out of order.
    fn latest(&self, name: &SnapshotName) -> Result<Option<Stored<Snapshot>>, Error> {
        let live = self.inner.records.find_last(&Snapshot::live_named(name), |_| true)?;
        if let Some(live) = live.filter(|live| !self.has_expired(live)) {
            return Ok(Some(live));
        }
        self.inner.records.scan(&Snapshot::named(name)).last().transpose()
    }

    /// One snapshot, to be changed or required.
    pub fn stored(&self, name: &SnapshotName) -> Result<Stored<Snapshot>, Error> {
        self.latest(name)?.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// One snapshot as it is now: expired from its expire_time on, whether or
    /// not the sweep has been there (**S5**).
    pub fn get(&self, name: &SnapshotName) -> Result<Snapshot, Error> {
        let found = self.stored(name)?;
        Ok(self.effective(&found))
    }

    /// The record as callers see it.
    #[must_use]
    pub fn effective(&self, record: &Snapshot) -> Snapshot {
        let mut record = record.clone();
        if self.has_expired(&record) {
            record.state = SnapshotState::Expired;
        }
        record
    }

    fn has_expired(&self, record: &Snapshot) -> bool {
        record.state == SnapshotState::Created && record.expire_time <= self.inner.clock.now()
    }

    /// Shows the snapshots of a workspace, or all, in the order of their names, from a
    /// name on; ended ones only if asked for. `each` says how long it goes on.
    pub fn list(
        &self,
        parent: &ListParent,
        show_deleted: bool,
        from: Option<&str>,
        each: &mut dyn FnMut(Snapshot) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.inner.workspaces.check_parent(parent)?;
        let term = if show_deleted { Snapshot::by_name() } else { Snapshot::shown_by_name() };
        let prefix = parent.prefix_of("snapshots");
        self.inner.records.list(&term, &prefix, from, &mut |found: Snapshot| {
            let record = self.effective(&found);
            let is_hidden = matches!(record.state, SnapshotState::Expired | SnapshotState::Deleted);
            if show_deleted || !is_hidden { each(record) } else { ControlFlow::Continue(()) }
        })
    }

    /// Changes a snapshot that has not ended.
    pub async fn update(
        &self,
        name: &SnapshotName,
        etag: Option<Etag>,
        settings: &Settings,
    ) -> Result<Snapshot, Error> {
        let change = || {
            let seen = self.stored(name)?;
            Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
            match self.effective(&seen).state {
                SnapshotState::Requested | SnapshotState::Created => {}
                SnapshotState::Expired => return Err(Error::SnapshotExpired { name: name.to_string() }),
                other => return Err(Error::SnapshotNotReady { name: name.to_string(), state: state_name(other) }),
            }
            let mut next = seen.record.clone();
            let Settings { description, labels, expiration } = settings.clone();
            next.description = description.unwrap_or(next.description);
            next.labels = labels.unwrap_or(next.labels);
            let now = self.inner.clock.now();
            if expiration.is_some() {
                // One that was requested while the time was in doubt may have longer.
                let latest = (seen.create_time + micros(MAX_LIFE)).max(seen.expire_time - micros(CLOCK_SKEW));
                next.expire_time = expire_time(expiration, self.inner.clock.stamp(now), latest)?;
            }
            next.update_time = now;
            next.revision += 1;
            Ok((Change::default().replace(&seen, &next), next))
        };
        self.inner.records.change(change).await
    }

    /// Deletes a snapshot; its files go afterwards.
    pub async fn delete(&self, name: &SnapshotName, etag: Option<Etag>) -> Result<(), Error> {
        let gone = || Error::NotFound(name.to_string());
        let change = || {
            let seen = self.stored(name)?;
            match self.effective(&seen).state {
                SnapshotState::Deleted | SnapshotState::Expired => return Err(gone()),
                _ => Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?,
            }
            let next = advance(&seen.record, SnapshotState::Deleted, self.inner.clock.now()).ok_or_else(gone)?;
            Ok((Change::default().replace(&seen, &next), ()))
        };
        self.inner.records.change(change).await?;
        tracing::info!(%name, "snapshot deleted");
        Ok(())
    }

    /// Watches a snapshot until it ends or is CREATED.
    pub fn watch(&self, name: &SnapshotName) -> Result<(Snapshot, Option<watch::Receiver<Snapshot>>), Error> {
        let uid = self.stored(name)?.uid;
        self.inner.hub.watch(uid, || {
            let record = self.by_uid(name, uid)?;
            let settled = record.state != SnapshotState::Requested;
            Ok((record, settled))
        })
    }

    /// The files of a CREATED snapshot.
    pub async fn files(&self, snapshot: &Snapshot) -> Result<Files, Error> {
        let files = self.files_of(snapshot).await?;
        files.ok_or_else(|| Error::SnapshotExpired { name: snapshot.name.to_string() })
    }

    /// What would be freed if this snapshot alone went; `None` if that cannot be known,
    /// because of damage to it or to what shares files with it.
    pub async fn exclusive_bytes(&self, snapshot: &Snapshot) -> Result<Option<i64>, Error> {
        match self.compare_files(snapshot).await {
            Err(error) if error.is_of_stored_data() && !error.is_transient() => {
                tracing::debug!(%error, name = %snapshot.name, "nobody knows what it alone holds");
                Ok(None)
            }
            compared => compared,
        }
    }

    async fn compare_files(&self, snapshot: &Snapshot) -> Result<Option<i64>, Error> {
        let inner = &self.inner;
        if snapshot.state != SnapshotState::Created {
            return Ok(None);
        }
        let source = snapshot.collection_uid;
        let mut others = HashSet::new();
        // A deleted collection needs nothing for itself.
        if inner.records.get(&Retired::at(source))?.is_none() {
            others = inner.store.live_files(source).await?;
        }
        let Some(files) = self.files_of(snapshot).await? else { return Ok(None) };
        for other in self.neighbours(snapshot)? {
            others.extend(self.files_of(&other).await?.unwrap_or_default().ids());
        }
        Ok(Some(files.bytes_without(&others) + snapshot.contents()?.own_bytes))
    }

    /// The CREATED snapshots of the same collection before and behind one, or of the same
    /// moment. A file comes into a database once and leaves it once, so what neither of
    /// them has, no other has.
    fn neighbours(&self, snapshot: &Snapshot) -> Result<Vec<Snapshot>, Error> {
        let records = &self.inner.records;
        let created = Snapshot::created_of(snapshot.collection_uid);
        let at = Order::from(snapshot.manifest_order());
        let same = (Bound::Included(at.clone()), Bound::Included(at.clone()));
        let mut found = records.find_between(&created, same, 2)?;
        found.extend(records.find_between(&created, (Bound::Excluded(at.clone()), Bound::Unbounded), 1)?);
        found.extend(records.find_last_between(&created, (Bound::Unbounded, Bound::Excluded(at)), |_| true)?);
        let others = found.into_iter().map(|found| found.record);
        Ok(others.filter(|other| other.uid != snapshot.uid).collect())
    }
}

impl Snapshots {
    /// The files of a snapshot that was CREATED a moment ago; `None` if it has
    /// been released since.
    pub(super) async fn files_of(&self, snapshot: &Snapshot) -> Result<Option<Files>, Error> {
        let is_needed = || snapshot.is_created(&self.inner.records);
        self.inner.store.load_files_while(snapshot.file_list()?, is_needed).await
    }
}

/// When the data goes, if that is allowed: by the latest that it may. A time to live counts
/// from `now`.
fn expire_time(expiration: Option<Expiration>, now: Micros, latest: Micros) -> Result<Micros, Error> {
    let Some(asked) = expiration else { return Ok(latest) };
    let time = asked.time(now);
    if time <= now {
        // A span that is not positive has been refused at the door.
        return Err(Error::invalid("snapshot.expire_time", "must be in the future"));
    }
    if time > latest + micros(CLOCK_SKEW) {
        return Err(Error::ExpirationTooLong { asked, latest });
    }
    Ok(time)
}
