//! The index: what the log says, in one sled database, for reading.
//!
//! Nothing depends on its being there, whole or new: at the start its contents
//! are compared with the log, and made again if they differ. It is written behind
//! the log and never synced for the log's sake.

mod reading;
mod renewed;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use prost::Message;
use uuid::Uuid;

pub use self::reading::Reading;
use super::{
    checksum::Checksum,
    entry::{Hash, Tip},
    raw::{Raw, joined, split},
    secondary::SecondaryIndexes,
    terms,
};
use crate::{
    error::Error,
    stored::{BaseRecord, IndexTip, RecordWrite},
};

/// Small records, all of them hot: sled's default of 1 GiB is for databases.
const CACHE_BYTES: u64 = 16 << 20;
/// Where the tip is. No key of a record begins like that.
const TIP: &[u8] = b"\0tip";
const FIRST_KEY: &[u8] = b"\x01";

/// The database and its parts.
#[derive(Clone)]
struct Trees {
    directory: PathBuf,
    records: sled::Tree,
    cache: sled::Tree,
    db: sled::Db,
    /// The first that could not be written any more, if one could not.
    before: Option<sled::Db>,
}

impl Trees {
    fn open(directory: &Path) -> Result<Self, Error> {
        let db = sled::Config::new().path(directory).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?;
        let (records, cache) = (db.open_tree("records")?, db.open_tree("cache")?);
        Ok(Self { directory: directory.to_owned(), records, cache, db, before: None })
    }

    fn checksum(&self) -> Result<Checksum, Error> {
        let mut checksum = Checksum::default();
        for entry in self.records.range(FIRST_KEY..) {
            let (key, raw) = entry?;
            let (version, value) = split(&raw)?;
            checksum.add(&key, version, value);
        }
        Ok(checksum)
    }
}

/// The index. Clones share it.
#[derive(Clone)]
pub struct Index {
    trees: Arc<RwLock<Trees>>,
    /// Held shared by who reads, alone while a change is applied: what is read meanwhile is
    /// of one revision.
    newest: Arc<RwLock<Newest>>,
    /// For a test: nothing can be written any more.
    #[cfg(test)]
    pub(super) is_broken: Arc<std::sync::atomic::AtomicBool>,
}

/// What the records are found by, and the revision that they are at.
#[derive(Default)]
struct Newest {
    secondary: SecondaryIndexes,
    revision: u64,
}

