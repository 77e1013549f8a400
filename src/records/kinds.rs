//! The stored records, as generated, and what every user of them needs.

use uuid::Uuid;

use super::{Key, Record, Records};
pub use crate::stored::{
    Acceptance, AccessPolicy, ApiKey, ApiKeyUse, BadRecord, BootstrapSecret, ClockSeen, Collection, CollectionState,
    Expected, Failure, Instance, Intent, ObjectMark, PendingCut, RequestId, Restore, RestoreInfo, RestoreState,
    Retired, RetiredSource, Role, RoleBinding, SealedFrom, Snapshot, SnapshotState, Source, SourceCompression,
    SourceFormat, SourceMark, SourcePosition, SourceState, Totals, Verification, Workspace,
};
pub use crate::uid::uid;
use crate::{
    documents::{FrozenManifest, Held, RecordedList},
    error::Error,
    names::{ApiKeyName, CollectionName, Id, RestoreName, SnapshotName, SourceName, WorkspaceName},
};

/// Ids in records were checked when they came in.
fn id(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| Id::commons())
}

impl ApiKey {
    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> ApiKeyName {
        ApiKeyName(id(&self.id))
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        uid(&self.uid)
    }
}

impl Workspace {
    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> WorkspaceName {
        WorkspaceName(id(&self.id))
    }
}

impl Collection {
    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> CollectionName {
        CollectionName { workspace: id(&self.workspace), id: id(&self.id) }
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        uid(&self.uid)
    }
}

/// What holds the manifest of a snapshot.
fn held<'a>(snapshot: &[u8], hash: &'a [u8], checkpoint: &[u8]) -> Held<'a> {
    if hash.is_empty() { Held::Checkpoint(uid(checkpoint)) } else { Held::Copy { snapshot: uid(snapshot), hash } }
}

impl Snapshot {
    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> SnapshotName {
        SnapshotName { workspace: id(&self.workspace), id: id(&self.id) }
    }

    /// The name of the collection it was taken of.
    #[must_use]
    pub fn collection_name(&self) -> CollectionName {
        CollectionName { workspace: id(&self.workspace), id: id(&self.collection) }
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        uid(&self.uid)
    }

    /// The uid of its collection.
    #[must_use]
    pub fn collection_uid(&self) -> Uuid {
        uid(&self.collection_uid)
    }

    /// The list of its files, when it is CREATED.
    #[must_use]
    pub fn file_list(&self) -> RecordedList<'_> {
        RecordedList {
            owner: self.uid(),
            manifest: self.manifest(),
            // All files of the manifest: some may be of dropped intervals.
            floor: 0,
            hash: &self.file_list_hash,
        }
    }

    /// The manifest that it stands on, when it is CREATED.
    #[must_use]
    pub fn manifest(&self) -> FrozenManifest<'_> {
        FrozenManifest {
            collection: self.collection_uid(),
            id: self.manifest_id,
            held: held(&self.uid, &self.manifest_hash, &self.checkpoint_id),
        }
    }

    /// Whether it has a copy of its manifest: then no checkpoint holds anything for it.
    #[must_use]
    pub fn has_copy(&self) -> bool {
        !self.manifest_hash.is_empty()
    }

    /// Whether it is still to be taken, or has ended and still to give its files back.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state() != SnapshotState::Created && !self.released
    }

    /// Whether somebody needs its files now, whatever it was when it was read: it is
    /// CREATED, or a restore of it is under way.
    pub fn is_kept(&self, records: &Records) -> Result<bool, Error> {
        let Some(now) = records.get(&self.key())? else { return Ok(false) };
        let has_files = now.totals.is_some() && !now.released;
        Ok(has_files && (now.state() == SnapshotState::Created || records.count(&Restore::awaiting(now.uid())) > 0))
    }

    /// Whether it is CREATED now, whatever it was when it was read.
    pub fn is_created(&self, records: &Records) -> Result<bool, Error> {
        let now = records.get(&self.key())?;
        Ok(now.is_some_and(|now| now.state() == SnapshotState::Created))
    }
}

impl Restore {
    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> RestoreName {
        RestoreName { workspace: id(&self.workspace), id: id(&self.id) }
    }

