//! The metadata store: every record, in one sled tree.
//!
//! **M1** [`Metadata::commit`] returns only when the change survives power loss:
//! sled's own flush ends at `sync_file_range`, so an `fdatasync` of its file
//! follows; commits that wait together share one. **M2** A change is atomic
//! over all its records, and applies only to the exact bytes that it read
//! ([`Conflict`](CommitError::Conflict) otherwise: read again). Readers may see
//! it a moment before it is durable. **M3** Every record carries a revision, so
//! equal bytes mean an untouched record.
//!
//! **M4** A flush that fails stops the service: see `flush`.
//!
//! sled 0.34 is pinned and stays behind this file.

mod keys;
mod records;

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use prost::Message;

pub use self::{keys::Key, records::*};
use crate::{error::Error, tasks::Tasks};

/// Small records, all of them hot: sled's default of 1 GiB is for databases.
const CACHE_BYTES: u64 = 16 << 20;

/// A record of one kind.
pub trait Record: Message + Default + Clone {
    /// The key it lives under, unique over all kinds.
    fn key(&self) -> Key<Self>;
}

/// A record and the exact bytes it came from: the only ticket to replace it.
#[derive(Clone, Debug)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    raw: sled::IVec,
}

impl<R> std::ops::Deref for Stored<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A record is no longer what the change had read.
    #[error("a record changed meanwhile")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl CommitError {
    /// A conflict where a lock rules one out is a mistake of ours.
    #[must_use]
    pub fn unexpected(self) -> Error {
        match self {
            Self::Conflict => Error::internal("a record changed under its lock"),
            Self::Failed(error) => error,
        }
    }
}

/// A set of writes that happen together or not at all.
#[derive(Debug, Default)]
#[must_use]
pub struct Change {
    expected: Vec<(Vec<u8>, Option<sled::IVec>)>,
    writes: sled::Batch,
}

impl Change {
    /// Inserts a record whose key must be free.
    pub fn insert<R: Record>(mut self, record: &R) -> Self {
        let key = record.key().into_bytes();
        self.writes.insert(key.clone(), record.encode_to_vec());
        self.expected.push((key, None));
        self
    }

    /// Replaces the record that `seen` was read from.
    pub fn replace<R: Record>(mut self, seen: &Stored<R>, next: &R) -> Self {
        let key = next.key().into_bytes();
        debug_assert_eq!(key, seen.record.key().into_bytes(), "a record never moves");
        self.writes.insert(key.clone(), next.encode_to_vec());
        self.expected.push((key, Some(seen.raw.clone())));
        self
    }

    /// Removes the record that `seen` was read from.
    pub fn remove<R: Record>(mut self, seen: &Stored<R>) -> Self {
        let key = seen.record.key().into_bytes();
        self.writes.remove(key.clone());
        self.expected.push((key, Some(seen.raw.clone())));
        self
    }

    /// Requires that the record `seen` was read from is still the same.
    pub fn require<R: Record>(mut self, seen: &Stored<R>) -> Self {
        self.expected.push((seen.record.key().into_bytes(), Some(seen.raw.clone())));
        self
    }

    /// Writes a record whatever was there: for caches that no one compares.
    pub fn put<R: Record>(mut self, record: &R) -> Self {
        self.writes.insert(record.key().into_bytes(), record.encode_to_vec());
        self
    }