impl Index {
    /// Opens or creates the index in a directory. sled ends on some damage with a
    /// panic, which the caller has to expect.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        remove_leftovers(directory).map_err(|error| Error::from(error).at(directory))?;
        let trees = Trees::open(directory).map_err(|error| error.at(directory))?;
        renewed::remove_all(directory);
        Ok(Self {
            trees: Arc::new(RwLock::new(trees)),
            newest: Arc::default(),
            #[cfg(test)]
            is_broken: Arc::default(),
        })
    }

    fn records(&self) -> sled::Tree {
        self.trees.read().records.clone()
    }

    fn db(&self) -> sled::Db {
        self.trees.read().db.clone()
    }

    /// How far it is, and of which instance; `None` if it is new.
    pub fn tip(&self) -> Result<Option<(Uuid, Tip)>, Error> {
        let Some(bytes) = self.records().get(TIP)? else { return Ok(None) };
        let damaged = || Error::DataLoss("the index of the records is damaged".to_owned());
        let stored = IndexTip::decode(bytes.as_ref())?;
        let instance = Uuid::from_slice(&stored.instance).map_err(|_| damaged())?;
        let hash = Hash::from_stored(&stored.hash).ok_or_else(damaged)?;
        let checksum = Checksum::read(stored.checksum.as_ref()).ok_or_else(damaged)?;
        Ok(Some((instance, Tip { revision: stored.revision, hash, checksum })))
    }

    /// Adds up all records, reading every one.
    pub fn checksum(&self) -> Result<Checksum, Error> {
        self.trees.read().clone().checksum()
    }

    /// Reads all of the cache, to find out whether that can be done.
    pub fn read_cache(&self) -> Result<(), Error> {
        for entry in &self.cache() {
            entry?;
        }
        Ok(())
    }

    /// One record.
    pub fn get(&self, key: &[u8]) -> Result<Option<Raw>, Error> {
        self.records().get(key)?.map(Raw::new).transpose()
    }

    /// The records as they are at one revision, for as long as it is held.
    pub fn at(&self) -> Reading<'_> {
        // In this order: a change is applied by who holds the first alone.
        let newest = self.newest.read();
        Reading { newest, records: self.records() }
    }

    /// Removes all records, to take a base in.
    pub fn clear(&self) -> Result<(), Error> {
        self.records().clear()?;
        *self.newest.write() = Newest::default();
        Ok(())
    }

    /// Fills the secondary indexes, once, when the records are those of the log.
    pub fn fill_secondary(&self) -> Result<(), Error> {
        let mut newest = self.newest.write();
        for entry in self.records().range(FIRST_KEY..) {
            let (key, raw) = entry?;
            newest.secondary.change(&key, Vec::new(), terms::entries(&key, split(&raw)?.1)?);
        }
        newest.revision = self.tip()?.map_or(0, |(_, tip)| tip.revision);
        Ok(())
    }

    /// The checksum behind these writes.
    pub fn checksum_after<'a>(
        &self,
        before: Checksum,
        revision: u64,
        writes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<Checksum, Error> {
        let mut after = before;
        for (key, value) in writes {
            if let Some(raw) = self.get(key)? {
                after.remove(key, raw.version(), raw.value());
            }
            if let Some(value) = value {
                after.add(key, revision, value);
            }
        }
        Ok(after)
    }

    /// The records under the keys of some writes, as they are.
    pub fn before(&self, writes: &[RecordWrite]) -> Result<Vec<Option<Raw>>, Error> {
        writes.iter().map(|write| self.get(&write.key)).collect()
    }

    /// Takes an entry of the log in, whose records were as [`before`](Self::before) says.
    pub fn apply(
        &self,
        instance: Uuid,
        tip: &Tip,
        writes: &[RecordWrite],
        before: &[Option<Raw>],
    ) -> Result<(), Error> {
        let (mut batch, mut moves) = (sled::Batch::default(), Vec::new());
        for (RecordWrite { key, value }, was) in writes.iter().zip(before) {
            let is = value.as_ref().map_or(Ok(Vec::new()), |value| terms::entries(key, value))?;
            moves.push((key, terms::entries_if(key, was.as_ref())?, is));
            match value {
                Some(value) => batch.insert(key.as_slice(), joined(tip.revision, value)),
                None => batch.remove(key.as_slice()),
            }
        }
        let mut newest = self.newest.write();
        self.write(instance, tip, batch)?;
        for (key, was, is) in moves {
            newest.secondary.change(key, was, is);
        }
        newest.revision = tip.revision;
        Ok(())
    }

    /// Takes some records of a base in; the last time with the base's tip.
    pub fn fill(&self, records: &[BaseRecord]) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for BaseRecord { key, version, value } in records {
            batch.insert(key.as_slice(), joined(*version, value));
        }
        Ok(self.records().apply_batch(batch)?)
    }

    /// Says how far it is.
    pub fn set_tip(&self, instance: Uuid, tip: &Tip) -> Result<(), Error> {
        self.write(instance, tip, sled::Batch::default())
    }

    fn write(&self, instance: Uuid, tip: &Tip, mut batch: sled::Batch) -> Result<(), Error> {
        #[cfg(test)]
        if self.is_broken.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(std::io::Error::other("for a test").into());
        }
        let stored = IndexTip { instance: instance.as_bytes().to_vec(), ..IndexTip::from(*tip) };
        batch.insert(TIP, stored.encode_to_vec());
        match self.records().apply_batch(batch.clone()) {
            Ok(()) => Ok(()),
            Err(error) => self.renew(&error, batch, &tip.checksum),
        }
    }

    /// What is not in the log, and may be lost.
    #[must_use]
    pub fn cache(&self) -> sled::Tree {
        self.trees.read().cache.clone()
    }

    /// Writes what is in memory to the disk, so that the next start has less to
    /// read again.
    ///
    /// Not by sled's own way: that waits on one of its seven threads for work that needs
    /// another, and seven at once in a process wait for ever.
    #[allow(clippy::disallowed_methods, reason = "awaited here, and its own end")]
    pub async fn flush(&self) -> Result<(), Error> {
        let db = self.db();
        let flushed = tokio::task::spawn_blocking(move || db.flush()).await;
        flushed.map_err(|panicked| Error::Internal(Arc::new(panicked)))??;
        Ok(())
    }

    /// The records of version 0.1.0, which had them here alone.
    pub fn legacy(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        let mut records = BTreeMap::new();
        for entry in self.db().iter() {
            let (key, value) = entry?;
            records.insert(key.to_vec(), value.to_vec());
        }
        Ok(records)
    }

    /// One of them.
    pub fn legacy_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.db().get(key)?.map(|value| value.to_vec()))
    }
}

/// Whether another process has the index open. sled says so only in words.
#[must_use]
pub fn is_locked(error: &Error) -> bool {
    matches!(error, Error::Unavailable(cause) if cause.to_string().contains("could not acquire lock"))
}

/// What a start that was cut short left: sled would stumble over it for ever.
fn remove_leftovers(directory: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
