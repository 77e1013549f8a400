//! The raw copy of a restore: the files that a checkpoint references, into a
//! new database, without reading a document.
//!
//! **R1**, **R5** The manifest goes last: until then the destination is no
//! database, and a copy that was interrupted goes on where it was. The steps:
//!
//! 1. the checkpoint's manifest alone goes to a staging path; there the intervals
//!    that the retention has dropped are drained, and the checkpoints that it
//!    inherited are deleted (they name manifests that will not exist, and garbage
//!    collection would fail on them);
//! 2. every file that is left is copied, as a hard link where the disk can;
//! 3. data logs behind the checkpoint, if there are any;
//! 4. the staging manifest becomes the destination's: the commit point.
//!
//! Linked files are immutable, so no operation on either side reaches the other
//! (**R2**); a damaged disk block would. `bytes` copies avoid that.

use std::{
    collections::HashMap,
    fs::File,
    path::Path as FilePath,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use futures::StreamExt;
use slatedb::{
    VersionedManifest,
    object_store::{ObjectStoreExt, path::Path},
};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;
use uuid::Uuid;

use super::{
    checkpoint::{Files, log_ids, log_name, sst, sst_ids},
    drain::has_files_below,
    keys::Bucket,
    root::{collection, staging},
    store::Store,
};
use crate::error::Error;

/// How files are copied on a local disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// Hard links; bytes where links fail.
    #[default]
    Auto,
    /// Hard links only.
    Link,
    /// Bytes only: the copy shares nothing, not even a damaged block.
    Bytes,
}

impl FromStr for CopyMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "link" => Ok(Self::Link),
            "bytes" => Ok(Self::Bytes),
            _ => Err("one of auto, link, bytes".to_owned()),
        }
    }
}

/// How far a copy is; shared with whoever shows it, and stops it.
#[derive(Debug)]
pub struct Copied {
    /// Bytes of whole files.
    pub bytes: AtomicI64,
    /// Files.
    pub files: AtomicI64,
    stop: CancellationToken,
}

impl Copied {
    /// Nothing yet; `stop` ends the copy between two files.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { bytes: AtomicI64::new(0), files: AtomicI64::new(0), stop }
    }
}

/// What is copied, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// The collection that it is copied from.
    pub source: Uuid,
    /// The manifest of the checkpoint.
    pub manifest_id: u64,
    /// Buckets below it are left out.
    pub floor: Bucket,
    /// The new collection.
    pub destination: Uuid,
    /// The files to copy, with their sizes.
    pub files: &'a Files,
}

impl Store {
    /// Copies what the checkpoint in a manifest references, unless that was done
    /// before.
    pub async fn copy(&self, transfer: Transfer<'_>, mode: CopyMode, done: &Copied) -> Result<(), Error> {
        let Transfer { source, manifest_id, floor, destination, files: _ } = transfer;
        if self.exists(destination).await? {
            // A crash may have come right behind the commit point.
            return self.root.remove_prefix(&staging(destination)).await;
        }
        let manifest = self.stage(source, manifest_id, floor, destination).await?;
        // An earlier attempt may have got so far; files appear whole or not at all.
        let present = self.root.list(&collection(destination).join("compacted")).await?;
        let present: HashMap<Path, u64> = present.into_iter().collect();
        let copies = sst_ids(&manifest).into_iter().map(|id| self.copy_sst(transfer, id, &present, mode, done));
        // All of them end, whatever becomes of one: no file may appear after a
        // failed copy has been cleaned up.
        let ended: Vec<Result<(), Error>> =
            futures::stream::iter(copies).buffer_unordered(self.tuning.copies_at_once).collect().await;
        ended.into_iter().collect::<Result<(), Error>>()?;
        self.copy_log(source, destination, &manifest, mode).await?;
        let from = manifest_path(&staging(destination), manifest.id());
        let to = manifest_path(&collection(destination), manifest.id());
        self.root.store().copy(&from, &to).await?;
        self.root.remove_prefix(&staging(destination)).await
    }

    /// Prepares the destination's manifest, which knows no checkpoints.
    async fn stage(
        &self,
        source: Uuid,
        manifest_id: u64,
        floor: Bucket,
        destination: Uuid,
    ) -> Result<VersionedManifest, Error> {
        let stage = staging(destination);
        let admin = self.admin(stage.clone());
        if self.on_manifest(admin.read_manifest(None)).await?.is_none() {
            let from = manifest_path(&collection(source), manifest_id);
            let copied = self.root.store().copy(&from, &manifest_path(&stage, manifest_id)).await;
            self.unless_missing(&from, copied.map_err(Error::from)).await?;
        }
        let vanished = || Error::internal("the staging manifest vanished");
        if has_files_below(&self.on_manifest(admin.read_manifest(None)).await?.ok_or_else(vanished)?, floor) {
            self.drain(&stage, floor).await?;
        }
        for checkpoint in self.on_manifest(admin.list_checkpoints(None)).await? {
            self.on_manifest(admin.delete_checkpoint(checkpoint.id)).await?;
        }
        self.on_manifest(admin.read_manifest(None)).await?.ok_or_else(vanished)
    }

