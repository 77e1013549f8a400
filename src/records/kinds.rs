//! The stored records, as generated, and what every user of them needs.

use uuid::Uuid;

use crate::names::{ApiKeyName, CollectionName, Id, RestoreName, SnapshotName, SourceName, WorkspaceName};
pub use crate::stored::{
    AccessPolicy, ApiKey, ApiKeyUse, BadRecord, Collection, CollectionState, CollectionStats, Failure, Instance,
    Intent, ObjectMark, PendingCut, RequestId, Restore, RestoreInfo, RestoreState, Retired, RetiredSource, Role,
    RoleBinding, Snapshot, SnapshotState, Source, SourceCompression, SourceFormat, SourceMark, SourcePosition,
    SourceState, Totals, Verification, Workspace,
};

/// The uid in a record. Only ever 16 bytes that we wrote; anything else reads
/// as the nil uid, which no resource bears.
#[must_use]
pub fn uid(bytes: &[u8]) -> Uuid {
    Uuid::from_slice(bytes).unwrap_or_default()
}

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
