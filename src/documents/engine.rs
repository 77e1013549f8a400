//! An open collection: its database, its writer and what they share.

use std::{sync::Arc, time::Duration};

use slatedb::{
    CloseReason, DbReadOps,
    config::{CloseOptions, FlushOptions, FlushType, ScanOptions},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    base::Base,
    checkpoints::checkpoint::CutOutcome,
    databases::{
        buffers::{Database, Ticket},
        keep::Keep,
        store::Store,
    },
    fault,
    filter::IdFilter,
    keys::{self, Bucket},
    paths,
    retention::Retention,
    stored::{self, LastCount, Manifests},
    totals::{Dropped, Totals},
    truncation::{drain::Drains, drained::Drained, floor::Floor},
    writing::{
        cutoff::Cutoff,
        writer::{self, Command, Reusable},
    },
};
use crate::error::Error;

/// Batches that wait for the writer; their bytes are bounded by the store.
const QUEUE: usize = 256;
const CLOSE_DEADLINE: Duration = Duration::from_secs(20);

/// What the metadata knows of a collection's snapshots when it is opened, to
/// settle what a crash left open between a cut and its record.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The offset of the newest snapshot that was ever CREATED.
    pub last_created_offset: Option<i64>,
    /// Snapshots that are still REQUESTED.
    pub requested: Vec<Uuid>,
    /// Those that were CREATED, whatever became of them.
    pub created: Vec<Uuid>,
    /// Totals that the collection had: it may have gone on since, but not back.
    pub least: Vec<Totals>,
}

/// An open collection.
pub struct Engine {
    pub(super) uid: Uuid,
    pub(super) base: Base,
    pub(super) store: Store,
    pub(super) keep: Arc<Keep>,
    pub(super) durable: watch::Receiver<Totals>,
    pub(super) filter: Arc<IdFilter>,
    pub(super) cutoff: Arc<Cutoff>,
    /// Which open of the database this is.
    epoch: u64,
    /// Of one that can be written to.
    buffer: Option<Ticket>,
    commands: mpsc::Sender<Command>,
    failed: CancellationToken,
    closing: CancellationToken,
    manifests: LastCount,
}

impl Engine {
    /// Makes the database of a new, empty collection.
    pub async fn create(store: &Store, uid: Uuid, retention: Option<Retention>) -> Result<(), Error> {
        store.root.prepare(uid).await?;
        let db = store.open_quiet_database(uid).await?;
        let put = match retention {
            Some(_) => db.put(keys::TOTALS, Totals::empty(retention).encode()).await.map(drop),
            None => Ok(()),
        };
        // Whatever became of that: one that is left open goes on writing.
        db.close().await?;
        Ok(put?)
    }

    /// Opens the database of a collection. Nothing in it is collected before its totals
    /// have shown that it is what was left.
    pub async fn open(store: &Store, uid: Uuid, keep: Arc<Keep>, known: &Known) -> Result<Arc<Self>, Error> {
        keep.distrust();
        store.mend_compactions(uid).await?;
        // It covers exactly one offset; what is written from now on makes it a lie. One
        // that power loss brings back is of an offset that is not ours any more.
        let saved = store.root.get(&filter_path(uid)).await?;
        if saved.is_some() {
            store.root.delete(&filter_path(uid)).await?;
        }
        let floor = Arc::new(Floor::default());
        // From here on it is closed, or the engine's: left open it would go on writing.
        let scheduler = Drains::and_compactions(Arc::clone(&floor));
        let db = store.open_database(uid, Arc::clone(&keep), scheduler).await?;
        let mut totals = match checked_totals(&db, uid, known).await {
            Ok(totals) => totals,
            Err(error) => {
                let closed = db.close_with_options(CloseOptions::default().with_flush_type(None)).await;
                if let Err(error) = closed {
                    tracing::warn!(%error, %uid, "a database that was refused did not close cleanly");
                }
                return Err(error);
            }
        };
        keep.trust();
        settle(&mut totals, known);
        // What a crash kept from being drained is drained now.
        floor.raise(totals.floor);

        let loaded = saved.and_then(|bytes| IdFilter::decode(&bytes, totals.offset, &store.filters));
        let known_ids = loaded.is_some() || totals.document_count == 0;
        let filter = Arc::new(match loaded {
            Some(filter) => filter,
            None if known_ids => IdFilter::empty(&store.filters),
            None => IdFilter::incomplete(&store.filters),
        });

        let database = Database::new(db.clone());
        let replayed = database.replayed();
        let buffer = store.buffers.open(database, replayed);
        let (commands, queue) = mpsc::channel(QUEUE);
        let (publish, durable) = watch::channel(totals.clone());
        let (failed, closing) = (CancellationToken::new(), CancellationToken::new());
        let cutoff = Arc::new(Cutoff::new(&totals, store.clock.clone()));
        let shared =
            writer::Shared { filter: Arc::clone(&filter), floor, cutoff: Arc::clone(&cutoff), failed: failed.clone() };
        let writer = writer::Writer::new(buffer, db.clone(), store.clone(), totals, shared);
        store.tasks.work("writer", writer.run(queue, publish));
        let (store, epoch) = (store.clone(), db.manifest().writer_epoch());
        let (base, buffer) = (Base::Open(db), Some(buffer));
        let engine = Arc::new(Self {
            uid,
            base,
            store,
            keep,
            durable,
            filter,
            cutoff,
            epoch,
            buffer,
            commands,
            failed,
            closing,
            manifests: LastCount::default(),
        });
        if !known_ids {
            engine.store.tasks.work("id scan", engine.learn_ids());
        }
        Ok(engine)
    }

