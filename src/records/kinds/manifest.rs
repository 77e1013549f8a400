//! The manifest that a snapshot stands on, and a restore copies.

use uuid::Uuid;

use crate::{
    damage::{self, Damage},
    documents::{FrozenManifest, Held, ObjectHash, RecordedList},
};

/// The manifest that lists the files of a snapshot, and the object with their list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its number among the manifests of the collection.
    pub id: u64,
    /// What holds it.
    pub holder: Holder,
    /// Of the file list; absent in a record that is older than hashes.
    pub file_list_hash: Option<ObjectHash>,
}

/// What keeps a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A copy of it, of this hash.
    Copy(ObjectHash),
    /// A checkpoint in the collection; in a record that is older than copies.
    Checkpoint(Uuid),
}

impl Manifest {
    pub(super) fn read(id: u64, checkpoint: &[u8], hash: &[u8], file_list_hash: &[u8]) -> Result<Self, Damage> {
        let holder = match (ObjectHash::read("manifest_hash", hash)?, damage::uid_if_any("checkpoint_id", checkpoint)?)
        {
            (Some(hash), None) => Holder::Copy(hash),
            (None, Some(checkpoint)) => Holder::Checkpoint(checkpoint),
            (Some(_), Some(_)) | (None, None) => return Err(Damage("checkpoint_id")),
        };
        Ok(Self { id, holder, file_list_hash: ObjectHash::read("file_list_hash", file_list_hash)? })
    }

    /// Whether there is a copy of it: then no checkpoint needs to hold anything.
    #[must_use]
    pub fn has_copy(&self) -> bool {
        matches!(self.holder, Holder::Copy(_))
    }

    /// The checkpoint that holds it; empty if none does.
    pub(super) fn checkpoint_id(&self) -> Vec<u8> {
        match self.holder {
            Holder::Copy(_) => Vec::new(),
            Holder::Checkpoint(id) => id.into(),
        }
    }

    /// The hash of its copy, if there is one.
    #[must_use]
    pub fn copy_hash(&self) -> Option<ObjectHash> {
        match self.holder {
            Holder::Copy(hash) => Some(hash),
            Holder::Checkpoint(_) => None,
        }
    }

    /// It, of a snapshot of a collection.
    pub(super) fn of(&self, collection: Uuid, snapshot: Uuid) -> FrozenManifest {
        let held = match self.holder {
            Holder::Copy(hash) => Held::Copy { snapshot, hash },
            Holder::Checkpoint(id) => Held::Checkpoint(id),
        };
        FrozenManifest { collection, id: self.id, held }
    }

    /// The list of its files from a floor on, of the snapshot or of a restore of it.
    pub(super) fn list(&self, owner: Uuid, manifest: FrozenManifest, floor: u64) -> RecordedList {
        RecordedList { owner, manifest, floor, hash: self.file_list_hash }
    }
}
