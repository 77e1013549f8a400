//! Restores.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Manifest;
use crate::{
    clock::Micros,
    damage::{self, Damage},
    documents::{FrozenManifest, ObjectHash, RecordedList, Totals},
    names::{CollectionName, Id, RestoreName, SnapshotName},
    records::{Entries, Indexed, Key, Record, Term},
    stored::{self, Failure},
};

/// A restore.
#[derive(Clone, Debug, PartialEq)]
pub struct Restore {
    /// Its resource name.
    pub name: RestoreName,
    /// Its uid.
    pub uid: Uuid,
    /// The snapshot.
    pub snapshot: SnapshotName,
    /// The uid of that.
    pub snapshot_uid: Uuid,
    /// The id of the new collection, in the same workspace.
    pub collection: Id,
    /// The uid of that.
    pub collection_uid: Uuid,
    /// How the result is checked.
    pub verification: Verification,
    /// Who requested it.
    pub created_by: String,
    /// When it was requested.
    pub create_time: Micros,
    /// When its work began: what the retention drops is settled since.
    pub start_time: Option<Micros>,
    /// When it ended.
    pub end_time: Option<Micros>,
    /// Counts its changes.
    pub revision: u64,
    /// Its state.
    pub state: RestoreState,
    /// Why it FAILED.
    pub error: Option<Failure>,
    /// The collection that the snapshot was taken of.
    pub source_collection_uid: Uuid,
    /// What lists the files that it copies: the snapshot's manifest. The hash is that of the
    /// snapshot's file list until the work begins, of its own from then on.
    pub manifest: Manifest,
    /// What the new collection will hold.
    pub totals: Totals,
    /// Bytes of the files to copy.
    pub bytes: i64,
    /// How many there are.
    pub files: i64,
    /// It holds a checkpoint of its own in the source collection: that of a snapshot without a
    /// copy of its manifest. Any other holds its snapshot until it has ended.
    pub pinned: bool,
    /// How long the copying took.
    pub copy_micros: Micros,
    /// How long the check took.
    pub verify_micros: Micros,
    /// Its own checkpoint and its file list are given back.
    pub released: bool,
    /// Free text.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Documents dropped because of the retention: from COPYING on those of whole intervals,
    /// in the end all. `totals` are without them.
    pub documents_dropped: i64,
    /// Their bytes.
    pub bytes_dropped: i64,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreState {
    /// It waits for its turn.
    Pending,
    /// Files are being copied.
    Copying,
    /// The copy is a database; it is being adjusted and proven.
    Verifying,
    /// The collection is becoming READY.
    Publishing,
    /// The collection is READY.
    Succeeded,
    /// Being cleaned up before FAILED.
    Failing,
    /// Being cleaned up before CANCELLED.
    Cancelling,
    /// It came to nothing.
    Failed,
    /// A caller has stopped it.
    Cancelled,
}

stored_as!(RestoreState, "state": Pending, Copying, Verifying, Publishing, Succeeded, Failing, Cancelling, Failed, Cancelled);

/// How the result of a restore is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Every document is read and counted.
    Full,
    /// The files are there, with their sizes.
    Structure,
}

stored_as!(Verification, "verification": Full, Structure);

impl RestoreState {
    /// Whether it has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl Restore {
    /// The restore of this name.
    #[must_use]
    pub fn at(RestoreName { workspace, id }: &RestoreName) -> Key<Self> {
        Key::of(format_args!("{workspace}/{id}"))
    }

    /// The name of the new collection.
    #[must_use]
    pub fn collection_name(&self) -> CollectionName {
        CollectionName { workspace: self.name.workspace.clone(), id: self.collection.clone() }
    }

    /// The manifest that it copies: its snapshot's.
    #[must_use]
    pub fn manifest(&self) -> FrozenManifest {
        self.manifest.of(self.source_collection_uid, self.snapshot_uid)
    }

    /// The list of the files that it copies; the snapshot's until its work begins.
    #[must_use]
    pub fn file_list(&self) -> RecordedList {
        // Fixed when it began, until the list is no longer read.
        let (owner, floor) = match self.start_time {
            Some(_) => (self.uid, self.totals.floor),
            None => (self.snapshot_uid, 0),
        };
        self.manifest.list(owner, self.manifest(), floor)
    }

    /// All restores by their names.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("restores by name")
    }

    /// Those under way, and those that have ended and still to let go: what there is to
    /// do.
    #[must_use]
    pub fn pending() -> Term<Self> {
        Term::all("pending restores")
    }

    /// The same, of one source collection.
    #[must_use]
    pub fn pending_of(source: Uuid) -> Term<Self> {
        Term::uid("pending restores of a collection", source)
    }

    /// Those that still count on a snapshot.
    #[must_use]
    pub fn awaiting(snapshot: Uuid) -> Term<Self> {
        Term::uid("restores that await a snapshot", snapshot)
    }

    /// Those under way in a workspace.
    #[must_use]
    pub fn live_in(workspace: &Id) -> Term<Self> {
        Term::text("live restores of a workspace", workspace.as_str())
    }

    /// Those that have let go of everything, by the times at which they ended.
    #[must_use]
    pub fn released() -> Term<Self> {
        Term::all("released restores")
    }

    /// The same of a workspace.
    #[must_use]
    pub fn released_in(workspace: &Id) -> Term<Self> {
        Term::text("released restores of a workspace", workspace.as_str())
    }
}

