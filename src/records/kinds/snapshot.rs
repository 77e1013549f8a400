//! Snapshots.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Manifest, Restore};
use crate::{
    clock::Micros,
    damage::{self, Damage},
    documents::{FrozenManifest, ObjectHash, RecordedList, Totals},
    error::Error,
    names::{CollectionName, Id, SnapshotName},
    records::{Entries, Indexed, Key, Record, Records, Term},
    stored::{self, Failure},
};

/// A snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Its resource name.
    pub name: SnapshotName,
    /// Its uid.
    pub uid: Uuid,
    /// The id of the collection that it is of, in the same workspace.
    pub collection: Id,
    /// The uid of that.
    pub collection_uid: Uuid,
    /// Free text.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Who requested it.
    pub created_by: String,
    /// When it was requested.
    pub create_time: Micros,
    /// When it was changed last.
    pub update_time: Micros,
    /// Counts its changes.
    pub revision: u64,
    /// Its state.
    pub state: SnapshotState,
    /// Why it FAILED.
    pub error: Option<Failure>,
    /// When it ends by itself.
    pub expire_time: Micros,
    /// What it holds, or held; absent if it never was CREATED.
    pub contents: Option<Contents>,
    /// When its data went: EXPIRED, DELETED or FAILED.
    pub end_time: Option<Micros>,
    /// Its data is given back: nothing more to do but forget it.
    pub released: bool,
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The moment that it shows.
    pub snapshot_time: Micros,
    /// What the collection held then.
    pub totals: Totals,
    /// Bytes of what had changed since the snapshot before.
    pub incremental_bytes: i64,
    /// Bytes of its files.
    pub referenced_bytes: i64,
    /// Bytes of those that the snapshot before has not.
    pub new_file_bytes: i64,
    /// How many files it has.
    pub file_count: i64,
    /// What lists them.
    pub manifest: Manifest,
    /// Bytes of the two objects that are its own.
    pub own_bytes: i64,
}

/// What has become of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is still to be taken.
    Requested,
    /// It can be restored.
    Created,
    /// It could not be taken.
    Failed,
    /// Its time is over.
    Expired,
    /// A caller has deleted it.
    Deleted,
}

stored_as!(SnapshotState, "state": Requested, Created, Failed, Expired, Deleted);

impl SnapshotState {
    /// Whether its data is gone, or never was.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Expired | Self::Deleted)
    }
}

impl Snapshot {
    /// All bearers of a name, oldest first.
    #[must_use]
    pub fn named(SnapshotName { workspace, id }: &SnapshotName) -> Key<Self> {
        Key::of(format_args!("{workspace}/{id}/"))
    }

    /// The bearer of a name that has this uid: a snapshot's id may be used again while the
    /// tombstone of its first bearer is still readable. The uid orders them by time, too.
    #[must_use]
    pub fn at(SnapshotName { workspace, id }: &SnapshotName, uid: Uuid) -> Key<Self> {
        Key::of(format_args!("{workspace}/{id}/{}", uid.simple()))
    }

    /// The name of the collection that it was taken of.
    #[must_use]
    pub fn collection_name(&self) -> CollectionName {
        CollectionName { workspace: self.name.workspace.clone(), id: self.collection.clone() }
    }

    /// What it holds; one that is not CREATED, and never was, has nothing to restore or to read.
    pub fn contents(&self) -> Result<&Contents, Error> {
        self.contents.as_ref().ok_or_else(|| Error::internal(format!("{} holds nothing", self.name)))
    }

    /// The manifest that it stands on, if it holds anything.
    pub fn manifest(&self) -> Result<FrozenManifest, Error> {
        Ok(self.contents()?.manifest.of(self.collection_uid, self.uid))
    }

    /// The list of all files of that, some of which may be of dropped intervals.
    pub fn file_list(&self) -> Result<RecordedList, Error> {
        Ok(self.contents()?.manifest.list(self.uid, self.manifest()?, 0))
    }

