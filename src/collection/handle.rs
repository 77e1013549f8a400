//! Databases are opened when they are used, and closed when they are not: a
//! thousand idle ones would keep polling.

mod close;
mod fill;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    access::Caller,
    documents::{Engine, IsAlone, Keep, Known, Totals},
    error::Error,
    names::CollectionName,
    records::{Contents, Snapshot, SnapshotState, Stored},
    share::Tenant,
};

/// How long after a failed open nobody tries again: while storage is away each
/// attempt takes its time, and those behind it would wait for all before them.
const OPEN_PAUSE: Duration = Duration::from_secs(1);

/// A collection that may be open.
pub struct Handle {
    uid: Uuid,
    keep: Arc<Keep>,
    slot: tokio::sync::Mutex<Option<Arc<Engine>>>,
    /// How and when the last open failed, until one succeeds.
    failed_open: Mutex<Option<(Instant, Error)>>,
    users: AtomicUsize,
    last_used: Mutex<Instant>,
    deleted: CancellationToken,
    /// Snapshots of a collection are taken one at a time.
    cutting: tokio::sync::Mutex<()>,
    /// Held by who finds out what garbage collection must leave alone.
    filling: tokio::sync::Mutex<()>,
    /// When that was begun last.
    last_fill: Mutex<Option<Instant>>,
}

impl Handle {
    fn new(uid: Uuid, is_alone: IsAlone) -> Self {
        Self {
            uid,
            keep: Arc::new(Keep::new(is_alone)),
            slot: tokio::sync::Mutex::default(),
            failed_open: Mutex::default(),
            users: AtomicUsize::new(0),
            last_used: Mutex::new(Instant::now()),
            deleted: CancellationToken::new(),
            cutting: tokio::sync::Mutex::default(),
            filling: tokio::sync::Mutex::default(),
            last_fill: Mutex::default(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        self.uid
    }

    /// Ends what clients do with the collection.
    pub fn mark_deleted(&self) {
        self.deleted.cancel();
    }

    /// Waits for the turn to take a snapshot.
    pub async fn cut_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.cutting.lock().await
    }

    /// What garbage collection must leave alone.
    #[must_use]
    pub fn keep(&self) -> &Arc<Keep> {
        &self.keep
    }

    /// The database, if it is open.
    pub(super) async fn open_engine(&self) -> Option<Arc<Engine>> {
        let slot = self.slot.lock().await;
        slot.as_ref().filter(|engine| !engine.has_failed()).cloned()
    }

    /// What kept the last open from succeeding, if that does not pass by itself. Who only
    /// wants to show the collection, or to tidy it up, does not try again.
    pub(super) fn damage(&self) -> Option<Error> {
        let failed = self.failed_open.lock();
        failed.as_ref().map(|(_, error)| error).filter(|error| !error.is_transient()).cloned()
    }

    /// Notes why an open failed. That the collection is gone, or the server, is no fault
    /// of its data.
    fn failed(&self, error: Error) -> Error {
        if !matches!(error, Error::CollectionDeleted(_) | Error::ShuttingDown) {
            *self.failed_open.lock() = Some((Instant::now(), error.clone()));
        }
        error
    }

    /// The files that an open collection's manifest lists change under it, so
    /// what happens to a closed one happens under this lock.
    async fn locked(&self) -> tokio::sync::MutexGuard<'_, Option<Arc<Engine>>> {
        self.slot.lock().await
    }
}

/// Keeps a closed collection closed.
pub(super) type Closed<'a> = tokio::sync::MutexGuard<'a, Option<Arc<Engine>>>;

/// An open collection, for as long as it is held.
pub struct Lease {
    engine: Arc<Engine>,
    handle: Arc<Handle>,
    name: String,
    tenant: Tenant,
}

impl Lease {
    /// Its reads and writes are a caller's, in the workspace of the collection.
    #[must_use]
    pub fn of(mut self, caller: &Caller) -> Self {
        self.tenant = caller.tenant_in(self.tenant.workspace());
        self
    }