    /// Opens the database of a collection to read what was acknowledged, while there is
    /// no room on the disk for the entries of an open to write. Nothing is written.
    pub async fn open_to_read(store: &Store, uid: Uuid, keep: Arc<Keep>, known: &Known) -> Result<Arc<Self>, Error> {
        let reader = store.open_to_read(uid).await?;
        let mut totals = match checked_totals(&reader, uid, known).await {
            Ok(totals) => totals,
            Err(error) => {
                if let Err(error) = reader.close().await {
                    tracing::debug!(%error, %uid, "a reader that was refused did not close");
                }
                return Err(error);
            }
        };
        settle(&mut totals, known);
        let filter = Arc::new(IdFilter::incomplete(&store.filters));
        let cutoff = Arc::new(Cutoff::new(&totals, store.clock.clone()));
        // Nobody answers: what is sent is refused.
        let (commands, _) = mpsc::channel(1);
        let (_, durable) = watch::channel(totals);
        let (failed, closing) = (CancellationToken::new(), CancellationToken::new());
        let (store, epoch) = (store.clone(), reader.manifest().writer_epoch());
        let (base, buffer) = (Base::ReadOnly(Arc::new(reader)), None);
        Ok(Arc::new(Self {
            uid,
            base,
            store,
            keep,
            durable,
            filter,
            cutoff,
            epoch,
            buffer,
            commands,
            failed,
            closing,
            manifests: LastCount::default(),
        }))
    }

    /// Whether an open to write failed for want of room, so that one to read may not.
    #[must_use]
    pub fn needs_room(error: &Error) -> bool {
        fault::is_full(error)
    }

