//! Workspaces.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    names::{Id, WorkspaceName},
    records::{Entries, Indexed, Key, Record, Term},
    stored,
};

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its resource name.
    pub name: WorkspaceName,
    /// Its uid.
    pub uid: Uuid,
    /// Free text.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub create_time: Micros,
    /// When it was changed last.
    pub update_time: Micros,
    /// Counts its changes.
    pub revision: u64,
    /// Whether snapshots may be created and restored.
    pub snapshot_preview: bool,
    /// The largest snapshot that may be restored.
    pub max_restore_bytes: i64,
    /// Snapshots per minute.
    pub snapshot_creates_per_minute: i32,
    /// What it may store; absent: as much as there is room for.
    pub max_stored_bytes: Option<i64>,
}

impl Workspace {
    /// The workspace of this id.
    #[must_use]
    pub fn at(id: &Id) -> Key<Self> {
        Key::of(id)
    }

    /// All workspaces.
    #[must_use]
    pub fn every() -> Term<Self> {
        Term::all("workspaces")
    }
}

impl Record for Workspace {
    type Message = stored::Workspace;
    const PREFIX: &'static str = "w/";

    fn key(&self) -> Key<Self> {
        Self::at(&self.name.0)
    }

    fn read(message: stored::Workspace) -> Result<Self, Damage> {
        Ok(Self {
            name: WorkspaceName(damage::parsed("id", &message.id)?),
            uid: damage::uid("uid", &message.uid)?,
            description: message.description,
            labels: message.labels,
            create_time: message.create_time,
            update_time: message.update_time,
            revision: message.revision,
            snapshot_preview: message.snapshot_preview,
            max_restore_bytes: message.max_restore_bytes,
            snapshot_creates_per_minute: message.snapshot_creates_per_minute,
            max_stored_bytes: Some(message.max_stored_bytes).filter(|bytes| *bytes != 0),
        })
    }

    fn message(&self) -> stored::Workspace {
        let record = self.clone();
        stored::Workspace {
            id: record.name.0.to_string(),
            uid: record.uid.into(),
            description: record.description,
            labels: record.labels,
            create_time: record.create_time,
            update_time: record.update_time,
            revision: record.revision,
            snapshot_preview: record.snapshot_preview,
            max_restore_bytes: record.max_restore_bytes,
            snapshot_creates_per_minute: record.snapshot_creates_per_minute,
            max_stored_bytes: record.max_stored_bytes.unwrap_or(0),
        }
    }
}

impl Indexed for Workspace {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::every(), self.name.0.as_str());
        entries
    }
}
