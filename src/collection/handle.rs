//! Databases are opened when they are used, and closed when they are not: a
//! thousand idle ones would keep polling.

use std::{
    collections::HashSet,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    documents::{Engine, IsAlone, Keep, Known, Totals},
    error::Error,
    names::CollectionName,
    records::{Snapshot, SnapshotState, Stored},
};

/// How long after a failed open nobody tries again: while storage is away each
/// attempt takes its time, and those behind it would wait for all before them.
const OPEN_PAUSE: Duration = Duration::from_secs(1);
/// File lists that are read at once.
const LISTS_AT_ONCE: usize = 16;
/// How long after an attempt to find out what an open collection must keep another is made.
const FILL_AGAIN: Duration = Duration::from_secs(60);

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

    /// The totals and the bytes of the files, if the collection is open.
    pub async fn open_totals(&self) -> Option<(Totals, i64)> {
        let slot = self.slot.lock().await;
        let engine = slot.as_ref().filter(|engine| !engine.has_failed())?;
        Some((engine.totals(), engine.stored_bytes()))
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
}

impl Lease {
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

    /// Runs something that ends with the collection.
    pub async fn unless_deleted<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let deleted = || Error::CollectionDeleted(self.name.clone());
        self.handle.deleted.run_until_cancelled(work).await.unwrap_or_else(|| Err(deleted()))
    }
}

impl Deref for Lease {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
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

    /// Asks whether the records are all that there are. Nobody else can write to a
    /// directory, whose lock is ours.
    fn is_alone(&self) -> IsAlone {
        let (is_shared, records) = (self.inner.store.may_have_rivals(), self.inner.records.clone());
        Arc::new(move || {
            let records = records.clone();
            Box::pin(async move {
                !is_shared
                    || records.is_newest().await.unwrap_or_else(|error| {
                        tracing::debug!(%error, "files stay until storage can be asked for newer records");
                        false
                    })
            })
        })
    }

    /// Whether a collection may be open: it has been used a moment ago.
    pub(super) fn is_open(&self, uid: Uuid) -> bool {
        self.inner.handles.lock().contains_key(&uid)
    }