    /// Whose part of shared budgets it takes: its workspace's, and its caller's of that.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Its name, for errors.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The handle it was opened through.
    #[must_use]
    pub fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Its documents.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs something that ends with the collection.
    pub async fn unless_deleted<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let deleted = || Error::CollectionDeleted(self.name.clone());
        self.handle.deleted.run_until_cancelled(work).await.unwrap_or_else(|| Err(deleted()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.handle.last_used.lock() = Instant::now();
        self.handle.users.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Collections {
    /// The handle of a uid.
    #[must_use]
    pub fn handle(&self, uid: Uuid) -> Arc<Handle> {
        let mut handles = self.inner.handles.lock();
        Arc::clone(handles.entry(uid).or_insert_with(|| Arc::new(Handle::new(uid, self.is_alone()))))
    }

    /// Whether a collection may be open: it has been used a moment ago.
    pub(super) fn is_open(&self, uid: Uuid) -> bool {
        self.inner.handles.lock().contains_key(&uid)
    }

    /// Opens a READY collection by name.
    pub async fn lease(&self, name: &CollectionName) -> Result<Lease, Error> {
        let uid = self.ready(name)?.uid;
        let lease = self.open(name, uid).await?;
        if lease.handle.deleted.is_cancelled() {
            return Err(Error::CollectionDeleted(lease.name.clone()));
        }
        Ok(lease)
    }

    /// Opens the database of a collection, deleted or not.
    pub async fn open(&self, name: &CollectionName, uid: Uuid) -> Result<Lease, Error> {
        let handle = self.handle(uid);
        handle.users.fetch_add(1, Ordering::SeqCst);
        // From here on the guard counts the user out again.
        let mut guard = UserGuard { handle: Some(handle) };
        let (collections, wanted) = (self.clone(), Arc::clone(guard.handle()));
        // A database whose opening is given up half-way would live on unowned,
        // so an open runs to its end when the caller goes away.
        let opened =
            self.inner.store.tasks().work("collection open", async move { collections.engine(&wanted).await }).await;
        let engine = opened.map_err(|panicked| Error::Internal(Arc::new(panicked)))??;
        let handle = guard.disarm();
        Ok(Lease { engine, handle, name: name.to_string(), tenant: Tenant::of_workspace(name.workspace.as_str()) })
    }

    async fn engine(&self, handle: &Arc<Handle>) -> Result<Arc<Engine>, Error> {
        let asked = Instant::now();
        let mut slot = handle.locked().await;
        let held = slot.as_ref().filter(|engine| !engine.has_failed()).cloned();
        if let Some(engine) = &held
            && !(engine.is_read_only() && self.inner.store.space().has_least())
        {
            return Ok(Arc::clone(engine));
        }
        if let Some((when, error)) = handle.failed_open.lock().clone()
            && when + OPEN_PAUSE > asked
        {
            return held.ok_or(error);
        }
        let mut abandoned = None;
        if held.is_none()
            && let Some(failed) = slot.take()
        {
            match failed.is_overtaken().await {
                Ok(true) => {
                    self.step_down(&failed);
                    *slot = Some(failed);
                    return Err(Error::ShuttingDown);
                }
                Ok(false) => abandoned = Some(self.abandon(failed)),
                Err(error) => {
                    // Whose it is shows when the storage answers.
                    *slot = Some(failed);
                    return Err(handle.failed(error));
                }
            }
        }
        match self.open_engine(handle, held.is_some(), abandoned).await {
            Ok(engine) => {
                if !engine.is_read_only() {
                    *handle.failed_open.lock() = None;
                }
                if let Some(reader) = slot.replace(Arc::clone(&engine)) {
                    self.abandon(reader);
                }
                Ok(engine)
            }
            Err(error) => held.ok_or(handle.failed(error)),
        }
    }

    /// Closes a database that has failed, beside its successor: it may be stuck
    /// in what storage does not answer, and what it still gets through is fenced
    /// off by the next open to write.
    fn abandon(&self, failed: Arc<Engine>) -> JoinHandle<()> {
        if failed.is_fenced() {
            tracing::warn!(uid = %failed.uid(), "a database has met an entry of an attempt of ours; it is opened again");
        }
        failed.begin_close();
        self.inner.store.tasks().work("collection close", async move {
            if let Err(error) = failed.close(false).await {
                tracing::warn!(%error, uid = %failed.uid(), "a failed database did not close cleanly");
            }
        })
    }

    /// Another server has this root, by a copy of our data directory: two of them would
    /// only fence each other off in turn.
    fn step_down(&self, fenced: &Engine) {
        tracing::error!(uid = %fenced.uid(), "another server has opened this storage root; this one stops");
        self.inner.store.tasks().fail();
    }

    /// Opens a database; to be read alone if there is no room for more, and none is.
    async fn open_engine(
        &self,
        handle: &Arc<Handle>,
        is_read: bool,
        abandoned: Option<JoinHandle<()>>,
    ) -> Result<Arc<Engine>, Error> {
        // Nobody would close it any more. What opens one before the stop is
        // waited for here by `close_all`.
        if self.inner.store.tasks().stop_token().is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let least = self.inspect(handle).await?;
        let (known, needless) = self.known_snapshots(handle.uid)?;
        let known = Known { least, ..known };
        self.forget_statistics(handle.uid);
        let (store, uid) = (&self.inner.store, handle.uid);
        if handle.damage().is_some() {
            // It may be refused again, by what it holds: an open to write would leave its
            // entries each time.
            Engine::open_to_read(store, uid, Arc::clone(&handle.keep), &known).await?.close(false).await?;
        }
        let full = match Engine::open(store, uid, Arc::clone(&handle.keep), &known).await {
            Ok(engine) => {
                self.begin_to_fill(handle);
                self.let_go_of_checkpoints(handle, &engine, &needless);
                return Ok(engine);
            }
            Err(error) if !is_read && Engine::needs_room(&error) => handle.failed(error),
            Err(error) => return Err(error),
        };
        // Nothing fences off what it may still get through.
        if let Some(abandoned) = abandoned {
            let _ = abandoned.await;
        }
        let opened = Engine::open_to_read(store, uid, Arc::clone(&handle.keep), &known).await?;
        tracing::warn!(error = full.in_full(), %uid, "the disk is full; the collection can only be read");
        Ok(opened)
    }

    /// Refuses a closed collection that is not what was left, and then lets nothing of it
    /// be collected. Returns the totals that it must have, at least.
    async fn inspect(&self, handle: &Handle) -> Result<Vec<Totals>, Error> {
        let uid = handle.uid;
        let inspected = async {
            let (least, totals) = self.least(uid)?;
            self.inner.store.inspect(uid, &least).await.map(|()| totals)
        };
        match inspected.await {
            Ok(totals) => Ok(totals),
            // Deleted, and given back, since the caller looked the name up.
            Err(Error::DataLoss(_)) if !self.is_known(uid)? => Err(Error::CollectionDeleted(uid.to_string())),
            Err(error) => {
                handle.keep.distrust();
                Err(error)
            }
        }
    }

    /// What the records say of a collection's snapshots; and those that need no
    /// checkpoint.
    fn known_snapshots(&self, collection: Uuid) -> Result<(Known, HashSet<Uuid>), Error> {
        let mut known = Known::default();
        let mut needless = HashSet::new();
        for Stored { record: snapshot, .. } in self.inner.records.find(&Snapshot::of_collection(collection))? {
            if snapshot.state == SnapshotState::Requested {
                known.requested.push(snapshot.uid);
            }
            if let Some(Contents { totals, .. }) = &snapshot.contents {
                known.created.push(snapshot.uid);
                known.last_created_offset = known.last_created_offset.max(Some(totals.offset));
            }
            // That of one which is gone may have come late.
            let has_copy = snapshot.contents.as_ref().is_some_and(|contents| contents.manifest.has_copy());
            if has_copy || snapshot.released {
                needless.insert(snapshot.uid);
            }
        }
        Ok((known, needless))
    }

    /// Deletes checkpoints that were to go when their snapshots were CREATED, or ended.
    fn let_go_of_checkpoints(&self, handle: &Arc<Handle>, engine: &Engine, needless: &HashSet<Uuid>) {
        let left: Vec<Uuid> = engine.checkpoints().into_iter().filter(|owner| needless.contains(owner)).collect();
        if left.is_empty() {
            return;
        }
        // It stays open meanwhile: what is closed has a newest manifest that is known.
        handle.users.fetch_add(1, Ordering::SeqCst);
        let guard = UserGuard { handle: Some(Arc::clone(handle)) };
        let (collections, uid) = (self.clone(), handle.uid);
        self.inner.store.tasks().work("checkpoint deletion", async move {
            let _guard = guard;
            for owner in left {
                if let Err(error) = collections.unpin(uid, owner).await {
                    tracing::debug!(%error, %uid, snapshot = %owner, "a checkpoint stays until the next open");
                }
            }
        });
    }

    /// Forgets the handle of a collection that is gone.
    pub(super) fn drop_handle(&self, uid: Uuid) {
        self.inner.handles.lock().remove(&uid);
    }
}

/// Counts a user out if opening fails or is given up.
struct UserGuard {
    handle: Option<Arc<Handle>>,
}

impl UserGuard {
    #[allow(clippy::expect_used, reason = "disarm takes self's only handle, once, at the end")]
    fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("armed")
    }

    #[allow(clippy::expect_used, reason = "disarm takes self's only handle, once, at the end")]
    fn disarm(&mut self) -> Arc<Handle> {
        self.handle.take().expect("armed")
    }
}

impl Drop for UserGuard {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // What kept it from opening is remembered for as long as an open one would be.
            *handle.last_used.lock() = Instant::now();
            handle.users.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
