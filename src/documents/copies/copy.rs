//! The raw copy of a restore: the files that a snapshot's manifest references, into a
//! new database, without reading a document.
//!
//! **R1**, **R5** The manifest goes last: until then the destination is no
//! database, and a copy that was interrupted goes on where it was. The steps:
//!
//! 1. the manifest alone goes to a staging path, without checkpoints (they would name
//!    manifests that will not exist, and garbage collection would fail on them); there
//!    the intervals that the retention has dropped are drained;
//! 2. every file that is left is copied, as a hard link where the disk can;
//! 3. fences in place of the logs that the manifest counts, since SlateDB counts on
//!    every number; behind a checkpoint of version 0.1.0 the logs themselves, which are
//!    written anew: they say whose they are;
//! 4. the staging manifest becomes the destination's: the commit point.
//!
//! Linked files are immutable, so no operation on either side reaches the other
//! (**R2**); a damaged disk block would. `bytes` copies avoid that.

use std::{
    collections::HashMap,
    error::Error as StdError,
    fs::File,
    io::{self, ErrorKind, Read},
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
    object_store::{self, ObjectStoreExt, path::Path},
};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;
use uuid::Uuid;

use crate::{
    documents::{
        checkpoints::{
            files::Files,
            frozen::{FrozenManifest, Held},
        },
        databases::store::Store,
        keys::Bucket,
        manifest,
        paths::{self, collection, log_ids, log_name, missing, sst, sst_ids, staging},
        sealed::{Kind, Place},
        truncation::drain::has_files_below,
    },
    durable::Staged,
    error::Error,
};

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

/// What is copied of a file before it counts, and before a stop is looked for.
const PIECE_BYTES: u64 = 8 << 20;

/// How far a copy is; shared with whoever shows it, and stops it. Clones are one.
#[derive(Clone, Debug)]
pub struct Copied {
    /// Bytes, those of files that are not whole yet too. What a failed copy got to stays counted: the work that it
    /// belongs to ends with it.
    pub bytes: Arc<AtomicI64>,
    /// Whole files.
    pub files: Arc<AtomicI64>,
    stop: CancellationToken,
}

impl Copied {
    /// Nothing yet; `stop` ends the copy between two pieces.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { bytes: Arc::default(), files: Arc::default(), stop }
    }
}

/// What is copied, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// The manifest of the snapshot.
    pub manifest: FrozenManifest,
    /// Buckets below it are left out.
    pub floor: Bucket,
    /// The new collection.
    pub destination: Uuid,
    /// The files to copy, with their sizes.
    pub files: &'a Files,
}

impl Store {
    /// Copies what a manifest references, unless that was done before.
    pub async fn copy(&self, transfer: Transfer<'_>, mode: CopyMode, done: &Copied) -> Result<(), Error> {
        let Transfer { manifest: frozen, floor, destination, files: _ } = transfer;
        if self.exists(destination).await? {
            // A crash may have come right behind the commit point.
            return self.root.remove_prefix(&staging(destination)).await;
        }
        let manifest = self.stage(frozen, floor, destination).await?;
        crate::crash_point!(RestoreStaged);
        self.root.prepare(destination).await?;
        // An earlier attempt may have got so far; files appear whole or not at all.
        let present = self.root.list(&collection(destination).join("compacted")).await?;
        let present: HashMap<Path, u64> = present.into_iter().collect();
        let copies = sst_ids(&manifest).into_iter().map(|id| self.copy_sst(transfer, id, &present, mode, done));
        // All of them end, whatever becomes of one: no file may appear after a
        // failed copy has been cleaned up.
        let ended: Vec<Result<(), Error>> =
            futures::stream::iter(copies).buffer_unordered(self.tuning.copies_at_once).collect().await;
        ended.into_iter().collect::<Result<(), Error>>()?;
        match frozen.held {
            Held::Copy { .. } => self.write_fences(destination, log_ids(&manifest)).await?,
            Held::Checkpoint(_) => self.copy_log(frozen.collection, destination, &manifest).await?,
        }
        crate::crash_point!(RestoreLinked);
        // Also what an earlier attempt has linked, which may have been killed before it
        // synced that.
        self.root.sync_tree(&collection(destination)).await?;
        let from = manifest::path(&staging(destination), manifest.id());
        let to = manifest::path(&collection(destination), manifest.id());
        self.root.store().copy(&from, &to).await?;
        crate::crash_point!(RestoreCommitted);
        self.root.remove_prefix(&staging(destination)).await
    }

