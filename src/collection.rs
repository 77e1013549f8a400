//! Collections: names bound to databases.
//!
//! A collection is created under an intent record, so that a crash leaves
//! either a READY collection or a prefix that the next start removes. Deleting
//! unbinds the name in one commit; what is left is *retired*: it gives back its
//! files as snapshots and restores let go of them (**S4**).

pub mod accept;
mod expected;
mod expire;
mod handle;
mod pins;
mod quota;
mod retire;
mod subscriptions;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::handle::{Handle, Lease};
use crate::{
    clock::{Clock, Micros},
    context::Context,
    documents::{Engine, Retention, Store, Totals},
    error::{Error, Kind},
    etag::Etag,
    idempotency::{self, Request},
    names::{CollectionName, Id, ListParent},
    records::{
        Change, Collection, CollectionState, Intent, Record, Records, Retired, Source, SourcePosition, Stored,
        Workspace,
    },
    unnamed,
    workspace::{Room, Workspaces},
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
    /// Rung when a collection was deleted, or something of one has changed that holds its
    /// files, with which.
    retire_bell: Notify,
    retire_due: Mutex<HashSet<Uuid>>,
    /// Those that are being created: what there is of them is no leftover.
    creating: Mutex<HashSet<Uuid>>,
    /// What workspaces store that may not store everything.
    stored: quota::Stored,
}