    /// The name of the new collection.
    #[must_use]
    pub fn collection_name(&self) -> CollectionName {
        CollectionName { workspace: id(&self.workspace), id: id(&self.collection) }
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        uid(&self.uid)
    }

    /// The uid of the new collection.
    #[must_use]
    pub fn collection_uid(&self) -> Uuid {
        uid(&self.collection_uid)
    }

    /// The uid of the collection that the snapshot was taken of.
    #[must_use]
    pub fn source_collection_uid(&self) -> Uuid {
        uid(&self.source_collection_uid)
    }

    /// The key of its snapshot.
    #[must_use]
    pub fn snapshot_key(&self) -> Option<Key<Snapshot>> {
        let SnapshotName { workspace, id } = self.snapshot.parse().ok()?;
        Some(Snapshot::at(workspace.as_str(), id.as_str(), uid(&self.snapshot_uid)))
    }

    /// Whether its work has begun: what the retention drops is settled.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.start_time != 0
    }

    /// The manifest that it copies: its snapshot's.
    #[must_use]
    pub fn manifest(&self) -> FrozenManifest<'_> {
        FrozenManifest {
            collection: self.source_collection_uid(),
            id: self.manifest_id,
            held: held(&self.snapshot_uid, &self.manifest_hash, &self.checkpoint_id),
        }
    }

    /// Whether its snapshot has a copy of its manifest: then it needs no checkpoint.
    #[must_use]
    pub fn has_copy(&self) -> bool {
        !self.manifest_hash.is_empty()
    }

    /// The list of the files that it copies; the snapshot's until its work begins.
    #[must_use]
    pub fn file_list(&self) -> RecordedList<'_> {
        let (owner, floor) = if self.has_begun() {
            // Fixed when it began, until the list is no longer read.
            (self.uid(), self.totals.as_ref().map_or(0, |totals| totals.floor))
        } else {
            (uid(&self.snapshot_uid), 0)
        };
        RecordedList { owner, manifest: self.manifest(), floor, hash: &self.file_list_hash }
    }
}

impl Source {
    /// Its resource name.
    #[must_use]
    pub fn name(&self) -> SourceName {
        SourceName { collection: self.collection_name(), id: id(&self.id) }
    }

    /// The name of its collection.
    #[must_use]
    pub fn collection_name(&self) -> CollectionName {
        CollectionName { workspace: id(&self.workspace), id: id(&self.collection) }
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        uid(&self.uid)
    }

    /// The uid of its collection.
    #[must_use]
    pub fn collection_uid(&self) -> Uuid {
        uid(&self.collection_uid)
    }
}

impl RetiredSource {
    /// The name of its collection.
    #[must_use]
    pub fn collection_name(&self) -> CollectionName {
        CollectionName { workspace: id(&self.workspace), id: id(&self.collection) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_goes_by_the_snapshots_list_until_it_has_its_own() {
        let bytes = |n: u128| Uuid::from_u128(n).as_bytes().to_vec();
        let mut restore = Restore {
            uid: bytes(1),
            snapshot_uid: bytes(2),
            source_collection_uid: bytes(3),
            checkpoint_id: bytes(4),
            manifest_id: 5,
            totals: Some(Totals { floor: 6, ..Totals::default() }),
            file_list_hash: vec![7; 16],
            ..Restore::default()
        };
        let found = |restore: &Restore| {
            let RecordedList { owner, manifest, floor, hash } = restore.file_list();
            assert_eq!(hash, &[7_u8; 16][..]);
            let held = Held::Checkpoint(Uuid::from_u128(4));
            assert_eq!(manifest, FrozenManifest { collection: Uuid::from_u128(3), id: 5, held });
            (owner.as_u128(), floor)
        };
        // The source had dropped what is below the floor, but may still have had its files.
        assert_eq!(found(&restore), (2, 0));
        restore.start_time = 8;
        assert_eq!(found(&restore), (1, 6));
        restore.manifest_hash = vec![9; 16];
        let held = Held::Copy { snapshot: Uuid::from_u128(2), hash: &[9; 16] };
        assert_eq!(restore.file_list().manifest, FrozenManifest { collection: Uuid::from_u128(3), id: 5, held });
    }
}