impl Record for Restore {
    type Message = stored::Restore;
    const PREFIX: &'static str = "r/";

    fn key(&self) -> Key<Self> {
        Self::at(&self.name)
    }

    fn read(message: stored::Restore) -> Result<Self, Damage> {
        let set = |time: Micros| Some(time).filter(|time| *time != 0);
        Ok(Self {
            name: RestoreName {
                workspace: damage::parsed("workspace", &message.workspace)?,
                id: damage::parsed("id", &message.id)?,
            },
            uid: damage::uid("uid", &message.uid)?,
            snapshot: damage::parsed("snapshot", &message.snapshot)?,
            snapshot_uid: damage::uid("snapshot_uid", &message.snapshot_uid)?,
            collection: damage::parsed("collection", &message.collection)?,
            collection_uid: damage::uid("collection_uid", &message.collection_uid)?,
            verification: Verification::read(message.verification)?,
            created_by: message.created_by,
            create_time: message.create_time,
            start_time: set(message.start_time),
            end_time: set(message.end_time),
            revision: message.revision,
            state: RestoreState::read(message.state)?,
            error: message.error,
            source_collection_uid: damage::uid("source_collection_uid", &message.source_collection_uid)?,
            manifest: Manifest::read(
                message.manifest_id,
                &message.checkpoint_id,
                &message.manifest_hash,
                &message.file_list_hash,
            )?,
            totals: Totals::read(&damage::present("totals", message.totals)?)?,
            bytes: message.bytes,
            files: message.files,
            pinned: message.pinned,
            copy_micros: message.copy_micros,
            verify_micros: message.verify_micros,
            released: message.released,
            description: message.description,
            labels: message.labels,
            documents_dropped: message.documents_dropped,
            bytes_dropped: message.bytes_dropped,
        })
    }

    fn message(&self) -> stored::Restore {
        let record = self.clone();
        stored::Restore {
            workspace: record.name.workspace.to_string(),
            id: record.name.id.to_string(),
            uid: record.uid.into(),
            snapshot: record.snapshot.to_string(),
            snapshot_uid: record.snapshot_uid.into(),
            collection: record.collection.to_string(),
            collection_uid: record.collection_uid.into(),
            verification: record.verification.stored().into(),
            created_by: record.created_by,
            create_time: record.create_time,
            start_time: record.start_time.unwrap_or(0),
            end_time: record.end_time.unwrap_or(0),
            revision: record.revision,
            state: record.state.stored().into(),
            error: record.error,
            source_collection_uid: record.source_collection_uid.into(),
            checkpoint_id: record.manifest.checkpoint_id(),
            totals: Some(record.totals.into()),
            bytes: record.bytes,
            files: record.files,
            pinned: record.pinned,
            copy_micros: record.copy_micros,
            verify_micros: record.verify_micros,
            released: record.released,
            description: record.description,
            labels: record.labels,
            manifest_id: record.manifest.id,
            documents_dropped: record.documents_dropped,
            bytes_dropped: record.bytes_dropped,
            source_positions: Vec::new(),
            file_list_hash: ObjectHash::stored(record.manifest.file_list_hash),
            manifest_hash: ObjectHash::stored(record.manifest.copy_hash()),
        }
    }
}

impl Indexed for Restore {
    fn entries(&self) -> Entries {
        let ended = self.state.is_terminal();
        let is_pending = !ended || !self.released;
        let (source, workspace) = (self.source_collection_uid, &self.name.workspace);
        let end_time = self.end_time.unwrap_or(0);
        let mut entries = Entries::default();
        entries.add(Self::by_name(), self.name.to_string().as_str());
        entries.add_if(is_pending, Self::pending, self.create_time);
        entries.add_if(is_pending, || Self::pending_of(source), self.create_time);
        entries.add_if(!ended && !self.pinned, || Self::awaiting(self.snapshot_uid), self.create_time);
        entries.add_if(!ended, || Self::live_in(workspace), self.create_time);
        entries.add_if(!is_pending, Self::released, end_time);
        entries.add_if(!is_pending, || Self::released_in(workspace), end_time);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{documents::Held, records::kinds::fixture};

    #[test]
    fn a_restore_goes_by_the_snapshots_list_until_it_has_its_own() {
        let mut restore = Restore { start_time: None, ..fixture::restore() };
        restore.totals.floor = 6;
        let list = restore.file_list();
        assert_eq!((list.owner, list.floor, list.hash), (restore.snapshot_uid, 0, Some(ObjectHash([7; 16]))));
        let held = Held::Copy { snapshot: restore.snapshot_uid, hash: ObjectHash([8; 16]) };
        assert_eq!(list.manifest, FrozenManifest { collection: restore.source_collection_uid, id: 5, held });
        restore.start_time = Some(1);
        let list = restore.file_list();
        assert_eq!((list.owner, list.floor), (restore.uid, 6));
    }
}