    /// Whether it is still to be taken, or has ended and still to give its files back.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state != SnapshotState::Created && !self.released
    }

    /// Whether somebody needs its files now, whatever it was when it was read: it is
    /// CREATED, or a restore of it is under way.
    pub fn is_kept(&self, records: &Records) -> Result<bool, Error> {
        let Some(now) = records.get(&self.key())? else { return Ok(false) };
        let has_files = now.contents.is_some() && !now.released;
        Ok(has_files && (now.state == SnapshotState::Created || records.count(&Restore::awaiting(now.uid)) > 0))
    }

    /// Whether it is CREATED now, whatever it was when it was read.
    pub fn is_created(&self, records: &Records) -> Result<bool, Error> {
        let now = records.get(&self.key())?;
        Ok(now.is_some_and(|now| now.state == SnapshotState::Created))
    }

    /// All snapshots by their names, ended ones too.
    #[must_use]
    pub fn by_name() -> Term<Self> {
        Term::all("snapshots by name")
    }

    /// Those that have been neither deleted nor ended by time, by their names.
    #[must_use]
    pub fn shown_by_name() -> Term<Self> {
        Term::all("snapshots shown by name")
    }

    /// Those of a collection, by their times; ended ones too.
    #[must_use]
    pub fn of_collection(collection: Uuid) -> Term<Self> {
        Term::uid("snapshots of a collection", collection)
    }

    /// CREATED ones of a collection, in the order of the manifests that they stand on,
    /// which no clock changes.
    #[must_use]
    pub fn created_of(collection: Uuid) -> Term<Self> {
        Term::uid("created snapshots of a collection", collection)
    }

    /// Those that are still to be taken, or have ended and still to give their files back:
    /// what there is to do.
    #[must_use]
    pub fn pending() -> Term<Self> {
        Term::all("pending snapshots")
    }

    /// The same, of a collection.
    #[must_use]
    pub fn pending_of(collection: Uuid) -> Term<Self> {
        Term::uid("pending snapshots of a collection", collection)
    }

    /// CREATED ones by the times at which they expire.
    #[must_use]
    pub fn expiring() -> Term<Self> {
        Term::all("expiring snapshots")
    }

    /// Those that have given everything back, by the times at which they ended.
    #[must_use]
    pub fn released() -> Term<Self> {
        Term::all("released snapshots")
    }

    /// The same of a workspace.
    #[must_use]
    pub fn released_in(workspace: &Id) -> Term<Self> {
        Term::text("released snapshots of a workspace", workspace.as_str())
    }

    /// REQUESTED and CREATED ones of a workspace, by the times at which they expire.
    #[must_use]
    pub fn live_in(workspace: &Id) -> Term<Self> {
        Term::text("live snapshots of a workspace", workspace.as_str())
    }

    /// The same, of a name.
    #[must_use]
    pub fn live_named(name: &SnapshotName) -> Term<Self> {
        Term::text("live snapshots of a name", name.to_string())
    }

    /// Those of a workspace by the times at which they were requested.
    #[must_use]
    pub fn requested_in(workspace: &Id) -> Term<Self> {
        Term::text("snapshots of a workspace by request", workspace.as_str())
    }

    /// Where it stands among the CREATED ones of its collection.
    #[must_use]
    pub fn manifest_order(&self) -> i64 {
        let id = self.contents.as_ref().map_or(0, |contents| contents.manifest.id);
        i64::try_from(id).unwrap_or(i64::MAX)
    }

    /// When it ends by itself: one that is still to be taken does not.
    fn ends(&self) -> Micros {
        if self.state == SnapshotState::Created { self.expire_time } else { Micros::MAX }
    }
}

impl Record for Snapshot {
    type Message = stored::Snapshot;
    const PREFIX: &'static str = "s/";

    fn key(&self) -> Key<Self> {
        Self::at(&self.name, self.uid)
    }

    fn read(message: stored::Snapshot) -> Result<Self, Damage> {
        let state = SnapshotState::read(message.state)?;
        let contents = Contents::read(&message)?;
        match state {
            SnapshotState::Requested | SnapshotState::Failed if contents.is_some() => return Err(Damage("state")),
            SnapshotState::Created if contents.is_none() => return Err(Damage("totals")),
            _ => {}
        }
        Ok(Self {
            name: SnapshotName {
                workspace: damage::parsed("workspace", &message.workspace)?,
                id: damage::parsed("id", &message.id)?,
            },
            uid: damage::uid("uid", &message.uid)?,
            collection: damage::parsed("collection", &message.collection)?,
            collection_uid: damage::uid("collection_uid", &message.collection_uid)?,
            description: message.description,
            labels: message.labels,
            created_by: message.created_by,
            create_time: message.create_time,
            update_time: message.update_time,
            revision: message.revision,
            state,
            error: message.error,
            expire_time: message.expire_time,
            contents,
            end_time: Some(message.end_time).filter(|time| *time != 0),
            released: message.released,
        })
    }