    /// Whether it can only be read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.base.to_write().is_none()
    }

    /// The collection's uid.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        self.uid
    }

    /// The totals of all durable writes.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.durable.borrow().clone()
    }

    /// Bytes of the files that hold the collection now, and of its manifests as they were
    /// counted a moment ago.
    pub async fn stored_bytes(&self) -> i64 {
        let manifests = self.manifests.get(&self.store, self.uid).await;
        stored::stored_bytes(&self.base.manifest(), manifests)
    }

    /// The same of one that is closed and was collected since.
    #[must_use]
    pub fn stored_bytes_beside(&self, manifests: Manifests) -> i64 {
        stored::stored_bytes(&self.base.manifest(), manifests)
    }

    /// Whether it must be opened again: a write failed, so what the database
    /// holds in memory can no longer be trusted.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.is_cancelled() || self.base.status().close_reason.is_some()
    }

    /// Whether its database has found an entry in its place: of another process, or of
    /// an attempt of this one that was given up and came through late.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.base.status().close_reason == Some(CloseReason::Fenced)
    }

    /// Whether it is fenced by another process: every open for writing is counted in the
    /// manifest.
    pub async fn is_overtaken(&self) -> Result<bool, Error> {
        Ok(self.is_fenced() && self.store.is_overtaken(self.uid, self.epoch).await?)
    }

    /// The part of [`close`](Self::close) that must come before the database is
    /// opened again.
    pub fn begin_close(&self) {
        if !self.closing.is_cancelled() {
            self.closing.cancel();
            if let Some(buffer) = self.buffer {
                self.store.buffers.close(buffer);
            }
        }
    }

    /// Drops the intervals that have expired as a whole, and starts to give their
    /// files back. Durable when this returns.
    pub async fn expire(&self) -> Result<Dropped, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Expire { reply }).await?;
        let dropped = answer.await.map_err(|_| self.stopped())??;
        // What is still in memory would only become a file to be drained later.
        // It may have to wait for storage, or for merges: nobody else should.
        let Some(db) = self.base.to_write().cloned() else { return Ok(dropped) };
        self.store.tasks.work("flush", async move {
            let memtable = FlushOptions { flush_type: FlushType::MemTable };
            if let Err(error) = db.flush_with_options(memtable).await {
                tracing::debug!(%error, "a buffer was not flushed behind a drop; its owner will see why");
            }
        });
        Ok(dropped)
    }

    /// Whether files of dropped intervals are still to be given back, which takes
    /// an open database.
    pub async fn is_draining(&self) -> Result<bool, Error> {
        let floor = self.durable.borrow().floor;
        Ok(floor > 0 && self.store.drained(self.uid, floor).await? == Drained::Not)
    }

    /// Cuts a snapshot between two batches. `reuse` is what the last one holds,
    /// which still has its files.
    pub async fn cut(&self, snapshot: Uuid, reuse: Option<Reusable>) -> Result<CutOutcome, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Cut { snapshot, reuse, reply }).await?;
        answer.await.map_err(|_| self.stopped())?
    }

    /// Says what became of the snapshot of a cut.
    pub async fn settle_cut(&self, snapshot: Uuid, created: bool) -> Result<(), Error> {
        self.send(Command::SettleCut { snapshot, created }).await
    }

    fn stopped(&self) -> Error {
        if self.is_read_only() {
            return self.store.space.refusal();
        }
        if self.store.tasks.stop_token().is_cancelled() {
            return Error::ShuttingDown;
        }
        Error::Unavailable(Arc::new(std::io::Error::other("the collection is being opened again")))
    }

    /// Whether a checkpoint of this name exists.
    #[must_use]
    pub fn has_checkpoint(&self, owner: Uuid) -> bool {
        let name = owner.to_string();
        self.base.manifest().checkpoints().iter().any(|checkpoint| checkpoint.name.as_deref() == Some(&name))
    }

    /// Who has a checkpoint.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<Uuid> {
        let manifest = self.base.manifest();
        let named = manifest.checkpoints().iter().filter_map(|checkpoint| checkpoint.name.as_deref());
        named.filter_map(|name| name.parse().ok()).collect()
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| self.stopped())
    }

    /// Closes the database; everything acknowledged is durable already. With
    /// `tidy` the memtable is flushed and the ids are saved, so that the next
    /// open is quick; without, the log is left to be replayed.
    pub async fn close(&self, tidy: bool) -> Result<(), Error> {
        self.begin_close();
        let (reply, answer) = oneshot::channel();
        let stopped_cleanly = match self.commands.send(Command::Close { reply }).await {
            Ok(()) => tokio::time::timeout(CLOSE_DEADLINE, answer).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        if tidy && let Some(totals) = &stopped_cleanly {
            self.save_ids(totals.offset).await;
        }
        let flush = if tidy { FlushType::MemTable } else { FlushType::Wal };
        match tokio::time::timeout(CLOSE_DEADLINE, self.base.close(flush)).await {
            Ok(closed) => Ok(closed?),
            Err(_) => Err(Error::internal("the database did not close in time")),
        }
    }

    async fn save_ids(&self, offset: i64) {
        let Some(bytes) = self.filter.encode(offset) else { return };
        if let Err(error) = self.store.root.put(&filter_path(self.uid), bytes).await {
            tracing::warn!(%error, uid = %self.uid, "the id filter was not saved; the next open rebuilds it");
        }
    }

    /// Reads all ids in the background. Those written meanwhile are inserted by
    /// the writer, those from before are in the scan.
    fn learn_ids(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let engine = Arc::clone(self);
        async move {
            let learned = engine.closing.run_until_cancelled(engine.scan_ids()).await;
            if let Some(Err(error)) = learned {
                tracing::warn!(%error, uid = %engine.uid, "ids were not learned; writes look them up");
            }
        }
    }

    async fn scan_ids(&self) -> Result<(), Error> {
        let _guard = self.keep.scan();
        let options = ScanOptions { cache_blocks: false, ..scan_options() };
        // The floor may move meanwhile; what is learned of below it is never asked for.
        let from = self.durable.borrow().floor;
        let mut entries = self.base.scan(keys::documents(from..=Bucket::MAX), &options).await?;
        while let Some(entry) = entries.next().await? {
            if let Some((bucket, id)) = keys::parse_document(&entry.key) {
                self.filter.insert(bucket, id);
            }
        }
        self.filter.complete();
        Ok(())
    }
}