    /// Prepares the destination's manifest, which knows no checkpoints.
    async fn stage(
        &self,
        frozen: FrozenManifest,
        floor: Bucket,
        destination: Uuid,
    ) -> Result<VersionedManifest, Error> {
        let stage = staging(destination);
        let admin = self.admin(stage.clone());
        if self.on_manifest(admin.read_manifest(None)).await?.is_none() {
            let bytes = self.frozen_bytes(frozen).await?;
            self.root.put(&manifest::path(&stage, frozen.id), bytes).await?;
        }
        let vanished = || Error::internal("the staging manifest vanished");
        if has_files_below(&self.on_manifest(admin.read_manifest(None)).await?.ok_or_else(vanished)?, floor) {
            self.drain(&stage, floor).await?;
        }
        // Those of the drain.
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
        let (from, to) = (sst(transfer.manifest.collection, id), sst(transfer.destination, id));
        let size = transfer.files.size(id);
        let is_copied = present.get(&to).is_some_and(|found| i64::try_from(*found).ok() == size);
        let is_counted = !is_copied && self.copy_file(&from, &to, mode, done).await?;
        if !is_counted {
            done.bytes.fetch_add(size.unwrap_or(0), Ordering::Relaxed);
        }
        done.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What became of a copy. A file that is not there will not come back, so
    /// nobody should try again.
    async fn unless_missing(&self, from: &Path, copied: Result<(), Error>) -> Result<(), Error> {
        if copied.is_err() && self.root.size(from).await?.is_none() {
            return Err(missing(from));
        }
        copied
    }

    /// Puts fences in place of logs: a cut is in files as a whole, so nothing in a log
    /// that its manifest counts would be replayed. A hole would be lost data.
    async fn write_fences(&self, destination: Uuid, ids: std::ops::Range<u64>) -> Result<(), Error> {
        for id in ids {
            self.root.put(&collection(destination).join("wal").join(log_name(id)), bytes::Bytes::new()).await?;
        }
        Ok(())
    }

    /// With a checkpoint of all writes there is normally only fences behind it:
    /// empty logs, one per open. SlateDB counts on every number. Fences at the end that
    /// older versions collected are put back; anything else that is missing is lost.
    async fn copy_log(&self, source: Uuid, destination: Uuid, manifest: &VersionedManifest) -> Result<(), Error> {
        let mut lost = Vec::new();
        for id in log_ids(manifest) {
            let name = log_name(id);
            let [from, to] = [source, destination].map(|uid| collection(uid).join("wal").join(name.clone()));
            if self.root.size(&from).await?.is_none() {
                if !self.root.older().may_be(Place { uid: source, kind: Kind::Log, id }) {
                    return Err(missing(&from));
                }
                lost.push(to);
                continue;
            }
            if !lost.is_empty() {
                return Err(Error::DataLoss(format!("logs before {id} of collection {source} are missing")));
            }
            // Never a link: each has a seal of its own.
            self.root.store().copy(&from, &to).await?;
        }
        for fence in lost {
            self.root.put(&fence, bytes::Bytes::new()).await?;
        }
        Ok(())
    }

    /// Returns whether its bytes were counted while they were copied.
    async fn copy_file(&self, from: &Path, to: &Path, mode: CopyMode, done: &Copied) -> Result<bool, Error> {
        let (Some(source), Some(target)) = (self.root.file(from), self.root.file(to)) else {
            // The server of the bucket copies it.
            let copied = self.root.store().copy(from, to).await;
            return self.unless_missing(from, copied.map_err(Error::from)).await.map(|()| false);
        };
        if mode != CopyMode::Bytes {
            match self.root.store().copy(from, to).await {
                Err(error) if mode == CopyMode::Auto => {
                    tracing::debug!(%error, %from, "no hard link; copying the bytes");
                }
                copied => return self.unless_missing(from, copied.map_err(refused_link)).await.map(|()| false),
            }
        }
        // Others may have taken the room since the restore was let in.
        let size = tokio::fs::metadata(&source).await.map_or(0, |file| file.len());
        self.space.admit_bytes(size)?;
        let done = done.clone();
        let copied = self.tasks.blocking("file copy", move || copy_bytes(&source, &target, &done)).await;
        let copied = copied.map_err(|panicked| Error::Internal(Arc::new(panicked)))?;
        self.unless_missing(from, copied).await.map(|()| true)
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
            let id = paths::file_id(path.filename()?)?;
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
fn copy_bytes(from: &FilePath, to: &FilePath, done: &Copied) -> Result<(), Error> {
    let mut from = File::open(from)?;
    let staged = Staged::create_with_parents(to)?;
    loop {
        if done.stop.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let copied = staged.copy_from(&mut (&mut from).take(PIECE_BYTES))?;
        if copied == 0 {
            return Ok(staged.replace(to)?);
        }
        done.bytes.fetch_add(i64::try_from(copied).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// What it means that a hard link failed, where nothing else is allowed. What will be refused again is for the operator.
fn refused_link(error: object_store::Error) -> Error {
    let first: &(dyn StdError + 'static) = &error;
    let mut causes = std::iter::successors(Some(first), |cause| (*cause).source());
    let kind = causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(
            kind @ (ErrorKind::TooManyLinks
            | ErrorKind::CrossesDevices
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied),
        ) => Error::HardLinkRefused(kind.to_string()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_file_count_while_it_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "below/to.sst"].map(|name| dir.path().join(name));
        let content = b"x".repeat(1000);
        std::fs::write(&from, &content).unwrap();
        let done = Copied::new(CancellationToken::new());
        copy_bytes(&from, &to, &done).unwrap();
        assert_eq!((std::fs::read(&to).unwrap(), done.bytes.load(Ordering::Relaxed)), (content, 1000));
        assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_that_is_stopped_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "below/to.sst"].map(|name| dir.path().join(name));
        std::fs::write(&from, "x").unwrap();
        let done = Copied::new(CancellationToken::new());
        done.stop.cancel();
        assert!(matches!(copy_bytes(&from, &to, &done), Err(Error::ShuttingDown)));
        assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 0);
        assert_eq!(done.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_link_that_will_be_refused_again_is_told_apart() {
        let error = |kind| object_store::Error::Generic { store: "x", source: Box::new(io::Error::from(kind)) };
        let told = refused_link(error(ErrorKind::TooManyLinks));
        assert!(matches!(&told, Error::HardLinkRefused(why) if why == "too many links"), "{told:?}");
        assert!(refused_link(error(ErrorKind::StorageFull)).is_transient());
    }
}