    fn message(&self) -> stored::Snapshot {
        let held = self.contents.as_ref();
        let number = |read: fn(&Contents) -> i64| held.map_or(0, read);
        stored::Snapshot {
            workspace: self.name.workspace.to_string(),
            id: self.name.id.to_string(),
            uid: self.uid.into(),
            collection: self.collection.to_string(),
            collection_uid: self.collection_uid.into(),
            description: self.description.clone(),
            labels: self.labels.clone(),
            created_by: self.created_by.clone(),
            create_time: self.create_time,
            update_time: self.update_time,
            revision: self.revision,
            state: self.state.stored().into(),
            error: self.error.clone(),
            expire_time: self.expire_time,
            end_time: self.end_time.unwrap_or(0),
            released: self.released,
            snapshot_time: number(|held| held.snapshot_time),
            totals: held.map(|held| held.totals.clone().into()),
            incremental_bytes: number(|held| held.incremental_bytes),
            referenced_bytes: number(|held| held.referenced_bytes),
            new_file_bytes: number(|held| held.new_file_bytes),
            file_count: number(|held| held.file_count),
            checkpoint_id: held.map(|held| held.manifest.checkpoint_id()).unwrap_or_default(),
            manifest_id: held.map_or(0, |held| held.manifest.id),
            file_list_hash: ObjectHash::stored(held.and_then(|held| held.manifest.file_list_hash)),
            manifest_hash: ObjectHash::stored(held.and_then(|held| held.manifest.copy_hash())),
            own_bytes: number(|held| held.own_bytes),
        }
    }
}

impl Contents {
    fn read(message: &stored::Snapshot) -> Result<Option<Self>, Damage> {
        let Some(totals) = &message.totals else { return Ok(None) };
        let stored::Snapshot { manifest_id, checkpoint_id, manifest_hash, file_list_hash, .. } = message;
        Ok(Some(Self {
            snapshot_time: message.snapshot_time,
            totals: Totals::read(totals)?,
            incremental_bytes: message.incremental_bytes,
            referenced_bytes: message.referenced_bytes,
            new_file_bytes: message.new_file_bytes,
            file_count: message.file_count,
            manifest: Manifest::read(*manifest_id, checkpoint_id, manifest_hash, file_list_hash)?,
            own_bytes: message.own_bytes,
        }))
    }
}

impl Indexed for Snapshot {
    fn entries(&self) -> Entries {
        use SnapshotState::{Created, Deleted, Expired, Requested};
        let Self { name, state, collection_uid, .. } = self;
        let (collection, workspace) = (*collection_uid, &name.workspace);
        let is_live = matches!(state, Requested | Created);
        let is_created = *state == Created;
        let snapshot_time = self.contents.as_ref().map_or(0, |contents| contents.snapshot_time);
        let end_time = self.end_time.unwrap_or(0);
        let mut entries = Entries::default();
        entries.add(Self::by_name(), name.to_string().as_str());
        entries.add_if(!matches!(state, Deleted | Expired), Self::shown_by_name, name.to_string().as_str());
        entries.add(Self::of_collection(collection), snapshot_time);
        entries.add_if(is_created, || Self::created_of(collection), self.manifest_order());
        entries.add_if(self.is_pending(), Self::pending, self.create_time);
        entries.add_if(self.is_pending(), || Self::pending_of(collection), self.create_time);
        entries.add_if(is_created, Self::expiring, self.expire_time);
        entries.add_if(self.released, Self::released, end_time);
        entries.add_if(self.released, || Self::released_in(workspace), end_time);
        entries.add_if(is_live, || Self::live_in(workspace), self.ends());
        entries.add_if(is_live, || Self::live_named(name), self.ends());
        entries.add(Self::requested_in(workspace), self.create_time);
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::kinds::fixture;

    /// What a deleted collection waits for, and what stands on its files; the ended ones, of
    /// which there may be thousands, are neither.
    #[test]
    fn a_snapshot_that_has_let_go_is_nothing_of_its_collection() {
        use SnapshotState::{Created, Deleted, Expired, Failed, Requested};
        let collection_uid = Uuid::from_u128(7);
        for (state, released, is_pending, is_created) in [
            (Requested, false, true, false),
            (Created, false, false, true),
            (Deleted, false, true, false),
            (Failed, true, false, false),
            (Expired, true, false, false),
            (Deleted, true, false, false),
        ] {
            let snapshot = Snapshot { collection_uid, state, released, ..fixture::snapshot() };
            let is_under = |term: &Term<Snapshot>| fixture::is_under(&snapshot, term);
            assert_eq!(is_under(&Snapshot::pending_of(collection_uid)), is_pending, "{state:?}");
            assert_eq!(is_under(&Snapshot::created_of(collection_uid)), is_created, "{state:?}");
            assert!(!is_under(&Snapshot::pending_of(Uuid::from_u128(8))));
        }
    }
}
