//! Checkpoints: what keeps the files of a snapshot while it is taken, until its record
//! does; and the files of a snapshot of version 0.1.0, and of its restores, for good.
//!
//! A checkpoint bears the uid of its snapshot or restore as its name and has no
//! lifetime: SlateDB would expire it by the wall clock, our record decides.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};
use slatedb::{CheckpointHandle, VersionedManifest, config::CheckpointOptions, object_store::path::Path};
use ulid::Ulid;
use uuid::Uuid;

use super::{
    files::Files,
    frozen::{Frozen, Held},
    lists::RecordedList,
};
use crate::{
    clock::Micros,
    documents::{
        databases::store::Store,
        manifest,
        paths::{self, collection, log_ids, log_name, missing, sst, sst_ids},
        patience::within,
        totals::Totals,
        truncation::floor::CutGuard,
    },
    error::Error,
};

const SIZES_AT_ONCE: usize = 16;

/// A cut, as the writer made it.
pub struct CutOutcome {
    /// The totals at the frozen instant.
    pub totals: Totals,
    /// The net change since the cut before.
    pub incremental_bytes: i64,
    /// The frozen instant.
    pub time: Micros,
    /// The checkpoint under way; `None` if nothing changed since the snapshot
    /// that may be reused.
    pub checkpoint: Option<UnfinishedCheckpoint>,
}

/// A checkpoint that is not durable yet. While it lives, nothing that it holds
/// is drained.
pub struct UnfinishedCheckpoint {
    pub(in crate::documents) handle: CheckpointHandle,
    pub(in crate::documents) hold: CutGuard,
}

impl UnfinishedCheckpoint {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.handle.id()
    }
}

/// A durable checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its id.
    pub id: Uuid,
    /// The manifest that lists its files.
    pub manifest_id: u64,
}

impl Store {
    /// Waits until a checkpoint of the writer is durable.
    pub async fn finish_checkpoint(&self, unfinished: UnfinishedCheckpoint) -> Result<Checkpoint, Error> {
        let UnfinishedCheckpoint { handle, hold } = unfinished;
        // It flushes what is in memory, which is as much as a commit may take.
        let created = within(self.tuning.storage_patience.open, handle.wait()).await?;
        drop(hold);
        Ok(Checkpoint { id: created.id, manifest_id: created.manifest_id })
    }

    /// A checkpoint of the same files as `source`, under the name of `owner`.
    /// The one that is there already, if an earlier attempt got so far.
    pub async fn pin(&self, uid: Uuid, source: Uuid, owner: Uuid) -> Result<Checkpoint, Error> {
        let admin = self.admin(collection(uid));
        let name = owner.to_string();
        if let Some(found) = self.on_manifest(admin.list_checkpoints(Some(&name))).await?.first() {
            return Ok(Checkpoint { id: found.id, manifest_id: found.manifest_id });
        }
        let options = CheckpointOptions { source: Some(source), name: Some(name), ..CheckpointOptions::default() };
        let created = self.on_manifest(admin.create_detached_checkpoint(&options)).await?;
        Ok(Checkpoint { id: created.id, manifest_id: created.manifest_id })
    }

    /// Deletes every checkpoint of this name, if the database still is there.
    pub async fn unpin(&self, uid: Uuid, owner: Uuid) -> Result<(), Error> {
        let admin = self.admin(collection(uid));
        if self.on_manifest(admin.read_manifest(None)).await?.is_none() {
            return Ok(());
        }
        for checkpoint in self.on_manifest(admin.list_checkpoints(Some(&owner.to_string()))).await? {
            self.on_manifest(admin.delete_checkpoint(checkpoint.id)).await?;
        }
        Ok(())
    }

    /// Deletes a checkpoint that is there, by one manifest.
    pub async fn delete_checkpoint(&self, uid: Uuid, id: Uuid) -> Result<(), Error> {
        self.on_manifest(self.admin(collection(uid)).delete_checkpoint(id)).await
    }

    /// The files of a frozen manifest. Sizes that `known` does not have are looked up.
    pub async fn files(&self, uid: Uuid, frozen: &Frozen, known: &Files) -> Result<Files, Error> {
        let sizes = futures::stream::iter(sst_ids(&frozen.manifest).into_iter().map(|id| async move {
            let size = match known.size(id) {
                Some(size) => size,
                None => self.file_size(uid, id).await?,
            };
            Ok::<_, Error>((id, size))
        }));
        Ok(Files::of(sizes.buffer_unordered(SIZES_AT_ONCE).try_collect().await?))
    }

    async fn file_size(&self, uid: Uuid, id: Ulid) -> Result<i64, Error> {
        let path = sst(uid, id);
        let size = self.root.size(&path).await?.ok_or_else(|| missing(&path))?;
        Ok(i64::try_from(size).unwrap_or(i64::MAX))
    }

    /// The manifest of this number.
    pub(in crate::documents) async fn manifest(&self, uid: Uuid, id: u64) -> Result<VersionedManifest, Error> {
        let manifest = self.on_manifest(self.admin(collection(uid)).read_manifest(Some(id))).await?;
        manifest.ok_or_else(|| missing(&manifest::path(&collection(uid), id)))
    }

    /// The files that the collection itself is made of now.
    pub async fn live_files(&self, uid: Uuid) -> Result<HashSet<Ulid>, Error> {
        let manifest = self.on_manifest(self.admin(collection(uid)).read_manifest(None)).await?;
        Ok(manifest.map(|manifest| sst_ids(&manifest)).unwrap_or_default())
    }

    /// Takes from a deleted collection, which nobody opens any more, every file
    /// that nothing needs which stands on these lists. All manifests stay: they hold
    /// the checkpoints of version 0.1.0, and are few without.
    ///
    /// The hash of a list is in a record. A manifest that only a checkpoint holds counts
    /// if it names what the list does: one of another snapshot does not. Nothing is
    /// deleted before all are read.
    pub async fn trim(&self, uid: Uuid, pinned: &[(RecordedList, Files)]) -> Result<(), Error> {
        let (mut files, mut logs) = (HashSet::new(), HashSet::new());
        for (list, listed) in pinned {
            files.extend(listed.ids());
            let Held::Checkpoint(_) = list.manifest.held else { continue };
            let id = list.manifest.id;
            let manifest = self.manifest(uid, id).await?;
            let named = sst_ids(&manifest);
            if let Some(file) = listed.ids().find(|file| !named.contains(file)) {
                let path = manifest::path(&collection(uid), id);
                return Err(Error::DataLoss(format!("{path} is not that of files/{}: it has no {file}", list.owner)));
            }
            files.extend(named);
            logs.extend(log_ids(&manifest).map(log_name));
        }
        let is_needed = |path: &Path| {
            let name = path.filename().unwrap_or_default();
            paths::file_id(name).is_some_and(|id| files.contains(&id)) || logs.contains(name)
        };
        let mut present = self.root.list(&collection(uid).join("compacted")).await?;
        present.extend(self.root.list(&collection(uid).join("wal")).await?);
        let unneeded = present.into_iter().map(|(path, _)| path).filter(|path| !is_needed(path));
        self.root.delete_all(unneeded).await
    }
}