/// How scans read: far ahead, because they read everything.
pub(super) fn scan_options() -> ScanOptions {
    ScanOptions { read_ahead_bytes: 1 << 20, max_fetch_tasks: 2, cache_blocks: false, ..ScanOptions::default() }
}

/// The totals as the database has them, if they are not behind what is known of them.
async fn checked_totals(db: &(impl DbReadOps + Sync), uid: Uuid, known: &Known) -> Result<Totals, Error> {
    let totals = read_totals(db).await?;
    match known.least.iter().find_map(|least| least.missing_in(&totals)) {
        Some(why) => Err(Error::DataLoss(format!("{} is not what was left: {why}", paths::collection(uid)))),
        None => Ok(totals),
    }
}

/// The totals as the database has them, with what each interval holds.
pub(super) async fn read_totals(db: &(impl DbReadOps + Sync)) -> Result<Totals, Error> {
    let Some(bytes) = db.get(keys::TOTALS).await? else { return Ok(Totals::default()) };
    let mut totals = Totals::decode(&bytes)?;
    let mut intervals = db.scan(keys::intervals()).await?;
    while let Some(entry) = intervals.next().await? {
        let bucket = keys::parse_interval(&entry.key);
        let bucket = bucket.ok_or_else(|| Error::DataLoss(format!("the entry {:?} is not an interval", entry.key)))?;
        totals.decode_interval(bucket, &entry.value)?;
    }
    Ok(totals)
}

/// Where the ids are saved.
pub(super) fn filter_path(uid: Uuid) -> slatedb::object_store::path::Path {
    paths::collection(uid).join("ids.filter")
}

/// Settles what a crash left open: a cut resets the change counter with the
/// next batch, its snapshot becomes CREATED at about the same time.
fn settle(totals: &mut Totals, known: &Known) {
    let pending: Vec<Uuid> = totals.pending.iter().map(|cut| cut.snapshot).collect();
    for snapshot in pending {
        if known.created.contains(&snapshot) {
            totals.keep_cut(snapshot);
        } else if !known.requested.contains(&snapshot) {
            totals.give_back(snapshot);
        }
    }
    if known.last_created_offset.is_some_and(|offset| offset > totals.snapshot_offset) {
        // CREATED, and nothing was written since: the reset was never stored.
        totals.changed_bytes = 0;
        totals.snapshot_offset = totals.offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        documents::{Root, Tuning},
        tasks::Tasks,
    };

    /// A sender may be between its two steps when the writer looks at its queue for the last
    /// time: it has its place there, and has not taken it.
    #[tokio::test]
    async fn what_is_being_sent_when_the_writer_ends_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let background = tokio::runtime::Handle::current();
        let root = Root::local(dir.path()).unwrap();
        let store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
        let uid = Uuid::from_u128(1);
        Engine::create(&store, uid, None).await.unwrap();
        let engine = Engine::open(&store, uid, Arc::default(), &Known::default()).await.unwrap();
        let place = engine.commands.reserve().await.unwrap();
        engine.close(false).await.unwrap();
        engine.commands.closed().await;
        let (reply, answer) = oneshot::channel();
        place.send(Command::Cut { snapshot: uid, reuse: None, reply });
        let ended = tokio::time::timeout(Duration::from_secs(30), answer).await;
        assert!(ended.expect("it hears that there is none").is_err());
    }

    #[test]
    fn a_reset_that_was_lost_is_made_up_for() {
        let mut totals = Totals { offset: 5, changed_bytes: 50, ..Totals::default() };
        settle(&mut totals, &Known { last_created_offset: Some(5), ..Known::default() });
        assert_eq!((totals.changed_bytes, totals.snapshot_offset), (0, 5));
    }

    #[test]
    fn pending_cuts_are_kept_given_back_or_left_alone() {
        let [created, requested, gone] = [1, 2, 3].map(Uuid::from_u128);
        let mut totals = Totals::default();
        for (snapshot, changed) in [(created, 1), (requested, 10), (gone, 100)] {
            totals.changed_bytes = changed;
            totals.size_bytes = 1000;
            totals.cut(snapshot);
        }
        settle(&mut totals, &Known { created: vec![created], requested: vec![requested], ..Known::default() });
        assert_eq!(totals.changed_bytes, 100);
        assert_eq!(totals.pending.iter().map(|cut| cut.snapshot).collect::<Vec<_>>(), [requested]);
    }
}
