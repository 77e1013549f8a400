//! Collections: names bound to databases.
//!
//! A collection is created under an intent record, so that a crash leaves
//! either a READY collection or a prefix that the next start removes. Deleting
//! unbinds the name in one commit; what is left is *retired*: it gives back its
//! files as snapshots and restores let go of them (**S4**).

mod expire;
mod handle;
mod retire;
mod statistics;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::handle::{Handle, Lease};
use crate::{
    clock::{Clock, Micros, new_uid},
    documents::{Engine, Retention, Store, Totals},
    error::{Error, Kind},
    idempotency::{self, Request},
    names::{CollectionName, Id, ListParent, WorkspaceName},
    records::{Change, Collection, CollectionState, CommitError, Intent, Records, Retired, Stored},
    workspace::{Limits, Workspaces, check_etag},
};

/// What a collection holds, for callers.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Counts, bytes, digest and offset.
    pub totals: Totals,
    /// Bytes of its files.
    pub stored_bytes: i64,
    /// Documents that have expired but still count.
    pub expired_count: i64,
}

impl Stats {
    fn new(totals: Totals, stored_bytes: i64, now: Micros) -> Self {
        let expired_count = totals.expired_count(now);
        Self { totals, stored_bytes, expired_count }
    }
}

/// What a caller may set; absent is left alone.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Free text.
    pub description: Option<String>,
    /// All labels.
    pub labels: Option<BTreeMap<String, String>>,
}

/// The collections. Clones share them.
#[derive(Clone)]
pub struct Collections {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    store: Store,
    clock: Clock,
    workspaces: Workspaces,
    handles: Mutex<HashMap<Uuid, Arc<Handle>>>,
    /// Closed ones whose statistics are known to be theirs.
    compared: Mutex<HashSet<Uuid>>,
    /// Rung when a collection was deleted, or what held one let go.
    retire_bell: Notify,
    /// Creates run one at a time: names and request ids are checked, then taken.
    creating: tokio::sync::Mutex<()>,
}