    async fn copy_sst(
        &self,
        transfer: Transfer<'_>,
        id: Ulid,
        present: &HashMap<Path, u64>,
        mode: CopyMode,
        done: &Copied,
    ) -> Result<(), Error> {
        if done.stop.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let (from, to) = (sst(transfer.source, id), sst(transfer.destination, id));
        let size = transfer.files.size(id);
        let is_copied = present.get(&to).is_some_and(|found| i64::try_from(*found).ok() == size);
        if !is_copied {
            self.copy_file(&from, &to, mode).await?;
        }
        done.bytes.fetch_add(size.unwrap_or(0), Ordering::Relaxed);
        done.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What became of a copy. A file that is not there will not come back, so
    /// nobody should try again.
    async fn unless_missing(&self, from: &Path, copied: Result<(), Error>) -> Result<(), Error> {
        if copied.is_err() && self.root.size(from).await?.is_none() {
            return Err(Error::DataLoss(format!("the file {from} is missing")));
        }
        copied
    }

    /// With a checkpoint of all writes there is normally only fences behind it:
    /// empty logs, one per open. Fences at the end that were collected are put
    /// back, because SlateDB counts on every number; a hole would be lost data.
    async fn copy_log(
        &self,
        source: Uuid,
        destination: Uuid,
        manifest: &VersionedManifest,
        mode: CopyMode,
    ) -> Result<(), Error> {
        let mut missing = Vec::new();
        for id in log_ids(manifest) {
            let name = log_name(id);
            let [from, to] = [source, destination].map(|uid| collection(uid).join("wal").join(name.clone()));
            if self.root.size(&from).await?.is_none() {
                missing.push(to);
                continue;
            }
            if !missing.is_empty() {
                return Err(Error::DataLoss(format!("logs before {id} of collection {source} are missing")));
            }
            self.copy_file(&from, &to, mode).await?;
        }
        for fence in missing {
            self.root.put(&fence, bytes::Bytes::new()).await?;
        }
        Ok(())
    }

    async fn copy_file(&self, from: &Path, to: &Path, mode: CopyMode) -> Result<(), Error> {
        let (Some(source), Some(target)) = (self.root.file(from), self.root.file(to)) else {
            // The server of the bucket copies it.
            let copied = self.root.store().copy(from, to).await;
            return self.unless_missing(from, copied.map_err(Error::from)).await;
        };
        if mode != CopyMode::Bytes {
            match self.root.store().copy(from, to).await {
                Err(error) if mode == CopyMode::Auto => {
                    tracing::debug!(%error, %from, "no hard link; copying the bytes");
                }
                copied => {
                    let hint = |error| Error::internal(format!("no hard link, see --restore-copy: {error}"));
                    return self.unless_missing(from, copied.map_err(hint)).await;
                }
            }
        }
        // Others may have taken the room since the restore was let in.
        let size = tokio::fs::metadata(&source).await.map_or(0, |file| file.len());
        self.space.admit_bytes(size)?;
        let copied = self.tasks.blocking(move || copy_bytes(&source, &target)).await;
        let copied = copied.map_err(|panicked| Error::Internal(Arc::new(panicked)))?;
        self.unless_missing(from, copied).await
    }

    /// Whether a copy takes up as many bytes of a disk of ours as it has.
    #[must_use]
    pub fn copies_bytes(&self, mode: CopyMode) -> bool {
        match mode {
            CopyMode::Bytes => self.root.directory().is_some(),
            CopyMode::Link => false,
            CopyMode::Auto => self.root.directory().is_some() && !self.root.has_links(),
        }
    }

    /// Whether every file of a restored collection is there with its size.
    pub async fn check_files(&self, destination: Uuid, files: &Files) -> Result<(), Error> {
        let directory = collection(destination).join("compacted");
        let present = self.root.list(&directory).await?;
        let found = present.iter().filter_map(|(path, size)| {
            let id = super::keep::file_id(path.filename()?)?;
            (files.size(id) == i64::try_from(*size).ok()).then_some(id)
        });
        let found = i64::try_from(found.count()).unwrap_or(i64::MAX);
        if found == files.count() {
            return Ok(());
        }
        Err(Error::DataLoss(format!("{found} of {} files are there with their sizes", files.count())))
    }
}

/// Copies one file so that it appears whole and durable, or not at all.
fn copy_bytes(from: &FilePath, to: &FilePath) -> Result<(), Error> {
    let parent = to.parent().ok_or_else(|| Error::internal("a file without a directory"))?;
    std::fs::create_dir_all(parent)?;
    // Like the unfinished uploads of the store: hidden, and swept at start.
    let unfinished = to.with_extension("sst#copy");
    std::fs::copy(from, &unfinished)?;
    File::open(&unfinished)?.sync_all()?;
    std::fs::rename(&unfinished, to)?;
    File::open(parent)?.sync_all()?;
    Ok(())
}

fn manifest_path(database: &Path, id: u64) -> Path {
    database.clone().join("manifest").join(format!("{id:020}.manifest"))
}