impl Collections {
    /// The collections in the records.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let Context { records, store, clock, tasks: _, workspaces } = context;
        let inner = Inner {
            records,
            store,
            clock,
            workspaces,
            handles: Mutex::default(),
            compared: Mutex::default(),
            retire_bell: Notify::new(),
            retire_due: Mutex::default(),
            creating: Mutex::default(),
            stored: quota::Stored::default(),
        };
        let inner = Arc::new(inner);
        subscriptions::subscribe(&inner);
        Self { inner }
    }

    /// Creates an empty collection; without an id, the server makes one.
    pub async fn create(
        &self,
        workspace: &Id,
        id: Option<&Id>,
        settings: Settings,
        retention: Option<Retention>,
        request: Option<&Request>,
    ) -> Result<Collection, Error> {
        let Settings { description, labels } = &settings;
        unnamed::create(&self.inner.clock, Kind::Collection, id, |id, uid| {
            let now = self.inner.clock.now();
            let record = Collection {
                name: CollectionName { workspace: workspace.clone(), id },
                uid,
                description: description.clone().unwrap_or_default(),
                labels: labels.clone().unwrap_or_default(),
                create_time: now,
                update_time: now,
                revision: 1,
                state: CollectionState::Ready,
                restore_info: None,
                retention,
            };
            self.make(record, request)
        })
        .await
    }

    /// Makes the database of a new collection, then its record.
    async fn make(&self, record: Collection, request: Option<&Request>) -> Result<Collection, Error> {
        let inner = &self.inner;
        let Collection { name, uid, retention, .. } = record.clone();
        // Before anything is made for one that may not be.
        let (_, known) = inner.records.decide(|| self.creation(&record, request))?;
        if known.uid != uid {
            return Ok(known);
        }
        self.admit()?;
        let creating = Creating::begin(inner, uid);
        let intent = Intent { uid, create_time: record.create_time };
        inner.records.change(|| Ok((Change::default().insert(&intent), ()))).await?;
        crate::crash_point!(CollectionIntended);
        let made = async {
            Engine::create(&inner.store, uid, retention).await?;
            let expected = self.expected(uid, Totals::empty(retention), 0).await?;
            crate::crash_point!(CollectionBeforeRecord);
            let creation = || {
                let (change, made) = self.creation(&record, request)?;
                Ok((if made.uid == uid { change.put(&expected) } else { change }, made))
            };
            inner.records.change(creation).await
        };
        let made = made.await;
        if made.as_ref().is_err_and(Error::is_undecided) {
            // Its record may still appear; the next start knows.
            creating.stay();
            return made;
        }
        let is_made = made.as_ref().is_ok_and(|made| made.uid == uid);
        if !is_made {
            if let Err(error) = &made {
                tracing::warn!(error = error.in_full(), %name, "a collection could not be created; what is left of it is removed");
            }
            self.forget_unfinished(uid).await?;
            return made;
        }
        drop(creating);
        tracing::info!(%name, %uid, "collection created");
        made
    }

    /// A new collection under a free name, in place of its intent; or the one that the
    /// same request has made already.
    fn creation(&self, record: &Collection, request: Option<&Request>) -> Result<(Change, Collection), Error> {
        let (inner, name) = (&self.inner, &record.name);
        let workspace = inner.workspaces.stored(&name.workspace)?;
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request)? {
            let found = self.get(&answer.name()?)?;
            let uid = found.uid;
            return Ok((Change::default(), answer.if_same(found, uid)?));
        }
        self.check_free(name)?;
        let uid = record.uid;
        let change = Change::default().insert(record).forget(Intent::at(uid));
        let change = self.check_room(change, &workspace)?;
        let answer = (&*name.to_string(), uid);
        let change = idempotency::remember(change, &inner.records, request, answer, inner.clock.now())?;
        Ok((change, record.clone()))
    }

    /// Refuses what makes collections larger while the disk is full.
    pub fn admit(&self) -> Result<(), Error> {
        self.inner.store.space().admit()
    }

    /// Refuses if the name is taken, by a collection in restoring, too.
    pub fn check_free(&self, name: &CollectionName) -> Result<(), Error> {
        match self.inner.records.get(&Collection::at(name))? {
            Some(_) => Err(Error::Exists { kind: Kind::Collection, name: name.to_string() }),
            None => Ok(()),
        }
    }

    /// Refuses one more collection than a workspace may have, or one in a workspace that
    /// goes, now and when the change is made that adds it.
    pub fn check_room(&self, change: Change, workspace: &Workspace) -> Result<Change, Error> {
        let room = Room {
            kind: Kind::Collection,
            parent: workspace.name.to_string(),
            limit: self.inner.workspaces.limits().collections,
            term: &Collection::in_workspace(&workspace.name.0),
            after: None,
        };
        room.check(change.require_any(Workspace::at(&workspace.name.0)), &self.inner.records)
    }

    /// Removes what an unfinished creation left, then its intent.
    async fn forget_unfinished(&self, uid: Uuid) -> Result<(), Error> {
        let inner = &self.inner;
        inner.store.remove(uid).await?;
        self.forget_statistics(uid);
        inner.records.change(|| Ok((Change::default().forget(Intent::at(uid)), ()))).await
    }

    /// One collection, READY or not.
    pub fn get(&self, name: &CollectionName) -> Result<Collection, Error> {
        Ok(self.stored(name)?.record)
    }

    /// One collection, to be changed or required.
    pub fn stored(&self, name: &CollectionName) -> Result<Stored<Collection>, Error> {
        self.inner.records.get(&Collection::at(name))?.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// One collection that must be READY.
    pub fn ready(&self, name: &CollectionName) -> Result<Stored<Collection>, Error> {
        let found = self.stored(name)?;
        match found.state {
            CollectionState::Ready => Ok(found),
            CollectionState::Restoring => Err(Error::CollectionNotReady(name.to_string())),
        }
    }

    /// What the sources of another collection had ingested into the snapshot that a
    /// collection was restored from, the oldest first.
    pub fn source_positions(&self, uid: Uuid) -> Result<Vec<SourcePosition>, Error> {
        self.inner.records.scan(&SourcePosition::within(uid)).map(|found| Ok(found?.record)).collect()
    }

    /// Checks that the parent of a list exists.
    pub fn check_parent(&self, parent: &ListParent) -> Result<(), Error> {
        self.inner.workspaces.check_parent(parent)
    }

    /// Shows the collections of a workspace, or all, in the order of their names, from a
    /// name on. `each` says how long it goes on.
    pub fn list(
        &self,
        parent: &ListParent,
        from: Option<&str>,
        each: &mut dyn FnMut(Collection) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.check_parent(parent)?;
        self.inner.records.list(&Collection::by_name(), &parent.prefix_of("collections"), from, each)
    }

    /// Changes the description or the labels.
    pub async fn update(
        &self,
        name: &CollectionName,
        etag: Option<Etag>,
        settings: &Settings,
    ) -> Result<Collection, Error> {
        let change = || {
            let seen = self.stored(name)?;
            Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
            let mut next = seen.record.clone();
            let Settings { description, labels } = settings.clone();
            next.description = description.unwrap_or(next.description);
            next.labels = labels.unwrap_or(next.labels);
            next.update_time = self.inner.clock.now();
            next.revision += 1;
            Ok((Change::default().replace(&seen, &next), next))
        };
        self.inner.records.change(change).await
    }

    /// Deletes a collection: unbinds the name, retires the bytes.
    pub async fn delete(&self, name: &CollectionName, etag: Option<Etag>) -> Result<(), Error> {
        let inner = &self.inner;
        let change = || {
            let seen = self.ready(name)?;
            Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
            let retired = Retired { uid: seen.uid, name: name.clone(), delete_time: inner.clock.now() };
            // Before: its bytes may be given back, and the handle dropped, at once.
            let handle = self.handle(seen.uid);
            // Its sources go with it; what they have noted goes with the database.
            let its_sources = Source::of_collection(seen.uid);
            let sources = inner.records.find(&its_sources)?;
            let change = sources.iter().fold(Change::default(), Change::remove);
            // And what it knew of those of another one.
            let change =
                self.source_positions(seen.uid)?.iter().fold(change, |change, known| change.forget(known.key()));
            Ok((change.remove(&seen).insert(&retired).at_most(0, &its_sources, None), handle))
        };
        let handle = inner.records.change(change).await?;
        handle.mark_deleted();
        tracing::info!(%name, uid = %handle.uid(), "collection deleted");
        self.forget_statistics(handle.uid());
        Ok(())
    }

    /// What a collection holds. One that is not open and whose statistics were
    /// not saved, because of a crash, is opened; but not again and again if it cannot be.
    pub async fn stats(&self, record: &Collection) -> Result<Stats, Error> {
        if record.state != CollectionState::Ready {
            return Ok(Stats::default());
        }
        let uid = record.uid;
        self.check_sound(uid)?;
        let known = match self.if_open(uid).await {
            None => self.statistics(uid).await?,
            Some(engine) => Some((engine.totals(), engine.stored_bytes().await)),
        };
        let (totals, stored_bytes) = match known {
            Some(known) => known,
            None => {
                let lease = self.open(&record.name, uid).await?;
                (lease.engine().totals(), lease.engine().stored_bytes().await)
            }
        };
        Ok(Stats::new(totals, stored_bytes, self.inner.clock.now()))
    }

    /// Refuses, without opening anything, a collection that could not be opened a while
    /// ago because of damage.
    fn check_sound(&self, uid: Uuid) -> Result<(), Error> {
        let handle = self.inner.handles.lock().get(&uid).cloned();
        handle.and_then(|handle| handle.damage()).map_or(Ok(()), Err)
    }

    /// The totals, as far as they are known without opening anything.
    async fn totals_if_known(&self, uid: Uuid) -> Result<Option<Totals>, Error> {
        match self.if_open(uid).await {
            None => Ok(self.statistics(uid).await?.map(|(totals, _)| totals)),
            Some(engine) => Ok(Some(engine.totals())),
        }
    }

    /// A collection's database, if it is open.
    async fn if_open(&self, uid: Uuid) -> Option<Arc<Engine>> {
        let handle = self.inner.handles.lock().get(&uid).cloned();
        handle?.open_engine().await
    }

    /// Whether there is a collection of a uid, a retired one or one in restoring included.
    pub(super) fn is_known(&self, uid: Uuid) -> Result<bool, Error> {
        let records = &self.inner.records;
        Ok(records.count(&Collection::of_uid(uid)) > 0 || records.get(&Retired::at(uid))?.is_some())
    }

    /// The uids of collections, retired ones and those in restoring included.
    pub fn known_uids(&self) -> Result<HashSet<Uuid>, Error> {
        let at = self.inner.records.at();
        let mut known = HashSet::new();
        for found in at.scan(&Collection::all()) {
            known.insert(found?.uid);
        }
        for found in at.scan(&Retired::all()) {
            known.insert(found?.uid);
        }
        Ok(known)
    }
}

impl Inner {
    /// Has the retire worker look at one collection, if it is a deleted one, and at no other.
    fn ring_for_retired(&self, uid: Uuid) {
        self.retire_due.lock().insert(uid);
        self.retire_bell.notify_one();
    }
}

/// Says that a collection is being created, for as long as it is.
struct Creating<'a> {
    inner: &'a Inner,
    uid: Uuid,
}

impl<'a> Creating<'a> {
    fn begin(inner: &'a Inner, uid: Uuid) -> Self {
        inner.creating.lock().insert(uid);
        Self { inner, uid }
    }

    /// Nobody knows whether it was made: as long as this process lives, nothing of it is
    /// removed.
    fn stay(self) {
        std::mem::forget(self);
    }
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        self.inner.creating.lock().remove(&self.uid);
    }
}