impl Collections {
    /// The collections in the records.
    #[must_use]
    pub fn new(records: Records, store: Store, clock: Clock, workspaces: Workspaces) -> Self {
        let inner = Inner {
            records,
            store,
            clock,
            workspaces,
            handles: Mutex::default(),
            compared: Mutex::default(),
            retire_bell: Notify::new(),
            creating: tokio::sync::Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Creates an empty collection.
    pub async fn create(
        &self,
        name: &CollectionName,
        settings: Settings,
        retention: Option<Retention>,
        request: Option<&Request>,
    ) -> Result<Collection, Error> {
        let inner = &self.inner;
        let _hold = inner.workspaces.hold().await;
        let _one_at_a_time = inner.creating.lock().await;
        inner.workspaces.stored(&name.workspace)?;
        if let Some(uid) = idempotency::answered(&inner.records, &inner.clock, request)? {
            return self.by_uid(name, uid);
        }
        self.check_free(name)?;
        self.check_room(&name.workspace)?;
        self.admit()?;

        let (now, uid) = (inner.clock.now(), new_uid());
        let intent = Intent { uid: uid.as_bytes().to_vec(), create_time: now };
        inner.records.commit(Change::default().insert(&intent)).await.map_err(CommitError::unexpected)?;
        let record = Collection {
            workspace: name.workspace.to_string(),
            id: name.id.to_string(),
            uid: uid.as_bytes().to_vec(),
            description: settings.description.unwrap_or_default(),
            labels: settings.labels.unwrap_or_default(),
            create_time: now,
            update_time: now,
            revision: 1,
            state: CollectionState::Ready.into(),
            restore_info: None,
            retention: retention.map_or(0, |retention| retention.keep()),
            interval: retention.map_or(0, |retention| retention.interval()),
        };
        let made = async {
            Engine::create(&inner.store, uid, retention).await?;
            self.save_statistics(uid, Totals::empty(retention), 0).await;
            crate::crash_point!("collection.before_record");
            let change = Change::default().insert(&record).forget(Intent::at(uid));
            let change = idempotency::remember(change, request, &name.to_string(), uid, now);
            inner.records.commit(change).await.map_err(|failed| match failed {
                // A restore took the name meanwhile.
                CommitError::Conflict => Error::Exists { kind: Kind::Collection, name: name.to_string() },
                CommitError::Failed(error) => error,
            })
        };
        if let Err(error) = made.await {
            if error.is_undecided() {
                // Its record may still appear; the next start knows.
                return Err(error);
            }
            tracing::warn!(?error, %name, "a collection could not be created; what is left of it is removed");
            self.forget_unfinished(uid).await?;
            return Err(error);
        }
        tracing::info!(%name, %uid, "collection created");
        Ok(record)
    }

    fn by_uid(&self, name: &CollectionName, uid: Uuid) -> Result<Collection, Error> {
        let found = self.get(name)?;
        if found.uid() == uid { Ok(found) } else { Err(Error::NotFound(name.to_string())) }
    }

    /// Refuses what makes collections larger while the disk is full.
    pub fn admit(&self) -> Result<(), Error> {
        self.inner.store.space().admit()
    }

    /// Refuses if the name is taken, by a collection in restoring, too.
    pub fn check_free(&self, name: &CollectionName) -> Result<(), Error> {
        match self.inner.records.get(&key(name))? {
            Some(_) => Err(Error::Exists { kind: Kind::Collection, name: name.to_string() }),
            None => Ok(()),
        }
    }

    /// Refuses one more collection than a workspace may have.
    pub fn check_room(&self, workspace: &Id) -> Result<(), Error> {
        let count = self.inner.records.scan(&Collection::within(workspace.as_str())).count();
        let limit = self.inner.workspaces.limits().collections;
        Limits::check(Kind::Collection, WorkspaceName(workspace.clone()), count, limit)
    }

    /// Removes what an unfinished creation left, then its intent.
    async fn forget_unfinished(&self, uid: Uuid) -> Result<(), Error> {
        let inner = &self.inner;
        inner.store.remove(uid).await?;
        self.forget_statistics(uid);
        let forget = Change::default().forget(Intent::at(uid));
        inner.records.commit(forget).await.map_err(CommitError::unexpected)
    }

    /// One collection, READY or not.
    pub fn get(&self, name: &CollectionName) -> Result<Collection, Error> {
        Ok(self.stored(name)?.record)
    }

    /// One collection, to be changed or required.
    pub fn stored(&self, name: &CollectionName) -> Result<Stored<Collection>, Error> {
        self.inner.records.get(&key(name))?.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// One collection that must be READY.
    pub fn ready(&self, name: &CollectionName) -> Result<Stored<Collection>, Error> {
        let found = self.stored(name)?;
        match found.state() {
            CollectionState::Ready => Ok(found),
            CollectionState::Restoring | CollectionState::Unspecified => {
                Err(Error::CollectionNotReady(name.to_string()))
            }
        }
    }

    /// The collections of a workspace, or all.
    pub fn list(&self, parent: &ListParent) -> Result<Vec<Collection>, Error> {
        self.inner.workspaces.check_parent(parent)?;
        let prefix = match parent {
            ListParent::All => Collection::all(),
            ListParent::One(name) => Collection::within(name.0.as_str()),
        };
        self.inner.records.scan(&prefix).map(|found| Ok(found?.record)).collect()
    }

    /// Changes the description or the labels.
    pub async fn update(
        &self,
        name: &CollectionName,
        etag: Option<&str>,
        settings: &Settings,
    ) -> Result<Collection, Error> {
        loop {
            let seen = self.stored(name)?;
            check_etag(etag, &name.to_string(), &seen.uid, seen.revision)?;
            let mut next = seen.record.clone();
            let Settings { description, labels } = settings.clone();
            next.description = description.unwrap_or(next.description);
            next.labels = labels.unwrap_or(next.labels);
            next.update_time = self.inner.clock.now();
            next.revision += 1;
            match self.inner.records.commit(Change::default().replace(&seen, &next)).await {
                Ok(()) => {
                    return Ok(next);
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Deletes a collection: unbinds the name, retires the bytes.
    pub async fn delete(&self, name: &CollectionName, etag: Option<&str>) -> Result<(), Error> {
        let inner = &self.inner;
        loop {
            let seen = self.ready(name)?;
            check_etag(etag, &name.to_string(), &seen.uid, seen.revision)?;
            let uid = seen.uid();
            // Before: its bytes may be given back, and the handle dropped, at once.
            let handle = self.handle(uid);
            let retired =
                Retired { uid: seen.record.uid.clone(), name: name.to_string(), delete_time: inner.clock.now() };
            let change = Change::default().remove(&seen).insert(&retired);
            match inner.records.commit(change).await {
                Ok(()) => {
                    handle.mark_deleted();
                    tracing::info!(%name, %uid, "collection deleted");
                    self.forget_statistics(uid);
                    inner.retire_bell.notify_one();
                    return Ok(());
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Failed(error)) => return Err(error),
            }
        }
    }

    /// What a collection holds. One that is not open and whose statistics were
    /// not saved, because of a crash, is opened.
    pub async fn stats(&self, record: &Collection) -> Result<Stats, Error> {
        if record.state() != CollectionState::Ready {
            return Ok(Stats::default());
        }
        let uid = record.uid();
        let (totals, stored_bytes) = match self.totals_if_known(uid).await? {
            Some(known) => known,
            None => {
                let lease = self.open(&record.name(), uid).await?;
                (lease.totals(), lease.stored_bytes())
            }
        };
        Ok(Stats::new(totals, stored_bytes, self.inner.clock.now()))
    }

    /// The totals and the bytes of the files, as far as they are known without
    /// opening anything.
    async fn totals_if_known(&self, uid: Uuid) -> Result<Option<(Totals, i64)>, Error> {
        let open = self.inner.handles.lock().get(&uid).cloned();
        if let Some(handle) = open
            && let Some(totals) = handle.open_totals().await
        {
            return Ok(Some(totals));
        }
        self.statistics(uid).await
    }

    /// The uids of collections, retired ones and those in restoring included.
    pub fn known_uids(&self) -> Result<HashSet<Uuid>, Error> {
        let records = &self.inner.records;
        let mut known = HashSet::new();
        for found in records.scan(&Collection::all()) {
            known.insert(found?.uid());
        }
        for found in records.scan(&Retired::all()) {
            known.insert(crate::records::uid(&found?.uid));
        }
        Ok(known)
    }
}

/// The key of a name.
#[must_use]
pub fn key(name: &CollectionName) -> crate::records::Key<Collection> {
    Collection::at(name.workspace.as_str(), name.id.as_str())
}
