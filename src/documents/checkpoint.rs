//! Checkpoints: what keeps the files of a snapshot while it is taken, until its record
//! does; and the files of a snapshot of version 0.1.0, and of its restores, for good.
//!
//! A checkpoint bears the uid of its snapshot or restore as its name and has no
//! lifetime: SlateDB would expire it by the wall clock, our record decides.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use prost::Message;
use slatedb::{CheckpointHandle, VersionedManifest, config::CheckpointOptions, object_store::path::Path};
use ulid::Ulid;
use uuid::Uuid;

use super::{
    drain::CutGuard,
    frozen::{Frozen, Held},
    inspect::missing,
    keep,
    lists::RecordedList,
    manifest,
    patience::within,
    root::collection,
    store::Store,
    totals::Totals,
};
use crate::{clock::Micros, error::Error, stored};

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
    pub(super) handle: CheckpointHandle,
    pub(super) hold: CutGuard,
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

/// The files of a snapshot, with their sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(HashMap<Ulid, i64>);

impl Files {
    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = Ulid> + '_ {
        self.0.keys().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        // A damaged list may say anything.
        self.0.values().fold(0, |all: i64, bytes| all.saturating_add(*bytes))
    }

    /// The size of one.
    #[must_use]
    pub fn size(&self, id: Ulid) -> Option<i64> {
        self.0.get(&id).copied()
    }

    /// All but those.
    #[must_use]
    pub fn without(&self, others: &HashSet<Ulid>) -> Self {
        Self(self.0.iter().filter(|(id, _)| !others.contains(id)).map(|(id, bytes)| (*id, *bytes)).collect())
    }

    /// The bytes of those that are not in `others`.
    #[must_use]
    pub fn bytes_without(&self, others: &HashSet<Ulid>) -> i64 {
        self.without(others).bytes()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut files: Vec<_> = self.0.iter().collect();
        files.sort_unstable();
        let files = files
            .into_iter()
            .map(|(id, size)| stored::File { id: id.to_bytes().to_vec(), size_bytes: *size })
            .collect();
        stored::FileList { files }.encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |_| Error::DataLoss("a file list names a file by a damaged id".to_owned());
        let list = stored::FileList::decode(bytes)?;
        let files = list.files.into_iter().map(|file| {
            let id: [u8; 16] = file.id.try_into().map_err(damaged)?;
            Ok((Ulid::from_bytes(id), file.size_bytes))
        });
        files.collect::<Result<_, Error>>().map(Self)
    }
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
        Ok(Files(sizes.buffer_unordered(SIZES_AT_ONCE).try_collect().await?))
    }

    async fn file_size(&self, uid: Uuid, id: Ulid) -> Result<i64, Error> {
        let path = sst(uid, id);
        let size = self.root.size(&path).await?.ok_or_else(|| missing(&path))?;
        Ok(i64::try_from(size).unwrap_or(i64::MAX))
    }

    /// The manifest of this number.
    pub(super) async fn manifest(&self, uid: Uuid, id: u64) -> Result<VersionedManifest, Error> {
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
    pub async fn trim(&self, uid: Uuid, pinned: &[(RecordedList<'_>, Files)]) -> Result<(), Error> {
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
            keep::file_id(name).is_some_and(|id| files.contains(&id)) || logs.contains(name)
        };
        let mut present = self.root.list(&collection(uid).join("compacted")).await?;
        present.extend(self.root.list(&collection(uid).join("wal")).await?);
        let unneeded = present.into_iter().map(|(path, _)| path).filter(|path| !is_needed(path));
        self.root.delete_all(unneeded).await
    }
}

/// The data logs behind a manifest: normally none behind a checkpoint of all
/// writes.
pub(super) fn log_ids(manifest: &VersionedManifest) -> std::ops::Range<u64> {
    manifest.replay_after_wal_id() + 1..manifest.next_wal_sst_id()
}

/// The name of a data log.
pub(super) fn log_name(id: u64) -> String {
    format!("{id:020}.sst")
}

/// The ids of the files a manifest lists.
pub(super) fn sst_ids(manifest: &VersionedManifest) -> HashSet<Ulid> {
    manifest.all_sst_views().map(|view| view.sst.id.value()).collect()
}

/// Where a file with documents is.
pub(super) fn sst(uid: Uuid, id: Ulid) -> Path {
    collection(uid).join("compacted").join(format!("{id}.sst"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_list_reads_back_and_counts_what_others_have_not() {
        let [a, b] = [1, 2].map(|n| Ulid::from_parts(n, 0));
        let files = Files([(a, 10), (b, 200)].into());
        assert_eq!(Files::decode(&files.encode()).unwrap(), files);
        assert_eq!((files.count(), files.bytes(), files.bytes_without(&[a].into())), (2, 210, 200));
        assert!(Files::decode(b"\x0a\x02\x0a\x00").is_err(), "an empty id");
    }
}