    /// Opens a READY collection by name.
    pub async fn lease(&self, name: &CollectionName) -> Result<Lease, Error> {
        let uid = self.ready(name)?.uid();
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
        Ok(Lease { engine, handle, name: name.to_string() })
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
        let (known, copied) = self.known_snapshots(handle)?;
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
                self.let_go_of_checkpoints(handle, &engine, &copied);
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
        tracing::warn!(error = ?full, %uid, "the disk is full; the collection can only be read");
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
    fn known_snapshots(&self, handle: &Handle) -> Result<(Known, HashSet<Uuid>), Error> {
        let mut known = Known::default();
        let mut copied = HashSet::new();
        for Stored { record: snapshot, .. } in self.inner.records.find(&Snapshot::of_collection(handle.uid))? {
            if snapshot.state() == SnapshotState::Requested {
                known.requested.push(snapshot.uid());
            }
            if let Some(totals) = &snapshot.totals {
                known.created.push(snapshot.uid());
                known.last_created_offset = known.last_created_offset.max(Some(totals.offset));
            }
            // That of one which is gone may have come late.
            if snapshot.has_copy() || snapshot.released {
                copied.insert(snapshot.uid());
            }
        }
        Ok((known, copied))
    }

    /// Deletes checkpoints that were to go when their snapshots were CREATED.
    fn let_go_of_checkpoints(&self, handle: &Arc<Handle>, engine: &Engine, copied: &HashSet<Uuid>) {
        let left: Vec<Uuid> = engine.checkpoints().into_iter().filter(|owner| copied.contains(owner)).collect();
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

    /// Finds out beside everything else what garbage collection must leave alone: an open
    /// does not wait for the lists of all snapshots.
    fn begin_to_fill(&self, handle: &Arc<Handle>) {
        if handle.keep.is_complete() {
            return;
        }
        *handle.last_fill.lock() = Some(Instant::now());
        let (collections, handle) = (self.clone(), Arc::clone(handle));
        self.inner.store.tasks().work("keep", async move {
            let stop = collections.inner.store.tasks().stop_token();
            if let Some(Err(error)) = stop.run_until_cancelled(collections.fill(&handle)).await {
                tracing::warn!(?error, uid = %handle.uid, "no file is given back until it is known what snapshots need");
            }
        });
    }

    /// Finds out what garbage collection must leave alone, unless that is known. Until
    /// then it leaves every file alone.
    async fn fill(&self, handle: &Handle) -> Result<(), Error> {
        let _filling = handle.filling.lock().await;
        if !handle.keep.is_complete() {
            self.fill_in(handle).await?;
            handle.keep.complete();
        }
        Ok(())
    }

    /// What is taken meanwhile is told of by who takes it.
    async fn fill_in(&self, handle: &Handle) -> Result<(), Error> {
        let inner = &self.inner;
        let found = inner.records.find(&Snapshot::of_collection(handle.uid))?;
        let filled = futures::stream::iter(found).map(Ok).try_for_each_concurrent(LISTS_AT_ONCE, |found| async move {
            let is_kept = || found.record.is_kept(&inner.records);
            if handle.keep.knows(found.uid()) || !is_kept()? {
                return Ok(());
            }
            match inner.store.load_files_while(found.record.file_list(), is_kept).await {
                Ok(Some(files)) => handle.keep.snapshot(found.uid(), files.ids().collect()),
                // Released meanwhile: then there is nothing to keep.
                Ok(None) => return Ok(()),
                Err(error) if error.is_transient() => return Err(error),
                // The collection itself is made of other objects, and may be whole.
                Err(error) => {
                    tracing::warn!(%error, snapshot = %found.name(), "all files of its collection are kept for it");
                    handle.keep.snapshot_of_unknown_files(found.uid());
                }
            }
            if !is_kept()? {
                // It may have been given back just before.
                handle.keep.release(found.uid());
            }
            Ok(())
        });
        filled.await
    }

    /// Closes what has not been used for a while.
    pub async fn close_idle(&self) {
        let idle = self.inner.store.idle_close();
        let handles: Vec<_> = self.inner.handles.lock().values().cloned().collect();
        for handle in handles {
            if handle.last_fill.lock().is_some_and(|begun| begun.elapsed() >= FILL_AGAIN) {
                self.begin_to_fill(&handle);
            }
            let held = handle.slot.try_lock().ok().and_then(|slot| slot.clone());
            if let Some(engine) = held
                && engine.is_overtaken().await.unwrap_or(false)
            {
                self.step_down(&engine);
            }
            let is_idle = || {
                handle.users.load(Ordering::SeqCst) == 0
                    && !handle.keep.is_scanned()
                    && handle.last_used.lock().elapsed() >= idle
            };
            if !is_idle() {
                continue;
            }
            let mut slot = handle.locked().await;
            if is_idle()
                && let Some(engine) = slot.take()
            {
                if engine.is_draining().await.unwrap_or(false) {
                    *slot = Some(engine);
                } else {
                    self.close(&handle, &engine).await;
                }
            }
            drop(slot);
            self.forget_handle(&handle);
        }
    }

    /// A closed handle holds nothing that the records do not say.
    fn forget_handle(&self, handle: &Arc<Handle>) {
        let mut handles = self.inner.handles.lock();
        // The map's and the caller's: nobody else can be opening it.
        let unused = Arc::strong_count(handle) <= 2 && handle.users.load(Ordering::SeqCst) == 0;
        let closed = handle.slot.try_lock().is_ok_and(|slot| slot.is_none());
        if unused && closed && !handle.deleted.is_cancelled() {
            handles.remove(&handle.uid);
        }
    }

    async fn close(&self, handle: &Handle, engine: &Engine) {
        let stored_bytes = engine.stored_bytes();
        if let Err(error) = engine.close(true).await {
            tracing::warn!(%error, uid = %handle.uid, "an idle collection did not close cleanly");
            return;
        }
        match self.fill(handle).await {
            Ok(()) => self.inner.store.collect_closed(handle.uid, Arc::clone(&handle.keep)).await,
            Err(error) => tracing::warn!(%error, uid = %handle.uid, "nothing of an idle collection is collected"),
        }
        self.save_stats(handle, engine.totals(), stored_bytes).await;
    }

    async fn save_stats(&self, handle: &Handle, totals: Totals, stored_bytes: i64) {
        if handle.deleted.is_cancelled() {
            return;
        }
        self.save_statistics(handle.uid, totals, stored_bytes).await;
    }

    /// Collects files in a collection that is not open; an open one collects
    /// by itself.
    pub async fn collect_if_closed(&self, uid: Uuid) {
        let handle = self.handle(uid);
        let slot = handle.locked().await;
        // What is known to be damaged is not looked at again for this.
        if slot.is_some() || handle.damage().is_some() {
            return;
        }
        let looked = async {
            self.inspect(&handle).await?;
            self.fill(&handle).await
        };
        match looked.await {
            Ok(()) => {
                handle.keep.trust();
                self.inner.store.collect_closed(uid, Arc::clone(&handle.keep)).await;
            }
            Err(error) => tracing::warn!(%error, %uid, "nothing of a closed collection is collected"),
        }
    }

    /// Closes everything, quickly: the logs are replayed at the next open.
    pub async fn close_all(&self) {
        let handles: Vec<_> = self.inner.handles.lock().drain().map(|(_, handle)| handle).collect();
        let closes = handles.into_iter().map(|handle| async move {
            let Some(engine) = handle.locked().await.take() else { return };
            let stored_bytes = engine.stored_bytes();
            match engine.close(false).await {
                Ok(()) => self.save_stats(&handle, engine.totals(), stored_bytes).await,
                Err(error) => tracing::warn!(%error, uid = %handle.uid, "a collection did not close cleanly"),
            }
        });
        futures::future::join_all(closes).await;
    }

    /// Closes a deleted collection for good, once nobody holds it. Nobody can
    /// open it again while the guard is held.
    pub(super) async fn close_retired<'a>(&self, handle: &'a Handle) -> Option<Closed<'a>> {
        handle.mark_deleted();
        let mut slot = handle.locked().await;
        if handle.users.load(Ordering::SeqCst) > 0 || handle.keep.is_scanned() {
            return None;
        }
        let uid = handle.uid;
        if let Some(engine) = slot.take()
            && let Err(error) = engine.close(false).await
        {
            tracing::warn!(%error, %uid, "a deleted collection did not close cleanly");
        }
        Some(slot)
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
