//! Collections.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    documents::Retention,
    names::{CollectionName, Id, RestoreName, SnapshotName},
    records::{Entries, Indexed, Key, Record, Term},
    stored,
};

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its resource name.
    pub name: CollectionName,
    /// Its uid.
    pub uid: Uuid,
    /// Free text.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub create_time: Micros,
    /// When its description or its labels were changed last.
    pub update_time: Micros,
    /// Counts its changes.
    pub revision: u64,
    /// Its state.
    pub state: CollectionState,
    /// What it was restored from; absent: nothing.
    pub restore_info: Option<RestoreInfo>,
    /// How long it keeps documents; absent: for ever.
    pub retention: Option<Retention>,
}

/// What a collection is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionState {
    /// A restore fills it.
    Restoring,
    /// It can be read and written.
    Ready,
}

stored_as!(CollectionState, "state": Restoring, Ready);

/// What a collection was restored from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreInfo {
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// Its uid.
    pub snapshot_uid: Uuid,
    /// The restore.
    pub restore: RestoreName,
    /// The collection that the snapshot was taken of.
    pub source_collection: CollectionName,
    /// Its uid.
    pub source_collection_uid: Uuid,
    /// The moment that the snapshot shows.
    pub snapshot_time: Micros,
}

impl Collection {
    /// The collection of this name.
    #[must_use]
    pub fn at(CollectionName { workspace, id }: &CollectionName) -> Key<Self> {
        Key::of(format_args!("{workspace}/{id}"))
    }

    /// All collections by their names.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("collections by name")
    }

    /// The collections of a workspace.
    #[must_use]
    pub fn in_workspace(workspace: &Id) -> Term<Self> {
        Term::text("collections of a workspace", workspace.as_str())
    }

    /// The collection of a uid, unless it has been deleted.
    #[must_use]
    pub fn of_uid(uid: Uuid) -> Term<Self> {
        Term::uid("collections by uid", uid)
    }

    /// READY ones whose documents expire.
    #[must_use]
    pub fn with_retention() -> Term<Self> {
        Term::all("collections with a retention")
    }
}

impl Record for Collection {
    type Message = stored::Collection;
    const PREFIX: &'static str = "c/";

    fn key(&self) -> Key<Self> {
        Self::at(&self.name)
    }

    fn read(message: stored::Collection) -> Result<Self, Damage> {
        Ok(Self {
            name: CollectionName {
                workspace: damage::parsed("workspace", &message.workspace)?,
                id: damage::parsed("id", &message.id)?,
            },
            uid: damage::uid("uid", &message.uid)?,
            description: message.description,
            labels: message.labels,
            create_time: message.create_time,
            update_time: message.update_time,
            revision: message.revision,
            state: CollectionState::read(message.state)?,
            restore_info: message.restore_info.map(RestoreInfo::read).transpose()?,
            retention: Retention::read(message.retention, message.interval)?,
        })
    }

    fn message(&self) -> stored::Collection {
        let record = self.clone();
        stored::Collection {
            workspace: record.name.workspace.to_string(),
            id: record.name.id.to_string(),
            uid: record.uid.into(),
            description: record.description,
            labels: record.labels,
            create_time: record.create_time,
            update_time: record.update_time,
            revision: record.revision,
            state: record.state.stored().into(),
            restore_info: record.restore_info.map(RestoreInfo::message),
            retention: record.retention.map_or(0, |retention| retention.keep()),
            interval: record.retention.map_or(0, |retention| retention.interval()),
        }
    }
}

impl RestoreInfo {
    fn read(message: stored::RestoreInfo) -> Result<Self, Damage> {
        Ok(Self {
            snapshot: damage::parsed("snapshot", &message.snapshot)?,
            snapshot_uid: damage::uid("snapshot_uid", &message.snapshot_uid)?,
            restore: damage::parsed("restore", &message.restore)?,
            source_collection: damage::parsed("source_collection", &message.source_collection)?,
            source_collection_uid: damage::uid("source_collection_uid", &message.source_collection_uid)?,
            snapshot_time: message.snapshot_time,
        })
    }

    fn message(self) -> stored::RestoreInfo {
        stored::RestoreInfo {
            snapshot: self.snapshot.to_string(),
            snapshot_uid: self.snapshot_uid.into(),
            restore: self.restore.to_string(),
            source_collection: self.source_collection.to_string(),
            source_collection_uid: self.source_collection_uid.into(),
            snapshot_time: self.snapshot_time,
            source_positions: Vec::new(),
        }
    }
}

impl Indexed for Collection {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::by_name(), self.name.to_string().as_str());
        entries.add(Self::in_workspace(&self.name.workspace), self.create_time);
        entries.add(Self::of_uid(self.uid), self.create_time);
        let expires = self.retention.is_some() && self.state == CollectionState::Ready;
        entries.add_if(expires, Self::with_retention, self.create_time);
        entries
    }
}
