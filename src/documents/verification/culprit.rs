//! Finds out what a restore failed by. Its copy is removed, so the name of a file in it
//! tells nobody anything; the snapshot stays, and is damaged or is not.

use std::{
    collections::{BTreeMap, HashMap},
    os::unix::fs::MetadataExt,
    sync::Arc,
};

use bytes::Bytes;
use futures::TryStreamExt;
use slatedb::{
    DbReader, SstReader,
    db_cache::{
        DbCache, SplitCache,
        moka::{MokaCache, MokaCacheOptions},
    },
    object_store::path::Path,
};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;
use uuid::Uuid;

use super::verify::{Proof, YIELD_EVERY};
use crate::{
    documents::{
        checkpoints::{files::Files, frozen::Frozen},
        copies::copy::Transfer,
        databases::store::Store,
        engine::scan_options,
        fault::unreadable,
        keys::{self, Bucket},
        paths::{collection, missing, sst},
        patience::within,
        totals::Totals,
        value::StoredDocument,
    },
    error::Error,
};

/// What indexes of files may take up in memory meanwhile. What is cached of the snapshot says
/// nothing about the disk.
const INDEX_BYTES: u64 = 16 << 20;

/// What a restore failed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The snapshot is damaged: an object of it, and how.
    Snapshot(String),
    /// The snapshot is whole; the copy of this object is not the same.
    Copy(String),
    /// The snapshot is whole, and so is what was copied of it.
    Neither,
}

impl Store {
    /// Reads a snapshot where it is, and then what was copied of it. `totals` are what its
    /// documents from the floor on should be.
    pub async fn culprit(
        &self,
        transfer: Transfer<'_>,
        totals: &Totals,
        stop: &CancellationToken,
    ) -> Result<Culprit, Error> {
        match self.look_at_snapshot(transfer, totals, stop).await {
            Ok(()) => Ok(self.wrong_copy(transfer, stop).await?.map_or(Culprit::Neither, Culprit::Copy)),
            Err(Error::DataLoss(why)) => Ok(Culprit::Snapshot(why)),
            Err(error) => Err(error),
        }
    }

    async fn look_at_snapshot(
        &self,
        transfer: Transfer<'_>,
        totals: &Totals,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let Transfer { manifest, floor, destination: _, files } = transfer;
        let present = self.sizes(manifest.collection).await?;
        for (id, size) in in_order(files) {
            let path = sst(manifest.collection, id);
            let found = *present.get(&path).ok_or_else(|| missing(&path))?;
            if found != size {
                return Err(Error::DataLoss(format!("{path} has {found} bytes, not {size}")));
            }
        }
        let frozen = self.frozen(manifest).await?;
        self.look_at_ends(manifest.collection, &frozen, files).await?;
        let options = MokaCacheOptions { max_capacity: INDEX_BYTES, ..MokaCacheOptions::default() };
        let indexes: Arc<dyn DbCache> = Arc::new(MokaCache::new_with_opts(options));
        let cache = Arc::new(SplitCache::new().with_meta_cache(Some(indexes)).build());
        let reader = self.open_frozen(manifest, cache).await?;
        let (store, totals, stop) = (self.clone(), totals.clone(), stop.clone());
        let work = async move {
            let proven = store.prove_in_place(&reader, floor, &totals, &stop).await;
            // Whatever became of that: one that is left open goes on looking.
            let closed = reader.close().await;
            proven?;
            Ok(closed?)
        };
        let joined = self.tasks.work_on(&self.background, "verification", work).await;
        joined.map_err(|panicked| Error::Internal(Arc::new(panicked)))?
    }

    /// Reads where the pieces of each file are, which no error of a scan names, and whether
    /// it is the file that the manifest lists.
    async fn look_at_ends(&self, uid: Uuid, frozen: &Frozen, files: &Files) -> Result<(), Error> {
        let reader = SstReader::new(collection(uid), self.root.store(), None, None);
        for view in frozen.manifest.all_sst_views() {
            let id = view.sst.id.value();
            if files.size(id).is_none() {
                continue;
            }
            let read = async {
                let file = reader.open(id).await?;
                file.index().await?;
                Ok::<_, slatedb::Error>(*file.info() == view.sst.info)
            };
            let path = sst(uid, id);
            match within(self.tuning.storage_patience.read, read).await {
                Ok(true) => {}
                Ok(false) => return Err(Error::DataLoss(format!("{path} is not what was written"))),
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        Ok(())
    }

    /// Reads all that a restore takes of a snapshot, and counts the documents.
    async fn prove_in_place(
        &self,
        reader: &DbReader,
        floor: Bucket,
        totals: &Totals,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let (mut proof, mut read) = (Proof::default(), 0_i64);
        for range in [keys::all_but_documents(), keys::documents(floor..=Bucket::MAX)] {
            let mut entries = reader.scan_with_options(range, &scan_options()).await?;
            while let Some(entry) = entries.next().await? {
                if keys::parse_document(&entry.key).is_some() {
                    proof.count(&StoredDocument::new(entry.key, entry.value)?);
                }
                read += 1;
                if read % YIELD_EVERY == 0 {
                    unless_stopped(stop)?;
                    self.step_back().await;
                }
            }
        }
        proof.check(totals)
    }

    /// The first file whose copy is not the same.
    async fn wrong_copy(&self, transfer: Transfer<'_>, stop: &CancellationToken) -> Result<Option<String>, Error> {
        let Transfer { manifest, floor: _, destination, files } = transfer;
        let present = self.sizes(destination).await?;
        for (id, size) in in_order(files) {
            unless_stopped(stop)?;
            let (from, to) = (sst(manifest.collection, id), sst(destination, id));
            if present.get(&to) != Some(&size) || !self.are_equal(&from, &to).await? {
                return Ok(Some(from.to_string()));
            }
        }
        Ok(None)
    }

    /// The sizes of the files of a database.
    async fn sizes(&self, uid: Uuid) -> Result<HashMap<Path, i64>, Error> {
        let present = self.root.list(&collection(uid).join("compacted")).await?;
        Ok(present.into_iter().map(|(path, size)| (path, i64::try_from(size).unwrap_or(i64::MAX))).collect())
    }

    /// Whether two objects hold the same.
    async fn are_equal(&self, one: &Path, other: &Path) -> Result<bool, Error> {
        if let (Some(one), Some(other)) = (self.root.file(one), self.root.file(other))
            && let (Ok(one), Ok(other)) = (one.metadata(), other.metadata())
            && (one.dev(), one.ino()) == (other.dev(), other.ino())
        {
            return Ok(true);
        }
        let (Some(mut one), Some(mut other)) = (self.root.stream(one).await?, self.root.stream(other).await?) else {
            return Ok(false);
        };
        let (mut left, mut right) = (Bytes::new(), Bytes::new());
        loop {
            for (stream, piece) in [(&mut one, &mut left), (&mut other, &mut right)] {
                while piece.is_empty() {
                    let Some(next) = stream.try_next().await? else { break };
                    *piece = next;
                }
            }
            let common = left.len().min(right.len());
            if common == 0 {
                return Ok(left.len() == right.len());
            }
            if left.split_to(common) != right.split_to(common) {
                return Ok(false);
            }
        }
    }
}

/// The files with their sizes, always in the same order.
fn in_order(files: &Files) -> BTreeMap<Ulid, i64> {
    files.ids().filter_map(|id| Some((id, files.size(id)?))).collect()
}

fn unless_stopped(stop: &CancellationToken) -> Result<(), Error> {
    if stop.is_cancelled() { Err(Error::ShuttingDown) } else { Ok(()) }
}