    /// Removes whatever is under the key.
    pub fn forget<R: Record>(mut self, key: Key<R>) -> Self {
        self.writes.remove(key.into_bytes());
        self
    }
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Metadata {
    inner: Arc<Inner>,
}

struct Inner {
    db: sled::Db,
    file: Arc<File>,
    tasks: Tasks,
    /// Held while a change is compared and applied.
    apply: Mutex<()>,
    /// Changes applied so far.
    applied: AtomicU64,
    /// Of those, how many are durable; its lock is the queue of the flushers.
    durable: tokio::sync::Mutex<u64>,
}

impl Metadata {
    /// Opens or creates the store in a directory.
    pub fn open(directory: &Path, tasks: Tasks) -> Result<Self, Error> {
        let db = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?;
        let file = Arc::new(File::options().read(true).write(true).open(directory.join("db"))?);
        let inner = Inner {
            db,
            file,
            tasks,
            apply: Mutex::new(()),
            applied: AtomicU64::new(0),
            durable: tokio::sync::Mutex::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads one record.
    pub fn get<R: Record>(&self, key: &Key<R>) -> Result<Option<Stored<R>>, Error> {
        self.inner.db.get(key.as_bytes())?.map(decode).transpose()
    }

    /// Reads the records whose keys begin with `prefix`, in the order of keys.
    pub fn scan<R: Record>(&self, prefix: &Key<R>) -> impl Iterator<Item = Result<Stored<R>, Error>> + use<R> {
        self.inner.db.scan_prefix(prefix.as_bytes()).map(|entry| decode(entry?.1))
    }

    /// How many records of each kind there are.
    pub fn count(&self) -> Result<BTreeMap<&'static str, usize>, Error> {
        let mut counted = BTreeMap::new();
        for key in self.inner.db.iter().keys() {
            *counted.entry(keys::kind_of(&key?)).or_default() += 1;
        }
        Ok(counted)
    }

    /// Makes a change durable (M1, M2).
    pub async fn commit(&self, change: Change) -> Result<(), CommitError> {
        let ticket = self.apply(change)?;
        self.flush(ticket).await?;
        Ok(())
    }

    fn apply(&self, change: Change) -> Result<u64, CommitError> {
        let inner = &self.inner;
        let _one_at_a_time = inner.apply.lock();
        for (key, expected) in &change.expected {
            if inner.db.get(key).map_err(Error::from)? != *expected {
                return Err(CommitError::Conflict);
            }
        }
        inner.db.apply_batch(change.writes).map_err(Error::from)?;
        Ok(inner.applied.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Whoever holds the lock flushes for all who wait behind it.
    async fn flush(&self, ticket: u64) -> Result<(), Error> {
        let inner = &self.inner;
        let mut durable = inner.durable.lock().await;
        if *durable >= ticket {
            return Ok(());
        }
        let covered = inner.applied.load(Ordering::SeqCst);
        if let Err(error) = self.sync().await {
            // The change is visible and may or may not survive. Neither going on
            // nor undoing is safe, and a second sync proves nothing: the service
            // stops, and the next start reads what there is.
            tracing::error!(?error, "the metadata could not be made durable; the service stops");
            inner.tasks.fail();
            std::future::pending::<()>().await;
        }
        *durable = covered;
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        self.inner.db.flush_async().await?;
        let file = Arc::clone(&self.inner.file);
        let synced = self.inner.tasks.blocking(move || file.sync_data()).await;
        synced.map_err(|panicked| Error::Internal(Arc::new(panicked)))??;
        Ok(())
    }
}

fn decode<R: Record>(raw: sled::IVec) -> Result<Stored<R>, Error> {
    Ok(Stored { record: R::decode(raw.as_ref())?, raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(id: &str, revision: u64) -> Workspace {
        Workspace { id: id.to_owned(), revision, ..Workspace::default() }
    }

    #[tokio::test]
    async fn a_change_applies_to_what_it_read_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = Metadata::open(dir.path(), Tasks::default()).unwrap();
        metadata.commit(Change::default().insert(&workspace("a", 1))).await.unwrap();
        let seen = metadata.get(&Workspace::at("a")).unwrap().unwrap();
        metadata.commit(Change::default().replace(&seen, &workspace("a", 2))).await.unwrap();

        let stale = Change::default().insert(&workspace("b", 1)).replace(&seen, &workspace("a", 3));
        assert!(matches!(metadata.commit(stale).await, Err(CommitError::Conflict)));
        assert!(metadata.get(&Workspace::at("b")).unwrap().is_none(), "M2: all or nothing");
        assert_eq!(metadata.get(&Workspace::at("a")).unwrap().unwrap().revision, 2);
    }

    #[tokio::test]
    async fn every_kind_is_counted_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = Metadata::open(dir.path(), Tasks::default()).unwrap();
        let change = Change::default()
            .insert(&Instance::default())
            .insert(&workspace("a", 1))
            .insert(&workspace("b", 1))
            .insert(&Collection::default())
            .insert(&CollectionStats::default())
            .insert(&Retired::default())
            .insert(&Intent::default())
            .insert(&Snapshot::default())
            .insert(&Restore::default())
            .insert(&RequestId::default())
            .insert(&Source::default())
            .insert(&RetiredSource::default());
        metadata.commit(change).await.unwrap();
        let counted = metadata.count().unwrap();
        assert_eq!((counted.len(), counted["workspace"]), (11, 2));
        assert!(!counted.contains_key("unknown"), "{counted:?}");
    }

    #[tokio::test]
    async fn a_scan_stays_inside_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = Metadata::open(dir.path(), Tasks::default()).unwrap();
        let collection = |workspace: &str, id: &str| Collection {
            workspace: workspace.into(),
            id: id.into(),
            ..Collection::default()
        };
        let change = Change::default()
            .insert(&collection("a", "x"))
            .insert(&collection("a-b", "x"))
            .insert(&collection("ab", "x"))
            .insert(&collection("a", "y"));
        metadata.commit(change).await.unwrap();
        let found: Vec<_> =
            metadata.scan(&Collection::within("a")).map(|c| c.unwrap().record).map(|c| (c.workspace, c.id)).collect();
        assert_eq!(found, [("a".into(), "x".into()), ("a".into(), "y".into())]);
    }
}
